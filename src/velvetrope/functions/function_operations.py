"""CreateFunction, GetFunction, GetFunctionConfiguration, UpdateFunctionCode, UpdateFunctionConfiguration,
DeleteFunction and ListFunctions.

Code comes as a zip in the call. A change of code or configuration makes a new revision, which takes new sandboxes; a
change of tags or concurrency does not. What is not a parameter of these methods (VPC, images, S3, file systems, KMS
keys …) is refused by name before they run.

Source: AWS Lambda API Reference; texts as recorded in reference/lambda.md sections 5 and 8, others marked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from velvetrope.clock import Entropy
from velvetrope.functions.code import StoredCode
from velvetrope.functions.code_library import CodeLibrary
from velvetrope.functions.configurations import (
    DeadLetterConfig,
    Environment,
    EphemeralStorage,
    FunctionCode,
    LoggingConfig,
    SnapStart,
    TracingConfig,
    check_limits,
    check_logging,
    check_revision,
    check_tracing,
    render_configuration,
)
from velvetrope.functions.destinations import Destinations, check_dead_letter_target
from velvetrope.functions.environment import EnvironmentBox, check_variables
from velvetrope.functions.errors import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from velvetrope.functions.layers import LayerFinder
from velvetrope.functions.names import FunctionReference, parse_function_name
from velvetrope.functions.paging import page_size, parse_marker
from velvetrope.functions.roles import ExecutionRoles
from velvetrope.functions.runtimes import parse_runtime
from velvetrope.functions.tags import with_tags
from velvetrope.functions.versions import new_version
from velvetrope.identifiers import new_uuid
from velvetrope.operations import Answer, Call, operation
from velvetrope.page_tokens import page_of
from velvetrope.store.tables.functions import (
    LATEST,
    Function,
    FunctionConfiguration,
    FunctionStore,
    InvocationTarget,
    parse_version,
)

__all__ = ["FunctionOperations"]


@dataclass(frozen=True, slots=True)
class FunctionOperations:
    """Functions as wholes, and the configuration and code of `$LATEST`."""

    store: FunctionStore
    code: CodeLibrary
    layers: LayerFinder
    roles: ExecutionRoles
    destinations: Destinations
    box: EnvironmentBox
    entropy: Entropy

    @operation
    async def create_function(
        self,
        call: Call,
        *,
        function_name: str,
        role: str,
        code: FunctionCode,
        runtime: str | None = None,
        handler: str | None = None,
        description: str = "",
        timeout: int = 3,  # noqa: ASYNC109  a member of the wire
        memory_size: int = 128,
        publish: bool = False,
        package_type: str = "Zip",
        environment: Environment | None = None,
        tracing_config: TracingConfig | None = None,
        tags: dict[str, str] | None = None,
        architectures: list[str] | None = None,
        ephemeral_storage: EphemeralStorage | None = None,
        dead_letter_config: DeadLetterConfig | None = None,
        layers: list[str] | None = None,
        logging_config: LoggingConfig | None = None,
        snap_start: SnapStart | None = None,  # noqa: ARG002  it has one value only
    ) -> Answer:
        reference = self._changeable(function_name, call)
        if package_type != "Zip":
            raise InvalidParameterValueException(f"The package type {package_type} is not supported here.")
        if not runtime or not handler:
            # UNVERIFIED: AWS's exact words.
            raise InvalidParameterValueException(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages."
            )
        parse_runtime(runtime)
        check_limits(timeout_seconds=timeout, memory_size_mb=memory_size)
        check_tracing(tracing_config)
        check_logging(logging_config, function_name=reference.name)
        dead_letter_arn = _dead_letter_arn(dead_letter_config, call)
        variables = environment.variables if environment else {}
        check_variables(variables)
        if await self.store.load_function(reference.arn) is not None:
            raise _already_exists(reference)
        await self.roles.check_role(role, function_name=reference.name, function_arn=reference.arn)
        stored = await self._put_code(code.zip_file)
        found_layers = await self.layers.find(layers or [], code_sha256=stored.sha256)
        latest = FunctionConfiguration(
            function_name=reference.name,
            function_arn=reference.arn,
            version=LATEST,
            runtime=runtime,
            handler=handler,
            role=role,
            code_sha256=stored.sha256,
            code_size_bytes=stored.size_bytes,
            modified_at=call.now,
            revision_id=new_uuid(self.entropy),
            description=description,
            timeout_seconds=timeout,
            memory_size_mb=memory_size,
            ephemeral_storage_mb=ephemeral_storage.size if ephemeral_storage else 512,
            architectures=tuple(architectures or ["x86_64"]),
            environment_sealed=self.box.seal(variables, reference.arn),
            dead_letter_arn=dead_letter_arn,
            layers=found_layers,
        )
        await self._check_dead_letters(latest)
        await self.destinations.check_dead_letters_exist(latest.dead_letter_arn)
        function = Function(account_id=call.account_id, region=call.region, latest=latest, tags=with_tags({}, tags))
        if not await self.store.create_function(function):
            raise _already_exists(reference)
        # The answer to Publish has the version's number, and the ARN without it, as on AWS.
        shown = await self._publish(reference, call) if publish else latest
        return self._render(shown, reference.arn)

    @operation
    async def get_function(self, call: Call, *, function_name: str, qualifier: str | None = None) -> Answer:
        """The configuration, tags and reserved concurrency. `Code` has no `Location`: nothing serves the zip here."""
        reference = parse_function_name(function_name, qualifier, account_id=call.account_id, region=call.region)
        found = await self._load(reference)
        reserved = found.function.reserved_concurrency
        return {
            "configuration": self._render(found.configuration, reference.qualified_arn),
            "code": {},
            "tags": dict(found.function.tags) or None,
            "concurrency": None if reserved is None else {"reserved_concurrent_executions": reserved},
        }

    @operation
    async def get_function_configuration(
        self, call: Call, *, function_name: str, qualifier: str | None = None
    ) -> Answer:
        reference = parse_function_name(function_name, qualifier, account_id=call.account_id, region=call.region)
        found = await self._load(reference)
        return self._render(found.configuration, reference.qualified_arn)

    @operation
    async def update_function_code(
        self,
        call: Call,
        *,
        function_name: str,
        zip_file: bytes | None = None,
        publish: bool = False,
        dry_run: bool = False,
        revision_id: str | None = None,
        architectures: list[str] | None = None,
    ) -> Answer:
        reference = self._changeable(function_name, call)
        found = await self._load(reference)
        check_revision(found.configuration.revision_id, revision_id)
        stored = await self._put_code(zip_file)
        layers = [layer.code_sha256 for layer in found.configuration.layers]
        if layers:
            await self.layers.check_size([stored.sha256, *layers])

        def change(function: Function) -> Function:
            check_revision(function.latest.revision_id, revision_id)
            latest = msgspec.structs.replace(
                function.latest,
                code_sha256=stored.sha256,
                code_size_bytes=stored.size_bytes,
                architectures=tuple(architectures or function.latest.architectures),
                modified_at=call.now,
                revision_id=new_uuid(self.entropy),
            )
            return msgspec.structs.replace(function, latest=latest)

        if dry_run:
            return self._render(change(found.function).latest, reference.arn)
        return await self._change(reference, change, call, publish=publish)

    @operation
    async def update_function_configuration(
        self,
        call: Call,
        *,
        function_name: str,
        role: str | None = None,
        handler: str | None = None,
        description: str | None = None,
        timeout: int | None = None,  # noqa: ASYNC109  a member of the wire
        memory_size: int | None = None,
        environment: Environment | None = None,
        runtime: str | None = None,
        tracing_config: TracingConfig | None = None,
        ephemeral_storage: EphemeralStorage | None = None,
        dead_letter_config: DeadLetterConfig | None = None,
        layers: list[str] | None = None,
        logging_config: LoggingConfig | None = None,
        snap_start: SnapStart | None = None,  # noqa: ARG002  it has one value only
        revision_id: str | None = None,
    ) -> Answer:
        reference = self._changeable(function_name, call)
        if runtime is not None:
            parse_runtime(runtime)
        check_limits(timeout_seconds=timeout or 1, memory_size_mb=memory_size or 128)
        check_tracing(tracing_config)
        check_logging(logging_config, function_name=reference.name)
        if environment is not None:
            check_variables(environment.variables)
        present = (await self._load(reference)).configuration
        if role is not None:
            await self.roles.check_role(role, function_name=reference.name, function_arn=reference.arn)
        given = {
            "role": role,
            "handler": handler,
            "description": description,
            "timeout_seconds": timeout,
            "memory_size_mb": memory_size,
            "runtime": runtime,
            "ephemeral_storage_mb": ephemeral_storage.size if ephemeral_storage else None,
            "dead_letter_arn": _dead_letter_arn(dead_letter_config, call) if dead_letter_config else None,
            "layers": None if layers is None else await self.layers.find(layers, code_sha256=present.code_sha256),
        }
        changes = {name: value for name, value in given.items() if value is not None}

        if role is not None or dead_letter_config is not None:
            await self._check_dead_letters(msgspec.structs.replace(present, **changes))
        if dead_letter_config is not None:
            await self.destinations.check_dead_letters_exist(dead_letter_config.target_arn)

        def change(function: Function) -> Function:
            check_revision(function.latest.revision_id, revision_id)
            latest = msgspec.structs.replace(
                function.latest, **changes, modified_at=call.now, revision_id=new_uuid(self.entropy)
            )
            if environment is not None:
                sealed = self.box.seal(environment.variables, reference.arn)
                latest = msgspec.structs.replace(latest, environment_sealed=sealed)
            return msgspec.structs.replace(function, latest=latest)

        return await self._change(reference, change, call, publish=False)

    @operation
    async def delete_function(self, call: Call, *, function_name: str, qualifier: str | None = None) -> Answer:
        reference = parse_function_name(function_name, qualifier, account_id=call.account_id, region=call.region)
        if not reference.qualifier:
            if not await self.store.delete_function(reference.arn):
                raise _not_found(reference)
            return {"status_code": 204}
        if reference.qualifier == LATEST:
            # UNVERIFIED: AWS's exact words.
            raise InvalidParameterValueException("$LATEST version cannot be deleted without deleting the function.")
        aliases = await self.store.load_aliases_of_version(reference.arn, reference.qualifier)
        if aliases:
            # UNVERIFIED: AWS's exact words.
            named = ", ".join(alias.name for alias in aliases)
            raise ResourceConflictException(f"The version {reference.qualified_arn} is in use by: {named}")
        number = parse_version(reference.qualifier)
        if number is None or not await self.store.delete_version(reference.arn, number):
            raise _not_found(reference)
        return {"status_code": 204}

    @operation
    async def list_functions(
        self,
        call: Call,
        *,
        function_version: Literal["ALL"] | None = None,
        marker: str | None = None,
        max_items: int | None = None,
    ) -> Answer:
        """By name; with `ALL` each function's published versions too, oldest first, behind it."""
        size = page_size(max_items)
        name, _, version = parse_marker(marker).partition(":")
        listed: list[FunctionConfiguration] = []
        last_version = 0 if version == "0" else parse_version(version)
        if last_version is not None and function_version == "ALL":
            # The page before ended within the versions of a function.
            function_arn = call.arn("lambda", f"function:{name}")
            listed += await self.store.load_versions(function_arn, after=last_version, limit=size + 1)
        found = await self.store.load_functions(call.account_id, call.region, after_name=name, limit=size + 1)
        for function in found:
            if len(listed) > size:
                break
            listed.append(function.latest)
            if function_version == "ALL":
                listed += await self.store.load_versions(function.latest.function_arn, after=0, limit=size + 1)
        page, following = page_of(listed, size, lambda one: f"{one.function_name}:{one.version.replace(LATEST, '0')}")
        return {
            "functions": [
                self._render(
                    one, f"{one.function_arn}:{one.version}" if function_version == "ALL" else one.function_arn
                )
                for one in page
            ],
            "next_marker": following,
        }

    def _changeable(self, function_name: str, call: Call) -> FunctionReference:
        reference = parse_function_name(function_name, account_id=call.account_id, region=call.region)
        if reference.qualifier and reference.qualifier != LATEST:
            # UNVERIFIED: AWS's exact words. Versions cannot be changed, and aliases are not functions.
            raise InvalidParameterValueException("The operation is only supported on the $LATEST version.")
        return FunctionReference(reference.account_id, reference.region, reference.name)

    async def _change(
        self, reference: FunctionReference, change: Callable[[Function], Function], call: Call, *, publish: bool
    ) -> Answer:
        changed = await self.store.change_function(reference.arn, change)
        if changed is None:
            raise _not_found(reference)
        if not publish:
            return self._render(changed.latest, reference.arn)
        published = await self._publish(reference, call)
        return self._render(published, f"{reference.arn}:{published.version}")

    async def _publish(self, reference: FunctionReference, call: Call) -> FunctionConfiguration:
        version = await self.store.publish_version(
            reference.arn, new_version(call.now, revision_id=new_uuid(self.entropy))
        )
        if version is None:
            raise _not_found(reference)
        return version

    async def _check_dead_letters(self, configuration: FunctionConfiguration) -> None:
        if configuration.dead_letter_arn:
            role = await self.roles.act_as(configuration)
            await self.destinations.check_dead_letters_allowed(configuration.dead_letter_arn, role=role)

    async def _put_code(self, zip_file: bytes | None) -> StoredCode:
        if zip_file is None:
            # UNVERIFIED: AWS's exact words.
            raise InvalidParameterValueException("Please provide a source for function code.")
        return await self.code.keep(zip_file)

    async def _load(self, reference: FunctionReference) -> InvocationTarget:
        found = await self.store.load_target(reference.arn, reference.qualifier)
        if found is None:
            raise _not_found(reference)
        return found

    def _render(self, configuration: FunctionConfiguration, function_arn: str) -> dict[str, object]:
        variables = self.box.open(configuration.environment_sealed, configuration.function_arn)
        return render_configuration(configuration, function_arn=function_arn, variables=variables)


def _dead_letter_arn(config: DeadLetterConfig | None, call: Call) -> str:
    arn = config.target_arn if config else ""
    check_dead_letter_target(arn, account_id=call.account_id, region=call.region)
    return arn


def _already_exists(reference: FunctionReference) -> ResourceConflictException:
    # UNVERIFIED: AWS's exact words, "exist" included.
    return ResourceConflictException(f"Function already exist: {reference.name}")


def _not_found(reference: FunctionReference) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"Function not found: {reference.qualified_arn}")

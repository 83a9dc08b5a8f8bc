"""Published versions and aliases: PublishVersion, ListVersionsByFunction, and Create-, Get-, Update-, Delete- and
ListAlias(es).

A version is `$LATEST` as it was, under a number that is never used twice. Publishing what is already the newest version
gives that version again. An alias is a name for one version, or shares its calls between two published ones
(`RoutingConfig`): each call is decided by chance, so that the shares are right on the whole only.

Source: AWS Lambda Developer Guide, "Manage Lambda function versions", "Create an alias for a Lambda function"; texts as
recorded in reference/lambda.md sections 8 and 9.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from velvetrope.clock import Entropy
from velvetrope.functions.configurations import check_revision, render_configuration, render_sha256
from velvetrope.functions.environment import EnvironmentBox
from velvetrope.functions.errors import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from velvetrope.functions.names import FunctionReference, parse_function_name
from velvetrope.functions.paging import invalid_marker, page_size, parse_marker
from velvetrope.identifiers import new_uuid
from velvetrope.operations import Answer, Call, operation
from velvetrope.page_tokens import page_of
from velvetrope.store.tables.functions import (
    LATEST,
    Function,
    FunctionAlias,
    FunctionConfiguration,
    FunctionStore,
    parse_version,
)

__all__ = ["AliasOperations", "VersionOperations", "new_version"]

_NOT_PUBLISHED = {"version", "revision_id", "modified_at", "environment_sealed"}


def new_version(
    now: datetime,
    *,
    revision_id: str,
    description: str | None = None,
    code_sha256: str | None = None,
    expected_revision_id: str | None = None,
    box: EnvironmentBox | None = None,
) -> Callable[[Function, FunctionConfiguration | None], FunctionConfiguration]:
    """What `FunctionStore.publish_version` makes the next version with.

    `code_sha256` is the digest that the caller means to publish, in base64 as AWS shows it; `box` tells whether sealed
    variables are the same.
    """

    def publish(function: Function, newest: FunctionConfiguration | None) -> FunctionConfiguration:
        latest = function.latest
        check_revision(latest.revision_id, expected_revision_id)
        present = render_sha256(latest.code_sha256)
        if code_sha256 is not None and code_sha256 != present:
            # UNVERIFIED: AWS's exact words.
            raise InvalidParameterValueException(
                f"CodeSHA256 ({code_sha256}) is different from current CodeSHA256 in $LATEST ({present}). "
                "Please try again with the CodeSHA256 in $LATEST."
            )
        if newest is not None and _same(latest, newest, box):
            return newest
        return msgspec.structs.replace(
            latest,
            version=str(function.last_published + 1),
            description=latest.description if description is None else description,
            modified_at=now,
            revision_id=revision_id,
        )

    return publish


def _same(latest: FunctionConfiguration, newest: FunctionConfiguration, box: EnvironmentBox | None) -> bool:
    """Whether nothing has changed since `newest` was published.

    A description is no change: "code and configuration" is what AWS compares (API Reference, PublishVersion), and that
    a description that is passed, or was changed in `$LATEST`, is none of either is UNVERIFIED.
    """
    for name in FunctionConfiguration.__struct_fields__:
        if name not in {*_NOT_PUBLISHED, "description"} and getattr(latest, name) != getattr(newest, name):
            return False
    if latest.environment_sealed == newest.environment_sealed:
        return True
    if box is None:
        return False
    arn = latest.function_arn
    return box.open(latest.environment_sealed, arn) == box.open(newest.environment_sealed, arn)


@dataclass(frozen=True, slots=True)
class VersionOperations:
    """Published versions."""

    store: FunctionStore
    box: EnvironmentBox
    entropy: Entropy

    @operation
    async def publish_version(
        self,
        call: Call,
        *,
        function_name: str,
        code_sha256: str | None = None,
        description: str | None = None,
        revision_id: str | None = None,
    ) -> Answer:
        reference = parse_function_name(function_name, account_id=call.account_id, region=call.region)
        publish = new_version(
            call.now,
            revision_id=new_uuid(self.entropy),
            description=description,
            code_sha256=code_sha256,
            expected_revision_id=revision_id,
            box=self.box,
        )
        version = await self.store.publish_version(reference.arn, publish)
        if version is None:
            raise ResourceNotFoundException(f"Function not found: {reference.arn}")
        return self._render(version)

    @operation
    async def list_versions_by_function(
        self, call: Call, *, function_name: str, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        """`$LATEST` first, then the published versions, oldest first."""
        reference = parse_function_name(function_name, account_id=call.account_id, region=call.region)
        function = await self.store.load_function(reference.arn)
        if function is None:
            raise ResourceNotFoundException(f"Function not found: {reference.arn}")
        size = page_size(max_items)
        last = parse_marker(marker)
        after = 0 if last in {"", "0"} else parse_version(last)
        if after is None:
            raise invalid_marker()
        found = [] if last else [function.latest]
        found += await self.store.load_versions(reference.arn, after=after, limit=size + 1)
        page, following = page_of(found, size, key=lambda one: "0" if one.version == LATEST else one.version)
        return {"versions": [self._render(version) for version in page], "next_marker": following}

    def _render(self, version: FunctionConfiguration) -> dict[str, object]:
        variables = self.box.open(version.environment_sealed, version.function_arn)
        arn = f"{version.function_arn}:{version.version}"
        return render_configuration(version, function_arn=arn, variables=variables)


class RoutingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which other version gets a share of an alias's calls, from 0.0 to 1.0. Empty takes the share away."""

    additional_version_weights: dict[str, float] = {}


@dataclass(frozen=True, slots=True)
class AliasOperations:
    """Names for versions."""

    store: FunctionStore
    entropy: Entropy

    @operation
    async def create_alias(
        self,
        call: Call,
        *,
        function_name: str,
        name: str,
        function_version: str,
        description: str = "",
        routing_config: RoutingConfig | None = None,
    ) -> Answer:
        reference = parse_function_name(function_name, account_id=call.account_id, region=call.region)
        await self._check_version(reference, function_version)
        additional_version, weight = await self._check_routing(reference, routing_config)
        alias = FunctionAlias(
            function_arn=reference.arn,
            name=name,
            function_version=function_version,
            revision_id=new_uuid(self.entropy),
            description=description,
            additional_version=additional_version,
            additional_weight=weight,
        )
        _check_pair(alias)
        if not await self.store.create_alias(alias):
            raise ResourceConflictException(f"Alias already exists: {reference.arn}:{name}")
        return _render_alias(alias)

    @operation
    async def get_alias(self, call: Call, *, function_name: str, name: str) -> Answer:
        reference = parse_function_name(function_name, account_id=call.account_id, region=call.region)
        alias = await self.store.load_alias(reference.arn, name)
        if alias is None:
            raise ResourceNotFoundException(f"Cannot find alias arn: {reference.arn}:{name}")
        return _render_alias(alias)

    @operation
    async def update_alias(
        self,
        call: Call,
        *,
        function_name: str,
        name: str,
        function_version: str | None = None,
        description: str | None = None,
        revision_id: str | None = None,
        routing_config: RoutingConfig | None = None,
    ) -> Answer:
        reference = parse_function_name(function_name, account_id=call.account_id, region=call.region)
        if function_version is not None:
            await self._check_version(reference, function_version)
        additional = await self._check_routing(reference, routing_config)

        def change(alias: FunctionAlias) -> FunctionAlias:
            check_revision(alias.revision_id, revision_id)
            changed = msgspec.structs.replace(
                alias,
                function_version=function_version or alias.function_version,
                description=alias.description if description is None else description,
                revision_id=new_uuid(self.entropy),
            )
            if routing_config is not None:
                changed = msgspec.structs.replace(
                    changed, additional_version=additional[0], additional_weight=additional[1]
                )
            _check_pair(changed)
            return changed

        changed = await self.store.change_alias(reference.arn, name, change)
        if changed is None:
            raise ResourceNotFoundException(f"Alias not found: {reference.arn}:{name}")
        return _render_alias(changed)

    @operation
    async def delete_alias(self, call: Call, *, function_name: str, name: str) -> Answer:
        """Answers alike whether the alias was there or not, as AWS does (UNVERIFIED)."""
        reference = parse_function_name(function_name, account_id=call.account_id, region=call.region)
        await self.store.delete_alias(reference.arn, name)
        return None

    @operation
    async def list_aliases(
        self,
        call: Call,
        *,
        function_name: str,
        function_version: str | None = None,
        marker: str | None = None,
        max_items: int | None = None,
    ) -> Answer:
        reference = parse_function_name(function_name, account_id=call.account_id, region=call.region)
        if await self.store.load_function(reference.arn) is None:
            raise ResourceNotFoundException(f"Function not found: {reference.arn}")
        if function_version is not None:
            of_version = await self.store.load_aliases_of_version(reference.arn, function_version)
            return {"aliases": [_render_alias(alias) for alias in of_version]}
        size = page_size(max_items)
        found = await self.store.load_aliases(reference.arn, after_name=parse_marker(marker), limit=size + 1)
        page, following = page_of(found, size, key=lambda alias: alias.name)
        return {"aliases": [_render_alias(alias) for alias in page], "next_marker": following}

    async def _check_routing(self, reference: FunctionReference, routing: RoutingConfig | None) -> tuple[str, float]:
        """The one additional version and its weight; an empty name if there is none."""
        weights = routing.additional_version_weights if routing else {}
        if not weights:
            return "", 0.0
        if len(weights) > 1:
            # UNVERIFIED: AWS's exact words.
            raise InvalidParameterValueException("Number of items in AdditionalVersionWeights cannot be greater than 1")
        version, weight = next(iter(weights.items()))
        await self._check_version(reference, version)
        return version, weight

    async def _check_version(self, reference: FunctionReference, version: str) -> None:
        if version != LATEST and parse_version(version) is None:
            raise InvalidParameterValueException(f"The version {version} is not valid.")
        if await self.store.load_target(reference.arn, version) is None:
            raise ResourceNotFoundException(f"Function not found: {reference.arn}:{version}")


def _check_pair(alias: FunctionAlias) -> None:
    """Refuse a share for or beside `$LATEST`, and a version that shares with itself."""
    if not alias.additional_version:
        return
    if LATEST in {alias.function_version, alias.additional_version}:
        raise InvalidParameterValueException("$LATEST is not supported for an alias pointing to more than 1 version")
    if alias.function_version == alias.additional_version:
        # UNVERIFIED: AWS's exact words.
        raise InvalidParameterValueException(
            f"Invalid function version {alias.function_version}. Function version {alias.function_version} is already "
            "included in routing configuration."
        )


def _render_alias(alias: FunctionAlias) -> dict[str, object]:
    shares = {alias.additional_version: alias.additional_weight}
    return {
        "alias_arn": f"{alias.function_arn}:{alias.name}",
        "name": alias.name,
        "function_version": alias.function_version,
        "description": alias.description,
        "revision_id": alias.revision_id,
        "routing_config": {"additional_version_weights": shares} if alias.additional_version else None,
    }

"""PublishLayerVersion, GetLayerVersion, GetLayerVersionByArn, DeleteLayerVersion, ListLayers, ListLayerVersions, and
the policies of versions: AddLayerVersionPermission, RemoveLayerVersionPermission, GetLayerVersionPolicy.

Content comes as a zip in the call, and no operation hands it out again: `Location` is left out of the answers.
A version is private to the account that published it; there is one account here, so that policies decide for its own
users and roles only.

Source: AWS Lambda API Reference. Texts marked UNVERIFIED are ours.
"""

from dataclasses import dataclass

import msgspec

from velvetrope.clock import Entropy
from velvetrope.functions.code_library import CodeLibrary
from velvetrope.functions.configurations import render_sha256, render_time
from velvetrope.functions.errors import InvalidParameterValueException, ResourceNotFoundException
from velvetrope.functions.layers import MAX_VERSION, parse_layer_name, parse_version_arn
from velvetrope.functions.paging import invalid_marker, page_size, parse_marker
from velvetrope.functions.permissions import add_statement, remove_statement, render_statement
from velvetrope.identifiers import new_uuid
from velvetrope.operations import Answer, Call, operation
from velvetrope.page_tokens import page_of
from velvetrope.policy import MalformedPolicy, parse_policy
from velvetrope.store.tables.function_layers import LayerStore, LayerVersion
from velvetrope.store.tables.functions import FunctionPolicy, parse_version

__all__ = ["LayerOperations", "LayerVersionContent"]

_MANY = 1000


class LayerVersionContent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the content is: in the call itself. There is no S3 here."""

    zip_file: bytes | None = None


@dataclass(frozen=True, slots=True)
class LayerOperations:
    """Layers."""

    store: LayerStore
    code: CodeLibrary
    entropy: Entropy

    @operation
    async def publish_layer_version(
        self,
        call: Call,
        *,
        layer_name: str,
        content: LayerVersionContent,
        description: str = "",
        compatible_runtimes: list[str] | None = None,
        compatible_architectures: list[str] | None = None,
        license_info: str = "",
    ) -> Answer:
        layer_arn, name = parse_layer_name(layer_name, call)
        if content.zip_file is None:
            # UNVERIFIED: AWS's exact words.
            raise InvalidParameterValueException("Please provide a source for the layer's content.")
        stored = await self.code.keep(content.zip_file)

        def publish(number: int) -> LayerVersion:
            return LayerVersion(
                layer_arn=layer_arn,
                version=number,
                code_sha256=stored.sha256,
                code_size_bytes=stored.size_bytes,
                created_at=call.now,
                description=description,
                license_info=license_info,
                compatible_runtimes=tuple(compatible_runtimes or ()),
                compatible_architectures=tuple(compatible_architectures or ()),
            )

        return _render(await self.store.publish_version(layer_arn, name, publish), with_content=True)

    @operation
    async def get_layer_version(self, call: Call, *, layer_name: str, version_number: int) -> Answer:
        layer_arn, _ = parse_layer_name(layer_name, call)
        return _render(await self._load(layer_arn, version_number), with_content=True)

    @operation
    async def get_layer_version_by_arn(self, call: Call, *, arn: str) -> Answer:  # noqa: ARG002  the ARN says it all
        parsed = parse_version_arn(arn)
        if parsed is None:
            raise _not_found()
        return _render(await self._load(*parsed), with_content=True)

    @operation
    async def delete_layer_version(self, call: Call, *, layer_name: str, version_number: int) -> Answer:
        """Answers alike whether the version was there or not, as AWS does."""
        layer_arn, _ = parse_layer_name(layer_name, call)
        if 0 < version_number <= MAX_VERSION:
            await self.store.delete_version(layer_arn, version_number)
        return None

    @operation
    async def list_layer_versions(
        self,
        call: Call,
        *,
        layer_name: str,
        compatible_runtime: str | None = None,
        compatible_architecture: str | None = None,
        marker: str | None = None,
        max_items: int | None = None,
    ) -> Answer:
        """Newest first."""
        layer_arn, _ = parse_layer_name(layer_name, call)
        size = page_size(max_items)
        last = parse_marker(marker)
        before = parse_version(last) if last else None
        if last and before is None:
            raise invalid_marker()
        found = await self._fitting(
            layer_arn,
            before=before,
            limit=size + 1,
            runtime=compatible_runtime,
            architecture=compatible_architecture,
        )
        page, following = page_of(found, size, key=lambda version: str(version.version))
        return {"layer_versions": [_render(version) for version in page], "next_marker": following}

    @operation
    async def list_layers(
        self,
        call: Call,  # noqa: ARG002
        *,
        compatible_runtime: str | None = None,
        compatible_architecture: str | None = None,
        marker: str | None = None,
        max_items: int | None = None,
    ) -> Answer:
        """Each with its newest version that fits; layers of which none does are left out."""
        size = page_size(max_items)
        found: list[tuple[str, str, LayerVersion]] = []
        after = parse_marker(marker)
        while len(found) <= size:
            layers = await self.store.load_layers(after_arn=after, limit=size + 1)
            for layer in layers:
                newest = await self._fitting(
                    layer.layer_arn,
                    before=None,
                    limit=1,
                    runtime=compatible_runtime,
                    architecture=compatible_architecture,
                )
                found += [(layer.layer_arn, layer.layer_name, version) for version in newest]
            if len(layers) <= size:
                break
            after = layers[-1].layer_arn
        page, following = page_of(found, size, key=lambda layer: layer[0])
        return {
            "layers": [
                {"layer_name": name, "layer_arn": arn, "latest_matching_version": _render(version)}
                for arn, name, version in page
            ],
            "next_marker": following,
        }

    @operation
    async def add_layer_version_permission(
        self,
        call: Call,
        *,
        layer_name: str,
        version_number: int,
        statement_id: str,
        action: str,
        principal: str,
        organization_id: str | None = None,
        revision_id: str | None = None,
    ) -> Answer:
        version = await self._load(parse_layer_name(layer_name, call)[0], version_number)
        account = principal if not principal.isdecimal() else f"arn:aws:iam::{principal}:root"
        statement: dict[str, object] = {
            "Sid": statement_id,
            "Effect": "Allow",
            "Principal": "*" if principal == "*" else {"AWS": account},
            "Action": action,
            "Resource": version.version_arn,
        }
        if organization_id is not None:
            statement["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": organization_id}}
        new_revision_id = new_uuid(self.entropy)

        def change(present: FunctionPolicy | None) -> FunctionPolicy:
            changed = add_statement(
                present,
                statement,
                function_arn=version.layer_arn,
                qualifier=str(version.version),
                new_revision_id=new_revision_id,
                expected_revision_id=revision_id,
            )
            try:
                parse_policy(changed.document, kind="resource")
            except MalformedPolicy as err:
                raise InvalidParameterValueException(err.message, detail=err.detail) from err
            return changed

        await self.store.change_policy(version.layer_arn, version.version, change)
        return {"statement": render_statement(statement), "revision_id": new_revision_id}

    @operation
    async def remove_layer_version_permission(
        self,
        call: Call,
        *,
        layer_name: str,
        version_number: int,
        statement_id: str,
        revision_id: str | None = None,
    ) -> Answer:
        version = await self._load(parse_layer_name(layer_name, call)[0], version_number)
        new_revision_id = new_uuid(self.entropy)

        def change(present: FunctionPolicy | None) -> FunctionPolicy | None:
            return remove_statement(
                present, statement_id, new_revision_id=new_revision_id, expected_revision_id=revision_id
            )

        await self.store.change_policy(version.layer_arn, version.version, change)
        return None

    @operation
    async def get_layer_version_policy(self, call: Call, *, layer_name: str, version_number: int) -> Answer:
        version = await self._load(parse_layer_name(layer_name, call)[0], version_number)
        policy = await self.store.load_policy(version.layer_arn, version.version)
        if policy is None:
            raise ResourceNotFoundException("No policy is associated with the given resource.")
        return {"policy": policy.document, "revision_id": policy.revision_id}

    async def _load(self, layer_arn: str, version: int) -> LayerVersion:
        found = await self.store.load_version(layer_arn, version) if 0 < version <= MAX_VERSION else None
        if found is None:
            raise _not_found()
        return found

    async def _fitting(
        self, layer_arn: str, *, before: int | None, limit: int, runtime: str | None, architecture: str | None
    ) -> list[LayerVersion]:
        found: list[LayerVersion] = []
        while len(found) < limit:
            some = await self.store.load_versions(layer_arn, before=before, limit=_MANY)
            found += [version for version in some if version.fits(runtime, architecture)]
            if len(some) < _MANY:
                break
            before = some[-1].version
        return found[:limit]


def _not_found() -> ResourceNotFoundException:
    return ResourceNotFoundException("The resource you requested does not exist.")


def _render(version: LayerVersion, *, with_content: bool = False) -> dict[str, object]:
    shown: dict[str, object] = {
        "layer_version_arn": version.version_arn,
        "version": version.version,
        "description": version.description,
        "created_date": render_time(version.created_at),
        "compatible_runtimes": list(version.compatible_runtimes) or None,
        "compatible_architectures": list(version.compatible_architectures) or None,
        "license_info": version.license_info or None,
    }
    if with_content:
        shown["layer_arn"] = version.layer_arn
        shown["content"] = {
            "code_sha256": render_sha256(version.code_sha256),
            "code_size": version.code_size_bytes,
        }
    return shown

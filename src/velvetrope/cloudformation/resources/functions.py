"""AWS::Lambda::Function, Permission, Version and Alias.

`Code.ZipFile` is the source text of `index.py` (or `index.js`), as CloudFormation means it, and not base64 of a zip.
`Code.S3Bucket` and `S3Key` name an object that was handed in with the template; there is no S3.

Source: CloudFormation User Guide, "AWS Lambda resource type reference" (AWS::Lambda::Function Code); Lambda API.
"""

import io
from collections.abc import Mapping
from typing import Any, Final

from velvetrope.cloudformation.errors import ResourceRefused
from velvetrope.cloudformation.resource import (
    ByOperations,
    Made,
    ResourceCall,
    ResourceHandler,
    tag_changes,
    tags_as_map,
    text_member,
)
from velvetrope.cloudformation.schemas import Properties

__all__ = ["FUNCTION_HANDLERS", "zip_of_source"]

_SERVICE: Final = "lambda"
_CONFIGURATION: Final = frozenset(
    {
        "DeadLetterConfig",
        "Description",
        "Environment",
        "EphemeralStorage",
        "FileSystemConfigs",
        "Handler",
        "ImageConfig",
        "Layers",
        "LoggingConfig",
        "MemorySize",
        "Role",
        "Runtime",
        "SnapStart",
        "Timeout",
        "TracingConfig",
        "VpcConfig",
    }
)
"""Properties that CreateFunction and UpdateFunctionConfiguration both take, under the same name."""
_DEFAULTS: Final[Mapping[str, object]] = {
    "DeadLetterConfig": {"TargetArn": ""},
    "Description": "",
    "Environment": {"Variables": {}},
    "EphemeralStorage": {"Size": 512},
    "Layers": [],
    "MemorySize": 128,
    "Timeout": 3,
    "TracingConfig": {"Mode": "PassThrough"},
}
"""What UpdateFunctionConfiguration is told for a property that was taken out; unlike others, it keeps what it is not
told. Source: Lambda API Reference, CreateFunction (defaults)."""


class FunctionHandler:
    """AWS::Lambda::Function. `Ref` is the function's name."""

    type: Final = "AWS::Lambda::Function"
    properties: Final = _CONFIGURATION | {
        "Architectures",
        "Code",
        "FunctionName",
        "PackageType",
        "ReservedConcurrentExecutions",
        "Tags",
    }
    attributes: Final = frozenset({"Arn"})
    fixed: Final[Mapping[str, str]] = {}

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        name = properties.get("FunctionName") or at.new_name(max_length=64)
        parameters: dict[str, object] = {
            "FunctionName": name,
            "Code": {"ZipFile": _code(at, properties)},
            **{member: value for member, value in properties.items() if member in _CONFIGURATION},
            **{member: properties[member] for member in ("Architectures", "PackageType") if member in properties},
        }
        if "Tags" in properties:
            parameters["Tags"] = tags_as_map(properties["Tags"])
        answer = await at.invoke(_SERVICE, "CreateFunction", parameters)
        made = at.identify(Made(name, name, {"Arn": text_member(answer, "FunctionArn")}))
        await self._set_concurrency(at, name, {}, properties)
        return made

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        name = made.physical_id
        if old["Code"] != new["Code"] or old.get("Architectures") != new.get("Architectures"):
            parameters: dict[str, object] = {"FunctionName": name, "ZipFile": _code(at, new)}
            if "Architectures" in new:
                parameters["Architectures"] = new["Architectures"]
            await at.invoke(_SERVICE, "UpdateFunctionCode", parameters)
        changed = _changed_configuration(old, new)
        if changed:
            await at.invoke(_SERVICE, "UpdateFunctionConfiguration", {"FunctionName": name, **changed})
        await self._set_tags(at, made.attributes["Arn"], old, new)
        await self._set_concurrency(at, name, old, new)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        await at.invoke_unless_gone(_SERVICE, "DeleteFunction", {"FunctionName": made.physical_id})

    async def _set_tags(self, at: ResourceCall, arn: str, old: Properties, new: Properties) -> None:
        changed, gone = tag_changes(old, new)
        if changed:
            await at.invoke(_SERVICE, "TagResource", {"Resource": arn, "Tags": changed})
        if gone:
            await at.invoke(_SERVICE, "UntagResource", {"Resource": arn, "TagKeys": gone})

    async def _set_concurrency(self, at: ResourceCall, name: str, old: Properties, new: Properties) -> None:
        was, now = old.get("ReservedConcurrentExecutions"), new.get("ReservedConcurrentExecutions")
        if was == now:
            return
        if now is None:
            await at.invoke(_SERVICE, "DeleteFunctionConcurrency", {"FunctionName": name})
        else:
            parameters = {"FunctionName": name, "ReservedConcurrentExecutions": now}
            await at.invoke(_SERVICE, "PutFunctionConcurrency", parameters)


def _changed_configuration(old: Properties, new: Properties) -> dict[str, object]:
    changed = {name for name in _CONFIGURATION if old.get(name) != new.get(name)}
    for name in changed:
        if name not in new and name not in _DEFAULTS:
            raise ResourceRefused(f"{name} cannot be taken out of a function; give it another value.")
    return {name: new[name] if name in new else _DEFAULTS[name] for name in sorted(changed)}


def _code(at: ResourceCall, properties: Properties) -> bytes:
    code: Mapping[str, Any] = properties["Code"]
    match sorted(code):
        case ["ZipFile"]:
            runtime = properties.get("Runtime", "")
            return zip_of_source(code["ZipFile"], "index.js" if runtime.startswith("nodejs") else "index.py")
        case ["S3Bucket", "S3Key"]:
            return at.artifact(code["S3Bucket"], code["S3Key"])
        case names:
            raise ResourceRefused(
                f"Code with {', '.join(names) or 'nothing in it'} is not supported by velvetrope: give ZipFile, or "
                "S3Bucket and S3Key of an object that comes with the template."
            )


def zip_of_source(source: str, file_name: str) -> bytes:
    """A zip with one file, the same bytes for the same source: its time is 1980-01-01, zip's earliest."""
    import zipfile  # only inline source needs it

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(file_name, date_time=(1980, 1, 1, 0, 0, 0))
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, source, zipfile.ZIP_DEFLATED)
    return out.getvalue()


class PermissionHandler:
    """AWS::Lambda::Permission: one statement of a function's resource policy. `Ref` is the statement's id."""

    type: Final = "AWS::Lambda::Permission"
    properties: Final = frozenset(
        {
            "Action",
            "EventSourceToken",
            "FunctionName",
            "FunctionUrlAuthType",
            "InvokedViaFunctionUrl",
            "Principal",
            "PrincipalOrgID",
            "SourceAccount",
            "SourceArn",
        }
    )
    attributes: Final = frozenset({"Id"})
    fixed: Final[Mapping[str, str]] = {}

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        statement_id = at.new_name(max_length=100)
        await at.invoke(_SERVICE, "AddPermission", {"StatementId": statement_id, **properties})
        return Made(statement_id, statement_id, {"Id": statement_id})

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:  # noqa: ARG002
        # Every property of it makes a replacement, by its schema.
        raise ResourceRefused("A permission cannot be changed in place.")

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        parameters = {"FunctionName": properties["FunctionName"], "StatementId": made.physical_id}
        await at.invoke_unless_gone(_SERVICE, "RemovePermission", parameters)


class AliasHandler:
    """AWS::Lambda::Alias. `Ref` is its ARN."""

    type: Final = "AWS::Lambda::Alias"
    properties: Final = frozenset({"Description", "FunctionName", "FunctionVersion", "Name", "RoutingConfig"})
    attributes: Final = frozenset({"AliasArn"})
    fixed: Final[Mapping[str, str]] = {}

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        answer = await at.invoke(_SERVICE, "CreateAlias", self._input(properties))
        arn = text_member(answer, "AliasArn")
        return Made(arn, arn, {"AliasArn": arn})

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        parameters = {"Description": "", **self._input(new)}
        if "RoutingConfig" in old:
            parameters.setdefault("RoutingConfig", {"AdditionalVersionWeights": {}})
        await at.invoke(_SERVICE, "UpdateAlias", parameters)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        parameters = {"FunctionName": properties["FunctionName"], "Name": properties["Name"]}
        await at.invoke_unless_gone(_SERVICE, "DeleteAlias", parameters)

    def _input(self, properties: Properties) -> dict[str, object]:
        parameters: dict[str, object] = dict(properties)
        if "RoutingConfig" in properties:
            weights = properties["RoutingConfig"].get("AdditionalVersionWeights", [])
            parameters["RoutingConfig"] = {
                "AdditionalVersionWeights": {weight["FunctionVersion"]: weight["FunctionWeight"] for weight in weights}
            }
        return parameters


def _read_version(at: ResourceCall, properties: Properties, answer: Mapping[str, object]) -> Made:  # noqa: ARG001
    arn, version = text_member(answer, "FunctionArn"), text_member(answer, "Version")
    return Made(arn, arn, {"FunctionArn": arn, "Version": version})


FUNCTION_HANDLERS: Final[tuple[ResourceHandler, ...]] = (
    FunctionHandler(),
    PermissionHandler(),
    ByOperations(
        type="AWS::Lambda::Version",
        service=_SERVICE,
        create_operation="PublishVersion",
        members={"CodeSha256": "CodeSha256", "Description": "Description", "FunctionName": "FunctionName"},
        attributes=frozenset({"FunctionArn", "Version"}),
        read=_read_version,
        key=lambda made, properties: {
            "FunctionName": properties["FunctionName"],
            "Qualifier": made.attributes["Version"],
        },
        delete_operation="DeleteFunction",
    ),
    AliasHandler(),
)

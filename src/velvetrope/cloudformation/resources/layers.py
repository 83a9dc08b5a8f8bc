"""AWS::Lambda::LayerVersion and AWS::Lambda::LayerVersionPermission. `Ref` of a version is its ARN.

`Content` names an object that was handed in with the template; there is no S3.

Source: CloudFormation User Guide, the two types; Lambda API, PublishLayerVersion, AddLayerVersionPermission.
"""

from collections.abc import Mapping
from typing import Any, Final

from velvetrope.cloudformation.errors import ResourceRefused
from velvetrope.cloudformation.resource import Made, ResourceCall, ResourceHandler, text_member
from velvetrope.cloudformation.schemas import Properties

__all__ = ["LAYER_HANDLERS"]

_SERVICE: Final = "lambda"


class LayerVersionHandler:
    """A layer version: any change makes another."""

    type: Final = "AWS::Lambda::LayerVersion"
    properties: Final = frozenset(
        {"CompatibleArchitectures", "CompatibleRuntimes", "Content", "Description", "LayerName", "LicenseInfo"}
    )
    attributes: Final = frozenset({"LayerVersionArn"})
    fixed: Final[Mapping[str, str]] = {}

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        content: Mapping[str, Any] = properties["Content"]
        if sorted(content) != ["S3Bucket", "S3Key"]:
            raise ResourceRefused("Content is S3Bucket and S3Key of an object that comes with the template.")
        # Named after its place in the template, so that the next one is the next version of the same layer.
        name = properties.get("LayerName") or at.logical_id
        parameters = {
            **properties,
            "LayerName": name,
            "Content": {"ZipFile": at.artifact(content["S3Bucket"], content["S3Key"])},
        }
        arn = text_member(await at.invoke(_SERVICE, "PublishLayerVersion", parameters), "LayerVersionArn")
        return Made(arn, arn, {"LayerVersionArn": arn})

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:  # noqa: ARG002
        # Every property of it makes a replacement, by its schema.
        raise ResourceRefused("A layer version cannot be changed.")

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        await at.invoke_unless_gone(_SERVICE, "DeleteLayerVersion", _version(made.physical_id))


class LayerVersionPermissionHandler:
    """One statement of a version's policy. `Ref` is the version's ARN and the statement's id with `#` between them."""

    type: Final = "AWS::Lambda::LayerVersionPermission"
    properties: Final = frozenset({"Action", "LayerVersionArn", "OrganizationId", "Principal"})
    attributes: Final = frozenset({"Id"})
    fixed: Final[Mapping[str, str]] = {}

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        statement_id = at.new_name(max_length=100)
        given = {name: value for name, value in properties.items() if name != "LayerVersionArn"}
        parameters = {**_version(properties["LayerVersionArn"]), **given, "StatementId": statement_id}
        await at.invoke(_SERVICE, "AddLayerVersionPermission", parameters)
        made_id = f"{properties['LayerVersionArn']}#{statement_id}"
        return Made(made_id, made_id, {"Id": made_id})

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:  # noqa: ARG002
        # Every property of it makes a replacement, by its schema.
        raise ResourceRefused("A permission cannot be changed in place.")

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        statement_id = made.physical_id.rpartition("#")[2]
        parameters = {**_version(properties["LayerVersionArn"]), "StatementId": statement_id}
        await at.invoke_unless_gone(_SERVICE, "RemoveLayerVersionPermission", parameters)


def _version(arn: str) -> dict[str, object]:
    """A version's ARN as the operations take it: the layer's name, and the number."""
    layer_arn, _, number = arn.rpartition(":")
    if not number.isdecimal():
        raise ResourceRefused(f"{arn} is not the ARN of a layer version.")
    return {"LayerName": layer_arn.rpartition(":")[2], "VersionNumber": int(number)}


LAYER_HANDLERS: Final[tuple[ResourceHandler, ...]] = (LayerVersionHandler(), LayerVersionPermissionHandler())

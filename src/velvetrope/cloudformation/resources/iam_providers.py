"""AWS::IAM::OIDCProvider and AWS::IAM::SAMLProvider. `Ref` is the ARN.

Source: CloudFormation User Guide, "AWS Identity and Access Management resource type reference"; IAM API Reference.
"""

from collections.abc import Mapping
from typing import Any, Final

from velvetrope.cloudformation.errors import ResourceRefused
from velvetrope.cloudformation.resource import Made, ResourceCall, ResourceHandler, tag_changes, text_member
from velvetrope.cloudformation.schemas import Properties

__all__ = ["IAM_PROVIDER_HANDLERS"]

_SERVICE: Final = "iam"
_NOTHING_FIXED: Final[Mapping[str, str]] = {}


class OpenIdProviderHandler:
    """An OpenID Connect issuer whose tokens roles may trust."""

    type: Final = "AWS::IAM::OIDCProvider"
    properties: Final = frozenset({"ClientIdList", "Tags", "ThumbprintList", "Url"})
    attributes: Final = frozenset({"Arn"})
    fixed: Final = _NOTHING_FIXED

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        if "Url" not in properties:
            raise ResourceRefused("AWS::IAM::OIDCProvider needs Url.")
        parameters = {("ClientIDList" if name == "ClientIdList" else name): value for name, value in properties.items()}
        answer = await at.invoke(_SERVICE, "CreateOpenIDConnectProvider", parameters)
        arn = text_member(answer, "OpenIDConnectProviderArn")
        return Made(arn, arn, {"Arn": arn})

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        provider: dict[str, object] = {"OpenIDConnectProviderArn": made.physical_id}
        was, now = old.get("ClientIdList", []), new.get("ClientIdList", [])
        for client_id in (one for one in now if one not in was):
            await at.invoke(_SERVICE, "AddClientIDToOpenIDConnectProvider", {**provider, "ClientID": client_id})
        for client_id in (one for one in was if one not in now):
            await at.invoke(_SERVICE, "RemoveClientIDFromOpenIDConnectProvider", {**provider, "ClientID": client_id})
        if old.get("ThumbprintList") != new.get("ThumbprintList"):
            parameters = {**provider, "ThumbprintList": new.get("ThumbprintList", [])}
            await at.invoke(_SERVICE, "UpdateOpenIDConnectProviderThumbprint", parameters)
        await _put_tags(at, "OpenIDConnectProvider", provider, old, new)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        provider = {"OpenIDConnectProviderArn": made.physical_id}
        await at.invoke_unless_gone(_SERVICE, "DeleteOpenIDConnectProvider", provider)


class SamlProviderHandler:
    """A SAML provider whose assertions roles may trust. Private keys for encrypted assertions are refused by name."""

    type: Final = "AWS::IAM::SAMLProvider"
    properties: Final = frozenset({"Name", "SamlMetadataDocument", "Tags"})
    attributes: Final = frozenset({"Arn"})
    fixed: Final = _NOTHING_FIXED

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        if "SamlMetadataDocument" not in properties:
            raise ResourceRefused("AWS::IAM::SAMLProvider needs SamlMetadataDocument.")
        name = properties.get("Name") or at.new_name(max_length=128)
        parameters: dict[str, Any] = {"Name": name, "SAMLMetadataDocument": properties["SamlMetadataDocument"]}
        if properties.get("Tags"):
            parameters["Tags"] = properties["Tags"]
        arn = text_member(await at.invoke(_SERVICE, "CreateSAMLProvider", parameters), "SAMLProviderArn")
        return Made(arn, arn, {"Arn": arn})

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        provider: dict[str, object] = {"SAMLProviderArn": made.physical_id}
        if old["SamlMetadataDocument"] != new["SamlMetadataDocument"]:
            parameters = {**provider, "SAMLMetadataDocument": new["SamlMetadataDocument"]}
            await at.invoke(_SERVICE, "UpdateSAMLProvider", parameters)
        await _put_tags(at, "SAMLProvider", provider, old, new)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        await at.invoke_unless_gone(_SERVICE, "DeleteSAMLProvider", {"SAMLProviderArn": made.physical_id})


async def _put_tags(
    at: ResourceCall, noun: str, provider: Mapping[str, object], old: Properties, new: Properties
) -> None:
    added, gone = tag_changes(old, new)
    if added:
        tags = [{"Key": key, "Value": value} for key, value in added.items()]
        await at.invoke(_SERVICE, f"Tag{noun}", {**provider, "Tags": tags})
    if gone:
        await at.invoke(_SERVICE, f"Untag{noun}", {**provider, "TagKeys": gone})


IAM_PROVIDER_HANDLERS: Final[tuple[ResourceHandler, ...]] = (OpenIdProviderHandler(), SamlProviderHandler())

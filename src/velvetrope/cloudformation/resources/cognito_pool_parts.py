"""What belongs to a user pool beside clients, users and groups: providers, looks, terms, and where failures are told.

Where an operation keeps what it is not told, a property that was taken out of the template is told as empty, so that a
stack never depends on what it was before.

Source: CloudFormation User Guide, "Amazon Cognito resource type reference"; Amazon Cognito user pools API. UNVERIFIED:
what `Ref` of a log delivery configuration is; it is the pool's id here.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from velvetrope.cloudformation.errors import ResourceRefused
from velvetrope.cloudformation.resource import Made, ResourceCall, ResourceHandler, text_member
from velvetrope.cloudformation.schemas import Properties

__all__ = ["USER_POOL_PART_HANDLERS"]

_SERVICE: Final = "cognito-idp"
_NOTHING_FIXED: Final[Mapping[str, str]] = {}


class IdentityProviderHandler:
    """AWS::Cognito::UserPoolIdentityProvider. `Ref` is the provider's name."""

    type: Final = "AWS::Cognito::UserPoolIdentityProvider"
    properties: Final = frozenset(
        {"AttributeMapping", "IdpIdentifiers", "ProviderDetails", "ProviderName", "ProviderType", "UserPoolId"}
    )
    attributes: Final[frozenset[str]] = frozenset()
    fixed: Final = _NOTHING_FIXED

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        parameters = {**properties, "ProviderDetails": _texts(properties["ProviderDetails"])}
        if "AttributeMapping" in properties:
            parameters["AttributeMapping"] = _texts(properties["AttributeMapping"])
        await at.invoke(_SERVICE, "CreateIdentityProvider", parameters)
        return Made(properties["ProviderName"], properties["ProviderName"])

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:  # noqa: ARG002
        parameters = {
            **self._key(made, new),
            "ProviderDetails": _texts(new["ProviderDetails"]),
            "AttributeMapping": _texts(new.get("AttributeMapping", {})),
            "IdpIdentifiers": new.get("IdpIdentifiers", []),
        }
        await at.invoke(_SERVICE, "UpdateIdentityProvider", parameters)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        await at.invoke_unless_gone(_SERVICE, "DeleteIdentityProvider", self._key(made, properties))

    def _key(self, made: Made, properties: Properties) -> dict[str, object]:
        return {"UserPoolId": properties["UserPoolId"], "ProviderName": made.physical_id}


class UiCustomizationHandler:
    """AWS::Cognito::UserPoolUICustomizationAttachment: the style sheet of a client's classic pages, or of all."""

    type: Final = "AWS::Cognito::UserPoolUICustomizationAttachment"
    properties: Final = frozenset({"CSS", "ClientId", "UserPoolId"})
    attributes: Final[frozenset[str]] = frozenset()
    fixed: Final = _NOTHING_FIXED

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        await at.invoke(_SERVICE, "SetUICustomization", {**self._key(properties), "CSS": properties.get("CSS", "")})
        physical_id = at.new_name()
        return Made(physical_id, physical_id)

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:  # noqa: ARG002
        await at.invoke(_SERVICE, "SetUICustomization", {**self._key(new), "CSS": new.get("CSS", "")})
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        await at.invoke_unless_gone(_SERVICE, "SetUICustomization", {**self._key(properties), "CSS": ""})

    def _key(self, properties: Properties) -> dict[str, object]:
        return {"UserPoolId": properties["UserPoolId"], "ClientId": properties["ClientId"]}


class ManagedLoginBrandingHandler:
    """AWS::Cognito::ManagedLoginBranding: settings and images of a client's newer pages. `Ref` is the style's id."""

    type: Final = "AWS::Cognito::ManagedLoginBranding"
    properties: Final = frozenset({"Assets", "ClientId", "Settings", "UseCognitoProvidedValues", "UserPoolId"})
    attributes: Final = frozenset({"ManagedLoginBrandingId"})
    fixed: Final = _NOTHING_FIXED

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        if "ClientId" not in properties:
            raise ResourceRefused("AWS::Cognito::ManagedLoginBranding needs ClientId.")
        client = {"ClientId": properties["ClientId"], "UserPoolId": properties["UserPoolId"]}
        answer = await at.invoke(_SERVICE, "CreateManagedLoginBranding", {**client, **self._looks(properties)})
        style_id = text_member(answer, "ManagedLoginBranding", "ManagedLoginBrandingId")
        return Made(style_id, style_id, {"ManagedLoginBrandingId": style_id})

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        looks = self._looks(new)
        if "Assets" in old:
            looks.setdefault("Assets", [])
        await at.invoke(_SERVICE, "UpdateManagedLoginBranding", {**self._key(made, new), **looks})
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        await at.invoke_unless_gone(_SERVICE, "DeleteManagedLoginBranding", self._key(made, properties))

    def _looks(self, properties: Properties) -> dict[str, object]:
        given: dict[str, object] = {
            name: properties[name] for name in ("Settings", "UseCognitoProvidedValues") if name in properties
        }
        if "Assets" in properties:
            given["Assets"] = [_asset(asset) for asset in properties["Assets"]]
        return given

    def _key(self, made: Made, properties: Properties) -> dict[str, object]:
        return {"UserPoolId": properties["UserPoolId"], "ManagedLoginBrandingId": made.physical_id}


class TermsHandler:
    """AWS::Cognito::Terms: the links of one document on a client's sign-up page. `Ref` is the document's id."""

    type: Final = "AWS::Cognito::Terms"
    properties: Final = frozenset({"ClientId", "Enforcement", "Links", "TermsName", "TermsSource", "UserPoolId"})
    attributes: Final = frozenset({"TermsId"})
    fixed: Final = _NOTHING_FIXED

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        if "ClientId" not in properties:
            raise ResourceRefused("AWS::Cognito::Terms needs ClientId: terms without a client are not supported.")
        answer = await at.invoke(_SERVICE, "CreateTerms", properties)
        terms_id = text_member(answer, "Terms", "TermsId")
        return Made(terms_id, terms_id, {"TermsId": terms_id})

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:  # noqa: ARG002
        changed = {name: value for name, value in new.items() if name != "ClientId"}
        await at.invoke(_SERVICE, "UpdateTerms", {**changed, "TermsId": made.physical_id})
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        key = {"TermsId": made.physical_id, "UserPoolId": properties["UserPoolId"]}
        await at.invoke_unless_gone(_SERVICE, "DeleteTerms", key)


class LogDeliveryHandler:
    """AWS::Cognito::LogDeliveryConfiguration: the one configuration that a pool has."""

    type: Final = "AWS::Cognito::LogDeliveryConfiguration"
    properties: Final = frozenset({"LogConfigurations", "UserPoolId"})
    attributes: Final = frozenset({"Id"})
    fixed: Final = _NOTHING_FIXED

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        await at.invoke(_SERVICE, "SetLogDeliveryConfiguration", self._whole(properties))
        pool_id = properties["UserPoolId"]
        return Made(pool_id, pool_id, {"Id": pool_id})

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:  # noqa: ARG002
        await at.invoke(_SERVICE, "SetLogDeliveryConfiguration", self._whole(new))
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        await at.invoke_unless_gone(_SERVICE, "SetLogDeliveryConfiguration", self._whole({**properties, **_NO_LOGS}))

    def _whole(self, properties: Properties) -> dict[str, object]:
        return {
            "UserPoolId": properties["UserPoolId"],
            "LogConfigurations": properties.get("LogConfigurations", []),
        }


_NO_LOGS: Final[Mapping[str, Any]] = {"LogConfigurations": []}


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """A map of whatever a template has, as texts: a template's `true` is not quoted."""
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()}


def _asset(asset: Mapping[str, Any]) -> dict[str, object]:
    """An image: its bytes are base64 in a template."""
    given = dict(asset)
    if "Bytes" in given:
        try:
            given["Bytes"] = base64.b64decode(given["Bytes"], validate=True)
        except (binascii.Error, ValueError):
            raise ResourceRefused("Assets: Bytes is not base64.") from None
    return given


USER_POOL_PART_HANDLERS: Final[tuple[ResourceHandler, ...]] = (
    IdentityProviderHandler(),
    UiCustomizationHandler(),
    ManagedLoginBrandingHandler(),
    TermsHandler(),
    LogDeliveryHandler(),
)

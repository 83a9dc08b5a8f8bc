"""AWS::Cognito::IdentityPool, the roles attached to it, and the tags that it gives sessions.

Source: CloudFormation User Guide, "Amazon Cognito resource type reference"; Amazon Cognito Federated Identities API.
"""

from collections.abc import Mapping
from typing import Any, Final

from velvetrope.cloudformation.resource import ByOperations, Made, ResourceCall, ResourceHandler, text_member
from velvetrope.cloudformation.schemas import Properties

__all__ = ["IDENTITY_POOL_HANDLERS"]

_SERVICE: Final = "cognito-identity"


def _read_identity_pool(at: ResourceCall, properties: Properties, answer: Mapping[str, object]) -> Made:  # noqa: ARG001
    pool_id = text_member(answer, "IdentityPoolId")
    return Made(pool_id, pool_id, {"Id": pool_id, "Name": text_member(answer, "IdentityPoolName")})


class IdentityPoolRoleAttachmentHandler:
    """AWS::Cognito::IdentityPoolRoleAttachment: SetIdentityPoolRoles, which replaces all roles of a pool at once."""

    type: Final = "AWS::Cognito::IdentityPoolRoleAttachment"
    properties: Final = frozenset({"IdentityPoolId", "RoleMappings", "Roles"})
    attributes: Final = frozenset({"Id"})
    fixed: Final[Mapping[str, str]] = {}

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        await self._set(at, properties)
        pool_id = properties["IdentityPoolId"]
        return Made(pool_id, pool_id, {"Id": pool_id})

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:  # noqa: ARG002
        await self._set(at, new)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        await at.invoke_unless_gone(
            _SERVICE, "SetIdentityPoolRoles", {"IdentityPoolId": properties["IdentityPoolId"], "Roles": {}}
        )

    async def _set(self, at: ResourceCall, properties: Properties) -> None:
        parameters: dict[str, object] = {
            "IdentityPoolId": properties["IdentityPoolId"],
            "Roles": properties.get("Roles", {}),
        }
        if "RoleMappings" in properties:
            # The map's key is a name of the writer's choosing when `IdentityProvider` says which provider is meant.
            parameters["RoleMappings"] = {
                mapping.get("IdentityProvider", key): _without(mapping, "IdentityProvider")
                for key, mapping in properties["RoleMappings"].items()
            }
        await at.invoke(_SERVICE, "SetIdentityPoolRoles", parameters)


class PrincipalTagHandler:
    """AWS::Cognito::IdentityPoolPrincipalTag: which claims of one provider's tokens become tags of a session."""

    type: Final = "AWS::Cognito::IdentityPoolPrincipalTag"
    properties: Final = frozenset({"IdentityPoolId", "IdentityProviderName", "PrincipalTags", "UseDefaults"})
    attributes: Final[frozenset[str]] = frozenset()
    fixed: Final[Mapping[str, str]] = {}

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        await self._set(at, properties)
        physical_id = f"{properties['IdentityPoolId']}|{properties['IdentityProviderName']}"
        return Made(physical_id, physical_id)

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:  # noqa: ARG002
        await self._set(at, new)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        nothing = {"PrincipalTags": {}, "UseDefaults": False}
        await at.invoke_unless_gone(_SERVICE, "SetPrincipalTagAttributeMap", {**properties, **nothing})

    async def _set(self, at: ResourceCall, properties: Properties) -> None:
        tags = {name: str(value) for name, value in properties.get("PrincipalTags", {}).items()}
        await at.invoke(_SERVICE, "SetPrincipalTagAttributeMap", {**properties, "PrincipalTags": tags})


def _without(mapping: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key != name}


IDENTITY_POOL_HANDLERS: Final[tuple[ResourceHandler, ...]] = (
    ByOperations(
        type="AWS::Cognito::IdentityPool",
        service=_SERVICE,
        create_operation="CreateIdentityPool",
        members={
            name: name
            for name in (
                "AllowClassicFlow",
                "AllowUnauthenticatedIdentities",
                "CognitoIdentityProviders",
                "DeveloperProviderName",
                "IdentityPoolName",
                "IdentityPoolTags",
                "OpenIdConnectProviderARNs",
                "SamlProviderARNs",
                "SupportedLoginProviders",
            )
        },
        attributes=frozenset({"Id", "Name"}),
        read=_read_identity_pool,
        key=lambda made, properties: {"IdentityPoolId": made.physical_id},  # noqa: ARG005
        update_operation="UpdateIdentityPool",
        delete_operation="DeleteIdentityPool",
        name="IdentityPoolName",
    ),
    IdentityPoolRoleAttachmentHandler(),
    PrincipalTagHandler(),
)

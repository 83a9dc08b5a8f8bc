"""AWS::Cognito::UserPool and what lies in it: clients, a domain, resource servers, users, groups.

Source: CloudFormation User Guide, "Amazon Cognito resource type reference"; Cognito user pools API Reference.
"""

from collections.abc import Mapping
from typing import Final

from velvetrope.cloudformation.errors import ResourceRefused
from velvetrope.cloudformation.resource import ByOperations, Made, ResourceCall, ResourceHandler, text_member
from velvetrope.cloudformation.schemas import Properties

__all__ = ["USER_POOL_HANDLERS"]

_SERVICE: Final = "cognito-idp"
_CREATE_ONLY_ON_THE_WIRE: Final = frozenset(
    {"AliasAttributes", "Schema", "UsernameAttributes", "UsernameConfiguration", "PoolName"}
)
"""Members of CreateUserPool that UpdateUserPool does not have (its PoolName may be left out: the name stays)."""


class UserPoolHandler:
    """AWS::Cognito::UserPool. `Ref` is the pool's id."""

    type: Final = "AWS::Cognito::UserPool"
    attributes: Final = frozenset({"Arn", "ProviderName", "ProviderURL", "UserPoolId"})
    fixed: Final[Mapping[str, str]] = {
        name: f"Updates are not allowed for property - {name}."
        for name in ("AliasAttributes", "UsernameAttributes", "UsernameConfiguration")
    }
    _members: Final = {
        name: {"UserPoolName": "PoolName"}.get(name, name)
        for name in (
            "AccountRecoverySetting",
            "AdminCreateUserConfig",
            "AliasAttributes",
            "AutoVerifiedAttributes",
            "DeletionProtection",
            "DeviceConfiguration",
            "EmailConfiguration",
            "EmailVerificationMessage",
            "EmailVerificationSubject",
            "LambdaConfig",
            "MfaConfiguration",
            "Policies",
            "Schema",
            "SmsAuthenticationMessage",
            "SmsConfiguration",
            "SmsVerificationMessage",
            "UserAttributeUpdateSettings",
            "UserPoolAddOns",
            "UserPoolName",
            "UserPoolTags",
            "UserPoolTier",
            "UsernameAttributes",
            "UsernameConfiguration",
            "VerificationMessageTemplate",
        )
    }
    _web_authn: Final = {
        "WebAuthnRelyingPartyID": "RelyingPartyId",
        "WebAuthnUserVerification": "UserVerification",
        "WebAuthnFactorConfiguration": "FactorConfiguration",
    }
    _email_mfa: Final = {"EmailAuthenticationMessage": "Message", "EmailAuthenticationSubject": "Subject"}
    properties: Final = frozenset(_members) | {"EnabledMfas", *_web_authn, *_email_mfa}

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        parameters = self._input(properties)
        name = properties.get("UserPoolName") or at.new_name(max_length=128, with_stack=False)
        parameters["PoolName"] = name
        if self._has_mfa_config(properties):
            # SetUserPoolMfaConfig below turns it on: CreateUserPool alone refuses ON without a way to answer, and with
            # passkeys that nothing says yet to stand for both factors.
            parameters.pop("MfaConfiguration", None)
        answer = await at.invoke(_SERVICE, "CreateUserPool", parameters)
        pool_id = text_member(answer, "UserPool", "Id")
        provider = f"cognito-idp.{at.call.region}.amazonaws.com/{pool_id}"
        made = at.identify(
            Made(
                pool_id,
                pool_id,
                {
                    "Arn": text_member(answer, "UserPool", "Arn"),
                    "ProviderName": provider,
                    "ProviderURL": f"https://{provider}",
                    "UserPoolId": pool_id,
                },
                name,
            )
        )
        await self._set_mfa(at, pool_id, properties)
        return made

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        await self._add_attributes(at, made.physical_id, old.get("Schema", []), new.get("Schema", []))
        # UpdateUserPool sets whatever it is not given back to its default, so it is given all of them.
        parameters = {name: value for name, value in self._input(new).items() if name not in _CREATE_ONLY_ON_THE_WIRE}
        if self._has_mfa_config(new):
            parameters.pop("MfaConfiguration", None)
        if new.get("UserPoolName") != old.get("UserPoolName"):
            parameters["PoolName"] = new.get("UserPoolName", made.name)
        await at.invoke(_SERVICE, "UpdateUserPool", {"UserPoolId": made.physical_id, **parameters})
        await self._set_mfa(at, made.physical_id, new)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        await at.invoke_unless_gone(_SERVICE, "DeleteUserPool", {"UserPoolId": made.physical_id})

    def _input(self, properties: Properties) -> dict[str, object]:
        return {self._members[name]: value for name, value in properties.items() if name in self._members}

    def _has_mfa_config(self, properties: Properties) -> bool:
        return "EnabledMfas" in properties or any(name in properties for name in self._web_authn)

    async def _set_mfa(self, at: ResourceCall, pool_id: str, properties: Properties) -> None:
        factors = properties.get("EnabledMfas")
        web_authn = {wire: properties[name] for name, wire in self._web_authn.items() if name in properties}
        message = {wire: properties[name] for name, wire in self._email_mfa.items() if name in properties}
        if message and "EMAIL_OTP" not in (factors or ()):
            raise ResourceRefused("EmailAuthenticationMessage and its subject need EMAIL_OTP among EnabledMfas here.")
        if not self._has_mfa_config(properties):
            return
        configuration = properties.get("MfaConfiguration")
        if configuration is None:
            factors = []  # MFA is off, which SetUserPoolMfaConfig takes alone
        elif factors is None:
            # SetUserPoolMfaConfig offers what it is given: what CreateUserPool has set must not be lost by it.
            factors = ["SMS_MFA"] if "SmsConfiguration" in properties and configuration != "OFF" else []
        parameters: dict[str, object] = {"UserPoolId": pool_id}
        for factor in factors:
            match factor:
                case "SOFTWARE_TOKEN_MFA":
                    parameters["SoftwareTokenMfaConfiguration"] = {"Enabled": True}
                case "SMS_MFA":
                    parameters["SmsMfaConfiguration"] = {"SmsConfiguration": properties.get("SmsConfiguration", {})}
                case "EMAIL_OTP":
                    parameters["EmailMfaConfiguration"] = message
                case _:
                    raise ResourceRefused(f"EnabledMfas {factor} is not supported by velvetrope.")
        if web_authn:
            parameters["WebAuthnConfiguration"] = web_authn
        parameters["MfaConfiguration"] = configuration or "OFF"
        await at.invoke(_SERVICE, "SetUserPoolMfaConfig", parameters)

    async def _add_attributes(
        self, at: ResourceCall, pool_id: str, old: list[dict[str, object]], new: list[dict[str, object]]
    ) -> None:
        if any(attribute not in new for attribute in old):
            raise ResourceRefused("Existing schema attributes cannot be modified or deleted.")
        added = [attribute for attribute in new if attribute not in old]
        if added:
            await at.invoke(_SERVICE, "AddCustomAttributes", {"UserPoolId": pool_id, "CustomAttributes": added})


def _same_names(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _read_client(at: ResourceCall, properties: Properties, answer: Mapping[str, object]) -> Made:  # noqa: ARG001
    client_id = text_member(answer, "UserPoolClient", "ClientId")
    attributes = {"ClientId": client_id, "Name": text_member(answer, "UserPoolClient", "ClientName")}
    if properties.get("GenerateSecret", False):
        attributes["ClientSecret"] = text_member(answer, "UserPoolClient", "ClientSecret")
    return Made(client_id, client_id, attributes)


def _read_domain(at: ResourceCall, properties: Properties, answer: Mapping[str, object]) -> Made:  # noqa: ARG001
    distribution = answer.get("CloudFrontDomain") or ""
    return Made(properties["Domain"], properties["Domain"], {"CloudFrontDistribution": distribution})


def _read_resource_server(at: ResourceCall, properties: Properties, answer: Mapping[str, object]) -> Made:  # noqa: ARG001
    return Made(properties["Identifier"], properties["Identifier"])


def _read_user(at: ResourceCall, properties: Properties, answer: Mapping[str, object]) -> Made:  # noqa: ARG001
    # The pool may keep another name than was asked for (an alias pool makes the sub the name).
    username = text_member(answer, "User", "Username")
    return Made(username, username)


def _read_group(at: ResourceCall, properties: Properties, answer: Mapping[str, object]) -> Made:  # noqa: ARG001
    return Made(properties["GroupName"], properties["GroupName"])


def _read_attachment(at: ResourceCall, properties: Properties, answer: Mapping[str, object]) -> Made:  # noqa: ARG001
    physical_id = at.new_name()
    return Made(physical_id, physical_id)


USER_POOL_HANDLERS: Final[tuple[ResourceHandler, ...]] = (
    UserPoolHandler(),
    ByOperations(
        type="AWS::Cognito::UserPoolClient",
        service=_SERVICE,
        create_operation="CreateUserPoolClient",
        members=_same_names(
            "AccessTokenValidity",
            "AllowedOAuthFlows",
            "AllowedOAuthFlowsUserPoolClient",
            "AllowedOAuthScopes",
            "AnalyticsConfiguration",
            "AuthSessionValidity",
            "CallbackURLs",
            "ClientName",
            "DefaultRedirectURI",
            "EnablePropagateAdditionalUserContextData",
            "EnableTokenRevocation",
            "ExplicitAuthFlows",
            "GenerateSecret",
            "IdTokenValidity",
            "LogoutURLs",
            "PreventUserExistenceErrors",
            "ReadAttributes",
            "RefreshTokenRotation",
            "RefreshTokenValidity",
            "SupportedIdentityProviders",
            "TokenValidityUnits",
            "UserPoolId",
            "WriteAttributes",
        ),
        attributes=frozenset({"ClientId", "ClientSecret", "Name"}),
        read=_read_client,
        key=lambda made, properties: {"UserPoolId": properties["UserPoolId"], "ClientId": made.physical_id},
        update_operation="UpdateUserPoolClient",
        not_in_update=frozenset({"GenerateSecret"}),
        delete_operation="DeleteUserPoolClient",
        name="ClientName",
    ),
    ByOperations(
        type="AWS::Cognito::UserPoolDomain",
        service=_SERVICE,
        create_operation="CreateUserPoolDomain",
        members=_same_names("CustomDomainConfig", "Domain", "ManagedLoginVersion", "UserPoolId"),
        attributes=frozenset({"CloudFrontDistribution"}),
        read=_read_domain,
        key=lambda made, properties: {"UserPoolId": properties["UserPoolId"], "Domain": made.physical_id},
        update_operation="UpdateUserPoolDomain",
        delete_operation="DeleteUserPoolDomain",
    ),
    ByOperations(
        type="AWS::Cognito::UserPoolResourceServer",
        service=_SERVICE,
        create_operation="CreateResourceServer",
        members=_same_names("Identifier", "Name", "Scopes", "UserPoolId"),
        read=_read_resource_server,
        key=lambda made, properties: {"UserPoolId": properties["UserPoolId"], "Identifier": made.physical_id},
        update_operation="UpdateResourceServer",
        delete_operation="DeleteResourceServer",
    ),
    ByOperations(
        type="AWS::Cognito::UserPoolUser",
        service=_SERVICE,
        create_operation="AdminCreateUser",
        members=_same_names(
            "ClientMetadata",
            "DesiredDeliveryMediums",
            "ForceAliasCreation",
            "MessageAction",
            "UserAttributes",
            "UserPoolId",
            "Username",
            "ValidationData",
        ),
        read=_read_user,
        key=lambda made, properties: {"UserPoolId": properties["UserPoolId"], "Username": made.physical_id},
        delete_operation="AdminDeleteUser",
        name="Username",
    ),
    ByOperations(
        type="AWS::Cognito::UserPoolGroup",
        service=_SERVICE,
        create_operation="CreateGroup",
        members=_same_names("Description", "GroupName", "Precedence", "RoleArn", "UserPoolId"),
        read=_read_group,
        key=lambda made, properties: {"UserPoolId": properties["UserPoolId"], "GroupName": made.physical_id},
        update_operation="UpdateGroup",
        delete_operation="DeleteGroup",
        name="GroupName",
    ),
    ByOperations(
        type="AWS::Cognito::UserPoolUserToGroupAttachment",
        service=_SERVICE,
        create_operation="AdminAddUserToGroup",
        members=_same_names("GroupName", "UserPoolId", "Username"),
        read=_read_attachment,
        key=lambda made, properties: dict(properties),  # noqa: ARG005  the three properties are the key
        delete_operation="AdminRemoveUserFromGroup",
    ),
)

"""What an operation needs beside its own action: passing a role, handing over a key, tagging what it makes, setting an
API's policy.

Roles are passed wherever a request hands one to a service of ours that will act under it; `iam:PassRole` is then asked
for each, with `iam:PassedToService`. API Gateway's `arn:aws:iam::*:user/*` means "the caller's own credentials" and
passes nothing. Cognito's requirement for the role of a group is UNVERIFIED; we ask for it.

A pool with custom senders has a KMS key, and Cognito gives itself a grant to it in the name of whoever names the key:
`kms:CreateGrant` is asked for (Cognito Developer Guide, "Custom sender Lambda triggers").

Who has a pool's logs delivered to a group needs the permissions of Logs by which a delivery is made (Cognito Developer
Guide, "Exporting logs from Amazon Cognito user pools").

Sources: IAM User Guide, "Grant a user permissions to pass a role to an AWS service"; Service Authorization Reference,
dependent actions; the services' pages on tagging when creating.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from velvetrope.iam.imported_documents import read_imported_document
from velvetrope.iam.request_keys import requested_tags

__all__ = [
    "HandedKey",
    "PassedRole",
    "also_denied_by",
    "delivering_logs",
    "handed_key",
    "passed_roles",
    "second_action",
    "used_layers",
]

_LAMBDA = "lambda.amazonaws.com"
_IDENTITY = "cognito-identity.amazonaws.com"
_IDP = "cognito-idp.amazonaws.com"
_APIGATEWAY = "apigateway.amazonaws.com"
_CLOUDFORMATION = "cloudformation.amazonaws.com"

_ROLE_MEMBERS: Mapping[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    ("lambda", "CreateFunction"): (_LAMBDA, ("Role",)),
    ("lambda", "UpdateFunctionConfiguration"): (_LAMBDA, ("Role",)),
    ("cognito-identity", "SetIdentityPoolRoles"): (
        _IDENTITY,
        ("Roles.*", "RoleMappings.*.RulesConfiguration.Rules.*.RoleARN"),
    ),
    ("cognito-identity", "CreateIdentityPool"): (_IDENTITY, ("CognitoStreams.RoleArn", "PushSync.RoleArn")),
    ("cognito-idp", "CreateGroup"): (_IDP, ("RoleArn",)),
    ("cognito-idp", "UpdateGroup"): (_IDP, ("RoleArn",)),
    ("cognito-idp", "CreateUserPool"): (_IDP, ("SmsConfiguration.SnsCallerArn",)),
    ("cognito-idp", "UpdateUserPool"): (_IDP, ("SmsConfiguration.SnsCallerArn",)),
    ("cognito-idp", "SetUserPoolMfaConfig"): (_IDP, ("SmsMfaConfiguration.SmsConfiguration.SnsCallerArn",)),
    ("cognito-idp", "CreateUserImportJob"): (_IDP, ("CloudWatchLogsRoleArn",)),
    ("apigateway", "PutIntegration"): (_APIGATEWAY, ("credentials",)),
    ("apigateway", "CreateAuthorizer"): (_APIGATEWAY, ("authorizerCredentials",)),
    ("apigatewayv2", "CreateApi"): (_APIGATEWAY, ("CredentialsArn",)),
    ("apigatewayv2", "UpdateApi"): (_APIGATEWAY, ("CredentialsArn",)),
    ("apigatewayv2", "CreateIntegration"): (_APIGATEWAY, ("CredentialsArn",)),
    ("apigatewayv2", "UpdateIntegration"): (_APIGATEWAY, ("CredentialsArn",)),
    ("apigatewayv2", "CreateAuthorizer"): (_APIGATEWAY, ("AuthorizerCredentialsArn",)),
    ("apigatewayv2", "UpdateAuthorizer"): (_APIGATEWAY, ("AuthorizerCredentialsArn",)),
    ("cloudformation", "CreateStack"): (_CLOUDFORMATION, ("RoleARN",)),
    ("cloudformation", "UpdateStack"): (_CLOUDFORMATION, ("RoleARN",)),
    ("cloudformation", "DeleteStack"): (_CLOUDFORMATION, ("RoleARN",)),
    ("cloudformation", "CreateChangeSet"): (_CLOUDFORMATION, ("RoleARN",)),
    ("cloudformation", "RollbackStack"): (_CLOUDFORMATION, ("RoleARN",)),
    ("cloudformation", "ContinueUpdateRollback"): (_CLOUDFORMATION, ("RoleARN",)),
}
"""Who will act under a role, and where in the request it is named; `*` is every item of a list or map."""

_PATCHED_ROLES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("apigateway", "UpdateAccount"): ("/cloudwatchRoleArn",),
    ("apigateway", "UpdateIntegration"): ("/credentials",),
    ("apigateway", "UpdateAuthorizer"): ("/authorizerCredentials",),
}
"""API Gateway's Update operations name what they change by a path."""

_IMPORTED: Mapping[tuple[str, str], str] = {
    ("apigateway", "ImportRestApi"): "body",
    ("apigateway", "PutRestApi"): "body",
    ("apigatewayv2", "ImportApi"): "Body",
    ("apigatewayv2", "ReimportApi"): "Body",
}
"""Operations that take a whole API's document, and the member that it is in."""

_TAGGING: Mapping[tuple[str, str], str] = {
    ("iam", "CreateRole"): "iam:TagRole",
    ("iam", "CreateUser"): "iam:TagUser",
    ("iam", "CreatePolicy"): "iam:TagPolicy",
    ("iam", "CreateOpenIDConnectProvider"): "iam:TagOpenIDConnectProvider",
    ("iam", "CreateSAMLProvider"): "iam:TagSAMLProvider",
    ("iam", "CreateVirtualMFADevice"): "iam:TagMFADevice",
    ("lambda", "CreateFunction"): "lambda:TagResource",
    ("logs", "CreateLogGroup"): "logs:TagResource",
    ("sqs", "CreateQueue"): "sqs:TagQueue",
    ("kms", "CreateKey"): "kms:TagResource",
    ("cognito-idp", "CreateUserPool"): "cognito-idp:TagResource",
    ("cognito-identity", "CreateIdentityPool"): "cognito-identity:TagResource",
}

_CALLERS_CREDENTIALS = "arn:aws:iam::*:user/*"


@dataclass(frozen=True, slots=True)
class PassedRole:
    """A role that a service will act under."""

    role_arn: str
    service: str


def passed_roles(service: str, operation: str, parameters: Mapping[str, object]) -> tuple[PassedRole, ...]:
    """Every role that the request passes, once each."""
    found: dict[str, PassedRole] = {}
    host, paths = _ROLE_MEMBERS.get((service, operation), (_APIGATEWAY, ()))
    named = [value for path in paths for value in _values_at(parameters, path.split("."))]
    for patched in _PATCHED_ROLES.get((service, operation), ()):
        named += [value for path, value in _patches(parameters) if path == patched]
    document = _IMPORTED.get((service, operation))
    if document is not None:
        named += read_imported_document(parameters.get(document)).roles
    for role_arn in named:
        if isinstance(role_arn, str) and role_arn not in {"", _CALLERS_CREDENTIALS}:
            found[role_arn] = PassedRole(role_arn, host)
    return tuple(found.values())


def used_layers(service: str, operation: str, parameters: Mapping[str, object]) -> tuple[str, ...]:
    """The layer versions that the request gives a function, for each of which `lambda:GetLayerVersion` is needed.

    Source: AWS Lambda Developer Guide, "Granting Lambda function access to layers".
    """
    if (service, operation) not in {("lambda", "CreateFunction"), ("lambda", "UpdateFunctionConfiguration")}:
        return ()
    return tuple(arn for arn in _values_at(parameters, ["Layers", "*"]) if isinstance(arn, str))


def second_action(service: str, operation: str, parameters: Mapping[str, object]) -> str | None:
    """Another action that the request needs on the same resource; None if its own is all."""
    tagging = _TAGGING.get((service, operation))
    if tagging is not None and requested_tags(parameters):
        return tagging
    if (service, operation) == ("apigateway", "CreateRestApi") and parameters.get("policy"):
        return "apigateway:UpdateRestApiPolicy"
    document = _IMPORTED.get((service, operation))
    if document is not None and read_imported_document(parameters.get(document)).has_policy:
        return "apigateway:UpdateRestApiPolicy"
    if (service, operation) == ("apigateway", "UpdateRestApi") and any(
        path == "/policy" or path.startswith("/policy/") for path, _ in _patches(parameters)
    ):
        return "apigateway:UpdateRestApiPolicy"
    return None


def delivering_logs(service: str, operation: str, parameters: Mapping[str, object]) -> tuple[str, ...]:
    """Actions that the request needs on `*`, because it has something delivered to a log group."""
    if (service, operation) != ("cognito-idp", "SetLogDeliveryConfiguration") or not parameters.get(
        "LogConfigurations"
    ):
        return ()
    return ("logs:CreateLogDelivery", "logs:PutResourcePolicy", "logs:DescribeLogGroups")


def also_denied_by(service: str, operation: str) -> str | None:
    """An action that nobody needs for the request, and that must not be denied on its resource.

    Source: Cognito user pools API, DescribeTermsByClient.
    """
    return "cognito-idp:DescribeTerms" if (service, operation) == ("cognito-idp", "DescribeTermsByClient") else None


def _values_at(value: object, path: list[str]) -> Iterator[object]:
    if not path:
        yield value
    elif path[0] == "*":
        items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
        for item in items:
            yield from _values_at(item, path[1:])
    elif isinstance(value, Mapping) and value.get(path[0]) is not None:
        yield from _values_at(value[path[0]], path[1:])


def _patches(parameters: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    listed = parameters.get("patchOperations")
    for patch in listed if isinstance(listed, list | tuple) else ():
        if isinstance(patch, Mapping):
            yield str(patch.get("path", "")), patch.get("value")


@dataclass(frozen=True, slots=True)
class HandedKey:
    """A KMS key, by any of its names, that a service will use for itself."""

    name: str
    service: str


def handed_key(service: str, operation: str, parameters: Mapping[str, object]) -> HandedKey | None:
    """The key that the request hands to the service, if it hands one over."""
    if service != "cognito-idp" or operation not in {"CreateUserPool", "UpdateUserPool"}:
        return None
    settings = parameters.get("LambdaConfig")
    name = settings.get("KMSKeyID") if isinstance(settings, Mapping) else None
    return HandedKey(name, _IDP) if isinstance(name, str) and name else None

"""Prints `docs/compatibility.md`: for each AWS operation, what is done, what is refused, and what differs.

    python tools/make_compatibility.py > docs/compatibility.md

The page is read off the running code. A server is wired as `velvetrope serve` wires it, over an empty state folder;
what its dispatcher serves is done, and every other operation of botocore's model is refused. The members of an input
that no parameter (or field of a parameter's Struct) takes are refused by name, and so are values that a `Literal` does
not list. A test holds the committed page against what this prints.

`DIFFERENCES` is kept by hand, for what signatures cannot say: values that are refused in an operation's body, and
answers that are not AWS's. A row for an operation that is not done stops the tool.
"""

import asyncio
import sys
import tempfile
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import botocore
import msgspec

from velvetrope.cloudformation.resources import HANDLERS
from velvetrope.edge.dispatcher import OperationDispatcher
from velvetrope.edge.errors import not_supported
from velvetrope.edge.models import Operation, Shape, load_service_model
from velvetrope.edge.parameters import SignatureContract
from velvetrope.edge.services import SERVICES, WireService
from velvetrope.server.assembly import Server
from velvetrope.server.machine import SystemEntropy
from velvetrope.server.settings import Settings
from velvetrope.server.state_folder import StateFolder

TITLES = {
    "cognito-idp": "Cognito user pools",
    "cognito-identity": "Cognito identity pools",
    "sts": "STS",
    "iam": "IAM",
    "lambda": "Lambda",
    "sqs": "SQS",
    "kms": "KMS",
    "apigateway": "API Gateway (REST APIs)",
    "apigatewayv2": "API Gateway version 2 (HTTP APIs)",
    "cloudformation": "CloudFormation",
    "logs": "CloudWatch Logs",
}

PROTOCOLS = {"json": "JSON 1.1", "query": "query", "rest-json": "REST JSON"}

DIFFERENCES: Mapping[str, Mapping[str, str]] = {
    "cognito-idp": {
        "": "Messages are sent by SMTP or a webhook if they are set up, and kept, sealed, for a week. "
        "`AnalyticsMetadata`, `UserContextData` and `ContextData` are for services that are not here: they are taken "
        "and have no effect. `ClientMetadata` and `ValidationData` reach the triggers that are asked "
        "(CreateUserPool). Refused operations are about what is not here: threat protection and its events, "
        "replicas, bought limits, exchange of tokens (RFC 8693) "
        "and `GetClientToken`, whose flow no client can be given by the model; "
        "`client_credentials` at the token endpoint does the same.",
        "UpdateUserAttributes": "Codes to changed addresses: five in an hour, with GetUserAttributeVerificationCode's.",
        "AdminInitiateAuth": "As InitiateAuth. A device that is named is looked up and does not stand for MFA.",
        "AdminRespondToAuthChallenge": "As RespondToAuthChallenge, without device challenges.",
        "CompleteWebAuthnRegistration": "Attestation is not asked for. A registration is answered within five minutes.",
        "CreateUserPoolDomain": "A pool has one domain, a prefix or a name of its own. Certificates are shown; TLS "
        "for it is whatever stands in front of this server.",
        "CreateUserImportJob": "The file goes to a door of this server, not to S3.",
        "StartUserImportJob": "SMS is the only second factor that a file gives. A job that imports nobody has failed.",
        "ListUserSessions": "UserSessionTracking is needed for the last activity only. Not listed: the browser's own "
        "sessions (`SSO`), and devices and places.",
        "RevokeToken": "`RevokeAssociatedSessions` `LINKED` is refused in a pool that tracks sessions.",
        "AdminListUserSessions": "As ListUserSessions.",
        "CreateUserPool": "Triggers: `PreSignUp`, `PostConfirmation`, `CustomMessage`, `PreAuthentication`, "
        "`PostAuthentication`, the three of custom challenges, `PreTokenGeneration` (V1 to V3), `InboundFederation`, "
        "`UserMigration` (without `enableSMSMFA`; required attributes get no default; welcome messages hold no "
        "password), custom senders (codes in the Encryption SDK's suite 0x0378, which commits to no key). "
        "`KMSKeyID` is a key's ARN. Refused: threat protection, `DeveloperOnlyAttribute`. Links confirm sign-ups only, "
        "and need a domain. Mails go by the server's SMTP setting, from the pool's `From`; no SES is looked for behind "
        "`SourceArn`.",
        "ForgotPassword": "Five in an hour, and five guesses at the code; not to a phone that receives MFA codes.",
        "CreateIdentityProvider": "Kept and validated; what `oidc_issuer` leads to is not fetched when it is saved. "
        "SAML metadata needs `HTTP-Redirect` addresses and RSA keys of 2048 bits or more.",
        "GlobalSignOut": "Ends sign-ins under way, and the browsers' sessions of the hosted pages too; on AWS their "
        "cookie lives on.",
        "AdminUserGlobalSignOut": "As GlobalSignOut.",
        "GetSigningCertificate": "DER in base64. One certificate for its ten years; AWS makes another one every year.",
        "SetUICustomization": "Without `ImageUrl`: the logo is part of the pages, where ManagedLoginVersion is 1.",
        "CreateManagedLoginBranding": "Settings are compared with every setting there is; a part of them changes pages "
        "([hosted-ui.md](hosted-ui.md)). Shown where ManagedLoginVersion is 2.",
        "DescribeManagedLoginBranding": "`ReturnMergedResources` adds this server's defaults, not AWS's.",
        "DescribeManagedLoginBrandingByClient": "`ReturnMergedResources` adds this server's defaults, not AWS's.",
        "SetLogDeliveryConfiguration": "What was not delivered, to a log group that is there (`userNotification`, "
        "`ERROR`); a group that was deleted since is not made anew.",
        "CreateTerms": "Links are https, or http to this machine.",
        "UpdateTerms": "As CreateTerms. Links that are given take the place of all that were there.",
        "CreateUserPoolClient": "`EnablePropagateAdditionalUserContextData` must be false. `DefaultRedirectURI` is "
        "kept and shown: every request names its `redirect_uri`. A client without ReadAttributes or WriteAttributes "
        "reads or writes the standard attributes, as the model says, and custom ones only where it lists them; AWS is "
        "reported to let it read and write those too.",
        "AddCustomAttributes": "`DeveloperOnlyAttribute` is refused.",
        "InitiateAuth": "Wrong one-time codes are slowed down like wrong passwords; AWS takes any number. MFA follows "
        "custom challenges unless one of them was it. Of `USER_AUTH`, `TARGET_ACR_VALUES`, `MAX_AGE` and "
        "`ACCESS_TOKEN` are refused.",
        "RespondToAuthChallenge": "`SELECT_CHALLENGE` takes no `CREDENTIAL`; the passkey is asked for next. The "
        "`EMAIL` of `MFA_SETUP` becomes the user's with the right code, not before.",
        "SetUserPoolMfaConfig": "MfaConfiguration and WebAuthnConfiguration that are left out stay what they were.",
        "SetUserMFAPreference": "A call that would leave passkey MFA switched on alone is refused.",
        "AdminSetUserMFAPreference": "As SetUserMFAPreference.",
        "DeleteWebAuthnCredential": "Passkey MFA is switched off with the last passkey.",
        "UpdateUserPool": "As CreateUserPool. What is left out is set to its default, but for DeletionProtection, "
        "MfaConfiguration, PoolName, SmsConfiguration, UserPoolTags and UserPoolTier, which stay what they were.",
        "UpdateUserPoolClient": "As CreateUserPoolClient. What is left out is set to its default, but for ClientName, "
        "EnableTokenRevocation and PreventUserExistenceErrors, which stay what they were.",
    },
    "cognito-identity": {
        "": "Login providers whose tokens can be verified: user pools, OpenID Connect and SAML providers of IAM, "
        "developer identities, Google, Apple. Facebook, Amazon and Twitter are refused as AWS refuses a key of "
        "`Logins` that it does not know. Encrypted SAML assertions are taken too; AWS takes them in STS only.",
        "CreateIdentityPool": "`SupportedLoginProviders`: Google and Apple.",
        "GetCredentialsForIdentity": "The session policy of guests is our reading of AWS's list of services; AWS does "
        "not publish its text.",
        "UpdateIdentityPool": "As CreateIdentityPool. Tags that are left out stay.",
    },
    "sts": {
        "AssumeRoleWithSAML": "Signatures and digests with SHA-1 are refused.",
        "AssumeRoleWithWebIdentity": "Takes tokens of identity pools (GetOpenIdToken) and of OpenID Connect providers "
        "that IAM has.",
        "DecodeAuthorizationMessage": "As on AWS, the services here hand out no encoded messages: they refuse in plain "
        "words.",
        "GetCallerIdentity": "Sessions of a role or user that is gone are refused (`InvalidClientTokenId`); what AWS "
        "answers is not documented.",
        "GetAccessKeyInfo": "Every temporary key (`ASIA…`) is taken for one of this account.",
    },
    "iam": {
        "": "Of AWS's managed policies there are those that users of these services commonly attach, each as version "
        "`v1`, and they grant what AWS's grant for the services that are here. Quotas are AWS's defaults.",
        "CreateSAMLProvider": "RSA keys of the provider have 2048 bits or more.",
        "GetAccessKeyLastUsed": "Knows of calls to the services; calls of deployed APIs are not noted.",
        "GetAccountSummary": "Without the quotas of what is not here.",
        "GetContextKeysForCustomPolicy": "Keys are in lower case.",
        "GetContextKeysForPrincipalPolicy": "As GetContextKeysForCustomPolicy.",
        "GetRole": "`RoleLastUsed` is empty.",
        "UpdateUser": "Sessions that were issued under the old name may do nothing any more.",
        "SimulateCustomPolicy": "Without the policies of Organizations.",
        "SimulatePrincipalPolicy": "As SimulateCustomPolicy.",
    },
    "lambda": {
        "": "Functions run in a process each; nothing freezes between invocations. Their "
        "logs need no permission of theirs. `python3.x` is the server's own interpreter, with its packages.",
        "CreateEventSourceMapping": "Sources: SQS queues of the same account and region. `Enabled` or `Disabled` at "
        "once; `LastProcessingResult` says what became of the last batch, and is not kept over a restart.",
        "CreateFunction": "Answers `Active` and `Successful` at once. Runtimes: `python3.x`, `nodejs*.x` and "
        "`provided*`. A zip file in the call; `TracingConfig` `PassThrough` only. `DeadLetterConfig`: a standard SQS "
        "queue. `LoggingConfig.LogGroup`: the function's own.",
        "CreateFunctionUrlConfig": "The address is one of this server, `/_url/{id}/`; AWS's host name works too.",
        "GetFunction": "`Code` has no `Location`.",
        "Invoke": "Events that wait for their function are in the database as they came.",
        "PublishLayerVersion": "A zip file in the call. Layers of other accounts cannot be used.",
        "PutFunctionConcurrency": "A tenth of the account's concurrency (`GetAccountSettings`) stays unreserved, as "
        "100 of Lambda's 1,000 do.",
        "PutFunctionEventInvokeConfig": "Destinations: standard SQS queues and functions of the same account and "
        "region; topics, event buses and buckets are refused.",
        "UpdateFunctionEventInvokeConfig": "As PutFunctionEventInvokeConfig.",
        "GetAccountSettings": "`ConcurrentExecutions` is what `--max-sandboxes` says (100); limits of code are "
        "Lambda's own.",
        "GetFunctionCodeSigningConfig": "No function has one.",
        "GetLayerVersion": "`Content` has no `Location`.",
        "GetLayerVersionByArn": "As GetLayerVersion.",
        "ListTags": "Functions only.",
        "TagResource": "Functions only.",
        "UntagResource": "Functions only.",
        "UpdateFunctionCode": "Answers `Successful` at once.",
        "UpdateFunctionConfiguration": "As CreateFunction.",
    },
    "sqs": {
        "": "Spoken in JSON 1.0; the query protocol of clients from before November 2023 is refused. Counts of "
        "messages are exact. A queue URL's host is not looked at. There is no limit on messages in flight.",
        "CreateQueue": "`KmsMasterKeyId` and `KmsDataKeyReusePeriodSeconds` are refused. A deleted queue's name can be "
        "used again at once.",
        "SendMessage": "`MessageGroupId` in a standard queue is kept and shown; it makes no fair queue.",
        "SetQueueAttributes": "As CreateQueue. Takes effect at once.",
    },
    "kms": {
        "": "Symmetric encryption keys. Ciphertexts are this server's own: what was encrypted on AWS cannot be read "
        "here, nor the other way round. Conditions on `kms:ResourceAliases` never help a caller. Of grants there is "
        "only the one that Cognito has while a pool names a key.",
        "CreateKey": "`MultiRegion` must be false. There are no AWS managed keys.",
        "Encrypt": "Keys of the encryption context that differ in case only are refused.",
        "Decrypt": "As Encrypt. Ciphertexts of symmetric keys.",
        "GenerateDataKey": "As Encrypt.",
        "GenerateDataKeyWithoutPlaintext": "As Encrypt.",
        "GetKeyRotationStatus": "No key rotates.",
    },
    "apigateway": {
        "": "Patch operations are `add`, `remove` and `replace`, on the paths that the resource has here.",
        "CreateApiKey": "`stageKeys` are kept and shown, and let nobody in: plans do.",
        "CreateAuthorizer": "Types `TOKEN`, `REQUEST` and `COGNITO_USER_POOLS`. `JWT` is refused.",
        "CreateDeployment": "Caching and tracing must be off.",
        "CreateModel": "Draft 4. A schema may refer to itself and to models of its API; other references are refused.",
        "CreateDomainName": "Certificates are kept and shown; TLS is this server's own. Names of this server and of "
        "AWS, wildcards, private names and mutual TLS are refused.",
        "CreateRestApi": "Endpoint types `EDGE` and `REGIONAL`.",
        "CreateStage": "Caching and tracing must be off.",
        "GetUsage": "Keyed by the key's id. What a node holds of a quota counts as used until it is given back.",
        "GetAccount": "The CloudWatch role is kept and shown; logs here need none.",
        "GetExport": "`swagger` and `oas30`, with the extensions `integrations`, `authorizers` and `apigateway`. ARNs "
        "of the API itself in its policy are written short.",
        "ImportApiKeys": "Values have at least 30 characters, as the guide says.",
        "ImportRestApi": "OpenAPI 3.0 and Swagger 2.0. A member of the document that is neither understood nor mere "
        "description is refused, and so is YAML with aliases; what an API cannot have (cookies among parameters, "
        "documentation parts) is in `warnings`.",
        "PutGatewayResponse": "Templates: text with `$context`, `$stageVariables` and `$method.request` values; a "
        "name of `$context` that does not exist is refused, and so is Velocity.",
        "GetModelTemplate": "A sample in the form of the guide's; not AWS's byte for byte.",
        "PutIntegration": "`AWS_PROXY` is for functions; `AWS` for functions and for the services here, under a role; "
        "`connectionType` `INTERNET`; `responseTransferMode` `STREAM` for `HTTP_PROXY` only. The caller's own "
        "credentials are refused. Mapping templates are Velocity without macros, `#parse`, `#include`, `#evaluate` and "
        "`#break`; patterns in their methods repeat once without an end at the most.",
        "PutIntegrationResponse": "Templates as PutIntegration's.",
        "PutMethod": "`authorizationType` `NONE`, `AWS_IAM`, `CUSTOM` and `COGNITO_USER_POOLS`. An authorizer on a "
        "method that would not ask it is refused.",
        "PutRestApi": "As ImportRestApi. `overwrite` names the API after the document's title; `merge` does not.",
        "TestInvokeAuthorizer": "`authorization` is not given.",
        "TestInvokeMethod": "The log has our steps between AWS's first and last lines.",
        "UpdateRestApi": "As CreateRestApi.",
        "UpdateStage": "Method settings: throttling, log level, data trace. Access logs go to a log group's ARN; the "
        "account's CloudWatch role is not asked for. Caching, metrics, tracing and canary releases are refused.",
    },
    "apigatewayv2": {
        "": "HTTP APIs. WebSocket APIs and what is only theirs (API keys, models, route and integration responses) are "
        "refused. `NextToken` pages have 25 items unless `MaxResults` says otherwise.",
        "CreateApi": "`ProtocolType` `HTTP`. `ApiEndpoint` is an address at which the API can be called here. "
        "`CredentialsArn` is refused. Quick-created functions get payload format 2.0.",
        "CreateAuthorizer": "`JWT` (RSA and ECDSA keys; AWS: RSA only) and `REQUEST`. `AuthorizerCredentialsArn` is "
        "refused.",
        "CreateApiMapping": "To HTTP and REST APIs. A key of several segments, and an HTTP API, need a `REGIONAL` name "
        "with `TLS_1_2`.",
        "CreateDeployment": "A deployment is there at once. Automatic ones are removed when they are replaced.",
        "CreateDomainName": "One name for both versions. `EndpointType` `REGIONAL`; one configuration. Wildcard names "
        "are refused, and so are names of this server and of AWS. Certificates are kept and shown; TLS is this "
        "server's own.",
        "UpdateDomainName": "As CreateDomainName.",
        "CreateIntegration": "`AWS_PROXY` with a function and `HTTP_PROXY`. `CredentialsArn`, subtypes and `VPC_LINK` "
        "are refused.",
        "CreateRoute": "Refused: `ApiKeyRequired`; two routes that differ in the names of their variables only.",
        "CreateStage": "Of the route settings, throttling only.",
        "ExportApi": "Without `servers`.",
        "ImportApi": "OpenAPI 3.0. A member of the document that is neither understood nor mere description is "
        "refused; one security requirement for each operation.",
        "ReimportApi": "As ImportApi.",
        "UpdateApi": "As CreateApi.",
        "UpdateAuthorizer": "As CreateAuthorizer.",
        "UpdateIntegration": "As CreateIntegration. Maps are merged; empty values take entries out.",
        "UpdateRoute": "As CreateRoute.",
        "UpdateStage": "As CreateStage. Maps are merged; a variable of empty text is taken out.",
    },
    "logs": {
        "": "Events are files of the node that took them in, at most 32 MB a group. Filter patterns are terms.",
        "CreateLogGroup": "Class `STANDARD`.",
        "DescribeLogGroups": "The size is that of the files here.",
        "FilterLogEvents": "`filterPattern`: terms, with `-` and `?`; for JSON, columns and regular expressions it is "
        "refused.",
    },
    "cloudformation": {
        "": "A template is checked in full before the call answers, where AWS fails the stack later. Tags of a stack "
        "are kept and not handed on to resources. Resource types that are not here are refused by name.",
        "DeleteStack": "A stack that is being worked on cannot be deleted.",
        "GetTemplate": "Not of a change set.",
        "ValidateTemplate": "Form and resource types; CreateStack checks the rest.",
    },
}

INTRODUCTION = """\
# Compatibility

What velvetrope does of each AWS service that it speaks for, operation by operation, against the models of botocore
{botocore}. This page is made from the code by `tools/make_compatibility.py`; a test fails when it is out of date.

**Done** means that the operation is parsed and validated by AWS's own model, that its caller's signature and policies
are judged, and that it does what AWS's does, but for what its row says.

**Refused** means an error that says so, never an empty success:

| What was asked for | Status | Code | Message |
|---|---|---|---|
| An operation in the lists of refused ones below | {status} | `{code}` | `{message}` |
| A member in the column "refused input" | 400 | the service's code for validation, see the summary | \
`velvetrope does not support CreateUserPool.DeviceConfiguration` |
| A value that is not among those listed there | 400 | the same | `velvetrope does not support this value in …` |
| A member that the model does not have | 400 | the same | `velvetrope does not know …` |

The code travels where the protocol has it: in `__type` and `x-amzn-errortype` (JSON 1.1), in `x-amzn-ErrorType` (REST
JSON), in `<Error><Code>` (query). A refused operation is refused before its signature is looked at; a refused member
only after the caller was found to be allowed the operation. Members are written with dots between levels; `[]` are the
elements of a list, and `{{}}` the values of a map.

Deployed APIs (`execute-api`) and the hosted pages (`/oauth2/*`, `/login`, `/logout`) have no model and are not on this
page; [architecture.md](architecture.md) walks through both.
"""


@dataclass(frozen=True)
class Done:
    """One operation that is served."""

    name: str
    is_unsigned: bool
    refused_members: tuple[str, ...]
    limited_values: tuple[str, ...]


@dataclass(frozen=True)
class Coverage:
    """One service: what is served of it, and the names of what is not."""

    service: WireService
    done: tuple[Done, ...]
    refused: tuple[str, ...]


async def wired_dispatcher() -> OperationDispatcher:
    """The dispatcher of a server that is wired as a real one. No operation may be called on it any more."""
    with tempfile.TemporaryDirectory() as name:
        folder = StateFolder.open(Path(name) / "state", SystemEntropy())
        try:
            server = await Server.open(Settings(state_folder=folder.path, durable=False), folder, port=4800)
            dispatcher = server.dispatcher
            await server.stop()
        finally:
            folder.close()
    return dispatcher


def coverage_of(dispatcher: OperationDispatcher) -> list[Coverage]:
    """What `dispatcher` serves of every service that the edge knows, in the order in which they are wired."""
    registry = dispatcher.operations.methods
    found = []
    for service in sorted(SERVICES.values(), key=lambda s: [*registry, s.name].index(s.name)):
        model = load_service_model(service.name, service.api_version)
        methods = {model.operation_names[name]: method for name, method in registry.get(service.name, {}).items()}
        done = tuple(
            _look_at(model.operation(name), SignatureContract(name, method)) for name, method in sorted(methods.items())
        )
        refused = tuple(sorted(set(model.operation_names.values()) - set(methods)))
        found.append(Coverage(service, done, refused))
    return found


def _look_at(operation: Operation, contract: SignatureContract) -> Done:
    if operation.input is None:
        return Done(operation.name, operation.is_unsigned, (), ())
    findings = list(_compare(operation.input, contract.annotations, "", (operation.input.name,)))
    return Done(
        operation.name,
        operation.is_unsigned,
        tuple(f"`{path}`" for path, values in findings if values is None),
        tuple(f"`{path}` only {values}" for path, values in findings if values is not None),
    )


def _compare(
    shape: Shape, fields: Mapping[str, object], prefix: str, above: tuple[str, ...]
) -> Iterator[tuple[str, str | None]]:
    """(path, None) of each member that `fields` lack, and (path, values) of each that takes fewer than the model."""
    for member in shape.members.values():
        path = f"{prefix}{member.name}"
        if member.snake_name not in fields:
            yield path, None
        else:
            yield from _compare_value(member.shape, fields[member.snake_name], path, above)


def _compare_value(
    shape: Shape, annotation: object, path: str, above: tuple[str, ...]
) -> Iterator[tuple[str, str | None]]:
    wanted = _bare(annotation)
    arguments = typing.get_args(wanted)
    if shape.type == "structure" and isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
        if shape.name not in above:
            fields = {field.encode_name: field.type for field in msgspec.structs.fields(wanted)}
            yield from _compare(shape, fields, f"{path}.", (*above, shape.name))
    elif shape.type == "list" and shape.item is not None and arguments:
        yield from _compare_value(shape.item.shape, arguments[0], f"{path}[]", above)
    elif shape.type == "map" and shape.value is not None and len(arguments) > 1:
        yield from _compare_value(shape.value.shape, arguments[1], f"{path}{{}}", above)
    elif typing.get_origin(wanted) is typing.Literal and set(shape.enum) - set(arguments):
        yield path, ", ".join(f"`{value}`" for value in arguments)


def _bare(annotation: object) -> object:
    """`annotation` without `Annotated` and `| None`."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _bare(typing.get_args(annotation)[0])
    if origin in {typing.Union, types.UnionType}:
        left = [a for a in typing.get_args(annotation) if a not in {type(None), msgspec.UnsetType}]
        return _bare(left[0]) if len(left) == 1 else object
    return annotation


def render(coverage: list[Coverage]) -> str:
    """The page."""
    refusal = not_supported("iam", "CreateLoginProfile")
    lines = [
        INTRODUCTION.format(
            botocore=botocore.__version__, status=refusal.http_status, code=refusal.code, message=refusal.message
        ),
        "## Summary",
        "",
        "| Service | Protocol | API version | Done | Code of a refused member |",
        "|---|---|---|---|---|",
    ]
    for one in coverage:
        service = one.service
        title = TITLES[service.name]
        linked = f"[{title}](#{service.name})" if one.done else title
        total = len(one.done) + len(one.refused)
        code = f"`{service.validation_code}`" if one.done else "every operation is refused"
        protocol, version = PROTOCOLS[service.protocol], service.api_version
        if service.protocol == "json":
            protocol = f"JSON {load_service_model(service.name, version).metadata.json_version}"
        lines.append(f"| {linked} | {protocol} | {version} | {len(one.done)} of {total} | {code} |")
    for one in coverage:
        if one.done:
            lines += ["", *_section(one)]
    return "\n".join(lines) + "\n"


def _section(one: Coverage) -> Iterator[str]:
    name = one.service.name
    differences = dict(DIFFERENCES.get(name, {}))
    yield f"## {name}"
    yield ""
    yield f"{TITLES[name]}: {len(one.done)} operations. {differences.pop('', '')}".rstrip()
    yield ""
    unsigned = [done.name for done in one.done if done.is_unsigned]
    if unsigned:
        yield f"Taken without a signature, as on AWS: {', '.join(unsigned)}."
        yield ""
    if name == "cloudformation":
        yield f"Resource types: {', '.join(f'`{kind}`' for kind in sorted(HANDLERS))}."
        yield ""
    yield "| Done | Refused input | Differs |"
    yield "|---|---|---|"
    for done in one.done:
        refused = ", ".join(done.refused_members)
        limited = "; ".join(done.limited_values)
        difference = differences.pop(done.name, "")
        yield f"| {done.name} | {'; '.join(filter(None, (refused, limited)))} | {difference} |"
    if differences:
        raise SystemExit(f"DIFFERENCES has rows of {name} for operations that are not done: {', '.join(differences)}")
    if one.refused:
        yield ""
        yield f"Refused ({len(one.refused)}): {', '.join(one.refused)}."


def main() -> None:
    """Print the page."""
    sys.stdout.write(render(coverage_of(asyncio.run(wired_dispatcher()))))


if __name__ == "__main__":
    main()

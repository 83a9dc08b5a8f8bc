"""Authorizers: who is asked about a caller before a method is run.

`TOKEN` and `REQUEST` ask a Lambda function, `COGNITO_USER_POOLS` checks a user pool's token; `JWT` is refused by name.
An authorizer that a method names is not deleted: the method would be closed to everybody, and AWS refuses too. What an
authorizer decides is the request lane's.

Sources: API Gateway API reference, CreateAuthorizer, UpdateAuthorizer ("patch operations"); Developer Guide, "Use API
Gateway Lambda authorizers", "Control access to REST APIs using Amazon Cognito user pools as an authorizer". Texts not
seen in captures of AWS are UNVERIFIED.
"""

import re
from collections.abc import Sequence

import msgspec

from velvetrope.apigateway.authored_apis import AuthoredApis
from velvetrope.apigateway.authoring import methods_of
from velvetrope.apigateway.errors import (
    BadRequestException,
    ConflictException,
    LimitExceededException,
    NotFoundException,
    NotSupported,
)
from velvetrope.apigateway.integration_rules import FUNCTION_URI, ROLE_ARN
from velvetrope.apigateway.pages import page_of
from velvetrope.apigateway.patches import (
    PatchOperation,
    invalid_patch,
    patch_int,
    patch_members,
    pointer_parts,
    required_value,
)
from velvetrope.clock import Entropy
from velvetrope.events import is_context_name
from velvetrope.identifiers import new_alphanumeric
from velvetrope.operations import Answer, Call, operation
from velvetrope.patterns import Dialect, PatternRefused, compile_pattern
from velvetrope.store.tables.apigateway import ApiGatewayStore, Authorizer, RestApi

__all__ = ["DEFAULT_TTL_SECONDS", "AuthorizerOperations", "find_authorizer", "with_authorizer"]

DEFAULT_TTL_SECONDS = 300
_MAX_TTL_SECONDS = 3600
_MAX_AUTHORIZERS = 10  # API Gateway quotas: authorizers per API
_POOL = re.compile(r"arn:aws[a-z-]*:cognito-idp:[a-z0-9-]+:\d{12}:userpool/[\w-]+_[0-9A-Za-z]+")
_HEADER = re.compile(r"method\.request\.header\.[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SOURCE = re.compile(
    r"method\.request\.(header|multivalueheader)\.[!#$%&'*+.^_`|~0-9A-Za-z-]+"
    r"|method\.request\.(querystring|multivaluequerystring)\.[^\s,]+"
    r"|stageVariables\.[A-Za-z0-9_]+"
)
_PATCHES = (
    "/name",
    "/type",
    "/providerARNs",
    "/authType",
    "/authorizerUri",
    "/authorizerCredentials",
    "/identitySource",
    "/identityValidationExpression",
    "/authorizerResultTtlInSeconds",
)


class AuthorizerOperations:
    """CreateAuthorizer, GetAuthorizer(s), UpdateAuthorizer, DeleteAuthorizer."""

    def __init__(self, store: ApiGatewayStore, entropy: Entropy) -> None:
        self._apis = AuthoredApis(store)
        self._entropy = entropy

    @operation
    async def create_authorizer(
        self,
        call: Call,
        *,
        rest_api_id: str,
        name: str,
        type: str,  # noqa: A002  the member's own name
        provider_arns: Sequence[str] = (),
        auth_type: str | None = None,
        authorizer_uri: str | None = None,
        authorizer_credentials: str | None = None,
        identity_source: str | None = None,
        identity_validation_expression: str | None = None,
        authorizer_result_ttl_in_seconds: int = DEFAULT_TTL_SECONDS,
    ) -> Answer:
        authorizer = Authorizer(
            id=new_alphanumeric(self._entropy, 6),
            name=name,
            type=type,
            provider_arns=tuple(provider_arns),
            auth_type=auth_type,
            authorizer_uri=authorizer_uri,
            authorizer_credentials=authorizer_credentials or None,
            identity_source=identity_source or None,
            identity_validation_expression=identity_validation_expression or None,
            result_ttl_in_seconds=authorizer_result_ttl_in_seconds,
        )
        await self._apis.change(call, rest_api_id, lambda api: with_authorizer(api, authorizer))
        return _render(authorizer)

    @operation
    async def get_authorizer(self, call: Call, *, rest_api_id: str, authorizer_id: str) -> Answer:
        return _render(find_authorizer(await self._apis.load(call, rest_api_id), authorizer_id))

    @operation
    async def get_authorizers(
        self, call: Call, *, rest_api_id: str, position: str | None = None, limit: int | None = None
    ) -> Answer:
        api = await self._apis.load(call, rest_api_id)
        items, following = page_of(list(api.authorizers.values()), position, limit)
        return {"items": [_render(authorizer) for authorizer in items], "position": following}

    @operation
    async def update_authorizer(
        self,
        call: Call,
        *,
        rest_api_id: str,
        authorizer_id: str,
        patch_operations: tuple[PatchOperation, ...] = (),
    ) -> Answer:
        def change(api: RestApi) -> RestApi:
            authorizer = find_authorizer(api, authorizer_id)
            for patch in patch_operations:
                authorizer = _patched(authorizer, patch)
            return with_authorizer(api, authorizer)

        changed = await self._apis.change(call, rest_api_id, change)
        return _render(changed.authorizers[authorizer_id])

    @operation
    async def delete_authorizer(self, call: Call, *, rest_api_id: str, authorizer_id: str) -> None:
        def change(api: RestApi) -> RestApi:
            find_authorizer(api, authorizer_id)
            for resource, method in methods_of(api):
                if method.authorizer_id == authorizer_id:
                    raise ConflictException(
                        f"Cannot delete authorizer '{authorizer_id}', is referenced in method: "
                        f"{resource.path}/{method.http_method}"
                    )
            left = {key: one for key, one in api.authorizers.items() if key != authorizer_id}
            return msgspec.structs.replace(api, authorizers=left)

        await self._apis.change(call, rest_api_id, change)


def find_authorizer(api: RestApi, authorizer_id: str) -> Authorizer:
    """The authorizer of that id, or AWS's 404."""
    authorizer = api.authorizers.get(authorizer_id)
    if authorizer is None:
        raise NotFoundException("Invalid Authorizer identifier specified")
    return authorizer


def with_authorizer(api: RestApi, authorizer: Authorizer) -> RestApi:
    """`api` with an authorizer, new or changed.

    Raises:
        BadRequestException: something is missing, or does not fit the type. (NotSupported) another type.
    """
    if authorizer.type not in {"TOKEN", "REQUEST", "COGNITO_USER_POOLS"}:
        raise NotSupported(f"The authorizer type {authorizer.type}")
    if not authorizer.name.strip():
        raise BadRequestException("Authorizer name cannot be an empty string")
    for other in api.authorizers.values():
        if other.name == authorizer.name and other.id != authorizer.id:
            raise BadRequestException(f"Authorizer name must be unique. Authorizer {authorizer.name} already exists")
    if authorizer.id not in api.authorizers and len(api.authorizers) >= _MAX_AUTHORIZERS:
        raise LimitExceededException(f"Maximum number of Authorizers for this API has been reached: {_MAX_AUTHORIZERS}")
    for _, method in methods_of(api):
        kind = "COGNITO_USER_POOLS" if authorizer.type == "COGNITO_USER_POOLS" else "CUSTOM"
        if method.authorizer_id == authorizer.id and method.authorization_type != kind:
            raise BadRequestException("The type of an authorizer that methods use cannot be changed to the other kind")
    if not 0 <= authorizer.result_ttl_in_seconds <= _MAX_TTL_SECONDS:
        raise BadRequestException(f"Authorizer result TTL must be between 0 and {_MAX_TTL_SECONDS} seconds")
    if authorizer.type == "COGNITO_USER_POOLS":
        _check_user_pools(authorizer)
    else:
        _check_function(authorizer)
    _check_identity(authorizer)
    return msgspec.structs.replace(api, authorizers={**api.authorizers, authorizer.id: authorizer})


def _check_user_pools(authorizer: Authorizer) -> None:
    if not authorizer.provider_arns or not all(_POOL.fullmatch(arn) for arn in authorizer.provider_arns):
        raise BadRequestException("Invalid Authorizer Provider ARNs specified: a user pool's ARN is required")
    if authorizer.authorizer_uri is not None or authorizer.authorizer_credentials is not None:
        raise BadRequestException("A COGNITO_USER_POOLS authorizer has neither a URI nor credentials")


def _check_function(authorizer: Authorizer) -> None:
    if authorizer.provider_arns:
        raise BadRequestException(f"An authorizer of type {authorizer.type} has no provider ARNs")
    if authorizer.authorizer_uri is None or not FUNCTION_URI.fullmatch(authorizer.authorizer_uri):
        raise BadRequestException(f"Invalid Authorizer URI: {authorizer.authorizer_uri}")
    if authorizer.authorizer_credentials is not None and not ROLE_ARN.fullmatch(authorizer.authorizer_credentials):
        raise BadRequestException("Invalid ARN specified in the request")


def _is_source(text: str) -> bool:
    # `$context.authorizer.…` is what the authorizer is still to say.
    if text.startswith("context."):
        name = text.removeprefix("context.")
        return is_context_name(name) and not name.startswith("authorizer.")
    return _SOURCE.fullmatch(text) is not None


def _check_identity(authorizer: Authorizer) -> None:
    source = authorizer.identity_source
    if authorizer.type == "REQUEST":
        parts = [] if source is None else [part.strip() for part in source.split(",")]
        if not parts and authorizer.result_ttl_in_seconds > 0:
            # Results are kept by identity; without one, everybody would get the first caller's.
            raise BadRequestException("Identity source is required when authorizer caching is enabled")
        wrong = next((part for part in parts if not _is_source(part)), None)
        if authorizer.identity_validation_expression is not None:
            raise BadRequestException("Identity validation expression is not for REQUEST authorizers")
    else:
        wrong = None if source is not None and _HEADER.fullmatch(source) else source or "(none)"
    if wrong is not None:
        raise BadRequestException(f"Invalid identity source specified: {wrong}")
    if authorizer.identity_validation_expression is not None:
        try:
            compile_pattern(authorizer.identity_validation_expression, Dialect.JAVA, whole=True)
        except PatternRefused as refused:
            raise BadRequestException(
                f"Invalid identity validation expression specified: {authorizer.identity_validation_expression}: "
                f"{refused.message}"
            ) from None


def _patched(authorizer: Authorizer, patch: PatchOperation) -> Authorizer:
    replace = msgspec.structs.replace
    match patch.op, pointer_parts(patch.path):
        case "replace", ("name",):
            return replace(authorizer, name=required_value(patch))
        case "replace", ("type",):
            return replace(authorizer, type=required_value(patch))
        case (("add" | "remove" | "replace"), ("providerARNs",)):
            return replace(authorizer, provider_arns=patch_members(authorizer.provider_arns, patch))
        case "replace", ("authType",):
            return replace(authorizer, auth_type=patch.value or None)
        case "replace", ("authorizerUri",):
            return replace(authorizer, authorizer_uri=patch.value or None)
        case "replace", ("authorizerCredentials",):
            return replace(authorizer, authorizer_credentials=patch.value or None)
        case "replace", ("identitySource",):
            return replace(authorizer, identity_source=patch.value or None)
        case "replace", ("identityValidationExpression",):
            return replace(authorizer, identity_validation_expression=patch.value or None)
        case "replace", ("authorizerResultTtlInSeconds",):
            return replace(authorizer, result_ttl_in_seconds=patch_int(patch))
        case _:
            raise invalid_patch(patch, _PATCHES)


def _render(authorizer: Authorizer) -> dict[str, object]:
    default_auth_type = "cognito_user_pools" if authorizer.type == "COGNITO_USER_POOLS" else "custom"
    return {
        "id": authorizer.id,
        "name": authorizer.name,
        "type": authorizer.type,
        "provider_arns": list(authorizer.provider_arns) or None,
        "auth_type": authorizer.auth_type or default_auth_type,
        "authorizer_uri": authorizer.authorizer_uri,
        "authorizer_credentials": authorizer.authorizer_credentials,
        "identity_source": authorizer.identity_source,
        "identity_validation_expression": authorizer.identity_validation_expression,
        "authorizer_result_ttl_in_seconds": authorizer.result_ttl_in_seconds,
    }

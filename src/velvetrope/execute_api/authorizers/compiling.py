"""An authorizer's record, compiled with its deployment.

What cannot be understood makes the authorizer unusable, and every request of its methods ends in 500
AuthorizerConfigurationException: `UnusableAuthorizer` says why.

Source: API Gateway API Reference, CreateAuthorizer.
"""

from dataclasses import dataclass

from velvetrope.arn import InvalidArn, parse_arn
from velvetrope.execute_api.function_uris import function_of_uri
from velvetrope.execute_api.request_values import RequestValue, UnknownExpression, compile_identity_source
from velvetrope.patterns import Dialect, Pattern, PatternRefused, compile_pattern
from velvetrope.store.tables.apigateway import Authorizer, Stage

__all__ = ["CompiledAuthorizer", "FunctionAuthorizer", "PoolAuthorizer", "UnusableAuthorizer", "compile_authorizer"]


@dataclass(frozen=True)
class PoolAuthorizer:
    """User pools whose tokens are good, and where a caller puts its token."""

    authorizer_id: str
    user_pool_ids: tuple[str, ...]
    token: RequestValue
    audience: Pattern | None
    ttl_seconds: int


@dataclass(frozen=True)
class FunctionAuthorizer:
    """A function that is asked. `takes_token` tells TOKEN from REQUEST; `function_arn` is None if a stage variable in
    it has no value."""

    authorizer_id: str
    takes_token: bool
    function_arn: str | None
    source_arn: str
    credentials: str | None
    sources: tuple[RequestValue, ...]
    validation: Pattern | None
    ttl_seconds: int


@dataclass(frozen=True)
class UnusableAuthorizer:
    """An authorizer that nobody passes."""

    why: str


CompiledAuthorizer = PoolAuthorizer | FunctionAuthorizer | UnusableAuthorizer


def compile_authorizer(authorizer: Authorizer, stage: Stage, *, arn_of_api: str) -> CompiledAuthorizer:
    """`authorizer` as it is asked; `arn_of_api` is `arn:aws:execute-api:{region}:{account}:{apiId}`."""
    try:
        if authorizer.type == "COGNITO_USER_POOLS":
            return _compile_pools(authorizer)
        if authorizer.type in ("TOKEN", "REQUEST"):
            return _compile_function(authorizer, stage, arn_of_api)
    except (UnknownExpression, InvalidArn) as finding:
        return UnusableAuthorizer(f"authorizer {authorizer.id}: {finding.message}")
    except PatternRefused as refused:
        return UnusableAuthorizer(f"authorizer {authorizer.id}: its validation expression: {refused.message}")
    return UnusableAuthorizer(f"authorizer {authorizer.id} has the type {authorizer.type}, which is not known here")


def _compile_pools(authorizer: Authorizer) -> PoolAuthorizer:
    pools = []
    for provider_arn in authorizer.provider_arns:
        arn = parse_arn(provider_arn)
        kind, _, pool_id = arn.resource.partition("/")
        if arn.service != "cognito-idp" or kind != "userpool" or not pool_id:
            raise InvalidArn(f"{provider_arn} is not the ARN of a user pool")
        pools.append(pool_id)
    return PoolAuthorizer(
        authorizer_id=authorizer.id,
        user_pool_ids=tuple(pools),
        token=compile_identity_source(authorizer.identity_source or "method.request.header.Authorization"),
        audience=_pattern(authorizer.identity_validation_expression),
        ttl_seconds=authorizer.result_ttl_in_seconds,
    )


def _compile_function(authorizer: Authorizer, stage: Stage, arn_of_api: str) -> FunctionAuthorizer | UnusableAuthorizer:
    uri = function_of_uri(authorizer.authorizer_uri or "", stage.variables)
    if uri is None:
        return UnusableAuthorizer(f"authorizer {authorizer.id}: its URI names no function")
    takes_token = authorizer.type == "TOKEN"
    source = authorizer.identity_source or ("method.request.header.Authorization" if takes_token else "")
    sources = tuple(compile_identity_source(one.strip()) for one in source.split(",") if one.strip())
    if takes_token and (len(sources) != 1 or sources[0].place != "header"):
        return UnusableAuthorizer(f"authorizer {authorizer.id}: a TOKEN authorizer has one header as identity source")
    return FunctionAuthorizer(
        authorizer_id=authorizer.id,
        takes_token=takes_token,
        function_arn=uri.function_arn,
        source_arn=f"{arn_of_api}/authorizers/{authorizer.id}",
        credentials=authorizer.authorizer_credentials,
        sources=sources,
        validation=_pattern(authorizer.identity_validation_expression) if takes_token else None,
        # Without identity sources nothing tells one caller from another, so nothing may be kept.
        ttl_seconds=authorizer.result_ttl_in_seconds if sources else 0,
    )


def _pattern(expression: str | None) -> Pattern | None:
    return None if not expression else compile_pattern(expression, Dialect.JAVA, whole=True)

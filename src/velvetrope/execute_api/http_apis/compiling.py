"""An HTTP API as it is served: stages with their routes, compiled once for each deployment.

What this version does not understand (an authorization type, an integration) is compiled into a refusal, never left
out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from velvetrope.events import ParameterMapping, parse_request_mapping, parse_response_mapping
from velvetrope.execute_api.http_apis.cors import CompiledCors, compile_cors
from velvetrope.execute_api.logs.formats import AccessLog, compile_access_log
from velvetrope.execute_api.meters import Meter, Meters
from velvetrope.execute_api.snapshot import Step
from velvetrope.metering import BucketLimits
from velvetrope.routes import RouteKey, RouteTree
from velvetrope.store.tables.apigatewayv2 import (
    HttpAuthorizer,
    HttpDeployment,
    HttpRoute,
    HttpStage,
    RouteSettings,
)

__all__ = [
    "CompiledHttpRoute",
    "CompiledHttpStage",
    "EndpointIntegration",
    "FunctionAuthorizer",
    "FunctionIntegration",
    "IdentitySource",
    "JwtAuthorizer",
    "compile_http_stage",
]

_FUNCTION = re.compile(r"(?:.*:lambda:path/2015-03-31/functions/)?(?P<arn>arn:[^/]+)(?:/invocations)?")
_STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.([A-Za-z0-9_]+)\}")
_ACCOUNT_RATE, _ACCOUNT_BURST = 10_000.0, 5_000
"""An account's own limits, which hold where a stage sets only a rate or only a burst. Source: API Gateway quotas."""

Authorization = Literal["NONE", "AWS_IAM", "JWT", "CUSTOM", "unknown"]


@dataclass(frozen=True, slots=True)
class IdentitySource:
    """Where to look: `place` is `header` (its name in lower case), `querystring`, `context` or `stageVariables`."""

    place: str
    name: str


@dataclass(frozen=True)
class JwtAuthorizer:
    """Whose tokens count, and for whom."""

    authorizer_id: str
    source: IdentitySource
    issuer: str
    audience: tuple[str, ...]


@dataclass(frozen=True)
class FunctionAuthorizer:
    """The function that decides. `function_arn` is None if a stage variable in it has no value."""

    authorizer_id: str
    cache_scope: str
    """Tells its answers from those of other stages and deployments."""
    sources: tuple[IdentitySource, ...]
    function_arn: str | None
    source_arn: str
    payload_format_version: str
    has_simple_responses: bool
    ttl_seconds: int


@dataclass(frozen=True)
class FunctionIntegration:
    """A function behind a route. `function_arn` is None if a stage variable in it has no value."""

    function_arn: str | None
    source_arn: str
    payload_format_version: str
    timeout_seconds: float
    request_mappings: tuple[ParameterMapping, ...]
    response_mappings: Mapping[int, tuple[ParameterMapping, ...]]


@dataclass(frozen=True)
class EndpointIntegration:
    """An HTTP endpoint behind a route. `url` is None if a stage variable in it has no value; `method` may be ANY."""

    url: str | None
    method: str
    timeout_seconds: float
    server_name: str | None
    request_mappings: tuple[ParameterMapping, ...]
    response_mappings: Mapping[int, tuple[ParameterMapping, ...]]


@dataclass(frozen=True, eq=False)
class CompiledHttpRoute:
    """A route as it is served. `names` are its path variables in order."""

    route_key: str
    names: tuple[str, ...]
    authorization: Authorization
    scopes: tuple[str, ...]
    authorizer: JwtAuthorizer | FunctionAuthorizer | None
    integration: FunctionIntegration | EndpointIntegration | None
    meter: Meter | None
    matched: Step


@dataclass(frozen=True, eq=False)
class CompiledHttpStage:
    """A deployed stage of an HTTP API."""

    api_id: str
    name: str
    account_id: str
    deployment_id: str
    arn_prefix: str
    """`arn:aws:execute-api:{region}:{account}:{apiId}/{stage}/`"""
    tree: RouteTree[CompiledHttpRoute]
    default: CompiledHttpRoute | None
    cors: CompiledCors | None
    variables: Mapping[str, str]
    access_log: AccessLog | None


def compile_http_stage(
    deployment: HttpDeployment, stage: HttpStage, *, region: str, meters: Meters
) -> CompiledHttpStage:
    """One stage, ready to be served."""
    return _StageCompiler(deployment, stage, region, meters).compile()


class _StageCompiler:
    def __init__(self, deployment: HttpDeployment, stage: HttpStage, region: str, meters: Meters) -> None:
        self._api = deployment.api
        self._deployment = deployment
        self._stage = stage
        self._meters = meters
        self._arn_root = f"arn:aws:execute-api:{region}:{self._api.account_id}:{self._api.id}"

    def compile(self) -> CompiledHttpStage:
        routes: list[tuple[str, str, CompiledHttpRoute]] = []
        default: CompiledHttpRoute | None = None
        for route in self._api.routes.values():
            key = RouteKey.parse(route.route_key)
            if key is None:
                continue  # nobody can ask for it
            compiled = self._route(route, key)
            if key.is_default:
                default = compiled
            else:
                routes.append((key.anonymous_path, key.method, compiled))
        log = self._stage.access_log
        return CompiledHttpStage(
            api_id=self._api.id,
            name=self._stage.stage_name,
            account_id=self._api.account_id,
            deployment_id=self._deployment.id,
            arn_prefix=f"{self._arn_root}/{self._stage.stage_name}/",
            tree=RouteTree(routes, ignores_trailing_slash=False),
            default=default,
            cors=compile_cors(self._api.cors),
            variables=self._stage.variables,
            access_log=None if log is None else compile_access_log(log.destination_arn, log.format),
        )

    def _route(self, route: HttpRoute, key: RouteKey) -> CompiledHttpRoute:
        authorizers: dict[str, Authorization] = {"NONE": "NONE", "AWS_IAM": "AWS_IAM", "JWT": "JWT", "CUSTOM": "CUSTOM"}
        authorization = authorizers.get(route.authorization_type, "unknown")
        authorizer = None
        if authorization in {"JWT", "CUSTOM"}:
            known = self._api.authorizers.get(route.authorizer_id or "")
            authorizer = None if known is None else self._authorizer(known)
            if not isinstance(authorizer, JwtAuthorizer if authorization == "JWT" else FunctionAuthorizer):
                authorization, authorizer = "unknown", None
        limits = self._limits(route.route_key)
        name = f"http/{self._api.id}/{self._stage.stage_name}/{route.route_key}"
        return CompiledHttpRoute(
            route_key=route.route_key,
            names=key.names,
            authorization=authorization,
            scopes=route.authorization_scopes,
            authorizer=authorizer,
            integration=self._integration(route, key),
            meter=None if limits is None else Meter((self._meters.bucket(name, limits),), None),
            matched=(
                "route",
                "allowed",
                f"{route.route_key} of HTTP API {self._api.id}, stage {self._stage.stage_name}",
            ),
        )

    def _authorizer(self, authorizer: HttpAuthorizer) -> JwtAuthorizer | FunctionAuthorizer | None:
        sources = tuple(_identity_source(text) for text in authorizer.identity_source)
        if authorizer.type == "JWT" and authorizer.issuer is not None and len(sources) == 1:
            return JwtAuthorizer(authorizer.id, sources[0], authorizer.issuer, authorizer.audience)
        if authorizer.type == "REQUEST" and authorizer.payload_format_version is not None:
            return FunctionAuthorizer(
                authorizer_id=authorizer.id,
                cache_scope=f"{self._api.id}/{self._stage.stage_name}/{self._deployment.id}/{authorizer.id}",
                sources=sources,
                function_arn=self._function_arn(authorizer.uri or ""),
                source_arn=f"{self._arn_root}/authorizers/{authorizer.id}",
                payload_format_version=authorizer.payload_format_version,
                has_simple_responses=authorizer.enable_simple_responses,
                ttl_seconds=authorizer.result_ttl_in_seconds,
            )
        return None

    def _integration(self, route: HttpRoute, key: RouteKey) -> FunctionIntegration | EndpointIntegration | None:
        integration = self._api.integrations.get((route.target or "").removeprefix("integrations/"))
        if integration is None:
            return None
        requests = tuple(parse_request_mapping(key, value) for key, value in integration.request_parameters.items())
        responses = {
            int(status): tuple(parse_response_mapping(key, value) for key, value in mappings.items())
            for status, mappings in integration.response_parameters.items()
        }
        timeout_seconds = integration.timeout_in_millis / 1000
        if integration.type == "AWS_PROXY":
            # The route as declared; for `$default` AWS documents `{apiId}/{stage}/$default`.
            path = "$default" if key.is_default else f"{key.method}{key.path}"
            return FunctionIntegration(
                function_arn=self._function_arn(integration.uri),
                source_arn=f"{self._arn_root}/{self._stage.stage_name}/{path}",
                payload_format_version=integration.payload_format_version,
                timeout_seconds=timeout_seconds,
                request_mappings=requests,
                response_mappings=responses,
            )
        if integration.type == "HTTP_PROXY":
            return EndpointIntegration(
                url=self._with_variables(integration.uri),
                method=integration.method or "ANY",
                timeout_seconds=timeout_seconds,
                server_name=integration.server_name_to_verify,
                request_mappings=requests,
                response_mappings=responses,
            )
        return None

    def _function_arn(self, uri: str) -> str | None:
        found = _FUNCTION.fullmatch(uri)
        return None if found is None else self._with_variables(found["arn"])

    def _with_variables(self, text: str) -> str | None:
        variables = self._stage.variables
        if not all(name in variables for name in _STAGE_VARIABLE.findall(text)):
            return None
        return _STAGE_VARIABLE.sub(lambda reference: variables[reference.group(1)], text)

    def _limits(self, route_key: str) -> BucketLimits | None:
        # A route's own settings win as a whole over those of the stage.
        chosen = self._stage.route_settings.get(route_key) or self._stage.default_route_settings or RouteSettings()
        rate, burst = chosen.throttling_rate_limit, chosen.throttling_burst_limit
        if rate is None and burst is None:
            return None
        return BucketLimits(
            rate_per_second=_ACCOUNT_RATE if rate is None else rate,
            burst_requests=_ACCOUNT_BURST if burst is None else burst,
        )


def _identity_source(text: str) -> IdentitySource:
    root, _, rest = text.removeprefix("$").partition(".")
    if root == "request":
        place, _, name = rest.partition(".")
        return IdentitySource(place, name.lower() if place == "header" else name)
    return IdentitySource(root, rest)

"""One call to a deployed HTTP API, from its bytes to its answer.

    lane = HttpApiLane(Surroundings(…), store=…, pool_tokens=…, issuer_keys=…)
    response = await lane.answer(incoming)

`answer` is the chain; its order is the security argument: size, stage, route, preflight, authorizer (a signature and
the caller's policies, a token, or a function), throttle, integration. Requests read memory only, as in the lane of REST
APIs, with which this one shares signatures, policies, meters and functions.

The first segment of the path names the stage if the API has one of that name; else all of the path is for `$default`.
Routes: the best match by path and verb, then `$default`. A path with a `.` or `..` segment matches nothing, since
signatures are computed over the path without them.

Every answer has `Apigw-Requestid`; every request leaves one decision record under that id.

Sources: API Gateway Developer Guide, "Create routes for HTTP APIs", "Control and manage access to HTTP APIs",
"Throttle requests to your HTTP APIs"; captures of AWS for the form of refusals. UNVERIFIED: the place of the throttle
behind the authorizer.
"""

from collections.abc import Mapping
from time import perf_counter
from urllib.parse import urlsplit

import msgspec

from velvetrope.execute_api.allowed_before import AllowedBefore
from velvetrope.execute_api.authentication import SignatureAuthenticator
from velvetrope.execute_api.authorization import (
    ACTION,
    MAX_METHOD_ARN_BYTES,
    call_context,
    evaluate_call,
)
from velvetrope.execute_api.errors import GatewayRefusal
from velvetrope.execute_api.http_apis.compiling import (
    CompiledHttpRoute,
    CompiledHttpStage,
    EndpointIntegration,
    FunctionAuthorizer,
    FunctionIntegration,
    JwtAuthorizer,
)
from velvetrope.execute_api.http_apis.context import HttpContext
from velvetrope.execute_api.http_apis.cors import CompiledCors, is_preflight
from velvetrope.execute_api.http_apis.deployed import DeployedHttpApis
from velvetrope.execute_api.http_apis.endpoints import call_endpoint
from velvetrope.execute_api.http_apis.errors import (
    Forbidden,
    HttpApiRefusal,
    InternalError,
    PayloadTooLarge,
    RouteNotFound,
    TooManyRequests,
)
from velvetrope.execute_api.http_apis.function_authorizers import FunctionAuthorizers, identity_value
from velvetrope.execute_api.http_apis.functions import invoke_http_function
from velvetrope.execute_api.http_apis.jwt_authorizers import IssuerKeyFinder, JwtAuthorizers, PoolTokens
from velvetrope.execute_api.http_apis.logs import HttpRequestObserver
from velvetrope.execute_api.http_apis.mappings import map_response
from velvetrope.execute_api.http_apis.requests import HttpAdmitted, HttpCaller, HttpMatched, HttpPassed
from velvetrope.execute_api.invoking import FunctionCalls
from velvetrope.execute_api.meters import Meters, epoch_us
from velvetrope.execute_api.requests import (
    GatewayResponse,
    IncomingRequest,
    IntegrationOutcome,
    RequestIds,
    RequestIdSource,
    Trail,
)
from velvetrope.execute_api.snapshot import Step
from velvetrope.execute_api.surroundings import Surroundings
from velvetrope.identifiers import new_uuid
from velvetrope.policy import AuthorizationRequest
from velvetrope.principals import ANONYMOUS
from velvetrope.routes import has_dot_segments
from velvetrope.store.tables.apigatewayv2 import HttpApiStore

__all__ = ["HttpApiLane"]

_MAX_BODY_BYTES = 10_485_760  # API Gateway quotas: payload size
_NO_CONTENT = frozenset({204, 304})  # RFC 9110 section 8.6: no body, and 204 has no Content-Length
_NO_PARAMETERS: Mapping[str, str] = {}
_OPEN: Step = ("authorization", "skipped", "the route's authorization type is NONE")
_WITHIN_LIMITS: Step = ("throttle", "allowed", "within the throttle of this route")


class HttpApiLane:
    """Serves deployed HTTP APIs of one account and region."""

    def __init__(
        self, around: Surroundings, *, store: HttpApiStore, pool_tokens: PoolTokens, issuer_keys: IssuerKeyFinder
    ) -> None:
        self._observer = HttpRequestObserver(around.logs, around.requests)
        self._policies = around.policies
        self._functions = FunctionCalls(around.functions, around.services)
        self._backends = around.backends
        self._recorder = around.recorder
        self._clock = around.clock
        self._new_ids = RequestIdSource(around.entropy).next
        self._region = around.region
        self._authenticator = SignatureAuthenticator(around.credentials, region=around.region)
        self._allowed = AllowedBefore()
        self._jwt_authorizers = JwtAuthorizers(pool_tokens, issuer_keys)
        self._function_authorizers = FunctionAuthorizers(self._functions, region=around.region)
        self._meters = Meters(around.usage, node_id=new_uuid(around.entropy))
        self._deployed = DeployedHttpApis(store, around.changes, self._meters, region=around.region)

    @property
    def is_outdated(self) -> bool:
        """Whether something was published since `serves` was last right."""
        return self._deployed.is_outdated

    def serves(self, api_id: str) -> bool:
        """Whether this is the id of an HTTP API."""
        return api_id in self._deployed.api_ids

    async def start(self) -> None:
        """Read what is deployed, so that the first request need not."""
        await self._deployed.reload()

    async def close(self) -> None:
        """Give all leases back and close connections. The lane may be used again."""
        await self._backends.close()
        await self._meters.release(self._clock.now())
        self._deployed.forget()

    async def answer(self, incoming: IncomingRequest) -> GatewayResponse:
        """Serve one call. Steps run top to bottom; the first refusal wins."""
        started = perf_counter()
        if self._deployed.is_outdated:
            await self._deployed.reload()
        ids = self._new_ids()
        trail: Trail = []
        cors: CompiledCors | None = None
        passed: HttpPassed | None = None
        refusal: HttpApiRefusal | None = None
        stage: CompiledHttpStage | None = None
        outcome: IntegrationOutcome | None = None
        headers = incoming.headers_by_name
        try:
            _check_size(incoming)
            stage, path = self._find_stage(incoming)
            if incoming.by_domain and stage.name == "$default":
                incoming = msgspec.structs.replace(incoming, stage_path=path.encode("latin-1"))
            cors = stage.cors
            found = _match_route(stage, incoming, headers, path)
            if found is None:
                response, cors = _answer_preflight(stage, headers, trail), None
            else:
                passed = matched = _matched(incoming, headers, ids, stage, found, path, trail)
                passed = caller = await self._authorize(matched)
                passed = admitted = await self._admit(caller)
                response, outcome = await self._integrate(admitted)
        except HttpApiRefusal as refused:
            refusal = refused
            response = _refuse(refused, trail)
        response = _finished(response, cors, headers.get(b"origin"), ids)
        known = HttpContext(
            incoming=incoming,
            ids=ids,
            stage=stage,
            passed=passed,
            refusal=refusal,
            outcome=outcome,
            status=response.status,
            response_bytes=len(response.body),
            duration_ms=(perf_counter() - started) * 1000,
        )
        self._record(known, trail)
        return response

    # Steps

    def _find_stage(self, incoming: IncomingRequest) -> tuple[CompiledHttpStage, str]:
        stage_path = incoming.stage_path.decode("latin-1")
        name, _, rest = stage_path[1:].partition("/")
        stages = self._deployed.stages
        named = stages.get((incoming.api_id, name))
        if incoming.by_domain:
            # The mapping has named the stage; another one, or the default one, is not what it leads to.
            if named is None:
                raise RouteNotFound(step="stage", detail=self._deployed.why_closed(incoming.api_id, name))
            return named, f"/{rest}"
        if incoming.api_id in self._deployed.by_domain_only:
            raise RouteNotFound(
                step="stage", detail=f"the execute-api endpoint of HTTP API {incoming.api_id} is disabled"
            )
        if named is not None and name != "$default":
            return named, f"/{rest}"
        default = stages.get((incoming.api_id, "$default"))
        if default is None:
            why = self._deployed.why_closed(incoming.api_id, name)
            raise RouteNotFound(step="stage", detail=why)
        return default, stage_path

    async def _authorize(self, matched: HttpMatched) -> HttpCaller:
        route = matched.route
        if route.authorization == "NONE":
            matched.trail.append(_OPEN)
            return HttpCaller(matched, ANONYMOUS)
        if route.authorization == "AWS_IAM":
            return await self._authorize_signed(matched)
        authorizer = route.authorizer
        if isinstance(authorizer, JwtAuthorizer):
            token = identity_value(authorizer.source, matched)
            return await self._jwt_authorizers.authorize(authorizer, token, matched)
        if isinstance(authorizer, FunctionAuthorizer):
            return await self._function_authorizers.authorize(authorizer, matched)
        raise InternalError(step="authorization", detail="the route's authorization type is not known here")

    async def _authorize_signed(self, matched: HttpMatched) -> HttpCaller:
        try:
            principal = self._authenticator.recognise(matched.incoming, matched.headers)
            if principal is None:
                principal = await self._authenticator.authenticate(matched.incoming, matched.headers)
        except GatewayRefusal as refusal:
            raise Forbidden(step=refusal.step, detail=refusal.detail or refusal.message) from None
        matched.trail.append(
            ("authentication", "allowed", f"signed with {principal.access_key_id or 'a key'} of {principal.arn}")
        )
        resource = matched.route_arn
        if len(resource) > MAX_METHOD_ARN_BYTES:
            raise Forbidden(step="authorization", detail=f"the route's ARN has {len(resource)} bytes")
        policies = await self._policies.policies_for(principal)
        known = self._allowed.find(policies, principal, resource)
        if known is None:
            context = call_context(principal, matched.incoming, matched.headers, region=self._region)
            decision = evaluate_call(
                AuthorizationRequest(principal, ACTION, resource, matched.stage.account_id, context, policies, None)
            )
            if not decision.allowed:
                raise Forbidden(
                    step="authorization",
                    detail=f"{principal.arn} may not {ACTION} on {resource}. " + "; ".join(decision.reasons),
                )
            step: Step = ("authorization", "allowed", decision.permission)
            self._allowed.keep(policies, principal, resource, step)
            known = step
        matched.trail.append(known)
        return HttpCaller(matched, principal)

    async def _admit(self, caller: HttpCaller) -> HttpAdmitted:
        matched = caller.matched
        meter = matched.route.meter
        if meter is not None:
            now = matched.incoming.received_at
            now_us = epoch_us(now)
            while (verdict := meter.take(now_us)) == "not leased":
                await self._meters.renew(meter, now, now_us)
            if verdict != "admitted":
                raise TooManyRequests(
                    step="throttle",
                    detail=f"too many requests for the rate and burst of {matched.route.route_key} "
                    f"in stage {matched.stage.name}",
                )
            matched.trail.append(_WITHIN_LIMITS)
        return HttpAdmitted(caller)

    async def _integrate(self, admitted: HttpAdmitted) -> tuple[GatewayResponse, IntegrationOutcome | None]:
        matched = admitted.caller.matched
        integration = matched.route.integration
        if isinstance(integration, FunctionIntegration):
            answer, outcome = await invoke_http_function(integration, admitted, self._functions)
            told_by = f"{integration.function_arn} answered {answer.status}"
        elif isinstance(integration, EndpointIntegration):
            answer, outcome = await call_endpoint(integration, admitted, self._backends)
            told_by = f"{urlsplit(integration.url or '').netloc} answered {answer.status}"
        else:
            raise InternalError(step="integration", detail="the route has no integration that is known here")
        known = HttpContext(
            incoming=matched.incoming, ids=matched.ids, stage=matched.stage, passed=admitted, outcome=outcome
        )
        status, headers = map_response(
            integration.response_mappings, answer.status, answer.headers, answer.body, known, matched.stage.variables
        )
        matched.trail.append(("integration", "allowed", told_by))
        return GatewayResponse(status, headers, answer.body), outcome

    def _record(self, known: HttpContext, trail: Trail) -> None:
        incoming, caller, matched, refusal = known.incoming, known.caller, known.matched, known.refusal
        principal = ANONYMOUS if caller is None else caller.principal
        steps = tuple(trail)
        self._recorder.record_request(
            known.ids.extended_request_id,
            incoming.received_at,
            "execute-api",
            ACTION,
            "" if matched is None else matched.route_arn,
            incoming.method,
            incoming.raw_path.decode("latin-1"),
            incoming.source_ip,
            "" if principal is ANONYMOUS else principal.arn,
            "allowed" if refusal is None else "refused",
            known.status or 0,
            "" if refusal is None else refusal.code,
            steps,
            known.duration_ms or 0.0,
        )
        self._observer.observe(known, steps)


def _check_size(incoming: IncomingRequest) -> None:
    if incoming.has_large_body or len(incoming.body) > _MAX_BODY_BYTES:
        raise PayloadTooLarge(step="size", detail=f"the body has more than {_MAX_BODY_BYTES} bytes")


def _match_route(
    stage: CompiledHttpStage, incoming: IncomingRequest, headers: Mapping[bytes, bytes], path: str
) -> tuple[CompiledHttpRoute, Mapping[str, str]] | None:
    """The route and its path parameters; None for a preflight that only CORS answers."""
    found = stage.tree.match(path, incoming.method)
    if found is not None:
        names = found.target.names
        return found.target, {names[int(place)]: value for place, value in found.path_parameters.items()}
    if stage.default is not None and not has_dot_segments(path):
        return stage.default, _NO_PARAMETERS
    if stage.cors is not None and is_preflight(incoming.method, headers):
        return None
    raise RouteNotFound(step="route", detail=f"no route of stage {stage.name} takes {incoming.method} {path}")


def _matched(
    incoming: IncomingRequest,
    headers: Mapping[bytes, bytes],
    ids: RequestIds,
    stage: CompiledHttpStage,
    found: tuple[CompiledHttpRoute, Mapping[str, str]],
    path: str,
    trail: Trail,
) -> HttpMatched:
    route, parameters = found
    trail.append(route.matched)
    arn = f"{stage.arn_prefix}{incoming.method}{path}"
    return HttpMatched(incoming, headers, ids, stage, route, path, parameters, arn, trail)


def _answer_preflight(stage: CompiledHttpStage, headers: Mapping[bytes, bytes], trail: Trail) -> GatewayResponse:
    trail.append(("cors", "allowed", "a preflight, answered by the API's CORS configuration"))
    told = [] if stage.cors is None else stage.cors.preflight_headers(headers[b"origin"])
    return GatewayResponse(204, told, b"")


def _refuse(refusal: HttpApiRefusal, trail: Trail) -> GatewayResponse:
    trail.append((refusal.step, "refused", refusal.detail or refusal.message))
    headers = [(b"Content-Type", b"application/json")]
    if refusal.challenge:
        headers.append((b"WWW-Authenticate", refusal.challenge.encode("latin-1", "replace")))
    body = b'{"message":' + msgspec.json.encode(refusal.message) + b"}"
    return GatewayResponse(refusal.http_status, headers, body)


def _finished(
    response: GatewayResponse, cors: CompiledCors | None, origin: bytes | None, ids: RequestIds
) -> GatewayResponse:
    """The answer with CORS, length and id."""
    headers, body = response.headers, response.body
    if cors is not None:
        headers = cors.with_headers(headers, origin)
    if response.status in _NO_CONTENT:
        body = b""
    elif not any(name.lower() == b"content-length" for name, _ in headers):  # an endpoint's, of what HEAD does not show
        headers = [*headers, (b"Content-Length", b"%d" % len(body))]
    return GatewayResponse(response.status, [*headers, (b"Apigw-Requestid", ids.extended_request_id.encode())], body)

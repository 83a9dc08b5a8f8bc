"""The request lane: one call to a deployed stage, from its bytes to its answer.

    lane = RequestLane(Surroundings(…), store=…, tokens=…, master_keys=…)
    response = await lane.answer(incoming)

`answer` is the chain; its order is the security argument. Requests read memory only: a snapshot of everything deployed
(`deployed`). Plans are counted in leases (`meters`); the first request of a second waits for the store.

The order of checks is AWS's: stage, route, authorizer and policies, API key, throttle, quota, request validation,
integration. A caller who lacks both a key and a signature hears about the signature. A path that no route matches is
treated as a signed request would be, whatever it carries: a broken Authorization header is reported as such, and all
else is "Missing Authentication Token" (what AWS says to a good signature on an unknown path is UNVERIFIED).

Every request leaves one decision record; its reasons name policies, keys and routes and hold no secret.

Sources: API Gateway Developer Guide, "API Gateway REST API authorization workflow", "Throttle requests"; captures of
AWS for the order.
"""

from collections.abc import Mapping
from functools import lru_cache
from time import perf_counter

from velvetrope.execute_api.api_keys import find_api_key
from velvetrope.execute_api.authentication import METHOD_OVERRIDE, SignatureAuthenticator
from velvetrope.execute_api.authorization import ACTION, MethodAuthorization
from velvetrope.execute_api.authorizers import Authorizers
from velvetrope.execute_api.context_variables import ContextVariables, RequestFacts, caller_of
from velvetrope.execute_api.deployed import DeployedStages
from velvetrope.execute_api.errors import (
    ApiConfiguration,
    AuthorizerConfiguration,
    GatewayRefusal,
    InvalidApiKey,
    MissingAuthenticationToken,
    PayloadTooLarge,
    QuotaExceeded,
    Throttled,
    UnknownStage,
)
from velvetrope.execute_api.gateway_responses import GatewayResponses
from velvetrope.execute_api.integrations import (
    Answer,
    Doors,
    FunctionIntegration,
    MockIntegration,
    Unusable,
    answer_mock,
    invoke_function,
    with_length,
)
from velvetrope.execute_api.invoking import FunctionCalls
from velvetrope.execute_api.logs import RequestObserver
from velvetrope.execute_api.meters import Meter, Meters, Verdict, epoch_us
from velvetrope.execute_api.method_tests import MethodTests
from velvetrope.execute_api.protocols import (
    TokenVerifier,
)
from velvetrope.execute_api.requests import (
    AdmittedRequest,
    AuthenticatedCaller,
    AuthorizedRequest,
    GatewayResponse,
    IncomingRequest,
    IntegrationOutcome,
    MatchedRequest,
    Passed,
    RequestIds,
    RequestIdSource,
    Trail,
    path_without_stage,
)
from velvetrope.execute_api.snapshot import ApiKeyInPlan, CompiledStage, FixedRoute, Step
from velvetrope.execute_api.surroundings import Surroundings
from velvetrope.identifiers import new_uuid
from velvetrope.principals import ANONYMOUS, Principal
from velvetrope.sealing import MasterKeys
from velvetrope.sigv4 import may_be_presigned
from velvetrope.store.tables.apigateway import ApiGatewayStore

__all__ = ["RequestLane"]

_MAX_BODY_BYTES = 10_485_760  # API Gateway quotas: payload size
_TOO_LONG = b"HTTP content length exceeded 10485760 bytes."
_NO_GATEWAY_RESPONSES = GatewayResponses({})
_EMPTY: Mapping[str, str] = {}

_NO_KEY_NEEDED: Step = ("api key", "skipped", "the method needs no API key")
_WITHIN_STAGE_LIMITS: Step = ("throttle", "allowed", "within the stage's throttle of this method")
_VALID: Step = ("request validation", "allowed", "parameters and body are as the method wants them")


class RequestLane:
    """Serves deployed stages of one account and region."""

    def __init__(
        self,
        around: Surroundings,
        *,
        store: ApiGatewayStore,
        tokens: TokenVerifier,
        master_keys: MasterKeys,
        cors_on_gateway_responses: bool = False,
    ) -> None:
        self._doors = Doors(FunctionCalls(around.functions, around.services), around.services, around.backends)
        self._authorizers = Authorizers(tokens, self._doors.functions)
        self._recorder = around.recorder
        self._observer = RequestObserver(around.logs, around.requests)
        self._master_keys = master_keys
        self._clock = around.clock
        self._cors = cors_on_gateway_responses
        self._new_ids = RequestIdSource(around.entropy).next
        self._authenticator = SignatureAuthenticator(around.credentials, region=around.region)
        self._authorization = MethodAuthorization(around.policies, region=around.region)
        self._meters = Meters(around.usage, node_id=new_uuid(around.entropy))
        self._deployed = DeployedStages(store, around.changes, self._meters, around.clock, region=around.region)
        self.tests = MethodTests(
            self._integrate,
            self._new_ids,
            tokens=tokens,
            functions=around.functions,
            services=around.services,
            meters=self._meters,
            region=around.region,
        )

    async def answer(self, incoming: IncomingRequest) -> GatewayResponse:
        """Serve one call to a deployed stage. Steps run top to bottom; the first refusal wins."""
        started = perf_counter()
        if self._deployed.is_outdated:
            await self._deployed.reload()
        ids = self._new_ids()
        trail: Trail = []
        passed: Passed | None = None
        if incoming.has_large_body or len(incoming.body) > _MAX_BODY_BYTES:
            trail.append(("size", "refused", f"the body has more than {_MAX_BODY_BYTES} bytes"))
            response = _too_long(ids)
            self._record(incoming, None, ids, response, PayloadTooLarge(step="size"), trail, started)
            return response
        try:
            matched = self._match_route(incoming, ids, trail)
            if matched is None:
                raise await self._no_route(incoming)
            passed = matched
            passed = caller = self._recognise(matched) or await self._authenticate(matched)
            passed = allowed = self._authorization.recall(caller) or await self._authorization.authorize(caller)
            while (admitted := self._admit(allowed)) is None:
                await self._renew_lease(allowed)
            passed = admitted
            response, outcome = self._answer_by_mock(admitted) or await self._integrate(admitted)
        except GatewayRefusal as refusal:
            response = self._refuse(refusal, incoming, passed, ids, trail)
            self._record(incoming, passed, ids, response, refusal, trail, started)
            return response
        self._record(incoming, passed, ids, response, None, trail, started, outcome)
        return response

    async def start(self) -> None:
        """Read what is deployed, so that the first request need not."""
        await self._deployed.reload()

    async def settle_usage(self) -> None:
        """Report what was let through, and give back the quota that was taken and not spent."""
        await self._meters.settle(self._clock.now())

    async def close(self) -> None:
        """Give all leases back and close connections. The lane may be used again."""
        await self._doors.http.close()
        await self._meters.release(self._clock.now())
        self._deployed.forget()

    # Steps

    def _find_stage(self, incoming: IncomingRequest) -> tuple[CompiledStage, str]:
        name, path = path_without_stage(incoming)
        stage = self._deployed.snapshot.stages.get((incoming.api_id, name))
        if stage is None:
            raise UnknownStage(step="stage", detail=self._deployed.why_closed(incoming.api_id, name))
        if stage.by_domain_only and not incoming.by_domain:
            raise UnknownStage(step="stage", detail=f"the execute-api endpoint of API {stage.api_id} is disabled")
        return stage, path

    def _match_route(self, incoming: IncomingRequest, ids: RequestIds, trail: Trail) -> MatchedRequest | None:
        headers = incoming.headers_by_name
        http_method = _method_of(incoming, headers)
        routes, called = self._deployed.snapshot.routes, (incoming.api_id, incoming.stage_path, http_method)
        # Not by domain: what is remembered there may be closed to a call by the API's own endpoint.
        route, parameters = None if incoming.by_domain else routes.get(called), _EMPTY
        if route is None:
            stage, path = self._find_stage(incoming)
            found = stage.tree.match(path, http_method)
            if found is None:
                return None
            parameters = found.path_parameters
            route = FixedRoute(
                stage, found.target, path, f"{stage.arn_prefix}{http_method}/{path[1:].removesuffix('/')}"
            )
            if not parameters and not incoming.by_domain:
                routes[called] = route
        trail.append(route.method.matched)
        return MatchedRequest(
            incoming,
            headers,
            ids,
            route.stage,
            route.method,
            http_method,
            route.path,
            parameters,
            route.method_arn,
            trail,
        )

    async def _no_route(self, incoming: IncomingRequest) -> GatewayRefusal:
        stage, path = self._find_stage(incoming)
        headers = incoming.headers_by_name
        if b"authorization" in headers or may_be_presigned(incoming.query_string):
            await self._authenticator.authenticate(incoming, headers)
        return MissingAuthenticationToken(
            step="route", detail=f"no resource of stage {stage.name} has {_method_of(incoming, headers)} {path}"
        )

    def _recognise(self, matched: MatchedRequest) -> AuthenticatedCaller | None:
        """Who nobody has to be asked about."""
        authorization = matched.method.authorization
        if authorization == "NONE":
            return AuthenticatedCaller(matched, ANONYMOUS)
        if authorization != "AWS_IAM":
            return None
        principal = self._authenticator.recognise(matched.incoming, matched.headers)
        return None if principal is None else _signed(matched, principal)

    async def _authenticate(self, matched: MatchedRequest) -> AuthenticatedCaller:
        if matched.method.authorization != "AWS_IAM":
            return await self._ask_authorizer(matched)
        return _signed(matched, await self._authenticator.authenticate(matched.incoming, matched.headers))

    async def _ask_authorizer(self, matched: MatchedRequest) -> AuthenticatedCaller:
        method = matched.method
        authorizer = method.authorizer
        if method.authorization == "unknown" or authorizer is None:
            raise AuthorizerConfiguration(
                step="authorizer",
                detail=f"the authorization type {method.authorization_type} is not known here"
                if method.authorization == "unknown"
                else f"the method has no authorizer of the type {method.authorization_type}",
            )
        if method.authorization == "CUSTOM":
            self._authorization.check_not_denied(matched)
        vouched = await self._authorizers.vouch(authorizer, matched, method.authorization_scopes)
        return AuthenticatedCaller(matched, ANONYMOUS, vouched)

    def _admit(self, authorized: AuthorizedRequest) -> AdmittedRequest | None:
        """The request, counted; None if it cannot be, since a lease has run out."""
        matched = authorized.caller.matched
        in_plan, presented, meter = self._meter_of(authorized.caller)
        if meter is not None:
            now_us = epoch_us(matched.incoming.received_at)
            verdict = meter.take(now_us)
            if verdict == "not leased":
                return None
            if verdict != "admitted":
                raise _over_limit(verdict, matched, in_plan)
        if in_plan is None:
            matched.trail.append(_NO_KEY_NEEDED)
        if meter is not None:
            matched.trail.append(_WITHIN_STAGE_LIMITS if in_plan is None else in_plan.admitted)
        return AdmittedRequest(authorized, in_plan, presented)

    async def _renew_lease(self, authorized: AuthorizedRequest) -> None:
        _, _, meter = self._meter_of(authorized.caller)
        if meter is not None:
            now = authorized.caller.matched.incoming.received_at
            await self._meters.renew(meter, now, epoch_us(now))

    def _answer_by_mock(self, admitted: AdmittedRequest) -> tuple[GatewayResponse, IntegrationOutcome | None] | None:
        """What nobody has to be asked for."""
        matched = admitted.authorized.caller.matched
        method = matched.method
        integration = method.integration
        if not isinstance(integration, MockIntegration) or method.validation is not None:
            return None
        return answer_mock(integration, matched), None

    async def _integrate(self, admitted: AdmittedRequest) -> tuple[GatewayResponse, IntegrationOutcome | None]:
        matched = admitted.authorized.caller.matched
        validation = matched.method.validation
        if validation is not None:
            await validation.check(matched)
            matched.trail.append(_VALID)
        integration = matched.method.integration
        if integration is None or isinstance(integration, Unusable):
            why = "the method has no integration" if integration is None else integration.why
            raise ApiConfiguration(step="integration", detail=why)
        if isinstance(integration, MockIntegration):
            return answer_mock(integration, matched), None
        if isinstance(integration, FunctionIntegration):
            answer = await invoke_function(integration, admitted, self._doors.functions)
        else:
            answer = await integration.answer(admitted, self._doors)
        matched.trail.append(("integration", "allowed", answer.told_by))
        return _complete(answer, matched.ids), answer.outcome

    # What the steps use

    def _meter_of(self, caller: AuthenticatedCaller) -> tuple[ApiKeyInPlan | None, str | None, Meter | None]:
        method = caller.matched.method
        if not method.api_key_required:
            return None, None, method.meter
        in_plan, presented = self._find_key(caller)
        return in_plan, presented, in_plan.meters.get(method) or in_plan.new_meter(method, self._meters)

    def _find_key(self, caller: AuthenticatedCaller) -> tuple[ApiKeyInPlan, str]:
        # Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-key-source.html
        matched = caller.matched
        if matched.stage.takes_key_from_authorizer:
            # The header is ignored then.
            given = caller.vouched.usage_identifier_key if caller.vouched is not None else None
            value, missing = None if given is None else given.encode(), "the authorizer gave no usageIdentifierKey"
        else:
            value, missing = matched.headers.get(b"x-api-key"), "there is no x-api-key header"
        if not value:
            raise InvalidApiKey(step="api key", detail=f"the method needs an API key and {missing}")
        return find_api_key(value, matched.stage, self._deployed.snapshot, self._master_keys), value.decode("latin-1")

    def _refuse(
        self,
        refusal: GatewayRefusal,
        incoming: IncomingRequest,
        passed: Passed | None,
        ids: RequestIds,
        trail: Trail,
    ) -> GatewayResponse:
        trail.append((refusal.step, "refused", refusal.detail or refusal.message))
        stage = self._stage_of(incoming)
        facts = RequestFacts(incoming=incoming, ids=ids, stage=stage, passed=passed, refusal=refusal)
        responses = _NO_GATEWAY_RESPONSES if stage is None else stage.gateway_responses
        return GatewayResponse(*responses.render(refusal, ids.headers, ContextVariables(facts), cors=self._cors))

    def _record(
        self,
        incoming: IncomingRequest,
        passed: Passed | None,
        ids: RequestIds,
        response: GatewayResponse,
        refusal: GatewayRefusal | None,
        trail: Trail,
        started: float,
        outcome: IntegrationOutcome | None = None,
    ) -> None:
        caller = caller_of(passed)
        if caller is not None:
            matched: MatchedRequest | None = caller.matched
            caller_arn = caller.principal.arn if caller.principal is not ANONYMOUS else ""
        else:
            matched, caller_arn = passed if isinstance(passed, MatchedRequest) else None, ""
        stage = self._stage_of(incoming) if matched is None else matched.stage
        duration_ms = (perf_counter() - started) * 1000
        steps = tuple(trail)
        self._recorder.record_request(
            ids.request_id,
            incoming.received_at,
            "execute-api",
            ACTION,
            "" if matched is None else matched.method_arn,
            incoming.method,
            incoming.raw_path.decode("latin-1"),
            incoming.source_ip,
            caller_arn,
            "allowed" if refusal is None else "refused",
            response.status,
            "" if refusal is None else refusal.code,
            steps,
            duration_ms,
        )
        if self._observer.sees_all or (stage is not None and stage.is_logged):
            facts = RequestFacts(
                incoming=incoming,
                ids=ids,
                stage=stage,
                passed=passed,
                refusal=refusal,
                outcome=outcome if refusal is None else refusal.outcome,
                status=response.status,
                response_bytes=None if response.stream is not None else len(response.body),
                duration_ms=duration_ms,
            )
            self._observer.observe(facts, response, steps)

    def _stage_of(self, incoming: IncomingRequest) -> CompiledStage | None:
        return self._deployed.snapshot.stages.get((incoming.api_id, path_without_stage(incoming)[0]))


def _over_limit(verdict: Verdict, matched: MatchedRequest, in_plan: ApiKeyInPlan | None) -> GatewayRefusal:
    whose = (
        f"the stage's throttle of {matched.method.declared_method} {matched.method.resource_path}"
        if in_plan is None
        else f"usage plan {in_plan.plan.id} ({in_plan.plan.name}) for API key {in_plan.key_id}"
    )
    if verdict == "throttled":
        return Throttled(step="throttle", detail=f"too many requests for the rate and burst of {whose}")
    return QuotaExceeded(step="quota", detail=f"the quota is used up: {whose}")


def _method_of(incoming: IncomingRequest, headers: Mapping[bytes, bytes]) -> str:
    if METHOD_OVERRIDE in headers:
        return headers[METHOD_OVERRIDE].decode("latin-1").strip().upper()
    return incoming.method


def _signed(matched: MatchedRequest, principal: Principal) -> AuthenticatedCaller:
    matched.trail.append(_signed_by(principal.access_key_id, principal.arn))
    return AuthenticatedCaller(matched, principal)


def _complete(answer: Answer, ids: RequestIds) -> GatewayResponse:
    headers, body = with_length(answer.status, answer.headers, answer.body, has_length=answer.has_length)
    headers += ids.headers
    return GatewayResponse(answer.status, headers, body, answer.stream)


@lru_cache(maxsize=1024)
def _signed_by(access_key_id: str, arn: str) -> Step:
    return "authentication", "allowed", f"signed with {access_key_id or 'a key'} of {arn}"


def _too_long(ids: RequestIds) -> GatewayResponse:
    # Plain text, and not customisable, as on AWS.
    headers = [(b"Content-Type", b"text/plain"), (b"Content-Length", b"%d" % len(_TOO_LONG)), *ids.headers]
    return GatewayResponse(413, headers, _TOO_LONG)

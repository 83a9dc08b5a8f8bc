"""The request lane: one call to a deployed stage, from its bytes to its answer.

    lane = RequestLane(store=…, usage=…, changes=database.changes, …)
    response = await lane.answer(incoming)

`answer` is the chain; its order is the security argument. Requests read memory only: a snapshot of everything deployed,
which is made anew by the first request after topic `apigateway` was published. So whoever has deployed, and then calls,
meets what was deployed. Plans are counted in leases (`meters`); the first request of a second waits for the store.

The order of checks is AWS's: stage, route, authorizer and policies, API key, throttle, quota, integration. A caller who
lacks both a key and a signature hears about the signature. A path that no route matches is treated as a signed request
would be, whatever it carries: a broken Authorization header is reported as such, and all else is "Missing
Authentication Token" (what AWS says to a good signature on an unknown path is UNVERIFIED).

Policies are asked about the path that was called, without a trailing slash, which routes ignore too. If it has
percent-encodings they are asked about the decoded path as well and must allow both: which of the two AWS asks about is
UNVERIFIED, and a Deny must not be passed by spelling a letter another way.

Every request leaves one decision record; its reasons name policies, keys and routes and hold no secret.

Sources: API Gateway Developer Guide, "API Gateway REST API authorization workflow", "Throttle requests"; captures of
AWS for the order.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from time import perf_counter
from urllib.parse import unquote

from velvetrope.clock import Clock, Entropy
from velvetrope.errors import ReasonError
from velvetrope.execute_api.allowed_before import AllowedBefore
from velvetrope.execute_api.authentication import METHOD_OVERRIDE, SignatureAuthenticator
from velvetrope.execute_api.errors import (
    AccessDenied,
    ApiConfiguration,
    AuthorizerConfiguration,
    GatewayRefusal,
    InvalidApiKey,
    MissingAuthenticationToken,
    QuotaExceeded,
    Throttled,
    UnknownStage,
    UriTooLong,
)
from velvetrope.execute_api.gateway_responses import GatewayResponses, RefusalContext
from velvetrope.execute_api.integrations import answer_mock, invoke_function, path_without_stage
from velvetrope.execute_api.meters import Meter, Meters, epoch_us
from velvetrope.execute_api.protocols import DecisionRecorder, FunctionInvoker, PolicyGatherer
from velvetrope.execute_api.requests import (
    RANDOM_BYTES,
    AdmittedRequest,
    AuthenticatedCaller,
    AuthorizedRequest,
    GatewayResponse,
    IncomingRequest,
    MatchedRequest,
    RequestIds,
    Trail,
    host_and_port,
)
from velvetrope.execute_api.snapshot import (
    ApiKeyInPlan,
    CompiledKey,
    CompiledStage,
    FixedRoute,
    MockIntegration,
    Snapshot,
    Step,
    compile_snapshot,
    compile_stage,
)
from velvetrope.identifiers import new_uuid
from velvetrope.policy import AuthorizationRequest, Decision, PrincipalPolicies, evaluate, request_context
from velvetrope.principals import ANONYMOUS, CredentialSource, Principal
from velvetrope.sealing import MasterKeys
from velvetrope.sigv4 import first_by_name
from velvetrope.store import ChangeFeed
from velvetrope.store.tables.apigateway import API_KEY_HASH_PURPOSE, ApiGatewayStore, Stage
from velvetrope.store.tables.usage import UsageStore

__all__ = ["RequestLane"]

_ACTION = "execute-api:Invoke"
_MAX_METHOD_ARN_BYTES = 1_600  # API Gateway quotas: method ARN of a method with authorization
_MAX_BODY_BYTES = 10_485_760  # API Gateway quotas: payload size
_MAX_PRESENTED_KEYS = 4_096
_NO_CONTENT = frozenset({204, 304})  # RFC 9110 section 8.6: no body, and 204 has no Content-Length
_TOO_LONG = b"HTTP content length exceeded 10485760 bytes."
_NO_GATEWAY_RESPONSES = GatewayResponses({})
_NO_POLICIES = PrincipalPolicies()
_EMPTY: Mapping[str, str] = {}

_NO_AUTHORIZATION: Step = ("authorization", "skipped", "the method's authorization type is NONE")
_NO_KEY_NEEDED: Step = ("api key", "skipped", "the method needs no API key")
_WITHIN_STAGE_LIMITS: Step = ("throttle", "allowed", "within the stage's throttle of this method")
_MOCK_ANSWERED: Step = ("integration", "allowed", "answered by the MOCK integration")


class RequestLane:
    """Serves deployed stages of one account and region."""

    def __init__(
        self,
        *,
        store: ApiGatewayStore,
        usage: UsageStore,
        changes: ChangeFeed,
        credentials: CredentialSource,
        policies: PolicyGatherer,
        functions: FunctionInvoker,
        recorder: DecisionRecorder,
        master_keys: MasterKeys,
        clock: Clock,
        entropy: Entropy,
        region: str,
        cors_on_gateway_responses: bool = False,
    ) -> None:
        self._store = store
        self._policies = policies
        self._functions = functions
        self._recorder = recorder
        self._master_keys = master_keys
        self._clock = clock
        self._entropy = entropy
        self._region = region
        self._cors = cors_on_gateway_responses
        self._drawn: list[RequestIds] = []
        self._authenticator = SignatureAuthenticator(credentials, region=region)
        self._allowed = AllowedBefore()
        self._meters = Meters(usage, node_id=new_uuid(entropy))
        self._snapshot = Snapshot(stages={}, api_ids=frozenset(), keys={}, key_hash_ids=())
        self._compiled: dict[tuple[str, str], tuple[Stage, CompiledStage]] = {}
        self._broken: Mapping[tuple[str, str], str] = {}
        # The snapshot is of change `_served`; `_published` counts the changes that we have been told of.
        self._published = 1
        self._served = 0
        self._reloading = asyncio.Lock()
        changes.subscribe("apigateway", self._hear_of_change)

    async def answer(self, incoming: IncomingRequest) -> GatewayResponse:
        """Serve one call to a deployed stage. Steps run top to bottom; the first refusal wins."""
        started = perf_counter()
        if self._served != self._published:
            await self._reload()
        ids = self._new_ids()
        trail: Trail = []
        matched: MatchedRequest | None = None
        principal = ANONYMOUS
        if len(incoming.body) > _MAX_BODY_BYTES:
            trail.append(("size", "refused", f"the body has {len(incoming.body)} bytes"))
            self._record(incoming, None, principal, ids, 413, "PayloadTooLarge", trail, started)
            return _too_long(ids)
        try:
            matched = await self._match_route(incoming, ids, trail)
            caller = await self._authenticate(matched)
            principal = caller.principal
            allowed = await self._authorize(caller)
            admitted = await self._admit(allowed)
            response = await self._integrate(admitted)
        except GatewayRefusal as refusal:
            response = self._refuse(refusal, incoming, matched, ids, trail)
            self._record(incoming, matched, principal, ids, response.status, refusal.code, trail, started)
            return response
        self._record(incoming, matched, principal, ids, response.status, "", trail, started)
        return response

    async def start(self) -> None:
        """Read what is deployed, so that the first request need not."""
        await self._reload()

    async def settle_usage(self) -> None:
        """Report what was let through, and give back the quota that was taken and not spent."""
        await self._meters.settle(self._clock.now())

    async def close(self) -> None:
        """Give all leases back. The lane may be used again."""
        await self._meters.release(self._clock.now())
        self._published += 1

    # Steps

    def _find_stage(self, incoming: IncomingRequest) -> tuple[CompiledStage, str]:
        name, path = path_without_stage(incoming)
        stage = self._snapshot.stages.get((incoming.api_id, name))
        if stage is None:
            known = incoming.api_id in self._snapshot.api_ids
            detail = f"API {incoming.api_id} has no stage {name}" if known else f"no deployed API {incoming.api_id}"
            if (incoming.api_id, name) in self._broken:
                detail = f"stage {name} cannot be served: {self._broken[incoming.api_id, name]}"
            raise UnknownStage(step="stage", detail=detail)
        return stage, path

    async def _match_route(self, incoming: IncomingRequest, ids: RequestIds, trail: Trail) -> MatchedRequest:
        headers = first_by_name(incoming.headers)
        http_method = incoming.method
        if METHOD_OVERRIDE in headers:
            http_method = headers[METHOD_OVERRIDE].decode("latin-1").strip().upper()
        routes, called = self._snapshot.routes, (incoming.api_id, incoming.stage_path, http_method)
        route, parameters = routes.get(called), _EMPTY
        if route is None:
            stage, path = self._find_stage(incoming)
            found = stage.tree.match(path, http_method)
            if found is None:
                if b"authorization" in headers or incoming.query_string.find(b"X-Amz-Algorithm") >= 0:
                    await self._authenticator.authenticate(incoming, headers)
                raise MissingAuthenticationToken(
                    step="route", detail=f"no resource of stage {stage.name} has {http_method} {path}"
                )
            parameters = found.path_parameters
            route = FixedRoute(
                stage, found.target, path, f"{stage.arn_prefix}{http_method}/{path[1:].removesuffix('/')}"
            )
            if not parameters:
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

    async def _authenticate(self, matched: MatchedRequest) -> AuthenticatedCaller:
        method = matched.method
        if method.authorization == "NONE":
            return AuthenticatedCaller(matched, ANONYMOUS)
        if method.authorization != "AWS_IAM":
            raise AuthorizerConfiguration(
                step="authentication", detail=f"the authorization type {method.authorization_type} is not known here"
            )
        principal = await self._authenticator.authenticate(matched.incoming, matched.headers)
        matched.trail.append(_signed_by(principal.access_key_id, principal.arn))
        return AuthenticatedCaller(matched, principal)

    async def _authorize(self, caller: AuthenticatedCaller) -> AuthorizedRequest:
        matched, principal = caller.matched, caller.principal
        stage = matched.stage
        if matched.method.authorization == "NONE" and stage.resource_policy is None:
            matched.trail.append(_NO_AUTHORIZATION)
            return AuthorizedRequest(caller, None)
        resource = matched.method_arn
        if len(resource) > _MAX_METHOD_ARN_BYTES:
            raise UriTooLong(step="authorization", detail=f"the method ARN has {len(resource)} bytes")
        policies = _NO_POLICIES if principal is ANONYMOUS else await self._policies.policies_for(principal)
        if stage.resource_policy is None:
            known = self._allowed.find(policies, principal, resource)
            if known is not None:
                matched.trail.append(known)
                return AuthorizedRequest(caller, known)
        decision = self._evaluate(matched, principal, policies)
        if not decision.allowed:
            raise AccessDenied(
                f"User: {principal.arn} is not authorized to perform: {_ACTION} on resource: "
                f"{_masked(resource, stage.account_id)} {decision.because}",
                step="authorization",
                detail=_explain(principal, resource, decision),
            )
        step: Step = ("authorization", "allowed", _allowed_by(decision))
        if stage.resource_policy is None:
            self._allowed.keep(policies, principal, resource, step)
        matched.trail.append(step)
        return AuthorizedRequest(caller, step)

    def _evaluate(self, matched: MatchedRequest, principal: Principal, policies: PrincipalPolicies) -> Decision:
        incoming, headers, stage = matched.incoming, matched.headers, matched.stage
        context = request_context(
            principal,
            now=incoming.received_at,
            source_ip=incoming.source_ip,
            user_agent=headers[b"user-agent"].decode("latin-1") if b"user-agent" in headers else "",
            referer=headers[b"referer"].decode("latin-1") if b"referer" in headers else "",
            secure_transport=incoming.scheme == "https",
            region=self._region,
        )
        question = AuthorizationRequest(
            principal, _ACTION, matched.method_arn, stage.account_id, context, policies, stage.resource_policy
        )
        decision = evaluate(question)
        if decision.allowed and "%" in matched.method_arn:
            decision = evaluate(replace(question, resource=unquote(matched.method_arn)))
        return decision

    async def _admit(self, authorized: AuthorizedRequest) -> AdmittedRequest:
        matched = authorized.caller.matched
        method = matched.method
        meter = method.meter
        in_plan: ApiKeyInPlan | None = None
        presented: str | None = None
        if method.api_key_required:
            # Source HEADER: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-key-source.html
            in_plan, presented = self._find_key(matched)
            meter = in_plan.meter_of(method, self._meters)
        else:
            matched.trail.append(_NO_KEY_NEEDED)
        if meter is not None:
            await self._count(matched, meter, in_plan)
            matched.trail.append(_WITHIN_STAGE_LIMITS if in_plan is None else in_plan.admitted)
        return AdmittedRequest(authorized, in_plan, presented)

    async def _integrate(self, admitted: AdmittedRequest) -> GatewayResponse:
        matched = admitted.authorized.caller.matched
        integration = matched.method.integration
        if integration is None:
            raise ApiConfiguration(step="integration", detail="the method's integration is not known here")
        if isinstance(integration, MockIntegration):
            status, headers, body = answer_mock(integration, matched)
            matched.trail.append(_MOCK_ANSWERED)
        else:
            status, headers, body = await invoke_function(integration, admitted, self._functions)
            matched.trail.append(("integration", "allowed", f"{integration.function_arn} answered {status}"))
        ids = matched.ids
        if status in _NO_CONTENT:
            body = b""
        else:
            headers.append((b"Content-Length", b"%d" % len(body)))
        headers.append(ids.request_id_header)
        headers.append(ids.extended_request_id_header)
        return GatewayResponse(status, headers, body)

    # What the steps use

    def _find_key(self, matched: MatchedRequest) -> tuple[ApiKeyInPlan, str]:
        value = matched.headers.get(b"x-api-key")
        if value is None:
            raise InvalidApiKey(step="api key", detail="the method needs an API key and there is no x-api-key header")
        key = self._snapshot.presented.get(value) or self._look_up(value)
        if key is None:
            raise InvalidApiKey(step="api key", detail="no API key has the value of the x-api-key header")
        if not key.enabled:
            raise InvalidApiKey(step="api key", detail=f"API key {key.key_id} is disabled")
        stage = matched.stage
        in_plan = key.plans.get((stage.api_id, stage.name))
        if in_plan is None:
            raise InvalidApiKey(
                step="api key",
                detail=f"API key {key.key_id} is in no usage plan for stage {stage.name} of API {stage.api_id}",
            )
        return in_plan, value.decode("latin-1")

    def _look_up(self, value: bytes) -> CompiledKey | None:
        snapshot = self._snapshot
        for key_id in snapshot.key_hash_ids:
            digest = self._master_keys.derive(purpose=API_KEY_HASH_PURPOSE, info=value, key_id=key_id)
            key = snapshot.keys.get(f"{key_id.hex()}.{digest.hex()}")
            if key is not None:
                if len(snapshot.presented) < _MAX_PRESENTED_KEYS:
                    snapshot.presented[value] = key
                return key
        return None

    async def _count(self, matched: MatchedRequest, meter: Meter, in_plan: ApiKeyInPlan | None) -> None:
        now = matched.incoming.received_at
        now_us = epoch_us(now)
        while not meter.is_leased(now_us):
            await self._meters.renew(meter, now, now_us)
        verdict = meter.take(now_us)
        if verdict == "admitted":
            return
        whose = (
            f"the stage's throttle of {matched.method.declared_method} {matched.method.resource_path}"
            if in_plan is None
            else f"usage plan {in_plan.plan.id} ({in_plan.plan.name}) for API key {in_plan.key_id}"
        )
        if verdict == "throttled":
            raise Throttled(step="throttle", detail=f"too many requests for the rate and burst of {whose}")
        raise QuotaExceeded(step="quota", detail=f"the quota is used up: {whose}")

    def _refuse(
        self,
        refusal: GatewayRefusal,
        incoming: IncomingRequest,
        matched: MatchedRequest | None,
        ids: RequestIds,
        trail: Trail,
    ) -> GatewayResponse:
        trail.append((refusal.step, "refused", refusal.detail or refusal.message))
        stage_name, path = path_without_stage(incoming)
        stage = self._snapshot.stages.get((incoming.api_id, stage_name))
        headers = first_by_name(incoming.headers)
        context = RefusalContext(
            values={
                "accountId": "" if stage is None else stage.account_id,
                "apiId": incoming.api_id,
                "domainName": host_and_port(headers)[0],
                "extendedRequestId": ids.extended_request_id,
                "httpMethod": incoming.method,
                "identity.sourceIp": incoming.source_ip,
                "identity.userAgent": headers.get(b"user-agent", b"").decode("latin-1"),
                "path": incoming.stage_path.decode("latin-1"),
                "requestId": ids.request_id,
                "requestTimeEpoch": str(int(incoming.received_at.timestamp() * 1000)),
                "resourceId": "" if matched is None else matched.method.resource_id,
                "resourcePath": path if matched is None else matched.method.resource_path,
                "stage": stage_name,
            },
            stage_variables=_EMPTY if stage is None else stage.variables,
            headers=headers,
        )
        responses = _NO_GATEWAY_RESPONSES if stage is None else stage.gateway_responses
        return GatewayResponse(*responses.render(refusal, _id_headers(ids), context, cors=self._cors))

    def _record(
        self,
        incoming: IncomingRequest,
        matched: MatchedRequest | None,
        principal: Principal,
        ids: RequestIds,
        status: int,
        code: str,
        trail: Trail,
        started: float,
    ) -> None:
        self._recorder.record_request(
            ids.request_id,
            incoming.received_at,
            "execute-api",
            _ACTION,
            "" if matched is None else matched.method_arn,
            incoming.method,
            incoming.raw_path.decode("latin-1"),
            incoming.source_ip,
            "" if principal is ANONYMOUS else principal.arn,
            "refused" if code else "allowed",
            status,
            code,
            tuple(trail),
            (perf_counter() - started) * 1000,
        )

    def _new_ids(self) -> RequestIds:
        if not self._drawn:
            # A hundred at once: a draw is a system call.
            block = self._entropy.token_bytes(RANDOM_BYTES * 100)
            self._drawn = [RequestIds.of(block[at : at + RANDOM_BYTES]) for at in range(0, len(block), RANDOM_BYTES)]
        return self._drawn.pop()

    def _hear_of_change(self) -> None:
        self._published += 1

    async def _reload(self) -> None:
        async with self._reloading:
            if self._served == self._published:
                return
            # Noted before the read: what is committed while we read is one more change.
            published = self._published
            await self._load_snapshot()
            self._served = published

    async def _load_snapshot(self) -> None:
        known = {(api_id, kept.deployment_id) for (api_id, _), (_, kept) in self._compiled.items()}
        state = await self._store.load_state(known)
        deployments = {(one.rest_api_id, one.id): one for one in state.deployments}
        compiled: dict[tuple[str, str], tuple[Stage, CompiledStage]] = {}
        broken: dict[tuple[str, str], str] = {}
        for stage in state.stages:
            key = (stage.rest_api_id, stage.stage_name)
            kept = self._compiled.get(key)
            if kept is not None and kept[0] == stage:
                compiled[key] = kept
                continue
            deployment = deployments.get((stage.rest_api_id, stage.deployment_id)) or await self._store.load_deployment(
                stage.rest_api_id, stage.deployment_id
            )
            if deployment is None:
                continue
            try:
                compiled[key] = stage, compile_stage(deployment, stage, region=self._region, meters=self._meters)
            except ReasonError as finding:
                # Written by another version than this one, and not understood: closed, and no reason to close others.
                broken[key] = finding.message
        self._compiled, self._broken = compiled, broken
        stages = {key: stage for key, (_, stage) in compiled.items()}
        self._snapshot = compile_snapshot(state, stages, self._meters)
        await self._meters.retire_quotas(self._snapshot.quotas_in_use(), self._clock.now())


def _masked(method_arn: str, account_id: str) -> str:
    return method_arn.replace(f":{account_id}:", f":********{account_id[-4:]}:", 1)


def _explain(principal: Principal, resource: str, decision: Decision) -> str:
    return f"{principal.arn} may not {_ACTION} on {resource}. " + "; ".join(decision.reasons)


def _allowed_by(decision: Decision) -> str:
    statement = decision.decided_by
    if statement is None:
        return decision.step
    return f"{decision.step}: {statement.source}, {statement.name}"


@lru_cache(maxsize=1024)
def _signed_by(access_key_id: str, arn: str) -> Step:
    return "authentication", "allowed", f"signed with {access_key_id or 'a key'} of {arn}"


def _id_headers(ids: RequestIds) -> tuple[tuple[bytes, bytes], ...]:
    return ids.request_id_header, ids.extended_request_id_header


def _too_long(ids: RequestIds) -> GatewayResponse:
    # Plain text, and not customisable, as on AWS.
    headers = [(b"Content-Type", b"text/plain"), (b"Content-Length", b"%d" % len(_TOO_LONG)), *_id_headers(ids)]
    return GatewayResponse(413, headers, _TOO_LONG)

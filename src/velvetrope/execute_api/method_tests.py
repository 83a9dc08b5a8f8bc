"""Methods and authorizers of an API under work are tried out, as their author asks: TestInvokeMethod and its sibling.

A method that is tried is run as it stands, undeployed, under the stage name `test-invoke-stage`: request validation and
integration as for any caller, without authorizer, API key and throttle, as on AWS. Who may try a method is for policies
about API Gateway's own operation to say. Functions are invoked from the source ARN of that stage, so their permission
must cover it. Nothing is recorded as a request of a caller's, and nothing that an authorizer says is kept.

Source: API Gateway API reference, TestInvokeMethod, TestInvokeAuthorizer; Developer Guide, "Use the API Gateway console
to test a REST API method".
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from time import perf_counter
from typing import NamedTuple

import msgspec

from velvetrope.errors import ReasonError
from velvetrope.execute_api.authorizers import Authorizers
from velvetrope.execute_api.compilation import compile_stage
from velvetrope.execute_api.context_variables import ContextVariables, RequestFacts
from velvetrope.execute_api.errors import GatewayRefusal
from velvetrope.execute_api.invoking import FunctionCalls
from velvetrope.execute_api.logs.execution import execution_log_lines
from velvetrope.execute_api.meters import Meters
from velvetrope.execute_api.protocols import (
    FunctionInvoker,
    InvocationResult,
    InvocationType,
    ServiceDoor,
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
    RequestIds,
    Vouched,
)
from velvetrope.principals import ANONYMOUS, Principal
from velvetrope.store.tables.apigateway import Deployment, Integration, Method, Resource, RestApi, Stage

__all__ = ["AuthorizerTrial", "MethodTests", "MethodTrial", "NoSuchPath"]

_STAGE = "test-invoke-stage"
_HOST = b"testPrefix.testDomainName"
_SOURCE = "test-invoke-source-ip"
_MAX_BODY_BYTES = 10_485_760  # API Gateway quotas: payload size

Integrate = Callable[[AdmittedRequest], Awaitable[tuple[GatewayResponse, IntegrationOutcome | None]]]


class NoSuchPath(ReasonError):
    """The path that is to be called is not one of the method's resource."""


class MethodTrial(NamedTuple):
    """What a caller of the method would have got, and the execution log."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    log: str
    latency_ms: int


class AuthorizerTrial(NamedTuple):
    """What the authorizer said. `status` is 0 if it let the caller in, else what the caller would have got."""

    status: int
    principal_id: str | None
    policy: str | None
    claims: Mapping[str, str]
    log: str
    latency_ms: int


class MethodTests:
    """See the module. `integrate` is the request lane's own step."""

    def __init__(
        self,
        integrate: Integrate,
        new_ids: Callable[[], RequestIds],
        *,
        tokens: TokenVerifier,
        functions: FunctionInvoker,
        services: ServiceDoor,
        meters: Meters,
        region: str,
    ) -> None:
        self._integrate = integrate
        self._new_ids = new_ids
        self._tokens = tokens
        self._functions = functions
        self._services = services
        self._meters = meters
        self._region = region

    async def run_method(
        self,
        api: RestApi,
        resource_id: str,
        http_method: str,
        *,
        path: str,
        query: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        stage_variables: Mapping[str, str],
        caller: Principal,
        now: datetime,
    ) -> MethodTrial:
        """Run a method of `api`. `path` is without a stage; an ANY method is run as GET.

        Raises:
            NoSuchPath: another resource has that path, or none.
        """
        started = perf_counter()
        verb = "GET" if http_method == "ANY" else http_method
        incoming = _incoming(api, verb, path, query, headers, body, now)
        matched = self._matched(api, incoming, path, stage_variables, resource_id)
        admitted = AdmittedRequest(AuthorizedRequest(AuthenticatedCaller(matched, caller), None), None, None)
        refusal, outcome = None, None
        try:
            response, outcome = await self._integrate(admitted)
        except GatewayRefusal as refused:
            refusal = refused
            matched.trail.append((refused.step, "refused", refused.detail or refused.message))
            facts = RequestFacts(
                incoming=incoming, ids=matched.ids, stage=matched.stage, passed=admitted, refusal=refused
            )
            ids = matched.ids.headers
            rendered = matched.stage.gateway_responses.render(refused, ids, ContextVariables(facts), cors=False)
            response = GatewayResponse(*rendered)
        response = await _collected(response)
        facts = RequestFacts(
            incoming=incoming,
            ids=matched.ids,
            stage=matched.stage,
            passed=admitted,
            refusal=refusal,
            outcome=outcome,
            status=response.status,
        )
        return MethodTrial(
            status=response.status,
            headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers),
            body=response.body,
            log=_log(facts, matched, response),
            latency_ms=round((perf_counter() - started) * 1000),
        )

    async def ask_authorizer(
        self,
        api: RestApi,
        authorizer_id: str,
        *,
        path: str,
        query: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        stage_variables: Mapping[str, str],
        now: datetime,
    ) -> AuthorizerTrial:
        """Ask an authorizer of `api` about a request to `path`."""
        started = perf_counter()
        asking = _asking(api, authorizer_id)
        incoming = _incoming(api, "GET", path, query, headers, body, now)
        matched = self._matched(asking, incoming, "/", stage_variables, asking.root_resource_id)
        functions = _Overheard(self._functions, self._services)
        authorizer = matched.method.authorizer
        if authorizer is None:
            raise NoSuchPath(f"the API has no authorizer {authorizer_id}")
        vouched, refusal = None, None
        try:
            vouched = await Authorizers(self._tokens, functions).vouch(authorizer, matched, ())
        except GatewayRefusal as refused:
            refusal = refused
            matched.trail.append((refused.step, "refused", refused.detail or refused.message))
        status = 200 if refusal is None else refusal.http_status
        facts = RequestFacts(
            incoming=incoming,
            ids=matched.ids,
            stage=matched.stage,
            passed=AuthenticatedCaller(matched, ANONYMOUS, vouched),
            refusal=refusal,
            status=status,
        )
        return AuthorizerTrial(
            status=0 if refusal is None else status,
            principal_id=_principal(vouched),
            policy=functions.policy() if vouched is not None else None,
            claims=_claims(vouched),
            log=_log(facts, matched, GatewayResponse(status, [], b"")),
            latency_ms=round((perf_counter() - started) * 1000),
        )

    def _matched(
        self,
        api: RestApi,
        incoming: IncomingRequest,
        path: str,
        stage_variables: Mapping[str, str],
        resource_id: str,
    ) -> MatchedRequest:
        stage = Stage(
            rest_api_id=api.id,
            stage_name=_STAGE,
            deployment_id=_STAGE,
            created_at=incoming.received_at,
            modified_at=incoming.received_at,
            variables=dict(stage_variables),
        )
        deployment = Deployment(id=_STAGE, rest_api_id=api.id, created_at=incoming.received_at, rest_api=api)
        compiled = compile_stage(deployment, stage, region=self._region, meters=self._meters)
        found = compiled.tree.match(path, incoming.method)
        if found is None or found.target.resource_id != resource_id:
            raise NoSuchPath(f"{path} is not a path of the resource")
        return MatchedRequest(
            incoming,
            incoming.headers_by_name,
            self._new_ids(),
            compiled,
            found.target,
            incoming.method,
            path,
            found.path_parameters,
            f"{compiled.arn_prefix}{incoming.method}/{path[1:].removesuffix('/')}",
            [found.target.matched],
        )


class _Overheard(FunctionCalls):
    """Calls functions, and remembers what the last one said."""

    _said = b""

    async def invoke(
        self,
        function_arn: str,
        payload: bytes,
        *,
        source_arn: str,
        credentials: str | None,
        timeout_seconds: float,
        now: datetime,
        invocation_type: InvocationType = "RequestResponse",
    ) -> InvocationResult:
        result = await super().invoke(
            function_arn,
            payload,
            source_arn=source_arn,
            credentials=credentials,
            timeout_seconds=timeout_seconds,
            now=now,
            invocation_type=invocation_type,
        )
        self._said = result.payload
        return result

    def policy(self) -> str | None:
        """The policy document in it."""
        if not self._said:
            return None
        return msgspec.json.encode(msgspec.json.decode(self._said)["policyDocument"]).decode()


def _incoming(
    api: RestApi,
    http_method: str,
    path: str,
    query: str,
    headers: Sequence[tuple[str, str]],
    body: bytes,
    now: datetime,
) -> IncomingRequest:
    stage_path = f"/{_STAGE}{path}".encode()
    sent = tuple((name.encode(), value.encode()) for name, value in headers)
    named = {name.lower() for name, _ in sent}
    return IncomingRequest(
        api_id=api.id,
        method=http_method,
        raw_path=stage_path,
        stage_path=stage_path,
        query_string=query.encode(),
        headers=sent if b"host" in named else ((b"Host", _HOST), *sent),
        body=body,
        source_ip=_SOURCE,
        scheme="https",
        http_version="1.1",
        received_at=now,
    )


def _asking(api: RestApi, authorizer_id: str) -> RestApi:
    """`api` as one method at the root that asks the authorizer."""
    is_pool = api.authorizers[authorizer_id].type == "COGNITO_USER_POOLS"
    method = Method(
        http_method="GET",
        authorization_type="COGNITO_USER_POOLS" if is_pool else "CUSTOM",
        authorizer_id=authorizer_id,
        integration=Integration(type="MOCK"),
    )
    root = Resource(id=api.root_resource_id, path="/", methods={"GET": method})
    return msgspec.structs.replace(api, resources={root.id: root})


async def _collected(response: GatewayResponse) -> GatewayResponse:
    """The response with all of its body, as far as a response may be long."""
    if response.stream is None:
        return response
    body = bytearray()
    try:
        async for piece in response.stream:
            body += piece
            if len(body) > _MAX_BODY_BYTES:
                break
    finally:
        await response.stream.aclose()
    return GatewayResponse(response.status, response.headers, bytes(body[:_MAX_BODY_BYTES]))


def _log(facts: RequestFacts, matched: MatchedRequest, response: GatewayResponse) -> str:
    return "\n".join(execution_log_lines(facts, matched, response, matched.trail, (), has_data=True))


def _principal(vouched: Vouched | None) -> str | None:
    found = None if vouched is None else vouched.context.get("principalId")
    return None if found is None else str(found)


def _claims(vouched: Vouched | None) -> Mapping[str, str]:
    claims = {} if vouched is None else vouched.context.get("claims", {})
    return {name: str(value) for name, value in claims.items()} if isinstance(claims, Mapping) else {}

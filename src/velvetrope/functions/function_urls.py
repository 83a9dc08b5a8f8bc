"""Calls of function URLs: who may, what the function is given, and what its answer becomes over HTTP.

    url = await urls.find(url_id)                       what the address leads to
    urls.answer_preflight(url, request)                 a browser's question, answered without the function
    await urls.answer(url, request, caller=principal)   a call whose signature, if one is needed, was verified

An address of auth type `NONE` asks for no signature, and still lets nobody in by itself: the function's resource policy
must allow everybody. Since October 2025 two permissions are needed, for either type: `lambda:InvokeFunctionUrl` (with
the condition key `lambda:FunctionUrlAuthType`) and `lambda:InvokeFunction` (with `lambda:InvokedViaFunctionUrl`). For
`AWS_IAM` they may come from the caller's policies or from the function's.

The function gets an event of payload format 2.0. CORS settings answer preflights and put their headers on every answer;
a function's own headers of that kind are then dropped.

Sources: AWS Lambda Developer Guide, "Control access to Lambda function URLs", "Invoking Lambda function URLs",
"Creating and managing Lambda function URLs" (CORS).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from velvetrope.clock import Clock
from velvetrope.errors import ServiceError
from velvetrope.events import (
    InvalidProxyResponse,
    PayloadV2Event,
    parse_payload_v2_response,
    render_iam_authorizer,
    render_payload_v2_event,
)
from velvetrope.events.caller_identities import caller_identity
from velvetrope.events.forwarding import new_trace_id
from velvetrope.functions.errors import AccessDeniedException
from velvetrope.functions.invoker import FunctionInvoker
from velvetrope.functions.permissions import ResourcePolicies
from velvetrope.policy import AuthorizationRequest, Decision, PrincipalPolicies, evaluate, request_context
from velvetrope.principals import Principal
from velvetrope.store import Database
from velvetrope.store.tables.function_urls import CorsSettings, FunctionUrl, FunctionUrlStore

__all__ = ["FunctionUrls", "PolicyGatherer", "UrlAnswer", "UrlCallFailed", "UrlForbidden", "UrlRequest"]

_GUIDE: Final = "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
_MAX_REMEMBERED: Final = 1024
_CORS_HEADERS: Final = b"access-control-"

Headers = Sequence[tuple[bytes, bytes]]


class UrlForbidden(AccessDeniedException):
    """Nobody who is allowed to. The text is AWS's, and says no more to whoever is refused."""

    def __init__(self, *, detail: str) -> None:
        super().__init__(
            f"Forbidden. For troubleshooting Function URL authorization issues, see: {_GUIDE}", detail=detail
        )


class UrlCallFailed(ServiceError):
    """The function failed, or answered in no form that HTTP could be made of."""

    code = "InternalServerErrorException"
    http_status = 502


class PolicyGatherer(Protocol):
    """Hands out a principal's own policies: `iam.PolicyGatherer`."""

    async def policies_for(self, principal: Principal) -> PrincipalPolicies: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlRequest:
    """One call of an address. `raw_path` is what follows the address, as received, and begins with a slash.

    Header names are in lower case.
    """

    method: str
    raw_path: str
    query_string: str
    headers: Headers
    body: bytes
    source_ip: str
    scheme: str
    port: str
    request_id: str
    received_at: datetime

    def header(self, name: bytes) -> str:
        """The first value of a header; empty if it was not sent."""
        return next((value.decode("latin-1") for found, value in self.headers if found == name), "")


@dataclass(slots=True)
class UrlAnswer:
    """A complete HTTP answer, but for its length; `reasons` are for the decision record."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    reasons: tuple[str, ...] = ()


class FunctionUrls:
    """See the module."""

    def __init__(
        self,
        database: Database,
        invoker: FunctionInvoker,
        resource_policies: ResourcePolicies,
        policies: PolicyGatherer,
        clock: Clock,
        *,
        account_id: str,
        region: str,
    ) -> None:
        self._store = FunctionUrlStore(database)
        self._invoker = invoker
        self._resource_policies = resource_policies
        self._policies = policies
        self._clock = clock
        self._account_id = account_id
        self._region = region
        self._known: dict[str, FunctionUrl] = {}
        self._generation = 0
        database.changes.subscribe("functions", self._forget)

    async def find(self, url_id: str) -> FunctionUrl | None:
        """What the address leads to; None if there is none of that id."""
        known = self._known.get(url_id)
        if known is not None:
            return known
        generation = self._generation
        found = await self._store.load_url(url_id)
        if found is not None and generation == self._generation:
            if len(self._known) >= _MAX_REMEMBERED:
                self._known.clear()
            self._known[url_id] = found
        return found

    def answer_preflight(self, url: FunctionUrl, request: UrlRequest) -> UrlAnswer | None:
        """The answer to a browser's preflight; None if it is none, or the function is to answer it itself."""
        wanted = request.header(b"access-control-request-method")
        if url.cors is None or request.method != "OPTIONS" or not wanted:
            return None
        headers = _cors_headers(url.cors, request)
        methods = url.cors.allow_methods or ()
        if headers and ("*" in methods or wanted in methods):
            headers.append((b"access-control-allow-methods", ",".join(methods).encode("latin-1", "replace")))
            if url.cors.allow_headers:
                headers.append(
                    (b"access-control-allow-headers", ",".join(url.cors.allow_headers).encode("latin-1", "replace"))
                )
            if url.cors.max_age is not None:
                headers.append((b"access-control-max-age", str(url.cors.max_age).encode()))
        else:
            headers = []
        return UrlAnswer(200, headers, b"", ("a preflight, answered from the CORS settings",))

    async def answer(self, url: FunctionUrl, request: UrlRequest, *, caller: Principal) -> UrlAnswer:
        """The function's answer. `caller` was proven, or is `ANONYMOUS`.

        Raises:
            UrlForbidden: no policy lets the caller in, or one keeps it out.
            UrlCallFailed: the function failed, or answered in another form.
            ServiceError: it could not be run: throttled, too large, its role not assumable.
        """
        reasons = await self._check_allowed(url, request, caller)
        trace_id = request.header(b"x-amzn-trace-id") or new_trace_id(request.received_at, request.request_id)
        result = await self._invoker.invoke(
            url.target_arn,
            self._render_event(url, request, caller, trace_id),
            caller=caller,
            source_arn=None,
            now=request.received_at,
            request_id=request.request_id,
        )
        if result.function_error is not None:
            raise UrlCallFailed("Internal Server Error", detail=f"{url.target_arn} ended with an error; see its log")
        try:
            response = parse_payload_v2_response(result.payload, default_content_type="application/json")
        except InvalidProxyResponse as invalid:
            raise UrlCallFailed("Internal Server Error", detail=invalid.message) from None
        headers = list(response.headers)
        if url.cors is not None:
            headers = [(name, value) for name, value in headers if not name.lower().startswith(_CORS_HEADERS)]
            headers += _cors_headers(url.cors, request)
        headers.append((b"x-amzn-trace-id", trace_id.encode("latin-1", "replace")))
        return UrlAnswer(response.status, headers, response.body, reasons)

    async def _check_allowed(self, url: FunctionUrl, request: UrlRequest, caller: Principal) -> tuple[str, ...]:
        resource_policy = await self._resource_policies.find(url.target_arn)
        policies = await self._policies.policies_for(caller)
        reasons: list[str] = []
        for action, key, value in (
            ("lambda:InvokeFunctionUrl", "lambda:functionurlauthtype", url.auth_type),
            ("lambda:InvokeFunction", "lambda:invokedviafunctionurl", "true"),
        ):
            decision: Decision = evaluate(
                AuthorizationRequest(
                    principal=caller,
                    action=action,
                    resource=url.target_arn,
                    resource_account_id=self._account_id,
                    context=request_context(
                        caller,
                        now=self._clock.now(),
                        source_ip=request.source_ip,
                        user_agent=request.header(b"user-agent"),
                        secure_transport=request.scheme == "https",
                        region=self._region,
                        referer=request.header(b"referer"),
                        extra={key: (value,), "aws:resourceaccount": (self._account_id,)},
                    ),
                    policies=policies,
                    resource_policy=resource_policy,
                )
            )
            if not decision.allowed:
                lines = "; ".join(decision.reasons)
                raise UrlForbidden(detail=f"{action} on {url.target_arn}: {decision.because} ({lines})")
            reasons += decision.reasons or (f"{action} on {url.target_arn}",)
        return tuple(reasons)

    def _render_event(self, url: FunctionUrl, request: UrlRequest, caller: Principal, trace_id: str) -> bytes:
        signed = url.auth_type == "AWS_IAM"
        return render_payload_v2_event(
            PayloadV2Event(
                account_id=caller.account_id if signed else "anonymous",
                api_id=url.url_id,
                stage="$default",
                route_key="$default",
                http_method=request.method,
                raw_path=request.raw_path,
                query_string=request.query_string,
                headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers],
                body=request.body,
                path_parameters={},
                stage_variables={},
                authorizer=render_iam_authorizer(caller_identity(caller)) if signed else None,
                source_ip=request.source_ip,
                user_agent=request.header(b"user-agent"),
                scheme=request.scheme,
                port=request.port,
                domain_name=f"{url.url_id}.lambda-url.{self._region}.on.aws",
                request_id=request.request_id,
                trace_id=trace_id,
                received_at=request.received_at,
            )
        )

    def _forget(self) -> None:
        self._generation += 1
        self._known.clear()


def _cors_headers(cors: CorsSettings, request: UrlRequest) -> list[tuple[bytes, bytes]]:
    """What every answer to an allowed origin carries; nothing for any other."""
    origin, allowed = request.header(b"origin"), cors.allow_origins or ()
    if not origin or ("*" not in allowed and origin not in allowed):
        return []
    headers = [(b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin")]
    if "*" in allowed and origin not in allowed:
        headers = [(b"access-control-allow-origin", b"*")]
    if cors.allow_credentials:
        headers.append((b"access-control-allow-credentials", b"true"))
    if cors.expose_headers:
        headers.append((b"access-control-expose-headers", ",".join(cors.expose_headers).encode("latin-1", "replace")))
    return headers

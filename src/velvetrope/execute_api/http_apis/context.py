"""`$context` of an HTTP API: what parameter mappings and access logs may say of a request.

A name that is not in the table, and not below `authorizer.`, has no value.

Source: API Gateway Developer Guide, "Customize HTTP API access logs" (the list of variables); "Control access to HTTP
APIs with AWS Lambda authorizers", "… with JWT authorizers" (`authorizer.…`).
"""

from collections.abc import Callable, Mapping

import msgspec

from velvetrope.events import render_clf_time
from velvetrope.events.caller_identities import caller_identity
from velvetrope.execute_api.http_apis.compiling import CompiledHttpStage
from velvetrope.execute_api.http_apis.errors import HttpApiRefusal
from velvetrope.execute_api.http_apis.requests import HttpAdmitted, HttpCaller, HttpMatched, HttpPassed
from velvetrope.execute_api.requests import IncomingRequest, IntegrationOutcome, RequestIds, host_and_port
from velvetrope.principals import ANONYMOUS

__all__ = ["HttpContext", "context_text"]


class HttpContext(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one request at some moment."""

    incoming: IncomingRequest
    ids: RequestIds
    stage: CompiledHttpStage | None = None
    passed: HttpPassed | None = None
    refusal: HttpApiRefusal | None = None
    outcome: IntegrationOutcome | None = None
    status: int | None = None
    response_bytes: int | None = None
    duration_ms: float | None = None

    @property
    def caller(self) -> HttpCaller | None:
        passed = self.passed
        if isinstance(passed, HttpAdmitted):
            return passed.caller
        return passed if isinstance(passed, HttpCaller) else None

    @property
    def matched(self) -> HttpMatched | None:
        caller = self.caller
        if caller is not None:
            return caller.matched
        return self.passed if isinstance(self.passed, HttpMatched) else None

    def get(self, name: str) -> str | None:
        """The variable's text; None without a value, and for a name that does not exist."""
        render = _VARIABLES.get(name)
        if render is not None:
            return render(self)
        head, _, member = name.partition(".")
        return self._of_authorizer(member) if head == "authorizer" else None

    def _of_authorizer(self, member: str) -> str | None:
        caller = self.caller
        if caller is None:
            return None
        if caller.claims is not None:
            return caller.claims.get(member.removeprefix("claims."))
        return None if caller.context is None else context_text(caller.context.get(member))


def context_text(value: object) -> str | None:
    """A value of an authorizer's context as text: true and false in lower case, lists and objects as JSON."""
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


Variable = Callable[[HttpContext], str | None]


def _header(name: bytes) -> Variable:
    def render(facts: HttpContext) -> str | None:
        value = facts.incoming.headers_by_name.get(name)
        return None if value is None else value.decode("latin-1")

    return render


def _identity(member: str) -> Variable:
    def render(facts: HttpContext) -> str | None:
        principal = ANONYMOUS if facts.caller is None else facts.caller.principal
        value: str | None = getattr(caller_identity(principal), member)
        return value

    return render


def _domain(facts: HttpContext) -> str:
    return host_and_port(facts.incoming.headers_by_name)[0]


def _whole(value: float | None) -> str | None:
    return None if value is None else str(round(value))


def _outcome(read: Callable[[IntegrationOutcome], str | None]) -> Variable:
    return lambda facts: None if facts.outcome is None else read(facts.outcome)


def _refusal(read: Callable[[HttpApiRefusal], str | None]) -> Variable:
    return lambda facts: None if facts.refusal is None else read(facts.refusal)


def _error_of(step: str) -> Variable:
    return _refusal(lambda refusal: refusal.message if refusal.step == step else None)


_VARIABLES: Mapping[str, Variable] = {
    "accountId": lambda facts: None if facts.stage is None else facts.stage.account_id,
    "apiId": lambda facts: facts.incoming.api_id,
    "authorizer.error": _error_of("authorizer"),
    "awsEndpointRequestId": _outcome(lambda outcome: outcome.request_id),
    "customDomain.basePathMatched": lambda facts: facts.incoming.base_path.decode("latin-1") or None,
    # "The amount of data processed in bytes": both bodies, by our reading (UNVERIFIED).
    "dataProcessed": lambda facts: _whole(len(facts.incoming.body) + (facts.response_bytes or 0)),
    "domainName": _domain,
    "domainPrefix": lambda facts: _domain(facts).split(".", 1)[0],
    "error.message": _refusal(lambda refusal: refusal.message),
    "error.messageString": _refusal(lambda refusal: msgspec.json.encode(refusal.message).decode()),
    "error.responseType": _refusal(lambda refusal: refusal.code),
    "extendedRequestId": lambda facts: facts.ids.extended_request_id,
    "httpMethod": lambda facts: facts.incoming.method,
    "identity.accessKey": _identity("access_key"),
    "identity.accountId": _identity("account_id"),
    "identity.caller": _identity("caller"),
    "identity.cognitoAuthenticationProvider": _identity("cognito_authentication_provider"),
    "identity.cognitoAuthenticationType": _identity("cognito_authentication_type"),
    "identity.cognitoIdentityId": _identity("cognito_identity_id"),
    "identity.cognitoIdentityPoolId": _identity("cognito_identity_pool_id"),
    "identity.principalOrgId": _identity("principal_org_id"),
    "identity.sourceIp": lambda facts: facts.incoming.source_ip,
    "identity.user": _identity("user"),
    "identity.userAgent": _header(b"user-agent"),
    "identity.userArn": _identity("user_arn"),
    "integration.error": _error_of("integration"),
    "integration.integrationStatus": _outcome(lambda outcome: _whole(outcome.backend_status)),
    "integration.latency": _outcome(lambda outcome: _whole(outcome.latency_ms)),
    "integration.requestId": _outcome(lambda outcome: outcome.request_id),
    "integration.status": _outcome(lambda outcome: _whole(outcome.service_status)),
    "integrationErrorMessage": _error_of("integration"),
    "integrationLatency": _outcome(lambda outcome: _whole(outcome.latency_ms)),
    "integrationStatus": _outcome(lambda outcome: _whole(outcome.backend_status)),
    "path": lambda facts: facts.incoming.stage_path.decode("latin-1"),
    "protocol": lambda facts: f"HTTP/{facts.incoming.http_version}",
    # AWS shows one id of an HTTP API's request, and it is the extended one.
    "requestId": lambda facts: facts.ids.extended_request_id,
    "requestTime": lambda facts: render_clf_time(facts.incoming.received_at),
    "requestTimeEpoch": lambda facts: str(int(facts.incoming.received_at.timestamp() * 1000)),
    "responseLatency": lambda facts: _whole(facts.duration_ms),
    "responseLength": lambda facts: _whole(facts.response_bytes),
    "routeKey": lambda facts: None if facts.matched is None else facts.matched.route.route_key,
    "stage": lambda facts: None if facts.stage is None else facts.stage.name,
    "status": lambda facts: _whole(facts.status),
}

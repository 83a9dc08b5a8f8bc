"""`$context`: what may be said of a request in gateway responses, templates, parameters and access logs.

    variables = ContextVariables(facts)
    variables.get("identity.sourceIp")      # a text; None if it has no value here
    variables.tree()                        # the same as nested maps, for mapping templates

One table says how each variable comes about; a name that is not in it, and is not below `authorizer.`, has no value.
Some only come to be at the end (status, lengths, latencies) and are for access logs, which are written last.

`identity.apiKey` is the key's value, as on AWS. Access logs ask for it through `redaction`, which masks it.

Source: API Gateway Developer Guide, "API Gateway mapping template and access logging variable reference",
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
"""

import json
from collections.abc import Callable, Mapping

import msgspec

from velvetrope.events import query_parameters, render_clf_time
from velvetrope.events.caller_identities import caller_identity
from velvetrope.execute_api.errors import BadRequestBody, GatewayRefusal
from velvetrope.execute_api.requests import (
    AdmittedRequest,
    AuthenticatedCaller,
    AuthorizedRequest,
    IncomingRequest,
    IntegrationOutcome,
    MatchedRequest,
    Passed,
    RequestIds,
    Vouched,
    host_and_port,
    path_without_stage,
)
from velvetrope.execute_api.snapshot import CompiledStage
from velvetrope.principals import ANONYMOUS, Principal

__all__ = ["KNOWN_VARIABLES", "ContextVariables", "RequestFacts", "caller_of"]


class RequestFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one request at some moment: how far it came, and what became of it if that is known yet."""

    incoming: IncomingRequest
    ids: RequestIds
    stage: CompiledStage | None
    passed: Passed | None
    refusal: GatewayRefusal | None = None
    outcome: IntegrationOutcome | None = None
    status: int | None = None
    response_bytes: int | None = None
    duration_ms: float | None = None

    @property
    def matched(self) -> MatchedRequest | None:
        """The route, if the request came that far."""
        caller = self.caller
        if caller is not None:
            return caller.matched
        return self.passed if isinstance(self.passed, MatchedRequest) else None

    @property
    def caller(self) -> AuthenticatedCaller | None:
        """Who called, if that was proven."""
        return caller_of(self.passed)

    @property
    def principal(self) -> Principal:
        caller = self.caller
        return ANONYMOUS if caller is None else caller.principal

    @property
    def vouched(self) -> Vouched | None:
        caller = self.caller
        return None if caller is None else caller.vouched

    @property
    def admitted(self) -> AdmittedRequest | None:
        return self.passed if isinstance(self.passed, AdmittedRequest) else None


def caller_of(passed: Passed | None) -> AuthenticatedCaller | None:
    """The caller behind any of the proofs that come after it."""
    # Most come all the way, and to ask what a Struct is not costs more than what it is.
    if isinstance(passed, AdmittedRequest):
        return passed.authorized.caller
    if isinstance(passed, AuthorizedRequest):
        return passed.caller
    return passed if isinstance(passed, AuthenticatedCaller) else None


class ContextVariables:
    """The variables of one request."""

    def __init__(self, facts: RequestFacts) -> None:
        self._facts = facts

    def get(self, name: str) -> str | None:
        """The variable's text; None without a value, and for a name that does not exist."""
        render = _VARIABLES.get(name)
        if render is not None:
            return render(self._facts)
        head, _, member = name.partition(".")
        return self._of_authorizer(member) if head == "authorizer" and member else None

    def lookup(self, kind: str, name: str) -> str:
        """What gateway responses refer to: a variable, or a part of the request; empty without a value."""
        facts = self._facts
        match kind:
            case "context":
                return self.get(name) or ""
            case "stageVariables":
                return "" if facts.stage is None else facts.stage.variables.get(name, "")
            case "header":
                return _headers(facts).get(name.lower().encode(), b"").decode("latin-1")
            case "querystring":
                return dict(query_parameters(facts.incoming.query_string.decode("latin-1"))).get(name, "")
            case "path":
                return "" if facts.matched is None else facts.matched.path_parameters.get(name, "")
            case _:
                raise ValueError(f"templates refer to no {kind}")

    def tree(self) -> dict[str, object]:
        """All variables that have a value, nested by the dots of their names."""
        tree: dict[str, object] = {}
        for name, render in _VARIABLES.items():
            value = render(self._facts)
            if value is not None:
                _place(tree, name, value)
        vouched = self._facts.vouched
        if vouched is not None:
            said = tree.setdefault("authorizer", {})
            if isinstance(said, dict):
                said.update({name: _text(value) for name, value in vouched.context.items() if name != "claims"})
                claims = vouched.context.get("claims")
                if isinstance(claims, Mapping):
                    said["claims"] = dict(claims)
        return tree

    def _of_authorizer(self, member: str) -> str | None:
        vouched = self._facts.vouched
        if vouched is None:
            return None
        claims = vouched.context.get("claims")
        if isinstance(claims, Mapping):
            if member.startswith("claims."):
                return _text(claims.get(member.removeprefix("claims.")))
            if member.startswith("claims['") and member.endswith("']"):
                return _text(claims.get(member[len("claims['") : -2]))
            return None  # all of the claims together are null, as on AWS
        return _text(vouched.context.get(member))


def _place(tree: dict[str, object], name: str, value: str) -> None:
    *parents, last = name.split(".")
    for parent in parents:
        below = tree.setdefault(parent, {})
        if not isinstance(below, dict):
            return
        tree = below
    tree[last] = value


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


Variable = Callable[[RequestFacts], str | None]


def _header(name: bytes) -> Variable:
    def render(facts: RequestFacts) -> str | None:
        value = _headers(facts).get(name)
        return None if value is None else value.decode("latin-1")

    return render


def _headers(facts: RequestFacts) -> Mapping[bytes, bytes]:
    matched = facts.matched
    return facts.incoming.headers_by_name if matched is None else matched.headers


def _stage(read: Callable[[CompiledStage], str]) -> Variable:
    return lambda facts: None if facts.stage is None else read(facts.stage)


def _route(read: Callable[[MatchedRequest], str | None]) -> Variable:
    def render(facts: RequestFacts) -> str | None:
        matched = facts.matched
        return None if matched is None else read(matched)

    return render


def _identity(member: str) -> Variable:
    def render(facts: RequestFacts) -> str | None:
        value: str | None = getattr(caller_identity(facts.principal), member)
        return value

    return render


def _domain(facts: RequestFacts) -> str:
    return host_and_port(_headers(facts))[0]


def _error(read: Callable[[GatewayRefusal], str | None]) -> Variable:
    return lambda facts: None if facts.refusal is None else read(facts.refusal)


def _message_string(refusal: GatewayRefusal) -> str:
    return json.dumps(None if refusal.text is None else refusal.message, ensure_ascii=False)


def _validation(refusal: GatewayRefusal) -> str | None:
    return refusal.validation_error if isinstance(refusal, BadRequestBody) else None


def _outcome(read: Callable[[IntegrationOutcome], str | None]) -> Variable:
    return lambda facts: None if facts.outcome is None else read(facts.outcome)


def _integration_error(facts: RequestFacts) -> str | None:
    refusal = facts.refusal
    return refusal.message if refusal is not None and refusal.step == "integration" else None


def _authorizer_error(facts: RequestFacts) -> str | None:
    refusal = facts.refusal
    if refusal is None or refusal.step != "authorizer":
        return None
    return refusal.message or refusal.code


def _authorizer_status(facts: RequestFacts) -> str | None:
    if facts.vouched is not None:
        return "200"
    refusal = facts.refusal
    return str(refusal.http_status) if refusal is not None and refusal.step == "authorizer" else None


def _step_status(step: str, passed: Callable[[RequestFacts], bool]) -> Variable:
    def render(facts: RequestFacts) -> str | None:
        if facts.refusal is not None and facts.refusal.step == step:
            return str(facts.refusal.http_status)
        return "200" if passed(facts) else None

    return render


def _step_error(step: str) -> Variable:
    def render(facts: RequestFacts) -> str | None:
        refusal = facts.refusal
        return (refusal.message or refusal.code) if refusal is not None and refusal.step == step else None

    return render


def _was_signed(facts: RequestFacts) -> bool:
    return facts.principal is not ANONYMOUS


def _was_authorized(facts: RequestFacts) -> bool:
    return isinstance(facts.passed, AuthorizedRequest | AdmittedRequest) and (
        facts.stage is None or facts.stage.resource_policy is not None or _was_signed(facts)
    )


def _api_key(facts: RequestFacts) -> str | None:
    return None if facts.admitted is None else facts.admitted.presented_api_key


def _api_key_id(facts: RequestFacts) -> str | None:
    admitted = facts.admitted
    return None if admitted is None or admitted.api_key is None else admitted.api_key.key_id


def _whole(value: float | None) -> str | None:
    return None if value is None else str(round(value))


_VARIABLES: Mapping[str, Variable] = {
    "accountId": _stage(lambda stage: stage.account_id),
    "apiId": lambda facts: facts.incoming.api_id,
    "authenticate.error": _step_error("authentication"),
    "authenticate.status": _step_status("authentication", _was_signed),
    "authorize.error": _step_error("authorization"),
    "authorize.status": _step_status("authorization", _was_authorized),
    "authorizer.error": _authorizer_error,
    "authorizer.latency": lambda facts: None if facts.vouched is None else _whole(facts.vouched.latency_ms),
    "authorizer.status": _authorizer_status,
    "authorizer.integrationStatus": _authorizer_status,
    "deploymentId": _stage(lambda stage: stage.deployment_id),
    "awsEndpointRequestId": _outcome(lambda outcome: outcome.request_id),
    "customDomain.basePathMatched": lambda facts: facts.incoming.base_path.decode("latin-1") or None,
    "domainName": _domain,
    "domainPrefix": lambda facts: _domain(facts).split(".", 1)[0],
    "endpointType": _stage(lambda stage: stage.endpoint_type),
    "error.message": _error(lambda refusal: refusal.message),
    "error.messageString": _error(_message_string),
    "error.responseType": _error(lambda refusal: refusal.response_type),
    "error.validationErrorString": _error(_validation),
    "extendedRequestId": lambda facts: facts.ids.extended_request_id,
    "httpMethod": lambda facts: facts.incoming.method if facts.matched is None else facts.matched.http_method,
    "identity.accessKey": _identity("access_key"),
    "identity.accountId": _identity("account_id"),
    "identity.apiKey": _api_key,
    "identity.apiKeyId": _api_key_id,
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
    "integration.error": _integration_error,
    "integration.integrationStatus": _outcome(lambda outcome: _whole(outcome.backend_status)),
    "integration.latency": _outcome(lambda outcome: _whole(outcome.latency_ms)),
    "integration.requestId": _outcome(lambda outcome: outcome.request_id),
    "integration.status": _outcome(lambda outcome: _whole(outcome.service_status)),
    "integrationErrorMessage": _integration_error,
    "integrationLatency": _outcome(lambda outcome: _whole(outcome.latency_ms)),
    "integrationStatus": _outcome(lambda outcome: _whole(outcome.backend_status)),
    "operationName": _route(lambda matched: matched.method.operation_name),
    "path": lambda facts: facts.incoming.called_path.decode("latin-1"),
    "protocol": lambda facts: f"HTTP/{facts.incoming.http_version}",
    "requestId": lambda facts: facts.ids.request_id,
    "requestTime": lambda facts: render_clf_time(facts.incoming.received_at),
    "requestTimeEpoch": lambda facts: str(int(facts.incoming.received_at.timestamp() * 1000)),
    "resourceId": _route(lambda matched: matched.method.resource_id),
    "resourcePath": lambda facts: (
        path_without_stage(facts.incoming)[1] if facts.matched is None else facts.matched.method.resource_path
    ),
    "responseLatency": lambda facts: _whole(facts.duration_ms),
    "responseLength": lambda facts: _whole(facts.response_bytes),
    "stage": lambda facts: path_without_stage(facts.incoming)[0],
    "status": lambda facts: _whole(facts.status),
    "xrayTraceId": _header(b"x-amzn-trace-id"),
    # What we do not have has no value, ever: canaries, client certificates, firewalls, private endpoints, TLS's inside.
    **dict.fromkeys(
        (
            "authenticate.latency",
            "authorize.latency",
            "authorizer.requestId",
            "cipherSuite",
            "identity.clientCert.clientCertPem",
            "identity.clientCert.issuerDN",
            "identity.clientCert.serialNumber",
            "identity.clientCert.subjectDN",
            "identity.clientCert.validity.notAfter",
            "identity.clientCert.validity.notBefore",
            "identity.vpcId",
            "identity.vpceId",
            "isCanaryRequest",
            "tlsVersion",
            "waf.error",
            "waf.latency",
            "waf.status",
            "wafResponseCode",
            "webaclArn",
        ),
        lambda _facts: None,
    ),
}

KNOWN_VARIABLES = frozenset(_VARIABLES)
"""Every variable but those below `authorizer.`, which authorizers name. A test holds `events.CONTEXT_NAMES` to it."""

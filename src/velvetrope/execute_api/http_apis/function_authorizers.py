"""Lambda authorizers of HTTP APIs: a function decides by the request without its body.

Every identity source must be there and not empty, else the answer is 401 and the function is not asked. What it says
counts for its TTL, for the same identity in the same stage and deployment; not for one route only, unless
`$context.routeKey` is one of the sources. A policy is weighed anew for each route all the same.

The function answers with a policy (as for REST APIs), or with `{"isAuthorized": true, "context": {…}}` where simple
responses are enabled: exactly one of the two forms is taken. An `isAuthorized` that is not a boolean is no answer. Who
is not authorized is 403; a function that fails with exactly `Unauthorized` is 401; everything else is 500 and lets
nobody in.

Sources: API Gateway Developer Guide, "Control access to HTTP APIs with AWS Lambda authorizers". UNVERIFIED:
`Unauthorized` of a function that fails.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from velvetrope.errors import VelvetropeError
from velvetrope.events import (
    query_parameters,
    render_payload_v1_authorizer_event,
    render_payload_v2_authorizer_event,
)
from velvetrope.execute_api.authorization import ACTION, call_context, evaluate_call
from velvetrope.execute_api.authorizers.answers import MalformedAnswer, parse_answer
from velvetrope.execute_api.authorizers.cache import MAX_ANSWER_BYTES, VouchedBefore
from velvetrope.execute_api.authorizers.functions import said_unauthorized
from velvetrope.execute_api.http_apis.compiling import FunctionAuthorizer, IdentitySource
from velvetrope.execute_api.http_apis.context import HttpContext
from velvetrope.execute_api.http_apis.errors import Forbidden, InternalError, Unauthorized
from velvetrope.execute_api.http_apis.function_events import v1_event, v2_event
from velvetrope.execute_api.http_apis.requests import HttpCaller, HttpMatched, joined_headers, joined_query
from velvetrope.execute_api.invoking import FunctionCalls, function_failure
from velvetrope.execute_api.requests import Vouched
from velvetrope.policy import AuthorizationRequest, PrincipalPolicies, parse_policy
from velvetrope.principals import ANONYMOUS

__all__ = ["FunctionAuthorizers", "identity_value"]

_TIMEOUT_SECONDS: Final = 10.0
"""How long AWS waits for an authorizer's function. Source: API Gateway quotas for HTTP APIs."""
_NOBODY: Final = PrincipalPolicies()
_EVERYBODY: Final = PrincipalPolicies(
    identity=(
        parse_policy(
            '{"Version":"2012-10-17","Statement":[{"Sid":"isAuthorized","Effect":"Allow",'
            f'"Action":"{ACTION}","Resource":"*"}}]}}',
            kind="identity",
            source="the authorizer's simple response",
        ),
    )
)


def identity_value(source: IdentitySource, matched: HttpMatched) -> str | None:
    """What stands in an identity source, all values of a repeated one joined with commas; None if nothing does."""
    incoming = matched.incoming
    match source.place:
        case "header":
            return joined_headers(incoming.headers).get(source.name)
        case "querystring":
            return joined_query(query_parameters(incoming.query_string.decode("latin-1"))).get(source.name)
        case "stageVariables":
            return matched.stage.variables.get(source.name)
        case "context":
            known = HttpContext(incoming=incoming, ids=matched.ids, stage=matched.stage, passed=matched)
            return known.get(source.name)
        case _:
            return None


class FunctionAuthorizers:
    """Asks functions, and remembers what they said."""

    def __init__(self, functions: FunctionCalls, *, region: str) -> None:
        self._functions = functions
        self._region = region
        self._known = VouchedBefore()

    async def authorize(self, authorizer: FunctionAuthorizer, matched: HttpMatched) -> HttpCaller:
        """Whom the function vouches for.

        Raises:
            Unauthorized: an identity source is missing, or the function says so.
            Forbidden: the function does not let the caller in here.
            InternalError: it cannot be invoked, failed, or its answer is not in the format.
        """
        name = f"authorizer {authorizer.authorizer_id}"
        identity: list[str] = []
        for source in authorizer.sources:
            value = identity_value(source, matched)
            if not value:
                raise Unauthorized(step="authorizer", detail=f"{name}: the request has no {source.place} {source.name}")
            identity.append(value)
        vouched = await self._vouched(authorizer, identity, matched, name)
        question = AuthorizationRequest(
            ANONYMOUS,
            ACTION,
            matched.route_arn,
            matched.stage.account_id,
            call_context(ANONYMOUS, matched.incoming, matched.headers, region=self._region),
            vouched.policies,
            None,
        )
        decision = evaluate_call(question)
        if not decision.allowed:
            raise Forbidden(
                step="authorizer",
                detail=f"{name} does not let the caller {ACTION} {matched.route_arn}. " + "; ".join(decision.reasons),
            )
        matched.trail.append(("authorizer", "allowed", f"{name}: {decision.permission}"))
        return HttpCaller(matched, ANONYMOUS, context=vouched.context)

    async def _vouched(
        self, authorizer: FunctionAuthorizer, identity: Sequence[str], matched: HttpMatched, name: str
    ) -> Vouched:
        if not authorizer.ttl_seconds:
            return (await self._ask(authorizer, identity, matched, name))[0]
        now = matched.incoming.received_at
        key = self._known.key([authorizer.cache_scope, *identity])
        known = self._known.find(key, now.timestamp())
        if known is not None:
            return known
        vouched, size = await self._ask(authorizer, identity, matched, name)
        if size <= MAX_ANSWER_BYTES:
            self._known.keep(key, vouched, until=now.timestamp() + authorizer.ttl_seconds)
        return vouched

    async def _ask(
        self, authorizer: FunctionAuthorizer, identity: Sequence[str], matched: HttpMatched, name: str
    ) -> tuple[Vouched, int]:
        """What the function says, and in how many bytes."""
        if authorizer.function_arn is None:
            raise InternalError(step="authorizer", detail=f"{name}: a stage variable in its URI has no value")
        try:
            result = await self._functions.invoke(
                authorizer.function_arn,
                _event(authorizer, identity, matched),
                source_arn=authorizer.source_arn,
                credentials=None,
                timeout_seconds=_TIMEOUT_SECONDS,
                now=matched.incoming.received_at,
            )
        except TimeoutError:
            raise InternalError(step="authorizer", detail=f"{name} did not answer in time") from None
        except VelvetropeError as refused:
            raise InternalError(
                step="authorizer", detail=f"{name}: {type(refused).__name__}: {refused.detail or refused.message}"
            ) from refused
        if result.function_error is not None:
            if said_unauthorized(result.payload):
                raise Unauthorized(step="authorizer", detail=f"{name} says Unauthorized")
            failure = function_failure(name, authorizer.function_arn, result.request_id)
            raise InternalError(step="authorizer", detail=failure)
        try:
            return _parse(authorizer, result.payload, name), len(result.payload)
        except MalformedAnswer as finding:
            raise InternalError(step="authorizer", detail=f"{name}: {finding.message}") from None


def _event(authorizer: FunctionAuthorizer, identity: Sequence[str], matched: HttpMatched) -> bytes:
    nobody = HttpCaller(matched, ANONYMOUS)
    if authorizer.payload_format_version == "2.0":
        return render_payload_v2_authorizer_event(
            v2_event(nobody), route_arn=matched.route_arn, identity_source=identity
        )
    return render_payload_v1_authorizer_event(v1_event(nobody), route_arn=matched.route_arn, identity_source=identity)


def _parse(authorizer: FunctionAuthorizer, payload: bytes, name: str) -> Vouched:
    if not authorizer.has_simple_responses:
        answer = parse_answer(payload, source=f"the policy of {name}")
        return Vouched(context=answer.context, policies=answer.policies)
    try:
        simple: object = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedAnswer("the authorizer's answer is not JSON") from None
    if not isinstance(simple, dict) or not isinstance(simple.get("isAuthorized"), bool):
        raise MalformedAnswer("a simple response is an object with isAuthorized, true or false")
    context = simple.get("context")
    if context is not None and not isinstance(context, dict):
        raise MalformedAnswer("context must be an object")
    return Vouched(context=context or {}, policies=_EVERYBODY if simple["isAuthorized"] else _NOBODY)

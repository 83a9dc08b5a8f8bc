"""CUSTOM: a function decides. TOKEN authorizers hand it a token, REQUEST authorizers the request without its body.

The function is invoked as `apigateway.amazonaws.com` from `…:{apiId}/authorizers/{authorizerId}`, so its resource
policy must let that in; or, with `authorizerCredentials`, as that role. It may refuse by failing with exactly
`Unauthorized`, which is 401; any other failure is 500 and lets nobody in, and so is an answer that breaks the format.

Sources: API Gateway Developer Guide, "Input to an API Gateway Lambda authorizer", "Output from an API Gateway Lambda
authorizer". UNVERIFIED: empty maps of a REQUEST event are `{}` and not null.
"""

from collections.abc import Sequence

import msgspec

from velvetrope.errors import VelvetropeError
from velvetrope.events import render_request_authorizer_event, render_token_authorizer_event
from velvetrope.execute_api.authorizers.answers import MalformedAnswer, parse_answer
from velvetrope.execute_api.authorizers.cache import MAX_ANSWER_BYTES
from velvetrope.execute_api.authorizers.compiling import FunctionAuthorizer
from velvetrope.execute_api.errors import AuthorizerConfiguration, AuthorizerFailure, Unauthorized
from velvetrope.execute_api.invoking import FunctionCalls, function_failure
from velvetrope.execute_api.proxy_events import proxy_event, trace_id
from velvetrope.execute_api.requests import AuthenticatedCaller, MatchedRequest, Vouched
from velvetrope.principals import ANONYMOUS

__all__ = ["FunctionAuthorizers", "said_unauthorized"]

_TIMEOUT_SECONDS = 10.0
"""How long AWS waits for an authorizer's function. Source: API Gateway quotas, "Lambda authorizer timeout"
(UNVERIFIED)."""
_FOREVER = float("inf")


class FunctionAuthorizers:
    """Asks functions."""

    def __init__(self, functions: FunctionCalls) -> None:
        self._functions = functions

    async def ask(
        self, authorizer: FunctionAuthorizer, identity: Sequence[str], matched: MatchedRequest
    ) -> tuple[Vouched, float]:
        """What the function says, and until when that may be kept (epoch seconds).

        Raises:
            Unauthorized: the token does not match the validation expression, or the function says so.
            AuthorizerConfiguration: it cannot be invoked, or its answer is not in the format.
            AuthorizerFailure: it failed, or took too long.
        """
        name = f"authorizer {authorizer.authorizer_id}"
        if authorizer.validation is not None and not authorizer.validation.surely_matches(identity[0]):
            raise Unauthorized(step="authorizer", detail=f"the token does not match the pattern of {name}")
        if authorizer.function_arn is None:
            raise AuthorizerConfiguration(step="authorizer", detail=f"{name}: a stage variable has no value")
        try:
            result = await self._functions.invoke(
                authorizer.function_arn,
                _event(authorizer, identity, matched),
                source_arn=authorizer.source_arn,
                credentials=authorizer.credentials,
                timeout_seconds=_TIMEOUT_SECONDS,
                now=matched.incoming.received_at,
            )
        except TimeoutError:
            raise AuthorizerFailure(step="authorizer", detail=f"{name} did not answer in time") from None
        except VelvetropeError as refused:
            raise AuthorizerConfiguration(
                step="authorizer", detail=f"{name}: {type(refused).__name__}: {refused.detail or refused.message}"
            ) from refused
        if result.function_error is not None:
            if said_unauthorized(result.payload):
                raise Unauthorized(step="authorizer", detail=f"{name} says Unauthorized")
            failure = function_failure(name, authorizer.function_arn, result.request_id)
            raise AuthorizerFailure(step="authorizer", detail=failure)
        try:
            answer = parse_answer(result.payload, source=f"the policy of {name}")
        except MalformedAnswer as finding:
            raise AuthorizerConfiguration(step="authorizer", detail=f"{name}: {finding.message}") from None
        vouched = Vouched(
            context={**answer.context, "integrationLatency": 0},
            policies=answer.policies,
            usage_identifier_key=answer.usage_identifier_key,
        )
        return vouched, _FOREVER if len(result.payload) <= MAX_ANSWER_BYTES else 0.0


def _event(authorizer: FunctionAuthorizer, identity: Sequence[str], matched: MatchedRequest) -> bytes:
    if authorizer.takes_token:
        return render_token_authorizer_event(method_arn=matched.method_arn, token=identity[0])
    event = proxy_event(AuthenticatedCaller(matched, ANONYMOUS), trace_id(matched))
    return render_request_authorizer_event(event, method_arn=matched.method_arn)


def said_unauthorized(payload: bytes) -> bool:
    """Whether a function failed with exactly `Unauthorized`."""
    try:
        error: object = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(error, dict) and error.get("errorMessage") == "Unauthorized"

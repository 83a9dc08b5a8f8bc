"""An authorizer is asked about a request.

    vouched = await authorizers.vouch(authorizer, matched, scopes=method.authorization_scopes)

A missing identity source is 401 and nobody is asked. What was said is remembered for the authorizer's TTL under the
values of its identity sources; refusals are not. `vouched.latency_ms` is 0 for what was remembered.

Sources: API Gateway Developer Guide, "Use API Gateway Lambda authorizers", "Input to an API Gateway Lambda authorizer";
texts as in the project's reference on execute-api.
"""

from collections.abc import Sequence
from time import perf_counter

from velvetrope.execute_api.authorizers.cache import VouchedBefore
from velvetrope.execute_api.authorizers.compiling import CompiledAuthorizer, PoolAuthorizer, UnusableAuthorizer
from velvetrope.execute_api.authorizers.functions import FunctionAuthorizers
from velvetrope.execute_api.authorizers.user_pools import PoolAuthorizers
from velvetrope.execute_api.context_variables import RequestFacts
from velvetrope.execute_api.errors import AuthorizerConfiguration, Unauthorized
from velvetrope.execute_api.invoking import FunctionCalls
from velvetrope.execute_api.protocols import TokenVerifier
from velvetrope.execute_api.request_values import RequestValue
from velvetrope.execute_api.requests import MatchedRequest, Vouched

__all__ = ["Authorizers"]

_MAX_IDENTITY_CHARACTERS = 10_240
"""API Gateway quotas: all header values together. A longer token is not looked at."""


class Authorizers:
    """Asks authorizers, and remembers what they said."""

    def __init__(self, tokens: TokenVerifier, functions: FunctionCalls) -> None:
        self._pools = PoolAuthorizers(tokens)
        self._functions = FunctionAuthorizers(functions)
        self._before = VouchedBefore()

    async def vouch(self, authorizer: CompiledAuthorizer, matched: MatchedRequest, scopes: Sequence[str]) -> Vouched:
        """What `authorizer` says of the caller.

        Raises:
            Unauthorized: no token, or not a good one.
            AuthorizerConfiguration, AuthorizerFailure: it cannot be asked, or does not answer rightly.
        """
        if isinstance(authorizer, UnusableAuthorizer):
            raise AuthorizerConfiguration(step="authorizer", detail=authorizer.why)
        facts = RequestFacts(incoming=matched.incoming, ids=matched.ids, stage=matched.stage, passed=matched)
        is_pool = isinstance(authorizer, PoolAuthorizer)
        sources = (authorizer.token,) if isinstance(authorizer, PoolAuthorizer) else authorizer.sources
        identity = [_read(source, facts) for source in sources]
        stage = matched.stage
        key = self._before.key(
            [stage.api_id, stage.name, stage.deployment_id, str(stage.authorizers_flushed), authorizer.authorizer_id]
            # A token's scopes are checked as it is verified, so another method's scopes are another question.
            + ([" ".join(scopes)] if is_pool else [])
            + identity
        )
        now = matched.incoming.received_at.timestamp()
        known = self._before.find(key, now) if authorizer.ttl_seconds else None
        if known is not None:
            matched.trail.append(("authorizer", "allowed", f"authorizer {authorizer.authorizer_id} said so before"))
            return known
        started = perf_counter()
        if isinstance(authorizer, PoolAuthorizer):
            vouched, until = await self._pools.verify(authorizer, identity[0], matched, scopes)
        else:
            vouched, until = await self._functions.ask(authorizer, identity, matched)
        matched.trail.append(("authorizer", "allowed", f"authorizer {authorizer.authorizer_id} knows the caller"))
        until = min(until, now + authorizer.ttl_seconds)
        if until > now:
            self._before.keep(key, vouched, until=until)
        return _with_latency(vouched, (perf_counter() - started) * 1000)


def _with_latency(vouched: Vouched, latency_ms: float) -> Vouched:
    context = vouched.context
    if "integrationLatency" in context:
        context = {**context, "integrationLatency": round(latency_ms)}
    return Vouched(
        context=context,
        policies=vouched.policies,
        usage_identifier_key=vouched.usage_identifier_key,
        latency_ms=latency_ms,
    )


def _read(source: RequestValue, facts: RequestFacts) -> str:
    value = source.read(facts)
    if not value:
        raise Unauthorized(step="authorizer", detail=f"the request has no {source.expression}")
    if len(value) > _MAX_IDENTITY_CHARACTERS:
        raise Unauthorized(step="authorizer", detail=f"{source.expression} has {len(value)} characters")
    return value

"""COGNITO_USER_POOLS: the caller shows a token of one of the authorizer's pools.

Without scopes at the method an ID token is expected, with scopes an access token that has one of them. The token stands
in the identity source as it is; a `Bearer ` before it is taken off (AWS does so too, by observation; its pages are
silent, UNVERIFIED). All refusals are 401 `Unauthorized`, but for a good token that has expired. Signature, issuer and
expiry are proven; whether the user has signed out since is not looked up, as on AWS.

The function and templates see the claims as texts, in AWS's forms.

Source: API Gateway Developer Guide, "Integrate a REST API with an Amazon Cognito user pool"; captures of AWS for forms.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from velvetrope.errors import VelvetropeError
from velvetrope.execute_api.authorizers.compiling import PoolAuthorizer
from velvetrope.execute_api.errors import Unauthorized
from velvetrope.execute_api.protocols import TokenVerifier
from velvetrope.execute_api.requests import MatchedRequest, Vouched
from velvetrope.tokens import InvalidToken, TokenExpired, TokenUse, VerifiedToken, claimed_issuer

__all__ = ["PoolAuthorizers", "render_claims"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class PoolAuthorizers:
    """Verifies tokens for authorizers."""

    def __init__(self, tokens: TokenVerifier) -> None:
        self._tokens = tokens

    async def verify(
        self, authorizer: PoolAuthorizer, presented: str, matched: MatchedRequest, scopes: Sequence[str]
    ) -> tuple[Vouched, float]:
        """What the token proves, and until when (epoch seconds).

        Raises:
            Unauthorized: it proves nothing here.
        """
        token = presented[7:].strip() if presented[:7].lower() == "bearer " else presented.strip()
        use: TokenUse = "access" if scopes else "id"
        try:
            verified = await self._tokens.verify_pool_token(
                token,
                user_pool_id=_pool_of(token, authorizer),
                token_use=use,
                now=matched.incoming.received_at,
            )
        except TokenExpired as finding:
            raise Unauthorized("The incoming token has expired", step="authorizer", detail=finding.message) from None
        except InvalidToken as finding:
            raise Unauthorized(step="authorizer", detail=f"{type(finding).__name__}: {finding.message}") from None
        except VelvetropeError as finding:
            raise Unauthorized(step="authorizer", detail=f"{type(finding).__name__}: {finding.message}") from finding
        _check_audience(authorizer, verified)
        _check_scopes(scopes, verified)
        return Vouched(context={"claims": render_claims(verified.claims)}), verified.expires_at.timestamp()


def _pool_of(token: str, authorizer: PoolAuthorizer) -> str:
    """The pool that the token says it is of, if it is one of the authorizer's. The word is proven with its keys."""
    issuer = claimed_issuer(token)
    for pool_id in authorizer.user_pool_ids:
        if issuer.endswith(f"/{pool_id}"):
            return pool_id
    raise Unauthorized(step="authorizer", detail="the token is of no user pool of the authorizer's")


def _check_audience(authorizer: PoolAuthorizer, verified: VerifiedToken) -> None:
    if authorizer.audience is None:
        return
    audience = verified.claims.get("aud")
    if not isinstance(audience, str) or not authorizer.audience.surely_matches(audience):
        raise Unauthorized(step="authorizer", detail="the token's aud does not match the validation expression")


def _check_scopes(scopes: Sequence[str], verified: VerifiedToken) -> None:
    if not scopes:
        return
    given = str(verified.claims.get("scope", "")).split()
    if not any(scope in given for scope in scopes):
        raise Unauthorized(step="authorizer", detail=f"the token has none of the scopes {', '.join(scopes)}")


def render_claims(claims: Mapping[str, object]) -> dict[str, str]:
    """Every claim as a text: `exp` and `iat` as dates, lists joined by commas."""
    return {name: _render(name, value) for name, value in claims.items()}


def _render(name: str, value: object) -> str:
    if name in ("exp", "iat") and isinstance(value, int):
        at = datetime.fromtimestamp(value, UTC)
        return f"{_DAYS[at.weekday()]} {_MONTHS[at.month - 1]} {at.day:02} {at:%H:%M:%S} UTC {at.year}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ",".join(value)
    # AWS's form for claims that are objects is UNVERIFIED.
    return msgspec.json.encode(value).decode()

"""JWT authorizers: a token of the authorizer's issuer, for one of its audiences, with one of the route's scopes.

The order is form, algorithm, issuer, audience, signature, times, scopes. What stands before the signature is hearsay,
enough to refuse and never to accept. The token stands in the identity source, with or without `Bearer ` before it. Its
audience is `aud`, or `client_id` where there is no `aud`. It is dead at `exp`, not alive before `nbf`, and its `iat`
must not be in the future. A route with scopes wants one of them in `scope` or `scp`. Whether the user has signed out
since is not looked up, as on AWS.

Tokens of our own user pools are verified with the pools' keys and no round trip, under either name of the pool; keys of
other issuers are found by discovery (`IssuerKeyFinder`). RSA keys and, unlike AWS, elliptic ones are good; symmetric
algorithms and `none` never are.

A token that is missing or bad is 401 `Unauthorized`, one without the scope 403 `Forbidden`.

Source: API Gateway Developer Guide, "Control access to HTTP APIs with JWT authorizers"; RFC 6750 section 3 (the form of
the challenge; AWS's descriptions beyond expiry and audience are UNVERIFIED and left out); RFC 7519 section 4.1.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NoReturn, Protocol

import msgspec

from velvetrope.errors import ReasonError, VelvetropeError
from velvetrope.execute_api.http_apis.compiling import JwtAuthorizer
from velvetrope.execute_api.http_apis.errors import Forbidden, Unauthorized
from velvetrope.execute_api.http_apis.requests import HttpCaller, HttpMatched
from velvetrope.principals import ANONYMOUS
from velvetrope.tokens import (
    TokenExpired,
    TokenUse,
    VerifiedToken,
    check_signature,
    check_times,
    named_key,
    read_token,
)

__all__ = ["IssuerKey", "IssuerKeyFinder", "JwtAuthorizers", "PoolTokens"]

_ALGORITHMS: Final = frozenset({"RS256", "RS384", "RS512", "ES256", "ES384", "ES512"})


class IssuerKey(Protocol):
    """A public key, good for the algorithms of its type only."""

    @property
    def key(self) -> Any: ...  # noqa: ANN401  joserfc's key


class IssuerKeyFinder(Protocol):
    """Finds keys of OpenID Connect issuers and remembers them: `sts.IssuerKeys`."""

    async def find(self, issuer: str, *, kid: str | None, algorithm: str, now: datetime) -> IssuerKey:
        """The issuer's key of this id for this algorithm.

        Raises:
            velvetrope.tokens.InvalidToken: there is none, or the issuer cannot be asked.
        """
        ...


class PoolTokens(Protocol):
    """Knows the tokens of user pools."""

    async def pool_of_issuer(self, issuer: str) -> str | None:
        """The id of the pool here that `issuer` is a name of; None if it is somebody else's name."""
        ...

    async def verify_pool_token(
        self, token: str, *, user_pool_id: str, token_use: TokenUse, now: datetime
    ) -> VerifiedToken:
        """A token of any client of the pool, proven.

        Raises:
            velvetrope.tokens.InvalidToken: one of `tokens`' reasons.
            velvetrope.errors.VelvetropeError: there is no such pool.
        """
        ...


class _BadToken(ReasonError):
    """Why a token does not count. `description` is what its bearer may know."""

    def __init__(self, message: str, *, description: str = "") -> None:
        super().__init__(message)
        self.description = description


class JwtAuthorizers:
    """Verifies tokens for routes."""

    def __init__(self, pools: PoolTokens, keys: IssuerKeyFinder) -> None:
        self._pools = pools
        self._keys = keys

    async def authorize(self, authorizer: JwtAuthorizer, presented: str | None, matched: HttpMatched) -> HttpCaller:
        """Whom the token vouches for.

        Raises:
            Unauthorized: there is none, or it proves nothing here.
            Forbidden: it is good and has none of the route's scopes.
        """
        name = f"JWT authorizer {authorizer.authorizer_id}"
        if not presented:
            raise Unauthorized(
                step="authorizer", detail=f"{name}: the request has no token in its identity source", challenge="Bearer"
            )
        token = presented[7:].strip() if presented[:7].lower() == "bearer " else presented.strip()
        try:
            claims = await self._verify(token, authorizer, matched.incoming.received_at)
        except _BadToken as finding:
            _refuse(name, finding.message, finding.description)
        except TokenExpired as finding:
            _refuse(name, finding.message, "the token has expired")
        except VelvetropeError as finding:
            _refuse(name, f"{type(finding).__name__}: {finding.detail or finding.message}", "")
        scopes = _scopes_of(claims)
        wanted = matched.route.scopes
        if wanted and not any(scope in scopes for scope in wanted):
            raise Forbidden(
                step="authorizer",
                detail=f"{name}: the token has none of the scopes {', '.join(wanted)}",
                challenge=f'Bearer scope="{" ".join(wanted)}" error="insufficient_scope"',
            )
        matched.trail.append(("authorizer", "allowed", f"{name} accepts the token of {claims.get('sub', 'nobody')}"))
        return HttpCaller(
            matched,
            ANONYMOUS,
            claims={claim: _claim_text(value) for claim, value in claims.items()},
            scopes=scopes if wanted else None,
        )

    async def _verify(self, token: str, authorizer: JwtAuthorizer, now: datetime) -> Mapping[str, Any]:
        header, claims = read_token(token)
        kid, algorithm = named_key(header)
        if algorithm not in _ALGORITHMS:
            raise _BadToken(f"the token's algorithm {algorithm!r} is not taken")
        pool_id = await self._pools.pool_of_issuer(authorizer.issuer)
        issuer = claims.get("iss")
        if issuer != authorizer.issuer and not (
            pool_id is not None and isinstance(issuer, str) and await self._pools.pool_of_issuer(issuer) == pool_id
        ):
            raise _BadToken("the token is another issuer's")
        _check_audience(claims, authorizer.audience)
        if pool_id is not None:
            use: TokenUse = "id" if claims.get("token_use") == "id" else "access"
            verified = await self._pools.verify_pool_token(token, user_pool_id=pool_id, token_use=use, now=now)
            claims = dict(verified.claims)
        else:
            key = await self._keys.find(authorizer.issuer, kid=kid, algorithm=algorithm, now=now)
            check_signature(token, key.key, algorithm)
        check_times(claims, now)
        return claims


def _refuse(name: str, why: str, description: str) -> NoReturn:
    told = f' error_description="{description}"' if description else ""
    raise Unauthorized(
        step="authorizer", detail=f"{name}: {why}", challenge=f'Bearer scope="" error="invalid_token"{told}'
    ) from None


def _check_audience(claims: Mapping[str, Any], audiences: tuple[str, ...]) -> None:
    named = claims.get("aud", claims.get("client_id"))
    listed = named if isinstance(named, list) else [named]
    if not any(isinstance(one, str) and one in audiences for one in listed):
        raise _BadToken("the token is for another audience", description="the token does not have a valid audience")


def _scopes_of(claims: Mapping[str, Any]) -> tuple[str, ...]:
    given = claims.get("scope", claims.get("scp"))
    if isinstance(given, str):
        return tuple(given.split())
    return tuple(one for one in given if isinstance(one, str)) if isinstance(given, list) else ()


def _claim_text(value: object) -> str:
    """A claim as functions see it: lists in brackets with spaces between, as observed on AWS. Objects: UNVERIFIED."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return f"[{' '.join(_claim_text(one) for one in value)}]"
    return msgspec.json.encode(value).decode()

"""Whether an ID token speaks to us, about this sign-in.

That the issuer signed it, for a client of ours, and that its time is not over, is `outside`'s to prove. Here is what a
relying party asks for besides:

    our client id is among its audiences, and it was not issued to another party (`azp`)
    the nonce is the one that this browser left with
    `at_hash` is that of the access token which came with it
    `auth_time` is recent enough, where the app asked for that with max_age

Source: OpenID Connect Core sections 2, 3.1.3.7, 3.1.3.8 and 15.5.2.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from velvetrope.base64url import encode_base64url
from velvetrope.errors import ReasonError
from velvetrope.hosted_ui.relying_party.connections import Connection
from velvetrope.hosted_ui.relying_party.grants import ProviderGrant
from velvetrope.hosted_ui.relying_party.outside import Outside
from velvetrope.hosted_ui.relying_party.refusals import ProviderRefused
from velvetrope.tokens import read_token

__all__ = ["verify_id_token"]


async def verify_id_token(
    outside: Outside,
    connection: Connection,
    grant: ProviderGrant,
    *,
    nonce: str,
    max_age_seconds: int | None,
    now: datetime,
) -> Mapping[str, Any]:
    """The claims of the provider's ID token, proven. Empty for a provider that issues none.

    Raises:
        ProviderRefused: there is none, or it proves nothing here.
    """
    if connection.issuer is None:
        if max_age_seconds is not None:
            raise ProviderRefused(f"max_age is not supported for {connection.name}")
        return {}
    if grant.id_token is None:
        raise _bad(connection, "the answer has no ID token")
    token = grant.id_token.reveal()
    try:
        verified = await outside.id_tokens.verify(
            token,
            issuer=connection.issuer,
            audiences=[connection.client_id],
            jwks_uri=connection.jwks_uri,
            now=now,
        )
        header, _ = read_token(token)
    except ReasonError as reason:
        raise _bad(connection, f"{type(reason).__name__}: {reason.detail or reason.message}") from reason
    claims = verified.claims
    _check_audience(connection, claims)
    said = claims.get("nonce")
    if not isinstance(said, str) or not hmac.compare_digest(said.encode(), nonce.encode()):
        raise _bad(connection, "the nonce is not that of this sign-in")
    _check_access_token(connection, claims, grant, str(header.get("alg")))
    if max_age_seconds is not None:
        _check_age(connection, claims, max_age_seconds, now)
    return claims


def _check_audience(connection: Connection, claims: Mapping[str, Any]) -> None:
    audience, party = claims.get("aud"), claims.get("azp")
    audiences = audience if isinstance(audience, list) else [audience]
    if connection.client_id not in audiences:
        raise _bad(connection, "the ID token is for another audience")
    if party is None and len(audiences) > 1:
        raise _bad(connection, "the ID token has several audiences and does not say to whom it was issued")
    if party is not None and party != connection.client_id:
        raise _bad(connection, "the ID token was issued to another party")


def _check_access_token(
    connection: Connection, claims: Mapping[str, Any], grant: ProviderGrant, algorithm: str
) -> None:
    said = claims.get("at_hash")
    if said is None:
        return
    if not isinstance(said, str) or grant.access_token is None:
        raise _bad(connection, "at_hash is there and there is nothing to hold it against")
    # The hash of the algorithm's own length: RS256 and ES256 take SHA-256, and so on.
    digest = hashlib.new(f"sha{algorithm[-3:]}", grant.access_token.reveal().encode()).digest()
    half = encode_base64url(digest[: len(digest) // 2])
    if not hmac.compare_digest(said.encode(), half.encode()):
        raise _bad(connection, "at_hash is not that of the access token")


def _check_age(connection: Connection, claims: Mapping[str, Any], max_age_seconds: int, now: datetime) -> None:
    authenticated_at = claims.get("auth_time")
    if isinstance(authenticated_at, bool) or not isinstance(authenticated_at, int | float):
        raise _bad(connection, "max_age was asked for and there is no auth_time")
    if now.timestamp() - authenticated_at > max_age_seconds:
        raise _bad(connection, "the sign-in at the provider is older than max_age")


def _bad(connection: Connection, why: str) -> ProviderRefused:
    return ProviderRefused(f"{connection.name} Error - the ID token could not be verified", detail=why)

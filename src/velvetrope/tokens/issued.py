"""What is checked of tokens whose issuer's keys are found elsewhere: form of the header, signature, times.

    header, claims = read_token(text)
    kid, algorithm = named_key(header)
    key = await keys.find(issuer, kid=kid, algorithm=algorithm, now=now)
    check_signature(text, key, algorithm)
    check_times(claims, now)

These are parts of a verification and none of them is one: issuer, audience and use are compared by whoever knows what
they have to be, before the key is asked for. Tokens of our own user pools are `verify_token`'s, which leaves nothing
out.

A token is dead at `exp`, not after it, and not alive before `nbf`; one that says that it was issued in the future is
refused. Clocks of others run ahead: `tolerance` is for `nbf` and `iat` and never for `exp`.

Sources: RFC 7515 section 4.1.11 (`crit`); RFC 7519 sections 2 (NumericDate), 4.1.4 to 4.1.6.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from velvetrope.tokens.jwt import LATEST_EPOCH_SECONDS
from velvetrope.tokens.reasons import NotAToken, TokenExpired, TokenSignatureMismatch

__all__ = ["check_signature", "check_times", "named_key"]

_NO_TOLERANCE = timedelta(0)


def named_key(header: Mapping[str, Any]) -> tuple[str | None, str]:
    """The key's id, if the header has one, and the algorithm that it names. Nothing else in it is obeyed.

    Raises:
        NotAToken: it demands an extension, or has no algorithm.
    """
    if "crit" in header:
        raise NotAToken("The token demands an extension that is not understood")
    kid, algorithm = header.get("kid"), header.get("alg")
    if not isinstance(algorithm, str) or not isinstance(kid, str | None):
        raise NotAToken("The token's header lacks a member")
    return kid, algorithm


def check_signature(text: str, key: Any, algorithm: str) -> None:  # noqa: ANN401  joserfc's key
    """That `key` made the token's signature by `algorithm`, which the caller knows to be one of the key's.

    Raises:
        TokenSignatureMismatch: it did not.
    """
    from joserfc import jws
    from joserfc.errors import JoseError

    try:
        jws.deserialize_compact(text, key, algorithms=[algorithm])
    except (JoseError, ValueError) as error:
        raise TokenSignatureMismatch("The token's signature is not that of its key") from error


def check_times(claims: Mapping[str, Any], now: datetime, *, tolerance: timedelta = _NO_TOLERANCE) -> None:
    """That the token is alive at `now`.

    Raises:
        NotAToken: it has no `exp`, a time is none, or lies ahead of `now`.
        TokenExpired: `now` is at or past `exp`.
    """
    expires_at = _moment(claims, "exp")
    if now >= expires_at:
        raise TokenExpired(expired_at=expires_at, now=now)
    for name in ("nbf", "iat"):
        if name in claims and _moment(claims, name) > now + tolerance:
            raise NotAToken(f"The token's {name} is in the future")


def _moment(claims: Mapping[str, Any], name: str) -> datetime:
    # A NumericDate may have a fraction.
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LATEST_EPOCH_SECONDS:
        raise NotAToken(f"The token's {name} is not a time")
    return datetime.fromtimestamp(value, UTC)

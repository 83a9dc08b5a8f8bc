"""Sign and verify the JWTs of user pools.

`verify_token` refuses in this order: form, issuer, use, audience, signature, expiry. What stands before the signature
is read from a text nobody has vouched for, which is enough to refuse it and never enough to accept it; this order gives
a caller with a foreign token the more useful answer (and is the one that reproduces the identity pools' texts).

The algorithm is the key's. The header's `alg` must name it, and nothing else in the header is obeyed: `jku`, `jwk` and
`x5u` are ignored, a `crit` is refused since we understand no extension (RFC 7515 section 4.1.11). Times are whole epoch
seconds; a token is dead at `exp`, not after it (RFC 7519 section 4.1.4).
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, NoReturn

import msgspec

from velvetrope.base64url import decode_base64url, encode_base64url
from velvetrope.tokens.keys import KeySet, SigningKey
from velvetrope.tokens.reasons import (
    AudienceMismatch,
    IssuerMismatch,
    NotAToken,
    TokenExpired,
    TokenSignatureMismatch,
    WrongTokenUse,
)

__all__ = [
    "LATEST_EPOCH_SECONDS",
    "MAX_TOKEN_CHARACTERS",
    "TokenUse",
    "VerifiedToken",
    "claimed_audience",
    "claimed_issuer",
    "read_token",
    "sign_token",
    "verify_token",
]

TokenUse = Literal["id", "access"]

MAX_TOKEN_CHARACTERS = 32_768
"""Longer texts are not looked at. A user with all attributes of 2048 characters stays below."""

_MOST_LEVELS = 64
"""Of objects and lists within each other in a part of a token."""

LATEST_EPOCH_SECONDS = 253_402_300_799  # 9999-12-31T23:59:59Z, the end of what a datetime can say
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_BASE64URL_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_LAST_CHARACTERS = (_BASE64URL_ALPHABET, "", _BASE64URL_ALPHABET[::16], _BASE64URL_ALPHABET[::4])
"""How a text may end whose length is 0, 1, 2 or 3 modulo 4: the bits that are over are zero (RFC 4648 section 3.5)."""
_REMEMBERED_HEADER_CHARACTERS = 256
_AUDIENCE_CLAIM: Mapping[TokenUse, str] = MappingProxyType({"id": "aud", "access": "client_id"})


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A token that `verify_token` has proven; it is made nowhere else."""

    token_use: TokenUse
    claims: Mapping[str, Any]
    """All claims, as the issuer wrote them."""

    @property
    def sub(self) -> str:
        return str(self.claims["sub"])

    @property
    def expires_at(self) -> datetime:
        return datetime.fromtimestamp(self.claims["exp"], UTC)


def sign_token(claims: Mapping[str, object], key: SigningKey) -> str:
    """A compact JWS of `claims`. The header is AWS's: `kid` and `alg`, no `typ`. Claims are written as they are."""
    signed = f"{_header(key.kid, key.public.algorithm)}.{_encode(claims)}"
    return f"{signed}.{encode_base64url(key.sign(signed.encode()))}"


def verify_token(
    text: str,
    *,
    keys: KeySet,
    issuers: Collection[str],
    token_use: TokenUse,
    audiences: Collection[str] | None,
    now: datetime,
) -> VerifiedToken:
    """The token's claims, proven.

    `audiences` is compared with `aud` of an ID token and `client_id` of an access token. None is for access tokens
    whose client the caller checks; an ID token has an audience, always. Revocation is not known here.

    Raises:
        NotAToken, IssuerMismatch, WrongTokenUse, AudienceMismatch, TokenSignatureMismatch, TokenExpired: see `reasons`.
    """
    if audiences is None and token_use != "access":  # noqa: S105  no password
        raise TypeError("an ID token is verified for an audience")
    parts = _parts(text)
    header, claims = _read_header(parts[0]), _parse_object(parts[1])
    expires_at = _check_form(claims, token_use)

    if claims["iss"] not in issuers:
        raise IssuerMismatch("The token is another issuer's")
    if claims["token_use"] != token_use:
        raise WrongTokenUse(f"The token is not an {token_use} token")
    if audiences is not None and claims.get(_AUDIENCE_CLAIM[token_use]) not in audiences:
        raise AudienceMismatch("The token was issued to another client")

    key = keys.find(header.kid)
    if key is None:
        raise TokenSignatureMismatch("The token is signed with a key that is not among the issuer's")
    if header.alg != key.algorithm:
        raise TokenSignatureMismatch("The token names another algorithm than its key has")
    if not key.verify(_parse_base64url(parts[2]), f"{parts[0]}.{parts[1]}".encode()):
        raise TokenSignatureMismatch("The token's signature is not that of its key")

    if now >= expires_at:
        raise TokenExpired(expired_at=expires_at, now=now)
    return VerifiedToken(token_use=token_use, claims=MappingProxyType(claims))


def claimed_issuer(text: str) -> str:
    """The issuer that a token names, on nobody's word but its own: good for choosing whose keys to verify it with.

    Raises:
        NotAToken: the text is no token, or names no issuer.
    """
    issuer = _parse_object(_parts(text)[1]).get("iss")
    if not isinstance(issuer, str):
        raise NotAToken("The token has no iss")
    return issuer


def claimed_audience(text: str) -> str:
    """The `aud` that a token names, on nobody's word but its own: for who takes tokens of all an issuer's clients.

    Raises:
        NotAToken: the text is no token, or has no audience.
    """
    audience = _parse_object(_parts(text)[1]).get("aud")
    if not isinstance(audience, str) or not audience:
        raise NotAToken("The token has no aud; access tokens have none, and an ID token was asked for")
    return audience


def read_token(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a signed token, on nobody's word but its own: enough to refuse it, never to accept it.

    Raises:
        NotAToken: the text is no token.
    """
    parts = _parts(text)
    _parse_base64url(parts[2])
    return _parse_object(parts[0]), _parse_object(parts[1])


def _parts(text: str) -> list[str]:
    if len(text) > MAX_TOKEN_CHARACTERS:
        raise NotAToken("The token is too long")
    parts = text.split(".")
    if len(parts) != 3:
        raise NotAToken("The text does not have the three parts of a signed token")
    return parts


class _Header(NamedTuple):
    """What is obeyed of a header."""

    kid: str
    alg: str


def _read_header(part: str) -> _Header:
    # All tokens of one key have the same one. What nobody of ours would write is not remembered.
    return _known_header(part) if len(part) <= _REMEMBERED_HEADER_CHARACTERS else _parse_header(part)


def _parse_header(part: str) -> _Header:
    header = _parse_object(part)
    if "crit" in header:
        raise NotAToken("The token demands an extension that is not understood")
    return _Header(_text(header, "kid"), _text(header, "alg"))


_known_header = lru_cache(maxsize=128)(_parse_header)


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise NotAToken(f"The token has no {name}")
    return value


def _check_form(claims: dict[str, Any], token_use: TokenUse) -> datetime:
    """That claims hold what every token of a user pool holds. Returns `exp`."""
    for name in ("iss", "sub", "token_use"):
        _text(claims, name)
    audience = claims.get(_AUDIENCE_CLAIM[token_use], "")
    if not isinstance(audience, str):
        raise NotAToken("The token's audience is not a text")
    for name in ("exp", "iat"):
        value = claims.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LATEST_EPOCH_SECONDS:
            raise NotAToken(f"The token's {name} is not a number of seconds")
    return datetime.fromtimestamp(claims["exp"], UTC)


def _parse_object(part: str) -> dict[str, Any]:
    try:
        text = _parse_base64url(part).decode()
        found = _DECODER.decode(text)
    except (ValueError, RecursionError):
        raise NotAToken("A part of the token is not JSON") from None
    if not isinstance(found, dict):
        raise NotAToken("A part of the token is not a JSON object")
    if text.count("[") + text.count("{") > _MOST_LEVELS:
        _check_depth(found)
    return found


def _check_depth(found: dict[str, Any]) -> None:
    """That whoever reads claims level by level comes to an end: how deep JSON may be differs from Python to Python."""
    level: list[dict[str, Any] | list[Any]] = [found]
    for _ in range(_MOST_LEVELS):
        members = (member for one in level for member in (one.values() if isinstance(one, dict) else one))
        level = [member for member in members if isinstance(member, dict | list)]
        if not level:
            return
    raise NotAToken("A part of the token nests too deeply")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # RFC 7519 section 4: a name twice is refused, so that nobody reads another value than we did.
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member appears twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


def _parse_base64url(part: str) -> bytes:
    """RFC 7515 section 2: no padding, no other characters, and no second spelling of the same bytes."""
    if not _BASE64URL.fullmatch(part) or part[-1] not in _LAST_CHARACTERS[len(part) % 4]:
        raise NotAToken("A part of the token is not base64url")
    return decode_base64url(part)


@lru_cache
def _header(kid: str, algorithm: str) -> str:
    return _encode({"kid": kid, "alg": algorithm})


def _encode(members: Mapping[str, object]) -> str:
    return encode_base64url(msgspec.json.encode(members))

"""The keys that an OpenID Connect issuer signs with: found by discovery, remembered, and fetched anew when it rotates.

    key = await IssuerKeys(documents).find(issuer, kid="…", algorithm="RS256", now=now)
    described = await IssuerKeys(documents).metadata(issuer, now=now)

An issuer says at `ISSUER/.well-known/openid-configuration` where its key set is; the document must name the issuer it
was fetched for. Who knows the address of the key set already gives it, and nothing is discovered. Keys are RSA of 2048
bits or more (none of ROCA's), or on a NIST curve, and each is good for the algorithms of its type and no others; what
else is in a set is passed over. Symmetric keys are never taken from a document.

Anybody can send a token with any `kid`, so fetching is rationed for each issuer: one fetch at a time, kept for an hour,
after a fetch none for half a minute (whatever key is asked for), after a failure none for ten seconds. What was
fetched more than an hour ago and cannot be fetched again is not used.

Sources: OpenID Connect Discovery 1.0 sections 3 and 4; RFC 7517; RFC 7518 section 3.1; IAM User Guide, "Create an
OpenID Connect (OIDC) identity provider in IAM" (algorithms).
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from velvetrope.base64url import decode_base64url
from velvetrope.sts.http_documents import DocumentUnavailable
from velvetrope.tokens import TokenSignatureMismatch, is_roca_modulus

__all__ = ["ALGORITHMS", "Documents", "IssuerKey", "IssuerKeys", "IssuerKeysUnavailable"]

_KEPT: Final = timedelta(hours=1)
_BETWEEN_FETCHES: Final = timedelta(seconds=30)
_AFTER_FAILURE: Final = timedelta(seconds=10)
_MAX_ISSUERS: Final = 1000
_MAX_KEYS: Final = 64
_RSA_BITS: Final = range(2048, 8193)

ALGORITHMS: Final[Mapping[str, frozenset[str]]] = {
    "RSA": frozenset({"RS256", "RS384", "RS512"}),
    "P-256": frozenset({"ES256"}),
    "P-384": frozenset({"ES384"}),
    "P-521": frozenset({"ES512"}),
}
"""What a key may sign with, by its type or curve. Never `none`, never a symmetric algorithm."""


class IssuerKeysUnavailable(TokenSignatureMismatch):
    """The issuer's keys could not be had, so nothing that it signed can be verified."""


class Documents(Protocol):
    """Fetches documents of strangers: `HttpDocuments`."""

    async def fetch(self, url: str) -> bytes:
        """The body.

        Raises:
            DocumentUnavailable: it could not be had.
        """
        ...


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """One public key of an issuer."""

    kid: str | None
    algorithms: frozenset[str]
    key: Any
    """joserfc's RSAKey or ECKey."""


@dataclass(slots=True)
class _Known:
    """What is remembered of one issuer."""

    keys: tuple[IssuerKey, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    fetched_at: datetime | None = None
    failed_at: datetime | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class IssuerKeys:
    """Finds issuers' keys and remembers them."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._known: OrderedDict[tuple[str, str | None], _Known] = OrderedDict()

    async def metadata(self, issuer: str, *, now: datetime) -> Mapping[str, Any]:
        """What the issuer says of itself (OpenID Connect Discovery section 3), fetched together with its keys.

        Raises:
            IssuerKeysUnavailable: the issuer cannot be asked, or answers nothing useful.
        """
        known = self._known_of(issuer, None)
        if not _is_fresh(known, now):
            async with known.lock:
                if not _is_fresh(known, now) and _may_fetch(known, now):
                    await self._fetch(known, issuer, None, now)
        if not _is_fresh(known, now):
            raise IssuerKeysUnavailable("The issuer could not be asked a moment ago")
        return known.metadata

    async def find(
        self, issuer: str, *, kid: str | None, algorithm: str, now: datetime, jwks_uri: str | None = None
    ) -> IssuerKey:
        """The issuer's key of this id. A token without an id is the issuer's only key's (OpenID Connect Core 10.1).

        Raises:
            IssuerKeysUnavailable: the issuer cannot be asked, or answers nothing useful.
            TokenSignatureMismatch: the issuer has no such key for this algorithm.
        """
        known = self._known_of(issuer, jwks_uri)
        found = _pick(known, kid, algorithm, now)
        if found is None:
            async with known.lock:
                # Another caller may have fetched while this one waited.
                found = _pick(known, kid, algorithm, now)
                if found is None and _may_fetch(known, now):
                    await self._fetch(known, issuer, jwks_uri, now)
                    found = _pick(known, kid, algorithm, now)
        if found is not None:
            return found
        if not _is_fresh(known, now):
            raise IssuerKeysUnavailable("The issuer's keys could not be fetched a moment ago")
        raise TokenSignatureMismatch("The token is signed with a key that is not among the issuer's")

    def _known_of(self, issuer: str, jwks_uri: str | None) -> _Known:
        known = self._known.setdefault((issuer, jwks_uri), _Known())
        self._known.move_to_end((issuer, jwks_uri))
        if len(self._known) > _MAX_ISSUERS:
            self._known.popitem(last=False)
        return known

    async def _fetch(self, known: _Known, issuer: str, jwks_uri: str | None, now: datetime) -> None:
        try:
            metadata = {} if jwks_uri is not None else await self._fetched_metadata(issuer)
            keys = await self._fetched_keys(issuer, jwks_uri or metadata.get("jwks_uri", ""))
        except DocumentUnavailable as error:
            known.failed_at = now
            raise IssuerKeysUnavailable("The issuer's keys cannot be fetched", detail=error.message) from error
        known.keys, known.metadata, known.fetched_at, known.failed_at = keys, metadata, now, None

    async def _fetched_metadata(self, issuer: str) -> dict[str, Any]:
        # OpenID Connect Discovery 1.0 section 4: a terminating slash is taken away before the path is put behind.
        address = f"{issuer.removesuffix('/')}/.well-known/openid-configuration"
        described = _parse_object(await self._documents.fetch(address))
        if described.get("issuer") != issuer:
            raise DocumentUnavailable(f"the document at {address} is another issuer's")
        return described

    async def _fetched_keys(self, issuer: str, address: object) -> tuple[IssuerKey, ...]:
        if not isinstance(address, str) or not address:
            raise DocumentUnavailable("the issuer's document has no jwks_uri")
        if issuer.startswith("https://") and not address.startswith("https://"):
            raise DocumentUnavailable("the issuer's jwks_uri is not https")
        listed = _parse_object(await self._documents.fetch(address)).get("keys")
        if not isinstance(listed, list):
            raise DocumentUnavailable("the issuer's key set has no keys")
        return tuple(key for entry in listed[:_MAX_KEYS] if (key := _key_of(entry)) is not None)


def _may_fetch(known: _Known, now: datetime) -> bool:
    if known.failed_at is not None and now - known.failed_at < _AFTER_FAILURE:
        return False
    return known.fetched_at is None or now - known.fetched_at >= _BETWEEN_FETCHES


def _is_fresh(known: _Known, now: datetime) -> bool:
    return known.fetched_at is not None and now - known.fetched_at < _KEPT


def _pick(known: _Known, kid: str | None, algorithm: str, now: datetime) -> IssuerKey | None:
    if not _is_fresh(known, now):
        return None
    if kid is None:
        return known.keys[0] if len(known.keys) == 1 and algorithm in known.keys[0].algorithms else None
    return next((key for key in known.keys if key.kid == kid and algorithm in key.algorithms), None)


def _key_of(entry: object) -> IssuerKey | None:
    """The entry as a key that verifies signatures; None if it is none, or not of a kind that we know."""
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, RSAKey

    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    uses, kid = entry.get("key_ops"), entry.get("kid")
    if (uses is not None and not (isinstance(uses, list) and "verify" in uses)) or not isinstance(kid, str | None):
        return None
    kind = entry.get("crv") if entry.get("kty") == "EC" else entry.get("kty")
    algorithms = ALGORITHMS.get(kind) if isinstance(kind, str) else None
    if algorithms is None or not (entry.get("kty") == "EC" or kind == "RSA"):
        return None
    if "alg" in entry:
        algorithms &= {str(entry["alg"])}
    public = {name: entry[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in entry}
    try:
        if kind == "RSA" and not _is_sound(_number(public["n"])):
            return None
        key = RSAKey.import_key(public) if kind == "RSA" else ECKey.import_key(public)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return IssuerKey(kid, algorithms, key)


def _is_sound(modulus: int) -> bool:
    return modulus.bit_length() in _RSA_BITS and not is_roca_modulus(modulus)


def _number(text: object) -> int:
    """A base64url number."""
    if not isinstance(text, str):
        raise TypeError("not a number")
    return int.from_bytes(decode_base64url(text))


def _parse_object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise DocumentUnavailable("the document is not JSON") from None
    if not isinstance(found, dict):
        raise DocumentUnavailable("the document is not a JSON object")
    return found

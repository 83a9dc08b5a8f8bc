"""The proof: recompute the signature with the key's secret and compare.

Besides the scope and the signature one more rule is held here: headers that steer a service must be covered. AWS
documents that every `x-amz-*` header has to be signed and is not known to insist everywhere (UNVERIFIED), so we insist
save for the few that real clients and proxies add unsigned, none of which we act upon: the session token, which proves
itself (API Gateway's generated SDK adds it after signing), the payload digest, which we never read, and CloudFront's
request id.

Signing keys are kept per (secret, day, region, service); a day's key is derived once, and with it the first block of
both hashes of HMAC, which is the same for every request.

Sources: IAM User Guide, "Create a signed AWS API request", steps 2 to 4; RFC 2104 section 4 (what may be kept).
"""

import hmac
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final

from velvetrope.secret import Secret
from velvetrope.sigv4.authorization import TERMINATOR, check_scope
from velvetrope.sigv4.canonical import canonical_request, string_to_sign
from velvetrope.sigv4.errors import HeadersNotSigned, SignatureMismatch
from velvetrope.sigv4.requests import PresentedSignature, SignedRequest, VerifiedSignature
from velvetrope.sigv4.timestamps import check_window

__all__ = ["SigningKey", "calculate_signature", "signing_key", "verify_signature"]

_BLOCK_BYTES: Final = 64
_INNER_PAD: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD: Final = bytes(byte ^ 0x5C for byte in range(256))
_MAY_BE_UNSIGNED: Final = frozenset((b"x-amz-security-token", b"x-amz-date", b"x-amz-content-sha256", b"x-amz-cf-id"))
"""`x-amz-date` is in the string to sign, whether it is a signed header or not."""


def verify_signature(
    request: SignedRequest,
    presented: PresentedSignature,
    *,
    secret: Secret[str],
    service: str,
    region: str,
    now: datetime,
) -> VerifiedSignature:
    """Prove that `request` was signed with `secret`, near `now`, for `service` in `region`.

    The scope and the window are held again, so that nothing depends on an earlier call. Whether the key is active, and
    what it may do, is not decided here.

    Raises:
        ScopeMismatch: signed for another day, region or service.
        SignatureExpired, SignatureNotYetCurrent: signed too far from `now`.
        SignatureMismatch: recomputing gives another signature, or (HeadersNotSigned) it does not cover enough.
        MalformedPath, MalformedQueryString: the path or the query has no canonical form.
    """
    check_scope(presented, service=service, region=region)
    check_window(presented.timestamp, now=now, expires_in_seconds=presented.expires_in_seconds)
    signed = presented.signed_headers
    _check_coverage(request, signed)
    canonical = canonical_request(request, signed, without_signature=presented.in_query)
    text = string_to_sign(presented, canonical)
    expected = calculate_signature(text, secret=secret, date=presented.date, service=service, region=region)
    if not hmac.compare_digest(expected.encode(), presented.signature.encode()):
        raise SignatureMismatch.of(canonical.decode("utf-8", "replace"), text)
    return VerifiedSignature(
        access_key_id=presented.access_key_id,
        service=service,
        region=region,
        timestamp=presented.timestamp,
        signed_headers=signed,
        in_query=presented.in_query,
    )


def _check_coverage(request: SignedRequest, signed: tuple[bytes, ...]) -> None:
    uncovered = [
        name.decode("latin-1")
        for name in request.first_by_name()
        if name.startswith(b"x-amz-") and name not in _MAY_BE_UNSIGNED and name not in signed
    ]
    if uncovered:
        raise HeadersNotSigned(tuple(uncovered))


def calculate_signature(text: str, *, secret: Secret[str], date: str, service: str, region: str) -> str:
    """The signature of a string to sign: 64 lower-case hexadecimal digits."""
    return signing_key(secret.reveal(), date, region, service).sign(text.encode())


@lru_cache(maxsize=4096)
def signing_key(secret: str, date: str, region: str, service: str) -> "SigningKey":
    """The key of one day, region and service: derived once."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    return SigningKey(key)


class SigningKey:
    """HMAC-SHA-256 with one key, whose block has been hashed already: RFC 2104 section 2."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = key.ljust(_BLOCK_BYTES, b"\0")
        self._inner = sha256(block.translate(_INNER_PAD))
        self._outer = sha256(block.translate(_OUTER_PAD))

    def sign(self, text: bytes) -> str:
        """64 lower-case hexadecimal digits."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text)
        outer.update(inner.digest())
        return outer.hexdigest()

"""The proof: recompute the signature with the key's secret and compare.

Besides the scope and the signature one more rule is held here: headers that steer a service must be covered. AWS
documents that every `x-amz-*` header has to be signed and is not known to insist everywhere (UNVERIFIED), so we insist
save for the few that real clients and proxies add unsigned, none of which we act upon: the session token, which proves
itself (API Gateway's generated SDK adds it after signing), the payload digest, which we never read, and CloudFront's
request id.

Signing keys are kept per (secret, day, region, service); a day's key is derived once.

Source: IAM User Guide, "Create a signed AWS API request", steps 2 to 4.
"""

import hmac
from datetime import datetime
from functools import lru_cache
from typing import Final

from velvetrope.secret import Secret
from velvetrope.sigv4.authorization import TERMINATOR, check_scope
from velvetrope.sigv4.canonical import canonical_request, string_to_sign
from velvetrope.sigv4.errors import HeadersNotSigned, SignatureMismatch
from velvetrope.sigv4.requests import PresentedSignature, SignedRequest, VerifiedSignature
from velvetrope.sigv4.timestamps import check_window

__all__ = ["calculate_signature", "verify_signature"]

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
    uncovered = []
    for name, _ in request.headers:
        lowered = name.lower()
        if lowered[:6] == b"x-amz-" and lowered not in signed and lowered not in _MAY_BE_UNSIGNED:
            uncovered.append(lowered.decode("latin-1"))
    if uncovered:
        raise HeadersNotSigned(tuple(uncovered))


def calculate_signature(text: str, *, secret: Secret[str], date: str, service: str, region: str) -> str:
    """The signature of a string to sign: 64 lower-case hexadecimal digits."""
    key = _signing_key(secret.reveal(), date, region, service)
    return hmac.digest(key, text.encode(), "sha256").hex()


@lru_cache(maxsize=4096)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    return key

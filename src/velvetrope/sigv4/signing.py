"""Signing, for our own clients: the CLI, deployments, tests. Servers verify; they never sign.

    signed = sign_request(request, access_key_id="AKIA…", secret=secret, service="sts", region="us-west-2", now=now)

Everything that is sent is signed, except the headers that hops on the way rewrite.

Source: IAM User Guide, "Create a signed AWS API request"; the list is the one AWS's SDKs leave out.
"""

from datetime import datetime
from typing import Final

from msgspec.structs import replace

from velvetrope.secret import Secret
from velvetrope.sigv4.authorization import TERMINATOR
from velvetrope.sigv4.canonical import ALGORITHM, canonical_request, string_to_sign
from velvetrope.sigv4.requests import PresentedSignature, SignedRequest
from velvetrope.sigv4.timestamps import render_timestamp
from velvetrope.sigv4.verification import calculate_signature

__all__ = ["sign_request"]

_NEVER_SIGNED: Final = frozenset(
    (
        b"authorization",
        b"connection",
        b"content-length",
        b"expect",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"traceparent",
        b"tracestate",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"user-agent",
        b"x-amzn-trace-id",
    )
)
_REPLACED: Final = frozenset((b"authorization", b"x-amz-date", b"x-amz-security-token"))


def sign_request(
    request: SignedRequest,
    *,
    access_key_id: str,
    secret: Secret[str],
    service: str,
    region: str,
    now: datetime,
    session_token: str | None = None,
) -> SignedRequest:
    """`request` with X-Amz-Date, Authorization and, for temporary credentials, X-Amz-Security-Token.

    A `host` header must be among its headers, as it will be sent. Headers of those three names are replaced.
    """
    text = render_timestamp(now)
    headers = [header for header in request.headers if header[0].lower() not in _REPLACED]
    headers.append((b"x-amz-date", text.encode()))
    if session_token is not None:
        headers.append((b"x-amz-security-token", session_token.encode()))
    names = tuple(sorted({name.lower() for name, _ in headers} - _NEVER_SIGNED))
    if b"host" not in names:
        raise ValueError("a request without a host header cannot be signed")
    prepared = replace(request, headers=tuple(headers))
    claim = PresentedSignature(
        access_key_id=access_key_id,
        session_token=session_token,
        date=text[:8],
        region=region,
        service=service,
        terminator=TERMINATOR,
        signed_headers=names,
        signature="",
        timestamp=now,
        timestamp_text=text,
        in_query=False,
    )
    signed_text = string_to_sign(claim, canonical_request(prepared, names))
    signature = calculate_signature(signed_text, secret=secret, date=text[:8], service=service, region=region)
    authorization = (
        f"{ALGORITHM} Credential={access_key_id}/{text[:8]}/{region}/{service}/{TERMINATOR}, "
        f"SignedHeaders={b';'.join(names).decode()}, Signature={signature}"
    )
    return replace(prepared, headers=(*headers, (b"authorization", authorization.encode())))

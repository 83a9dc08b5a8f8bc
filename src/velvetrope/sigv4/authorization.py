"""What a request claims: its Authorization header, or the parameters of a presigned query, read and put in order.

    presented = parse_authorization(request, now=now)
    check_scope(presented, service="execute-api", region="us-west-2")
    credentials = await source.find_credentials(presented.access_key_id, presented.session_token, now)
    verified = verify_signature(request, presented, secret=credentials.secret_access_key, ...)

Checks run in AWS's order and the first refusal wins: header or query, not both; algorithm;
key=value; all parameters there; host signed; date readable; not too old; not too new; five elements in the credential.
The scope comes next (`check_scope`), before the key is looked up. Nothing is proven yet when this file is done.

Most requests are alike but for their signature: the header up to it says who signs, for which day, and which headers.
What a regular header says up to there is remembered (`_read_claim`); every other one takes the whole way.

Of a repeated parameter in the header the last counts; of a repeated header or query parameter the first. Texts quote a
SHA-256 of the Authorization header and never the header itself, as AWS does since about 2022 (over what exactly is
UNVERIFIED; here it is the header's whole value).

Sources: "AWS Auth Error Ordering" (dacut/scratchstack-aws-signature) and dynalite's probes, as listed in the project's
reference on SigV4, sections 3 and 5 to 8.
"""

import base64
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final

from velvetrope.sigv4.canonical import ALGORITHM, decode_query
from velvetrope.sigv4.errors import HostNotSigned, NoSignature, ScopeMismatch, SignatureIncomplete, SignatureMismatch
from velvetrope.sigv4.requests import PresentedSignature, SignedRequest
from velvetrope.sigv4.timestamps import MAX_EXPIRES_SECONDS, check_window, parse_timestamp

__all__ = ["TERMINATOR", "check_scope", "may_be_presigned", "parse_authorization"]

TERMINATOR: Final = "aws4_request"

_CREDENTIAL_ELEMENTS: Final = 5
_SIGNATURE_DIGITS: Final = 64
_MAX_REMEMBERED_BYTES: Final = 1024
"""Longer Authorization headers are read each time: strangers send them, and 1,024 of them are remembered."""

_QUERY_PARAMETERS: Final = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
    "X-Amz-Date",
)
"""In the order in which AWS names the missing ones."""


def may_be_presigned(query_string: bytes) -> bool:
    """Whether the query has to be looked at for a signature.

    The name is looked for as written: a presigned query whose own names are percent-encoded counts as unsigned.
    """
    return query_string.find(b"X-Amz-Algorithm") >= 0


def parse_authorization(request: SignedRequest, *, now: datetime) -> PresentedSignature:
    """What the request claims, with its time window held against `now`.

    Not checked here: the scope (`check_scope`), the key, the signature.

    Raises:
        NoSignature: neither an Authorization header of SigV4 nor a presigned query.
        SignatureIncomplete: it cannot be read; MalformedQueryString is a kind of it.
        SignatureMismatch: signed in both ways at once, or (HostNotSigned) not for one host.
        SignatureExpired, SignatureNotYetCurrent: signed too far from `now`.
    """
    headers = request.first_by_name()
    authorization = headers.get(b"authorization")
    if may_be_presigned(request.query_string):
        query = dict(reversed(decode_query(request.query_string)))
        if b"X-Amz-Algorithm" in query:
            if authorization is not None:
                raise SignatureMismatch(
                    "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."
                )
            return _from_query({name.decode("latin-1"): value.decode("latin-1") for name, value in query.items()}, now)
    if authorization is None:
        raise NoSignature
    return _from_regular_header(authorization, headers, now) or _from_header(
        authorization.decode("latin-1"), headers, now
    )


def _from_regular_header(
    authorization: bytes, headers: Mapping[bytes, bytes], now: datetime
) -> PresentedSignature | None:
    """The same as `_from_header`, for a header that has nothing wrong with it and ends in its signature; else None."""
    signature, date_header = authorization[-_SIGNATURE_DIGITS:], headers.get(b"x-amz-date")
    if not (signature.isalnum() and date_header and len(authorization) <= _MAX_REMEMBERED_BYTES):
        return None
    claim = _read_claim(authorization[:-_SIGNATURE_DIGITS])
    if claim is None:
        return None
    timestamp, basic_text = parse_timestamp(date_header.decode("latin-1").strip())
    check_window(timestamp, now=now)
    token = headers.get(b"x-amz-security-token")
    access_key_id, date, region, service, terminator, signed_headers = claim
    return PresentedSignature(
        access_key_id=access_key_id,
        session_token=None if token is None else token.decode("latin-1").strip(),
        date=date,
        region=region,
        service=service,
        terminator=terminator,
        signed_headers=signed_headers,
        signature=signature.decode("ascii"),
        timestamp=timestamp,
        timestamp_text=basic_text,
        in_query=False,
    )


@lru_cache(maxsize=1024)
def _read_claim(text: bytes) -> tuple[str, str, str, str, str, tuple[bytes, ...]] | None:
    """The five elements of the credential and the signed headers of a header up to its signature.

    None if anything about it would be refused, or if the signature is not a parameter of its own.
    """
    algorithm, _, rest = text.decode("latin-1").partition(" ")
    if algorithm != ALGORITHM or not rest.endswith((" Signature=", ",Signature=")):
        return None
    parts = rest.replace(",", " ").split()
    parameters = {name: value for name, _, value in (part.partition("=") for part in parts)}
    credential, signed_headers = parameters.get("Credential", ""), parameters.get("SignedHeaders", "")
    names = _header_names(signed_headers)
    if not all("=" in part for part in parts) or not (b"host" in names or b":authority" in names):
        return None
    elements = credential.split("/")
    if len(elements) != _CREDENTIAL_ELEMENTS:
        return None
    access_key_id, date, region, service, terminator = elements
    return access_key_id, date, region, service, terminator, names


def _from_header(authorization: str, headers: Mapping[bytes, bytes], now: datetime) -> PresentedSignature:
    algorithm, _, rest = authorization.strip().partition(" ")
    date_header = headers.get(b"x-amz-date") or headers.get(b"date")
    if not algorithm.startswith("AWS4-"):
        raise NoSignature(incomplete=_unreadable(authorization, rest or algorithm, has_date=date_header is not None))
    if algorithm != ALGORITHM:
        # SigV4A (AWS4-ECDSA-P256-SHA256) is not documented for execute-api; it is refused by name (UNVERIFIED on AWS).
        raise SignatureIncomplete(f"Unsupported AWS 'algorithm': '{algorithm}'.")
    parameters: dict[str, str] = {}
    for part in rest.replace(",", " ").split():
        name, equals, value = part.partition("=")
        if not equals:
            raise _without_equals(authorization)
        parameters[name] = value
    credential = parameters.get("Credential")
    signature = parameters.get("Signature")
    signed_headers = parameters.get("SignedHeaders")
    if not credential or not signature or not signed_headers or not date_header:
        raise _missing(authorization, parameters, has_date=bool(date_header))
    token = headers.get(b"x-amz-security-token")
    return _presented(
        credential,
        signed_headers,
        signature,
        date_header.decode("latin-1").strip(),
        session_token=None if token is None else token.decode("latin-1").strip(),
        now=now,
    )


def _from_query(query: dict[str, str], now: datetime) -> PresentedSignature:
    missing = [name for name in _QUERY_PARAMETERS if not query.get(name)]
    if missing:
        sentences = "".join(f"AWS query-string parameters must include '{name}'. " for name in missing)
        raise SignatureIncomplete(f"{sentences}Re-examine the query-string parameters.")
    if query["X-Amz-Algorithm"] != ALGORITHM:
        raise NoSignature
    return _presented(
        query["X-Amz-Credential"],
        query["X-Amz-SignedHeaders"],
        query["X-Amz-Signature"],
        query["X-Amz-Date"],
        session_token=query.get("X-Amz-Security-Token"),
        now=now,
        expires=query.get("X-Amz-Expires"),
        in_query=True,
    )


def _presented(
    credential: str,
    signed_headers: str,
    signature: str,
    timestamp_text: str,
    *,
    session_token: str | None,
    now: datetime,
    expires: str | None = None,
    in_query: bool = False,
) -> PresentedSignature:
    names = _header_names(signed_headers)
    if b"host" not in names and b":authority" not in names:
        raise HostNotSigned
    timestamp, basic_text = parse_timestamp(timestamp_text)
    expires_in_seconds = None if expires is None else _parse_expires(expires)
    check_window(timestamp, now=now, expires_in_seconds=expires_in_seconds)
    elements = credential.split("/")
    if len(elements) != _CREDENTIAL_ELEMENTS:
        raise SignatureIncomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
            f"got '{credential}'"
        )
    return PresentedSignature(
        access_key_id=elements[0],
        session_token=session_token,
        date=elements[1],
        region=elements[2],
        service=elements[3],
        terminator=elements[4],
        signed_headers=names,
        signature=signature,
        timestamp=timestamp,
        timestamp_text=basic_text,
        in_query=in_query,
        expires_in_seconds=expires_in_seconds,
    )


@lru_cache(maxsize=256)
def _header_names(signed_headers: str) -> tuple[bytes, ...]:
    # Sorted here, whatever order was sent: the suite's canonical form is sorted (UNVERIFIED for execute-api).
    return tuple(sorted({name.encode("latin-1") for name in signed_headers.lower().split(";")}))


def _parse_expires(text: str) -> int:
    """X-Amz-Expires in seconds. The sentences are S3's; other services are not known to say any (UNVERIFIED)."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 12):
        raise SignatureIncomplete("X-Amz-Expires should be a number")
    seconds = int(text)
    if seconds < 0:
        raise SignatureIncomplete("X-Amz-Expires must be non-negative")
    if seconds > MAX_EXPIRES_SECONDS:
        raise SignatureIncomplete(
            "X-Amz-Expires must be less than a week (in seconds); "
            f"that is, the given X-Amz-Expires must be less than {MAX_EXPIRES_SECONDS} seconds"
        )
    return seconds


def check_scope(presented: PresentedSignature, *, service: str, region: str) -> None:
    """The credential scope names this region, this service, the terminator and the timestamp's own day. Case counts.

    Raises:
        ScopeMismatch: one sentence for each part that differs, in AWS's order.
    """
    day = presented.timestamp_text[:8]
    if (
        presented.region == region
        and presented.service == service
        and presented.terminator == TERMINATOR
        and presented.date == day
    ):
        return
    sentences = []
    if presented.region != region:
        sentences.append(f"Credential should be scoped to a valid region, not '{presented.region}'. ")
    if presented.service != service:
        sentences.append(f"Credential should be scoped to correct service: '{service}'. ")
    if presented.terminator != TERMINATOR:
        sentences.append(
            f"Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{presented.terminator}'. "
        )
    if presented.date != day:
        sentences.append(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{presented.date}' != '{day}', from '{presented.timestamp_text}'. "
        )
    detail = "" if presented.region == region else f"this server's region is {region}"
    raise ScopeMismatch("".join(sentences), detail=detail)


def _unreadable(authorization: str, rest: str, *, has_date: bool) -> SignatureIncomplete:
    """What a service says that reads a header of another scheme as if it were SigV4."""
    parameters: dict[str, str] = {}
    for part in rest.replace(",", " ").split():
        name, equals, value = part.partition("=")
        if not equals:
            return _without_equals(authorization)
        parameters[name] = value
    return _missing(authorization, parameters, has_date=has_date)


def _without_equals(authorization: str) -> SignatureIncomplete:
    return SignatureIncomplete(
        "Invalid key=value pair (missing equal-sign) in Authorization header "
        f"(hashed with SHA-256 and encoded with Base64): '{_digest(authorization)}'."
    )


def _missing(authorization: str, parameters: dict[str, str], *, has_date: bool) -> SignatureIncomplete:
    sentences = [
        f"Authorization header requires '{name}' parameter. "
        for name in ("Credential", "Signature", "SignedHeaders")
        if not parameters.get(name)
    ]
    if not has_date:
        sentences.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ")
    sentences.append(f"(Hashed with SHA-256 and encoded with Base64) Authorization={_digest(authorization)}")
    return SignatureIncomplete("".join(sentences))


def _digest(text: str) -> str:
    return base64.b64encode(sha256(text.encode("latin-1")).digest()).decode()

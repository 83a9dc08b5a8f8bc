"""The canonical request and the string to sign, computed from the bytes that came over the wire.

The path is taken as it arrived (already percent-encoded), rid of dot segments and doubled slashes, and percent-encoded
once more: `/prod/a%20b` becomes `/prod/a%2520b`. It is never decoded, so `%2F` stays what it is. (S3 has other rules;
we do not serve S3.) Query names and values are decoded, `+` as a space, and encoded anew; pairs are sorted by encoded
name, then by encoded value. Header values are trimmed, inner runs of whitespace become one space, and values of a
repeated header are joined by commas in the order of arrival. The payload hash is always that of the body received:
`x-amz-content-sha256` is a header like any other, and `UNSIGNED-PAYLOAD` in it changes nothing.

This file decides nothing; it can be asked separately, so that a failing client can be shown what we computed. The
request lane calls it for every request, hence the checks for "nothing to encode" before each encoding. (Whether bytes
hold a byte is asked by its number or by `find`: `b"%" in text` costs five times as much.)

Source: IAM User Guide, "Create a signed AWS API request", and the AWS SigV4 test suite.
"""

from hashlib import sha256
from typing import Final

from velvetrope.sigv4.errors import MalformedPath, MalformedQueryString
from velvetrope.sigv4.requests import PresentedSignature, SignedRequest

__all__ = ["ALGORITHM", "canonical_path", "canonical_query", "canonical_request", "decode_query", "string_to_sign"]

ALGORITHM: Final = "AWS4-HMAC-SHA256"

_UNRESERVED: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
_PATH_SAFE: Final = _UNRESERVED + b"/"
_SLASH: Final = 0x2F
_PERCENT: Final = 0x25
_HEX_DIGITS: Final = frozenset(b"0123456789abcdefABCDEF")
_ENCODED: Final = tuple(bytes((b,)) if b in _UNRESERVED else b"%%%02X" % b for b in range(256))
_EMPTY_HASH: Final = sha256(b"").hexdigest().encode()
_PATH_ENCODED: Final = tuple(b"/" if b == ord("/") else encoded for b, encoded in enumerate(_ENCODED))


def canonical_path(raw_path: bytes) -> bytes:
    """The path as it enters the canonical request.

    Raises:
        MalformedPath: it climbs above the root, or has a `%` that two hex digits do not follow.
    """
    if not raw_path:
        return b"/"
    if raw_path.find(b"//") >= 0 or raw_path.find(b"/.") >= 0 or raw_path[0] != _SLASH:
        raw_path = _without_dot_segments(raw_path)
    if not raw_path.translate(None, _PATH_SAFE):
        return raw_path
    if _PERCENT in raw_path:
        for escape in raw_path.split(b"%")[1:]:
            if len(escape) < 2 or escape[0] not in _HEX_DIGITS or escape[1] not in _HEX_DIGITS:
                raise MalformedPath("The path has an invalid escape % sequence")
    return b"".join([_PATH_ENCODED[b] for b in raw_path])


def _without_dot_segments(path: bytes) -> bytes:
    """RFC 3986 section 5.2.4, with doubled slashes made one; a trailing slash stays."""
    kept: list[bytes] = []
    segments = path.split(b"/")
    for segment in segments:
        if segment in (b"", b"."):
            continue
        if segment == b"..":
            if not kept:
                raise MalformedPath("The path climbs above its root")
            kept.pop()
        else:
            kept.append(segment)
    if not kept:
        return b"/"
    # Only a slash that was sent is a trailing slash: `/a/.` is `/a` (as SDKs sign it), unlike RFC 3986's `/a/`.
    trailing = b"/" if segments[-1] == b"" else b""
    return b"/" + b"/".join(kept) + trailing


def canonical_query(query_string: bytes, *, without_signature: bool = False) -> bytes:
    """The query string as it enters the canonical request.

    `without_signature` leaves `X-Amz-Signature` out, as a presigned request must; in a request that is signed by
    header that name is a parameter like any other.

    Raises:
        MalformedQueryString: a `%` that two hex digits do not follow.
    """
    if not query_string:
        return b""
    special = query_string.translate(None, _UNRESERVED)
    if special == b"=" and not without_signature:
        return query_string  # one pair, and nothing to encode in it
    # Sorted as pairs and not as text: `=` sorts after `-`, so `Param-3=` would come before `Param=`.
    if special.translate(None, b"=&"):
        pairs = [(_encode(name), _encode(value)) for name, value in decode_query(query_string)]
    else:
        pairs = []
        for pair in query_string.split(b"&"):
            name, _, value = pair.partition(b"=")
            pairs.append((name, value.replace(b"=", b"%3D")))
    if without_signature:
        pairs = [pair for pair in pairs if pair[0] != b"X-Amz-Signature"]
    if len(pairs) > 1:
        pairs.sort()
    return b"&".join([name + b"=" + value for name, value in pairs])


def decode_query(query_string: bytes) -> list[tuple[bytes, bytes]]:
    """Names and values, decoded, in the order of arrival. An empty pair counts as an empty name: nothing is dropped.

    Raises:
        MalformedQueryString: a `%` that two hex digits do not follow.
    """
    if not query_string:
        return []
    decoded: list[tuple[bytes, bytes]] = []
    for pair in query_string.split(b"&"):
        name, _, value = pair.partition(b"=")
        decoded.append((_decode(name), _decode(value)))
    return decoded


def _decode(text: bytes) -> bytes:
    text = text.replace(b"+", b" ")
    if _PERCENT not in text:
        return text
    head, *escaped = text.split(b"%")
    parts = [head]
    for chunk in escaped:
        if len(chunk) < 2:
            raise MalformedQueryString("Incomplete trailing escape % sequence")
        if chunk[0] not in _HEX_DIGITS or chunk[1] not in _HEX_DIGITS:
            pattern = chunk[:2].decode("ascii", "replace")
            raise MalformedQueryString(f"Illegal hex character in escape % pattern: %{pattern}")
        parts.extend((bytes((int(chunk[:2], 16),)), chunk[2:]))
    return b"".join(parts)


def _encode(text: bytes) -> bytes:
    if not text.translate(None, _UNRESERVED):
        return text
    return b"".join([_ENCODED[b] for b in text])


def canonical_request(
    request: SignedRequest, signed_headers: tuple[bytes, ...], *, without_signature: bool = False
) -> bytes:
    """The canonical request for these signed headers, which are in lower case, sorted, each once.

    A header that is listed and was not sent enters with an empty value (UNVERIFIED on AWS): a client that signed it
    with a value is refused, and one that signed it as empty has shown that it is absent.

    Raises:
        MalformedPath, MalformedQueryString: see `canonical_path` and `canonical_query`.
    """
    values = request.first_by_name()
    if len(values) != len(request.headers):
        values = _joined_by_name(request)
    lines = [
        request.method.encode(),
        canonical_path(request.raw_path),
        canonical_query(request.query_string, without_signature=without_signature),
        *[name + b":" + b" ".join(values.get(name, b"").split()) for name in signed_headers],
        b"",
        b";".join(signed_headers),
        sha256(request.body).hexdigest().encode() if request.body else _EMPTY_HASH,
    ]
    return b"\n".join(lines)


def _joined_by_name(request: SignedRequest) -> dict[bytes, bytes]:
    """All values of each header. They are trimmed before they are joined: a comma may stand beside no space."""
    values: dict[bytes, bytes] = {}
    for name, value in request.headers:
        lowered = name.lower()
        trimmed = b" ".join(value.split())
        values[lowered] = values[lowered] + b"," + trimmed if lowered in values else trimmed
    return values


def string_to_sign(presented: PresentedSignature, canonical: bytes) -> str:
    """What the signing key signs."""
    return (
        f"{ALGORITHM}\n{presented.timestamp_text}\n"
        f"{presented.date}/{presented.region}/{presented.service}/{presented.terminator}\n"
        f"{sha256(canonical).hexdigest()}"
    )

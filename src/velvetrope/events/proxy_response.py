"""The answer of a function behind a Lambda proxy integration.

The payload is a JSON object with no other members than `statusCode`, `headers`, `multiValueHeaders`, `body` and
`isBase64Encoded`. Anything else is an `InvalidProxyResponse`, which API Gateway answers with 502 and never shows.
Multi-value headers come before the single value of the same name, under the multi-value map's casing; each value is a
header line of its own. Headers that belong to the connection are renamed to `x-amzn-Remapped-…`. A header name or
value that could end its line is refused.

A base64 body is decoded only if the FIRST media type of the caller's `Accept` is one of the API's binary media types;
otherwise its text goes out as it is.

Sources: API Gateway Developer Guide, "Output format of a Lambda function for proxy integration", "Content type
conversions", "Amazon API Gateway important notes"; captures of AWS for each rejected form. UNVERIFIED: null as a
header's value (refused), and the full list of remapped names.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from velvetrope.errors import ReasonError

__all__ = [
    "InvalidProxyResponse",
    "ProxyResponse",
    "ResponseBodyNotBase64",
    "matches_binary_media_type",
    "parse_header_value",
    "parse_proxy_response",
    "parse_status",
    "render_header_line",
    "sent_body",
]

_MEMBERS = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"})
_REMAPPED = frozenset(
    {
        "connection",
        "content-length",
        "content-md5",
        "date",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "www-authenticate",
        "x-amzn-requestid",
    }
)
_WITHOUT_BODY = frozenset({204, 304})  # RFC 9112 section 6.3
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_LINE_BREAKERS = re.compile(r"[\r\n\x00]")


class InvalidProxyResponse(ReasonError):
    """The payload is not an answer in the proxy format. The message is for the owner's log."""


class ResponseBodyNotBase64(ReasonError):
    """`isBase64Encoded` is true, the caller wants binary, and the body is not base64."""


@dataclass(frozen=True, slots=True)
class ProxyResponse:
    """Status, header lines in order, and the bytes of the body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def matches_binary_media_type(header: str, binary_media_types: Sequence[str]) -> bool:
    """Whether the first media type of a `Content-Type` or `Accept` header is one of the API's; `*/*` is all of them."""
    if not binary_media_types:
        return False
    if "*/*" in binary_media_types:
        return True
    first = header.split(",", 1)[0].split(";", 1)[0].strip().lower()
    return any(first == media_type.lower() for media_type in binary_media_types)


def parse_proxy_response(payload: bytes, *, accept: str, binary_media_types: Sequence[str]) -> ProxyResponse:
    """The HTTP answer that `payload` asks for.

    Raises:
        InvalidProxyResponse: the payload breaks a rule of the format.
        ResponseBodyNotBase64: the body was to be decoded and could not be.
    """
    try:
        answer: object = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidProxyResponse("the function's answer is not JSON") from None
    if not isinstance(answer, dict) or not answer:
        raise InvalidProxyResponse("the function's answer is not a JSON object with members of the proxy format")
    unknown = sorted(answer.keys() - _MEMBERS)
    if unknown:
        raise InvalidProxyResponse(f"the function's answer has members that the format does not know: {unknown}")
    body = answer.get("body")
    if body is not None and not isinstance(body, str):
        raise InvalidProxyResponse("body must be a string; a function serialises objects itself")
    encoded = answer.get("isBase64Encoded", False)
    if encoded is not None and not isinstance(encoded, bool):
        raise InvalidProxyResponse("isBase64Encoded must be true or false")
    status = parse_status(answer.get("statusCode", 200))
    headers = _headers(answer.get("headers"), answer.get("multiValueHeaders"))
    raw = (body or "").encode("utf-8", "surrogatepass")
    if encoded and matches_binary_media_type(accept, binary_media_types):
        try:
            raw = base64.b64decode(raw, validate=True)
        except binascii.Error:
            raise ResponseBodyNotBase64("isBase64Encoded is true and the body is not base64") from None
    return ProxyResponse(status, headers, sent_body(status, raw))


def sent_body(status: int, body: bytes) -> bytes:
    """`body`, or nothing with a status that has none: what came behind it would be read as the next answer."""
    return b"" if status in _WITHOUT_BODY else body


def parse_status(value: object) -> int:
    """The status that a function gave as a number or its digits. Raises `InvalidProxyResponse`.

    One below 200 is no answer: whoever hears it waits for another (RFC 9110 section 15.2; AWS's word is UNVERIFIED).
    """
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value) if len(value) <= 3 else 0
    if not isinstance(value, int) or isinstance(value, bool) or not 200 <= value <= 599:
        raise InvalidProxyResponse("statusCode must be an HTTP status")
    return value


def _headers(single: object, multi: object) -> list[tuple[bytes, bytes]]:
    lines: list[tuple[str, str]] = []
    casing: dict[str, str] = {}
    if multi is not None:
        if not isinstance(multi, dict):
            raise InvalidProxyResponse("multiValueHeaders must be an object of lists")
        for name, values in multi.items():
            if not isinstance(values, list):
                raise InvalidProxyResponse(f"multiValueHeaders: the value of {name} must be a list")
            casing[str(name).lower()] = str(name)
            lines += [(str(name), parse_header_value(name, value)) for value in values]
    if single is not None:
        if not isinstance(single, dict):
            raise InvalidProxyResponse("headers must be an object")
        for name, value in single.items():
            lines.append((casing.get(str(name).lower()) or str(name), parse_header_value(name, value)))
    if not any(name.lower() == "content-type" for name, _ in lines):
        lines.append(("Content-Type", "application/json"))
    return [render_header_line(name, value) for name, value in lines]


def parse_header_value(name: str, value: object) -> str:
    """The text of a header that a function gave as text, true or false. Raises `InvalidProxyResponse`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str) or _LINE_BREAKERS.search(value):
        raise InvalidProxyResponse(f"the value of header {name!r} must be one line of text")
    return value


def render_header_line(name: str, value: str) -> tuple[bytes, bytes]:
    """The header as it goes out, renamed if it belongs to the connection or to us. Raises `InvalidProxyResponse`."""
    if not _TOKEN.fullmatch(name):
        raise InvalidProxyResponse(f"{name!r} is not a header name")
    if name.lower() in _REMAPPED:
        name = f"x-amzn-Remapped-{name}"
    return name.encode("ascii"), value.strip().encode("utf-8", "surrogatepass")

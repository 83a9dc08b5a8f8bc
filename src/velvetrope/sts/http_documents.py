"""Documents of strangers, fetched over HTTP: small ones, quickly, or not at all.

    body = await HttpDocuments().fetch("https://issuer.example/.well-known/openid-configuration")
    status, body = await HttpDocuments().ask("https://issuer.example/token", form={"grant_type": "…"})

For the discovery documents, key sets, token and user information endpoints of OpenID Connect issuers, and for SAML
metadata. One request, no redirects, no cookies, no credentials but those that a caller gives with `ask`; the whole
exchange, name lookup and TLS included, has one deadline, and the answer a size, so that an issuer that dawdles or
floods holds up nobody but those who came with its tokens. Certificates are verified against the machine's certificate
authorities, or against `authorities_file` where one is given (PEM).

Plain `http` is refused, but for loopback addresses where `allow_loopback_http` says so: an issuer on one's own machine.

Written over asyncio's streams, because the client libraries that we have block.

Sources: RFC 9112 (HTTP/1.1); OpenID Connect Discovery 1.0 section 4.
"""

import asyncio
import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final
from urllib.parse import SplitResult, urlencode, urlsplit

from velvetrope.errors import ReasonError

__all__ = ["DocumentUnavailable", "HttpDocuments"]

_MAX_URL_CHARACTERS: Final = 2048
_MAX_HEADER_BYTES: Final = 16_384
_CHUNK_BYTES: Final = 16_384


class DocumentUnavailable(ReasonError):
    """The document could not be had. The message says why and is for the owner's log only."""


@dataclass(slots=True)
class _Answer:
    """What httptools reports while it reads."""

    body: bytearray = field(default_factory=bytearray)
    says_its_length: bool = False
    complete: bool = False

    def on_header(self, name: bytes, _value: bytes) -> None:
        self.says_its_length |= name.lower() in {b"content-length", b"transfer-encoding"}

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        self.complete = True


class HttpDocuments:
    """Fetches small documents."""

    def __init__(
        self,
        *,
        allow_loopback_http: bool = False,
        authorities_file: str | None = None,
        timeout_seconds: float = 5.0,
        max_body_bytes: int = 262_144,
        accept: str = "application/json",
    ) -> None:
        self._allow_loopback_http = allow_loopback_http
        self._authorities_file = authorities_file
        self._timeout_seconds = timeout_seconds
        self._max_body_bytes = max_body_bytes
        self._accept = accept
        self._tls: ssl.SSLContext | None = None

    async def fetch(self, url: str) -> bytes:
        """The body of a 200 answer.

        Raises:
            DocumentUnavailable: another status, too large, too slow, unreachable, or a URL that is not fetched.
        """
        status, body = await self.ask(url)
        if status != 200:
            raise DocumentUnavailable(f"the answer's status is {status}")
        return body

    async def ask(
        self, url: str, *, headers: Mapping[str, str] = MappingProxyType({}), form: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body of the answer to a GET, or to a POST of `form`.

        Raises:
            DocumentUnavailable: too large, too slow, unreachable, or a URL that is not asked.
        """
        parts = self._parse(url)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._exchange(parts, _render_request(parts, {"Accept": self._accept, **headers}, form))
        except TimeoutError:
            raise DocumentUnavailable(f"{url} did not answer within {self._timeout_seconds} seconds") from None
        except (OSError, ssl.SSLError) as error:
            raise DocumentUnavailable(f"{url} could not be reached: {error}") from error

    def _parse(self, url: str) -> SplitResult:
        if len(url) > _MAX_URL_CHARACTERS or not url.isascii() or not url.isprintable() or " " in url:
            raise DocumentUnavailable("the URL is too long or has characters that no URL has")
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise DocumentUnavailable(f"{url} is not a URL") from None
        if not host or parts.username is not None or parts.fragment:
            raise DocumentUnavailable(f"{url} is not the URL of a document")
        if parts.scheme != "https" and not (
            parts.scheme == "http" and self._allow_loopback_http and _is_loopback(host)
        ):
            raise DocumentUnavailable(f"{url} is not https")
        return parts

    async def _exchange(self, url: SplitResult, request: bytes) -> tuple[int, bytes]:
        secure = url.scheme == "https"
        reader, writer = await asyncio.open_connection(
            url.hostname, url.port or (443 if secure else 80), ssl=self._context() if secure else None
        )
        try:
            writer.write(request)
            return await self._read(reader)
        finally:
            # At once and not politely: the other side may never say goodbye.
            writer.transport.abort()

    async def _read(self, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        import httptools

        answer = _Answer()
        parser = httptools.HttpResponseParser(answer)
        received = 0
        while not answer.complete:
            part = await reader.read(_CHUNK_BYTES)
            received += len(part)
            if received > self._max_body_bytes + _MAX_HEADER_BYTES or len(answer.body) > self._max_body_bytes:
                raise DocumentUnavailable(f"the document has more than {self._max_body_bytes} bytes")
            if not part:
                if answer.says_its_length or not received:
                    raise DocumentUnavailable("the connection ended before the document did")
                break  # RFC 9112 section 6.3, rule 8: without a length, the end of the connection is the end.
            try:
                parser.feed_data(part)
            except httptools.HttpParserError as error:
                raise DocumentUnavailable(f"the answer is not HTTP: {error}") from error
        if len(answer.body) > self._max_body_bytes:
            raise DocumentUnavailable(f"the document has more than {self._max_body_bytes} bytes")
        return parser.get_status_code(), bytes(answer.body)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context(cafile=self._authorities_file)
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        return self._tls


def _render_request(url: SplitResult, headers: Mapping[str, str], form: Mapping[str, str] | None) -> bytes:
    """
    Raises:
        DocumentUnavailable: a header has characters that no header has.
    """
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    body = b"" if form is None else urlencode(form).encode("ascii")
    lines = [
        f"{'GET' if form is None else 'POST'} {target} HTTP/1.1",
        f"Host: {url.netloc}",
        "User-Agent: velvetrope",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    if form is not None:
        lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
    if not all(line.isascii() and line.isprintable() for line in lines):
        raise DocumentUnavailable("a header has characters that no header has")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

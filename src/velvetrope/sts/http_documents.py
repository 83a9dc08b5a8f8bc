"""Documents of strangers, fetched over HTTP: small ones, quickly, or not at all.

    body = await HttpDocuments().fetch("https://issuer.example/.well-known/openid-configuration")

For the discovery documents and key sets of OpenID Connect issuers, and for SAML metadata. One GET, no redirects, no
cookies, no credentials; the whole exchange, name lookup and TLS included, has one deadline, and the answer a size, so
that an issuer that dawdles or floods holds up nobody but those who came with its tokens. Certificates are verified
against the machine's certificate authorities, or against `authorities_file` where one is given (PEM).

Plain `http` is refused, but for loopback addresses where `allow_loopback_http` says so: an issuer on one's own machine.

Written over asyncio's streams, because the client libraries that we have block.

Sources: RFC 9112 (HTTP/1.1); OpenID Connect Discovery 1.0 section 4.
"""

import asyncio
import ipaddress
import ssl
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, urlsplit

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
        parts = self._parse(url)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._get(parts)
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

    async def _get(self, url: SplitResult) -> bytes:
        secure = url.scheme == "https"
        reader, writer = await asyncio.open_connection(
            url.hostname, url.port or (443 if secure else 80), ssl=self._context() if secure else None
        )
        try:
            target = (url.path or "/") + (f"?{url.query}" if url.query else "")
            writer.write(
                f"GET {target} HTTP/1.1\r\nHost: {url.netloc}\r\nAccept: {self._accept}\r\n"
                "User-Agent: velvetrope\r\nConnection: close\r\n\r\n".encode("ascii")
            )
            return await self._read(reader)
        finally:
            # At once and not politely: the other side may never say goodbye.
            writer.transport.abort()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
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
        status = parser.get_status_code()
        if status != 200:
            raise DocumentUnavailable(f"the answer's status is {status}")
        if len(answer.body) > self._max_body_bytes:
            raise DocumentUnavailable(f"the document has more than {self._max_body_bytes} bytes")
        return bytes(answer.body)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context(cafile=self._authorities_file)
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        return self._tls


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""An OpenID Connect issuer on a real port: discovery, keys that rotate, and answers that are wrong on purpose."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

RSA = RSAKey.generate_key(2048)
OTHER_RSA = RSAKey.generate_key(2048)
EC = ECKey.generate_key("P-256")


def public(key: Any, kid: str | None = None, **more: Any) -> dict[str, Any]:
    """A key as an issuer publishes it."""
    named = {} if kid is None else {"kid": kid}
    return {**key.as_dict(private=False), **named, **more}


@dataclass
class Issuer:
    """`replies` are full HTTP answers by path; without one a path is 404. `asked` are the paths in order."""

    port: int = 0
    path: str = ""
    scheme: str = "http"
    keys: list[dict[str, Any]] = field(default_factory=lambda: [public(RSA, "rsa"), public(EC, "ec")])
    replies: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    silent: bool = False
    serving: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.port}{self.path}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.name}"

    def document(self) -> dict[str, Any]:
        return {"issuer": self.url, "jwks_uri": f"{self.scheme}://127.0.0.1:{self.port}/keys"}

    def token(self, now: datetime, *, key: Any = RSA, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """An ID token; a claim or header that is None is left out."""
        everything = {
            "iss": self.url,
            "sub": "carol",
            "aud": "app",
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(hours=1)).timestamp()),
            **claims,
        }
        kid, algorithm = ("ec", "ES256") if key is EC else ("rsa", "RS256")
        head = {"alg": algorithm, "kid": kid, "typ": "JWT", **(header or {})}
        payload = json.dumps({name: value for name, value in everything.items() if value is not None})
        kept = {name: value for name, value in head.items() if value is not None}
        return jws.serialize_compact(kept, payload, key, algorithms=[str(kept["alg"])])

    def reply_to(self, path: str) -> bytes:
        if path in self.replies:
            return self.replies[path]
        if path == f"{self.path.removesuffix('/')}/.well-known/openid-configuration":
            return ok(self.document())
        return ok({"keys": self.keys}) if path == "/keys" else b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.add(asyncio.get_running_loop().create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            path = request.split(b" ")[1].decode()
            self.asked.append(path)
            if not self.silent:
                writer.write(self.reply_to(path))
                await writer.drain()
                writer.write_eof() if writer.can_write_eof() else writer.close()
            await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.transport.abort()


def ok(document: Any) -> bytes:
    """The answer that gives a JSON document."""
    body = json.dumps(document).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


@asynccontextmanager
async def running_issuer(path: str = "", *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Issuer]:
    """An issuer that listens on a free port of the loopback address."""
    issuer = Issuer(path=path, scheme="http" if tls is None else "https")
    server = await asyncio.start_server(issuer.serve, "127.0.0.1", 0, ssl=tls)
    issuer.port = server.sockets[0].getsockname()[1]
    try:
        yield issuer
    finally:
        server.close()
        await asyncio.gather(*issuer.serving)

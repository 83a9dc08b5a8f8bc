"""An OpenID Connect provider on a real port that does what it is told, wrong things too.

A test plays the browser: `authorize` takes the address that we sent it to and answers the address that the provider
would send it back to. The token endpoint checks what a provider has to check: the client's secret, the code, the
redirect_uri and the PKCE verifier.
"""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from joserfc import jws

from support.open_id_issuer import RSA, ok, public

CLIENT_ID, CLIENT_SECRET = "pool-at-provider", "s3cret/of+the pool"

Answered = tuple[int, Any]


@dataclass
class Provider:
    """`claims` go over those of the ID token (None takes one out), `metadata` over the discovery document."""

    now: Callable[[], datetime]
    port: int = 0
    keys: list[dict[str, Any]] = field(default_factory=lambda: [public(RSA, "rsa")])
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    sign: Callable[[dict[str, Any], dict[str, Any]], str] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=lambda: {"sub": "carol"})
    token_answer: Callable[[dict[str, Any]], Answered] = lambda answer: (200, answer)
    issued: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    """Method, path with its query, headers and form of every request."""
    serving: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def authorize(self, location: str, **changes: str | None) -> str:
        """Where the browser is sent back to. `changes` are over the answer's parameters; None takes one out."""
        parts = urlsplit(location)
        asked = dict(parse_qsl(parts.query))
        assert location.startswith(f"{self.url}/authorize?"), location
        assert (asked["client_id"], asked["response_type"]) == (CLIENT_ID, "code")
        code = f"code-{len(self.issued)}"
        self.issued[code] = asked
        answer: dict[str, str | None] = {"code": code, "state": asked["state"], "iss": self.url, **changes}
        given = {name: value for name, value in answer.items() if value is not None}
        return f"{asked['redirect_uri']}?{urlencode(given)}"

    def id_token(self, nonce: str | None, access_token: str) -> str:
        now = self.now()
        digest = hashlib.sha256(access_token.encode()).digest()
        everything = {
            "iss": self.url,
            "sub": "carol",
            "aud": CLIENT_ID,
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(minutes=5)).timestamp()),
            "nonce": nonce,
            "at_hash": base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode(),
            "email": "carol@example.com",
            **self.claims,
        }
        claims = {name: value for name, value in everything.items() if value is not None}
        header = {
            name: value for name, value in {"alg": "RS256", "kid": "rsa", **self.header}.items() if value is not None
        }
        if self.sign is not None:
            return self.sign(header, claims)
        return jws.serialize_compact(header, json.dumps(claims), RSA, algorithms=[str(header["alg"])])

    def answer(self, method: str, path: str, headers: dict[str, str], form: dict[str, str]) -> Answered:
        match method, path.partition("?")[0]:
            case "GET", "/.well-known/openid-configuration":
                return 200, {
                    "issuer": self.url,
                    "authorization_endpoint": f"{self.url}/authorize",
                    "token_endpoint": f"{self.url}/token",
                    "userinfo_endpoint": f"{self.url}/userinfo",
                    "jwks_uri": f"{self.url}/keys",
                    "authorization_response_iss_parameter_supported": True,
                    **self.metadata,
                }
            case "GET", "/keys":
                return 200, {"keys": self.keys}
            case "POST", "/token":
                return self._redeem(headers, form)
            case (("GET" | "POST"), "/userinfo"):
                held = headers.get("authorization") == "Bearer an-access-token"
                return (200, self.userinfo) if held else (401, {"error": "invalid_token"})
        return 404, {}

    def _redeem(self, headers: dict[str, str], form: dict[str, str]) -> Answered:
        presented = (form.get("client_id"), form.get("client_secret"))
        scheme, _, encoded = headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            name, _, secret = base64.b64decode(encoded).decode().partition(":")
            presented = (unquote(name), unquote(secret))
        if presented != (CLIENT_ID, CLIENT_SECRET):
            return 401, {"error": "invalid_client"}
        asked = self.issued.pop(form["code"], None)
        if asked is None or asked["redirect_uri"] != form["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != asked["code_challenge"]:
            return 400, {"error": "invalid_grant", "error_description": "the verifier is not the challenge's"}
        access_token = "an-access-token"
        token = self.id_token(asked.get("nonce"), access_token)
        return self.token_answer({"access_token": access_token, "id_token": token, "token_type": "Bearer"})

    def paths(self) -> list[str]:
        return [path.partition("?")[0] for _, path, _, _ in self.asked]

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.add(asyncio.get_running_loop().create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            method, path, _ = first.split(" ")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            form = dict(parse_qsl((await reader.readexactly(int(headers.get("content-length", "0")))).decode()))
            self.asked.append((method, path, headers, form))
            status, document = self.answer(method, path, headers, form)
            writer.write(ok(document).replace(b"200 OK", b"%d Said" % status, 1))
            await writer.drain()
            writer.write_eof()
            await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.transport.abort()


@asynccontextmanager
async def running_provider(now: Callable[[], datetime]) -> AsyncIterator[Provider]:
    """A provider that listens on a free port of the loopback address."""
    provider = Provider(now)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.port = server.sockets[0].getsockname()[1]
    try:
        yield provider
    finally:
        server.close()
        await asyncio.gather(*provider.serving)

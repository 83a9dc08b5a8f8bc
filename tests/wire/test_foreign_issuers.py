"""An issuer of somebody else's, behind https with a private authority, whose tokens open HTTP APIs."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import RSAKey

from support.clients import aws_client
from support.functions import until_true
from support.open_id_issuer import EC, Issuer, ok, running_issuer
from support.ports import own_port
from support.running import RunningServer
from velvetrope.server.machine import SystemClock


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that is its own authority, with its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = SystemClock().now()
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    path = tmp_path_factory.mktemp("issuer") / "issuer.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(made.public_bytes(Encoding.PEM) + secret)
    return path


@pytest.fixture(scope="module")
def trusting(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that trusts that authority."""
    folder = tmp_path_factory.mktemp("trusting") / "state"
    with RunningServer("serve", state_folder=folder, environment={"SSL_CERT_FILE": str(certificate)}) as server:
        yield server


@pytest.fixture
async def issuer(certificate: Path) -> AsyncIterator[Issuer]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    async with running_issuer(tls=tls) as issuer:
        yield issuer


class HttpApi:
    """One route that wants a token of the issuer for the audience "app"."""

    def __init__(self, server: RunningServer, issuer: str) -> None:
        self.gateway = aws_client(server, "apigatewayv2")
        self.api = self.gateway.create_api(Name="foreign", ProtocolType="HTTP")
        api_id = self.api["ApiId"]
        self.gateway.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
        backend = self.gateway.create_integration(
            ApiId=api_id,
            IntegrationType="HTTP_PROXY",
            IntegrationMethod="GET",
            IntegrationUri=f"{server.url}/nothing",
            PayloadFormatVersion="1.0",
        )["IntegrationId"]
        authorizer = self.gateway.create_authorizer(
            ApiId=api_id,
            Name="foreign",
            AuthorizerType="JWT",
            IdentitySource=["$request.header.Authorization"],
            JwtConfiguration={"Issuer": issuer, "Audience": ["app"]},
        )["AuthorizerId"]
        self.gateway.create_route(
            ApiId=api_id,
            RouteKey="GET /me",
            Target=f"integrations/{backend}",
            AuthorizationType="JWT",
            AuthorizerId=authorizer,
        )

    async def status(self, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        answer = await asyncio.to_thread(requests.get, f"{self.api['ApiEndpoint']}/me", headers=headers)
        return answer.status_code

    async def opens(self, token: str) -> bool:
        """Whether the token gets to the backend, where there is nothing."""
        return await self.status(token) == 404


async def test_tokens_open_two_apis_that_ask_the_issuer_once_and_a_rotated_key_is_not_asked_for_by_everybody(
    trusting: RunningServer, issuer: Issuer
) -> None:
    one, other = [await asyncio.to_thread(HttpApi, trusting, issuer.url) for _ in range(2)]
    now = SystemClock().now()
    stranger = RSAKey.generate_key(2048)
    good = [issuer.token(now), issuer.token(now, key=EC), issuer.token(now, aud=["other", "app"])]
    await until_true(lambda: one.opens(good[0]))  # a machine that stands still may be too slow for the first fetch

    assert all([await api.opens(token) for token in good for api in (one, other)])
    bad = [
        issuer.token(now, key=stranger),
        issuer.token(now, key=stranger, header={"kid": "new"}),
        issuer.token(now, header={"kid": None}),
        issuer.token(now, header={"alg": "PS256"}),
        issuer.token(now, aud="another"),
        issuer.token(now, iss="https://other.example"),
        issuer.token(now - timedelta(hours=2)),
        issuer.token(now, iat=int(now.timestamp()) + 600),
    ]
    assert [await one.status(token) for token in bad] == [401] * len(bad)
    passed = SystemClock().now() - now
    assert issuer.asked.count("/keys") <= 1 + passed // timedelta(seconds=10)  # at most so often, whatever comes


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", "the answer's status is 302"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n" + b" " * 400_000, "more than 262144 bytes"),
        (ok({"issuer": "https://a.example"}), "is another issuer's"),
    ],
    ids=["redirects", "floods", "is another"],
)
async def test_an_issuer_that_does_not_describe_itself_opens_nothing_and_the_owner_is_told_why(
    trusting: RunningServer, issuer: Issuer, reply: bytes, why: str
) -> None:
    issuer.replies["/.well-known/openid-configuration"] = reply
    api = await asyncio.to_thread(HttpApi, trusting, issuer.url)
    token = issuer.token(SystemClock().now())

    async def is_refused_for_that() -> bool:
        assert await api.status(token) == 401
        return why in trusting.text

    await until_true(is_refused_for_that)
    assert set(issuer.asked) == {"/.well-known/openid-configuration"}


async def test_an_issuer_whose_authority_nobody_trusts_opens_nothing(serving: RunningServer, issuer: Issuer) -> None:
    api = await asyncio.to_thread(HttpApi, serving, issuer.url)

    assert await api.status(issuer.token(SystemClock().now())) == 401

    assert issuer.asked == []


async def test_a_developers_issuer_on_this_machine_needs_no_tls(trusting: RunningServer) -> None:
    async with running_issuer() as issuer:
        api = await asyncio.to_thread(HttpApi, trusting, issuer.url)

        token = issuer.token(SystemClock().now())

        await until_true(lambda: api.opens(token))


async def test_a_server_that_others_reach_asks_no_port_of_its_own_machine(tmp_path: Path) -> None:
    port = own_port()
    serve = ("serve", "--public-url", f"http://localhost:{port}")
    async with running_issuer() as issuer:
        with RunningServer(*serve, state_folder=tmp_path / "state", port=port) as server:
            api = await asyncio.to_thread(HttpApi, server, issuer.url)

            assert await api.status(issuer.token(SystemClock().now())) == 401

        assert issuer.asked == []

"""Fetching documents of strangers, from a real socket: what is good, and everything that is not."""

import ipaddress
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from support.open_id_issuer import ok, running_issuer
from velvetrope.sts import DocumentUnavailable, HttpDocuments

GOOD = HttpDocuments(allow_loopback_http=True, timeout_seconds=5, max_body_bytes=1000)


async def refused(documents: HttpDocuments, url: str) -> str:
    with pytest.raises(DocumentUnavailable) as refusal:
        await documents.fetch(url)
    return refusal.value.message


async def test_a_document_is_fetched() -> None:
    async with running_issuer() as issuer:
        issuer.replies["/a?b=c"] = ok({"x": 1})

        assert await GOOD.fetch(f"{issuer.url}/a?b=c") == b'{"x": 1}'


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nabcde",
    ],
)
async def test_a_document_may_come_in_chunks_or_end_with_the_connection(reply: bytes) -> None:
    async with running_issuer() as issuer:
        issuer.replies["/"] = reply

        assert await GOOD.fetch(issuer.url) == b"abcde"


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"HTTP/1.1 302 Found\r\nLocation: /keys\r\nContent-Length: 0\r\n\r\n", id="a redirect"),
        pytest.param(b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{}", id="an error"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", id="half of it"),
        pytest.param(b"SSH-2.0-OpenSSH_9.7\r\n", id="not HTTP"),
        pytest.param(b"", id="nothing"),
        pytest.param(ok("x" * 2000), id="too much"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 1001, id="too much without a length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 30_000 + b"\r\n\r\n", id="too many headers"),
    ],
)
async def test_an_answer_that_is_not_good_is_no_document(reply: bytes) -> None:
    async with running_issuer() as issuer:
        issuer.replies["/"] = reply

        await refused(GOOD, issuer.url)


async def test_a_document_of_the_largest_size_is_fetched() -> None:
    async with running_issuer() as issuer:
        issuer.replies["/"] = ok("x" * 998)

        assert len(await GOOD.fetch(issuer.url)) == 1000


async def test_an_issuer_that_says_nothing_is_not_waited_for() -> None:
    async with running_issuer() as issuer:
        issuer.silent = True

        message = await refused(HttpDocuments(allow_loopback_http=True, timeout_seconds=0.05), issuer.url)

    assert "did not answer within" in message


async def test_nobody_there_is_no_document() -> None:
    async with running_issuer() as issuer:
        url = issuer.url

    assert "could not be reached" in await refused(GOOD, url)


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://127.0.0.1@issuer.example/",
        "https://user:word@issuer.example/",
        "https://issuer.example/#part",
        "https://issuer.example/a b",
        "https://issuer.example/\r\nX: y",
        "https://issuer.example:port/",
        "https://",
        "",
        "https://issuer.example/" + "x" * 2048,
    ],
)
async def test_a_url_that_is_none_of_a_document_is_not_asked(url: str) -> None:
    await refused(GOOD, url)


async def test_loopback_without_tls_is_asked_only_where_it_is_allowed() -> None:
    async with running_issuer() as issuer:
        assert "is not https" in await refused(HttpDocuments(), issuer.url)

    assert issuer.asked == []


async def test_a_certificate_must_be_one_that_is_trusted(tmp_path: Path) -> None:
    key, certificate = _self_signed()
    pem = tmp_path / "issuer.pem"
    pem.write_bytes(
        certificate.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    async with running_issuer(tls=context) as issuer:
        issuer.replies["/"] = ok({"x": 1})
        url = f"https://{issuer.name}"

        assert await HttpDocuments(authorities_file=str(pem)).fetch(url) == b'{"x": 1}'
        assert "could not be reached" in await refused(HttpDocuments(), url)

    assert issuer.asked == ["/"]


def _self_signed() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return key, certificate

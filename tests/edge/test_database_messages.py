"""PostgreSQL's first messages, as strangers may send them; SCRAM against its published exchange; the password file."""

import asyncio
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.edge.database.messages import (
    MAX_STARTUP_BYTES,
    CancelRequest,
    EncryptionRequest,
    MalformedMessage,
    Opening,
    StartupMessage,
    read_message,
    read_opening,
    render_error,
    render_message,
    render_startup,
    render_version,
)
from velvetrope.edge.database.passwords import DatabasePasswords, PasswordFileRefused
from velvetrope.edge.database.scram import ScramClient, ScramRefused
from velvetrope.secret import Secret

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
NAMES = TEXTS.filter(lambda name: name and not name.startswith("_pq_."))


class Bytes:
    """A reader of what is there; asking for more is how a connection ends."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    async def readexactly(self, n: int, /) -> bytes:
        if n > len(self.data):
            raise asyncio.IncompleteReadError(self.data, n)
        found, self.data = self.data[:n], self.data[n:]
        return found


def opening(data: bytes) -> Opening:
    return asyncio.run(read_opening(Bytes(data)))


@given(st.dictionaries(NAMES, TEXTS, max_size=10), NAMES)
def test_what_was_rendered_is_parsed_again(parameters: dict[str, str], user: str) -> None:
    given = {**parameters, "user": user}

    assert opening(render_startup(given)) == StartupMessage(0, given, ())


@given(st.binary(max_size=200))
def test_whatever_a_stranger_sends_is_read_or_refused(data: bytes) -> None:
    try:
        found = opening(data)
    except (MalformedMessage, asyncio.IncompleteReadError):
        return
    assert isinstance(found, EncryptionRequest | CancelRequest | StartupMessage)


def test_requests_before_the_startup_message_are_known() -> None:
    cancel = struct.pack(">IIII", 16, 80877102, 7, 8)

    assert opening(struct.pack(">II", 8, 80877103)) == EncryptionRequest(tls=True)
    assert opening(struct.pack(">II", 8, 80877104)) == EncryptionRequest(tls=False)
    assert opening(cancel) == CancelRequest(cancel)


def startup(body: bytes, *, version: int = 3 << 16, length: int | None = None) -> bytes:
    return struct.pack(">II", len(body) + 8 if length is None else length, version) + body


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">II", 9, 80877103) + b"x",
        struct.pack(">II", 12, 80877102) + b"xxxx",
        struct.pack(">II", 1_000_000, 80877102) + b"x" * 100,
        startup(b"user\0me\0\0", length=MAX_STARTUP_BYTES + 1),
        startup(b"user\0me\0\0", length=2**32 - 1),
        startup(b"user\0me\0\0", length=8),
        startup(b"user\0me\0\0", length=0),
        startup(b"user\0me\0\0", version=2 << 16),
        startup(b"user\0me\0\0", version=4 << 16),
        startup(b"user\0me\0"),
        startup(b"user\0me"),
        startup(b"user\0\0\0"),
        startup(b"database\0me\0\0"),
        startup(b"user\0me\0user\0you\0\0"),
        startup(b"user\0me\0\0x\0\0"),
        startup(b"user\0\xff\0\0"),
        startup(b"user\0me\0" + b"".join(b"p%d\0v\0" % n for n in range(64)) + b"\0"),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_no_opening_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        opening(data)


def test_a_length_is_refused_before_a_byte_more_is_read() -> None:
    reader = Bytes(startup(b"", length=MAX_STARTUP_BYTES + 1) + b"more")

    with pytest.raises(MalformedMessage):
        asyncio.run(read_opening(reader))

    assert reader.data == b"more"


def test_newer_protocols_and_their_options_are_answered_with_what_is_spoken_here() -> None:
    found = opening(startup(b"user\0me\0_pq_.future\x001\0\0", version=(3 << 16) + 2))

    assert found == StartupMessage(2, {"user": "me"}, ("_pq_.future",))
    assert render_version(found) == b"v" + struct.pack(">III", 4 + 8 + 12, 0, 1) + b"_pq_.future\0"


def test_messages_are_bounded() -> None:
    assert asyncio.run(read_message(Bytes(render_message(b"p", b"word")), max_bytes=4)) == (b"p", b"word")
    for data in (render_message(b"p", b"words"), b"p\0\0\0\3", b"p\xff\xff\xff\xff"):
        with pytest.raises(MalformedMessage):
            asyncio.run(read_message(Bytes(data), max_bytes=4))


def test_an_error_has_postgresql_s_fields() -> None:
    body = b"SFATAL\0VFATAL\0C28000\0Mno\0\0"

    assert render_error("28000", "no") == b"E" + struct.pack(">I", len(body) + 4) + body


# RFC 7677 section 3. The name is in the published exchange; PostgreSQL's clients leave it out, so the proof differs.
SERVER_FIRST = "r={nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"


def scram() -> tuple[ScramClient, str]:
    client = ScramClient(Secret("pencil"), b"0123456789abcdefgh")
    return client, client.first().removeprefix("n,,n=,r=")


def test_scram_proves_the_password_as_the_rfc_computes_it() -> None:
    """The formulas of RFC 5802 section 3, written out a second time."""
    import base64
    import hashlib
    import hmac

    client, nonce = scram()
    server_first = SERVER_FIRST.format(nonce=nonce)
    final = client.final(server_first)

    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)
    assert base64.b64encode(salted) == b"xKSVEDI6tPlSysH6mUQZOeeOp01r6B3fcJbodRPcYV0="
    without_proof, _, proof = final.rpartition(",p=")
    message = f"n=,r={nonce},{server_first},{without_proof}".encode()
    key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
    assert bytes(a ^ b for a, b in zip(base64.b64decode(proof), signature, strict=True)) == key
    good = base64.b64encode(hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")).decode()
    client.verify(f"v={good}")
    with pytest.raises(ScramRefused):
        client.verify(f"v={base64.b64encode(b'x' * 32).decode()}")


@pytest.mark.parametrize(
    "server_first",
    [
        "",
        "r={nonce},s=AAAA,i=4096",
        "r=other,s=AAAA,i=4096",
        "r={nonce}x,s=?,i=4096",
        "r={nonce}x,s=AAAA,i=4095",
        "r={nonce}x,s=AAAA,i=1000001",
        "r={nonce}x,s=AAAA,i=99999999999",
        "r={nonce}x,s=AAAA,i=many",
        "r={nonce}x,s=AAAA",
        "s=AAAA,r={nonce}x,i=4096",
        "m=ext,r={nonce}x,s=AAAA,i=4096",
    ],
)
def test_a_false_server_s_message_is_refused(server_first: str) -> None:
    client, nonce = scram()

    with pytest.raises(ScramRefused):
        client.final(server_first.format(nonce=nonce))
    with pytest.raises(ScramRefused):
        client.verify("v=")


def file(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_first_line_that_matches_has_the_password(tmp_path: Path) -> None:
    text = "# the door's\n\nlocalhost:5432:shop:orders:first\n*:*:*:orders:second\n*:*:*:a\\:b:with\\\\and\\:\n"
    passwords = DatabasePasswords.load(file(tmp_path / "pass", text))

    def find(user: str, database: str = "shop", port: int = 5432) -> str | None:
        found = passwords.find("localhost", port, database=database, user=user)
        return None if found is None else found.reveal()

    assert find("orders") == "first"
    assert find("orders", "other") == find("orders", port=5433) == "second"
    assert find("a:b") == "with\\and:"
    assert find("nobody") is None


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("*:*:*:orders:word\n", 0o640),
        ("*:*:*:orders:word\n", 0o604),
        ("*:*:*:*:word\n", 0o600),
        ("*:*:*::word\n", 0o600),
        ("*:*:*:orders:\n", 0o600),
        ("*:*:*:orders:pässwort\n", 0o600),
        ("*:*:orders:word\n", 0o600),
        ("*:*:*:orders:with:colon\n", 0o600),
        ("# nothing\n", 0o600),
    ],
)
def test_a_password_file_that_cannot_be_meant_is_refused_without_repeating_it(
    tmp_path: Path, text: str, mode: int
) -> None:
    with pytest.raises(PasswordFileRefused) as refused:
        DatabasePasswords.load(file(tmp_path / "pass", text, mode))

    assert "word" not in refused.value.message.replace("password", "")
    with pytest.raises(PasswordFileRefused):
        DatabasePasswords.load(tmp_path / "missing")

"""PostgreSQL's first messages: what a stranger may send before anybody knows who it is.

Before the session begins a client sends packets without a type byte: a request for TLS or GSSAPI encryption, a request
to cancel another session's query, or the startup message. Each begins with its own length. Lengths are bounded before
a byte more is read, and what is not one of these is refused.

Source: PostgreSQL 16 documentation, sections 55.2 "Message Flow" and 55.7 "Message Formats".
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from velvetrope.errors import ReasonError

__all__ = [
    "AUTHENTICATION_OK",
    "CLEARTEXT_PASSWORD",
    "CancelRequest",
    "EncryptionRequest",
    "MalformedMessage",
    "Opening",
    "Reader",
    "StartupMessage",
    "read_message",
    "read_opening",
    "render_error",
    "render_message",
    "render_startup",
    "render_version",
]

MAX_STARTUP_BYTES: Final = 10_000
"""As PostgreSQL's own MAX_STARTUP_PACKET_LENGTH."""
MAX_PASSWORD_BYTES: Final = 65_535
"""As PostgreSQL's own limit for a password message, which tokens have to fit in."""
MAX_PARAMETERS: Final = 64

_SSL, _GSSENC, _CANCEL = 80877103, 80877104, 80877102
_PROTOCOL_3 = 3
_CANCEL_KEY_BYTES = 4
AUTHENTICATION_OK: Final = b"R\x00\x00\x00\x08\x00\x00\x00\x00"
CLEARTEXT_PASSWORD: Final = b"R\x00\x00\x00\x08\x00\x00\x00\x03"


class MalformedMessage(ReasonError):
    """Bytes that PostgreSQL's protocol does not have here."""


class Reader(Protocol):
    """Hands out exactly as many bytes as are asked for; `asyncio.StreamReader` is one."""

    async def readexactly(self, n: int, /) -> bytes:
        """Raises: asyncio.IncompleteReadError when the connection ends before."""
        ...


@dataclass(frozen=True, slots=True)
class EncryptionRequest:
    """The client would like to go on encrypted, by TLS or by GSSAPI."""

    tls: bool


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """Cancel what another session runs; the packet is passed on as it came."""

    packet: bytes


@dataclass(frozen=True, slots=True)
class StartupMessage:
    """Who wants to connect as whom to what. `minor_version` above 0 and `_pq_.` options are answered with 3.0."""

    minor_version: int
    parameters: Mapping[str, str]
    protocol_options: tuple[str, ...]

    @property
    def user(self) -> str:
        return self.parameters["user"]


Opening = EncryptionRequest | CancelRequest | StartupMessage


async def read_opening(reader: Reader) -> Opening:
    """The next packet of a client that has not started a session.

    Raises:
        MalformedMessage: too short, too long, or none of the three.
        asyncio.IncompleteReadError: the client is gone.
    """
    head = await reader.readexactly(8)
    length, code = struct.unpack(">II", head)
    if code in {_SSL, _GSSENC}:
        if length != len(head):
            raise MalformedMessage("an encryption request of another length")
        return EncryptionRequest(tls=code == _SSL)
    if code == _CANCEL:
        if length != len(head) + 4 + _CANCEL_KEY_BYTES:
            raise MalformedMessage("a cancel request of another length")
        return CancelRequest(head + await reader.readexactly(length - len(head)))
    if not len(head) < length <= MAX_STARTUP_BYTES:
        raise MalformedMessage("a startup message of an impossible length")
    major, minor = code >> 16, code & 0xFFFF
    if major != _PROTOCOL_3:
        raise MalformedMessage(f"protocol {major}.{minor}, which is not spoken here")
    return _parse_startup(minor, await reader.readexactly(length - len(head)))


def _parse_startup(minor_version: int, body: bytes) -> StartupMessage:
    if not body.endswith(b"\0"):
        raise MalformedMessage("a startup message without its end")
    # Names and values end in NUL each, and one more NUL ends the list.
    fields = body[:-1].split(b"\0")
    if fields.pop() or len(fields) % 2 or len(fields) > 2 * MAX_PARAMETERS:
        raise MalformedMessage("a startup message whose names and values do not pair")
    parameters: dict[str, str] = {}
    options: list[str] = []
    for raw_name, raw_value in zip(fields[::2], fields[1::2], strict=True):
        try:
            name, value = raw_name.decode(), raw_value.decode()
        except UnicodeDecodeError:
            raise MalformedMessage("a startup message that is not UTF-8") from None
        if not name or name in parameters:
            raise MalformedMessage("a startup message with an empty name, or one twice")
        if name.startswith("_pq_."):
            options.append(name)
        else:
            parameters[name] = value
    if not parameters.get("user"):
        raise MalformedMessage("a startup message without a user")
    return StartupMessage(minor_version, parameters, tuple(options))


async def read_message(reader: Reader, *, max_bytes: int) -> tuple[bytes, bytes]:
    """Type and body of the next message, of at most `max_bytes` of body.

    Raises:
        MalformedMessage: it is longer, or its length is impossible.
        asyncio.IncompleteReadError: the other side is gone.
    """
    head = await reader.readexactly(5)
    length = int.from_bytes(head[1:]) - 4
    if not 0 <= length <= max_bytes:
        raise MalformedMessage("a message of an impossible length")
    return head[:1], await reader.readexactly(length)


def render_message(kind: bytes, body: bytes) -> bytes:
    """A message with its type and length."""
    return kind + (len(body) + 4).to_bytes(4) + body


def render_startup(parameters: Mapping[str, str]) -> bytes:
    """A startup message of protocol 3.0."""
    body = b"".join(f"{name}\0{value}\0".encode() for name, value in parameters.items()) + b"\0"
    return struct.pack(">II", len(body) + 8, _PROTOCOL_3 << 16) + body


def render_version(startup: StartupMessage) -> bytes:
    """NegotiateProtocolVersion: 3.0, and none of the options that were asked for."""
    names = b"".join(name.encode() + b"\0" for name in startup.protocol_options)
    return render_message(b"v", struct.pack(">II", 0, len(startup.protocol_options)) + names)


def render_error(sqlstate: str, message: str) -> bytes:
    """A FATAL ErrorResponse; the session ends with it.

    Source: PostgreSQL 16 documentation, appendix A (codes), section 55.8 (fields).
    """
    fields = {"S": "FATAL", "V": "FATAL", "C": sqlstate, "M": message}
    body = b"".join(f"{name}{value}\0".encode() for name, value in fields.items())
    return render_message(b"E", body + b"\0")

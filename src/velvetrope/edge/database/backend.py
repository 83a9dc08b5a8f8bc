"""The real PostgreSQL behind the door: one connection for one session, as one user.

The door authenticates with SCRAM-SHA-256 and its own password for that user. Any other method is refused: `trust` would
mean that whoever reaches PostgreSQL needs no door, and a password in clear or hashed with MD5 is not sent.

PostgreSQL listens on this machine (a loopback address), because what is said between it and the door is not encrypted.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from velvetrope.clock import Entropy
from velvetrope.edge.database.messages import (
    MalformedMessage,
    read_message,
    render_message,
    render_startup,
)
from velvetrope.edge.database.passwords import DatabasePasswords
from velvetrope.edge.database.scram import MECHANISM, ScramClient, ScramRefused
from velvetrope.errors import ReasonError
from velvetrope.secret import Secret

__all__ = ["Backend", "BackendConnection", "BackendRefused"]

_MAX_BYTES = 65_536
_NONCE_BYTES = 18
_AUTHORIZATION = "28"
"""The class of codes for wrong passwords and missing lines in pg_hba.conf."""
_OK, _SASL, _SASL_CONTINUE, _SASL_FINAL = 0, 10, 11, 12


class BackendRefused(ReasonError):
    """No session could be opened. `response` is PostgreSQL's own ErrorResponse, if that is for the client to hear."""

    def __init__(self, message: str, *, response: bytes = b"") -> None:
        super().__init__(message)
        self.response = response


@dataclass(frozen=True, slots=True)
class BackendConnection:
    """A session that is authenticated. What PostgreSQL says next is the client's."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Backend:
    """Where PostgreSQL is, and the passwords for it."""

    def __init__(self, host: str, port: int, passwords: DatabasePasswords, entropy: Entropy) -> None:
        self._host = host
        self._port = port
        self._passwords = passwords
        self._entropy = entropy

    async def connect(self, parameters: Mapping[str, str]) -> BackendConnection:
        """A session with these startup parameters, `user` among them.

        Raises:
            BackendRefused: no password for that user, PostgreSQL cannot be reached, or it refuses.
        """
        user = parameters["user"]
        password = self._passwords.find(self._host, self._port, database=parameters.get("database", user), user=user)
        if password is None:
            raise BackendRefused(f"the password file has no line for the user {user}")
        try:
            reader, writer = await asyncio.open_connection(self._host, self._port)
        except OSError as err:
            raise BackendRefused(f"PostgreSQL at {self._host}:{self._port} cannot be reached: {err}") from err
        try:
            writer.write(render_startup(parameters))
            await self._authenticate(reader, writer, password)
        except BaseException as err:
            writer.close()
            if isinstance(err, OSError | asyncio.IncompleteReadError | MalformedMessage | ScramRefused):
                raise BackendRefused(f"PostgreSQL did not let the door in: {err}") from err
            raise
        return BackendConnection(reader, writer)

    async def cancel(self, packet: bytes) -> None:
        """Pass a request to cancel on. PostgreSQL answers nothing to it."""
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(self._host, self._port)
            try:
                writer.write(packet)
                await writer.drain()
            finally:
                writer.close()

    async def _authenticate(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, password: Secret[str]
    ) -> None:
        scram = ScramClient(password, self._entropy.token_bytes(_NONCE_BYTES))
        kind, body = await _read_authentication(reader)
        if kind != _SASL or MECHANISM not in body.decode("latin-1").split("\0"):
            raise BackendRefused("PostgreSQL does not ask for SCRAM-SHA-256: see pg_hba.conf")
        first = scram.first().encode()
        mechanism = MECHANISM.encode() + b"\0"
        writer.write(render_message(b"p", mechanism + len(first).to_bytes(4) + first))
        kind, body = await _read_authentication(reader)
        if kind != _SASL_CONTINUE:
            raise BackendRefused("PostgreSQL does not go on with SCRAM")
        writer.write(render_message(b"p", scram.final(body.decode("latin-1")).encode()))
        kind, body = await _read_authentication(reader)
        if kind != _SASL_FINAL:
            raise BackendRefused("PostgreSQL does not prove that it knows the password")
        scram.verify(body.decode("latin-1"))
        kind, _ = await _read_authentication(reader)
        if kind != _OK:
            raise BackendRefused("PostgreSQL asks for more than SCRAM")


async def _read_authentication(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    kind, body = await read_message(reader, max_bytes=_MAX_BYTES)
    if kind == b"E":
        fields = {field[:1]: field[1:].decode("utf-8", "replace") for field in body.split(b"\0") if field}
        # What is wrong with the door's own password is the owner's to know.
        own = fields.get(b"C", "").startswith(_AUTHORIZATION)
        response = b"" if own else render_message(kind, body)
        raise BackendRefused(f"PostgreSQL refused: {fields.get(b'M', '')}", response=response)
    if kind != b"R" or len(body) < 4:
        raise MalformedMessage("not an authentication message")
    return int.from_bytes(body[:4]), body[4:]

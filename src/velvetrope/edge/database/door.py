"""The door itself: it accepts connections, and opens a session for those whose token is good.

    client                                   door                                 PostgreSQL
    SSLRequest                   ->          S, then TLS
    StartupMessage               ->          AuthenticationCleartextPassword
    PasswordMessage (the token)  ->          verified and judged
                                             StartupMessage, SCRAM      ->        AuthenticationOk
                                 <-          AuthenticationOk
    from here on everything is passed on as it is, both ways

Until TLS is spoken, bytes are taken from the socket one packet at a time and no further, so that nothing that was sent
in clear can pass for something that came encrypted (the case of CVE-2021-23222). A client that goes on without TLS is
refused before it has sent anything secret. Until a session is open, a connection has `OPENING_SECONDS` in all, and
there are at most `MAX_OPENING` such connections; what strangers send is bounded before it is read (`messages`).

A refused client hears what RDS says and no more. The reason is in the decision record, one for every connection that
came to a decision.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final, Literal

from velvetrope.clock import Clock, Entropy
from velvetrope.decisions import DecisionRecord, DecisionStep, Recorder
from velvetrope.edge.database.backend import Backend, BackendConnection, BackendRefused
from velvetrope.edge.database.messages import (
    AUTHENTICATION_OK,
    CLEARTEXT_PASSWORD,
    MAX_PASSWORD_BYTES,
    CancelRequest,
    EncryptionRequest,
    MalformedMessage,
    StartupMessage,
    read_message,
    read_opening,
    render_error,
    render_version,
)
from velvetrope.edge.database.tokens import ACTION, SERVICE, TokenRefused, TokenVerifier
from velvetrope.identifiers import new_uuid

__all__ = ["DatabaseDoor"]

OPENING_SECONDS: Final = 15.0
"""From the connection's start to an open session, TLS and PostgreSQL's own authentication included."""
MAX_OPENING: Final = 64
MAX_SESSIONS: Final = 200
_BLOCK_BYTES: Final = 65_536
_BACKLOG: Final = 128
_REFUSED, _NOT_SUPPORTED, _PROTOCOL_VIOLATION, _UNREACHABLE, _TOO_MANY = "28000", "0A000", "08P01", "57P03", "53300"

_log = logging.getLogger(__name__)


class _Refused(Exception):
    """The client is told this, and the connection ends."""

    def __init__(self, sqlstate: str, message: str, *, response: bytes = b"") -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.response = response or render_error(sqlstate, message)


@dataclass(slots=True)
class _Trail:
    """What is known of a connection, for its decision record."""

    source_ip: str
    user: str = ""
    database: str = ""
    principal_arn: str = ""
    steps: list[DecisionStep] = field(default_factory=list)

    def note(self, step: str, outcome: Literal["allowed", "refused"], reason: str) -> None:
        self.steps.append(DecisionStep(step, outcome, reason))


class DatabaseDoor:
    """See the module. Belongs to one event loop from `start` on."""

    def __init__(
        self,
        tokens: TokenVerifier,
        backend: Backend,
        recorder: Recorder,
        clock: Clock,
        entropy: Entropy,
        *,
        tls: Callable[[], ssl.SSLContext],
        opening_seconds: float = OPENING_SECONDS,
    ) -> None:
        """`tls` makes the context; it is called once, at the start."""
        self._tokens = tokens
        self._backend = backend
        self._recorder = recorder
        self._clock = clock
        self._entropy = entropy
        self._make_tls = tls
        self._opening_seconds = opening_seconds
        self._tls: ssl.SSLContext | None = None
        self._sockets: list[socket.socket] = []
        self._acceptors: list[asyncio.Task[None]] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._sessions = 0

    async def start(self, sockets: list[socket.socket]) -> None:
        """Begin to accept on these sockets, which listen already."""
        self._tls = await asyncio.to_thread(self._make_tls)
        for sock in sockets:
            sock.setblocking(False)
            self._sockets.append(sock)
            self._acceptors.append(asyncio.create_task(self._accept(sock)))

    async def stop(self) -> None:
        """End all sessions, and listen no more."""
        tasks = [*self._acceptors, *self._connections]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for sock in self._sockets:
            sock.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(listening)
            except OSError:
                _log.warning("the database door could not accept a connection", exc_info=True)
                await asyncio.sleep(0.1)  # out of descriptors, most likely
                continue
            if len(self._connections) - self._sessions >= MAX_OPENING:
                sock.close()
                continue
            task = asyncio.create_task(self._serve(sock, str(address[0])))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

    async def _serve(self, sock: socket.socket, source_ip: str) -> None:
        """One connection, from its first byte to its last."""
        sock.setblocking(False)
        trail = _Trail(source_ip)
        started = perf_counter()
        writer: asyncio.StreamWriter | None = None
        backend: BackendConnection | None = None
        try:
            async with asyncio.timeout(self._opening_seconds):
                if not await self._agree_on_tls(sock):
                    return
                reader, writer = await self._speak_tls(sock)
                backend = await self._open(reader, writer, trail, started)
            if backend is not None:
                await self._relay(reader, writer, backend)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, MalformedMessage):
            return  # gone, too slow, or no PostgreSQL client; strangers decide how many there are, so no log
        except Exception:  # noqa: BLE001 - where faults of ours stop
            _log.exception("a connection to the database door failed")
        finally:
            if backend is not None:
                self._sessions -= 1
                backend.writer.close()
            if writer is not None:
                writer.close()
            else:
                sock.close()

    async def _agree_on_tls(self, sock: socket.socket) -> bool:
        """Whether the client is about to speak TLS; else it is answered."""
        loop, reader = asyncio.get_running_loop(), _SocketReader(sock)
        for _ in range(2):  # GSSAPI may be asked for first, once
            match await read_opening(reader):
                case EncryptionRequest(tls=True):
                    await loop.sock_sendall(sock, b"S")
                    return True
                case EncryptionRequest():
                    await loop.sock_sendall(sock, b"N")
                case CancelRequest(packet):
                    await self._backend.cancel(packet)
                    return False
                case StartupMessage():
                    why = "this database is reached over TLS only: connect with sslmode=require or stronger"
                    await loop.sock_sendall(sock, render_error(_REFUSED, why))
                    return False
        return False

    async def _speak_tls(self, sock: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_BLOCK_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, sock, ssl=self._tls, ssl_handshake_timeout=self._opening_seconds
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _open(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, trail: _Trail, started: float
    ) -> BackendConnection | None:
        """The session behind the door; None for a client that only cancels."""
        opening = await read_opening(reader)
        if isinstance(opening, CancelRequest):
            await self._backend.cancel(opening.packet)
            return None
        if not isinstance(opening, StartupMessage):
            raise MalformedMessage("an encryption request inside TLS")
        trail.user, trail.database = opening.user, opening.parameters.get("database", opening.user)
        try:
            backend = await self._admit(opening, reader, writer, trail)
        except _Refused as refused:
            self._keep(trail, refused, started)
            writer.write(refused.response)
            await writer.drain()
            return None
        self._keep(trail, None, started)
        writer.write(AUTHENTICATION_OK)
        return backend

    async def _admit(
        self, startup: StartupMessage, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, trail: _Trail
    ) -> BackendConnection:
        """Steps run top to bottom; the first refusal wins."""
        if startup.minor_version or startup.protocol_options:
            writer.write(render_version(startup))
        if "replication" in startup.parameters:
            trail.note("startup", "refused", "replication was asked for")
            raise _Refused(_NOT_SUPPORTED, "velvetrope does not support replication through this door")
        writer.write(CLEARTEXT_PASSWORD)
        kind, body = await read_message(reader, max_bytes=MAX_PASSWORD_BYTES)
        if kind != b"p":
            trail.note("token", "refused", "the client sent something else than a password")
            raise _Refused(_PROTOCOL_VIOLATION, "expected a password")
        await self._verify(body, startup.user, trail)
        if self._sessions >= MAX_SESSIONS:
            trail.note("database", "refused", f"there are {MAX_SESSIONS} sessions already")
            raise _Refused(_TOO_MANY, "sorry, too many clients already")
        self._sessions += 1  # before there is one, so that no two take the last place
        try:
            backend = await self._backend.connect(startup.parameters)
        except BaseException as err:
            self._sessions -= 1
            if not isinstance(err, BackendRefused):
                raise
            trail.note("database", "refused", err.message)
            raise _Refused(_UNREACHABLE, "the database cannot be reached", response=err.response) from err
        trail.note("database", "allowed", f"connected as {startup.user} with the door's own password")
        return backend

    async def _verify(self, password: bytes, user: str, trail: _Trail) -> None:
        # The same words whatever the reason, as on RDS.
        refused = _Refused(_REFUSED, f'PAM authentication failed for user "{user}"')
        if not password.endswith(b"\0"):
            trail.note("token", "refused", "the password message has no end")
            raise refused
        token = password[:-1].decode("utf-8", "replace")
        try:
            verified = await self._tokens.verify(token, user=user, source_ip=trail.source_ip, now=self._clock.now())
        except TokenRefused as reason:
            if reason.principal is not None:
                trail.principal_arn = reason.principal.arn
                trail.note("authentication", "allowed", f"the token is of {reason.principal.arn}")
            trail.note(reason.step, "refused", reason.message)
            raise refused from reason
        trail.principal_arn = verified.principal.arn
        trail.note("authentication", "allowed", f"the token is of {verified.principal.arn}")
        trail.note("authorization", "allowed", "; ".join(verified.decision.reasons))

    async def _relay(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, backend: BackendConnection
    ) -> None:
        """Pass everything on until one side ends."""
        ways = [
            asyncio.create_task(_copy(reader, backend.writer)),
            asyncio.create_task(_copy(backend.reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    def _keep(self, trail: _Trail, refusal: _Refused | None, started: float) -> None:
        self._recorder.record(
            DecisionRecord(
                request_id=new_uuid(self._entropy),
                at=self._clock.now(),
                service=SERVICE,
                action=ACTION,
                resource=self._tokens.resource(trail.user),
                method="CONNECT",
                path=f"/{trail.database}",
                source_ip=trail.source_ip,
                principal_arn=trail.principal_arn,
                outcome="allowed" if refusal is None else "refused",
                status=200 if refusal is None else 403,
                code="" if refusal is None else refusal.sqlstate,
                steps=tuple(trail.steps),
                duration_ms=round((perf_counter() - started) * 1000, 3),
            )
        )


class _SocketReader:
    """Takes exactly what is asked for from a socket, and leaves the rest there."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    async def readexactly(self, n: int, /) -> bytes:
        loop = asyncio.get_running_loop()
        found = b""
        while len(found) < n:
            more = await loop.sock_recv(self._sock, n - len(found))
            if not more:
                raise asyncio.IncompleteReadError(found, n)
            found += more
        return found


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while block := await reader.read(_BLOCK_BYTES):
            writer.write(block)
            await writer.drain()

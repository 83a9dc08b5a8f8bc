"""One connection of this server: whose each of its requests is.

Calls to deployed APIs and of AWS operations skip ASGI (`direct_cycle.py`), and those to deployed APIs that have arrived
together are answered one right after the other (`turns.py`). Calls to deployed APIs that are like one before are not
parsed at all (`known_heads.py`), nor are heads of unsigned calls of operations (`known_calls.py`). All else is the ASGI
app's, by uvicorn's own cycle.
"""

import asyncio
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from velvetrope.edge.direct_cycle import DirectCycle
from velvetrope.edge.gateway_cycle import GatewayCycle, GatewayDoor
from velvetrope.edge.http_connection import HttpConnection
from velvetrope.edge.known_calls import KnownCalls
from velvetrope.edge.known_heads import KnownHead, KnownHeads, take_apart
from velvetrope.edge.one_write import OneWrite
from velvetrope.edge.operation_cycle import OperationCycle, OperationDoor
from velvetrope.edge.requests import head_of
from velvetrope.edge.turns import Turn

__all__ = ["Connection", "DirectDoors"]

_NUMBER_SIGN: Final = 0x23


@dataclass(frozen=True, slots=True)
class DirectDoors:
    """Who answers without ASGI, and what is known of earlier calls: one for all connections of a listener."""

    gateway: GatewayDoor | None
    operations: OperationDoor | None
    turn: Turn
    heads: KnownHeads
    calls: KnownCalls


class Connection(HttpConnection):
    """See the module."""

    def __init__(self, config: Config, state: ServerState, loop: asyncio.AbstractEventLoop, doors: DirectDoors) -> None:
        super().__init__(config, state, loop)
        self._gateway = doors.gateway
        self._operations = doors.operations
        self._turn = doors.turn
        self._heads = doors.heads
        self._calls = doors.calls
        self._known: KnownHead | None = None
        """The head of this connection's last call that was not parsed."""
        self._known_cycle: GatewayCycle | None = None
        """That call. It is the next one with the same head, too: a connection answers one after the other."""
        self._known_operation: OperationCycle | None = None
        """The same for calls of operations, whatever their heads."""
        self._chunk: bytes | None = None
        """What is being read, if it begins where a message may begin."""
        self._unstarted: DirectCycle | None = None
        """A call whose head has been read, while the rest of the chunk is."""
        self._has_ended = False

    def data_received(self, data: bytes) -> None:
        self._idle_since = None
        if not (self._receiving_head or self._receiving_body):
            if self._begin_known_operation(data) if data.startswith(b"POST ") else self._begin_known_call(data):
                return
            self._chunk = data
        try:
            is_fine = self._read(data)
        finally:
            self._chunk = None
        cycle, self._unstarted = self._unstarted, None
        if is_fine and cycle is not None:
            # It begins without the rest of its body, and will wait for it.
            cycle.start()

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn never stays open and says None
        """Stay open for the answers that are owed: a client may close its side behind its last request.

        (RFC 9112 section 9.6. Over TLS the loop closes all the same.) One that has gone is found out by writing to it.
        """
        is_last_complete = not self._receiving_body
        if self.scheme == "https" or not self._is_answering() or not (is_last_complete or self.pipeline):
            return False
        self._has_ended = True
        if is_last_complete:
            self.cycle.keep_alive = False
        return True

    def on_response_complete(self) -> None:
        # As uvicorn has it, but for the timer: the sweep finds idle connections.
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            if self._has_ended and cycle.more_body:
                self.transport.close()
                return
            self._start_asgi_task(cycle, app)

    def _begin_request(self, http_version: str) -> None:
        if not self._begin_direct_call(http_version):
            super()._begin_request(http_version)
            if self.parser.get_method() != b"HEAD":  # its head is all there is to write
                self.cycle.transport = OneWrite(self.transport, self.loop)  # type: ignore[assignment]  # as much as it asks of one

    def _end_request(self) -> None:
        cycle = self._unstarted
        if cycle is None:
            super()._end_request()
            return
        self._unstarted = None
        cycle.more_body = False
        if isinstance(cycle, GatewayCycle):
            self._turn.add(cycle, self.loop)
        else:
            if self._chunk is not None and isinstance(cycle, OperationCycle):
                self._calls.learn(self._chunk, cycle.as_known(), bytes(cycle.body))
            cycle.start()

    def _begin_direct_call(self, http_version: str) -> bool:
        """Answer this request without ASGI if it is a call to a deployed API or of an operation."""
        cycle = self._find_direct_call(http_version)
        if cycle is None:
            return False
        is_free = not self._is_answering()
        self.cycle = cycle  # type: ignore[assignment]  # it has the outside of uvicorn's own, and takes its place
        if is_free:
            self._unstarted = cycle
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))
        return True

    def _find_direct_call(self, http_version: str) -> DirectCycle | None:
        url = self.url
        if _NUMBER_SIGN in url or not url.startswith(b"/") or not url.isascii():
            return None
        raw_path, _, query_string = url.partition(b"?")
        if self._gateway is not None:
            call = self._gateway.find_gateway_call(raw_path, self.by_name.get(b"host", b""))
            if call is not None:
                return GatewayCycle(
                    self,
                    self._gateway,
                    call,
                    self.parser.get_method().decode("ascii"),
                    raw_path,
                    query_string,
                    http_version,
                    http_version != "1.0" and self.parser.should_keep_alive(),
                    self._chunk,
                    self._heads,
                    self.by_name,
                )
        if self._operations is None or raw_path.startswith(b"//"):
            return None
        method, path = self.parser.get_method().decode("ascii"), raw_path.decode("ascii")
        if "%" in path:
            path = unquote(path)
        head = head_of(method, path, raw_path, query_string, self.headers, self.by_name)
        if not self._operations.takes_call(head):
            return None
        keep_alive = http_version != "1.0" and self.parser.should_keep_alive()
        return OperationCycle(self, self._operations, head, http_version, keep_alive)

    def _begin_known_call(self, data: bytes) -> bool:
        """Answer a call whose head differs only in its signature from one that was answered; nothing is parsed then."""
        last: RequestResponseCycle | None = self.cycle  # as in `_is_answering`
        if self._gateway is None or (last is not None and not last.response_complete) or self.transport.is_closing():
            return False
        known = self._known
        parts = None if known is None else known.find_parts(data)
        if known is None or parts is None:
            parts = take_apart(data)
            known = None if parts is None else self._heads.find(parts)
            if parts is None or known is None:
                return False
            self._known, self._known_cycle = known, None
        cycle = self._known_cycle
        if cycle is None:
            cycle = self._known_cycle = GatewayCycle.of_known(self, self._gateway, known, parts, self._heads)
        else:
            cycle.repeat(known, parts)
        self.cycle = cycle  # type: ignore[assignment]  # as in `_begin_direct_call`
        self._turn.add(cycle, self.loop)
        return True

    def _begin_known_operation(self, data: bytes) -> bool:
        """Answer a call of an operation whose head was read before, unless it is for a deployed API by now."""
        if self._operations is None or self._is_answering() or self.transport.is_closing():
            return False
        found = self._calls.find(data)
        if found is None:
            return False
        known, body = found
        if self._gateway is not None:
            head = known.head
            if self._gateway.find_gateway_call(head.raw_path, head.by_name.get(b"host", b"")) is not None:
                return False
        cycle = self._known_operation
        if cycle is None:
            cycle = self._known_operation = OperationCycle.of_known(self, self._operations, known, body)
        else:
            cycle.repeat(known, body)
        self.cycle = cycle  # type: ignore[assignment]  # as in `_begin_direct_call`
        cycle.start()
        return True

"""Calls to deployed APIs: a `DirectCycle` that asks a `GatewayDoor`.

A call that is complete when it is read needs no task (`answer_at_once`): its coroutine is run until it waits for
something, and only if it does is a task made of the rest. Most calls wait for nothing.

Every server that is not ours goes through `EdgeApp` as ASGI has it; both ask the same methods of a `GatewayDoor`, so
there is one set of rules.
"""

from collections.abc import Coroutine, Generator, Mapping
from datetime import datetime
from typing import Protocol

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from velvetrope.edge.bodies import MAX_GATEWAY_BODY_BYTES, GatewayCall
from velvetrope.edge.direct_cycle import DirectCycle, Outbox
from velvetrope.edge.known_heads import HeadParts, KnownHead, KnownHeads
from velvetrope.execute_api import GatewayResponse, IncomingRequest, Likeness

__all__ = ["GatewayCycle", "GatewayDoor"]

_FIRST_REFUSAL = 400


class GatewayDoor(Protocol):
    """Knows calls to deployed APIs, and has them answered."""

    def find_gateway_call(self, raw_path: bytes, host: bytes, /) -> GatewayCall | None:
        """The API that this path or host names; None if neither does. `host` is empty if there is none."""
        ...

    def now(self) -> datetime:
        """When a call that is being read was received."""
        ...

    async def answer_gateway(self, incoming: IncomingRequest, /) -> GatewayResponse:
        """The answer, complete with its length. Never raises: a fault is a 500.

        Until it waits for something for the first time it may run outside of any task.
        """
        ...


class GatewayCycle(DirectCycle):
    """One call to a deployed API."""

    __slots__ = (
        "_by_name",
        "_call",
        "_chunk",
        "_door",
        "_heads",
        "_likeness",
        "_query_string",
        "_raw_path",
        "_scheme",
        "_source_ip",
        "received_at",
    )

    def __init__(
        self,
        protocol: HttpToolsProtocol,
        door: GatewayDoor,
        call: GatewayCall,
        method: str,
        raw_path: bytes,
        query_string: bytes,
        http_version: str,
        keep_alive: bool,
        chunk: bytes | None,
        heads: KnownHeads,
        by_name: Mapping[bytes, bytes],
    ) -> None:
        """`chunk` is what was read, if this call began with it; `heads` learns it if the call is let in.

        `by_name` are the connection's headers by lower-case name, the first of a repeated one.
        """
        super().__init__(protocol, method, protocol.headers, http_version, keep_alive, MAX_GATEWAY_BODY_BYTES)
        self._raw_path = raw_path
        self._query_string = query_string
        self._door = door
        self._call = call
        self._source_ip = protocol.client[0] if protocol.client is not None else ""
        self._scheme = protocol.scheme or "http"
        self._chunk = chunk
        self._heads = heads
        self._by_name = by_name
        self._likeness: Likeness | None = None
        self.received_at: datetime | None = None
        """Set by who knows it; else it is when somebody begins to answer."""

    @classmethod
    def of_known(
        cls, protocol: HttpToolsProtocol, door: GatewayDoor, known: KnownHead, parts: HeadParts, heads: KnownHeads
    ) -> "GatewayCycle":
        """A call whose head was not parsed, since one like it was. It has no body."""
        cycle = cls(protocol, door, known.call, "GET", known.raw_path, parts.query_string, "1.1", True, None, heads, {})
        cycle._likeness = known.likeness
        cycle.more_body = False
        cycle.repeat(known, parts)
        return cycle

    def repeat(self, known: KnownHead, parts: HeadParts) -> None:
        """Be the next call with the head that `of_known` was given: the last one has been answered, and kept alive."""
        self._query_string = parts.query_string
        self._headers, self._by_name = known.headers_of(parts)
        self.response_started = False
        self.response_complete = False

    def read_clock(self) -> datetime:
        """When a call that is read now was received."""
        return self._door.now()

    def answer_at_once(self, outbox: Outbox) -> Coroutine[object, None, None] | None:
        """Answer the call now, if that can be done without waiting; else what is left to do, for a task.

        The answer is put into `outbox`, for whoever called to `send`, unless something had to be waited for. What runs
        before it first waits does so outside of any task.
        """
        if self.disconnected or len(self.body) > self._max_body_bytes:
            return self.run_asgi(None)
        answering = self._respond(bytes(self.body))
        try:
            waits_for = answering.send(None)
        except StopIteration as finished:
            response: GatewayResponse = finished.value
        else:
            return self._finish(_Rest(answering, waits_for))
        if response.stream is not None or self._flow.write_paused:
            return self._answer(response)
        self.response_started = True
        self._learn_from(response)
        outbox.append((self, self._render(response)))
        return None

    def _respond(self, body: bytes) -> Coroutine[object, None, GatewayResponse]:
        api_id, stage_path, base_path = self._call
        return self._door.answer_gateway(
            IncomingRequest(
                api_id=api_id,
                method=self._method,
                raw_path=self._raw_path,
                stage_path=stage_path,
                query_string=self._query_string,
                headers=tuple(self._headers),
                body=body,
                source_ip=self._source_ip,
                scheme=self._scheme,
                http_version=self._http_version,
                received_at=self.received_at or self._door.now(),
                by_domain=base_path is not None,
                base_path=base_path or b"",
                by_name=self._by_name,
                likeness=self._likeness,
                has_large_body=self._has_large_body,
            )
        )

    def _learn_from(self, response: GatewayResponse) -> None:
        if self._chunk is not None and response.status < _FIRST_REFUSAL:
            self._heads.learn(
                self._chunk, self._call, self._raw_path, self._query_string, self._http_version, self._headers
            )

    def _refuse_large_body(self) -> Coroutine[object, None, GatewayResponse]:
        # What an API says then depends on its kind, and it is recorded and logged as any other refusal is.
        return self._respond(b"")


class _Rest:
    """What is left of a coroutine that has begun outside of a task and now waits for something."""

    def __init__(self, running: Coroutine[object, None, GatewayResponse], waits_for: object) -> None:
        self._running = running
        self._waits_for = waits_for

    def __await__(self) -> Generator[object, None, GatewayResponse]:
        waits_for = self._waits_for
        try:
            while True:
                try:
                    yield waits_for
                except BaseException as thrown:  # noqa: BLE001 - handed on, cancellation too
                    waits_for = self._running.throw(thrown)
                else:
                    waits_for = self._running.send(None)
        except StopIteration as finished:
            response: GatewayResponse = finished.value
            return response

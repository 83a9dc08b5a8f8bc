"""Calls of AWS operations: a `DirectCycle` that asks an `OperationDoor`.

Unlike calls to deployed APIs each is a task from the beginning: what an operation of some room uses before it first
waits (a timeout, a group of tasks) may need one.
"""

from collections.abc import Awaitable
from typing import Protocol

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from velvetrope.edge.direct_cycle import DirectCycle
from velvetrope.edge.known_calls import KnownCall
from velvetrope.edge.requests import RequestHead
from velvetrope.execute_api import GatewayResponse

__all__ = ["OperationCycle", "OperationDoor"]


class OperationDoor(Protocol):
    """Knows calls of AWS operations by their heads, and has them answered."""

    def takes_call(self, head: RequestHead, /) -> bool:
        """Whether this request is such a call, and nobody else's before.

        The head alone decides: whoever remembers a head may remember this with it.
        """
        ...

    def max_call_bytes(self, head: RequestHead, /) -> int:
        """How large the body of this call may be, by its head alone."""
        ...

    async def answer_operation(self, head: RequestHead, body: bytes, source_ip: str, scheme: str, /) -> GatewayResponse:
        """The answer, complete with its length. Never raises: a fault is a 500."""
        ...

    def refuse_large_call(self) -> GatewayResponse:
        """The answer to a body over the limit."""
        ...


class OperationCycle(DirectCycle):
    """One call of an operation."""

    __slots__ = ("_door", "_head")

    def __init__(
        self, protocol: HttpToolsProtocol, door: OperationDoor, head: RequestHead, http_version: str, keep_alive: bool
    ) -> None:
        super().__init__(protocol, head.method, head.headers, http_version, keep_alive, door.max_call_bytes(head))
        self._door = door
        self._head = head

    @classmethod
    def of_known(
        cls, protocol: HttpToolsProtocol, door: OperationDoor, known: KnownCall, body: bytes
    ) -> "OperationCycle":
        """A call whose head was not parsed, since the same one was before."""
        cycle = cls(protocol, door, known.head, known.http_version, known.keep_alive)
        cycle.more_body = False
        cycle.repeat(known, body)
        return cycle

    def repeat(self, known: KnownCall, body: bytes) -> None:
        """Be the next call on this connection: the last one was `of_known` as well, and has been answered."""
        self._head, self._http_version, self.keep_alive, _, self._max_body_bytes = known
        self.body = body
        self._has_large_body = False
        self.response_started = False
        self.response_complete = False

    def as_known(self) -> KnownCall:
        """The head of this call, whose body is complete, to be remembered."""
        return KnownCall(self._head, self._http_version, self.keep_alive, len(self.body), self._max_body_bytes)

    def _respond(self, body: bytes) -> Awaitable[GatewayResponse]:
        protocol = self._protocol
        client = protocol.client
        source_ip = "" if client is None else client[0]
        return self._door.answer_operation(self._head, body, source_ip, protocol.scheme or "http")

    async def _refuse_large_body(self) -> GatewayResponse:
        return self._door.refuse_large_call()

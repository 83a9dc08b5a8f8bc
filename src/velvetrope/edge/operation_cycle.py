"""Calls of AWS operations: a `DirectCycle` that asks an `OperationDoor`.

Unlike calls to deployed APIs each is a task from the beginning: what an operation of some room uses before it first
waits (a timeout, a group of tasks) may need one.
"""

from collections.abc import Awaitable, Sequence
from typing import Protocol

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from velvetrope.edge.direct_cycle import DirectCycle
from velvetrope.edge.known_calls import KnownCall
from velvetrope.execute_api import GatewayResponse

__all__ = ["OperationCycle", "OperationDoor"]


class OperationDoor(Protocol):
    """Knows calls of AWS operations by their heads, and has them answered. Header names are in lower case."""

    def takes_call(
        self,
        method: str,
        path: str,
        raw_path: bytes,
        query_string: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        /,
    ) -> bool:
        """Whether this request is such a call, and nobody else's before. `path` is `raw_path`, percent-decoded."""
        ...

    def max_call_bytes(self, path: str, headers: Sequence[tuple[bytes, bytes]], /) -> int:
        """How large the body of this call may be."""
        ...

    async def answer_operation(
        self,
        *,
        method: str,
        path: str,
        raw_path: bytes,
        query_string: bytes,
        headers: tuple[tuple[bytes, bytes], ...],
        body: bytes,
        source_ip: str,
        scheme: str,
    ) -> GatewayResponse:
        """The answer, complete with its length. Never raises: a fault is a 500."""
        ...

    def refuse_large_call(self) -> GatewayResponse:
        """The answer to a body over the limit."""
        ...


class OperationCycle(DirectCycle):
    """One call of an operation."""

    __slots__ = ("_door", "_headers_in_lower_case", "_path")

    def __init__(
        self,
        protocol: HttpToolsProtocol,
        door: OperationDoor,
        headers: tuple[tuple[bytes, bytes], ...],
        method: str,
        path: str,
        raw_path: bytes,
        query_string: bytes,
        http_version: str,
        keep_alive: bool,
    ) -> None:
        super().__init__(
            protocol, method, raw_path, query_string, http_version, keep_alive, door.max_call_bytes(path, headers)
        )
        self._headers_in_lower_case = headers
        self._door = door
        self._path = path

    def as_known(self, headers: Sequence[tuple[bytes, bytes]]) -> KnownCall:
        """The head of this call, whose body is complete, to be remembered; `headers` as they were sent."""
        return KnownCall(
            self._method,
            self._path,
            self._raw_path,
            self._query_string,
            self._http_version,
            self.keep_alive,
            tuple(headers),
            self._headers_in_lower_case,
            len(self.body),
        )

    def _respond(self, body: bytes) -> Awaitable[GatewayResponse]:
        protocol = self._protocol
        client, scheme = protocol.client, protocol.scheme
        return self._door.answer_operation(
            method=self._method,
            path=self._path,
            raw_path=self._raw_path,
            query_string=self._query_string,
            headers=self._headers_in_lower_case,
            body=body,
            source_ip=client[0] if client is not None else "",
            scheme=scheme or "http",
        )

    async def _refuse_large_body(self) -> GatewayResponse:
        return self._door.refuse_large_call()

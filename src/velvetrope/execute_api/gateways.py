"""Which lane a call takes: the one of HTTP APIs for their ids, the one of REST APIs for all else, unknown ids too."""

from collections.abc import Awaitable
from typing import Protocol

from velvetrope.execute_api.requests import GatewayResponse, IncomingRequest

__all__ = ["Gateways"]


class Lane(Protocol):
    """Answers calls."""

    def answer(self, incoming: IncomingRequest, /) -> Awaitable[GatewayResponse]: ...


class HttpLane(Lane, Protocol):
    """The lane of HTTP APIs, which knows their ids."""

    @property
    def is_outdated(self) -> bool: ...

    def serves(self, api_id: str, /) -> bool: ...

    async def start(self) -> None: ...


class Gateways:
    """Both lanes behind one door."""

    def __init__(self, rest: Lane, http: HttpLane) -> None:
        self._rest = rest
        self._http = http

    def answer(self, incoming: IncomingRequest) -> Awaitable[GatewayResponse]:
        """The answer of the lane that the API is in. (Not a coroutine itself: that would cost every call one.)"""
        if self._http.is_outdated:
            return self._after_reload(incoming)
        lane: Lane = self._http if self._http.serves(incoming.api_id) else self._rest
        return lane.answer(incoming)

    async def _after_reload(self, incoming: IncomingRequest) -> GatewayResponse:
        await self._http.start()
        lane: Lane = self._http if self._http.serves(incoming.api_id) else self._rest
        return await lane.answer(incoming)

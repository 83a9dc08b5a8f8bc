"""The head of an answer and its body, in one write.

uvicorn writes the head when an app has sent it and the body when that comes: two calls of the kernel, two packets and
two wake-ups of the client for every answer, though nearly all apps send both in one breath. On a call of the control
plane that was a tenth of the server's work.
"""

import asyncio
from typing import Any

__all__ = ["OneWrite"]


class OneWrite:
    """Before a transport: what is written waits for the next write, but no longer than this turn of the loop."""

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""

    def write(self, data: bytes) -> None:
        """Hold the first, and send the second with it."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held + data)
        elif data:
            self._held = data
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Close the connection behind what was written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever else a transport has
        return getattr(self._transport, name)

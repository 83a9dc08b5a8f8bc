"""Frames over a socketpair: the server's end of the quick way into a Python sandbox.

The sandbox's end belongs to one process, so there is nobody to admit or to keep out. What comes from it is a
stranger's all the same: whatever is no frame, or answers an invocation that is not the present one, ends the sandbox;
its own caller is then told that the runtime exited. It cannot name another sandbox's invocation, for what comes here is
judged by the one sandbox that this channel belongs to.

Source of the frames: `velvetrope.zygote.frames`.
"""

import asyncio
import socket
from collections.abc import Callable

from velvetrope.functions.channels import ChannelOwner, Event, Refusal
from velvetrope.zygote import frames

__all__ = ["FrameChannel"]

_READ_BYTES = 65_536
"""Python makes as large a buffer for each read. The C library has the kernel map one of more than 128 KB, and unmap it:
16 µs for a read that takes one."""

_MAX_READS = 32
"""Reads in one go, after which others get their turn."""


class FrameChannel:
    """See the module. `on_broken` is called when the sandbox must be ended for what it sent."""

    follows = True

    def __init__(self, owner: ChannelOwner, connection: socket.socket, *, on_broken: Callable[[str], None]) -> None:
        self._owner = owner
        self._on_broken = on_broken
        self._connection = connection
        self._connection.setblocking(False)
        self._descriptor = connection.fileno()
        self._loop = asyncio.get_running_loop()
        self._reader = frames.FrameReader()
        self._unsent = b""
        self._open = True
        self._loop.add_reader(self._descriptor, self._readable)

    def give(self, event: Event) -> None:
        """Send the event."""
        self._send(frames.render_event(event))

    def refuse(self, refusal: Refusal) -> None:
        """A runtime that asks for an event out of turn has lost its way."""
        self._break(refusal.message)

    def drain(self) -> None:
        """Take what has come so far."""
        self._readable()

    def close(self) -> None:
        """Close the server's end; the runtime sees the end of its own."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._descriptor)
            self._loop.remove_writer(self._descriptor)
            self._connection.close()

    def _readable(self) -> None:
        for _ in range(_MAX_READS):
            if not self._open:
                return
            try:
                data = self._connection.recv(_READ_BYTES)
            except BlockingIOError:
                return
            except ConnectionResetError:
                data = b""
            if not data:
                self.close()
                self._owner.connection_lost(self)
                return
            self._take(data)
            if len(data) < _READ_BYTES:
                return

    def _take(self, data: bytes) -> None:
        try:
            for kind, body in self._reader.feed(data):
                refusal = self._serve(kind, body)
                if refusal is not None:
                    self._break(refusal.message)
                    return
                if not self._open:
                    return
        except frames.FrameBroken as broken:
            self._break(str(broken))

    def _serve(self, kind: int, body: bytes) -> Refusal | None:
        if kind == frames.READY:
            self._owner.next_asked(self)
            return None
        if kind == frames.TOO_LARGE:
            self._owner.responded(body.decode("utf-8", "replace"), None)
            return None
        tag, rest = frames.split_tagged(body)
        if kind == frames.INIT_ERROR:
            return self._owner.init_failed(rest, tag)
        verdict = self._owner.responded(tag, rest) if kind == frames.RESULT else self._owner.failed(tag, rest)
        if isinstance(verdict, Refusal):
            return verdict
        verdict()
        return None

    def _break(self, why: str) -> None:
        self.close()
        self._on_broken(why)

    def _send(self, data: bytes) -> None:
        if not self._open:
            return
        if self._unsent:
            self._unsent += data
            return
        try:
            sent = self._connection.send(data)
        except BlockingIOError:
            sent = 0
        except (BrokenPipeError, ConnectionResetError):
            return  # the process is ending; its exit answers for it
        if sent < len(data):
            self._unsent = data[sent:]
            self._loop.add_writer(self._descriptor, self._writable)

    def _writable(self) -> None:
        try:
            sent = self._connection.send(self._unsent)
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            self._unsent, sent = b"", 0
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._loop.remove_writer(self._descriptor)

"""Messages between the server and its zygote: 20 bytes each, with descriptors beside a FORK.

The meaning of the numbers is in `__main__`. A stream socket keeps neither the borders of messages nor more than one set
of descriptors apart; messages of one length, each received by itself, do.
"""

import os
import socket
import struct

__all__ = ["EXITED", "FORK", "FORKED", "KILL", "MESSAGE_BYTES", "READY", "SPREAD", "parse", "receive", "render", "send"]

READY, FORK, FORKED, KILL, EXITED, SPREAD = 1, 2, 3, 4, 5, 6

_MESSAGE = struct.Struct("=iqii")
MESSAGE_BYTES = _MESSAGE.size
_DESCRIPTORS = 3

Message = tuple[int, int, int, int]


def render(kind: int, first: int = 0, second: int = 0, third: int = 0) -> bytes:
    """One message."""
    return _MESSAGE.pack(kind, first, second, third)


def parse(data: bytes) -> Message:
    """Kind and numbers of one message."""
    kind, first, second, third = _MESSAGE.unpack(data)
    return kind, first, second, third


def send(control: socket.socket, kind: int, first: int = 0, second: int = 0, third: int = 0) -> None:
    """Send one message, waiting for room. A server that is gone is noticed by who receives next."""
    try:
        control.sendall(render(kind, first, second, third))
    except (BrokenPipeError, ConnectionResetError):
        return


def receive(control: socket.socket) -> tuple[Message | None, list[int]]:
    """The next message and its descriptors, which no program that is executed inherits; None at the end."""
    try:
        data, descriptors, _flags, _address = socket.recv_fds(control, MESSAGE_BYTES, _DESCRIPTORS)
    except ConnectionResetError:
        return None, []
    while data and len(data) < MESSAGE_BYTES:
        more = control.recv(MESSAGE_BYTES - len(data))
        if not more:
            return None, []
        data += more
    if not data:
        return None, []
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return parse(data), descriptors

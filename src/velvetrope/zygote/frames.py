"""The frames between the server and a sandbox, both ways over one socketpair.

    length of the body (4 bytes, big-endian) | kind (1 byte) | body

| Kind | From | Body |
|---|---|---|
| START | server | JSON: what to become (`launch.parse_start`); the first frame, once |
| EVENT | server | deadline, processor, lengths, request id, function ARN, client context, identity, trace id, event |
| READY | sandbox | empty: an event may come |
| RESULT, ERROR | sandbox | length of the request id (2 bytes), request id, JSON |
| TOO_LARGE | sandbox | request id: the result is over the limit and is not sent |
| INIT_ERROR | sandbox | length of the error's type (2 bytes), type, JSON |

A socketpair belongs to one sandbox, so that a function can speak for nobody else. What it says is still a stranger's
word: a kind that is not in the table, a body longer than its kind may have, a length that leads out of its body are
`FrameBroken`, and whoever reads ends the sandbox.
"""

import struct
from typing import NamedTuple

__all__ = [
    "ERROR",
    "EVENT",
    "INIT_ERROR",
    "MAX_ANSWER_BYTES",
    "READY",
    "RESULT",
    "START",
    "TOO_LARGE",
    "Event",
    "FrameBroken",
    "FrameReader",
    "parse_event",
    "render_event",
    "render_frame",
    "render_tagged",
    "split_tagged",
]

START, EVENT = 1, 2
READY, RESULT, ERROR, TOO_LARGE, INIT_ERROR = 16, 17, 18, 19, 20

MAX_ANSWER_BYTES = 6_291_556
"""6 MiB and 100 bytes: what a result or an error may have. Source: Runtime Interface Emulator."""

_MAX_TAG_BYTES = 1024
_HEAD = struct.Struct(">IB")
_TAG = struct.Struct(">H")
_EVENT = struct.Struct(">QHHHHHH")
_MAX_BODY = {
    READY: 0,
    RESULT: _TAG.size + _MAX_TAG_BYTES + MAX_ANSWER_BYTES,
    ERROR: _TAG.size + _MAX_TAG_BYTES + MAX_ANSWER_BYTES,
    TOO_LARGE: _MAX_TAG_BYTES,
    INIT_ERROR: _TAG.size + _MAX_TAG_BYTES + MAX_ANSWER_BYTES,
}


class FrameBroken(Exception):
    """What came is no frame that may come."""


class Event(NamedTuple):
    """One invocation, as a runtime is told of it. Empty bytes stand for what there is not."""

    request_id: str
    deadline_ms: int
    """Epoch milliseconds."""
    invoked_function_arn: str
    payload: bytes
    client_context: bytes = b""
    cognito_identity: bytes = b""
    trace_id: str = ""
    processor: int | None = None
    """Where the event after this one is best waited for; None for wherever."""


class FrameReader:
    """Takes what a sandbox sends apart. Once broken it stays so."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The frames that are complete with `data`: kinds and bodies.

        Raises:
            FrameBroken: a kind that no sandbox may send, or a body longer than its kind allows.
        """
        if not self._buffer:
            # What is sent in one go mostly comes in one go.
            frames, at = _take_apart(data)
            self._buffer += data[at:]
            return frames
        self._buffer += data
        frames, at = _take_apart(self._buffer)
        del self._buffer[:at]
        return frames


def _take_apart(data: bytes | bytearray) -> tuple[list[tuple[int, bytes]], int]:
    """The frames that are complete, and where the first begins that is not."""
    frames: list[tuple[int, bytes]] = []
    at, end = 0, len(data)
    while end - at >= _HEAD.size:
        length, kind = _HEAD.unpack_from(data, at)
        longest = _MAX_BODY.get(kind)
        if longest is None or length > longest:
            raise FrameBroken(f"a frame of kind {kind} with {length} bytes")
        if end - at - _HEAD.size < length:
            break
        at += _HEAD.size
        frames.append((kind, bytes(data[at : at + length])))
        at += length
    return frames, at


def render_frame(kind: int, body: bytes = b"") -> bytes:
    """A frame."""
    return _HEAD.pack(len(body), kind) + body


def render_tagged(kind: int, tag: str, body: bytes) -> bytes:
    """A frame whose body is named by a request id or an error's type."""
    name = tag.encode()[:_MAX_TAG_BYTES]
    return b"".join((_HEAD.pack(_TAG.size + len(name) + len(body), kind), _TAG.pack(len(name)), name, body))


def split_tagged(body: bytes) -> tuple[str, bytes]:
    """Tag and rest of the body of a RESULT, ERROR or INIT_ERROR.

    Raises:
        FrameBroken: the tag does not fit into the body, or the rest is over the limit.
    """
    if len(body) < _TAG.size:
        raise FrameBroken("a body without its tag")
    (length,) = _TAG.unpack_from(body)
    start = _TAG.size + length
    if start > len(body) or len(body) - start > MAX_ANSWER_BYTES:
        raise FrameBroken("a tag that is not in its body, or a body over the limit")
    return body[_TAG.size : start].decode("utf-8", "replace"), body[start:]


def render_event(event: Event) -> bytes:
    """An EVENT frame."""
    fields = (
        event.request_id.encode(),
        event.invoked_function_arn.encode(),
        event.client_context,
        event.cognito_identity,
        event.trace_id.encode(),
    )
    processor = 0 if event.processor is None else event.processor + 1
    body = (_EVENT.pack(event.deadline_ms, processor, *map(len, fields)), *fields, event.payload)
    return b"".join((_HEAD.pack(sum(map(len, body)), EVENT), *body))


def parse_event(body: bytes) -> Event:
    """The event of an EVENT frame's body, which the server made."""
    deadline_ms, processor, *lengths = _EVENT.unpack_from(body)
    at, fields = _EVENT.size, []
    for length in lengths:
        fields.append(body[at : at + length])
        at += length
    request_id, arn, client_context, cognito_identity, trace_id = fields
    return Event(
        request_id.decode(),
        deadline_ms,
        arn.decode(),
        body[at:],
        client_context,
        cognito_identity,
        trace_id.decode(),
        processor - 1 if processor else None,
    )

"""Heads of calls of operations like one that was read before.

An app that signs its users in sends the same head again and again, and only the body differs. The head's bytes are
looked up; where the parser has read the very same ones before, in front of a body of the same length, there is nothing
to parse.

    found = calls.find(chunk)                        # None: not read before, or not one whole message
    known, body = found

Only heads that the operations' door took are learnt, and it takes a head whatever there is by now. Whether the call is
for a deployed API all the same is asked anew each time, since that changes with custom domain names. Nothing is
remembered of signed calls, whose heads never come twice. Anybody may fill the memory, which is bounded: what that takes
from others is that their heads are parsed.
"""

from collections import OrderedDict
from typing import Final, NamedTuple

from velvetrope.edge.requests import RequestHead

__all__ = ["KnownCall", "KnownCalls"]

_MAX_HEAD_BYTES: Final = 2_048
_REMEMBERED: Final = 512
_BLANK_LINE: Final = b"\r\n\r\n"
_UNREAD: Final = frozenset(
    (b"authorization", b"expect", b"proxy-connection", b"transfer-encoding", b"upgrade", b"x-http-method-override")
)
"""Heads with one of these are left to the parser, and to those who come after it."""


class KnownCall(NamedTuple):
    """What the parser made of a head."""

    head: RequestHead
    http_version: str
    keep_alive: bool
    body_bytes: int
    max_body_bytes: int


class KnownCalls:
    """A bounded memory; the ones that were not asked for the longest are forgotten."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, KnownCall] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def find(self, chunk: bytes) -> tuple[KnownCall, bytes] | None:
        """The head and the body of a chunk that is one whole message with a head that was read before; else None."""
        head, blank_line, body = chunk.partition(_BLANK_LINE)
        known = self._known.get(head)
        if known is None or not blank_line or len(body) != known.body_bytes:
            return None
        self._known.move_to_end(head)
        return known, body

    def learn(self, chunk: bytes, call: KnownCall, body: bytes) -> None:
        """Remember the head of `chunk`, in which the parser has found `call` and `body`, if they are all there is."""
        head, _, rest = chunk.partition(_BLANK_LINE)
        if len(head) > _MAX_HEAD_BYTES or rest != body or not _is_plain(call.head, body):
            return
        self._known[head] = call
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)


def _is_plain(head: RequestHead, body: bytes) -> bool:
    """Whether the head says by one length, and in no other way, where its message ends. It repeats no header."""
    is_each_once = len(head.by_name) == len(head.headers)
    return (
        is_each_once and head.by_name.get(b"content-length") == b"%d" % len(body) and _UNREAD.isdisjoint(head.by_name)
    )

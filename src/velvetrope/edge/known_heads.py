"""Heads of signed calls like one that was read and answered before.

A client that signs the same call again sends the same head but for three parts: the query string, the timestamp and
the signature. `take_apart` cuts these out; what is left is looked up, and if the parser has read the very same bytes
before, around parts of letters and digits that mean nothing to HTTP, there is nothing to parse.

    parts = take_apart(chunk)                        # None: not plainly such a head
    known = heads.find(parts)                        # None: not read before
    headers = known.headers_of(parts)
    parts = known.find_parts(another_chunk)          # of a connection that has sent such a head: only compared

A head is kept only when the call it made was let in (`GatewayCycle`), so that strangers cannot fill the memory, and
only if what the parser made of it is what it looks like here: no header twice, and the cut parts where the parser found
the values of `X-Amz-Date` and `Authorization`. Everything else is the parser's, each time.
"""

from collections import OrderedDict
from collections.abc import Sequence
from struct import Struct
from typing import Final

import msgspec

from velvetrope.edge.bodies import GatewayCall
from velvetrope.execute_api import Likeness

__all__ = ["HeadParts", "KnownHead", "KnownHeads", "take_apart"]

_MAX_HEAD_BYTES: Final = 4_096
_REMEMBERED: Final = 1_024
_BLANK_LINE: Final = b"\r\n\r\n"
_SIGNATURE: Final = b"Signature="
_SIGNATURE_DIGITS: Final = 64
_TIMESTAMP_CHARACTERS: Final = 16
_QUESTION_MARK: Final = 0x3F
_PLAIN: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~=&"
"""What the three parts may be made of: it means nothing to HTTP, in a query string or in a header's value."""
_UNREAD: Final = frozenset(
    (b"content-length", b"expect", b"proxy-connection", b"transfer-encoding", b"upgrade", b"x-http-method-override")
)
"""Heads with one of these are left to the parser, and to those who come after it. (The parser takes `Proxy-Connection`
for `Connection`.)"""


class HeadParts(msgspec.Struct, frozen=True, gc=False):
    """A head, cut into what is constant and what is not."""

    constant: bytes
    """All but the three parts, with a NUL (which no head may have) where each was."""
    query_string: bytes
    timestamp: bytes
    signature: bytes


def take_apart(chunk: bytes) -> HeadParts | None:
    """The parts of a chunk that is one whole GET, signed by header, with a plain query string; else None."""
    if not chunk.startswith(b"GET /") or not chunk.endswith(_BLANK_LINE) or len(chunk) > _MAX_HEAD_BYTES:
        return None
    line_end = chunk.find(b"\r\n")
    url_end = chunk.find(b" ", 5, line_end)
    # The constant part begins with the marker's own name, so a head that writes it another way is another head.
    dated = chunk.find(b"\r\nX-Amz-Date: ", line_end)
    if dated < 0:
        dated = chunk.find(b"\r\nx-amz-date: ", line_end)
    signed = chunk.rfind(_SIGNATURE, line_end)
    if url_end < 0 or dated < 0 or signed < 0:
        return None
    question = chunk.find(b"?", 5, url_end)
    if question < 0:
        question = url_end
    dated += 14
    signed += len(_SIGNATURE)
    after_date, after_signature = dated + _TIMESTAMP_CHARACTERS, signed + _SIGNATURE_DIGITS
    query_string, timestamp = chunk[question + 1 : url_end], chunk[dated:after_date]
    signature = chunk[signed:after_signature]
    if len(signature) != _SIGNATURE_DIGITS or (query_string + timestamp + signature).translate(None, _PLAIN):
        return None
    if after_date <= signed:
        rest = (chunk[url_end:dated], chunk[after_date:signed], chunk[after_signature:])
    elif after_signature <= dated:
        rest = (chunk[url_end:signed], chunk[after_signature:dated], chunk[after_date:])
    else:
        return None
    return HeadParts(b"\0".join((chunk[:question], *rest)), query_string, timestamp, signature)


class KnownHead:
    """What the parser, and `find_gateway_call`, made of the constant parts."""

    __slots__ = (
        "_by_name",
        "_bytes_behind_url",
        "_claim",
        "_constant",
        "_constants_behind_url",
        "_cut",
        "_is_dated_first",
        "_names",
        "_target",
        "call",
        "likeness",
        "raw_path",
    )

    def __init__(
        self,
        call: GatewayCall,
        raw_path: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        by_name: dict[bytes, bytes],
        constant: bytes,
    ) -> None:
        """`headers` repeat no name, so `by_name` has their order."""
        names = list(by_name)
        self._is_dated_first = names.index(b"x-amz-date") < names.index(b"authorization")
        self._constant = constant
        self._target, first, second, third = constant.split(b"\0")
        self._constants_behind_url = first, second, third
        sizes = [_TIMESTAMP_CHARACTERS, _SIGNATURE_DIGITS]
        if not self._is_dated_first:
            sizes.reverse()
        layout = Struct(f"{len(first)}s{sizes[0]}s{len(second)}s{sizes[1]}s{len(third)}s")
        self._cut, self._bytes_behind_url = layout.unpack_from, layout.size
        self.call = call
        self.raw_path = raw_path
        self.likeness = Likeness()
        self._names = [name for name, _ in headers]
        self._by_name = by_name
        self._claim = by_name[b"authorization"][:-_SIGNATURE_DIGITS]

    def find_parts(self, chunk: bytes) -> HeadParts | None:
        """What `take_apart` makes of a chunk, if its constant parts are those of this head; else None.

        For whoever has reason to expect that they are: nothing has to be looked for then, only compared.
        """
        target = self._target
        question = len(target)
        size = len(chunk)
        url_end = size - self._bytes_behind_url
        if url_end < question or size > _MAX_HEAD_BYTES or not chunk.startswith(target):
            return None
        first, timestamp, second, signature, third = self._cut(chunk, url_end)
        if (first, second, third) != self._constants_behind_url:
            return None
        if not self._is_dated_first:
            timestamp, signature = signature, timestamp
        query_string = chunk[question + 1 : url_end]
        if url_end > question and chunk[question] != _QUESTION_MARK:
            return None
        if (query_string + timestamp + signature).translate(None, _PLAIN):
            return None
        return HeadParts(self._constant, query_string, timestamp, signature)

    def headers_of(self, parts: HeadParts) -> tuple[tuple[tuple[bytes, bytes], ...], dict[bytes, bytes]]:
        """The headers in their order, and by lower-case name, of the head that `parts` are of."""
        authorization = self._claim + parts.signature
        by_name = {**self._by_name, b"x-amz-date": parts.timestamp, b"authorization": authorization}
        return tuple(zip(self._names, by_name.values(), strict=True)), by_name


class KnownHeads:
    """A bounded memory; the ones that were not asked for the longest are forgotten."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, KnownHead] = OrderedDict()

    def find(self, parts: HeadParts) -> KnownHead | None:
        """The head that was read with these constant parts."""
        known = self._known.get(parts.constant)
        if known is not None:
            self._known.move_to_end(parts.constant)
        return known

    def learn(
        self,
        chunk: bytes,
        call: GatewayCall,
        raw_path: bytes,
        query_string: bytes,
        http_version: str,
        headers: Sequence[tuple[bytes, bytes]],
    ) -> None:
        """Keep what the parser read in `chunk`, if that is what `take_apart` sees in it."""
        parts = take_apart(chunk)
        if parts is None or http_version != "1.1" or chunk.find(_BLANK_LINE) != len(chunk) - len(_BLANK_LINE):
            return
        _, _, base_path = call
        by_name = {name.lower(): value for name, value in headers}
        if base_path is not None or len(by_name) != len(headers) or not _UNREAD.isdisjoint(by_name):
            return
        if by_name.get(b"connection", b"keep-alive").lower() != b"keep-alive":
            return
        if not parts.constant.startswith(b"GET " + raw_path + b"\0 HTTP/1.1\r\n") or parts.query_string != query_string:
            return
        if parts.constant.count(b"\0") != 3 or parts.constant.count(_SIGNATURE) != 1:
            return
        if by_name.get(b"x-amz-date") != parts.timestamp:
            return
        if not by_name.get(b"authorization", b"").endswith(_SIGNATURE + parts.signature):
            return
        known = KnownHead(call, raw_path, headers, by_name, parts.constant)
        self._known[parts.constant] = known
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

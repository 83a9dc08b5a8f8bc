"""The events of log groups, where nodes share a store: in chunks, each some dozens of kilobytes of one group.

What a chunk's lines say is `velvetrope.logs`'s; here are the chunks, in the order in which they came, and what is known
of each without reading its lines. Whoever appends fills the newest chunk of the group up, whichever node began it, or
begins another; as there is one writer at a time, an event's number is its place in its group over all nodes.

A batch does not wait for the disk. Chunks go with their group.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from velvetrope.store.columns import Record
from velvetrope.store.database import Database
from velvetrope.store.schema import METADATA
from velvetrope.store.visits import Prepared, Visit

__all__ = ["CHUNK_BYTES", "ChunkHead", "ChunkTimes", "LogBatch", "LogChunkStore", "Times"]

CHUNK_BYTES = 64 * 1024
"""A chunk that holds as much is full. One is written anew whenever something is added to it."""

Times = tuple[int, int, int]
"""Of the events of a stream: the first time, the last, and when the last one was taken in; epoch milliseconds."""


class ChunkTimes(msgspec.Struct, frozen=True):
    """The streams that a chunk has events of."""

    streams: dict[str, Times]


class ChunkHead(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a chunk without its lines. Its times are epoch milliseconds."""

    id: int
    size: int
    next_number: int
    """The number that the next event of the group has, as far as this chunk knows."""
    first_ms: int
    last_ms: int
    times: ChunkTimes


@dataclass(frozen=True, slots=True)
class LogBatch:
    """Events of one group to be appended; `encode` is given the first one's number."""

    count: int
    times: Mapping[str, Times]
    encode: Callable[[int], bytes]


_chunks = Table(
    "logs_chunks",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("group_name", String(512), ForeignKey("logs_groups.name", ondelete="CASCADE"), nullable=False, index=True),
    Column("size", Integer, nullable=False),
    Column("next_number", BigInteger, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("times", Record(ChunkTimes), nullable=False),
    Column("lines", LargeBinary, nullable=False),
)

_HEAD = (
    _chunks.c.id,
    _chunks.c.size,
    _chunks.c.next_number,
    _chunks.c.first_ms,
    _chunks.c.last_ms,
    _chunks.c.times,
)
"""What `ChunkHead` is made of, in its order."""
_OF_GROUP = _chunks.c.group_name == bindparam("group")
_ONE = _chunks.c.id == bindparam("id_")
_NEWEST = Prepared(select(*_HEAD).where(_OF_GROUP).order_by(_chunks.c.id.desc()).limit(1))
_LINES = Prepared(select(_chunks.c.lines).where(_ONE))
_SIZE = Prepared(select(func.coalesce(func.sum(_chunks.c.size), 0)).where(_OF_GROUP))
_OLDEST = Prepared(select(_chunks.c.id, _chunks.c.size).where(_OF_GROUP).order_by(_chunks.c.id).limit(1))
_DELETE = Prepared(delete(_chunks).where(_ONE))
_CONTENT = ("size", "first_ms", "last_ms", "times", "lines")
_INSERT = Prepared(insert(_chunks), "group_name", "next_number", *_CONTENT)


def _update_of(*names: str) -> Prepared:
    values = {name: bindparam(f"{name}_", type_=_chunks.c[name].type) for name in names}
    return Prepared(update(_chunks).where(_ONE).values(values))


_ADD = _update_of("next_number", *_CONTENT)
_REWRITE = _update_of(*_CONTENT)


class LogChunkStore:
    """See the module."""

    def __init__(self, database: Database, *, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._database = database
        self._chunk_bytes = chunk_bytes

    async def append(self, batches: Mapping[str, LogBatch], *, max_bytes: int) -> None:
        """Append to groups, all of it or nothing. Of a group that then holds more than `max_bytes` the oldest go.

        Raises:
            sqlalchemy.exc.IntegrityError: one of the groups is not there.
        """

        def write(visit: Visit) -> None:
            for group, batch in batches.items():
                self._append(visit, group, batch)
                _make_room(visit, group, max_bytes)

        await self._database.write_at_once(write, waits_for_disk=False)

    async def load_heads(self, group: str) -> list[ChunkHead]:
        """The chunks of a group, oldest first."""
        query = select(*_HEAD).where(_chunks.c.group_name == group).order_by(_chunks.c.id)
        async with self._database.read() as connection:
            return [_head(row) for row in await connection.execute(query)]

    async def load_lines(self, ids: Sequence[int]) -> list[bytes]:
        """The lines of those chunks that are still there, oldest first."""
        query = select(_chunks.c.lines).where(_chunks.c.id.in_(ids)).order_by(_chunks.c.id)
        async with self._database.read() as connection:
            return list((await connection.execute(query)).scalars())

    async def delete_before(self, group: str, before_ms: int) -> None:
        """Forget the chunks of a group in which every event is older."""
        old = (_chunks.c.group_name == group) & (_chunks.c.last_ms < before_ms)
        async with self._database.transaction() as tx:
            await tx.connection.execute(delete(_chunks).where(old))

    async def rewrite(self, group: str, stream: str, keep: Callable[[bytes], LogBatch | None]) -> None:
        """Have the chunks of a group that hold events of `stream` hold what `keep` leaves of their lines, if anything.

        Numbers stay as they are: `keep`'s batch is encoded from 0.
        """

        def write(visit: Visit, head: ChunkHead) -> None:
            found = visit.one(_LINES, {"id_": head.id})
            kept = None if found is None else keep(found[0])
            if kept is None:
                visit.change(_DELETE, {"id_": head.id})
            else:
                visit.change(_REWRITE, {"id_": head.id} | _named(_content(kept.encode(0), kept.times)))

        for head in await self.load_heads(group):
            if stream in head.times.streams:
                await self._database.write_at_once(partial(write, head=head))

    def _append(self, visit: Visit, group: str, batch: LogBatch) -> None:
        row = visit.one(_NEWEST, {"group": group})
        newest = None if row is None else _head(row)
        number = 1 if newest is None else newest.next_number
        lines, times = batch.encode(number), dict(batch.times)
        if newest is None or newest.size >= self._chunk_bytes:
            content = _content(lines, times)
            visit.change(_INSERT, {"group_name": group, "next_number": number + batch.count, **content})
            return
        before = visit.one(_LINES, {"id_": newest.id})
        for stream, there in newest.times.streams.items():
            times[stream] = _together(there, times[stream]) if stream in times else there
        content = _content((before[0] if before else b"") + lines, times)
        visit.change(_ADD, {"id_": newest.id} | _named({"next_number": number + batch.count, **content}))


def _make_room(visit: Visit, group: str, max_bytes: int) -> None:
    held = visit.one(_SIZE, {"group": group})
    size = 0 if held is None else int(held[0])
    while size > max_bytes:
        oldest = visit.one(_OLDEST, {"group": group})
        if oldest is None or oldest[1] == size:  # the newest stays, however large it is
            return
        visit.change(_DELETE, {"id_": oldest[0]})
        size -= oldest[1]


def _named(values: Mapping[str, object]) -> dict[str, object]:
    """As `_update_of` names them."""
    return {f"{name}_": value for name, value in values.items()}


def _content(lines: bytes, times: Mapping[str, Times]) -> dict[str, object]:
    return {
        "size": len(lines),
        "first_ms": min(first for first, _, _ in times.values()),
        "last_ms": max(last for _, last, _ in times.values()),
        "times": ChunkTimes(dict(times)),
        "lines": lines,
    }


def _together(one: Times, other: Times) -> Times:
    return min(one[0], other[0]), max(one[1], other[1]), max(one[2], other[2])


def _head(row: Sequence[object]) -> ChunkHead:
    return ChunkHead(**dict(zip(ChunkHead.__struct_fields__, row, strict=True)))  # type: ignore[arg-type]  # the columns' types are the fields'

"""Work of a millisecond, done on the event loop itself, where the database runs in this process.

    answer = await brief.do(work, elsewhere)        a piece of work
    brief.write(change, waits_for_disk=True)        within one

One piece is done in each turn of the loop (`LoopTurns`). Those that wait for a turn while others write share a
transaction. It is begun by the first that writes; each one's changes are a part, which is undone alone where it raises
(`Visit.part`). It is committed when nobody waits any more, when somebody else wants to write, or after so many turns,
and nobody who has written is answered before that. Beginning, committing, the pages that several of them change and
the wait for the disk are paid for once. Decision 0055 weighs it; 0046 says why such work is done on the loop at all.

What a piece reads in its part of the transaction is what those before it have left there; what it reads elsewhere
(`Database.rows_here`) is what was committed, as if it had come before them.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from velvetrope.store.dialects import Log
from velvetrope.store.log_keeper import InThread, LogKeeper
from velvetrope.store.loop_turns import LoopTurns
from velvetrope.store.turns import Turns, TurnTaken
from velvetrope.store.visits import TransactionUndone, Visit

__all__ = ["BriefWork"]

T = TypeVar("T")
_MOST_TURNS = 16
"""After so many pieces, of a millisecond each, those that have written are answered, however many wait."""


@dataclass(eq=False, slots=True)
class _Piece(Generic[T]):
    """What has been done, and when it lasts."""

    has_turn: bool
    """Whether it was its turn to write before it began."""
    answer: T | None = None
    error: Exception | None = None
    waits_for_disk: bool = False
    lasts: asyncio.Future[None] | None = None
    """Done when what it wrote lasts; None where it has written nothing."""


@dataclass(eq=False, slots=True)
class _Shared:
    """An open transaction, and who has written in it."""

    visit: Visit
    passes_turn_on: bool
    """Whether the turn to write ends with it."""
    pieces: list[_Piece[Any]] = field(default_factory=list)
    turns: int = 0


class BriefWork:
    """Of one database, whose writers take `turns`."""

    def __init__(
        self, log: Log, in_thread: InThread, turns: Turns, *, begin: Callable[[], Visit], end: Callable[[Visit], None]
    ) -> None:
        """`begin` starts a transaction of whoever has the turn to write, and waits for no other process; `end` lets go
        of it, and undoes what was not committed."""
        self._turns = turns
        self._loop_turns = LoopTurns(self._between)
        self.log = LogKeeper(log, in_thread, turns)
        self._begin = begin
        self._end = end
        self._shared: _Shared | None = None
        self._here = threading.local()
        """`piece`: the one that is being done in this thread."""

    @property
    def is_under_way(self) -> bool:
        """Whether the caller is within a piece of brief work."""
        return hasattr(self._here, "piece")

    async def do(self, work: Callable[[], T], elsewhere: Callable[[Callable[[], T]], Awaitable[T]]) -> T:
        """`Database.brief`."""
        await self._loop_turns.come()
        piece = self._done(work, has_turn=False)
        if piece is None:
            # In a thread it would hold its turn until the disk has what it wrote. Work that comes meanwhile would find
            # the turn taken and go to a thread as well, and so would all that comes after, as long as there is some.
            async with self._turns:
                await self._loop_turns.come(first=True)  # whoever has the turn keeps others waiting
                piece = self._done(work, has_turn=True)
                self._finish()
        if piece is None:
            return await elsewhere(work)
        if piece.lasts is not None:
            await piece.lasts
        if piece.error is not None:
            raise piece.error
        return cast("T", piece.answer)

    def write(self, work: Callable[[Visit], T], *, waits_for_disk: bool) -> T:
        """What `work` answers, as a part of the transaction that pieces share.

        Raises:
            TurnTaken: somebody else is writing; `do` knows what to do.
            TransactionUndone: the database has undone what all of them have written.
        """
        piece: _Piece[Any] = self._here.piece
        shared = self._shared or self._begun(has_turn=piece.has_turn)
        try:
            answer = shared.visit.part(work)
        except TransactionUndone as undone:
            self._finish(undone)
            raise
        if piece.lasts is None:
            piece.lasts = asyncio.get_running_loop().create_future()
            shared.pieces.append(piece)
        piece.waits_for_disk |= waits_for_disk
        return answer

    async def close(self) -> None:
        """Commit what was written, and let go of the log."""
        self._finish()
        await self.log.close()

    def _done(self, work: Callable[[], T], *, has_turn: bool) -> _Piece[T] | None:
        """The piece, or None where somebody else is writing and nothing was done."""
        piece: _Piece[T] = _Piece(has_turn)
        self._here.piece = piece
        try:
            piece.answer = work()
        except TurnTaken:
            return None
        except Exception as error:  # noqa: BLE001  raised once what was written before it lasts
            piece.error = error
        finally:
            del self._here.piece
        return piece

    def _begun(self, *, has_turn: bool) -> _Shared:
        if not has_turn:
            self._turns.take()
        try:
            shared = self._shared = _Shared(self._begin(), passes_turn_on=not has_turn)
        except BaseException:
            if not has_turn:
                self._turns.pass_on()
            raise
        return shared

    def _between(self, others_wait: bool) -> None:
        shared = self._shared
        if shared is None:
            return
        shared.turns += 1
        if not others_wait or shared.turns >= _MOST_TURNS or len(self._turns):
            self._finish()

    def _finish(self, failure: Exception | None = None) -> None:
        """End the shared transaction, if there is one, and tell those who have written in it."""
        shared, self._shared = self._shared, None
        if shared is None:
            return
        try:
            try:
                if failure is None:
                    shared.visit.commit()
                    self.log.committed(len(shared.pieces))
            finally:
                self._end(shared.visit)
        except Exception as error:  # noqa: BLE001  it belongs to those who wait
            failure = failure or error
        finally:
            if shared.passes_turn_on:
                self._turns.pass_on()
        for piece in shared.pieces:
            self._tell(piece, failure)

    def _tell(self, piece: _Piece[Any], failure: Exception | None) -> None:
        lasts = piece.lasts
        if lasts is None or lasts.done():  # whoever waited was cancelled
            return
        if failure is not None:
            lasts.set_exception(failure)
        elif piece.waits_for_disk:
            self.log.tell_when_reached(lasts)
        else:
            lasts.set_result(None)

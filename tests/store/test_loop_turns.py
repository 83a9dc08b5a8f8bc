"""One piece of work in each turn of the event loop."""

import asyncio

from velvetrope.store.loop_turns import LoopTurns


def nothing(_: bool) -> None:
    """For those who ask for nothing in between."""


class Rounds:
    """Which turn of the loop it is, as counted by a callback that asks for itself again."""

    def __init__(self) -> None:
        self.now = 0
        self._handle = asyncio.get_running_loop().call_soon(self._count)

    def _count(self) -> None:
        self.now += 1
        self._handle = asyncio.get_running_loop().call_soon(self._count)

    def stop(self) -> None:
        self._handle.cancel()


async def test_those_who_come_together_go_on_in_turns_of_their_own_and_in_order() -> None:
    turns, rounds, came = LoopTurns(nothing), Rounds(), list[tuple[int, int]]()

    async def piece(number: int) -> None:
        await turns.come()
        came.append((number, rounds.now))

    await asyncio.gather(*(piece(number) for number in range(6)))
    rounds.stop()

    assert [number for number, _ in came] == list(range(6))
    assert len({turn for _, turn in came}) == 6


async def test_whoever_is_to_be_first_comes_before_those_who_wait() -> None:
    turns, came = LoopTurns(nothing), list[str]()

    async def piece(name: str, *, first: bool = False) -> None:
        await turns.come(first=first)
        came.append(name)

    await asyncio.gather(piece("a"), piece("b"), piece("c"), piece("first", first=True))

    assert came == ["a", "first", "b", "c"]


async def test_whoever_comes_alone_goes_on_at_once() -> None:
    turns = LoopTurns(nothing)
    for _ in range(3):
        coming = turns.come()
        try:
            coming.send(None)
        except StopIteration:
            went_on = True
        else:
            went_on = False
        coming.close()
        assert went_on
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_what_else_is_ready_comes_in_between() -> None:
    turns, order = LoopTurns(nothing), list[str]()

    async def piece(name: str) -> None:
        await turns.come()
        order.append(name)
        asyncio.get_running_loop().call_soon(order.append, f"after {name}")

    await asyncio.gather(piece("a"), piece("b"), piece("c"))
    await asyncio.sleep(0)

    assert order == ["a", "after a", "b", "after b", "c", "after c"]


async def test_whoever_is_cancelled_holds_up_nobody() -> None:
    turns, came = LoopTurns(nothing), list[int]()

    async def piece(number: int) -> None:
        await turns.come()
        came.append(number)

    pieces = [asyncio.create_task(piece(number)) for number in range(4)]
    await asyncio.sleep(0)
    pieces[1].cancel()
    pieces[2].cancel()
    await asyncio.gather(*pieces, return_exceptions=True)

    assert came == [0, 3]


async def test_after_each_turn_it_is_told_whether_others_wait() -> None:
    told, came = list[tuple[int, bool]](), list[int]()
    turns = LoopTurns(lambda others: told.append((len(came), others)))

    async def piece(number: int) -> None:
        await turns.come()
        came.append(number)

    pieces = [asyncio.create_task(piece(number)) for number in range(4)]
    await asyncio.sleep(0)
    pieces[2].cancel()
    pieces[3].cancel()
    await asyncio.gather(*pieces, return_exceptions=True)
    await asyncio.sleep(0)

    assert told == [(1, True), (2, False)], "who was cancelled does not wait"

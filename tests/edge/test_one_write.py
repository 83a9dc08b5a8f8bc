"""An answer's head and body leave together; a head that waits for its body does not wait for long."""

import asyncio
from typing import Any

from velvetrope.edge.one_write import OneWrite


class Transport(asyncio.Transport):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.told: list[Any] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.told.append(bytes(data))

    def close(self) -> None:
        self.told.append("closed")


async def test_head_and_body_are_one_write() -> None:
    transport = Transport()
    one = OneWrite(transport, asyncio.get_running_loop())

    one.write(b"head ")
    one.write(b"body")
    one.write(b"")
    await asyncio.sleep(0)

    assert transport.told == [b"head body"]


async def test_a_head_whose_body_takes_time_leaves_in_the_same_turn() -> None:
    transport = Transport()
    one = OneWrite(transport, asyncio.get_running_loop())

    one.write(b"head")
    await asyncio.sleep(0)
    assert transport.told == [b"head"]

    one.write(b"part 1")
    await asyncio.sleep(0)
    one.write(b"part 2")
    await asyncio.sleep(0)
    assert transport.told == [b"head", b"part 1", b"part 2"]


async def test_what_was_written_leaves_before_the_connection_is_closed() -> None:
    transport = Transport()
    one = OneWrite(transport, asyncio.get_running_loop())

    one.write(b"head")
    one.close()
    await asyncio.sleep(0)

    assert transport.told == [b"head", "closed"]


async def test_everything_else_is_the_transport_s() -> None:
    one = OneWrite(Transport(), asyncio.get_running_loop())

    assert one.get_extra_info("peername") == ("127.0.0.1", 1)

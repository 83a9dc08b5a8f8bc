"""The filter of system calls, run as the kernel would run it."""

import struct
from collections.abc import Iterator

import pytest

from velvetrope.zygote.system_calls import render_filter

NATIVE, FOREIGN = 0xC000003E, 0x40000003
FORBIDDEN = (319, 447, 29, 68)
ALLOWED, REFUSED = 0x7FFF0000, 0x00050026
X32 = 0x40000000


def judge(number: int, architecture: int) -> int:
    """What the filter returns for a call: the four instructions of BPF that it uses."""
    program = list(_instructions(render_filter(NATIVE, FORBIDDEN)))
    at = accumulator = 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        if code == 0x20:
            accumulator = {0: number, 4: architecture}[value]
        elif code == 0x15:
            at += if_true if accumulator == value else if_false
        elif code == 0x35:
            at += if_true if accumulator >= value else if_false
        else:
            assert code == 0x06
            return value


def _instructions(program: bytes) -> Iterator[tuple[int, int, int, int]]:
    yield from struct.iter_unpack("=HBBI", program)


@pytest.mark.parametrize("number", FORBIDDEN)
def test_each_forbidden_call_is_refused(number: int) -> None:
    assert judge(number, NATIVE) == REFUSED


@pytest.mark.parametrize("number", [0, 28, 30, 67, 69, 318, 320, 446, 448, X32 - 1])
def test_its_neighbours_are_not(number: int) -> None:
    assert judge(number, NATIVE) == ALLOWED


@pytest.mark.parametrize("number", [X32, X32 + 1, X32 + 319, 2**32 - 1])
def test_calls_of_the_other_table_of_the_same_architecture_are_refused(number: int) -> None:
    assert judge(number, NATIVE) == REFUSED


@pytest.mark.parametrize("number", [0, 1, 356])
def test_calls_of_another_architecture_are_refused(number: int) -> None:
    assert judge(number, FOREIGN) == REFUSED

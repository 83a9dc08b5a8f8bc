"""The filter of system calls, run as the kernel would run it."""

import struct
from collections.abc import Iterator

import pytest

from velvetrope.zygote.system_calls import render_filter

NATIVE, FOREIGN = 0xC000003E, 0x40000003
FORBIDDEN = (319, 447, 29, 68)
CLONE = 56
ALLOWED, REFUSED = 0x7FFF0000, 0x00050026
X32 = 0x40000000


def judge(number: int, architecture: int, argument: int = 0) -> int:
    """What the filter returns for a call: the five instructions of BPF that it uses."""
    program = list(_instructions(render_filter(NATIVE, FORBIDDEN, clone=CLONE)))
    at = accumulator = 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        if code == 0x20:
            accumulator = {0: number, 4: architecture, 16: argument}[value]
        elif code == 0x15:
            at += if_true if accumulator == value else if_false
        elif code == 0x35:
            at += if_true if accumulator >= value else if_false
        elif code == 0x45:
            at += if_true if accumulator & value else if_false
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


@pytest.mark.parametrize("flags", [0, 17, 0x3D0F00, 0x01200011])
def test_processes_and_threads_can_be_begun(flags: int) -> None:
    assert judge(CLONE, NATIVE, flags) == ALLOWED


@pytest.mark.parametrize("flags", [1 << bit for bit in (17, 25, 26, 27, 28, 29, 30)])
def test_those_with_a_namespace_of_their_own_cannot(flags: int) -> None:
    assert judge(CLONE, NATIVE, flags | 17) == REFUSED


@pytest.mark.parametrize("number", [CLONE - 1, CLONE + 1, 0])
def test_other_calls_are_not_judged_by_their_first_argument(number: int) -> None:
    assert judge(number, NATIVE, 0x10000000) == ALLOWED

"""Headers on the wire: one line for each that cannot be read as two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.execute_api import header_lines

pieces = st.sampled_from([b"a", b"x-b", b" ", b":", b"\r", b"\n", b"\r\n", b"\0", b"\xff", b"1"])
texts = st.lists(pieces, max_size=4).map(b"".join)


def test_every_header_is_a_line_in_its_order() -> None:
    assert header_lines([(b"B", b"2"), (b"a", b""), (b"B", b"3")]) == b"B: 2\r\na: \r\nB: 3\r\n"
    assert header_lines([]) == b""


@pytest.mark.parametrize(
    "bad",
    [
        (b"x-split", b"1\r\nx-smuggled: 1"),
        (b"x-line", b"1\n"),
        (b"x-return", b"\r1"),
        (b"x-nul", b"\0"),
        (b"x split", b"1"),
        (b"x\r\ny", b"1"),
        (b"x:", b"1"),
        (b"", b"1"),
    ],
)
def test_header_that_would_split_the_answer_is_left_out_and_the_others_stay(bad: tuple[bytes, bytes]) -> None:
    assert header_lines([(b"a", b"1"), bad, (b"b", b"2")]) == b"a: 1\r\nb: 2\r\n"
    assert header_lines([bad]) == b""


@given(st.lists(st.tuples(texts, texts), max_size=4))
def test_headers_together_are_written_as_each_alone(headers: list[tuple[bytes, bytes]]) -> None:
    together = header_lines(headers)

    assert together == b"".join(header_lines([header]) for header in headers)
    assert together.count(b"\n") == together.count(b"\r") == together.count(b"\r\n")
    assert b"\0" not in together

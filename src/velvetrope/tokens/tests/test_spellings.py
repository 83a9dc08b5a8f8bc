"""base64url has one spelling for the same bytes, and headers are remembered by their whole text."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.tokens import NotAToken
from velvetrope.tokens.jwt import _parse_base64url, _read_header

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def spelled(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@given(st.binary(min_size=1))
def test_what_was_spelled_is_read_back(value: bytes) -> None:
    assert _parse_base64url(spelled(value)) == value


@pytest.mark.parametrize("value", [b"a", b"ab", b"abc", b"abcd", b"\xff" * 5])
def test_any_other_last_character_is_another_value_or_refused(value: bytes) -> None:
    text = spelled(value)

    read = []
    for last in ALPHABET:
        try:
            read.append(_parse_base64url(text[:-1] + last))
        except NotAToken:
            continue

    assert read.count(value) == 1
    assert len(read) == {0: 64, 2: 4, 3: 16}[len(text) % 4]


@pytest.mark.parametrize("text", ["", "a", "abcde", "ab=", "ab==", "a b", "ab+/", "ab\n", "é"])
def test_other_texts_are_not_base64url(text: str) -> None:
    with pytest.raises(NotAToken):
        _parse_base64url(text)


@pytest.mark.parametrize(
    "header", [b'{"kid":"k"}', b'{"kid":"k","alg":""}', b'{"kid":"k","alg":"RS256","crit":[]}', b"[]"]
)
def test_a_header_that_was_refused_is_refused_the_second_time(header: bytes) -> None:
    for _ in range(2):
        with pytest.raises(NotAToken):
            _read_header(spelled(header))


@pytest.mark.parametrize("filler", [0, 1000], ids=["short", "too long to be remembered"])
def test_header_is_read_the_same_each_time(filler: int) -> None:
    header = spelled(b'{"kid":"k","alg":"RS256","x":"' + b"x" * filler + b'"}')

    assert _read_header(header) == _read_header(header) == ("k", "RS256")

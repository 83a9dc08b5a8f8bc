"""Bytes as a text that is safe in URLs."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.base64url import decode_base64url, encode_base64url


@given(st.binary(max_size=200))
def test_text_is_that_of_the_standard_library_without_padding(value: bytes) -> None:
    text = encode_base64url(value)

    assert base64.urlsafe_b64encode(value).decode() == text + "=" * (-len(text) % 4)


@given(st.binary(max_size=200))
def test_what_was_written_is_read(value: bytes) -> None:
    assert decode_base64url(encode_base64url(value)) == value


@pytest.mark.parametrize("text", ["A", "AAAAA", "\u00fc\u00fc"])
def test_what_spells_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64|ASCII"):
        decode_base64url(text)

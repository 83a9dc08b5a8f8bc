"""Bytes as a text that is safe in URLs."""

import base64

from hypothesis import given
from hypothesis import strategies as st

from velvetrope.base64url import encode_base64url


@given(st.binary(max_size=200))
def test_text_is_that_of_the_standard_library_without_padding(value: bytes) -> None:
    text = encode_base64url(value)

    assert base64.urlsafe_b64encode(value).decode() == text + "=" * (-len(text) % 4)

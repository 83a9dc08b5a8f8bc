"""Tokens by which lists are read page after page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.page_tokens import UnknownPageToken, page_of, parse_page_offset, parse_page_token, render_page_token


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_token_says_where_the_page_ended(key: str) -> None:
    assert parse_page_token(render_page_token(key)) == key


def test_the_first_page_has_no_token() -> None:
    assert parse_page_token(None) == ""
    assert parse_page_offset(None) == 0


@pytest.mark.parametrize("token", ["*", "YQ", "Y Q==", "YQ==\n", "_w==", "é"])
def test_what_we_have_not_given_out_is_refused(token: str) -> None:
    with pytest.raises(UnknownPageToken):
        parse_page_token(token)


@pytest.mark.parametrize("token", ["", "-1", "1.0", "1_0", "²", "٣", "9" * 10, "9" * 5000])
def test_no_number_that_a_list_could_end_at_is_refused(token: str) -> None:
    with pytest.raises(UnknownPageToken):
        parse_page_offset(token)


def test_an_offset_is_read() -> None:
    assert parse_page_offset("9" * 9) == 999_999_999


def test_pages_hold_everything_once() -> None:
    names = [f"name-{number}" for number in range(5)]
    seen: list[str] = []
    token: str | None = None
    while True:
        after = parse_page_token(token)
        page, token = page_of([name for name in names if name > after][:3], 2, key=str)
        seen += page
        if token is None:
            break

    assert seen == names


def test_a_page_that_ends_the_list_has_no_token_behind_it() -> None:
    assert page_of(["a", "b"], 2, key=str) == (["a", "b"], None)
    assert page_of([], 2, key=str) == ([], None)

"""What all services say of tags."""

import pytest

from velvetrope.tags import MAX_TAGS, ReservedTagKey, TooManyTags, merge_tags

_FULL = {str(number): "" for number in range(MAX_TAGS)}


def test_what_is_added_stands_beside_what_was_there_and_in_its_place() -> None:
    assert merge_tags({"a": "1", "b": "2"}, {"b": "3", "c": "4"}) == {"a": "1", "b": "3", "c": "4"}


@pytest.mark.parametrize("key", ["aws:x", "AWS:x", "Aws:"])
def test_keys_of_awss_own_are_refused_in_any_spelling(key: str) -> None:
    with pytest.raises(ReservedTagKey, match=key):
        merge_tags({}, {"mine": "", key: ""})


def test_keys_that_only_look_like_awss_are_taken() -> None:
    assert merge_tags({}, {"aws": "", "my-aws:x": ""}) == {"aws": "", "my-aws:x": ""}


def test_fifty_tags_are_enough() -> None:
    assert len(merge_tags(_FULL, {"0": "again"})) == MAX_TAGS

    with pytest.raises(TooManyTags):
        merge_tags(_FULL, {"one more": ""})

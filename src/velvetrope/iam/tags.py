"""Tags of roles, users and policies: 50 at the most, keys that differ by more than case.

Source: IAM User Guide, "Tags for IAM resources"; texts as seen on AWS.
"""

from collections.abc import Mapping, Sequence

import msgspec

from velvetrope.iam.errors import InvalidInput, LimitExceeded
from velvetrope.tags import MAX_TAGS, is_reserved

__all__ = ["Tag", "add_tags", "new_tags", "remove_tags", "render_tags"]


class Tag(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tag. The model has checked lengths and characters."""

    key: str
    value: str


def new_tags(tags: Sequence[Tag]) -> dict[str, str]:
    """The tags of something new.

    Raises:
        InvalidInput: two keys differ only by case, or one begins with `aws:`.
        LimitExceeded: too many.
    """
    return add_tags({}, tags)


def add_tags(present: Mapping[str, str], tags: Sequence[Tag]) -> dict[str, str]:
    """`present` with `tags` added; a key that is there already, in any case, gets the new value and spelling.

    Raises:
        InvalidInput, LimitExceeded: as for `new_tags`.
    """
    if len({tag.key.lower() for tag in tags}) != len(tags):
        raise InvalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(is_reserved(tag.key) for tag in tags):
        raise InvalidInput("One of the tag keys is reserved: keys that begin with aws: belong to AWS.")
    replaced = {tag.key.lower() for tag in tags}
    merged = {key: value for key, value in present.items() if key.lower() not in replaced}
    merged.update((tag.key, tag.value) for tag in tags)
    if len(merged) > MAX_TAGS:
        raise LimitExceeded(f"The number of tags has reached the maximum limit of {MAX_TAGS}.")
    return merged


def remove_tags(present: Mapping[str, str], keys: Sequence[str]) -> dict[str, str]:
    """`present` without `keys`, in any case."""
    gone = {key.lower() for key in keys}
    return {key: value for key, value in present.items() if key.lower() not in gone}


def render_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]

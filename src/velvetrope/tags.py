"""What all services say of a resource's tags: 50 at the most, and no key that begins with `aws:`, in any spelling.

Lengths and characters are in the services' models, and what else one asks (IAM: that keys differ by more than their
case) is its own.

Source: Tagging AWS Resources and Tag Editor, "Tag naming limits and requirements".
"""

from collections.abc import Mapping
from typing import Final

from velvetrope.errors import ReasonError

__all__ = ["MAX_TAGS", "ReservedTagKey", "TagsRefused", "TooManyTags", "is_reserved", "merge_tags"]

MAX_TAGS: Final = 50


class TagsRefused(ReasonError):
    """A resource may not have these tags. The words are ours (UNVERIFIED: AWS's, for each service)."""


class ReservedTagKey(TagsRefused):
    """A key is AWS's own."""


class TooManyTags(TagsRefused):
    """More than a resource may have."""


def is_reserved(key: str) -> bool:
    """Whether only AWS gives tags of this key."""
    return key.lower().startswith("aws:")


def merge_tags(present: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """`present` and `added` together; a key that is there already gets the value that is added.

    Raises:
        ReservedTagKey, TooManyTags: a resource may not have them.
    """
    reserved = next(filter(is_reserved, added), None)
    if reserved is not None:
        raise ReservedTagKey(f"The tag key {reserved} is reserved: keys do not begin with aws:")
    together = {**present, **added}
    if len(together) > MAX_TAGS:
        raise TooManyTags(f"A resource has at most {MAX_TAGS} tags")
    return together

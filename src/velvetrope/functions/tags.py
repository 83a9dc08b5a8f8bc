"""Which tags a function may have.

Source: Lambda Developer Guide, "Using tags on Lambda functions", tag requirements.
"""

from collections.abc import Mapping

from velvetrope.functions.errors import InvalidParameterValueException
from velvetrope.tags import TagsRefused, merge_tags

__all__ = ["with_tags"]


def with_tags(present: Mapping[str, str], added: Mapping[str, str] | None) -> dict[str, str]:
    """`present` and `added` together.

    Raises:
        InvalidParameterValueException: one of those added is AWS's own, or there are too many.
    """
    try:
        return merge_tags(present, added or {})
    except TagsRefused as finding:
        raise InvalidParameterValueException(finding.message) from None

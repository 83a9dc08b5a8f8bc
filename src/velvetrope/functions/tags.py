"""Which tags a function may have.

Source: Lambda Developer Guide, "Using tags on Lambda functions", tag requirements: at most 50, and none that begins
with `aws:`, in any spelling.
"""

from collections.abc import Mapping

from velvetrope.functions.errors import InvalidParameterValueException

__all__ = ["with_tags"]

_MAX_TAGS = 50
_RESERVED = "aws:"


def with_tags(present: Mapping[str, str], added: Mapping[str, str] | None) -> dict[str, str]:
    """`present` and `added` together.

    Raises:
        InvalidParameterValueException: one of those added is AWS's own, or there are too many.
    """
    reserved = next((key for key in added or {} if key.lower().startswith(_RESERVED)), None)
    if reserved is not None:
        # UNVERIFIED: AWS's exact words.
        raise InvalidParameterValueException(f"The tag key {reserved} is reserved: keys do not begin with {_RESERVED}")
    together = {**present, **(added or {})}
    if len(together) > _MAX_TAGS:
        raise InvalidParameterValueException(f"A function has no more than {_MAX_TAGS} tags.")
    return together

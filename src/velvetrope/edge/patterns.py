"""The models' patterns, which are Java's, matched in Python.

Three things differ. `\\p{L}` and its siblings do not exist in `re`: the class is spelled out for the characters that
the value at hand holds, so nothing the size of Unicode is ever built. `\\w`, `\\d` and `\\s` are ASCII in Java. And
`[\\w-_]` is a range error in Python where Java reads a plain hyphen. A pattern must match the whole value.
"""

import re
import unicodedata
from functools import lru_cache

__all__ = ["matches_pattern", "searched_pattern"]

_PROPERTY = re.compile(r"\\p\{(L|M|N|P|S|Z)\}")
_CLASS_THEN_HYPHEN = re.compile(r"(\\[wds])-(?=[^\]])")
_ASCII = "".join(map(chr, range(128)))


def matches_pattern(pattern: str, value: str) -> bool:
    """Whether the whole of `value` matches the model's `pattern`."""
    alphabet = ""
    if "\\p{" in pattern and not value.isascii():
        alphabet = "".join(sorted({c for c in value if not c.isascii()}))
    return _compiled(pattern, alphabet).fullmatch(value) is not None


def searched_pattern(pattern: str) -> str:
    """A pattern that `re.search` finds only in values that match `pattern` whole.

    Of one that speaks of letters and their like it finds values of ASCII characters only.
    """
    only_ascii = r"(?=[\x00-\x7f]*\Z)" if "\\p{" in pattern else ""
    return rf"(?a)\A{only_ascii}(?:{_compiled(pattern, '').pattern})\Z"


@lru_cache(maxsize=1024)
def _compiled(pattern: str, alphabet: str) -> re.Pattern[str]:
    """`pattern` for values of ASCII characters and those of `alphabet`."""
    spelled = _PROPERTY.sub(lambda found: _members_of(found[1], alphabet), pattern)
    return re.compile(_CLASS_THEN_HYPHEN.sub(r"\1\\-", spelled), re.ASCII)


def _members_of(category: str, alphabet: str) -> str:
    """The characters of a general category, escaped for use inside a character class."""
    return "".join(re.escape(c) for c in _ASCII + alphabet if unicodedata.category(c).startswith(category))

"""Filter patterns: which messages FilterLogEvents gives.

    matches = parse_filter_pattern('ERROR -"not found" ?timeout ?refused')
    matches("[ERROR] it timed out")

A pattern for text is a list of terms: all plain ones must be in the message, none of those after `-` may, and of those
after `?` one at least must, if there are any. Terms with other characters than letters, digits and `_` are quoted.
Case counts. An empty pattern matches everything.

Patterns for JSON (`{ … }`), for columns (`[ … ]`) and regular expressions (`%…%`) are refused by name.

Source: CloudWatch Logs User Guide, "Filter pattern syntax for metric filters, subscription filters, filter log events,
and Live Tail", match terms. UNVERIFIED: that `?` terms count beside plain ones; AWS says that it ignores them then.
"""

import re
from collections.abc import Callable

from velvetrope.logs.errors import InvalidParameterException

__all__ = ["parse_filter_pattern"]

_TERM = re.compile(r"""\s*(?P<sign>[-?]?)(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s"]+))""")
_ESCAPE = re.compile(r"\\(.)")


def parse_filter_pattern(pattern: str) -> Callable[[str], bool]:
    """What tells whether a message is wanted.

    Raises:
        InvalidParameterException: a pattern of another kind, or one that cannot be read.
    """
    text = pattern.strip()
    for first, kind in (("{", "JSON"), ("[", "space-delimited"), ("%", "regular expression")):
        if text.startswith(first):
            raise InvalidParameterException(f"{kind} filter patterns are not supported here; use terms.")
    wanted: list[str] = []
    unwanted: list[str] = []
    alternatives: list[str] = []
    lists = {"": wanted, "-": unwanted, "?": alternatives}
    at = 0
    while at < len(text):
        found = _TERM.match(text, at)
        if found is None:
            raise InvalidParameterException("Invalid filter pattern")
        term = found["plain"] if found["quoted"] is None else _ESCAPE.sub(r"\1", found["quoted"])
        if term:
            lists[found["sign"]].append(term)
        at = found.end()

    def matches(message: str) -> bool:
        return (
            all(term in message for term in wanted)
            and not any(term in message for term in unwanted)
            and (not alternatives or bool(wanted) or any(term in message for term in alternatives))
        )

    return matches

"""Values of a policy or a request in a sentence: all of them, or the first few and none at length."""

from collections.abc import Sequence

__all__ = ["joined", "listed"]

_SHOWN, _CHARACTERS = 3, 120


def joined(values: Sequence[str], word: str) -> str:
    """`a`, `a WORD b`, `a, b WORD c`. There is at least one."""
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} {word} {values[-1]}"


def listed(values: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b, c or 4 more`, as a line of reasons shows them; an empty text is shown as `""`."""
    shown = [_shortened(value) or '""' for value in values[:_SHOWN]]
    if len(values) > _SHOWN:
        shown.append(f"{len(values) - _SHOWN} more")
    return joined(shown, "or")


def _shortened(value: str) -> str:
    return value if len(value) <= _CHARACTERS else f"{value[:_CHARACTERS]}…"

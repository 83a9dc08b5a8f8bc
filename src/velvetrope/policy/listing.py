"""Values of a policy or a request, as a line of reasons shows them: the first few, and none at length."""

from collections.abc import Sequence

__all__ = ["listed"]

_SHOWN, _CHARACTERS = 3, 120


def listed(values: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b, c or 4 more`; an empty text is shown as `""`."""
    shown = [_shortened(value) or '""' for value in values[:_SHOWN]]
    if len(values) > _SHOWN:
        shown.append(f"{len(values) - _SHOWN} more")
    return " or ".join(part for part in (", ".join(shown[:-1]), shown[-1]) if part)


def _shortened(value: str) -> str:
    return value if len(value) <= _CHARACTERS else f"{value[:_CHARACTERS]}…"

"""What the two dialects of regular expressions that AWS's services take mean by their classes of characters.

`JAVA` is `java.util.regex.Pattern` without flags, as far as authors may write it; `ECMA` is ECMA 262's, which JSON
Schema asks for, by code points. Both mean ASCII by `\\d`, `\\w` and `\\b`; what is white space and what ends a line
differs.

Sources: Java SE API, java.util.regex.Pattern, "Summary of regular-expression constructs" and "Line terminators"; ECMA
262, "WhiteSpace", "LineTerminator", "CharacterClassEscape"; API Gateway Developer Guide, "Data models for REST APIs".
UNVERIFIED: that AWS reads `pattern` by code points and not by UTF-16 units.
"""

import enum
from collections.abc import Iterable, Mapping
from typing import Final

__all__ = ["Characters", "Dialect", "complement", "fold_ascii", "in_class", "spell"]

Characters = tuple[tuple[int, int], ...]
"""Ranges of code points, both ends included."""

_LAST: Final = 0x10FFFF
_DIGITS: Final[Characters] = ((0x30, 0x39),)
_WORD: Final[Characters] = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_JAVA_SPACE: Final[Characters] = ((0x09, 0x0D), (0x20, 0x20))
_ECMA_SPACE: Final[Characters] = (
    *((0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A)),
    *((0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)),
)
_JAVA_HORIZONTAL: Final[Characters] = (
    *((0x09, 0x09), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x180E, 0x180E), (0x2000, 0x200A)),
    *((0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000)),
)
_JAVA_VERTICAL: Final[Characters] = ((0x0A, 0x0D), (0x85, 0x85), (0x2028, 0x2029))
_JAVA_LINE_ENDS: Final[Characters] = ((0x0A, 0x0A), (0x0D, 0x0D), (0x85, 0x85), (0x2028, 0x2029))
_ECMA_LINE_ENDS: Final[Characters] = ((0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029))

_SURROGATES: Final = (0xD800, 0xDFFF)


class Dialect(enum.Enum):
    """Whose regular expressions they are."""

    JAVA = "Java"
    ECMA = "ECMA 262"

    @property
    def classes(self) -> Mapping[str, Characters]:
        """What a letter behind a backslash stands for, those in upper case left out."""
        if self is Dialect.JAVA:
            return {"d": _DIGITS, "w": _WORD, "s": _JAVA_SPACE, "h": _JAVA_HORIZONTAL, "v": _JAVA_VERTICAL}
        return {"d": _DIGITS, "w": _WORD, "s": _ECMA_SPACE}

    @property
    def line_ends(self) -> Characters:
        """What a dot does not take."""
        return _JAVA_LINE_ENDS if self is Dialect.JAVA else _ECMA_LINE_ENDS

    @property
    def single_characters(self) -> Mapping[str, int]:
        """Letters behind a backslash that are one character."""
        common = {"t": 0x09, "n": 0x0A, "f": 0x0C, "r": 0x0D}
        return common | ({"a": 0x07, "e": 0x1B} if self is Dialect.JAVA else {"v": 0x0B})


POSIX: Final[Mapping[str, Characters]] = {
    "Lower": ((0x61, 0x7A),),
    "Upper": ((0x41, 0x5A),),
    "ASCII": ((0x00, 0x7F),),
    "Alpha": ((0x41, 0x5A), (0x61, 0x7A)),
    "Digit": _DIGITS,
    "Alnum": ((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)),
    "Punct": ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)),
    "Graph": ((0x21, 0x7E),),
    "Print": ((0x20, 0x7E),),
    "Blank": ((0x09, 0x09), (0x20, 0x20)),
    "Cntrl": ((0x00, 0x1F), (0x7F, 0x7F)),
    "XDigit": ((0x30, 0x39), (0x41, 0x46), (0x61, 0x66)),
    "Space": _JAVA_SPACE,
}
"""Java's `\\p{Lower}` and its siblings, ASCII only."""


def complement(characters: Iterable[tuple[int, int]]) -> Characters:
    """Every code point that is not among them."""
    left, first = [], 0
    for low, high in sorted(characters):
        if low > first:
            left.append((first, low - 1))
        first = max(first, high + 1)
    if first <= _LAST:
        left.append((first, _LAST))
    return tuple(left)


def fold_ascii(characters: Characters) -> Characters:
    """With the other case of each ASCII letter, which is what Java's `(?i)` folds without `(?u)`."""
    folded = list(characters)
    for low, high in characters:
        for first, last, shift in ((0x41, 0x5A, 0x20), (0x61, 0x7A, -0x20)):
            start, end = max(low, first), min(high, last)
            if start <= end:
                folded.append((start + shift, end + shift))
    return tuple(folded)


def spell(code_point: int) -> str:
    """One character as RE2 takes it, whatever it means elsewhere."""
    character = chr(code_point)
    return character if character.isascii() and character.isalnum() else f"\\x{{{code_point:x}}}"


def in_class(characters: Characters) -> str:
    """Ranges as they stand between RE2's brackets; surrogates are no characters there."""
    parts = []
    for low, high in characters:
        for first, last in ((low, min(high, _SURROGATES[0] - 1)), (max(low, _SURROGATES[1] + 1), high)):
            if first <= last:
                parts.append(spell(first) if first == last else f"{spell(first)}-{spell(last)}")
    return "".join(parts)

"""Classes of characters: what stands between brackets, and Java's `\\p{…}`.

In Java a bracket or `&&` inside a class makes unions and intersections, which are refused; in ECMA 262 both are
characters, `[]` is nothing and `[^]` is everything.
"""

import re
from typing import Final

from velvetrope.patterns.dialects import POSIX, Characters, Dialect, complement, fold_ascii, in_class
from velvetrope.patterns.source import Source

__all__ = ["read_class", "read_property"]

_CATEGORY: Final = re.compile(r"(?:L[ultmo]?|M[cen]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?|C[cfo]?)")
_SCRIPTS: Final = frozenset(
    {"Arabic", "Armenian", "Bengali", "Cyrillic", "Devanagari", "Georgian", "Greek", "Han", "Hangul", "Hebrew"}
    | {"Hiragana", "Katakana", "Latin", "Thai"}
)
_NOTHING: Final = "[^\\x{0}-\\x{10ffff}]"


def read_class(source: Source, dialect: Dialect, *, fold: bool) -> str:
    """A class whose opening bracket has been read, as RE2 spells it.

    Raises:
        PatternRefused: it is not closed, or has what cannot be taken over.
    """
    start = source.position
    negated = source.take("^")
    if dialect is Dialect.JAVA and source.starts("]"):
        raise source.refusal("a class that begins with ]")
    ranges: list[tuple[int, int]] = []
    properties: list[str] = []
    while not source.take("]"):
        if source.at_end:
            raise source.refusal("a class that is not closed", source.position - start + 1)
        if dialect is Dialect.JAVA and source.starts("&&"):
            raise source.refusal("an intersection of classes")
        first = _member(source, dialect, properties, fold=fold)
        if not (source.starts("-") and not source.starts("-]")):
            ranges += first
            continue
        source.next()
        if isinstance(first, list):
            # A class before a hyphen: the hyphen is a character.
            ranges += [*first, (0x2D, 0x2D)]
            continue
        last = _member(source, dialect, properties, fold=fold)
        if isinstance(last, list):
            raise source.refusal("a range that ends with a class")
        if last[0][0] < first[0][0]:
            raise source.refusal("a range whose end is before its beginning")
        ranges.append((first[0][0], last[0][0]))
    characters: Characters = fold_ascii(tuple(ranges)) if fold else tuple(ranges)
    inside = in_class(characters) + "".join(properties)
    if not inside:
        return "[\\x{0}-\\x{10ffff}]" if negated else _NOTHING
    return f"[{'^' if negated else ''}{inside}]"


def read_property(source: Source, *, negated: bool, fold: bool) -> str:
    """A `\\p` of Java, whose letter has been read: a general category, `IsLatin` and the like, or POSIX's names."""
    if source.take("{"):
        name = source.until("}", "a property without an end")
    else:
        name = "" if source.at_end else source.next()
    if fold:
        raise source.refusal(f"the property {name} without regard to case")
    if name in POSIX:
        meant = complement(POSIX[name]) if negated else POSIX[name]
        return f"[{in_class(meant)}]"
    plain = name.removeprefix("Is")
    if _CATEGORY.fullmatch(plain) or (plain in _SCRIPTS and plain != name):
        return f"\\{'P' if negated else 'p'}{{{plain}}}"
    raise source.refusal(f"the property {name}")


def _member(
    source: Source, dialect: Dialect, properties: list[str], *, fold: bool
) -> tuple[tuple[int, int]] | list[tuple[int, int]]:
    """One character, as a tuple, or what a class inside the class stands for, as a list."""
    if source.at_end:
        raise source.refusal("a class that is not closed")
    character = source.next()
    if character == "[" and dialect is Dialect.JAVA:
        raise source.refusal("a class inside a class", 1)
    if character != "\\":
        return ((ord(character), ord(character)),)
    if source.at_end:
        raise source.refusal("a backslash at the end")
    letter = source.peek()
    meant = dialect.classes.get(letter.lower())
    if meant is not None:
        source.next()
        return list(meant if letter.islower() else complement(meant))
    if letter in "pP" and dialect is Dialect.JAVA:
        source.next()
        text = read_property(source, negated=letter == "P", fold=fold)
        properties.append(text.removeprefix("[").removesuffix("]"))
        return []
    if letter == "b" and dialect is Dialect.ECMA:
        source.next()
        return ((0x08, 0x08),)
    if letter == "Q" and dialect is Dialect.JAVA:
        raise source.refusal("a quotation inside a class")
    code_point = source.escaped_character(dialect)
    if 0xD800 <= code_point <= 0xDFFF:
        raise source.refusal("half of a surrogate pair")
    return ((code_point, code_point),)

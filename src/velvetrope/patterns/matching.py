"""Patterns of authors, compiled: does a text match, and where.

The work is RE2's, which looks at each byte of a text once per state that the pattern can be in: at most
`len(text) * size` steps of some five nanoseconds, mostly far fewer. A caller who may send long texts could still make
many of them with a large pattern, so that a match has a limit of steps and says so instead of going on.

RE2 is imported with the first pattern that is more than a plain text. It lets other threads run while it matches.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from velvetrope.patterns.dialects import Dialect
from velvetrope.patterns.errors import PatternRefused, TooMuchToMatch
from velvetrope.patterns.translation import Alternative, translate

if TYPE_CHECKING:
    import re2

__all__ = ["Finder", "Found", "Pattern", "compile_finder", "compile_pattern"]

_MOST_STEPS: Final = 300_000_000
"""A second and a half, if the worst pattern meets the worst text."""
_MAX_SIZE: Final = 100_000
"""Instructions of RE2. `.{1,2000}` has 56,000: what the dot takes is told byte by byte."""


@dataclass(frozen=True)
class _Compiled:
    """An alternative: the text that it is, or what RE2 has to say."""

    literal: str | None
    starts: bool
    ends: bool
    program: "re2._Regexp | None"
    conditions: tuple[tuple["re2._Regexp", bool], ...]

    def matches(self, text: str, encoded: bytes) -> bool:
        if self.program is None:
            return self._matches_literal(text)
        if self.program.search(encoded) is None:
            return False
        return all((one.search(encoded) is not None) == wanted for one, wanted in self.conditions)

    def _matches_literal(self, text: str) -> bool:
        literal = self.literal or ""
        if self.starts:
            return text == literal if self.ends else text.startswith(literal)
        return text.endswith(literal) if self.ends else literal in text


class Pattern:
    """A pattern that texts match or do not. `size` is what one character of a text costs, in steps."""

    def __init__(self, alternatives: tuple[_Compiled, ...], most_steps: int) -> None:
        self._alternatives = alternatives
        self._most_steps = most_steps
        self.size = sum(
            sum(program.programsize for program in (one.program, *(looked for looked, _ in one.conditions)) if program)
            for one in alternatives
        )

    def matches(self, text: str) -> bool:
        """Whether `text` matches: all of it or a part of it, as was said when the pattern was compiled.

        Raises:
            TooMuchToMatch: that would take too long.
        """
        encoded = text.encode("utf-8", "replace") if self.size else b""
        if len(encoded) * self.size > self._most_steps:
            raise TooMuchToMatch("the text is too long for a pattern of that size")
        return any(one.matches(text, encoded) for one in self._alternatives)

    def surely_matches(self, text: str) -> bool:
        """Whether `text` is known to match; not if that would take too long to find out."""
        try:
            return self.matches(text)
        except TooMuchToMatch:
            return False


@dataclass(frozen=True)
class Found:
    """A part of a text that matched: where, and what its groups took (None took no part)."""

    start: int
    end: int
    groups: tuple[str | None, ...]


class Finder:
    """A pattern whose places in a text are wanted."""

    def __init__(self, program: "re2._Regexp") -> None:
        self._program = program

    def find_all(self, text: str, charge: Callable[[int], None]) -> Iterator[Found]:
        """Every place, from left to right, none overlapping another.

        Before each search `charge` hears how many steps it may take, and ends it all by raising.
        """
        size = self._program.programsize
        charge(len(text) * size)
        for match in self._program.finditer(text.encode("utf-8", "replace").decode()):
            # The next search may look at everything behind this place.
            charge((len(text) - match.start()) * size)
            spans = (match.span(group) for group in range(1, self._program.groups + 1))
            groups = tuple(None if span == (-1, -1) else text[slice(*span)] for span in spans)
            yield Found(match.start(), match.end(), groups)


def compile_pattern(text: str, dialect: Dialect, *, whole: bool, most_steps: int = _MOST_STEPS) -> Pattern:
    """`text` as a pattern that whole texts match, or parts of texts.

    Raises:
        PatternRefused: it is not a pattern of `dialect`, or cannot be matched in linear time.
    """
    alternatives = translate(text, dialect, whole=whole)
    pattern = Pattern(tuple(_compiled(one, whole=whole) for one in alternatives), most_steps)
    if pattern.size > _MAX_SIZE:
        raise PatternRefused("a pattern of that size is not supported")
    return pattern


def compile_finder(text: str, dialect: Dialect) -> Finder:
    """`text` as a pattern that is looked for.

    Raises:
        PatternRefused: it is not a pattern of `dialect`, or cannot be matched in linear time.
    """
    alternatives = translate(text, dialect, whole=False, captures=True)
    return Finder(_program(alternatives[0].pattern, captures=True))


def _compiled(alternative: Alternative, *, whole: bool) -> _Compiled:
    conditions = tuple((_program(one.pattern), one.wanted) for one in alternative.conditions)
    program = None
    if alternative.literal is None or conditions:
        program = _program(f"\\A(?:{alternative.pattern})\\z" if whole else alternative.pattern)
    return _Compiled(alternative.literal, alternative.starts, alternative.ends, program, conditions)


def _program(pattern: str, *, captures: bool = False) -> "re2._Regexp":
    import re2

    options = re2.Options()
    options.log_errors = False
    options.never_capture = not captures
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        told = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise PatternRefused(f"the pattern cannot be compiled: {told}") from None

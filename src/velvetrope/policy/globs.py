"""Wildcard patterns: `*` is any run of characters, none included; `?` is exactly one. There is no escape.

A `Glob` is made once from literal runs and wildcards and then asked in three ways:

- `matches(text)`: does the text fit;
- `covers(partial)`: does every text that `partial` could stand for fit (`*` in `partial` is a part we do not know);
- `overlaps(partial)`: could any text that `partial` stands for fit.

No regular expression does the matching: pieces between stars are searched from left to right, so the work is at most
the product of the two lengths, whatever the pattern. Patterns come from strangers.

Literals and wildcards are kept apart from the start, so a `*` that came out of a policy variable (a caller's tag, say)
stays a plain character.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from operator import or_
from typing import Final

__all__ = ["ANY_CHARACTER", "ANY_RUN", "Glob", "Token", "compile_glob", "glob_of", "tokens_of"]


class _Wildcard:
    """`*` or `?` as a token that no text can be mistaken for."""

    __slots__ = ("_symbol",)

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol

    def __repr__(self) -> str:
        return self._symbol


ANY_RUN: Final = _Wildcard("*")
ANY_CHARACTER: Final = _Wildcard("?")

_WILDCARDS: Final[dict[str, _Wildcard]] = {"*": ANY_RUN, "?": ANY_CHARACTER}
_PIECES: Final = re.compile(r"([*?])")

Token = str | _Wildcard
"""A literal run of text, or one of the two wildcards."""

_Piece = tuple[str | None, ...]
"""What stands between two stars: literal runs, and None for each `?`."""


def tokens_of(pattern: str) -> tuple[Token, ...]:
    """`pattern` read with its wildcards."""
    return tuple(_WILDCARDS.get(piece, piece) for piece in _PIECES.split(pattern) if piece)


@dataclass(frozen=True, slots=True)
class Glob:
    """One compiled pattern."""

    tokens: tuple[Token, ...]
    matches: Callable[[str], bool]

    def covers(self, partial: str) -> bool:
        """Whether everything that `partial` may stand for matches. May say no where a cleverer answer is yes."""
        return _covers(self.tokens, partial)

    def overlaps(self, partial: str) -> bool:
        """Whether anything that `partial` may stand for matches."""
        return _overlaps(self.tokens, partial)


def glob_of(tokens: Iterable[Token]) -> Glob:
    """The pattern made of `tokens`."""
    joined = _joined(tokens)
    return Glob(joined, _matcher(joined))


@lru_cache(maxsize=4096)
def compile_glob(pattern: str) -> Glob:
    """The pattern written as text."""
    return glob_of(tokens_of(pattern))


def _joined(tokens: Iterable[Token]) -> tuple[Token, ...]:
    """The same tokens with neighbouring literals, and neighbouring stars, made one."""
    out: list[Token] = []
    for token in tokens:
        last = out[-1] if out else None
        if isinstance(token, str) and isinstance(last, str):
            out[-1] = last + token
        elif token != "" and not (token is ANY_RUN and last is ANY_RUN):
            out.append(token)
    return tuple(out)


def _matcher(tokens: tuple[Token, ...]) -> Callable[[str], bool]:
    """The quickest way to match: nearly every pattern people write is a literal, a prefix or `*`."""
    if tokens == (ANY_RUN,):
        return _always
    if not tokens:
        return _is_empty
    first = tokens[0]
    if isinstance(first, str):
        if len(tokens) == 1:
            return lambda text: text == first
        if len(tokens) == 2 and tokens[1] is ANY_RUN:
            return lambda text: text.startswith(first)
    pieces = _pieces(tokens)
    if isinstance(first, str):
        # Most texts that do not match differ at the beginning.
        return lambda text: text.startswith(first) and _match_pieces(pieces, text)
    return lambda text: _match_pieces(pieces, text)


def _always(_text: str) -> bool:
    return True


def _is_empty(text: str) -> bool:
    return text == ""


def _pieces(tokens: tuple[Token, ...]) -> tuple[_Piece, ...]:
    pieces: list[list[str | None]] = [[]]
    for token in tokens:
        if token is ANY_RUN:
            pieces.append([])
        else:
            pieces[-1].append(token if isinstance(token, str) else None)
    return tuple(tuple(piece) for piece in pieces)


def _match_pieces(pieces: tuple[_Piece, ...], text: str) -> bool:
    if len(pieces) == 1:
        return _end_of(pieces[0], text, 0) == len(text)
    position = _end_of(pieces[0], text, 0)
    if position < 0:
        return False
    for piece in pieces[1:-1]:
        position = _find(piece, text, position)
        if position < 0:
            return False
    last = pieces[-1]
    start = len(text) - sum(1 if part is None else len(part) for part in last)
    return start >= position and _end_of(last, text, start) == len(text)


def _end_of(piece: _Piece, text: str, start: int) -> int:
    """Where `piece` ends if it stands at `start`; -1 if it does not stand there."""
    position = start
    for part in piece:
        if part is None:
            position += 1
        elif text.startswith(part, position):
            position += len(part)
        else:
            return -1
    return position if position <= len(text) else -1


def _find(piece: _Piece, text: str, start: int) -> int:
    """Where the first `piece` at or after `start` ends; -1 if there is none."""
    if len(piece) == 1 and piece[0] is not None:
        found = text.find(piece[0], start)
        return -1 if found < 0 else found + len(piece[0])
    for candidate in range(start, len(text) + 1):
        end = _end_of(piece, text, candidate)
        if end >= 0:
            return end
    return -1


def _characters(tokens: Iterable[Token]) -> tuple[str | _Wildcard, ...]:
    out: list[str | _Wildcard] = []
    for token in tokens:
        if isinstance(token, str):
            out.extend(token)
        else:
            out.append(token)
    return tuple(out)


def _partial_characters(partial: str) -> tuple[str | _Wildcard, ...]:
    """`partial` by characters; its `*` stands for what we do not know, its `?` is a plain character."""
    return tuple(ANY_RUN if character == "*" else character for character in partial)


def _covers(tokens: tuple[Token, ...], partial: str) -> bool:
    pattern, given = _characters(tokens), _partial_characters(partial)
    # row[j]: pattern from i on covers given from j on. Worked from the end, one row for each i.
    row = [False] * len(given) + [True]
    for wanted in reversed(pattern):
        if wanted is ANY_RUN:
            new = list(accumulate(reversed(row), or_))[::-1]
        else:
            new = [
                row[j + 1] and given[j] is not ANY_RUN and (wanted is ANY_CHARACTER or wanted == given[j])
                for j in range(len(given))
            ] + [False]
        row = new
    return row[0]


def _overlaps(tokens: tuple[Token, ...], partial: str) -> bool:
    pattern, given = _characters(tokens), _partial_characters(partial)
    # row[j]: pattern from i on and given from j on have a text in common.
    width = len(given)
    row = [False] * (width + 1)
    row[width] = True
    for j in range(width - 1, -1, -1):
        row[j] = given[j] is ANY_RUN and row[j + 1]
    for wanted in reversed(pattern):
        new = [False] * (width + 1)
        new[width] = wanted is ANY_RUN and row[width]
        for j in range(width - 1, -1, -1):
            if wanted is ANY_RUN or given[j] is ANY_RUN:
                new[j] = row[j] or new[j + 1]
            else:
                new[j] = row[j + 1] and (wanted is ANY_CHARACTER or wanted == given[j])
        row = new
    return row[0]

"""Where the statements and values of a document stand, by line and column (both from 1).

The document must be one that was parsed; nothing is checked a second time.
"""

import json
import re
from dataclasses import dataclass

__all__ = ["Path", "Position", "Span", "statement_spans", "value_positions"]

Path = tuple[str | int, ...]
"""The way from the document to a value in it: names of members and indices of arrays."""

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[\s,:]*")


@dataclass(frozen=True, slots=True)
class Position:
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Span:
    """From the opening brace to just behind the closing one."""

    start: Position
    end: Position


def statement_spans(text: str) -> tuple[Span, ...]:
    """The place of each statement of `text`, in order."""
    position = _skip(text, text.index("{") + 1)
    while text[position] != "}":
        name, position = _DECODER.raw_decode(text, position)
        position = _skip(text, position)
        if name == "Statement":
            return tuple(Span(_position(text, start), _position(text, end)) for start, end in _offsets(text, position))
        _, position = _DECODER.raw_decode(text, position)
        position = _skip(text, position)
    return ()


def value_positions(text: str) -> dict[Path, Position]:
    """Where each value of `text` begins; the document itself has the empty path."""
    found: dict[Path, Position] = {}
    _walk(text, _skip(text, 0), (), found)
    return found


def _walk(text: str, start: int, path: Path, found: dict[Path, Position]) -> int:
    """Note the value that begins at `start` and all that is in it; where it ends."""
    found[path] = _position(text, start)
    if text[start] not in "{[":
        return _DECODER.raw_decode(text, start)[1]
    position = _skip(text, start + 1)
    index = 0
    while text[position] not in "}]":
        step: str | int = index
        if text[start] == "{":
            step, position = _DECODER.raw_decode(text, position)
            position = _skip(text, position)
        position = _skip(text, _walk(text, position, (*path, step), found))
        index += 1
    return position + 1


def _offsets(text: str, position: int) -> list[tuple[int, int]]:
    if text[position] == "{":
        return [(position, _DECODER.raw_decode(text, position)[1])]
    out = []
    position = _skip(text, position + 1)
    while text[position] != "]":
        _, end = _DECODER.raw_decode(text, position)
        out.append((position, end))
        position = _skip(text, end)
    return out


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return position if match is None else match.end()


def _position(text: str, offset: int) -> Position:
    line = text.count("\n", 0, offset) + 1
    return Position(line, offset - (text.rfind("\n", 0, offset) + 1) + 1)

"""Where each statement of a document stands, by line and column (both from 1), for messages and for the simulator.

The document must be one that was parsed; nothing is checked a second time.
"""

import json
import re
from dataclasses import dataclass

__all__ = ["Position", "Span", "statement_spans"]

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

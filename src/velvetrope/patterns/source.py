"""A pattern's text while it is read, and the small things that both dialects spell alike."""

import re

from velvetrope.patterns.dialects import Dialect
from velvetrope.patterns.errors import PatternRefused

__all__ = ["Source"]

_COUNTS = re.compile(r"\{(?P<least>\d{1,9})(?P<comma>,(?P<most>\d{1,9})?)?\}", re.ASCII)
_HEX = re.compile(r"[0-9A-Fa-f]+")


class Source:
    """`text`, read from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    @property
    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self.position >= len(self.text)

    def peek(self) -> str:
        """The next character, which is there."""
        return self.text[self.position]

    def next(self) -> str:
        """The next character, which is there, and past it."""
        character = self.text[self.position]
        self.position += 1
        return character

    def starts(self, text: str) -> bool:
        """Whether `text` is next."""
        return self.text.startswith(text, self.position)

    def take(self, text: str) -> bool:
        """Past `text`, if it is next."""
        if not self.starts(text):
            return False
        self.position += len(text)
        return True

    def until(self, end: str, what: str) -> str:
        """The text before `end`, and past both."""
        found = self.text.find(end, self.position)
        if found <= self.position:
            raise self.refusal(what)
        text = self.text[self.position : found]
        self.position = found + len(end)
        return text

    def refusal(self, what: str, back: int = 0) -> PatternRefused:
        """What to raise when `what`, `back` characters before here, is not supported."""
        return PatternRefused(f"{what} (at character {self.position - back}) is not supported")

    def counts_follow(self) -> bool:
        """Whether `{n}`, `{n,}` or `{n,m}` is next."""
        return _COUNTS.match(self.text, self.position) is not None

    def counts(self) -> tuple[int, int | None]:
        """The least and the most of the counts that are next; None is without end."""
        found = _COUNTS.match(self.text, self.position)
        if found is None:
            raise self.refusal("a { that counts nothing")
        self.position = found.end()
        least = int(found["least"])
        if found["comma"] is None:
            return least, least
        return least, None if found["most"] is None else int(found["most"])

    def escaped_character(self, dialect: Dialect) -> int:
        """The one character that stands behind a backslash, which has been read."""
        letter = self.next()
        single = dialect.single_characters.get(letter)
        if single is not None:
            return single
        match letter:
            case "x" if dialect is Dialect.JAVA and self.take("{"):
                return self._number(self.until("}", "an escape without an end"))
            case "x":
                return self._hexadecimal(2)
            case "u":
                return self._unit()
            case "c" if not self.at_end and self.peek().isascii() and self.peek().isupper():
                return ord(self.next()) ^ 0x40
            case "0" if dialect is Dialect.ECMA and (self.at_end or not self.peek().isdigit()):
                return 0
            case _ if letter in "123456789k":
                raise self.refusal(f"the back reference \\{letter}", 2)
            case _ if letter.isalnum() or not letter.isascii():
                raise self.refusal(f"the escape \\{letter}", 2)
            case _:
                return ord(letter)

    def _unit(self) -> int:
        unit = self._hexadecimal(4)
        if 0xD800 <= unit <= 0xDBFF and self.starts("\\u"):
            start = self.position
            self.position += 2
            low = self._hexadecimal(4)
            if 0xDC00 <= low <= 0xDFFF:
                return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)
            self.position = start
        return unit

    def _hexadecimal(self, digits: int) -> int:
        text = self.text[self.position : self.position + digits]
        if len(text) < digits:
            raise self.refusal("an escape that is cut off")
        self.position += digits
        return self._number(text)

    def _number(self, text: str) -> int:
        if not _HEX.fullmatch(text) or int(text, 16) > 0x10FFFF:
            raise self.refusal("an escape that is no character")
        return int(text, 16)

"""The door's own passwords: which database users it may connect as.

They are in a file in libpq's format, one line for each user, `host:port:database:user:password`, with `*` for what
does not matter and backslashes before colons and backslashes. The file is refused if others may read it. A user who is
not in it cannot be reached through the door, whatever a token says.

A user of the door is an ordinary PostgreSQL role with a long random password that nobody else is told.

Source: PostgreSQL 16 documentation, section 34.16 "The Password File".
"""

import re
from dataclasses import dataclass
from pathlib import Path

from velvetrope.errors import VelvetropeError
from velvetrope.secret import Secret

__all__ = ["DatabasePasswords", "PasswordFileRefused"]

_FIELDS = 5
_OTHERS = 0o077
_ASCII = re.compile(r"[\x21-\x7e]+")


class PasswordFileRefused(VelvetropeError):
    """The file cannot be used. The message says why, with the line's number and never what is in it."""


@dataclass(frozen=True, slots=True)
class _Line:
    host: str
    port: str
    database: str
    user: str
    password: Secret[str]

    def is_for(self, host: str, port: int, database: str, user: str) -> bool:
        asked = (host, str(port), database, user)
        has = (self.host, self.port, self.database, self.user)
        return all(mine in {"*", wanted} for mine, wanted in zip(has, asked, strict=True))


class DatabasePasswords:
    """What the file says. As in libpq, the first line that matches counts."""

    def __init__(self, lines: tuple[_Line, ...]) -> None:
        self._lines = lines

    @classmethod
    def load(cls, path: Path) -> "DatabasePasswords":
        """Read the file.

        Raises:
            PasswordFileRefused: it is not there, others may read it, or a line is not understood.
        """
        try:
            if path.stat().st_mode & _OTHERS:
                raise PasswordFileRefused(f"{path}: others may read it; its mode has to be 0600.")
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as err:
            raise PasswordFileRefused(f"{path} cannot be read.") from err
        lines = [
            _parse(line, f"{path}, line {number}")
            for number, line in enumerate(text.splitlines(), 1)
            if line.strip() and not line.startswith("#")
        ]
        if not lines:
            raise PasswordFileRefused(f"{path} has no line for any database user.")
        return cls(tuple(lines))

    def find(self, host: str, port: int, *, database: str, user: str) -> Secret[str] | None:
        """The password of that user, or None."""
        found = (line.password for line in self._lines if line.is_for(host, port, database, user))
        return next(found, None)


def _parse(line: str, where: str) -> _Line:
    fields = _split(line)
    if len(fields) != _FIELDS:
        raise PasswordFileRefused(f"{where}: it is host:port:database:user:password.")
    host, port, database, user, password = fields
    if user in {"", "*"}:
        raise PasswordFileRefused(f"{where}: name the user; a password for every user is no password.")
    if _ASCII.fullmatch(password) is None:
        raise PasswordFileRefused(f"{where}: the password is empty or has characters outside ASCII.")
    return _Line(host, port, database, user, Secret(password))


def _split(line: str) -> list[str]:
    fields, field, escaped = [], "", False
    for character in line:
        if escaped or character not in "\\:":
            field, escaped = field + character, False
        elif character == "\\":
            escaped = True
        else:
            fields.append(field)
            field = ""
    return [*fields, field]

"""Texts as PostgreSQL can keep them: all of them, those with a NUL too.

PostgreSQL's texts hold any character but U+0000. Whoever sends one in a name is to be told that there is no such name,
as on SQLite, and not that we have failed. So it is kept as a noncharacter and a digit, and that noncharacter as itself
and another digit; what is read is turned back. Texts that differ stay different.

Sources: PostgreSQL manual, "Character Types"; Unicode Standard, section 23.7 (noncharacters).
"""

from typing import Any

import psycopg
from psycopg.types.string import StrDumper, TextLoader

__all__ = ["keep_all_texts"]

_ESCAPE = "\ufdd0"


def keep_all_texts(connection: psycopg.Connection[Any]) -> None:
    """Have the connection take and give any text."""
    connection.adapters.register_dumper(str, _Dumper)
    for name in ("text", "varchar"):
        connection.adapters.register_loader(name, _Loader)


class _Dumper(StrDumper):
    def dump(self, obj: str) -> Any:  # noqa: ANN401  a buffer, as psycopg has it
        if "\0" in obj or _ESCAPE in obj:
            obj = obj.replace(_ESCAPE, f"{_ESCAPE}1").replace("\0", f"{_ESCAPE}0")
        return super().dump(obj)


class _Loader(TextLoader):
    def load(self, data: Any) -> Any:  # noqa: ANN401  as psycopg has it
        text = super().load(data)
        if isinstance(text, str) and _ESCAPE in text:
            # First the NULs: no escape is left that was none.
            text = text.replace(f"{_ESCAPE}0", "\0").replace(f"{_ESCAPE}1", _ESCAPE)
        return text

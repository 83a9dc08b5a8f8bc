"""Text that strangers have a hand in, as a terminal may be shown it.

A terminal obeys what is written to it: control sequences move the cursor, set the title, or have it type; a line break
in a refusal could pretend to be another one, and marks of direction show text in another order than it has. What a
caller sent, and what a function printed, comes with all of these if the caller likes. So they are shown as Python
writes them in a string (`\\x1b`).
"""

import unicodedata

__all__ = ["shown"]

_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Controls, formats (marks of direction among them), halves of surrogate pairs, separators of lines and paragraphs."""
_SHOWN = {"\t", "\u200c", "\u200d"}
"""Tabulators, and what joins letters and pictures."""


def shown(text: str, *, lines: bool = False) -> str:
    """`text` with nothing in it that a terminal would obey; with `lines`, line breaks are kept."""
    if text.isprintable():
        return text
    return "".join(_shown(character, lines=lines) for character in text)


def _shown(character: str, *, lines: bool) -> str:
    if character in _SHOWN or (lines and character == "\n") or unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("unicode_escape").decode()

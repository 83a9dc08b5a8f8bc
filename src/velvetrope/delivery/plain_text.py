"""What a person reads of a message that may be HTML.

Cognito's templates are HTML fragments. Mail readers that show no HTML, and our own mailbox page, get the words,
with the address of a link behind its text.
"""

import re
from html.parser import HTMLParser

__all__ = ["plain_text_of"]

_BREAKS = frozenset({"br", "p", "div", "tr", "li", "h1", "h2", "h3", "h4", "table", "ul", "ol"})
_UNSEEN = frozenset({"script", "style", "head", "title"})


def plain_text_of(text: str) -> str:
    """The words of `text`; a text without tags is itself, with its entities resolved."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    lines = (re.sub(r"[ \t]+", " ", line).strip() for line in "".join(reader.parts).splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._unseen = 0
        self._links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen += 1
        if tag in _BREAKS:
            self.parts.append("\n")
        if tag == "a":
            self._links.append(dict(attrs).get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN and self._unseen:
            self._unseen -= 1
        if tag in _BREAKS:
            self.parts.append("\n")
        if tag == "a" and self._links:
            address = self._links.pop()
            if address:
                self.parts.append(f" ({address})")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.parts.append(data)

"""The languages of the pages: which one a person reads, and how a text is said in it.

    language = choose_language(asked="de-AT", kept=None, accepted="en;q=0.5")
    language.say("Sign in")                                       # Anmelden
    language.say("to go on to {destination}", destination=host)   # escaped, unless it is markup
    language.say(refusal.message)                                 # a sentence of the user pool, found by its pattern

English texts are the keys: what a template or a service says is its own entry. A language is one file in
`translations/`, JSON from the English text to the other; `{name}` stands for a value in both. A sentence that comes
with its values filled in already (a service's refusal) is found by the pattern. What has no entry is said as it is: it
is the word of a pool's own function, in the language that its author chose.

A language is asked for by `lang` (kept in a cookie), then by the browser's Accept-Language; AWS's codes of managed
login are accepted, and where we lack one of them the next wish counts. English is the last.

Source: Cognito Developer Guide, "Managed login localization"; RFC 9110 section 12.5.4; RFC 4647 section 3.4 (lookup).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # comes with the templates, when the first page is asked for
    from markupsafe import Markup

__all__ = ["ENGLISH", "LANGUAGES", "Language", "choose_language", "language_named"]

_FOLDER: Final = Path(__file__).with_name("translations")
_NAMES: Final = {"en": "English", "de": "Deutsch", "es": "Español"}
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")
_MAX_HEADER_CHARACTERS: Final = 256


@dataclass(frozen=True)
class Language:
    """One language. `code` is what `<html lang>` and Content-Language say."""

    code: str
    name: str
    """As its speakers call it."""

    def say(self, text: str, **values: object) -> "Markup":
        """`text` in this language, ready for HTML. Values are escaped unless they are markup already."""
        from markupsafe import Markup, escape

        if values:
            return Markup(str(escape(self.texts.get(text, text)))).format(**values)  # noqa: S704  escaped just now
        return escape("\n".join(map(self._whole, text.split("\n"))))

    @cached_property
    def texts(self) -> Mapping[str, str]:
        """English to this language. English has entries where AWS's words, which APIs tell, are none for a page."""
        found: dict[str, str] = json.loads((_FOLDER / f"{self.code}.json").read_text(encoding="utf-8"))
        return found

    def _whole(self, text: str) -> str:
        """A sentence whose values are in it; a value that has an entry of its own is said in this language too."""
        if text in self.texts:
            return self.texts[text]
        for pattern, said in self._patterns:
            found = pattern.fullmatch(text)
            if found is not None:
                return said.format(**{name: self._whole(value) for name, value in found.groupdict().items()})
        return text

    @cached_property
    def _patterns(self) -> tuple[tuple[re.Pattern[str], str], ...]:
        """The longest first: what says more fits better."""
        with_values = [text for text in self.texts if _PLACEHOLDER.search(text)]
        return tuple((_pattern(text), self.texts[text]) for text in sorted(with_values, key=len, reverse=True))


LANGUAGES: Final[Mapping[str, Language]] = {code: Language(code, name) for code, name in _NAMES.items()}
"""By code, in the order in which pages offer them."""
ENGLISH: Final = LANGUAGES["en"]


def choose_language(*, asked: str | None, kept: str | None, accepted: str | None) -> Language:
    """The language of the first wish that can be met: of the link, of the cookie, of the browser."""
    for wish in (asked, kept):
        found = language_named(wish)
        if found is not None:
            return found
    return _accepted(accepted or "")


def language_named(tag: str | None) -> Language | None:
    """The language of a tag (`de`, `de-AT`, `DE_de`); None where we lack it."""
    return None if tag is None else LANGUAGES.get(re.split("[-_]", tag, maxsplit=1)[0].lower())


@lru_cache(maxsize=256)
def _accepted(header: str) -> Language:
    """By weight, and among equals in the browser's order."""
    wishes: list[tuple[float, Language]] = []
    for wish in header[:_MAX_HEADER_CHARACTERS].split(","):
        tag, _, weight = wish.strip().partition(";q=")
        found = ENGLISH if tag == "*" else language_named(tag.strip())
        if found is not None:
            wishes.append((_weight(weight), found))
    wanted = [wish for wish in wishes if wish[0] > 0]
    return max(wanted, key=lambda wish: wish[0])[1] if wanted else ENGLISH


def _weight(text: str) -> float:
    """A quality value; what is none counts for nothing."""
    if not text:
        return 1.0
    return float(text) if re.fullmatch(r"[01](\.[0-9]{0,3})?", text.strip()) else 0.0


def _pattern(text: str) -> re.Pattern[str]:
    """A text with places for values, as a pattern of what it becomes."""
    pieces = _PLACEHOLDER.split(text)
    return re.compile("".join(f"(?P<{piece}>.+)" if at % 2 else re.escape(piece) for at, piece in enumerate(pieces)))

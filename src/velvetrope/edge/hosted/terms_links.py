"""Which of an app's terms a reader is shown: those of the page's language, else those for every other one.

A document that has neither is not shown, and then the other is not either: an app's pages show both or none.

Source: Cognito user pools API, CreateTerms, LanguageIdType.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from velvetrope.edge.hosted.languages import Language
from velvetrope.store.tables.userpools import UserPool
from velvetrope.store.tables.userpools_terms import TermsName

__all__ = ["TermsLinks", "TermsSource", "terms_links"]

_DEFAULT: Final = "cognito:default"
_NAMES: Final = {"en": "cognito:english", "de": "cognito:german", "es": "cognito:spanish"}
"""AWS's names of the languages that we have."""


class TermsSource(Protocol):
    """Knows what apps have to be read: `userpools`."""

    async def links(self, pool: UserPool, client_id: str) -> Mapping[TermsName, Mapping[str, str]]:
        """Links by name of the document and of the language; empty where pages show none."""
        ...


@dataclass(frozen=True, slots=True)
class TermsLinks:
    """The two links of a page."""

    terms_of_use: str
    privacy_policy: str


def terms_links(links: Mapping[TermsName, Mapping[str, str]], language: Language) -> TermsLinks | None:
    """Both documents in that language."""
    terms, privacy = (_link(links.get(name, {}), language) for name in ("terms-of-use", "privacy-policy"))
    return None if terms is None or privacy is None else TermsLinks(terms, privacy)


def _link(by_language: Mapping[str, str], language: Language) -> str | None:
    return by_language.get(_NAMES[language.code], by_language.get(_DEFAULT))

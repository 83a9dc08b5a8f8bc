"""Which language and which look a page is shown in: from the request, and from the pool's owner.

The look is that of the client that the address names, where it is one of the pool; else the pool's own. What a page
needs to be shown is never refused: a query that cannot be read names no language and no client.
"""

from typing import Protocol
from urllib.parse import urlencode

from velvetrope.edge.hosted.cookies import language_of
from velvetrope.edge.hosted.languages import LANGUAGES, Language, choose_language, language_named
from velvetrope.edge.hosted.looks import OUR_LOOK, Look
from velvetrope.edge.hosted.pages import Dress, LanguageLink
from velvetrope.edge.hosted.requests import HostedRequest
from velvetrope.oauth import OAuthError, Parameters
from velvetrope.store.tables.userpools import UserPool

__all__ = ["Dressing", "LookSource"]

_NOTHING = Parameters(())


class LookSource(Protocol):
    """Knows the looks of pools."""

    async def look(self, pool: UserPool, client_id: str | None) -> Look:
        """The look of that client's pages; the pool's own where the client has none or is none of the pool's."""
        ...


class Dressing:
    """Dresses pages."""

    def __init__(self, looks: LookSource | None = None) -> None:
        """Without `looks` every pool is shown in ours."""
        self._looks = looks

    async def dress(self, request: HostedRequest, pool: UserPool | None = None, *, with_links: bool = False) -> Dress:
        """For this reader, in the look of that pool.

        `with_links` to the same page in other languages they repeat its query: for pages that have checked it.
        """
        asked, language = _parameters(request), self.language(request, pool)
        look = OUR_LOOK
        if self._looks is not None and pool is not None:
            look = await self._looks.look(pool, asked.get("client_id"))
        offered = with_links and look.language_links
        return Dress(language, look, _others(request, asked, language) if offered else ())

    def language(self, request: HostedRequest, pool: UserPool | None = None) -> Language:
        """The language of a page for this reader."""
        return choose_language(
            asked=_parameters(request).get("lang"),
            kept=None if pool is None else language_of(request, pool.domain or pool.id),
            accepted=request.header("accept-language"),
        )

    def asked_language(self, request: HostedRequest) -> Language | None:
        """The language that the address asks for, if it is one of ours."""
        return language_named(_parameters(request).get("lang"))


def _others(request: HostedRequest, asked: Parameters, shown: Language) -> tuple[LanguageLink, ...]:
    """Links to the page in each other language; a form's answer has none, since a link would lose the form."""
    if request.method not in {"GET", "HEAD"}:
        return ()
    kept = [(name, value) for name, value in asked.pairs if name != "lang"]
    return tuple(
        LanguageLink(one.code, one.name, "?" + urlencode([*kept, ("lang", one.code)]))
        for one in LANGUAGES.values()
        if one is not shown
    )


def _parameters(request: HostedRequest) -> Parameters:
    try:
        return Parameters.parse(request.query)
    except OAuthError:
        return _NOTHING

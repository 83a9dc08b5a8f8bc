"""Our own pages, below `/_velvetrope/`: health, what a browser app needs to know, and the decision records.

`config.json` is public when it is there at all: the provider decides what it holds, and whether (`None`: 404). The
decision records are the owner's alone (`ownership`). Other subjects have files of their own (`mailbox`,
`signing_keys_page`).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol
from urllib.parse import parse_qs

import msgspec

from velvetrope import __version__
from velvetrope.decisions import DecisionRecord
from velvetrope.edge.cors import ALLOW_ANY_ORIGIN
from velvetrope.edge.ownership import OwnerCheck
from velvetrope.edge.requests import ControlRequest, WireAnswer
from velvetrope.errors import ServiceError

__all__ = ["ConfigurationProvider", "DecisionReader", "FurtherPages", "OwnPages"]

_MAX_RECORDS: Final = 1000
_DEFAULT_RECORDS: Final = 100
_JSON: Final = (b"content-type", b"application/json")
_NOT_STORED: Final = (b"cache-control", b"no-store")

ConfigurationProvider = Callable[[], Awaitable[Mapping[str, object] | None]]
"""What `config.json` says: only what a browser may know. None if the page is off."""


class DecisionReader(Protocol):
    """Finds decision records again: `decisions.Refusals`."""

    async def recent(self, limit: int, *, only_refused: bool = False) -> list[DecisionRecord]: ...

    async def find(self, request_id: str) -> DecisionRecord | None: ...

    async def summary(self) -> msgspec.Struct | None: ...


class FurtherPages(Protocol):
    """Pages of one subject, below `/_velvetrope/` too."""

    def owns(self, path: str) -> bool: ...

    async def answer(self, request: ControlRequest) -> WireAnswer: ...


class OwnPages:
    """The pages below `/_velvetrope/`."""

    def __init__(
        self,
        *,
        decisions: DecisionReader,
        owner: OwnerCheck,
        mailbox: FurtherPages | None = None,
        signing_keys: FurtherPages | None = None,
        configuration: ConfigurationProvider | None = None,
    ) -> None:
        self._decisions = decisions
        self._owner = owner
        self._further = [pages for pages in (mailbox, signing_keys) if pages is not None]
        self._configuration = configuration

    async def answer(self, request: ControlRequest) -> WireAnswer:
        """The page at `request.head.path`."""
        for pages in self._further:
            if pages.owns(request.head.path):
                return await pages.answer(request)
        if request.head.method not in {"GET", "HEAD"}:
            return _answer(405, {"message": "Method Not Allowed"}, (b"allow", b"GET, HEAD"))
        match request.head.path:
            case "/_velvetrope/health":
                return _answer(200, {"status": "ok", "version": __version__})
            case "/_velvetrope/config.json":
                return await self._configuration_page()
            case "/_velvetrope/decisions":
                return await self._for_owner(request, self._decisions_page)
            case "/_velvetrope/decisions/kept":
                return await self._for_owner(request, self._kept_page)
        return _answer(404, {"message": "Not Found"})

    async def _configuration_page(self) -> WireAnswer:
        document = await self._configuration() if self._configuration is not None else None
        if document is None:
            return _answer(404, {"message": "Not Found"}, ALLOW_ANY_ORIGIN)
        return _answer(200, document, ALLOW_ANY_ORIGIN)

    async def _for_owner(
        self, request: ControlRequest, page: Callable[[ControlRequest], Awaitable[WireAnswer]]
    ) -> WireAnswer:
        try:
            await self._owner.check_owner(request, "velvetrope:ReadDecisions")
        except ServiceError as error:
            header = (b"x-amzn-ErrorType", error.code.encode())
            return _answer(error.http_status, {"message": error.message}, header)
        return await page(request)

    async def _decisions_page(self, request: ControlRequest) -> WireAnswer:
        """Newest first. `?request_id=` asks for one, `?refused=1` for refusals, `?limit=` for up to a thousand.

        What was refused is told whichever node refused it; what was let in, by the node that did.
        """
        wanted = {name: values[0] for name, values in parse_qs(request.head.query_string.decode("latin-1")).items()}
        if "request_id" in wanted:
            found = await self._decisions.find(wanted["request_id"])
            return _answer(200, [] if found is None else [found])
        limit = wanted.get("limit", "")
        count = min(int(limit), _MAX_RECORDS) if limit.isascii() and limit.isdigit() else _DEFAULT_RECORDS
        return _answer(200, await self._decisions.recent(count, only_refused=wanted.get("refused") == "1"))

    async def _kept_page(self, _request: ControlRequest) -> WireAnswer:
        """How many refusals of all nodes are kept, since when, and how many came faster than they could be."""
        summary = await self._decisions.summary()
        if summary is None:
            return _answer(503, {"message": "The store cannot be read now; this node's memory answers alone."})
        return _answer(200, summary)


def _answer(status: int, document: object, *headers: tuple[bytes, bytes]) -> WireAnswer:
    return WireAnswer(status, msgspec.json.encode(document), [_JSON, _NOT_STORED, *headers])

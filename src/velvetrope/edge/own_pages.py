"""Our own pages, below `/_velvetrope/`: health, what a browser app needs to know, and the decision records.

`config.json` is public when it is there at all: the provider decides what it holds, and whether (`None`: 404). The
decision records are the owner's alone: the request must be signed by the account's root for the service `velvetrope`.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol
from urllib.parse import parse_qs

import msgspec

from velvetrope import __version__, sigv4
from velvetrope.decisions import DecisionRecord
from velvetrope.edge import errors
from velvetrope.edge.cors import ALLOW_ANY_ORIGIN
from velvetrope.edge.requests import ControlRequest, WireAnswer
from velvetrope.edge.signatures import SignatureVerifier
from velvetrope.errors import ServiceError

__all__ = ["ConfigurationProvider", "DecisionReader", "OwnPages"]

SIGNING_NAME: Final = "velvetrope"
_MAX_RECORDS: Final = 1000
_DEFAULT_RECORDS: Final = 100
_JSON: Final = (b"content-type", b"application/json")
_NOT_STORED: Final = (b"cache-control", b"no-store")

ConfigurationProvider = Callable[[], Awaitable[Mapping[str, object] | None]]
"""What `config.json` says: only what a browser may know. None if the page is off."""


class DecisionReader(Protocol):
    """Finds decision records again: `decisions.DecisionLog`."""

    def recent(self, limit: int, only_refused: bool = False) -> list[DecisionRecord]: ...

    def find(self, request_id: str) -> DecisionRecord | None: ...


class OwnPages:
    """The pages below `/_velvetrope/`."""

    def __init__(
        self,
        *,
        decisions: DecisionReader,
        verifier: SignatureVerifier,
        configuration: ConfigurationProvider | None = None,
    ) -> None:
        self._decisions = decisions
        self._verifier = verifier
        self._configuration = configuration

    async def answer(self, request: ControlRequest) -> WireAnswer:
        """The page at `request.path`."""
        if request.method not in {"GET", "HEAD"}:
            return _answer(405, {"message": "Method Not Allowed"}, (b"allow", b"GET, HEAD"))
        match request.path:
            case "/_velvetrope/health":
                return _answer(200, {"status": "ok", "version": __version__})
            case "/_velvetrope/config.json":
                return await self._configuration_page()
            case "/_velvetrope/decisions":
                return await self._decisions_page(request)
        return _answer(404, {"message": "Not Found"})

    async def _configuration_page(self) -> WireAnswer:
        document = await self._configuration() if self._configuration is not None else None
        if document is None:
            return _answer(404, {"message": "Not Found"}, ALLOW_ANY_ORIGIN)
        return _answer(200, document, ALLOW_ANY_ORIGIN)

    async def _decisions_page(self, request: ControlRequest) -> WireAnswer:
        """Newest first. `?request_id=` asks for one, `?refused=1` for refusals, `?limit=` for up to a thousand."""
        try:
            await self._check_owner(request)
        except ServiceError as error:
            header = (b"x-amzn-ErrorType", error.code.encode())
            return _answer(error.http_status, {"message": error.message}, header)
        wanted = {name: values[0] for name, values in parse_qs(request.query_string.decode("latin-1")).items()}
        if "request_id" in wanted:
            found = self._decisions.find(wanted["request_id"])
            return _answer(200, [] if found is None else [found])
        limit = wanted.get("limit", "")
        count = min(int(limit), _MAX_RECORDS) if limit.isascii() and limit.isdigit() else _DEFAULT_RECORDS
        return _answer(200, self._decisions.recent(count, only_refused=wanted.get("refused") == "1"))

    async def _check_owner(self, request: ControlRequest) -> None:
        signed = sigv4.SignedRequest(
            request.method, request.raw_path, request.query_string, request.headers, request.body
        )
        try:
            principal = await self._verifier.verify(signed, service=SIGNING_NAME, now=request.received_at)
        except sigv4.SignatureRefused as reason:
            raise errors.refused_signature(reason, "rest-json") from reason
        if not principal.is_root:
            raise errors.access_denied(
                "rest-json",
                f"User: {principal.arn} is not authorized to perform: velvetrope:ReadDecisions, which is for the "
                "account's root user alone",
                detail="only the account's root user reads decision records",
            )


def _answer(status: int, document: object, *headers: tuple[bytes, bytes]) -> WireAnswer:
    return WireAnswer(status, msgspec.json.encode(document), [_JSON, _NOT_STORED, *headers])

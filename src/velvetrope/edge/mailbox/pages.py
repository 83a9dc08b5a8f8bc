"""`/_velvetrope/mailbox`: the messages, as a page for the owner's browser and as JSON for the owner's terminal.

| | |
|---|---|
| `GET /_velvetrope/messages?limit=` | the newest messages; signed by the root user |
| `POST /_velvetrope/mailbox/ticket` | a link for one browser; signed by the root user |
| `GET /_velvetrope/mailbox?ticket=` | spends the ticket for a cookie, and goes on to the page |
| `GET /_velvetrope/mailbox` | the page, for a browser with such a cookie |

Messages hold codes, temporary passwords and words that others have written (user names, templates). The page shows the
plain words, escaped; it loads and runs nothing. Addresses in the text become links only if they are http or https.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import parse_qs

import msgspec

from velvetrope.delivery import plain_text_of
from velvetrope.edge.html import PageTemplates
from velvetrope.edge.ownership import SESSION_LIFETIME, OwnerCheck, OwnerSessions
from velvetrope.edge.requests import ControlRequest, WireAnswer
from velvetrope.errors import ServiceError

__all__ = ["MailboxPages", "MessageReader"]

MESSAGES_PATH: Final = "/_velvetrope/messages"
MAILBOX_PATH: Final = "/_velvetrope/mailbox"
TICKET_PATH: Final = "/_velvetrope/mailbox/ticket"
_PATHS: Final = frozenset({MESSAGES_PATH, MAILBOX_PATH, TICKET_PATH})
_SHOWN: Final = 100
_LINK: Final = re.compile(r"https?://[^\s<>()\"']+")
_TEMPLATES: Final = PageTemplates(Path(__file__).with_name("templates"))


class _Message(Protocol):
    @property
    def to(self) -> str: ...
    @property
    def medium(self) -> str: ...
    @property
    def username(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def written_at(self) -> datetime: ...


class _Entry(Protocol):
    @property
    def user_pool_id(self) -> str: ...
    @property
    def message(self) -> _Message: ...
    @property
    def state(self) -> str: ...
    @property
    def problem(self) -> str: ...


class MessageReader(Protocol):
    """Reads what was written to people: `userpools.Deliveries`."""

    async def mailbox(self, *, limit: int) -> Sequence[_Entry]: ...


class ShownMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message as both forms show it."""

    user_pool_id: str
    to: str
    medium: str
    username: str
    subject: str
    text: str
    written_at: datetime
    state: str
    problem: str


class MailboxPages:
    """See the module."""

    def __init__(self, messages: MessageReader, owner: OwnerCheck, sessions: OwnerSessions) -> None:
        self._messages = messages
        self._owner = owner
        self._sessions = sessions

    def owns(self, path: str) -> bool:
        return path in _PATHS

    async def answer(self, request: ControlRequest) -> WireAnswer:
        """The page at `request.head.path`, which is one of ours."""
        allowed = {"POST"} if request.head.path == TICKET_PATH else {"GET", "HEAD"}
        if request.head.method not in allowed:
            allow = (b"allow", ", ".join(sorted(allowed)).encode())
            return _json(405, {"message": "Method Not Allowed"}, allow)
        if request.head.path == MAILBOX_PATH:
            return await self._browse(request)
        try:
            await self._owner.check_owner(request, "velvetrope:ReadMessages")
        except ServiceError as error:
            header = (b"x-amzn-ErrorType", error.code.encode())
            return _json(error.http_status, {"message": error.message}, header)
        if request.head.path == TICKET_PATH:
            return _json(200, {"ticket": await self._sessions.issue_ticket(request.received_at)})
        limit = _query(request).get("limit", "")
        return _json(200, await self._shown(min(int(limit), _SHOWN) if limit.isascii() and limit.isdigit() else _SHOWN))

    async def _browse(self, request: ControlRequest) -> WireAnswer:
        ticket = _query(request).get("ticket")
        cookie_name = _cookie_name(request)
        if ticket is not None:
            session = await self._sessions.spend_ticket(ticket, request.received_at)
            if session is None:
                return _page(403, "closed.html", spent=True)
            attributes = f"Path={MAILBOX_PATH}; Max-Age={int(SESSION_LIFETIME.total_seconds())}; HttpOnly; SameSite=Lax"
            secure = "; Secure" if request.scheme == "https" else ""
            cookie = (b"set-cookie", f"{cookie_name}={session}; {attributes}{secure}".encode())
            # The address with the ticket is left at once, so that it stays in no history and no referrer.
            return WireAnswer(303, b"", [(b"location", MAILBOX_PATH.encode()), cookie, _NOT_STORED])
        session = _cookies(request).get(cookie_name, "")
        if not await self._sessions.is_open(session, request.received_at):
            return _page(403, "closed.html", spent=False)
        messages = await self._shown(_SHOWN)
        return _page(200, "mailbox.html", messages=[(message, _with_links(message.text)) for message in messages])

    async def _shown(self, limit: int) -> list[ShownMessage]:
        return [
            ShownMessage(
                user_pool_id=entry.user_pool_id,
                to=entry.message.to,
                medium=entry.message.medium,
                username=entry.message.username,
                subject=entry.message.subject,
                text=plain_text_of(entry.message.text),
                written_at=entry.message.written_at,
                state=entry.state,
                problem=entry.problem,
            )
            for entry in await self._messages.mailbox(limit=limit)
        ]


def _with_links(text: str) -> list[tuple[str, bool]]:
    """The text in pieces, and whether each is an address to link to."""
    pieces, at = [], 0
    for link in _LINK.finditer(text):
        pieces += [(text[at : link.start()], False), (link[0], True)]
        at = link.end()
    return [piece for piece in (*pieces, (text[at:], False)) if piece[0]]


def _query(request: ControlRequest) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.head.query_string.decode("latin-1")).items()}


def _cookies(request: ControlRequest) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in (request.header(b"cookie") or "").split(";"))
    return {name: value for name, _, value in pairs if name}


def _cookie_name(request: ControlRequest) -> str:
    # Browsers share a host's cookies among its ports.
    port = (request.header(b"host") or "").rpartition(":")[2]
    return f"velvetrope-owner-{port}" if port.isascii() and port.isdigit() else "velvetrope-owner"


_NOT_STORED: Final = (b"cache-control", b"no-store")


def _json(status: int, document: object, *headers: tuple[bytes, bytes]) -> WireAnswer:
    return WireAnswer(
        status, msgspec.json.encode(document), [(b"content-type", b"application/json"), _NOT_STORED, *headers]
    )


def _page(status: int, template: str, **values: object) -> WireAnswer:
    policy = (
        f"default-src 'none'; style-src {_TEMPLATES.style_source}; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return WireAnswer(
        status,
        _TEMPLATES.render(template, **values),
        [
            (b"content-type", b"text/html;charset=UTF-8"),
            (b"content-security-policy", policy.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"no-referrer"),
            _NOT_STORED,
        ],
    )

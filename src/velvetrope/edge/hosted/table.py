"""The table of endpoints: which path gives which kind of answer, by which method, and who gives it.

    table = EndpointTable([TokenEndpoint(context).rows(), ...])
    table.on_a_domain          # the paths below a user pool domain
    table.find("/oauth2/token").by_method["POST"]

There is no second list of paths: what `addresses` takes for the hosted UI's is what stands here.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from velvetrope.edge.hosted.addresses import HostedAddress
from velvetrope.edge.hosted.requests import MAX_BODY_BYTES, HostedRequest
from velvetrope.edge.hosted.responses import HostedResponse
from velvetrope.store.tables.userpools import UserPool

__all__ = ["Answer", "Arrived", "Endpoint", "EndpointKind", "EndpointTable", "page_rows"]

EndpointKind = Literal["page", "api", "document"]


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request that has passed the gates, and the pool that it is about."""

    request: HostedRequest
    address: HostedAddress
    pool: UserPool

    @property
    def domain(self) -> str:
        """What the pool's cookies are named by."""
        return self.pool.domain or self.pool.id

    def link(self, endpoint: str, query: str = "") -> str:
        """The path of another endpoint of this domain, as this browser reaches it."""
        return f"{self.address.prefix}{endpoint}?{query}" if query else f"{self.address.prefix}{endpoint}"


Answer = Callable[[Arrived], Awaitable[HostedResponse]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A row of the table.

    `page` is for people: https only, no CORS, errors become pages. `api` is what apps call, `document` what a pool
    publishes under its issuer; both are open to every origin, and errors become JSON.
    """

    kind: EndpointKind
    by_method: Mapping[str, Answer]
    max_body_bytes: int = MAX_BODY_BYTES


class EndpointTable:
    """Rows by path."""

    def __init__(self, parts: Iterable[Mapping[str, Endpoint]]) -> None:
        rows: dict[str, Endpoint] = {}
        for part in parts:
            twice = rows.keys() & part.keys()
            if twice:
                raise ValueError(f"two endpoints for {sorted(twice)}")
            rows.update(part)
        self._rows = rows
        self.on_a_domain = frozenset(path for path, row in rows.items() if row.kind != "document")
        self.on_the_issuer = frozenset(path for path, row in rows.items() if row.kind == "document")

    def max_body_bytes(self, path: str) -> int:
        """How much may come to this path, with or without what stands before an endpoint's."""
        return max(
            (row.max_body_bytes for endpoint, row in self._rows.items() if path.endswith(endpoint)),
            default=MAX_BODY_BYTES,
        )

    def find(self, path: str) -> Endpoint:
        """The row of a path that is one of ours."""
        return self._rows[path]


def page_rows(path: str, *, show: Answer, take: Answer | None = None) -> dict[str, Endpoint]:
    """A page that is shown by GET and HEAD, and takes its own form by POST where it has one."""
    by_method = {"GET": show, "HEAD": show}
    return {path: Endpoint("page", by_method if take is None else {**by_method, "POST": take})}

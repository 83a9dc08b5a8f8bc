"""Which stage a call to a custom domain name is for: by its host, and what its path begins with.

    domains = CustomDomains(DomainNameStore(database), database.changes)
    await domains.reload()
    domains.find(b"api.example.com:4800", b"/v1/pets")       # ("a1b2c3", b"/latest/pets", b"v1")

A mapping's base path is some segments, or none; of those that the path begins with, segment by segment, the longest
takes it. A mapping without a stage takes the stage's name from the next segment. A host of ours whose path no mapping
takes is still ours: nobody answers it but API Gateway, which says 403 Forbidden.

The lookup is memory only. The control plane has it reloaded before it answers that a mapping was made; other nodes hear
of it by the change feed.

Source: API Gateway Developer Guide, "Use API mappings to connect API stages to a custom domain name for REST APIs",
"Map API stages to a custom domain name for HTTP APIs".
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from velvetrope.store import ChangeFeed
from velvetrope.store.tables.apigateway_domains import DomainNameStore

__all__ = ["CustomDomains"]

_NOBODY = ""
"""No API has this id."""
_TRY_AGAIN_SECONDS = 1.0

_log = logging.getLogger(__name__)


class _Domain(NamedTuple):
    """Where base paths lead (an API's id, a stage), and how many segments the longest one has."""

    targets: Mapping[bytes, tuple[str, bytes | None]]
    most_segments: int


class CustomDomains:
    """The domain names of this server, with their mappings."""

    def __init__(self, store: DomainNameStore, changes: ChangeFeed) -> None:
        self._store = store
        self._domains: dict[bytes, _Domain] = {}
        self._reloading = asyncio.Lock()
        self._reloads: set[asyncio.Task[None]] = set()
        self._is_stopped = False
        changes.subscribe("apigateway-domains", self._reload_soon)

    async def reload(self) -> None:
        """Read all names and mappings anew."""
        async with self._reloading:
            domains, mappings = await self._store.load_served()
            found: dict[bytes, dict[bytes, tuple[str, bytes | None]]] = {
                domain.domain_name.encode(): {} for domain in domains
            }
            for mapping in mappings:
                stage = None if mapping.stage is None else mapping.stage.encode()
                found[mapping.domain_name.encode()][mapping.base_path.encode()] = mapping.api_id, stage
            self._domains = {
                name: _Domain(targets, max((path.count(b"/") + 1 for path in targets if path), default=0))
                for name, targets in found.items()
            }

    async def stop(self) -> None:
        """Read nothing more: the store is about to be closed."""
        self._is_stopped = True
        for reload in self._reloads:
            reload.cancel()
        await asyncio.gather(*self._reloads, return_exceptions=True)

    def find(self, host: bytes, raw_path: bytes) -> tuple[str, bytes, bytes] | None:
        """The API's id, the path with its stage, and the base path; None if the host is not one of these names."""
        if not self._domains:
            return None
        domain = self._domains.get(host.partition(b":")[0].lower())
        if domain is None:
            return None
        target, left, matched, end = domain.targets.get(b""), raw_path, b"", 0
        for _ in range(domain.most_segments):
            end = raw_path.find(b"/", end + 1)
            base_path = raw_path[1:] if end < 0 else raw_path[1:end]
            longer = domain.targets.get(base_path) if base_path else None
            if longer is not None:
                target, left, matched = longer, raw_path[1 + len(base_path) :], base_path
            if end < 0:
                break
        if target is None:
            return _NOBODY, raw_path, b""
        api_id, stage = target
        if stage is None:
            return api_id, left or b"/", matched
        return api_id, b"/" + stage + (left or b"/"), matched

    def _reload_soon(self) -> None:
        if self._is_stopped:
            return
        reload = asyncio.get_running_loop().create_task(self._reload_or_try_again())
        self._reloads.add(reload)
        reload.add_done_callback(self._reloads.discard)

    async def _reload_or_try_again(self) -> None:
        try:
            await self.reload()
        except SQLAlchemyError:
            # Until then a name that was taken away still leads to its API.
            _log.exception("custom domain names could not be read; it is tried again")
            asyncio.get_running_loop().call_later(_TRY_AGAIN_SECONDS, self._reload_soon)

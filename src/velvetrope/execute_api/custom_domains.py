"""Which stage a call to a custom domain name is for: by its host, and the first part of its path.

    domains = CustomDomains(DomainNameStore(database), database.changes)
    await domains.reload()
    domains.find(b"api.example.com:4800", b"/v1/pets")       # ("a1b2c3", b"/latest/pets")

A mapping's base path is one segment, or none. The mapping of the path's first segment wins over the one without a base
path. A mapping without a stage takes the stage's name from the next segment. A host of ours whose path no mapping takes
is still ours: nobody answers it but API Gateway, which says 403 Forbidden.

The lookup is memory only. The control plane has it reloaded before it answers that a mapping was made; other nodes hear
of it by the change feed.

Source: API Gateway Developer Guide, "Use API mappings to connect API stages to a custom domain name for REST APIs".
"""

import asyncio
from collections.abc import Mapping

from velvetrope.store import ChangeFeed
from velvetrope.store.tables.apigateway_domains import DomainNameStore

__all__ = ["CustomDomains"]

_NOBODY = ""
"""No API has this id."""


class CustomDomains:
    """The domain names of this server, with their mappings."""

    def __init__(self, store: DomainNameStore, changes: ChangeFeed) -> None:
        self._store = store
        self._mappings: dict[bytes, Mapping[bytes, tuple[str, bytes | None]]] = {}
        self._reloading = asyncio.Lock()
        self._reload: asyncio.Task[None] | None = None
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
                found[mapping.domain_name.encode()][mapping.base_path.encode()] = mapping.rest_api_id, stage
            self._mappings = dict(found)

    def find(self, host: bytes, raw_path: bytes) -> tuple[str, bytes] | None:
        """The API's id and the path with its stage; None if the host is not one of these names."""
        if not self._mappings:
            return None
        mappings = self._mappings.get(host.partition(b":")[0].lower())
        if mappings is None:
            return None
        first, slash, rest = raw_path[1:].partition(b"/")
        if first and first in mappings:
            (api_id, stage), left = mappings[first], slash + rest
        elif b"" in mappings:
            (api_id, stage), left = mappings[b""], raw_path
        else:
            return _NOBODY, raw_path
        if stage is None:
            return api_id, left or b"/"
        return api_id, b"/" + stage + (left or b"/")

    def _reload_soon(self) -> None:
        self._reload = asyncio.get_running_loop().create_task(self.reload())

"""What every group of rooms stands on."""

import ssl
from dataclasses import dataclass, field
from functools import cached_property

from velvetrope.clock import Clock, Entropy
from velvetrope.decisions import DecisionLog, Refusals
from velvetrope.edge.tls import ensure_certificates, names_for, server_context
from velvetrope.sealing import MasterKeys
from velvetrope.server.connection import Connection
from velvetrope.server.settings import Settings
from velvetrope.server.state_folder import StateFolder
from velvetrope.store import Database
from velvetrope.store.tables.refusals import RefusalStore

__all__ = ["Foundation"]


@dataclass(frozen=True)
class Foundation:
    """Chosen once per server, before any room is made."""

    settings: Settings
    connection: Connection
    folder: StateFolder
    database: Database
    clock: Clock
    entropy: Entropy
    decisions: DecisionLog = field(default_factory=DecisionLog)

    @property
    def master_keys(self) -> MasterKeys:
        return self.folder.master_keys

    @cached_property
    def refusals(self) -> Refusals:
        """What of `decisions` every node is told."""
        return Refusals(self.decisions, RefusalStore(self.database), self.master_keys, self.clock, self.entropy)

    @property
    def own_names(self) -> tuple[str, ...]:
        """Every host name that this server is called by: its certificate names them, and no domain is one of them."""
        return names_for(region=self.settings.region, hosts=self.connection.own_hosts)

    def make_tls_context(self, protocol: str = "http/1.1") -> ssl.SSLContext:
        """TLS with this server's certificate, which is made if there is none. It reads and writes files."""
        files = ensure_certificates(self.folder.path / "ca", self.own_names, now=self.clock.now())
        return server_context(files, protocol=protocol)

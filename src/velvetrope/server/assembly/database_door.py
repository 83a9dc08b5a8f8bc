"""The database's door, if the settings ask for one."""

import socket

from velvetrope.edge.database import Backend, DatabaseDoor, TokenVerifier
from velvetrope.server.assembly.callers import Callers
from velvetrope.server.assembly.foundation import Foundation
from velvetrope.server.database_passwords import load_database_passwords

__all__ = ["make_database_door"]


def make_database_door(
    foundation: Foundation, callers: Callers, *, sockets: list[socket.socket]
) -> DatabaseDoor | None:
    """The door that listens on `sockets`; None without one in the settings.

    Raises:
        SettingsError: the password file cannot be used.
    """
    settings = foundation.settings
    passwords = load_database_passwords(settings)
    if settings.database_address is None or passwords is None:
        return None
    host, port = settings.database_address
    own_port = sockets[0].getsockname()[1]
    return DatabaseDoor(
        TokenVerifier(
            callers.credentials,
            callers.policies,
            region=settings.region,
            account_id=settings.account_id,
            resource_id=settings.database_resource_id,
            authorities=[f"{name}:{own_port}" for name in foundation.connection.loopback_and_own_hosts],
        ),
        Backend(host, port, passwords, foundation.entropy),
        foundation.decisions,
        foundation.clock,
        foundation.entropy,
        tls=lambda: foundation.make_tls_context("postgresql"),
    )

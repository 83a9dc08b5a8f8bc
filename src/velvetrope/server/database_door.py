"""The database door of this server, if the settings ask for one: wired, and what apps are told of it."""

import socket
import ssl
from collections.abc import Callable

from velvetrope.clock import Clock, Entropy
from velvetrope.decisions import DecisionLog
from velvetrope.edge.database import Backend, DatabaseDoor, DatabasePasswords, PasswordFileRefused, TokenVerifier
from velvetrope.iam import PolicyGatherer
from velvetrope.principals import CredentialSource
from velvetrope.server.connection import Connection
from velvetrope.server.settings import Settings, SettingsError

__all__ = ["load_database_passwords", "make_database_door"]


def load_database_passwords(settings: Settings) -> DatabasePasswords | None:
    """The door's own passwords; None without a door in the settings.

    Raises:
        SettingsError: the file cannot be used.
    """
    if settings.database_address is None or settings.database_passwords is None:
        return None
    try:
        return DatabasePasswords.load(settings.database_passwords)
    except PasswordFileRefused as refused:
        raise SettingsError(f"--database-passwords: {refused.message}") from refused


def make_database_door(
    settings: Settings,
    connection: Connection,
    credentials: CredentialSource,
    policies: PolicyGatherer,
    recorder: DecisionLog,
    clock: Clock,
    entropy: Entropy,
    *,
    sockets: list[socket.socket],
    tls: Callable[[], ssl.SSLContext],
) -> DatabaseDoor | None:
    """The door that listens on `sockets`; None without one in the settings.

    Raises:
        SettingsError: the password file cannot be used.
    """
    passwords = load_database_passwords(settings)
    if settings.database_address is None or passwords is None:
        return None
    host, port = settings.database_address
    own_port = sockets[0].getsockname()[1]
    return DatabaseDoor(
        TokenVerifier(
            credentials,
            policies,
            region=settings.region,
            account_id=settings.account_id,
            resource_id=settings.database_resource_id,
            authorities=[f"{name}:{own_port}" for name in connection.loopback_and_own_hosts],
        ),
        Backend(host, port, passwords, entropy),
        recorder,
        clock,
        entropy,
        tls=tls,
    )

"""The passwords that the database's door logs in with, as the settings say."""

from velvetrope.edge.database import DatabasePasswords, PasswordFileRefused
from velvetrope.server.settings import Settings, SettingsError

__all__ = ["load_database_passwords"]


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

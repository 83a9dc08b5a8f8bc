"""Where a store is, as a person says it: a state folder, or the URL of a PostgreSQL.

A folder has the master keys beside its store. To a PostgreSQL belong those of a node's state folder, which is named
besides.
"""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL

from velvetrope.errors import VelvetropeError
from velvetrope.secret import Secret
from velvetrope.server.state_folder import database_url
from velvetrope.store.dialects import parse_url

__all__ = ["FolderPlace", "Place", "PlaceRefused", "PostgresPlace", "parse_place"]


class PlaceRefused(VelvetropeError):
    """It is no place for a store, or not for this one. The message holds nothing of a URL."""


@dataclass(frozen=True)
class FolderPlace:
    """The store in a state folder."""

    path: Path

    @property
    def url(self) -> URL:
        return database_url(self.path)


@dataclass(frozen=True)
class PostgresPlace:
    """The store that nodes share."""

    secret_url: Secret[str]

    @property
    def url(self) -> str:
        return self.secret_url.reveal()

    @property
    def has_password(self) -> bool:
        return parse_url(self.url).password is not None


Place = FolderPlace | PostgresPlace


def parse_place(text: str) -> Place:
    """
    Raises:
        PlaceRefused: another kind of URL, or nothing.
    """
    if text.startswith("postgresql://"):
        return PostgresPlace(Secret(text))
    if "://" in text or not text:
        raise PlaceRefused("A store is named by its state folder, or as postgresql://USER@HOST:5432/NAME.")
    return FolderPlace(Path(text).absolute())

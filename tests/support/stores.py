"""A clean store for each test, on SQLite or on PostgreSQL; tests say which by the folder that they keep things in.

    database = await open_store(tmp_path)

Every `Database` of one folder is on one store. A folder that has been given a PostgreSQL (which the
fixtures do) says so in a file; any other has a file of SQLite's.

Making the tables takes longer than most tests do: 30 ms of a processor in SQLite, a tenth of a second in PostgreSQL. So
a file of SQLite's begins as a copy of one that was opened before, and the databases of PostgreSQL that a test is done
with are emptied and used again.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from support.postgres import Postgres
from velvetrope.store import METADATA, Database
from velvetrope.store.schema import HEAD

__all__ = ["PostgresStores", "open_store", "store_url"]

_NOTE = "store-url"
_FILE = "velvetrope.db"
_TEMPLATE = "velvetrope_template"


def store_url(folder: Path) -> str:
    """The URL of the store that belongs to `folder`, which has its tables and nothing in them."""
    note, file = folder / _NOTE, folder / _FILE
    if note.exists():
        return note.read_text()
    if not file.exists():
        file.write_bytes(_new_file())
    return f"sqlite:///{file}"


class PostgresStores:
    """Databases in a PostgreSQL, each lent to one test at a time."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres
        self._clean: list[str] = []
        self._made = 0
        self._has_template = False

    @contextmanager
    def lent(self, folder: Path) -> Iterator[str]:
        """A store with nothing in it, which is `folder`'s; its URL."""
        name = self._clean.pop() if self._clean else self._make()
        url = self._url(name)
        (folder / _NOTE).write_text(url)
        yield url
        self._empty(name)
        self._clean.append(name)

    @contextmanager
    def bare(self, **settings: str) -> Iterator[str]:
        """The URL of a database in which nothing was ever made; `settings` are those of CREATE DATABASE."""
        name = self._next_name()
        self.postgres.execute(f"CREATE DATABASE {name} {' '.join(f'{key} {value}' for key, value in settings.items())}")
        yield self._url(name)
        self.postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def name_of(self, url: str) -> str:
        """The name of the database of a URL."""
        return url.rsplit("/", 1)[1]

    def _url(self, name: str) -> str:
        server = self.postgres
        return f"postgresql://{server.superuser}:{server.password}@{server.host}:{server.port}/{name}"

    def _next_name(self) -> str:
        self._made += 1
        return f"store_{self._made}"

    def _make(self) -> str:
        if not self._has_template:
            self.postgres.execute(f"CREATE DATABASE {_TEMPLATE}")
            asyncio.run(_make_schema(self._url(_TEMPLATE)))
            self._has_template = True
        name = self._next_name()
        self.postgres.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        return name

    def _empty(self, name: str) -> None:
        with self.postgres.connect(name) as connection:
            ours = {*METADATA.tables, "alembic_version"}
            there = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            for (table,) in there:
                if table not in ours:
                    connection.execute(f'DROP TABLE "{table}" CASCADE'.encode())
            looks = " UNION ALL ".join(f"(SELECT '{table}' FROM {table} LIMIT 1)" for table in METADATA.tables)
            used = [table for (table,) in connection.execute(looks.encode()).fetchall()]
            if used:
                connection.execute(f"TRUNCATE {', '.join(used)} RESTART IDENTITY CASCADE".encode())
            connection.execute(f"UPDATE alembic_version SET version_num = '{HEAD}'".encode())


async def open_store(folder: Path) -> Database:
    """The store that belongs to `folder`, opened; it waits for no disk."""
    return await Database.open(store_url(folder), durable=False)


@cache
def _new_file() -> bytes:
    """What a first start makes on SQLite."""
    with TemporaryDirectory() as folder, ThreadPoolExecutor() as elsewhere:  # this thread may have a loop that runs
        file = Path(folder) / _FILE
        elsewhere.submit(asyncio.run, _make_schema(f"sqlite:///{file}")).result()
        return file.read_bytes()


async def _make_schema(url: str) -> None:
    database = await Database.open(url, durable=False)
    await database.close()

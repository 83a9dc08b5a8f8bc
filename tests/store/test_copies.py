"""A store copied to another one: the same, whole or not at all, and from one state of the source."""

import sqlite3
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Boolean, Column, Date, Integer, LargeBinary, MetaData, Numeric, Table, insert, inspect
from sqlalchemy.engine import make_url

from support.stores import PostgresStores
from velvetrope.store import METADATA, Database, DatabaseUnreachable, DatabaseUnsupported, SchemaTooNew
from velvetrope.store.copies import CopyRefused, copy_store, whole_store
from velvetrope.store.dialects import open_engine
from velvetrope.store.dialects.postgresql import WRITERS
from velvetrope.store.dialects.whole_tables import Row, kept_type
from velvetrope.store.tables.queues import MessageContent

ROWS_OF_EACH = 4
MESSAGES = METADATA.tables["queues_messages"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CONTENT = MessageContent(body="hello", sender_id="me")
TEXTS = ("plain", "Ünïcödé \U0001f511", 'tab\t, line\n, quote " \\ \\N \\.', "nul \0 and \ufdd0 and \ufdd00")
BLOBS = (b"", bytes(range(256)), b"\\x00", b"\0" * 3)
NUMBERS = (0, -1, 2**31 - 1, -(2**31))
DAYS = (date(1970, 1, 1), date(2026, 11, 26), date(9999, 12, 31), date(2024, 2, 29))


def ignore(_table: str, _rows: int) -> None:
    """Nobody listens."""


async def made(url: str) -> None:
    await (await Database.open(url, durable=False)).close()


def sample(column: Column[Any], number: int) -> Any:
    """A value for the column that no other row of `number` has, with what databases take differently."""
    kept = kept_type(column)
    if column.foreign_keys:
        return sample(next(iter(column.foreign_keys)).column, number)
    if column.nullable and number == 1:
        return None
    if isinstance(kept, Boolean):
        return number % 2 == 0
    if isinstance(kept, Date):
        return DAYS[number]
    if isinstance(kept, LargeBinary):
        return BLOBS[number]
    if isinstance(kept, Integer):  # BigInteger is one of its kinds
        return number + 1 if column.primary_key else NUMBERS[number]
    return f"{TEXTS[number]} {column.name} {number}"


def fill(url: str) -> None:
    """Rows in every table, whatever tables there are."""
    with whole_store(url, writes=True) as store:
        for table in METADATA.sorted_tables:
            store.write(
                table, [tuple(sample(column, number) for column in table.columns) for number in range(ROWS_OF_EACH)]
            )


def content(url: str) -> dict[str, set[Row]]:
    with whole_store(url, writes=False) as store:
        return {table.name: set(store.read(table)) for table in METADATA.sorted_tables}


def copy(source: str, target: str) -> int:
    with whole_store(source, writes=False) as one, whole_store(target, writes=True) as other:
        return copy_store(one, other, told=ignore).rows


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not `tmp_path`, with which a test of this folder runs twice: these have both databases in them."""
    return tmp_path_factory.mktemp("copies")


@pytest.fixture
def sqlite(folder: Path) -> str:
    return f"sqlite:///{folder / 'source.db'}"


@pytest.fixture
def bare_postgresql(postgres_stores: PostgresStores) -> Iterator[str]:
    with postgres_stores.bare() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, folder: Path) -> str:
    """Where nothing is yet, on either database."""
    if request.param == "sqlite":
        return f"sqlite:///{folder / 'target.db'}"
    url: str = request.getfixturevalue("bare_postgresql")
    return url


async def test_every_table_comes_along_to_postgresql_and_back(sqlite: str, bare_postgresql: str, folder: Path) -> None:
    back = f"sqlite:///{folder / 'back.db'}"
    await made(sqlite)
    fill(sqlite)

    rows = copy(sqlite, bare_postgresql), copy(bare_postgresql, back)

    there = content(sqlite)
    assert {len(rows) for rows in there.values()} == {ROWS_OF_EACH}
    assert rows == (ROWS_OF_EACH * len(METADATA.tables),) * 2
    assert content(bare_postgresql) == there
    assert content(back) == there


def rows_of(url: str, table: str) -> set[Row]:
    return content(url)[table]


def run(url: str, *statements: str) -> list[Any]:
    """Statements for themselves, past the store; the rows of the last one."""
    engine = open_engine(make_url(url), durable=False)[0]
    try:
        with engine.connect() as connection:
            done = [connection.exec_driver_sql(statement) for statement in statements]
            rows = list(done[-1]) if done[-1].returns_rows else []
            connection.connection.dbapi_connection.commit()  # type: ignore[union-attr]  # it is connected
            return rows
    finally:
        engine.dispose()


def tables_of(url: str) -> list[str]:
    engine = open_engine(make_url(url), durable=False)[0]
    try:
        return inspect(engine).get_table_names()
    finally:
        engine.dispose()


async def test_a_message_number_that_is_gone_is_not_given_again(sqlite: str, target: str) -> None:
    await made(sqlite)
    fill(sqlite)
    highest = run(sqlite, "SELECT max(sequence) FROM queues_messages")[0][0]
    run(sqlite, "DELETE FROM queues_messages")

    copy(sqlite, target)

    queue = next(iter(rows_of(target, "queues_queues")))[0]
    database = await Database.open(target, durable=False)
    try:
        async with database.transaction() as tx:
            given = await tx.connection.scalar(
                insert(MESSAGES).values(**message(str(queue))).returning(MESSAGES.c.sequence)
            )
    finally:
        await database.close()
    assert given == highest + 1


def message(queue_arn: str) -> dict[str, object]:
    values = {column.name: sample(column, 0) for column in MESSAGES.columns if column.name != "sequence"}
    shown = dict.fromkeys(("sent_at", "visible_at", "first_received_at", "received_at"), EPOCH)
    return values | shown | {"queue_arn": queue_arn, "content": CONTENT}


def test_a_column_of_a_type_that_nobody_has_thought_of_is_refused() -> None:
    table = Table("things", MetaData(), Column("price", Numeric))

    with pytest.raises(TypeError, match=r"things\.price"):
        kept_type(table.c.price)


async def test_what_is_written_meanwhile_is_all_or_nothing_in_a_copy(
    sqlite: str, bare_postgresql: str, folder: Path
) -> None:
    """A writer changes a table that was copied already and one that is copied last, in one transaction."""
    await made(sqlite)
    fill(sqlite)
    before = content(sqlite)
    copy(sqlite, bare_postgresql)

    for source, name in ((sqlite, "from_sqlite"), (bare_postgresql, "from_postgresql")):
        target = f"sqlite:///{folder / name}.db"
        with whole_store(source, writes=False) as one, whole_store(target, writes=True) as other:
            written: list[str] = []

            def write(_table: str, _rows: int, source: str = source, written: list[str] = written) -> None:
                if not written:
                    written.append(source)
                    run(source, "DELETE FROM iam_account_aliases", "DELETE FROM identitypools_logins")

            copy_store(one, other, told=write)

        assert written == [source]
        assert rows_of(source, "iam_account_aliases") == rows_of(source, "identitypools_logins") == set()
        assert content(target) == before


async def test_a_store_that_has_anything_in_it_is_left_as_it_is(sqlite: str, target: str) -> None:
    await made(sqlite)
    fill(sqlite)
    await made(target)
    run(target, "INSERT INTO iam_account_aliases (alias, account_id) VALUES ('mine', '123456789012')")

    with pytest.raises(CopyRefused, match="is not empty: there are rows in iam_account_aliases"):
        copy(sqlite, target)

    assert {name for name, rows in content(target).items() if rows} == {"iam_account_aliases"}


async def test_an_ordinary_owner_of_the_database_may_copy(
    sqlite: str, bare_postgresql: str, postgres_stores: PostgresStores, folder: Path
) -> None:
    """Without a superuser's rights."""
    postgres, name = postgres_stores.postgres, postgres_stores.name_of(bare_postgresql)
    postgres.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'theirs'", f"ALTER DATABASE {name} OWNER TO {name}")
    url = f"postgresql://{name}:theirs@{postgres.host}:{postgres.port}/{name}"
    await made(sqlite)
    fill(sqlite)

    copy(sqlite, url)
    copy(url, f"sqlite:///{folder / 'back.db'}")

    assert content(f"sqlite:///{folder / 'back.db'}") == content(sqlite)


async def test_a_store_whose_tables_are_there_and_empty_is_good_to_copy_to(sqlite: str, bare_postgresql: str) -> None:
    await made(sqlite)
    fill(sqlite)
    await made(bare_postgresql)

    copy(sqlite, bare_postgresql)

    assert content(bare_postgresql) == content(sqlite)


@pytest.mark.parametrize(
    ("version", "error", "message"),
    [("9999", SchemaTooNew, "written by a newer velvetrope"), ("0001", CopyRefused, "Start this version with it once")],
)
async def test_a_source_of_another_version_is_not_copied(
    version: str, error: type[Exception], message: str, sqlite: str, bare_postgresql: str
) -> None:
    await made(sqlite)
    run(sqlite, f"UPDATE alembic_version SET version_num = '{version}'")

    with pytest.raises(error, match=message):
        copy(sqlite, bare_postgresql)

    assert run(sqlite, "SELECT version_num FROM alembic_version") == [(version,)]
    assert tables_of(bare_postgresql) == []


async def test_a_target_of_a_newer_version_is_refused(sqlite: str, bare_postgresql: str) -> None:
    await made(sqlite)
    await made(bare_postgresql)
    run(bare_postgresql, "UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(SchemaTooNew):
        copy(sqlite, bare_postgresql)


def test_a_file_without_a_store_is_said_to_be_none(sqlite: str, folder: Path, bare_postgresql: str) -> None:
    sqlite3.connect(folder / "empty.db").execute("CREATE TABLE other (x)").connection.close()
    (folder / "text.db").write_text("a text file, and no database at all: " * 100)
    for name, error, message in (
        ("source.db", DatabaseUnreachable, "there is no such file"),
        ("empty.db", CopyRefused, "holds no velvetrope's state"),
        ("text.db", DatabaseUnreachable, "file is not a database"),
    ):
        with pytest.raises(error, match=message):
            copy(f"sqlite:///{folder / name}", bare_postgresql)
    assert not (folder / "source.db").exists()


async def test_of_a_copy_that_breaks_off_nothing_is_left(sqlite: str, target: str) -> None:
    await made(sqlite)
    fill(sqlite)
    heard = []

    def break_off(table: str, _rows: int) -> None:
        heard.append(table)
        if len(heard) == len(METADATA.tables) // 2:
            raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        whole_store(sqlite, writes=False) as one,
        whole_store(target, writes=True) as other,
    ):
        copy_store(one, other, told=break_off)

    assert tables_of(target) == []
    copy(sqlite, target)
    assert content(target) == content(sqlite)


async def test_a_row_that_breaks_off_while_it_is_written_takes_all_back(sqlite: str, bare_postgresql: str) -> None:
    await made(sqlite)

    def rows(table: Table) -> Iterator[Row]:
        yield tuple(sample(column, 0) for column in table.columns)
        raise KeyboardInterrupt

    first = METADATA.sorted_tables[0]
    for url in (sqlite, bare_postgresql):
        await made(url)
        with pytest.raises(KeyboardInterrupt), whole_store(url, writes=True) as store:
            store.write(first, rows(first))
        assert rows_of(url, first.name) == set()


async def test_a_connection_that_is_lost_is_said_so_and_nothing_is_left(
    sqlite: str, bare_postgresql: str, postgres_stores: PostgresStores
) -> None:
    await made(sqlite)
    fill(sqlite)
    name = postgres_stores.name_of(bare_postgresql)

    def cut(_table: str, _rows: int) -> None:
        postgres_stores.postgres.query(
            f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'"
        )

    with (
        pytest.raises(DatabaseUnreachable, match=f"PostgreSQL on .*, database {name}"),
        whole_store(sqlite, writes=False) as one,
        whole_store(bare_postgresql, writes=True) as other,
    ):
        copy_store(one, other, told=cut)

    assert tables_of(bare_postgresql) == []


async def test_nobody_else_writes_to_the_target_meanwhile(sqlite: str, bare_postgresql: str) -> None:
    await made(sqlite)
    fill(sqlite)
    locks: set[Any] = set()

    def look(_table: str, _rows: int) -> None:
        locks.update(run(bare_postgresql, f"SELECT pg_try_advisory_xact_lock({WRITERS})")[0])

    with whole_store(sqlite, writes=False) as one, whole_store(bare_postgresql, writes=True) as other:
        copy_store(one, other, told=look)

    assert locks == {False}
    assert run(bare_postgresql, f"SELECT pg_try_advisory_xact_lock({WRITERS})") == [(True,)]


async def test_a_target_that_gives_back_something_else_is_refused(sqlite: str, bare_postgresql: str) -> None:
    await made(sqlite)
    fill(sqlite)
    await made(bare_postgresql)
    run(
        bare_postgresql,
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NEW.account_id := NEW.account_id || 'x'; RETURN NEW; END $$",
        "CREATE TRIGGER spoils BEFORE INSERT ON iam_account_aliases FOR EACH ROW EXECUTE FUNCTION spoil()",
    )

    with pytest.raises(CopyRefused, match="does not give back what was written to iam_account_aliases"):
        copy(sqlite, bare_postgresql)

    assert rows_of(bare_postgresql, "iam_account_aliases") == set()


async def test_a_value_that_the_target_cannot_take_is_refused_without_being_told(
    sqlite: str, bare_postgresql: str
) -> None:
    await made(sqlite)
    fill(sqlite)
    run(sqlite, "UPDATE userpools_attempts SET failures = 77777777777777")  # SQLite's integers have any length

    with pytest.raises(DatabaseUnreachable, match="NumericValueOutOfRange") as error:
        copy(sqlite, bare_postgresql)

    assert "7777" not in str(error.value)
    assert tables_of(bare_postgresql) == []


async def test_a_copy_takes_no_more_memory_for_more_rows(sqlite: str, bare_postgresql: str, folder: Path) -> None:
    """Twenty zips of four megabytes, of which two or three are in memory at a time."""
    megabytes, zips = 4 << 20, 20
    code = METADATA.tables["functions_code"]
    await made(sqlite)
    with whole_store(sqlite, writes=True) as store:
        store.write(code, ((f"{number}", 0, bytes([number]) * megabytes) for number in range(zips)))

    tracemalloc.start()
    try:
        copy(sqlite, bare_postgresql)
        copy(bare_postgresql, f"sqlite:///{folder / 'back.db'}")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < zips * megabytes / 2


async def test_a_password_is_not_told(sqlite: str, bare_postgresql: str, postgres_stores: PostgresStores) -> None:
    await made(sqlite)
    for url, error in (
        (bare_postgresql.replace(postgres_stores.postgres.password, "not-to-be-told"), DatabaseUnreachable),
        ("postgresql://me:not-to-be-told@127.0.0.1:1/nowhere", DatabaseUnreachable),
        ("postgresql://me:not-to-be-told@db.example/name?sslmode=require", DatabaseUnsupported),
        ("postgresql://me:not-to-be-told:x@[::1/name", DatabaseUnsupported),
    ):
        with pytest.raises(error) as refused:
            copy(sqlite, url)
        assert "not-to-be-told" not in str(refused.value)

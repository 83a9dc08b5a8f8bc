"""What PostgreSQL alone can do to us: other nodes, lost connections, silence, a server that is not what we need."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select, text, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError

from support.stores import PostgresStores
from velvetrope.store import Database, DatabaseUnreachable, DatabaseUnsupported
from velvetrope.store.dialects.postgresql import PostgreSql, connection_parameters, open_engine
from velvetrope.store.drivers import driver_of

metadata = MetaData()
counts = Table("counts", metadata, Column("id", String, primary_key=True), Column("count", Integer, nullable=False))
LISTENERS = "query IN ('LISTEN velvetrope', 'SELECT 1') AND datname = '{}'"


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Once, and not for each database as in the rest of this folder."""
    return tmp_path_factory.mktemp("postgresql")


@pytest.fixture
async def nodes(postgresql_store: str) -> AsyncIterator[list[Database]]:
    opened = [await Database.open(postgresql_store, durable=True) for _ in range(2)]
    async with opened[0].transaction() as tx:
        await tx.connection.run_sync(metadata.create_all)
        await tx.connection.execute(insert(counts).values(id="a", count=0))
    yield opened
    for database in opened:
        await database.close()


async def add_one(database: Database) -> None:
    async with database.transaction() as tx:
        found = (await tx.connection.execute(select(counts.c.count))).scalar_one()
        await tx.connection.execute(update(counts).values(count=found + 1))
        tx.changed("counts")


async def count_of(database: Database) -> int:
    async with database.read() as connection:
        return int((await connection.execute(select(counts.c.count))).scalar_one())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  the other node's change feed sets no event of ours
            await asyncio.sleep(0.01)


# Several nodes


async def test_writers_of_all_nodes_take_turns(nodes: list[Database]) -> None:
    def add(database: Database) -> Callable[[], int]:
        return lambda: database.write_here(
            lambda visit: (
                visit.execute(
                    update(counts).values(count=visit.execute(select(counts.c.count)).scalar_one() + 1)
                ).rowcount
            )
        )

    await asyncio.gather(
        *(add_one(nodes[number % 2]) for number in range(20)),
        *(asyncio.to_thread(add(nodes[number % 2])) for number in range(6)),
    )

    assert await count_of(nodes[0]) == 26


@pytest.fixture
def heard(postgresql_store: str) -> Iterator[tuple[PostgreSql, list[list[str]]]]:
    """A third node's dialect, and the topics that it has heard, commit by commit.

    A machine that stands still for seconds has every node told that it may have missed something; that is left out.
    """
    url = make_url(postgresql_store)
    dialect, commits = PostgreSql(url, durable=True), list[list[str]]()
    listening = dialect.listen(lambda topics: None if topics is None else commits.append(list(topics)))
    yield dialect, commits
    listening.close()


async def test_a_commit_is_heard_when_it_can_be_read(nodes: list[Database]) -> None:
    found: list[int] = []
    reading: list[asyncio.Task[None]] = []

    async def look() -> None:
        found.append(await count_of(nodes[1]))

    nodes[1].changes.subscribe("counts", lambda: reading.append(asyncio.create_task(look())))

    await add_one(nodes[0])
    await until(lambda: 1 in found)
    await nodes[0].write_at_once(lambda visit: visit.execute(update(counts).values(count=9)).rowcount, "counts")
    await until(lambda: 9 in found)

    await asyncio.gather(*reading)


async def test_other_nodes_are_heard_and_oneself_is_not(
    nodes: list[Database], heard: tuple[PostgreSql, list[list[str]]], postgresql_store: str
) -> None:
    (dialect, commits), engine = heard, open_engine(make_url(postgresql_store))
    with engine.connect() as connection:
        dialect.begin(driver_of(connection), writes=True, waits_for_disk=True)
        dialect.commit(driver_of(connection), ["its own"])
    engine.dispose()

    await add_one(nodes[0])

    await until(lambda: bool(commits))
    assert commits == [["counts"]]


async def test_what_is_rolled_back_is_heard_by_nobody(
    nodes: list[Database], heard: tuple[PostgreSql, list[list[str]]]
) -> None:
    async def fail() -> None:
        async with nodes[0].transaction() as tx:
            await tx.connection.execute(update(counts).values(count=7))
            tx.changed("counts")
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with nodes[0].transaction() as tx:
        await tx.connection.execute(update(counts).values(count=8))
        tx.changed("two words")
        tx.changed("others")

    await until(lambda: bool(heard[1]))
    assert heard[1] == [["others", "two words"]]


async def test_a_reader_sees_one_state_whatever_is_committed_meanwhile(nodes: list[Database]) -> None:
    async with nodes[0].read() as connection:
        before = (await connection.execute(select(counts.c.count))).scalar_one()
        await add_one(nodes[1])
        after = (await connection.execute(select(counts.c.count))).scalar_one()

    assert (before, after, await count_of(nodes[0])) == (0, 0, 1)


async def test_nodes_that_start_at_once_make_one_schema(postgres_stores: PostgresStores) -> None:
    with postgres_stores.bare() as url:
        opened = await asyncio.gather(*(Database.open(url, durable=True) for _ in range(3)))
        for database in opened:
            await database.close()


# Connections that are lost, and nodes that stand still


async def test_a_node_whose_connections_were_cut_goes_on_with_new_ones(
    nodes: list[Database], postgres_stores: PostgresStores, postgresql_store: str
) -> None:
    await nodes[0].read_at_once(lambda visit: visit.execute(select(counts.c.count)).scalar())
    await add_one(nodes[0])
    await asyncio.gather(*(count_of(nodes[0]) for _ in range(4)))  # so that several wait in its pool

    name = postgres_stores.name_of(postgresql_store)
    cut = f"SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = '{name}'"
    assert all(gone for (gone,) in postgres_stores.postgres.query(cut))

    await add_one(nodes[0])
    assert await nodes[0].read_at_once(lambda visit: visit.execute(select(counts.c.count)).scalar()) == 2
    assert await nodes[0].write_at_once(lambda visit: visit.execute(update(counts).values(count=5)).rowcount) == 1
    assert await count_of(nodes[1]) == 5


async def test_a_node_that_did_not_hear_for_a_moment_takes_everything_to_be_changed(
    nodes: list[Database], postgres_stores: PostgresStores, postgresql_store: str
) -> None:
    told: list[str] = []
    for topic in ("counts", "never changed"):
        nodes[1].changes.subscribe(topic, lambda topic=topic: told.append(topic))  # type: ignore[misc]  # as above
    name = postgres_stores.name_of(postgresql_store)

    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {LISTENERS.format(name)}"
    postgres_stores.postgres.query(cut)

    # Once when it was cut off, once when it hears again; and from then on it does hear.
    await until(lambda: told.count("never changed") >= 2)
    before = told.count("counts")
    await add_one(nodes[0])
    await until(lambda: told.count("counts") > before)


async def test_a_node_that_gets_no_answer_takes_everything_to_be_changed_again_and_again(
    nodes: list[Database], postgres_stores: PostgresStores, postgresql_store: str
) -> None:
    told: list[str] = []
    nodes[0].changes.subscribe("never changed", lambda: told.append("never changed"))
    name = postgres_stores.name_of(postgresql_store)
    listeners = f"SELECT pid FROM pg_stat_activity WHERE {LISTENERS.format(name)}"

    pids = [pid for (pid,) in postgres_stores.postgres.query(listeners)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        await until(lambda: len(told) >= 3)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    assert len(pids) == 2


async def test_a_node_that_stands_still_in_its_turn_loses_it_and_has_changed_nothing(nodes: list[Database]) -> None:
    waits: list[object] = []

    async def stand_still() -> None:
        async with nodes[0].transaction() as tx:
            waits.append((await tx.connection.execute(text("SHOW idle_in_transaction_session_timeout"))).scalar())
            waits.append((await tx.connection.execute(text("SHOW lock_timeout"))).scalar())
            await tx.connection.execute(update(counts).values(count=7))
            await tx.connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '10ms'"))
            await add_one(nodes[1])  # has its turn while the other one is in the middle of its own

    with pytest.raises(DBAPIError):
        await stand_still()

    assert waits == ["15s", "15s"]
    assert await count_of(nodes[0]) == 1


async def test_a_transaction_in_which_a_statement_failed_is_not_taken_for_committed(nodes: list[Database]) -> None:
    async def go_on_all_the_same() -> None:
        async with nodes[0].transaction() as tx:
            await tx.connection.execute(update(counts).values(count=7))
            with pytest.raises(IntegrityError):
                await tx.connection.execute(insert(counts).values(id="a", count=1))

    with pytest.raises(RuntimeError, match="cannot be committed"):
        await go_on_all_the_same()

    assert await count_of(nodes[0]) == 0


async def test_what_is_refused_is_told_without_keys(nodes: list[Database]) -> None:
    """PostgreSQL adds `Key (id)=(…) already exists.` by itself."""

    async def insert_twice() -> None:
        async with nodes[0].transaction() as tx:
            for _ in range(2):
                await tx.connection.execute(insert(counts).values(id="anna@people.example", count=1))

    with pytest.raises(IntegrityError) as refused:
        await insert_twice()

    assert "duplicate key" in str(refused.value)
    assert "anna" not in str(refused.value)


# Which databases


async def test_a_database_of_another_encoding_is_refused(postgres_stores: PostgresStores) -> None:
    with (
        postgres_stores.bare(TEMPLATE="template0", ENCODING="'SQL_ASCII'") as url,
        pytest.raises(DatabaseUnsupported, match="encoding is SQL_ASCII"),
    ):
        await Database.open(url, durable=True)


async def test_a_user_who_may_make_no_tables_is_told_so(postgres_stores: PostgresStores) -> None:
    with postgres_stores.bare() as url:
        name, server = postgres_stores.name_of(url), postgres_stores.postgres
        server.execute("CREATE ROLE weak LOGIN PASSWORD 'weak'")
        server.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC", database=name)
        weak = make_url(url).set(username="weak", password="weak").render_as_string(hide_password=False)

        with pytest.raises(DatabaseUnreachable, match=r"tables cannot be made.*permission denied for schema public"):
            await Database.open(weak, durable=True)

        server.execute("DROP ROLE weak")


async def test_a_wrong_password_is_told_without_it(postgresql_store: str) -> None:
    url = make_url(postgresql_store).set(password="not-the-one")

    with pytest.raises(DatabaseUnreachable, match="password authentication failed") as refused:
        await Database.open(url.render_as_string(hide_password=False), durable=True)

    assert "not-the-one" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://me@db.example/store?sslmode=require", "sslmode=require does not prove who it is"),
        ("postgresql://me@192.0.2.1/store?sslmode=disable", "sslmode=disable does not prove who it is"),
        ("postgresql://me@/store?host=db.example&sslmode=verify-ca", "sslmode=verify-ca does not prove who it is"),
        ("postgresql://me@localhost/store?options=-cfsync", "not options"),
        ("postgresql://me@localhost/store?sslmode=disable&sslmode=require", "each once"),
        ("postgresql://me@/store", "names one host and a database"),
        ("postgresql://me@localhost", "names one host and a database"),
        ("postgresql://me@/store?host=one,other", "names one host and a database"),
    ],
)
def test_a_url_that_promises_too_little_is_refused(url: str, why: str) -> None:
    with pytest.raises(DatabaseUnsupported, match=why):
        connection_parameters(make_url(url))


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("postgresql://me@db.example/store", "verify-full"),
        ("postgresql://me@192.0.2.1/store?sslmode=verify-full", "verify-full"),
        ("postgresql://me@127.0.0.1/store", None),
        ("postgresql://me@[::1]/store", None),
        ("postgresql://me@localhost/store?sslmode=disable", "disable"),
        ("postgresql://me@/store?host=/run/postgresql", None),
    ],
)
def test_over_a_network_the_server_has_to_prove_who_it_is(url: str, mode: str | None) -> None:
    assert connection_parameters(make_url(url)).get("sslmode") == mode


async def test_a_url_that_cannot_be_read_is_refused_without_its_password() -> None:
    with pytest.raises(DatabaseUnsupported, match="cannot be read") as refused:
        await Database.open("postgresql://me:hidden@localhost:port/store", durable=True)

    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:some@hidden@db.example/store",
        "postgresql://me:some@@hidden@db.example/store",
        "postgresql://me:some@localhost/hidden@db.example/store",
        "postgresql://me:some@localhost/store?hidden=x@db.example/store",
    ],
)
async def test_a_password_with_an_at_sign_in_it_is_not_told_as_a_host_or_a_name(url: str) -> None:
    with pytest.raises(DatabaseUnsupported, match="written %40") as refused:
        await Database.open(url, durable=True)

    assert "hidden" not in str(refused.value)


def test_a_socket_without_a_folder_may_be_named() -> None:
    assert connection_parameters(make_url("postgresql://me@/store?host=@velvetrope"))["host"] == "@velvetrope"

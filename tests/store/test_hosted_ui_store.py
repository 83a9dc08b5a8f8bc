"""What the hosted UI's store promises: a code is spent once, whoever races; sessions end when they should."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from velvetrope.store import Database
from velvetrope.store.tables.hosted_ui import AuthorizationCode, HostedUiStore, SpentCode
from velvetrope.store.tables.hosted_ui_sessions import BrowserSession

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HASH = "a" * 64
POOL, CLIENT = "us-west-2_Demo12345", "1example23456789"


@pytest.fixture
def store(database: Database) -> HostedUiStore:
    return HostedUiStore(database)


def make_code(**changes: Any) -> AuthorizationCode:
    made = AuthorizationCode(
        user_pool_id=POOL,
        client_id=CLIENT,
        sub="a-sub",
        redirect_uri="http://localhost:5173/",
        scopes=("openid", "email"),
        code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        nonce=None,
        authenticated_at=NOW,
        expires_at=NOW + timedelta(minutes=5),
    )
    return msgspec.structs.replace(made, **changes)


def make_session(**changes: Any) -> BrowserSession:
    made = BrowserSession(user_pool_id=POOL, sub="a-sub", authenticated_at=NOW, expires_at=NOW + timedelta(hours=1))
    return msgspec.structs.replace(made, **changes)


async def consume(
    store: HostedUiStore, *, at: datetime = NOW, pool: str = POOL, client: str = CLIENT
) -> AuthorizationCode | SpentCode | None:
    return await store.consume_authorization_code(HASH, user_pool_id=pool, client_id=client, now=at)


async def test_a_code_comes_back_as_it_was_kept(store: HostedUiStore) -> None:
    await store.save_authorization_code(HASH, make_code(), now=NOW)

    assert await consume(store) == make_code()


async def test_of_many_that_race_for_a_code_one_gets_it_and_the_others_learn_that_it_is_spent(
    store: HostedUiStore,
) -> None:
    await store.save_authorization_code(HASH, make_code(), now=NOW)

    got = await asyncio.gather(*(consume(store) for _ in range(8)))

    assert got.count(make_code()) == 1
    assert got.count(SpentCode(origin_jti=None)) == 7


async def test_a_spent_code_names_the_family_that_it_became(store: HostedUiStore) -> None:
    await store.save_authorization_code(HASH, make_code(), now=NOW)
    await consume(store)

    noted = await store.save_code_family(HASH, "a-family")

    assert noted
    assert await consume(store) == SpentCode(origin_jti="a-family")


async def test_a_family_is_not_noted_for_a_code_that_was_presented_again(store: HostedUiStore) -> None:
    """One of the two always sees the other: here the second caller came first, and the first must not hand out."""
    await store.save_authorization_code(HASH, make_code(), now=NOW)
    await consume(store)
    await consume(store)

    assert await store.save_code_family(HASH, "a-family") is False


@pytest.mark.parametrize(("before_expiry", "spent"), [(timedelta(microseconds=1), True), (timedelta(), False)])
async def test_a_code_is_worth_nothing_from_the_moment_it_expires(
    store: HostedUiStore, before_expiry: timedelta, spent: bool
) -> None:
    await store.save_authorization_code(HASH, make_code(), now=NOW)

    got = await consume(store, at=make_code().expires_at - before_expiry)

    assert (got is not None) is spent


@pytest.mark.parametrize("other", [{"pool": "us-west-2_Other"}, {"client": "another"}])
async def test_a_code_of_another_client_or_pool_is_left_as_it_is(store: HostedUiStore, other: dict[str, str]) -> None:
    await store.save_authorization_code(HASH, make_code(), now=NOW)

    stolen = await consume(store, **other)  # type: ignore[arg-type]  # pool or client, both str

    assert stolen is None
    assert await consume(store) == make_code()


async def test_an_unknown_code_is_none(store: HostedUiStore) -> None:
    assert await consume(store) is None


async def test_a_spent_code_is_remembered_for_a_day_after_its_end(store: HostedUiStore) -> None:
    await store.save_authorization_code(HASH, make_code(), now=NOW)
    await consume(store)
    end = make_code().expires_at + timedelta(days=1)
    await store.save_authorization_code("b" * 64, make_code(), now=end - timedelta(seconds=1))
    remembered = await consume(store)

    await store.save_authorization_code("c" * 64, make_code(), now=end)

    assert remembered == SpentCode(origin_jti=None)
    assert await consume(store) is None


async def load(
    store: HostedUiStore, session_hash: str, *, at: datetime = NOW, pool: str = POOL
) -> BrowserSession | None:
    return await store.sessions.load(session_hash, user_pool_id=pool, now=at)


async def test_a_session_is_found_until_its_end_and_only_in_its_pool(store: HostedUiStore) -> None:
    await store.sessions.replace(HASH, make_session(), earlier_session_hash=None, now=NOW)
    end = make_session().expires_at

    assert await load(store, HASH, at=end - timedelta(microseconds=1)) == make_session()
    assert await load(store, HASH, at=end) is None
    assert await load(store, HASH, pool="us-west-2_Other") is None


async def test_a_new_session_ends_the_browsers_earlier_one(store: HostedUiStore) -> None:
    await store.sessions.replace(HASH, make_session(), earlier_session_hash=None, now=NOW)

    await store.sessions.replace("b" * 64, make_session(), earlier_session_hash=HASH, now=NOW)

    assert await load(store, HASH) is None
    assert await load(store, "b" * 64) is not None


async def test_ending_a_session_says_whose_it_was_once(store: HostedUiStore) -> None:
    await store.sessions.replace(HASH, make_session(), earlier_session_hash=None, now=NOW)

    elsewhere = await store.sessions.end(HASH, user_pool_id="us-west-2_Other")
    ended = await asyncio.gather(*(store.sessions.end(HASH, user_pool_id=POOL) for _ in range(4)))

    assert elsewhere is None
    assert sorted(found is not None for found in ended) == [False, False, False, True]
    assert await load(store, HASH) is None


# Half-done sign-ins


async def keep(
    store: HostedUiStore, id_hash: str, *, earlier: str | None = None, at: datetime = NOW, pool: str = POOL
) -> None:
    await store.replace_pending_sign_in(
        id_hash,
        b"sealed",
        user_pool_id=pool,
        expires_at=at + timedelta(minutes=3),
        earlier_hash=earlier,
        now=at,
    )


async def waiting(store: HostedUiStore, id_hash: str, *, at: datetime = NOW, pool: str = POOL) -> bytes | None:
    return await store.load_pending_sign_in(id_hash, user_pool_id=pool, now=at)


async def test_a_half_done_sign_in_is_found_until_its_end_and_only_in_its_pool(store: HostedUiStore) -> None:
    await keep(store, HASH)
    end = NOW + timedelta(minutes=3)

    assert await waiting(store, HASH, at=end - timedelta(microseconds=1)) == b"sealed"
    assert await waiting(store, HASH, at=end) is None
    assert await waiting(store, HASH, pool="us-west-2_Other") is None


async def test_the_next_step_takes_the_place_of_the_one_before(store: HostedUiStore) -> None:
    await keep(store, HASH)

    await keep(store, "b" * 64, earlier=HASH)

    assert await waiting(store, HASH) is None
    assert await waiting(store, "b" * 64) == b"sealed"


async def test_a_half_done_sign_in_ends_in_its_own_pool_alone(store: HostedUiStore) -> None:
    await keep(store, HASH)

    await store.end_pending_sign_in(HASH, user_pool_id="us-west-2_Other")
    still = await waiting(store, HASH)
    await store.end_pending_sign_in(HASH, user_pool_id=POOL)

    assert still == b"sealed"
    assert await waiting(store, HASH) is None


async def test_half_done_sign_ins_that_nobody_came_back_to_are_let_go_of(
    database: Database, store: HostedUiStore
) -> None:
    await keep(store, HASH)

    await keep(store, "b" * 64, at=NOW + timedelta(minutes=3))

    async with database.read() as connection:
        kept = (await connection.execute(text("SELECT id_hash FROM hosted_ui_pending_sign_ins"))).scalars().all()
    assert kept == ["b" * 64]


async def test_changes_are_said_on_the_change_feed(database: Database, store: HostedUiStore) -> None:
    heard: list[str] = []
    database.changes.subscribe("hosted_ui", lambda: heard.append("hosted_ui"))

    await store.save_authorization_code(HASH, make_code(), now=NOW)

    assert heard == ["hosted_ui"]

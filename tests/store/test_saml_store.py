"""What the hosted UI keeps about SAML: messages count once, sessions end from either side, log-outs are taken once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy.exc import IntegrityError

from velvetrope.store import Database
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.hosted_ui_saml import SamlLogout, SamlStore
from velvetrope.store.tables.hosted_ui_sessions import (
    BrowserSession,
    BrowserSessionStore,
    SamlSession,
    SamlSubject,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ENDS = NOW + timedelta(minutes=5)
SECOND = timedelta(seconds=1)
ONE, TWO, THREE, SUBJECT, OTHER = "1" * 64, "2" * 64, "3" * 64, "a" * 64, "b" * 64
POOL, OTHER_POOL = "us-west-2_Demo12345", "us-west-2_Other1234"


@pytest.fixture
def store(database: Database) -> SamlStore:
    return SamlStore(database)


@pytest.fixture
def browsers(database: Database) -> BrowserSessionStore:
    return BrowserSessionStore(database)


SESSION = SamlSession(
    user_pool_id=POOL,
    provider_name="Corp",
    provider_created_at=NOW,
    name_id="carol",
    name_format="persistent",
    name_qualifier="",
    sp_name_qualifier="",
    session_index="_s1",
    expires_at=ENDS,
)
LOGOUT = SamlLogout(
    user_pool_id=POOL,
    provider_name="Corp",
    provider_created_at=NOW,
    request_id="_q1",
    destination="https://app.example.com/",
    leads_to_app=True,
    expires_at=ENDS,
)


async def sign_in(
    browsers: BrowserSessionStore, session_hash: str, *, earlier: str | None = None, **changes: Any
) -> None:
    """A browser session, and beside it what the provider calls the person."""
    session = BrowserSession(user_pool_id=POOL, sub="carol", authenticated_at=NOW, expires_at=ENDS)
    subject = changes.pop("subject", SUBJECT)
    saml = SamlSubject(subject, msgspec.structs.replace(SESSION, **changes))
    await browsers.replace(session_hash, session, saml=saml, earlier_session_hash=earlier, now=NOW)


async def is_signed_in(browsers: BrowserSessionStore, session_hash: str) -> bool:
    return await browsers.load(session_hash, user_pool_id=POOL, now=NOW) is not None


async def test_of_many_that_spend_one_message_one_may(store: SamlStore) -> None:
    spent = await asyncio.gather(*(store.spend_message(POOL, ONE, expires_at=ENDS, now=NOW) for _ in range(8)))

    assert sorted(spent) == [False] * 7 + [True]
    assert await store.spend_message(OTHER_POOL, ONE, expires_at=ENDS, now=NOW)
    assert await store.spend_message(POOL, TWO, expires_at=ENDS, now=NOW)


async def test_a_message_is_remembered_until_it_is_dead_itself(store: SamlStore) -> None:
    await store.spend_message(POOL, ONE, expires_at=ENDS, now=NOW)

    assert not await store.spend_message(POOL, ONE, expires_at=ENDS, now=ENDS - SECOND)
    assert await store.spend_message(POOL, ONE, expires_at=ENDS, now=ENDS)


async def test_a_session_is_taken_once_and_ends_the_browsers(browsers: BrowserSessionStore) -> None:
    await sign_in(browsers, ONE)
    await sign_in(browsers, TWO)

    assert await browsers.take_saml(ONE, user_pool_id=OTHER_POOL, now=NOW) is None
    assert await browsers.take_saml(ONE, user_pool_id=POOL, now=ENDS) is None
    assert await browsers.take_saml(ONE, user_pool_id=POOL, now=NOW) == SESSION
    assert await browsers.take_saml(ONE, user_pool_id=POOL, now=NOW) is None
    assert not await is_signed_in(browsers, ONE)
    assert await is_signed_in(browsers, TWO)


async def test_the_sessions_of_a_person_end_where_they_are_meant(browsers: BrowserSessionStore) -> None:
    await sign_in(browsers, ONE)
    await sign_in(browsers, TWO, session_index="_s2")
    await sign_in(browsers, THREE, subject=OTHER)

    def is_second(session: SamlSession) -> bool:
        return session.session_index == "_s2"

    assert await browsers.end_saml(SUBJECT, is_second, user_pool_id=OTHER_POOL) == 0
    assert await browsers.end_saml(SUBJECT, is_second, user_pool_id=POOL) == 1
    assert [await is_signed_in(browsers, one) for one in (ONE, TWO, THREE)] == [True, False, True]
    assert await browsers.end_saml(SUBJECT, lambda _: True, user_pool_id=POOL) == 1
    assert [await is_signed_in(browsers, one) for one in (ONE, THREE)] == [False, True]


async def test_the_next_sign_in_of_a_browser_ends_both_halves_of_the_session_before(
    browsers: BrowserSessionStore,
) -> None:
    await sign_in(browsers, ONE)

    await sign_in(browsers, TWO, earlier=ONE)

    assert [await is_signed_in(browsers, one) for one in (ONE, TWO)] == [False, True]
    assert await browsers.end_saml(SUBJECT, lambda _: True, user_pool_id=POOL) == 1


@pytest.mark.parametrize("taken", ["hosted_ui_browser_sessions", "hosted_ui_saml_sessions"])
async def test_a_session_begins_with_both_halves_or_not_at_all(
    database: Database, browsers: BrowserSessionStore, taken: str
) -> None:
    """Whichever of the two cannot be written takes the other along: no session that single logout does not find."""
    await sign_in(browsers, ONE)
    left = {"hosted_ui_browser_sessions", "hosted_ui_saml_sessions"} - {taken}
    async with database.transaction() as tx:
        for table in left:
            await tx.connection.execute(METADATA.tables[table].delete())

    with pytest.raises(IntegrityError):
        await sign_in(browsers, ONE)

    async with database.read() as connection:
        for table in left:
            assert (await connection.execute(METADATA.tables[table].select())).first() is None


async def test_of_many_that_take_one_log_out_one_gets_it(store: SamlStore) -> None:
    await store.save_logout(ONE, LOGOUT, now=NOW)

    taken = await asyncio.gather(*(store.take_logout(ONE, user_pool_id=POOL, now=NOW) for _ in range(8)))

    assert [one for one in taken if one is not None] == [LOGOUT]


async def test_a_log_out_is_its_pools_and_for_its_time(store: SamlStore) -> None:
    await store.save_logout(ONE, LOGOUT, now=NOW)

    assert await store.take_logout(TWO, user_pool_id=POOL, now=NOW) is None
    assert await store.take_logout(ONE, user_pool_id=OTHER_POOL, now=NOW) is None
    assert await store.take_logout(ONE, user_pool_id=POOL, now=ENDS) is None
    assert await store.take_logout(ONE, user_pool_id=POOL, now=ENDS - SECOND) == LOGOUT

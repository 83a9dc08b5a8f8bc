"""A client has one terms document of each name, whoever asks for it at the same moment, and takes them along."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime

import msgspec
import pytest

from velvetrope.store import Database
from velvetrope.store.tables.userpools import AppClient, PasswordPolicySettings, UserPool, UserPoolStore
from velvetrope.store.tables.userpools_terms import Terms, TermsName, TermsStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POOL, CLIENT = "us-west-2_Demo12345", "1client"


@pytest.fixture
def store(database: Database) -> TermsStore:
    return TermsStore(database)


def terms(number: int = 1, *, name: TermsName = "terms-of-use", pool: str = POOL, client: str = CLIENT) -> Terms:
    return Terms(
        id=f"00000000-0000-4000-8000-{number:012}",
        user_pool_id=pool,
        client_id=client,
        name=name,
        links={"cognito:default": f"https://example.com/{number}"},
        created_at=NOW,
        modified_at=NOW,
    )


async def test_of_racing_documents_of_one_name_one_is_kept(store: TermsStore) -> None:
    answers = await asyncio.gather(*(store.save_new(terms(number)) for number in range(6)))

    assert answers.count(True) == 1
    assert list(await store.load_of_client(POOL, CLIENT)) == [terms(answers.index(True))]


async def test_of_two_documents_that_race_for_a_name_one_gets_it(store: TermsStore) -> None:
    first, second = terms(1), terms(2, name="privacy-policy")
    await store.save_new(first)
    await store.save_new(second)
    await store.delete(POOL, first.id)
    third = terms(3, client="another")
    await store.save_new(third)

    async def take(one: Terms) -> object:
        return await store.change(POOL, one.id, lambda kept: msgspec.structs.replace(kept, name="terms-of-use"))

    taken = await asyncio.gather(take(second), store.save_new(terms(4)))

    holders = [one for one in await store.load_of_client(POOL, CLIENT) if one.name == "terms-of-use"]
    assert len(holders) == 1
    assert (taken[0] == "name_taken") is (taken[1] is True)
    assert await store.load(POOL, third.id) == third


async def test_two_changes_at_once_both_take_effect(store: TermsStore) -> None:
    await store.save_new(terms())

    def add(language: str) -> Awaitable[object]:
        return store.change(
            POOL,
            terms().id,
            lambda kept: msgspec.structs.replace(kept, links={**kept.links, language: "https://x.org/"}),
        )

    await asyncio.gather(*(add(language) for language in ("cognito:german", "cognito:french", "cognito:dutch")))

    found = await store.load(POOL, terms().id)
    assert found is not None
    assert len(found.links) == 4


async def test_pages_hold_a_pools_own_documents_in_order(store: TermsStore) -> None:
    for number in (3, 1, 2):
        await store.save_new(terms(number, client=f"client{number}"))
    await store.save_new(terms(4, pool="us-west-2_Other1234"))

    first = await store.load_page(POOL, after="", limit=2)
    rest = await store.load_page(POOL, after=first[-1].id, limit=2)

    assert [one.id[-1] for one in (*first, *rest)] == ["1", "2", "3"]


async def test_documents_go_with_their_client_and_with_their_pool(database: Database, store: TermsStore) -> None:
    pools = UserPoolStore(database)
    policy = PasswordPolicySettings(minimum_length=8)
    pool = UserPool(
        id=POOL,
        name="people",
        account_id="123456789012",
        region="us-west-2",
        created_at=NOW,
        modified_at=NOW,
        password_policy=policy,
        schema_attributes=(),
    )
    await pools.create_pool(pool, ())
    for client in (CLIENT, "another"):
        made = AppClient(client_id=client, user_pool_id=POOL, name="web", created_at=NOW, modified_at=NOW)
        assert await pools.create_client(made, limit=9) == "created"
    kept = terms(2, client="another")
    await store.save_new(terms(1))
    await store.save_new(kept)

    await pools.delete_client(POOL, CLIENT)
    left = list(await store.load_page(POOL, after="", limit=9))
    await pools.delete_pool(POOL)

    assert left == [kept]
    assert list(await store.load_page(POOL, after="", limit=9)) == []

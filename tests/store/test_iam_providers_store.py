"""Identity providers in the store: one of a URL, changed whole or not at all, and everybody is told."""

import asyncio
from datetime import UTC, datetime

import msgspec
import pytest

from velvetrope.store import Database
from velvetrope.store.tables.iam_providers import IamProviderStore, OpenIdProvider

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def provider(name: str = "a.example", account_id: str = "1") -> OpenIdProvider:
    return OpenIdProvider(
        arn=f"arn:aws:iam::{account_id}:oidc-provider/{name}",
        account_id=account_id,
        url=f"https://{name}",
        created_at=NOW,
    )


async def test_of_two_who_register_an_issuer_at_once_one_does(database: Database) -> None:
    store = IamProviderStore(database)

    done = await asyncio.gather(*(store.save_new_open_id_provider(provider()) for _ in range(2)))

    assert sorted(done) == [False, True]
    assert await store.list_open_id_providers("1") == [provider()]


async def test_providers_are_listed_by_account(database: Database) -> None:
    store = IamProviderStore(database)
    for made in (provider("b.example"), provider(), provider("c.example", "2")):
        await store.save_new_open_id_provider(made)

    assert await store.list_open_id_providers("1") == [provider(), provider("b.example")]
    assert await store.list_open_id_providers("3") == []


async def test_no_change_is_lost_when_two_come_at_once(database: Database) -> None:
    store = IamProviderStore(database)
    arn = provider().arn
    await store.save_new_open_id_provider(provider())

    async def add(client_id: str) -> None:
        await store.change_open_id_provider(
            arn, lambda now: msgspec.structs.replace(now, client_ids=(*now.client_ids, client_id))
        )

    await asyncio.gather(*(add(str(n)) for n in range(8)))

    found = await store.load_open_id_provider(arn)
    assert found is not None
    assert sorted(found.client_ids) == [str(n) for n in range(8)]


async def test_a_change_that_raises_leaves_the_provider_as_it_was(database: Database) -> None:
    store = IamProviderStore(database)
    await store.save_new_open_id_provider(provider())

    def refuse(_present: OpenIdProvider) -> OpenIdProvider:
        raise LookupError

    with pytest.raises(LookupError):
        await store.change_open_id_provider(provider().arn, refuse)

    assert await store.load_open_id_provider(provider().arn) == provider()


async def test_a_provider_that_is_gone_is_not_changed_and_deleted_once(database: Database) -> None:
    store, heard = IamProviderStore(database), list[str]()
    database.changes.subscribe("iam", lambda: heard.append("iam"))
    await store.save_new_open_id_provider(provider())

    assert await store.delete_open_id_provider(provider().arn)
    assert not await store.delete_open_id_provider(provider().arn)
    assert await store.change_open_id_provider(provider().arn, lambda now: now) is None
    assert await store.load_open_id_provider(provider().arn) is None
    assert heard

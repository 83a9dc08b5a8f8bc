"""Identity pools in the store: one login leads to one identity, whoever comes first."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from support.stores import open_store
from velvetrope.store.tables.identitypools import (
    Identity,
    IdentityPool,
    IdentityPoolStore,
    LinkRefusal,
    OpenIdKey,
    StoredIdentity,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
POOL = IdentityPool(
    id="us-west-2:pool",
    account_id="123456789012",
    region="us-west-2",
    name="demo",
    allow_unauthenticated_identities=True,
    created_at=NOW,
    modified_at=NOW,
)
ALICE, BOB = {"pool-a": "alice"}, {"pool-a": "bob"}
ALICE_ELSEWHERE = {"pool-b": "alice"}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[IdentityPoolStore]:
    database = await open_store(tmp_path)
    store = IdentityPoolStore(database)
    await store.save_pool(POOL)
    yield store
    await database.close()


def identity(name: str, pool_id: str = POOL.id) -> Identity:
    return Identity(id=name, identity_pool_id=pool_id, created_at=NOW, modified_at=NOW)


async def taken(store: IdentityPoolStore, name: str, logins: dict[str, str]) -> StoredIdentity:
    found = await store.take_identity(identity(name), logins, now=NOW)
    assert isinstance(found, StoredIdentity)
    return found


async def linked(store: IdentityPoolStore, name: str, logins: dict[str, str]) -> StoredIdentity:
    found = await store.link_logins(name, logins, now=LATER)
    assert isinstance(found, StoredIdentity)
    return found


async def test_a_pool_is_kept_changed_and_deleted(store: IdentityPoolStore) -> None:
    renamed = await store.change_pool(POOL.id, lambda pool: msgspec.structs.replace(pool, name="other"))

    assert renamed is not None
    assert await store.load_pool(POOL.id) == renamed
    assert await store.load_pools("123456789012", "us-west-2", after="", limit=9) == [renamed]
    assert await store.load_pools("123456789012", "us-west-2", after=POOL.id, limit=9) == []
    assert await store.load_pools("123456789012", "eu-west-1", after="", limit=9) == []
    assert await store.delete_pool(POOL.id)
    assert not await store.delete_pool(POOL.id)
    assert await store.load_pool(POOL.id) is None
    assert await store.change_pool(POOL.id, lambda pool: pool) is None


async def test_a_pool_takes_its_identities_with_it(store: IdentityPoolStore) -> None:
    await taken(store, "one", ALICE)
    await store.delete_pool(POOL.id)

    assert await store.load_identity("one") is None
    assert not await store.save_guest(identity("two"))
    assert await store.take_identity(identity("two"), ALICE, now=NOW) == LinkRefusal("gone")


async def test_a_guest_has_no_logins(store: IdentityPoolStore) -> None:
    await store.save_guest(identity("guest"))

    found = await store.load_identity("guest")
    assert found == StoredIdentity(identity("guest"), {})


async def test_a_known_login_leads_to_its_identity(store: IdentityPoolStore) -> None:
    first = await taken(store, "one", ALICE)

    second = await taken(store, "two", ALICE)

    assert first.identity.id == second.identity.id == "one"
    assert second.identity.authenticated
    assert await store.load_identity("two") is None


async def test_of_racing_first_sign_ins_one_makes_the_identity(store: IdentityPoolStore) -> None:
    found = await asyncio.gather(*(taken(store, f"id-{n}", ALICE) for n in range(8)))

    assert len({stored.identity.id for stored in found}) == 1
    assert len(await store.load_identities(POOL.id, after="", limit=60, hide_disabled=False)) == 1


async def test_the_same_login_leads_elsewhere_in_another_pool(store: IdentityPoolStore) -> None:
    await store.save_pool(msgspec.structs.replace(POOL, id="us-west-2:other"))
    await taken(store, "one", ALICE)

    other = await store.take_identity(identity("two", "us-west-2:other"), ALICE, now=NOW)

    assert isinstance(other, StoredIdentity)
    assert other.identity.id == "two"


async def test_several_logins_are_linked_to_one_identity(store: IdentityPoolStore) -> None:
    found = await taken(store, "one", ALICE | ALICE_ELSEWHERE)

    assert found.logins == ALICE | ALICE_ELSEWHERE
    assert (await taken(store, "two", ALICE_ELSEWHERE)).identity.id == "one"


async def test_a_guest_becomes_authenticated_by_its_first_login(store: IdentityPoolStore) -> None:
    await store.save_guest(identity("guest"))

    found = await linked(store, "guest", ALICE)

    assert found.identity.id == "guest"
    assert found.identity.authenticated
    assert found.identity.modified_at == LATER
    assert (await taken(store, "two", ALICE)).identity.id == "guest"


async def test_a_guest_whose_login_leads_elsewhere_is_merged_there(store: IdentityPoolStore) -> None:
    await taken(store, "one", ALICE)
    await store.save_guest(identity("guest"))

    found = await linked(store, "guest", ALICE)

    assert found.identity.id == "one"
    left = await store.load_identity("guest")
    assert left is not None
    assert left.identity.merged_into == "one"
    assert await store.link_logins("guest", BOB, now=LATER) == LinkRefusal("disabled")
    assert (await linked(store, "guest", ALICE)).identity.id == "one"


async def test_an_authenticated_identity_needs_one_of_its_own_logins(store: IdentityPoolStore) -> None:
    await taken(store, "one", ALICE)
    await taken(store, "two", BOB)

    assert await store.link_logins("one", BOB, now=LATER) == LinkRefusal("no login matches")
    assert await store.link_logins("one", {"pool-c": "new"}, now=LATER) == LinkRefusal("no login matches")
    assert (await linked(store, "one", ALICE)).identity.id == "one"


async def test_two_identities_with_proof_of_both_are_merged(store: IdentityPoolStore) -> None:
    await taken(store, "one", ALICE)
    await taken(store, "two", ALICE_ELSEWHERE)

    found = await linked(store, "one", ALICE | ALICE_ELSEWHERE)

    assert found.identity.id == "one"
    assert found.logins == ALICE | ALICE_ELSEWHERE
    left = await store.load_identity("two")
    assert left is not None
    assert (left.identity.merged_into, left.logins) == ("one", {})


async def test_an_identity_has_one_login_of_a_provider_and_a_refusal_changes_nothing(store: IdentityPoolStore) -> None:
    await taken(store, "one", ALICE | ALICE_ELSEWHERE)
    await taken(store, "two", {"pool-c": "x", "pool-b": "bob"})

    refusal = await store.link_logins("one", {**ALICE, "pool-c": "x"}, now=LATER)

    assert refusal == LinkRefusal("provider has another login")
    one, two = await store.load_identity("one"), await store.load_identity("two")
    assert one is not None
    assert two is not None
    assert one.logins == ALICE | ALICE_ELSEWHERE
    assert two.identity.enabled
    assert two.logins == {"pool-c": "x", "pool-b": "bob"}


async def test_nothing_is_written_when_all_is_linked_already(store: IdentityPoolStore) -> None:
    before = await taken(store, "one", ALICE)

    assert await linked(store, "one", ALICE) == before


async def test_an_identity_without_its_last_login_is_no_guest_again(store: IdentityPoolStore) -> None:
    await taken(store, "one", ALICE)

    await store.unlink_logins("one", ["pool-a"], now=LATER)

    found = await store.load_identity("one")
    assert found is not None
    assert found.identity.authenticated
    assert found.logins == {}
    assert await store.link_logins("one", ALICE, now=LATER) == LinkRefusal("no login matches")
    assert (await taken(store, "two", ALICE)).identity.id == "two"


async def test_identities_are_listed_in_pages_and_disabled_ones_hidden_if_asked(store: IdentityPoolStore) -> None:
    await taken(store, "b", ALICE)
    await store.save_guest(identity("a"))
    await store.save_guest(identity("c"))
    await linked(store, "c", ALICE)

    async def listed(after: str, *, hide: bool) -> list[str]:
        page = await store.load_identities(POOL.id, after=after, limit=2, hide_disabled=hide)
        return [stored.identity.id for stored in page]

    assert await listed("", hide=False) == ["a", "b"]
    assert await listed("b", hide=False) == ["c"]
    assert await listed("b", hide=True) == []


async def test_a_deleted_identity_is_gone_with_its_logins(store: IdentityPoolStore) -> None:
    await taken(store, "one", ALICE)

    await store.delete_identities(["one", "nobody"])

    assert await store.load_identity("one") is None
    assert await store.link_logins("one", ALICE, now=LATER) == LinkRefusal("gone")
    assert (await taken(store, "two", ALICE)).identity.id == "two"


async def test_of_two_new_signing_keys_the_first_is_kept(store: IdentityPoolStore) -> None:
    def key(kid: str) -> OpenIdKey:
        return OpenIdKey(kid=kid, created_at=NOW, private_key_sealed=b"s", public_key_der=b"p")

    assert await store.load_open_id_keys() == []
    assert await store.take_open_id_key(key("one")) == key("one")
    assert await store.take_open_id_key(key("two")) == key("one")
    assert await store.load_open_id_keys() == [key("one")]

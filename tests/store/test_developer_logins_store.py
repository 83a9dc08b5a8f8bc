"""Developer logins in the store: one leads to one identity, whoever comes first, and merges take them along."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.stores import open_store
from velvetrope.store.tables.identitypools import (
    DeveloperLogin,
    Identity,
    IdentityPool,
    IdentityPoolStore,
    LinkRefusal,
    StoredIdentity,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DANA, ERIN = DeveloperLogin("mine", "dana"), DeveloperLogin("mine", "erin")
ALICE = {"pool-a": "alice"}


def pool(pool_id: str) -> IdentityPool:
    return IdentityPool(
        id=pool_id,
        account_id="123456789012",
        region="us-west-2",
        name="demo",
        allow_unauthenticated_identities=True,
        created_at=NOW,
        modified_at=NOW,
    )


def identity(name: str, pool_id: str = "p") -> Identity:
    return Identity(id=name, identity_pool_id=pool_id, created_at=NOW, modified_at=NOW)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[IdentityPoolStore]:
    database = await open_store(tmp_path)
    store = IdentityPoolStore(database)
    await store.save_pool(pool("p"))
    await store.save_pool(pool("q"))
    yield store
    await database.close()


def good(outcome: StoredIdentity | LinkRefusal) -> StoredIdentity:
    assert isinstance(outcome, StoredIdentity)
    return outcome


async def test_of_eight_callers_at_once_one_makes_the_identity(store: IdentityPoolStore) -> None:
    found = await asyncio.gather(
        *(store.take_developer_identity(identity(f"id-{n}"), DANA, {}, now=NOW) for n in range(8))
    )

    assert len({good(outcome).identity.id for outcome in found}) == 1
    assert len(await store.load_identities("p", after="", limit=60, hide_disabled=False)) == 1


async def test_of_two_identities_that_want_one_user_one_gets_it(store: IdentityPoolStore) -> None:
    for name in ("a", "b"):
        await store.save_guest(identity(name))

    found = await asyncio.gather(*(store.link_developer_login(name, DANA, {}, now=NOW) for name in ("a", "b")))

    assert sorted(type(outcome).__name__ for outcome in found) == ["LinkRefusal", "StoredIdentity"]
    assert LinkRefusal("registered elsewhere") in found


async def test_a_user_is_known_to_its_pool_alone(store: IdentityPoolStore) -> None:
    await store.take_developer_identity(identity("a"), DANA, {}, now=NOW)

    other = good(await store.take_developer_identity(identity("b", "q"), DANA, {}, now=NOW))

    assert other.identity.id == "b"
    assert await store.take_developer_identity(identity("c", "none"), DANA, {}, now=NOW) == LinkRefusal("gone")


async def test_a_sign_in_that_merges_identities_takes_developer_logins_along(store: IdentityPoolStore) -> None:
    """A guest whom the backend named signs in as Alice too: Alice's login leads to both, and one is left."""
    await store.take_developer_identity(identity("named"), DANA, {"pool-b": "alice-b"}, now=NOW)
    alice = good(await store.take_identity(identity("alice"), ALICE, now=NOW))

    merged = good(await store.link_logins("alice", {**ALICE, "pool-b": "alice-b"}, now=NOW))

    assert merged.identity.id == alice.identity.id
    assert merged.developer_logins == (DANA,)
    left = await store.load_identity("named")
    assert left is not None
    assert (left.identity.merged_into, left.developer_logins) == ("alice", ())
    owner = await store.find_developer_identity("p", DANA)
    assert owner is not None
    assert owner.identity.id == "alice"


async def test_a_merge_moves_everything_or_nothing(store: IdentityPoolStore) -> None:
    await store.take_developer_identity(identity("a"), DANA, ALICE, now=NOW)
    await store.take_developer_identity(identity("b"), ERIN, {"pool-a": "bob"}, now=NOW)

    refused = await store.merge_developer_identities("p", source=DANA, destination=ERIN, now=NOW)

    assert refused == LinkRefusal("provider has another login")
    for name, login in (("a", DANA), ("b", ERIN)):
        found = await store.load_identity(name)
        assert found is not None
        assert (found.identity.enabled, found.developer_logins) == (True, (login,))


async def test_merging_with_oneself_or_with_nobody_changes_nothing(store: IdentityPoolStore) -> None:
    made = good(await store.take_developer_identity(identity("a"), DANA, {}, now=NOW))

    assert await store.merge_developer_identities("p", source=DANA, destination=DANA, now=NOW) == made
    for source, destination in ((DANA, ERIN), (ERIN, DANA)):
        outcome = await store.merge_developer_identities("p", source=source, destination=destination, now=NOW)
        assert outcome == LinkRefusal("gone")


async def test_a_login_is_unlinked_once(store: IdentityPoolStore) -> None:
    await store.take_developer_identity(identity("a"), DANA, {}, now=NOW)

    found = await asyncio.gather(*(store.unlink_developer_login("a", DANA, now=NOW) for _ in range(2)))

    assert sorted(found) == [False, True]
    assert await store.find_developer_identity("p", DANA) is None


async def test_a_deleted_identity_and_a_deleted_pool_leave_no_login(store: IdentityPoolStore) -> None:
    await store.take_developer_identity(identity("a"), DANA, {}, now=NOW)
    await store.take_developer_identity(identity("b"), ERIN, {}, now=NOW)

    await store.delete_identities(["a"])
    assert await store.find_developer_identity("p", DANA) is None
    await store.delete_pool("p")
    assert await store.find_developer_identity("p", ERIN) is None

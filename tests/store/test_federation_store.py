"""Identities have one owner, and a sign-in that is under way elsewhere is taken once, by its own browser."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from velvetrope.store import Database
from velvetrope.store.tables.hosted_ui_federation import FederatedSignIn, FederatedSignInStore
from velvetrope.store.tables.userpools import StoredUser, User, UserConflict, UserIdentity, UserPoolStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STATE, BROWSER, OTHER = "a" * 64, "b" * 64, "c" * 64
POOL = "us-west-2_Demo12345"
CAROL = UserIdentity(provider_name="Google", provider_type="Google", user_id="carol", created_at=NOW, primary=True)


@pytest.fixture
def sign_ins(database: Database) -> FederatedSignInStore:
    return FederatedSignInStore(database)


def make_sign_in(**changes: Any) -> FederatedSignIn:
    made = FederatedSignIn(
        user_pool_id=POOL,
        provider_name="Google",
        provider_created_at=NOW,
        query="client_id=1example&redirect_uri=https%3A%2F%2Fapp.example.com%2F",
        expires_at=NOW + timedelta(minutes=5),
        request_id="_1",
    )
    return msgspec.structs.replace(made, **changes)


async def take(
    store: FederatedSignInStore, *, state: str = STATE, browser: str = BROWSER, pool: str = POOL, at: datetime = NOW
) -> FederatedSignIn | None:
    return await store.take(state, browser, user_pool_id=pool, now=at)


async def test_a_sign_in_comes_back_as_it_was_kept_and_once(sign_ins: FederatedSignInStore) -> None:
    await sign_ins.save(STATE, BROWSER, make_sign_in(), now=NOW)

    assert await take(sign_ins) == make_sign_in()
    assert await take(sign_ins) is None


async def test_of_many_that_take_one_sign_in_one_gets_it(sign_ins: FederatedSignInStore) -> None:
    await sign_ins.save(STATE, BROWSER, make_sign_in(), now=NOW)

    taken = await asyncio.gather(*(take(sign_ins) for _ in range(8)))

    assert sorted(one is None for one in taken) == [False] + [True] * 7


@pytest.mark.parametrize(
    "wrong",
    [{"state": OTHER}, {"browser": OTHER}, {"pool": "us-west-2_Other1234"}, {"at": NOW + timedelta(minutes=5)}],
    ids=["another-state", "another-browser", "another-pool", "five-minutes-later"],
)
async def test_what_does_not_fit_takes_nothing_and_spends_nothing(
    sign_ins: FederatedSignInStore, wrong: dict[str, Any]
) -> None:
    await sign_ins.save(STATE, BROWSER, make_sign_in(), now=NOW)

    assert await take(sign_ins, **wrong) is None
    assert await take(sign_ins, at=NOW + timedelta(minutes=5) - timedelta(microseconds=1)) is not None


async def test_sign_ins_whose_time_is_over_are_let_go_of(sign_ins: FederatedSignInStore) -> None:
    await sign_ins.save(STATE, BROWSER, make_sign_in(), now=NOW)

    await sign_ins.save(OTHER, BROWSER, make_sign_in(), now=NOW + timedelta(minutes=5))

    assert await take(sign_ins) is None


def make_user(username: str, *identities: UserIdentity) -> User:
    return User(
        user_pool_id=POOL,
        username=username,
        sub=f"sub-{username}",
        attributes={},
        enabled=True,
        status="EXTERNAL_PROVIDER",
        created_at=NOW,
        modified_at=NOW,
        identities=identities,
    )


async def create(store: UserPoolStore, user: User) -> UserConflict | None:
    return await store.create_user(user, user.username, password_sealed=None, member_of=["people"])


async def found(store: UserPoolStore, **known_as: str) -> dict[str, str]:
    users = await store.load_users_by_identity(POOL, "Google", known_as)
    return {name: one.user.username for name, one in users.items()}


async def test_of_two_who_want_one_identity_one_gets_it_and_the_other_is_not_kept(database: Database) -> None:
    store = UserPoolStore(database)

    answers = await asyncio.gather(create(store, make_user("anna", CAROL)), create(store, make_user("ben", CAROL)))

    assert sorted(answer is None for answer in answers) == [False, True]
    assert len(await store.load_users(POOL, after="", limit=10)) == 1


async def test_an_identity_is_not_taken_from_its_owner_by_a_change(database: Database) -> None:
    store = UserPoolStore(database)
    await create(store, make_user("anna", CAROL))
    await create(store, make_user("ben"))

    answer = await store.change_user(
        StoredUser(make_user("ben"), "ben", None), lambda user: msgspec.structs.replace(user, identities=(CAROL,))
    )

    assert answer == UserConflict("identity")
    assert await found(store, Cognito_Subject="carol") == {"Cognito_Subject": "anna"}


async def test_identities_go_with_their_user_and_can_be_had_again(database: Database) -> None:
    store = UserPoolStore(database)
    await create(store, make_user("anna", CAROL))

    await store.delete_user(StoredUser(make_user("anna", CAROL), "anna", None))

    assert await found(store, Cognito_Subject="carol") == {}
    assert await create(store, make_user("ben", CAROL)) is None


async def test_users_are_found_by_each_thing_that_a_provider_calls_them(database: Database) -> None:
    store = UserPoolStore(database)
    by_email = msgspec.structs.replace(CAROL, attribute_name="email", user_id="c@example.com", primary=False)
    await create(store, make_user("anna", CAROL))
    await create(store, make_user("ben", by_email))

    assert await found(store, Cognito_Subject="carol", email="c@example.com") == {
        "Cognito_Subject": "anna",
        "email": "ben",
    }
    assert await found(store, Cognito_Subject="c@example.com", email="carol") == {}


async def test_a_user_begins_in_the_groups_that_were_named(database: Database) -> None:
    store = UserPoolStore(database)
    await create(store, make_user("anna", CAROL))

    members = await store.load_users_in_group(POOL, "people", after="", limit=10)

    assert [one.user.username for one in members] == ["anna"]

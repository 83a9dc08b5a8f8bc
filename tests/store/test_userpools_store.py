"""The promises of the user pools' stores, with racing callers, on a real file."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, text

from velvetrope.store import Database
from velvetrope.store.tables.userpools import (
    AppClient,
    Group,
    OutgoingMessage,
    PasswordPolicySettings,
    StoredCode,
    StoredUser,
    User,
    UserConflict,
    UserPool,
    UserPoolStore,
)
from velvetrope.store.tables.userpools_challenges import spent_challenges
from velvetrope.store.tables.userpools_sign_in import NewFamily, SignInStore, TokenFamily, attempts_key

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
POOL = "us-west-2_AbCdEfGhI"
LOCKS = (timedelta(0), timedelta(seconds=1), timedelta(seconds=2))
QUIET = timedelta(minutes=15)


@pytest.fixture
def store(database: Database) -> UserPoolStore:
    return UserPoolStore(database)


@pytest.fixture
def sign_ins(database: Database) -> SignInStore:
    return SignInStore(database)


def pool(pool_id: str = POOL) -> UserPool:
    return UserPool(
        id=pool_id,
        name="people",
        account_id="123456789012",
        region="us-west-2",
        created_at=NOW,
        modified_at=NOW,
        password_policy=PasswordPolicySettings(),
        schema_attributes=(),
    )


def user(name: str, **changes: Any) -> User:
    fields: dict[str, Any] = {
        "user_pool_id": POOL,
        "username": name,
        "sub": f"sub-of-{name}",
        "attributes": {},
        "enabled": True,
        "status": "CONFIRMED",
        "created_at": NOW,
        "modified_at": NOW,
    }
    return User(**{**fields, **changes})


def stored(name: str) -> StoredUser:
    return StoredUser(user(name), name, None)


def family(origin_jti: str = "o", **changes: Any) -> TokenFamily:
    fields: dict[str, Any] = {
        "origin_jti": origin_jti,
        "user_pool_id": POOL,
        "client_id": "c",
        "sub": "sub-of-anna",
        "scopes": ("openid",),
        "authenticated_at": NOW,
        "expires_at": NOW + timedelta(days=30),
    }
    return TokenFamily(**{**fields, **changes})


CODE = StoredCode(purpose="sign_up", mac=b"m", key_id=b"k", expires_at=NOW + timedelta(days=1), proves="email")


async def test_record_comes_back_as_it_was_kept(store: UserPoolStore) -> None:
    await store.create_pool(pool(), [])
    anna = user("anna", attributes={"email": "anna@example.com"}, sign_in_aliases={"email": "anna@example.com"})
    await store.create_user(anna, "anna", password_sealed=b"\x00sealed")

    found = await store.load_user(POOL, "anna")

    assert await store.load_pool(POOL) == pool()
    assert found is not None
    assert (found.user, found.password_sealed) == (anna, b"\x00sealed")
    assert await store.load_user_by_sub(POOL, "sub-of-anna") == found


async def test_of_racing_creations_one_gets_the_name(store: UserPoolStore) -> None:
    answers = await asyncio.gather(
        *(store.create_user(user("anna", sub=f"s{n}"), "anna", password_sealed=None) for n in range(8))
    )

    assert answers.count(None) == 1
    assert answers.count(UserConflict("username")) == 7


async def test_refused_creation_leaves_nothing_behind(store: UserPoolStore) -> None:
    await store.create_user(user("anna", sign_in_aliases={"email": "e"}), "anna", password_sealed=None)
    message = OutgoingMessage(
        id="m",
        user_pool_id=POOL,
        username="berta",
        medium="EMAIL",
        destination="e",
        kind="k",
        body_sealed=b"b",
        created_at=NOW,
    )

    conflict = await store.create_user(
        user("berta", sign_in_aliases={"preferred_username": "p", "email": "e"}),
        "berta",
        password_sealed=None,
        code=CODE,
        messages_to_send=[message],
    )

    assert conflict == UserConflict("email")
    assert await store.load_user(POOL, "berta") is None
    assert await store.load_messages(POOL, limit=9) == []
    assert await store.take_code_attempt(POOL, "berta", "sign_up", now=NOW, limit=9) == "no_code"
    carla = user("carla", sign_in_aliases={"preferred_username": "p"})
    assert await store.create_user(carla, "carla", password_sealed=None) is None


async def test_alias_finds_its_owner_and_only_as_the_kinds_asked_for(store: UserPoolStore) -> None:
    await store.create_user(user("anna", sign_in_aliases={"email": "e"}), "anna", password_sealed=None)

    async def find(name: str, *kinds: Any) -> str | None:
        found, _ = await store.load_user_and_attempts(POOL, name, alias=name, alias_kinds=kinds)
        return None if found is None else found.user.username

    assert await find("e", "email", "phone_number") == "anna"
    assert await find("e", "phone_number") is None
    assert await find("e") is None
    assert await find("anna") == "anna"


async def test_changed_aliases_free_the_old_ones(store: UserPoolStore) -> None:
    await store.create_user(user("anna", sign_in_aliases={"email": "old"}), "anna", password_sealed=None)
    await store.change_user(stored("anna"), lambda u: msgspec.structs.replace(u, sign_in_aliases={"email": "new"}))

    assert await store.create_user(user("b", sign_in_aliases={"email": "old"}), "b", password_sealed=None) is None
    assert await store.create_user(
        user("c", sign_in_aliases={"email": "new"}), "c", password_sealed=None
    ) == UserConflict("email")


async def test_two_changes_at_once_both_take_effect(store: UserPoolStore) -> None:
    await store.create_user(user("anna"), "anna", password_sealed=None)

    def add(name: str) -> Any:
        return lambda u: msgspec.structs.replace(u, attributes={**u.attributes, name: "x"})

    await asyncio.gather(*(store.change_user(stored("anna"), add(f"a{n}")) for n in range(6)))

    found = await store.load_user(POOL, "anna")
    assert found is not None
    assert len(found.user.attributes) == 6


async def test_password_is_replaced_only_if_it_is_still_the_expected_one(store: UserPoolStore) -> None:
    await store.create_user(user("anna"), "anna", password_sealed=b"old")

    async def change(new: bytes) -> object:
        return await store.change_user(stored("anna"), lambda u: u, password_sealed=new, expected_password=b"old")

    answers = await asyncio.gather(*(change(bytes([n])) for n in range(5)))

    assert sum(answer is not None for answer in answers) == 1


async def test_password_is_sealed_anew_only_if_it_is_still_the_expected_one(store: UserPoolStore) -> None:
    await store.create_user(user("anna"), "anna", password_sealed=b"old")
    await store.create_user(user("berta"), "berta", password_sealed=b"old")

    answers = await asyncio.gather(*(store.reseal_password(POOL, "anna", b"old", bytes([n])) for n in range(5)))

    anna, berta = await store.load_user(POOL, "anna"), await store.load_user(POOL, "berta")
    assert anna is not None
    assert berta is not None
    assert sum(answers) == 1
    assert (anna.password_sealed, anna.user) == (bytes([answers.index(True)]), user("anna"))
    assert berta.password_sealed == b"old"
    assert not await store.reseal_password(POOL, "nobody", b"old", b"new")


async def test_whoever_has_the_name_since_is_not_changed(store: UserPoolStore) -> None:
    await store.create_user(user("anna", sub="another"), "anna", password_sealed=b"theirs")

    answer = await store.change_user(
        stored("anna"), lambda u: msgspec.structs.replace(u, enabled=False), password_sealed=b"ours"
    )

    found = await store.load_user(POOL, "anna")
    assert answer is None
    assert found is not None
    assert (found.user.enabled, found.password_sealed) == (True, b"theirs")


async def test_code_is_spent_once_and_with_the_change(store: UserPoolStore) -> None:
    await store.create_user(user("anna"), "anna", password_sealed=None, code=CODE)

    async def spend() -> object:
        return await store.change_user(stored("anna"), lambda u: u, spend_code=CODE)

    answers = await asyncio.gather(*(spend() for _ in range(5)))

    assert sum(answer is not None for answer in answers) == 1


async def test_guesses_are_counted_one_by_one_and_by_the_hour(store: UserPoolStore) -> None:
    await store.create_user(user("anna"), "anna", password_sealed=None, code=CODE)

    async def guess(now: datetime) -> object:
        return await store.take_code_attempt(POOL, "anna", "sign_up", now=now, limit=3)

    answers = await asyncio.gather(*(guess(NOW) for _ in range(5)))
    assert answers.count(CODE) == 3
    assert answers.count("too_many") == 2
    assert await guess(NOW + timedelta(hours=1, microseconds=-1)) == "too_many"
    assert await guess(NOW + timedelta(hours=1)) == CODE


async def test_deleting_a_user_takes_what_is_theirs(store: UserPoolStore, sign_ins: SignInStore) -> None:
    await store.create_user(user("anna", sign_in_aliases={"email": "e"}), "anna", password_sealed=None, code=CODE)
    await store.create_user(user("berta"), "berta", password_sealed=None)
    await asyncio.to_thread(sign_ins.create_family, NewFamily(family(), "t"), now=NOW)
    await asyncio.to_thread(sign_ins.create_family, NewFamily(family("other", sub="sub-of-berta"), "u"), now=NOW)

    assert await store.delete_user(stored("anna"))
    assert not await store.delete_user(stored("anna"))

    assert await sign_ins.load_family("o") is None
    assert await sign_ins.load_family_of_token("t") is None
    assert await sign_ins.load_family("other") is not None
    assert await store.create_user(user("b", sign_in_aliases={"email": "e"}), "b", password_sealed=None) is None


async def test_who_has_the_name_by_now_is_not_deleted(store: UserPoolStore, sign_ins: SignInStore) -> None:
    await store.create_user(user("anna"), "anna", password_sealed=None, code=CODE)
    await asyncio.to_thread(sign_ins.create_family, NewFamily(family(), "t"), now=NOW)

    assert not await store.delete_user(StoredUser(user("anna", sub="who had it before"), "anna", None))

    assert await store.load_user(POOL, "anna") is not None
    assert await sign_ins.load_family("o") is not None


async def test_challenge_is_spent_once(sign_ins: SignInStore) -> None:
    end = NOW + timedelta(minutes=1)

    answers = await asyncio.gather(*(sign_ins.spend_challenge("x", expires_at=end, now=NOW) for _ in range(8)))

    assert answers.count(True) == 1
    assert await sign_ins.spend_challenge("y", expires_at=end, now=NOW)


async def test_challenge_that_came_to_its_end_meanwhile_is_not_spent_twice(sign_ins: SignInStore) -> None:
    """Two answers came in a second before the end; the second one was kept waiting, and others have come since."""
    end = NOW + timedelta(seconds=1)
    assert await sign_ins.spend_challenge("x", expires_at=end, now=NOW)

    for minutes in (1, 2, 3):
        later = end + timedelta(minutes=minutes)
        assert await sign_ins.spend_challenge(f"y{minutes}", expires_at=later + timedelta(minutes=1), now=later)

    assert not await sign_ins.spend_challenge("x", expires_at=end, now=NOW)


async def test_challenge_is_forgotten_once_nobody_can_be_answering_it(
    sign_ins: SignInStore, database: Database
) -> None:
    end = NOW + timedelta(seconds=1)
    assert await sign_ins.spend_challenge("x", expires_at=end, now=NOW)
    later = end + timedelta(minutes=10)

    assert await sign_ins.spend_challenge("y", expires_at=later + timedelta(minutes=1), now=later)

    async with database.read() as connection:
        left = (await connection.execute(select(spent_challenges.c.challenge_id))).scalars().all()
    assert left == ["y"]


async def test_failures_lock_by_their_number(sign_ins: SignInStore) -> None:
    async def fail(now: datetime) -> Any:
        await sign_ins.record_failure(POOL, "n", now=now, locks=LOCKS, forget_after=QUIET)
        return await sign_ins.load_attempts(POOL, "n")

    assert (await fail(NOW)).locked_until == NOW
    assert (await fail(NOW)).locked_until == NOW + timedelta(seconds=1)
    assert (await fail(NOW)).failures == 2, "a failure during the lock does not count"
    at = NOW + timedelta(seconds=1)
    assert (await fail(at)).locked_until == at + timedelta(seconds=2)
    later = at + timedelta(seconds=2)
    assert (await fail(later)).locked_until == later + timedelta(seconds=2), "the last lock is the longest"
    assert (await fail(later + QUIET)).failures == 1


async def test_racing_failures_are_all_counted_until_the_lock(sign_ins: SignInStore) -> None:
    locks = (*[timedelta(0)] * 4, timedelta(minutes=1))

    await asyncio.gather(
        *(sign_ins.record_failure(POOL, "n", now=NOW, locks=locks, forget_after=QUIET) for _ in range(12))
    )

    attempts = await sign_ins.load_attempts(POOL, "n")
    assert attempts is not None
    assert attempts.failures == 5


async def test_failures_are_forgotten_unless_locked(sign_ins: SignInStore) -> None:
    assert await sign_ins.forget_failures(POOL, "n", now=NOW)
    for _ in range(2):
        await sign_ins.record_failure(POOL, "n", now=NOW, locks=LOCKS, forget_after=QUIET)

    assert not await sign_ins.forget_failures(POOL, "n", now=NOW)
    assert await sign_ins.forget_failures(POOL, "n", now=NOW + timedelta(seconds=1))
    assert await sign_ins.load_attempts(POOL, "n") is None


async def test_challenge_is_settled_by_one_answer_right_or_wrong(sign_ins: SignInStore) -> None:
    async def settle(challenge_id: str, *, right: bool, now: datetime = NOW) -> str:
        settled = await asyncio.to_thread(
            sign_ins.settle_challenge,
            challenge_id,
            expires_at=now + timedelta(minutes=1),
            user_pool_id=POOL,
            username_key="anna",
            right=lambda _: right,
            now=now,
            locks=LOCKS,
            forget_after=QUIET,
        )
        return settled.outcome

    outcomes = await asyncio.gather(*(settle("a", right=False) for _ in range(5)))
    assert sorted(outcomes) == [*["spent_before"] * 4, "wrong"]
    counted = await sign_ins.load_attempts(POOL, attempts_key("anna"))
    assert counted is not None
    assert counted.failures == 1
    assert await settle("a", right=True) == "spent_before"
    assert await settle("b", right=False) == "wrong"
    assert await settle("c", right=True) == "locked"
    at_the_end_of_the_lock = NOW + timedelta(seconds=1)
    assert await settle("c", right=True, now=at_the_end_of_the_lock) == "right", "a locked name keeps its challenge"
    assert await sign_ins.load_attempts(POOL, attempts_key("anna")) is None


@pytest.mark.parametrize("right", [True, False])
async def test_family_begins_with_a_right_answer_and_with_no_other(
    store: UserPoolStore, sign_ins: SignInStore, right: bool
) -> None:
    await store.create_user(user("anna"), "anna", password_sealed=b"sealed")
    asked: list[StoredUser] = []

    def begins(found: StoredUser) -> NewFamily:
        asked.append(found)
        return NewFamily(family(f"o{len(asked)}"), "t")

    def settle(challenge_id: str, username_key: str = "anna") -> str:
        return sign_ins.settle_challenge(
            challenge_id,
            expires_at=NOW + timedelta(minutes=1),
            user_pool_id=POOL,
            username_key=username_key,
            right=lambda _: right,
            now=NOW,
            locks=LOCKS,
            forget_after=QUIET,
            begins=begins,
        ).outcome

    outcomes = await asyncio.gather(*(asyncio.to_thread(settle, "a") for _ in range(4)))
    nobody = await asyncio.to_thread(settle, "b", "berta")

    word = "right" if right else "wrong"
    assert sorted(outcomes) == sorted([word, *["spent_before"] * 3])
    assert nobody == word
    assert [found.user.username for found in asked] == ["anna"] * right
    assert (await sign_ins.load_family("o1") is not None) == right
    assert (await sign_ins.load_family_of_token("t") is not None) == right


async def test_answer_may_be_right_and_begin_nothing(store: UserPoolStore, sign_ins: SignInStore) -> None:
    await store.create_user(user("anna"), "anna", password_sealed=b"sealed")

    settled = await asyncio.to_thread(
        sign_ins.settle_challenge,
        "a",
        expires_at=NOW + timedelta(minutes=1),
        user_pool_id=POOL,
        username_key="anna",
        right=lambda _: True,
        now=NOW,
        locks=LOCKS,
        forget_after=QUIET,
        begins=lambda _: None,
    )

    assert (settled.outcome, settled.begun) == ("right", None)


async def test_groups_and_failures_come_with_the_user_in_one_look(store: UserPoolStore, sign_ins: SignInStore) -> None:
    await store.create_pool(pool(), [])
    for name in ("berta", "anna"):
        await store.create_user(user(name), name, password_sealed=None)
    for name in ("zoo", "art", "lab"):
        await store.create_group(Group(user_pool_id=POOL, group_name=name, created_at=NOW, modified_at=NOW))
    for name in ("zoo", "art"):
        await store.add_to_group(POOL, name, "anna", limit=10)
    for name in ("berta", "nobody"):
        await sign_ins.record_failure(POOL, attempts_key(name), now=NOW, locks=LOCKS, forget_after=QUIET)

    looks = {name: await store.load_user_and_attempts(POOL, name) for name in ("anna", "berta", "nobody", "nemo")}

    told = {
        name: (
            None if found is None or found.groups is None else [group.group_name for group in found.groups],
            None if counted is None else counted.failures,
        )
        for name, (found, counted) in looks.items()
    }
    assert told == {"anna": (["art", "zoo"], None), "berta": ([], 1), "nobody": (None, 1), "nemo": (None, None)}


async def test_challenge_is_settled_for_the_user_as_they_are_then(store: UserPoolStore, sign_ins: SignInStore) -> None:
    """Groups and password are read in the transaction that spends: what was changed before it counts."""
    seen: list[StoredUser | None] = []

    def look(found: StoredUser | None) -> bool:
        seen.append(found)
        return True

    async def settle(challenge_id: str, username_key: str) -> StoredUser | None:
        settled = await asyncio.to_thread(
            sign_ins.settle_challenge,
            challenge_id,
            expires_at=NOW + timedelta(minutes=1),
            user_pool_id=POOL,
            username_key=username_key,
            right=look,
            now=NOW,
            locks=LOCKS,
            forget_after=QUIET,
        )
        return settled.found

    await store.create_user(user("anna"), "anna", password_sealed=b"sealed")

    found = await settle("a", "anna")
    nobody = await settle("b", "berta")

    assert found is not None
    assert found.password_sealed == b"sealed"
    assert nobody is None
    assert seen == [found, nobody]


async def test_of_racing_rotations_one_wins_and_the_rest_end_the_family(sign_ins: SignInStore) -> None:
    await asyncio.to_thread(sign_ins.create_family, NewFamily(family(), "t"), now=NOW)

    outcomes = await asyncio.gather(
        *(
            sign_ins.rotate_refresh_token("t", new_token_hash=f"n{n}", client_id="c", now=NOW, grace=timedelta(0))
            for n in range(5)
        )
    )

    found = [rotation.outcome for rotation in outcomes]
    assert (found.count("rotated"), found.count("reused"), found.count("not_current")) == (1, 1, 3)
    ended = await sign_ins.load_family("o")
    assert ended is not None
    assert ended.revoked_at == NOW


async def test_without_grace_a_second_use_is_reuse_even_if_it_was_asked_for_before_the_first(
    sign_ins: SignInStore,
) -> None:
    """Two refreshes at once: the one that waited for its turn carries the earlier time."""
    await asyncio.to_thread(sign_ins.create_family, NewFamily(family(), "t"), now=NOW)

    outcomes = [
        await sign_ins.rotate_refresh_token("t", new_token_hash=f"n{n}", client_id="c", now=now, grace=timedelta(0))
        for n, now in enumerate((NOW, NOW - timedelta(milliseconds=1)))
    ]

    assert [rotation.outcome for rotation in outcomes] == ["rotated", "reused"]


async def test_rotation_forgives_within_the_grace_period(sign_ins: SignInStore) -> None:
    await asyncio.to_thread(sign_ins.create_family, NewFamily(family(), "t"), now=NOW)

    async def rotate(name: str, now: datetime) -> str:
        rotation = await sign_ins.rotate_refresh_token(
            "t", new_token_hash=name, client_id="c", now=now, grace=timedelta(seconds=10)
        )
        return rotation.outcome

    assert await rotate("a", NOW) == "rotated"
    assert await rotate("b", NOW + timedelta(seconds=10, microseconds=-1)) == "rotated"
    assert await rotate("c", NOW + timedelta(seconds=10)) == "reused"
    assert await rotate("d", NOW) == "not_current"


@pytest.mark.parametrize(
    ("token", "client_id", "after"),
    [("nobody", "c", timedelta(0)), ("t", "other", timedelta(0)), ("t", "c", timedelta(days=30))],
)
async def test_foreign_and_expired_tokens_are_not_rotated(
    sign_ins: SignInStore, token: str, client_id: str, after: timedelta
) -> None:
    await asyncio.to_thread(sign_ins.create_family, NewFamily(family(), "t"), now=NOW)

    rotation = await sign_ins.rotate_refresh_token(
        token, new_token_hash="n", client_id=client_id, now=NOW + after, grace=timedelta(0)
    )

    assert rotation.outcome == "not_current"
    assert await sign_ins.load_family_of_token("n") is None


async def test_family_is_revoked_once_and_says_when(sign_ins: SignInStore) -> None:
    await asyncio.to_thread(sign_ins.create_family, NewFamily(family(), None), now=NOW)

    answers = await asyncio.gather(*(sign_ins.revoke_family("o", now=NOW) for _ in range(4)))

    assert answers.count(True) == 1
    assert not await sign_ins.revoke_family("nobody", now=NOW)


async def test_family_comes_back_as_it_was_kept(sign_ins: SignInStore) -> None:
    whole = family(device_key="device", hosted=True, resource="https://api.example")
    await asyncio.to_thread(sign_ins.create_family, NewFamily(whole, "t"), now=NOW)
    await asyncio.to_thread(sign_ins.create_family, NewFamily(family("plain"), None), now=NOW)

    assert await sign_ins.load_family_of_token("t") == whole
    assert await sign_ins.load_family("plain") == family("plain")
    await sign_ins.mark_used("o", now=NOW + timedelta(minutes=1))
    await sign_ins.revoke_family("o", now=NOW + timedelta(minutes=2))
    used_at, revoked_at = NOW + timedelta(minutes=1), NOW + timedelta(minutes=2)
    assert await sign_ins.load_family("o") == msgspec.structs.replace(whole, used_at=used_at, revoked_at=revoked_at)


async def test_family_whose_record_says_everything_is_read(sign_ins: SignInStore, database: Database) -> None:
    """As rows were written before records left out what is in a column."""
    whole = family(device_key="device", hosted=True)
    await asyncio.to_thread(sign_ins.create_family, NewFamily(whole, None), now=NOW)
    said = msgspec.json.encode(whole).decode()
    async with database.transaction() as tx:
        await tx.connection.execute(text("UPDATE userpools_token_families SET record = :said"), {"said": said})

    assert await sign_ins.load_family("o") == whole


async def test_sessions_end_with_the_client_that_began_them(store: UserPoolStore, sign_ins: SignInStore) -> None:
    await store.create_pool(pool(), [])
    client = AppClient(client_id="c", user_pool_id=POOL, name="c", created_at=NOW, modified_at=NOW)
    await store.create_client(client, limit=9)
    await asyncio.to_thread(sign_ins.create_family, NewFamily(family("gone"), "t"), now=NOW)
    await asyncio.to_thread(sign_ins.create_family, NewFamily(family("kept", client_id="d"), "u"), now=NOW)

    assert await store.delete_client(POOL, "c")

    assert await sign_ins.load_family("gone") is None
    assert await sign_ins.load_family_of_token("t") is None
    assert await sign_ins.load_family_of_token("u") == family("kept", client_id="d")


async def test_family_is_remembered_a_day_longer_than_its_tokens(sign_ins: SignInStore, database: Database) -> None:
    """Its last access token lives up to a day longer than its refresh token, and is judged by the family."""
    await asyncio.to_thread(sign_ins.create_family, NewFamily(family(), "t"), now=NOW)
    end = NOW + timedelta(days=31)

    await sign_ins.forget_old(end - timedelta(microseconds=1))
    assert await sign_ins.load_family("o") is not None
    await sign_ins.forget_old(end)
    assert await sign_ins.load_family("o") is not None  # what is over is removed once a minute
    await SignInStore(database).forget_old(end)  # and by whoever comes first in a process
    assert await sign_ins.load_family("o") is None
    assert await sign_ins.load_family_of_token("t") is None


async def test_messages_are_forgotten_after_a_week(store: UserPoolStore) -> None:
    def message(name: str, at: datetime) -> OutgoingMessage:
        return OutgoingMessage(
            id=name,
            user_pool_id=POOL,
            username="anna",
            medium="EMAIL",
            destination="e",
            kind="k",
            body_sealed=b"b",
            created_at=at,
        )

    await store.create_user(user("anna"), "anna", password_sealed=None, messages_to_send=[message("a", NOW)])
    later = NOW + timedelta(days=7)
    await store.change_user(stored("anna"), lambda u: u, messages_to_send=[message("b", later)])
    assert [m.id for m in await store.load_messages(POOL, limit=9)] == ["b", "a"]
    await store.change_user(
        stored("anna"), lambda u: u, messages_to_send=[message("c", later + timedelta(microseconds=1))]
    )
    assert [m.id for m in await store.load_messages(POOL, limit=9)] == ["c", "b"]


async def test_changes_are_told_to_the_feed_after_the_commit(database: Database, store: UserPoolStore) -> None:
    heard: list[str] = []
    database.changes.subscribe("userpools", lambda: heard.append("userpools"))

    await store.create_user(user("anna"), "anna", password_sealed=None)
    await store.create_user(user("anna"), "anna", password_sealed=None)

    assert heard == ["userpools"]

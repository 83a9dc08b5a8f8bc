"""IAM's records: names are unique without regard to case, limits hold for racing callers, nothing dangles."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pytest

from velvetrope.store import Database
from velvetrope.store.tables.iam import (
    AccessKey,
    AccountCounts,
    Group,
    IamStore,
    KeyUse,
    ManagedPolicy,
    ManagedPolicyUse,
    PolicyHolder,
    PolicyVersion,
    Role,
    User,
)

_ACCOUNT = "111111111111"
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Refused(Exception):
    """Raised by the conditions below."""


@pytest.fixture
def store(database: Database) -> IamStore:
    return IamStore(database)


def _role(name: str = "Reader", path: str = "/", boundary: str | None = None) -> Role:
    return Role(
        account_id=_ACCOUNT,
        role_name=name,
        role_id="AROA1",
        arn=f"arn:aws:iam::{_ACCOUNT}:role{path}{name}",
        path=path,
        assume_role_policy_document="{}",
        created_at=_NOW,
        permissions_boundary_arn=boundary,
    )


def _user(name: str = "alice") -> User:
    arn = f"arn:aws:iam::{_ACCOUNT}:user/{name}"
    return User(account_id=_ACCOUNT, user_name=name, user_id="AIDA1", arn=arn, path="/", created_at=_NOW)


def _group(name: str = "Readers") -> Group:
    arn = f"arn:aws:iam::{_ACCOUNT}:group/{name}"
    return Group(account_id=_ACCOUNT, group_name=name, group_id="AGPA1", arn=arn, path="/", created_at=_NOW)


def _policy(name: str = "P") -> ManagedPolicy:
    return ManagedPolicy(
        account_id=_ACCOUNT,
        policy_name=name,
        policy_id="ANPA1",
        arn=f"arn:aws:iam::{_ACCOUNT}:policy/{name}",
        path="/",
        versions=(PolicyVersion(version_id="v1", document="{}", created_at=_NOW),),
        default_version_id="v1",
        last_version_number=1,
        created_at=_NOW,
        updated_at=_NOW,
    )


def _key(key_id: str = "AKIA1", user: str = "alice") -> AccessKey:
    return AccessKey(
        account_id=_ACCOUNT, user_name=user, access_key_id=key_id, secret_sealed=b"sealed", created_at=_NOW
    )


def _pass(*_args: object) -> None:
    """Lets everything pass."""


async def test_a_role_is_given_back_as_it_was_kept(store: IamStore) -> None:
    role = _role(path="/app/", boundary=f"arn:aws:iam::{_ACCOUNT}:policy/B")

    assert await store.save_new_role(role)

    assert await store.load_role(_ACCOUNT, "Reader") == role
    assert await store.load_role("222222222222", "Reader") is None


async def test_names_are_unique_without_regard_to_case_and_found_with_regard_to_it(store: IamStore) -> None:
    assert await store.save_new_role(_role("Reader"))

    assert not await store.save_new_role(_role("READER"))
    assert await store.load_role(_ACCOUNT, "READER") is None


async def test_of_two_callers_who_create_the_same_role_one_wins(store: IamStore) -> None:
    won = await asyncio.gather(store.save_new_role(_role()), store.save_new_role(_role()))

    assert sorted(won) == [False, True]


async def test_changes_of_racing_callers_all_take_effect(store: IamStore) -> None:
    await store.save_new_role(_role())

    def put(name: str) -> asyncio.Task[Role | None]:
        def change(role: Role) -> Role:
            return msgspec.structs.replace(role, inline_policies={**role.inline_policies, name: "{}"})

        return asyncio.ensure_future(store.change_role(_ACCOUNT, "Reader", change))

    await asyncio.gather(*(put(f"p{n}") for n in range(8)))

    role = await store.load_role(_ACCOUNT, "Reader")
    assert role is not None
    assert len(role.inline_policies) == 8
    assert await store.change_role(_ACCOUNT, "Nobody", lambda role: role) is None


async def test_a_change_keeps_attachments_and_boundary(store: IamStore) -> None:
    await store.save_new_role(_role(boundary="arn:aws:iam::aws:policy/B"))
    await store.attach_policy(_ACCOUNT, "role", "Reader", "arn:aws:iam::aws:policy/A", check=_pass, is_row=False)

    await store.change_role(_ACCOUNT, "Reader", lambda role: msgspec.structs.replace(role, description="x"))

    role = await store.load_role(_ACCOUNT, "Reader")
    assert role is not None
    assert (role.description, role.attached_policy_arns) == ("x", ("arn:aws:iam::aws:policy/A",))
    assert role.permissions_boundary_arn == "arn:aws:iam::aws:policy/B"


async def test_roles_are_listed_by_name_and_path_from_behind_a_name(store: IamStore) -> None:
    for name, path in (("a", "/x/"), ("b", "/"), ("c", "/x/y/"), ("d", "/X/")):
        await store.save_new_role(_role(name, path))

    assert [role.role_name for role in await store.list_roles(_ACCOUNT)] == ["a", "b", "c", "d"]
    assert [role.role_name for role in await store.list_roles(_ACCOUNT, path_prefix="/x/")] == ["a", "c"]
    assert [role.role_name for role in await store.list_roles(_ACCOUNT, after="a", limit=2)] == ["b", "c"]


async def test_a_condition_that_raises_leaves_the_role_alone(store: IamStore) -> None:
    await store.save_new_role(_role())

    def refuse(_role: Role) -> None:
        raise Refused

    with pytest.raises(Refused):
        await store.delete_role(_ACCOUNT, "Reader", refuse)
    assert await store.load_role(_ACCOUNT, "Reader") is not None
    assert await store.delete_role(_ACCOUNT, "Reader", _pass) is not None
    assert await store.delete_role(_ACCOUNT, "Reader", _pass) is None


async def test_an_attachment_limit_holds_for_racing_callers(store: IamStore) -> None:
    await store.save_new_role(_role())

    def at_most_one(entity: PolicyHolder) -> None:
        if entity.attached_policy_arns:
            raise Refused

    results = await asyncio.gather(
        *(
            store.attach_policy(
                _ACCOUNT, "role", "Reader", f"arn:aws:iam::aws:policy/{n}", check=at_most_one, is_row=False
            )
            for n in range(4)
        ),
        return_exceptions=True,
    )

    assert [result for result in results if not isinstance(result, Refused)] == ["attached"]


async def test_attaching_twice_is_attaching_once(store: IamStore) -> None:
    await store.save_new_role(_role())
    await store.save_new_policy(_policy())
    arn = _policy().arn

    for _ in range(2):
        assert await store.attach_policy(_ACCOUNT, "role", "Reader", arn, check=_pass, is_row=True) == "attached"

    assert await store.load_policy_uses(_ACCOUNT) == {arn: ManagedPolicyUse(attachments=1)}
    assert await store.detach_policy(_ACCOUNT, "role", "Reader", arn) == "detached"
    assert await store.detach_policy(_ACCOUNT, "role", "Reader", arn) == "not attached"
    assert await store.detach_policy(_ACCOUNT, "role", "Nobody", arn) == "no entity"


async def test_what_is_not_there_cannot_be_attached(store: IamStore) -> None:
    await store.save_new_user(_user())
    arn = _policy().arn

    assert await store.attach_policy(_ACCOUNT, "user", "alice", arn, check=_pass, is_row=True) == "no policy"
    assert await store.attach_policy(_ACCOUNT, "user", "bob", arn, check=_pass, is_row=True) == "no entity"
    assert await store.set_boundary(_ACCOUNT, "user", "alice", arn, is_row=True) == "no policy"
    assert await store.set_boundary(_ACCOUNT, "user", "bob", arn, is_row=True) == "no entity"


async def test_a_policy_that_is_attached_in_the_same_moment_is_not_deleted(store: IamStore) -> None:
    await store.save_new_role(_role())
    await store.save_new_policy(_policy())

    def unless_in_use(_policy: ManagedPolicy, in_use: bool) -> None:
        if in_use:
            raise Refused

    attached, _deleted = await asyncio.gather(
        store.attach_policy(_ACCOUNT, "role", "Reader", _policy().arn, check=_pass, is_row=True),
        store.delete_policy(_policy().arn, unless_in_use),
        return_exceptions=True,
    )

    left = await store.load_policy(_policy().arn)
    assert (attached == "attached") is (left is not None)


async def test_a_boundary_is_one_and_counts_as_use(store: IamStore) -> None:
    await store.save_new_user(_user())
    for name in ("P", "Q"):
        await store.save_new_policy(_policy(name))
        await store.set_boundary(_ACCOUNT, "user", "alice", _policy(name).arn, is_row=True)

    assert await store.load_policy_uses(_ACCOUNT) == {_policy("Q").arn: ManagedPolicyUse(boundaries=1)}
    [use] = await store.list_attachments(_ACCOUNT, _policy("Q").arn)
    assert (use.entity_kind, use.entity_name, use.usage) == ("user", "alice", "boundary")
    await store.set_boundary(_ACCOUNT, "user", "alice", None, is_row=False)
    assert await store.load_policy_uses(_ACCOUNT) == {}


async def test_deleting_a_role_lets_go_of_its_policies(store: IamStore) -> None:
    await store.save_new_role(_role(boundary="arn:aws:iam::aws:policy/B"))

    await store.delete_role(_ACCOUNT, "Reader", _pass)

    assert await store.load_policy_uses(_ACCOUNT) == {}


async def test_policies_are_kept_changed_and_listed(store: IamStore) -> None:
    for name in ("P", "Q"):
        assert await store.save_new_policy(_policy(name))
    assert not await store.save_new_policy(_policy("p"))

    changed = await store.change_policy(_policy().arn, lambda p: msgspec.structs.replace(p, description="new"))

    assert changed is not None
    assert await store.load_policy(_policy().arn) == changed
    assert [p.policy_name for p in await store.list_policies(_ACCOUNT, after="P")] == ["Q"]
    assert list(await store.load_policies([_policy().arn, "arn:none"])) == [_policy().arn]
    assert changed.default_version.version_id == "v1"


async def test_a_key_limit_holds_for_racing_callers(store: IamStore) -> None:
    await store.save_new_user(_user())

    def at_most_two(count: int) -> None:
        if count >= 2:
            raise Refused

    results = await asyncio.gather(
        *(store.save_new_access_key(_key(f"AKIA{n}"), at_most_two) for n in range(5)), return_exceptions=True
    )

    assert results.count(True) == 2
    assert len(await store.list_access_keys(_ACCOUNT, "alice")) == 2
    assert not await store.save_new_access_key(_key("AKIA9", user="bob"), _pass)


async def test_a_key_is_found_with_its_user_and_its_sealed_secret(store: IamStore) -> None:
    await store.save_new_user(_user())
    await store.save_new_access_key(_key(), _pass)

    assert await store.load_access_key("AKIA1") == (_key(), _user())
    assert await store.load_access_key("AKIA2") is None
    assert (await store.list_access_keys(_ACCOUNT, "alice"))[0].secret_sealed == b""


async def test_a_key_is_switched_off_and_forgotten_only_by_its_owner(store: IamStore) -> None:
    await store.save_new_user(_user())
    await store.save_new_access_key(_key(), _pass)

    assert await store.set_access_key_active(_ACCOUNT, "bob", "AKIA1", active=False) is None
    assert await store.set_access_key_active(_ACCOUNT, "alice", "AKIA1", active=False) is not None
    found = await store.load_access_key("AKIA1")
    assert found is not None
    assert (found[0].active, found[0].secret_sealed) == (False, b"sealed")
    assert await store.delete_access_key(_ACCOUNT, "bob", "AKIA1") is None
    assert await store.delete_access_key(_ACCOUNT, "alice", "AKIA1") is not None
    assert await store.load_access_key("AKIA1") is None


async def test_a_user_is_deleted_only_as_the_condition_sees_its_keys(store: IamStore) -> None:
    await store.save_new_user(_user())
    await store.save_new_access_key(_key(), _pass)
    await store.save_new_group(_group())
    await store.add_member(_ACCOUNT, "Readers", "alice", _pass)
    seen: list[tuple[int, int, int]] = []

    def note(_user: User, keys: int, devices: int, groups: int) -> None:
        seen.append((keys, devices, groups))

    assert await store.delete_user(_ACCOUNT, "alice", note) == _user()
    assert seen == [(1, 0, 1)]
    assert await store.list_members(_ACCOUNT, "Readers") == []
    await store.save_new_user(_user())
    assert await store.load_access_key("AKIA1") is None


async def test_roles_and_users_are_found_by_unique_id(store: IamStore) -> None:
    await store.save_new_role(_role())
    await store.save_new_user(_user())

    assert await store.load_arns(_ACCOUNT, ["AROA1", "AIDA1", "AROA2"]) == {"AROA1": _role().arn, "AIDA1": _user().arn}


async def test_every_change_is_said_to_the_change_feed(store: IamStore, database: Database) -> None:
    heard: list[str] = []
    database.changes.subscribe("iam", lambda: heard.append("iam"))

    await store.save_new_role(_role())
    await store.set_boundary(_ACCOUNT, "role", "Reader", "arn:aws:iam::aws:policy/B", is_row=False)

    assert heard == ["iam", "iam"]


async def test_a_user_is_put_into_a_group_once_and_both_must_exist(store: IamStore) -> None:
    await store.save_new_group(_group())
    await store.save_new_user(_user())
    counts: list[int] = []

    assert await store.add_member(_ACCOUNT, "None", "alice", counts.append) == "no group"
    assert await store.add_member(_ACCOUNT, "Readers", "bob", counts.append) == "no user"
    assert await store.add_member(_ACCOUNT, "Readers", "alice", counts.append) == "done"
    assert await store.add_member(_ACCOUNT, "Readers", "alice", counts.append) == "done"
    assert counts == [0]
    assert await store.list_members(_ACCOUNT, "Readers") == [_user()]
    assert await store.list_groups_of_user(_ACCOUNT, "alice") == [_group()]
    assert await store.remove_member(_ACCOUNT, "Readers", "alice") == "done"
    assert await store.list_members(_ACCOUNT, "Readers") == []


async def test_the_limit_of_groups_holds_for_racing_callers(store: IamStore) -> None:
    await store.save_new_user(_user())
    for name in "abcd":
        await store.save_new_group(_group(name))

    def at_most_two(count: int) -> None:
        if count >= 2:
            raise Refused

    async def add(name: str) -> str:
        try:
            return await store.add_member(_ACCOUNT, name, "alice", at_most_two)
        except Refused:
            return "refused"

    assert sorted(await asyncio.gather(*map(add, "abcd"))) == ["done", "done", "refused", "refused"]


async def test_a_renamed_group_keeps_its_users_and_policies(store: IamStore) -> None:
    await store.save_new_group(_group())
    await store.save_new_group(_group("Taken"))
    await store.save_new_user(_user())
    await store.add_member(_ACCOUNT, "Readers", "alice", _pass)
    policy = "arn:aws:iam::aws:policy/P"
    await store.attach_policy(_ACCOUNT, "group", "Readers", policy, check=_pass, is_row=False)

    def named(name: str) -> Callable[[Group], Group]:
        return lambda group: msgspec.structs.replace(group, group_name=name)

    assert await store.rename_group(_ACCOUNT, "Readers", named("TAKEN")) == "taken"
    assert await store.rename_group(_ACCOUNT, "None", named("X")) == "no entity"
    assert await store.rename_group(_ACCOUNT, "Readers", named("Writers")) == "renamed"

    group = await store.load_group(_ACCOUNT, "Writers")
    assert group is not None
    assert group.attached_policy_arns == (policy,)
    assert await store.load_group(_ACCOUNT, "Readers") is None
    assert await store.list_groups_of_user(_ACCOUNT, "alice") == [group]


async def test_a_group_is_deleted_only_as_the_condition_sees_its_members(store: IamStore) -> None:
    await store.save_new_group(_group())
    await store.save_new_user(_user())
    await store.add_member(_ACCOUNT, "Readers", "alice", _pass)

    def refuse(_group: Group, members: int) -> None:
        assert members == 1
        raise Refused

    with pytest.raises(Refused):
        await store.delete_group(_ACCOUNT, "Readers", refuse)
    assert await store.delete_group(_ACCOUNT, "Readers", _pass) == _group()
    assert await store.delete_group(_ACCOUNT, "Readers", _pass) is None
    await store.save_new_group(_group())
    assert await store.list_members(_ACCOUNT, "Readers") == []


async def test_an_alias_belongs_to_one_account(store: IamStore) -> None:
    assert await store.save_alias(_ACCOUNT, "first")
    assert await store.save_alias(_ACCOUNT, "second")
    assert not await store.save_alias("222222222222", "second")

    assert await store.load_alias(_ACCOUNT) == "second"
    assert not await store.delete_alias(_ACCOUNT, "first")
    assert await store.delete_alias(_ACCOUNT, "second")
    assert await store.load_alias(_ACCOUNT) is None


async def test_what_an_account_has_is_counted_and_counted_before_more_is_made(store: IamStore) -> None:
    seen: list[int] = []
    await store.save_new_role(_role("a"), seen.append)
    await store.save_new_role(_role("b"), seen.append)
    await store.save_new_user(_user(), seen.append)
    await store.save_new_group(_group(), seen.append)
    await store.save_new_policy(_policy(), seen.append)

    assert seen == [0, 1, 0, 0, 0]
    assert await store.count_all(_ACCOUNT) == AccountCounts(roles=2, users=1, groups=1, policies=1, policy_versions=1)


async def test_a_key_s_use_is_kept_and_nobody_is_told(store: IamStore, database: Database) -> None:
    await store.save_new_user(_user())
    await store.save_new_access_key(_key(), _pass)
    told: list[None] = []
    database.changes.subscribe("iam", lambda: told.append(None))
    use = KeyUse(at=_NOW, service="iam", region="us-west-2")

    await store.save_key_use("AKIA1", use)
    await store.save_key_use("AKIA-unknown", use)

    found = await store.load_access_key("AKIA1")
    assert found is not None
    assert found[0].last_use == use
    assert found[0].secret_sealed == b"sealed"
    assert told == []

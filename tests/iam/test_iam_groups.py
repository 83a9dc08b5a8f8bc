"""Groups: who is in them, what their policies do for those who are, and what an account as a whole has."""

import json
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest

from support.iam import ACCOUNT, NOW, ROOT, Iam, allow, call_by, deny, document, make_role, make_user
from velvetrope.errors import ServiceError
from velvetrope.policy import AuthorizationRequest, evaluate
from velvetrope.principals import Principal

READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
NO_GROUP = ("NoSuchEntity", "The group with name X cannot be found.")
NO_USER = ("NoSuchEntity", "The user with name X cannot be found.")


async def refused(call: Awaitable[Any]) -> tuple[str, str]:
    """The code and the text with which the call is refused."""
    with pytest.raises(ServiceError) as error:
        await call
    return error.value.code, error.value.message


async def make_group(
    iam: Iam, *statements: dict[str, object], name: str = "Readers", users: tuple[str, ...] = ()
) -> None:
    await iam.call("create_group", group_name=name)
    if statements:
        await iam.call("put_group_policy", group_name=name, policy_name="own", policy_document=document(*statements))
    for user in users:
        await iam.call("add_user_to_group", group_name=name, user_name=user)


async def outcome(iam: Iam, caller: Principal, action: str) -> str:
    policies = await iam.gatherer.policies_for(caller)
    return evaluate(AuthorizationRequest(caller, action, "*", ACCOUNT, {}, policies)).outcome


async def test_a_user_may_what_its_groups_may_from_the_moment_it_is_in_them(iam: Iam) -> None:
    alice = await make_user(iam)
    await make_group(iam, allow("a:Read"))
    assert await outcome(iam, alice, "a:Read") == "implicitDeny"

    await iam.call("add_user_to_group", group_name="Readers", user_name="alice")
    assert await outcome(iam, alice, "a:Read") == "allowed"

    await iam.call("remove_user_from_group", group_name="Readers", user_name="alice")
    assert await outcome(iam, alice, "a:Read") == "implicitDeny"


async def test_a_change_of_a_group_s_policies_is_felt_at_once(iam: Iam) -> None:
    alice = await make_user(iam, allow("a:*"))
    await make_group(iam, allow("b:*"), users=("alice",))
    assert await outcome(iam, alice, "b:X") == "allowed"

    await iam.call("put_group_policy", group_name="Readers", policy_name="no", policy_document=document(deny("a:Y")))
    await iam.call("delete_group_policy", group_name="Readers", policy_name="own")
    await iam.call("attach_group_policy", group_name="Readers", policy_arn=READ_ONLY)

    assert await outcome(iam, alice, "a:Y") == "explicitDeny"
    assert await outcome(iam, alice, "a:X") == "allowed"
    assert await outcome(iam, alice, "b:X") == "implicitDeny"
    assert await outcome(iam, alice, "iam:ListUsers") == "allowed"
    await iam.call("detach_group_policy", group_name="Readers", policy_arn=READ_ONLY)
    assert await outcome(iam, alice, "iam:ListUsers") == "implicitDeny"


async def test_a_boundary_limits_what_comes_from_groups_too(iam: Iam) -> None:
    await iam.call("create_policy", policy_name="Only-a", policy_document=document(allow("a:*")))
    alice = await make_user(iam, permissions_boundary=f"arn:aws:iam::{ACCOUNT}:policy/Only-a")
    await make_group(iam, allow("*"), users=("alice",))

    assert await outcome(iam, alice, "a:X") == "allowed"
    assert await outcome(iam, alice, "b:X") == "implicitDeny"


async def test_another_user_s_groups_are_not_mine(iam: Iam) -> None:
    await make_user(iam)
    bob = await make_user(iam, name="bob")
    role = await make_role(iam, name="alice")
    await make_group(iam, allow("*"), users=("alice",))

    assert await outcome(iam, bob, "a:X") == "implicitDeny"
    assert await outcome(iam, role, "a:X") == "implicitDeny"


async def test_a_group_is_shown_with_its_users_in_pages(iam: Iam) -> None:
    for name in "abc":
        await make_user(iam, name=name)
    await make_group(iam, users=("c", "a", "b"))

    first = await iam.call("get_group", group_name="Readers", max_items=2)
    second = await iam.call("get_group", group_name="Readers", max_items=2, marker=first["marker"])

    assert first["group"]["arn"] == f"arn:aws:iam::{ACCOUNT}:group/Readers"
    assert first["group"]["group_id"].startswith("AGPA")
    assert [[user["user_name"] for user in page["users"]] for page in (first, second)] == [["a", "b"], ["c"]]
    assert (first["is_truncated"], second["is_truncated"]) == (True, False)
    listed = await iam.call("list_groups_for_user", user_name="a")
    assert [group["group_name"] for group in listed["groups"]] == ["Readers"]


async def test_groups_are_listed_by_path_and_renamed_with_all_they_have(iam: Iam) -> None:
    alice = await make_user(iam)
    await make_group(iam, allow("a:*"), users=("alice",))
    await make_group(iam, name="Others")

    await iam.call("update_group", group_name="Readers", new_group_name="Writers", new_path="/x/")

    listed = await iam.call("list_groups", path_prefix="/x/")
    assert [group["arn"] for group in listed["groups"]] == [f"arn:aws:iam::{ACCOUNT}:group/x/Writers"]
    assert await outcome(iam, alice, "a:X") == "allowed"
    taken = iam.call("update_group", group_name="Writers", new_group_name="OTHERS")
    assert await refused(taken) == ("EntityAlreadyExists", "Group with name OTHERS already exists.")
    again = iam.call("create_group", group_name="others")
    assert await refused(again) == ("EntityAlreadyExists", "Group with name others already exists.")


@pytest.mark.parametrize(
    ("operation", "members", "expected"),
    [
        ("get_group", {"group_name": "X"}, NO_GROUP),
        ("delete_group", {"group_name": "X"}, NO_GROUP),
        ("update_group", {"group_name": "X"}, NO_GROUP),
        ("list_group_policies", {"group_name": "X"}, NO_GROUP),
        ("list_attached_group_policies", {"group_name": "X"}, NO_GROUP),
        (
            "put_group_policy",
            {"group_name": "X", "policy_name": "p", "policy_document": document(allow("*"))},
            NO_GROUP,
        ),
        ("attach_group_policy", {"group_name": "X", "policy_arn": READ_ONLY}, NO_GROUP),
        ("detach_group_policy", {"group_name": "X", "policy_arn": READ_ONLY}, NO_GROUP),
        ("add_user_to_group", {"group_name": "X", "user_name": "X"}, NO_GROUP),
        ("add_user_to_group", {"group_name": "G", "user_name": "X"}, NO_USER),
        ("remove_user_from_group", {"group_name": "G", "user_name": "X"}, NO_USER),
        ("list_groups_for_user", {"user_name": "X"}, NO_USER),
        (
            "get_group_policy",
            {"group_name": "G", "policy_name": "p"},
            ("NoSuchEntity", "The group policy with name p cannot be found."),
        ),
    ],
)
async def test_what_is_not_there_cannot_be_found(
    iam: Iam, operation: str, members: dict[str, Any], expected: tuple[str, str]
) -> None:
    await make_group(iam, name="G")

    assert await refused(iam.call(operation, **members)) == expected


async def test_a_group_s_policies_are_put_shown_and_limited(iam: Iam) -> None:
    await make_group(iam, allow("a:*"))

    shown = await iam.call("get_group_policy", group_name="Readers", policy_name="own")
    assert shown["group_name"] == "Readers"
    assert unquote(shown["policy_document"]) == document(allow("a:*"))
    assert (await iam.call("list_group_policies", group_name="Readers"))["policy_names"] == ["own"]
    long = document(allow("a:*", [f"arn:aws:s3:::{'x' * 100}{n}" for n in range(50)]))
    assert await refused(
        iam.call("put_group_policy", group_name="Readers", policy_name="long", policy_document=long)
    ) == ("LimitExceeded", "Maximum policy size of 5120 bytes exceeded for group Readers")


async def test_a_group_with_users_or_policies_is_not_deleted_nor_is_a_user_in_a_group(iam: Iam) -> None:
    await make_user(iam)
    await make_group(iam, allow("a:*"), users=("alice",))
    await iam.call("attach_group_policy", group_name="Readers", policy_arn=READ_ONLY)
    users_first = ("DeleteConflict", "Cannot delete entity, must remove users from group first.")

    assert await refused(iam.call("delete_group", group_name="Readers")) == users_first
    assert await refused(iam.call("delete_user", user_name="alice")) == users_first
    await iam.call("remove_user_from_group", group_name="Readers", user_name="alice")
    detach_first = ("DeleteConflict", "Cannot delete entity, must detach all policies first.")
    assert await refused(iam.call("delete_group", group_name="Readers")) == detach_first
    await iam.call("detach_group_policy", group_name="Readers", policy_arn=READ_ONLY)
    delete_first = ("DeleteConflict", "Cannot delete entity, must delete policies first.")
    assert await refused(iam.call("delete_group", group_name="Readers")) == delete_first
    await iam.call("delete_group_policy", group_name="Readers", policy_name="own")
    await iam.call("delete_group", group_name="Readers")
    assert (await iam.call("list_groups"))["groups"] == []


async def test_an_eleventh_group_is_one_too_many(iam: Iam) -> None:
    await make_user(iam)
    for number in range(10):
        await make_group(iam, name=f"g{number}", users=("alice",))
    await make_group(iam, name="g10")

    eleventh = iam.call("add_user_to_group", group_name="g10", user_name="alice")

    assert await refused(eleventh) == ("LimitExceeded", "Cannot exceed quota for GroupsPerUser: 10")
    await iam.call("add_user_to_group", group_name="g3", user_name="alice")


async def test_who_carries_a_policy_is_told_with_groups_and_may_be_filtered(iam: Iam) -> None:
    await make_user(iam)
    await make_group(iam)
    await make_role(iam, name="Bounded", permissions_boundary=READ_ONLY)
    await iam.call("attach_group_policy", group_name="Readers", policy_arn=READ_ONLY)
    await iam.call("attach_user_policy", user_name="alice", policy_arn=READ_ONLY)

    async def carriers(**members: Any) -> list[list[str]]:
        found = await iam.call("list_entities_for_policy", policy_arn=READ_ONLY, **members)
        return [[holder[f"{kind}_name"] for holder in found[f"policy_{kind}s"]] for kind in ("group", "user", "role")]

    assert await carriers() == [["Readers"], ["alice"], ["Bounded"]]
    assert await carriers(entity_filter="Group") == [["Readers"], [], []]
    assert await carriers(policy_usage_filter="PermissionsBoundary") == [[], [], ["Bounded"]]
    assert await carriers(path_prefix="/x/") == [[], [], []]
    attached = await iam.call("list_attached_group_policies", group_name="Readers")
    assert attached["attached_policies"] == [{"policy_name": "ReadOnlyAccess", "policy_arn": READ_ONLY}]


async def test_a_user_is_simulated_with_its_groups_and_a_group_as_itself(iam: Iam) -> None:
    alice = await make_user(iam)
    await make_group(iam, allow("a:*"), users=("alice",))

    for source in (alice.arn, f"arn:aws:iam::{ACCOUNT}:group/Readers"):
        answer = await iam.call("simulate_principal_policy", policy_source_arn=source, action_names=("a:X", "b:X"))
        results = answer["evaluation_results"]
        assert [result["eval_decision"] for result in results] == ["allowed", "implicitDeny"]
        matched = results[0]["matched_statements"][0]
        assert (matched["source_policy_id"], matched["source_policy_type"]) == ("own", "group")


async def test_the_context_keys_that_policies_read_are_told(iam: Iam) -> None:
    condition = {"StringEquals": {"aws:PrincipalTag/Team": "${aws:username}"}, "Bool": {"aws:SecureTransport": True}}
    alice = await make_user(iam)
    await make_group(iam, allow("a:*", "*", condition), users=("alice",))

    custom = await iam.call(
        "get_context_keys_for_custom_policy", policy_input_list=(document(allow("a:*", "*", condition)),)
    )
    own = await iam.call("get_context_keys_for_principal_policy", policy_source_arn=alice.arn)

    expected = ["aws:principaltag/team", "aws:securetransport", "aws:username"]
    assert custom["context_key_names"] == own["context_key_names"] == expected
    nobody = iam.call("get_context_keys_for_principal_policy", policy_source_arn=f"arn:aws:iam::{ACCOUNT}:user/X")
    assert await refused(nobody) == NO_USER


async def test_an_account_has_one_alias(iam: Iam) -> None:
    await iam.call("create_account_alias", account_alias="first")
    await iam.call("create_account_alias", account_alias="second")

    assert (await iam.call("list_account_aliases"))["account_aliases"] == ["second"]
    gone = iam.call("delete_account_alias", account_alias="first")
    assert await refused(gone) == ("NoSuchEntity", "The account alias first cannot be found.")
    await iam.call("delete_account_alias", account_alias="second")
    assert (await iam.call("list_account_aliases"))["account_aliases"] == []


async def test_the_summary_counts_what_there_is_beside_what_there_may_be(iam: Iam) -> None:
    await make_user(iam)
    await make_group(iam)
    await make_role(iam)
    await iam.call("create_policy", policy_name="P", policy_document=document(allow("a:*")))

    summary = (await iam.call("get_account_summary"))["summary_map"]

    assert [summary[key] for key in ("Users", "Groups", "Roles", "Policies", "PolicyVersionsInUse")] == [1] * 5
    assert (summary["UsersQuota"], summary["GroupsPerUserQuota"], summary["GroupPolicySizeQuota"]) == (5000, 10, 5120)


async def test_the_details_of_an_account_are_all_that_it_has_in_pages(iam: Iam) -> None:
    alice = await make_user(iam, allow("a:*"))
    await make_group(iam, allow("b:*"), users=("alice",))
    await make_role(iam, allow("c:*"))
    await iam.call("attach_role_policy", role_name="Caller", policy_arn=READ_ONLY)
    await iam.call("create_policy", policy_name="P", policy_document=document(allow("a:*")))

    details = await iam.call("get_account_authorization_details")

    user, group, role = (details[f"{kind}_detail_list"][0] for kind in ("user", "group", "role"))
    assert (user["arn"], user["group_list"]) == (alice.arn, ["Readers"])
    assert json.loads(unquote(group["group_policy_list"][0]["policy_document"])) == json.loads(document(allow("b:*")))
    assert role["attached_managed_policies"] == [{"policy_name": "ReadOnlyAccess", "policy_arn": READ_ONLY}]
    assert {policy["policy_name"] for policy in details["policies"]} == {"P", "ReadOnlyAccess"}
    assert all(policy["policy_version_list"][0]["document"] for policy in details["policies"])
    only = await iam.call("get_account_authorization_details", filter=("Role", "LocalManagedPolicy"))
    assert [len(only[key]) for key in ("user_detail_list", "role_detail_list", "policies")] == [0, 1, 1]
    pages: list[int] = []
    marker = None
    while not pages or marker is not None:
        page = await iam.call("get_account_authorization_details", max_items=2, marker=marker)
        pages.append(sum(len(listed) for listed in page.values() if isinstance(listed, list)))
        marker = page["marker"]
    assert pages == [2, 2, 1]


async def test_when_a_key_was_last_used_is_known_from_the_calls_that_were_judged(iam: Iam) -> None:
    alice = await make_user(iam)
    key = (await iam.call("create_access_key", user_name="alice"))["access_key"]["access_key_id"]
    never = {"last_used_date": None, "service_name": "N/A", "region": "N/A"}
    asked = await iam.call("get_access_key_last_used", access_key_id=key)
    assert asked == {"user_name": "alice", "access_key_last_used": never}

    call = call_by(replace(alice, access_key_id=key))
    await iam.judge.judge("lambda", "ListFunctions", {}, call)
    await iam.judge.judge("lambda", "ListFunctions", {}, msgspec.structs.replace(call, now=NOW + timedelta(minutes=14)))
    first = await iam.call("get_access_key_last_used", access_key_id=key)
    await iam.judge.judge(
        "sts", "GetCallerIdentity", {}, msgspec.structs.replace(call, now=NOW + timedelta(minutes=14))
    )
    second = await iam.call("get_access_key_last_used", access_key_id=key)

    assert first["access_key_last_used"] == {"last_used_date": NOW, "service_name": "lambda", "region": "us-west-2"}
    assert second["access_key_last_used"]["service_name"] == "sts"
    unknown = iam.call("get_access_key_last_used", access_key_id="AKIAUNKNOWN000000000", caller=ROOT)
    assert await refused(unknown) == (
        "NoSuchEntity",
        "The Access Key with id AKIAUNKNOWN000000000 cannot be found.",
    )

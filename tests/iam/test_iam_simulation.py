"""The simulator answers as the engine does, and says where and what is missing."""

from typing import Any

import pytest

from support.iam import ACCOUNT, Iam, allow, deny, document, make_role, make_user
from velvetrope.errors import ServiceError
from velvetrope.iam.errors import InvalidInput
from velvetrope.iam.simulation import ContextEntry

BUCKET = "arn:aws:s3:::b"


async def custom(iam: Iam, *statements: dict[str, object], **members: Any) -> list[dict[str, Any]]:
    members.setdefault("action_names", ("s3:GetObject",))
    answer = await iam.call("simulate_custom_policy", policy_input_list=(document(*statements),), **members)
    results: list[dict[str, Any]] = answer["evaluation_results"]
    return results


async def test_each_action_is_tried_on_each_resource(iam: Iam) -> None:
    results = await custom(
        iam,
        allow("s3:Get*", BUCKET),
        deny("s3:GetSecret", BUCKET),
        action_names=("s3:GetObject", "s3:GetSecret"),
        resource_arns=(BUCKET, "arn:aws:s3:::c"),
    )

    decided = [(r["eval_action_name"], r["eval_resource_name"], r["eval_decision"]) for r in results]
    assert decided == [
        ("s3:GetObject", BUCKET, "allowed"),
        ("s3:GetObject", "arn:aws:s3:::c", "implicitDeny"),
        ("s3:GetSecret", BUCKET, "explicitDeny"),
        ("s3:GetSecret", "arn:aws:s3:::c", "implicitDeny"),
    ]
    assert [len(r["matched_statements"]) for r in results] == [1, 0, 2, 0]


async def test_a_matched_statement_is_shown_by_its_place(iam: Iam) -> None:
    statement = '    {"Effect": "Allow", "Action": "*", "Resource": "*"}'
    text = f'{{\n  "Version": "2012-10-17",\n  "Statement": [\n{statement}\n  ]\n}}'

    answer = await iam.call("simulate_custom_policy", policy_input_list=(text,), action_names=("a:Do",))

    [matched] = answer["evaluation_results"][0]["matched_statements"]
    assert matched == {
        "source_policy_id": "PolicyInputList.1",
        "source_policy_type": "none",
        "start_position": {"line": 4, "column": 5},
        "end_position": {"line": 4, "column": 56},
    }


async def test_context_is_what_was_given_and_the_rest_is_missing(iam: Iam) -> None:
    condition = {"StringEquals": {"aws:PrincipalTag/Team": "a"}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    team = ContextEntry(context_key_name="aws:PrincipalTag/team", context_key_values=("a",))
    address = ContextEntry(context_key_name="aws:SourceIp", context_key_values=("10.1.1.1",), context_key_type="ip")

    [without] = await custom(iam, allow("s3:*", "*", condition), context_entries=(team,))
    [with_both] = await custom(iam, allow("s3:*", "*", condition), context_entries=(team, address))

    assert (without["eval_decision"], without["missing_context_values"]) == ("implicitDeny", ["aws:sourceip"])
    assert (with_both["eval_decision"], with_both["missing_context_values"]) == ("allowed", [])


async def test_a_boundary_s_word_is_told_apart(iam: Iam) -> None:
    boundary = (document(allow("s3:List*")),)

    [get] = await custom(iam, allow("s3:*"), permissions_boundary_policy_input_list=boundary)
    [everything] = await custom(iam, allow("s3:*"))

    assert get["eval_decision"] == "implicitDeny"
    assert get["permissions_boundary_decision_detail"] == {"allowed_by_permissions_boundary": False}
    assert everything["permissions_boundary_decision_detail"] is None


async def test_a_resource_policy_counts_for_the_caller_it_names(iam: Iam) -> None:
    alice = f"arn:aws:iam::{ACCOUNT}:user/alice"
    policy = document({**allow("s3:*", BUCKET), "Principal": {"AWS": alice}})

    [let_in] = await custom(iam, allow("a:Do"), resource_arns=(BUCKET,), resource_policy=policy, caller_arn=alice)
    [other] = await custom(
        iam, allow("a:Do"), resource_arns=(BUCKET,), resource_policy=policy, caller_arn=alice.replace("alice", "bob")
    )

    assert let_in["eval_decision"] == "allowed"
    assert let_in["matched_statements"][0]["source_policy_type"] == "resource"
    assert other["eval_decision"] == "implicitDeny"


async def test_a_role_is_simulated_with_all_that_it_has(iam: Iam) -> None:
    role = await make_role(iam, allow("a:Do"), permissions_boundary="arn:aws:iam::aws:policy/AdministratorAccess")
    await iam.call("attach_role_policy", role_name="Caller", policy_arn="arn:aws:iam::aws:policy/ReadOnlyAccess")

    answer = await iam.call(
        "simulate_principal_policy",
        policy_source_arn=role.policy_arn,
        action_names=("a:Do", "lambda:ListFunctions", "lambda:DeleteFunction"),
    )

    results = answer["evaluation_results"]
    assert [r["eval_decision"] for r in results] == ["allowed", "allowed", "implicitDeny"]
    sources = [[(s["source_policy_id"], s["source_policy_type"]) for s in r["matched_statements"]] for r in results]
    assert sources[0] == [("own", "role"), ("AdministratorAccess", "aws-managed")]
    assert sources[1][0] == ("ReadOnlyAccess", "aws-managed")


async def test_a_user_is_simulated_as_itself(iam: Iam) -> None:
    user = await make_user(iam, allow("s3:*", "arn:aws:s3:::home/${aws:username}"))

    answer = await iam.call(
        "simulate_principal_policy",
        policy_source_arn=user.arn,
        action_names=("s3:GetObject",),
        resource_arns=("arn:aws:s3:::home/alice", "arn:aws:s3:::home/bob"),
    )

    assert [r["eval_decision"] for r in answer["evaluation_results"]] == ["allowed", "implicitDeny"]


async def test_results_come_in_pages(iam: Iam) -> None:
    actions = tuple(f"a:Do{n}" for n in range(3))
    policies = (document(allow("*")),)

    first = await iam.call("simulate_custom_policy", policy_input_list=policies, action_names=actions, max_items=2)
    rest = await iam.call(
        "simulate_custom_policy", policy_input_list=policies, action_names=actions, marker=first["marker"]
    )

    assert [r["eval_action_name"] for r in first["evaluation_results"]] == ["a:Do0", "a:Do1"]
    assert [r["eval_action_name"] for r in rest["evaluation_results"]] == ["a:Do2"]
    assert rest["is_truncated"] is False


@pytest.mark.parametrize(
    ("operation", "members", "code"),
    [
        ("simulate_principal_policy", {"policy_source_arn": "arn:aws:iam::111111111111:role/none"}, "NoSuchEntity"),
        ("simulate_principal_policy", {"policy_source_arn": "arn:aws:s3:::bucket-name-here"}, "InvalidInput"),
        ("simulate_custom_policy", {"policy_input_list": ("{",)}, "MalformedPolicyDocument"),
        ("simulate_custom_policy", {"policy_input_list": (), "caller_arn": "arn:aws:iam::1:role/x"}, "InvalidInput"),
    ],
)
async def test_what_cannot_be_simulated_is_refused(
    iam: Iam, operation: str, members: dict[str, Any], code: str
) -> None:
    with pytest.raises(ServiceError) as error:
        await iam.call(operation, action_names=("a:Do",), **members)

    assert error.value.code == code


@pytest.mark.parametrize(
    "name",
    ["foo", "s3:", ":GetObject", "s3:Get:Object", "s3:Get*", "s3:GetObjec?", "*:*", "s3 :Get", "s3:Get\n", "s3:Gét"],
)
@pytest.mark.parametrize("operation", ["simulate_custom_policy", "simulate_principal_policy"])
async def test_what_is_no_action_s_name_is_refused(iam: Iam, operation: str, name: str) -> None:
    user = await make_user(iam)
    members: dict[str, Any] = {"policy_source_arn": user.arn} if operation == "simulate_principal_policy" else {}

    with pytest.raises(InvalidInput) as error:
        await iam.call(
            operation,
            action_names=("s3:GetObject", name),
            policy_input_list=(document(allow("*")),),
            **members,
        )

    assert error.value.message == f"Invalid action name: {name}"


@pytest.mark.parametrize("name", ["a:B", "s3:" + "x" * 125, "execute-api:Invoke", "S3:getobject"])
async def test_whatever_could_be_an_action_is_simulated(iam: Iam, name: str) -> None:
    [result] = await custom(iam, allow("*"), action_names=(name,))

    assert (result["eval_action_name"], result["eval_decision"]) == (name, "allowed")

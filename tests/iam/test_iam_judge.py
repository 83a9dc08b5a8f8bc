"""Every operation of the control plane is judged, on the right thing; what is not known helps nobody."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader

from support.iam import ACCOUNT, NOW, ROOT, Iam, allow, call_by, deny, document, make_role, make_user
from velvetrope.iam import ControlPlaneJudge, JudgedOperation
from velvetrope.iam.operation_rules import UNKNOWN_RESOURCE, operation_rule
from velvetrope.iam.tags import Tag
from velvetrope.policy import Policy, parse_policy
from velvetrope.principals import Principal, Session

SERVICES = ("cognito-idp", "cognito-identity", "sts", "iam", "lambda", "apigateway", "cloudformation", "logs", "sqs")
POOL = f"arn:aws:cognito-idp:us-west-2:{ACCOUNT}:userpool/us-west-2_a"
FUNCTION = f"arn:aws:lambda:us-west-2:{ACCOUNT}:function:f"
STACK = f"arn:aws:cloudformation:us-west-2:{ACCOUNT}:stack"
OPERATIONS = json.loads((Path(__file__).parent / "cases" / "operation_resources.json").read_text())["rows"]
EXECUTION_ROLE = f"arn:aws:iam::{ACCOUNT}:role/exec"


async def judge(
    iam: Iam, caller: Principal, service: str, operation: str, parameters: dict[str, Any] | None = None
) -> JudgedOperation:
    return await iam.judge.judge(service, operation, parameters or {}, call_by(caller))


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_has_a_rule_and_every_member_that_it_names_exists(service: str) -> None:
    model = Loader().load_service_model(service, "service-2")

    for name, operation in model["operations"].items():
        rule = operation_rule(service, name)
        given = operation.get("input")
        members = set(model["shapes"][given["shape"]]["members"]) if given else set()
        assert rule.action.partition(":")[0] == service
        for template in rule.resources:
            named = set(re.findall(r"{(\w+)", template)) - {"region", "account"}
            if template.startswith("@"):
                named = {template.partition(":")[2]}
            assert named <= members, (name, template)


def test_an_operation_that_nobody_knows_is_about_everything() -> None:
    rule = operation_rule("lambda", "OpenTheDoors")

    assert (rule.action, rule.resources) == ("lambda:OpenTheDoors", (UNKNOWN_RESOURCE,))


@pytest.mark.parametrize(("service", "operation", "parameters", "action", "resource"), OPERATIONS)
async def test_an_operation_is_asked_as_its_action_on_its_resource(
    iam: Iam, service: str, operation: str, parameters: dict[str, Any], action: str, resource: str
) -> None:
    await make_role(iam, name="Exec", path="/app/")

    judged = await judge(iam, ROOT, service, operation, parameters)

    assert (judged.action, judged.resource) == (action, resource)
    assert judged.decision.allowed


async def test_a_caller_is_given_exactly_what_its_policy_says(iam: Iam) -> None:
    caller = await make_role(iam, allow("cognito-idp:AdminGetUser", POOL))

    assert (await judge(iam, caller, "cognito-idp", "AdminGetUser", {"UserPoolId": "us-west-2_a"})).decision.allowed
    other = await judge(iam, caller, "cognito-idp", "AdminGetUser", {"UserPoolId": "us-west-2_b"})
    assert other.decision.because == "because no identity-based policy allows the cognito-idp:AdminGetUser action"
    assert not (
        await judge(iam, caller, "cognito-idp", "AdminDeleteUser", {"UserPoolId": "us-west-2_a"})
    ).decision.allowed


async def test_an_auditor_reads_everything_and_changes_nothing(iam: Iam) -> None:
    auditor = await make_role(iam)
    await iam.call("attach_role_policy", role_name="Caller", policy_arn="arn:aws:iam::aws:policy/ReadOnlyAccess")

    for service, operation, parameters in (
        ("lambda", "ListFunctions", {}),
        ("lambda", "GetFunction", {"FunctionName": "f"}),
        ("apigateway", "GetStages", {"restApiId": "a"}),
        ("iam", "GetRole", {"RoleName": "R"}),
        ("cloudformation", "DescribeStacks", {}),
        ("cognito-idp", "ListUsers", {"UserPoolId": "us-west-2_a"}),
    ):
        assert (await judge(iam, auditor, service, operation, parameters)).decision.allowed, operation
    for service, operation, parameters in (
        ("lambda", "Invoke", {"FunctionName": "f"}),
        ("apigateway", "DeleteStage", {"restApiId": "a", "stageName": "s"}),
        ("iam", "CreateAccessKey", {}),
        ("cognito-idp", "AdminCreateUser", {"UserPoolId": "us-west-2_a"}),
        ("cognito-identity", "GetOpenIdTokenForDeveloperIdentity", {"IdentityPoolId": "us-west-2:1"}),
    ):
        assert not (await judge(iam, auditor, service, operation, parameters)).decision.allowed, operation


async def test_what_cannot_be_told_is_for_those_who_may_do_it_to_everything(iam: Iam) -> None:
    action, profile = "iam:AddRoleToInstanceProfile", f"arn:aws:iam::{ACCOUNT}:instance-profile"
    some = await make_role(iam, allow(action, f"{profile}/*"), name="Some")
    everything = await make_role(iam, allow(action), name="Everything")
    but_one = await make_role(iam, allow("iam:*"), deny("iam:*", f"{profile}/admins"), name="ButOne")

    parameters = {"InstanceProfileName": "admins", "RoleName": "r"}
    assert not (await judge(iam, some, "iam", "AddRoleToInstanceProfile", parameters)).decision.allowed
    assert (await judge(iam, everything, "iam", "AddRoleToInstanceProfile", parameters)).decision.allowed
    assert (await judge(iam, but_one, "iam", "AddRoleToInstanceProfile", parameters)).decision.outcome == "explicitDeny"


async def test_a_group_is_judged_with_its_path_and_under_its_new_name_too(iam: Iam) -> None:
    await iam.call("create_group", group_name="Managers", path="/staff/")
    groups = f"arn:aws:iam::{ACCOUNT}:group"
    caller = await make_role(iam, allow("iam:*", [f"{groups}/staff/Managers", f"{groups}/staff/MGRs"]))

    for operation, parameters, allowed in (
        ("AddUserToGroup", {"GroupName": "Managers", "UserName": "u"}, True),
        ("AddUserToGroup", {"GroupName": "Admins", "UserName": "u"}, False),
        ("UpdateGroup", {"GroupName": "Managers", "NewGroupName": "MGRs"}, True),
        ("UpdateGroup", {"GroupName": "Managers", "NewGroupName": "Admins"}, False),
        ("UpdateGroup", {"GroupName": "Managers", "NewPath": "/"}, False),
        ("CreateGroup", {"GroupName": "MGRs", "Path": "/staff/"}, True),
        ("CreateGroup", {"GroupName": "MGRs"}, False),
    ):
        judged = await judge(iam, caller, "iam", operation, parameters)
        assert judged.decision.allowed is allowed, (operation, parameters, judged.resource)


async def test_a_group_has_no_tags_and_that_is_known(iam: Iam) -> None:
    await iam.call("create_group", group_name="g")
    untagged = {"Null": {"aws:ResourceTag/team": "true"}}
    caller = await make_role(iam, allow("iam:GetGroup", "*", untagged))

    assert (await judge(iam, caller, "iam", "GetGroup", {"GroupName": "g"})).decision.allowed


async def test_whose_the_resource_is_can_be_asked(iam: Iam) -> None:
    ours = {"StringEquals": {"aws:ResourceAccount": ACCOUNT}}
    theirs = {"StringEquals": {"aws:ResourceAccount": "222222222222"}}
    caller = await make_role(iam, allow("iam:GetRole", "*", ours), allow("iam:ListRoles", "*", theirs))

    assert (await judge(iam, caller, "iam", "GetRole", {"RoleName": "r"})).decision.allowed
    assert not (await judge(iam, caller, "iam", "ListRoles")).decision.allowed


async def test_asking_for_a_key_s_use_is_asking_about_its_user(iam: Iam) -> None:
    alice = await make_user(iam)
    key = (await iam.call("create_access_key", user_name="alice"))["access_key"]["access_key_id"]
    caller = await make_role(iam, allow("iam:GetAccessKeyLastUsed", alice.arn))

    assert (await judge(iam, caller, "iam", "GetAccessKeyLastUsed", {"AccessKeyId": key})).decision.allowed
    unknown = await judge(iam, caller, "iam", "GetAccessKeyLastUsed", {"AccessKeyId": "AKIAUNKNOWN000000000"})
    assert not unknown.decision.allowed


async def test_an_operation_that_the_data_lacks_is_judged_all_the_same(iam: Iam) -> None:
    reader = await make_role(iam, allow("cognito-idp:*", POOL))

    judged = await judge(iam, reader, "cognito-idp", "ListUserPoolReplicas", {"UserPoolId": "us-west-2_a"})

    assert (judged.action, judged.resource) == ("cognito-idp:ListUserPoolReplicas", "*")
    assert not judged.decision.allowed


async def test_the_newest_operations_for_administrators_are_about_their_pool(iam: Iam) -> None:
    pool_id = POOL.rpartition("/")[2]
    reader = await make_role(iam, allow("cognito-idp:*", POOL))

    for operation in ("AdminListUserSessions", "AdminRevokeUserSession", "AdminGetUserAuthFactors"):
        own = await judge(iam, reader, "cognito-idp", operation, {"UserPoolId": pool_id})
        other = await judge(iam, reader, "cognito-idp", operation, {"UserPoolId": "us-west-2_other"})
        assert (own.decision.allowed, other.decision.allowed) == (True, False)


async def test_a_stack_is_judged_by_name_though_its_id_is_not_known(iam: Iam) -> None:
    mine = await make_role(iam, allow("cloudformation:*", f"{STACK}/mine/*"), name="Mine")
    one = await make_role(iam, allow("cloudformation:*", f"{STACK}/mine/1234"), name="One")
    not_prod = await make_role(
        iam, allow("cloudformation:*"), deny("cloudformation:*", f"{STACK}/prod/1234"), name="NotProd"
    )

    assert (await judge(iam, mine, "cloudformation", "DeleteStack", {"StackName": "mine"})).decision.allowed
    assert not (await judge(iam, mine, "cloudformation", "DeleteStack", {"StackName": "other"})).decision.allowed
    assert not (await judge(iam, one, "cloudformation", "DeleteStack", {"StackName": "mine"})).decision.allowed
    assert not (await judge(iam, not_prod, "cloudformation", "DeleteStack", {"StackName": "prod"})).decision.allowed
    assert (await judge(iam, not_prod, "cloudformation", "DeleteStack", {"StackName": "mine"})).decision.allowed


async def test_a_function_of_another_account_is_not_ours_to_give(iam: Iam) -> None:
    caller = await make_role(iam, allow("lambda:*"))

    judged = await judge(iam, caller, "lambda", "Invoke", {"FunctionName": FUNCTION.replace(ACCOUNT, "222222222222")})

    assert judged.decision.because == "because no resource-based policy allows the lambda:InvokeFunction action"


async def test_passing_a_role_needs_a_permission_of_its_own(iam: Iam) -> None:
    await make_role(iam, name="exec")
    to_lambda = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    without = await make_role(iam, allow("lambda:*"), name="Without")
    to_others = await make_role(
        iam,
        allow("lambda:*"),
        allow("iam:PassRole", "*", {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}),
        name="ToOthers",
    )
    other_role = await make_role(
        iam, allow("lambda:*"), allow("iam:PassRole", EXECUTION_ROLE + "2", to_lambda), name="OtherRole"
    )
    right = await make_role(iam, allow("lambda:*"), allow("iam:PassRole", EXECUTION_ROLE, to_lambda), name="Right")

    parameters = {"FunctionName": "f", "Role": EXECUTION_ROLE}
    for operation in ("CreateFunction", "UpdateFunctionConfiguration"):
        for caller in (without, to_others, other_role):
            judged = await judge(iam, caller, "lambda", operation, parameters)
            assert (judged.action, judged.resource) == ("iam:PassRole", EXECUTION_ROLE)
            assert not judged.decision.allowed
        assert (await judge(iam, right, "lambda", operation, parameters)).decision.allowed
    assert (await judge(iam, without, "lambda", "UpdateFunctionConfiguration", {"FunctionName": "f"})).decision.allowed


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "host"),
    [
        (
            "cognito-identity",
            "SetIdentityPoolRoles",
            {"IdentityPoolId": "us-west-2:1", "Roles": {"authenticated": EXECUTION_ROLE}},
            "cognito-identity.amazonaws.com",
        ),
        (
            "cognito-identity",
            "SetIdentityPoolRoles",
            {
                "IdentityPoolId": "us-west-2:1",
                "Roles": {},
                "RoleMappings": {
                    "p": {"Type": "Rules", "RulesConfiguration": {"Rules": [{"RoleARN": EXECUTION_ROLE}]}}
                },
            },
            "cognito-identity.amazonaws.com",
        ),
        (
            "apigateway",
            "PutIntegration",
            {"restApiId": "a", "resourceId": "r", "httpMethod": "GET", "credentials": EXECUTION_ROLE},
            "apigateway.amazonaws.com",
        ),
        (
            "apigateway",
            "CreateAuthorizer",
            {"restApiId": "a", "authorizerCredentials": EXECUTION_ROLE},
            "apigateway.amazonaws.com",
        ),
        (
            "apigateway",
            "UpdateAccount",
            {"patchOperations": [{"op": "replace", "path": "/cloudwatchRoleArn", "value": EXECUTION_ROLE}]},
            "apigateway.amazonaws.com",
        ),
        (
            "cognito-idp",
            "CreateGroup",
            {"UserPoolId": "us-west-2_a", "GroupName": "g", "RoleArn": EXECUTION_ROLE},
            "cognito-idp.amazonaws.com",
        ),
        (
            "cloudformation",
            "CreateStack",
            {"StackName": "s", "RoleARN": EXECUTION_ROLE},
            "cloudformation.amazonaws.com",
        ),
    ],
)
async def test_roles_are_passed_wherever_a_service_will_act_under_them(
    iam: Iam, service: str, operation: str, parameters: dict[str, Any], host: str
) -> None:
    await make_role(iam, name="exec")
    passing = allow("iam:PassRole", EXECUTION_ROLE, {"StringEquals": {"iam:PassedToService": host}})
    without = await make_role(iam, allow(f"{service}:*"), name="Without")
    with_it = await make_role(iam, allow(f"{service}:*"), passing, name="With")

    assert (await judge(iam, without, service, operation, parameters)).action == "iam:PassRole"
    assert (await judge(iam, with_it, service, operation, parameters)).decision.allowed


async def test_the_caller_s_own_credentials_are_no_role(iam: Iam) -> None:
    caller = await make_role(iam, allow("apigateway:*"))
    parameters = {"restApiId": "a", "resourceId": "r", "httpMethod": "GET", "credentials": "arn:aws:iam::*:user/*"}

    assert (await judge(iam, caller, "apigateway", "PutIntegration", parameters)).decision.allowed


async def test_tags_that_are_asked_for_are_condition_keys_and_a_permission(iam: Iam) -> None:
    condition = {
        "StringEquals": {"aws:RequestTag/team": "a"},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["team", "env"]},
    }
    caller = await make_role(iam, allow(["iam:CreateRole", "iam:TagRole"], "*", condition))
    untagging = await make_role(iam, allow("iam:CreateRole"), name="Untagging")

    async def allowed(who: Principal, *tags: tuple[str, str]) -> bool:
        listed = [{"Key": key, "Value": value} for key, value in tags]
        return (await judge(iam, who, "iam", "CreateRole", {"RoleName": "R", "Tags": listed})).decision.allowed

    assert await allowed(caller, ("team", "a"))
    assert await allowed(caller, ("Team", "a")) is False, "values of TagKeys keep their case"
    assert not await allowed(caller, ("team", "b"))
    assert not await allowed(caller, ("team", "a"), ("owner", "me"))
    assert not await allowed(caller)
    assert await allowed(untagging)
    assert not await allowed(untagging, ("team", "a"))


async def test_tags_come_in_the_shape_of_each_service(iam: Iam) -> None:
    condition = {"StringEquals": {"aws:RequestTag/team": "a"}}
    untagging = {"ForAnyValue:StringEquals": {"aws:TagKeys": "team"}}
    caller = await make_role(iam, allow("*", "*", condition), allow("lambda:UntagResource", "*", untagging))

    for service, operation, parameters in (
        ("lambda", "CreateFunction", {"FunctionName": "f", "Tags": {"team": "a"}}),
        ("lambda", "UntagResource", {"Resource": FUNCTION, "TagKeys": ["team"]}),
        ("cognito-idp", "CreateUserPool", {"PoolName": "p", "UserPoolTags": {"team": "a"}}),
        ("cognito-identity", "CreateIdentityPool", {"IdentityPoolName": "p", "IdentityPoolTags": {"team": "a"}}),
        ("apigateway", "CreateRestApi", {"name": "a", "tags": {"team": "a"}}),
        ("cloudformation", "CreateStack", {"StackName": "s", "Tags": [{"Key": "team", "Value": "a"}]}),
    ):
        assert (await judge(iam, caller, service, operation, parameters)).decision.allowed, operation


async def test_tags_and_boundaries_of_roles_are_known(iam: Iam) -> None:
    boundary = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    await make_role(iam, name="Mine", tags=(Tag(key="team", value="a"),), permissions_boundary=boundary)
    await make_role(iam, name="Other")
    by_tag = await make_role(iam, allow("iam:*", "*", {"StringEquals": {"aws:ResourceTag/team": "a"}}), name="ByTag")
    bounded = await make_role(
        iam, allow("iam:*", "*", {"StringEquals": {"iam:PermissionsBoundary": boundary}}), name="Bounded"
    )

    for caller in (by_tag, bounded):
        assert (await judge(iam, caller, "iam", "PutRolePolicy", {"RoleName": "Mine"})).decision.allowed
        assert not (await judge(iam, caller, "iam", "PutRolePolicy", {"RoleName": "Other"})).decision.allowed
    asked = {"RoleName": "New", "PermissionsBoundary": boundary}
    assert (await judge(iam, bounded, "iam", "CreateRole", asked)).decision.allowed
    assert not (await judge(iam, bounded, "iam", "CreateRole", {"RoleName": "New"})).decision.allowed


async def test_tags_that_are_not_known_help_nobody(iam: Iam) -> None:
    condition = {"StringEquals": {"aws:ResourceTag/stage": "prod"}}
    allowed_by_tag = await make_role(iam, allow("lambda:*", "*", condition), name="Allowed")
    denied_by_tag = await make_role(iam, allow("lambda:*"), deny("lambda:*", "*", condition), name="Denied")

    for caller in (allowed_by_tag, denied_by_tag):
        assert not (await judge(iam, caller, "lambda", "DeleteFunction", {"FunctionName": "f"})).decision.allowed


async def test_condition_keys_that_cannot_be_told_help_nobody(iam: Iam) -> None:
    condition = {"StringEquals": {"lambda:VpcIds": "vpc-1"}}
    caller = await make_role(iam, allow("lambda:*"), deny("lambda:CreateFunction", "*", condition))

    assert (
        await judge(iam, caller, "lambda", "CreateFunction", {"FunctionName": "f"})
    ).decision.outcome == "explicitDeny"
    assert (await judge(iam, caller, "lambda", "DeleteFunction", {"FunctionName": "f"})).decision.allowed


@pytest.mark.parametrize(
    "operation", ["CreateEventSourceMapping", "CreateFunctionUrlConfig", "DeleteFunctionUrlConfig"]
)
async def test_for_which_function_something_is_made_can_be_limited(iam: Iam, operation: str) -> None:
    condition = {"ArnEquals": {"lambda:FunctionArn": FUNCTION}}
    only = await make_role(iam, allow("lambda:*", "*", condition), name="Only")
    all_but = await make_role(iam, allow("lambda:*"), deny("lambda:*", "*", condition), name="AllBut")

    async def may(caller: Principal, function: str) -> bool:
        return (await judge(iam, caller, "lambda", operation, {"FunctionName": function})).decision.allowed

    assert [await may(only, name) for name in ("f", FUNCTION, f"{ACCOUNT}:function:f", "g")] == [
        True,
        True,
        True,
        False,
    ]
    assert [await may(all_but, name) for name in ("f", FUNCTION, "g")] == [False, False, True]
    # Of a version or an alias it is not known which ARN is meant, and that helps nobody.
    assert [await may(caller, "f:live") for caller in (only, all_but)] == [False, False]


async def test_for_which_function_a_mapping_is_that_is_there_already_helps_nobody(iam: Iam) -> None:
    condition = {"ArnEquals": {"lambda:FunctionArn": FUNCTION}}
    only = await make_role(iam, allow("lambda:*", "*", condition), name="Only")
    all_but = await make_role(iam, allow("lambda:*"), deny("lambda:*", "*", condition), name="AllBut")
    mapping = {"UUID": "11111111-2222-3333-4444-555555555555", "FunctionName": "f"}

    for operation in ("UpdateEventSourceMapping", "DeleteEventSourceMapping"):
        for caller in (only, all_but):
            assert not (await judge(iam, caller, "lambda", operation, mapping)).decision.allowed


async def test_which_policy_may_be_attached_can_be_limited(iam: Iam) -> None:
    allowed_policy = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    await make_role(iam, name="R")
    caller = await make_role(iam, allow("iam:AttachRolePolicy", "*", {"ArnEquals": {"iam:PolicyARN": allowed_policy}}))

    async def allowed(policy_arn: str) -> bool:
        parameters = {"RoleName": "R", "PolicyArn": policy_arn}
        return (await judge(iam, caller, "iam", "AttachRolePolicy", parameters)).decision.allowed

    assert await allowed(allowed_policy)
    assert not await allowed("arn:aws:iam::aws:policy/AdministratorAccess")


async def test_an_api_s_policy_needs_a_permission_of_its_own(iam: Iam) -> None:
    caller = await make_role(iam, allow(["apigateway:POST", "apigateway:PATCH"]))

    for operation, parameters in (
        ("CreateRestApi", {"name": "a", "policy": "{}"}),
        ("UpdateRestApi", {"restApiId": "a", "patchOperations": [{"op": "replace", "path": "/policy", "value": "{}"}]}),
    ):
        judged = await judge(iam, caller, "apigateway", operation, parameters)
        assert (judged.action, judged.decision.allowed) == ("apigateway:UpdateRestApiPolicy", False)
    assert (await judge(iam, caller, "apigateway", "CreateRestApi", {"name": "a"})).decision.allowed


async def test_a_user_speaks_of_itself_when_no_user_is_named(iam: Iam) -> None:
    own = allow("iam:*AccessKey*", "arn:aws:iam::*:user/${aws:username}")
    alice = await make_user(iam, own)

    assert (await judge(iam, alice, "iam", "CreateAccessKey")).decision.allowed
    assert (await judge(iam, alice, "iam", "CreateAccessKey", {"UserName": "alice"})).decision.allowed
    assert not (await judge(iam, alice, "iam", "CreateAccessKey", {"UserName": "bob"})).decision.allowed


async def test_a_role_session_is_limited_by_its_session_policy(iam: Iam) -> None:
    role = await make_role(iam, allow("lambda:*"))
    limited = replace(role, session=Session(NOW, NOW, policies=(document(allow("lambda:Get*")),)))

    assert (await judge(iam, limited, "lambda", "GetFunction", {"FunctionName": "f"})).decision.allowed
    judged = await judge(iam, limited, "lambda", "DeleteFunction", {"FunctionName": "f"})
    assert judged.decision.because == "because no session policy allows the lambda:DeleteFunction action"


async def test_who_am_i_may_always_be_asked_and_assuming_a_role_is_judged_elsewhere(iam: Iam) -> None:
    nobody = await make_role(iam, deny("*"))

    for operation in ("GetCallerIdentity", "AssumeRole"):
        judged = await judge(iam, nobody, "sts", operation, {"RoleArn": EXECUTION_ROLE})
        assert judged.decision.allowed
        assert judged.decision.reasons


async def test_a_session_token_needs_no_permission_and_heeds_a_deny(iam: Iam) -> None:
    silent = await make_role(iam, name="Silent")
    forbidden = await make_role(iam, deny("sts:*"), name="Forbidden")

    assert (await judge(iam, silent, "sts", "GetSessionToken")).decision.allowed
    assert not (await judge(iam, forbidden, "sts", "GetSessionToken")).decision.allowed


async def test_who_has_logs_delivered_may_deliver_logs(iam: Iam) -> None:
    delivered = {"UserPoolId": "us-west-2_a", "LogConfigurations": [{"LogLevel": "ERROR"}]}
    ended = {"UserPoolId": "us-west-2_a", "LogConfigurations": []}
    own = allow("cognito-idp:SetLogDeliveryConfiguration", POOL)
    needed = ("logs:CreateLogDelivery", "logs:PutResourcePolicy", "logs:DescribeLogGroups")
    may = await make_role(iam, own, *map(allow, needed), name="May")

    assert (await judge(iam, may, "cognito-idp", "SetLogDeliveryConfiguration", delivered)).decision.allowed
    for left_out in needed:
        rest = [allow(one) for one in needed if one != left_out]
        caller = await make_role(iam, own, *rest, name=left_out.partition(":")[2])
        refused = await judge(iam, caller, "cognito-idp", "SetLogDeliveryConfiguration", delivered)
        assert (refused.action, refused.resource, refused.decision.allowed) == (left_out, "*", False)
        assert (await judge(iam, caller, "cognito-idp", "SetLogDeliveryConfiguration", ended)).decision.allowed


async def test_terms_that_may_not_be_described_may_not_be_described_by_their_client_either(iam: Iam) -> None:
    named = {"UserPoolId": "us-west-2_a", "ClientId": "c", "TermsName": "terms-of-use"}
    by_client = allow("cognito-idp:DescribeTermsByClient", POOL)
    may = await make_role(iam, by_client, name="May")
    other_pool = deny("cognito-idp:DescribeTerms", POOL.replace("us-west-2_a", "us-west-2_b"))
    elsewhere = await make_role(iam, by_client, other_pool, name="Elsewhere")
    denied = await make_role(iam, by_client, deny("cognito-idp:DescribeTerms", POOL), name="Denied")
    silent = await make_role(iam, allow("cognito-idp:DescribeTerms", POOL), name="Silent")

    for caller, allowed in ((may, True), (elsewhere, True), (denied, False), (silent, False)):
        judged = await judge(iam, caller, "cognito-idp", "DescribeTermsByClient", named)
        assert judged.decision.allowed is allowed, caller.arn


async def test_a_function_s_resource_policy_lets_in_whom_it_names(iam: Iam) -> None:
    caller = await make_role(iam)
    text = document({**allow("lambda:InvokeFunction", FUNCTION), "Principal": {"AWS": caller.policy_arn}})

    class Functions:
        async def find(self, resource_arn: str, /) -> Policy | None:
            return parse_policy(text, kind="resource") if resource_arn == FUNCTION else None

    judge_with_functions = ControlPlaneJudge(iam.store, iam.gatherer, resource_policies={"lambda": Functions()})

    async def allowed(operation: str, name: str) -> bool:
        judged = await judge_with_functions.judge("lambda", operation, {"FunctionName": name}, call_by(caller))
        return judged.decision.allowed

    assert await allowed("Invoke", "f")
    assert not await allowed("Invoke", "g")
    assert not await allowed("DeleteFunction", "f")

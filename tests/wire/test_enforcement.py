"""A CI user, an auditor and a function's role on a real server: each gets exactly what it needs, and no more.

Every row is one call through boto3. The allowed ones do what they say; the refused ones are refused in AWS's words,
with the action and the resource that were asked for.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from support.clients import aws_client
from support.running import RunningServer
from support.zips import make_zip

ACCOUNT, REGION = "123456789012", "us-west-2"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
USER = f"arn:aws:iam::{ACCOUNT}:user/"
REST_APIS = f"arn:aws:apigateway:{REGION}::/restapis"
POOLS = f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/"

CALLS_OUT = '''
import boto3
from botocore.exceptions import ClientError

def handler(event, context):
    """Make the call that the event asks for, with the function's own credentials."""
    try:
        getattr(boto3.client(event["service"]), event["method"])(**event["parameters"])
    except ClientError as error:
        return error.response["Error"]
    return None
'''


def code(source: str = "def handler(event, context):\n    return None\n") -> bytes:
    return make_zip({"main.py": source})


def function(name: str, role: str, source: bytes) -> dict[str, Any]:
    """The parameters of CreateFunction."""
    return {
        "FunctionName": name,
        "Role": ROLE + role,
        "Runtime": "python3.12",
        "Handler": "main.handler",
        "Code": {"ZipFile": source},
        "Timeout": 30,
    }


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str | list[str], resource: str | list[str], condition: object = None) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": action, "Resource": resource}
    return statement if condition is None else {**statement, "Condition": condition}


def trust(service: str) -> str:
    return document({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})


CI_POLICY = document(
    allow(["lambda:CreateFunction", "lambda:UpdateFunctionCode", "lambda:GetFunction"], FUNCTION + "shop-*"),
    allow("iam:PassRole", ROLE + "shop/exec", {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}),
    allow("iam:GetRole", ROLE + "shop/*"),
    allow(["apigateway:GET", "apigateway:POST"], [REST_APIS, REST_APIS + "/*/resources"]),
)


@dataclass
class World:
    """The server and what was made on it."""

    server: RunningServer
    ids: dict[str, str]
    callers: dict[str, Callable[[str, str, dict[str, Any]], dict[str, str] | None]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("enforcement") / "state"
    with RunningServer("serve", state_folder=folder) as server:
        yield make_world(server)


def make_world(server: RunningServer) -> World:
    iam, functions = aws_client(server, "iam"), aws_client(server, "lambda")
    pools, apis = aws_client(server, "cognito-idp"), aws_client(server, "apigateway")
    ids = {
        "pool": pools.create_user_pool(PoolName="customers")["UserPool"]["Id"],
        "other pool": pools.create_user_pool(PoolName="staff")["UserPool"]["Id"],
        "api": apis.create_rest_api(name="shop")["id"],
    }
    for path, name in (("/shop/", "exec"), ("/", "admin"), ("/", "worker")):
        iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=trust("lambda.amazonaws.com"))
    iam.attach_role_policy(RoleName="admin", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    worker_policy = document(
        allow("lambda:InvokeFunction", FUNCTION + "shop-helper"), allow("cognito-idp:ListUsers", POOLS + ids["pool"])
    )
    iam.put_role_policy(RoleName="worker", PolicyName="needs", PolicyDocument=worker_policy)
    functions.create_function(**function("shop-helper", "shop/exec", code()))
    functions.create_function(**function("shop-worker", "worker", code(CALLS_OUT)))
    iam.create_user(UserName="ci")
    iam.put_user_policy(UserName="ci", PolicyName="deploy", PolicyDocument=CI_POLICY)
    iam.create_user(UserName="auditor")
    iam.create_group(GroupName="auditors")
    iam.attach_group_policy(GroupName="auditors", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    iam.add_user_to_group(GroupName="auditors", UserName="auditor")
    callers = {name: as_user(server, name) for name in ("ci", "auditor")} | {"function": as_function(server)}
    return World(server, ids, callers)


def as_user(server: RunningServer, name: str) -> Callable[[str, str, dict[str, Any]], dict[str, str] | None]:
    key = aws_client(server, "iam").create_access_key(UserName=name)["AccessKey"]
    credentials = Credentials(key["AccessKeyId"], key["SecretAccessKey"])

    def call(service: str, method: str, parameters: dict[str, Any]) -> dict[str, str] | None:
        try:
            getattr(aws_client(server, service, credentials), method)(**parameters)
        except ClientError as error:
            refusal: dict[str, str] = error.response["Error"]
            return refusal
        return None

    return call


def as_function(server: RunningServer) -> Callable[[str, str, dict[str, Any]], dict[str, str] | None]:
    functions = aws_client(server, "lambda")

    def call(service: str, method: str, parameters: dict[str, Any]) -> dict[str, str] | None:
        event = {"service": service, "method": method, "parameters": parameters}
        answer = functions.invoke(FunctionName="shop-worker", Payload=json.dumps(event).encode())
        payload = answer["Payload"].read()
        assert "FunctionError" not in answer, payload
        refusal: dict[str, str] | None = json.loads(payload)
        return refusal

    return call


ALLOWED: list[tuple[str, str, str, dict[str, Any]]] = [
    ("ci", "sts", "get_caller_identity", {}),
    ("ci", "lambda", "create_function", function("shop-new", "shop/exec", code())),
    ("ci", "lambda", "update_function_code", {"FunctionName": "shop-helper", "ZipFile": code()}),
    ("ci", "lambda", "get_function", {"FunctionName": "shop-helper"}),
    ("ci", "iam", "get_role", {"RoleName": "exec"}),
    ("ci", "apigateway", "get_rest_apis", {}),
    ("ci", "apigateway", "create_rest_api", {"name": "more"}),
    ("ci", "apigateway", "get_resources", {"restApiId": "{api}"}),
    ("auditor", "sts", "get_caller_identity", {}),
    ("auditor", "lambda", "list_functions", {}),
    ("auditor", "lambda", "get_function", {"FunctionName": "shop-helper"}),
    ("auditor", "iam", "get_account_authorization_details", {}),
    ("auditor", "iam", "get_account_summary", {}),
    ("auditor", "iam", "get_group", {"GroupName": "auditors"}),
    ("auditor", "iam", "get_role_policy", {"RoleName": "worker", "PolicyName": "needs"}),
    ("auditor", "apigateway", "get_rest_api", {"restApiId": "{api}"}),
    ("auditor", "cognito-idp", "list_users", {"UserPoolId": "{other pool}"}),
    ("auditor", "cognito-identity", "list_identity_pools", {"MaxResults": 1}),
    ("auditor", "cloudformation", "describe_stacks", {}),
    ("function", "sts", "get_caller_identity", {}),
    ("function", "lambda", "invoke", {"FunctionName": "shop-helper"}),
    ("function", "cognito-idp", "list_users", {"UserPoolId": "{pool}"}),
]

REFUSED: list[tuple[str, str, str, dict[str, Any], str, str]] = [
    (
        "ci",
        "lambda",
        "create_function",
        function("till", "shop/exec", code()),
        "lambda:CreateFunction",
        FUNCTION + "till",
    ),
    ("ci", "lambda", "create_function", function("shop-x", "admin", code()), "iam:PassRole", ROLE + "admin"),
    (
        "ci",
        "lambda",
        "update_function_configuration",
        {"FunctionName": "shop-helper", "Role": ROLE + "admin"},
        "lambda:UpdateFunctionConfiguration",
        FUNCTION + "shop-helper",
    ),
    (
        "ci",
        "lambda",
        "delete_function",
        {"FunctionName": "shop-helper"},
        "lambda:DeleteFunction",
        FUNCTION + "shop-helper",
    ),
    ("ci", "lambda", "invoke", {"FunctionName": "shop-helper"}, "lambda:InvokeFunction", FUNCTION + "shop-helper"),
    ("ci", "lambda", "list_functions", {}, "lambda:ListFunctions", "*"),
    ("ci", "iam", "get_role", {"RoleName": "admin"}, "iam:GetRole", ROLE + "admin"),
    (
        "ci",
        "iam",
        "put_role_policy",
        {"RoleName": "exec", "PolicyName": "p", "PolicyDocument": document(allow("*", "*"))},
        "iam:PutRolePolicy",
        ROLE + "shop/exec",
    ),
    ("ci", "iam", "create_access_key", {}, "iam:CreateAccessKey", USER + "ci"),
    (
        "ci",
        "iam",
        "add_user_to_group",
        {"GroupName": "auditors", "UserName": "ci"},
        "iam:AddUserToGroup",
        f"arn:aws:iam::{ACCOUNT}:group/auditors",
    ),
    ("ci", "apigateway", "delete_rest_api", {"restApiId": "{api}"}, "apigateway:DELETE", REST_APIS + "/{api}"),
    (
        "auditor",
        "apigateway",
        "create_authorizer",
        {"restApiId": "{api}", "name": "mine", "type": "TOKEN"},
        "apigateway:POST",
        REST_APIS + "/{api}/authorizers",
    ),
    (
        "auditor",
        "apigateway",
        "test_invoke_authorizer",
        {"restApiId": "{api}", "authorizerId": "a"},
        "apigateway:POST",
        REST_APIS + "/{api}/authorizers/a",
    ),
    (
        "auditor",
        "apigateway",
        "test_invoke_method",
        {"restApiId": "{api}", "resourceId": "r", "httpMethod": "GET"},
        "apigateway:POST",
        REST_APIS + "/{api}/resources/r/methods/GET",
    ),
    (
        "auditor",
        "apigateway",
        "create_domain_name",
        {"domainName": "api.example.com"},
        "apigateway:POST",
        f"arn:aws:apigateway:{REGION}::/domainnames",
    ),
    (
        "auditor",
        "apigateway",
        "put_rest_api",
        {"restApiId": "{api}", "body": b"{}"},
        "apigateway:PUT",
        REST_APIS + "/{api}",
    ),
    (
        "auditor",
        "apigateway",
        "update_account",
        {"patchOperations": []},
        "apigateway:PATCH",
        f"arn:aws:apigateway:{REGION}::/account",
    ),
    ("ci", "cognito-idp", "list_user_pools", {"MaxResults": 1}, "cognito-idp:ListUserPools", "*"),
    ("auditor", "lambda", "invoke", {"FunctionName": "shop-helper"}, "lambda:InvokeFunction", FUNCTION + "shop-helper"),
    (
        "auditor",
        "lambda",
        "delete_function",
        {"FunctionName": "shop-helper"},
        "lambda:DeleteFunction",
        FUNCTION + "shop-helper",
    ),
    ("auditor", "iam", "create_access_key", {}, "iam:CreateAccessKey", USER + "auditor"),
    ("auditor", "iam", "create_user", {"UserName": "mine"}, "iam:CreateUser", USER + "mine"),
    (
        "auditor",
        "iam",
        "attach_user_policy",
        {"UserName": "auditor", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
        "iam:AttachUserPolicy",
        USER + "auditor",
    ),
    ("auditor", "apigateway", "create_api_key", {}, "apigateway:POST", f"arn:aws:apigateway:{REGION}::/apikeys"),
    ("auditor", "cognito-idp", "create_user_pool", {"PoolName": "mine"}, "cognito-idp:CreateUserPool", "*"),
    (
        "auditor",
        "cognito-idp",
        "admin_delete_user",
        {"UserPoolId": "{pool}", "Username": "u"},
        "cognito-idp:AdminDeleteUser",
        POOLS + "{pool}",
    ),
    (
        "function",
        "cognito-idp",
        "admin_link_provider_for_user",
        {"UserPoolId": "{pool}", "DestinationUser": {"ProviderName": "Cognito"}, "SourceUser": {"ProviderName": "x"}},
        "cognito-idp:AdminLinkProviderForUser",
        POOLS + "{pool}",
    ),
    (
        "function",
        "cognito-idp",
        "admin_disable_provider_for_user",
        {"UserPoolId": "{pool}", "User": {"ProviderName": "x"}},
        "cognito-idp:AdminDisableProviderForUser",
        POOLS + "{pool}",
    ),
    (
        "auditor",
        "sts",
        "assume_role",
        {"RoleArn": ROLE + "admin", "RoleSessionName": "me"},
        "sts:AssumeRole",
        ROLE + "admin",
    ),
    (
        "function",
        "lambda",
        "invoke",
        {"FunctionName": "shop-worker"},
        "lambda:InvokeFunction",
        FUNCTION + "shop-worker",
    ),
    (
        "function",
        "lambda",
        "get_function",
        {"FunctionName": "shop-helper"},
        "lambda:GetFunction",
        FUNCTION + "shop-helper",
    ),
    (
        "function",
        "cognito-idp",
        "list_users",
        {"UserPoolId": "{other pool}"},
        "cognito-idp:ListUsers",
        POOLS + "{other pool}",
    ),
    (
        "function",
        "cognito-idp",
        "admin_delete_user",
        {"UserPoolId": "{pool}", "Username": "u"},
        "cognito-idp:AdminDeleteUser",
        POOLS + "{pool}",
    ),
    (
        "function",
        "cognito-idp",
        "admin_link_provider_for_user",
        {"UserPoolId": "{pool}", "DestinationUser": {"ProviderName": "Cognito"}, "SourceUser": {"ProviderName": "x"}},
        "cognito-idp:AdminLinkProviderForUser",
        POOLS + "{pool}",
    ),
    (
        "function",
        "cognito-idp",
        "admin_disable_provider_for_user",
        {"UserPoolId": "{pool}", "User": {"ProviderName": "x"}},
        "cognito-idp:AdminDisableProviderForUser",
        POOLS + "{pool}",
    ),
    ("function", "iam", "list_users", {}, "iam:ListUsers", "*"),
    (
        "function",
        "sts",
        "assume_role",
        {"RoleArn": ROLE + "admin", "RoleSessionName": "me"},
        "sts:AssumeRole",
        ROLE + "admin",
    ),
]


def filled(world: World, value: Any) -> Any:
    """`value` with the ids of what was made in place of their names."""
    if isinstance(value, dict):
        return {key: filled(world, item) for key, item in value.items()}
    if isinstance(value, str):
        for name, made in world.ids.items():
            value = value.replace("{" + name + "}", made)
    return value


@pytest.mark.parametrize(("caller", "service", "method", "parameters"), ALLOWED)
def test_what_a_caller_needs_it_gets(
    world: World, caller: str, service: str, method: str, parameters: dict[str, Any]
) -> None:
    assert world.callers[caller](service, method, filled(world, parameters)) is None


@pytest.mark.parametrize(("caller", "service", "method", "parameters", "action", "resource"), REFUSED)
def test_what_a_caller_does_not_need_it_does_not_get(
    world: World, caller: str, service: str, method: str, parameters: dict[str, Any], action: str, resource: str
) -> None:
    refusal = world.callers[caller](service, method, filled(world, parameters))

    arns = {"function": f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/shop-worker"}
    assert refusal is not None
    assert refusal["Code"] in {"AccessDenied", "AccessDeniedException"}
    assert refusal["Message"].startswith(
        f"User: {arns.get(caller, USER + caller)} is not authorized to perform: {action} on resource: "
        f"{filled(world, resource)}"
    )


def test_a_group_s_permission_ends_with_the_membership(world: World) -> None:
    iam = aws_client(world.server, "iam")
    iam.create_user(UserName="leaver")
    iam.add_user_to_group(GroupName="auditors", UserName="leaver")
    leaver = as_user(world.server, "leaver")
    assert leaver("iam", "list_users", {}) is None

    iam.remove_user_from_group(GroupName="auditors", UserName="leaver")

    refusal = leaver("iam", "list_users", {})
    assert refusal is not None
    assert refusal["Code"] == "AccessDenied"

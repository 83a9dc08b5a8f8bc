"""Who may touch what is decided by tags, and by who calls: `aws:ResourceTag` and `aws:CalledVia` on a real server."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from support.clients import aws_client
from support.running import RunningServer
from support.zips import make_zip

ACCOUNT = "123456789012"
TEAM = {"team": "blue"}


def zipped(source: str) -> bytes:
    return make_zip({"app.py": source})


FUNCTION = {
    "Runtime": "python3.11",
    "Role": f"arn:aws:iam::{ACCOUNT}:role/runner",
    "Handler": "app.handler",
    "Code": {"ZipFile": zipped("def handler(event, context): return 1")},
}


@dataclass
class World:
    server: RunningServer
    member: Credentials
    made: dict[str, dict[str, Any]]

    def may(self, call: Callable[[], Any]) -> bool:
        """Whether the call is allowed; it fails in no other way."""
        try:
            call()
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"AccessDenied", "AccessDeniedException"}:
                raise
            return False
        return True


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def new_user(server: RunningServer, name: str, policy: str) -> Credentials:
    iam = aws_client(server, "iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("tags") / "state"
    with RunningServer("serve", state_folder=folder) as server:
        policy = document(
            {
                "Effect": "Allow",
                "Action": ["cognito-idp:*", "cognito-identity:*", "apigateway:*", "sqs:*", "lambda:*", "iam:GetPolicy"],
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:ResourceTag/team": "blue"}},
            }
        )
        yield World(server, new_user(server, "member", policy), make_things(server))


def make_things(server: RunningServer) -> dict[str, dict[str, Any]]:
    """Of each kind one that is the team's, and one that is nobody's."""
    iam, queues = aws_client(server, "iam"), aws_client(server, "sqs")
    users, pools, apis = (aws_client(server, name) for name in ("cognito-idp", "cognito-identity", "apigateway"))
    functions = aws_client(server, "lambda")
    anything = document({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="runner", AssumeRolePolicyDocument=document(trust))
    made: dict[str, dict[str, Any]] = {}
    for whose, tags in (("blue", TEAM), ("nobody", {})):
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        pool = pools.create_identity_pool(
            IdentityPoolName=whose, AllowUnauthenticatedIdentities=False, IdentityPoolTags=tags
        )
        policy = iam.create_policy(PolicyName=whose, PolicyDocument=anything, Tags=listed)["Policy"]
        made[whose] = {
            "user pool": {"UserPoolId": users.create_user_pool(PoolName=whose, UserPoolTags=tags)["UserPool"]["Id"]},
            "identity pool": {"IdentityPoolId": pool["IdentityPoolId"]},
            "rest api": {"restApiId": apis.create_rest_api(name=whose, tags=tags)["id"]},
            "api key": {"apiKey": apis.create_api_key(name=whose, tags=tags)["id"]},
            "domain name": {
                "domainName": apis.create_domain_name(domainName=f"{whose}.shop.example", tags=tags)["domainName"]
            },
            "queue": {"QueueUrl": queues.create_queue(QueueName=whose, tags=tags)["QueueUrl"]},
            "policy": {"PolicyArn": policy["Arn"]},
            "function": {"FunctionName": whose},
        }
        functions.create_function(FunctionName=whose, Tags=tags, **FUNCTION)
    return made


LOOKS = {
    "user pool": ("cognito-idp", "describe_user_pool"),
    "identity pool": ("cognito-identity", "describe_identity_pool"),
    "rest api": ("apigateway", "get_rest_api"),
    "api key": ("apigateway", "get_api_key"),
    "domain name": ("apigateway", "get_domain_name"),
    "queue": ("sqs", "get_queue_attributes"),
    "function": ("lambda", "invoke"),
    "policy": ("iam", "get_policy"),
}


@pytest.mark.parametrize("kind", sorted(LOOKS))
def test_a_member_may_touch_what_is_tagged_with_the_team_and_nothing_else(world: World, kind: str) -> None:
    service, method = LOOKS[kind]
    look = getattr(aws_client(world.server, service, world.member), method)

    assert world.may(lambda: look(**world.made["blue"][kind]))
    assert not world.may(lambda: look(**world.made["nobody"][kind]))


def test_a_tag_counts_from_the_moment_it_is_there(world: World) -> None:
    root, member = (aws_client(world.server, "apigateway", who) for who in (None, world.member))
    api_id = root.create_rest_api(name="later")["id"]
    arn = f"arn:aws:apigateway:{world.server.config['region']}::/restapis/{api_id}"

    assert not world.may(lambda: member.get_rest_api(restApiId=api_id))
    root.tag_resource(resourceArn=arn, tags=TEAM)
    assert world.may(lambda: member.get_rest_api(restApiId=api_id))
    root.untag_resource(resourceArn=arn, tagKeys=["team"])
    assert not world.may(lambda: member.get_rest_api(restApiId=api_id))


def test_versions_and_aliases_have_the_tags_of_their_function(world: World) -> None:
    root, member = (aws_client(world.server, "lambda", who) for who in (None, world.member))
    for name in ("blue", "nobody"):
        version = root.publish_version(FunctionName=name)["Version"]
        root.create_alias(FunctionName=name, Name="live", FunctionVersion=version)

    for qualifier in ("1", "live"):
        assert world.may(partial(member.invoke, FunctionName="blue", Qualifier=qualifier))
        assert not world.may(partial(member.invoke, FunctionName="nobody", Qualifier=qualifier))


def test_whoever_may_make_functions_of_the_team_makes_no_other_and_takes_none_over(world: World) -> None:
    """Source: Lambda Developer Guide, "Secure your functions by tag": both actions, by the tags of the request."""
    policy = document(
        {
            "Effect": "Allow",
            "Action": ["lambda:CreateFunction", "lambda:TagResource"],
            "Resource": "*",
            "Condition": {
                "StringEquals": {"aws:RequestTag/team": "blue"},
                "StringEqualsIfExists": {"aws:ResourceTag/team": "blue"},
                "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]},
            },
        },
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": FUNCTION["Role"]},
    )
    root = aws_client(world.server, "lambda")
    maker = aws_client(world.server, "lambda", new_user(world.server, "function-maker", policy))
    root.create_function(FunctionName="red", Tags={"team": "red"}, **FUNCTION)
    red = root.get_function(FunctionName="red")["Configuration"]["FunctionArn"]

    assert not world.may(lambda: maker.create_function(FunctionName="made", **FUNCTION))
    assert not world.may(lambda: maker.create_function(FunctionName="made", Tags={"team": "red"}, **FUNCTION))
    assert not world.may(lambda: maker.create_function(FunctionName="made", Tags={**TEAM, "x": "1"}, **FUNCTION))
    assert world.may(lambda: maker.create_function(FunctionName="made", Tags=TEAM, **FUNCTION))
    assert not world.may(lambda: maker.tag_resource(Resource=red, Tags=TEAM))
    assert not world.may(lambda: maker.untag_resource(Resource=red, TagKeys=["team"]))


def test_what_has_no_tags_of_its_own_is_not_reached_by_a_tag(world: World) -> None:
    apis = aws_client(world.server, "apigateway", world.member)

    assert not world.may(lambda: apis.get_resources(**world.made["blue"]["rest api"]))


def test_what_may_only_be_done_by_way_of_cloudformation_is_refused_to_who_calls_directly(world: World) -> None:
    through = {"ForAnyValue:StringEquals": {"aws:CalledVia": ["cloudformation.amazonaws.com"]}}
    policy = document(
        {"Effect": "Allow", "Action": "cloudformation:*", "Resource": "*"},
        {"Effect": "Allow", "Action": "cognito-idp:*", "Resource": "*", "Condition": through},
    )
    deployer = new_user(world.server, "deployer", policy)
    users = aws_client(world.server, "cognito-idp", deployer)
    stacks = aws_client(world.server, "cloudformation", deployer)
    template = {"Resources": {"People": {"Type": "AWS::Cognito::UserPool", "Properties": {"UserPoolName": "stacked"}}}}

    assert not world.may(lambda: users.create_user_pool(PoolName="direct"))
    stacks.create_stack(StackName="people", TemplateBody=json.dumps(template))
    stacks.get_waiter("stack_create_complete").wait(StackName="people", WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    listed = aws_client(world.server, "cognito-idp").list_user_pools(MaxResults=60)["UserPools"]
    assert {pool["Name"] for pool in listed} >= {"stacked"}
    assert "direct" not in {pool["Name"] for pool in listed}


def test_what_may_not_be_done_by_way_of_a_service_is_refused_in_a_stack(world: World) -> None:
    policy = document(
        {"Effect": "Allow", "Action": ["cloudformation:*", "cognito-idp:*"], "Resource": "*"},
        {
            "Effect": "Deny",
            "Action": "cognito-idp:*",
            "Resource": "*",
            "Condition": {"Bool": {"aws:ViaAWSService": "true"}},
        },
    )
    maker = new_user(world.server, "maker", policy)
    users = aws_client(world.server, "cognito-idp", maker)
    stacks = aws_client(world.server, "cloudformation", maker)
    template = {"Resources": {"People": {"Type": "AWS::Cognito::UserPool", "Properties": {"UserPoolName": "never"}}}}

    assert world.may(lambda: users.create_user_pool(PoolName="by hand"))
    stacks.create_stack(StackName="never", TemplateBody=json.dumps(template), OnFailure="DO_NOTHING")
    settled = stacks.get_waiter("stack_create_complete")
    with pytest.raises(Exception, match="CREATE_FAILED"):
        settled.wait(StackName="never", WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    events = stacks.describe_stack_events(StackName="never")["StackEvents"]
    reasons = [event.get("ResourceStatusReason", "") for event in events]
    assert any("with an explicit deny in an identity-based policy" in reason for reason in reasons)

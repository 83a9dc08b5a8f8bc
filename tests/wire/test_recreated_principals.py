"""A resource policy means the role that was there when it was saved: one made later under its name is a stranger."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest
import requests
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from support.clients import aws_client, new_user, signed
from support.running import RunningServer
from support.zips import make_zip


class Resource(Protocol):
    """Something with a policy of its own."""

    code: str
    message: str

    def grant(self, role_arn: str) -> None:
        """Let the role in, by the resource's policy."""

    def reaches(self, credentials: Credentials) -> bool:
        """Whether these credentials are let in."""

    def policy(self) -> str:
        """The policy as the service shows it."""

    def delete(self) -> None:
        """Make room for the next one of its name."""


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allowed(call: Callable[[], object]) -> bool:
    try:
        call()
    except ClientError as refusal:
        if refusal.response["Error"]["Code"] not in {"AccessDenied", "AccessDeniedException"}:
            raise
        return False
    return True


class QueueOfItsOwn:
    code, message = "InvalidAttributeValue", "Invalid value for the parameter Policy."

    def __init__(self, server: RunningServer, _function_role: str) -> None:
        self.server = server
        self.sqs = aws_client(server, "sqs")
        self.url = self.sqs.create_queue(QueueName="by-policy")["QueueUrl"]
        self.arn = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]

    def grant(self, role_arn: str) -> None:
        statement = {"Effect": "Allow", "Principal": {"AWS": [role_arn]}, "Action": "sqs:*", "Resource": self.arn}
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": document(statement)})

    def reaches(self, credentials: Credentials) -> bool:
        sqs = aws_client(self.server, "sqs", credentials)
        return allowed(lambda: sqs.send_message(QueueUrl=self.url, MessageBody="x"))

    def policy(self) -> str:
        return self.attribute("Policy")

    def attribute(self, name: str) -> str:
        return str(self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=[name])["Attributes"][name])

    def delete(self) -> None:
        self.sqs.delete_queue(QueueUrl=self.url)


class FunctionOfItsOwn:
    code = "InvalidParameterValueException"
    message = "The provided principal was invalid. Please check the principal and try again."

    def __init__(self, server: RunningServer, function_role: str) -> None:
        self.server = server
        self.functions = aws_client(server, "lambda")
        self.functions.create_function(
            FunctionName="by-policy",
            Role=function_role,
            Runtime="python3.11",
            Handler="app.handler",
            Code={"ZipFile": make_zip({"app.py": "def handler(event, context): return 1"})},
        )

    def grant(self, role_arn: str) -> None:
        answer = self.functions.add_permission(
            FunctionName="by-policy", StatementId="role", Action="lambda:InvokeFunction", Principal=role_arn
        )
        assert json.loads(answer["Statement"])["Principal"] == {"AWS": role_arn}

    def reaches(self, credentials: Credentials) -> bool:
        functions = aws_client(self.server, "lambda", credentials)
        return allowed(lambda: functions.invoke(FunctionName="by-policy", InvocationType="DryRun"))

    def policy(self) -> str:
        return str(self.functions.get_policy(FunctionName="by-policy")["Policy"])

    def delete(self) -> None:
        self.functions.delete_function(FunctionName="by-policy")


class ApiOfItsOwn:
    code = "BadRequestException"
    message = "Invalid policy document. Please check the policy syntax and ensure that Principals are valid."

    def __init__(self, server: RunningServer, _function_role: str) -> None:
        self.server = server
        self.gateway = gateway = aws_client(server, "apigateway")
        self.id = gateway.create_rest_api(name="by policy")["id"]
        root = gateway.get_resources(restApiId=self.id)["items"][0]["id"]
        at = {"restApiId": self.id, "resourceId": root, "httpMethod": "GET"}
        gateway.put_method(**at, authorizationType="AWS_IAM")
        gateway.put_integration(**at, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
        gateway.put_method_response(**at, statusCode="200")
        gateway.put_integration_response(**at, statusCode="200")

    def grant(self, role_arn: str) -> None:
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": role_arn},
            "Action": "execute-api:Invoke",
            "Resource": "execute-api:/*",
        }
        patch = {"op": "replace", "path": "/policy", "value": document(statement)}
        self.gateway.update_rest_api(restApiId=self.id, patchOperations=[patch])
        self.gateway.create_deployment(restApiId=self.id, stageName="live")

    def reaches(self, credentials: Credentials) -> bool:
        url = f"{self.server.url}/_api/{self.id}/live/"
        with requests.Session() as client:
            answer = client.send(signed(self.server, credentials, url=url, headers={}), timeout=10)
        assert answer.status_code in {200, 403}
        return answer.status_code == 200

    def policy(self) -> str:
        exported = self.gateway.get_export(
            restApiId=self.id, stageName="live", exportType="oas30", parameters={"extensions": "apigateway"}
        )["body"].read()
        shown: str = json.loads('"' + self.gateway.get_rest_api(restApiId=self.id)["policy"] + '"')
        principal = json.loads(exported)["x-amazon-apigateway-policy"]["Statement"][0]["Principal"]
        assert json.loads(shown)["Statement"][0]["Principal"] == principal
        return shown

    def delete(self) -> None:
        self.gateway.delete_rest_api(restApiId=self.id)


@pytest.fixture(params=[QueueOfItsOwn, FunctionOfItsOwn, ApiOfItsOwn], ids=["queue", "function", "api"])
def resource(request: pytest.FixtureRequest, serving: RunningServer, function_role: str) -> Iterator[Resource]:
    made: Resource = request.param(serving, function_role)
    yield made
    made.delete()


@pytest.fixture
def role_arn(serving: RunningServer) -> Iterator[str]:
    yield new_role(serving)
    aws_client(serving, "iam").delete_role(RoleName="named-by-policies")


def new_role(server: RunningServer) -> str:
    account = server.config["account_id"]
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}
    made = aws_client(server, "iam").create_role(RoleName="named-by-policies", AssumeRolePolicyDocument=document(trust))
    return str(made["Role"]["Arn"])


@pytest.fixture(scope="module")
def assumer(serving: RunningServer) -> Credentials:
    """Root may not assume roles; this user may, and nothing else."""
    return new_user(serving, "assumer", {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"})


def session_of(server: RunningServer, assumer: Credentials, role_arn: str) -> Credentials:
    made = aws_client(server, "sts", assumer).assume_role(RoleArn=role_arn, RoleSessionName="somebody")["Credentials"]
    return Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])


def test_a_role_made_anew_under_its_name_inherits_nothing(
    serving: RunningServer, resource: Resource, role_arn: str, assumer: Credentials
) -> None:
    resource.grant(role_arn)
    assert resource.reaches(session_of(serving, assumer, role_arn))
    assert role_arn in resource.policy()

    aws_client(serving, "iam").delete_role(RoleName="named-by-policies")
    assert new_role(serving) == role_arn

    assert not resource.reaches(session_of(serving, assumer, role_arn))
    assert role_arn not in resource.policy()
    assert "AROA" in resource.policy()


def test_a_session_whose_role_is_gone_is_nobody_even_when_the_name_is_taken_again(
    serving: RunningServer, role_arn: str, assumer: Credentials
) -> None:
    sts = aws_client(serving, "sts", session_of(serving, assumer, role_arn))
    account = serving.config["account_id"]
    assert sts.get_caller_identity()["Arn"] == f"arn:aws:sts::{account}:assumed-role/named-by-policies/somebody"

    aws_client(serving, "iam").delete_role(RoleName="named-by-policies")
    with pytest.raises(ClientError) as gone:
        sts.get_caller_identity()
    assert new_role(serving) == role_arn
    with pytest.raises(ClientError) as replaced:
        sts.get_caller_identity()

    for refused in (gone, replaced):
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        assert refused.value.response["Error"]["Code"] == "InvalidClientTokenId"
        assert refused.value.response["Error"]["Message"] == "The security token included in the request is invalid."


def test_a_role_that_is_not_there_is_refused(serving: RunningServer, resource: Resource, role_arn: str) -> None:
    with pytest.raises(ClientError) as refused:
        resource.grant(role_arn + "-of-nobody")
    assert (refused.value.response["Error"]["Code"], refused.value.response["Error"]["Message"]) == (
        resource.code,
        resource.message,
    )

"""One server for all wire tests that need nothing but AWS's operations, and a role for functions on it."""

import json
from collections.abc import Iterator

import pytest

from support.clients import aws_client
from support.gateway_story import GatewayStory, http_backend
from support.running import RunningServer


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer("serve", state_folder=tmp_path_factory.mktemp("serving") / "state") as server:
        yield server


@pytest.fixture(scope="session")
def function_role(serving: RunningServer) -> str:
    """The ARN of a role that Lambda may assume, and that may do nothing."""
    statement = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    made = aws_client(serving, "iam").create_role(
        RoleName="functions",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    return str(made["Role"]["Arn"])


@pytest.fixture(scope="session")
def gateway_story(serving: RunningServer, function_role: str) -> Iterator[GatewayStory]:
    """The deployed REST API with a route for each way in."""
    with http_backend() as backend:
        yield GatewayStory(serving, function_role, backend)

"""Messages to people: written by signing up, read in the owner's mailbox."""

import re
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from typer.testing import CliRunner, Result

from support.clients import aws_client
from support.running import ROOT_KEY, RunningServer
from velvetrope.cli.main import _cli

__all__ = ["cognito", "link_in", "mailbox", "sign_up"]


def cognito(server: RunningServer) -> Any:
    """A client of the operations that AWS leaves unsigned."""
    config = Config(signature_version=UNSIGNED)
    return boto3.client("cognito-idp", endpoint_url=server.url, region_name="us-west-2", config=config)


def sign_up(server: RunningServer, name: str) -> str:
    """A new person in a new pool, to whom a code is written; the id of the pool's client."""
    admin = aws_client(server, "cognito-idp")
    pool_id = admin.create_user_pool(PoolName="people", AutoVerifiedAttributes=["email"])["UserPool"]["Id"]
    client = admin.create_user_pool_client(UserPoolId=pool_id, ClientName="web")["UserPoolClient"]
    cognito(server).sign_up(
        ClientId=client["ClientId"],
        Username=name,
        Password="Passw0rd!",
        UserAttributes=[{"Name": "email", "Value": f"{name}@people.example"}],
    )
    return str(client["ClientId"])


def mailbox(server: RunningServer, *arguments: str, key: tuple[str, str] = ROOT_KEY) -> Result:
    """`velvetrope mailbox`, as the owner calls it."""
    return CliRunner().invoke(
        _cli,
        ["mailbox", *arguments, "--state-folder", str(server.state_folder)],
        env={"VELVETROPE_ROOT_ACCESS_KEY_ID": key[0], "VELVETROPE_ROOT_SECRET_ACCESS_KEY": key[1]},
    )


def link_in(result: Result) -> str:
    """The link that the command printed."""
    link = re.search(r"http\S+/_velvetrope/mailbox\?ticket=\w+", result.stdout)
    assert link is not None, result.output
    return link[0]

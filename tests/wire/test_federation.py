"""People whom somebody else vouches for, on a real server: SAML through boto3 and the AWS CLI."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from support.clients import aws_client
from support.running import RunningServer, clean_environment
from support.saml import ATTRIBUTE, OTHER_KEY, SIGN_IN, Response, metadata
from velvetrope.server.machine import SystemClock

ACCOUNT = "123456789012"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:saml-provider/corp"
STAFF = f"arn:aws:iam::{ACCOUNT}:role/staff"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder: Path = tmp_path_factory.mktemp("federation") / "state"
    with RunningServer("serve", state_folder=folder) as server:
        iam = aws_client(server, "iam")
        iam.create_saml_provider(Name="corp", SAMLMetadataDocument=metadata())
        iam.create_role(RoleName="staff", AssumeRolePolicyDocument=saml_trust())
        policy = document({"Effect": "Allow", "Action": "iam:ListRoles", "Resource": "*"})
        iam.put_role_policy(RoleName="staff", PolicyName="look", PolicyDocument=policy)
        yield server


def document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def saml_trust() -> str:
    return document(
        {
            "Effect": "Allow",
            "Principal": {"Federated": PROVIDER},
            "Action": "sts:AssumeRoleWithSAML",
            "Condition": {"StringEquals": {"SAML:aud": SIGN_IN}},
        }
    )


def unsigned(server: RunningServer, service: str) -> Any:
    """A client without credentials, as somebody has who only signed in elsewhere."""
    return boto3.client(
        service,
        endpoint_url=server.url,
        region_name=server.config["region"],
        config=Config(signature_version=UNSIGNED, retries={"max_attempts": 0}),
    )


def response(**changes: Any) -> Response:
    attributes = {f"{ATTRIBUTE}Role": [f"{STAFF},{PROVIDER}"], f"{ATTRIBUTE}RoleSessionName": ["carol"]}
    return replace(Response(now=SystemClock().now(), attributes=attributes), **changes)


def refusal_of(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int, str]:
    answer = error.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


def test_a_saml_sign_in_gives_credentials_that_do_what_the_role_may(server: RunningServer) -> None:
    answer = unsigned(server, "sts").assume_role_with_saml(
        RoleArn=STAFF, PrincipalArn=PROVIDER, SAMLAssertion=response().encoded()
    )
    given = answer["Credentials"]
    carol = Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])

    assert (answer["Subject"], answer["SubjectType"]) == ("carol@example.com", "persistent")
    assert answer["Audience"] == SIGN_IN
    who = aws_client(server, "sts", carol).get_caller_identity()["Arn"]
    assert who == f"arn:aws:sts::{ACCOUNT}:assumed-role/staff/carol"
    assert aws_client(server, "iam", carol).list_roles()["Roles"]
    with pytest.raises(ClientError) as error:
        aws_client(server, "iam", carol).list_users()
    assert refusal_of(error)[:2] == ("AccessDenied", 403)


def test_a_forged_saml_response_gives_nothing(server: RunningServer) -> None:
    with pytest.raises(ClientError) as error:
        unsigned(server, "sts").assume_role_with_saml(
            RoleArn=STAFF, PrincipalArn=PROVIDER, SAMLAssertion=response(key=OTHER_KEY).encoded()
        )

    assert refusal_of(error) == ("InvalidIdentityToken", 400, "Response signature invalid")


def cli(server: RunningServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The AWS CLI with nothing but the endpoint."""
    environment = clean_environment(
        AWS_ENDPOINT_URL=server.url,
        AWS_REGION=server.config["region"],
        AWS_EC2_METADATA_DISABLED="true",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    )
    command = [str(Path(sys.executable).with_name("aws")), *arguments, "--output", "json"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_aws_cli_signs_in_with_a_response_in_a_file(server: RunningServer, tmp_path: Path) -> None:
    file = tmp_path / "response"
    file.write_text(response().encoded())
    ask = ("sts", "assume-role-with-saml", "--role-arn", STAFF, "--principal-arn", PROVIDER)

    done = cli(server, *ask, "--saml-assertion", f"file://{file}")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["AssumedRoleUser"]["Arn"].endswith("assumed-role/staff/carol")
    file.write_text(response(audiences=["urn:other"]).encoded())
    refused = cli(server, *ask, "--saml-assertion", f"file://{file}")
    assert refused.returncode != 0
    assert "(InvalidIdentityToken)" in refused.stderr
    assert "Response does not contain the required audience." in refused.stderr


def test_an_identity_pool_takes_the_response_as_a_login(server: RunningServer) -> None:
    pools, iam = aws_client(server, "cognito-identity"), aws_client(server, "iam")
    pool_id = pools.create_identity_pool(
        IdentityPoolName="people", AllowUnauthenticatedIdentities=False, SamlProviderARNs=[PROVIDER]
    )["IdentityPoolId"]
    trust = document(
        {
            "Effect": "Allow",
            "Principal": {"Federated": "cognito-identity.amazonaws.com"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {"cognito-identity.amazonaws.com:aud": pool_id}},
        }
    )
    role = iam.create_role(RoleName="member", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    pools.set_identity_pool_roles(IdentityPoolId=pool_id, Roles={"authenticated": role})
    people, logins = unsigned(server, "cognito-identity"), {PROVIDER: response().encoded()}

    identity_id = people.get_id(IdentityPoolId=pool_id, Logins=logins)["IdentityId"]
    given = people.get_credentials_for_identity(IdentityId=identity_id, Logins=logins)["Credentials"]

    carol = Credentials(given["AccessKeyId"], given["SecretKey"], given["SessionToken"])
    who = aws_client(server, "sts", carol).get_caller_identity()["Arn"]
    assert who == f"arn:aws:sts::{ACCOUNT}:assumed-role/member/CognitoIdentityCredentials"
    with pytest.raises(ClientError) as error:
        people.get_id(IdentityPoolId=pool_id, Logins={PROVIDER: response(key=OTHER_KEY).encoded()})
    assert refusal_of(error) == ("NotAuthorizedException", 400, "Invalid login token. Response signature invalid")

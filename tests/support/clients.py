"""Other people's clients, pointed at a running server."""

import json
from collections.abc import Mapping
from typing import Any

import boto3
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from support.running import ROOT_KEY, RunningServer

__all__ = [
    "DEMO_PASSWORD",
    "DEMO_USER",
    "aws_client",
    "explained",
    "guest_credentials",
    "id_token",
    "new_user",
    "signed",
    "user_credentials",
]

DEMO_USER, DEMO_PASSWORD = "demouser", "demoPASS123"


def aws_client(server: RunningServer, service: str, credentials: Credentials | None = None) -> Any:
    """A boto3 client with nothing changed but the endpoint: signed as root, or as `credentials`."""
    key_id, secret, token = (*ROOT_KEY, None)
    if credentials is not None:
        key_id, secret, token = credentials.access_key, credentials.secret_key, credentials.token
    return boto3.client(
        service,
        endpoint_url=server.url,
        region_name=server.config["region"],
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        aws_session_token=token,
        verify=str(server.ca_certificate) if server.url.startswith("https:") else None,
        config=Config(retries={"max_attempts": 0}),
    )


def new_user(server: RunningServer, name: str, *statements: Mapping[str, Any]) -> Credentials:
    """Long-term credentials of a new IAM user that may do what `statements` say, and nothing else."""
    iam = aws_client(server, "iam")
    iam.create_user(UserName=name)
    if statements:
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_user_policy(UserName=name, PolicyName="given", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


def explained(server: RunningServer, request_id: str) -> dict[str, Any]:
    """What the owner is told of one request."""
    url = f"{server.url}/_velvetrope/decisions?request_id={request_id}"
    with requests.Session() as session:
        prepared = signed(server, Credentials(*ROOT_KEY), url=url, service="velvetrope", headers={})
        found: list[dict[str, Any]] = session.send(prepared).json()
    return found[0]


def id_token(server: RunningServer) -> str:
    """The demo user's ID token, by USER_PASSWORD_AUTH."""
    answer = aws_client(server, "cognito-idp").initiate_auth(
        ClientId=server.config["user_pool_client_id"],
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": DEMO_USER, "PASSWORD": DEMO_PASSWORD},
    )
    return str(answer["AuthenticationResult"]["IdToken"])


def _identity_credentials(server: RunningServer, logins: Mapping[str, str]) -> Credentials:
    identities = aws_client(server, "cognito-identity")
    identity_id = identities.get_id(IdentityPoolId=server.config["identity_pool_id"], Logins=dict(logins))["IdentityId"]
    found = identities.get_credentials_for_identity(IdentityId=identity_id, Logins=dict(logins))["Credentials"]
    return Credentials(found["AccessKeyId"], found["SecretKey"], found["SessionToken"])


def guest_credentials(server: RunningServer) -> Credentials:
    """Temporary credentials of the unauthenticated role."""
    return _identity_credentials(server, {})


def user_credentials(server: RunningServer) -> Credentials:
    """Temporary credentials of the authenticated role, for the demo user."""
    config = server.config
    provider = f"cognito-idp.{config['region']}.amazonaws.com/{config['user_pool_id']}"
    return _identity_credentials(server, {provider: id_token(server)})


def signed(
    server: RunningServer,
    credentials: Credentials,
    *,
    path: str = "/require-auth",
    method: str = "GET",
    data: bytes = b"",
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    service: str = "execute-api",
    region: str | None = None,
    url: str | None = None,
) -> requests.PreparedRequest:
    """A request to the demo's API, signed by botocore, ready for `requests` to send; with the API key unless told."""
    given = {"x-api-key": server.config["api_key"]} if headers is None else dict(headers)
    request = AWSRequest(
        method=method, url=url or server.config["api_url"] + path, data=data, params=dict(params or {}), headers=given
    )
    SigV4Auth(credentials, service, region or server.config["region"]).add_auth(request)
    prepared = request.prepare()
    return requests.Request(method, prepared.url, headers=dict(prepared.headers), data=data).prepare()

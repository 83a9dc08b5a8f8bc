"""The whole journey through other people's clients, unmodified: boto3, pycognito, curl, the AWS CLI."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import jwt
import pytest
import requests
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from pycognito.aws_srp import AWSSRP

from support.clients import DEMO_PASSWORD, DEMO_USER, aws_client, guest_credentials, id_token, user_credentials
from support.running import ROOT_KEY, RunningServer, clean_environment


def provider(demo: RunningServer) -> str:
    return f"cognito-idp.{demo.config['region']}.amazonaws.com/{demo.config['user_pool_id']}"


def srp_sign_in(demo: RunningServer, password: str) -> dict[str, Any]:
    client = AWSSRP(
        username=DEMO_USER,
        password=password,
        pool_id=demo.config["user_pool_id"],
        client_id=demo.config["user_pool_client_id"],
        client=aws_client(demo, "cognito-idp"),
    )
    result: dict[str, Any] = client.authenticate_user()["AuthenticationResult"]
    return result


def code_of(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def test_srp_signs_in_with_the_right_password(demo: RunningServer) -> None:
    result = srp_sign_in(demo, DEMO_PASSWORD)

    assert result["TokenType"] == "Bearer"
    assert result["ExpiresIn"] == 3600


def test_srp_is_refused_with_a_wrong_password(demo: RunningServer) -> None:
    with pytest.raises(ClientError) as refused:
        srp_sign_in(demo, "demoPASS124")

    assert code_of(refused) == ("NotAuthorizedException", "Incorrect username or password.")


def test_a_junk_srp_proof_is_refused(demo: RunningServer) -> None:
    """The peers' open door: any PASSWORD_CLAIM_SIGNATURE was good enough for them."""
    idp = aws_client(demo, "cognito-idp")
    client_id = demo.config["user_pool_client_id"]
    challenge = idp.initiate_auth(
        ClientId=client_id,
        AuthFlow="USER_SRP_AUTH",
        AuthParameters={"USERNAME": DEMO_USER, "SRP_A": "ab" * 128},
    )["ChallengeParameters"]

    with pytest.raises(ClientError) as refused:
        idp.respond_to_auth_challenge(
            ClientId=client_id,
            ChallengeName="PASSWORD_VERIFIER",
            ChallengeResponses={
                "USERNAME": challenge["USERNAME"],
                "PASSWORD_CLAIM_SECRET_BLOCK": challenge["SECRET_BLOCK"],
                "PASSWORD_CLAIM_SIGNATURE": base64.b64encode(hmac.digest(b"junk", b"junk", hashlib.sha256)).decode(),
                "TIMESTAMP": "Sun Nov 22 18:00:00 UTC 2026",
            },
        )

    assert code_of(refused)[0] == "NotAuthorizedException"


def test_tokens_are_rs256_and_verify_against_the_published_keys(demo: RunningServer) -> None:
    pool = demo.config["user_pool_id"]
    discovery = requests.get(f"{demo.url}/{pool}/.well-known/openid-configuration").json()
    keys = requests.get(f"{demo.url}/{pool}/.well-known/jwks.json").json()["keys"]
    token = srp_sign_in(demo, DEMO_PASSWORD)["IdToken"]
    key = next(key for key in keys if key["kid"] == jwt.get_unverified_header(token)["kid"])

    claims = jwt.decode(
        token,
        jwt.PyJWK(key).key,
        algorithms=["RS256"],
        audience=demo.config["user_pool_client_id"],
        issuer=discovery["issuer"],
    )

    assert claims["token_use"] == "id"
    assert claims["cognito:username"] == DEMO_USER
    assert len(keys) == 2


def test_refresh_gives_new_tokens_and_revocation_ends_it(demo: RunningServer) -> None:
    idp = aws_client(demo, "cognito-idp")
    client_id = demo.config["user_pool_client_id"]
    first = srp_sign_in(demo, DEMO_PASSWORD)
    parameters = {"REFRESH_TOKEN": first["RefreshToken"]}

    second = idp.initiate_auth(ClientId=client_id, AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters=parameters)
    assert second["AuthenticationResult"]["AccessToken"] != first["AccessToken"]
    assert idp.get_user(AccessToken=first["AccessToken"])["Username"] == DEMO_USER
    idp.revoke_token(Token=first["RefreshToken"], ClientId=client_id)

    with pytest.raises(ClientError) as refused:
        idp.initiate_auth(ClientId=client_id, AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters=parameters)
    assert code_of(refused)[0] == "NotAuthorizedException"
    with pytest.raises(ClientError) as refused:
        idp.get_user(AccessToken=first["AccessToken"])
    assert code_of(refused) == ("NotAuthorizedException", "Access Token has been revoked")


def test_sts_says_who_a_guest_and_a_user_are(demo: RunningServer) -> None:
    guest = aws_client(demo, "sts", guest_credentials(demo)).get_caller_identity()
    user = aws_client(demo, "sts", user_credentials(demo)).get_caller_identity()

    assert guest["Arn"].endswith("/CognitoIdentityCredentials")
    assert user["Arn"].endswith("/CognitoIdentityCredentials")
    assert guest["Arn"] != user["Arn"]


def test_a_forged_id_token_gets_no_identity(demo: RunningServer) -> None:
    head, body, signature = id_token(demo).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["sub"] = "11111111-1111-4111-8111-111111111111"
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")

    with pytest.raises(ClientError) as refused:
        aws_client(demo, "cognito-identity").get_id(
            IdentityPoolId=demo.config["identity_pool_id"], Logins={provider(demo): f"{head}.{forged}.{signature}"}
        )

    assert code_of(refused) == ("NotAuthorizedException", "Invalid login token. Couldn't verify signed token.")


def test_a_users_identity_gives_no_credentials_to_a_guest(demo: RunningServer) -> None:
    identities = aws_client(demo, "cognito-identity")
    logins = {provider(demo): id_token(demo)}
    identity = identities.get_id(IdentityPoolId=demo.config["identity_pool_id"], Logins=logins)["IdentityId"]

    with pytest.raises(ClientError) as refused:
        identities.get_credentials_for_identity(IdentityId=identity)

    assert code_of(refused) == ("NotAuthorizedException", f"Access to Identity '{identity}' is forbidden.")


def test_an_unsigned_control_plane_call_is_refused(demo: RunningServer) -> None:
    response = requests.post(
        demo.url,
        data=json.dumps({"MaxResults": 10}),
        headers={
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "AWSCognitoIdentityProviderService.ListUserPools",
        },
    )

    assert response.status_code == 400
    assert response.json()["__type"] == "MissingAuthenticationTokenException"


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("cognito-idp", "list_user_pools", {"MaxResults": 10}),
        ("cognito-identity", "list_identity_pools", {"MaxResults": 10}),
        ("iam", "list_roles", {}),
        ("apigateway", "get_rest_apis", {}),
        ("lambda", "list_functions", {}),
        ("cloudformation", "describe_stacks", {}),
    ],
)
def test_the_control_plane_is_for_those_whose_policies_allow_it(
    demo: RunningServer, service: str, operation: str, parameters: dict[str, Any]
) -> None:
    getattr(aws_client(demo, service), operation)(**parameters)

    with pytest.raises(ClientError) as refused:
        getattr(aws_client(demo, service, user_credentials(demo)), operation)(**parameters)

    code, message = code_of(refused)
    assert code in ("AccessDeniedException", "AccessDenied")
    assert "is not authorized to perform" in message


def test_an_operation_that_is_not_supported_is_refused_by_name(demo: RunningServer) -> None:
    with pytest.raises(ClientError) as refused:
        aws_client(demo, "cognito-idp").describe_risk_configuration(UserPoolId=demo.config["user_pool_id"])

    assert "DescribeRiskConfiguration" in code_of(refused)[1]


def curl(demo: RunningServer, credentials: Credentials, *more: str) -> tuple[int, str]:
    config = demo.config
    done = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--aws-sigv4", f"aws:amz:{config['region']}:execute-api"),
            *("--user", f"{credentials.access_key}:{credentials.secret_key}"),
            *("--header", f"x-amz-security-token: {credentials.token}", "--header", f"x-api-key: {config['api_key']}"),
            *("--write-out", "\n%{http_code}", *more, config["api_url"] + "/require-auth"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def test_curl_is_let_in(demo: RunningServer) -> None:
    status, body = curl(demo, user_credentials(demo))

    assert (status, json.loads(body)) == (200, {"message": "You're past the velvet rope!"})


def test_curl_is_refused_as_a_guest(demo: RunningServer) -> None:
    status, body = curl(demo, guest_credentials(demo))

    assert status == 403
    assert "is not authorized to perform: execute-api:Invoke" in json.loads(body)["Message"]


def test_the_aws_cli_finds_its_way_by_the_environment(demo: RunningServer) -> None:
    key_id, secret = ROOT_KEY
    environment = clean_environment(
        AWS_ENDPOINT_URL=demo.url,
        AWS_DEFAULT_REGION=demo.config["region"],
        AWS_ACCESS_KEY_ID=key_id,
        AWS_SECRET_ACCESS_KEY=secret,
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    )
    done = subprocess.run(
        [Path(sys.executable).with_name("aws"), "sts", "get-caller-identity", "--output", "json"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["Arn"] == f"arn:aws:iam::{demo.config['account_id']}:root"


def test_a_changed_policy_counts_at_once(demo: RunningServer) -> None:
    """Take the authenticated role's policy away: the same credentials are refused; put it back: they are let in."""
    iam = aws_client(demo, "iam")
    credentials = user_credentials(demo)
    role = aws_client(demo, "sts", credentials).get_caller_identity()["Arn"].split("/")[1]
    name = iam.list_role_policies(RoleName=role)["PolicyNames"][0]
    document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    assert curl(demo, credentials)[0] == 200

    iam.delete_role_policy(RoleName=role, PolicyName=name)
    without = curl(demo, credentials)[0]
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))

    assert (without, curl(demo, credentials)[0]) == (403, 200)


def test_every_refusal_is_explained_to_the_owner_and_to_nobody_else(demo: RunningServer) -> None:
    """By the id that the refused caller was given: at the gateway, at the control plane, at the hosted pages."""
    key_id, secret = ROOT_KEY
    environment = clean_environment(VELVETROPE_ROOT_ACCESS_KEY_ID=key_id, VELVETROPE_ROOT_SECRET_ACCESS_KEY=secret)
    at_the_gateway = requests.get(demo.config["api_url"] + "/no-auth").headers["x-amzn-RequestId"]
    with pytest.raises(ClientError) as refused:
        aws_client(demo, "iam", guest_credentials(demo)).list_roles()
    at_the_control_plane = refused.value.response["ResponseMetadata"]["RequestId"]
    client_id = demo.config["user_pool_client_id"]
    with pytest.raises(ClientError) as refused:
        aws_client(demo, "cognito-idp", guest_credentials(demo)).initiate_auth(
            AuthFlow="USER_PASSWORD_AUTH", ClientId=client_id, AuthParameters={"USERNAME": "x", "PASSWORD": "y"}
        )
    at_the_user_pool = refused.value.response["ResponseMetadata"]["RequestId"]
    form = {"grant_type": "authorization_code", "client_id": client_id, "code": "stolen"}
    answer = requests.post(demo.url + "/oauth2/token", data=form | {"redirect_uri": demo.url + "/"})
    at_the_hosted_pages = answer.headers["x-amz-cognito-request-id"]

    def explained(request_id: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "velvetrope.cli", "explain", request_id, "--state-folder", str(demo.state_folder)],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        return done.stdout

    assert "there is no x-api-key header" in explained(at_the_gateway)
    assert "iam:ListRoles" in explained(at_the_control_plane)
    assert f"userpool/{demo.config['user_pool_id']} " in explained(at_the_user_pool)
    assert f"app client {client_id} " in explained(at_the_user_pool)
    assert "invalid_grant" in explained(at_the_hosted_pages)
    assert "stolen" not in explained(at_the_hosted_pages)
    assert requests.get(demo.url + "/_velvetrope/decisions").status_code == 403


def test_the_function_has_its_own_role(demo: RunningServer) -> None:
    """The role that runs the function is not the caller's, and may do no more than write logs."""
    functions = boto3.client(
        "lambda",
        endpoint_url=demo.url,
        region_name=demo.config["region"],
        aws_access_key_id=ROOT_KEY[0],
        aws_secret_access_key=ROOT_KEY[1],
    )
    configuration = functions.list_functions()["Functions"][0]

    attached = aws_client(demo, "iam").list_attached_role_policies(RoleName=configuration["Role"].split("/")[-1])

    assert [policy["PolicyName"] for policy in attached["AttachedPolicies"]] == ["AWSLambdaBasicExecutionRole"]

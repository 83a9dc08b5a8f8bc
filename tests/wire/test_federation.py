"""Federation and MFA on a real server, through boto3 and the AWS CLI: whom somebody else, or a phone, vouches for."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import jwt
import pyotp
import pytest
import requests
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


def cli(
    server: RunningServer, *arguments: str, key: Credentials | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """The AWS CLI with nothing but the endpoint, a key if one is given, and `variables`."""
    signing = {} if key is None else {"AWS_ACCESS_KEY_ID": key.access_key, "AWS_SECRET_ACCESS_KEY": key.secret_key}
    given = {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_DEFAULT_REGION": server.config["region"],
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        # The CLI keeps the sessions of roles there, and would go on with those of another server.
        "HOME": str(server.state_folder),
    }
    environment = clean_environment(**{**given, **signing, **variables})
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


def test_a_user_with_a_phone_signs_in_to_a_role_that_asks_for_it(server: RunningServer, tmp_path: Path) -> None:
    iam = aws_client(server, "iam")
    iam.create_user(UserName="dora")
    iam.put_user_policy(
        UserName="dora",
        PolicyName="own",
        PolicyDocument=document({"Effect": "Allow", "Action": ["iam:*MFA*", "sts:AssumeRole"], "Resource": "*"}),
    )
    made = iam.create_access_key(UserName="dora")["AccessKey"]
    key = Credentials(made["AccessKeyId"], made["SecretAccessKey"])
    asks_for_mfa = {
        "Effect": "Allow",
        "Principal": {"AWS": ACCOUNT},
        "Action": "sts:AssumeRole",
        "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    }
    role = iam.create_role(RoleName="vault", AssumeRolePolicyDocument=document(asks_for_mfa))["Role"]["Arn"]
    serial, seed_file = f"arn:aws:iam::{ACCOUNT}:mfa/dora", tmp_path / "seed"

    create = ("iam", "create-virtual-mfa-device", "--virtual-mfa-device-name", "dora")
    done = cli(server, *create, "--outfile", str(seed_file), "--bootstrap-method", "Base32StringSeed", key=key)
    assert done.returncode == 0, done.stderr
    phone, now = pyotp.TOTP(seed_file.read_text()), SystemClock().now()
    dora = aws_client(server, "iam", key)
    dora.enable_mfa_device(
        UserName="dora",
        SerialNumber=serial,
        AuthenticationCode1=phone.at(now, counter_offset=-1),
        AuthenticationCode2=phone.at(now),
    )
    assert [device["SerialNumber"] for device in dora.list_mfa_devices()["MFADevices"]] == [serial]

    assume = ("sts", "assume-role", "--role-arn", role, "--role-session-name", "dora")
    without = cli(server, *assume, key=key)
    wrong = cli(server, *assume, "--serial-number", serial, "--token-code", "000000", key=key)
    # The next period's code: those before were spent by enabling, and waiting is not needed.
    right = cli(server, *assume, "--serial-number", serial, "--token-code", phone.at(now, counter_offset=1), key=key)

    assert "(AccessDenied)" in without.stderr
    assert "MultiFactorAuthentication failed with invalid MFA one time pass code." in wrong.stderr
    assert right.returncode == 0, right.stderr
    assert json.loads(right.stdout)["AssumedRoleUser"]["Arn"].endswith("assumed-role/vault/dora")


def test_a_stranger_verifies_a_pools_token_by_what_the_issuer_publishes(server: RunningServer) -> None:
    """Whoever is shown a token of GetOpenIdToken finds its keys as those of any issuer, by AWS's name or by path."""
    pools = aws_client(server, "cognito-identity")
    pool_id = pools.create_identity_pool(
        IdentityPoolName="guests", AllowUnauthenticatedIdentities=True, AllowClassicFlow=True
    )["IdentityPoolId"]
    people = unsigned(server, "cognito-identity")
    identity_id = people.get_id(IdentityPoolId=pool_id)["IdentityId"]
    token = people.get_open_id_token(IdentityId=identity_id)["Token"]
    name, page = "cognito-identity.amazonaws.com", "/.well-known/openid-configuration"

    by_path = requests.get(f"{server.url}/{name}{page}", timeout=10)
    by_host = requests.get(f"{server.url}{page}", headers={"Host": name}, timeout=10)
    keys = jwt.PyJWKClient(by_path.json()["jwks_uri"])
    proven = jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token).key,
        algorithms=by_path.json()["id_token_signing_alg_values_supported"],
        audience=pool_id,
        issuer=by_path.json()["issuer"],
    )

    assert (proven["sub"], proven["amr"]) == (identity_id, ["unauthenticated"])
    assert by_path.headers["access-control-allow-origin"] == "*"
    assert by_host.json()["issuer"] == by_path.json()["issuer"] == f"https://{name}"
    assert by_host.json()["jwks_uri"] == f"https://{name}/.well-known/jwks_uri"
    published = requests.get(f"{server.url}/.well-known/jwks_uri", headers={"Host": name}, timeout=10).json()
    assert {tuple(sorted(key)) for key in published["keys"]} == {("alg", "e", "kid", "kty", "n", "use")}


def test_the_issuers_pages_are_only_where_they_belong(server: RunningServer) -> None:
    name = "cognito-identity.amazonaws.com"

    assert requests.get(f"{server.url}/.well-known/jwks_uri", timeout=10).headers["content-type"] != "application/json"
    assert requests.get(f"{server.url}/{name}/.well-known/jwks.json", timeout=10).status_code == 404
    assert requests.post(f"{server.url}/{name}/.well-known/jwks_uri", timeout=10).status_code == 405
    assert requests.get(f"{server.url}/{name}/.well-known/jwks_uri", timeout=10).status_code == 200


def test_the_aws_cli_finds_a_role_by_a_token_in_a_file(server: RunningServer, tmp_path: Path) -> None:
    """How jobs in a cluster get their role: two variables, and a token that is renewed in a file."""
    pools, iam = aws_client(server, "cognito-identity"), aws_client(server, "iam")
    pool_id = pools.create_identity_pool(
        IdentityPoolName="jobs", AllowUnauthenticatedIdentities=True, AllowClassicFlow=True
    )["IdentityPoolId"]
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": "cognito-identity.amazonaws.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {"cognito-identity.amazonaws.com:aud": pool_id}},
    }
    role = iam.create_role(RoleName="job", AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    people, file = unsigned(server, "cognito-identity"), tmp_path / "token"
    identity_id = people.get_id(IdentityPoolId=pool_id)["IdentityId"]
    token = people.get_open_id_token(IdentityId=identity_id)["Token"]
    file.write_text(token)
    named = {"AWS_ROLE_ARN": role, "AWS_WEB_IDENTITY_TOKEN_FILE": str(file), "AWS_ROLE_SESSION_NAME": "run-7"}

    done = cli(server, "sts", "get-caller-identity", **named)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/job/run-7"
    head, payload, signature = token.split(".")
    file.write_text(f"{head}.{payload}.{signature[:-8]}AAAAAAAA")
    forged = cli(server, "sts", "get-caller-identity", **named)
    assert forged.returncode != 0
    assert "(InvalidIdentityToken) when calling the AssumeRoleWithWebIdentity operation" in forged.stderr


def test_the_aws_cli_goes_through_a_chain_of_profiles(server: RunningServer, tmp_path: Path) -> None:
    iam = aws_client(server, "iam")
    iam.create_user(UserName="erin")
    user = f"arn:aws:iam::{ACCOUNT}:user/erin"
    made = iam.create_access_key(UserName="erin")["AccessKey"]
    key = Credentials(made["AccessKeyId"], made["SecretAccessKey"])

    def make_role(name: str, trusted: str, external_id: str) -> str:
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": trusted},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
        }
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(statement))["Role"]["Arn"]
        return arn

    first = make_role("first", user, "one")
    second = make_role("second", first, "two")
    config = tmp_path / "config"
    config.write_text(
        f"[profile erin]\naws_access_key_id = {key.access_key}\naws_secret_access_key = {key.secret_key}\n"
        f"[profile first]\nrole_arn = {first}\nsource_profile = erin\nexternal_id = one\n"
        f"[profile second]\nrole_arn = {second}\nsource_profile = first\nexternal_id = two\nrole_session_name = s2\n"
        f"[profile wrong]\nrole_arn = {second}\nsource_profile = first\nexternal_id = three\n"
        f"[profile skipped]\nrole_arn = {second}\nsource_profile = erin\nexternal_id = two\n"
    )

    def who(profile: str) -> subprocess.CompletedProcess[str]:
        return cli(server, "sts", "get-caller-identity", "--profile", profile, AWS_CONFIG_FILE=str(config))

    done = who("second")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/second/s2"
    for profile in ("wrong", "skipped"):
        refused = who(profile)
        assert "(AccessDenied) when calling the AssumeRole operation" in refused.stderr
        assert f"is not authorized to perform: sts:AssumeRole on resource: {second}" in refused.stderr

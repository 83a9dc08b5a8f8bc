"""Sign-in through other people's clients, unmodified, against a real server; and its attacks over the wire."""

import hmac
import json
import re
from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pyotp
import pytest
import requests
from botocore.exceptions import ClientError
from pycognito import Cognito
from pycognito.aws_srp import N_HEX
from pycognito.exceptions import SoftwareTokenMFAChallengeException
from typer.testing import CliRunner, Result

from support.authenticator import Authenticator
from support.clients import aws_client, new_user
from support.mailbox import cognito, mailbox
from support.node import run_story
from support.running import ROOT_KEY, RunningServer
from support.zips import make_zip
from velvetrope.cli.main import _cli

PASSWORD, TEMPORARY = "Correct-horse-1", "Temporary-horse-1"
RIDDLE = """
def handler(event, context):
    source, request, response = event["triggerSource"], event["request"], event["response"]
    if source.startswith("Define"):
        steps = request["session"]
        if steps and steps[-1]["challengeResult"]:
            response["issueTokens"] = True
        elif len(steps) >= 3:
            response["failAuthentication"] = True
        else:
            response["challengeName"] = "CUSTOM_CHALLENGE"
    elif source.startswith("Create"):
        response["publicChallengeParameters"] = {"question": "What is six by seven?"}
        response["privateChallengeParameters"] = {"answer": "42"}
    elif source.startswith("Verify"):
        response["answerCorrect"] = request["challengeAnswer"] == request["privateChallengeParameters"]["answer"]
    elif source.startswith("TokenGeneration"):
        response["claimsOverrideDetails"] = {"claimsToAddOrOverride": {"team": "red"}}
    elif request["userAttributes"].get("nickname") == "Never":
        raise ValueError("never")
    return event
"""


@dataclass
class Pool:
    """A pool on the running server."""

    server: RunningServer
    admin: Any
    user_pool_id: str
    client_id: str

    def add(self, username: str, *, permanent: bool = True, **attributes: str) -> None:
        given = {"email": f"{username}@people.example", "email_verified": "true", **attributes}
        self.admin.admin_create_user(
            UserPoolId=self.user_pool_id,
            Username=username,
            MessageAction="SUPPRESS",
            TemporaryPassword=TEMPORARY,
            UserAttributes=[{"Name": name, "Value": value} for name, value in given.items()],
        )
        if permanent:
            self.admin.admin_set_user_password(
                UserPoolId=self.user_pool_id, Username=username, Password=PASSWORD, Permanent=True
            )

    def sign_in(self, username: str, flow: str = "USER_PASSWORD_AUTH", **parameters: str) -> Any:
        given = {"USERNAME": username, **({"PASSWORD": PASSWORD} if flow == "USER_PASSWORD_AUTH" else {}), **parameters}
        return cognito(self.server).initiate_auth(ClientId=self.client_id, AuthFlow=flow, AuthParameters=given)

    def respond(self, username: str, challenge: Any, **responses: str) -> Any:
        return cognito(self.server).respond_to_auth_challenge(
            ClientId=self.client_id,
            ChallengeName=challenge["ChallengeName"],
            Session=challenge["Session"],
            ChallengeResponses={"USERNAME": username, **responses},
        )

    def code_for(self, username: str) -> str:
        shown = mailbox(self.server, "--to", f"{username}@people.example", "--limit", "1").stdout
        return str(re.findall(r"\b[0-9]{6,8}\b", shown)[-1])

    def settings(self, **more: str) -> dict[str, str]:
        return {
            "user_pool_id": self.user_pool_id,
            "client_id": self.client_id,
            "endpoint": self.server.url,
            "password": PASSWORD,
            "temporary_password": TEMPORARY,
            **more,
        }


FLOWS = ("USER_SRP_AUTH", "USER_PASSWORD_AUTH", "CUSTOM_AUTH", "USER_AUTH", "REFRESH_TOKEN_AUTH")


@pytest.fixture(scope="module")
def pool(serving: RunningServer, function_role: str) -> Pool:
    """A pool with everything switched on, and one function for all its triggers, which may be invoked by it."""
    admin, functions = aws_client(serving, "cognito-idp"), aws_client(serving, "lambda")
    riddle = functions.create_function(
        FunctionName="riddle",
        Role=function_role,
        Runtime="python3.12",
        Handler="app.handler",
        Code={"ZipFile": make_zip({"app.py": RIDDLE})},
    )["FunctionArn"]
    triggers = ("PreAuthentication", "DefineAuthChallenge", "CreateAuthChallenge", "VerifyAuthChallengeResponse")
    made = admin.create_user_pool(
        PoolName="people",
        AutoVerifiedAttributes=["email"],
        LambdaConfig={**dict.fromkeys(triggers, riddle), "PreTokenGeneration": riddle},
        DeviceConfiguration={"ChallengeRequiredOnNewDevice": True, "DeviceOnlyRememberedOnUserPrompt": False},
        Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP", "WEB_AUTHN"]}},
    )["UserPool"]
    admin.set_user_pool_mfa_config(
        UserPoolId=made["Id"],
        MfaConfiguration="OPTIONAL",
        SoftwareTokenMfaConfiguration={"Enabled": True},
        WebAuthnConfiguration={"RelyingPartyId": "localhost"},
    )
    client = admin.create_user_pool_client(
        UserPoolId=made["Id"],
        ClientName="web",
        ExplicitAuthFlows=[f"ALLOW_{flow}" for flow in FLOWS],
        PreventUserExistenceErrors="ENABLED",
    )["UserPoolClient"]
    found = Pool(serving, admin, made["Id"], client["ClientId"])
    found.add("early")
    with pytest.raises(ClientError) as refused:
        found.sign_in("early")
    assert error_of(refused) == (
        "UnexpectedLambdaException",
        "PreAuthentication invocation failed due to error AccessDeniedException.",
    )
    functions.add_permission(
        FunctionName="riddle",
        StatementId="pool",
        Action="lambda:InvokeFunction",
        Principal="cognito-idp.amazonaws.com",
        SourceArn=made["Arn"],
    )
    return found


def error_of(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def test_function_lets_in_the_pool_that_its_policy_names_and_no_other(pool: Pool) -> None:
    described = pool.admin.describe_user_pool(UserPoolId=pool.user_pool_id)["UserPool"]
    functions = {"PreAuthentication": described["LambdaConfig"]["PreAuthentication"]}
    other_id = pool.admin.create_user_pool(PoolName="others", LambdaConfig=functions)["UserPool"]["Id"]
    client = pool.admin.create_user_pool_client(
        UserPoolId=other_id, ClientName="web", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
    )["UserPoolClient"]
    other = Pool(pool.server, pool.admin, other_id, client["ClientId"])
    other.add("anna")

    with pytest.raises(ClientError) as refused:
        other.sign_in("anna")

    assert error_of(refused)[0] == "UnexpectedLambdaException"
    pool.add("let-in")
    assert pool.sign_in("let-in")["AuthenticationResult"]["AccessToken"]


def test_trigger_that_raises_and_one_that_adds_a_claim(pool: Pool) -> None:
    pool.add("never", nickname="Never")
    with pytest.raises(ClientError) as refused:
        pool.sign_in("never")
    assert error_of(refused) == ("UserLambdaValidationException", "PreAuthentication failed with error never.")

    pool.add("claims")
    token = pool.sign_in("claims")["AuthenticationResult"]["IdToken"]

    payload = token.split(".")[1]
    assert json.loads(b64decode(payload + "=" * (-len(payload) % 4), altchars=b"-_"))["team"] == "red"


def test_amazon_cognito_identity_js(pool: Pool) -> None:
    pool.add("identity-js", permanent=False)
    pool.add("riddler")

    told = run_story("identity_js.mjs", pool.settings(username="identity-js", riddle_username="riddler"))

    wrong = ["onFailure", "NotAuthorizedException", "Incorrect username or password."]
    once = "Invalid session for the user, session can only be used once."
    assert told == {
        "wrong password": wrong,
        "temporary password": "newPasswordRequired",
        "new password": ["onSuccess", "identity-js"],
        "refresh": True,
        "remembered device": "onSuccess",
        "another device": "totpRequired",
        "wrong code": ["onFailure", "CodeMismatchException", "Invalid code received for user"],
        "right code": "onSuccess",
        "session again": ["onFailure", "NotAuthorizedException", once],
        "riddle": ["customChallenge", "What is six by seven?"],
        "wrong answer": "customChallenge",
        "right answer": "onSuccess",
        "end": None,
    }


def test_amplify(pool: Pool) -> None:
    pool.add("amplify")
    pool.add("passwordless")

    told = run_story(
        "amplify.mjs",
        pool.settings(username="amplify", passwordless_username="passwordless", newcomer="newcomer"),
        answers={
            "code": lambda: pool.code_for("passwordless"),
            "sign-up code": lambda: pool.code_for("newcomer"),
        },
    )

    assert told == {
        "wrong password": ["NotAuthorizedException", "Incorrect username or password."],
        "srp": "DONE",
        "user": "amplify",
        "devices": 1,
        "preference": "TOTP",
        "refresh": True,
        "remembered device": "DONE",
        "another device": "CONFIRM_SIGN_IN_WITH_TOTP_CODE",
        "wrong code": ["CodeMismatchException", "Invalid code received for user"],
        "right code": "DONE",
        "choice": ["CONTINUE_SIGN_IN_WITH_FIRST_FACTOR_SELECTION", ["PASSWORD_SRP", "PASSWORD", "EMAIL_OTP"]],
        "chosen": "CONFIRM_SIGN_IN_WITH_EMAIL_CODE",
        "code": "DONE",
        "after the sign-up": "DONE",
        "preferred password": "DONE",
        "end": None,
    }


def test_pycognito_signs_in_with_a_second_factor(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", pool.server.url)
    jwks = requests.get(f"{pool.server.url}/{pool.user_pool_id}/.well-known/jwks.json", timeout=10).json()
    pool.add("pycognito")
    token = pool.sign_in("pycognito")["AuthenticationResult"]["AccessToken"]
    anonymous = cognito(pool.server)
    secret = anonymous.associate_software_token(AccessToken=token)["SecretCode"]
    app = pyotp.TOTP(secret)
    anonymous.verify_software_token(AccessToken=token, UserCode=app.now())
    anonymous.set_user_mfa_preference(
        AccessToken=token, SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True}
    )
    them = Cognito(
        pool.user_pool_id,
        pool.client_id,
        username="pycognito",
        user_pool_region="us-west-2",
        access_key=ROOT_KEY[0],
        secret_key=ROOT_KEY[1],
    )
    them.pool_jwk = jwks

    with pytest.raises(SoftwareTokenMFAChallengeException):
        them.authenticate(PASSWORD)
    them.respond_to_software_token_mfa_challenge(app.at(datetime.now(UTC) + timedelta(seconds=30)))  # noqa: TID251  as the client's clock

    assert them.access_token


def test_boto3_registers_a_passkey_and_signs_in_with_it(pool: Pool) -> None:
    pool.add("passkey")
    token = pool.sign_in("passkey")["AuthenticationResult"]["AccessToken"]
    authenticator, anonymous = Authenticator("https://localhost:4800"), cognito(pool.server)
    options = anonymous.start_web_authn_registration(AccessToken=token)["CredentialCreationOptions"]
    anonymous.complete_web_authn_registration(AccessToken=token, Credential=authenticator.register(options))

    challenge = pool.sign_in("passkey", "USER_AUTH", PREFERRED_CHALLENGE="WEB_AUTHN")
    signed = authenticator.sign(json.loads(challenge["ChallengeParameters"]["CREDENTIAL_REQUEST_OPTIONS"]))
    result = pool.respond("passkey", challenge, CREDENTIAL=json.dumps(signed))

    assert result["AuthenticationResult"]["AccessToken"]
    with pytest.raises(ClientError) as refused:
        pool.respond("passkey", challenge, CREDENTIAL=json.dumps(signed))
    assert error_of(refused)[0] == "NotAuthorizedException"
    listed = anonymous.list_web_authn_credentials(AccessToken=token)["Credentials"]
    assert [each["RelyingPartyId"] for each in listed] == ["localhost"]


def test_racing_refreshes_under_rotation_have_one_winner(pool: Pool) -> None:
    rotating = pool.admin.create_user_pool_client(
        UserPoolId=pool.user_pool_id,
        ClientName="rotating",
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"],
        RefreshTokenRotation={"Feature": "ENABLED", "RetryGracePeriodSeconds": 0},
    )["UserPoolClient"]
    mine = Pool(pool.server, pool.admin, pool.user_pool_id, rotating["ClientId"])
    mine.add("racer")
    first = mine.sign_in("racer")["AuthenticationResult"]
    device_key = first["NewDeviceMetadata"]["DeviceKey"]

    def refresh(_: int) -> str:
        try:
            cognito(pool.server).get_tokens_from_refresh_token(
                ClientId=mine.client_id, RefreshToken=first["RefreshToken"], DeviceKey=device_key
            )
        except ClientError as refused:
            return str(refused.response["Error"]["Code"])
        return "won"

    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(refresh, range(4)))

    assert outcomes.count("won") == 1
    assert set(outcomes) <= {"won", "RefreshTokenReuseException", "NotAuthorizedException"}
    with pytest.raises(ClientError) as refused:
        cognito(pool.server).get_user(AccessToken=first["AccessToken"])
    assert error_of(refused) == ("NotAuthorizedException", "Access Token has been revoked")


@pytest.mark.parametrize("multiple", [0, 1, 2])
def test_multiples_of_n_are_no_public_values(pool: Pool, multiple: int) -> None:
    """With A = 0 mod N the secret is 0 whatever the password, and the proof could be made by anybody."""
    with pytest.raises(ClientError) as refused:
        pool.sign_in("early", "USER_SRP_AUTH", SRP_A=f"{multiple * int(N_HEX, 16):x}")

    assert error_of(refused)[0] == "InvalidParameterException"


def test_secret_hash_of_another_name_or_client_is_refused(pool: Pool) -> None:
    made = pool.admin.create_user_pool_client(
        UserPoolId=pool.user_pool_id,
        ClientName="server",
        GenerateSecret=True,
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_AUTH", "ALLOW_CUSTOM_AUTH"],
    )["UserPoolClient"]
    mine = Pool(pool.server, pool.admin, pool.user_pool_id, made["ClientId"])

    def secret_hash(text: str) -> str:
        return b64encode(hmac.digest(made["ClientSecret"].encode(), text.encode(), sha256)).decode()

    for flow in ("USER_PASSWORD_AUTH", "USER_AUTH", "CUSTOM_AUTH"):
        for wrong in (secret_hash(f"other{mine.client_id}"), secret_hash(f"early{pool.client_id}")):
            with pytest.raises(ClientError) as refused:
                mine.sign_in("early", flow, SECRET_HASH=wrong)
            assert error_of(refused) == (
                "NotAuthorizedException",
                f"Unable to verify secret hash for client {mine.client_id}",
            )
    assert mine.sign_in("early", SECRET_HASH=secret_hash(f"early{mine.client_id}"))["AuthenticationResult"]


def rotate_keys(pool: Pool, *arguments: str, key: tuple[str, str] = ROOT_KEY) -> Result:
    return CliRunner().invoke(
        _cli,
        ["rotate-keys", *arguments, "--state-folder", str(pool.server.state_folder)],
        env={"VELVETROPE_ROOT_ACCESS_KEY_ID": key[0], "VELVETROPE_ROOT_SECRET_ACCESS_KEY": key[1]},
    )


def test_owner_rotates_signing_keys_at_the_terminal_and_nobody_else_does(pool: Pool) -> None:
    jwks = f"{pool.server.url}/{pool.user_pool_id}/.well-known/jwks.json"
    pool.add("rotated")
    token = pool.sign_in("rotated")["AuthenticationResult"]["AccessToken"]
    somebody = new_user(pool.server, "somebody", {"Effect": "Allow", "Action": "*", "Resource": "*"})

    assert len(requests.get(jwks, timeout=10).json()["keys"]) == 2
    denied = rotate_keys(pool, pool.user_pool_id, key=(somebody.access_key, somebody.secret_key))
    assert denied.exit_code == 1
    assert "did not accept" in denied.output
    page = f"{pool.server.url}/_velvetrope/user-pools/{pool.user_pool_id}/signing-keys"
    assert requests.post(page, timeout=10).status_code == 403
    assert "does not exist" in rotate_keys(pool, "us-west-2_nothere00").output
    assert len(requests.get(jwks, timeout=10).json()["keys"]) == 2

    planned = rotate_keys(pool, pool.user_pool_id)
    assert planned.exit_code == 0, planned.output
    assert len(requests.get(jwks, timeout=10).json()["keys"]) == 4
    assert cognito(pool.server).get_user(AccessToken=token)["Username"] == "rotated"

    assert rotate_keys(pool, pool.user_pool_id, "--at-once").exit_code == 0
    assert len(requests.get(jwks, timeout=10).json()["keys"]) == 2
    with pytest.raises(ClientError) as refused:
        cognito(pool.server).get_user(AccessToken=token)
    assert error_of(refused) == ("NotAuthorizedException", "Invalid Access Token")
    assert pool.sign_in("rotated")["AuthenticationResult"]["AccessToken"]

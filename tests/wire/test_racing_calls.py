"""What counts once, counts once: twenty calls that set off together, from twenty threads, and one of them wins."""

import base64
import json
import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any

import boto3
import pyotp
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from pycognito.aws_srp import AWSSRP

from support.authenticator import Authenticator
from support.clients import aws_client
from support.mailbox import mailbox
from support.running import RunningServer
from velvetrope.server.machine import SystemClock
from velvetrope.srp import make_verifier

RACERS, PASSWORD, TEMPORARY = 20, "Correct-horse-1", "Temporary-horse-1"
USED = "NotAuthorizedException"
now = SystemClock().now


def race(call: Callable[[int], Any]) -> tuple[list[Any], Counter[str]]:
    """The answers of those who won, and the codes of the others' refusals."""
    ready = Barrier(RACERS)

    def run(number: int) -> Any:
        ready.wait(60)
        try:
            return call(number)
        except ClientError as refusal:
            return refusal

    with ThreadPoolExecutor(RACERS) as threads:
        outcomes = list(threads.map(run, range(RACERS)))
    won = [outcome for outcome in outcomes if not isinstance(outcome, ClientError)]
    return won, Counter(str(each.response["Error"]["Code"]) for each in outcomes if isinstance(each, ClientError))


@dataclass
class Track:
    """A pool with everything that can be raced for."""

    server: RunningServer
    admin: Any
    people: Any
    """A client that signs nothing, with a connection for every racer."""
    pool_id: str
    client_id: str

    def add(self, name: str, *, permanent: bool = True) -> None:
        self.admin.admin_create_user(
            UserPoolId=self.pool_id,
            Username=name,
            MessageAction="SUPPRESS",
            TemporaryPassword=TEMPORARY,
            UserAttributes=[
                {"Name": "email", "Value": f"{name}@racers.example"},
                {"Name": "email_verified", "Value": "true"},
            ],
        )
        if permanent:
            self.admin.admin_set_user_password(
                UserPoolId=self.pool_id, Username=name, Password=PASSWORD, Permanent=True
            )

    def sign_in(self, name: str, flow: str = "USER_PASSWORD_AUTH", **parameters: str) -> Any:
        given = {"USERNAME": name, **({"PASSWORD": PASSWORD} if flow == "USER_PASSWORD_AUTH" else {}), **parameters}
        return self.people.initiate_auth(ClientId=self.client_id, AuthFlow=flow, AuthParameters=given)

    def respond(self, name: str, challenge: Any, **responses: str) -> Any:
        session = {"Session": challenge["Session"]} if "Session" in challenge else {}
        return self.people.respond_to_auth_challenge(
            ClientId=self.client_id,
            ChallengeName=challenge["ChallengeName"],
            ChallengeResponses={"USERNAME": name, **responses},
            **session,
        )

    def code_for(self, name: str) -> str:
        shown = mailbox(self.server, "--to", f"{name}@racers.example", "--limit", "1").stdout
        return str(re.findall(r"\b[0-9]{6,8}\b", shown)[-1])


@pytest.fixture(scope="module")
def track(serving: RunningServer) -> Track:
    admin = aws_client(serving, "cognito-idp")
    pool_id = admin.create_user_pool(
        PoolName="racers",
        AutoVerifiedAttributes=["email"],
        DeviceConfiguration={"ChallengeRequiredOnNewDevice": True, "DeviceOnlyRememberedOnUserPrompt": False},
        Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP", "WEB_AUTHN"]}},
    )["UserPool"]["Id"]
    admin.set_user_pool_mfa_config(
        UserPoolId=pool_id,
        MfaConfiguration="OPTIONAL",
        SoftwareTokenMfaConfiguration={"Enabled": True},
        WebAuthnConfiguration={"RelyingPartyId": "localhost"},
    )
    client_id = admin.create_user_pool_client(
        UserPoolId=pool_id,
        ClientName="app",
        ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_AUTH"],
        RefreshTokenRotation={"Feature": "ENABLED", "RetryGracePeriodSeconds": 0},
        PreventUserExistenceErrors="ENABLED",
    )["UserPoolClient"]["ClientId"]
    config = Config(signature_version=UNSIGNED, max_pool_connections=RACERS, retries={"max_attempts": 0})
    people = boto3.client("cognito-idp", endpoint_url=serving.url, region_name="us-west-2", config=config)
    return Track(serving, admin, people, pool_id, client_id)


def test_of_racing_sign_ups_one_gets_the_name(track: Track) -> None:
    won, lost = race(
        lambda number: track.people.sign_up(
            ClientId=track.client_id,
            Username="wanted",
            Password=PASSWORD,
            UserAttributes=[{"Name": "email", "Value": f"wanted{number}@racers.example"}],
        )
    )

    assert (len(won), lost) == (1, Counter({"UsernameExistsException": RACERS - 1}))
    users = track.admin.list_users(UserPoolId=track.pool_id, Filter='username = "wanted"')["Users"]
    assert [each["Attributes"] for each in users if {"Name": "sub", "Value": won[0]["UserSub"]} in each["Attributes"]]


def test_of_racing_confirmations_one_spends_the_code(track: Track) -> None:
    track.people.sign_up(
        ClientId=track.client_id,
        Username="confirmed",
        Password=PASSWORD,
        UserAttributes=[{"Name": "email", "Value": "confirmed@racers.example"}],
    )
    code = track.code_for("confirmed")

    won, lost = race(
        lambda _: track.people.confirm_sign_up(ClientId=track.client_id, Username="confirmed", ConfirmationCode=code)
    )

    assert len(won) == 1
    # Guesses count before they are compared: who is late finds the code spent, the user confirmed, or no guess left.
    assert set(lost) <= {"ExpiredCodeException", "NotAuthorizedException", "LimitExceededException"}


def test_of_racing_recoveries_one_sets_the_password(track: Track) -> None:
    track.add("forgetful")
    track.people.forgot_password(ClientId=track.client_id, Username="forgetful")
    code = track.code_for("forgetful")

    def recover(number: int) -> int:
        track.people.confirm_forgot_password(
            ClientId=track.client_id,
            Username="forgetful",
            ConfirmationCode=code,
            Password=f"Another-horse-{number}",
        )
        return number

    won, lost = race(recover)

    assert len(won) == 1
    assert set(lost) <= {"ExpiredCodeException", "LimitExceededException"}
    assert "AuthenticationResult" in track.sign_in("forgetful", PASSWORD=f"Another-horse-{won[0]}")


def test_of_racing_refreshes_one_wins_and_the_family_ends(track: Track) -> None:
    track.add("refresher")
    first = track.sign_in("refresher")["AuthenticationResult"]

    won, lost = race(
        lambda _: track.people.get_tokens_from_refresh_token(
            ClientId=track.client_id,
            RefreshToken=first["RefreshToken"],
            DeviceKey=first["NewDeviceMetadata"]["DeviceKey"],
        )
    )

    assert len(won) == 1
    assert set(lost) <= {"RefreshTokenReuseException", USED}
    with pytest.raises(ClientError):
        track.people.get_user(AccessToken=won[0]["AuthenticationResult"]["AccessToken"])


def test_one_proof_signs_in_once(track: Track) -> None:
    track.add("prover")
    them = AWSSRP(
        username="prover", password=PASSWORD, pool_id=track.pool_id, client_id=track.client_id, client=track.people
    )
    challenge = track.people.initiate_auth(
        ClientId=track.client_id, AuthFlow="USER_SRP_AUTH", AuthParameters=them.get_auth_params()
    )
    proof = them.process_challenge(challenge["ChallengeParameters"], them.get_auth_params())

    won, lost = race(lambda _: track.respond("prover", challenge, **proof))

    assert (len(won), set(lost)) == (1, {USED})


def test_one_session_sets_one_new_password(track: Track) -> None:
    track.add("newcomer", permanent=False)
    challenge = track.sign_in("newcomer", PASSWORD=TEMPORARY)
    assert challenge["ChallengeName"] == "NEW_PASSWORD_REQUIRED"

    def answer(number: int) -> int:
        track.respond("newcomer", challenge, NEW_PASSWORD=f"Another-horse-{number}")
        return number

    won, lost = race(answer)

    assert (len(won), set(lost)) == (1, {USED})
    assert "AuthenticationResult" in track.sign_in("newcomer", PASSWORD=f"Another-horse-{won[0]}")


def test_one_code_of_an_app_signs_in_once_over_all_sessions(track: Track) -> None:
    track.add("tapper")
    token = track.sign_in("tapper")["AuthenticationResult"]["AccessToken"]
    secret = track.people.associate_software_token(AccessToken=token)["SecretCode"]
    app = pyotp.TOTP(secret)
    track.people.verify_software_token(AccessToken=token, UserCode=app.now())
    track.people.set_user_mfa_preference(
        AccessToken=token, SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True}
    )
    sessions = [track.sign_in("tapper") for _ in range(RACERS)]
    # The next code: the one of now has set the app up. It is taken one step early.
    code = app.at(now(), counter_offset=1)

    won, lost = race(lambda number: track.respond("tapper", sessions[number], SOFTWARE_TOKEN_MFA_CODE=code))

    assert len(won) == 1
    assert set(lost) <= {"ExpiredCodeException", "CodeMismatchException", USED}


def test_one_code_by_mail_signs_in_once(track: Track) -> None:
    track.add("mailed")
    challenge = track.sign_in("mailed", "USER_AUTH", PREFERRED_CHALLENGE="EMAIL_OTP")
    assert challenge["ChallengeName"] == "EMAIL_OTP"
    code = track.code_for("mailed")

    won, lost = race(lambda _: track.respond("mailed", challenge, EMAIL_OTP_CODE=code))

    assert (len(won), set(lost)) == (1, {USED})


def test_one_answer_of_a_passkey_signs_in_once(track: Track) -> None:
    track.add("keyed")
    token = track.sign_in("keyed")["AuthenticationResult"]["AccessToken"]
    authenticator = Authenticator("https://localhost:4800")
    options = track.people.start_web_authn_registration(AccessToken=token)["CredentialCreationOptions"]
    track.people.complete_web_authn_registration(AccessToken=token, Credential=authenticator.register(options))
    challenge = track.sign_in("keyed", "USER_AUTH", PREFERRED_CHALLENGE="WEB_AUTHN")
    signed = authenticator.sign(json.loads(challenge["ChallengeParameters"]["CREDENTIAL_REQUEST_OPTIONS"]))

    won, lost = race(lambda _: track.respond("keyed", challenge, CREDENTIAL=json.dumps(signed)))

    assert (len(won), set(lost)) == (1, {USED})


def test_one_device_is_confirmed_once(track: Track) -> None:
    track.add("traveller")
    result = track.sign_in("traveller")["AuthenticationResult"]
    device = result["NewDeviceMetadata"]
    salt = 0x1122334455667788 << 64 | 0x99
    verifier = make_verifier(device["DeviceGroupKey"], device["DeviceKey"], "a-device-secret", salt)
    config = {
        "PasswordVerifier": base64.b64encode(verifier.to_bytes(385)).decode(),
        "Salt": base64.b64encode(salt.to_bytes(17)).decode(),
    }

    won, lost = race(
        lambda _: track.people.confirm_device(
            AccessToken=result["AccessToken"], DeviceKey=device["DeviceKey"], DeviceSecretVerifierConfig=config
        )
    )

    assert (len(won), set(lost)) == (1, {"DeviceKeyExistsException"})


def test_one_code_verifies_an_address_once(track: Track) -> None:
    track.add("mover")
    token = track.sign_in("mover")["AuthenticationResult"]["AccessToken"]
    track.people.get_user_attribute_verification_code(AccessToken=token, AttributeName="email")
    code = track.code_for("mover")

    won, lost = race(lambda _: track.people.verify_user_attribute(AccessToken=token, AttributeName="email", Code=code))

    assert len(won) == 1
    assert set(lost) <= {"ExpiredCodeException", "LimitExceededException"}

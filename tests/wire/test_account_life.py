"""The life of an account through other people's JavaScript clients, unmodified; the codes are read in the mailbox.

Each story ends where it began: nobody has the name. A wrong code and one that was used before are tried at every step.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest

from support.clients import aws_client
from support.mailbox import mailbox
from support.node import run_story
from support.running import RunningServer

PASSWORD, OTHER_PASSWORD = "Correct-horse-1", "Another-horse-1"
NOBODY = "Incorrect username or password."
WRONG_CODE = ["CodeMismatchException", "Invalid verification code provided, please try again."]
EXPIRED = "ExpiredCodeException"


@pytest.fixture(scope="module")
def client_of_pool(serving: RunningServer) -> dict[str, str]:
    """The ids of a pool that verifies mail addresses, and of its client that hides who exists."""
    admin = aws_client(serving, "cognito-idp")
    pool = admin.create_user_pool(
        PoolName="people",
        AutoVerifiedAttributes=["email"],
        UserAttributeUpdateSettings={"AttributesRequireVerificationBeforeUpdate": ["email"]},
    )["UserPool"]
    client = admin.create_user_pool_client(
        UserPoolId=pool["Id"], ClientName="web", PreventUserExistenceErrors="ENABLED"
    )["UserPoolClient"]
    return {"user_pool_id": pool["Id"], "client_id": client["ClientId"]}


def live(serving: RunningServer, client_of_pool: dict[str, str], script: str, name: str) -> dict[str, Any]:
    """What the story told of an account of that name."""
    email, other_email = f"{name}@people.example", f"{name}@elsewhere.example"

    def newest_code(address: str) -> Callable[[], str]:
        def read() -> str:
            shown = mailbox(serving, "--to", address, "--limit", "1").stdout
            return str(re.findall(r"\b[0-9]{6}\b", shown)[-1])

        return read

    settings = {
        **client_of_pool,
        "endpoint": serving.url,
        "username": name,
        "password": PASSWORD,
        "other_password": OTHER_PASSWORD,
        "email": email,
        "other_email": other_email,
    }
    return run_story(script, settings, answers={"code": newest_code(email), "other code": newest_code(other_email)})


def test_amazon_cognito_identity_js_lives_an_account(serving: RunningServer, client_of_pool: dict[str, str]) -> None:
    told = live(serving, client_of_pool, "identity_js_life.mjs", "identity-js-life")

    assert told.pop("older code") in {None, "CodeMismatchException"}
    assert told == {
        "weak password": "InvalidPasswordException",
        "sign-up": [False, "EMAIL"],
        "name again": ["UsernameExistsException", "User already exists"],
        "unconfirmed": ["UserNotConfirmedException", "User is not confirmed."],
        "resend": "EMAIL",
        "wrong code": WRONG_CODE,
        "confirm": "SUCCESS",
        "code again": "NotAuthorizedException",
        "sign-in": True,
        "forgot": "code sent",
        "wrong reset": WRONG_CODE,
        "reset": "SUCCESS",
        "reset again": EXPIRED,
        "old password": ["NotAuthorizedException", NOBODY],
        "new password": True,
        "change by a wrong one": "NotAuthorizedException",
        "change": "SUCCESS",
        "new address": "SUCCESS",
        "wrong proof": WRONG_CODE,
        "proof": "SUCCESS",
        "proof again": EXPIRED,
        "attributes": {"email": "identity-js-life@elsewhere.example", "email_verified": "true"},
        "delete": "SUCCESS",
        "gone": ["NotAuthorizedException", NOBODY],
        "end": None,
    }


def test_amplify_lives_an_account(serving: RunningServer, client_of_pool: dict[str, str]) -> None:
    told = live(serving, client_of_pool, "amplify_life.mjs", "amplify-life")

    assert told == {
        "weak password": "InvalidPasswordException",
        "sign-up": "CONFIRM_SIGN_UP",
        "name again": ["UsernameExistsException", "User already exists"],
        "unconfirmed": "CONFIRM_SIGN_UP",
        "resend": "EMAIL",
        "wrong code": WRONG_CODE,
        "confirm": "DONE",
        "code again": "NotAuthorizedException",
        "sign-in": "DONE",
        "forgot": "CONFIRM_RESET_PASSWORD_WITH_CODE",
        "wrong reset": WRONG_CODE,
        "reset": "done",
        "reset again": EXPIRED,
        "old password": ["NotAuthorizedException", NOBODY],
        "new password": "DONE",
        "change by a wrong one": "NotAuthorizedException",
        "change": "done",
        "new address": "CONFIRM_ATTRIBUTE_WITH_CODE",
        "wrong proof": WRONG_CODE,
        "proof": "done",
        "proof again": EXPIRED,
        "attributes": {"email": "amplify-life@elsewhere.example", "email_verified": "true"},
        "delete": "done",
        "gone": ["NotAuthorizedException", NOBODY],
        "end": None,
    }

"""Amplify UI's Authenticator in Chromium, as its documentation shows it: from sign-up to a sign-in with an app's code.

The page is other people's code, built from npm; what it says to a person is what it made of our answers.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pyotp
import pytest
from playwright.sync_api import Page, expect

from support.clients import aws_client
from support.mailbox import mailbox
from support.pages import pages_of
from support.running import REPOSITORY, RunningServer
from velvetrope.server.machine import SystemClock

pytestmark = pytest.mark.browser

PASSWORD, OTHER_PASSWORD = "Correct-horse-1", "Another-horse-1"
WRONG_PASSWORD = "Incorrect username or password."
WRONG_CODE = "Invalid verification code provided, please try again."


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer("serve", state_folder=tmp_path_factory.mktemp("authenticator") / "state") as server:
        yield server


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with pages_of(REPOSITORY / "tests/javascript/authenticator/dist") as address:
        yield address


class Person:
    """Somebody in front of the Authenticator of a new pool."""

    def __init__(self, page: Page, server: RunningServer, site: str, *, mfa: str) -> None:
        admin = aws_client(server, "cognito-idp")
        self.page, self.server = page, server
        self.pool_id = admin.create_user_pool(PoolName="people", AutoVerifiedAttributes=["email"])["UserPool"]["Id"]
        if mfa != "OFF":
            admin.set_user_pool_mfa_config(
                UserPoolId=self.pool_id, MfaConfiguration=mfa, SoftwareTokenMfaConfiguration={"Enabled": True}
            )
        client = admin.create_user_pool_client(
            UserPoolId=self.pool_id, ClientName="web", PreventUserExistenceErrors="ENABLED"
        )["UserPoolClient"]
        query = {"user_pool_id": self.pool_id, "client_id": client["ClientId"], "endpoint": server.url}
        page.goto(f"{site}/?{urlencode(query)}")

    def fill(self, label: str, text: str) -> None:
        """Some labels end in an asterisk; what they stand for is required either way."""
        self.page.get_by_label(re.compile(rf"^{label}( \*)?$")).fill(text)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def sign_up(self, name: str) -> None:
        self.page.get_by_role("tab", name="Create Account").click()
        self.fill("Username", name)
        self.fill("Password", PASSWORD)
        self.fill("Confirm Password", PASSWORD)
        self.fill("Email", f"{name}@people.example")
        self.press("Create Account")
        expect(self.page.get_by_role("heading", name="We Emailed You")).to_be_visible()

    def sign_in(self, name: str, password: str) -> None:
        self.fill("Username", name)
        self.fill("Password", password)
        self.press("Sign in")

    def code_for(self, name: str) -> str:
        """The newest code that was sent."""
        shown = mailbox(self.server, "--to", f"{name}@people.example", "--limit", "1").stdout
        return str(re.findall(r"\b[0-9]{6}\b", shown)[-1])

    def is_told(self, sentence: str) -> None:
        expect(self.page.get_by_role("alert").or_(self.page.get_by_text(sentence)).first).to_contain_text(sentence)

    def is_in(self, name: str) -> None:
        expect(self.page.get_by_role("heading", name=f"Signed in as {name}")).to_be_visible()
        expect(self.page.get_by_text("An access token with 0 groups")).to_be_visible()


def another(code: str) -> str:
    """A code that is not this one."""
    return f"{code[:-1]}{(int(code[-1]) + 1) % 10}"


def test_person_signs_up_sets_an_app_up_and_signs_in_with_its_code(
    serving: RunningServer, site: str, page: Page, artifacts: Path
) -> None:
    person = Person(page, serving, site, mfa="ON")

    person.sign_up("anna")
    code = person.code_for("anna")
    person.fill("Confirmation Code", another(code))
    person.press("Confirm")
    person.is_told(WRONG_CODE)
    person.fill("Confirmation Code", code)
    person.press("Confirm")

    expect(page.get_by_role("heading", name="Setup TOTP")).to_be_visible()
    page.screenshot(path=artifacts / "authenticator-totp.png")
    secret = page.locator("[data-amplify-copy]").inner_text().split()[0]
    app = pyotp.TOTP(secret)
    person.fill("Code", another(app.now()))
    person.press("Confirm")
    person.is_told("Code mismatch")
    used_at = int(SystemClock().now().timestamp())
    person.fill("Code", app.at(used_at))
    person.press("Confirm")
    person.is_in("anna")
    person.press("Sign out")

    person.sign_in("anna", "Wrong-horse-1")
    person.is_told(WRONG_PASSWORD)
    person.sign_in("anna", PASSWORD)
    expect(page.get_by_role("heading", name="Confirm TOTP Code")).to_be_visible()
    person.fill("Code", another(app.at(used_at + 30)))
    person.press("Confirm")
    person.is_told("Invalid code received for user")
    person.fill("Code", app.at(used_at + 30))
    person.press("Confirm")
    person.is_in("anna")
    page.screenshot(path=artifacts / "authenticator-signed-in.png")


def test_person_resets_a_forgotten_password(serving: RunningServer, site: str, page: Page) -> None:
    person = Person(page, serving, site, mfa="OFF")
    person.sign_up("bea")
    person.fill("Confirmation Code", person.code_for("bea"))
    person.press("Confirm")
    person.is_in("bea")
    person.press("Sign out")

    person.press("Forgot your password?")
    person.fill("Enter your username", "bea")
    person.press("Send code")
    expect(page.get_by_role("heading", name="Reset Password")).to_be_visible()
    expect(page.get_by_label("New Password", exact=True)).to_be_visible()
    code = person.code_for("bea")
    person.fill("New Password", OTHER_PASSWORD)
    person.fill("Confirm Password", OTHER_PASSWORD)
    person.fill("Code", another(code))
    person.press("Submit")
    person.is_told(WRONG_CODE)
    person.fill("Code", code)
    person.press("Submit")

    person.sign_in("bea", PASSWORD)
    person.is_told(WRONG_PASSWORD)
    person.sign_in("bea", OTHER_PASSWORD)
    person.is_in("bea")

"""What a sign-in asks after its first answer, in Chromium: by keyboard and label, in both schemes, at phone width."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pyotp
import pytest
from playwright.sync_api import Page, expect

from support.accessibility import axe_findings
from support.clients import aws_client
from support.mailbox import mailbox
from support.running import RunningServer

pytestmark = pytest.mark.browser

PASSWORD = "Correct-horse-1"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer("serve", state_folder=tmp_path_factory.mktemp("steps") / "state") as server:
        yield server


class Pool:
    """A pool with a domain of its own, a client and the user anna."""

    def __init__(self, server: RunningServer, domain: str, **settings: Any) -> None:
        self.server, self.domain = server, domain
        self.callback = f"{server.url}/back"  # whatever the server answers there stands for the app
        self.admin = aws_client(server, "cognito-idp")
        self.id = self.admin.create_user_pool(PoolName=domain, **settings)["UserPool"]["Id"]
        self.admin.create_user_pool_domain(UserPoolId=self.id, Domain=domain)
        self.client_id = self.admin.create_user_pool_client(
            UserPoolId=self.id,
            ClientName="web",
            CallbackURLs=[self.callback],
            AllowedOAuthFlows=["code"],
            AllowedOAuthScopes=["openid"],
            AllowedOAuthFlowsUserPoolClient=True,
            SupportedIdentityProviders=["COGNITO"],
            ExplicitAuthFlows=["ALLOW_USER_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        )["UserPoolClient"]["ClientId"]

    def add_user(self, *, permanent: bool = True, **attributes: str) -> None:
        named = [{"Name": name, "Value": value} for name, value in attributes.items()]
        self.admin.admin_create_user(
            UserPoolId=self.id, Username="anna", MessageAction="SUPPRESS", UserAttributes=named
        )
        self.admin.admin_set_user_password(UserPoolId=self.id, Username="anna", Password=PASSWORD, Permanent=permanent)

    def offer_mfa(self, **offered: Any) -> None:
        self.admin.set_user_pool_mfa_config(UserPoolId=self.id, MfaConfiguration="ON", **offered)

    def address(self, endpoint: str, **parameters: str) -> str:
        query = {"client_id": self.client_id, "redirect_uri": self.callback, **parameters}
        return f"https://localhost:{self.server.port}/{self.domain}{endpoint}?{urlencode(query)}"

    def open(self, page: Page) -> None:
        """From the app's link to the sign-in form."""
        page.goto(self.address("/oauth2/authorize", response_type="code", scope="openid", state="s"))

    def sign_in(self, page: Page) -> None:
        self.open(page)
        page.get_by_label("Username").fill("anna")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.keyboard.press("Enter")


def look(page: Page, artifacts: Path, name: str) -> None:
    """Nothing found by axe in either scheme, nothing wider than a phone, and a picture of each."""
    wide = page.viewport_size
    assert axe_findings(page) == []
    page.screenshot(path=artifacts / f"step-{name}-light.png", full_page=True)
    page.emulate_media(color_scheme="dark")
    assert axe_findings(page, rules=("color-contrast",)) == []
    page.screenshot(path=artifacts / f"step-{name}-dark.png", full_page=True)
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.screenshot(path=artifacts / f"step-{name}-phone.png", full_page=True)
    assert wide is not None
    page.set_viewport_size(wide)
    page.emulate_media(color_scheme="light")


def expect_back_in_the_app(page: Page) -> None:
    expect(page).to_have_url(re.compile(r"^http://localhost:[0-9]+/back\?code=[0-9a-f-]{36}&state=s$"))


def test_an_authenticator_app_is_set_up_and_asked_for(serving: RunningServer, page: Page, artifacts: Path) -> None:
    pool = Pool(serving, "apps")
    pool.add_user()
    pool.offer_mfa(SoftwareTokenMfaConfiguration={"Enabled": True}, EmailMfaConfiguration={})
    pool.sign_in(page)
    expect(page.get_by_role("heading", name="Set up a second factor")).to_be_visible()
    look(page, artifacts, "set-up")
    secret = page.locator("p.code code").inner_text().replace(" ", "")
    page.get_by_label("Code that the app shows").fill("000000")
    page.get_by_role("button", name="Use this app").click()
    expect(page.get_by_role("alert")).to_have_text("The code is not right. Enter the one that your app shows now.")
    look(page, artifacts, "set-up-refused")

    page.get_by_label("Code that the app shows").fill(pyotp.TOTP(secret).now())
    page.get_by_role("button", name="Use this app").click()
    expect_back_in_the_app(page)

    page.context.clear_cookies()
    pool.sign_in(page)
    expect(page.get_by_role("heading", name="Enter your code")).to_be_visible()
    expect(page.get_by_label("Code", exact=True)).to_be_focused()
    look(page, artifacts, "code")
    page.keyboard.type("000000")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("The code is not right. Please try again.")
    look(page, artifacts, "code-refused")


def test_a_choice_a_code_by_mail_and_the_back_button(serving: RunningServer, page: Page, artifacts: Path) -> None:
    pool = Pool(serving, "choices")
    pool.add_user(
        email="anna@people.example", email_verified="true", phone_number="+15550100", phone_number_verified="true"
    )
    pool.offer_mfa(
        EmailMfaConfiguration={},
        SmsMfaConfiguration={"SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sns"}},
    )
    pool.sign_in(page)
    expect(page.get_by_role("heading", name="One more proof")).to_be_visible()
    look(page, artifacts, "choice")

    page.get_by_role("button", name="A code by e-mail").click()
    expect(page.get_by_text("We sent a code by e-mail")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Enter your code")).to_be_visible()
    codes = re.findall(r"\b[0-9]{6}\b", mailbox(serving, "--to", "anna@people.example").output)
    page.get_by_label("Code", exact=True).fill(codes[0])
    page.keyboard.press("Enter")
    expect_back_in_the_app(page)

    page.go_back()
    expect(page.get_by_role("heading", name="This step is over")).to_be_visible()
    look(page, artifacts, "over")
    page.get_by_role("link", name="Go on signing in").click()
    expect_back_in_the_app(page)


def test_a_temporary_password_is_replaced(serving: RunningServer, page: Page, artifacts: Path) -> None:
    pool = Pool(serving, "newcomers", Schema=[{"Name": "family_name", "Required": True}])
    pool.admin.admin_create_user(
        UserPoolId=pool.id, Username="anna", MessageAction="SUPPRESS", TemporaryPassword=PASSWORD
    )
    pool.sign_in(page)
    expect(page.get_by_role("heading", name="Choose a new password")).to_be_visible()
    look(page, artifacts, "new-password")

    page.get_by_label("New password", exact=True).fill("Battery-staple-2")
    page.get_by_label("New password again").fill("Battery-staple-2")
    page.locator("[name='userAttributes.family_name']").fill("Nyman")
    page.get_by_role("button", name="Set the password and continue").click()
    expect_back_in_the_app(page)


@pytest.fixture
def authenticator(page: Page) -> Any:
    """A platform authenticator that always finds its user at hand."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    return session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def test_a_passkey_is_added_and_signs_in(
    serving: RunningServer, page: Page, authenticator: Any, artifacts: Path
) -> None:
    pool = Pool(serving, "passkeys", Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "WEB_AUTHN"]}})
    pool.add_user()
    pool.admin.set_user_pool_mfa_config(
        UserPoolId=pool.id, WebAuthnConfiguration={"RelyingPartyId": "localhost", "UserVerification": "required"}
    )
    assert authenticator
    pool.sign_in(page)
    expect_back_in_the_app(page)

    page.goto(pool.address("/passkeys/add"))
    expect(page.get_by_role("heading", name="Add a passkey")).to_be_visible()
    look(page, artifacts, "add-passkey")
    page.get_by_role("button", name="Add a passkey on this device").click()
    expect(page).to_have_url(pool.callback)
    page.goto(pool.address("/passkeys/add"))
    page.get_by_role("button", name="Add a passkey on this device").click()
    expect(page.get_by_role("alert")).to_have_text("This device has a passkey for anna already.")

    page.context.clear_cookies()
    pool.open(page)
    look(page, artifacts, "login-with-factors")
    page.get_by_label("Username").fill("anna")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Sign in with a passkey")).to_be_visible()
    look(page, artifacts, "passkey")
    page.get_by_role("button", name="Use my passkey").click()
    expect_back_in_the_app(page)


def test_a_passkey_is_offered_after_a_sign_in_and_can_be_put_off(
    serving: RunningServer, page: Page, authenticator: Any, artifacts: Path
) -> None:
    pool = Pool(serving, "offers", Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "WEB_AUTHN"]}})
    pool.admin.update_user_pool_domain(Domain="offers", UserPoolId=pool.id, ManagedLoginVersion=2)
    pool.add_user()
    pool.admin.set_user_pool_mfa_config(
        UserPoolId=pool.id, WebAuthnConfiguration={"RelyingPartyId": "localhost", "UserVerification": "required"}
    )
    assert authenticator
    pool.sign_in(page)
    expect(page.get_by_role("heading", name="Add a passkey")).to_be_visible()
    look(page, artifacts, "offered-passkey")
    page.get_by_role("button", name="Not now").click()
    expect_back_in_the_app(page)

    page.context.clear_cookies()
    pool.sign_in(page)
    page.get_by_role("button", name="Add a passkey on this device").click()
    expect_back_in_the_app(page)

    page.context.clear_cookies()
    pool.sign_in(page)
    expect_back_in_the_app(page)


def test_a_passkey_that_the_browser_does_not_have_is_told_on_the_page(
    serving: RunningServer, page: Page, artifacts: Path
) -> None:
    """No authenticator at all: the browser refuses at once, and says so to the page's script."""
    pool = Pool(
        serving, "no-passkeys", Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "WEB_AUTHN"]}}
    )
    pool.add_user()
    pool.admin.set_user_pool_mfa_config(
        UserPoolId=pool.id, WebAuthnConfiguration={"RelyingPartyId": "elsewhere.example"}
    )
    pool.sign_in(page)
    expect_back_in_the_app(page)
    page.goto(pool.address("/passkeys/add"))

    again = page.get_by_role("button", name="Add a passkey on this device")
    again.press("Enter")

    expect(page.get_by_role("alert")).to_contain_text("No passkey was made.")
    expect(again).to_be_focused()
    look(page, artifacts, "no-passkey")

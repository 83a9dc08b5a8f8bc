"""Every page of a pool's domain as people see it: light and dark, wide and on a phone, with nothing that axe finds."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from support.accessibility import axe_findings
from support.clients import aws_client
from support.mailbox import link_in, mailbox
from support.running import RunningServer

pytestmark = pytest.mark.browser

PASSWORD = "Velvet-rope-1"
CALLBACK = "https://app.people.example/welcome"
LOGO = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 40">'
    b'<rect width="160" height="40" rx="8" fill="#0b6e4f"/><circle cx="22" cy="20" r="9" fill="#f4d35e"/>'
    b'<rect x="42" y="15" width="98" height="10" rx="5" fill="#fff"/></svg>'
)


@dataclass(frozen=True)
class Salon:
    """A pool with a domain and a client of its own on a running server."""

    server: RunningServer
    admin: Any
    pool_id: str
    client_id: str
    prefix: str

    def address(self, path: str, **changes: str) -> str:
        query = {
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid",
            "state": "a-state",
            **changes,
        }
        origin = self.server.url.replace("http://", "https://")
        return f"{origin}/{self.prefix}{path}?{urlencode(query)}"

    def newest_message(self) -> str:
        """The text of the newest message, as the owner's mailbox shows it."""
        return link_in(mailbox(self.server))


def make_salon(server: RunningServer, prefix: str, *, version: int = 1, **pool: Any) -> Salon:
    admin = aws_client(server, "cognito-idp")
    members: dict[str, Any] = {
        "AutoVerifiedAttributes": ["email"],
        "Schema": [{"Name": "given_name", "Required": True}, {"Name": "email", "Required": True}],
        "Policies": {"PasswordPolicy": {"MinimumLength": 12, "RequireLowercase": True, "RequireNumbers": True}},
        **pool,
    }
    pool_id = admin.create_user_pool(PoolName=prefix, **members)["UserPool"]["Id"]
    admin.create_user_pool_domain(Domain=prefix, UserPoolId=pool_id, ManagedLoginVersion=version)
    client = admin.create_user_pool_client(
        UserPoolId=pool_id,
        ClientName="web",
        CallbackURLs=[CALLBACK],
        AllowedOAuthFlows=["code"],
        AllowedOAuthScopes=["openid"],
        AllowedOAuthFlowsUserPoolClient=True,
        SupportedIdentityProviders=["COGNITO"],
        PreventUserExistenceErrors="ENABLED",
    )["UserPoolClient"]
    return Salon(server, admin, pool_id, client["ClientId"], prefix)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of its own: more than one domain changes what the demo's addresses mean."""
    with RunningServer("serve", state_folder=tmp_path_factory.mktemp("pages") / "state") as server:
        yield server


@pytest.fixture(scope="module")
def salon(serving: RunningServer) -> Salon:
    return make_salon(serving, "salon")


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Page]:
    """A page whose way back to the app ends in an empty page of the test's."""
    context = browser.new_context(ignore_https_errors=True, viewport={"width": 1280, "height": 860})
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.route(f"{CALLBACK}*", lambda route: route.fulfill(status=200, body="back at the app"))
    yield page
    context.close()


def look(page: Page, artifacts: Path, name: str) -> None:
    """Keep the page as it is in four ways, and see that nobody is shut out of any of them."""
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        for width, height, how in ((1280, 860, "wide"), (390, 844, "phone")):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.set_viewport_size({"width": width, "height": height})
            page.screenshot(path=artifacts / f"hosted-{name}-{scheme}-{how}.png", full_page=True)
            assert axe_findings(page) == [], f"{name}, {scheme}, {how}"
            wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wider <= 0, f"{name} has to be scrolled sideways ({scheme}, {how})"
    page.set_viewport_size({"width": 1280, "height": 860})


def code_of(salon: Salon, page: Page) -> str:
    """The newest code, read in the owner's mailbox."""
    reader = page.context.new_page()
    reader.goto(salon.newest_message())
    text = reader.get_by_role("article").first.inner_text()
    reader.close()
    found = re.search(r"\b(\d{6})\b", text)
    assert found is not None, text
    return found[1]


def fill_sign_up(page: Page, name: str, *, password: str = PASSWORD) -> None:
    page.get_by_label("Username").fill(name)
    page.get_by_label("Given name").fill("Greta")
    page.get_by_label("E-mail address").fill(f"{name}@people.example")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Create an account").click()


def test_somebody_comes_in_by_the_front_door_without_an_account_and_leaves_signed_in(
    salon: Salon, visitor: Page, artifacts: Path
) -> None:
    visitor.goto(salon.address("/login"))
    look(visitor, artifacts, "login")
    visitor.get_by_role("link", name="Create an account").click()
    look(visitor, artifacts, "signup")
    fill_sign_up(visitor, "greta", password="short")
    expect(visitor.get_by_role("alert")).to_contain_text("Password not long enough")
    look(visitor, artifacts, "signup-refused")
    expect(visitor.get_by_label("E-mail address")).to_have_value("greta@people.example")
    fill_sign_up(visitor, "greta")
    look(visitor, artifacts, "confirm")
    visitor.get_by_label("Code").fill("000000")
    visitor.get_by_role("button", name="Confirm your account").click()
    expect(visitor.get_by_role("alert")).to_contain_text("Invalid verification code")
    expect(visitor.get_by_label("Code")).to_be_focused()
    look(visitor, artifacts, "confirm-refused")
    visitor.get_by_role("button", name="Send another code").click()
    expect(visitor.get_by_role("status")).to_contain_text("We have sent another code to g***@p***.")
    look(visitor, artifacts, "confirm-again")
    visitor.get_by_label("Code").fill(code_of(salon, visitor))
    visitor.get_by_role("button", name="Confirm your account").click()

    expect(visitor).to_have_url(re.compile(re.escape(CALLBACK) + r"\?code=.+&state=a-state"))


def test_a_forgotten_password_is_replaced_in_german(salon: Salon, visitor: Page, artifacts: Path) -> None:
    attributes = [
        {"Name": "email", "Value": "henk@people.example"},
        {"Name": "email_verified", "Value": "true"},
        {"Name": "given_name", "Value": "Henk"},
    ]
    salon.admin.admin_create_user(
        UserPoolId=salon.pool_id, Username="henk", UserAttributes=attributes, MessageAction="SUPPRESS"
    )
    salon.admin.admin_set_user_password(
        UserPoolId=salon.pool_id, Username="henk", Password="Forgotten-12345", Permanent=True
    )
    visitor.goto(salon.address("/login"))
    visitor.get_by_role("link", name="Deutsch").click()
    expect(visitor.get_by_role("heading", name="Anmelden")).to_be_visible()
    look(visitor, artifacts, "login-german")
    visitor.get_by_label("Benutzername").fill("henk")
    visitor.get_by_label("Passwort").fill("guess")
    visitor.get_by_role("button", name="Anmelden").click()
    expect(visitor.get_by_role("alert")).to_contain_text("Passwort")
    look(visitor, artifacts, "login-refused-german")

    visitor.get_by_role("link", name="Passwort vergessen?").click()
    look(visitor, artifacts, "forgot-german")
    visitor.get_by_label("Benutzername").fill("henk")
    visitor.get_by_role("button", name="Code schicken").click()
    look(visitor, artifacts, "reset-german")
    visitor.get_by_label("Code").fill(code_of(salon, visitor))
    visitor.get_by_label("Neues Passwort", exact=True).fill(PASSWORD)
    visitor.get_by_label("Neues Passwort, noch einmal").fill("something else")
    visitor.get_by_role("button", name="Neues Passwort setzen").click()
    expect(visitor.get_by_role("alert")).to_contain_text("Passw")
    look(visitor, artifacts, "reset-refused-german")
    visitor.get_by_label("Benutzername").fill("henk")
    visitor.get_by_label("Code").fill(code_of(salon, visitor))
    visitor.get_by_label("Neues Passwort", exact=True).fill(PASSWORD)
    visitor.get_by_label("Neues Passwort, noch einmal").fill(PASSWORD)
    visitor.get_by_role("button", name="Neues Passwort setzen").click()
    expect(visitor.get_by_role("status")).to_contain_text("Ihr neues Passwort gilt.")
    look(visitor, artifacts, "login-after-reset-german")
    visitor.get_by_label("Passwort").fill(PASSWORD)
    visitor.get_by_role("button", name="Anmelden").click()

    expect(visitor).to_have_url(re.compile(re.escape(CALLBACK)))


def test_the_pages_are_complete_by_keyboard(salon: Salon, visitor: Page) -> None:
    visitor.goto(salon.address("/login"))
    expect(visitor.get_by_label("Username")).to_be_focused()
    visitor.keyboard.type("nobody")
    visitor.keyboard.press("Tab")
    visitor.keyboard.type("a password")
    visitor.keyboard.press("Enter")

    expect(visitor.get_by_role("alert")).to_be_visible()
    expect(visitor).to_have_title(re.compile("Sign-in refused"))
    expect(visitor.get_by_label("Username")).to_have_accessible_description("Incorrect username or password.")


def test_what_went_wrong_is_shown_and_nothing_is_run(salon: Salon, visitor: Page, artifacts: Path) -> None:
    complaints: list[str] = []
    visitor.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)

    visitor.goto(salon.address("/login", redirect_uri="https://evil.example/"))
    expect(visitor.get_by_role("heading", name="Something went wrong")).to_be_visible()
    look(visitor, artifacts, "error")
    visitor.goto(salon.address("/confirm"))
    look(visitor, artifacts, "confirm-by-name")
    visitor.goto(salon.address("/confirmforgotPassword"))
    look(visitor, artifacts, "reset-by-name")

    assert [text for text in complaints if "Content Security Policy" in text] == []


def test_a_link_in_a_mail_confirms(serving: RunningServer, visitor: Page, artifacts: Path) -> None:
    linked = make_salon(serving, "linked", VerificationMessageTemplate={"DefaultEmailOption": "CONFIRM_WITH_LINK"})
    visitor.goto(linked.address("/signup"))
    fill_sign_up(visitor, "ida")
    look(visitor, artifacts, "link-sent")
    reader = visitor.context.new_page()
    reader.goto(linked.newest_message())
    link = reader.get_by_role("article").first.get_by_role("link").get_attribute("href")
    assert link is not None

    visitor.goto(unescape(link))
    expect(visitor.get_by_role("heading", name="Your account is confirmed")).to_be_visible()
    look(visitor, artifacts, "link-opened")
    visitor.goto(link)
    expect(visitor.get_by_role("heading", name="This link does not work")).to_be_visible()
    look(visitor, artifacts, "link-opened-twice")


def test_a_classic_style_sheet_and_a_logo_are_shown(serving: RunningServer, visitor: Page, artifacts: Path) -> None:
    classic = make_salon(serving, "classic")
    sheet = """
      .banner-customizable { background: #0b3d2e; border-color: #f4d35e }
      .submitButton-customizable { background-color: #0b6e4f; color: #ffffff }
      .label-customizable { font-weight: 400 }
    """
    classic.admin.set_ui_customization(UserPoolId=classic.pool_id, CSS=sheet, ImageFile=LOGO)
    visitor.goto(classic.address("/login"))

    button = visitor.get_by_role("button", name="Sign in")
    expect(button).to_have_css("background-color", "rgb(11, 110, 79)")
    expect(visitor.locator("img.logo-customizable")).to_be_visible()
    expect(visitor).to_have_title("Sign in")
    look(visitor, artifacts, "classic")


def test_a_style_is_shown_and_stays_legible(serving: RunningServer, visitor: Page, artifacts: Path) -> None:
    branded = make_salon(serving, "branded", version=2)
    settings = {
        "categories": {"global": {"colorSchemeMode": "DYNAMIC"}},
        "componentClasses": {"buttons": {"borderRadius": 24.0}, "input": {"borderRadius": 4.0}},
        "components": {
            "form": {
                "logo": {"enabled": True},
                "borderRadius": 20.0,
                "lightMode": {"backgroundColor": "ffffffff"},
                "darkMode": {"backgroundColor": "10241dff"},
            },
            "pageBackground": {"lightMode": {"color": "dff3e9ff"}, "darkMode": {"color": "06120dff"}},
            "pageText": {"lightMode": {"headingColor": "eeeeeeff"}},  # nobody could read that on white
            "primaryButton": {
                "lightMode": {
                    "defaults": {"backgroundColor": "f4d35eff", "textColor": "ffffffff"},
                    "hover": {"backgroundColor": "e0bf45ff", "textColor": "ffffffff"},
                },
                "darkMode": {
                    "defaults": {"backgroundColor": "0b6e4fff", "textColor": "ffffffff"},
                    "hover": {"backgroundColor": "0d8a63ff", "textColor": "ffffffff"},
                },
            },
        },
    }
    logo = {"Category": "FORM_LOGO", "ColorMode": "DYNAMIC", "Extension": "SVG", "Bytes": LOGO}
    icon = {"Category": "FAVICON_SVG", "ColorMode": "DYNAMIC", "Extension": "SVG", "Bytes": LOGO}
    branded.admin.create_managed_login_branding(
        UserPoolId=branded.pool_id, ClientId=branded.client_id, Settings=settings, Assets=[logo, icon]
    )
    visitor.goto(branded.address("/login"))

    button = visitor.get_by_role("button", name="Sign in")
    expect(button).to_have_css("background-color", "rgb(244, 211, 94)")
    expect(button).to_have_css("color", "rgb(0, 0, 0)")
    expect(button).to_have_css("border-radius", "24px")
    expect(visitor.locator("img.logo-customizable")).to_be_visible()
    expect(visitor.locator(".curtain")).to_have_count(0)
    icon_address = visitor.locator("link[rel=icon]").get_attribute("href") or ""
    assert icon_address.startswith("data:image/svg+xml;base64,")
    look(visitor, artifacts, "branded")
    visitor.goto(branded.address("/signup"))
    look(visitor, artifacts, "branded-signup")


def test_providers_are_offered_beside_the_form_or_alone(serving: RunningServer, visitor: Page, artifacts: Path) -> None:
    salon = make_salon(serving, "providers")
    names = ["Staff", "A-partner-whose-name-is-so-long"]
    for name in names:
        salon.admin.create_identity_provider(
            UserPoolId=salon.pool_id,
            ProviderName=name,
            ProviderType="OIDC",
            ProviderDetails={
                "client_id": "us",
                "client_secret": "between us",
                "attributes_request_method": "GET",
                "authorize_scopes": "openid",
                "oidc_issuer": "https://staff.example",
                "authorize_url": "https://staff.example/authorize",
                "token_url": "https://staff.example/token",
                "attributes_url": "https://staff.example/userinfo",
                "jwks_uri": "https://staff.example/keys",
            },
        )
    for supported in (["COGNITO", *names], names):
        salon.admin.update_user_pool_client(
            UserPoolId=salon.pool_id,
            ClientId=salon.client_id,
            CallbackURLs=[CALLBACK],
            AllowedOAuthFlows=["code"],
            AllowedOAuthScopes=["openid"],
            AllowedOAuthFlowsUserPoolClient=True,
            SupportedIdentityProviders=supported,
        )
        visitor.goto(salon.address("/login"))
        has_form = "COGNITO" in supported
        expect(visitor.get_by_label("Password")).to_have_count(1 if has_form else 0)
        expect(visitor.get_by_role("link", name="Sign in with Staff")).to_be_visible()
        apart = "document.querySelector('.providers').getBoundingClientRect().top - document.querySelector('.lead')"
        assert visitor.evaluate(f"{apart}.getBoundingClientRect().bottom") >= 12
        look(visitor, artifacts, "providers-and-form" if has_form else "providers-alone")

    visitor.route("https://staff.example/**", lambda route: route.fulfill(status=200, body="the staff's own page"))
    visitor.get_by_role("link", name="Sign in with Staff").click()
    visitor.wait_for_url("https://staff.example/authorize?**")
    assert "code_challenge_method=S256" in visitor.url

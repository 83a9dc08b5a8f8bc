"""Single-page apps of other people's in Chromium: oidc-client-ts and Amplify's `signInWithRedirect`.

The server has a public URL; oidc-client-ts finds everything by discovery, Amplify is told the domain.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from support.pages import pages_of
from support.relying_parties import PASSWORD, Provider, open_provider
from support.running import REPOSITORY

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with open_provider(tmp_path_factory.mktemp("provider") / "state") as provider:
        yield provider


@pytest.fixture(scope="module")
def site(provider: Provider) -> Iterator[str]:
    """The app's own address. https like the provider's: a frame with a page of another scheme is another site's."""
    with pages_of(
        REPOSITORY / "tests/javascript/relying_party/dist", certificates=provider.server.ca_certificate.parent
    ) as address:
        yield address


@dataclass
class App:
    """The app's page, and a person before it."""

    page: Page
    provider: Provider
    site: str
    library: str
    client_id: str = ""

    def open(self) -> None:
        callbacks = [f"{self.site}/", f"{self.site}/silent.html"]
        client = self.provider.client(*callbacks, AllowedOAuthScopes=["openid", "email"], LogoutURLs=[f"{self.site}/"])
        self.client_id = client["ClientId"]
        settings = {
            "library": self.library,
            "issuer": self.provider.issuer,
            "client_id": self.client_id,
            "user_pool_id": self.provider.pool_id,
            "endpoint": self.provider.server.url,
            "domain": self.provider.server.url.removeprefix("https://") + "/people",
        }
        self.page.goto(f"{self.site}/?{urlencode({'settings': json.dumps(settings)})}")
        self.is_at("Signed out")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def fill_form(self, password: str = PASSWORD) -> None:
        expect(self.page).to_have_url(re.compile(rf"^{re.escape(self.provider.server.url)}/people/login\?"))
        self.page.get_by_label("Username").fill("anna")
        self.page.get_by_label("Password", exact=True).fill(password)
        self.page.get_by_role("button", name="Sign in", exact=True).click()

    def is_at(self, state: str) -> Any:
        """Wait until the page says so; what the library knows then."""
        expect(self.page.locator("#state")).to_have_text(state)
        return json.loads(self.page.locator("#said").inner_text() or "{}")


@pytest.fixture
def oidc(page: Page, provider: Provider, site: str) -> App:
    app = App(page, provider, site, "oidc-client-ts")
    app.open()
    return app


@pytest.fixture
def amplify(page: Page, provider: Provider, site: str) -> App:
    app = App(page, provider, site, "amplify")
    app.open()
    return app


def test_oidc_client_ts_signs_in_renews_and_signs_out(oidc: App) -> None:
    oidc.press("Sign in")
    oidc.fill_form()
    signed_in = oidc.is_at("Signed in")
    oidc.press("Renew")
    renewed = oidc.is_at("Renewed")
    oidc.press("Ask without a page")
    silent = oidc.is_at("Signed in silently")
    oidc.press("Sign out")
    oidc.is_at("Signed out")
    oidc.press("Ask without a page")
    refused = oidc.is_at("Refused")

    profile = signed_in["profile"]
    assert (profile["iss"], profile["aud"]) == (oidc.provider.issuer, oidc.client_id)
    assert profile["email"] == "anna@example.com"
    assert renewed["access_token"] != signed_in["access_token"]
    assert silent["profile"]["sub"] == profile["sub"]
    assert refused["error"] == "login_required"


def test_oidc_client_ts_takes_no_answer_that_it_did_not_ask_for(oidc: App) -> None:
    """CSRF on log-in (RFC 9700 section 4.7): a code of somebody else's with a state that this browser never made."""
    oidc.page.goto(f"{oidc.site}/?code=12345678-1234-4123-8123-123456789012&state=invented")

    assert "state" in oidc.is_at("Refused")["message"]


def test_amplify_signs_in_with_redirect_refreshes_and_signs_out(amplify: App) -> None:
    amplify.press("Sign in")
    amplify.fill_form("not the password")
    expect(amplify.page.get_by_text("Incorrect username or password.")).to_be_visible()
    amplify.fill_form()
    signed_in = amplify.is_at("Signed in")
    amplify.press("Renew")
    renewed = amplify.is_at("Renewed")
    amplify.press("Sign out")
    amplify.is_at("Signed out")
    amplify.press("Sign in")
    expect(amplify.page.get_by_label("Username")).to_be_visible()

    assert signed_in["username"] == "anna"
    assert signed_in["profile"]["iss"] == amplify.provider.issuer
    assert renewed["profile"]["auth_time"] == signed_in["profile"]["auth_time"]
    assert renewed["profile"]["origin_jti"] == signed_in["profile"]["origin_jti"]


def test_amplify_is_told_that_nobody_is_signed_in_when_no_page_may_be_shown(amplify: App) -> None:
    amplify.press("Ask without a page")

    assert "login_required" in json.dumps(amplify.is_at("Refused"))

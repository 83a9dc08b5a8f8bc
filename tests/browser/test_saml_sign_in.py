"""SAML in Chromium: what a real browser keeps to itself when another site's page posts to us."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page

from support.running import RunningServer
from support.saml_idp import Office, open_office

pytestmark = pytest.mark.browser


class _App(BaseHTTPRequestHandler):
    """Where people come back to."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.end_headers()
        self.wfile.write(b"the app")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class calls it so
        """It has nothing to say."""


@pytest.fixture(scope="module")
def app() -> Iterator[str]:
    """The address of an app."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _App) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def office(app: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with (
        RunningServer("serve", state_folder=tmp_path_factory.mktemp("saml") / "state") as server,
        open_office(server, app) as opened,
    ):
        yield opened


def test_a_person_signs_in_at_work_comes_back_signed_in_and_signs_out_everywhere(office: Office, page: Page) -> None:
    page.goto(office.app_link())
    assert page.get_by_role("heading", name="Sign in at work").is_visible()
    page.get_by_label("Name").fill("carol")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{office.callback}**")
    assert parse_qs(urlsplit(page.url).query)["state"] == ["st4te"]
    first = parse_qs(urlsplit(page.url).query)["code"]

    # The cookie of the session is there, and the provider is not needed again.
    page.goto(office.app_link())
    page.wait_for_url(f"{office.callback}**")
    assert parse_qs(urlsplit(page.url).query)["code"] != first

    page.goto(office.log_out_link())
    assert page.get_by_role("heading", name="Signed out at work").is_visible()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{office.callback}**")
    page.goto(office.app_link())
    assert page.get_by_role("heading", name="Sign in at work").is_visible()


def test_a_response_that_comes_back_twice_is_refused_in_words(office: Office, page: Page, artifacts: Path) -> None:
    page.goto(office.app_link())
    page.get_by_label("Name").fill("dora")
    page.get_by_role("button", name="Continue").click()
    response = page.locator("input[name=SAMLResponse]").input_value()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{office.callback}**")

    page.goto("about:blank")
    page.set_content(
        f'<form method="post" action="{office.url}/saml2/idpresponse"><input name="SAMLResponse" value="{response}">'
        '<input name="RelayState" value="made-up"><button>Again</button></form>'
    )
    page.get_by_role("button", name="Again").click()

    assert page.get_by_role("heading", name="Something went wrong").is_visible()
    page.screenshot(path=artifacts / "saml-refused.png")

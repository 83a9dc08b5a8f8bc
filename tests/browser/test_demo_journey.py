"""The demo in Chromium: be refused as a guest, sign in on the hosted page, be let in, reload, refresh, sign out."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from support.running import RunningServer

pytestmark = pytest.mark.browser


def shot(page: Page, folder: Path, name: str) -> None:
    page.screenshot(path=folder / f"{name}.png", full_page=True)


def sign_in(page: Page, password: str = "demoPASS123") -> None:
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Username").fill("demouser")
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_the_whole_journey(demo: RunningServer, page: Page, artifacts: Path) -> None:
    page.goto(demo.url)
    who, toast = page.get_by_test_id("who"), page.get_by_test_id("toast")
    expect(who).to_have_text("You are a guest")
    expect(page.get_by_test_id("role")).to_contain_text("GuestRole")
    shot(page, artifacts, "1-guest")

    page.get_by_role("button", name="No Auth").click()
    expect(toast).to_contain_text("Open for All!")
    page.get_by_role("button", name="Req. Auth").click()
    expect(toast).to_contain_text("403: User: arn:aws:sts::")
    expect(toast).to_contain_text("is not authorized to perform: execute-api:Invoke")
    expect(page.get_by_test_id("answer")).to_contain_text("AccessDeniedException")
    shot(page, artifacts, "2-guest-refused")

    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(rf"^https://localhost:{demo.port}/login\?"))
    shot(page, artifacts, "3-sign-in")
    page.get_by_label("Username").fill("demouser")
    page.get_by_label("Password", exact=True).fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Incorrect username or password.")).to_be_visible()
    shot(page, artifacts, "4-sign-in-refused")
    page.get_by_label("Username").fill("demouser")
    page.get_by_label("Password", exact=True).fill("demoPASS123")
    page.get_by_role("button", name="Sign in").click()

    expect(who).to_have_text("Signed in as demouser")
    expect(page).to_have_url(re.compile(rf"^http://localhost:{demo.port}/"))
    expect(page.get_by_test_id("role")).to_contain_text("AuthenticatedRole")
    page.get_by_role("button", name="Req. Auth").click()
    expect(toast).to_contain_text("You're past the velvet rope!")
    shot(page, artifacts, "5-let-in")

    page.reload()
    expect(who).to_have_text("Signed in as demouser")

    with page.expect_response(lambda answer: "GetTokensFromRefreshToken" in target(answer.request)) as refreshed:
        page.get_by_role("button", name="Refresh my tokens").click()
    assert refreshed.value.status == 200
    expect(page.get_by_test_id("events")).to_contain_text("tokenRefresh")
    expect(who).to_have_text("Signed in as demouser")

    page.get_by_role("button", name="Sign out").click()
    expect(who).to_have_text("You are a guest")
    page.get_by_role("button", name="Req. Auth").click()
    expect(toast).to_contain_text("403: User: arn:aws:sts::")
    shot(page, artifacts, "6-signed-out")


def target(request: Request) -> str:
    return request.headers.get("x-amz-target", "")


def test_sign_out_ends_the_session_of_the_hosted_page_too(demo: RunningServer, page: Page) -> None:
    page.goto(demo.url)
    sign_in(page)
    expect(page.get_by_test_id("who")).to_have_text("Signed in as demouser")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_test_id("who")).to_have_text("You are a guest")

    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_label("Password", exact=True)).to_be_visible()


def test_it_works_by_keyboard_alone(demo: RunningServer, page: Page) -> None:
    page.goto(demo.url)
    expect(page.get_by_test_id("who")).to_have_text("You are a guest")

    page.get_by_role("button", name="Sign in").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Username")).to_be_focused()
    page.keyboard.type("demouser")
    page.keyboard.press("Tab")
    page.keyboard.type("demoPASS123")
    page.keyboard.press("Enter")

    expect(page.get_by_test_id("who")).to_have_text("Signed in as demouser")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("device", "width"), [("desktop", 1280), ("phone", 375)])
def test_it_fits_the_screen_in_light_and_dark(
    demo: RunningServer, browser: Browser, artifacts: Path, scheme: str, device: str, width: int
) -> None:
    context = browser.new_context(
        ignore_https_errors=True,
        viewport={"width": width, "height": 812},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    try:
        page = context.new_page()
        page.goto(demo.url)
        expect(page.get_by_test_id("role")).to_contain_text("GuestRole")
        page.get_by_role("button", name="Req. Auth").click()
        expect(page.get_by_test_id("toast")).to_be_visible()
        shot(page, artifacts, f"spa-{device}-{scheme}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width

        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_label("Username")).to_be_visible()
        shot(page, artifacts, f"sign-in-{device}-{scheme}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    finally:
        context.close()


def test_a_browser_that_does_not_trust_the_certificate_is_told_so(demo: RunningServer, browser: Browser) -> None:
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(demo.url)

        expect(page.get_by_role("note")).to_contain_text("velvetrope trust")
    finally:
        context.close()


def test_the_sign_in_page_needs_no_javascript(demo: RunningServer, browser: Browser) -> None:
    """The page's address is made by the SPA, so it is read there first and then opened without JavaScript."""
    helper = browser.new_context(ignore_https_errors=True)
    plain = browser.new_context(ignore_https_errors=True, java_script_enabled=False)
    try:
        first = helper.new_page()
        first.goto(demo.url)
        first.get_by_role("button", name="Sign in").click()
        expect(first.get_by_label("Username")).to_be_visible()

        page = plain.new_page()
        page.goto(first.url)
        page.get_by_label("Username").fill("demouser")
        page.get_by_label("Password", exact=True).fill("demoPASS123")
        page.get_by_role("button", name="Sign in").click()

        expect(page).to_have_url(re.compile(rf"^http://localhost:{demo.port}/\?code=[^&]+&state="))
    finally:
        helper.close()
        plain.close()

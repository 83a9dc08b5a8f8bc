"""The mailbox as its owner sees it."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from support.mailbox import link_in, mailbox, sign_up
from support.running import RunningServer

pytestmark = pytest.mark.browser


def test_the_owner_opens_the_link_and_reads_the_code(demo: RunningServer, page: Page, artifacts: Path) -> None:
    sign_up(demo, "greta")

    page.goto(link_in(mailbox(demo)))

    expect(page).to_have_url(f"{demo.url}/_velvetrope/mailbox")
    expect(page.get_by_role("heading", name="Mailbox")).to_be_visible()
    message = page.get_by_role("article", name="Your verification code").filter(has_text="greta@people.example")
    expect(message.get_by_text("Your confirmation code is")).to_be_visible()
    page.screenshot(path=artifacts / "mailbox.png")
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 800})
    page.screenshot(path=artifacts / "mailbox-dark-phone.png")


def test_somebody_without_a_link_is_told_how_to_get_one(demo: RunningServer, page: Page, artifacts: Path) -> None:
    page.goto(f"{demo.url}/_velvetrope/mailbox")

    expect(page.get_by_role("heading", name="This mailbox is the owner")).to_be_visible()
    expect(page.get_by_text("velvetrope mailbox", exact=True)).to_be_visible()
    page.screenshot(path=artifacts / "mailbox-closed.png")

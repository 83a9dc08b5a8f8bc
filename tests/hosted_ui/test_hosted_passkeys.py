"""Passkeys on the pages: added by who is signed in, used in the place of a password, once per question."""

import json
import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest

from support.authenticator import Authenticator
from support.hosted_house import House
from support.hosted_ui import CALLBACK, Browser, Response, authorize_query
from velvetrope.store.tables.userpools import SoftwareTokenMfaConfig, WebAuthnConfiguration

SESSION = "cognito-auth-api-demo-4800"
ORIGIN = "https://localhost:4800"


def options_on(page: Response) -> dict[str, Any]:
    """What the page asks the browser for."""
    found = re.search(r'data-options="([^"]+)"', page.text)
    assert found is not None, page.text
    options: dict[str, Any] = json.loads(unescape(found.group(1)))
    return options


def page_for_adding(house: House) -> str:
    return f"/passkeys/add?{urlencode({'client_id': house.client_id, 'redirect_uri': CALLBACK})}"


async def with_passkey(house: House) -> Authenticator:
    """The device of the house's user, registered on the page."""
    await house.allow_first_factors("PASSWORD", "WEB_AUTHN")
    await house.set_mfa("OFF", web_authn_configuration=WebAuthnConfiguration(relying_party_id="localhost"))
    device, browser = Authenticator(ORIGIN), house.browser()
    await house.sign_in(browser)
    page = await browser.get(page_for_adding(house))
    added = await house.answer(browser, page, credential=json.dumps(device.register(options_on(page))))
    assert (added.status, added.location) == (302, CALLBACK)
    return device


async def asked_for_it(house: House, browser: Browser) -> Response:
    """The page that asks for a passkey of the house's user."""
    page = await browser.get(f"/login?{authorize_query(client_id=house.client_id)}")
    asked = await house.answer(browser, page, username="demouser", factor="WEB_AUTHN")
    return await browser.get(asked.location)


async def test_a_passkey_signs_in_where_it_was_added(house: House) -> None:
    device, browser = await with_passkey(house), house.browser()
    page = await asked_for_it(house, browser)

    done = await house.answer(browser, page, credential=json.dumps(device.sign(options_on(page))))
    tokens = await house.redeem(browser, done.answer["code"])

    assert "script-src 'sha256-" in (page.header("content-security-policy") or "")
    assert tokens["status"] == 200


async def test_an_answer_counts_once(house: House) -> None:
    device, browser, thief = await with_passkey(house), house.browser(), house.browser()
    page = await asked_for_it(house, browser)
    thief.cookies = dict(browser.cookies)
    credential = json.dumps(device.sign(options_on(page)))

    first = await house.answer(browser, page, credential=credential)
    again = await house.answer(thief, page, credential=credential)

    assert "code" in first.answer
    assert again.status == 400
    assert SESSION not in thief.cookies


@pytest.mark.parametrize(
    "stranger",
    [
        Authenticator("https://localhost.evil.example"),
        Authenticator("https://evil.example"),
        Authenticator(ORIGIN, rp_id="evil.example"),
        Authenticator(ORIGIN),
    ],
    ids=["a longer name", "another page", "another relying party", "another device"],
)
async def test_a_passkey_of_elsewhere_signs_nobody_in_and_cannot_be_tried_again(
    house: House, stranger: Authenticator
) -> None:
    device, browser = await with_passkey(house), house.browser()
    stranger.credential_id = device.credential_id
    if stranger.origin != ORIGIN or stranger.rp_id is not None:
        stranger.key = device.key
    page = await asked_for_it(house, browser)

    refused = await house.answer(browser, page, credential=json.dumps(stranger.sign(options_on(page))))
    late = await browser.post(
        page.form_action, {"_csrf": page.csrf_token, "credential": json.dumps(device.sign(options_on(page)))}
    )

    assert (refused.status, "Incorrect username or password." in refused.text) == (400, True)
    assert "data-options" not in refused.text
    assert late.status == 400
    assert SESSION not in browser.cookies


@pytest.mark.parametrize("sent", ["", "{}", "[]", "null", "not json", '{"id": 1}'])
async def test_what_is_no_passkey_is_refused(house: House, sent: str) -> None:
    await with_passkey(house)
    browser = house.browser()
    page = await asked_for_it(house, browser)

    refused = await house.answer(browser, page, credential=sent)

    assert refused.status == 400
    assert SESSION not in browser.cookies


async def test_a_passkey_that_is_one_factor_is_not_offered_to_who_owes_two(house: House) -> None:
    await with_passkey(house)
    await house.set_mfa(
        "ON",
        software_token_mfa_configuration=SoftwareTokenMfaConfig(enabled=True),
        web_authn_configuration=WebAuthnConfiguration(relying_party_id="localhost"),
    )
    browser = house.browser()

    page = await asked_for_it(house, browser)

    assert "The way that you chose is not set up for this account." in page.text


async def test_a_registration_is_answered_once_and_for_its_own_page(house: House) -> None:
    await with_passkey(house)
    browser = house.browser()
    await house.sign_in(browser)
    page = await browser.get(page_for_adding(house))
    other = Authenticator("https://evil.example")
    fresh = Authenticator(ORIGIN)

    elsewhere = await house.answer(browser, page, credential=json.dumps(other.register(options_on(page))))
    spent = await house.answer(browser, page, credential=json.dumps(fresh.register(options_on(page))))
    kept = await house.answer(browser, spent, credential=json.dumps(fresh.register(options_on(spent))))

    assert "The origin of the credential is not the relying party" in elsewhere.text
    assert spent.status == 400
    assert kept.location == CALLBACK

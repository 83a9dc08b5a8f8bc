"""Passkeys on the pages: added by who is signed in, used in the place of a password, once per question."""

import json
import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest

from support.authenticator import Authenticator
from support.hosted_house import House
from support.hosted_ui import CALLBACK, Browser, Response, authorize_query
from velvetrope.store.tables.userpools import WebAuthnConfiguration
from velvetrope.userpools.factors.mfa_operations import MfaSettings
from velvetrope.userpools.factors.passkey_mfa import WebAuthnMfaSettings
from velvetrope.userpools.shapes import SignInPolicy, UserPoolPolicies
from velvetrope.userpools.tokens.session_settings import ClientSsoSession, TokenSession

SESSION = "__Host-cognito-auth-api-demo-4800"
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


async def test_who_owes_two_factors_is_offered_a_passkey_where_it_stands_for_both(house: House) -> None:
    device = await with_passkey(house)
    both = WebAuthnConfiguration(
        relying_party_id="localhost", factor_configuration="MULTI_FACTOR_WITH_USER_VERIFICATION"
    )
    await house.set_totp_up(web_authn_configuration=both)
    page = await asked_for_it(house, house.browser())
    assert "The way that you chose is not set up for this account." in page.text

    await house.call(
        "admin_set_user_mfa_preference",
        user_pool_id=house.pool_id,
        username="demouser",
        software_token_mfa_settings=MfaSettings(enabled=True),
        web_authn_mfa_settings=WebAuthnMfaSettings(enabled=True),
    )
    browser = house.browser()
    page = await asked_for_it(house, browser)
    device.verifies_users = False
    refused = await house.answer(browser, page, credential=json.dumps(device.sign(options_on(page))))
    assert (refused.status, "Incorrect username or password." in refused.text) == (400, True)
    device.verifies_users = True
    page = await asked_for_it(house, browser)
    done = await house.answer(browser, page, credential=json.dumps(device.sign(options_on(page))))
    assert "code" in done.answer


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


# Offered after a sign-in


LATER = "__Host-passkey-later-auth-api-demo-4800"


async def managed(house: House, *, version: int = 2) -> None:
    """Managed login, passkeys beside passwords, and a user who has none."""
    await house.call(
        "update_user_pool_domain",
        domain="auth-api-demo",
        user_pool_id=house.pool_id,
        managed_login_version=version,
    )
    await house.allow_first_factors("PASSWORD", "WEB_AUTHN")
    await house.set_mfa("OFF", web_authn_configuration=WebAuthnConfiguration(relying_party_id="localhost"))


async def test_who_has_no_passkey_is_offered_one_and_goes_on_to_the_app_with_it(house: House) -> None:
    await managed(house)
    device, browser = Authenticator(ORIGIN), house.browser()

    offered = await house.sign_in(browser, nonce="n0nce")
    page = await browser.get(offered.location)
    added = await house.answer(browser, page, credential=json.dumps(device.register(options_on(page))))
    done = await browser.get(added.location)
    tokens = await house.redeem(browser, done.answer["code"])
    asked = await asked_for_it(house, browser)
    by_passkey = await house.answer(browser, asked, credential=json.dumps(device.sign(options_on(asked))))

    assert offered.location.startswith("/passkeys/offer?")
    assert "You are signed in." in page.text
    assert added.location.startswith("/oauth2/authorize?")
    assert (done.answer["state"], tokens["status"]) == ("st4te", 200)
    assert jwt.decode(tokens["id_token"], options={"verify_signature": False})["nonce"] == "n0nce"
    assert "code" in by_passkey.answer, "who has one is not asked again"


async def test_not_now_goes_on_to_the_app_and_this_browser_is_left_alone_for_a_while(house: House) -> None:
    await managed(house)
    browser, another = house.browser(), house.browser()
    page = await browser.get((await house.sign_in(browser)).location)

    later = await house.answer(browser, page, later="1")
    done = await browser.get(later.location)
    del browser.cookies[SESSION]  # an hour later
    again = await house.sign_in(browser)
    elsewhere = await house.sign_in(another)

    (kept,) = [value for name, value in later.headers if name == "set-cookie" and value.startswith(LATER)]
    assert f"Max-Age={30 * 24 * 3600};" in kept
    assert "code" in done.answer
    assert "code" in again.answer
    assert elsewhere.location.startswith("/passkeys/offer?")


@pytest.mark.parametrize(
    ("version", "request_"),
    [(1, {}), (2, {"prompt": "login"}), (2, {"max_age": "600"})],
    ids=["the classic pages", "a prompt", "a fresh sign-in"],
)
async def test_nobody_is_kept_from_the_app_where_that_was_not_asked_for(
    house: House, version: int, request_: dict[str, str]
) -> None:
    await managed(house, version=version)

    response = await house.sign_in(house.browser(), **request_)

    assert "code" in response.answer


async def test_nobody_is_offered_what_the_client_or_the_pool_does_not_have(house: House) -> None:
    await managed(house)
    with_passkeys = house.client_id
    house.client_id = await house.add_client()
    without_user_auth = await house.sign_in(house.browser())
    house.client_id = with_passkeys
    await house.call(
        "update_user_pool",
        user_pool_id=house.pool_id,
        policies=UserPoolPolicies(sign_in_policy=SignInPolicy(allowed_first_auth_factors=("PASSWORD",))),
    )

    without_passkeys = await house.sign_in(house.browser())

    assert "code" in without_user_auth.answer
    assert "code" in without_passkeys.answer


async def test_nobody_is_offered_one_for_a_client_that_would_ask_them_to_sign_in_again(house: House) -> None:
    await managed(house)
    tracked = TokenSession(max_per_user=20)
    await house.call(
        "set_user_pool_session_configuration",
        user_pool_id=house.pool_id,
        user_session_tracking="ENABLED",
        token_session=tracked,
    )
    await house.call(
        "set_user_pool_client_session_configuration",
        user_pool_id=house.pool_id,
        client_id=house.client_id,
        sso_session=ClientSsoSession(max_validity_minutes=0),
    )

    assert "code" in (await house.sign_in(house.browser())).answer


async def test_a_passkey_is_offered_to_nobody_who_is_not_signed_in(house: House) -> None:
    await managed(house)
    browser = house.browser()
    offered = await house.sign_in(browser)
    stranger = house.browser()

    shown = await stranger.get(offered.location)
    unsent = await stranger.post(offered.location, {"later": "1"})

    assert shown.status == 401
    assert unsent.status == 401
    assert LATER not in stranger.cookies


async def test_not_now_is_taken_from_our_own_form_alone(house: House) -> None:
    await managed(house)
    browser = house.browser()
    page = await browser.get((await house.sign_in(browser)).location)

    forged = await browser.post(page.form_action, {"_csrf": "another", "later": "1"})

    assert forged.status == 403
    assert LATER not in browser.cookies


async def test_who_is_disabled_meanwhile_is_offered_nothing(house: House) -> None:
    await managed(house)
    browser = house.browser()
    offered = await house.sign_in(browser)
    await house.call("admin_disable_user", **house.user)

    shown = await browser.get(offered.location)

    assert shown.status == 401

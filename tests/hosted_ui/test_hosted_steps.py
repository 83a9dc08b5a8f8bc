"""What a sign-in asks after its first answer, page by page: every way through, and no way around."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.hosted_house import PASSWORD, House, secret_on
from support.hosted_ui import Browser, Door, FakeDirectory, Response, authorize_query
from support.hosted_ui import sign_in as fill_the_form
from support.userpools import RaisedInFunction
from velvetrope.clock import CountingEntropy
from velvetrope.edge.hosted import HostedPages
from velvetrope.secret import Secret
from velvetrope.store.tables.hosted_ui import HostedUiStore
from velvetrope.store.tables.userpools import (
    AppClient,
    EmailMfaConfig,
    LambdaConfig,
    SchemaAttribute,
    SmsConfiguration,
    SmsMfaConfig,
    SoftwareTokenMfaConfig,
    UserPool,
)
from velvetrope.userpools.turns import NextChallenge

STEP = "__Host-cognito-step-auth-api-demo-4800"
SESSION = "__Host-cognito-auth-api-demo-4800"
APPS = {"software_token_mfa_configuration": SoftwareTokenMfaConfig(enabled=True)}
SMS = {"sms_mfa_configuration": SmsMfaConfig(sms_configuration=SmsConfiguration())}
MAIL = {"email_mfa_configuration": EmailMfaConfig()}


def path_of(response: Response) -> str:
    return urlsplit(response.location).path


async def owing_a_code(house: House, browser: Browser) -> tuple[Response, str]:
    """A browser at the page for codes, and the secret of the app that shows them."""
    secret = await house.set_totp_up()
    return await house.sign_in(browser), secret


# Codes


async def test_a_code_of_the_authenticator_app_finishes_the_sign_in(house: House) -> None:
    browser = house.browser()
    asked, secret = await owing_a_code(house, browser)

    done = await house.answer(browser, asked, code=house.totp(secret))
    tokens = await house.redeem(browser, done.answer["code"])

    assert path_of(asked) == "/mfa"
    assert done.answer["state"] == "st4te"
    assert tokens["status"] == 200
    assert SESSION in browser.cookies
    assert STEP not in browser.cookies


async def test_a_code_by_text_message_finishes_the_sign_in(house: House) -> None:
    await house.set_attributes(phone_number="+15551234567", phone_number_verified="true")
    await house.set_mfa("ON", **SMS)
    browser = house.browser()

    page = await browser.get((await house.sign_in(browser)).location)
    done = await house.answer(browser, page, code=await house.last_code())

    assert "text message" in page.text
    assert "+15551234567" not in page.text
    assert "code" in done.answer


async def test_a_code_by_mail_finishes_the_sign_in(house: House) -> None:
    await house.set_attributes(email="demo@example.com", email_verified="true")
    await house.set_mfa("ON", **MAIL)
    browser = house.browser()

    page = await browser.get((await house.sign_in(browser)).location)
    done = await house.answer(browser, page, code=await house.last_code())

    assert "by e-mail to" in page.text
    assert "demo@example.com" not in page.text
    assert "code" in done.answer


async def test_a_wrong_code_is_refused_and_the_right_one_still_counts(house: House) -> None:
    browser = house.browser()
    asked, secret = await owing_a_code(house, browser)

    wrong = await house.answer(browser, asked, code="000000")
    empty = await house.answer(browser, wrong, code=" ")
    right = await house.answer(browser, wrong, code=house.totp(secret))

    assert (wrong.status, "The code is not right" in wrong.text) == (400, True)
    assert (empty.status, "Enter the code." in empty.text) == (400, True)
    assert "code" in right.answer


async def test_a_code_may_be_typed_in_groups(house: House) -> None:
    browser = house.browser()
    asked, secret = await owing_a_code(house, browser)
    code = house.totp(secret)

    assert "code" in (await house.answer(browser, asked, code=f" {code[:3]} {code[3:]} ")).answer


async def test_a_code_of_the_app_is_taken_once(house: House) -> None:
    first, second = house.browser(), house.browser()
    asked, secret = await owing_a_code(house, first)
    code = house.totp(secret)
    assert "code" in (await house.answer(first, asked, code=code)).answer

    replayed = await house.answer(second, await house.sign_in(second), code=code)

    assert replayed.status == 400
    assert SESSION not in second.cookies


async def test_guessed_codes_lock_the_user_out_over_all_browsers(house: House) -> None:
    browser = house.browser()
    asked, secret = await owing_a_code(house, browser)
    page = await browser.get(asked.location)
    for guess in range(5):
        await house.answer(browser, page, code=f"00000{guess}")
    other = house.browser()

    locked = await house.answer(other, await house.sign_in(other), code=house.totp(secret))
    house.clock.advance(timedelta(seconds=1))
    admitted = await house.answer(other, locked, code=house.totp(secret))

    assert "Password attempts exceeded" in locked.text
    assert "code" in admitted.answer


# Choices


async def test_who_has_several_factors_chooses_one(house: House) -> None:
    await house.set_attributes(
        email="demo@example.com", email_verified="true", phone_number="+15551234567", phone_number_verified="true"
    )
    await house.set_mfa("ON", **SMS, **MAIL)
    browser = house.browser()

    choice = await browser.get((await house.sign_in(browser)).location)
    refused = await house.answer(browser, choice, mfa="SOFTWARE_TOKEN_MFA")
    asked = await house.answer(browser, choice, mfa="EMAIL_OTP")
    done = await house.answer(browser, asked, code=await house.last_code())

    assert refused.status == 400
    assert 'value="SOFTWARE_TOKEN_MFA"' not in choice.text
    assert path_of(asked) == "/mfa"
    assert "code" in done.answer


async def test_going_back_to_a_choice_that_was_made_leads_on_to_what_waits(house: House) -> None:
    await house.set_attributes(
        email="demo@example.com", email_verified="true", phone_number="+15551234567", phone_number_verified="true"
    )
    await house.set_mfa("ON", **SMS, **MAIL)
    browser = house.browser()
    to_choice = await house.sign_in(browser)
    await house.answer(browser, to_choice, mfa="EMAIL_OTP")

    back = await browser.get(to_choice.location)

    assert (back.status, path_of(back)) == (302, "/mfa")


# Setting a factor up


async def test_an_authenticator_app_is_set_up_on_the_page_and_asked_for_from_then_on(house: House) -> None:
    await house.set_mfa("ON", **APPS)
    browser, later = house.browser(), house.browser()

    page = await browser.get((await house.sign_in(browser)).location)
    again = await browser.get(f"/mfaSetup?{urlsplit(page.form_action).query}")
    wrong = await house.answer(browser, page, code="000000")
    done = await house.answer(browser, wrong, code=house.totp(secret_on(page)))

    assert "<svg" in page.text
    assert secret_on(again) == secret_on(page)
    assert (wrong.status, "The code is not right" in wrong.text) == (400, True)
    assert "code" in done.answer
    assert path_of(await house.sign_in(later)) == "/mfa"


async def test_mail_is_set_up_with_a_code_to_the_address(house: House) -> None:
    await house.set_mfa("ON", **MAIL)
    browser, later = house.browser(), house.browser()

    page = await browser.get((await house.sign_in(browser)).location)
    asked = await house.answer(browser, page, email="new@example.com")
    before = await house.call("admin_get_user", **house.user)
    done = await house.answer(browser, asked, code=await house.last_code())
    after = await house.call("admin_get_user", **house.user)

    assert path_of(asked) == "/mfa"
    assert "new@example.com" not in str(before)
    assert "code" in done.answer
    assert {"name": "email", "value": "new@example.com"} in after["user_attributes"]
    assert {"name": "email_verified", "value": "true"} in after["user_attributes"]
    assert after["user_mfa_setting_list"] == ("EMAIL_OTP",)
    assert path_of(await house.sign_in(later)) == "/mfa"


async def test_an_address_that_is_none_is_refused_on_the_page(house: House) -> None:
    await house.set_mfa("ON", **MAIL)
    browser = house.browser()

    refused = await house.answer(browser, await house.sign_in(browser), email="nobody")

    assert refused.status == 400
    assert await house.pools.outbox.messages(house.pool_id) == []


async def test_mail_that_the_pool_does_not_offer_is_not_set_up(house: House) -> None:
    await house.set_mfa("ON", **APPS)
    browser = house.browser()

    refused = await house.answer(browser, await house.sign_in(browser), email="new@example.com")

    assert refused.status == 400
    assert "new@example.com" not in str(await house.call("admin_get_user", **house.user))


async def test_who_has_set_a_factor_up_elsewhere_meanwhile_sets_no_other_up(house: House) -> None:
    """A stranger with the password alone waits at the page; the owner sets an app up; the stranger's is not kept."""
    await house.set_mfa("ON", **APPS, **MAIL)
    stranger, owner = house.browser(), house.browser()
    waiting = await stranger.get((await house.sign_in(stranger)).location)
    theirs = await owner.get((await house.sign_in(owner)).location)
    assert "code" in (await house.answer(owner, theirs, code=house.totp(secret_on(theirs)))).answer
    house.clock.advance(timedelta(seconds=60))

    app = await house.answer(stranger, waiting, code=house.totp(secret_on(waiting)))
    mail = await house.answer(stranger, waiting, email="stranger@example.com")

    assert (app.status, mail.status) == (400, 400)
    assert SESSION not in stranger.cookies


async def test_a_pool_that_only_sends_text_messages_says_so_to_who_has_no_phone(house: House) -> None:
    await house.set_mfa("ON", **SMS)
    browser = house.browser()

    page = await browser.get((await house.sign_in(browser)).location)

    assert "this account has no phone number" in page.text


# A new password


async def test_a_temporary_password_is_replaced_on_the_page(house: House) -> None:
    await house.call("admin_set_user_password", password=Secret("Another1pass!"), permanent=False, **house.user)
    browser = house.browser()

    asked = await house.sign_in(browser, password="Another1pass!")
    different = await house.answer(browser, asked, password="Third1pass!", confirm_password="Third1pass?")
    weak = await house.answer(browser, different, password="weak", confirm_password="weak")
    done = await house.answer(browser, weak, password="Third1pass!", confirm_password="Third1pass!")

    assert path_of(asked) == "/resetPassword"
    assert "The two passwords are not the same." in different.text
    assert "Password did not conform with policy" in weak.text
    assert "code" in done.answer
    assert "code" in (await house.sign_in(house.browser(), password="Third1pass!")).answer
    assert (await house.sign_in(house.browser(), password="Another1pass!")).status == 400


async def test_required_attributes_that_are_missing_are_asked_for_with_the_new_password(house: House) -> None:
    client_id = await house.add_pool("newcomers", schema=(SchemaAttribute(name="family_name", required=True),))
    pool = await house.pools.sign_in.find_pool_by_domain("newcomers")
    assert pool is not None
    user = {"user_pool_id": pool.id, "username": "anna"}
    await house.call("admin_create_user", message_action="SUPPRESS", temporary_password=Secret(PASSWORD), **user)
    browser = house.browser()
    page = await browser.get(f"/newcomers/login?{authorize_query(client_id=client_id)}")
    passwords = {"password": "Third1pass!", "confirm_password": "Third1pass!"}

    asked = await browser.get((await house.answer(browser, page, username="anna", password=PASSWORD)).location)
    without = await house.answer(browser, asked, **passwords)
    other = await house.answer(browser, asked, **passwords, **{"userAttributes.email": "anna@example.com"})
    done = await house.answer(browser, asked, **passwords, **{"userAttributes.family_name": "Nyman"})
    known = await house.call("admin_get_user", **user)

    assert "Family name" in asked.text
    assert "family_name: The attribute is required" in without.text
    assert other.status == 400
    assert "code" in done.answer
    assert {"name": "family_name", "value": "Nyman"} in known["user_attributes"]
    assert "anna@example.com" not in str(known)


async def test_a_second_factor_is_asked_for_after_the_new_password(house: House) -> None:
    await house.set_attributes(email="demo@example.com", email_verified="true")
    await house.set_mfa("ON", **MAIL)
    await house.call("admin_set_user_password", password=Secret("Another1pass!"), permanent=False, **house.user)
    browser = house.browser()

    asked = await house.sign_in(browser, password="Another1pass!")
    next_one = await house.answer(browser, asked, password="Third1pass!", confirm_password="Third1pass!")
    done = await house.answer(browser, next_one, code=await house.last_code())

    assert (path_of(asked), path_of(next_one)) == ("/resetPassword", "/mfa")
    assert "code" in done.answer


# First factors besides the password


async def test_a_code_by_mail_stands_for_the_password_where_the_client_and_the_pool_allow_it(house: House) -> None:
    await house.allow_first_factors("PASSWORD", "EMAIL_OTP")
    await house.set_attributes(email="demo@example.com", email_verified="true")
    browser = house.browser()
    page = await browser.get(f"/login?{authorize_query(client_id=house.client_id)}")

    asked = await house.answer(browser, page, username="demouser", factor="EMAIL_OTP")
    done = await house.answer(browser, asked, code=await house.last_code())

    assert page.text.count('value="EMAIL_OTP"') == 1
    assert "code" in done.answer


async def test_a_name_that_nobody_has_is_asked_the_same_and_gets_nothing(house: House) -> None:
    await house.allow_first_factors("PASSWORD", "EMAIL_OTP")
    browser = house.browser()
    page = await browser.get(f"/login?{authorize_query(client_id=house.client_id)}")

    asked = await house.answer(browser, page, username="nobody", factor="EMAIL_OTP")
    refused = await house.answer(browser, asked, code="12345678")

    assert path_of(asked) == "/mfa"
    assert refused.status == 400


@pytest.mark.parametrize("name", ["demouser", "nobody"])
async def test_a_stranger_cannot_fill_an_inbox_by_asking_for_codes(house: House, name: str) -> None:
    await house.allow_first_factors("PASSWORD", "EMAIL_OTP")
    await house.set_attributes(email="demo@example.com", email_verified="true")
    browser = house.browser()
    page = await browser.get(f"/login?{authorize_query(client_id=house.client_id)}")

    asked = [await house.answer(browser, page, username=name, factor="EMAIL_OTP") for _ in range(6)]
    house.clock.advance(timedelta(hours=1))
    later = await house.answer(browser, page, username=name, factor="EMAIL_OTP")

    assert [answer.status for answer in asked] == [302, 302, 302, 302, 302, 400]
    assert "Attempt limit exceeded" in asked[-1].text
    assert later.status == 302
    assert len(await house.pools.outbox.messages(house.pool_id)) == (6 if name == "demouser" else 0)


async def test_whoever_answers_their_codes_may_ask_for_any_number(house: House) -> None:
    await house.allow_first_factors("PASSWORD", "EMAIL_OTP")
    await house.set_attributes(email="demo@example.com", email_verified="true")

    for _ in range(8):
        house.clock.advance(timedelta(milliseconds=1))  # messages are told apart by when they were written
        browser = house.browser()
        page = await browser.get(f"/login?{authorize_query(client_id=house.client_id)}")
        asked = await house.answer(browser, page, username="demouser", factor="EMAIL_OTP")
        assert "code" in (await house.answer(browser, asked, code=await house.last_code())).answer


async def test_a_factor_that_is_not_offered_is_refused(house: House) -> None:
    browser = house.browser()
    page = await browser.get(f"/login?{authorize_query(client_id=house.client_id)}")

    refused = await house.answer(browser, page, username="demouser", factor="EMAIL_OTP")

    assert 'name="factor"' not in page.text
    assert (refused.status, "This way to sign in is not offered here." in refused.text) == (400, True)


async def test_a_factor_that_the_user_lacks_leads_to_those_that_they_have(house: House) -> None:
    await house.allow_first_factors("PASSWORD", "EMAIL_OTP", "WEB_AUTHN")
    await house.set_attributes(email="demo@example.com", email_verified="true")
    browser = house.browser()
    page = await browser.get(f"/login?{authorize_query(client_id=house.client_id)}")

    choice = await browser.get((await house.answer(browser, page, username="demouser", factor="WEB_AUTHN")).location)
    refused = await house.answer(browser, choice, factor="PASSWORD")
    asked = await house.answer(browser, choice, factor="EMAIL_OTP")

    assert 'value="WEB_AUTHN"' not in choice.text
    assert refused.status == 400
    assert path_of(asked) == "/mfa"


# No way around


async def test_a_half_done_sign_in_is_no_sign_in(house: House) -> None:
    """Straight to authorize with a password proven and a code owed: the sign-in page, and no code for the app."""
    browser = house.browser()
    await owing_a_code(house, browser)

    around = await browser.get(f"/oauth2/authorize?{authorize_query(client_id=house.client_id)}")

    assert path_of(around) == "/login"
    assert SESSION not in browser.cookies


async def test_a_step_belongs_to_the_browser_that_came_to_it(house: House) -> None:
    browser, other = house.browser(), house.browser()
    asked, secret = await owing_a_code(house, browser)
    page = await browser.get(asked.location)
    token = (await other.get(f"/login?{authorize_query(client_id=house.client_id)}")).csrf_token

    stolen = await other.post(page.form_action, {"_csrf": token, "code": house.totp(secret)})

    assert (stolen.status, "This step is over" in stolen.text) == (400, True)
    assert SESSION not in other.cookies


async def test_a_step_belongs_to_one_client_and_one_request(house: House) -> None:
    browser = house.browser()
    asked, secret = await owing_a_code(house, browser)
    page = await browser.get(asked.location)
    second = await house.add_client()

    for query in (authorize_query(client_id=second), authorize_query(client_id=house.client_id, state="another")):
        shown = await browser.get(f"/mfa?{query}")
        posted = await browser.post(f"/mfa?{query}", {"_csrf": page.csrf_token, "code": house.totp(secret)})
        assert (shown.status, posted.status) == (400, 400)
        assert "This step is over" in posted.text

    assert "code" in (await house.answer(browser, page, code=house.totp(secret))).answer


async def test_a_step_of_another_pool_is_none_here(house: House) -> None:
    browser = house.browser()
    asked, secret = await owing_a_code(house, browser)
    page = await browser.get(asked.location)
    held = browser.cookies[STEP]
    other_client = await house.add_pool("other-pool")
    browser.cookies["__Host-cognito-step-other-pool-4800"] = held
    browser.cookies["__Host-XSRF-TOKEN-other-pool-4800"] = page.csrf_token

    posted = await browser.post(
        f"/other-pool/mfa?{authorize_query(client_id=other_client)}",
        {"_csrf": page.csrf_token, "code": house.totp(secret)},
    )

    assert (posted.status, "This step is over" in posted.text) == (400, True)


async def test_a_form_of_a_step_that_is_not_ours_is_refused_whatever_the_code(house: House) -> None:
    browser = house.browser()
    asked, secret = await owing_a_code(house, browser)
    page = await browser.get(asked.location)
    fields = {"code": house.totp(secret)}

    missing = await browser.post(page.form_action, fields)
    foreign = await browser.post(
        page.form_action, {**fields, "_csrf": page.csrf_token}, headers={"origin": "https://evil.example"}
    )
    not_a_form = await browser.request("POST", page.form_action, headers={"content-type": "application/json"})

    assert (missing.status, foreign.status, not_a_form.status) == (403, 403, 415)
    assert SESSION not in browser.cookies
    assert "code" in (await house.answer(browser, page, **fields)).answer


async def test_sending_a_form_twice_gives_one_sign_in_and_a_page_that_goes_on(house: House) -> None:
    browser = house.browser()
    asked, secret = await owing_a_code(house, browser)
    page = await browser.get(asked.location)
    kept = dict(browser.cookies)
    assert "code" in (await house.answer(browser, page, code=house.totp(secret))).answer
    signed_in, browser.cookies = browser.cookies, kept  # the second press of the button carries what the first did

    twice = await house.answer(browser, page, code=house.totp(secret))
    browser.cookies = signed_in
    back = await browser.get(asked.location)
    on = await browser.get(back.text.partition('<li><a href="')[2].partition('"')[0].replace("&amp;", "&"))

    assert (twice.status, "This step is over" in twice.text) == (400, True)
    assert (back.status, "This step is over" in back.text) == (400, True)
    assert "code" in on.answer


async def test_one_code_in_two_windows_at_once_signs_in_once(house: House) -> None:
    browser = house.browser()
    asked, secret = await owing_a_code(house, browser)
    page = await browser.get(asked.location)
    windows = [house.browser() for _ in range(4)]
    for window in windows:
        window.cookies = dict(browser.cookies)

    answers = await asyncio.gather(*(house.answer(window, page, code=house.totp(secret)) for window in windows))

    assert sorted(answer.status for answer in answers) == [302, 400, 400, 400]
    assert sum(SESSION in window.cookies for window in windows) == 1


async def test_tokens_in_the_fragment_come_after_the_code_and_not_before(house: House) -> None:
    secret = await house.set_totp_up()
    house.client_id = await house.add_client(allowed_o_auth_flows=("implicit",))
    browser = house.browser()

    asked = await house.sign_in(browser, response_type="token", code_challenge=None, code_challenge_method=None)
    done = await house.answer(browser, asked, code=house.totp(secret))

    assert path_of(asked) == "/mfa"
    assert done.answer.keys() == {"id_token", "access_token", "token_type", "expires_in", "state"}
    assert "refresh_token" not in done.location


async def test_a_second_sign_in_in_the_same_browser_takes_the_place_of_the_first(house: House) -> None:
    browser = house.browser()
    asked, secret = await owing_a_code(house, browser)
    first = await browser.get(asked.location)
    second = await house.sign_in(browser, state="tab-two")

    lost = await house.answer(browser, first, code=house.totp(secret))
    won = await house.answer(browser, second, code=house.totp(secret))

    assert (lost.status, "This step is over" in lost.text) == (400, True)
    assert won.answer["state"] == "tab-two"


@pytest.mark.parametrize(("later", "stands"), [(timedelta(seconds=179), True), (timedelta(seconds=180), False)])
async def test_a_step_waits_for_three_minutes_and_not_a_second_more(
    house: House, later: timedelta, stands: bool
) -> None:
    browser = house.browser()
    asked, _ = await owing_a_code(house, browser)
    house.clock.advance(later)

    page = await browser.get(asked.location)

    assert page.status == (200 if stands else 400)


async def test_every_step_gives_the_browser_another_id(house: House) -> None:
    await house.set_attributes(
        email="demo@example.com", email_verified="true", phone_number="+15551234567", phone_number_verified="true"
    )
    await house.set_mfa("ON", **SMS, **MAIL)
    browser = house.browser()
    to_choice = await house.sign_in(browser)
    first = browser.cookies[STEP]
    asked = await house.answer(browser, to_choice, mfa="EMAIL_OTP")
    second, browser.cookies[STEP] = browser.cookies[STEP], first

    old = await browser.get(asked.location)

    assert first != second
    assert (old.status, "This step is over" in old.text) == (400, True)


@pytest.mark.parametrize("planted", ["", "x", "AAAA", "A" * 43, "\x7f", "a;b"])
async def test_an_id_that_is_not_ours_opens_nothing(house: House, planted: str) -> None:
    browser = house.browser()
    browser.cookies[STEP] = planted

    page = await browser.get(f"/mfa?{authorize_query(client_id=house.client_id)}")

    assert (page.status, "This step is over" in page.text) == (400, True)


async def test_no_challenge_session_and_no_secret_is_in_an_address_or_in_the_store_unsealed(house: House) -> None:
    await house.set_mfa("ON", **APPS)
    browser = house.browser()

    asked = await house.sign_in(browser)
    page = await browser.get(asked.location)
    raw = (house.folder / "velvetrope.db").read_bytes()
    wal = house.folder / "velvetrope.db-wal"
    kept = raw + (wal.read_bytes() if wal.exists() else b"")

    assert len(asked.location) < 500
    assert secret_on(page).encode() not in kept
    assert browser.cookies[STEP].encode() not in kept


# When what it was about goes away


async def test_a_user_who_is_disabled_meanwhile_does_not_get_in(house: House) -> None:
    browser = house.browser()
    asked, secret = await owing_a_code(house, browser)
    await house.call("admin_disable_user", **house.user)

    refused = await house.answer(browser, asked, code=house.totp(secret))

    assert refused.status == 400
    assert SESSION not in browser.cookies


async def test_a_client_that_is_deleted_meanwhile_ends_the_step_on_our_own_page(house: House) -> None:
    browser = house.browser()
    asked, _ = await owing_a_code(house, browser)
    await house.call("delete_user_pool_client", user_pool_id=house.pool_id, client_id=house.client_id)

    page = await browser.get(asked.location)

    assert (page.status, "Client does not exist." in page.text) == (400, True)


async def test_a_pool_that_is_deleted_meanwhile_is_not_found(house: House) -> None:
    browser = house.browser()
    asked, _ = await owing_a_code(house, browser)
    await house.call("delete_user_pool_domain", domain="auth-api-demo", user_pool_id=house.pool_id)
    await house.call("delete_user_pool", user_pool_id=house.pool_id)

    page = await browser.get(asked.location)

    assert page.status == 404


async def test_an_address_that_moves_to_another_pool_takes_no_step_along(house: House) -> None:
    browser = house.browser()
    asked, secret = await owing_a_code(house, browser)
    page = await browser.get(asked.location)
    await house.call("delete_user_pool_domain", domain="auth-api-demo", user_pool_id=house.pool_id)
    client_id = await house.add_pool("auth-api-demo")

    posted = await browser.post(
        f"/mfa?{authorize_query(client_id=client_id)}", {"_csrf": page.csrf_token, "code": house.totp(secret)}
    )

    assert (posted.status, "This step is over" in posted.text) == (400, True)


# Triggers


async def test_functions_of_the_pool_are_asked_once_each_and_in_order(house: House) -> None:
    secret = await house.set_totp_up()
    config = LambdaConfig(
        pre_authentication=house.functions.answers("before"),
        post_authentication=house.functions.answers("after"),
        pre_token_generation=house.functions.answers("tokens"),
    )
    await house.call("update_user_pool", user_pool_id=house.pool_id, lambda_config=config, mfa_configuration="ON")
    browser = house.browser()

    asked = await house.sign_in(browser)
    half_way = house.functions.sources()
    done = await house.answer(browser, asked, code=house.totp(secret))
    await house.redeem(browser, done.answer["code"])

    assert half_way == ["PreAuthentication_Authentication"]
    assert house.functions.sources() == [
        "PreAuthentication_Authentication",
        "PostAuthentication_Authentication",
        "TokenGeneration_HostedAuth",
    ]


async def test_a_function_that_refuses_after_the_last_answer_ends_the_sign_in(house: House) -> None:
    def refuse(event: dict[str, Any]) -> None:
        raise RaisedInFunction("not today")

    secret = await house.set_totp_up()
    config = LambdaConfig(post_authentication=house.functions.answers("after"))
    await house.call("update_user_pool", user_pool_id=house.pool_id, lambda_config=config, mfa_configuration="ON")
    house.functions.define("after", refuse)
    browser = house.browser()

    refused = await house.answer(browser, await house.sign_in(browser), code=house.totp(secret))

    assert (refused.status, "not today" in refused.text) == (400, True)
    assert SESSION not in browser.cookies


async def test_a_function_for_tokens_that_refuses_is_told_to_the_app_and_leaves_no_session(house: House) -> None:
    def refuse(event: dict[str, Any]) -> None:
        raise RaisedInFunction("not today")

    config = LambdaConfig(pre_token_generation=house.functions.answers("tokens"))
    await house.call("update_user_pool", user_pool_id=house.pool_id, lambda_config=config)
    house.functions.define("tokens", refuse)
    house.client_id = await house.add_client(allowed_o_auth_flows=("implicit",))
    browser = house.browser()

    told = await house.sign_in(browser, response_type="token", code_challenge=None, code_challenge_method=None)

    assert told.answer["error"] == "invalid_request"
    assert "PreTokenGeneration failed with error not today" in told.answer["error_description"]
    assert SESSION not in browser.cookies


async def test_a_user_of_another_directory_is_migrated_on_the_page(house: House) -> None:
    known: dict[str, Any] = {
        "userAttributes": {"email": "newcomer@example.com", "email_verified": "true"},
        "finalUserStatus": "CONFIRMED",
        "messageAction": "SUPPRESS",
    }
    config = LambdaConfig(user_migration=house.functions.answers("migrate", **known))
    await house.call("update_user_pool", user_pool_id=house.pool_id, lambda_config=config)

    done = await house.sign_in(house.browser(), username="newcomer")

    assert "code" in done.answer
    assert house.functions.sources() == ["UserMigration_Authentication"]


async def test_a_challenge_that_no_page_asks_is_refused_by_name(tmp_path: Path) -> None:
    class Riddles(FakeDirectory):
        async def begin_sign_in(self, pool: UserPool, client: AppClient, **given: Any) -> Any:
            return NextChallenge("CUSTOM_CHALLENGE", {}, "a-session")

    door = await Door.open(tmp_path)
    riddles = Riddles()
    riddles.add(*door.directory.pools.values(), *door.directory.clients.values())
    pages = HostedPages(riddles, HostedUiStore(door.database), door.clock, CountingEntropy())

    refused = await fill_the_form(Browser(pages))
    await door.database.close()

    assert refused.status == 400
    assert "The challenge CUSTOM_CHALLENGE is not supported on these pages." in refused.text


async def test_the_password_is_not_asked_for_again_by_a_step(house: House) -> None:
    """What was typed is on no page: a page that is left open on a shared machine gives nothing away."""
    browser = house.browser()
    asked, _ = await owing_a_code(house, browser)

    page = await browser.get(asked.location)

    assert PASSWORD not in page.text
    assert page.header("cache-control") == "no-cache, no-store, max-age=0, must-revalidate"
    assert page.header("x-frame-options") == "DENY"
    assert "frame-ancestors 'none'" in (page.header("content-security-policy") or "")
    assert page.header("referrer-policy") == "same-origin"

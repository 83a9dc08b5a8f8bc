"""How long a browser is somebody's: one hour at most, and no longer than who they are still stands."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

import pytest

from support.hosted_house import PASSWORD, House
from support.hosted_ui import CALLBACK, Browser, Response, authorize_query
from velvetrope.errors import ServiceError
from velvetrope.secret import Secret

SESSION = "__Host-cognito-auth-api-demo-4800"
Act = Callable[[House, str], Awaitable[object]]


async def ask_again(house: House, browser: Browser, **changes: str | None) -> Response:
    """A second app asks; who is signed in gets there without a form."""
    return await browser.get(f"/oauth2/authorize?{authorize_query(client_id=house.client_id, **changes)}")


def is_let_through(response: Response) -> bool:
    return response.location.startswith(f"{CALLBACK}?code=")


def is_asked_to_sign_in(response: Response) -> bool:
    return urlsplit(response.location).path == "/login"


async def signed_in(house: House) -> tuple[Browser, str]:
    """A browser with a session, and an access token that may do what its user may."""
    house.client_id = await house.add_client(
        allowed_o_auth_scopes=("openid", "email", "profile", "aws.cognito.signin.user.admin"),
        explicit_auth_flows=("ALLOW_USER_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"),
    )
    browser = house.browser()
    done = await house.sign_in(browser, scope="openid aws.cognito.signin.user.admin", prompt="login")
    tokens = await house.redeem(browser, done.answer["code"])
    house.clock.advance(timedelta(seconds=1))
    return browser, str(tokens["access_token"])


async def global_sign_out(house: House, token: str) -> object:
    return await house.call("global_sign_out", access_token=Secret(token))


async def admin_global_sign_out(house: House, _token: str) -> object:
    return await house.call("admin_user_global_sign_out", **house.user)


async def change_password(house: House, token: str) -> object:
    return await house.call(
        "change_password",
        access_token=Secret(token),
        previous_password=Secret(PASSWORD),
        proposed_password=Secret("Another1pass!"),
    )


async def set_password(house: House, _token: str) -> object:
    return await house.call("admin_set_user_password", password=Secret("Another1pass!"), permanent=True, **house.user)


async def set_temporary_password(house: House, _token: str) -> object:
    return await house.call("admin_set_user_password", password=Secret("Another1pass!"), permanent=False, **house.user)


async def reset_password(house: House, _token: str) -> object:
    await house.set_attributes(email="demo@example.com", email_verified="true")
    return await house.call("admin_reset_user_password", **house.user)


async def disable(house: House, _token: str) -> object:
    return await house.call("admin_disable_user", **house.user)


async def disable_and_enable(house: House, _token: str) -> object:
    await house.call("admin_disable_user", **house.user)
    return await house.call("admin_enable_user", **house.user)


async def delete(house: House, _token: str) -> object:
    return await house.call("admin_delete_user", **house.user)


async def make_anew(house: House, _token: str) -> object:
    """Somebody else gets the name."""
    await house.call("admin_delete_user", **house.user)
    await house.call("admin_create_user", message_action="SUPPRESS", **house.user)
    return await house.call("admin_set_user_password", password=Secret(PASSWORD), permanent=True, **house.user)


async def user_info(house: House, token: str) -> int:
    answer = await house.browser().get("/oauth2/userInfo", headers={"authorization": f"Bearer {token}"})
    return answer.status


async def get_user(house: House, token: str) -> str | None:
    """How GetUser refuses the token; None where it does not."""
    try:
        await house.call("get_user", access_token=Secret(token))
    except ServiceError as refusal:
        return refusal.code
    return None


async def test_user_info_refuses_who_has_to_choose_another_password_as_get_user_does(house: House) -> None:
    """By one rule: what an administrator's reset has stopped goes on once another password was chosen."""
    _, token = await signed_in(house)
    assert (await user_info(house, token), await get_user(house, token)) == (200, None)

    await reset_password(house, token)
    assert (await user_info(house, token), await get_user(house, token)) == (401, "PasswordResetRequiredException")

    await house.call(
        "confirm_forgot_password",
        client_id=house.client_id,
        username="demouser",
        confirmation_code=await house.last_code(),
        password=Secret("Another1pass!"),
    )
    assert (await user_info(house, token), await get_user(house, token)) == (200, None)


@pytest.mark.parametrize("act", [global_sign_out, disable, delete, make_anew], ids=lambda act: str(act.__name__))
async def test_user_info_refuses_what_get_user_refuses(house: House, act: Act) -> None:
    _, token = await signed_in(house)

    await act(house, token)

    assert (await user_info(house, token), await get_user(house, token)) == (401, "NotAuthorizedException")


@pytest.mark.parametrize(
    "act",
    [
        global_sign_out,
        admin_global_sign_out,
        change_password,
        set_password,
        set_temporary_password,
        reset_password,
        disable,
        disable_and_enable,
        delete,
        make_anew,
    ],
    ids=lambda act: str(act.__name__),
)
async def test_a_session_ends_with_what_it_stood_on(house: House, act: Act) -> None:
    browser, token = await signed_in(house)
    before = await ask_again(house, browser)
    assert is_let_through(before)

    await act(house, token)
    after = await ask_again(house, browser)
    silent = await ask_again(house, browser, prompt="none")
    redeemed = await house.redeem(browser, before.answer["code"])

    assert is_asked_to_sign_in(after)
    assert silent.answer["error"] == "login_required"
    assert redeemed == {"status": 400, "error": "invalid_grant"}


async def test_a_sign_in_after_a_global_sign_out_lasts(house: House) -> None:
    browser, token = await signed_in(house)
    await global_sign_out(house, token)
    house.clock.advance(timedelta(seconds=1))

    await house.sign_in(browser, prompt="login")

    assert is_let_through(await ask_again(house, browser))


async def test_a_change_of_attributes_ends_no_session(house: House) -> None:
    browser, _ = await signed_in(house)

    await house.set_attributes(email="demo@example.com")

    assert is_let_through(await ask_again(house, browser))


@pytest.mark.parametrize(("later", "stands"), [(timedelta(seconds=3599), True), (timedelta(seconds=3600), False)])
async def test_a_session_lasts_an_hour_from_sign_in_however_much_it_is_used(
    house: House, later: timedelta, stands: bool
) -> None:
    browser = house.browser()
    await house.sign_in(browser)
    house.clock.advance(later / 2)
    assert is_let_through(await ask_again(house, browser))
    house.clock.advance(later / 2)

    assert is_let_through(await ask_again(house, browser)) is stands


async def test_a_session_that_somebody_planted_is_nobodys_and_is_not_taken_over(house: House) -> None:
    """Session fixation: an attacker's id in the victim's browser before the sign-in is worth nothing after it."""
    planted = "A" * 43
    browser, attacker = house.browser(), house.browser()
    browser.cookies[SESSION] = attacker.cookies[SESSION] = planted

    before = await ask_again(house, browser)
    await house.sign_in(browser)

    assert is_asked_to_sign_in(before)
    assert browser.cookies[SESSION] != planted
    assert is_asked_to_sign_in(await ask_again(house, attacker))


@pytest.mark.parametrize("blank", ["\xa0", "\x85"])
async def test_a_session_that_a_neighbour_planted_behind_a_blank_is_nobodys(house: House, blank: str) -> None:
    """A browser lets every host of a site set such a name, as it does not begin with `__Host-`."""
    browser, neighbour = house.browser(), house.browser()
    await house.sign_in(neighbour)
    browser.cookies = {f"{blank}{name}": value for name, value in neighbour.cookies.items()}

    assert is_asked_to_sign_in(await ask_again(house, browser))
    assert is_let_through(await ask_again(house, neighbour))


async def test_a_new_sign_in_ends_the_session_that_the_browser_had(house: House) -> None:
    browser, thief = house.browser(), house.browser()
    await house.sign_in(browser)
    thief.cookies = dict(browser.cookies)

    await house.sign_in(browser, prompt="login")

    assert is_asked_to_sign_in(await ask_again(house, thief))
    assert is_let_through(await ask_again(house, browser))


async def test_log_out_ends_the_session_for_whoever_has_copied_it(house: House) -> None:
    house.client_id = await house.add_client(logout_urls=(CALLBACK,))
    browser, thief = house.browser(), house.browser()
    await house.sign_in(browser)
    thief.cookies = dict(browser.cookies)

    out = await browser.get(f"/logout?{urlencode({'client_id': house.client_id, 'logout_uri': CALLBACK})}")

    assert out.location == CALLBACK
    assert SESSION not in browser.cookies
    assert is_asked_to_sign_in(await ask_again(house, thief))


async def test_log_out_ends_a_half_done_sign_in_too(house: House) -> None:
    secret = await house.set_totp_up()
    house.client_id = await house.add_client(logout_urls=(CALLBACK,))
    browser = house.browser()
    asked = await house.sign_in(browser)
    page = await browser.get(asked.location)
    kept = dict(browser.cookies)

    await browser.get(f"/logout?{urlencode({'client_id': house.client_id, 'logout_uri': CALLBACK})}")
    forgotten, browser.cookies = browser.cookies, kept
    late = await house.answer(browser, page, code=house.totp(secret))

    assert "__Host-cognito-step-auth-api-demo-4800" not in forgotten
    assert (late.status, "This step is over" in late.text) == (400, True)


async def test_log_out_to_sign_in_again_shows_the_form(house: House) -> None:
    browser = house.browser()
    await house.sign_in(browser)
    asked = {"client_id": house.client_id, "redirect_uri": CALLBACK, "response_type": "code"}

    out = await browser.get(f"/logout?{urlencode(asked)}")
    page = await browser.get(out.location)

    assert is_asked_to_sign_in(out)
    assert (page.status, SESSION in browser.cookies) == (200, False)


async def test_a_session_signs_in_to_every_client_of_its_pool_and_to_none_of_another(house: House) -> None:
    browser = house.browser()
    await house.sign_in(browser)
    second, foreign = await house.add_client(), await house.add_pool("other-pool")
    browser.cookies["__Host-cognito-other-pool-4800"] = browser.cookies[SESSION]

    here = await browser.get(f"/auth-api-demo/oauth2/authorize?{authorize_query(client_id=second)}")
    there = await browser.get(f"/other-pool/oauth2/authorize?{authorize_query(client_id=foreign)}")

    assert is_let_through(here)
    assert urlsplit(there.location).path == "/other-pool/login"


@pytest.mark.parametrize("prompt", ["login", "select_account"])
async def test_a_prompt_asks_again_and_the_earlier_session_ends_with_the_answer(house: House, prompt: str) -> None:
    browser, thief = house.browser(), house.browser()
    await house.sign_in(browser)
    thief.cookies = dict(browser.cookies)

    asked = await ask_again(house, browser, prompt=prompt)
    still = await ask_again(house, browser)
    page = await browser.get(asked.location)
    done = await house.answer(browser, page, username="demouser", password=PASSWORD)

    assert is_asked_to_sign_in(asked)
    assert is_let_through(still)
    assert is_let_through(done)
    assert is_asked_to_sign_in(await ask_again(house, thief))


async def test_an_old_link_straight_to_the_form_with_nothing_but_the_three_works(house: House) -> None:
    asked = {"client_id": house.client_id, "redirect_uri": CALLBACK, "response_type": "code"}
    browser = house.browser()

    page = await browser.get(f"/login?{urlencode(asked)}")
    done = await house.answer(browser, page, username="demouser", password=PASSWORD)
    tokens = await browser.post(
        "/oauth2/token",
        {
            "grant_type": "authorization_code",
            "client_id": house.client_id,
            "code": done.answer["code"],
            "redirect_uri": CALLBACK,
        },
    )

    assert set(done.answer) == {"code"}
    assert tokens.json.keys() == {"access_token", "id_token", "refresh_token", "token_type", "expires_in"}


async def test_a_deleted_clients_session_signs_in_to_nothing_of_its_own(house: House) -> None:
    browser = house.browser()
    await house.sign_in(browser)
    await house.call("delete_user_pool_client", user_pool_id=house.pool_id, client_id=house.client_id)

    refused = await ask_again(house, browser)

    assert (refused.status, "Client does not exist." in refused.text) == (400, True)


async def test_a_domain_that_moved_takes_no_session_along(house: House) -> None:
    browser = house.browser()
    await house.sign_in(browser)
    await house.call("delete_user_pool_domain", domain="auth-api-demo", user_pool_id=house.pool_id)
    house.client_id = await house.add_pool("auth-api-demo")

    assert is_asked_to_sign_in(await ask_again(house, browser))


# Passkeys, of who is signed in


async def test_a_passkey_is_added_by_nobody_who_is_not_signed_in(house: House) -> None:
    await house.allow_first_factors("PASSWORD", "WEB_AUTHN")
    path = f"/passkeys/add?{urlencode({'client_id': house.client_id, 'redirect_uri': CALLBACK})}"
    stranger, browser = house.browser(), house.browser()
    await house.sign_in(browser)
    token = (await browser.get(path)).csrf_token

    shown = await stranger.get(path)
    posted = await stranger.post(path, {"_csrf": token, "credential": "{}"})
    forged = await browser.post(path, {"credential": "{}"})
    elsewhere = await browser.get(
        f"/passkeys/add?{urlencode({'client_id': house.client_id, 'redirect_uri': 'https://evil.example/'})}"
    )

    assert (shown.status, "Sign in first." in shown.text) == (401, True)
    assert posted.status in {401, 403}
    assert forged.status == 403
    assert "error=redirect_mismatch" in elsewhere.location


async def test_a_pool_without_passkeys_says_so(house: House) -> None:
    browser = house.browser()
    await house.sign_in(browser)

    page = await browser.get(f"/passkeys/add?{urlencode({'client_id': house.client_id, 'redirect_uri': CALLBACK})}")

    assert (page.status, "Passkeys are not enabled for the user pool." in page.text) == (400, True)
    assert "<script>" not in page.text

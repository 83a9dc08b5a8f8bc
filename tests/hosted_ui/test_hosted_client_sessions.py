"""For how long each client takes somebody from a browser's session, and no longer than its pool keeps one."""

from datetime import timedelta
from urllib.parse import urlencode, urlsplit

import pytest

from support.hosted_house import House
from support.hosted_ui import CALLBACK, Browser, Response, authorize_query
from velvetrope.userpools.tokens.session_settings import ClientSsoSession, TokenSession

SESSION = "__Host-cognito-auth-api-demo-4800"


async def track(house: House) -> None:
    await house.call(
        "set_user_pool_session_configuration",
        user_pool_id=house.pool_id,
        user_session_tracking="ENABLED",
        token_session=TokenSession(max_per_user=20),
    )


async def take_for(house: House, minutes: int, client_id: str = "") -> None:
    await house.call(
        "set_user_pool_client_session_configuration",
        user_pool_id=house.pool_id,
        client_id=client_id or house.client_id,
        sso_session=ClientSsoSession(max_validity_minutes=minutes),
    )


async def asked(house: House, browser: Browser, client_id: str = "", **changes: str | None) -> Response:
    query = authorize_query(client_id=client_id or house.client_id, **changes)
    return await browser.get(f"/oauth2/authorize?{query}")


def is_let_through(response: Response) -> bool:
    if response.location.startswith(f"{CALLBACK}?code="):
        return True
    assert urlsplit(response.location).path == "/login"
    return False


@pytest.mark.parametrize(
    ("minutes", "seconds_later", "stands"),
    [(5, 299, True), (5, 300, False), (180, 3 * 3600 - 1, True), (180, 3 * 3600, False), (0, 0, False)],
)
async def test_a_client_takes_somebody_for_as_long_as_it_says(
    house: House, minutes: int, seconds_later: int, stands: bool
) -> None:
    await track(house)
    await take_for(house, minutes)
    browser = house.browser()
    assert "code" in (await house.sign_in(browser)).answer

    house.clock.advance(timedelta(seconds=seconds_later))

    assert is_let_through(await asked(house, browser)) is stands
    silent = await asked(house, browser, prompt="none")
    assert ("code" in silent.answer, silent.answer.get("error")) == (stands, None if stands else "login_required")


async def test_another_client_of_the_pool_has_its_own_time(house: House) -> None:
    await track(house)
    other = await house.add_client()
    await take_for(house, 180)
    browser = house.browser()
    await house.sign_in(browser)

    house.clock.advance(timedelta(minutes=59))
    assert is_let_through(await asked(house, browser, other))
    house.clock.advance(timedelta(minutes=2))

    assert not is_let_through(await asked(house, browser, other)), "an hour, as it never said"
    assert is_let_through(await asked(house, browser)), "and use has not moved the others'"


async def test_a_client_that_takes_nobody_leaves_the_session_to_the_others(house: House) -> None:
    await track(house)
    other = await house.add_client()
    await take_for(house, 0)
    browser = house.browser()
    await house.sign_in(browser)

    assert not is_let_through(await asked(house, browser))
    assert is_let_through(await asked(house, browser, other))


async def test_the_browser_keeps_its_cookie_as_long_as_the_longest_of_them(house: House) -> None:
    async def max_age() -> str:
        done = await house.sign_in(house.browser())
        (kept,) = [value for name, value in done.headers if name == "set-cookie" and value.startswith(SESSION + "=")]
        return kept.partition("Max-Age=")[2].partition(";")[0]

    before = await max_age()
    await track(house)
    await take_for(house, 120, await house.add_client())
    longer = await max_age()
    await take_for(house, 5)

    assert (before, longer, await max_age()) == ("3600", "7200", "7200")


async def test_a_long_session_adds_no_passkey_after_its_first_hour(house: House) -> None:
    await house.allow_first_factors("PASSWORD", "WEB_AUTHN")
    await track(house)
    await take_for(house, 180)
    browser = house.browser()
    await house.sign_in(browser)
    path = f"/passkeys/add?{urlencode({'client_id': house.client_id, 'redirect_uri': CALLBACK})}"

    early = await browser.get(path)
    house.clock.advance(timedelta(hours=1))
    late = await browser.get(path)

    assert early.status != 401
    assert (late.status, "Sign in first." in late.text) == (401, True)
    assert is_let_through(await asked(house, browser))

"""The hosted pages over real user pools: real passwords, real tokens, real revocation."""

import asyncio
from datetime import timedelta
from typing import Any

import jwt

from support.hosted_house import House
from support.hosted_ui import Browser
from support.userpools import RaisedInFunction
from velvetrope.store.tables.userpools import LambdaConfig


async def test_a_person_signs_in_and_the_tokens_verify_against_the_published_keys(house: House) -> None:
    browser = Browser(house.pages)

    response = await house.sign_in(browser, nonce="n0nce")
    tokens = await house.redeem(browser, response.answer["code"])
    keys = jwt.PyJWKSet.from_dict((await browser.get(f"/{house.pool_id}/.well-known/jwks.json")).json)
    kid = jwt.get_unverified_header(tokens["id_token"])["kid"]
    claims = jwt.decode(
        tokens["id_token"],
        keys[kid].key,
        algorithms=["RS256"],
        audience=house.client_id,
        options={"verify_exp": False, "verify_iat": False},  # the clock stands still
    )
    info = await browser.get("/oauth2/userInfo", headers={"authorization": f"Bearer {tokens['access_token']}"})

    assert claims["cognito:username"] == "demouser"
    assert claims["nonce"] == "n0nce"
    assert claims["iss"] == f"https://cognito-idp.us-west-2.amazonaws.com/{house.pool_id}"
    assert info.json == {"sub": claims["sub"], "username": "demouser"}


async def test_a_wrong_password_is_refused_and_many_lock_the_name_for_a_while(house: House) -> None:
    browser = Browser(house.pages)
    for _ in range(5):
        refused = await house.sign_in(browser, password="guess")

    locked = await house.sign_in(browser)
    house.clock.advance(timedelta(seconds=1))
    admitted = await house.sign_in(browser)

    assert "Incorrect username or password." in refused.text
    assert "Password attempts exceeded" in locked.text
    assert "code" in admitted.answer


async def test_a_code_used_twice_ends_the_refresh_token_of_the_first_use(house: House) -> None:
    browser = Browser(house.pages)
    code = (await house.sign_in(browser)).answer["code"]
    first = await house.redeem(browser, code)

    second = await house.redeem(browser, code)
    refreshed = await browser.post(
        "/oauth2/token",
        {"grant_type": "refresh_token", "client_id": house.client_id, "refresh_token": first["refresh_token"]},
    )
    info = await browser.get("/oauth2/userInfo", headers={"authorization": f"Bearer {first['access_token']}"})

    assert second == {"status": 400, "error": "invalid_grant"}
    assert refreshed.json == {"error": "invalid_grant"}
    assert info.status == 401


async def test_of_one_code_redeemed_many_times_at_once_no_tokens_are_left_alive(house: House) -> None:
    """Whoever is first, another one holds the code as well: what the first was given, if anything, is worth nothing."""
    browser = Browser(house.pages)
    code = (await house.sign_in(browser)).answer["code"]

    answers = await asyncio.gather(*(house.redeem(browser, code) for _ in range(6)))

    refused = [answer for answer in answers if answer == {"status": 400, "error": "invalid_grant"}]
    given = [answer for answer in answers if "access_token" in answer]
    assert len(given) <= 1
    assert len(refused) + len(given) == 6
    for tokens in given:
        refreshed = await browser.post(
            "/oauth2/token",
            {"grant_type": "refresh_token", "client_id": house.client_id, "refresh_token": tokens["refresh_token"]},
        )
        info = await browser.get("/oauth2/userInfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
        assert (refreshed.json, info.status) == ({"error": "invalid_grant"}, 401)


async def test_a_refresh_token_works_until_it_is_revoked(house: House) -> None:
    browser = Browser(house.pages)
    tokens = await house.redeem(browser, (await house.sign_in(browser)).answer["code"])
    form = {
        "grant_type": "refresh_token",
        "client_id": house.client_id,
        "refresh_token": tokens["refresh_token"],
    }

    before = await browser.post("/oauth2/token", form)
    unsupported = await browser.post("/oauth2/revoke", {"token": tokens["access_token"], "client_id": house.client_id})
    revoked = await browser.post("/oauth2/revoke", {"token": tokens["refresh_token"], "client_id": house.client_id})
    after = await browser.post("/oauth2/token", form)

    assert before.json.keys() == {"id_token", "access_token", "expires_in", "token_type"}
    assert unsupported.json == {"error": "unsupported_token_type"}
    assert revoked.status == 200
    assert after.json == {"error": "invalid_grant"}


async def test_a_function_for_tokens_that_refuses_gives_none_and_ends_no_session(house: House) -> None:
    def refuse(event: dict[str, Any]) -> None:
        raise RaisedInFunction("not now")

    arn = house.functions.answers("tokens")
    config = LambdaConfig(pre_token_generation=arn)
    await house.call("update_user_pool", user_pool_id=house.pool_id, lambda_config=config)
    browser = Browser(house.pages)
    tokens = await house.redeem(browser, (await house.sign_in(browser)).answer["code"])
    form = {"grant_type": "refresh_token", "client_id": house.client_id, "refresh_token": tokens["refresh_token"]}
    code = (await house.sign_in(Browser(house.pages))).answer["code"]

    house.functions.define("tokens", refuse)
    redeemed, refreshed = await house.redeem(browser, code), await browser.post("/oauth2/token", form)
    house.functions.answers("tokens")
    later = await browser.post("/oauth2/token", form)

    said = {"error": "invalid_grant", "error_description": "PreTokenGeneration failed with error not now."}
    assert redeemed == {"status": 400, **said}
    assert (refreshed.status, refreshed.json) == (400, said)
    assert later.status == 200
    assert house.functions.sources()[0] == "TokenGeneration_HostedAuth"

"""The hosted pages over real user pools: real passwords, real tokens, real revocation."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from support.hosted_ui import CALLBACK, Browser, Response, redeem_form
from support.hosted_ui import sign_in as fill_the_form
from support.userpools import RaisedInFunction, RecordingFunctions
from velvetrope.clock import CountingEntropy, FrozenClock
from velvetrope.edge.hosted import HostedPages
from velvetrope.operations import Call, implemented_operations
from velvetrope.principals import ANONYMOUS
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.store import Database
from velvetrope.store.tables.hosted_ui import HostedUiStore
from velvetrope.store.tables.userpools import LambdaConfig, SmsConfiguration, SmsMfaConfig
from velvetrope.userpools import UserPools
from velvetrope.userpools.shapes import AttributeType

PASSWORD = "demoPASS123!"  # a pool's own policy asks for a symbol


@dataclass
class House:
    """A pool with a domain, a public client and a user, made by the operations that boto3 would call."""

    pools: UserPools
    pages: HostedPages
    clock: FrozenClock
    functions: RecordingFunctions
    pool_id: str = ""
    client_id: str = ""

    async def call(self, operation: str, **members: object) -> Mapping[str, Any]:
        methods = {name: run for owner in self.pools.operations for name, run in implemented_operations(owner).items()}
        call = Call(ANONYMOUS, "123456789012", "us-west-2", "a-request", self.clock.now())
        answer = await methods[operation](call, **members)
        assert answer is None or isinstance(answer, Mapping)
        return answer or {}

    async def furnish(self) -> None:
        pool = await self.call("create_user_pool", pool_name="auth-api-demo")
        self.pool_id = str(_member(pool["user_pool"], "id"))
        await self.call("create_user_pool_domain", domain="auth-api-demo", user_pool_id=self.pool_id)
        client = await self.call(
            "create_user_pool_client",
            user_pool_id=self.pool_id,
            client_name="web",
            callback_urls=(CALLBACK,),
            allowed_o_auth_flows=("code",),
            allowed_o_auth_scopes=("openid", "email", "profile"),
            allowed_o_auth_flows_user_pool_client=True,
            supported_identity_providers=("COGNITO",),
        )
        self.client_id = str(_member(client["user_pool_client"], "client_id"))
        user = {"user_pool_id": self.pool_id, "username": "demouser"}
        await self.call("admin_create_user", message_action="SUPPRESS", **user)
        await self.call("admin_set_user_password", password=Secret(PASSWORD), permanent=True, **user)

    async def sign_in(self, browser: Browser, **changes: str | None) -> Response:
        return await fill_the_form(browser, **{"client_id": self.client_id, "password": PASSWORD, **changes})

    async def redeem(self, browser: Browser, code: str) -> Mapping[str, Any]:
        answer = await browser.post("/oauth2/token", redeem_form(code, client_id=self.client_id))
        return {"status": answer.status, **answer.json}


def _member(record: object, name: str) -> object:
    return record[name] if isinstance(record, Mapping) else getattr(record, name)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    database = await Database.open(f"sqlite:///{tmp_path / 'house.db'}", durable=False)
    entropy, clock = CountingEntropy(), FrozenClock()
    functions = RecordingFunctions()
    pools = UserPools(
        database, master_keys=MasterKeys.generate(entropy), clock=clock, entropy=entropy, functions=functions
    )
    house = House(pools, HostedPages(pools.sign_in, HostedUiStore(database), clock, entropy), clock, functions)
    try:
        await house.furnish()
        yield house
    finally:
        pools.close()
        await database.close()


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


async def test_a_temporary_password_signs_nobody_in(house: House) -> None:
    await house.call(
        "admin_set_user_password",
        user_pool_id=house.pool_id,
        username="demouser",
        password=Secret("Another1pass!"),
        permanent=False,
    )

    response = await house.sign_in(Browser(house.pages), password="Another1pass!")

    assert response.status == 400
    assert "Password reset required for the user" in response.text


async def test_the_page_lets_nobody_in_who_owes_a_second_factor(house: House) -> None:
    """It cannot ask for one; a page that forgot would be the way around MFA."""
    user = {"user_pool_id": house.pool_id, "username": "demouser"}
    phone = (AttributeType(name="phone_number", value="+15551234567"),)
    await house.call("admin_update_user_attributes", user_attributes=phone, **user)
    sms = SmsMfaConfig(sms_configuration=SmsConfiguration())
    await house.call(
        "set_user_pool_mfa_config", user_pool_id=house.pool_id, mfa_configuration="ON", sms_mfa_configuration=sms
    )
    browser = Browser(house.pages)

    right, wrong = await house.sign_in(browser), await house.sign_in(browser, password="guess")

    assert right.status == 400
    assert "This page cannot ask for your second factor." in right.text
    assert "Incorrect username or password." in wrong.text


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

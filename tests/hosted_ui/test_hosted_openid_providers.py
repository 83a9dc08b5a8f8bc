"""Sign-in with an OpenID Connect provider that listens on a real port: what works, and every lie that does not."""

import base64
import hmac
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc import jws

from support.federated_pages import FederatedHouse, open_federated_house
from support.hosted_ui import CALLBACK, Response, authorize_query
from support.open_id_issuer import OTHER_RSA, RSA, public
from support.open_id_provider import CLIENT_ID, running_provider
from support.token_tricks import key_tricks, mint_of
from velvetrope.userpools.shapes import ProviderUserIdentifier


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[FederatedHouse]:
    async with open_federated_house(tmp_path) as house:
        yield house


def query_of(location: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(location).query))


def is_refused(response: Response, description: str, error: str = "invalid_request") -> None:
    """The app is told, with its state, and no code."""
    assert response.location.startswith(f"{CALLBACK}?")
    assert response.answer == {"error": error, "error_description": description, "state": "st4te"}


def stays_here(response: Response) -> None:
    """Nobody is told but whoever is looking at the page."""
    assert response.status == 400
    assert "This sign-in cannot be finished here" in response.text or "state" in response.text
    assert response.header("location") is None


UNVERIFIED = "Staff Error - the ID token could not be verified"


# There and back


async def test_a_person_signs_in_with_a_provider(house: FederatedHouse) -> None:
    browser = house.browser()

    response = await house.sign_in(browser)

    assert response.answer["state"] == "st4te"
    claims = await house.claims(browser, response)
    assert claims["cognito:username"] == "Staff_carol"
    assert claims["email"] == "carol@example.com"
    assert claims["identities"][0]["providerName"] == "Staff"
    assert claims["cognito:groups"] == [f"{house.pool_id}_Staff"]


@pytest.mark.parametrize(("scope", "is_told"), [("openid profile", True), ("openid email", False)])
async def test_user_info_says_who_vouched_for_the_person_where_all_attributes_are_reached(
    house: FederatedHouse, scope: str, is_told: bool
) -> None:
    browser = house.browser()
    tokens = await house.tokens(browser, await house.sign_in(browser, scope=scope))

    info = (await browser.get("/oauth2/userInfo", headers={"authorization": f"Bearer {tokens['access_token']}"})).json

    assert info["username"] == "Staff_carol"
    assert ("identities" in info) is is_told
    if is_told:
        (identity,) = json.loads(info["identities"])
        assert (identity["providerName"], identity["providerType"], identity["userId"]) == ("Staff", "OIDC", "carol")
        assert identity["primary"] is True


async def test_user_info_keeps_identities_from_a_client_that_may_not_read_them(house: FederatedHouse) -> None:
    browser = house.browser()
    house.client_id = await house.add_client("Staff", read_attributes=("email",))
    tokens = await house.tokens(browser, await house.sign_in(browser, scope="openid profile"))

    info = await browser.get("/oauth2/userInfo", headers={"authorization": f"Bearer {tokens['access_token']}"})

    assert info.json.keys() == {"sub", "username", "email"}


async def test_what_is_asked_of_the_provider(house: FederatedHouse) -> None:
    location = await house.leave(house.browser(), login_hint="carol@example.com", prompt="login consent")

    asked = query_of(location)
    assert asked.pop("state") not in {"", "st4te"}
    assert len(asked.pop("nonce")) == len(asked.pop("code_challenge")) == 43
    assert asked == {
        "client_id": CLIENT_ID,
        "response_type": "code",
        "redirect_uri": "https://localhost:4800/oauth2/idpresponse",
        "scope": "openid email",
        "code_challenge_method": "S256",
        "login_hint": "carol@example.com",
        "prompt": "consent login",
    }


async def test_the_way_back_is_where_the_way_out_began(house: FederatedHouse) -> None:
    browser = house.browser()
    query = authorize_query(client_id=house.client_id, identity_provider="Staff")

    out = await browser.get(f"/auth-api-demo/oauth2/authorize?{query}")
    back = house.provider.authorize(out.location)

    assert back.startswith("https://localhost:4800/auth-api-demo/oauth2/idpresponse?")
    assert "code" in (await browser.get(back)).answer


async def test_the_session_that_begins_signs_in_without_the_provider(house: FederatedHouse) -> None:
    browser = house.browser()
    await house.sign_in(browser)
    house.provider.asked.clear()

    again = await browser.get(f"/oauth2/authorize?{authorize_query(client_id=house.client_id, identity_provider=None)}")

    assert "code" in again.answer
    assert house.provider.asked == []


async def test_a_session_of_a_provider_is_none_to_clients_that_do_not_take_its_word(house: FederatedHouse) -> None:
    browser, other = house.browser(), await house.add_client("COGNITO")
    await house.sign_in(browser)

    response = await browser.get(f"/oauth2/authorize?{authorize_query(client_id=other, identity_provider=None)}")

    assert response.location.startswith("/login?")


@pytest.mark.parametrize("comes_back", [True, False])
async def test_a_session_ends_with_its_provider_and_does_not_come_back_with_one_of_the_same_name(
    house: FederatedHouse, comes_back: bool
) -> None:
    """Who makes a provider anew vouches for nobody who came before."""
    browser = house.browser()
    await house.sign_in(browser)
    await house.world.delete_identity_provider(user_pool_id=house.pool_id, provider_name="Staff")
    house.world.later(seconds=1)
    if comes_back:
        await house.add_provider("Staff")
        house.client_id = await house.add_client("Staff")

    unseen = await house.leave(browser, identity_provider=None, prompt="none")

    assert query_of(unseen)["error"] == "login_required"


@pytest.mark.parametrize("linked", [True, False])
async def test_a_session_ends_when_the_provider_signs_its_user_in_no_more(house: FederatedHouse, linked: bool) -> None:
    """AdminDisableProviderForUser takes a link away, and disables the identity that a user came to be by."""
    world, browser = house.world, house.browser()
    at_staff = ProviderUserIdentifier(
        provider_name="Staff", provider_attribute_name="Cognito_Subject", provider_attribute_value="carol"
    )
    if linked:
        await world.user(house.pool_id)
        anna = ProviderUserIdentifier(provider_name="Cognito", provider_attribute_value="anna")
        await world.admin_link_provider_for_user(
            user_pool_id=house.pool_id, destination_user=anna, source_user=at_staff
        )
    await house.sign_in(browser)
    assert "code" in query_of(await house.leave(browser, identity_provider=None, prompt="none"))

    await world.admin_disable_provider_for_user(user_pool_id=house.pool_id, user=at_staff)

    unseen = await house.leave(browser, identity_provider=None, prompt="none")
    assert query_of(unseen)["error"] == "login_required"


async def test_a_session_outlives_a_change_of_its_provider(house: FederatedHouse) -> None:
    """An update is not another provider."""
    browser = house.browser()
    await house.sign_in(browser)
    house.world.later(seconds=1)
    await house.world.update_identity_provider(
        user_pool_id=house.pool_id, provider_name="Staff", idp_identifiers=("staff.example.org",)
    )

    unseen = await house.leave(browser, identity_provider=None, prompt="none")

    assert "code" in query_of(unseen)


async def test_a_provider_that_is_asked_for_by_name_is_gone_to_in_a_session_of_another(house: FederatedHouse) -> None:
    browser = house.browser()
    await house.sign_in(browser)
    await house.add_provider("Partner")
    house.client_id = await house.add_client("Staff", "Partner")

    location = await house.leave(browser, identity_provider="Partner")

    assert location.startswith(f"{house.provider.url}/authorize?")


async def test_a_provider_that_is_asked_for_by_identifier_is_gone_to_in_a_session_of_another(
    house: FederatedHouse,
) -> None:
    browser = house.browser()
    await house.sign_in(browser)
    await house.add_provider("Partner")
    house.client_id = await house.add_client("Staff", "Partner")

    others = await house.leave(browser, identity_provider=None, idp_identifier="partner.example.com")
    unseen = await house.leave(browser, identity_provider=None, idp_identifier="partner.example.com", prompt="none")
    nobodys = await house.leave(browser, identity_provider=None, idp_identifier="nobody.example.com")
    own = await house.leave(browser, identity_provider=None, idp_identifier="staff.example.com")

    assert others.startswith(f"{house.provider.url}/authorize?")
    assert query_of(unseen)["error"] == "login_required"
    assert query_of(nobodys)["error"] == "invalid_request"
    assert "code" in query_of(own)


async def test_prompt_none_is_answered_here(house: FederatedHouse) -> None:
    location = await house.leave(house.browser(), prompt="none")

    assert query_of(location)["error"] == "login_required"


async def test_signed_out_people_are_sent_to_the_provider_again(house: FederatedHouse) -> None:
    browser = house.browser()
    await house.sign_in(browser)

    await browser.get(f"/logout?client_id={house.client_id}&logout_uri=https%3A%2F%2Fapp.example.com")

    assert (await house.leave(browser)).startswith(f"{house.provider.url}/authorize?")


# Who is gone to


async def test_a_provider_is_found_by_its_identifier(house: FederatedHouse) -> None:
    location = await house.leave(house.browser(), identity_provider=None, idp_identifier="staff.example.com")

    assert location.startswith(f"{house.provider.url}/authorize?")


@pytest.mark.parametrize(
    "choice",
    [
        {"identity_provider": "Nobody"},
        {"identity_provider": "Partner"},
        {"identity_provider": None, "idp_identifier": "nobody.example.com"},
        {"identity_provider": None, "idp_identifier": "partner.example.com"},
        {"identity_provider": "Staff", "idp_identifier": "staff.example.com"},
    ],
    ids=["unknown", "not-the-clients", "unknown-identifier", "identifier-not-the-clients", "both"],
)
async def test_providers_that_are_not_the_clients_are_refused(
    house: FederatedHouse, choice: dict[str, str | None]
) -> None:
    await house.add_provider("Partner")

    location = await house.leave(house.browser(), **choice)

    assert location.startswith(f"{CALLBACK}?")
    assert query_of(location)["error"] == "invalid_request"


async def test_a_client_of_one_provider_goes_straight_to_it(house: FederatedHouse) -> None:
    house.client_id = await house.add_client("Staff")
    browser = house.browser()

    location = await house.leave(browser, identity_provider=None)
    page = await browser.get(f"/login?{authorize_query(client_id=house.client_id, identity_provider=None)}")
    from_page = await browser.get(page.location)

    assert location.startswith(f"{house.provider.url}/authorize?")
    assert from_page.location.startswith(f"{house.provider.url}/authorize?")


async def test_the_sign_in_page_offers_the_clients_providers(house: FederatedHouse) -> None:
    browser = house.browser()

    page = await browser.get(f"/login?{authorize_query(client_id=house.client_id, identity_provider=None)}")

    link = page.text.split('class="idpButton-customizable" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "Sign in with Staff" in page.text
    assert 'name="password"' in page.text
    assert (await browser.get(link)).location.startswith(f"{house.provider.url}/authorize?")


async def test_a_client_without_own_users_has_no_form_and_takes_none(house: FederatedHouse) -> None:
    await house.add_provider("Partner")
    providers_only = await house.add_client("Staff", "Partner")
    browser = house.browser()
    query = authorize_query(client_id=providers_only, identity_provider=None)

    page = await browser.get(f"/login?{query}")
    other = await browser.get(f"/login?{authorize_query(client_id=house.client_id, identity_provider=None)}")
    form = {"_csrf": other.csrf_token, "username": "anna", "password": "x"}
    posted = await browser.post(f"/login?{query}", form)

    assert "Sign in with Partner" in page.text
    assert 'name="password"' not in page.text
    assert query_of(posted.location)["error"] == "unauthorized_client"


# The way back is this browser's, and once


async def test_an_answer_is_taken_once(house: FederatedHouse) -> None:
    browser = house.browser()
    back = house.provider.authorize(await house.leave(browser))
    cookies = dict(browser.cookies)
    await browser.get(back)
    browser.cookies |= cookies

    stays_here(await browser.get(back))


async def test_an_answer_to_another_browser_is_not_taken(house: FederatedHouse) -> None:
    """Who signs in with their own account and sends the last link to somebody else signs nobody in."""
    attacker, victim = house.browser(), house.browser()
    back = house.provider.authorize(await house.leave(attacker))

    stays_here(await victim.get(back))
    await house.leave(victim)
    stays_here(await victim.get(back))


async def test_an_answer_after_five_minutes_is_not_taken(house: FederatedHouse) -> None:
    browser = house.browser()
    back = house.provider.authorize(await house.leave(browser))
    house.world.later(minutes=5)

    stays_here(await browser.get(back))


@pytest.mark.parametrize("state", [None, "", "made-up"])
async def test_an_answer_without_our_state_is_not_taken(house: FederatedHouse, state: str | None) -> None:
    browser = house.browser()
    back = house.provider.authorize(await house.leave(browser), state=state)

    response = await browser.get(back)

    assert response.status == 400
    assert response.header("location") is None
    assert house.provider.paths().count("/token") == 0


async def test_an_answer_that_says_something_twice_is_not_taken(house: FederatedHouse) -> None:
    browser = house.browser()
    back = house.provider.authorize(await house.leave(browser))

    response = await browser.get(f"{back}&code=another")

    assert (response.status, response.header("location")) == (400, None)


async def test_a_code_of_another_sign_in_is_refused_by_the_verifier(house: FederatedHouse) -> None:
    """Code injection: the attacker's browser began its own sign-in, and has the code of the victim's."""
    victim, attacker = house.browser(), house.browser()
    stolen = query_of(house.provider.authorize(await house.leave(victim)))["code"]
    back = house.provider.authorize(await house.leave(attacker), code=stolen)

    is_refused(await attacker.get(back), "Staff Error - 400 error getting token")


# Mix-up (RFC 9700 section 4.4)


async def test_the_answer_of_another_provider_is_not_redeemed_with_the_wrong_one(house: FederatedHouse) -> None:
    async with running_provider(house.world.clock.now) as evil:
        evil.metadata["authorization_endpoint"] = f"{house.provider.url}/authorize"
        await house.add_provider("Evil", evil)
        house.client_id = await house.add_client("Staff", "Evil")
        browser = house.browser()
        back = house.provider.authorize(await house.leave(browser, identity_provider="Evil"))

        is_refused(await browser.get(back), "Evil Error - the answer is another provider's")
        assert "/token" not in evil.paths()


async def test_who_promised_to_name_itself_has_to(house: FederatedHouse) -> None:
    browser = house.browser()
    back = house.provider.authorize(await house.leave(browser), iss=None)

    is_refused(await browser.get(back), "Staff Error - the answer is another provider's")


async def test_who_promised_nothing_may_leave_its_name_out(house: FederatedHouse) -> None:
    house.provider.metadata["authorization_response_iss_parameter_supported"] = False
    browser = house.browser()
    back = house.provider.authorize(await house.leave(browser), iss=None)

    assert "code" in (await browser.get(back)).answer


# What the provider refuses


@pytest.mark.parametrize(
    ("error", "told", "description"),
    [
        ("access_denied", "access_denied", "no thanks"),
        ("login_required", "login_required", "no thanks"),
        ("server_error", "invalid_request", "Staff Error - server_error no thanks"),
    ],
)
async def test_a_provider_that_refuses_is_heard(house: FederatedHouse, error: str, told: str, description: str) -> None:
    browser = house.browser()
    back = house.provider.authorize(await house.leave(browser), code=None, error=error, error_description="no thanks")

    is_refused(await browser.get(back), description, told)


async def test_an_answer_without_a_code_is_refused(house: FederatedHouse) -> None:
    browser = house.browser()
    back = house.provider.authorize(await house.leave(browser), code=None)

    is_refused(await browser.get(back), "Staff Error - the answer has no code")


async def test_a_token_endpoint_that_answers_no_tokens_is_refused(house: FederatedHouse) -> None:
    for answer, description in (
        (lambda _: (200, {"access_token": "x"}), UNVERIFIED),
        (lambda _: (200, {"error": "no"}), UNVERIFIED),
        (lambda _: (200, ["no"]), "Staff Error - the answer is not a JSON object"),
        (lambda _: (302, {}), "Staff Error - 302 error getting token"),
        (lambda _: (500, {}), "Staff Error - 500 error getting token"),
    ):
        house.provider.token_answer = answer
        is_refused(await house.sign_in(house.browser()), description)


async def test_a_token_endpoint_that_floods_is_let_go_of(house: FederatedHouse) -> None:
    house.provider.token_answer = lambda answer: (200, {**answer, "padding": "x" * 300_000})

    is_refused(await house.sign_in(house.browser()), "Staff Error - the token endpoint could not be reached")


# ID tokens


def signed_with_the_public_key(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """HS256 with what everybody can read: the classic confusion of algorithms."""
    parts = [json.dumps({**header, "alg": "HS256"}).encode(), json.dumps(claims).encode()]
    signed = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    mac = hmac.digest(RSA.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = [json.dumps({**header, "alg": "none"}).encode(), json.dumps(claims).encode()]
    return ".".join([base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts] + [""])


def signed_by_somebody_else(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return jws.serialize_compact(header, json.dumps(claims), OTHER_RSA, algorithms=["RS256"])


def signed_by_an_enclosed_key(header: dict[str, Any], claims: dict[str, Any]) -> str:
    enclosed = {**header, "jwk": OTHER_RSA.as_dict(private=False), "kid": None}
    kept = {name: value for name, value in enclosed.items() if value is not None}
    return jws.serialize_compact(kept, json.dumps(claims), OTHER_RSA, algorithms=["RS256"])


def changed_after_signing(header: dict[str, Any], claims: dict[str, Any]) -> str:
    token = jws.serialize_compact(header, json.dumps(claims), RSA, algorithms=["RS256"])
    head, _, signature = token.split(".")
    payload = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "admin"}).encode()).rstrip(b"=").decode()
    return f"{head}.{payload}.{signature}"


FORGERIES = {
    "HS256 with the public key": signed_with_the_public_key,
    "alg none": unsigned,
    "another key": signed_by_somebody_else,
    "an enclosed key": signed_by_an_enclosed_key,
    "changed after signing": changed_after_signing,
    "no token": lambda _header, _claims: "no token",
}


async def test_id_tokens_that_the_provider_did_not_sign_are_refused(house: FederatedHouse) -> None:
    for sign in FORGERIES.values():
        house.provider.sign = sign
        is_refused(await house.sign_in(house.browser()), UNVERIFIED)

    assert (await house.world.list_users(user_pool_id=house.pool_id))["users"] == []


async def test_what_forgers_try_with_keys_is_refused_and_the_good_token_beside_it_is_not(house: FederatedHouse) -> None:
    """Each sign-in has a nonce of its own, so each forgery is made of the token that the provider would have sent."""

    def forger(name: str) -> Callable[[dict[str, Any], dict[str, Any]], str]:
        return lambda header, claims: key_tricks(mint_of(RSA, claims, kid=str(header["kid"])))[name]

    for name in key_tricks(mint_of(RSA, {})):
        house.provider.sign = forger(name)
        is_refused(await house.sign_in(house.browser()), UNVERIFIED)

    assert (await house.world.list_users(user_pool_id=house.pool_id))["users"] == []
    house.provider.sign = None
    assert "code" in (await house.sign_in(house.browser())).answer


NOT_ABOUT_THIS_SIGN_IN: list[dict[str, Any]] = [
    {"iss": "https://evil.example.com"},
    {"iss": None},
    {"aud": "another-client"},
    {"aud": ["another-client"]},
    {"aud": None},
    {"aud": [CLIENT_ID, "another-client"]},
    {"aud": "another-client", "azp": CLIENT_ID},
    {"azp": "another-client"},
    {"nonce": None},
    {"nonce": "of-another-sign-in"},
    {"nonce": ["x"]},
    {"sub": None},
    {"sub": ""},
    {"sub": 7},
    {"exp": None},
    {"at_hash": "bm90LXRoZS1oYXNo"},
    {"at_hash": 1},
]


async def test_id_tokens_that_are_not_about_this_sign_in_are_refused(house: FederatedHouse) -> None:
    for claims in NOT_ABOUT_THIS_SIGN_IN:
        house.provider.claims = claims
        is_refused(await house.sign_in(house.browser()), UNVERIFIED)

    assert (await house.world.list_users(user_pool_id=house.pool_id))["users"] == []


async def test_id_tokens_that_say_it_otherwise_are_taken(house: FederatedHouse) -> None:
    for claims in ({"aud": [CLIENT_ID]}, {"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID}, {"at_hash": None}):
        house.provider.claims = claims
        assert "code" in (await house.sign_in(house.browser())).answer


async def test_an_id_token_is_dead_at_exp(house: FederatedHouse) -> None:
    now = int(house.world.now.timestamp())
    house.provider.claims = {"exp": now + 1}
    alive = await house.sign_in(house.browser())
    house.provider.claims = {"exp": now}

    assert "code" in alive.answer
    is_refused(await house.sign_in(house.browser()), UNVERIFIED)


async def test_max_age_is_passed_on_and_held_against_the_id_token(house: FederatedHouse) -> None:
    now = int(house.world.now.timestamp())
    assert query_of(await house.leave(house.browser(), max_age="60"))["max_age"] == "60"

    house.provider.claims = {"auth_time": now - 60}
    assert "code" in (await house.sign_in(house.browser(), max_age="60")).answer
    for claims in ({"auth_time": now - 61}, {}):
        house.provider.claims = claims
        is_refused(await house.sign_in(house.browser(), max_age="60"), UNVERIFIED)


async def test_a_provider_that_rotates_its_keys_goes_on(house: FederatedHouse) -> None:
    await house.sign_in(house.browser())
    house.provider.keys = [public(OTHER_RSA, "new")]
    house.provider.header = {"kid": "new"}
    house.provider.sign = signed_by_somebody_else
    house.world.later(seconds=31)

    assert "code" in (await house.sign_in(house.browser())).answer


# What the ID token does not say


async def test_attributes_that_are_not_in_the_id_token_come_from_userinfo(house: FederatedHouse) -> None:
    await house.map_attributes(email="email", name="name")
    house.provider.userinfo = {"sub": "carol", "name": "Carol", "email": "other@example.com"}
    browser = house.browser()

    claims = await house.claims(browser, await house.sign_in(browser))

    assert (claims["name"], claims["email"]) == ("Carol", "carol@example.com")


async def test_userinfo_is_not_asked_where_nothing_is_missing(house: FederatedHouse) -> None:
    await house.sign_in(house.browser())

    assert "/userinfo" not in house.provider.paths()


@pytest.mark.parametrize("userinfo", [{"sub": "admin"}, {}, {"sub": 7}, {"sub": ""}])
async def test_userinfo_about_somebody_else_is_refused(house: FederatedHouse, userinfo: dict[str, Any]) -> None:
    await house.map_attributes(name="name")
    house.provider.userinfo = {**userinfo, "name": "Mallory"}

    response = await house.sign_in(house.browser())

    assert response.answer["error"] == "invalid_request"
    assert (await house.world.list_users(user_pool_id=house.pool_id))["users"] == []


async def test_userinfo_is_asked_by_post_where_the_pool_says_so(house: FederatedHouse) -> None:
    await house.add_provider("Poster", attributes_request_method="POST")
    await house.map_attributes("Poster", name="name")
    house.client_id = await house.add_client("Poster")
    house.provider.userinfo = {"sub": "carol", "name": "Carol"}

    await house.sign_in(house.browser(), identity_provider="Poster")

    assert [method for method, path, _, _ in house.provider.asked if path == "/userinfo"] == ["POST"]


# How the provider is found and spoken to


async def test_a_provider_that_takes_basic_alone_is_given_basic(house: FederatedHouse) -> None:
    house.provider.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_basic"]

    response = await house.sign_in(house.browser())

    assert "code" in response.answer
    (form,) = [form for _, path, _, form in house.provider.asked if path == "/token"]
    assert not {"client_id", "client_secret"} & form.keys()


async def test_endpoints_that_are_given_are_not_discovered(house: FederatedHouse) -> None:
    url = house.provider.url
    await house.add_provider(
        "Manual",
        authorize_url=f"{url}/authorize",
        token_url=f"{url}/token",
        jwks_uri=f"{url}/keys",
        attributes_url=f"{url}/userinfo",
    )
    house.client_id = await house.add_client("Manual")

    response = await house.sign_in(house.browser(), identity_provider="Manual")

    assert "code" in response.answer
    assert "/.well-known/openid-configuration" not in house.provider.paths()


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example.com"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "http://idp.example.com/authorize"},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "https://idp.example.com/\r\nSet-Cookie: planted=1"},
        {"authorization_endpoint": "https://localhost@evil.example.com/"},
        {"authorization_endpoint": "https://idp.example.com/#fragment"},
        {"token_endpoint": "http://169.254.169.254/latest/meta-data"},
        {"token_endpoint": "file:///etc/passwd"},
        {"userinfo_endpoint": "http://10.0.0.1/"},
        {"jwks_uri": None},
    ],
    ids=json.dumps,
)
async def test_a_provider_whose_configuration_leads_elsewhere_is_not_gone_to(
    house: FederatedHouse, metadata: dict[str, Any]
) -> None:
    house.provider.metadata = metadata

    location = await house.leave(house.browser())

    assert location.startswith(f"{CALLBACK}?")
    assert query_of(location)["error"] == "invalid_request"


async def test_a_provider_that_is_away_is_not_gone_to(house: FederatedHouse) -> None:
    async with running_provider(house.world.clock.now) as gone:
        await house.add_provider("Gone", gone)
    house.client_id = await house.add_client("Gone")

    location = await house.leave(house.browser(), identity_provider="Gone")

    assert query_of(location)["error_description"] == "The configuration of Gone could not be had"


# What changes while somebody is away


async def test_a_provider_that_was_deleted_meanwhile_signs_nobody_in(house: FederatedHouse) -> None:
    browser = house.browser()
    back = house.provider.authorize(await house.leave(browser))
    await house.world.delete_identity_provider(user_pool_id=house.pool_id, provider_name="Staff")

    is_refused(await browser.get(back), "The identity provider Staff does not exist")


async def test_a_provider_that_was_made_anew_meanwhile_signs_nobody_in(house: FederatedHouse) -> None:
    browser = house.browser()
    back = house.provider.authorize(await house.leave(browser))
    await house.world.delete_identity_provider(user_pool_id=house.pool_id, provider_name="Staff")
    house.world.later(seconds=1)
    await house.add_provider("Staff")

    is_refused(await browser.get(back), "The identity provider Staff does not exist")


async def test_a_client_that_no_longer_takes_the_provider_gets_nobody(house: FederatedHouse) -> None:
    browser = house.browser()
    back = house.provider.authorize(await house.leave(browser))
    await house.world.update_user_pool_client(
        user_pool_id=house.pool_id,
        client_id=house.client_id,
        callback_urls=(CALLBACK,),
        allowed_o_auth_flows=("code",),
        allowed_o_auth_scopes=("openid", "email", "profile"),
        allowed_o_auth_flows_user_pool_client=True,
        supported_identity_providers=("COGNITO",),
    )

    # The request that was kept names the provider, and is judged as any request is now.
    assert (await browser.get(back)).answer["error"] == "invalid_request"


async def test_a_client_that_was_deleted_meanwhile_is_not_redirected_to(house: FederatedHouse) -> None:
    browser = house.browser()
    back = house.provider.authorize(await house.leave(browser))
    await house.world.delete_user_pool_client(user_pool_id=house.pool_id, client_id=house.client_id)

    response = await browser.get(back)

    assert (response.status, response.header("location")) == (400, None)


async def test_a_disabled_user_is_told_so_and_gets_no_session(house: FederatedHouse) -> None:
    await house.sign_in(house.browser())
    await house.world.admin_disable_user(user_pool_id=house.pool_id, username="Staff_carol")
    browser = house.browser()

    is_refused(await house.sign_in(browser), "User is not enabled.")
    assert not [name for name in browser.cookies if name.startswith("cognito")]


async def test_a_session_ends_with_its_user(house: FederatedHouse) -> None:
    browser = house.browser()
    await house.sign_in(browser)
    await house.world.admin_disable_user(user_pool_id=house.pool_id, username="Staff_carol")
    house.world.clock.advance(timedelta(seconds=1))

    assert (await house.leave(browser)).startswith(f"{house.provider.url}/authorize?")

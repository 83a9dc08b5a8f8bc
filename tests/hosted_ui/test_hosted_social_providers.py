"""The social providers and their habits, played by a server on a real port that is put in their place."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from support.federated_pages import FederatedHouse, open_federated_house
from support.hosted_ui import CALLBACK, Browser, Response
from velvetrope.hosted_ui import SocialEndpoints
from velvetrope.hosted_ui.relying_party import SOCIAL_ENDPOINTS

APPLE_KEY = ec.generate_private_key(ec.SECP256R1())
APPLE_PEM = APPLE_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
SECRETS = {"client_id": "app", "client_secret": "s3cret"}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[FederatedHouse]:
    async with open_federated_house(tmp_path) as house:
        yield house


async def add(house: FederatedHouse, kind: str, details: Mapping[str, str], **mapping: str) -> None:
    """The social provider, whose addresses are those of the server that plays it."""
    url = house.provider.url
    house.social[kind] = {
        "Google": SocialEndpoints(issuer=url),
        "Facebook": SocialEndpoints(
            authorize_url=f"{url}/{{version}}/dialog/oauth",
            token_url=f"{url}/{{version}}/oauth/access_token",
            profile_url=f"{url}/{{version}}/me",
        ),
        "LoginWithAmazon": SocialEndpoints(
            authorize_url=f"{url}/ap/oa", token_url=f"{url}/auth/o2/token", profile_url=f"{url}/user/profile"
        ),
        "SignInWithApple": SocialEndpoints(
            issuer=url,
            authorize_url=f"{url}/auth/authorize",
            token_url=f"{url}/auth/token",
            jwks_uri=f"{url}/keys",
        ),
    }[kind]
    await house.world.create_identity_provider(
        user_pool_id=house.pool_id,
        provider_name=kind,
        provider_type=kind,
        provider_details=dict(details),
        attribute_mapping=mapping,
    )
    house.client_id = await house.add_client(kind)


def plays(house: FederatedHouse, answers: Mapping[str, Any]) -> None:
    """The server answers these documents, by path; a callable is asked with the form."""

    def answer(method: str, path: str, headers: dict[str, str], form: dict[str, str]) -> tuple[int, Any]:
        found = answers.get(path.partition("?")[0])
        if found is None:
            return house.provider.__class__.answer(house.provider, method, path, headers, form)
        return 200, found(form) if callable(found) else found

    house.provider.answer = answer  # type: ignore[method-assign]  # the fake is ours to change


async def leave(house: FederatedHouse, browser: Browser, kind: str) -> dict[str, str]:
    """What the provider is asked."""
    location = await house.leave(browser, identity_provider=kind, login_hint="carol", prompt="consent")
    assert location.startswith(house.provider.url), location
    return dict(parse_qsl(urlsplit(location).query))


async def come_back(browser: Browser, asked: Mapping[str, str], **answer: str) -> Response:
    return await browser.get(f"{asked['redirect_uri']}?{urlencode({'state': asked['state'], **answer})}")


def form_of(house: FederatedHouse, path: str) -> dict[str, str]:
    return next(form for _, asked, _, form in house.provider.asked if asked.partition("?")[0] == path)


# Google


async def test_google_is_found_by_discovery_and_takes_hints(house: FederatedHouse) -> None:
    await add(house, "Google", {**SECRETS, "authorize_scopes": "profile email openid"}, email="email")
    house.provider.claims = {"aud": "app", "at_hash": None}
    browser = house.browser()
    asked = await leave(house, browser, "Google")
    plays(
        house, {"/token": lambda form: {"access_token": "a", "id_token": house.provider.id_token(asked["nonce"], "a")}}
    )

    response = await come_back(browser, asked, code="c", iss=house.provider.url)

    assert (await house.claims(browser, response))["cognito:username"] == "Google_carol"
    assert (asked["scope"], asked["login_hint"], asked["prompt"]) == ("profile email openid", "carol", "consent")
    assert form_of(house, "/token")["client_secret"] == "s3cret"


# Facebook


async def facebook(house: FederatedHouse, profile: Mapping[str, Any], **details: str) -> tuple[Browser, Response]:
    given = {**SECRETS, "authorize_scopes": "public_profile,email", "api_version": "v19.0", **details}
    await add(house, "Facebook", given, email="email", name="name")
    browser = house.browser()
    asked = await leave(house, browser, "Facebook")
    assert "nonce" not in asked
    assert "code_challenge" not in asked
    assert "login_hint" not in asked
    assert asked["scope"] == "public_profile email"
    plays(house, {"/v19.0/oauth/access_token": {"access_token": "a", "token_type": "bearer"}, "/v19.0/me": profile})
    return browser, await come_back(browser, asked, code="c")


async def test_facebook_says_who_somebody_is_by_its_graph(house: FederatedHouse) -> None:
    browser, response = await facebook(house, {"id": "10155", "email": "carol@example.com", "name": "Carol"})

    claims = await house.claims(browser, response)

    assert (claims["cognito:username"], claims["name"]) == ("Facebook_10155", "Carol")
    (address,) = [path for _, path, _, _ in house.provider.asked if path.startswith("/v19.0/me")]
    asked = dict(parse_qsl(urlsplit(address).query))
    assert asked["fields"] == "email,id,name"
    assert len(asked["appsecret_proof"]) == 64
    assert "access_token" not in asked


@pytest.mark.parametrize("profile", [{}, {"id": ""}, {"id": 7}, {"sub": "10155"}])
async def test_facebook_without_an_id_signs_nobody_in(house: FederatedHouse, profile: dict[str, Any]) -> None:
    _, response = await facebook(house, profile)

    assert response.answer["error_description"] == "Facebook Error - the user's attributes have no id"


async def test_a_version_that_is_none_is_not_put_into_an_address(house: FederatedHouse) -> None:
    details = {**SECRETS, "authorize_scopes": "email", "api_version": "v1.0/../../evil"}
    await add(house, "Facebook", details, email="email")

    location = await house.leave(house.browser(), identity_provider="Facebook")

    assert location.startswith(f"{CALLBACK}?")


async def test_addresses_among_the_details_change_nothing(house: FederatedHouse) -> None:
    details = {
        **SECRETS,
        "authorize_scopes": "email",
        "authorize_url": "https://evil.example.com/authorize",
        "token_url": "https://evil.example.com/token",
        "attributes_url": "https://evil.example.com/me",
    }
    await add(house, "Facebook", details, email="email")

    location = await house.leave(house.browser(), identity_provider="Facebook")

    assert location.startswith(f"{house.provider.url}/v23.0/dialog/oauth?")


# Amazon


async def test_amazon_says_who_somebody_is_by_its_profile(house: FederatedHouse) -> None:
    await add(house, "LoginWithAmazon", {**SECRETS, "authorize_scopes": "profile postal_code"}, email="email")
    browser = house.browser()
    asked = await leave(house, browser, "LoginWithAmazon")
    plays(
        house,
        {
            "/auth/o2/token": {"access_token": "a"},
            "/user/profile": {"user_id": "amzn1.account.K2LI", "email": "c@example.com"},
        },
    )

    response = await come_back(browser, asked, code="c")

    claims = await house.claims(browser, response)
    assert claims["cognito:username"] == "LoginWithAmazon_amzn1.account.K2LI"
    (headers,) = [headers for _, path, headers, _ in house.provider.asked if path == "/user/profile"]
    assert headers["authorization"] == "Bearer a"
    assert form_of(house, "/auth/o2/token")["code_verifier"]


async def test_max_age_cannot_be_held_against_who_issues_no_id_token(house: FederatedHouse) -> None:
    await add(house, "LoginWithAmazon", {**SECRETS, "authorize_scopes": "profile"}, email="email")
    browser = house.browser()
    location = await house.leave(browser, identity_provider="LoginWithAmazon", max_age="60")
    asked = dict(parse_qsl(urlsplit(location).query))
    plays(house, {"/auth/o2/token": {"access_token": "a"}})

    response = await come_back(browser, asked, code="c")

    assert response.answer["error_description"] == "max_age is not supported for LoginWithAmazon"


# Apple

APPLE = {
    "client_id": "com.example.app",
    "team_id": "TEAM123456",
    "key_id": "KEY1234567",
    "private_key": APPLE_PEM,
    "authorize_scopes": "email name",
}


async def apple(house: FederatedHouse, details: Mapping[str, str] = APPLE, **posted: str) -> tuple[Browser, Response]:
    """Apple's page has the browser post the answer to us, from another site."""
    await add(house, "SignInWithApple", details, email="email", name="name", given_name="firstName")
    house.provider.claims = {"aud": APPLE["client_id"], "at_hash": None, "email": "relay@privaterelay.example"}
    browser = house.browser()
    asked = await leave(house, browser, "SignInWithApple")
    assert (asked["response_mode"], asked["scope"]) == ("form_post", "email name")
    assert "code_challenge" not in asked
    plays(
        house,
        {"/auth/token": lambda form: {"access_token": "a", "id_token": house.provider.id_token(asked["nonce"], "a")}},
    )
    form = {"state": asked["state"], "code": "c", **posted}
    from_apple = {"origin": "https://appleid.apple.com", "sec-fetch-site": "cross-site"}
    return browser, await browser.post(asked["redirect_uri"], form, headers=from_apple)


async def test_apple_posts_its_answer_and_is_shown_a_signed_secret(house: FederatedHouse) -> None:
    user = {"name": {"firstName": "Carol", "lastName": "Jones"}, "email": "forged@example.com"}

    browser, response = await apple(house, user=json.dumps(user))

    claims = await house.claims(browser, response)
    assert claims["cognito:username"] == "SignInWithApple_carol"
    assert (claims["name"], claims["given_name"]) == ("Carol Jones", "Carol")
    assert claims["email"] == "relay@privaterelay.example"
    secret = form_of(house, "/auth/token")["client_secret"]
    shown = jwt.decode(
        secret,
        APPLE_KEY.public_key(),
        algorithms=["ES256"],
        audience="https://appleid.apple.com",
        options={"verify_exp": False, "verify_iat": False},  # the clock stands still
    )
    assert jwt.get_unverified_header(secret)["kid"] == "KEY1234567"
    assert (shown["iss"], shown["sub"], shown["exp"] - shown["iat"]) == ("TEAM123456", "com.example.app", 300)


@pytest.mark.parametrize("user", ["", "no JSON", "[]", '{"name": "Carol"}', '{"name": {"firstName": 7}}', "[" * 5000])
async def test_a_user_that_cannot_be_read_is_passed_over(house: FederatedHouse, user: str) -> None:
    browser, response = await apple(house, user=user)

    assert "name" not in await house.claims(browser, response)


async def test_apples_key_may_come_without_its_first_and_last_line(house: FederatedHouse) -> None:
    lines = APPLE_PEM.strip().splitlines()

    _, response = await apple(house, {**APPLE, "private_key": "".join(lines[1:-1])})

    assert "code" in response.answer


async def test_a_key_that_is_none_ends_the_sign_in(house: FederatedHouse) -> None:
    _, response = await apple(house, {**APPLE, "private_key": "bm90IGEga2V5"})

    assert response.answer["error_description"] == "SignInWithApple Error - the private key cannot be used"


async def test_a_posted_answer_is_bound_to_the_browser_too(house: FederatedHouse) -> None:
    await apple(house)
    asked = await leave(house, house.browser(), "SignInWithApple")

    response = await house.browser().post(asked["redirect_uri"], {"state": asked["state"], "code": "c"})

    assert (response.status, response.header("location")) == (400, None)


@pytest.mark.parametrize("kind", sorted(SOCIAL_ENDPOINTS))
def test_the_real_ones_are_asked_over_https(kind: Any) -> None:
    known = [value for value in asdict(SOCIAL_ENDPOINTS[kind]).values() if value is not None]

    assert known
    assert all(address.startswith("https://") for address in known)

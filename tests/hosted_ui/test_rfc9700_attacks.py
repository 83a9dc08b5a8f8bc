"""The attacks of RFC 9700 (OAuth 2.0 Security Best Current Practice), one by one, over real user pools.

Each test says the section whose attacker it is. Attacks on an ID or access token itself (forged, expired, another
pool's) are `tokens`' own tests; attacks on the app's side of a redirect are shown with other people's relying parties
(`tests/wire/test_relying_parties.py`, `tests/browser/test_relying_parties.py`).
"""

from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from support.hosted_ui import CALLBACK, VERIFIER, Browser, Response, authorize_query, redeem_form
from support.relay import Relay, open_relay
from support.userpools import PASSWORD, claims_of, refused
from velvetrope.oauth import derive_code_challenge
from velvetrope.store.tables.userpools import RefreshTokenRotation

APP = "https://app.example.com/cb"
OTHER_VERIFIER = "an-attackers-own-verifier-of-forty-three-characters"


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    async with open_relay(tmp_path) as relay:
        yield relay


async def client_for(relay: Relay, *callbacks: str, secret: bool = False, **settings: object) -> str:
    settings.setdefault("allowed_o_auth_flows", ("code",))
    return await relay.world.client(
        relay.pool_id,
        callback_urls=callbacks,
        allowed_o_auth_scopes=("openid", "email"),
        allowed_o_auth_flows_user_pool_client=True,
        supported_identity_providers=("COGNITO",),
        generate_secret=secret,
        **settings,
    )


async def tokens_of(relay: Relay) -> dict[str, str]:
    tokens: dict[str, str] = (await relay.redeem((await relay.sign_in()).answer["code"])).json
    return tokens


async def user_info(relay: Relay, access_token: str) -> Response:
    return await relay.browser.get("/oauth2/userInfo", headers={"authorization": f"Bearer {access_token}"})


# 4.1 Insufficient redirection URI validation; 4.11.2 the authorization server as an open redirector.

NOT_THE_CALLBACK = {
    "a subdomain": "https://app.example.com.evil.example/cb",
    "a longer name": "https://app.example.comevil.example/cb",
    "a user name in front": "https://app.example.com@evil.example/cb",
    "a user name with a password": "https://app.example.com:443@evil.example/cb",
    "a backslash": "https://evil.example\\@app.example.com/cb",
    "a backslash for a slash": "https:\\\\app.example.com\\cb",
    "a fragment": "https://app.example.com/cb#/evil",
    "a path that goes up": "https://app.example.com/cb/../evil",
    "an encoded path that goes up": "https://app.example.com/cb/%2e%2e/evil",
    "a longer path": "https://app.example.com/cb/evil",
    "another query": "https://app.example.com/cb?next=https://evil.example",
    "a trailing slash": "https://app.example.com/cb/",
    "upper case": "https://APP.example.com/cb",
    "an encoded letter": "https://app.example.com/%63b",
    "encoded twice": quote("https://app.example.com/cb", safe=""),
    "a default port": "https://app.example.com:443/cb",
    "another scheme": "http://app.example.com/cb",
    "no scheme": "//app.example.com/cb",
    "only a path": "/cb",
    "a letter of another script": "https://\u0430pp.example.com/cb",
    "an ideographic full stop": "https://app\u3002example.com/cb",
    "a space behind": "https://app.example.com/cb ",
    "a script": "javascript:alert(1)//https://app.example.com/cb",
    "a null host": "https:///cb",
}


async def test_4_1_nothing_is_sent_to_what_only_resembles_the_callback(relay: Relay) -> None:
    client_id = await client_for(relay, APP)

    for attack, redirect_uri in NOT_THE_CALLBACK.items():
        for wrong_besides in ({}, {"scope": "unknown"}, {"response_type": "nothing"}, {"prompt": "none"}):
            query = authorize_query(client_id=client_id, redirect_uri=redirect_uri, **wrong_besides)
            for path in ("/oauth2/authorize", "/login"):
                answer = await relay.browser.get(f"{path}?{query}")

                assert answer.status == 302, attack
                assert answer.location == f"/error?error=redirect_mismatch&client_id={client_id}", attack


async def test_4_1_a_callback_on_loopback_has_the_registered_port_and_no_other(relay: Relay) -> None:
    """RFC 8252 section 7.3 would let the port vary; AWS compares it, and so do we."""
    client_id = await client_for(relay, "http://127.0.0.1:8400/cb", "http://localhost/cb")

    for redirect_uri in ("http://127.0.0.1:8401/cb", "http://localhost:8400/cb", "http://[::1]:8400/cb"):
        answer = await relay.authorize(client_id=client_id, redirect_uri=redirect_uri)
        assert "redirect_mismatch" in answer.location

    registered = await relay.authorize(client_id=client_id, redirect_uri="http://127.0.0.1:8400/cb")
    assert registered.location.startswith("/login?")


@pytest.mark.parametrize(
    "logout_uri", ["https://evil.example/", "//evil.example", "https://app.example.com@evil.example/"]
)
async def test_4_11_2_log_out_leads_to_no_address_that_is_not_registered(relay: Relay, logout_uri: str) -> None:
    await relay.sign_in()

    answer = await relay.browser.get(f"/logout?{urlencode({'client_id': relay.app_id, 'logout_uri': logout_uri})}")

    assert (answer.status, answer.header("location")) == (400, None)


async def test_4_11_2_an_error_alone_sends_nobody_away_from_the_error_page(relay: Relay) -> None:
    """The error page takes no address: whoever writes a link to it sends nobody anywhere and says nothing."""
    query = urlencode(
        {"error": "redirect_mismatch", "redirect_uri": "https://evil.example/", "client_id": relay.app_id}
    )

    page = await relay.browser.get(f"/error?{query}&error_description=call+us")

    assert page.status == 400
    assert "evil" not in page.text
    assert "call us" not in page.text


# 4.2 Credential leakage via Referer headers; 4.3 via the browser's history.


async def test_4_2_pages_tell_no_other_site_their_address_and_load_nothing_from_one(relay: Relay) -> None:
    page = await relay.browser.get(f"/login?{authorize_query(client_id=relay.app_id, scope='openid')}")

    assert page.header("referrer-policy") == "same-origin"
    policy = dict(part.strip().split(" ", 1) for part in (page.header("content-security-policy") or "").split(";"))
    assert policy.pop("form-action") != "*"  # what the browser may be sent on to, not what the page loads
    assert policy["default-src"] == "'none'"
    assert not any("http" in sources for sources in policy.values())


@pytest.mark.parametrize("place", ["query", "body"])
async def test_4_3_2_an_access_token_is_read_from_the_header_and_nowhere_else(relay: Relay, place: str) -> None:
    token = (await tokens_of(relay))["access_token"]

    if place == "query":
        answer = await relay.browser.get(f"/oauth2/userInfo?access_token={token}")
    else:
        answer = await relay.browser.post("/oauth2/userInfo", {"access_token": token})

    assert (answer.status, answer.json["error"]) == (400, "invalid_request")


async def test_4_3_a_clients_secret_and_a_code_are_not_read_from_the_address(relay: Relay) -> None:
    code = (await relay.sign_in()).answer["code"]
    form = redeem_form(code, client_id=relay.app_id)

    in_address = await relay.browser.post(f"/oauth2/token?{urlencode(form)}", {})
    by_get = await relay.browser.get(f"/oauth2/token?{urlencode(form)}")
    as_it_should_be = await relay.redeem(code)

    assert (in_address.status, in_address.json["error"]) == (400, "invalid_request")
    assert by_get.status == 405
    assert as_it_should_be.status == 200


async def test_4_3_parameters_in_the_address_do_not_mix_with_those_in_the_body(relay: Relay) -> None:
    code = (await relay.sign_in()).answer["code"]

    answer = await relay.browser.post(
        "/oauth2/token?grant_type=client_credentials&scope=openid", redeem_form(code, client_id=relay.app_id)
    )

    assert claims_of(answer.json["access_token"])["scope"] == "openid email"


# 4.4 Mix-up.


async def test_4_4_answers_name_their_issuer_where_the_pool_is_a_provider_for_others(tmp_path: Path) -> None:
    async with open_relay(tmp_path, public_url="https://localhost:4800") as relay:
        issuer = f"https://localhost:4800/{relay.pool_id}"
        refusal = await relay.authorize(prompt="none")
        granted = await relay.sign_in()
        implicit = await relay.sign_in(response_type="token", code_challenge=None, code_challenge_method=None)

    assert [answer.answer["iss"] for answer in (refusal, granted, implicit)] == [issuer] * 3


async def test_4_4_under_awss_name_answers_are_awss(relay: Relay) -> None:
    assert sorted((await relay.sign_in()).answer) == ["code", "state"]


# 4.5 Authorization code injection.


async def test_4_5_a_stolen_code_is_worth_nothing_without_the_verifier_of_who_asked(relay: Relay) -> None:
    """The thief injects it into a session of their own with the same app, whose verifier is another one."""
    stolen = (await relay.sign_in()).answer["code"]

    injected = await relay.redeem(stolen, code_verifier=OTHER_VERIFIER)
    without = await relay.redeem((await relay.sign_in()).answer["code"], code_verifier=None)
    victims = await relay.redeem(stolen)

    assert (injected.status, injected.json) == (400, {"error": "invalid_grant"})
    assert (without.status, without.json) == (400, {"error": "invalid_grant"})
    assert victims.json == {"error": "invalid_grant"}  # one try, whoever's it is


async def test_4_5_the_id_token_carries_the_nonce_of_the_request_that_gave_the_code(relay: Relay) -> None:
    tokens = (await relay.redeem((await relay.sign_in(nonce="the-victims")).answer["code"])).json

    assert claims_of(tokens["id_token"])["nonce"] == "the-victims"


async def test_4_5_a_code_belongs_to_its_client_and_its_redirect_uri(relay: Relay) -> None:
    other = await client_for(relay, CALLBACK, APP)
    theirs = (await relay.sign_in()).answer["code"]
    elsewhere = (await relay.sign_in(client_id=other)).answer["code"]

    by_another = await relay.redeem(theirs, client_id=other)
    to_another = await relay.redeem(elsewhere, client_id=other, redirect_uri=APP)
    own = await relay.redeem(theirs)

    assert by_another.json == {"error": "invalid_grant"}
    assert to_another.json == {"error": "unauthorized_client"}  # AWS's code for it
    assert own.status == 200


async def test_4_5_a_code_that_comes_twice_ends_the_tokens_of_the_first_time(relay: Relay) -> None:
    """RFC 6749 section 4.1.2: either of the two may be the thief."""
    code = (await relay.sign_in()).answer["code"]
    tokens = (await relay.redeem(code)).json
    before = await user_info(relay, tokens["access_token"])

    again = await relay.redeem(code)

    assert before.status == 200
    assert (again.status, again.json) == (400, {"error": "invalid_grant"})
    assert (await user_info(relay, tokens["access_token"])).status == 401
    assert (await relay.refresh(tokens["refresh_token"])).json == {"error": "invalid_grant"}


async def test_4_5_a_stranger_who_presents_a_spent_code_ends_nobodys_session(relay: Relay) -> None:
    """Only the code's own client is heard; else anybody who reads a code in a log could sign people out."""
    other = await client_for(relay, CALLBACK)
    code = (await relay.sign_in()).answer["code"]
    tokens = (await relay.redeem(code)).json

    await relay.redeem(code, client_id=other)

    assert (await user_info(relay, tokens["access_token"])).status == 200


# 4.6 Access token injection.


async def test_4_6_the_id_token_binds_the_access_token_that_came_with_it(relay: Relay) -> None:
    implicit = await relay.sign_in(response_type="token", code_challenge=None, code_challenge_method=None)

    assert claims_of(implicit.answer["id_token"])["at_hash"]
    assert claims_of((await tokens_of(relay))["id_token"])["at_hash"]


# 4.7 Cross-site request forgery.


async def test_4_7_the_state_comes_back_as_it_was_and_only_once(relay: Relay) -> None:
    state = "a b&c=d#e%25/\u00e9"

    answer = await relay.sign_in(state=state)

    assert answer.answer["state"] == state
    assert answer.location.count("state=") == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "https://sub.localhost:4800", "sec-fetch-site": "same-site"},
        {"origin": "null"},
        {"origin": "https://localhost:4801", "sec-fetch-site": "same-site"},
    ],
)
async def test_4_7_nobody_is_signed_in_by_a_form_on_another_site(relay: Relay, headers: dict[str, str]) -> None:
    """CSRF on log-in: the attacker would have the victim work in the attacker's account."""
    victim = Browser(relay.pages)
    query = authorize_query(client_id=relay.app_id, scope="openid")
    page = await victim.get(f"/login?{query}")
    form = {"_csrf": page.csrf_token, "username": "anna", "password": PASSWORD}
    without_token = {"username": "anna", "password": PASSWORD}

    forged = await victim.post(page.form_action, form, headers=headers)
    tokenless = await victim.post(page.form_action, without_token)
    silent = await victim.get(f"/oauth2/authorize?{query}&prompt=none")

    assert (forged.status, tokenless.status) == (403, 403)
    assert silent.answer["error"] == "login_required"


async def test_4_7_a_token_of_the_attackers_own_browser_is_worth_nothing_in_the_victims(relay: Relay) -> None:
    query = authorize_query(client_id=relay.app_id, scope="openid")
    attackers = (await Browser(relay.pages).get(f"/login?{query}")).csrf_token
    victim = Browser(relay.pages)
    page = await victim.get(f"/login?{query}")

    answer = await victim.post(page.form_action, {"_csrf": attackers, "username": "anna", "password": PASSWORD})

    assert answer.status == 403


# 4.8 PKCE downgrade.


async def test_4_8_taking_the_challenge_out_of_the_request_is_noticed_at_the_token_endpoint(relay: Relay) -> None:
    stripped = (await relay.sign_in(code_challenge=None, code_challenge_method=None)).answer["code"]

    answer = await relay.redeem(stripped, code_verifier=VERIFIER)

    assert (answer.status, answer.json) == (400, {"error": "invalid_grant"})


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": VERIFIER, "code_challenge_method": "plain"},
        {"code_challenge": derive_code_challenge(VERIFIER), "code_challenge_method": None},
        {"code_challenge": None, "code_challenge_method": "S256"},
        {"code_challenge": derive_code_challenge(VERIFIER), "code_challenge_method": "s256"},
    ],
)
async def test_4_8_a_challenge_is_s256_and_says_so(relay: Relay, changes: dict[str, str | None]) -> None:
    query = authorize_query(client_id=relay.app_id, scope="openid", **changes)

    answer = await relay.browser.get(f"/oauth2/authorize?{query}")

    assert answer.answer["error"] == "invalid_request"


async def test_4_8_a_parameter_twice_is_nobodys_word(relay: Relay) -> None:
    """A second challenge, scope or state that one reader sees and another does not."""
    query = authorize_query(client_id=relay.app_id, scope="openid")
    second = {"code_challenge": derive_code_challenge(OTHER_VERIFIER), "scope": "email", "state": "x", "prompt": "none"}

    for name, value in second.items():
        answer = await relay.browser.get(f"/oauth2/authorize?{query}&{name}={quote(value)}&{name}={quote(value)}")
        assert answer.answer["error"] == "invalid_request"


async def test_4_8_a_parameter_twice_at_the_token_endpoint_spends_no_code(relay: Relay) -> None:
    code = (await relay.sign_in()).answer["code"]
    body = urlencode(redeem_form(code, client_id=relay.app_id))

    twice = await relay.browser.request(
        "POST",
        "/oauth2/token",
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=f"{body}&code={code}".encode(),
    )

    assert (twice.status, twice.json["error"]) == (400, "invalid_request")
    assert (await relay.redeem(code)).status == 200


# 4.9 and 4.10 Tokens in wrong hands.


async def test_4_9_a_token_is_for_the_resource_that_the_app_named(relay: Relay) -> None:
    code = (await relay.sign_in(resource="https://api.example.com/")).answer["code"]

    assert claims_of((await relay.redeem(code)).json["access_token"])["aud"] == "https://api.example.com/"


# 4.12 307 redirects.


async def test_4_12_after_a_form_the_browser_is_sent_on_by_get(relay: Relay) -> None:
    """307 and 308 would have it post the password to the app."""
    answer = await relay.sign_in()

    assert answer.status == 302
    assert PASSWORD not in answer.location


# 4.14 Refresh tokens.


async def test_4_14_a_replaced_refresh_token_that_comes_again_ends_its_whole_family(relay: Relay) -> None:
    relay.app_id = await client_for(
        relay,
        CALLBACK,
        refresh_token_rotation=RefreshTokenRotation(feature="ENABLED", retry_grace_period_seconds=0),
    )
    first = await tokens_of(relay)
    second = (await relay.refresh(first["refresh_token"])).json
    relay.world.later(seconds=1)

    stolen = await relay.refresh(first["refresh_token"])
    latest = await relay.refresh(second["refresh_token"])

    assert (stolen.status, stolen.json) == (400, {"error": "invalid_grant"})
    assert (latest.status, latest.json) == (400, {"error": "invalid_grant"})
    assert (await user_info(relay, second["access_token"])).status == 401


async def test_4_14_a_refresh_token_is_its_clients_alone_and_widens_nothing(relay: Relay) -> None:
    other = await client_for(relay, CALLBACK)
    tokens = await tokens_of(relay)

    by_another = await relay.refresh(tokens["refresh_token"], client_id=other)
    wider = await relay.refresh(tokens["refresh_token"], scope="openid email aws.cognito.signin.user.admin")

    assert by_another.json == {"error": "invalid_grant"}
    assert claims_of(wider.json["access_token"])["scope"] == "openid email"


# 4.15 Clients that pass for people, and for other clients.


async def test_4_15_a_machines_token_stands_for_no_user(relay: Relay) -> None:
    token = (await relay.token()).json["access_token"]

    async with refused("NotAuthorizedException"):
        await relay.world.get_user(access_token=token)
    assert (await user_info(relay, token)).status == 401


async def test_4_15_a_client_with_a_secret_is_nobody_without_it(relay: Relay) -> None:
    client_id = await client_for(relay, CALLBACK, secret=True)
    code = (await relay.sign_in(client_id=client_id)).answer["code"]
    wrong = b64encode(f"{client_id}:wrong".encode()).decode()

    silent = await relay.redeem(code, client_id=client_id)
    guessed = await relay.browser.post(
        "/oauth2/token", redeem_form(code, client_id=client_id), headers={"authorization": f"Basic {wrong}"}
    )
    borrowed = await relay.browser.post(
        "/oauth2/token",
        redeem_form(code, client_id=client_id),
        headers={"authorization": "Basic " + b64encode(f"{relay.machine_id}:{relay.secret}".encode()).decode()},
    )

    assert silent.json == {"error": "invalid_client", "error_description": "invalid_client_secret"}
    assert guessed.json == {"error": "invalid_client"}
    assert borrowed.json == {"error": "invalid_client"}


@pytest.mark.parametrize("name", ["client_assertion", "client_assertion_type"])
async def test_4_15_an_assertion_that_nobody_verifies_is_refused_by_name_and_not_overlooked(
    relay: Relay, name: str
) -> None:
    code = (await relay.sign_in()).answer["code"]

    vouched = await relay.redeem(code, **{name: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"})
    plain = await relay.redeem(code)

    assert vouched.status == 400
    assert vouched.json["error"] == "invalid_client"
    assert "client_assertion is not supported" in vouched.json["error_description"]
    assert "access_token" in plain.json


# 4.16 Clickjacking.


@pytest.mark.parametrize("path", ["/login", "/error", "/logout", "/oauth2/authorize"])
async def test_4_16_no_page_is_shown_in_a_frame(relay: Relay, path: str) -> None:
    page = await relay.browser.get(f"{path}?{authorize_query(client_id=relay.app_id, scope='openid')}")

    assert page.header("x-frame-options") == "DENY"
    if page.status != 302:
        assert "frame-ancestors 'none'" in (page.header("content-security-policy") or "")


# 4.17 Answers by message; and what RFC 9700 section 2 asks for beyond the attacks.


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_mode": "web_message"}, "invalid_request"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_type": "code id_token"}, "invalid_request"),
        ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
        ({"request_uri": "https://evil.example/request"}, "request_uri_not_supported"),
    ],
)
async def test_4_17_other_ways_to_ask_and_to_answer_are_refused_by_name(
    relay: Relay, changes: dict[str, str], error: str
) -> None:
    query = authorize_query(client_id=relay.app_id, scope="openid", **changes)

    answer = await relay.browser.get(f"/oauth2/authorize?{query}")

    assert answer.answer["error"] == error


async def test_2_4_a_password_is_no_grant(relay: Relay) -> None:
    form = {"grant_type": "password", "client_id": relay.app_id, "username": "anna", "password": PASSWORD}

    answer = await relay.browser.post("/oauth2/token", form)

    assert (answer.status, answer.json) == (400, {"error": "unsupported_grant_type"})


async def test_2_1_2_tokens_travel_in_the_address_only_where_the_client_allows_it(relay: Relay) -> None:
    client_id = await client_for(relay, CALLBACK)

    answer = await relay.authorize(client_id=client_id, response_type="token", scope="openid")

    assert answer.answer == {"error": "unauthorized_client"}

"""What apps call: token, userInfo, revoke, discovery and keys."""

import base64
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from support.hosted_ui import Browser, Door, Response, authorize_query, make_client, make_pool, redeem_form, sign_in

CONFIDENTIAL = {"secret_sealed": b"sealed"}


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    door = await Door.open(tmp_path)
    yield door
    await door.database.close()


async def code_for(door: Door, **changes: str | None) -> str:
    """A fresh code, in a browser of its own."""
    return (await sign_in(door.browser(), **changes)).answer["code"]


async def redeem(door: Door, issued: str, **changes: str | None) -> Response:
    """Redeem `issued`, with some parameters changed (also `code` itself)."""
    return await door.browser().post("/oauth2/token", redeem_form(issued, **changes))


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


async def ask(browser: Browser, token: str) -> Response:
    return await browser.get("/oauth2/userInfo", headers={"authorization": f"Bearer {token}"})


# Codes


async def test_a_code_becomes_tokens(door: Door) -> None:
    response = await redeem(door, await code_for(door, nonce="n0nce"))

    assert response.status == 200
    assert response.header("content-type") == "application/json;charset=UTF-8"
    assert response.json == {
        "id_token": "an-id-token",
        "access_token": "access-1",
        "refresh_token": "refresh-family-1",
        "expires_in": 3600,
        "token_type": "Bearer",
    }
    assert door.directory.issued[0]["nonce"] == "n0nce"
    assert door.directory.issued[0]["scopes"] == ("openid", "email", "profile")


async def test_a_code_without_openid_has_no_id_token(door: Door) -> None:
    response = await redeem(door, await code_for(door, scope="aws.cognito.signin.user.admin"))

    assert "id_token" not in response.json


async def test_a_code_is_refused_the_second_time_and_ends_the_tokens_of_the_first(door: Door) -> None:
    code = await code_for(door)
    first = await redeem(door, code)

    second = await redeem(door, code)
    refreshed = await door.browser().post(
        "/oauth2/token",
        {
            "grant_type": "refresh_token",
            "client_id": "1example23456789",
            "refresh_token": first.json["refresh_token"],
        },
    )
    info = await ask(door.browser(), first.json["access_token"])

    assert (second.status, second.json) == (400, {"error": "invalid_grant"})
    assert (refreshed.status, refreshed.json) == (400, {"error": "invalid_grant"})
    assert info.status == 401


async def test_a_code_presented_again_while_it_is_redeemed_ends_in_no_tokens(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second caller comes between the first one's spending of the code and its tokens."""
    code = await code_for(door)
    issue = door.directory.issue_tokens
    second: list[Response] = []

    async def issue_late(*args: object, **keywords: object) -> object:
        if not second:
            second.append(await redeem(door, code))
        return await issue(*args, **keywords)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(door.directory, "issue_tokens", issue_late)

    first = await redeem(door, code)

    assert first.json == second[0].json == {"error": "invalid_grant"}
    assert door.directory.revoked == {"family-1"}


async def test_a_code_lasts_five_minutes(door: Door) -> None:
    in_time, too_late = await code_for(door), await code_for(door)
    door.clock.advance(timedelta(minutes=4, seconds=59))
    first = await redeem(door, in_time)
    door.clock.advance(timedelta(seconds=1))

    second = await redeem(door, too_late)

    assert first.status == 200
    assert second.json == {"error": "invalid_grant"}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "x" * 43}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_grant"),
        ({"code_verifier": "short"}, "invalid_request"),
        ({"redirect_uri": "https://app.example.com/cb"}, "unauthorized_client"),
        ({"redirect_uri": "http://localhost:5173"}, "unauthorized_client"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"code": None}, "invalid_request"),
        ({"code": "00000000-0000-4000-8000-000000000000"}, "invalid_grant"),
        ({"client_id": "nobody"}, "invalid_client"),
        ({"client_id": None}, "invalid_request"),
        ({"client_secret": "uncalled-for"}, "invalid_client"),
        ({"grant_type": None}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
async def test_a_code_is_bound_to_everything_it_was_asked_for_with(
    door: Door, changes: dict[str, str | None], error: str
) -> None:
    response = await redeem(door, await code_for(door), **changes)

    assert response.status == 400
    assert response.json["error"] == error
    assert not door.directory.issued


async def test_a_verifier_for_a_code_without_challenge_is_refused(door: Door) -> None:
    """Else who strips the challenge from an authorization request would go unnoticed (RFC 9700 section 4.8.2)."""
    code = await code_for(door, code_challenge=None, code_challenge_method=None)

    response = await redeem(door, code)

    assert response.json == {"error": "invalid_grant"}


async def test_a_code_that_was_tried_with_a_wrong_verifier_is_spent(door: Door) -> None:
    code = await code_for(door)
    await redeem(door, code, code_verifier="x" * 43)

    response = await redeem(door, code)

    assert response.json == {"error": "invalid_grant"}


async def test_a_code_of_another_client_is_refused_and_left_as_it_is(door: Door) -> None:
    code = await code_for(door)
    door.directory.add(make_client(client_id="another"))

    stolen = await redeem(door, code, client_id="another")
    own = await redeem(door, code)

    assert stolen.json == {"error": "invalid_grant"}
    assert own.status == 200


@pytest.mark.parametrize("changes", [{"enabled": False}, {"status": "RESET_REQUIRED"}])
async def test_a_code_of_somebody_who_may_no_longer_sign_in_is_refused(door: Door, changes: dict[str, object]) -> None:
    code = await code_for(door)
    door.change_user(**changes)

    assert (await redeem(door, code)).json == {"error": "invalid_grant"}


async def test_a_client_that_was_not_given_the_flow_cannot_ask_for_itself(door: Door) -> None:
    response = await redeem(door, "", grant_type="client_credentials")

    assert (response.status, response.json) == (400, {"error": "unauthorized_client"})


@pytest.mark.parametrize("grant_type", ["password", "implicit", "urn:ietf:params:oauth:grant-type:device_code"])
async def test_other_grants_are_refused_by_their_name(door: Door, grant_type: str) -> None:
    response = await redeem(door, "", grant_type=grant_type)

    assert (response.status, response.json) == (400, {"error": "unsupported_grant_type"})


async def test_a_client_without_the_code_flow_is_refused(door: Door) -> None:
    code = await code_for(door)
    door.change_client(allowed_o_auth_flows=("implicit",))

    assert (await redeem(door, code)).json == {"error": "unauthorized_client"}


# Clients


@pytest.mark.parametrize(
    ("headers", "form", "status", "said"),
    [
        (basic("1example23456789", "s3cret+"), {}, 200, None),
        (basic("1example23456789", "s3cret+"), {"client_id": None}, 200, None),
        ({}, {"client_secret": "s3cret+"}, 200, None),
        ({}, {}, 400, {"error": "invalid_client", "error_description": "invalid_client_secret"}),
        ({}, {"client_secret": "wrong"}, 400, {"error": "invalid_client"}),
        (basic("1example23456789", "wrong"), {}, 400, {"error": "invalid_client"}),
        (basic("nobody", "s3cret+"), {"client_id": None}, 400, {"error": "invalid_client"}),
        (basic("1example23456789", "s3cret+"), {"client_id": "another"}, 400, {"error": "invalid_client"}),
        ({"authorization": "Basic !"}, {}, 400, {"error": "invalid_client"}),
        ({"authorization": "Bearer x"}, {}, 400, {"error": "invalid_client"}),
        ({"authorization": "Basic " + base64.b64encode(b"no-colon").decode()}, {}, 400, {"error": "invalid_client"}),
    ],
)
async def test_a_client_with_a_secret_proves_itself_in_one_of_two_ways(
    door: Door, headers: dict[str, str], form: dict[str, str | None], status: int, said: object
) -> None:
    door.change_client(**CONFIDENTIAL)
    door.directory.secrets["1example23456789"] = "s3cret+"
    code = await code_for(door)

    response = await door.browser().post("/oauth2/token", redeem_form(code, **form), headers=headers)

    assert response.status == status, response.text
    assert said is None or response.json == said


async def test_both_ways_at_once_are_refused(door: Door) -> None:
    form = redeem_form("x", client_secret="s3cret")

    response = await door.browser().post("/oauth2/token", form, headers=basic("1example23456789", "s3cret"))

    assert response.json["error"] == "invalid_request"


async def test_the_client_is_checked_before_the_grant(door: Door) -> None:
    door.change_client(**CONFIDENTIAL)

    response = await door.browser().post(
        "/oauth2/token", {"grant_type": "refresh_token", "client_id": "1example23456789", "refresh_token": "garbage"}
    )

    assert response.json["error"] == "invalid_client"


# Refresh


async def test_a_refresh_token_becomes_new_tokens_and_stays(door: Door) -> None:
    tokens = (await redeem(door, await code_for(door))).json
    form = {
        "grant_type": "refresh_token",
        "client_id": "1example23456789",
        "refresh_token": tokens["refresh_token"],
    }

    response = await door.browser().post("/oauth2/token", form)

    assert response.status == 200
    assert response.json.keys() == {"id_token", "access_token", "expires_in", "token_type"}
    assert response.json["access_token"] != tokens["access_token"]


@pytest.mark.parametrize(("token", "error"), [("garbage", "invalid_grant"), ("", "invalid_request")])
async def test_other_refresh_tokens_are_refused_without_a_reason(door: Door, token: str, error: str) -> None:
    form = {"grant_type": "refresh_token", "client_id": "1example23456789", "refresh_token": token}

    response = await door.browser().post("/oauth2/token", form)

    assert (response.status, response.json) == (400, {"error": error})


# HTTP at the token endpoint


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD"])
async def test_other_methods_get_405_with_nothing_in_it(door: Door, method: str) -> None:
    response = await door.browser().request(method, "/oauth2/token")

    assert (response.status, response.body) == (405, b"")


async def test_a_content_type_that_is_no_form_gets_405(door: Door) -> None:
    response = await door.browser().request(
        "POST", "/oauth2/token", headers={"content-type": "application/json"}, body=b"{}"
    )

    assert (response.status, response.body) == (405, b"")


async def test_json_in_a_form_is_an_invalid_request(door: Door) -> None:
    response = await door.browser().request(
        "POST",
        "/oauth2/token",
        headers={"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
        body=b'{"grant_type":"authorization_code"}',
    )

    assert (response.status, response.json) == (400, {"error": "invalid_request"})


async def test_a_fault_of_ours_is_server_error(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("the secret is 42")

    monkeypatch.setattr(door.directory, "find_client", broken)

    response = await door.browser().post("/oauth2/token", redeem_form("x"))

    assert (response.status, response.json) == (500, {"error": "server_error"})


@pytest.mark.parametrize(
    "path",
    [
        "/oauth2/token",
        "/oauth2/userInfo",
        "/oauth2/revoke",
        "/us-west-2_Demo12345/.well-known/openid-configuration",
        "/us-west-2_Demo12345/.well-known/jwks.json",
    ],
)
async def test_scripts_of_any_origin_may_call_what_apps_call(door: Door, path: str) -> None:
    browser = door.browser("http://localhost:4800")
    preflight = await browser.request("OPTIONS", path, headers={"origin": "http://localhost:5173"})
    refusal = await browser.request("DELETE", path)

    assert preflight.status == 200
    assert preflight.header("access-control-allow-origin") == "*"
    assert preflight.header("access-control-allow-headers") == "authorization, content-type, x-amz-user-agent"
    assert refusal.header("access-control-allow-origin") == "*"


async def test_on_this_machine_apps_may_call_over_http(door: Door) -> None:
    code = await code_for(door)

    response = await door.browser("http://localhost:4800").post("/oauth2/token", redeem_form(code))

    assert response.status == 200


async def test_over_a_network_tokens_are_never_sent_in_the_clear(door: Door) -> None:
    code = await code_for(door)

    response = await door.browser("http://auth.example.com", peer="192.0.2.7").post("/oauth2/token", redeem_form(code))

    assert (response.status, response.json) == (
        400,
        {"error": "invalid_request", "error_description": "https is required"},
    )


async def test_every_answer_names_its_request(door: Door) -> None:
    browser = door.browser()
    own = await browser.get("/oauth2/userInfo")
    browser.request_id = "6b86b273-ff34-4ce1-9d6b-804eff5a3f57"

    given = await browser.get("/oauth2/userInfo")

    assert len(own.header("x-amz-cognito-request-id") or "") == 36
    assert given.header("x-amz-cognito-request-id") == "6b86b273-ff34-4ce1-9d6b-804eff5a3f57"


# userInfo


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("openid email", {"email": "demo@example.com", "email_verified": "true"}),
        ("openid phone", {"phone_number": "+15550100"}),
        (
            "openid email profile",
            {"email": "demo@example.com", "email_verified": "true", "phone_number": "+15550100", "name": "Demo"},
        ),
        (
            "openid",
            {"email": "demo@example.com", "email_verified": "true", "phone_number": "+15550100", "name": "Demo"},
        ),
    ],
)
async def test_user_info_has_what_the_scopes_reach_and_all_of_it_strings(
    door: Door, scope: str, expected: Mapping[str, str]
) -> None:
    tokens = (await redeem(door, await code_for(door, scope=scope))).json

    response = await ask(door.browser(), tokens["access_token"])

    assert response.status == 200
    assert response.header("content-type") == "application/json;charset=UTF-8"
    assert response.json == {
        "sub": "11111111-2222-4333-8444-555555555555",
        "username": "demouser",
        **expected,
    }


async def test_user_info_has_only_what_the_client_may_read(door: Door) -> None:
    tokens = (await redeem(door, await code_for(door))).json
    door.change_client(read_attributes=("custom:tier", "name"))

    response = await ask(door.browser(), tokens["access_token"])

    assert response.json.keys() == {"sub", "username", "name", "custom:tier"}


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic eA=="}, {"authorization": "Bearer "}])
async def test_user_info_without_a_bearer_token_is_a_bad_request(door: Door, headers: dict[str, str]) -> None:
    response = await door.browser().get("/oauth2/userInfo", headers=headers)

    assert response.status == 400
    assert response.header("www-authenticate") == (
        'error="invalid_request", error_description="Bad OAuth2 request at UserInfo Endpoint"'
    )
    assert response.json["error"] == "invalid_request"


async def test_user_info_with_a_dead_token_is_invalid_token(door: Door) -> None:
    tokens = (await redeem(door, await code_for(door))).json
    door.clock.advance(timedelta(hours=1))

    response = await ask(door.browser(), tokens["access_token"])

    assert response.status == 401
    assert response.header("www-authenticate") == (
        'error="invalid_token", error_description="Access token is expired, disabled, or deleted, '
        'or the user has globally signed out."'
    )


async def test_user_info_without_the_openid_scope_is_refused(door: Door) -> None:
    tokens = (await redeem(door, await code_for(door, scope="aws.cognito.signin.user.admin"))).json

    response = await ask(door.browser(), tokens["access_token"])

    assert response.status == 401
    assert response.json == {
        "error": "invalid_token",
        "error_description": "Access token does not contain openid scope",
    }


async def test_user_info_of_a_disabled_user_is_refused(door: Door) -> None:
    tokens = (await redeem(door, await code_for(door))).json
    door.change_user(enabled=False)

    assert (await ask(door.browser(), tokens["access_token"])).status == 401


# Revocation


async def test_a_revoked_refresh_token_takes_its_access_tokens_with_it(door: Door) -> None:
    tokens = (await redeem(door, await code_for(door))).json

    response = await door.browser().post(
        "/oauth2/revoke", {"token": tokens["refresh_token"], "client_id": "1example23456789"}
    )
    info = await ask(door.browser(), tokens["access_token"])

    assert (response.status, response.body) == (200, b"")
    assert info.status == 401


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({"token": "garbage", "client_id": "1example23456789"}, 200, None),
        ({"client_id": "1example23456789"}, 400, {"error": "invalid_request"}),
        ({"token": "x"}, 400, {"error": "invalid_request"}),
        ({"token": "x", "client_id": "nobody"}, 401, {"error": "invalid_client"}),
        (
            {"token": "x", "client_id": "1example23456789", "client_secret": "uncalled-for"},
            401,
            {"error": "invalid_client"},
        ),
    ],
)
async def test_other_revocations(door: Door, form: dict[str, str], status: int, said: object) -> None:
    response = await door.browser().post("/oauth2/revoke", form)

    assert response.status == status
    assert said is None or response.json == said


async def test_an_access_token_cannot_be_revoked(door: Door) -> None:
    tokens = (await redeem(door, await code_for(door))).json

    response = await door.browser().post(
        "/oauth2/revoke", {"token": tokens["access_token"], "client_id": "1example23456789"}
    )

    assert (response.status, response.json) == (400, {"error": "unsupported_token_type"})


async def test_a_client_without_revocation_is_told_so(door: Door) -> None:
    door.change_client(enable_token_revocation=False)

    response = await door.browser().post("/oauth2/revoke", {"token": "x", "client_id": "1example23456789"})

    assert (response.status, response.json) == (400, {"error": "invalid_request"})


async def test_another_clients_token_is_not_revoked_and_nothing_is_said(door: Door) -> None:
    tokens = (await redeem(door, await code_for(door))).json
    door.directory.add(make_client(client_id="another"))

    response = await door.browser().post("/oauth2/revoke", {"token": tokens["refresh_token"], "client_id": "another"})

    assert response.status == 200
    assert not door.directory.revoked


# Documents


async def test_discovery_names_endpoints_that_can_be_reached_from_where_it_was_asked(door: Door) -> None:
    response = await door.browser("http://localhost:4800").get("/us-west-2_Demo12345/.well-known/openid-configuration")

    assert response.json == {
        "authorization_endpoint": "https://localhost:4800/auth-api-demo/oauth2/authorize",
        "end_session_endpoint": "https://localhost:4800/auth-api-demo/logout",
        "id_token_signing_alg_values_supported": ["RS256"],
        "issuer": "https://cognito-idp.us-west-2.amazonaws.com/us-west-2_Demo12345",
        "jwks_uri": "http://localhost:4800/us-west-2_Demo12345/.well-known/jwks.json",
        "response_types_supported": ["code", "token"],
        "revocation_endpoint": "http://localhost:4800/auth-api-demo/oauth2/revoke",
        "scopes_supported": ["openid", "email", "phone", "profile"],
        "subject_types_supported": ["public"],
        "token_endpoint": "http://localhost:4800/auth-api-demo/oauth2/token",
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "userinfo_endpoint": "http://localhost:4800/auth-api-demo/oauth2/userInfo",
        "authorization_response_iss_parameter_supported": False,
        "code_challenge_methods_supported": ["S256"],
        "grant_types_supported": ["authorization_code", "implicit", "refresh_token", "client_credentials"],
        "prompt_values_supported": ["none", "login", "select_account", "consent"],
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "response_modes_supported": ["query", "fragment"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
    }


async def test_asked_by_awss_name_discovery_answers_with_awss_names(door: Door) -> None:
    browser = door.browser("https://cognito-idp.us-west-2.amazonaws.com")

    response = await browser.get("/us-west-2_Demo12345/.well-known/openid-configuration")

    assert response.json["jwks_uri"] == (
        "https://cognito-idp.us-west-2.amazonaws.com/us-west-2_Demo12345/.well-known/jwks.json"
    )
    assert response.json["token_endpoint"] == "https://auth-api-demo.auth.us-west-2.amazoncognito.com/oauth2/token"


async def test_a_public_url_is_what_discovery_names_whoever_asks(tmp_path: Path) -> None:
    door = await Door.open(tmp_path, public_url="https://auth.example.com")

    response = await door.browser("http://evil.example").get("/us-west-2_Demo12345/.well-known/openid-configuration")
    await door.database.close()

    assert response.json["token_endpoint"] == "https://auth.example.com/auth-api-demo/oauth2/token"
    assert "evil" not in response.text


PROXIED = {"host": "auth.example.com", "x-forwarded-proto": "https"}


async def test_behind_a_proxy_of_this_machine_pages_are_https_when_it_says_so(tmp_path: Path) -> None:
    door = await Door.open(tmp_path, public_url="https://auth.example.com")
    browser = door.browser("http://127.0.0.1:4800")
    path = f"/login?{authorize_query()}"

    proxied = await browser.get(path, headers=PROXIED)
    others = [
        await browser.get(path, headers={"host": "auth.example.com"}),
        await browser.get(path, headers={**PROXIED, "x-forwarded-proto": "http"}),
        await browser.get(path, headers={**PROXIED, "x-forwarded-proto": "https, http"}),
        await browser.get(path, headers={**PROXIED, "host": "other.example.com"}),
        await door.browser("http://127.0.0.1:4800", peer="192.0.2.7").get(path, headers=PROXIED),
    ]
    await door.database.close()

    assert proxied.status == 200
    assert proxied.header("strict-transport-security") == "max-age=31536000"
    assert [answer.status for answer in others] == [302] * len(others)
    assert all(answer.location.startswith("https://") for answer in others)


async def test_without_a_public_url_no_proxy_is_believed(door: Door) -> None:
    answer = await door.browser("http://127.0.0.1:4800").get(f"/login?{authorize_query()}", headers=PROXIED)

    assert answer.status == 302


async def test_discovery_and_keys_may_be_kept_for_five_minutes_and_nothing_else(door: Door) -> None:
    kept = [
        await door.browser().get(f"/us-west-2_Demo12345/.well-known/{name}")
        for name in ("openid-configuration", "jwks.json")
    ]
    refused = await door.browser().get("/us-west-2_Nobody/.well-known/jwks.json")

    assert [answer.header("cache-control") for answer in kept] == ["public, max-age=300"] * 2
    assert refused.header("cache-control") == "no-cache, no-store, max-age=0, must-revalidate"


async def test_a_pool_without_a_domain_names_no_oauth_endpoints(door: Door) -> None:
    door.directory.add(make_pool(domain=None))

    response = await door.browser().get("/us-west-2_Demo12345/.well-known/openid-configuration")

    assert "token_endpoint" not in response.json
    assert "jwks_uri" in response.json


async def test_keys_are_served_by_pool_id_and_404_for_others(door: Door) -> None:
    found = await door.browser().get("/us-west-2_Demo12345/.well-known/jwks.json")
    missing = await door.browser().get("/us-west-2_Nobody/.well-known/jwks.json")

    assert found.json == {"keys": [{"kid": "us-west-2_Demo12345"}]}
    assert missing.status == 404


@pytest.mark.parametrize(
    ("path", "owned"),
    [
        ("/oauth2/token", True),
        ("/login", True),
        ("/auth-api-demo/oauth2/authorize", True),
        ("/us-west-2_Demo12345/.well-known/jwks.json", True),
        ("/", False),
        ("/_api/abc123/login", False),
        ("/_velvetrope/login", False),
        ("/loginx", False),
        ("/oauth2/authorize/", False),
        ("/oauth2/userinfo", False),
        ("/.well-known/openid-configuration", False),
    ],
)
async def test_the_paths_of_the_hosted_ui_are_known(door: Door, path: str, owned: bool) -> None:
    assert door.pages.owns(path) is owned


@pytest.mark.parametrize(
    ("host", "owned"),
    [
        ("auth-api-demo.auth.us-west-2.amazoncognito.com", True),
        ("auth-api-demo.auth.us-west-2.amazoncognito.com:4800", True),
        ("cognito-idp.us-west-2.amazonaws.com", False),
        ("localhost:4800", False),
        ("x.auth.us-west-2.amazoncognito.com.evil.example", False),
    ],
)
async def test_the_hosts_of_the_hosted_ui_are_known(door: Door, host: str, owned: bool) -> None:
    assert door.pages.owns_host(host) is owned


async def test_a_stolen_database_holds_no_code_and_no_session(door: Door, tmp_path: Path) -> None:
    browser = door.browser()
    code = (await sign_in(browser)).answer["code"]
    session = browser.cookies["__Host-cognito-auth-api-demo-4800"]

    await door.database.close()
    stored = b"".join(file.read_bytes() for file in sorted(tmp_path.iterdir()))  # noqa: ASYNC240  the server is closed

    assert code.encode() not in stored
    assert session.encode() not in stored

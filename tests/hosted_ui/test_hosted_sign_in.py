"""Signing in by the page: from the app's link to a code, and everything that must not get there."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest

from support.hosted_ui import CALLBACK, PASSWORD, Door, authorize_query, make_client, make_pool, redeem_form, sign_in


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    door = await Door.open(tmp_path)
    yield door
    await door.database.close()


# The way in


async def test_authorize_sends_somebody_unknown_to_the_sign_in_page_with_the_same_parameters(door: Door) -> None:
    response = await door.browser().get(f"/oauth2/authorize?{authorize_query()}")

    assert response.status == 302
    assert response.location == f"/login?{authorize_query()}"


async def test_the_right_password_leads_back_to_the_app_with_a_code_and_the_state(door: Door) -> None:
    browser = door.browser()

    response = await sign_in(browser)

    assert response.status == 302
    assert response.location.startswith(f"{CALLBACK}?code=")
    assert response.answer.keys() == {"code", "state"}
    assert response.answer["state"] == "st4te"
    assert len(response.answer["code"]) == 36


async def test_the_session_cookie_lasts_an_hour_and_is_kept_from_scripts_and_plain_http(door: Door) -> None:
    response = await sign_in(door.browser())

    cookie = next(
        value
        for name, value in response.headers
        if name == "set-cookie" and value.startswith("__Host-cognito-auth-api-demo-4800=")
    )
    assert cookie.endswith("; Max-Age=3600; Path=/; Secure; HttpOnly; SameSite=Lax")


async def test_on_aws_names_the_cookies_are_called_as_on_aws(door: Door) -> None:
    browser = door.browser("https://auth-api-demo.auth.us-west-2.amazoncognito.com")

    response = await sign_in(browser)

    assert response.location.startswith(CALLBACK)
    assert browser.cookies.keys() == {"cognito", "XSRF-TOKEN"}


async def test_a_pool_can_be_named_in_the_path_and_its_links_stay_there(door: Door) -> None:
    door.directory.add(make_pool(id="us-west-2_Other", domain="other"))
    browser = door.browser()

    to_login = await browser.get(f"/auth-api-demo/oauth2/authorize?{authorize_query()}")
    page = await browser.get(to_login.location)

    assert to_login.location.startswith("/auth-api-demo/login?")
    assert page.form_action.startswith("/auth-api-demo/login?")


async def test_with_several_pools_the_short_path_means_none_of_them(door: Door) -> None:
    door.directory.add(make_pool(id="us-west-2_Other", domain="other"))

    response = await door.browser().get(f"/oauth2/authorize?{authorize_query()}")

    assert response.status == 404


async def test_login_hint_fills_the_user_name_in_and_is_escaped(door: Door) -> None:
    query = authorize_query(login_hint='"><script>alert(1)</script>')

    page = await door.browser().get(f"/login?{query}")

    assert "<script>" not in page.text
    assert 'value="&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"' in page.text


async def test_old_clients_may_go_straight_to_login_without_scope_state_or_pkce(door: Door) -> None:
    query = authorize_query(
        scope=None, state=None, code_challenge=None, code_challenge_method=None, identity_provider=None
    )
    browser = door.browser()

    page = await browser.get(f"/login?{query}")
    response = await browser.post(
        page.form_action, {"_csrf": page.csrf_token, "username": "demouser", "password": PASSWORD}
    )
    tokens = await browser.post("/oauth2/token", redeem_form(response.answer["code"], code_verifier=None))

    assert response.answer.keys() == {"code"}
    assert tokens.status == 200
    assert door.directory.issued[0]["scopes"] == door.client.allowed_o_auth_scopes


async def test_implicit_clients_get_tokens_in_the_fragment_and_no_refresh_token(door: Door) -> None:
    door.change_client(allowed_o_auth_flows=("implicit",))

    response = await sign_in(
        door.browser(), response_type="token", code_challenge=None, code_challenge_method=None, nonce="n0nce"
    )

    assert response.location.startswith(f"{CALLBACK}#id_token=")
    assert list(response.answer) == ["id_token", "access_token", "token_type", "expires_in", "state"]
    assert response.answer["token_type"] == "bearer"
    assert door.directory.issued[0]["nonce"] == "n0nce"
    assert not door.directory.refreshes


async def test_implicit_without_openid_has_no_id_token(door: Door) -> None:
    door.change_client(allowed_o_auth_flows=("implicit",))

    response = await sign_in(
        door.browser(),
        response_type="token",
        scope="aws.cognito.signin.user.admin",
        code_challenge=None,
        code_challenge_method=None,
    )

    assert "id_token" not in response.answer


async def test_a_query_in_the_redirect_uri_is_kept(door: Door) -> None:
    response = await sign_in(door.browser(), redirect_uri="https://app.example.com/?a=b")

    assert response.location.startswith("https://app.example.com/?a=b&code=")


async def test_an_app_scheme_of_its_own_is_redirected_to(door: Door) -> None:
    response = await sign_in(door.browser(), redirect_uri="demoapp://signed-in")

    assert response.location.startswith("demoapp://signed-in?code=")


# Refusals above the form


async def test_a_wrong_password_shows_the_form_again_with_awss_text(door: Door) -> None:
    response = await sign_in(door.browser(), password="guess")

    assert response.status == 400
    assert "Incorrect username or password." in response.text
    assert 'value="demouser"' in response.text
    assert "guess" not in response.text
    assert "location" not in dict(response.headers)


async def test_an_unknown_user_is_told_the_same_as_one_with_a_wrong_password(door: Door) -> None:
    unknown = await sign_in(door.browser(), username="nobody")
    wrong = await sign_in(door.browser(), password="guess")

    assert (unknown.status, "Incorrect username or password." in unknown.text) == (
        wrong.status,
        "Incorrect username or password." in wrong.text,
    )


async def test_the_right_password_is_refused_after_too_many_wrong_ones(door: Door) -> None:
    for _ in range(door.directory.failures_allowed):
        await sign_in(door.browser(), password="guess")

    response = await sign_in(door.browser())

    assert "Password attempts exceeded" in response.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": "RESET_REQUIRED"}, "Password reset required for the user"),
        ({"status": "UNCONFIRMED"}, "User is not confirmed."),
        ({"status": "EXTERNAL_PROVIDER"}, "Incorrect username or password."),
        ({"enabled": False}, "User is disabled."),
    ],
)
async def test_who_has_something_to_do_first_is_told_so_and_gets_no_code(
    door: Door, changes: dict[str, object], said: str
) -> None:
    door.change_user(**changes)
    browser = door.browser()

    response = await sign_in(browser)

    assert response.status == 400
    assert said in response.text
    assert "__Host-cognito-auth-api-demo-4800" not in browser.cookies


async def test_an_empty_form_is_shown_again(door: Door) -> None:
    response = await sign_in(door.browser(), username="", password="")

    assert response.status == 400
    assert "Enter your username and your password." in response.text


# The form is ours


@pytest.mark.parametrize(
    ("in_form", "headers"),
    [
        (None, {}),
        ("00000000-0000-4000-8000-000000000000", {}),
        ("same", {"origin": "https://evil.example"}),
        ("same", {"origin": "http://localhost:4800"}),
        ("same", {"origin": "https://localhost:4900"}),
        ("same", {"origin": "null"}),
        ("same", {"sec-fetch-site": "cross-site"}),
        ("same", {"sec-fetch-site": "same-site"}),
    ],
)
async def test_a_form_that_is_not_ours_is_refused_whatever_the_password(
    door: Door, in_form: str | None, headers: dict[str, str]
) -> None:
    browser = door.browser()
    page = await browser.get(f"/login?{authorize_query()}")
    fields = {"username": "demouser", "password": PASSWORD}
    if in_form is not None:
        fields["_csrf"] = page.csrf_token if in_form == "same" else in_form

    response = await browser.post(page.form_action, fields, headers=headers)

    assert response.status == 403
    assert "This form could not be verified" in response.text
    assert "__Host-cognito-auth-api-demo-4800" not in browser.cookies


async def test_a_form_without_the_cookie_is_refused(door: Door) -> None:
    browser = door.browser()
    page = await browser.get(f"/login?{authorize_query()}")
    browser.cookies.clear()

    response = await browser.post(
        page.form_action, {"_csrf": page.csrf_token, "username": "demouser", "password": PASSWORD}
    )

    assert response.status == 403


async def test_two_tabs_of_one_browser_share_their_token(door: Door) -> None:
    browser = door.browser()

    first = await browser.get(f"/login?{authorize_query()}")
    second = await browser.get(f"/login?{authorize_query()}")

    assert first.csrf_token == second.csrf_token


async def test_the_csrf_token_is_new_after_sign_in(door: Door) -> None:
    browser = door.browser()
    page = await browser.get(f"/login?{authorize_query()}")

    await sign_in(browser)

    assert browser.cookies["__Host-XSRF-TOKEN-auth-api-demo-4800"] != page.csrf_token


async def test_the_form_must_be_form_encoded(door: Door) -> None:
    response = await door.browser().request(
        "POST", f"/login?{authorize_query()}", headers={"content-type": "application/json"}, body=b"{}"
    )

    assert response.status == 415


async def test_a_body_that_no_form_has_is_refused(door: Door) -> None:
    response = await door.browser().post(f"/login?{authorize_query()}", {"password": "x" * 20_000})

    assert response.status == 413


# Sessions


async def test_who_is_signed_in_is_sent_straight_back_with_a_new_code(door: Door) -> None:
    browser = door.browser()
    first = await sign_in(browser)

    second = await browser.get(f"/oauth2/authorize?{authorize_query(state='again')}")

    assert second.location.startswith(f"{CALLBACK}?code=")
    assert second.answer["state"] == "again"
    assert second.answer["code"] != first.answer["code"]


async def test_the_session_signs_in_to_another_client_of_the_pool(door: Door) -> None:
    door.directory.add(make_client(client_id="another"))
    browser = door.browser()
    await sign_in(browser)

    response = await browser.get(f"/oauth2/authorize?{authorize_query(client_id='another')}")

    assert "code" in response.answer


async def test_auth_time_is_when_the_password_was_given(door: Door) -> None:
    browser = door.browser()
    signed_in_at = door.clock.now()
    await sign_in(browser)
    door.clock.advance(timedelta(minutes=30))

    silent = await browser.get(f"/oauth2/authorize?{authorize_query()}")
    await browser.post("/oauth2/token", redeem_form(silent.answer["code"]))

    assert door.directory.issued[0]["authenticated_at"] == signed_in_at


async def test_the_session_ends_an_hour_after_sign_in_however_much_it_is_used(door: Door) -> None:
    browser = door.browser()
    await sign_in(browser)
    door.clock.advance(timedelta(minutes=59, seconds=59))
    just_before = await browser.get(f"/oauth2/authorize?{authorize_query()}")
    door.clock.advance(timedelta(seconds=1))

    at_the_hour = await browser.get(f"/oauth2/authorize?{authorize_query()}")

    assert "code" in just_before.answer
    assert at_the_hour.location.startswith("/login?")


async def test_a_made_up_session_is_nobody(door: Door) -> None:
    browser = door.browser()
    browser.cookies["__Host-cognito-auth-api-demo-4800"] = "made-up"

    response = await browser.get(f"/oauth2/authorize?{authorize_query()}")

    assert response.location.startswith("/login?")


async def test_a_session_of_one_pool_is_worth_nothing_in_another(door: Door) -> None:
    browser = door.browser()
    await sign_in(browser)
    door.directory.add(make_pool(id="us-west-2_Other", domain="other"))
    door.directory.add(make_client(client_id="another", user_pool_id="us-west-2_Other"))
    browser.cookies["__Host-cognito-other-4800"] = browser.cookies["__Host-cognito-auth-api-demo-4800"]

    response = await browser.get(f"/other/oauth2/authorize?{authorize_query(client_id='another')}")

    assert response.location.startswith("/other/login?")


@pytest.mark.parametrize("changes", [{"enabled": False}, {"status": "RESET_REQUIRED"}])
async def test_a_session_of_somebody_who_may_no_longer_sign_in_is_worth_nothing(
    door: Door, changes: dict[str, object]
) -> None:
    browser = door.browser()
    await sign_in(browser)
    door.change_user(**changes)

    response = await browser.get(f"/oauth2/authorize?{authorize_query()}")

    assert response.location.startswith("/login?")


async def test_signing_in_again_ends_the_session_before(door: Door) -> None:
    browser = door.browser()
    await sign_in(browser)
    before = browser.cookies["__Host-cognito-auth-api-demo-4800"]
    await sign_in(browser, prompt="login")
    thief = door.browser()
    thief.cookies["__Host-cognito-auth-api-demo-4800"] = before

    response = await thief.get(f"/oauth2/authorize?{authorize_query()}")

    assert browser.cookies["__Host-cognito-auth-api-demo-4800"] != before
    assert response.location.startswith("/login?")


@pytest.mark.parametrize("prompt", ["login", "select_account", "login consent"])
async def test_prompt_login_asks_again_although_somebody_is_signed_in(door: Door, prompt: str) -> None:
    browser = door.browser()
    await sign_in(browser)

    response = await browser.get(f"/oauth2/authorize?{authorize_query(prompt=prompt)}")

    assert response.location.startswith("/login?")


async def test_prompt_none_answers_without_a_page_when_somebody_is_signed_in(door: Door) -> None:
    browser = door.browser()
    await sign_in(browser)

    response = await browser.get(f"/oauth2/authorize?{authorize_query(prompt='none')}")

    assert "code" in response.answer


async def test_prompt_none_without_a_session_is_login_required(door: Door) -> None:
    response = await door.browser().get(f"/oauth2/authorize?{authorize_query(prompt='none')}")

    assert response.location == f"{CALLBACK}?error=login_required&state=st4te"


@pytest.mark.parametrize(("age_seconds", "asked_again"), [(60, False), (61, True)])
async def test_max_age_asks_again_after_that_many_seconds(door: Door, age_seconds: int, asked_again: bool) -> None:
    browser = door.browser()
    await sign_in(browser)
    door.clock.advance(timedelta(seconds=age_seconds))

    response = await browser.get(f"/oauth2/authorize?{authorize_query(max_age='60')}")

    assert response.location.startswith("/login?") is asked_again


# Errors that stay, and errors that go back


async def test_a_redirect_uri_that_is_not_registered_is_never_redirected_to(door: Door) -> None:
    browser = door.browser()

    response = await browser.get(f"/oauth2/authorize?{authorize_query(redirect_uri='https://evil.example/')}")
    page = await browser.get(response.location)

    assert response.status == 302
    assert response.location == "/error?error=redirect_mismatch&client_id=1example23456789"
    assert page.status == 400
    assert "An error was encountered with the requested page." in page.text
    assert "redirect_mismatch" in page.text


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "http://localhost:5173",
        "http://localhost:5173//",
        "http://localhost:5173/?x",
        "http://localhost:5173/#x",
        "http://LOCALHOST:5173/",
        "http://localhost:5173/../",
        "http://localhost:5173@evil.example/",
        "https://app.example.com/cb/",
        "https://app.example.com.evil.example/cb",
        "//evil.example",
        "/login",
        "javascript:alert(1)",
    ],
)
@pytest.mark.parametrize("path", ["/oauth2/authorize", "/login"])
async def test_what_only_resembles_a_registered_redirect_uri_is_a_mismatch(
    door: Door, path: str, redirect_uri: str
) -> None:
    response = await door.browser().get(f"{path}?{authorize_query(redirect_uri=redirect_uri)}")

    assert response.location == "/error?error=redirect_mismatch&client_id=1example23456789"


async def test_a_registered_redirect_uri_that_a_browser_would_run_is_not_redirected_to(door: Door) -> None:
    door.change_client(callback_urls=("javascript:alert(1)",))

    response = await door.browser().get(f"/oauth2/authorize?{authorize_query(redirect_uri='javascript:alert(1)')}")

    assert response.location.startswith("/error?")


async def test_posting_the_form_to_another_redirect_uri_is_refused_too(door: Door) -> None:
    browser = door.browser()
    page = await browser.get(f"/login?{authorize_query()}")

    response = await browser.post(
        f"/login?{authorize_query(redirect_uri='https://evil.example/')}",
        {"_csrf": page.csrf_token, "username": "demouser", "password": PASSWORD},
    )

    assert response.location.startswith("/error?error=redirect_mismatch")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"client_id": None}, "Required String parameter &#39;client_id&#39; is not present"),
        ({"redirect_uri": None}, "Required String parameter &#39;redirect_uri&#39; is not present"),
        ({"client_id": "nobody"}, "Client does not exist."),
    ],
)
async def test_without_a_client_or_a_redirect_uri_the_error_is_a_page(
    door: Door, changes: dict[str, str | None], said: str
) -> None:
    response = await door.browser().get(f"/oauth2/authorize?{authorize_query(**changes)}")

    assert response.status == 400
    assert said in response.text


async def test_a_client_without_oauth_is_told_on_our_page(door: Door) -> None:
    door.change_client(allowed_o_auth_flows_user_pool_client=False)

    response = await door.browser().get(f"/oauth2/authorize?{authorize_query()}")

    assert response.status == 400
    assert "Client is not enabled for OAuth2.0 flows." in response.text
    assert "unauthorized_client" in response.text


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
async def test_two_clients_or_two_redirect_uris_are_answered_on_our_page(door: Door, name: str) -> None:
    query = authorize_query() + "&" + urlencode({name: "https://evil.example/"})

    response = await door.browser().get(f"/oauth2/authorize?{query}")

    assert response.status == 400


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "id_token"}, "invalid_request"),
        ({"response_type": "code token"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"scope": "openid unknown"}, "invalid_scope"),
        ({"scope": "email"}, "invalid_scope"),
        ({"scope": "openid  email"}, "invalid_scope"),
        ({"prompt": "perhaps"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"identity_provider": "Google"}, "invalid_request"),
        ({"idp_identifier": "example.com"}, "invalid_request"),
        ({"resource": "http://api.example.com"}, "invalid_target"),
        ({"resource": "https://api.example.com/#part"}, "invalid_target"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"request": "eyJ"}, "request_not_supported"),
        ({"request_uri": "https://evil.example/"}, "request_uri_not_supported"),
    ],
)
async def test_other_refusals_go_back_to_the_app_in_the_query(
    door: Door, changes: dict[str, str | None], error: str
) -> None:
    response = await door.browser().get(f"/oauth2/authorize?{authorize_query(**changes)}")

    assert response.location.startswith(f"{CALLBACK}?")
    assert response.answer["error"] == error
    assert response.answer["state"] == "st4te"
    assert "code" not in response.answer


async def test_an_implicit_refusal_goes_back_in_the_fragment(door: Door) -> None:
    response = await door.browser().get(f"/oauth2/authorize?{authorize_query(response_type='token')}")

    assert response.location == f"{CALLBACK}#error=unauthorized_client&state=st4te"


async def test_a_client_that_does_not_serve_the_pools_own_users_is_refused(door: Door) -> None:
    door.change_client(supported_identity_providers=())

    response = await door.browser().get(f"/oauth2/authorize?{authorize_query()}")

    assert response.answer["error"] == "unauthorized_client"


async def test_a_parameter_twice_is_refused(door: Door) -> None:
    response = await door.browser().get(f"/oauth2/authorize?{authorize_query()}&scope=openid")

    assert response.answer["error"] == "invalid_request"


async def test_a_query_that_is_not_utf8_is_a_page(door: Door) -> None:
    response = await door.browser().get(f"/oauth2/authorize?{authorize_query()}&x=%ff")

    assert response.status == 400


async def test_a_line_break_in_the_state_is_not_put_in_a_header(door: Door) -> None:
    query = authorize_query(state="a\r\nSet-Cookie: x=y")

    response = await door.browser().get(f"/oauth2/authorize?{query}")

    assert response.status == 400
    assert response.header("location") is None


async def test_the_error_page_adds_no_words_of_the_links_author(door: Door) -> None:
    query = urlencode({"error": "call +1 555 0100", "error_description": "your account is locked"})

    response = await door.browser().get(f"/error?{query}")

    assert response.status == 400
    assert "555" not in response.text
    assert "locked" not in response.text


async def test_a_fault_of_ours_is_a_page_without_its_text(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_domain: str) -> None:
        raise RuntimeError("the vault is open")

    monkeypatch.setattr(door.directory, "find_pool_by_domain", broken)

    response = await door.browser().get(f"/auth-api-demo/login?{authorize_query()}")

    assert response.status == 500
    assert "vault" not in response.text
    assert "the vault is open" in caplog.text


async def test_a_fault_of_ours_at_the_front_door_is_told_to_the_app_where_that_is_safe(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Authorize endpoint, server_error: the app may wait in a frame that nobody sees."""

    async def broken(*_which: object) -> None:
        raise RuntimeError("the vault is open")

    browser = door.browser()
    await sign_in(browser)
    monkeypatch.setattr(door.directory, "find_user", broken)

    told = await browser.get(f"/oauth2/authorize?{authorize_query(prompt='none')}")
    elsewhere = await browser.get(f"/oauth2/authorize?{authorize_query(redirect_uri='https://evil.example/')}")
    monkeypatch.setattr(door.directory, "find_client", broken)
    unknown = await browser.get(f"/oauth2/authorize?{authorize_query()}")

    assert told.location == f"{CALLBACK}?error=server_error&state=st4te"
    assert "the vault is open" in caplog.text
    assert elsewhere.location.startswith("/error?")
    assert (unknown.status, unknown.header("location")) == (500, None)
    assert "vault" not in unknown.text


# Log-out


async def test_logging_out_ends_the_session_itself_and_goes_to_the_app(door: Door) -> None:
    browser = door.browser()
    await sign_in(browser)
    kept = dict(browser.cookies)
    query = urlencode({"client_id": "1example23456789", "logout_uri": CALLBACK})

    response = await browser.get(f"/logout?{query}")
    thief = door.browser()
    thief.cookies = kept
    afterwards = await thief.get(f"/oauth2/authorize?{authorize_query()}")

    assert (response.status, response.location) == (302, CALLBACK)
    assert "__Host-cognito-auth-api-demo-4800" not in browser.cookies
    assert afterwards.location.startswith("/login?")


async def test_logging_out_to_sign_in_again_asks_for_all_scopes_when_none_is_named(door: Door) -> None:
    query = authorize_query(scope=None, code_challenge=None, code_challenge_method=None, identity_provider=None)

    response = await door.browser().get(f"/logout?{query}")

    assert response.location.startswith("/login?client_id=1example23456789&redirect_uri=")
    assert response.answer["scope"] == " ".join(door.client.allowed_o_auth_scopes)


@pytest.mark.parametrize("logout_uri", [None, "https://evil.example/", CALLBACK + "x"])
async def test_an_unregistered_logout_uri_is_answered_with_awss_text_and_the_session_is_over(
    door: Door, logout_uri: str | None
) -> None:
    browser = door.browser()
    await sign_in(browser)
    query = {"client_id": "1example23456789"} | ({} if logout_uri is None else {"logout_uri": logout_uri})

    response = await browser.get(f"/logout?{urlencode(query)}")
    afterwards = await browser.get(f"/oauth2/authorize?{authorize_query()}")

    assert response.status == 400
    assert "You are signed out" in response.text
    assert "Required String parameter &#39;redirect_uri&#39; is not present" in response.text
    assert afterwards.location.startswith("/login?")


@pytest.mark.parametrize("query", ["", "client_id=nobody"])
async def test_logging_out_of_no_client_does_nothing(door: Door, query: str) -> None:
    browser = door.browser()
    await sign_in(browser)

    response = await browser.get(f"/logout?{query}")
    afterwards = await browser.get(f"/oauth2/authorize?{authorize_query()}")

    assert response.status == 400
    assert "code" in afterwards.answer


# HTTP


@pytest.mark.parametrize("path", ["/oauth2/authorize", "/login", "/logout", "/error"])
async def test_pages_over_http_are_redirected_to_https_on_the_same_port(door: Door, path: str) -> None:
    response = await door.browser("http://localhost:4800").get(f"{path}?{authorize_query()}")

    assert response.status == 302
    assert response.location == f"https://localhost:4800{path}?{authorize_query()}"


async def test_credentials_over_http_are_refused_unread(door: Door) -> None:
    page = await door.browser().get(f"/login?{authorize_query()}")

    response = await door.browser("http://localhost:4800").post(
        f"/login?{authorize_query()}", {"_csrf": page.csrf_token, "username": "demouser", "password": PASSWORD}
    )

    assert response.status == 403
    assert response.header("location") is None
    assert response.header("set-cookie") is None


async def test_every_page_keeps_itself_from_caches_frames_and_foreign_content(door: Door) -> None:
    page = await door.browser().get(f"/login?{authorize_query()}")

    assert page.header("cache-control") == "no-cache, no-store, max-age=0, must-revalidate"
    assert page.header("pragma") == "no-cache"
    assert page.header("x-content-type-options") == "nosniff"
    assert page.header("x-frame-options") == "DENY"
    assert page.header("access-control-allow-origin") is None
    policy = page.header("content-security-policy") or ""
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert "<script" not in page.text
    assert "http" not in page.text.replace("http-equiv", "").split("<body")[0].replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize(
    ("redirect_uri", "allowed"), [("demoapp://signed-in", " demoapp:;"), ("http://[::1]:3000/", " http:;")]
)
async def test_the_policy_lets_the_form_lead_to_wherever_the_app_is(
    door: Door, redirect_uri: str, allowed: str
) -> None:
    door.change_client(callback_urls=(redirect_uri,))

    page = await door.browser().get(f"/login?{authorize_query(redirect_uri=redirect_uri)}")

    assert allowed in (page.header("content-security-policy") or "")


@pytest.mark.parametrize(
    ("origin", "promised"),
    [
        ("https://localhost:4800", False),
        ("https://127.0.0.1:4800", False),
        ("https://[::1]:4800", False),
        ("https://demo.localhost", False),
        ("https://some-machine:4800", False),
        ("https://auth-api-demo.auth.us-west-2.amazoncognito.com", True),
    ],
)
async def test_strict_transport_security_is_never_promised_for_names_that_are_not_its_own(
    door: Door, origin: str, promised: bool
) -> None:
    response = await door.browser(origin).get(f"/login?{authorize_query()}")

    assert (response.header("strict-transport-security") is not None) is promised


async def test_strict_transport_security_is_promised_for_the_public_url(tmp_path: Path) -> None:
    door = await Door.open(tmp_path, public_url="https://auth.example.com")

    response = await door.browser("https://auth.example.com").get(f"/login?{authorize_query()}")
    await door.database.close()

    assert response.header("strict-transport-security") == "max-age=31536000"


async def test_head_has_the_headers_of_get_and_no_body(door: Door) -> None:
    response = await door.browser().request("HEAD", f"/login?{authorize_query()}")

    assert response.status == 200
    assert response.body == b""


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/oauth2/authorize"), ("HEAD", "/oauth2/authorize"), ("PUT", "/login")]
)
async def test_other_methods_are_refused(door: Door, method: str, path: str) -> None:
    response = await door.browser().request(method, f"{path}?{authorize_query()}")

    assert response.status == 405

"""Tokens of the OAuth endpoints over real user pools: machines, custom scopes, resources, functions for tokens.

Source: Cognito Developer Guide, "Token endpoint", "Authorize endpoint", "Scopes, M2M, and resource servers".
"""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from support.hosted_ui import CALLBACK
from support.relay import SCOPES, Relay, open_relay
from support.userpools import RaisedInFunction, claims_of


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    async with open_relay(tmp_path) as relay:
        yield relay


# A client that asks for itself.


async def test_a_machine_gets_an_access_token_with_all_of_its_scopes_and_nothing_else(relay: Relay) -> None:
    answer = await relay.token()

    claims = claims_of(answer.json["access_token"])
    now = int(relay.world.now.timestamp())
    assert answer.status == 200
    assert {name: value for name, value in answer.json.items() if name != "access_token"} == {
        "token_type": "Bearer",
        "expires_in": 7200,
    }
    assert {name: value for name, value in claims.items() if name != "jti"} == {
        "sub": relay.machine_id,
        "client_id": relay.machine_id,
        "token_use": "access",
        "scope": " ".join(SCOPES),
        "auth_time": now,
        "iat": now,
        "exp": now + 7200,
        "iss": f"https://cognito-idp.us-west-2.amazonaws.com/{relay.pool_id}",
        "version": 2,
    }


async def test_a_machine_may_ask_for_less_and_by_its_secret_in_the_body(relay: Relay) -> None:
    answer = await relay.browser.post(
        "/oauth2/token",
        {
            "grant_type": "client_credentials",
            "client_id": relay.machine_id,
            "client_secret": relay.secret,
            "scope": SCOPES[1],
        },
    )

    assert claims_of(answer.json["access_token"])["scope"] == SCOPES[1]


@pytest.mark.parametrize(
    "scope", ["openid", "aws.cognito.signin.user.admin", "https://api.example.com/delete", f"{SCOPES[0]} other/scope"]
)
async def test_a_machine_gets_no_scope_that_is_about_users_or_not_its_own(relay: Relay, scope: str) -> None:
    answer = await relay.token(scope=scope)

    assert (answer.status, answer.json) == (400, {"error": "invalid_scope"})


async def test_a_machine_without_its_secret_or_with_another_is_nobody(relay: Relay) -> None:
    form = {"grant_type": "client_credentials", "client_id": relay.machine_id}

    without = await relay.browser.post("/oauth2/token", form)
    wrong = await relay.browser.post("/oauth2/token", {**form, "client_secret": "x" * 40})

    assert without.json == {"error": "invalid_client", "error_description": "invalid_client_secret"}
    assert (wrong.status, wrong.json) == (400, {"error": "invalid_client"})


async def test_a_public_client_and_one_for_people_cannot_ask_for_themselves(relay: Relay) -> None:
    answer = await relay.browser.post("/oauth2/token", {"grant_type": "client_credentials", "client_id": relay.app_id})

    assert (answer.status, answer.json) == (400, {"error": "unauthorized_client"})


async def test_a_machine_cannot_spend_a_code_or_open_the_authorize_endpoint(relay: Relay) -> None:
    spent = await relay.token(grant_type="authorization_code", code="a-code", redirect_uri=CALLBACK)
    page = await relay.authorize(client_id=relay.machine_id)

    assert spent.json == {"error": "unauthorized_client"}
    assert "error=redirect_mismatch" in page.location


async def test_a_machines_token_reaches_no_user(relay: Relay) -> None:
    token = (await relay.token()).json["access_token"]

    info = await relay.browser.get("/oauth2/userInfo", headers={"authorization": f"Bearer {token}"})

    assert (info.status, info.json["error"]) == (401, "invalid_token")


async def test_scopes_that_the_resource_server_let_go_of_are_left_out_until_they_are_back(relay: Relay) -> None:
    await relay.offer("read")
    fewer, none_left = await relay.token(), await relay.token(scope=SCOPES[1])
    await relay.offer("read", "write")
    again = await relay.token()

    assert claims_of(fewer.json["access_token"])["scope"] == SCOPES[0]
    assert none_left.json == {"error": "invalid_scope"}
    assert claims_of(again.json["access_token"])["scope"] == " ".join(SCOPES)


async def test_version_three_of_the_function_for_tokens_is_asked_about_machines(relay: Relay) -> None:
    arn = relay.world.functions.answers(
        "tokens",
        claimsAndScopeOverrideDetails={
            "accessTokenGeneration": {
                "claimsToAddOrOverride": {"team": "blue", "sub": "somebody", "client_id": "somebody"},
                "scopesToSuppress": [SCOPES[1]],
            }
        },
    )
    await relay.ask_functions("V3_0", arn)

    answer = await relay.token(aws_client_metadata=json.dumps({"environment": "dev"}))

    event, claims = relay.world.functions.events[-1], claims_of(answer.json["access_token"])
    assert (event["version"], event["triggerSource"]) == ("3", "TokenGeneration_ClientCredentials")
    assert (event["userName"], event["callerContext"]["clientId"]) == ("ClientCredentials", relay.machine_id)
    assert event["request"]["clientMetadata"] == {"environment": "dev"}
    assert event["request"]["scopes"] == list(SCOPES)
    assert (claims["team"], claims["scope"], claims["sub"]) == ("blue", SCOPES[0], relay.machine_id)
    assert claims["client_id"] == relay.machine_id


async def test_earlier_versions_of_the_function_are_not_asked_about_machines(relay: Relay) -> None:
    await relay.ask_functions("V2_0", relay.world.functions.answers("tokens"))

    answer = await relay.token()

    assert (answer.status, relay.world.functions.events) == (200, [])


async def test_a_function_that_refuses_leaves_the_machine_without_a_token(relay: Relay) -> None:
    def refuse(event: Mapping[str, Any]) -> Any:
        raise RaisedInFunction("not at night")

    await relay.ask_functions("V3_0", relay.world.functions.define("tokens", refuse))

    answer = await relay.token()

    assert (answer.status, answer.json) == (
        400,
        {"error": "invalid_grant", "error_description": "PreTokenGeneration failed with error not at night."},
    )


@pytest.mark.parametrize("metadata", ["no json", '["a"]', '{"a": 1}'])
async def test_client_metadata_is_an_object_of_texts(relay: Relay, metadata: str) -> None:
    answer = await relay.token(aws_client_metadata=metadata)

    assert (answer.status, answer.json["error"]) == (400, "invalid_request")


# Custom scopes of people's tokens.


async def test_custom_scopes_are_in_the_access_token_of_code_and_implicit_flows(relay: Relay) -> None:
    scope = f"openid {SCOPES[0]}"
    code = (await relay.sign_in(scope=scope)).answer["code"]
    redeemed = (await relay.redeem(code)).json
    implicit = await relay.sign_in(scope=scope, response_type="token", code_challenge=None, code_challenge_method=None)

    assert claims_of(redeemed["access_token"])["scope"] == scope
    assert claims_of(implicit.answer["access_token"])["scope"] == scope


async def test_a_deleted_scope_is_dropped_without_a_word_and_left_out_of_refreshed_tokens(relay: Relay) -> None:
    scope = f"openid {SCOPES[0]}"
    before = (await relay.redeem((await relay.sign_in(scope=scope)).answer["code"])).json
    await relay.offer("write")

    after = (await relay.redeem((await relay.sign_in(scope=scope)).answer["code"])).json
    refreshed = (await relay.refresh(before["refresh_token"])).json
    await relay.offer("read")
    returned = (await relay.refresh(before["refresh_token"])).json

    assert claims_of(after["access_token"])["scope"] == "openid"
    assert claims_of(refreshed["access_token"])["scope"] == "openid"
    assert claims_of(returned["access_token"])["scope"] == scope


async def test_when_no_scope_is_left_the_app_is_told(relay: Relay) -> None:
    await relay.world.delete_resource_server(user_pool_id=relay.pool_id, identifier="https://api.example.com")

    answer = await relay.authorize(scope=SCOPES[0])

    assert answer.answer == {"error": "invalid_scope"}


async def test_a_scope_that_the_client_was_never_given_is_refused(relay: Relay) -> None:
    answer = await relay.authorize(scope="phone")

    assert answer.answer == {"error": "invalid_scope"}


# Whom a token is for.


async def test_a_machines_token_is_for_the_resource_that_it_names(relay: Relay) -> None:
    answer = await relay.token(resource="https://api.example.com/v1")

    assert claims_of(answer.json["access_token"])["aud"] == "https://api.example.com/v1"


async def test_the_resource_of_the_authorization_request_is_in_the_access_token_and_stays(relay: Relay) -> None:
    code = (await relay.sign_in(resource="https://mcp.example.com")).answer["code"]
    tokens = (await relay.redeem(code, resource="https://mcp.example.com")).json
    refreshed = (await relay.refresh(tokens["refresh_token"], resource="https://mcp.example.com")).json

    assert claims_of(tokens["access_token"])["aud"] == "https://mcp.example.com"
    assert claims_of(tokens["id_token"])["aud"] == relay.app_id
    assert claims_of(refreshed["access_token"])["aud"] == "https://mcp.example.com"


async def test_a_token_request_cannot_name_another_resource_than_was_granted(relay: Relay) -> None:
    unbound = (await relay.sign_in()).answer["code"]
    bound = (await relay.sign_in(resource="https://mcp.example.com")).answer["code"]
    tokens = (await relay.redeem((await relay.sign_in()).answer["code"])).json

    answers = [
        await relay.redeem(unbound, resource="https://mcp.example.com"),
        await relay.redeem(bound, resource="https://other.example.com"),
        await relay.refresh(tokens["refresh_token"], resource="https://mcp.example.com"),
    ]

    assert [(answer.status, answer.json) for answer in answers] == [(400, {"error": "invalid_target"})] * 3


@pytest.mark.parametrize("resource", ["http://api.example.com", "api", "https://", "https://api.example.com/#x"])
async def test_a_resource_is_an_absolute_uri_of_aws_forms(relay: Relay, resource: str) -> None:
    answer = await relay.token(resource=resource)

    assert (answer.status, answer.json["error"]) == (400, "invalid_target")


# Functions for tokens, where tokens travel in the address.


async def test_a_function_that_refuses_an_implicit_sign_in_is_told_to_the_app_and_nobody_is_signed_in(
    relay: Relay,
) -> None:
    def refuse(event: Mapping[str, Any]) -> Any:
        raise RaisedInFunction("not you")

    await relay.ask_functions("V1_0", relay.world.functions.define("tokens", refuse))

    answer = await relay.sign_in(response_type="token", code_challenge=None, code_challenge_method=None)

    assert answer.status == 302
    assert answer.location.startswith(f"{CALLBACK}#")
    assert answer.answer == {
        "error": "invalid_request",
        "error_description": "PreTokenGeneration failed with error not you. ",
        "state": "st4te",
    }
    assert "cognito" not in " ".join(relay.browser.cookies)


async def test_who_is_signed_in_hears_of_the_function_at_the_authorize_endpoint_too(relay: Relay) -> None:
    def refuse(event: Mapping[str, Any]) -> Any:
        raise RaisedInFunction("not now")

    await relay.sign_in()
    await relay.ask_functions("V1_0", relay.world.functions.define("tokens", refuse))

    answer = await relay.authorize(response_type="token", state="s")

    assert answer.location.startswith(f"{CALLBACK}#")
    assert answer.answer["error"] == "invalid_request"
    assert answer.answer["state"] == "s"


# Rows of AWS's pages that stand alone.


@pytest.mark.parametrize(
    ("read", "status"), [(("email", "email_verified"), 200), (("email",), 400), (("email_verified",), 400)]
)
async def test_a_client_that_may_not_read_what_its_scope_promises_gets_no_tokens(
    relay: Relay, read: tuple[str, ...], status: int
) -> None:
    """Token endpoint, invalid_grant: the client reads email and not email_verified, and asks for the scope email."""
    relay.app_id = await relay.world.client(
        relay.pool_id,
        read_attributes=read,
        callback_urls=(CALLBACK,),
        allowed_o_auth_flows=("code",),
        allowed_o_auth_scopes=("openid", "email"),
        allowed_o_auth_flows_user_pool_client=True,
        supported_identity_providers=("COGNITO",),
    )

    with_email = await relay.redeem((await relay.sign_in()).answer["code"])
    without = await relay.redeem((await relay.sign_in(scope="openid")).answer["code"])

    assert with_email.status == status
    assert status == 200 or with_email.json == {"error": "invalid_grant"}
    assert without.status == 200


async def test_log_out_ends_the_browsers_session_and_no_token(relay: Relay) -> None:
    """Logout endpoint: only the cookie goes. OpenID's own parameters for it are not read."""
    tokens = (await relay.redeem((await relay.sign_in()).answer["code"])).json
    query = {"client_id": relay.app_id, "post_logout_redirect_uri": CALLBACK, "id_token_hint": tokens["id_token"]}

    left = await relay.browser.get(f"/logout?{urlencode(query)}")
    silent = await relay.authorize(prompt="none", scope="openid")
    refreshed = await relay.refresh(tokens["refresh_token"])

    assert (left.status, left.header("location")) == (400, None)
    assert "Required String parameter &#39;redirect_uri&#39; is not present" in left.text
    assert silent.answer["error"] == "login_required"
    assert refreshed.status == 200


async def test_a_token_of_initiate_auth_opens_no_user_info(relay: Relay) -> None:
    """UserInfo endpoint: its only scope is aws.cognito.signin.user.admin."""
    token = (await relay.world.sign_in(relay.app_id))["access_token"]

    info = await relay.browser.get("/oauth2/userInfo", headers={"authorization": f"Bearer {token}"})

    assert (info.status, info.json) == (
        401,
        {"error": "invalid_token", "error_description": "Access token does not contain openid scope"},
    )


async def test_a_session_of_initiate_auth_is_refreshed_at_the_token_endpoint_too(relay: Relay) -> None:
    tokens = await relay.world.sign_in(relay.app_id)

    refreshed = (await relay.refresh(tokens["refresh_token"])).json

    assert sorted(refreshed) == ["access_token", "expires_in", "id_token", "token_type"]
    assert claims_of(refreshed["access_token"])["scope"] == "aws.cognito.signin.user.admin"

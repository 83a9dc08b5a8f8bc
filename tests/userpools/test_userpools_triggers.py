"""Triggers: when they are asked, what they are told, and what becomes of what they answer."""

import math
from typing import Any

import pytest

from support.userpools import (
    ACCOUNT,
    PASSWORD,
    REGION,
    START,
    Answered,
    RaisedInFunction,
    World,
    attribute_list,
    claims_of,
    refused,
    srp_client,
)
from velvetrope.errors import ServiceError
from velvetrope.store.tables.userpools import LambdaConfig, RefreshTokenRotation, UserPool, VersionedTrigger
from velvetrope.userpools.triggers.invocations import Nothing, Occasion, Triggers


async def pool_with(world: World, **triggers: Any) -> tuple[str, str]:
    """A pool with these triggers, a client and the user anna."""
    pool_id = await world.pool(lambda_config=LambdaConfig(**triggers))
    client_id = await world.client(pool_id)
    await world.user(pool_id, email="anna@example.com", email_verified="true")
    return pool_id, client_id


async def test_triggers_of_a_sign_in_are_asked_in_awss_order(world: World) -> None:
    pool_id, client_id = await pool_with(
        world,
        pre_authentication=world.functions.answers("before"),
        post_authentication=world.functions.answers("after"),
        pre_token_generation=world.functions.answers("tokens"),
    )

    await world.srp_sign_in(pool_id, client_id)

    assert world.functions.sources() == [
        "PreAuthentication_Authentication",
        "PostAuthentication_Authentication",
        "TokenGeneration_Authentication",
    ]
    arn = f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{pool_id}"
    assert {(caller, source) for _, caller, source in world.functions.calls} == {("cognito-idp.amazonaws.com", arn)}


async def test_event_has_awss_shape(world: World) -> None:
    pool_id, client_id = await pool_with(world, pre_authentication=world.functions.answers("before"))

    await world.initiate_auth(
        auth_flow="USER_PASSWORD_AUTH",
        client_id=client_id,
        auth_parameters={"USERNAME": "anna", "PASSWORD": PASSWORD},
        client_metadata={"from": "test"},
    )

    event = world.functions.events[0]
    attributes = event["request"].pop("userAttributes")
    assert event == {
        "version": "1",
        "triggerSource": "PreAuthentication_Authentication",
        "region": REGION,
        "userPoolId": pool_id,
        "userName": "anna",
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": client_id},
        "request": {"validationData": {"from": "test"}, "userNotFound": False},
        "response": {},
    }
    assert attributes.pop("sub")
    assert attributes == {
        "cognito:user_status": "CONFIRMED",
        "email": "anna@example.com",
        "email_verified": "true",
    }


async def test_event_of_what_an_administrator_does_names_no_client(world: World) -> None:
    """Functions are written in languages in which null is no text; AWS gives them one."""
    functions = {"pre_sign_up": world.functions.answers("before"), "custom_message": world.functions.answers("words")}
    pool_id, _ = await pool_with(world, **functions)

    await world.admin_create_user(
        user_pool_id=pool_id, username="bert", user_attributes=attribute_list(email="bert@example.com")
    )

    signed_up, invited = world.functions.events[-2:]
    for event in (signed_up, invited):
        assert event["callerContext"]["clientId"] == "CLIENT_ID_NOT_APPLICABLE"
    assert signed_up["triggerSource"] == "PreSignUp_AdminCreateUser"
    assert invited["triggerSource"] == "CustomMessage_AdminCreateUser"
    del invited["request"]["userAttributes"]
    assert invited["request"] == {
        "codeParameter": "{####}",
        "linkParameter": "{##Click Here##}",
        "usernameParameter": "{username}",
    }
    assert invited["response"] == {"smsMessage": None, "emailMessage": None, "emailSubject": None}


async def test_metadata_of_the_last_answer_reaches_the_later_triggers(world: World) -> None:
    pool_id, client_id = await pool_with(world, post_authentication=world.functions.answers("after"))
    them = srp_client(pool_id, client_id)
    challenge = await world.initiate_auth(
        auth_flow="USER_SRP_AUTH",
        client_id=client_id,
        auth_parameters=them.get_auth_params(),
        client_metadata={"step": "first"},
    )

    await world.respond_to_auth_challenge(
        client_id=client_id,
        challenge_name="PASSWORD_VERIFIER",
        challenge_responses=world.srp_answer(them, challenge["challenge_parameters"]),
        client_metadata={"step": "last"},
    )

    assert world.functions.events[-1]["request"]["clientMetadata"] == {"step": "last"}


def raises(text: str) -> Any:
    def handler(event: dict[str, Any]) -> None:
        raise RaisedInFunction(text)

    return handler


async def test_pre_authentication_that_raises_ends_the_sign_in_before_the_password_is_looked_at(world: World) -> None:
    _, client_id = await pool_with(world, pre_authentication=world.functions.define("before", raises("not today")))

    for password in (PASSWORD, "wrong"):
        async with refused("UserLambdaValidationException", "PreAuthentication failed with error not today."):
            await world.sign_in(client_id, password=password)


async def test_post_authentication_that_raises_gives_no_tokens(world: World) -> None:
    _, client_id = await pool_with(world, post_authentication=world.functions.define("after", raises("no")))

    async with refused("UserLambdaValidationException", "PostAuthentication failed with error no."):
        await world.sign_in(client_id)


async def test_pre_authentication_is_told_that_nobody_has_the_name_where_that_is_hidden(world: World) -> None:
    _, client_id = await pool_with(world, pre_authentication=world.functions.answers("before"))

    async with refused("NotAuthorizedException", "Incorrect username or password."):
        await world.sign_in(client_id, username="nobody")

    assert world.functions.events[0]["request"] == {
        "userAttributes": {},
        "validationData": None,
        "userNotFound": True,
    }


@pytest.mark.parametrize(
    "answer", [None, "text", [], {}, {"response": None}, {"response": []}, {"response": {"issueTokens": "yes"}}]
)
async def test_answer_that_is_no_event_is_refused(world: World, answer: Any) -> None:
    pool_id = await world.pool(
        lambda_config=LambdaConfig(define_auth_challenge=world.functions.define("define", lambda _: answer))
    )
    client_id = await world.client(pool_id, explicit_auth_flows=("ALLOW_CUSTOM_AUTH",))
    await world.user(pool_id)

    async with refused("InvalidLambdaResponseException", "Unrecognizable lambda output"):
        await world.initiate_auth(auth_flow="CUSTOM_AUTH", client_id=client_id, auth_parameters={"USERNAME": "anna"})


@pytest.mark.parametrize("value", ["\ud800", {"deep": ["\udc00"]}, math.nan, math.inf])
async def test_claim_that_no_token_can_carry_is_refused(world: World, value: object) -> None:
    details = {"idTokenGeneration": {"claimsToAddOrOverride": {"claim": value}}}
    arn = world.functions.answers("tokens", claimsAndScopeOverrideDetails=details)
    _, client_id = await pool_with(
        world, pre_token_generation_config=VersionedTrigger(lambda_version="V2_0", lambda_arn=arn)
    )

    async with refused("InvalidLambdaResponseException", "Unrecognizable lambda output"):
        await world.sign_in(client_id)


class OwnRuntime:
    """A function whose answer is what somebody's own runtime wrote."""

    def __init__(self, answer: Answered) -> None:
        self._answer = answer

    async def invoke(self, *_arguments: object, **_more: object) -> Answered:
        return self._answer


_WRITTEN = [
    b"[" * 100_000,
    b'{"response": {"\xed\xa0\x80": 1}}',
    b'{"response": {"a": "\\ud800"}}',
    b'{"response": {"a": NaN}}',
    b"\xff\xfe{\x00}\x00",
    b"",
]


@pytest.mark.parametrize("payload", _WRITTEN, ids=["deep", "bytes", "surrogate", "NaN", "UTF-16", "nothing"])
async def test_answer_of_ones_own_runtime_that_is_no_json_is_refused(world: World, payload: bytes) -> None:
    pool_id = await world.pool(lambda_config=LambdaConfig(pre_authentication="arn:aws:lambda:us-west-2:1:function:f"))
    pool = await world.store.load_pool(pool_id)
    assert pool is not None
    occasion = Occasion(pool, "anna", START)

    async with refused("InvalidLambdaResponseException", "Unrecognizable lambda output"):
        await Triggers(OwnRuntime(Answered(payload))).ask("PreAuthentication", "P", occasion, {}, {}, Nothing)
    async with refused("UserLambdaValidationException", "PreAuthentication failed with error Unknown."):
        failed = Answered(payload, "Unhandled")
        await Triggers(OwnRuntime(failed)).ask("PreAuthentication", "P", occasion, {}, {}, Nothing)


class NotPermitted(ServiceError):
    """What the invoker says of a function whose resource policy does not let the pool in."""

    code = "AccessDeniedException"


async def test_function_that_may_not_be_invoked_is_named_by_its_error(world: World) -> None:
    def refuse(event: dict[str, Any]) -> None:
        raise NotPermitted("not for you")

    _, client_id = await pool_with(world, pre_authentication=world.functions.define("before", refuse))

    async with refused(
        "UnexpectedLambdaException", "PreAuthentication invocation failed due to error AccessDeniedException."
    ):
        await world.sign_in(client_id)


async def test_function_that_is_too_slow_is_asked_three_times_and_no_more(world: World) -> None:
    pool_id = await world.pool(lambda_config=LambdaConfig(pre_authentication=world.functions.answers("before")))
    pool = await world.store.load_pool(pool_id)
    assert isinstance(pool, UserPool)
    world.functions.never_answer = True
    triggers = Triggers(world.functions, timeout_seconds=0.001)

    async with refused(
        "UnexpectedLambdaException",
        "PreAuthentication invocation failed due to error Socket timeout while invoking Lambda function.",
    ):
        await triggers.ask("PreAuthentication", "x", Occasion(pool, "anna", world.now), {}, {}, Nothing)

    assert len(world.functions.events) == 3


async def test_pool_shows_its_triggers(world: World) -> None:
    arn = world.functions.answers("before")
    pool_id = await world.pool(lambda_config=LambdaConfig(pre_authentication=arn))

    described = await world.describe_user_pool(user_pool_id=pool_id)
    listed = await world.list_user_pools(max_results=10)

    assert described["user_pool"]["lambda_config"] == {"pre_authentication": arn}
    assert listed["user_pools"][0]["lambda_config"] == {"pre_authentication": arn}
    await world.update_user_pool(user_pool_id=pool_id)
    described = await world.describe_user_pool(user_pool_id=pool_id)
    assert described["user_pool"]["lambda_config"] == {}


# Pre token generation


async def test_version_1_changes_the_id_token_and_the_groups_of_both(world: World) -> None:
    details = {
        "claimsToAddOrOverride": {"team": "red", "email": "other@example.com", "sub": "x", "cognito:username": "eve"},
        "claimsToSuppress": ["email_verified", "iss"],
        "groupOverrideDetails": {
            "groupsToOverride": ["guests"],
            "iamRolesToOverride": ["arn:aws:iam::123456789012:role/guests"],
            "preferredRole": "arn:aws:iam::123456789012:role/guests",
        },
    }
    _, client_id = await pool_with(
        world, pre_token_generation=world.functions.answers("tokens", claimsOverrideDetails=details)
    )

    result = await world.sign_in(client_id)

    identity, access = claims_of(result["id_token"]), claims_of(result["access_token"])
    assert (identity["team"], identity["email"]) == ("red", "other@example.com")
    assert "email_verified" not in identity
    assert identity["iss"].endswith(identity["iss"].rpartition("/")[2])
    assert (identity["sub"], identity["cognito:username"]) == (access["sub"], "anna")
    assert identity["cognito:groups"] == access["cognito:groups"] == ["guests"]
    assert identity["cognito:roles"] == ["arn:aws:iam::123456789012:role/guests"]
    assert identity["cognito:preferred_role"] == "arn:aws:iam::123456789012:role/guests"
    assert "team" not in access


@pytest.mark.parametrize("version", ["V2_0", "V3_0"])
async def test_version_2_changes_claims_and_scopes_of_the_access_token(world: World, version: str) -> None:
    details = {
        "idTokenGeneration": {"claimsToAddOrOverride": {"roles": ["a", {"b": 1}]}, "claimsToSuppress": ["email"]},
        "accessTokenGeneration": {
            "claimsToAddOrOverride": {"tenant": {"id": 7}, "client_id": "evil", "username": "eve", "exp": 1},
            "claimsToSuppress": ["event_id", "jti"],
            "scopesToAdd": ["orders/read", "aws.cognito.signin.user.admin2"],
            "scopesToSuppress": ["aws.cognito.signin.user.admin"],
        },
    }
    arn = world.functions.answers("tokens", claimsAndScopeOverrideDetails=details)
    _, client_id = await pool_with(
        world, pre_token_generation_config=VersionedTrigger(lambda_version=version, lambda_arn=arn)
    )

    result = await world.sign_in(client_id)

    identity, access = claims_of(result["id_token"]), claims_of(result["access_token"])
    assert identity["roles"] == ["a", {"b": 1}]
    assert "email" not in identity
    assert access["tenant"] == {"id": 7}
    assert access["scope"] == "orders/read"
    assert (access["client_id"], access["username"]) == (client_id, "anna")
    assert access["exp"] - access["iat"] == 3600
    assert access["event_id"]
    assert access["jti"]
    event = world.functions.events[0]
    assert event["version"] == version[1]
    assert event["request"]["scopes"] == ["aws.cognito.signin.user.admin"]
    async with refused("NotAuthorizedException", "Access Token does not have required scopes"):
        await world.get_user(access_token=result["access_token"])


async def test_scope_with_a_space_in_it_would_be_two_and_is_refused(world: World) -> None:
    details = {"accessTokenGeneration": {"scopesToAdd": ["a aws.cognito.signin.user.admin"]}}
    arn = world.functions.answers("tokens", claimsAndScopeOverrideDetails=details)
    _, client_id = await pool_with(
        world, pre_token_generation_config=VersionedTrigger(lambda_version="V2_0", lambda_arn=arn)
    )

    async with refused("InvalidLambdaResponseException"):
        await world.sign_in(client_id)


async def test_version_1_gives_strings_and_nothing_else(world: World) -> None:
    arn = world.functions.answers("tokens", claimsOverrideDetails={"claimsToAddOrOverride": {"roles": ["a"]}})
    _, client_id = await pool_with(world, pre_token_generation=arn)

    async with refused("InvalidLambdaResponseException", "Unrecognizable lambda output"):
        await world.sign_in(client_id)


async def test_refresh_asks_again_and_a_refusal_spends_nothing(world: World) -> None:
    _, client_id = await pool_with(world, pre_token_generation=world.functions.answers("tokens"))
    first = await world.sign_in(client_id)
    world.functions.define("tokens", raises("later"))

    async with refused("UserLambdaValidationException", "PreTokenGeneration failed with error later."):
        await world.refresh(client_id, first["refresh_token"])

    assert world.functions.sources()[-1] == "TokenGeneration_RefreshTokens"
    world.functions.answers("tokens")
    await world.refresh(client_id, first["refresh_token"])


async def test_rotated_token_is_not_spent_by_a_trigger_that_refuses(world: World) -> None:
    pool_id = await world.pool(lambda_config=LambdaConfig(pre_token_generation=world.functions.answers("tokens")))
    client_id = await world.client(
        pool_id, refresh_token_rotation=RefreshTokenRotation(feature="ENABLED", retry_grace_period_seconds=0)
    )
    await world.user(pool_id)
    first = await world.sign_in(client_id)
    world.functions.define("tokens", raises("later"))
    async with refused("UserLambdaValidationException"):
        await world.get_tokens_from_refresh_token(client_id=client_id, refresh_token=first["refresh_token"])
    world.functions.answers("tokens")

    again = await world.get_tokens_from_refresh_token(client_id=client_id, refresh_token=first["refresh_token"])

    assert again["authentication_result"]["refresh_token"] != first["refresh_token"]


async def test_version_that_is_not_known_is_refused_by_name(world: World) -> None:
    config = LambdaConfig(pre_token_generation_config=VersionedTrigger(lambda_version="V9_0", lambda_arn="a"))

    message = "PreTokenGenerationConfig.LambdaVersion V9_0 is not supported by velvetrope."
    async with refused("InvalidParameterException", message):
        await world.pool(lambda_config=config)


async def test_two_functions_for_one_trigger_are_refused(world: World) -> None:
    config = LambdaConfig(
        pre_token_generation="arn:aws:lambda:x",
        pre_token_generation_config=VersionedTrigger(lambda_version="V2_0", lambda_arn="arn:aws:lambda:y"),
    )

    async with refused("InvalidParameterException"):
        await world.pool(lambda_config=config)

"""CUSTOM_AUTH: a riddle that the pool's own functions ask, and what they cannot do."""

import asyncio
from typing import Any

import pytest

from support.userpools import PASSWORD, World, claims_of, refused, srp_client
from velvetrope.store.tables.userpools import LambdaConfig, SoftwareTokenMfaConfig

WRONG = "Incorrect username or password."
FLOWS = ("ALLOW_CUSTOM_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH")


def define(event: dict[str, Any]) -> dict[str, Any]:
    """Three tries at the riddle; after SRP_A the password first."""
    steps = event["request"]["session"]
    names = [step["challengeName"] for step in steps]
    response = {"challengeName": "CUSTOM_CHALLENGE", "issueTokens": False, "failAuthentication": False}
    if names == ["SRP_A"]:
        response["challengeName"] = "PASSWORD_VERIFIER"
    elif names and names[-1] == "CUSTOM_CHALLENGE" and steps[-1]["challengeResult"]:
        response = {"issueTokens": True, "failAuthentication": False}
    elif names.count("CUSTOM_CHALLENGE") >= 3:
        response = {"issueTokens": False, "failAuthentication": True}
    return {**event, "response": response}


def create(event: dict[str, Any]) -> dict[str, Any]:
    response = {
        "publicChallengeParameters": {"question": "What is six by seven?"},
        "privateChallengeParameters": {"answer": "42"},
        "challengeMetadata": "RIDDLE",
    }
    return {**event, "response": response}


def verify(event: dict[str, Any]) -> dict[str, Any]:
    request = event["request"]
    right = request["challengeAnswer"] == request["privateChallengeParameters"]["answer"]
    return {**event, "response": {"answerCorrect": right}}


async def pool_with_riddle(world: World, **client_settings: Any) -> tuple[str, str]:
    functions = world.functions
    pool_id = await world.pool(
        lambda_config=LambdaConfig(
            define_auth_challenge=functions.define("define", define),
            create_auth_challenge=functions.define("create", create),
            verify_auth_challenge_response=functions.define("verify", verify),
        )
    )
    client_settings.setdefault("explicit_auth_flows", FLOWS)
    client_id = await world.client(pool_id, **client_settings)
    await world.user(pool_id)
    return pool_id, client_id


async def begin(world: World, client_id: str, username: str = "anna", **more: str) -> Any:
    return await world.initiate_auth(
        auth_flow="CUSTOM_AUTH", client_id=client_id, auth_parameters={"USERNAME": username, **more}
    )


async def test_right_answer_signs_in(world: World) -> None:
    _, client_id = await pool_with_riddle(world)

    challenge = await begin(world, client_id)
    result = await world.respond(client_id, challenge, {"ANSWER": "42"})

    assert challenge["challenge_name"] == "CUSTOM_CHALLENGE"
    assert challenge["challenge_parameters"] == {"USERNAME": "anna", "question": "What is six by seven?"}
    assert claims_of(result["authentication_result"]["access_token"])["username"] == "anna"
    last = world.functions.events[-1]["request"]["session"]
    assert last == [{"challengeName": "CUSTOM_CHALLENGE", "challengeResult": True, "challengeMetadata": "RIDDLE"}]


async def test_private_parameters_are_not_told(world: World) -> None:
    _, client_id = await pool_with_riddle(world)

    challenge = await begin(world, client_id)

    assert "42" not in str(challenge["challenge_parameters"])
    assert "RIDDLE" not in challenge["session"]


async def test_wrong_answers_are_counted_by_the_function_and_end_the_sign_in(world: World) -> None:
    _, client_id = await pool_with_riddle(world)
    challenge = await begin(world, client_id)

    for _ in range(2):
        challenge = await world.respond(client_id, challenge, {"ANSWER": "41"})
    async with refused("NotAuthorizedException", WRONG):
        await world.respond(client_id, challenge, {"ANSWER": "41"})


async def test_answer_is_final_right_or_wrong(world: World) -> None:
    """A session that could be answered twice would be worth any number of guesses."""
    _, client_id = await pool_with_riddle(world)
    challenge = await begin(world, client_id)
    await world.respond(client_id, challenge, {"ANSWER": "41"})

    async with refused("NotAuthorizedException", "Invalid session for the user, session can only be used once."):
        await world.respond(client_id, challenge, {"ANSWER": "42"})


async def test_of_two_answers_sent_at_once_one_counts(world: World) -> None:
    _, client_id = await pool_with_riddle(world)
    challenge = await begin(world, client_id)

    answers = await asyncio.gather(
        *(world.respond(client_id, challenge, {"ANSWER": "42"}) for _ in range(4)), return_exceptions=True
    )

    assert sum(isinstance(answer, dict) for answer in answers) == 1


async def srp_begin(world: World, pool_id: str, client_id: str, password: str) -> tuple[Any, Any]:
    them = srp_client(pool_id, client_id, password=password)
    parameters = {**them.get_auth_params(), "CHALLENGE_NAME": "SRP_A"}
    return them, await begin(world, client_id, **parameters)


async def test_password_comes_first_where_the_client_begins_with_srp(world: World) -> None:
    pool_id, client_id = await pool_with_riddle(world)
    them, challenge = await srp_begin(world, pool_id, client_id, PASSWORD)
    assert challenge["challenge_name"] == "PASSWORD_VERIFIER"

    challenge = await world.respond_to_auth_challenge(
        client_id=client_id,
        challenge_name="PASSWORD_VERIFIER",
        challenge_responses=world.srp_answer(them, challenge["challenge_parameters"]),
    )
    assert challenge["challenge_name"] == "CUSTOM_CHALLENGE"
    result = await world.respond(client_id, challenge, {"ANSWER": "42"})

    assert result["authentication_result"]["access_token"]
    assert [step["challengeName"] for step in world.functions.events[-1]["request"]["session"]] == [
        "SRP_A",
        "PASSWORD_VERIFIER",
        "CUSTOM_CHALLENGE",
    ]


async def test_wrong_password_does_not_reach_the_riddle(world: World) -> None:
    pool_id, client_id = await pool_with_riddle(world)
    them, challenge = await srp_begin(world, pool_id, client_id, "wrong")

    async with refused("NotAuthorizedException", WRONG):
        await world.respond_to_auth_challenge(
            client_id=client_id,
            challenge_name="PASSWORD_VERIFIER",
            challenge_responses=world.srp_answer(them, challenge["challenge_parameters"]),
        )


async def test_password_cannot_be_named_where_none_was_begun(world: World) -> None:
    _, client_id = await pool_with_riddle(world)
    world.functions.answers("define", challengeName="PASSWORD_VERIFIER")

    async with refused("InvalidLambdaResponseException", "Unrecognizable lambda output"):
        await begin(world, client_id)


@pytest.mark.parametrize("name", [None, "NEW_PASSWORD_REQUIRED", "SMS_MFA", "x"])
async def test_challenge_that_cannot_be_asked_is_refused(world: World, name: str | None) -> None:
    _, client_id = await pool_with_riddle(world)
    world.functions.answers("define", challengeName=name)

    with pytest.raises(Exception, match=r"Unrecognizable|MFA method"):
        await begin(world, client_id)


async def test_unknown_user_meets_the_same_riddle_and_is_never_let_in(world: World) -> None:
    pool_id, client_id = await pool_with_riddle(world)
    real, challenge = await begin(world, client_id), await begin(world, client_id, "nobo")

    assert challenge["challenge_parameters"] == {**real["challenge_parameters"], "USERNAME": "nobo"}
    assert len(challenge["session"]) == len(real["session"])
    assert world.functions.events[-1]["request"]["userNotFound"] is True
    async with refused("NotAuthorizedException", WRONG):
        await world.respond(client_id, challenge, {"ANSWER": "42", "USERNAME": "nobo"})
    assert "TokenGeneration_Authentication" not in world.functions.sources()
    open_client = await world.client(pool_id, explicit_auth_flows=FLOWS, prevent_user_existence_errors="LEGACY")
    async with refused("UserNotFoundException", "User does not exist."):
        await begin(world, open_client, "nobo")


async def test_issue_tokens_does_not_get_past_the_second_factor(world: World) -> None:
    pool_id, client_id = await pool_with_riddle(world)
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id,
        mfa_configuration="OPTIONAL",
        software_token_mfa_configuration=SoftwareTokenMfaConfig(enabled=True),
    )
    secret = await world.set_totp_up((await world.sign_in(client_id))["access_token"])
    challenge = await begin(world, client_id)

    challenge = await world.respond(client_id, challenge, {"ANSWER": "42"})

    assert challenge["challenge_name"] == "SOFTWARE_TOKEN_MFA"
    result = await world.respond(client_id, challenge, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)})
    assert result["authentication_result"]["access_token"]


async def test_function_may_ask_for_the_second_factor_itself_and_it_is_not_asked_for_twice(world: World) -> None:
    pool_id, client_id = await pool_with_riddle(world)
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id,
        mfa_configuration="OPTIONAL",
        software_token_mfa_configuration=SoftwareTokenMfaConfig(enabled=True),
    )
    secret = await world.set_totp_up((await world.sign_in(client_id))["access_token"])

    def totp_then_tokens(event: dict[str, Any]) -> dict[str, Any]:
        done = [step["challengeName"] for step in event["request"]["session"]] == ["SOFTWARE_TOKEN_MFA"]
        return {**event, "response": {"issueTokens": done, "challengeName": "SOFTWARE_TOKEN_MFA"}}

    world.functions.define("define", totp_then_tokens)
    challenge = await begin(world, client_id)
    result = await world.respond(client_id, challenge, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)})

    assert result["authentication_result"]["access_token"]


async def test_disabled_user_is_not_let_in_by_a_right_answer(world: World) -> None:
    pool_id, client_id = await pool_with_riddle(world)
    challenge = await begin(world, client_id)
    await world.admin_disable_user(user_pool_id=pool_id, username="anna")

    async with refused("NotAuthorizedException", "User is disabled."):
        await world.respond(client_id, challenge, {"ANSWER": "42"})


async def test_pool_without_the_triggers_says_so(world: World) -> None:
    pool_id = await world.pool()
    client_id = await world.client(pool_id, explicit_auth_flows=FLOWS)
    await world.user(pool_id)

    async with refused("InvalidParameterException", "Custom auth lambda trigger is not configured for the user pool."):
        await begin(world, client_id)


async def test_private_parameters_that_do_not_fit_into_a_session_are_refused(world: World) -> None:
    _, client_id = await pool_with_riddle(world)
    world.functions.answers("create", privateChallengeParameters={"answer": "x" * 4096})

    async with refused("InvalidLambdaResponseException", "Unrecognizable lambda output"):
        await begin(world, client_id)


async def test_custom_sign_in_begins_with_nothing_but_srp(world: World) -> None:
    _, client_id = await pool_with_riddle(world)

    async with refused("InvalidParameterException"):
        await begin(world, client_id, CHALLENGE_NAME="PASSWORD_VERIFIER")
    async with refused("InvalidParameterException", "Missing required parameter SRP_A"):
        await begin(world, client_id, CHALLENGE_NAME="SRP_A")

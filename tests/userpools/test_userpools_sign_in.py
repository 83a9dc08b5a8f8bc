"""Sign-in: by proof and by password, refused and let in, and what either tells a stranger."""

import asyncio
import hashlib
import json

import pytest
from sqlalchemy import func, select

from support.userpools import (
    PASSWORD,
    World,
    attribute_list,
    claims_of,
    refused,
    secret_hash,
    srp_client,
)
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools_families import families
from velvetrope.store.tables.userpools_sign_in import SignInStore
from velvetrope.userpools.passwords.back_off import LOCKS

WRONG = "Incorrect username or password."


async def test_srp_sign_in_with_the_right_password(world: World) -> None:
    pool_id, client_id = await world.some_user()

    answer = await world.srp_sign_in(pool_id, client_id)

    result = answer["authentication_result"]
    assert (result["token_type"], result["expires_in"]) == ("Bearer", 3600)
    assert claims_of(result["id_token"])["cognito:username"] == "anna"


async def test_srp_sign_in_with_a_wrong_password(world: World) -> None:
    pool_id, client_id = await world.some_user()

    async with refused("NotAuthorizedException", WRONG):
        await world.srp_sign_in(pool_id, client_id, password="Wrong-horse-1")


async def test_srp_challenge_has_what_clients_need(world: World) -> None:
    pool_id, client_id = await world.some_user()
    answer = await world.initiate_auth(
        auth_flow="USER_SRP_AUTH",
        client_id=client_id,
        auth_parameters=srp_client(pool_id, client_id).get_auth_params(),
    )

    parameters = answer["challenge_parameters"]
    assert set(parameters) == {"SALT", "SRP_B", "SECRET_BLOCK", "USERNAME", "USER_ID_FOR_SRP"}
    assert parameters["USER_ID_FOR_SRP"] == "anna"


async def test_secret_block_is_worth_one_answer(world: World) -> None:
    """Right or wrong: a block that could be answered twice would be two guesses for one, or a replay."""
    pool_id, client_id = await world.some_user()
    kept: dict[str, str] = {}
    await world.srp_sign_in(pool_id, client_id, before_the_answer=kept.update)

    async with refused("NotAuthorizedException", WRONG):
        await world.respond_to_auth_challenge(
            client_id=client_id, challenge_name="PASSWORD_VERIFIER", challenge_responses=kept
        )


async def test_of_two_answers_sent_at_once_one_signs_in(world: World) -> None:
    pool_id, client_id = await world.some_user()
    them = srp_client(pool_id, client_id)
    challenge = await world.initiate_auth(
        auth_flow="USER_SRP_AUTH", client_id=client_id, auth_parameters=them.get_auth_params()
    )
    responses = world.srp_answer(them, challenge["challenge_parameters"])

    answers = await asyncio.gather(
        *(
            world.respond_to_auth_challenge(
                client_id=client_id, challenge_name="PASSWORD_VERIFIER", challenge_responses=dict(responses)
            )
            for _ in range(5)
        ),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, dict) for answer in answers) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"PASSWORD_CLAIM_SIGNATURE": "AAAA"},
        {"PASSWORD_CLAIM_SIGNATURE": "é"},
        {"PASSWORD_CLAIM_SECRET_BLOCK": "AAAA"},
        {"PASSWORD_CLAIM_SECRET_BLOCK": "not base64!"},
        {"USERNAME": "somebody"},
    ],
)
async def test_altered_answer_is_refused(world: World, change: dict[str, str]) -> None:
    pool_id, client_id = await world.some_user()

    async with refused("NotAuthorizedException", WRONG):
        await world.srp_sign_in(pool_id, client_id, before_the_answer=lambda responses: responses.update(change))


async def families_kept(world: World) -> int:
    async with world.database.read() as connection:
        return (await connection.execute(select(func.count()).select_from(families))).scalar_one()


@pytest.mark.parametrize("password", [PASSWORD, "Wrong-horse-1"], ids=["right", "wrong"])
async def test_disabled_user_begins_no_session_and_the_answer_counts(world: World, password: str) -> None:
    """The family of tokens is kept with the answer; where the user may not sign in the answer is kept alone."""
    pool_id, client_id = await world.some_user()
    await world.admin_disable_user(user_pool_id=pool_id, username="anna")
    kept: dict[str, str] = {}

    async with refused("NotAuthorizedException"):
        await world.srp_sign_in(pool_id, client_id, password=password, before_the_answer=kept.update)

    assert await families_kept(world) == 0
    await world.admin_enable_user(user_pool_id=pool_id, username="anna")
    async with refused("NotAuthorizedException", WRONG):
        await world.respond_to_auth_challenge(
            client_id=client_id, challenge_name="PASSWORD_VERIFIER", challenge_responses=kept
        )
    assert await families_kept(world) == 0


async def test_password_alone_begins_no_session_where_more_is_to_be_shown(world: World) -> None:
    pool_id = await world.pool()
    client_id = await world.client(pool_id)
    await world.admin_create_user(
        user_pool_id=pool_id, username="anna", temporary_password=Secret(PASSWORD), message_action="SUPPRESS"
    )

    answer = await world.srp_sign_in(pool_id, client_id)

    assert answer["challenge_name"] == "NEW_PASSWORD_REQUIRED"
    assert await families_kept(world) == 0


async def test_right_proof_begins_one_session_however_often_it_is_sent(world: World) -> None:
    pool_id, client_id = await world.some_user()
    kept: dict[str, str] = {}
    answer = await world.srp_sign_in(pool_id, client_id, before_the_answer=kept.update)

    async with refused("NotAuthorizedException", WRONG):
        await world.respond_to_auth_challenge(
            client_id=client_id, challenge_name="PASSWORD_VERIFIER", challenge_responses=kept
        )

    assert await families_kept(world) == 1
    refreshed = await world.initiate_auth(
        auth_flow="REFRESH_TOKEN_AUTH",
        client_id=client_id,
        auth_parameters={"REFRESH_TOKEN": answer["authentication_result"]["refresh_token"]},
    )
    first, second = (claims_of(one["authentication_result"]["access_token"]) for one in (answer, refreshed))
    assert first["origin_jti"] == second["origin_jti"]


@pytest.mark.parametrize("password", [PASSWORD, "Another-horse-1"], ids=["set again", "another"])
async def test_proof_of_a_password_that_was_replaced_after_the_challenge_is_refused(
    world: World, password: str
) -> None:
    """What was asked for was the password of then; the answer to it proves nothing about the one of now."""
    pool_id, client_id = await world.some_user()
    them = srp_client(pool_id, client_id)
    challenge = await world.initiate_auth(
        auth_flow="USER_SRP_AUTH", client_id=client_id, auth_parameters=them.get_auth_params()
    )
    responses = world.srp_answer(them, challenge["challenge_parameters"])
    await world.admin_set_user_password(
        user_pool_id=pool_id, username="anna", password=Secret(password), permanent=True
    )

    async with refused("NotAuthorizedException", WRONG):
        await world.respond_to_auth_challenge(
            client_id=client_id, challenge_name="PASSWORD_VERIFIER", challenge_responses=responses
        )
    await world.srp_sign_in(pool_id, client_id, password=password)


@pytest.mark.parametrize(
    ("what", "message"), [("disabled", "User is disabled."), ("deleted", None), ("made anew", WRONG)]
)
async def test_proof_of_a_user_who_was_changed_after_the_challenge_is_refused(
    world: World, what: str, message: str | None
) -> None:
    pool_id, client_id = await world.some_user()
    them = srp_client(pool_id, client_id)
    challenge = await world.initiate_auth(
        auth_flow="USER_SRP_AUTH", client_id=client_id, auth_parameters=them.get_auth_params()
    )
    responses = world.srp_answer(them, challenge["challenge_parameters"])
    if what == "disabled":
        await world.admin_disable_user(user_pool_id=pool_id, username="anna")
    else:
        await world.admin_delete_user(user_pool_id=pool_id, username="anna")
    if what == "made anew":
        await world.user(pool_id)

    async with refused("NotAuthorizedException", message):
        await world.respond_to_auth_challenge(
            client_id=client_id, challenge_name="PASSWORD_VERIFIER", challenge_responses=responses
        )


@pytest.mark.parametrize("username", ["anna", "nobody"])
async def test_proofs_sent_at_once_are_worth_no_more_than_guesses_in_a_row(world: World, username: str) -> None:
    """Each with a challenge of its own, asked for before the first was answered."""
    pool_id, client_id = await world.some_user(prevent_user_existence_errors="ENABLED")
    answers = []
    for _ in range(12):
        them = srp_client(pool_id, client_id, username=username, password="Wrong-horse-1")
        challenge = await world.initiate_auth(
            auth_flow="USER_SRP_AUTH", client_id=client_id, auth_parameters=them.get_auth_params()
        )
        answers.append(world.srp_answer(them, challenge["challenge_parameters"]))

    refusals = await asyncio.gather(
        *(
            world.respond_to_auth_challenge(
                client_id=client_id, challenge_name="PASSWORD_VERIFIER", challenge_responses=answer
            )
            for answer in answers
        ),
        return_exceptions=True,
    )

    assert sorted(str(refusal) for refusal in refusals) == [WRONG] * 5 + ["Password attempts exceeded"] * 7


async def test_answer_during_a_lock_is_not_looked_at_and_leaves_its_secret_block_good(world: World) -> None:
    pool_id, client_id = await world.some_user()
    them = srp_client(pool_id, client_id)
    challenge = await world.initiate_auth(
        auth_flow="USER_SRP_AUTH", client_id=client_id, auth_parameters=them.get_auth_params()
    )
    responses = world.srp_answer(them, challenge["challenge_parameters"])
    for _ in range(5):
        async with refused("NotAuthorizedException", WRONG):
            await world.srp_sign_in(pool_id, client_id, password="Wrong-horse-1")

    async with refused("NotAuthorizedException", "Password attempts exceeded"):
        await world.respond_to_auth_challenge(
            client_id=client_id, challenge_name="PASSWORD_VERIFIER", challenge_responses=responses
        )
    world.later(seconds=1)
    await world.respond_to_auth_challenge(
        client_id=client_id, challenge_name="PASSWORD_VERIFIER", challenge_responses=responses
    )


async def test_secret_block_of_another_client_is_refused(world: World) -> None:
    pool_id, client_id = await world.some_user()
    other_client = await world.client(pool_id)
    kept: dict[str, str] = {}
    async with refused("NotAuthorizedException"):
        await world.srp_sign_in(
            pool_id,
            client_id,
            before_the_answer=lambda r: (kept.update(r), r.update(PASSWORD_CLAIM_SECRET_BLOCK="AAAA"))[1],
        )

    async with refused("NotAuthorizedException", WRONG):
        await world.respond_to_auth_challenge(
            client_id=other_client, challenge_name="PASSWORD_VERIFIER", challenge_responses=kept
        )
    await world.respond_to_auth_challenge(
        client_id=client_id, challenge_name="PASSWORD_VERIFIER", challenge_responses=kept
    )


async def test_secret_block_can_be_answered_until_its_end_and_not_at_it(world: World) -> None:
    pool_id, client_id = await world.some_user()

    await world.srp_sign_in(pool_id, client_id, before_the_answer=lambda _: world.later(seconds=59, milliseconds=999))
    async with refused("NotAuthorizedException", WRONG):
        await world.srp_sign_in(pool_id, client_id, before_the_answer=lambda _: world.later(seconds=60))


@pytest.mark.parametrize("public_value", ["0", "zz"])
async def test_public_value_that_is_none_is_refused(world: World, public_value: str) -> None:
    _, client_id = await world.some_user()

    async with refused("InvalidParameterException"):
        await world.initiate_auth(
            auth_flow="USER_SRP_AUTH",
            client_id=client_id,
            auth_parameters={"USERNAME": "anna", "SRP_A": public_value},
        )


async def test_timestamp_must_be_in_the_one_form_and_near_our_clock(world: World) -> None:
    pool_id, client_id = await world.some_user()

    async with refused("InvalidParameterException", "TIMESTAMP format should be EEE MMM d HH:mm:ss z yyyy in english."):
        await world.srp_sign_in(
            pool_id, client_id, before_the_answer=lambda r: r.update(TIMESTAMP="2026-01-01T12:00:00Z")
        )
    async with refused("NotAuthorizedException", WRONG):
        await world.srp_sign_in(
            pool_id, client_id, before_the_answer=lambda r: r.update(TIMESTAMP="Thu Jan 1 11:54:59 UTC 2026")
        )


async def test_password_sign_in(world: World) -> None:
    _, client_id = await world.some_user()

    result = await world.sign_in(client_id)

    assert claims_of(result["access_token"])["username"] == "anna"
    async with refused("NotAuthorizedException", WRONG):
        await world.sign_in(client_id, password="wrong")


async def test_admin_password_sign_in(world: World) -> None:
    pool_id, client_id = await world.some_user()
    parameters = {"USERNAME": "anna", "PASSWORD": PASSWORD}

    for flow in ("ADMIN_USER_PASSWORD_AUTH", "ADMIN_NO_SRP_AUTH"):
        answer = await world.admin_initiate_auth(
            user_pool_id=pool_id, client_id=client_id, auth_flow=flow, auth_parameters=parameters
        )
        assert answer["authentication_result"]["access_token"]
    async with refused("NotAuthorizedException", WRONG):
        await world.admin_initiate_auth(
            user_pool_id=pool_id,
            client_id=client_id,
            auth_flow="ADMIN_USER_PASSWORD_AUTH",
            auth_parameters={**parameters, "PASSWORD": "wrong"},
        )


async def test_admin_srp_sign_in_answers_by_the_admin_operation(world: World) -> None:
    pool_id, client_id = await world.some_user()
    them = srp_client(pool_id, client_id)
    challenge = await world.admin_initiate_auth(
        user_pool_id=pool_id,
        client_id=client_id,
        auth_flow="USER_SRP_AUTH",
        auth_parameters=them.get_auth_params(),
    )

    answer = await world.admin_respond_to_auth_challenge(
        user_pool_id=pool_id,
        client_id=client_id,
        challenge_name="PASSWORD_VERIFIER",
        challenge_responses=world.srp_answer(them, challenge["challenge_parameters"]),
    )

    assert answer["authentication_result"]["id_token"]


@pytest.mark.parametrize(
    ("flow", "message"),
    [
        ("USER_PASSWORD_AUTH", "USER_PASSWORD_AUTH flow not enabled for this client"),
        ("USER_SRP_AUTH", "USER_SRP_AUTH is not enabled for the client."),
        ("REFRESH_TOKEN_AUTH", "Auth flow not enabled for this client"),
        ("ADMIN_USER_PASSWORD_AUTH", "Initiate Auth method not supported."),
        ("ADMIN_NO_SRP_AUTH", "Initiate Auth method not supported."),
        ("CUSTOM_AUTH", "CUSTOM_AUTH is not enabled for the client."),
        ("USER_AUTH", "USER_AUTH is not enabled for the client."),
    ],
)
async def test_flow_that_is_not_enabled_is_refused(world: World, flow: str, message: str) -> None:
    _, client_id = await world.some_user(explicit_auth_flows=("ALLOW_ADMIN_USER_PASSWORD_AUTH",))

    async with refused("InvalidParameterException", message):
        await world.initiate_auth(
            auth_flow=flow,
            client_id=client_id,
            auth_parameters={"USERNAME": "anna", "PASSWORD": PASSWORD, "SRP_A": "2", "REFRESH_TOKEN": "x"},
        )


async def test_admin_flow_needs_its_own_permission(world: World) -> None:
    pool_id, client_id = await world.some_user(explicit_auth_flows=("ALLOW_USER_PASSWORD_AUTH",))
    parameters = {"USERNAME": "anna", "PASSWORD": PASSWORD}

    async with refused("InvalidParameterException", "Auth flow not enabled for this client"):
        await world.admin_initiate_auth(
            user_pool_id=pool_id,
            client_id=client_id,
            auth_flow="ADMIN_USER_PASSWORD_AUTH",
            auth_parameters=parameters,
        )
    async with refused("InvalidParameterException", "Initiate Auth method not supported."):
        await world.admin_initiate_auth(
            user_pool_id=pool_id, client_id=client_id, auth_flow="USER_PASSWORD_AUTH", auth_parameters=parameters
        )


async def test_old_flow_names_imply_srp_and_refresh(world: World) -> None:
    pool_id, client_id = await world.some_user(explicit_auth_flows=("ADMIN_NO_SRP_AUTH",))

    signed_in = await world.srp_sign_in(pool_id, client_id)

    await world.refresh(client_id, signed_in["authentication_result"]["refresh_token"])
    async with refused("InvalidParameterException"):
        await world.sign_in(client_id)


@pytest.mark.parametrize(
    ("flow", "given", "missing"),
    [
        ("USER_PASSWORD_AUTH", {"PASSWORD": "x"}, "USERNAME"),
        ("USER_PASSWORD_AUTH", {"USERNAME": "anna"}, "PASSWORD"),
        ("USER_SRP_AUTH", {"USERNAME": "anna"}, "SRP_A"),
        ("REFRESH_TOKEN_AUTH", {}, "REFRESH_TOKEN"),
    ],
)
async def test_missing_parameter_is_named(world: World, flow: str, given: dict[str, str], missing: str) -> None:
    _, client_id = await world.some_user()

    async with refused("InvalidParameterException", f"Missing required parameter {missing}"):
        await world.initiate_auth(auth_flow=flow, client_id=client_id, auth_parameters=given)


async def test_unknown_client_and_pool_are_named(world: World) -> None:
    pool_id, client_id = await world.some_user()
    parameters = {"USERNAME": "anna", "PASSWORD": PASSWORD}

    async with refused("ResourceNotFoundException", "User pool client nobody does not exist."):
        await world.initiate_auth(auth_flow="USER_PASSWORD_AUTH", client_id="nobody", auth_parameters=parameters)
    other_pool = await world.pool()
    async with refused("ResourceNotFoundException", f"User pool client {client_id} does not exist."):
        await world.admin_initiate_auth(
            user_pool_id=other_pool,
            client_id=client_id,
            auth_flow="ADMIN_USER_PASSWORD_AUTH",
            auth_parameters=parameters,
        )
    async with refused("ResourceNotFoundException", f"User pool {pool_id}x does not exist."):
        await world.describe_user_pool(user_pool_id=f"{pool_id}x")


async def test_client_with_a_secret_must_show_its_hash(world: World) -> None:
    pool_id, client_id = await world.some_user(generate_secret=True)
    described = await world.describe_user_pool_client(user_pool_id=pool_id, client_id=client_id)
    secret = described["user_pool_client"]["client_secret"]

    await world.sign_in(client_id, SECRET_HASH=secret_hash("anna", client_id, secret))
    answer = await world.srp_sign_in(pool_id, client_id, client_secret=secret)
    token = answer["authentication_result"]["refresh_token"]
    await world.refresh(client_id, token, SECRET_HASH=secret_hash("anna", client_id, secret))
    sub = claims_of(answer["authentication_result"]["id_token"])["sub"]
    await world.refresh(client_id, token, SECRET_HASH=secret_hash(sub, client_id, secret))

    received = f"Client {client_id} is configured with secret but SECRET_HASH was not received"
    async with refused("NotAuthorizedException", received):
        await world.sign_in(client_id)
    async with refused("NotAuthorizedException", received):
        await world.refresh(client_id, token)
    wrong = f"Unable to verify secret hash for client {client_id}"
    async with refused("NotAuthorizedException", wrong):
        await world.sign_in(client_id, SECRET_HASH=secret_hash("anna", client_id, secret + "x"))
    async with refused("NotAuthorizedException", wrong):
        await world.sign_in(client_id, SECRET_HASH=secret_hash("berta", client_id, secret))
    async with refused("NotAuthorizedException", wrong):
        await world.refresh(client_id, token, SECRET_HASH=secret_hash("berta", client_id, secret))


async def test_unknown_device_is_answered_as_aws_does(world: World) -> None:
    _, client_id = await world.some_user()

    async with refused("ResourceNotFoundException", "Device does not exist."):
        await world.sign_in(client_id, DEVICE_KEY="us-west-2_00000000-0000-4000-8000-000000000000")


async def test_unknown_user_looks_like_a_wrong_password_if_the_client_hides_it(world: World) -> None:
    pool_id, client_id = await world.some_user()

    async with refused("NotAuthorizedException", WRONG):
        await world.sign_in(client_id, username="nobody")
    async with refused("NotAuthorizedException", WRONG):
        await world.srp_sign_in(pool_id, client_id, username="nobody")


async def test_unknown_user_is_named_if_the_client_does_not_hide_it(world: World) -> None:
    pool_id, client_id = await world.some_user(prevent_user_existence_errors="LEGACY")

    async with refused("UserNotFoundException", "User does not exist."):
        await world.sign_in(client_id, username="nobody")
    async with refused("UserNotFoundException", "User does not exist."):
        await world.srp_sign_in(pool_id, client_id, username="nobody")


async def test_challenge_of_an_unknown_user_is_the_same_every_time_and_like_a_real_one(world: World) -> None:
    pool_id, client_id = await world.some_user()

    async def challenge(username: str) -> dict[str, str]:
        answer = await world.initiate_auth(
            auth_flow="USER_SRP_AUTH",
            client_id=client_id,
            auth_parameters=srp_client(pool_id, client_id, username).get_auth_params(),
        )
        parameters: dict[str, str] = answer["challenge_parameters"]
        return parameters

    first, again, other, real = [await challenge(name) for name in ("nobo", "nobo", "none", "anna")]

    assert first["SALT"] == again["SALT"] != other["SALT"]
    assert first["USER_ID_FOR_SRP"] == again["USER_ID_FOR_SRP"] == "nobo"
    assert first["SRP_B"] != again["SRP_B"]
    assert first.keys() == real.keys()
    assert len(first["SECRET_BLOCK"]) == len(other["SECRET_BLOCK"]) == len(real["SECRET_BLOCK"])


@pytest.mark.parametrize("flow", ["USER_SRP_AUTH", "USER_AUTH"])
async def test_challenge_to_an_address_is_as_long_whether_somebody_has_it(world: World, flow: str) -> None:
    """Inside, a user is called by a UUID, and a name that nobody has by what was typed."""
    pool_id = await world.pool(username_attributes=("email",))
    client_id = await world.client(
        pool_id,
        explicit_auth_flows=("ALLOW_USER_SRP_AUTH", "ALLOW_USER_AUTH"),
        prevent_user_existence_errors="ENABLED",
    )
    await world.user(pool_id, "anna@example.com", email="anna@example.com", email_verified="true")

    async def length(username: str) -> int:
        given = srp_client(pool_id, client_id, username).get_auth_params()
        answer = await world.initiate_auth(
            auth_flow=flow,
            client_id=client_id,
            auth_parameters=given if flow == "USER_SRP_AUTH" else {"USERNAME": username},
        )
        return len(answer.get("session") or answer["challenge_parameters"]["SECRET_BLOCK"])

    assert await length("anna@example.com") == await length("nobo@example.com")


async def test_unknown_address_gets_a_made_up_id_that_stays(world: World) -> None:
    pool_id = await world.pool(username_attributes=("email",))
    client_id = await world.client(pool_id)

    ids = set()
    for _ in range(2):
        answer = await world.initiate_auth(
            auth_flow="USER_SRP_AUTH",
            client_id=client_id,
            auth_parameters=srp_client(pool_id, client_id, "nobody@example.com").get_auth_params(),
        )
        ids.add(answer["challenge_parameters"]["USER_ID_FOR_SRP"])

    assert len(ids) == 1
    assert len(ids.pop()) == 36


async def test_password_work_is_done_for_unknown_users_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Timing of the real thing is noise on a busy machine; that Argon2 runs on equal parameters is not."""
    from argon2 import low_level

    _, client_id = await world.some_user()
    hashes: list[bytes] = []
    original = low_level.verify_secret

    def counting(encoded: bytes, secret: bytes, kind: low_level.Type) -> bool:
        hashes.append(encoded)
        return bool(original(encoded, secret, kind))

    monkeypatch.setattr(low_level, "verify_secret", counting)
    for username in ("anna", "nobody"):
        async with refused("NotAuthorizedException", WRONG):
            await world.sign_in(client_id, username=username, password="wrong")

    assert [encoded.split(b"$")[:4] for encoded in hashes] == [[b"", b"argon2id", b"v=19", b"m=19456,t=2,p=1"]] * 2
    assert len(hashes[0]) == len(hashes[1])


@pytest.mark.parametrize("username", ["anna", "nobody"])
async def test_fifth_failure_locks_for_a_second_and_each_further_one_for_twice_as_long(
    world: World, username: str
) -> None:
    _, client_id = await world.some_user()
    for _ in range(5):
        async with refused("NotAuthorizedException", WRONG):
            await world.sign_in(client_id, username=username, password="wrong")

    async with refused("NotAuthorizedException", "Password attempts exceeded"):
        await world.sign_in(client_id, username=username)
    world.later(milliseconds=999)
    async with refused("NotAuthorizedException", "Password attempts exceeded"):
        await world.sign_in(client_id, username=username, password="wrong")
    world.later(milliseconds=1)
    async with refused("NotAuthorizedException", WRONG):
        await world.sign_in(client_id, username=username, password="wrong")
    world.later(milliseconds=1999)
    async with refused("NotAuthorizedException", "Password attempts exceeded"):
        await world.sign_in(client_id, username=username)
    world.later(milliseconds=1)
    if username == "anna":
        await world.sign_in(client_id)


async def test_lock_holds_for_proofs_as_for_passwords(world: World) -> None:
    pool_id, client_id = await world.some_user()
    for _ in range(5):
        async with refused("NotAuthorizedException", WRONG):
            await world.srp_sign_in(pool_id, client_id, password="Wrong-horse-1")

    async with refused("NotAuthorizedException", "Password attempts exceeded"):
        await world.srp_sign_in(pool_id, client_id)
    async with refused("NotAuthorizedException", "Password attempts exceeded"):
        await world.sign_in(client_id)


async def test_good_password_clears_the_count(world: World) -> None:
    _, client_id = await world.some_user()
    for _ in range(2):
        for _ in range(4):
            async with refused("NotAuthorizedException", WRONG):
                await world.sign_in(client_id, password="wrong")
        await world.sign_in(client_id)


async def test_fifteen_quiet_minutes_clear_the_count(world: World) -> None:
    _, client_id = await world.some_user()
    for minutes in (15, 0):
        for _ in range(4):
            async with refused("NotAuthorizedException", WRONG):
                await world.sign_in(client_id, password="wrong")
        world.later(minutes=minutes)
    async with refused("NotAuthorizedException", WRONG):
        await world.sign_in(client_id, password="wrong")
    async with refused("NotAuthorizedException", "Password attempts exceeded"):
        await world.sign_in(client_id)


async def test_guesses_sent_at_once_are_worth_no_more_than_guesses_in_a_row(world: World) -> None:
    _, client_id = await world.some_user()

    answers = await asyncio.gather(
        *(world.sign_in(client_id, password=f"guess {n}") for n in range(12)), return_exceptions=True
    )
    assert all(isinstance(answer, Exception) for answer in answers)

    [pool] = (await world.list_user_pools(max_results=2))["user_pools"]
    attempts = await SignInStore(world.database).load_attempts(pool["id"], hashlib.sha256(b"anna").hexdigest())
    assert attempts is not None
    assert attempts.failures == 5, "what failed during the lock was not counted"
    async with refused("NotAuthorizedException", "Password attempts exceeded"):
        await world.sign_in(client_id)


def test_locks_double_up_to_fifteen_minutes() -> None:
    assert [lock.total_seconds() for lock in LOCKS] == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900]


async def test_many_good_sign_ins_at_once_all_succeed(world: World) -> None:
    _, client_id = await world.some_user()

    answers = await asyncio.gather(*(world.sign_in(client_id) for _ in range(8)))

    assert len({answer["refresh_token"] for answer in answers}) == 8


async def test_disabled_user_learns_it_only_with_the_password(world: World) -> None:
    pool_id, client_id = await world.some_user()
    await world.admin_disable_user(user_pool_id=pool_id, username="anna")

    async with refused("NotAuthorizedException", "User is disabled."):
        await world.sign_in(client_id)
    async with refused("NotAuthorizedException", "User is disabled."):
        await world.srp_sign_in(pool_id, client_id)
    async with refused("NotAuthorizedException", WRONG):
        await world.sign_in(client_id, password="wrong")
    await world.admin_enable_user(user_pool_id=pool_id, username="anna")
    world.later(seconds=1)
    await world.sign_in(client_id)


async def test_unconfirmed_user_learns_it_only_with_the_password(world: World) -> None:
    pool_id = await world.pool()
    client_id = await world.client(pool_id)
    await world.sign_up(client_id=client_id, username="anna", password=PASSWORD)

    async with refused("UserNotConfirmedException", "User is not confirmed."):
        await world.sign_in(client_id)
    async with refused("NotAuthorizedException", WRONG):
        await world.sign_in(client_id, password="wrong")


async def _temporary(world: World, **client_settings: object) -> tuple[str, str]:
    pool_id = await world.pool()
    client_id = await world.client(pool_id, **client_settings)
    await world.admin_create_user(
        user_pool_id=pool_id,
        username="anna",
        temporary_password="Temporary-1",
        message_action="SUPPRESS",
        user_attributes=attribute_list(email="anna@example.com"),
    )
    return pool_id, client_id


async def test_temporary_password_leads_to_a_new_one(world: World) -> None:
    pool_id, client_id = await _temporary(world)
    challenge = await world.srp_sign_in(pool_id, client_id, password="Temporary-1")

    assert challenge["challenge_name"] == "NEW_PASSWORD_REQUIRED"
    assert challenge["challenge_parameters"]["USER_ID_FOR_SRP"] == "anna"
    assert json.loads(challenge["challenge_parameters"]["requiredAttributes"]) == []
    assert json.loads(challenge["challenge_parameters"]["userAttributes"]) == {
        "email": "anna@example.com",
        "email_verified": "false",
    }
    assert 20 <= len(challenge["session"]) <= 4096

    answer = await world.respond_to_auth_challenge(
        client_id=client_id,
        challenge_name="NEW_PASSWORD_REQUIRED",
        session=challenge["session"],
        challenge_responses={"USERNAME": "anna", "NEW_PASSWORD": PASSWORD, "userAttributes.given_name": "Anna"},
    )
    assert claims_of(answer["authentication_result"]["id_token"])["given_name"] == "Anna"
    await world.sign_in(client_id)
    async with refused("NotAuthorizedException", WRONG):
        await world.sign_in(client_id, password="Temporary-1")


async def test_session_is_spent_by_success_and_not_by_a_weak_password(world: World) -> None:
    _, client_id = await _temporary(world)
    session = (await world.sign_in(client_id, password="Temporary-1"))["session"]

    async def answer(password: str) -> None:
        await world.respond_to_auth_challenge(
            client_id=client_id,
            challenge_name="NEW_PASSWORD_REQUIRED",
            session=session,
            challenge_responses={"USERNAME": "anna", "NEW_PASSWORD": password},
        )

    async with refused("InvalidPasswordException", "Password did not conform with policy: Password not long enough"):
        await answer("short")
    await answer(PASSWORD)
    async with refused("NotAuthorizedException", "Invalid session for the user, session can only be used once."):
        await answer("Another-horse-2")


async def test_session_ends_after_the_clients_minutes(world: World) -> None:
    _, client_id = await _temporary(world, auth_session_validity=5)
    session = (await world.sign_in(client_id, password="Temporary-1"))["session"]
    responses = {"USERNAME": "anna", "NEW_PASSWORD": "short"}

    async def answer() -> None:
        await world.respond_to_auth_challenge(
            client_id=client_id,
            challenge_name="NEW_PASSWORD_REQUIRED",
            session=session,
            challenge_responses=responses,
        )

    world.later(minutes=5, milliseconds=-1)
    async with refused("InvalidPasswordException"):
        await answer()
    world.later(milliseconds=1)
    async with refused("NotAuthorizedException", "Invalid session for the user, session is expired."):
        await answer()


async def test_session_belongs_to_its_user_and_client(world: World) -> None:
    pool_id, client_id = await _temporary(world)
    other_client = await world.client(pool_id)
    await world.user(pool_id, "berta")
    session = (await world.sign_in(client_id, password="Temporary-1"))["session"]

    for client, username, given in (
        (other_client, "anna", session),
        (client_id, "berta", session),
        (client_id, "anna", session[:-1] + ("A" if session[-1] != "A" else "B")),
        (client_id, "anna", "x" * 20),
    ):
        async with refused("NotAuthorizedException", "Invalid session for the user."):
            await world.respond_to_auth_challenge(
                client_id=client,
                challenge_name="NEW_PASSWORD_REQUIRED",
                session=given,
                challenge_responses={"USERNAME": username, "NEW_PASSWORD": PASSWORD},
            )


async def test_temporary_password_stops_working_after_its_days(world: World) -> None:
    _, client_id = await _temporary(world)

    world.later(days=7, microseconds=-1)
    assert (await world.sign_in(client_id, password="Temporary-1"))["challenge_name"] == "NEW_PASSWORD_REQUIRED"
    world.later(microseconds=1)
    async with refused(
        "NotAuthorizedException", "Temporary password has expired and must be reset by an administrator."
    ):
        await world.sign_in(client_id, password="Temporary-1")


async def test_alias_signs_in_once_it_is_verified(world: World) -> None:
    pool_id = await world.pool(alias_attributes=("email",))
    client_id = await world.client(pool_id)
    await world.user(pool_id, email="anna@example.com")

    async with refused("NotAuthorizedException", WRONG):
        await world.sign_in(client_id, username="anna@example.com")
    await world.admin_update_user_attributes(
        user_pool_id=pool_id, username="anna", user_attributes=attribute_list(email_verified="true")
    )
    await world.sign_in(client_id, username="anna@example.com")
    answer = await world.srp_sign_in(pool_id, client_id, username="anna@example.com")

    assert claims_of(answer["authentication_result"]["id_token"])["cognito:username"] == "anna"


async def test_address_as_the_user_name_leads_to_a_user_named_by_a_uuid(world: World) -> None:
    pool_id = await world.pool(username_attributes=("email",))
    client_id = await world.client(pool_id)
    sub = await world.user(pool_id, "anna@example.com")

    answer = await world.srp_sign_in(pool_id, client_id, username="anna@example.com")

    claims = claims_of(answer["authentication_result"]["id_token"])
    assert (claims["cognito:username"], claims["sub"], claims["email"]) == (sub, sub, "anna@example.com")


async def test_pool_that_ignores_case_knows_its_users_by_any_spelling(world: World) -> None:
    from velvetrope.store.tables.userpools import UsernameConfiguration

    relaxed = await world.pool(username_configuration=UsernameConfiguration(case_sensitive=False))
    strict = await world.pool()
    relaxed_client, strict_client = await world.client(relaxed), await world.client(strict)
    await world.user(relaxed, "Anna")
    await world.user(strict, "Anna")

    answer = await world.srp_sign_in(relaxed, relaxed_client, username="aNNA")
    assert claims_of(answer["authentication_result"]["id_token"])["cognito:username"] == "anna"
    answer = await world.srp_sign_in(strict, strict_client, username="Anna")
    assert claims_of(answer["authentication_result"]["id_token"])["cognito:username"] == "Anna"
    async with refused("NotAuthorizedException", WRONG):
        await world.sign_in(strict_client, username="anna")
    async with refused("UsernameExistsException", "User already exists"):
        await world.admin_create_user(user_pool_id=relaxed, username="ANNA", message_action="SUPPRESS")


async def test_password_of_one_user_does_not_open_in_another_users_row(world: World) -> None:
    """Who can write to the database but has not the master keys cannot give anybody a known password."""
    from velvetrope.sealing import SealBroken

    pool_id, client_id = await world.some_user()
    await world.user(pool_id, "berta", password="Known-to-berta-1")
    anna, berta = await world.store.load_user(pool_id, "anna"), await world.store.load_user(pool_id, "berta")
    assert anna is not None
    assert berta is not None
    await world.store.change_user(anna, lambda user: user, password_sealed=berta.password_sealed)

    with pytest.raises(SealBroken):
        await world.sign_in(client_id, password="Known-to-berta-1")


async def test_database_holds_no_password_and_nothing_to_guess_at(world: World) -> None:
    pool_id, _ = await world.some_user()
    stored = await world.store.load_user(pool_id, "anna")

    assert stored is not None
    assert stored.password_sealed is not None
    assert b"argon2" not in stored.password_sealed
    assert PASSWORD.encode() not in stored.password_sealed

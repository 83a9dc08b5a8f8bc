"""Remembered devices: confirmed, proven at sign-in, and what they stand for."""

import base64
import hmac
from collections.abc import Callable
from typing import Any

import pytest
from pycognito.aws_srp import AWSSRP, N_HEX

from support.userpools import PASSWORD, World, claims_of, refused, srp_client
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import DeviceConfiguration, SoftwareTokenMfaConfig
from velvetrope.userpools.factors.device_operations import DeviceSecretVerifierConfig

WRONG = "Incorrect username or password."
ALWAYS = DeviceConfiguration(challenge_required_on_new_device=True)
ON_PROMPT = DeviceConfiguration(challenge_required_on_new_device=True, device_only_remembered_on_user_prompt=True)
SECRET = "device-secret"
N = int(N_HEX, 16)


async def tracking_pool(world: World, configuration: DeviceConfiguration = ALWAYS) -> tuple[str, str]:
    pool_id = await world.pool(device_configuration=configuration)
    client_id = await world.client(pool_id)
    await world.user(pool_id)
    return pool_id, client_id


async def signed_in_with_device(
    world: World, configuration: DeviceConfiguration = ALWAYS
) -> tuple[str, str, dict[str, Any], dict[str, str]]:
    """Pool, client, the first tokens, and the device they confirmed."""
    pool_id, client_id = await tracking_pool(world, configuration)
    result = (await world.srp_sign_in(pool_id, client_id))["authentication_result"]
    return pool_id, client_id, result, await confirm(world, pool_id, client_id, result)


async def confirm(world: World, pool_id: str, client_id: str, result: dict[str, Any]) -> dict[str, str]:
    metadata: dict[str, str] = result["new_device_metadata"]
    them = srp_client(pool_id, client_id)
    config = verifier_of(them, metadata)
    await world.confirm_device(
        access_token=result["access_token"],
        device_key=metadata["device_key"],
        device_secret_verifier_config=config,
        device_name="phone",
    )
    return metadata


def verifier_of(them: Any, metadata: dict[str, str], secret: str = SECRET) -> DeviceSecretVerifierConfig:
    """What a client sends for a secret of its own, as pycognito computes it."""
    from velvetrope.srp import make_verifier

    salt = 0x1122334455667788 << 64 | 0x99
    verifier = make_verifier(metadata["device_group_key"], metadata["device_key"], secret, salt)
    return DeviceSecretVerifierConfig(
        password_verifier=Secret(base64.b64encode(verifier.to_bytes(385)).decode()),
        salt=base64.b64encode(salt.to_bytes(17)).decode(),
    )


async def prove(
    world: World,
    client_id: str,
    challenge: dict[str, Any],
    metadata: dict[str, str],
    *,
    secret: str = SECRET,
    change: Callable[[dict[str, str]], None] = lambda _: None,
) -> Any:
    """Both halves of the device's proof, as a client library computes them."""
    key, group = metadata["device_key"], metadata["device_group_key"]
    them = AWSSRP(username=key, password=secret, pool_id=f"us-west-2_{group}", client_id=client_id, client=object())
    second = await world.respond(client_id, challenge, {"DEVICE_KEY": key, "SRP_A": them.get_auth_params()["SRP_A"]})
    assert second["challenge_name"] == "DEVICE_PASSWORD_VERIFIER"
    parameters = second["challenge_parameters"]
    hkdf = them.get_password_authentication_key(key, secret, int(parameters["SRP_B"], 16), parameters["SALT"])
    timestamp = AWSSRP.get_cognito_formatted_timestamp(world.now)
    block = base64.b64decode(parameters["SECRET_BLOCK"])
    signature = hmac.digest(hkdf, group.encode() + key.encode() + block + timestamp.encode(), "sha256")
    responses = {
        "USERNAME": parameters["USERNAME"],
        "DEVICE_KEY": key,
        "TIMESTAMP": timestamp,
        "PASSWORD_CLAIM_SECRET_BLOCK": parameters["SECRET_BLOCK"],
        "PASSWORD_CLAIM_SIGNATURE": base64.b64encode(signature).decode(),
    }
    change(responses)
    return await world.respond_to_auth_challenge(
        client_id=client_id, challenge_name="DEVICE_PASSWORD_VERIFIER", challenge_responses=responses
    )


async def sign_in_naming(world: World, pool_id: str, client_id: str, device_key: str) -> Any:
    return await world.srp_sign_in(
        pool_id, client_id, before_the_answer=lambda responses: responses.update(DEVICE_KEY=device_key)
    )


async def test_new_device_is_named_and_confirmed(world: World) -> None:
    _, _, result, metadata = await signed_in_with_device(world)

    assert metadata["device_key"].startswith("us-west-2_")
    assert metadata["device_group_key"].startswith("-")
    assert claims_of(result["access_token"])["device_key"] == metadata["device_key"]
    listed = (await world.list_devices(access_token=result["access_token"]))["devices"]
    attributes = {each["name"]: each["value"] for each in listed[0]["device_attributes"]}
    assert attributes["device_name"] == "phone"
    assert attributes["dev:device_remembered_status"] == "remembered"


async def test_known_device_proves_itself_after_the_password(world: World) -> None:
    pool_id, client_id, _, metadata = await signed_in_with_device(world)

    challenge = await sign_in_naming(world, pool_id, client_id, metadata["device_key"])
    result = await prove(world, client_id, challenge, metadata)

    assert challenge["challenge_name"] == "DEVICE_SRP_AUTH"
    tokens = result["authentication_result"]
    assert tokens.get("new_device_metadata") is None
    assert claims_of(tokens["access_token"])["device_key"] == metadata["device_key"]


async def test_device_with_another_secret_is_refused(world: World) -> None:
    pool_id, client_id, _, metadata = await signed_in_with_device(world)
    challenge = await sign_in_naming(world, pool_id, client_id, metadata["device_key"])

    async with refused("NotAuthorizedException", WRONG):
        await prove(world, client_id, challenge, metadata, secret="stolen key, unknown secret")


async def test_device_proof_is_worth_one_answer_and_its_session_too(world: World) -> None:
    pool_id, client_id, _, metadata = await signed_in_with_device(world)
    challenge = await sign_in_naming(world, pool_id, client_id, metadata["device_key"])
    kept: dict[str, str] = {}
    await prove(world, client_id, challenge, metadata, change=kept.update)

    async with refused("NotAuthorizedException", WRONG):
        await world.respond_to_auth_challenge(
            client_id=client_id, challenge_name="DEVICE_PASSWORD_VERIFIER", challenge_responses=kept
        )
    async with refused("NotAuthorizedException", "Invalid session for the user, session can only be used once."):
        await prove(world, client_id, challenge, metadata)


async def test_secret_block_of_a_password_is_none_of_a_device_nor_the_other_way_round(world: World) -> None:
    pool_id, client_id, _, metadata = await signed_in_with_device(world)
    challenge = await sign_in_naming(world, pool_id, client_id, metadata["device_key"])
    kept: dict[str, str] = {}

    async with refused("NotAuthorizedException", WRONG):
        await prove(
            world, client_id, challenge, metadata, change=lambda r: (kept.update(r), r.update(USERNAME="berta"))[1]
        )
    async with refused("NotAuthorizedException", WRONG):
        await world.respond_to_auth_challenge(
            client_id=client_id, challenge_name="PASSWORD_VERIFIER", challenge_responses=kept
        )


async def test_one_device_does_not_prove_another(world: World) -> None:
    pool_id, client_id, _, first = await signed_in_with_device(world)
    again = (await world.srp_sign_in(pool_id, client_id))["authentication_result"]
    second = await confirm(world, pool_id, client_id, again)
    challenge = await sign_in_naming(world, pool_id, client_id, first["device_key"])

    async with refused("NotAuthorizedException", "Invalid session for the user."):
        await prove(world, client_id, challenge, second)


async def test_forgotten_device_is_answered_so_that_clients_forget_it_and_the_proof_still_counts(world: World) -> None:
    """amazon-cognito-identity-js answers the same challenge again without the device."""
    pool_id, client_id, result, metadata = await signed_in_with_device(world)
    await world.forget_device(access_token=result["access_token"], device_key=metadata["device_key"])
    them = srp_client(pool_id, client_id)
    challenge = await world.initiate_auth(
        auth_flow="USER_SRP_AUTH", client_id=client_id, auth_parameters=them.get_auth_params()
    )
    responses = world.srp_answer(them, challenge["challenge_parameters"])

    async with refused("ResourceNotFoundException", "Device does not exist."):
        await world.respond_to_auth_challenge(
            client_id=client_id,
            challenge_name="PASSWORD_VERIFIER",
            challenge_responses={**responses, "DEVICE_KEY": metadata["device_key"]},
        )
    answer = await world.respond_to_auth_challenge(
        client_id=client_id, challenge_name="PASSWORD_VERIFIER", challenge_responses=responses
    )
    assert answer["authentication_result"]["new_device_metadata"]


# MFA


async def with_totp(world: World, configuration: DeviceConfiguration) -> tuple[str, str, str, dict[str, str]]:
    pool_id, client_id, result, metadata = await signed_in_with_device(world, configuration)
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id,
        mfa_configuration="OPTIONAL",
        software_token_mfa_configuration=SoftwareTokenMfaConfig(enabled=True),
    )
    await world.set_totp_up(result["access_token"])
    return pool_id, client_id, result["access_token"], metadata


async def test_remembered_device_stands_for_the_second_factor(world: World) -> None:
    pool_id, client_id, _, metadata = await with_totp(world, ALWAYS)
    challenge = await sign_in_naming(world, pool_id, client_id, metadata["device_key"])

    result = await prove(world, client_id, challenge, metadata)

    assert result["authentication_result"]["access_token"]
    assert (await world.srp_sign_in(pool_id, client_id))["challenge_name"] == "SOFTWARE_TOKEN_MFA"


async def test_device_that_is_only_confirmed_does_not(world: World) -> None:
    pool_id, client_id, token, metadata = await with_totp(world, ON_PROMPT)
    challenge = await sign_in_naming(world, pool_id, client_id, metadata["device_key"])
    assert (await prove(world, client_id, challenge, metadata))["challenge_name"] == "SOFTWARE_TOKEN_MFA"

    await world.update_device_status(
        access_token=token, device_key=metadata["device_key"], device_remembered_status="remembered"
    )

    challenge = await sign_in_naming(world, pool_id, client_id, metadata["device_key"])
    assert "authentication_result" in await prove(world, client_id, challenge, metadata)


async def test_pool_that_does_not_say_so_asks_remembered_devices_for_the_second_factor_too(world: World) -> None:
    pool_id, client_id, _, metadata = await with_totp(world, DeviceConfiguration())
    challenge = await sign_in_naming(world, pool_id, client_id, metadata["device_key"])

    assert (await prove(world, client_id, challenge, metadata))["challenge_name"] == "SOFTWARE_TOKEN_MFA"


async def test_naming_a_device_proves_nothing(world: World) -> None:
    """Neither in a flow that sends the password, nor in an administrator's, which knows no device proof."""
    pool_id, client_id, _, metadata = await with_totp(world, ALWAYS)
    named = {"USERNAME": "anna", "PASSWORD": PASSWORD, "DEVICE_KEY": metadata["device_key"]}

    sent = await world.sign_in(client_id, DEVICE_KEY=metadata["device_key"])
    admins = await world.admin_initiate_auth(
        user_pool_id=pool_id, client_id=client_id, auth_flow="ADMIN_USER_PASSWORD_AUTH", auth_parameters=named
    )

    assert sent["challenge_name"] == "DEVICE_SRP_AUTH"
    assert admins["challenge_name"] == "SOFTWARE_TOKEN_MFA"


# Tokens of a device


async def test_tokens_of_a_device_are_refreshed_by_naming_it(world: World) -> None:
    _, client_id, result, metadata = await signed_in_with_device(world)

    async with refused("NotAuthorizedException", "Invalid Refresh Token"):
        await world.refresh(client_id, result["refresh_token"])
    async with refused("NotAuthorizedException", "Invalid Refresh Token"):
        await world.refresh(client_id, result["refresh_token"], DEVICE_KEY="us-west-2_0")
    again = await world.refresh(client_id, result["refresh_token"], DEVICE_KEY=metadata["device_key"])
    assert claims_of(again["access_token"])["device_key"] == metadata["device_key"]


async def test_forgetting_a_device_ends_its_sessions(world: World) -> None:
    pool_id, client_id, result, metadata = await signed_in_with_device(world)
    other = (await world.srp_sign_in(pool_id, client_id))["authentication_result"]

    await world.admin_forget_device(user_pool_id=pool_id, username="anna", device_key=metadata["device_key"])

    async with refused("NotAuthorizedException", "Access Token has been revoked"):
        await world.get_user(access_token=result["access_token"])
    async with refused("NotAuthorizedException", "Refresh Token has been revoked"):
        await world.refresh(client_id, result["refresh_token"], DEVICE_KEY=metadata["device_key"])
    await world.get_user(access_token=other["access_token"])


# Confirming and looking


async def test_device_is_confirmed_by_the_sign_in_that_was_given_it_and_once(world: World) -> None:
    pool_id, client_id, result, metadata = await signed_in_with_device(world)
    other = (await world.srp_sign_in(pool_id, client_id))["authentication_result"]
    config = verifier_of(srp_client(pool_id, client_id), metadata)

    async with refused("NotAuthorizedException"):
        await world.confirm_device(
            access_token=other["access_token"],
            device_key=metadata["device_key"],
            device_secret_verifier_config=config,
        )
    async with refused("DeviceKeyExistsException"):
        await world.confirm_device(
            access_token=result["access_token"],
            device_key=metadata["device_key"],
            device_secret_verifier_config=config,
        )
    fresh = other["new_device_metadata"]["device_key"]
    for bad in (
        None,
        DeviceSecretVerifierConfig(salt="AAAA"),
        DeviceSecretVerifierConfig(salt="!", password_verifier=config.password_verifier),
    ):
        async with refused("InvalidParameterException"):
            await world.confirm_device(
                access_token=other["access_token"], device_key=fresh, device_secret_verifier_config=bad
            )


@pytest.mark.parametrize("verifier", [0, 1, N - 1, N])
async def test_verifier_that_anybody_could_answer_for_is_none(world: World, verifier: int) -> None:
    _, client_id = await tracking_pool(world)
    tokens = await world.sign_in(client_id)
    given = DeviceSecretVerifierConfig(
        salt=base64.b64encode(b"salt").decode(),
        password_verifier=Secret(base64.b64encode(verifier.to_bytes(384)).decode()),
    )

    async with refused("InvalidParameterException", "Invalid device secret verifier config given."):
        await world.confirm_device(
            access_token=tokens["access_token"],
            device_key=tokens["new_device_metadata"]["device_key"],
            device_secret_verifier_config=given,
        )


async def test_pool_that_does_not_track_devices_names_and_confirms_none(world: World) -> None:
    pool_id, client_id = await world.some_user()
    result = (await world.srp_sign_in(pool_id, client_id))["authentication_result"]

    assert result.get("new_device_metadata") is None
    async with refused("InvalidParameterException"):
        await world.confirm_device(access_token=result["access_token"], device_key="us-west-2_0")


async def test_devices_are_looked_at_remembered_and_forgotten_by_users_and_administrators(world: World) -> None:
    pool_id, _, result, metadata = await signed_in_with_device(world, ON_PROMPT)
    token, key = result["access_token"], metadata["device_key"]
    user = {"user_pool_id": pool_id, "username": "anna"}

    def status(device: dict[str, Any]) -> str:
        return next(str(a["value"]) for a in device["device_attributes"] if a["name"] == "dev:device_remembered_status")

    assert status((await world.get_device(access_token=token, device_key=key))["device"]) == "not_remembered"
    await world.admin_update_device_status(**user, device_key=key, device_remembered_status="remembered")
    assert status((await world.admin_get_device(**user, device_key=key))["device"]) == "remembered"
    assert len((await world.admin_list_devices(**user))["devices"]) == 1
    await world.update_device_status(access_token=token, device_key=key, device_remembered_status="not_remembered")
    for missing in ("us-west-2_0", "us-west-2_1"):
        async with refused("ResourceNotFoundException", "Device does not exist."):
            await world.admin_get_device(**user, device_key=missing)
        async with refused("ResourceNotFoundException", "Device does not exist."):
            await world.update_device_status(access_token=token, device_key=missing)
        async with refused("ResourceNotFoundException", "Device does not exist."):
            await world.forget_device(access_token=token, device_key=missing)


async def test_another_users_device_is_not_there(world: World) -> None:
    pool_id, client_id, _, metadata = await signed_in_with_device(world)
    await world.user(pool_id, "berta")
    berta = (await world.srp_sign_in(pool_id, client_id, "berta"))["authentication_result"]["access_token"]

    for operation in (world.get_device, world.forget_device, world.update_device_status):
        async with refused("ResourceNotFoundException", "Device does not exist."):
            await operation(access_token=berta, device_key=metadata["device_key"])


async def test_pages_of_devices(world: World) -> None:
    pool_id, client_id, result, _ = await signed_in_with_device(world)
    for _ in range(2):
        await confirm(world, pool_id, client_id, (await world.srp_sign_in(pool_id, client_id))["authentication_result"])

    first = await world.list_devices(access_token=result["access_token"], limit=2)
    rest = await world.list_devices(
        access_token=result["access_token"], limit=2, pagination_token=first["pagination_token"]
    )

    assert len({d["device_key"] for d in (*first["devices"], *rest["devices"])}) == 3

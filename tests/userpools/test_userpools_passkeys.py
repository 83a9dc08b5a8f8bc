"""Passkeys: registered by a signed-in user, and good for a sign-in only where, when and by whom they should be."""

import json
from dataclasses import replace
from typing import Any

import pytest

from support.authenticator import Authenticator, encode
from support.passkeys import DOMAIN, FLOWS, PAGE, WRONG, answer, ask, options_of, pool_with_passkeys, register
from support.userpools import World, claims_of, refused
from velvetrope.errors import ServiceError


async def test_passkey_signs_in(world: World) -> None:
    _, client_id, token = await pool_with_passkeys(world)
    authenticator = Authenticator(PAGE)
    await register(world, token, authenticator)

    challenge = await ask(world, client_id)
    result = await answer(world, client_id, challenge, authenticator)

    assert challenge["challenge_name"] == "WEB_AUTHN"
    assert challenge["available_challenges"] == ("PASSWORD_SRP", "PASSWORD", "WEB_AUTHN")
    assert options_of(challenge)["rpId"] == DOMAIN
    assert claims_of(result["authentication_result"]["id_token"])["cognito:username"] == "anna"


async def test_creation_options_name_the_relying_party_and_the_user(world: World) -> None:
    _, _, token = await pool_with_passkeys(world, user_verification="required")

    options = (await world.start_web_authn_registration(access_token=token))["credential_creation_options"]

    assert options["rp"] == {"id": DOMAIN, "name": DOMAIN}
    assert options["user"]["displayName"] == "anna"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["excludeCredentials"] == []


async def test_user_lists_and_deletes_passkeys(world: World) -> None:
    _, client_id, token = await pool_with_passkeys(world)
    authenticator = Authenticator(PAGE)
    await register(world, token, authenticator)

    listed = (await world.list_web_authn_credentials(access_token=token))["credentials"]
    factors = await world.get_user_auth_factors(access_token=token)
    assert [each["relying_party_id"] for each in listed] == [DOMAIN]
    assert listed[0]["authenticator_transports"] == ("internal",)
    assert factors["configured_user_auth_factors"] == ["PASSWORD", "WEB_AUTHN"]
    challenge = await ask(world, client_id)

    await world.delete_web_authn_credential(access_token=token, credential_id=listed[0]["credential_id"])

    assert (await world.list_web_authn_credentials(access_token=token))["credentials"] == []
    async with refused("ResourceNotFoundException"):
        await world.delete_web_authn_credential(access_token=token, credential_id=listed[0]["credential_id"])
    async with refused("NotAuthorizedException", WRONG):
        await answer(world, client_id, challenge, authenticator)
    assert (await ask(world, client_id))["challenge_name"] == "SELECT_CHALLENGE"


# Registration refused


async def test_registration_is_worth_one_answer(world: World) -> None:
    _, _, token = await pool_with_passkeys(world)
    options = (await world.start_web_authn_registration(access_token=token))["credential_creation_options"]
    credential = Authenticator(PAGE).register(options)
    await world.complete_web_authn_registration(access_token=token, credential=credential)

    async with refused("WebAuthnChallengeNotFoundException"):
        await world.complete_web_authn_registration(access_token=token, credential=credential)


async def test_registration_ends_after_five_minutes(world: World) -> None:
    _, _, token = await pool_with_passkeys(world)
    options = (await world.start_web_authn_registration(access_token=token))["credential_creation_options"]
    world.later(minutes=5)

    async with refused("WebAuthnChallengeNotFoundException"):
        await world.complete_web_authn_registration(
            access_token=token, credential=Authenticator(PAGE).register(options)
        )


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.com",
        "https://example.com.evil.com",
        "https://notexample.com",
        "http://app.example.com",
        "https://app.example.com/path",
        "https://user@app.example.com",
        "null",
        "",
    ],
)
async def test_passkey_of_another_page_is_refused(world: World, origin: str) -> None:
    _, client_id, token = await pool_with_passkeys(world)
    options = (await world.start_web_authn_registration(access_token=token))["credential_creation_options"]
    async with refused("WebAuthnOriginNotAllowedException"):
        await world.complete_web_authn_registration(
            access_token=token, credential=Authenticator(origin).register(options)
        )
    authenticator = Authenticator(PAGE)
    await register(world, token, authenticator)

    authenticator.origin = origin
    async with refused("NotAuthorizedException", WRONG):
        await answer(world, client_id, await ask(world, client_id), authenticator)


async def test_passkey_that_a_page_in_another_sites_frame_asked_for_is_refused(world: World) -> None:
    """Nobody sees there what they sign in to (Level 3 sections 7.1 and 7.2, crossOrigin)."""
    _, client_id, token = await pool_with_passkeys(world)
    async with refused("WebAuthnOriginNotAllowedException"):
        await register(world, token, Authenticator(PAGE, framed=True))
    authenticator = Authenticator(PAGE)
    await register(world, token, authenticator)

    authenticator.framed = True
    async with refused("NotAuthorizedException", WRONG):
        await answer(world, client_id, await ask(world, client_id), authenticator)


async def test_credential_ids_have_1023_bytes_at_most(world: World) -> None:
    _, client_id, token = await pool_with_passkeys(world)
    async with refused("WebAuthnCredentialNotSupportedException"):
        await register(world, token, Authenticator(PAGE, id_bytes=1024))
    longest = Authenticator(PAGE, id_bytes=1023)

    await register(world, token, longest)

    assert "authentication_result" in await answer(world, client_id, await ask(world, client_id), longest)


async def test_localhost_is_a_relying_party_of_its_own(world: World) -> None:
    _, client_id, token = await pool_with_passkeys(world, relying_party_id="localhost")
    authenticator = Authenticator("http://localhost:4800")
    await register(world, token, authenticator)

    assert "authentication_result" in await answer(world, client_id, await ask(world, client_id), authenticator)
    async with refused("NotAuthorizedException", WRONG):
        authenticator.origin = "http://app.localhost:4800"
        await answer(world, client_id, await ask(world, client_id), authenticator)


async def test_credential_for_another_challenge_or_domain_is_refused(world: World) -> None:
    _, _, token = await pool_with_passkeys(world)
    options = (await world.start_web_authn_registration(access_token=token))["credential_creation_options"]
    other = (await world.start_web_authn_registration(access_token=token))["credential_creation_options"]
    assert options["challenge"] != other["challenge"]

    async with refused("WebAuthnCredentialNotSupportedException"):
        await world.complete_web_authn_registration(
            access_token=token, credential=Authenticator(PAGE).register(options)
        )
    async with refused("WebAuthnCredentialNotSupportedException"):
        await register(world, token, Authenticator(PAGE, rp_id="evil.com"))


@pytest.mark.parametrize("credential", [{}, {"id": "x"}, {"response": {"clientDataJSON": "!"}}, "not json", []])
async def test_credential_that_is_none_is_refused(world: World, credential: Any) -> None:
    _, _, token = await pool_with_passkeys(world)
    await world.start_web_authn_registration(access_token=token)

    with pytest.raises(ServiceError) as refusal:
        await world.complete_web_authn_registration(access_token=token, credential=credential)

    assert refusal.value.code in {"InvalidParameterException", "WebAuthnOriginNotAllowedException"}


async def test_user_verification_is_demanded_where_the_pool_says_so(world: World) -> None:
    _, client_id, token = await pool_with_passkeys(world, user_verification="required")
    async with refused("WebAuthnCredentialNotSupportedException"):
        await register(world, token, Authenticator(PAGE, verifies_users=False))
    authenticator = Authenticator(PAGE)
    await register(world, token, authenticator)

    authenticator.verifies_users = False
    async with refused("NotAuthorizedException", WRONG):
        await answer(world, client_id, await ask(world, client_id), authenticator)


async def test_passkey_begun_through_one_client_is_not_completed_through_another(world: World) -> None:
    pool_id, _, token = await pool_with_passkeys(world)
    other = await world.client(pool_id, explicit_auth_flows=FLOWS)
    other_token = (await world.sign_in(other))["access_token"]
    options = (await world.start_web_authn_registration(access_token=token))["credential_creation_options"]

    async with refused("WebAuthnClientMismatchException"):
        await world.complete_web_authn_registration(
            access_token=other_token, credential=Authenticator(PAGE).register(options)
        )


async def test_pool_without_passkeys_or_without_a_domain_says_so(world: World) -> None:
    _, client_id = await world.some_user()
    token = (await world.sign_in(client_id))["access_token"]
    async with refused("WebAuthnNotEnabledException"):
        await world.start_web_authn_registration(access_token=token)

    _, _, token = await pool_with_passkeys(world, relying_party_id=None)
    async with refused("WebAuthnConfigurationMissingException"):
        await world.start_web_authn_registration(access_token=token)


async def test_hosted_domain_is_the_relying_party_where_none_is_named(world: World) -> None:
    pool_id, _, token = await pool_with_passkeys(world, relying_party_id=None)
    await world.create_user_pool_domain(user_pool_id=pool_id, domain="people")

    options = (await world.start_web_authn_registration(access_token=token))["credential_creation_options"]

    assert options["rp"]["id"] == "people.auth.us-west-2.amazoncognito.com"


# Sign-in refused


async def test_forged_signature_is_refused(world: World) -> None:
    _, client_id, token = await pool_with_passkeys(world)
    authenticator = Authenticator(PAGE)
    await register(world, token, authenticator)
    forger = replace(Authenticator(PAGE), credential_id=authenticator.credential_id)

    async with refused("NotAuthorizedException", WRONG):
        await answer(world, client_id, await ask(world, client_id), forger)


async def test_answer_is_looked_at_once_and_not_replayed(world: World) -> None:
    _, client_id, token = await pool_with_passkeys(world)
    authenticator = Authenticator(PAGE)
    await register(world, token, authenticator)
    challenge = await ask(world, client_id)
    signed = json.dumps(authenticator.sign(options_of(challenge)))
    await world.respond(client_id, challenge, {"CREDENTIAL": signed})

    async with refused("NotAuthorizedException", "Invalid session for the user, session can only be used once."):
        await world.respond(client_id, challenge, {"CREDENTIAL": signed})
    async with refused("NotAuthorizedException", WRONG):
        await world.respond(client_id, await ask(world, client_id), {"CREDENTIAL": signed})


async def test_counter_that_does_not_grow_is_a_copy(world: World) -> None:
    _, client_id, token = await pool_with_passkeys(world)
    authenticator = Authenticator(PAGE)
    await register(world, token, authenticator)
    copy = replace(authenticator)
    await answer(world, client_id, await ask(world, client_id), authenticator)

    async with refused("NotAuthorizedException", WRONG):
        await answer(world, client_id, await ask(world, client_id), copy)


async def test_authenticator_that_never_counts_is_fine(world: World) -> None:
    _, client_id, token = await pool_with_passkeys(world)
    authenticator = Authenticator(PAGE, counts=False)
    await register(world, token, authenticator)

    for _ in range(2):
        await answer(world, client_id, await ask(world, client_id), authenticator)


async def test_user_handle_is_the_one_that_the_passkey_was_made_with(world: World) -> None:
    """Where the authenticator gives one, it names the user who signs in (Level 2 section 7.2 step 6)."""
    _, client_id, token = await pool_with_passkeys(world)
    options = (await world.start_web_authn_registration(access_token=token))["credential_creation_options"]
    authenticator = Authenticator(PAGE, user_handle=options["user"]["id"])
    credential = authenticator.register(options)
    await world.complete_web_authn_registration(access_token=token, credential=credential)

    assert "authentication_result" in await answer(world, client_id, await ask(world, client_id), authenticator)
    for another in (encode(b"another user"), "", "!"):
        authenticator.user_handle = another
        async with refused("NotAuthorizedException", WRONG):
            await answer(world, client_id, await ask(world, client_id), authenticator)


async def test_passkey_of_one_user_does_not_sign_another_in(world: World) -> None:
    pool_id, client_id, token = await pool_with_passkeys(world)
    await world.user(pool_id, "berta")
    berta = (await world.sign_in(client_id, username="berta"))["access_token"]
    annas, bertas = Authenticator(PAGE), Authenticator(PAGE)
    await register(world, token, annas)
    await register(world, berta, bertas)

    async with refused("NotAuthorizedException", WRONG):
        await answer(world, client_id, await ask(world, client_id), bertas)

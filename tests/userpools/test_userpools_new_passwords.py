"""The first password of one's own: what may be said along with it, and what is told before."""

import json
from typing import Any

import pytest

from support.userpools import World, attribute_list, refused
from velvetrope.store.tables.userpools import SchemaAttribute
from velvetrope.userpools.passwords.vault import PasswordVault
from velvetrope.userpools.shapes import UserAttributeUpdateSettings

NEXT = "An0ther!pw"
TEMPORARY = "Temporary-1"


async def asked(world: World, *, client: dict[str, Any] | None = None, **pool: Any) -> tuple[str, str, Any]:
    """A pool, a client, and NEW_PASSWORD_REQUIRED for anna, who has a mail address and a nickname."""
    pool_id = await world.pool(**pool)
    client_id = await world.client(pool_id, **(client or {}))
    await world.admin_create_user(
        user_pool_id=pool_id,
        username="anna",
        temporary_password=TEMPORARY,
        message_action="SUPPRESS",
        user_attributes=attribute_list(email="anna@example.com", email_verified="true", nickname="ann"),
    )
    return pool_id, client_id, await world.sign_in(client_id, password=TEMPORARY)


async def attributes(world: World, pool_id: str) -> dict[str, str]:
    shown = await world.admin_get_user(user_pool_id=pool_id, username="anna")
    return {one["name"]: one["value"] for one in shown["user_attributes"]}


async def test_required_attribute_that_is_there_is_not_changed_along_with_it(world: World) -> None:
    """Nor told again: this is AWS's sentence for the same value too."""
    required = (SchemaAttribute(name="email", required=True), SchemaAttribute(name="nickname", required=True))
    pool_id, client_id, challenge = await asked(world, schema=required)

    for name, value in (("email", "eve@example.com"), ("email", "anna@example.com"), ("nickname", "eve")):
        async with refused("NotAuthorizedException", f"Cannot modify an already provided {name}"):
            await world.respond(client_id, challenge, {"NEW_PASSWORD": NEXT, f"userAttributes.{name}": value})

    await world.respond(client_id, challenge, {"NEW_PASSWORD": NEXT})
    after = await attributes(world, pool_id)
    assert (after["email"], after["email_verified"]) == ("anna@example.com", "true")


async def test_required_attribute_that_is_missing_is_said_and_taken(world: World) -> None:
    required = (SchemaAttribute(name="email", required=True), SchemaAttribute(name="family_name", required=True))
    pool_id, client_id, challenge = await asked(world, schema=required)
    assert json.loads(challenge["challenge_parameters"]["requiredAttributes"]) == ["userAttributes.family_name"]

    async with refused("InvalidParameterException"):
        await world.respond(client_id, challenge, {"NEW_PASSWORD": NEXT})
    await world.respond(client_id, challenge, {"NEW_PASSWORD": NEXT, "userAttributes.family_name": "Alm"})

    assert (await attributes(world, pool_id))["family_name"] == "Alm"


async def test_address_is_not_changed_past_its_verification(world: World) -> None:
    """A pool that keeps an old address until the new one is proven keeps it here too, required or not."""
    pool_id, client_id, challenge = await asked(
        world,
        auto_verified_attributes=("email",),
        user_attribute_update_settings=UserAttributeUpdateSettings(
            attributes_require_verification_before_update=("email",)
        ),
    )

    async with refused("NotAuthorizedException", "Cannot modify an already provided email"):
        await world.respond(client_id, challenge, {"NEW_PASSWORD": NEXT, "userAttributes.email": "eve@example.com"})

    assert (await attributes(world, pool_id))["email"] == "anna@example.com"


async def test_other_attributes_are_changed_along_with_it(world: World) -> None:
    pool_id, client_id, challenge = await asked(world)

    await world.respond(
        client_id, challenge, {"NEW_PASSWORD": NEXT, "userAttributes.nickname": "anni", "userAttributes.name": "Anna"}
    )

    after = await attributes(world, pool_id)
    assert (after["nickname"], after["name"]) == ("anni", "Anna")


async def test_client_is_told_what_it_may_read(world: World) -> None:
    _, _, everything = await asked(world)
    assert json.loads(everything["challenge_parameters"]["userAttributes"]) == {
        "email": "anna@example.com",
        "email_verified": "true",
        "nickname": "ann",
    }


async def test_client_is_not_told_what_it_may_not_read(world: World) -> None:
    _, _, challenge = await asked(world, client={"read_attributes": ("nickname",)})

    assert json.loads(challenge["challenge_parameters"]["userAttributes"]) == {"nickname": "ann"}


async def test_what_an_administrator_changes_meanwhile_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password takes some time to be hashed; what is kept with it is what was sent along, and no older attribute."""
    pool_id, client_id, challenge = await asked(world)
    seal = PasswordVault.seal

    async def sealed_slowly(*given: Any, **named: Any) -> bytes:
        changed = attribute_list(nickname="anni", email="anna@example.org", email_verified="true")
        await world.admin_update_user_attributes(user_pool_id=pool_id, username="anna", user_attributes=changed)
        return await seal(*given, **named)

    with monkeypatch.context() as slowly:
        slowly.setattr(PasswordVault, "seal", sealed_slowly)
        await world.respond(client_id, challenge, {"NEW_PASSWORD": NEXT, "userAttributes.family_name": "Alm"})

    after = await attributes(world, pool_id)
    assert (after["nickname"], after["family_name"]) == ("anni", "Alm")
    assert (after["email"], after["email_verified"]) == ("anna@example.org", "true")


async def test_address_that_came_meanwhile_is_not_changed_either(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pool_id, client_id, challenge = await asked(world)
    seal = PasswordVault.seal

    async def sealed_slowly(*given: Any, **named: Any) -> bytes:
        given_now = attribute_list(phone_number="+15551234567", phone_number_verified="true")
        await world.admin_update_user_attributes(user_pool_id=pool_id, username="anna", user_attributes=given_now)
        return await seal(*given, **named)

    with monkeypatch.context() as slowly:
        slowly.setattr(PasswordVault, "seal", sealed_slowly)
        async with refused("NotAuthorizedException", "Cannot modify an already provided phone_number"):
            await world.respond(
                client_id, challenge, {"NEW_PASSWORD": NEXT, "userAttributes.phone_number": "+15557654321"}
            )

    assert (await attributes(world, pool_id))["phone_number"] == "+15551234567"
    assert (await world.sign_in(client_id, password=TEMPORARY))["challenge_name"] == "NEW_PASSWORD_REQUIRED"

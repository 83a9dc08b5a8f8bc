"""A code says something about the address that it went to, and about no other one."""

import msgspec
from sqlalchemy import select, update

from support.userpools import PASSWORD, World, attribute_list, refused
from velvetrope.store.tables.userpools_codes import codes
from velvetrope.userpools.shapes import UserAttributeUpdateSettings

EXPIRED = "Invalid code provided, please request a code again."
NEXT = "An0ther!pw"


async def test_code_verifies_no_address_but_the_one_it_went_to(world: World) -> None:
    """In a pool that sends no code to a changed address, the code of before is still there."""
    pool_id = await world.pool(alias_attributes=("email",))
    client_id = await world.client(pool_id)
    await world.user(pool_id, email="anna@example.com")
    token = (await world.sign_in(client_id))["access_token"]
    await world.get_user_attribute_verification_code(access_token=token, attribute_name="email")
    code = await world.last_code(pool_id)

    await world.update_user_attributes(access_token=token, user_attributes=attribute_list(email="victim@example.com"))

    async with refused("ExpiredCodeException", EXPIRED):
        await world.verify_user_attribute(access_token=token, attribute_name="email", code=code)
    assert (await attributes(world, pool_id))["email_verified"] == "false"
    async with refused("UserNotFoundException"):
        await world.admin_get_user(user_pool_id=pool_id, username="victim@example.com")


async def test_code_verifies_its_address_if_it_is_the_users_again(world: World) -> None:
    pool_id = await world.pool()
    client_id = await world.client(pool_id)
    await world.user(pool_id, email="anna@example.com")
    token = (await world.sign_in(client_id))["access_token"]
    await world.get_user_attribute_verification_code(access_token=token, attribute_name="email")
    code = await world.last_code(pool_id)
    for address in ("other@example.com", "anna@example.com"):
        await world.update_user_attributes(access_token=token, user_attributes=attribute_list(email=address))

    await world.verify_user_attribute(access_token=token, attribute_name="email", code=code)

    assert (await attributes(world, pool_id))["email_verified"] == "true"


async def test_code_of_a_sign_up_verifies_no_address_that_came_since(world: World) -> None:
    pool_id = await world.pool(auto_verified_attributes=("email",))
    client_id = await world.client(pool_id)
    await world.sign_up(
        client_id=client_id,
        username="anna",
        password=PASSWORD,
        user_attributes=attribute_list(email="anna@example.com"),
    )
    code = await world.last_code(pool_id)

    await world.admin_update_user_attributes(
        user_pool_id=pool_id, username="anna", user_attributes=attribute_list(email="right@example.com")
    )

    async with refused("ExpiredCodeException", EXPIRED):
        await world.confirm_sign_up(client_id=client_id, username="anna", confirmation_code=code)
    world.later(seconds=1)
    await world.resend_confirmation_code(client_id=client_id, username="anna")
    await world.confirm_sign_up(client_id=client_id, username="anna", confirmation_code=await world.last_code(pool_id))
    assert (await attributes(world, pool_id))["email_verified"] == "true"


async def test_recovery_code_is_worth_nothing_once_the_address_is_another_one(world: World) -> None:
    pool_id, client_id = await world.some_user()
    await world.forgot_password(client_id=client_id, username="anna")
    code = await world.last_code(pool_id)

    await world.admin_update_user_attributes(
        user_pool_id=pool_id,
        username="anna",
        user_attributes=attribute_list(email="new@example.com", email_verified="true"),
    )

    async with refused("ExpiredCodeException", EXPIRED):
        await world.confirm_forgot_password(client_id=client_id, username="anna", confirmation_code=code, password=NEXT)
    await world.sign_in(client_id)


async def test_recovery_code_does_not_take_the_place_of_a_temporary_password(world: World) -> None:
    pool_id, client_id = await world.some_user()
    await world.forgot_password(client_id=client_id, username="anna")
    code = await world.last_code(pool_id)

    await world.admin_set_user_password(user_pool_id=pool_id, username="anna", password="Temporary-1", permanent=False)

    async with refused("NotAuthorizedException", "User password cannot be reset in the current state."):
        await world.confirm_forgot_password(client_id=client_id, username="anna", confirmation_code=code, password=NEXT)
    assert (await world.sign_in(client_id, password="Temporary-1"))["challenge_name"] == "NEW_PASSWORD_REQUIRED"


async def test_change_that_waited_before_codes_kept_their_address_is_made_as_it_was_asked(world: World) -> None:
    settings = UserAttributeUpdateSettings(attributes_require_verification_before_update=("email",))
    pool_id = await world.pool(auto_verified_attributes=("email",), user_attribute_update_settings=settings)
    client_id = await world.client(pool_id)
    await world.user(pool_id, email="anna@example.com")
    token = (await world.sign_in(client_id))["access_token"]
    await world.update_user_attributes(access_token=token, user_attributes=attribute_list(email="new@example.com"))
    await forget_where_codes_went(world)

    await world.verify_user_attribute(access_token=token, attribute_name="email", code=await world.last_code(pool_id))

    shown = await attributes(world, pool_id)
    assert (shown["email"], shown["email_verified"]) == ("new@example.com", "true")


async def test_code_of_before_codes_kept_their_address_verifies_none(world: World) -> None:
    pool_id = await world.pool()
    client_id = await world.client(pool_id)
    await world.user(pool_id, email="anna@example.com")
    token = (await world.sign_in(client_id))["access_token"]
    await world.get_user_attribute_verification_code(access_token=token, attribute_name="email")
    await forget_where_codes_went(world)

    async with refused("ExpiredCodeException", EXPIRED):
        await world.verify_user_attribute(
            access_token=token, attribute_name="email", code=await world.last_code(pool_id)
        )


async def forget_where_codes_went(world: World) -> None:
    """The only code, as databases of before keep it."""
    async with world.database.transaction() as tx:
        record = (await tx.connection.execute(select(codes.c.record))).scalar_one()
        await tx.connection.execute(update(codes).values(record=msgspec.structs.replace(record, sent_to="")))


async def attributes(world: World, pool_id: str) -> dict[str, str]:
    shown = await world.admin_get_user(user_pool_id=pool_id, username="anna")
    return {one["name"]: one["value"] for one in shown["user_attributes"]}

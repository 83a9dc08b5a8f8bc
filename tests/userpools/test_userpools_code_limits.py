"""Codes to an address that nobody has proven are counted by the address, whatever name they are asked for under."""

import asyncio

from support.userpools import PASSWORD, World, attribute_list, refused
from velvetrope.errors import ServiceError
from velvetrope.store.tables.userpools import SmsConfiguration

TOO_OFTEN = ("LimitExceededException", "Attempt limit exceeded, please try after some time.")
INBOX = "victim@example.com"
PHONE = "+15555550100"
SMS = SmsConfiguration(sns_caller_arn="arn:aws:iam::123456789012:role/sms")


class Stranger:
    """Signs up under one name after the other."""

    def __init__(self, world: World, client_id: str) -> None:
        self._world = world
        self._client_id = client_id
        self._names = 0

    async def sign_up(self, address: str = INBOX) -> str:
        self._names += 1
        name = f"stranger{self._names}"
        await self._world.sign_up(
            client_id=self._client_id, username=name, password=PASSWORD, user_attributes=attribute_list(email=address)
        )
        return name


async def filled(world: World) -> tuple[str, str, Stranger]:
    """An inbox that has as many codes as it gets in an hour."""
    pool_id = await world.pool(auto_verified_attributes=("email",))
    client_id = await world.client(pool_id)
    stranger = Stranger(world, client_id)
    for _ in range(20):
        await stranger.sign_up()
    return pool_id, client_id, stranger


async def test_one_inbox_gets_twenty_codes_under_any_number_of_names(world: World) -> None:
    pool_id, _, stranger = await filled(world)

    async with refused(*TOO_OFTEN):
        await stranger.sign_up()
    async with refused(*TOO_OFTEN):
        await stranger.sign_up(INBOX.upper())

    assert len(await world.pools.outbox.messages(pool_id)) == 20
    async with refused("UserNotFoundException"):
        await world.admin_get_user(user_pool_id=pool_id, username="stranger21")


async def test_another_inbox_and_another_hour_have_their_own(world: World) -> None:
    _, _, stranger = await filled(world)

    await stranger.sign_up("another@example.com")
    async with refused(*TOO_OFTEN):
        await stranger.sign_up()
    world.later(minutes=59, seconds=59)
    async with refused(*TOO_OFTEN):
        await stranger.sign_up()
    world.later(seconds=1)
    await stranger.sign_up()


async def test_codes_that_are_sent_again_or_for_a_changed_address_are_counted_too(world: World) -> None:
    pool_id, client_id, _ = await filled(world)
    await world.user(pool_id)
    token = (await world.sign_in(client_id))["access_token"]

    async with refused(*TOO_OFTEN):
        await world.resend_confirmation_code(client_id=client_id, username="stranger1")
    async with refused(*TOO_OFTEN):
        await world.update_user_attributes(access_token=token, user_attributes=attribute_list(email=INBOX))

    await world.admin_update_user_attributes(
        user_pool_id=pool_id, username="anna", user_attributes=attribute_list(email=INBOX)
    )
    assert len(await world.pools.outbox.messages(pool_id)) == 21  # what administrators send is not counted


async def test_whoever_reads_the_inbox_starts_from_none_again(world: World) -> None:
    pool_id = await world.pool(auto_verified_attributes=("email",))
    client_id = await world.client(pool_id)
    stranger = Stranger(world, client_id)
    for _ in range(19):
        await stranger.sign_up()
    world.later(seconds=1)
    name = await stranger.sign_up()
    code = await world.last_code(pool_id)

    await world.confirm_sign_up(client_id=client_id, username=name, confirmation_code=code)

    await stranger.sign_up()


async def test_a_full_inbox_keeps_nobody_from_a_proven_address(world: World) -> None:
    pool_id, client_id, _ = await filled(world)
    await world.user(pool_id, email=INBOX, email_verified="true")

    await world.forgot_password(client_id=client_id, username="anna")

    assert len(await world.pools.outbox.messages(pool_id)) == 21


async def test_of_codes_at_the_same_moment_no_more_get_through(world: World) -> None:
    pool_id = await world.pool(auto_verified_attributes=("email",))
    stranger = Stranger(world, await world.client(pool_id))

    outcomes = await asyncio.gather(*(stranger.sign_up() for _ in range(30)), return_exceptions=True)

    assert sum(isinstance(outcome, ServiceError) for outcome in outcomes) == 10
    assert len(await world.pools.outbox.messages(pool_id)) == 20


async def pool_that_demands_sms(world: World) -> tuple[str, str]:
    pool_id = await world.pool(mfa_configuration="ON", sms_configuration=SMS)
    return pool_id, await world.client(pool_id)


async def test_a_phone_that_nobody_has_proven_gets_twenty_codes_of_sign_ins(world: World) -> None:
    pool_id, client_id = await pool_that_demands_sms(world)
    for number in range(6):
        await world.user(pool_id, f"user{number}", phone_number=PHONE)
    for number in range(19):
        await world.sign_in(client_id, f"user{number // 4}")
    world.later(seconds=1)
    last = await world.sign_in(client_id, "user4")

    async with refused(*TOO_OFTEN):
        await world.sign_in(client_id, "user5")

    assert len(await world.pools.outbox.messages(pool_id)) == 20
    code = {"USERNAME": "user4", "SMS_MFA_CODE": await world.last_code(pool_id)}
    assert (await world.respond(client_id, last, code))["authentication_result"]


async def test_whoever_reads_the_phone_has_further_codes_sent(world: World) -> None:
    pool_id, client_id = await pool_that_demands_sms(world)
    await world.user(pool_id, phone_number=PHONE)

    for _ in range(21):
        world.later(seconds=1)
        asked = await world.sign_in(client_id)
        code = {"SMS_MFA_CODE": await world.last_code(pool_id)}
        assert (await world.respond(client_id, asked, code))["authentication_result"]

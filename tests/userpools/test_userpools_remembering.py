"""Pools and clients are remembered between calls, and what is changed about them counts at once."""

from support.userpools import World, refused
from velvetrope.store.tables.userpools import LambdaConfig
from velvetrope.userpools.shapes import UserPoolPolicies


async def test_change_of_a_client_counts_for_the_next_call(world: World) -> None:
    pool_id, client_id = await world.some_user()
    await world.sign_in(client_id)

    await world.update_user_pool_client(
        user_pool_id=pool_id, client_id=client_id, explicit_auth_flows=("ALLOW_REFRESH_TOKEN_AUTH",)
    )

    async with refused("InvalidParameterException", "USER_PASSWORD_AUTH flow not enabled for this client"):
        await world.sign_in(client_id)


async def test_change_of_a_pool_counts_for_the_next_call(world: World) -> None:
    pool_id, client_id = await world.some_user()
    await world.sign_in(client_id)

    before = world.functions.answers("before")
    await world.update_user_pool(
        user_pool_id=pool_id, policies=UserPoolPolicies(), lambda_config=LambdaConfig(pre_authentication=before)
    )

    await world.sign_in(client_id)
    assert world.functions.sources() == ["PreAuthentication_Authentication"]


async def test_client_and_pool_that_are_deleted_are_gone_at_once(world: World) -> None:
    pool_id, client_id = await world.some_user()
    other_id = await world.client(pool_id)
    await world.sign_in(client_id)
    await world.sign_in(other_id)

    await world.delete_user_pool_client(user_pool_id=pool_id, client_id=client_id)
    async with refused("ResourceNotFoundException", f"User pool client {client_id} does not exist."):
        await world.sign_in(client_id)

    await world.delete_user_pool(user_pool_id=pool_id)
    async with refused("ResourceNotFoundException"):
        await world.sign_in(other_id)


async def test_domain_that_changes_hands_leads_to_its_new_pool_at_once(world: World) -> None:
    first, second = await world.pool(), await world.pool()
    await world.create_user_pool_domain(domain="people", user_pool_id=first)
    before = await world.pools.sign_in.find_pool_by_domain("people")
    only_before = await world.pools.sign_in.find_only_domain()

    await world.delete_user_pool_domain(domain="people", user_pool_id=first)
    nobodys = await world.pools.sign_in.find_pool_by_domain("people")
    await world.create_user_pool_domain(domain="people", user_pool_id=second)
    after = await world.pools.sign_in.find_pool_by_domain("people")
    only_after = await world.pools.sign_in.find_only_domain()
    await world.create_user_pool_domain(domain="others", user_pool_id=first)

    assert before is not None
    assert only_before is not None
    assert after is not None
    assert only_after is not None
    assert (before.id, only_before.id, nobodys) == (first, first, None)
    assert (after.id, only_after.id) == (second, second)
    assert await world.pools.sign_in.find_only_domain() is None

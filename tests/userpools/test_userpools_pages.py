"""Sign-in for pages of our own: the rules of apps, step by step, and nothing skipped where a page cannot ask."""

from typing import Any

from support.userpools import PASSWORD, World, refused
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import AppClient, LambdaConfig, SoftwareTokenMfaConfig, User, UserPool
from velvetrope.userpools.turns import NextChallenge


async def parts(world: World, pool_id: str, client_id: str) -> tuple[UserPool, AppClient]:
    pool, client = await world.store.load_pool(pool_id), await world.store.load_client(client_id)
    assert pool is not None
    assert client is not None
    return pool, client


async def user_with_app(world: World, **client: Any) -> tuple[str, str, str]:
    """Pool, client, and the secret of anna's authenticator app."""
    pool_id, client_id = await world.some_user()
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id,
        mfa_configuration="OPTIONAL",
        software_token_mfa_configuration=SoftwareTokenMfaConfig(enabled=True),
    )
    secret = await world.set_totp_up((await world.sign_in(client_id))["access_token"])
    if client:
        client_id = await world.client(pool_id, **client)
    return pool_id, client_id, secret


async def begin(world: World, pool_id: str, client_id: str, password: str = PASSWORD) -> User | NextChallenge:
    pool, client = await parts(world, pool_id, client_id)
    return await world.pools.sign_in.begin_sign_in(
        pool, client, username="anna", password=Secret(password), now=world.now
    )


async def go_on(world: World, pool_id: str, client_id: str, asked: NextChallenge, code: str) -> User | NextChallenge:
    pool, client = await parts(world, pool_id, client_id)
    assert asked.session is not None
    return await world.pools.sign_in.continue_sign_in(
        pool,
        client,
        challenge_name=asked.name,
        session=asked.session,
        responses={"USERNAME": "anna", "SOFTWARE_TOKEN_MFA_CODE": code},
        now=world.now,
    )


async def test_password_is_enough_where_nothing_else_is_owed(world: World) -> None:
    pool_id, client_id = await world.some_user()

    reached = await begin(world, pool_id, client_id)

    assert isinstance(reached, User)
    async with refused("NotAuthorizedException", "Incorrect username or password."):
        await begin(world, pool_id, client_id, "wrong")


async def test_second_factor_is_asked_for_and_checked(world: World) -> None:
    """The page stands where the client's secret is, so that a client with one is no obstacle."""
    pool_id, client_id, secret = await user_with_app(world, generate_secret=True)

    asked = await begin(world, pool_id, client_id)

    assert isinstance(asked, NextChallenge)
    assert asked.name == "SOFTWARE_TOKEN_MFA"
    async with refused("CodeMismatchException"):
        await go_on(world, pool_id, client_id, asked, world.totp(secret, steps=9))
    assert isinstance(await go_on(world, pool_id, client_id, asked, world.totp(secret)), User)
    async with refused("NotAuthorizedException", "Invalid session for the user, session can only be used once."):
        await go_on(world, pool_id, client_id, asked, world.totp(secret, steps=1))


async def test_triggers_are_asked_for_pages_too(world: World) -> None:
    functions = world.functions
    pool_id = await world.pool(
        lambda_config=LambdaConfig(
            pre_authentication=functions.answers("before"),
            post_authentication=functions.answers("after"),
            pre_token_generation=functions.answers("tokens"),
        )
    )
    client_id = await world.client(pool_id)
    await world.user(pool_id)
    pool, client = await parts(world, pool_id, client_id)

    user = await begin(world, pool_id, client_id)
    assert isinstance(user, User)
    await world.pools.sign_in.issue_tokens(
        pool, client, user, scopes=("openid",), authenticated_at=world.now, now=world.now
    )

    assert functions.sources() == [
        "PreAuthentication_Authentication",
        "PostAuthentication_Authentication",
        "TokenGeneration_HostedAuth",
    ]

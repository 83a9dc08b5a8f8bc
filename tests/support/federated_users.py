"""Pools with a provider, and people who come from it."""

from collections.abc import Mapping
from typing import Any

from support.userpools import World
from velvetrope.store.tables.userpools import User

GOOGLE = {"client_id": "c", "client_secret": "s", "authorize_scopes": "openid email"}
MAPPING = {"email": "email", "email_verified": "email_verified", "name": "display", "username": "sub"}
CAROL = {"sub": "1234", "email": "carol@example.com", "email_verified": "true", "display": "Carol"}


async def federated_pool(
    world: World, *, mapping: Mapping[str, str] = MAPPING, client: Mapping[str, Any] | None = None, **settings: Any
) -> tuple[str, str]:
    """A pool with Google, and a client."""
    pool_id = await world.pool(**settings)
    await world.create_identity_provider(
        user_pool_id=pool_id,
        provider_name="Google",
        provider_type="Google",
        provider_details=GOOGLE,
        attribute_mapping=dict(mapping),
    )
    return pool_id, await world.client(pool_id, **(client or {}))


async def come_from_google(world: World, pool_id: str, client_id: str, **said: str) -> User:
    """Sign in as whoever Google speaks of; without anything it is Carol."""
    everything = {**CAROL, **said}
    directory = world.pools.sign_in
    pool, client = await directory.find_pool(pool_id), await directory.find_client(pool_id, client_id)
    provider = await directory.find_identity_provider(pool_id, "Google")
    assert pool is not None
    assert client is not None
    assert provider is not None
    return await directory.sign_in_federated(
        pool,
        client,
        provider,
        subject=everything["sub"],
        attributes={name: value for name, value in everything.items() if value},
        now=world.now,
    )


async def tokens_of(world: World, pool_id: str, client_id: str, user: User, *scopes: str) -> Any:
    directory = world.pools.sign_in
    pool, client = await directory.find_pool(pool_id), await directory.find_client(pool_id, client_id)
    assert pool is not None
    assert client is not None
    return await directory.issue_tokens(
        pool,
        client,
        user,
        scopes=scopes or ("openid", "email", "aws.cognito.signin.user.admin"),
        authenticated_at=world.now,
        now=world.now,
    )

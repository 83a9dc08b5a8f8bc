"""Two secrets of one app client, so that a new one can be rolled out without a pause."""

from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from support.hosted_ui import Response
from support.relay import Relay, open_relay
from support.userpools import PASSWORD, World, refused, secret_hash


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    async with open_relay(tmp_path) as relay:
        yield relay


def named(relay: Relay) -> dict[str, str]:
    return {"user_pool_id": relay.pool_id, "client_id": relay.machine_id}


async def add(relay: Relay, **given: str) -> Mapping[str, Any]:
    answer = await relay.world.add_user_pool_client_secret(**named(relay), **given)
    descriptor: Mapping[str, Any] = answer["client_secret_descriptor"]
    return descriptor


async def token_by(relay: Relay, secret: str) -> Response:
    basic = b64encode(f"{relay.machine_id}:{secret}".encode()).decode()
    form = {"grant_type": "client_credentials"}
    return await relay.browser.post("/oauth2/token", form, headers={"authorization": f"Basic {basic}"})


def everything_kept(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.glob("velvetrope.db*"))


async def test_both_secrets_are_good_until_one_is_deleted(relay: Relay) -> None:
    second = (await add(relay))["client_secret_value"]
    both = [await token_by(relay, relay.secret), await token_by(relay, second)]

    await relay.world.delete_user_pool_client_secret(**named(relay), client_secret_id=relay.machine_id)
    first_later, second_later = await token_by(relay, relay.secret), await token_by(relay, second)

    assert [answer.status for answer in both] == [200, 200]
    assert (first_later.status, first_later.json) == (400, {"error": "invalid_client"})
    assert second_later.status == 200


async def test_the_list_tells_ids_and_dates_and_never_a_secret(relay: Relay) -> None:
    relay.world.later(hours=1)
    added = await add(relay)

    listed = (await relay.world.list_user_pool_client_secrets(**named(relay)))["client_secrets"]

    assert [one["client_secret_id"] for one in listed] == [relay.machine_id, added["client_secret_id"]]
    assert listed[1]["client_secret_create_date"] == relay.world.now
    assert relay.secret not in str(listed)
    assert added["client_secret_value"] not in str(listed)


async def test_a_secret_of_ones_own_is_taken_and_not_said_back(relay: Relay) -> None:
    own = "a_secret_of_my_own_that_is_long_enough"

    added = await add(relay, client_secret=own)

    assert added.get("client_secret_value") is None
    assert (await token_by(relay, own)).status == 200


async def test_a_client_has_at_most_two_and_keeps_its_last(relay: Relay) -> None:
    added = await add(relay)

    async with refused("LimitExceededException"):
        await add(relay)
    await relay.world.delete_user_pool_client_secret(**named(relay), client_secret_id=added["client_secret_id"])
    async with refused("InvalidParameterException"):
        await relay.world.delete_user_pool_client_secret(**named(relay), client_secret_id=relay.machine_id)

    assert (await token_by(relay, relay.secret)).status == 200


async def test_a_public_client_is_given_none_and_other_names_are_nobodys(relay: Relay) -> None:
    public = {"user_pool_id": relay.pool_id, "client_id": relay.app_id}
    other_pool = await relay.world.pool()

    async with refused("InvalidParameterException"):
        await relay.world.add_user_pool_client_secret(**public)
    async with refused("ResourceNotFoundException"):
        await relay.world.add_user_pool_client_secret(user_pool_id=other_pool, client_id=relay.machine_id)
    async with refused("ResourceNotFoundException"):
        await relay.world.delete_user_pool_client_secret(**named(relay), client_secret_id="another")
    async with refused("ResourceNotFoundException"):
        await relay.world.list_user_pool_client_secrets(user_pool_id=other_pool, client_id=relay.machine_id)
    assert (await relay.world.list_user_pool_client_secrets(**public))["client_secrets"] == []


async def test_secret_hash_may_be_made_with_either(world: World) -> None:
    pool_id, client_id = await world.some_user(generate_secret=True)
    described = await world.describe_user_pool_client(user_pool_id=pool_id, client_id=client_id)
    first = described["user_pool_client"]["client_secret"]
    added = await world.add_user_pool_client_secret(user_pool_id=pool_id, client_id=client_id)
    second = added["client_secret_descriptor"]["client_secret_value"]

    for secret in (first, second):
        tokens = await world.sign_in(client_id, SECRET_HASH=secret_hash("anna", client_id, secret))
        assert "access_token" in tokens
    await world.delete_user_pool_client_secret(user_pool_id=pool_id, client_id=client_id, client_secret_id=client_id)

    async with refused("NotAuthorizedException", f"Unable to verify secret hash for client {client_id}"):
        await world.sign_in(client_id, "anna", PASSWORD, SECRET_HASH=secret_hash("anna", client_id, first))


async def test_a_stolen_database_holds_no_secret(relay: Relay, tmp_path: Path) -> None:
    added = await add(relay)

    kept = everything_kept(tmp_path)

    assert added["client_secret_id"].encode() in kept
    assert added["client_secret_value"].encode() not in kept

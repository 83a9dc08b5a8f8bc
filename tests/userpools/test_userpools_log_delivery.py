"""Owners of pools read in a log group what was not delivered, and nobody's group is written to unasked."""

from typing import Any

import pytest

from support.userpools import ACCOUNT, REGION, World, refused
from velvetrope.userpools.messages.log_delivery import CloudWatchLogsConfigurationType, LogConfigurationType

GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:people"


def to_group(arn: str | None) -> LogConfigurationType:
    wanted = CloudWatchLogsConfigurationType(log_group_arn=arn)
    return LogConfigurationType(
        log_level="ERROR", event_source="userNotification", cloud_watch_logs_configuration=wanted
    )


async def deliver(world: World, pool_id: str, *configurations: LogConfigurationType) -> Any:
    return await world.set_log_delivery_configuration(user_pool_id=pool_id, log_configurations=configurations)


def described(pool_id: str, *arns: str) -> dict[str, Any]:
    listed = [
        {
            "log_level": "ERROR",
            "event_source": "userNotification",
            "cloud_watch_logs_configuration": {"log_group_arn": arn},
        }
        for arn in arns
    ]
    return {"log_delivery_configuration": {"user_pool_id": pool_id, "log_configurations": listed}}


async def test_a_pool_names_its_group_and_is_shown_it(world: World) -> None:
    pool_id = await world.pool()
    world.logs.groups.add("people")
    before = await world.get_log_delivery_configuration(user_pool_id=pool_id)

    answer = await deliver(world, pool_id, to_group(GROUP))

    assert before == described(pool_id)
    assert answer == described(pool_id, GROUP)
    assert await world.get_log_delivery_configuration(user_pool_id=pool_id) == answer


async def test_no_configuration_ends_the_delivery_and_an_update_of_the_pool_does_not(world: World) -> None:
    pool_id = await world.pool()
    world.logs.groups.add("people")
    await deliver(world, pool_id, to_group(GROUP))

    await world.update_user_pool(user_pool_id=pool_id)
    kept = await world.get_log_delivery_configuration(user_pool_id=pool_id)
    ended = await deliver(world, pool_id)

    assert kept == described(pool_id, GROUP)
    assert ended == await world.get_log_delivery_configuration(user_pool_id=pool_id) == described(pool_id)


@pytest.mark.parametrize(
    "arn",
    [
        None,
        "nothing",
        GROUP.replace("people", "strangers"),
        GROUP.replace(ACCOUNT, "999999999999"),
        GROUP.replace(REGION, "eu-west-1"),
        GROUP.replace(":logs:", ":sqs:"),
        GROUP.replace("log-group:", ""),
        GROUP + ":log-stream:one",
    ],
)
async def test_a_group_is_one_of_this_account_and_region_that_is_there(world: World, arn: str | None) -> None:
    pool_id = await world.pool()
    world.logs.groups.add("people")

    async with refused("InvalidParameterException"):
        await deliver(world, pool_id, to_group(arn))

    assert await world.get_log_delivery_configuration(user_pool_id=pool_id) == described(pool_id)


async def test_a_source_is_given_once_with_a_place_to_go_and_to_a_pool_that_is_there(world: World) -> None:
    pool_id = await world.pool()
    world.logs.groups.add("people")

    async with refused("InvalidParameterException"):
        await deliver(world, pool_id, to_group(GROUP), to_group(GROUP))
    async with refused("InvalidParameterException"):
        await deliver(world, pool_id, LogConfigurationType(log_level="ERROR", event_source="userNotification"))
    async with refused("ResourceNotFoundException"):
        await deliver(world, "us-west-2_AbCdEfGhI", to_group(GROUP))
    async with refused("ResourceNotFoundException"):
        await world.get_log_delivery_configuration(user_pool_id="us-west-2_AbCdEfGhI")

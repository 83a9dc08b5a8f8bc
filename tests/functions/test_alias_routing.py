"""Aliases that share their calls between two versions."""

import pytest

from support.functions import Lambda
from support.zips import make_zip
from velvetrope.functions.errors import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from velvetrope.functions.versions import RoutingConfig
from velvetrope.store.tables.functions import LATEST


def source(version: int) -> str:
    return f"def handler(event, context): return {version}"


async def two_versions(functions: Lambda) -> str:
    arn = await functions.create(source(1), publish=True)
    await functions.operate(
        "update_function_code", function_name="orders", zip_file=make_zip({"app.py": source(2)}), publish=True
    )
    return arn


def share(version: str, weight: float) -> RoutingConfig:
    return RoutingConfig(additional_version_weights={version: weight})


async def test_an_alias_gives_each_version_its_share_and_says_which_was_run(functions: Lambda) -> None:
    arn = await two_versions(functions)
    created = await functions.operate(
        "create_alias", function_name="orders", name="live", function_version="1", routing_config=share("2", 0.5)
    )

    results = [await functions.invoke(f"{arn}:live") for _ in range(60)]

    assert created["routing_config"] == {"additional_version_weights": {"2": 0.5}}
    assert {(result.executed_version, result.payload) for result in results} == {("1", b"1"), ("2", b"2")}
    # 60 fair throws give fewer than 10 of a kind once in ten million times; and this source of chance repeats itself.
    assert 10 < sum(result.executed_version == "2" for result in results) < 50


@pytest.mark.parametrize(("weight", "executed"), [(0.0, "1"), (1.0, "2")])
async def test_a_share_of_nothing_and_of_everything_leave_nothing_to_chance(
    functions: Lambda, weight: float, executed: str
) -> None:
    arn = await two_versions(functions)
    await functions.operate(
        "create_alias", function_name="orders", name="live", function_version="1", routing_config=share("2", weight)
    )

    results = [await functions.invoke(f"{arn}:live") for _ in range(10)]

    assert {result.executed_version for result in results} == {executed}


async def test_an_empty_share_takes_it_away_again(functions: Lambda) -> None:
    await two_versions(functions)
    await functions.operate(
        "create_alias", function_name="orders", name="live", function_version="1", routing_config=share("2", 0.5)
    )

    kept = await functions.operate("update_alias", function_name="orders", name="live", description="x")
    emptied = await functions.operate(
        "update_alias", function_name="orders", name="live", routing_config=RoutingConfig()
    )

    assert kept["routing_config"] is not None
    assert emptied["routing_config"] is None


async def test_a_version_that_an_alias_shares_with_cannot_be_deleted(functions: Lambda) -> None:
    await two_versions(functions)
    await functions.operate(
        "create_alias", function_name="orders", name="live", function_version="1", routing_config=share("2", 0.1)
    )

    with pytest.raises(ResourceConflictException):
        await functions.operate("delete_function", function_name="orders", qualifier="2")


async def test_shares_that_make_no_sense_are_refused(functions: Lambda) -> None:
    await two_versions(functions)

    async def create(version: str, routing: RoutingConfig) -> None:
        await functions.operate(
            "create_alias", function_name="orders", name="live", function_version=version, routing_config=routing
        )

    with pytest.raises(InvalidParameterValueException, match=r"^\$LATEST is not supported for an alias pointing to"):
        await create(LATEST, share("2", 0.5))
    with pytest.raises(InvalidParameterValueException, match=r"^\$LATEST is not supported for an alias pointing to"):
        await create("1", share(LATEST, 0.5))
    with pytest.raises(InvalidParameterValueException, match="already included"):
        await create("1", share("1", 0.5))
    with pytest.raises(InvalidParameterValueException, match="cannot be greater than 1"):
        await create("1", RoutingConfig(additional_version_weights={"1": 0.1, "2": 0.1}))
    with pytest.raises(ResourceNotFoundException):
        await create("1", share("9", 0.5))

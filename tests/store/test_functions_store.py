"""What the functions' store promises: one winner, and all or nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from support.functions import new_function
from support.stores import open_store
from velvetrope.store.tables.functions import (
    LATEST,
    Function,
    FunctionAlias,
    FunctionConfiguration,
    FunctionPolicy,
    FunctionStore,
)

ARN = "arn:aws:lambda:us-west-2:000000000000:function:orders"


def publish(function: Function, newest: FunctionConfiguration | None) -> FunctionConfiguration:
    return msgspec.structs.replace(function.latest, version=str(function.last_published + 1))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[FunctionStore]:
    database = await open_store(tmp_path)
    yield FunctionStore(database)
    await database.close()


async def test_of_two_who_create_the_same_function_one_wins(store: FunctionStore) -> None:
    created = await asyncio.gather(*(store.create_function(new_function()) for _ in range(4)))

    assert sorted(created) == [False, False, False, True]


async def test_a_function_comes_back_as_it_was_kept(store: FunctionStore) -> None:
    function = new_function(tags={"a": "b"}, reserved_concurrency=5)
    await store.create_function(function)

    assert await store.load_function(ARN) == function
    assert await store.load_function(f"{ARN}x") is None


async def test_changes_at_once_are_all_kept(store: FunctionStore) -> None:
    await store.create_function(new_function())

    async def add(number: int) -> None:
        await store.change_function(
            ARN, lambda found: msgspec.structs.replace(found, tags={**found.tags, str(number): ""})
        )

    await asyncio.gather(*(add(number) for number in range(8)))

    found = await store.load_function(ARN)
    assert found is not None
    assert sorted(found.tags) == [str(number) for number in range(8)]


async def test_a_change_that_raises_leaves_things_as_they_were(store: FunctionStore) -> None:
    function = new_function()
    await store.create_function(function)

    def refuse(found: Function) -> Function:
        raise LookupError

    with pytest.raises(LookupError):
        await store.change_function(ARN, refuse)

    assert await store.load_function(ARN) == function
    assert await store.change_function(f"{ARN}x", refuse) is None


async def test_version_numbers_are_used_once_even_by_racing_publishers_and_after_deletion(
    store: FunctionStore,
) -> None:
    await store.create_function(new_function())

    published = await asyncio.gather(*(store.publish_version(ARN, publish) for _ in range(4)))
    await store.delete_version(ARN, 4)
    after = await store.publish_version(ARN, publish)

    assert sorted(version.version for version in published if version) == ["1", "2", "3", "4"]
    assert after is not None
    assert after.version == "5"
    assert [version.version for version in await store.load_versions(ARN, after=0, limit=9)] == ["1", "2", "3", "5"]


async def test_publishing_what_is_the_newest_adds_nothing(store: FunctionStore) -> None:
    await store.create_function(new_function())
    first = await store.publish_version(ARN, publish)

    again = await store.publish_version(ARN, lambda function, newest: newest or function.latest)

    assert again == first
    assert len(await store.load_versions(ARN, after=0, limit=9)) == 1


async def test_deleting_a_function_forgets_all_that_belongs_to_it(store: FunctionStore) -> None:
    await store.create_function(new_function())
    await store.publish_version(ARN, publish)
    await store.create_alias(FunctionAlias(function_arn=ARN, name="live", function_version="1", revision_id="r"))
    policy = FunctionPolicy(function_arn=ARN, qualifier="", document="{}", revision_id="r")
    await store.change_policy(ARN, "", lambda _: policy)

    deleted = [await store.delete_function(ARN), await store.delete_function(ARN)]
    await store.create_function(new_function())

    assert deleted == [True, False]
    assert await store.load_policy(ARN, "") is None
    assert await store.load_alias(ARN, "live") is None
    assert await store.load_version(ARN, 1) is None


async def test_a_target_is_found_through_each_kind_of_qualifier(store: FunctionStore) -> None:
    await store.create_function(new_function())
    await store.publish_version(ARN, publish)
    await store.create_alias(FunctionAlias(function_arn=ARN, name="live", function_version="1", revision_id="r"))

    found = [await store.load_target(ARN, qualifier) for qualifier in ("", LATEST, "1", "live", "2", "other")]

    assert [target and target.configuration.version for target in found] == [LATEST, LATEST, "1", "1", None, None]


async def test_statements_added_at_once_to_a_policy_that_is_not_there_yet_are_all_kept(store: FunctionStore) -> None:
    await store.create_function(new_function())

    async def add(number: int) -> None:
        def change(present: FunctionPolicy | None) -> FunctionPolicy:
            document = (present.document if present else "") + str(number)
            return FunctionPolicy(function_arn=ARN, qualifier="", document=document, revision_id="r")

        await store.change_policy(ARN, "", change)

    await asyncio.gather(*(add(number) for number in range(6)))

    policy = await store.load_policy(ARN, "")
    assert policy is not None
    assert sorted(policy.document) == list("012345")


async def test_what_can_still_be_run_is_the_latest_and_every_version(store: FunctionStore) -> None:
    await store.create_function(new_function())
    await store.publish_version(ARN, publish)
    newer = "11" * 32

    await store.change_function(
        ARN,
        lambda found: msgspec.structs.replace(
            found, latest=msgspec.structs.replace(found.latest, code_sha256=newer, revision_id="second")
        ),
    )

    found = await store.load_all_configurations()
    assert {(one.version, one.code_sha256) for one in found} == {(LATEST, newer), ("1", "00" * 32)}

"""A store is one account in one region, whoever opens it later."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.stores import open_store
from velvetrope.server.account_and_region_check import MadeElsewhere, check_account_and_region
from velvetrope.store import Database
from velvetrope.store.tables.queues import Queue, QueueStore
from velvetrope.store.tables.userpools import PasswordPolicySettings, UserPool, UserPoolStore

ACCOUNT, REGION = "123456789012", "us-west-2"
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(("account_id", "region"), [(ACCOUNT, "eu-west-1"), ("210987654321", REGION)])
async def test_a_store_stays_what_the_first_server_with_it_was(tmp_path: Path, account_id: str, region: str) -> None:
    database = await open_store(tmp_path)

    await check_account_and_region(database, account_id=ACCOUNT, region=REGION)
    await check_account_and_region(database, account_id=ACCOUNT, region=REGION)
    with pytest.raises(MadeElsewhere, match=f"Start with --account-id {ACCOUNT} --region {REGION}, or be account"):
        await check_account_and_region(database, account_id=account_id, region=region)

    await check_account_and_region(database, account_id=ACCOUNT, region=REGION)
    await database.close()


async def _make_pool(database: Database) -> None:
    pool = UserPool(
        id=f"{REGION}_AbCdEfGhI",
        name="people",
        account_id=ACCOUNT,
        region=REGION,
        created_at=NOW,
        modified_at=NOW,
        password_policy=PasswordPolicySettings(),
        schema_attributes=(),
    )
    await UserPoolStore(database).create_pool(pool, [])


async def _make_queue(database: Database) -> None:
    queue = Queue(account_id=ACCOUNT, region=REGION, name="orders", created_at=NOW, modified_at=NOW)
    assert await QueueStore(database).create_queue(queue)


@pytest.mark.parametrize("make", [_make_pool, _make_queue])
async def test_a_store_that_is_older_than_the_rule_is_what_its_contents_say(
    tmp_path: Path, make: Callable[[Database], Awaitable[None]]
) -> None:
    database = await open_store(tmp_path)
    await make(database)

    with pytest.raises(MadeElsewhere, match=f"made as account {ACCOUNT} in {REGION}"):
        await check_account_and_region(database, account_id=ACCOUNT, region="eu-west-1")
    with pytest.raises(MadeElsewhere, match=f"made as account {ACCOUNT} in {REGION}"):
        await check_account_and_region(database, account_id="210987654321", region=REGION)

    await check_account_and_region(database, account_id=ACCOUNT, region=REGION)
    await database.close()

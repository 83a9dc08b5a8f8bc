"""A store is one account in one region, whoever opens it later."""

from pathlib import Path

import pytest

from support.stores import store_url
from velvetrope.server.account_and_region_check import MadeElsewhere, check_account_and_region
from velvetrope.store import Database

ACCOUNT, REGION = "123456789012", "us-west-2"


@pytest.mark.parametrize(("account_id", "region"), [(ACCOUNT, "eu-west-1"), ("210987654321", REGION)])
async def test_a_store_stays_what_the_first_server_with_it_was(tmp_path: Path, account_id: str, region: str) -> None:
    database = await Database.open(store_url(tmp_path), durable=False)

    await check_account_and_region(database, account_id=ACCOUNT, region=REGION)
    await check_account_and_region(database, account_id=ACCOUNT, region=REGION)
    with pytest.raises(MadeElsewhere, match=f"Start with --account-id {ACCOUNT} --region {REGION}, or be account"):
        await check_account_and_region(database, account_id=account_id, region=region)

    await check_account_and_region(database, account_id=ACCOUNT, region=REGION)
    await database.close()

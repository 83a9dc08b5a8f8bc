"""A house per test: the pages over real user pools."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.hosted_house import House


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = await House.open(tmp_path)
    try:
        await house.furnish()
        yield house
    finally:
        await house.close()

"""What all tests of queues are given."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.queues import Sqs, open_sqs


@pytest.fixture
async def sqs(tmp_path: Path) -> AsyncIterator[Sqs]:
    async with open_sqs(tmp_path) as sqs:
        yield sqs

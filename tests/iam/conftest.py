"""What all tests of IAM are given."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.iam import Iam, open_iam


@pytest.fixture
async def iam(tmp_path: Path) -> AsyncIterator[Iam]:
    async with open_iam(tmp_path) as iam:
        yield iam

"""What all tests of KMS are given."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.kms import Kms, open_kms


@pytest.fixture
async def kms(tmp_path: Path) -> AsyncIterator[Kms]:
    async with open_kms(tmp_path) as kms:
        yield kms

"""The code of functions, from one node's folder to another's by way of the store."""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.stores import open_store
from support.zips import make_zip
from velvetrope.functions.code import CodeStore
from velvetrope.functions.code_library import CodeGone, CodeLibrary
from velvetrope.store.tables.function_code import FunctionCodeStore

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[FunctionCodeStore]:
    database = await open_store(tmp_path)
    yield FunctionCodeStore(database)
    await database.close()


def zipped(text: str) -> bytes:
    return make_zip({"app.py": text})


async def test_code_that_one_node_took_in_is_unpacked_by_another(
    kept: FunctionCodeStore, clock: Clock, tmp_path: Path
) -> None:
    here, there = (CodeLibrary(CodeStore(tmp_path / name), kept, clock) for name in ("here", "there"))
    stored = await here.keep(zipped("first"))

    for _ in range(2):
        await there.fetch([stored.sha256])

    assert (there.folders.folder_of(stored.sha256) / "app.py").read_text() == "first"


async def test_code_that_nobody_kept_is_not_made_up(kept: FunctionCodeStore, clock: Clock, tmp_path: Path) -> None:
    library = CodeLibrary(CodeStore(tmp_path / "code"), kept, clock)

    with pytest.raises(CodeGone):
        await library.fetch([hashlib.sha256(b"nothing").hexdigest()])


async def test_other_code_under_a_digest_is_not_run(kept: FunctionCodeStore, clock: Clock, tmp_path: Path) -> None:
    """Whoever can write the database is not to choose what runs under another function's digest."""
    library = CodeLibrary(CodeStore(tmp_path / "code"), kept, clock)
    digest = hashlib.sha256(zipped("right")).hexdigest()
    await kept.save(digest, zipped("forged"), NOON)

    with pytest.raises(CodeGone):
        await library.fetch([digest])
    assert not library.folders.folder_of(digest).exists()


async def test_code_stays_while_a_function_has_it_and_for_a_day(
    kept: FunctionCodeStore, clock: Clock, tmp_path: Path
) -> None:
    library = CodeLibrary(CodeStore(tmp_path / "code"), kept, clock)
    used, old = [(await library.keep(zipped(text))).sha256 for text in ("used", "old")]
    clock.time += timedelta(days=1) - timedelta(microseconds=1)
    new = (await library.keep(zipped("new"))).sha256

    await library.prune({used})
    assert await kept.load(old) is not None

    clock.time += timedelta(microseconds=1)
    await library.prune({used})
    assert [await kept.load(sha256) is not None for sha256 in (used, new, old)] == [True, True, False]

"""What a function may write: as much as its `EphemeralStorage`, where that can be enforced, and nobody else is hurt.

Run by root, a function has a file system of its own. Run by anybody else, one file is limited and all of them are not.
"""

import json
import os
from typing import Any

import pytest

from support.functions import Lambda, sandboxes_of
from velvetrope.functions.configurations import EphemeralStorage

ROOT = os.geteuid() == 0
MIB = 1_048_576

WRITER = """
import errno, os, tempfile

PIECE = bytes(1 << 20)

def fill(folder, name, mib):
    written = 0
    try:
        with open(f"{folder}/{name}", "wb", buffering=0) as file:
            for _ in range(mib):
                written += file.write(PIECE)
    except OSError as err:
        return [written, errno.errorcode[err.errno]]
    return [written, None]

def handler(event, context):
    if "truncate" in event:
        with tempfile.TemporaryFile() as file:
            try:
                os.truncate(file.fileno(), event["truncate"])
            except OSError as err:
                return errno.errorcode[err.errno]
            return None
    if "remove" in event:
        os.unlink(event["remove"])
    room = os.statvfs(tempfile.gettempdir())
    filled = [fill(folder, name, mib) for folder, name, mib in event.get("fill", [])]
    return {"filled": filled, "size": room.f_blocks * room.f_frsize, "files": room.f_files}
"""


async def write(functions: Lambda, arn: str, **event: Any) -> Any:
    result = await functions.invoke(arn, json.dumps(event).encode())
    assert result.function_error is None, result.payload
    return json.loads(result.payload)


@pytest.fixture
async def arn(functions: Lambda) -> str:
    return await functions.create(WRITER, timeout=60, memory_size=256)


if ROOT:

    async def test_whoever_writes_too_much_is_told_that_no_space_is_left_and_others_are_served(
        functions: Lambda, arn: str
    ) -> None:
        other = await functions.create(WRITER, name="other", timeout=60)

        full = await write(functions, arn, fill=[("/tmp", "a", 300), ("/dev/shm", "b", 300)])
        theirs = await write(functions, other, fill=[("/tmp", "a", 1)])
        after = await write(functions, arn, remove="/tmp/a", fill=[("/tmp", "c", 100)])

        [[first, fine], [second, refused]] = full["filled"]
        assert (fine, refused) == (None, "ENOSPC")
        assert 510 * MIB < first + second <= 512 * MIB
        assert theirs["filled"] == [[MIB, None]]
        assert after["filled"] == [[100 * MIB, None]]

    async def test_the_size_is_the_functions_and_so_is_the_number_of_files(functions: Lambda) -> None:
        larger = await functions.create(WRITER, name="larger", ephemeral_storage=EphemeralStorage(size=600))

        found = await write(functions, larger)

        assert found["size"] == 600 * MIB
        assert found["files"] == 600 * 64

    async def test_what_is_written_is_measured(functions: Lambda, arn: str) -> None:
        await write(functions, arn, fill=[("/tmp", "a", 20), ("/dev/shm", "b", 10)])
        [sandbox] = sandboxes_of(functions)

        assert 30 * MIB <= sandbox.stored_bytes() < 31 * MIB

else:

    async def test_one_file_is_limited_and_nothing_is_measured(functions: Lambda, arn: str) -> None:
        assert await write(functions, arn, truncate=512 * MIB) is None
        assert await write(functions, arn, truncate=512 * MIB + 1) == "EFBIG"
        [sandbox] = sandboxes_of(functions)
        assert sandbox.stored_bytes() == 0

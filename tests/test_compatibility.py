"""The compatibility page says what the code does, and the wired operations are ones that AWS has."""

import subprocess
import sys
from pathlib import Path

from support.running import REPOSITORY, clean_environment
from velvetrope.server.assembly import Server
from velvetrope.server.machine import SystemEntropy
from velvetrope.server.settings import Settings
from velvetrope.server.state_folder import StateFolder


async def test_every_operation_and_parameter_of_the_wired_server_is_in_its_model(tmp_path: Path) -> None:
    folder = StateFolder.open(tmp_path / "state", SystemEntropy())
    server = await Server.open(Settings(state_folder=folder.path, durable=False), folder, port=4800)
    try:
        findings = server.edge._dispatcher.operations.check()
    finally:
        await server.stop()
        folder.close()

    assert findings == []


def test_the_compatibility_page_is_what_the_tool_prints() -> None:
    printed = subprocess.run(
        [sys.executable, REPOSITORY / "tools" / "make_compatibility.py"],
        check=True,
        capture_output=True,
        text=True,
        env=clean_environment(),
    ).stdout

    page = (REPOSITORY / "docs" / "compatibility.md").read_text()

    assert page == printed, "run: python tools/make_compatibility.py > docs/compatibility.md"

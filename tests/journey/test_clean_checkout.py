"""The README's first command on a clean checkout: an empty HOME, no cache, no variable, no second terminal.

The second command is what runs this test; `.ci/run` gives it a clean checkout of its own.
"""

import json
import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest
import requests

from support.running import REPOSITORY, Descendants


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that git knows, as they are now, in a folder that nothing has been built in."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    ).stdout
    target = tmp_path / "checkout"
    for name in filter(None, listed.decode().split("\0")):
        source = REPOSITORY / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    return target


def bare_environment(home: Path) -> dict[str, str]:
    """What a new account has: a PATH without this environment, and what the machine says about its network."""
    ours = {str((REPOSITORY / name / "bin").resolve()) for name in (".venv", ".tools")}
    path = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if str(Path(p).resolve()) not in ours)
    network = ("PROXY", "CERT", "CA_BUNDLE", "SSL_", "PIP_", "NPM_", "UV_INDEX", "UV_DEFAULT_INDEX")
    kept = {k: v for k, v in os.environ.items() if any(part in k.upper() for part in network)}
    return kept | {"PATH": path, "HOME": str(home), "LANG": "C.UTF-8"}


@pytest.mark.timeout(900)
def test_make_demo_runs_the_journey_and_ctrl_c_ends_it(checkout: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    process = subprocess.Popen(
        ["make", "demo"],
        cwd=checkout,
        env=bare_environment(home) | {"VELVETROPE_PORT": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    lines: list[str] = []
    ready = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C stops the server" in line:
                ready.set()
        ready.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert ready.wait(800)
        output = "".join(lines)
        assert "Sign in as" in output, output
        config = json.loads((checkout / ".velvetrope" / "connection.json").read_text())["config"]
        assert "velvetrope" in requests.get(config["endpoint_url"] + "/").text
        headers = {"x-api-key": config["api_key"]}
        assert requests.get(config["api_url"] + "/no-auth", headers=headers).json() == {"message": "Open for All!"}
        assert requests.get(config["api_url"] + "/require-auth", headers=headers).status_code == 403
        processes = Descendants(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to everybody in the foreground
        process.wait(60)
        reader.join(60)
        if process.stdout is not None:
            process.stdout.close()

    assert "Traceback" not in "".join(lines)
    with processes:
        assert processes
        assert processes.alive_after(60) == set()

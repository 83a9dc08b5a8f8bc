"""A real server in a process of its own, started as a person starts it, on a free port and a fresh state folder."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Container, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["REPOSITORY", "ROOT_KEY", "Descendants", "RunningServer", "StartFailed", "clean_environment"]

REPOSITORY = Path(__file__).parents[2]
ROOT_KEY = ("AKIAVELVETROPETEST00", "only-for-tests-0123456789abcdefghijklmno")


_WITHOUT_MOUNTS = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_SYS_ADMIN = 24, 21
if os.geteuid() == 0 and ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0) != 0:
    sys.exit("the capability could not be dropped")
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


class StartFailed(Exception):
    """The process ended before it was ready; the message is all it printed."""


def clean_environment(**extra: str) -> dict[str, str]:
    """This process's environment without anything of AWS's or ours."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "VELVETROPE_"))}
    return kept | {"PYTHONDONTWRITEBYTECODE": "", **extra}


class RunningServer:
    """`with RunningServer("demo", state_folder=folder) as server:` waits until it is ready and stops it at the end."""

    def __init__(
        self,
        *arguments: str,
        state_folder: Path,
        port: int = 0,
        environment: Mapping[str, str] | None = None,
        without_mounts: bool = False,
    ) -> None:
        """`without_mounts` takes from root the right to make them, as most containers do."""
        key_id, secret = ROOT_KEY
        env = clean_environment(VELVETROPE_ROOT_ACCESS_KEY_ID=key_id, VELVETROPE_ROOT_SECRET_ACCESS_KEY=secret)
        self.state_folder = state_folder
        self.output: list[str] = []
        self._ready = threading.Event()
        self.process = subprocess.Popen(
            [
                *(
                    sys.executable,
                    *(("-c", _WITHOUT_MOUNTS) if without_mounts else ()),
                    "-m",
                    "velvetrope.cli",
                    *arguments,
                ),
                *("--port", str(port), "--state-folder", str(state_folder)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=env | dict(environment or {}),
            cwd=REPOSITORY,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line)
            if "Ctrl-C stops the server" in line:
                self._ready.set()
        self.process.wait()
        self._ready.set()

    def __enter__(self) -> Self:
        if not self._ready.wait(100) or self.process.poll() is not None:
            self.process.kill()
            self._close()
            raise StartFailed("".join(self.output))
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> int:
        """Ctrl-C, and the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
        self._close()
        return self.process.returncode

    def _close(self) -> None:
        self._reader.join(60)
        if self.process.stdout is not None:
            self.process.stdout.close()

    @property
    def text(self) -> str:
        return "".join(self.output)

    @property
    def config(self) -> dict[str, Any]:
        """The document of `/_velvetrope/config.json`, from the state folder."""
        connection = json.loads((self.state_folder / "connection.json").read_text())
        config: dict[str, Any] = connection["config"]
        return config

    @property
    def ca_certificate(self) -> Path:
        return Path(json.loads((self.state_folder / "connection.json").read_text())["ca_certificate"])

    @property
    def listening_address(self) -> str:
        """Host and port that it listens on, whatever its public URL is."""
        return str(json.loads((self.state_folder / "connection.json").read_text())["listening_address"])

    @property
    def url(self) -> str:
        return str(self.config["endpoint_url"])

    @property
    def port(self) -> int:
        match = re.search(r":(\d+)$", self.url)
        assert match is not None
        return int(match[1])


class Descendants:
    """Processes under another one, held by descriptors that were opened while they lived.

    A process id says nothing once its process is gone: between a look at `/proc` and the next use it can vanish, be
    somebody else's or belong to a dead process that nobody has waited for. A descriptor stays that process's (Linux,
    pidfd_open(2)) and is readable as soon as it has ended.
    """

    def __init__(self, pid: int, *, besides: Container[int] = ()) -> None:
        self._descriptors: dict[int, int] = {}
        for found in _process_ids_under(pid):
            if found in besides:
                continue
            with suppress(ProcessLookupError):  # it ended between the look and now
                self._descriptors[found] = os.pidfd_open(found)

    def __len__(self) -> int:
        return len(self._descriptors)

    @property
    def process_ids(self) -> frozenset[int]:
        """Theirs when they were found."""
        return frozenset(self._descriptors)

    def alive_after(self, seconds: float) -> set[int]:
        """The process ids of those that have not ended `seconds` from now; returns as soon as all have."""
        alive = {descriptor: pid for pid, descriptor in self._descriptors.items()}
        until = time.monotonic() + seconds
        while alive and (ended := select.select(list(alive), [], [], max(0.0, until - time.monotonic()))[0]):
            for descriptor in ended:
                del alive[descriptor]
        return set(alive.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)


def _process_ids_under(pid: int) -> set[int]:
    """The process ids of all descendants of `pid` (Linux)."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except (OSError, IndexError):
                continue
            parents[int(entry.name)] = int(fields[1])
    found: set[int] = set()
    frontier = {pid}
    while frontier:
        frontier = {child for child, parent in parents.items() if parent in frontier} - found
        found |= frontier
    return found

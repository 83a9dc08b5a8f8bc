"""A peer: what is installed, how it is started, what its own documentation says of checking, and what it has."""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.load import cpu_seconds, resident_mib
from benchmarks.peers.doors import House
from benchmarks.peers.installing import CannotRun, Package

__all__ = ["Peer", "Running", "Started"]

READY_SECONDS = 120


@dataclass(frozen=True)
class Started:
    """Where an installed peer is to run: its own folder, an empty one for its state, and a port."""

    home: Path
    state: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Peer:
    """One column of the tables.

    `command` and `environment` are what a person would type; `prepare` writes what the peer reads at its start.
    `house` is what there is to be tried, `first_call` the first thing that a client of it gets done.
    """

    name: str
    package: Package | None
    documented: str
    command: Callable[[Started], Sequence[str]]
    house: Callable[[Started], House]
    first_call: Callable[[Started], object]
    environment: Callable[[Started], Mapping[str, str]] = lambda _: {}
    prepare: Callable[[Started], None] = lambda _: None

    def start(self, folder: Path) -> "Running":
        """Install it into `folder` if it is not there, and start it.

        Raises:
            CannotRun: it cannot be installed, or does not answer in two minutes.
        """
        home = self.package.install(folder) if self.package else folder
        state = folder / "state" / f"{self.name.replace(' ', '-')}-{time.monotonic_ns()}"
        state.mkdir(parents=True)
        started = Started(home, state, _free_port())
        self.prepare(started)
        return Running(self, started)


class Running:
    """A started peer, and all processes under it; `with` stops them."""

    def __init__(self, peer: Peer, started: Started) -> None:
        self.peer, self.started = peer, started
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "VELVETROPE_"))}
        self._log = (started.state / "output.txt").open("wb")
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            list(peer.command(started)),
            cwd=started.state,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**kept, **peer.environment(started)},
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def _wait(self) -> None:
        """Until anything is answered on its port."""
        while time.perf_counter() - self.began < READY_SECONDS:
            if self.process.poll() is not None:
                raise CannotRun(f"{self.peer.name} ended: {self.output[-600:]}")
            with suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", self.started.port, timeout=10)
                connection.request("GET", "/")
                connection.getresponse().read()
                connection.close()
                self.ready_seconds = time.perf_counter() - self.began
                return
            time.sleep(0.01)
        raise CannotRun(f"{self.peer.name} did not answer: {self.output[-600:]}")

    @property
    def output(self) -> str:
        return (self.started.state / "output.txt").read_text(errors="replace")

    def process_ids(self) -> list[int]:
        """Its own and its descendants'."""
        found, ask = list[int](), [self.process.pid]
        while ask:
            found.append(pid := ask.pop())
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                with suppress(OSError):  # the thread ended meanwhile
                    ask += map(int, children.read_text().split())
        return found

    def resident_mib(self) -> float:
        return resident_mib(self.process_ids())

    def cpu_seconds(self) -> float:
        return sum(cpu_seconds(pid) for pid in self.process_ids())

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        with suppress(ProcessLookupError):  # what outlived its parent
            os.killpg(self.process.pid, signal.SIGKILL)
        self._log.close()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])

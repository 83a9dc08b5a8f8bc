"""A server that is stopped, or killed, while it reads an app: at once, with nothing left behind."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.running import REPOSITORY, Descendants, clean_environment

_ENDLESS = "import threading\nprint('being read', flush=True)\nthreading.Event().wait()\n"
_APP = """
from velvetrope.builder import Api

api = Api("early")


@api.get("/")
def home():
    return {}
"""


class StartingServer:
    """`velvetrope dev` with an app file of this text, from its first line on."""

    def __init__(self, folder: Path, text: str, *, reads_until: str | None = None) -> None:
        """With `reads_until` what it says is read up to that line, and then nobody reads any more; its errors are in a
        file then."""
        app = folder / "app" / "app.py"
        app.parent.mkdir()
        self.app = app
        app.write_text(text)
        self.errors = folder / "errors"
        self.lines: list[str] = []
        self._reads_until = reads_until
        self._said = threading.Condition()
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "velvetrope.cli", "dev", str(app)),
                    *("--port", "0", "--state-folder", str(folder / "state")),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if reads_until is None else errors,
                text=True,
                env=clean_environment(),
                cwd=REPOSITORY,
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._said:
                self.lines.append(line)
                self._said.notify_all()
            if self._reads_until is not None and self._reads_until in line:
                break
        self.process.stdout.close()

    def wait_until_said(self, text: str) -> None:
        with self._said:
            assert self._said.wait_for(lambda: any(text in line for line in self.lines), 100), self.lines

    def wait_until_unread(self) -> None:
        self._reader.join(100)
        assert not self._reader.is_alive()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(60)


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[StartingServer]:
    server = StartingServer(tmp_path, _ENDLESS)
    server.wait_until_said("being read")
    server.wait_until_said("opening the state")
    yield server
    server.end()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_server_that_is_stopped_while_it_starts_does_not_start(endless: StartingServer, number: int) -> None:
    with Descendants(endless.process.pid) as under:
        assert len(under) > 0
        endless.process.send_signal(number)

        assert endless.process.wait(100) == 130
        assert under.alive_after(60) == set()
    endless.end()
    assert endless.lines[-1] == "  stopping\n"


def test_app_that_is_read_for_ever_does_not_outlive_a_killed_server(endless: StartingServer) -> None:
    with Descendants(endless.process.pid) as under:
        endless.process.kill()

        assert under.alive_after(60) == set()


def test_server_that_is_stopped_while_it_reads_its_app_again_does_not_wait_for_that(tmp_path: Path) -> None:
    server = StartingServer(tmp_path, _APP)
    server.wait_until_said("Ctrl-C stops the server")
    server.app.write_text(_ENDLESS)
    server.wait_until_said("being read")
    with Descendants(server.process.pid) as under:
        server.process.send_signal(signal.SIGINT)

        assert server.process.wait(100) == 0
        assert under.alive_after(60) == set()
    server.end()


def test_server_stops_when_nobody_reads_what_it_says_any_more(tmp_path: Path) -> None:
    server = StartingServer(tmp_path, _APP, reads_until="Ctrl-C stops the server")
    server.wait_until_unread()

    server.process.send_signal(signal.SIGTERM)

    # 1 where it had something left to say: to whoever reads along, a command that is not read to its end.
    assert server.process.wait(100) in {0, 1}, server.errors.read_text()
    assert server.errors.read_text() == ""
    server.end()

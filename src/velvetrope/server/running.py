"""Run a server from its first second to its last: listen, open, apply the app, tell, watch, stop.

The order is for speed and for clear refusals. What can be refused at once (settings, the port, the state folder, the
app file's name) is looked at before anything heavy is imported. The app file is read in a child process while this one
imports and opens its rooms. The server answers only when everything is applied: there is no moment in which a door is
there and its lock is not.

Ctrl-C and SIGTERM stop it: requests under way are finished, functions are ended, the database is closed; what has not
begun to answer yet is not begun. A second Ctrl-C does not wait.
"""

import contextlib
import gc
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from velvetrope.errors import VelvetropeError
from velvetrope.server.machine import SystemEntropy
from velvetrope.server.narration import Narration
from velvetrope.server.settings import Settings, SettingsError
from velvetrope.server.sockets import CannotListen, PortTaken, bind
from velvetrope.server.state_folder import StateFolder
from velvetrope.synth.child import SynthChild, SynthesizedApp, start_synth
from velvetrope.synth.errors import AppFileError, check_app_file
from velvetrope.synth.packaging import CodePackage, package_folder

if TYPE_CHECKING:
    from velvetrope.server.assembly import Server

__all__ = ["DatabaseUnusable", "run"]

_AS_ROOT = (
    "  Functions run as root here and can read all that this server has: this machine (a container, it seems)\n"
    "  lets root make no mounts. Run velvetrope as an ordinary user, or with CAP_SYS_ADMIN, to keep them apart."
)

_LEFT_BEHIND = (
    "  The Api has another name than before, so this is another stack. {stack} stays as it was, and its routes\n"
    "  answer; to be rid of it: aws cloudformation delete-stack --stack-name {stack}"
)


def run(settings: Settings, *, app: Path | None, reload: bool, narrator: Narration) -> None:
    """Serve until Ctrl-C.

    Raises:
        KeyboardInterrupt: it was stopped before it answered.
        VelvetropeError: the address, the state folder or a setting cannot be used; the message is one sentence.
        AppFileError: the app file is no app.
    """
    started = time.perf_counter()
    # A start makes half a million objects and throws few away: looking for garbage among them costs a tenth of it.
    gc.disable()
    with contextlib.ExitStack() as cleanup:
        if app is not None:
            check_app_file(app)
        if settings.access_log is not None:
            from velvetrope.server.access_log import check_destination

            check_destination(settings.access_log)
        if settings.database_address is not None:
            from velvetrope.server.database_passwords import load_database_passwords

            load_database_passwords(settings)
        sockets = _listen(settings.host, settings.port, flag="--port")
        database_sockets = (
            _listen(settings.host, settings.database_port, flag="--database-port") if settings.database_address else []
        )
        for sock in (*sockets, *database_sockets):
            cleanup.callback(sock.close)
        folder = StateFolder.open(settings.state_folder, SystemEntropy())
        cleanup.callback(folder.close)
        reading = None
        if app is not None:
            narrator.step(f"reading {app.name}")
            reading = _start_reading(app, folder, settings.region)
            cleanup.callback(reading.child.stop)
        narrator.step("loading")
        import asyncio

        try:
            import uvloop

            runner = cleanup.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        except ImportError:
            runner = cleanup.enter_context(asyncio.Runner())
        life = _Life(settings, sockets, database_sockets, folder, narrator, started)
        if not runner.run(life.serve(reading, reload=reload)):
            raise KeyboardInterrupt


class DatabaseUnusable(VelvetropeError):
    """The database could not be opened. The message is one sentence for the person at the terminal."""


class _Reading:
    """An app file that is being read by a child."""

    def __init__(self, app: Path, code: CodePackage, child: SynthChild) -> None:
        self.app = app
        self.code = code
        self.child = child

    async def result(self) -> SynthesizedApp:
        """See `SynthChild.result`. The child is ended when nobody waits for it any more."""
        import asyncio

        try:
            return await asyncio.to_thread(self.child.result)
        finally:
            self.child.stop()


def _start_reading(app: Path, folder: StateFolder, region: str) -> _Reading:
    check_app_file(app)
    code = package_folder(app.parent)
    return _Reading(app, code, start_synth(app, code=code, region=region, cache_folder=folder.path / "synth"))


def _listen(host: str, port: int, *, flag: str) -> list[socket.socket]:
    """One socket, or both loopback addresses on one port for `localhost`."""
    try:
        if host != "localhost":
            return [bind(host, port)]
        first = bind("127.0.0.1", port)
        try:
            return [first, bind("::1", first.getsockname()[1])]
        except PortTaken:
            first.close()
            raise
        except CannotListen:
            return [first]  # a machine without IPv6
    except PortTaken:
        raise SettingsError(
            f"Port {port} on {host} is taken. Stop what listens there, or choose another with {flag}."
        ) from None
    except CannotListen as err:
        raise SettingsError(
            f"{err.message[:1].upper()}{err.message[1:]}. Choose another address with --host."
        ) from None


class _Life:
    """One server's life inside the event loop."""

    def __init__(
        self,
        settings: Settings,
        sockets: list[socket.socket],
        database_sockets: list[socket.socket],
        folder: StateFolder,
        narrator: Narration,
        started: float,
    ) -> None:
        self._settings = settings
        self._sockets = sockets
        self._database_sockets = database_sockets
        self._folder = folder
        self._narrator = narrator
        self._started = started

    async def serve(self, reading: _Reading | None, *, reload: bool) -> bool:
        """Start, answer until a signal comes, stop. False if it came before there was anything to answer with."""
        import asyncio

        stopping = asyncio.Event()
        starting = asyncio.current_task()

        def stop() -> None:
            if stopping.is_set():
                os._exit(130)  # asked twice: do not wait
            stopping.set()
            if starting is not None:
                starting.cancel()
            with contextlib.suppress(OSError):  # whoever read along may have gone: that keeps no server from stopping
                self._narrator.say("  stopping")

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        try:
            async with self._opened(reading) as server:
                starting = None
                watching = None
                if reading is not None and reload:
                    watching = asyncio.create_task(self._reapply_on_change(server, reading))
                await stopping.wait()
                if watching is not None:
                    watching.cancel()
                    await asyncio.gather(watching, return_exceptions=True)
        except asyncio.CancelledError:
            if starting is None or not stopping.is_set():
                raise
            return False
        return True

    @contextlib.asynccontextmanager
    async def _opened(self, reading: _Reading | None) -> AsyncIterator["Server"]:
        """A server that answers, with the app applied."""

        from sqlalchemy.exc import DBAPIError

        from velvetrope.server.assembly import Server

        self._narrator.step("opening the state")
        port = self._sockets[0].getsockname()[1]
        try:
            server = await Server.open(self._settings, self._folder, port=port, database_sockets=self._database_sockets)
        except DBAPIError as err:  # no database at all, a full disk, a file that may not be written
            raise DatabaseUnusable(f"The database cannot be used: {err.orig}. It is in {self._where()}.") from None
        try:
            routes: tuple[str, ...] = ()
            users: tuple[tuple[str, str], ...] = ()
            if reading is not None:
                app = await reading.result()
                await server.apply_app(app, reading.code, progress=self._narrator.step)
                if await server.workloads.functions.run_as_root():
                    self._narrator.say(_AS_ROOT)
                routes = app.routes
                users = tuple((user.username, user.password) for user in app.dev_users)
            await server.start(self._sockets)
            seconds = time.perf_counter() - self._started
            self._narrator.ready(server.ready(routes=routes, users=users, seconds=seconds))
            gc.freeze()  # nearly all that is here now stays: the collector need not look at it again
            # A call leaves next to no cycles, and makes some thousand objects: no look is worth it at every 700th.
            gc.set_threshold(20_000, 10, 10)
            gc.enable()
            server.tell_refusals(self._narrator)
            yield server
        finally:
            await server.stop()

    def _where(self) -> str:
        return str(self._folder.path) if self._settings.store_url is None else "VELVETROPE_STORE_URL"

    async def _reapply_on_change(self, server: "Server", applied: _Reading) -> None:
        """Apply the app again when its code changes. A mistake is told, and the old version keeps answering.

        What changed while the server started was not seen by anybody, so the first look needs no change.
        """
        import asyncio

        from watchfiles import awatch

        app, tried, has_looked = applied.app, applied.code.digest, False
        async for changes in awatch(app.parent, ignore_permission_denied=True, yield_on_timeout=True):
            if has_looked and not changes:
                continue
            has_looked = True
            try:
                code = await asyncio.to_thread(package_folder, app.parent)
                if code.digest == tried:
                    continue  # nothing that belongs to the function
                tried = code.digest
                began = time.perf_counter()
                reading = await asyncio.to_thread(_start_reading, app, self._folder, self._settings.region)
                synthesized = await reading.result()
                left = await server.apply_app(synthesized, reading.code, progress=self._narrator.step)
                if left is not None:
                    self._narrator.say(_LEFT_BEHIND.format(stack=left))
                self._narrator.say(f"  applied {app.name} again in {time.perf_counter() - began:.1f} s")
            except (AppFileError, VelvetropeError, OSError) as err:
                self._narrator.say(f"  {app.name} was not applied; the version before it keeps answering.\n{err}")

"""Run a server from its first second to its last: listen, open, apply the app, tell, watch, stop.

The order is for speed and for clear refusals. The port is taken before anything heavy is imported, so that a taken one
is said at once. The app file is read in a child process while this one imports and opens its rooms. The server answers
only when everything is applied: there is no moment in which a door is there and its lock is not.

Ctrl-C and SIGTERM stop it: requests under way are finished, functions are ended, the database is closed. A second
Ctrl-C does not wait.
"""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from velvetrope.server.narration import Narration
from velvetrope.server.settings import Settings, SettingsError
from velvetrope.server.state_folder import StateFolder
from velvetrope.synth.app_file import AppFileError, check_app_file

if TYPE_CHECKING:
    from velvetrope.server.assembly import Server
    from velvetrope.synth.child import SynthChild
    from velvetrope.synth.packaging import CodePackage

__all__ = ["run"]


def run(settings: Settings, *, app: Path | None, reload: bool, narrator: Narration) -> None:
    """Serve until Ctrl-C.

    Raises:
        VelvetropeError: the address, the state folder or a setting cannot be used; the message is one sentence.
        AppFileError: the app file is no app.
    """
    started = time.perf_counter()
    sockets = _listen(settings)
    try:
        import uvloop

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    except ImportError:
        runner = asyncio.Runner()
    with runner, contextlib.ExitStack() as cleanup:
        for sock in sockets:
            cleanup.callback(sock.close)
        runner.run(_serve(settings, sockets, app, reload=reload, narrator=narrator, started=started))


def _listen(settings: Settings) -> list[socket.socket]:
    """One socket, or both loopback addresses on one port for `localhost`."""
    from velvetrope.edge.listener import CannotListen, PortTaken, bind

    try:
        if settings.host != "localhost":
            return [bind(settings.host, settings.port)]
        first = bind("127.0.0.1", settings.port)
        try:
            return [first, bind("::1", first.getsockname()[1])]
        except PortTaken:
            first.close()
            raise
        except CannotListen:
            return [first]  # a machine without IPv6
    except PortTaken:
        raise SettingsError(
            f"Port {settings.port} on {settings.host} is taken. Stop what listens there, or choose another with --port."
        ) from None
    except CannotListen as err:
        raise SettingsError(
            f"{err.message[:1].upper()}{err.message[1:]}. Choose another address with --host."
        ) from None


async def _serve(
    settings: Settings,
    sockets: list[socket.socket],
    app: Path | None,
    *,
    reload: bool,
    narrator: Narration,
    started: float,
) -> None:
    stop = asyncio.Event()
    _stop_on_signals(stop)
    folder = StateFolder.open(settings.state_folder)
    try:
        async with _opened(settings, sockets, folder, app, narrator, started) as server:
            watching = (
                asyncio.create_task(_reapply_on_change(server, app, folder, narrator)) if app and reload else None
            )
            await stop.wait()
            narrator.say("  stopping")
            if watching is not None:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
    finally:
        folder.close()


@contextlib.asynccontextmanager
async def _opened(
    settings: Settings,
    sockets: list[socket.socket],
    folder: StateFolder,
    app: Path | None,
    narrator: Narration,
    started: float,
) -> AsyncIterator["Server"]:
    """A server that answers, with `app` applied."""
    code = child = None
    if app is not None:
        narrator.step(f"reading {app.name}")
        code, child = await _start_reading(app, folder, settings.region)
    narrator.step("opening the state")
    from velvetrope.server.assembly import Server

    server = await Server.open(settings, folder, port=sockets[0].getsockname()[1])
    try:
        routes: tuple[str, ...] = ()
        users: tuple[tuple[str, str], ...] = ()
        if child is not None and code is not None:
            synthesized = await child.result()
            await server.apply_app(synthesized, code, progress=narrator.step)
            routes = synthesized.routes
            users = tuple((user.username, user.password) for user in synthesized.dev_users)
        await server.start(sockets)
        narrator.ready(server.ready(routes=routes, users=users, seconds=time.perf_counter() - started))
        server.tell_refusals(narrator)
        yield server
    finally:
        await server.stop()


async def _start_reading(app: Path, folder: StateFolder, region: str) -> "tuple[CodePackage, SynthChild]":
    from velvetrope.synth.child import start_synth
    from velvetrope.synth.packaging import package_folder

    check_app_file(app)
    code = package_folder(app.parent)
    return code, await start_synth(app, code=code, region=region, cache_folder=folder.path / "synth")


async def _reapply_on_change(server: "Server", app: Path, folder: StateFolder, narrator: Narration) -> None:
    """Apply the app again when a file of its folder changes. A mistake is told, and the old version keeps answering."""
    from watchfiles import DefaultFilter, awatch

    from velvetrope.errors import VelvetropeError

    applied = None
    watched = [app.parent]
    async for _ in awatch(*watched, watch_filter=DefaultFilter(ignore_paths=[folder.path, app.parent / "web"])):
        try:
            code, child = await _start_reading(app, folder, server.settings.region)
            if code.digest == applied:
                continue
            began = time.perf_counter()
            synthesized = await child.result()
            await server.apply_app(synthesized, code, progress=narrator.step)
            applied = code.digest
            narrator.say(f"  applied {app.name} again in {time.perf_counter() - began:.1f} s")
        except (AppFileError, VelvetropeError) as err:
            narrator.say(f"  {app.name} was not applied; the version before it keeps answering.\n{err}")


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(130)  # asked twice: do not wait
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)

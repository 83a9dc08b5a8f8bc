"""Synthesise in a process of its own.

    child = start_synth(Path("app.py"), code=package, region="us-west-2", cache_folder=state / "synth")
    ...                                          # the server starts meanwhile
    app = await asyncio.to_thread(child.result)  # SynthesizedApp, or AppFileError with the app's own traceback

The app's code runs in the child only. The child writes one JSON document to a socket of its own (what the app prints to
stdout goes to the terminal), and expands SAM with AWS's own translator, which takes most of the time; an expansion is
kept in `cache_folder` under the digest of what went into it, so an unchanged app starts without it.

The other end of the socket tells the child that somebody waits: however the server ends, an app that never comes to an
end does not outlive it.
"""

import json
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from velvetrope.synth.errors import AppFileError
from velvetrope.synth.packaging import CodePackage

__all__ = ["LOCAL_BUCKET", "DevUserDeclaration", "SynthChild", "SynthesizedApp", "start_synth"]

LOCAL_BUCKET = "velvetrope-local"
"""Stands for the deployment bucket when the code goes to our own server; the key is the zip's digest."""


@dataclass(frozen=True)
class DevUserDeclaration:
    """A user for `velvetrope dev`: the logical id of its pool, its name and its password."""

    user_pool_logical_id: str
    username: str
    password: str


@dataclass(frozen=True)
class SynthesizedApp:
    """What an app file becomes. `expanded` has no `Transform` any more; the code is at (`LOCAL_BUCKET`, digest).

    `name` is the Api's; `routes` are its paths. Templates are plain data: what JSON has.
    """

    name: str
    routes: tuple[str, ...]
    sam: dict[str, Any]
    expanded: dict[str, Any]
    dev_users: list[DevUserDeclaration]


class SynthChild:
    """A running child. It ends by itself; `stop` is for a server that will not wait for it."""

    def __init__(self, process: subprocess.Popen[bytes], answer: socket.socket) -> None:
        self._process = process
        self._answer = answer

    def result(self) -> SynthesizedApp:
        """Wait for the child.

        Raises:
            AppFileError: as the child found it.
        """
        with self._answer, self._answer.makefile("rb") as document_file:
            answer = document_file.read()
        code = self._process.wait()
        if not answer:
            raise AppFileError(f"The app file ended its own process (exit status {code}) while it was being read.")
        document: dict[str, Any] = json.loads(answer)
        if "error" in document:
            raise AppFileError(document["error"])
        return SynthesizedApp(
            name=document["name"],
            routes=tuple(document["routes"]),
            sam=document["sam"],
            expanded=document["expanded"],
            dev_users=[DevUserDeclaration(**user) for user in document["dev_users"]],
        )

    def stop(self) -> None:
        """End it if it still runs. Another thread may be waiting for its result, and gets none then."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._answer.close()


def start_synth(path: Path, *, code: CodePackage, region: str, cache_folder: Path) -> SynthChild:
    """Start the child; it works while the caller does something else."""
    answer, theirs = socket.socketpair()
    try:
        process = subprocess.Popen(  # noqa: S603  our own interpreter and module
            [
                *(sys.executable, "-m", "velvetrope.synth", str(path), code.digest, region, str(cache_folder)),
                str(theirs.fileno()),
            ],
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,  # Ctrl-C at the terminal is for the server, which stops the child
        )
    except BaseException:
        answer.close()
        raise
    finally:
        theirs.close()
    return SynthChild(process, answer)

"""What a forked child does: read what it is to become, be confined, and become it.

It comes out of the fork with nothing that belongs to anybody else: no descriptor but its standard three and its own
socket, no variable, no signal handler. The START frame is in the socket already.

Two things it can become: AWS's Python runtime client for a handler, in this very process, or another program, which is
executed and then speaks the Runtime API over HTTP.
"""

import json
import os
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass
from typing import Any

from velvetrope.zygote import frames
from velvetrope.zygote.isolation import Limits, Mount, PrivateRoot, confine
from velvetrope.zygote.python_runtime import run_handler

__all__ = ["Start", "become", "parse_start", "render_start"]

_HEAD = struct.Struct(">IB")


@dataclass(frozen=True, slots=True)
class Start:
    """What to become. One of `handler` and `program` is there."""

    folder: str
    """Where to begin: the code's folder, as seen from inside."""
    environment: dict[str, str]
    """All variables."""
    limits: Limits
    root: PrivateRoot | None
    handler: str | None = None
    """Python's handler, to be run by AWS's client over frames."""
    program: list[str] | None = None
    """A program's path and its arguments, the first of which is its name."""


def render_start(start: Start) -> bytes:
    """The START frame."""
    root = start.root
    value = {
        "folder": start.folder,
        "environment": start.environment,
        "limits": [start.limits.data_bytes, start.limits.file_bytes],
        "handler": start.handler,
        "program": start.program,
        "root": root
        and {
            "user_id": root.user_id,
            "folder": root.folder,
            "mounts": [[mount.source, mount.target, mount.writable] for mount in root.mounts],
            "links": root.links,
            "storage_mb": root.storage_mb,
        },
    }
    return frames.render_frame(frames.START, json.dumps(value).encode())


def parse_start(body: bytes) -> Start:
    """What the body of a START frame says, which the server made."""
    value: dict[str, Any] = json.loads(body)
    root = value["root"]
    return Start(
        folder=value["folder"],
        environment=value["environment"],
        limits=Limits(*value["limits"]),
        root=root
        and PrivateRoot(
            user_id=root["user_id"],
            folder=root["folder"],
            mounts=[Mount(*mount) for mount in root["mounts"]],
            links=root["links"],
            storage_mb=root["storage_mb"],
        ),
        handler=value["handler"],
        program=value["program"],
    )


def become(connection: socket.socket, output: int, *, parent_pid: int) -> None:
    """Become what the START frame in `connection` says. `output` is the descriptor of standard output and error.

    Returns never, or when a Python runtime ends.
    """
    os.setsid()
    os.umask(0o022)
    _take_descriptors(connection.fileno(), output)
    start = _receive_start(connection)
    confine(start.limits, start.root, parent_pid=parent_pid)
    os.chdir(start.folder)
    if start.program is not None:
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, but not by every program
            signal.signal(ignored, signal.SIG_DFL)
        os.execve(start.program[0], start.program, start.environment)  # noqa: S606  the runtime's own program
    _take_environment(start)
    _forget_ourselves()
    run_handler(connection, start.handler or "")


def _take_descriptors(kept: int, output: int) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _receive_start(connection: socket.socket) -> Start:
    received = b""
    while len(received) < _HEAD.size:
        received += _receive(connection, _HEAD.size - len(received))
    length, _kind = _HEAD.unpack(received)
    body = b""
    while len(body) < length:
        body += _receive(connection, length - len(body))
    return parse_start(body)


def _receive(connection: socket.socket, at_most: int) -> bytes:
    data = connection.recv(at_most)
    if not data:
        os._exit(1)  # the server gave the sandbox up
    return data


def _take_environment(start: Start) -> None:
    os.environ.clear()
    os.environ.update(start.environment)
    time.tzset()
    # As `python -m awslambdaric` in the code's folder would have it.
    paths = [path for path in start.environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:0] = [start.folder, *paths]
    sys.argv[:] = ["awslambdaric", start.handler or ""]


def _forget_ourselves() -> None:
    """Let the function import a `velvetrope` of its own, if it brings one."""
    for name in [name for name in sys.modules if name == "velvetrope" or name.startswith("velvetrope.")]:
        del sys.modules[name]

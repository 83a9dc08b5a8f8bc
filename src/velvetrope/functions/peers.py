"""Who is at the other end of a connection to a sandbox's Runtime API.

The Runtime API has no credentials: whoever reaches its port may take events and answer them. On Lambda the sandbox's
own network keeps strangers out; here every process of the machine can reach a loopback port. So a connection is
admitted only if its other end is a socket of the sandbox's own process or of one in the same session (a `bootstrap`
that is a shell script calls `curl`). The kernel says so: `/proc/net/tcp` gives the inode of the other end's socket,
`/proc/<pid>/fd` who holds it.

The other choice was an unguessable path in `AWS_LAMBDA_RUNTIME_API` (`127.0.0.1:9001/secret`). AWS's Python client
sends its events there but fails to report init errors (`http.client` takes `9001/secret` for a port); Node's and Rust's
drop the path. Where there is no `/proc`, that path is nevertheless what we use (`secret_path`), init errors then being
reported as the exit that follows them.
"""

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["connection_inode", "guards_by_peer", "session_holds_socket"]

_PROC = Path("/proc")


def guards_by_peer() -> bool:
    """Whether this system can tell who is at the other end."""
    return sys.platform == "linux" and (_PROC / "net" / "tcp").exists()


def session_holds_socket(session_id: int, inode: int) -> bool:
    """Whether the process `session_id`, or another of the session that it leads, holds the socket."""
    wanted = f"socket:[{inode}]"
    if _holds(session_id, wanted):
        return True
    return any(_holds(pid, wanted) for pid in _processes_of(session_id) if pid != session_id)


def connection_inode(local_port: int, remote_port: int) -> int | None:
    """The inode of the IPv4 loopback socket whose own port is `local_port` and whose peer's is `remote_port`.

    None if there is none, or if its process has let go of it.
    """
    for line in _tcp_table():
        if line.local_port == local_port and line.remote_port == remote_port:
            return line.inode or None
    return None


@dataclass(frozen=True, slots=True)
class _TcpLine:
    local_port: int
    remote_port: int
    inode: int


def _tcp_table() -> Iterator[_TcpLine]:
    # Columns: sl, local address, remote address, state, queues, timer, retransmits, uid, timeout, inode. Addresses are
    # hexadecimal in the machine's byte order; only loopback ones are of interest. Source: proc_pid_net(5).
    loopback = (0x7F000001).to_bytes(4, "big" if sys.byteorder == "big" else "little").hex().upper()
    with (_PROC / "net" / "tcp").open() as table:
        next(table)
        for line in table:
            columns = line.split()
            local, _, local_port = columns[1].partition(":")
            remote, _, remote_port = columns[2].partition(":")
            if local == remote == loopback:
                yield _TcpLine(int(local_port, 16), int(remote_port, 16), int(columns[9]))


def _holds(pid: int, wanted: str) -> bool:
    # A descriptor, or the whole process, may be gone by the time that it is looked at.
    with suppress(OSError):
        for descriptor in (_PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                if str(descriptor.readlink()) == wanted:
                    return True
    return False


def _processes_of(session_id: int) -> Iterator[int]:
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                # pid (name) state ppid pgrp session …; the name may hold anything, parentheses too.
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
                if int(fields[3]) == session_id:
                    yield int(entry.name)

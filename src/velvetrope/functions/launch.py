"""The first lines that run inside a sandbox's process: bind its life to the server's, set limits, become the runtime.

    python -s launch.py SERVER_PID python  HANDLER
    python -s launch.py SERVER_PID provided  /path/to/bootstrap

The server runs this file by its path; nothing else imports it, and it imports nothing of ours, so that a sandbox costs
little memory. On Linux the kernel kills the process when the server's thread that started it is gone, however that
came about. Elsewhere a sandbox whose server was killed ends at its next call of the Runtime API.

For Python, AWS's own runtime client takes over in this process, unchanged. Python would have put this file's folder at
the front of the import path; the code's folder belongs there, as under `python -m`.
"""

import os
import resource
import signal
import sys

OPEN_FILES = 1024
"""Lambda's own limit on file descriptors (Lambda quotas)."""

_PR_SET_PDEATHSIG = 1


def die_with_server(server_pid: int) -> None:
    """Ask the kernel to kill this process when the server ends."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The server may have ended before the call above; then nobody would tell us any more.
    if os.getppid() != server_pid:
        os._exit(1)


def set_limits() -> None:
    """No core files, and no more open files than Lambda allows."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))


def main() -> None:
    """Become the runtime that the arguments name; returns only if a Python runtime does."""
    server_pid, kind, target = sys.argv[1:]
    die_with_server(int(server_pid))
    set_limits()
    if kind == "provided":
        os.execv(target, [target])  # noqa: S606  the function's own program
    sys.path[0] = os.getcwd()  # noqa: PTH109  pathlib would cost every sandbox its memory
    sys.argv[:] = ["awslambdaric", target]
    from awslambdaric.__main__ import main as run_python_runtime

    run_python_runtime(sys.argv)


if __name__ == "__main__":
    main()

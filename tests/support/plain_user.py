"""Run a script as an ordinary user, whoever runs the tests."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from velvetrope.functions.homes import interpreter_folders, system_mounts
from velvetrope.zygote.isolation import Mount

USER_ID = 60_705

_CONFINED = """
import json, os, sys
from velvetrope.zygote.isolation import Limits, Mount, PrivateRoot, confine
given = json.loads(sys.stdin.readline())
os.umask(0o022)  # whatever the tester's is: that user is to see the folders made here
mounts = [Mount(*mount) for mount in given["mounts"]]
root = PrivateRoot(given["user"], given["root"], mounts, given["links"])
confine(Limits(1 << 40, 1 << 40), root, parent_pid=os.getppid())
if given["user"] == 0:
    import ctypes
    ctypes.CDLL(None).prctl(24, 21, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_SYS_ADMIN
os.execve(sys.executable, [sys.executable, "-c", given["script"]], {**given["environment"]})
"""


def run_as_plain_user(script: str, *, user_id: int = USER_ID) -> Any:
    """Run a Python script that prints JSON; what it printed.

    Root is not whom we want, so that it becomes somebody else in a root folder where that one can read the interpreter.
    With `user_id` 0 it stays root there, without the right to make mounts: as in most containers.
    """
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/tmp",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "LANG": "C.UTF-8",
    }
    if os.geteuid() != 0:
        return _run([sys.executable, "-c", script], environment, "")
    with tempfile.TemporaryDirectory() as folder:
        root, tmp = Path(folder, "root"), Path(folder, "tmp")
        root.mkdir()
        tmp.mkdir()
        os.chown(tmp, user_id, user_id)
        tmp.chmod(0o1777)
        mounts, links = system_mounts()
        if user_id == 0:
            # Where servers agree on who gives out which user: all of the machine's, this one too.
            locks = Path("/run/velvetrope")
            locks.mkdir(exist_ok=True)
            mounts.append(Mount(str(locks), str(locks), writable=True))
        given = {
            "user": user_id,
            "root": str(root),
            "links": links,
            "script": script,
            "environment": environment,
            "mounts": [
                *([mount.source, mount.target, mount.writable] for mount in mounts),
                # First, so that an interpreter below /tmp is not hidden.
                [str(tmp), "/tmp", True],
                *([path, path, False] for path in interpreter_folders(Path(folder))),
            ],
        }
        return _run([sys.executable, "-c", _CONFINED], environment, json.dumps(given) + "\n")


def _run(arguments: list[str], environment: dict[str, str], given: str) -> Any:
    done = subprocess.run(
        arguments, input=given, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)

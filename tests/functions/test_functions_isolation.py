"""What a function cannot get at, tried out from inside functions.

Whether functions have users and root folders of their own depends on who runs the server. Run by root, these tests try
both: their own server, and one that they start as an ordinary user. Run by anybody else, both are the latter.
"""

import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.functions import Lambda, error_of, process_is_alive, running_lambda, until
from support.plain_user import run_as_plain_user
from velvetrope.functions.configurations import Environment
from velvetrope.functions.errors import ServiceException
from velvetrope.functions.homes import interpreter_folders
from velvetrope.functions.processes import SandboxProcess
from velvetrope.functions.users import SandboxUsers
from velvetrope.functions.zygotes import Zygote
from velvetrope.store import Database
from velvetrope.zygote.system_calls import FORBIDDEN

ROOT = os.geteuid() == 0
PROJECT = Path("pyproject.toml").absolute()

SPY = """
import ctypes, os, resource

def attempt(what, *arguments):
    try:
        return what(*arguments)
    except OSError as err:
        return type(err).__name__

def read(path):
    with open(path, "rb") as file:
        return len(file.read())

def write(path):
    with open(path, "w") as file:
        return file.write("x")

def status(name):
    with open("/proc/self/status") as lines:
        return next(line.split(":")[1].strip() for line in lines if line.startswith(name + ":"))

def handler(event, context):
    libc = ctypes.CDLL(None, use_errno=True)
    return {
        "pid": os.getpid(),
        "session": os.getsid(0),
        "user": [os.getuid(), os.geteuid(), os.getgid(), os.getgroups()],
        "capabilities": [status("CapPrm"), status("CapEff")],
        "no_new_privileges": status("NoNewPrivs"),
        "limits": {name: resource.getrlimit(getattr(resource, "RLIMIT_" + name))
                   for name in ("CORE", "NOFILE", "FSIZE", "DATA", "NPROC")},
        "read": {path: attempt(read, path) for path in event.get("read", [])},
        "listed": {path: attempt(os.listdir, path) for path in event.get("list", [])},
        "written": {path: attempt(write, path) for path in event.get("write", [])},
        "signalled": {str(pid): attempt(os.kill, pid, 0) for pid in event.get("signal", [])},
        "unshared": libc.unshare(0x20000),
        "environment": dict(os.environ),
    }
"""


@pytest.fixture(params=["socketpair", "runtime-api"])
async def functions(database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Lambda]:
    """Both ways in: each takes the same rights away."""
    over_http = request.param == "runtime-api"
    async with running_lambda(database, tmp_path / "state" / "functions", python_over_http=over_http) as started:
        yield started


async def spy(functions: Lambda, arn: str, **event: Any) -> dict[str, Any]:
    result = await functions.invoke(arn, json.dumps(event).encode())
    assert result.function_error is None, result.payload
    found: dict[str, Any] = json.loads(result.payload)
    return found


async def test_a_function_of_a_root_server_cannot_read_the_servers_files(functions: Lambda, tmp_path: Path) -> None:
    """Not even one that everybody may read: it is not there. Where the server is no root, it is, as documented."""
    keys = tmp_path / "state" / "master-keys.json"
    keys.write_text("keys")
    keys.chmod(0o644)
    arn = await functions.create(SPY)
    files = [str(keys), str(tmp_path / "velvetrope.db"), f"/proc/{os.getpid()}/environ", str(PROJECT)]

    seen = await spy(functions, arn, read=files)

    assert set(seen["read"].values()) == {"FileNotFoundError"} if ROOT else seen["read"][str(keys)] == 4


async def test_a_function_of_a_root_server_cannot_see_or_signal_other_processes(functions: Lambda) -> None:
    arn, other = await functions.create(SPY), await functions.create(SPY, name="other")
    theirs = await spy(functions, other)
    pids = [os.getpid(), theirs["pid"]]

    seen = await spy(functions, arn, signal=pids, list=["/proc", *(f"/proc/{pid}" for pid in pids)])

    if ROOT:
        assert set(seen["signalled"].values()) == {"PermissionError"}
        assert [name for name in seen["listed"]["/proc"] if name.isdecimal()] == [str(seen["pid"])]
        assert {seen["listed"][f"/proc/{pid}"] for pid in pids} == {"FileNotFoundError"}
    assert seen["session"] == seen["pid"]


async def test_a_function_of_a_root_server_has_a_user_of_its_own_without_rights(functions: Lambda) -> None:
    arn, other = await functions.create(SPY), await functions.create(SPY, name="other")

    mine, theirs = await spy(functions, arn), await spy(functions, other)

    assert mine["no_new_privileges"] == "1"
    assert mine["unshared"] == -1
    if ROOT:
        user, *_ = mine["user"]
        assert mine["user"] == [user, user, user, []]
        assert user not in {0, theirs["user"][0]}
        assert [int(rights, 16) for rights in mine["capabilities"]] == [0, 0]


async def test_a_functions_code_and_files_are_its_own(functions: Lambda) -> None:
    arn, other = await functions.create(SPY), await functions.create(SPY, name="other")
    mine = await spy(functions, arn)
    own_code, own_tmp = mine["environment"]["LAMBDA_TASK_ROOT"], mine["environment"]["TMPDIR"]

    theirs = await spy(functions, other, list=[own_tmp, "/"], write=[f"{own_tmp}/theirs"])
    mine = await spy(functions, arn, list=[own_tmp, own_code], write=[f"{own_code}/app.py", f"{own_tmp}/mine"])

    assert mine["written"][f"{own_tmp}/mine"] == 1
    assert set(mine["listed"][own_code]) == {"app.py"}
    if ROOT:
        assert (own_code, own_tmp) == ("/var/task", "/tmp")
        assert mine["written"][f"{own_code}/app.py"] == "OSError"  # a read-only file system
        assert theirs["written"][f"{own_tmp}/theirs"] == 1
        # A checkout below /tmp brings the folders of its interpreter along.
        brought = {Path(path).parts[2] for path in interpreter_folders(Path("/none")) if path.startswith(f"{own_tmp}/")}
        assert set(mine["listed"][own_tmp]) == brought
        assert "state" not in theirs["listed"]["/"]


async def test_limits_are_lambdas(functions: Lambda) -> None:
    arn = await functions.create(SPY, memory_size=256)

    limits = (await spy(functions, arn))["limits"]

    assert limits["CORE"] == [0, 0]
    assert limits["NOFILE"] == [1024, 1024]
    assert limits["FSIZE"] == [512 * 1_048_576] * 2
    assert limits["DATA"] == [(2 * 256 + 2048) * 1_048_576] * 2
    assert limits["NPROC"] == [1024, 1024] or not ROOT


HOARDER = """
import ctypes, errno, os, subprocess, sys

CALLS = {"x86_64": (319, 447, 29, 68), "aarch64": (279, 447, 194, 186)}[os.uname().machine]
TRY = (
    "import ctypes\\n"
    "libc = ctypes.CDLL(None, use_errno=True)\\n"
    f"for number in {CALLS}:\\n"
    "    print(libc.syscall(number, 0, 4096, 0o1600), ctypes.get_errno())\\n"
)

def handler(event, context):
    try:
        os.memfd_create("hoard")
    except OSError as err:
        here = errno.errorcode[err.errno]
    tried = subprocess.run([sys.executable, "-c", TRY], capture_output=True, text=True).stdout
    return [here, tried.split("\\n")[:-1], errno.ENOSYS]
"""


async def test_memory_that_nobody_could_measure_cannot_be_had_by_it_or_what_it_begins(functions: Lambda) -> None:
    arn = await functions.create(HOARDER, timeout=30)

    here, tried, missing = json.loads((await functions.invoke(arn)).payload)

    assert here == "ENOSYS"
    assert tried == [f"-1 {missing}"] * 4


CLIMBER = f"""
import ctypes, os
FORBIDDEN = {FORBIDDEN!r}
CLONE = {{"x86_64": 56, "aarch64": 220}}
libc = ctypes.CDLL(None, use_errno=True)

def call(number, *arguments):
    answer = libc.syscall(ctypes.c_long(number), *arguments)
    if answer == 0 and number == CLONE[os.uname().machine]:
        os._exit(0)
    return os.strerror(ctypes.get_errno()) if answer == -1 else f"answered {{answer}}"

def handler(event, context):
    column = {{"x86_64": 0, "aarch64": 1}}[os.uname().machine]
    found = {{name: call(numbers[column], 0x10000000, 0, 0, 0, 0) for name, numbers in FORBIDDEN.items()}}
    return {{**found, "clone": call(CLONE[os.uname().machine], 0x10000011, 0, 0, 0, 0)}}
"""


async def test_a_function_makes_neither_namespaces_nor_mounts_and_reaches_no_keyring(functions: Lambda) -> None:
    """In a user namespace it would be root, and could mount file systems in memory that count for nobody."""
    arn = await functions.create(CLIMBER)

    found = json.loads((await functions.invoke(arn)).payload)

    assert {"unshare", "mount", "clone3", "clone", "keyctl"} <= set(found)
    assert found == dict.fromkeys(found, "Function not implemented")


async def test_a_file_over_the_size_of_the_scratch_folder_is_not_written(functions: Lambda) -> None:
    arn = await functions.create("""
import os
def handler(event, context):
    with open(os.environ["TMPDIR"] + "/big", "wb") as big:
        big.truncate(event["bytes"])
    return "written"
""")

    exactly = await functions.invoke(arn, b'{"bytes": %d}' % (512 * 1_048_576))
    more = await functions.invoke(arn, b'{"bytes": %d}' % (512 * 1_048_576 + 1))

    assert exactly.payload == b'"written"'
    assert error_of(more)["errorMessage"] == "[Errno 27] File too large"


async def test_processes_that_hide_in_sessions_of_their_own_end_with_the_function(functions: Lambda) -> None:
    arn = await functions.create("""
import os, subprocess
def handler(event, context):
    hidden = subprocess.Popen(["sleep", "300"], start_new_session=True)
    if event.get("die"):
        os.kill(os.getpid(), 9)
    return hidden.pid
""")
    pid = json.loads((await functions.invoke(arn)).payload)
    assert process_is_alive(pid)

    await functions.invoke(arn, b'{"die": true}')
    await until(lambda: not functions.service.invoker.process_ids())
    if not ROOT:
        await functions.service.stop()

    assert not process_is_alive(pid)


BOMB = """
import os, signal
def handler(event, context):
    for made in range(1100):
        try:
            child = os.fork()
        except BlockingIOError:
            return made
        if child == 0:
            signal.pause()
    return made
"""


async def test_a_function_that_forks_without_end_is_stopped_by_its_own_limit_and_hurts_nobody(
    functions: Lambda,
) -> None:
    bomb = await functions.create(BOMB, memory_size=3008, timeout=60)
    other = await functions.create("def handler(event, context):\n    return 'here'\n", name="other")

    made = json.loads((await functions.invoke(bomb)).payload)

    assert 1000 < made < 1024 or not ROOT
    assert (await functions.invoke(other)).payload == b'"here"'
    assert json.loads((await functions.invoke(bomb)).payload) == 0 or not ROOT


class NoThreads(ThreadPoolExecutor):
    """What a machine is like on which the server's user has as many threads as it may have."""

    def submit(self, *_args: object, **_keywords: object) -> Future[Any]:
        raise RuntimeError("can't start new thread")


async def test_a_function_s_end_is_heard_of_also_where_no_thread_is_to_be_had(functions: Lambda) -> None:
    arn = await functions.create("""
import os
def handler(event, context):
    if event.get("die"):
        os.kill(os.getpid(), 9)
    return "here"
""")
    await functions.invoke(arn)
    loop = asyncio.get_running_loop()
    loop.set_default_executor(NoThreads())
    try:
        died = await functions.invoke(arn, b'{"die": true}')
        await until(lambda: not functions.service.invoker.process_ids())
    finally:
        loop.set_default_executor(ThreadPoolExecutor())

    assert error_of(died)["errorType"] == "Runtime.ExitError"
    assert (await functions.invoke(arn)).payload == b'"here"'


HOG = """
import subprocess, sys, time
GROW = "hog = []\\nfor _ in range(%d): hog.append(bytearray(b'x') * 1048576)"
def handler(event, context):
    if event.get("child"):
        subprocess.run([sys.executable, "-c", GROW % event["mb"] + "\\nimport time; time.sleep(60)"])
    held = {}
    exec(GROW % event["mb"], held)
    if event["mb"] > 128:
        time.sleep(60)  # until somebody has looked
    return "fits"
"""


@pytest.mark.parametrize("child", [False, True])
async def test_a_function_that_takes_more_than_its_memory_size_is_ended(functions: Lambda, child: bool) -> None:
    arn = await functions.create(HOG, memory_size=128, timeout=30)

    result = await functions.invoke(arn, json.dumps({"mb": 600, "child": child}).encode())
    after = await functions.invoke(arn, b'{"mb": 60}')

    assert error_of(result) == {
        "errorType": "Runtime.OutOfMemory",
        "errorMessage": f"RequestId: {result.request_id} Error: Runtime exited with error: signal: killed",
    }
    assert b"Status: error\tError Type: Runtime.OutOfMemory" in result.log_tail
    assert after.payload == b'"fits"'


@pytest.mark.parametrize("new_session", [False, True] if ROOT else [False])
async def test_memory_of_processes_that_lost_their_parents_is_limited_too(
    functions: Lambda, *, new_session: bool
) -> None:
    """In sessions of their own too, where functions have users of their own."""
    arn = await functions.create(
        """
import os, subprocess, sys, time
GROW = "hog = [bytearray(b'x') * 1048576 for _ in range(600)]; import time; time.sleep(60)"
def handler(event, context):
    if os.fork() == 0:
        subprocess.Popen([sys.executable, "-c", GROW], start_new_session=event["new_session"])
        os._exit(0)
    os.wait()
    time.sleep(20)
""",
        memory_size=128,
        timeout=25,
    )

    result = await functions.invoke(arn, json.dumps({"new_session": new_session}).encode())

    assert error_of(result)["errorType"] == "Runtime.OutOfMemory"


async def test_memory_that_is_taken_while_initialising_is_limited_too(functions: Lambda) -> None:
    arn = await functions.create(
        "hog = [bytearray(b'x') * 1048576 for _ in range(600)]; __import__('time').sleep(60)", memory_size=128
    )

    assert error_of(await functions.invoke(arn))["errorType"] == "Runtime.OutOfMemory"


async def test_the_zygote_has_seen_nothing_of_the_server_or_of_a_function(
    functions: Lambda, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every function is a copy of its memory."""
    ours, server_only = secrets.token_hex(16), secrets.token_hex(16)
    monkeypatch.setenv("OF_THE_SERVER", server_only)
    arn = await functions.create(SPY, environment=Environment(variables={"OURS": ours}))
    seen = await spy(functions, arn)
    assert seen["environment"]["OURS"] == ours

    zygote = parent_of(seen["pid"])
    names, memory = variables_of(zygote), memory_of(zygote)

    assert names <= {b"LANG", b"PATH", b"TZ", b"LD_LIBRARY_PATH", b"LC_CTYPE"}
    assert b"velvetrope.zygote" in memory
    for secret in (ours, server_only, seen["environment"]["AWS_SECRET_ACCESS_KEY"], "token-2"):
        assert secret.encode() not in memory


async def test_when_the_zygote_is_killed_callers_are_told_and_the_next_ones_served(functions: Lambda) -> None:
    arn = await functions.create(SPY)
    before = (await spy(functions, arn))["pid"]

    os.kill(parent_of(before), signal.SIGKILL)
    await until(lambda: not functions.service.invoker.process_ids())
    after = (await spy(functions, arn))["pid"]

    assert after != before
    assert not process_is_alive(before)


async def test_a_root_server_that_can_give_functions_neither_roots_nor_users_refuses_to_run_them(
    functions: Lambda, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def may_not(self: Zygote) -> bool:
        return False

    monkeypatch.setattr(Zygote, "can_make_roots", may_not)
    monkeypatch.setattr(Zygote, "can_make_users", may_not)
    arn = await functions.create(SPY)

    if not ROOT:
        assert (await functions.invoke(arn)).function_error is None
        return
    with pytest.raises(ServiceException) as refused:
        await functions.invoke(arn)
    assert refused.value.message.startswith("Functions do not run here: the server is root, but may not give them root")


def test_two_servers_never_give_out_the_same_user(tmp_path: Path) -> None:
    one, another = (SandboxUsers(tmp_path / "locks", first=60_801, last=60_803) for _ in range(2))
    mine = one.lease()
    theirs = [another.lease(), another.lease()]

    with pytest.raises(ServiceException, match=r"^There is no user left"):
        another.lease()
    one.release(mine.user_id)
    again = one.lease()
    one.close()
    last = SandboxUsers(tmp_path / "locks", first=60_801, last=60_801).lease()

    assert len({mine.user_id, *(user.user_id for user in theirs)}) == 3
    assert (mine.fresh, again.fresh, again.user_id) == (True, False, mine.user_id)
    assert last.user_id == mine.user_id


async def test_a_user_is_taken_until_the_zygote_that_would_kill_its_processes_has_ended(tmp_path: Path) -> None:
    """It outlives a server that is killed, and still ends whatever runs as the users of its children."""
    nobodys = 61_190  # not one that servers give out
    mine, next_server = (SandboxUsers(tmp_path / "locks", first=nobodys, last=nobodys) for _ in range(2))
    zygote, (ours, theirs) = Zygote(), socket.socketpair()
    ended: list[int] = []
    process = SandboxProcess(zygote, on_output=lambda _output: None, on_exit=ended.append)

    with ours:
        await zygote.fork(process, theirs, user=mine.lease())
        mine.close()  # as the end of a server does
        with pytest.raises(ServiceException, match=r"^There is no user left"):
            next_server.lease()
        await zygote.close()

    assert SandboxUsers(tmp_path / "locks", first=nobodys, last=nobodys).lease().fresh
    assert len(ended) == 1


def test_a_server_that_is_an_ordinary_user_runs_functions_as_that_user_with_everything_else_taken_away() -> None:
    report = run_as_plain_user(PLAIN_SERVER)

    user, seen = report["user"], report["seen"]
    assert user != 0
    assert seen["user"][0] == user
    assert [int(rights, 16) for rights in seen["capabilities"]] == [0, 0]
    assert seen["no_new_privileges"] == "1"
    assert seen["limits"]["NOFILE"] == [1024, 1024]
    own = report["processes"] - min(256, report["processes"] // 4)
    assert seen["limits"]["NPROC"] == [own, own], "nothing is kept for the server"
    assert seen["environment"]["LAMBDA_TASK_ROOT"] == report["code"]
    assert seen["environment"]["TMPDIR"].startswith(report["folder"])
    assert "OF_THE_SERVER" not in seen["environment"]
    assert report["memory"]["errorType"] == "Runtime.OutOfMemory"
    assert report["timeout"]["errorType"] == "Sandbox.Timedout"


def test_a_root_server_that_may_not_make_mounts_gives_functions_users_of_their_own() -> None:
    """As in most containers. Run by anybody else than root, this is an ordinary user's server once more."""
    report = run_as_plain_user(PLAIN_SERVER, user_id=0)

    user, seen = report["user"], report["seen"]
    assert user == (0 if ROOT else os.getuid())
    assert seen["no_new_privileges"] == "1"
    assert report["memory"]["errorType"] == "Runtime.OutOfMemory"
    assert report["timeout"]["errorType"] == "Sandbox.Timedout"
    if ROOT:
        own = seen["user"][0]
        assert seen["user"] == [own, own, own, []]
        assert own != 0
        assert [int(rights, 16) for rights in seen["capabilities"]] == [0, 0]
        assert seen["environment"]["LAMBDA_TASK_ROOT"].startswith("/tmp/velvetrope-")
        assert report["others"]["read"] == {report["keys"]: "PermissionError"}
        assert set(report["others"]["listed"].values()) <= {"PermissionError", "FileNotFoundError"}
        assert set(report["others"]["signalled"].values()) == {"PermissionError"}
        assert report["left"] == []


PLAIN_SERVER = f"""
import asyncio, json, os, resource, sys, tempfile
from pathlib import Path
from support.functions import running_lambda
from velvetrope.store import Database
from velvetrope.zygote.system_calls import FORBIDDEN

SPY, HOG = {SPY!r}, {HOG!r}
os.environ["OF_THE_SERVER"] = "1"
present, hard = resource.getrlimit(resource.RLIMIT_NPROC)
processes = 100_000 if present == resource.RLIM_INFINITY else present
resource.setrlimit(resource.RLIMIT_NPROC, (processes, hard))

async def main():
    folder = Path(tempfile.mkdtemp())
    database = await Database.open(f"sqlite:///{{folder}}/velvetrope.db", durable=False)
    async with running_lambda(database, folder / "functions") as functions:
        spy = await functions.create(SPY)
        seen = json.loads((await functions.invoke(spy)).payload)
        keys = folder / "functions" / "master-keys.json"
        keys.write_text("keys")
        (folder / "functions").chmod(0o700)
        theirs = [seen["environment"]["TMPDIR"], seen["environment"]["LAMBDA_TASK_ROOT"], f"/proc/{{seen['pid']}}/fd"]
        other = await functions.create(SPY, name="other")
        tried = {{"read": [str(keys)], "list": theirs, "signal": [os.getpid(), seen["pid"]]}}
        others = json.loads((await functions.invoke(other, json.dumps(tried).encode())).payload)
        hog = await functions.create(HOG, name="hog", timeout=30)
        memory = json.loads((await functions.invoke(hog, b'{{"mb": 600}}')).payload)
        slow = await functions.create("import time\\ndef handler(e, c): time.sleep(60)", name="slow", timeout=1)
        timeout = json.loads((await functions.invoke(slow)).payload)
        code = str(functions.service.code.folder_of(os.listdir(folder / "functions" / "code")[0]).parent)
    await database.close()
    left = [name for name in os.listdir("/tmp") if name.startswith("velvetrope-")]
    print(json.dumps({{"others": others, "keys": str(keys), "left": left, "user": os.getuid(), "seen": seen,
                       "processes": processes, "memory": memory, "timeout": timeout, "folder": str(folder),
                       "code": seen["environment"]["LAMBDA_TASK_ROOT"]
                       if seen["environment"]["LAMBDA_TASK_ROOT"].startswith(code) else code}}))

asyncio.run(main())
"""


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def variables_of(pid: int) -> set[bytes]:
    return {entry.partition(b"=")[0] for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if entry}


def memory_of(pid: int) -> bytes:
    """All readable memory of a process: of another one, so that it is not what is looked for that is found."""
    script = """
import sys
pid = sys.argv[1]
with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
    for line in maps:
        span, rights, *rest = line.split()
        if rights.startswith("rw"):
            start, end = (int(part, 16) for part in span.split("-"))
            memory.seek(start)
            sys.stdout.buffer.write(memory.read(end - start))
"""
    return subprocess.run([sys.executable, "-c", script, str(pid)], stdout=subprocess.PIPE, check=True).stdout

"""Who is held on a processor, and that nothing that begins meanwhile is. On a machine of one, nobody is ever held."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.functions import Lambda, running_lambda, sandboxes_of, until
from velvetrope.functions.affinity import ThreadAffinity, begin_lookup_threads
from velvetrope.functions.sharing import RUN, ProcessorSharing
from velvetrope.store import Database
from velvetrope.zygote.processors import PATIENCE_SECONDS, Follower, spread

ALL = os.sched_getaffinity(0)
SEVERAL = len(ALL) > 1
SLEEPER = [sys.executable, "-c", "import sys; sys.stdin.read()"]


@pytest.fixture
def affinity() -> Iterator[ThreadAffinity]:
    made = ThreadAffinity()
    yield made
    made.let_go()
    assert os.sched_getaffinity(0) == ALL


def test_a_thread_is_held_where_it_is_and_has_all_processors_back_afterwards(affinity: ThreadAffinity) -> None:
    processor = affinity.hold()

    assert affinity.held == SEVERAL
    assert os.sched_getaffinity(0) == ({processor} if SEVERAL else ALL)
    affinity.let_go()
    assert os.sched_getaffinity(0) == ALL
    assert not affinity.held


def test_a_server_that_was_given_one_processor_holds_nothing(affinity: ThreadAffinity) -> None:
    os.sched_setaffinity(0, {min(ALL)})
    try:
        assert affinity.hold() is None
        assert not affinity.held
        assert os.sched_getaffinity(0) == {min(ALL)}
    finally:
        os.sched_setaffinity(0, ALL)


def test_one_thread_of_a_process_is_held_at_a_time(affinity: ThreadAffinity) -> None:
    affinity.hold()

    assert ThreadAffinity().hold() is None


def test_whoever_chose_processors_for_the_thread_meanwhile_keeps_their_choice(affinity: ThreadAffinity) -> None:
    processor = affinity.hold()
    chosen = {max(ALL - {processor})} if SEVERAL and processor is not None else ALL
    os.sched_setaffinity(0, chosen)
    try:
        affinity.let_go()
        assert os.sched_getaffinity(0) == chosen
    finally:
        os.sched_setaffinity(0, ALL)


def test_a_thread_that_begins_while_this_one_is_held_has_all_processors(affinity: ThreadAffinity) -> None:
    found: list[set[int]] = []
    affinity.hold()

    thread = threading.Thread(target=lambda: found.append(os.sched_getaffinity(0)))
    thread.start()
    thread.join()

    assert found == [ALL]
    assert not affinity.held


def test_so_has_one_of_a_pool(affinity: ThreadAffinity) -> None:
    with ThreadPoolExecutor(1) as pool:
        affinity.hold()
        assert pool.submit(os.sched_getaffinity, 0).result() == ALL


def test_so_has_a_process(affinity: ThreadAffinity) -> None:
    affinity.hold()

    with subprocess.Popen(SLEEPER, stdin=subprocess.PIPE) as child:
        assert os.sched_getaffinity(child.pid) == ALL
        assert child.stdin is not None
        child.stdin.close()


def test_what_another_thread_begins_leaves_the_held_one_alone(affinity: ThreadAffinity) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        affinity.hold()

        def begin() -> None:
            inner = threading.Thread(target=int)
            inner.start()
            inner.join()

        pool.submit(begin).result()
        assert affinity.held == SEVERAL


def _held_threads(pid: int) -> list[int]:
    """The threads of a process that do not have all processors."""
    return [
        int(thread)
        for thread in os.listdir(f"/proc/{pid}/task")  # noqa: PTH208
        if os.sched_getaffinity(int(thread)) != ALL
    ]


def _parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def test_names_are_looked_up_in_threads_that_have_all_processors(affinity: ThreadAffinity) -> None:
    await begin_lookup_threads()
    affinity.hold()
    await asyncio.get_running_loop().getaddrinfo("localhost", 80)
    affinity.let_go()

    assert _held_threads(os.getpid()) == []


class TestFollower:
    """A runtime's thread."""

    @pytest.fixture
    def connection(self) -> Iterator[socket.socket]:
        ours, theirs = socket.socketpair()
        yield ours
        ours.close()
        theirs.close()
        os.sched_setaffinity(0, ALL)

    def test_it_goes_where_an_event_says_and_anywhere_once_one_says_nothing(self, connection: socket.socket) -> None:
        follower, processor = Follower(connection), max(ALL)

        follower.follow(processor)
        assert os.sched_getaffinity(0) == ALL  # the handler of this event is not held yet
        follower.settle()
        assert os.sched_getaffinity(0) == {processor}

        follower.follow(None)
        assert os.sched_getaffinity(0) == ALL

    def test_it_moves_with_the_server(self, connection: socket.socket) -> None:
        follower = Follower(connection)
        for processor in (min(ALL), max(ALL)):
            follower.follow(processor)
            follower.settle()

            follower.follow(None)
        assert os.sched_getaffinity(0) == ALL

    def test_it_stays_where_the_handler_chose_to_be(self, connection: socket.socket) -> None:
        follower = Follower(connection)
        follower.follow(max(ALL))
        follower.settle()
        follower.follow(None)
        os.sched_setaffinity(0, {min(ALL)})

        follower.follow(max(ALL))
        follower.settle()

        assert os.sched_getaffinity(0) == {min(ALL)}

    def test_it_does_not_go_where_the_server_has_no_processor(self, connection: socket.socket) -> None:
        follower = Follower(connection)

        follower.follow(max(ALL) + 1)
        follower.settle()

        assert os.sched_getaffinity(0) == ALL

    def test_what_it_begins_has_all_processors_and_so_has_it_then(self, connection: socket.socket) -> None:
        follower, found = Follower(connection), list[set[int]]()
        follower.follow(max(ALL))
        follower.settle()

        thread = threading.Thread(target=lambda: found.append(os.sched_getaffinity(0)))
        thread.start()
        thread.join()

        assert found == [ALL]
        assert os.sched_getaffinity(0) == ALL

    def test_it_waits_for_an_event_for_so_long_and_no_longer(self, connection: socket.socket) -> None:
        follower = Follower(connection)
        follower.follow(max(ALL))
        follower.settle()

        if SEVERAL:
            with pytest.raises(BlockingIOError):
                connection.recv(1)
        follower.give_up()

        assert os.sched_getaffinity(0) == ALL
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16) == bytes(16)
        assert PATIENCE_SECONDS < 1


def test_threads_and_processes_of_c_are_found_when_their_beginner_is_let_go() -> None:
    source = (
        "import ctypes, os, sys\n"
        f"os.sched_setaffinity(0, {{{max(ALL)}}})\n"
        "library, thread = ctypes.CDLL(None), ctypes.c_ulong()\n"
        "library.pthread_create(ctypes.byref(thread), None, library.sleep, ctypes.c_void_p(60))\n"
        "child = ctypes.PyDLL(None).fork()\n"
        "if child == 0: library.sleep(60)\n"
        "print(child, flush=True)\n"
        "sys.stdin.read()\n"
        "os.kill(child, 9)\n"
        "os._exit(0)\n"
    )
    with subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        child = int(process.stdout.readline())

        spread(process.pid, max(ALL) + 1, ALL)  # held elsewhere: not ours
        held = len(_held_threads(process.pid))
        spread(process.pid, max(ALL), ALL)

        assert held == (2 if SEVERAL else 0)
        assert _held_threads(process.pid) == []
        assert os.sched_getaffinity(child) == ALL
        process.stdin.close()


PLACES = """
import os, subprocess, threading, time

def mask():
    return sorted(os.sched_getaffinity(0))

def handler(event, context):
    found = {"before": mask()}
    if event.get("begin"):
        thread = threading.Thread(target=lambda: found.update(thread=mask()))
        thread.start()
        thread.join()
        child = subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True)
        [line] = [line for line in child.stdout.splitlines() if line.startswith("Cpus_allowed_list")]
        found["child"] = line.split()[1]
    ends = time.monotonic() + 40
    while mask() != event.get("spin_until_on", mask()) and time.monotonic() < ends:
        pass
    return {**found, "after": mask(), "pid": os.getpid()}
"""


async def _held_now(functions: Lambda, arn: str) -> dict[str, list[int]]:
    """Invoke until the sandbox and the loop are held; what it said."""
    for _ in range(200 * RUN):
        found: dict[str, list[int]] = json.loads((await functions.invoke(arn)).payload)
        if not SEVERAL or ALL not in (set(found["before"]), os.sched_getaffinity(0)):
            return found
    raise AssertionError("the sandbox was never held")


class TestServer:
    """A whole service whose sharing is always believed to be worth it, on a machine that may be busy."""

    @pytest.fixture
    async def functions(
        self, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[Lambda]:
        for name, seconds in {"QUICK": 60.0, "PAUSE": 60.0, "LONGEST": 60.0, "LATE": 60.0, "WATCH": 0.05}.items():
            monkeypatch.setattr(f"velvetrope.functions.sharing.{name}_SECONDS", seconds)
        sharing = ProcessorSharing(ThreadAffinity(), gain=1000.0)
        async with running_lambda(database, tmp_path / "functions", sharing=sharing) as started:
            yield started
        assert os.sched_getaffinity(0) == ALL

    async def test_a_sandbox_is_where_the_loop_is_and_nobody_else_is_held(self, functions: Lambda) -> None:
        arn = await functions.create(PLACES, timeout=20)
        found = await _held_now(functions, arn)
        # On a busy machine both may have been let go of between the handler's look and this one.
        while SEVERAL and os.sched_getaffinity(0) == ALL:
            found = await _held_now(functions, arn)
        loop, [sandbox] = os.sched_getaffinity(0), sandboxes_of(functions)

        assert found["before"] == sorted(loop)
        assert _held_threads(os.getpid()) == ([os.getpid()] if SEVERAL else [])
        assert sandbox.process_id is not None
        assert _held_threads(_parent_of(sandbox.process_id)) == []

    async def test_what_a_handler_begins_has_all_processors(self, functions: Lambda) -> None:
        arn = await functions.create(PLACES, timeout=20)
        await _held_now(functions, arn)

        found = json.loads((await functions.invoke(arn, b'{"begin": true}')).payload)

        assert found["thread"] == sorted(ALL)
        assert _processors(found["child"]) == ALL

    async def test_a_handler_that_takes_long_has_all_processors_before_it_ends(self, functions: Lambda) -> None:
        arn = await functions.create(PLACES, timeout=20)
        held = await _held_now(functions, arn)

        found = json.loads((await functions.invoke(arn, json.dumps({"spin_until_on": sorted(ALL)}).encode())).payload)

        assert found["pid"] == held["pid"]
        assert found["after"] == sorted(ALL)
        await until(lambda: os.sched_getaffinity(0) == ALL)

    async def test_a_second_function_begins_with_all_processors(self, functions: Lambda) -> None:
        arn, other = await functions.create(PLACES, timeout=20), await functions.create(PLACES, name="other")
        await _held_now(functions, arn)

        found = json.loads((await functions.invoke(other)).payload)

        assert found["before"] == sorted(ALL)
        assert _held_threads(os.getpid()) == []

    async def test_work_in_threads_has_all_processors(self, functions: Lambda) -> None:
        arn = await functions.create(PLACES, timeout=20)
        await _held_now(functions, arn)

        found = await asyncio.gather(*(asyncio.to_thread(os.sched_getaffinity, 0) for _ in range(40)))

        assert found == [ALL] * 40

    async def test_a_sandbox_that_is_not_asked_again_is_let_go(self, functions: Lambda) -> None:
        arn = await functions.create(PLACES, timeout=20)
        await _held_now(functions, arn)
        [sandbox] = sandboxes_of(functions)
        pid = sandbox.process_id
        assert pid is not None

        await until(lambda: _held_threads(pid) == [])
        await until(lambda: os.sched_getaffinity(0) == ALL)


def _processors(listed: str) -> set[int]:
    """The numbers in a list of ranges, such as `0-1,4`."""
    found: set[int] = set()
    for part in listed.split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found

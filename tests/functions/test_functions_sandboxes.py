"""Sandboxes with real processes: what a function's caller gets, whatever the function does.

Every test runs twice: with the runtime behind a socketpair, forked from the zygote, and with AWS's own client executed
afresh and speaking the Runtime API over HTTP. Nobody who invokes can tell the two apart.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from support.functions import (
    ROLE,
    WAIT_AT_GATE,
    Gate,
    Lambda,
    MovableClock,
    error_of,
    open_descriptors,
    process_is_alive,
    running_lambda,
    sandboxes_of,
    until,
)
from support.zips import make_zip
from velvetrope.functions.configurations import Environment
from velvetrope.functions.errors import AccessDeniedException
from velvetrope.functions.pools import PROCESSORS
from velvetrope.store import Database

SHOWS_ITSELF = """
import os
def handler(event, context):
    return {"event": event, "pid": os.getpid(), "environment": dict(os.environ), "folder": os.getcwd(),
            "arn": context.invoked_function_arn, "request_id": context.aws_request_id,
            "remaining": context.get_remaining_time_in_millis(), "memory": context.memory_limit_in_mb,
            "descriptors": {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                            if os.path.exists(f"/proc/self/fd/{fd}")}}
"""

DOES_AS_TOLD = f"""
import os, sys, time
calls = 0
def handler(event, context):
    global calls
    calls += 1
    do = event.get("do")
    {WAIT_AT_GATE}
    if do == "raise":
        raise ValueError("no such order")
    if do == "sleep":
        time.sleep(event["seconds"])
    if do == "exit":
        sys.exit(event["status"])
    if do == "die":
        os.kill(os.getpid(), 9)
    if do == "segfault":
        os.kill(os.getpid(), 11)
    if do == "print":
        print("hello from", context.function_name)
    if do == "big":
        return "x" * event["size"]
    return {{"calls": calls, "pid": os.getpid()}}
"""


@pytest.fixture(params=["socketpair", "runtime-api"])
def over_http(request: pytest.FixtureRequest) -> bool:
    """Which of the two ways in."""
    return bool(request.param == "runtime-api")


@pytest.fixture
async def functions(database: Database, tmp_path: Path, over_http: bool) -> AsyncIterator[Lambda]:
    async with running_lambda(database, tmp_path / "functions", python_over_http=over_http) as started:
        yield started


async def test_a_handler_answers_with_what_it_returns_and_is_told_who_it_is(functions: Lambda) -> None:
    arn = await functions.create(SHOWS_ITSELF, timeout=5, memory_size=256)

    result = await functions.invoke(arn, b'{"a": 1}')
    shown = json.loads(result.payload)

    assert result.function_error is None
    assert result.executed_version == "$LATEST"
    assert shown["event"] == {"a": 1}
    assert shown["arn"] == arn
    assert shown["request_id"] == result.request_id
    assert 0 < shown["remaining"] <= 5000
    assert shown["memory"] == "256"
    assert shown["folder"] == shown["environment"]["LAMBDA_TASK_ROOT"]


async def test_the_environment_is_lambdas_and_nothing_of_the_server_gets_in(
    functions: Lambda, monkeypatch: pytest.MonkeyPatch, over_http: bool
) -> None:
    monkeypatch.setenv("SERVER_ONLY", "secret")
    arn = await functions.create(SHOWS_ITSELF, environment=Environment(variables={"TABLE": "orders"}))

    shown = json.loads((await functions.invoke(arn)).payload)
    environment = shown["environment"]

    assert set(environment) == {
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        *(["AWS_LAMBDA_RUNTIME_API"] if over_http else []),
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_XRAY_CONTEXT_MISSING",
        "HOME",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
        "LANG",
        "LC_CTYPE",
        "LD_LIBRARY_PATH",
        "PATH",
        "PWD",
        "SHLVL",
        "TABLE",
        "TMPDIR",
        "TZ",
        "_HANDLER",
    }
    assert environment["TABLE"] == "orders"
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4800"
    assert environment["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.11"
    assert environment["AWS_LAMBDA_LOG_GROUP_NAME"] == "/aws/lambda/orders"
    assert "secret" not in json.dumps(environment).replace("secret-", "")


async def test_a_function_has_its_execution_roles_session_and_one_letter_names_get_a_suffix(functions: Lambda) -> None:
    arn = await functions.create(SHOWS_ITSELF)
    short = await functions.create(SHOWS_ITSELF, name="x")
    functions.roles.asked.clear()

    environment = json.loads((await functions.invoke(arn)).payload)["environment"]
    await functions.invoke(short)

    assert functions.roles.asked == [
        (ROLE, "lambda.amazonaws.com", "orders", arn),
        (ROLE, "lambda.amazonaws.com", "x@lambda_function", short),
    ]
    # Two sessions were asked for before, when the roles were tried at CreateFunction.
    assert environment["AWS_ACCESS_KEY_ID"] == "ASIA1"
    assert environment["AWS_SECRET_ACCESS_KEY"] == "secret-1"
    assert environment["AWS_SESSION_TOKEN"] == "token-1"


async def test_a_sandbox_inherits_no_descriptor_of_the_server(functions: Lambda, tmp_path: Path) -> None:
    arn = await functions.create(SHOWS_ITSELF)
    with (tmp_path / "open in the server").open("w") as held:
        os.set_inheritable(held.fileno(), True)

        shown = json.loads((await functions.invoke(arn)).payload)

    kinds = sorted(target.split(":")[0] for target in shown["descriptors"].values())
    assert not any("open in the server" in target for target in shown["descriptors"].values())
    assert shown["descriptors"]["0"] == "/dev/null"
    assert shown["descriptors"]["1"] == shown["descriptors"]["2"]
    # Beside the standard three: the Runtime API's connection and what curl keeps for itself.
    assert set(kinds) <= {"/dev/null", "pipe", "socket", "anon_inode"}


@pytest.mark.parametrize(
    ("returned", "runtime", "payload"),
    [
        ("None", "python3.11", b"null"),
        ("'\\u00fcber'", "python3.11", b'"\\u00fcber"'),
        ("'\\u00fcber'", "python3.13", '"\u00fcber"'.encode()),
        ("b'\\x00\\xff raw'", "python3.13", b"\x00\xff raw"),
        ("__import__('decimal').Decimal('1.10')", "python3.11", b"1.10"),
        ("float('nan')", "python3.11", b"NaN"),
        ("(1, [2])", "python3.11", b"[1, [2]]"),
        ("event", "python3.11", b'{"deep": [1.5, "\\ud83d\\ude00", null]}'),
    ],
)
async def test_what_a_handler_returns_becomes_the_bytes_that_lambda_would_send(
    functions: Lambda, returned: str, runtime: str, payload: bytes
) -> None:
    arn = await functions.create(f"def handler(event, context): return {returned}", runtime=runtime)

    result = await functions.invoke(arn, b'{"deep": [1.5, "\\ud83d\\ude00", null]}')

    assert (result.payload, result.function_error) == (payload, None)


async def test_what_cannot_be_written_as_json_is_an_error_of_the_function(functions: Lambda) -> None:
    arn = await functions.create("def handler(event, context): return {1, 2}")

    error = error_of(await functions.invoke(arn))

    assert error["errorType"] == "Runtime.MarshalError"
    assert error["errorMessage"].startswith("Unable to marshal response: ")


async def test_a_powertools_handler_runs_as_it_is(functions: Lambda) -> None:
    arn = await functions.create("""
from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
app, logger = APIGatewayRestResolver(), Logger(service="orders")

@app.get("/orders/<number>")
def order(number):
    logger.info("looking")
    return {"number": number}

@logger.inject_lambda_context
def handler(event, context):
    return app.resolve(event, context)
""")
    event = {"httpMethod": "GET", "path": "/orders/7", "requestContext": {"stage": "dev"}, "headers": {}}

    result = await functions.invoke(arn, json.dumps(event).encode())

    assert json.loads(json.loads(result.payload)["body"]) == {"number": "7"}
    [line] = [json.loads(line) for line in result.log_tail.decode().splitlines() if line.startswith("{")]
    assert (line["message"], line["function_request_id"]) == ("looking", result.request_id)


async def test_a_warm_sandbox_is_used_again(functions: Lambda) -> None:
    arn = await functions.create(DOES_AS_TOLD)

    answers = [json.loads((await functions.invoke(arn)).payload) for _ in range(3)]

    assert [answer["calls"] for answer in answers] == [1, 2, 3]
    assert len({answer["pid"] for answer in answers}) == 1


async def test_an_exception_is_answered_as_the_runtime_client_reports_it(functions: Lambda) -> None:
    arn = await functions.create(DOES_AS_TOLD)

    result = await functions.invoke(arn, b'{"do": "raise"}')
    after = await functions.invoke(arn)

    error = error_of(result)
    assert list(error) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert (error["errorMessage"], error["errorType"]) == ("no such order", "ValueError")
    assert error["requestId"] == result.request_id
    assert json.loads(after.payload)["calls"] == 2


async def test_a_timeout_kills_and_the_next_invocation_has_a_new_process(functions: Lambda) -> None:
    arn = await functions.create(DOES_AS_TOLD, timeout=1)
    before = (await functions.answered(arn))["pid"]

    result = await functions.invoke(arn, b'{"do": "sleep", "seconds": 60}')
    after = await functions.answered(arn)

    assert list(json.loads(result.payload).items()) == [
        ("errorType", "Sandbox.Timedout"),
        ("errorMessage", f"RequestId: {result.request_id} Error: Task timed out after 1.00 seconds"),
    ]
    assert result.function_error == "Unhandled"
    assert b"Task timed out after 1.00 seconds" in result.log_tail
    assert after["calls"] == 1
    assert not process_is_alive(before)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ('{"do": "exit", "status": 0}', "Runtime exited without providing a reason"),
        ('{"do": "exit", "status": 3}', "Runtime exited with error: exit status 3"),
        ('{"do": "die"}', "Runtime exited with error: signal: killed"),
        ('{"do": "segfault"}', "Runtime exited with error: signal: segmentation fault"),
    ],
)
async def test_a_crash_is_answered_and_the_next_invocation_has_a_new_process(
    functions: Lambda, event: str, words: str
) -> None:
    arn = await functions.create(DOES_AS_TOLD)

    result = await functions.invoke(arn, event.encode())
    after = await functions.invoke(arn)

    error = error_of(result)
    assert error == {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {result.request_id} Error: {words}"}
    assert json.loads(after.payload)["calls"] == 1


@pytest.mark.parametrize(
    ("source", "handler", "error_type", "message"),
    [
        ("x = 1 +", "app.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app': "),
        ("", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("", "other.handler", "Runtime.ImportModuleError", "Unable to import module 'other': No module named 'other'"),
        ("", "handler", "Runtime.MalformedHandlerName", "Bad handler 'handler': "),
        ("raise KeyError('at import')", "app.handler", "KeyError", "'at import'"),
    ],
)
async def test_what_fails_before_the_first_event_is_answered_to_who_invoked(
    functions: Lambda, source: str, handler: str, error_type: str, message: str
) -> None:
    arn = await functions.create(source, handler=handler)

    error = error_of(await functions.invoke(arn))

    assert error["errorType"] == error_type
    assert error["errorMessage"].startswith(message)
    assert error["requestId"] == ""


async def test_an_exit_while_initialising_is_answered(functions: Lambda) -> None:
    arn = await functions.create("import os\nprint('leaving')\nos._exit(7)")

    result = await functions.invoke(arn)

    assert error_of(result) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {result.request_id} Error: Runtime exited with error: exit status 7",
    }
    assert b"leaving\n" in result.log_tail
    assert b"INIT_REPORT" in result.log_tail


async def test_all_who_wait_for_a_failing_start_are_answered(functions: Lambda) -> None:
    arn = await functions.create("raise RuntimeError('broken')")

    results = await asyncio.gather(*(functions.invoke(arn) for _ in range(5)))

    assert {error_of(result)["errorType"] for result in results} == {"RuntimeError"}


async def test_a_result_of_the_largest_size_passes_and_one_byte_more_does_not(functions: Lambda) -> None:
    arn = await functions.create(DOES_AS_TOLD, timeout=20)
    # The limit counts bytes of JSON: two of them are the quotes.
    largest = 6_291_556 - 2

    passes = await functions.invoke(arn, b'{"do": "big", "size": %d}' % largest)
    fails = await functions.invoke(arn, b'{"do": "big", "size": %d}' % (largest + 1))
    after = await functions.invoke(arn)

    assert passes.function_error is None
    assert len(passes.payload) == 6_291_556
    assert error_of(fails) == {
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        "errorType": "Function.ResponseSizeTooLarge",
    }
    assert after.function_error is None


async def test_two_invocations_at_once_run_in_two_processes(functions: Lambda) -> None:
    arn = await functions.create(DOES_AS_TOLD)
    async with Gate() as gate:
        event = b'{"gate": %d}' % gate.port
        under_way = [asyncio.create_task(functions.invoke(arn, event)) for _ in range(2)]
        await until(lambda: gate.waiting == 2)
        gate.open()
        results = await asyncio.gather(*under_way)

    assert len({json.loads(result.payload)["pid"] for result in results}) == 2


async def test_a_line_that_never_ends_gets_a_second_process_however_quickly_it_moves(functions: Lambda) -> None:
    arn = await functions.create(DOES_AS_TOLD)
    expected, seen = min(2, PROCESSORS), set[int]()

    async def keep_asking() -> None:
        while len(seen) < expected:
            seen.add(json.loads((await functions.invoke(arn)).payload)["pid"])

    async with asyncio.timeout(90):
        await asyncio.gather(*(keep_asking() for _ in range(6)))


async def test_past_the_limit_of_sandboxes_invocations_wait_in_line(
    database: Database, tmp_path: Path, over_http: bool
) -> None:
    async with running_lambda(
        database, tmp_path / "functions", python_over_http=over_http, max_sandboxes_per_version=2
    ) as functions:
        arn = await functions.create(DOES_AS_TOLD)
        event = b'{"do": "sleep", "seconds": 0.05}'

        results = await asyncio.gather(*(functions.invoke(arn, event) for _ in range(8)))

    pids = {json.loads(result.payload)["pid"] for result in results}
    assert len(pids) <= 2
    assert sorted(result.function_error or "" for result in results) == [""] * 8


async def test_an_invocation_whose_caller_left_runs_on_and_its_sandbox_is_used_again(
    database: Database, tmp_path: Path, over_http: bool
) -> None:
    async with running_lambda(
        database, tmp_path / "functions", python_over_http=over_http, max_sandboxes_per_version=1
    ) as functions:
        arn = await functions.create(DOES_AS_TOLD)
        pid = json.loads((await functions.invoke(arn)).payload)["pid"]
        await until(lambda: any(sandbox.idle for sandbox in sandboxes_of(functions)))
        async with Gate() as gate:
            left = asyncio.create_task(functions.invoke(arn, b'{"gate": %d}' % gate.port))
            await until(lambda: gate.waiting == 1)

            left.cancel()
            next_one = asyncio.create_task(functions.invoke(arn))
            gate.open()
            after = json.loads((await next_one).payload)

    assert left.cancelled()
    assert after == {"calls": 3, "pid": pid}


async def test_the_log_tail_has_lambdas_lines_around_what_the_handler_printed(functions: Lambda) -> None:
    arn = await functions.create(DOES_AS_TOLD)

    result = await functions.invoke(arn, b'{"do": "print"}')
    again = await functions.invoke(arn, b'{"do": "print"}')

    lines = result.log_tail.decode().splitlines()
    request_id = result.request_id
    assert lines[0].startswith("INIT_START Runtime Version: python3.11")
    assert lines[1:4] == [
        f"START RequestId: {request_id} Version: $LATEST",
        "hello from orders",
        f"END RequestId: {request_id}",
    ]
    assert lines[4].startswith(f"REPORT RequestId: {request_id}\tDuration: ")
    assert "\tMemory Size: 128 MB\tMax Memory Used: " in lines[4]
    assert "\tInit Duration: " in lines[4]
    assert again.log_tail.startswith(b"START RequestId: ")
    assert b"Init Duration" not in again.log_tail
    kept = [line.message for line in functions.lines]
    assert kept.count("hello from orders") == 2


async def test_a_sandbox_is_replaced_before_its_credentials_expire(functions: Lambda) -> None:
    functions.roles.lifetime = timedelta(seconds=30)
    arn = await functions.create(SHOWS_ITSELF)

    first = json.loads((await functions.invoke(arn)).payload)["environment"]
    second = json.loads((await functions.invoke(arn)).payload)["environment"]

    assert first["AWS_SESSION_TOKEN"] != second["AWS_SESSION_TOKEN"]


async def test_credentials_outlive_every_invocation_that_they_are_given_to(database: Database, tmp_path: Path) -> None:
    """A sandbox lives on for as long as its session has a minute left beyond the function's time limit."""
    clock = MovableClock()
    async with running_lambda(database, tmp_path / "functions", clock=clock) as functions:
        arn = await functions.create(SHOWS_ITSELF, timeout=10)

        async def token() -> str:
            return str(json.loads((await functions.invoke(arn)).payload)["environment"]["AWS_SESSION_TOKEN"])

        first = await token()
        clock.moved += timedelta(minutes=58, seconds=30)
        kept = await token()
        clock.moved += timedelta(seconds=20)
        replaced = await token()
        clock.moved += timedelta(days=3)  # a machine that slept
        woken = await token()

    assert kept == first
    assert len({first, replaced, woken}) == 3


async def test_a_role_that_no_longer_trusts_lambda_refuses_the_invocation(functions: Lambda) -> None:
    arn = await functions.create(SHOWS_ITSELF)
    functions.roles.refused.add(ROLE)

    with pytest.raises(
        AccessDeniedException, match=r"^The role defined for the function cannot be assumed by Lambda\.$"
    ):
        await functions.invoke(arn)


async def test_a_prewarmed_function_answers_from_the_process_that_was_there(functions: Lambda) -> None:
    arn = await functions.create(DOES_AS_TOLD)

    warmed = await functions.service.invoker.prewarm(arn)
    [pid] = functions.service.invoker.process_ids()
    answer = json.loads((await functions.invoke(arn)).payload)

    assert warmed
    assert answer == {"calls": 1, "pid": pid}


async def test_prewarming_a_function_that_cannot_start_says_so(functions: Lambda) -> None:
    arn = await functions.create("raise RuntimeError('broken')")

    assert not await functions.service.invoker.prewarm(arn)


async def test_changed_code_is_what_the_next_invocation_runs_and_a_warm_function_stays_warm(functions: Lambda) -> None:
    arn = await functions.create("def handler(event, context): return 'old'")
    old = await functions.invoke(arn)
    changed = make_zip({"app.py": "def handler(event, context): return 'new'"})

    await functions.operate("update_function_code", function_name="orders", zip_file=changed)
    new = await functions.invoke(arn)

    assert (old.payload, new.payload) == (b'"old"', b'"new"')
    await until(lambda: len(functions.service.invoker.process_ids()) == 1)


async def test_idle_sandboxes_are_ended(database: Database, tmp_path: Path, over_http: bool) -> None:
    async with running_lambda(
        database, tmp_path / "functions", python_over_http=over_http, idle_seconds=0.0
    ) as functions:
        arn = await functions.create(DOES_AS_TOLD)
        pid = json.loads((await functions.invoke(arn)).payload)["pid"]

        # The sweep runs every quarter of a minute; here it is called for.
        await until(lambda: any(sandbox.idle for sandbox in sandboxes_of(functions)))
        functions.service.invoker._sweep()

        await until(lambda: functions.service.invoker.process_ids() == [])
        assert not process_is_alive(pid)


async def test_stopping_leaves_no_process_of_a_function_or_of_its_children(
    database: Database, tmp_path: Path, over_http: bool
) -> None:
    spawning = """
import os, subprocess
def handler(event, context):
    child = subprocess.Popen(["sleep", "300"])
    return [os.getpid(), child.pid]
"""
    async with running_lambda(database, tmp_path / "functions", python_over_http=over_http) as functions:
        arn = await functions.create(spawning)
        pids = json.loads((await functions.invoke(arn)).payload)
        await functions.service.invoker.prewarm(arn)
        assert all(process_is_alive(pid) for pid in pids)

    assert not process_is_alive(pids[0])
    # The child is killed with it; that its parent takes note of it is not ours to wait for.
    await until(lambda: command_line(pids[1]) == b"")
    assert list((tmp_path / "functions").glob("scratch/*")) == []


async def test_neither_descriptors_nor_zombies_are_left_by_sandboxes_that_ended(functions: Lambda) -> None:
    arn = await functions.create(DOES_AS_TOLD)
    await functions.invoke(arn, b'{"do": "die"}')
    await until(lambda: not functions.service.invoker.process_ids())
    before = open_descriptors()

    for _ in range(3):
        await functions.invoke(arn, b'{"do": "die"}')
        await until(lambda: not functions.service.invoker.process_ids())

    # Connections that were dropped are closed in the event loop's next turns.
    await until(lambda: open_descriptors() <= before)
    await until(lambda: "Z" not in states_of_children())


def states_of_children() -> list[str]:
    """The state letters of this process's children, from /proc."""
    states = list[str]()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # a process of anybody's that ended between the look and now
            state, parent, *_ = path.read_text().rpartition(")")[2].split()
            if int(parent) == os.getpid():
                states.append(state)
    return states


def command_line(pid: int) -> bytes:
    """What the process runs; empty if it is gone or a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


async def test_a_small_function_may_have_as_many_threads_as_pools_of_clients_take(functions: Lambda) -> None:
    source = (
        "import threading\n"
        "def handler(event, context):\n"
        "    may_end = threading.Event()\n"
        "    threads = [threading.Thread(target=may_end.wait) for _ in range(250)]\n"
        "    for thread in threads: thread.start()\n"
        "    may_end.set()\n"
        "    for thread in threads: thread.join()\n"
        "    return len(threads)\n"
    )
    arn = await functions.create(source, memory_size=128, timeout=30)

    assert (await functions.invoke(arn)).payload == b"250"

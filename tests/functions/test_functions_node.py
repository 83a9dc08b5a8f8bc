"""Functions for Node: the same handler files as on Lambda, by the Runtime API."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from support.functions import Lambda, error_of
from support.zips import make_zip
from velvetrope.functions import InvocationResult
from velvetrope.functions.configurations import Environment, FunctionCode
from velvetrope.functions.errors import InvalidParameterValueException


async def create(functions: Lambda, files: dict[str, str], *, handler: str = "index.handler", **more: Any) -> str:
    """Create a Node function of these files."""
    code = FunctionCode(zip_file=make_zip(files))
    given = {"runtime": "nodejs20.x", "handler": handler, "code": code, "memory_size": 256, "timeout": 20, **more}
    return await functions.create("", **given)


def value_of(result: InvocationResult) -> Any:
    assert result.function_error is None, result.payload
    return json.loads(result.payload)


DOES_AS_TOLD = """
let calls = 0;
exports.handler = async (event, context) => {
  calls += 1;
  if (event.do === "throw") throw new TypeError("no such order");
  if (event.do === "throw text") throw "just text";
  if (event.do === "log") {
    console.log("hello from %s", context.functionName, { a: 1 });
    console.error("two\\nlines");
  }
  if (event.do === "exit") process.exit(3);
  if (event.do === "reject") Promise.reject(new RangeError("forgotten"));
  if (event.do === "later") setTimeout(() => { throw new Error("late"); }, 5);
  if (["reject", "later"].includes(event.do)) await new Promise((resolve) => setTimeout(resolve, 60000));
  if (event.do === "nothing") return undefined;
  if (event.do === "never") await new Promise(() => {});
  if (event.do === "cycle") { const cycle = {}; cycle.cycle = cycle; return cycle; }
  if (event.do === "big") return "x".repeat(event.size);
  if (event.do === "hog") { const hog = []; for (;;) hog.push(Buffer.alloc(1 << 22, 1)); }
  return { calls, event };
};
"""


async def test_a_common_js_handler_is_run_and_its_process_used_again(functions: Lambda) -> None:
    arn = await create(functions, {"index.js": DOES_AS_TOLD})

    answers = [value_of(await functions.invoke(arn, b'{"n": %d}' % n)) for n in range(3)]

    assert answers == [{"calls": n + 1, "event": {"n": n}} for n in range(3)]


@pytest.mark.parametrize(
    ("files", "handler"),
    [
        ({"index.mjs": "export const handler = async (event) => event.n + 1;"}, "index.handler"),
        (
            {
                "package.json": '{"type": "module"}',
                "index.js": "const one = await Promise.resolve(1);\nexport const handler = async (e) => e.n + one;",
            },
            "index.handler",
        ),
        ({"index.cjs": "exports.handler = async (event) => event.n + 1;"}, "index.handler"),
        (
            {"src/app.js": "exports.deep = { er: { handler: async (event) => event.n + 1 } };"},
            "src/app.deep.er.handler",
        ),
        ({"index.mjs": "export default { handler: async (event) => event.n + 1 };"}, "index.handler"),
        ({"index.js": "exports.handler = (event, context, callback) => callback(null, event.n + 1);"}, "index.handler"),
        (
            {"index.js": "exports.handler = (event, c, done) => { setTimeout(() => done(null, event.n + 1), 5); };"},
            "index.handler",
        ),
        ({"index.js": "exports.handler = (event, context) => context.succeed(event.n + 1);"}, "index.handler"),
        (
            {
                "index.js": "const { add } = require('adder');\nexports.handler = async (event) => add(event.n);",
                "node_modules/adder/index.js": "exports.add = (n) => n + 1;",
            },
            "index.handler",
        ),
    ],
)
async def test_every_form_of_handler_that_lambda_takes(functions: Lambda, files: dict[str, str], handler: str) -> None:
    arn = await create(functions, files, handler=handler)

    assert value_of(await functions.invoke(arn, b'{"n": 1}')) == 2
    assert value_of(await functions.invoke(arn, b'{"n": 2}')) == 3


async def test_a_handler_that_calls_back_is_answered_when_nothing_is_left_to_happen(functions: Lambda) -> None:
    source = """
let after = 0;
exports.handler = (event, context, callback) => {
  if (event.how === "silent") return;
  context.callbackWaitsForEmptyEventLoop = event.wait;
  const before = after;
  setTimeout(() => { after += 1; }, 50);
  callback(null, before);
};
"""
    arn = await create(functions, {"index.js": source})

    waited = [value_of(await functions.invoke(arn, b'{"wait": true}')) for _ in range(2)]
    silent = value_of(await functions.invoke(arn, b'{"how": "silent"}'))

    assert waited == [0, 1]
    assert silent is None


async def test_the_context_and_the_environment_are_lambdas(functions: Lambda) -> None:
    source = """
exports.handler = async (event, context) => ({
  ...context, remaining: context.getRemainingTimeInMillis(), env: process.env, folder: process.cwd(),
});
"""
    arn = await create(functions, {"index.js": source}, environment=Environment(variables={"TABLE": "orders"}))

    result = await functions.invoke(arn, client_context=b'{"custom": {"a": "b"}}')
    seen = value_of(result)

    assert seen["awsRequestId"] == result.request_id
    assert (seen["functionName"], seen["functionVersion"], seen["memoryLimitInMB"]) == ("orders", "$LATEST", "256")
    assert seen["invokedFunctionArn"] == arn
    assert seen["clientContext"] == {"custom": {"a": "b"}}
    assert 0 < seen["remaining"] <= 20_000
    assert seen["folder"] == seen["env"]["LAMBDA_TASK_ROOT"]
    assert (seen["env"]["TABLE"], seen["env"]["AWS_EXECUTION_ENV"]) == ("orders", "AWS_Lambda_nodejs20.x")
    assert (seen["env"]["TMPDIR"] == "/tmp") == (os.geteuid() == 0)


@pytest.mark.parametrize(
    ("do", "error_type", "message"),
    [
        ("throw", "TypeError", "no such order"),
        ("throw text", "string", "just text"),
        ("cycle", "Error", "Unable to stringify response body"),
        ("reject", "Runtime.UnhandledPromiseRejection", "RangeError: forgotten"),
        ("later", "Error", "late"),
        ("exit", "Runtime.ExitError", "RequestId: {id} Error: Runtime exited with error: exit status 3"),
        ("hog", "Runtime.OutOfMemory", "RequestId: {id} Error: Runtime exited with error: signal: killed"),
    ],
)
async def test_a_failure_is_answered_as_lambda_answers_it_and_the_next_invocation_served(
    functions: Lambda, do: str, error_type: str, message: str
) -> None:
    arn = await create(functions, {"index.js": DOES_AS_TOLD})

    result = await functions.invoke(arn, json.dumps({"do": do}).encode())
    after = await functions.invoke(arn)

    error = error_of(result)
    assert (error["errorType"], error["errorMessage"]) == (error_type, message.format(id=result.request_id))
    assert value_of(after)["event"] == {}


async def test_an_error_has_its_trace_in_nodes_order(functions: Lambda) -> None:
    arn = await create(functions, {"index.js": DOES_AS_TOLD})

    error = json.loads((await functions.invoke(arn, b'{"do": "throw"}')).payload)

    assert list(error) == ["errorType", "errorMessage", "trace"]
    assert error["trace"][0] == "TypeError: no such order"
    assert "/index.js:5:" in error["trace"][1]


async def test_nothing_is_null_and_a_promise_that_can_never_be_kept_too(functions: Lambda) -> None:
    arn = await create(functions, {"index.js": DOES_AS_TOLD})

    assert value_of(await functions.invoke(arn, b'{"do": "nothing"}')) is None
    assert value_of(await functions.invoke(arn, b'{"do": "never"}')) is None


async def test_a_result_over_the_limit_is_answered_so_and_the_process_lives(functions: Lambda) -> None:
    arn = await create(functions, {"index.js": DOES_AS_TOLD})

    passes = await functions.invoke(arn, b'{"do": "big", "size": %d}' % (6_291_556 - 2))
    fails = await functions.invoke(arn, b'{"do": "big", "size": %d}' % (6_291_556 - 1))
    after = value_of(await functions.invoke(arn))

    assert passes.function_error is None
    assert error_of(fails)["errorType"] == "Function.ResponseSizeTooLarge"
    assert after["calls"] == 3


@pytest.mark.parametrize(
    ("files", "handler", "error_type", "message"),
    [
        (
            {"index.js": "const a = 1; const a = 2;"},
            "index.handler",
            "Runtime.UserCodeSyntaxError",
            "Identifier 'a' has already",
        ),
        (
            {"index.js": "require('absent')"},
            "index.handler",
            "Runtime.ImportModuleError",
            "Error: Cannot find module 'absent'",
        ),
        ({"index.js": ""}, "other.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'other'"),
        ({"index.js": ""}, "index.handler", "Runtime.HandlerNotFound", "index.handler is undefined or not exported"),
        (
            {"index.js": "exports.handler = 1"},
            "index.handler",
            "Runtime.HandlerNotFound",
            "index.handler is not a function",
        ),
        ({"index.js": ""}, "index", "Runtime.MalformedHandlerName", "Bad handler"),
        ({"index.js": ""}, "../index.handler", "Runtime.MalformedHandlerName", "'../index.handler' is not a valid"),
        ({"index.js": "throw new RangeError('at load')"}, "index.handler", "RangeError", "at load"),
        (
            {"index.mjs": "export const handler = awslambda.streamifyResponse(async () => {});"},
            "index.handler",
            "Runtime.StreamingNotSupported",
            "Streamed responses are not supported here.",
        ),
    ],
)
async def test_what_fails_before_the_first_event_is_answered_to_who_invoked(
    functions: Lambda, files: dict[str, str], handler: str, error_type: str, message: str
) -> None:
    arn = await create(functions, files, handler=handler)

    error = error_of(await functions.invoke(arn))

    assert error["errorType"] == error_type
    assert error["errorMessage"].startswith(message)


async def test_console_lines_carry_time_request_id_and_level(functions: Lambda) -> None:
    arn = await create(functions, {"index.js": DOES_AS_TOLD})

    result = await functions.invoke(arn, b'{"do": "log"}')

    lines = [line.split("\t") for line in result.log_tail.decode().split("\n") if f"\t{result.request_id}\t" in line]
    assert [parts[1:] for parts in lines] == [
        [result.request_id, "INFO", "hello from orders { a: 1 }"],
        [result.request_id, "ERROR", "two\rlines"],
    ]
    assert all(parts[0].endswith("Z") for parts in lines)


async def test_console_lines_are_json_where_that_is_asked_for(functions: Lambda) -> None:
    variables = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "error"}
    arn = await create(functions, {"index.js": DOES_AS_TOLD}, environment=Environment(variables=variables))

    result = await functions.invoke(arn, b'{"do": "log"}')

    [line] = [json.loads(line) for line in result.log_tail.decode().split("\n") if line.startswith("{")]
    assert (line["level"], line["message"], line["requestId"]) == ("ERROR", "two\nlines", result.request_id)


async def test_awss_own_client_is_used_where_the_code_brings_it(functions: Lambda) -> None:
    """Its native part is not for every machine to build; this stands in for it, at its place."""
    client = """
import http from "node:http";
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const call = (method, path, body) => new Promise((done) => {
  http.request({ host, port, method, path: "/2018-06-01/runtime/invocation" + path }, (answer) => {
    answer.resume();
    answer.on("end", () => done(answer.headers["lambda-runtime-aws-request-id"]));
  }).end(body);
});
for (;;) await call("POST", `/${await call("GET", "/next")}/response`, JSON.stringify(["ric", process.argv[2]]));
"""
    files = {
        "node_modules/aws-lambda-ric/package.json": '{"bin": {"aws-lambda-ric": "bin/index.mjs"}}',
        "node_modules/aws-lambda-ric/bin/index.mjs": client,
    }
    arn = await create(functions, files)

    assert value_of(await functions.invoke(arn)) == ["ric", "index.handler"]


async def test_without_a_node_on_the_path_the_runtime_is_refused_by_name(
    functions: Lambda, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(InvalidParameterValueException) as refused:
        await create(functions, {"index.js": DOES_AS_TOLD})

    assert refused.value.message == "The runtime nodejs20.x needs a node on the server's PATH, and there is none."

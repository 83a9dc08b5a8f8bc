"""The Lambda Runtime API over HTTP: any program that speaks it is a runtime, out of turn it is refused, and nobody else
is let near it."""

import asyncio
import json
import socket
from pathlib import Path

from support.functions import Lambda, error_of, running_lambda
from support.zips import make_zip
from velvetrope.functions.configurations import FunctionCode
from velvetrope.store import Database

SHOWS_ITS_ENVIRONMENT = """
import os
def handler(event, context):
    return dict(os.environ)
"""


async def test_a_bootstrap_executable_is_a_runtime_too(functions: Lambda) -> None:
    # A shell that calls curl: the connection is not the sandbox's first process's own, but one of its children's.
    script = """#!/bin/bash
base="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  headers=$(mktemp)
  event=$(curl -sS -D "$headers" "$base/next") || exit 1
  id=$(grep -i '^lambda-runtime-aws-request-id:' "$headers" | tr -d '\\r' | cut -d' ' -f2)
  curl -sS -X POST "$base/$id/response" -d "{\\"echo\\": $event, \\"handler\\": \\"$_HANDLER\\"}" > /dev/null
done
"""
    code = FunctionCode(zip_file=make_zip({"bootstrap": script}, executable=("bootstrap",)))
    arn = await functions.create("", runtime="provided.al2023", handler="any", code=code)

    results = [await functions.invoke(arn, b'{"n": %d}' % n) for n in range(2)]

    assert [json.loads(result.payload) for result in results] == [
        {"echo": {"n": 0}, "handler": "any"},
        {"echo": {"n": 1}, "handler": "any"},
    ]


def bootstrap(script: str) -> FunctionCode:
    """Code whose bootstrap is this bash script, with a function `post` that prints the status of an answer."""
    head = """#!/bin/bash
base="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01"
post() { curl -s -o /dev/null -w '%{http_code} ' -X POST "$base/$1" -d "$2"; }
next() {
  curl -s -D "$TMPDIR/headers" -o /dev/null "$base/runtime/invocation/next" || exit 1
  id=$(grep -i '^lambda-runtime-aws-request-id:' "$TMPDIR/headers" | tr -d '\\r' | cut -d' ' -f2)
}
"""
    return FunctionCode(zip_file=make_zip({"bootstrap": head + script}, executable=("bootstrap",)))


async def test_calls_of_the_runtime_api_out_of_turn_are_refused_as_aws_refuses_them(
    database: Database, tmp_path: Path
) -> None:
    """One sandbox only: a second one would begin the script anew when the first is still busy with its last calls."""
    script = """
s=$(post runtime/invocation/none/response '{}')
next
s+=$(post runtime/invocation/another/response '{}')
s+=$(post runtime/init/error '{}')
s+=$(post runtime/invocation/$id/nothing '{}')
s+=$(post runtime/invocation/next '{}')
s+=$(post nothing '{}')
s+=$(post runtime/invocation/$id/response '{}')
s+=$(post runtime/invocation/$id/response '{}')
next
post runtime/invocation/$id/response "[${s// /,}0]"
next
"""
    async with running_lambda(database, tmp_path / "functions", max_sandboxes_per_version=1) as functions:
        arn = await functions.create("", runtime="provided.al2023", handler="any", code=bootstrap(script))

        await functions.invoke(arn)
        second = await functions.invoke(arn)

    assert json.loads(second.payload) == [403, 400, 403, 404, 405, 404, 202, 403, 0]


async def test_a_runtime_that_reports_an_init_error_gets_no_event_even_if_it_asks(functions: Lambda) -> None:
    error = '{"errorMessage":"no table","errorType":"Init.NoTable"}'
    script = f"post runtime/init/error '{error}'\nnext\npost runtime/invocation/$id/response '1'\n"
    arn = await functions.create("", runtime="provided.al2023", handler="any", code=bootstrap(script))

    results = [await functions.invoke(arn) for _ in range(2)]

    assert [(result.payload, result.function_error) for result in results] == [(error.encode(), "Unhandled")] * 2


async def test_code_without_a_bootstrap_is_answered_as_an_invalid_entry_point(functions: Lambda) -> None:
    arn = await functions.create("", runtime="provided.al2023", handler="any")

    error = error_of(await functions.invoke(arn))

    assert error["errorType"] == "Runtime.InvalidEntrypoint"


async def test_another_process_cannot_use_a_sandboxs_runtime_api(database: Database, tmp_path: Path) -> None:
    async with running_lambda(database, tmp_path / "functions", python_over_http=True) as functions:
        arn = await functions.create(SHOWS_ITS_ENVIRONMENT)
        address = json.loads((await functions.invoke(arn)).payload)["AWS_LAMBDA_RUNTIME_API"]
        host, port = address.split(":")
        request = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"

        def ask() -> bytes:
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(request)
                try:
                    return connection.recv(100)
                except ConnectionResetError:
                    return b""

        assert await asyncio.to_thread(ask) == b""
        assert (await functions.invoke(arn)).function_error is None

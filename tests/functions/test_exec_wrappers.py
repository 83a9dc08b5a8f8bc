"""AWS_LAMBDA_EXEC_WRAPPER: the runtime is begun through a script of the code's or a layer's."""

import json
from typing import Any

import pytest

from support.functions import Lambda, error_of
from support.zips import make_zip
from velvetrope.functions.configurations import Environment, FunctionCode
from velvetrope.functions.layer_operations import LayerVersionContent

WRAPPER = '#!/bin/sh\nexport WRAPPED="$1 $4"\nexec "$@"\n'
SHOWS = """
import os, sys
def handler(event, context):
    return {"wrapped": os.environ.get("WRAPPED"), "http": "AWS_LAMBDA_RUNTIME_API" in os.environ,
            "program": sys.executable}
"""
SHOWS_NODE = "exports.handler = async () => ({wrapped: process.env.WRAPPED !== undefined})"


def code(files: dict[str, str], *executable: str) -> FunctionCode:
    return FunctionCode(zip_file=make_zip(files, executable=executable))


async def call(functions: Lambda, arn: str) -> Any:
    result = await functions.invoke(arn)
    assert result.function_error is None, result.payload
    return json.loads(result.payload)


async def test_python_is_begun_through_a_wrapper_of_the_code(functions: Lambda) -> None:
    arn = await functions.create(
        "",
        code=code({"app.py": SHOWS, "wrap": WRAPPER}, "wrap"),
        environment=Environment(variables={"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrap"}),
    )

    told = await call(functions, arn)

    assert told["wrapped"] == f"{told['program']} awslambdaric"
    assert told["http"]  # executed afresh, and not forked


async def test_python_is_begun_through_a_wrapper_of_a_layer(functions: Lambda) -> None:
    layer = await functions.operate(
        "publish_layer_version",
        layer_name="wrapping",
        content=LayerVersionContent(zip_file=make_zip({"bin/wrap": WRAPPER}, executable=("bin/wrap",))),
    )
    arn = await functions.create(
        SHOWS,
        layers=[layer["layer_version_arn"]],
        environment=Environment(variables={"AWS_LAMBDA_EXEC_WRAPPER": "/opt/bin/wrap"}),
    )

    assert (await call(functions, arn))["wrapped"]


async def test_node_is_begun_through_a_wrapper(functions: Lambda) -> None:
    arn = await functions.create(
        "",
        runtime="nodejs20.x",
        code=code({"app.js": SHOWS_NODE, "wrap": WRAPPER}, "wrap"),
        environment=Environment(variables={"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrap"}),
    )

    assert await call(functions, arn) == {"wrapped": True}


@pytest.mark.parametrize(
    "wrapper", ["/opt/wrap", "/var/task/none", "/var/task/plain", "/bin/sh", "/var/task/../task/wrap"]
)
async def test_what_is_no_program_of_the_functions_begins_nothing(functions: Lambda, wrapper: str) -> None:
    arn = await functions.create(
        "",
        code=code({"app.py": SHOWS, "wrap": WRAPPER, "plain": WRAPPER}, "wrap"),
        environment=Environment(variables={"AWS_LAMBDA_EXEC_WRAPPER": wrapper}),
    )

    error = error_of(await functions.invoke(arn))

    assert error["errorType"] == "Runtime.InvalidEntrypoint"
    assert error["errorMessage"].endswith(f"fork/exec {wrapper}: no such file or directory")


async def test_a_bootstrap_of_the_functions_own_is_not_wrapped(functions: Lambda) -> None:
    bootstrap = (
        "#!/bin/sh\nwhile :; do\n"
        'id=$(curl -sS -D - -o /dev/null "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next" '
        "| tr -d '\\r' | sed -n 's/^[Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d: //p')\n"
        'curl -sS -o /dev/null -d "\\"${WRAPPED:-plain}\\"" '
        '"http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response"\ndone\n'
    )
    arn = await functions.create(
        "",
        runtime="provided.al2023",
        code=code({"bootstrap": bootstrap, "wrap": WRAPPER}, "bootstrap", "wrap"),
        environment=Environment(variables={"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrap"}),
    )

    assert await call(functions, arn) == "plain"

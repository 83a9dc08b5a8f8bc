"""Lambda's control plane: what each operation keeps, answers and refuses."""

import asyncio
import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.functions import (
    ACCOUNT,
    REGION,
    ROLE,
    WAIT_AT_GATE,
    Gate,
    Lambda,
    WallClock,
    running_lambda,
    until,
)
from support.zips import make_zip
from velvetrope.functions import InvokeNotPermitted
from velvetrope.functions.configurations import Environment, FunctionCode, TracingConfig
from velvetrope.functions.errors import (
    InvalidParameterValueException,
    InvalidRequestContentException,
    PolicyLengthExceededException,
    PreconditionFailedException,
    RequestEntityTooLargeException,
    ResourceConflictException,
    ResourceNotFoundException,
    TooManyRequestsException,
)
from velvetrope.principals import Principal, Session, service_principal
from velvetrope.store import Database

ECHO = "def handler(event, context): return event"
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders"
UNABLE = "Lambda was unable to configure your environment variables because the environment variables you have provided"
RESERVED = (
    "contains reserved keys that are currently not supported for modification. Reserved keys used in this request"
)
API_GATEWAY = service_principal("apigateway.amazonaws.com")
METHOD = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:abc123/prod/GET/orders"


async def test_create_function_answers_the_configuration_with_lambdas_defaults(functions: Lambda) -> None:
    answer = await functions.operate(
        "create_function",
        function_name="orders",
        role=ROLE,
        runtime="python3.12",
        handler="app.handler",
        code=FunctionCode(zip_file=make_zip({"app.py": ECHO})),
    )

    modified, sha, revision = (answer.pop(name) for name in ("last_modified", "code_sha256", "revision_id"))
    assert datetime.strptime(modified, "%Y-%m-%dT%H:%M:%S.%f%z").tzinfo == UTC
    assert len(sha) == 44
    assert len(revision) == 36
    assert {name: value for name, value in answer.items() if value is not None} == {
        "function_name": "orders",
        "function_arn": ARN,
        "runtime": "python3.12",
        "role": ROLE,
        "handler": "app.handler",
        "code_size": len(make_zip({"app.py": ECHO})),
        "description": "",
        "timeout": 3,
        "memory_size": 128,
        "version": "$LATEST",
        "tracing_config": {"mode": "PassThrough"},
        "state": "Active",
        "last_update_status": "Successful",
        "package_type": "Zip",
        "architectures": ["x86_64"],
        "ephemeral_storage": {"size": 512},
        "snap_start": {"apply_on": "None", "optimization_status": "Off"},
        "logging_config": {"log_format": "Text", "log_group": "/aws/lambda/orders"},
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"runtime": "java21"}, "The runtime java21 is not supported here."),
        ({"runtime": None}, "Runtime and Handler are mandatory parameters"),
        ({"code": FunctionCode()}, "Please provide a source for function code."),
        ({"package_type": "Image"}, "The package type Image is not supported here."),
        ({"tracing_config": TracingConfig(mode="Active")}, "The tracing mode Active is not supported here."),
        ({"timeout": 901}, "Value '901' at 'timeout' failed to satisfy constraint"),
        ({"role": f"arn:aws:iam::{ACCOUNT}:role/other"}, "The role defined for the function cannot be assumed"),
        (
            {"environment": Environment(variables={"AWS_REGION": "x", "_HANDLER": "y"})},
            f"{UNABLE} {RESERVED}: AWS_REGION, _HANDLER",
        ),
        (
            {"environment": Environment(variables={"KEY": "x" * 4090})},
            f'{UNABLE} exceeded the 4KB limit. String measured: {{"KEY":"x',
        ),
        ({"function_name": f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:x"}, "The function name"),
        ({"function_name": "orders:1"}, "The operation is only supported on the $LATEST version."),
    ],
)
async def test_create_function_refuses_what_it_cannot_do(
    functions: Lambda, changes: dict[str, Any], message: str
) -> None:
    functions.roles.refused.add(f"arn:aws:iam::{ACCOUNT}:role/other")

    with pytest.raises(InvalidParameterValueException) as refusal:
        await functions.create(ECHO, **{"name": changes.pop("function_name", "orders"), **changes})

    assert refusal.value.message.startswith(message)
    assert (await functions.operate("list_functions"))["functions"] == []


async def test_variables_of_exactly_four_kilobytes_are_taken(functions: Lambda) -> None:
    # Measured as JSON: {"KEY":"…"} has ten characters beside the value.
    await functions.create(ECHO, environment=Environment(variables={"KEY": "x" * 4086}))


async def test_a_name_that_is_taken_is_refused(functions: Lambda) -> None:
    await functions.create(ECHO)

    with pytest.raises(ResourceConflictException, match=r"^Function already exist: orders$"):
        await functions.create(ECHO)


async def test_a_function_is_found_by_every_form_of_its_name(functions: Lambda) -> None:
    await functions.create(ECHO, tags={"team": "shop"})

    for name in ("orders", f"{ACCOUNT}:function:orders", ARN):
        found = await functions.operate("get_function", function_name=name)
        assert found["configuration"]["function_arn"] == ARN
        assert found["tags"] == {"team": "shop"}


@pytest.mark.parametrize(
    ("name", "qualifier", "error", "message"),
    [
        ("nobody", None, ResourceNotFoundException, f"Function not found: {ARN.replace('orders', 'nobody')}"),
        ("orders", "7", ResourceNotFoundException, f"Function not found: {ARN}:7"),
        ("orders", "prod", ResourceNotFoundException, f"Function not found: {ARN}:prod"),
        (
            ARN.replace(REGION, "eu-west-1"),
            None,
            ResourceNotFoundException,
            f"Functions from 'eu-west-1' are not reachable in this region ('{REGION}')",
        ),
        (
            "orders:1",
            "2",
            InvalidParameterValueException,
            "The derived qualifier from the function name does not match the specified qualifier.",
        ),
    ],
)
async def test_what_is_not_there_is_not_found(
    functions: Lambda, name: str, qualifier: str | None, error: type[Exception], message: str
) -> None:
    await functions.create(ECHO)

    with pytest.raises(error) as refusal:
        await functions.operate("get_function", function_name=name, qualifier=qualifier)

    assert str(refusal.value) == message


async def test_an_update_changes_what_it_names_and_the_variables_as_a_whole(functions: Lambda) -> None:
    await functions.create(ECHO, environment=Environment(variables={"AA": "1", "BB": "2"}))
    before = await functions.operate("get_function_configuration", function_name="orders")

    updated = await functions.operate(
        "update_function_configuration",
        function_name="orders",
        timeout=9,
        environment=Environment(variables={"BB": "3"}),
        revision_id=before["revision_id"],
    )

    assert updated["timeout"] == 9
    assert updated["environment"] == {"variables": {"BB": "3"}}
    assert updated["memory_size"] == before["memory_size"]
    assert updated["revision_id"] != before["revision_id"]
    with pytest.raises(PreconditionFailedException, match=r"^The RevisionId provided does not match"):
        await functions.operate(
            "update_function_configuration",
            function_name="orders",
            timeout=1,
            revision_id=before["revision_id"],
        )


async def test_a_dry_run_of_new_code_changes_nothing(functions: Lambda) -> None:
    await functions.create(ECHO)
    before = await functions.operate("get_function_configuration", function_name="orders")

    shown = await functions.operate(
        "update_function_code", function_name="orders", zip_file=make_zip({"app.py": "x = 1"}), dry_run=True
    )

    assert shown["code_sha256"] != before["code_sha256"]
    assert await functions.operate("get_function_configuration", function_name="orders") == before


async def test_lists_come_in_pages_that_neither_repeat_nor_skip(functions: Lambda) -> None:
    for name in ("cc", "aa", "bb"):
        await functions.create(ECHO, name=name)

    first = await functions.operate("list_functions", max_items=2)
    second = await functions.operate("list_functions", max_items=2, marker=first["next_marker"])

    names = [[function["function_name"] for function in page["functions"]] for page in (first, second)]
    assert names == [["aa", "bb"], ["cc"]]
    assert second["next_marker"] is None
    with pytest.raises(InvalidParameterValueException):
        await functions.operate("list_functions", marker="no marker")


async def test_functions_are_listed_with_all_their_versions_page_by_page(functions: Lambda) -> None:
    for name in ("aa", "bb"):
        await functions.create(ECHO, name=name, publish=True)
        changed = make_zip({"app.py": f"{ECHO}# {name}"})
        await functions.operate("update_function_code", function_name=name, zip_file=changed, publish=True)
    pages, marker = [], None
    while True:
        page = await functions.operate("list_functions", function_version="ALL", max_items=2, marker=marker)
        pages.append([(one["function_name"], one["version"]) for one in page["functions"]])
        marker = page["next_marker"]
        if marker is None:
            break

    assert pages == [
        [("aa", "$LATEST"), ("aa", "1")],
        [("aa", "2"), ("bb", "$LATEST")],
        [("bb", "1"), ("bb", "2")],
    ]


async def test_the_account_says_what_it_may_use_and_what_it_uses(functions: Lambda) -> None:
    before = await functions.operate("get_account_settings")
    await functions.create(ECHO, publish=True)
    await functions.operate("put_function_concurrency", function_name="orders", reserved_concurrent_executions=5)

    after = await functions.operate("get_account_settings")

    assert before["account_usage"] == {"total_code_size": 0, "function_count": 0}
    assert after["account_limit"]["concurrent_executions"] == 100
    assert after["account_limit"]["unreserved_concurrent_executions"] == 95
    code = (await functions.operate("get_function", function_name="orders"))["configuration"]["code_size"]
    assert after["account_usage"] == {"total_code_size": 2 * code, "function_count": 1}


async def test_no_function_has_a_configuration_of_code_signing(functions: Lambda) -> None:
    await functions.create(ECHO)

    found = await functions.operate("get_function_code_signing_config", function_name="orders")

    assert found == {"function_name": "orders"}
    with pytest.raises(ResourceNotFoundException):
        await functions.operate("get_function_code_signing_config", function_name="nobody")


async def test_a_version_stays_as_it_was_and_an_alias_says_which(functions: Lambda) -> None:
    await functions.create("def handler(event, context): return ['one', context.invoked_function_arn]")
    first = await functions.operate("publish_version", function_name="orders")
    again = await functions.operate("publish_version", function_name="orders")
    changed = make_zip({"app.py": "def handler(event, context): return ['two', context.invoked_function_arn]"})
    second = await functions.operate("update_function_code", function_name="orders", zip_file=changed, publish=True)
    await functions.operate("create_alias", function_name="orders", name="live", function_version="1")

    by_alias = await functions.invoke(f"{ARN}:live")
    by_number = await functions.invoke(f"{ARN}:2")
    await functions.operate("update_alias", function_name="orders", name="live", function_version="2")
    moved = await functions.invoke(f"{ARN}:live")

    assert [first["version"], again["version"], second["version"]] == ["1", "1", "2"]
    assert first["function_arn"] == f"{ARN}:1"
    assert (json.loads(by_alias.payload), by_alias.executed_version) == (["one", f"{ARN}:live"], "1")
    assert (json.loads(by_number.payload), by_number.executed_version) == (["two", f"{ARN}:2"], "2")
    assert (json.loads(moved.payload), moved.executed_version) == (["two", f"{ARN}:live"], "2")
    listed = await functions.operate("list_versions_by_function", function_name="orders")
    assert [version["version"] for version in listed["versions"]] == ["$LATEST", "1", "2"]
    aliases = await functions.operate("list_aliases", function_name="orders")
    assert [alias["alias_arn"] for alias in aliases["aliases"]] == [f"{ARN}:live"]


async def test_publishing_again_after_the_same_variables_were_set_again_gives_the_same_version(
    functions: Lambda,
) -> None:
    variables = Environment(variables={"KEY": "value"})
    await functions.create(ECHO, environment=variables)
    first = await functions.operate("publish_version", function_name="orders")
    await functions.operate("update_function_configuration", function_name="orders", environment=variables)

    second = await functions.operate("publish_version", function_name="orders")

    assert (first["version"], second["version"]) == ("1", "1")


async def test_versions_come_in_pages(functions: Lambda) -> None:
    await functions.create(ECHO)
    for number in range(3):
        zip_file = make_zip({"app.py": f"x = {number}"})
        await functions.operate("update_function_code", function_name="orders", zip_file=zip_file, publish=True)

    pages: list[list[str]] = []
    marker = None
    while marker is not None or not pages:
        answer = await functions.operate(
            "list_versions_by_function", function_name="orders", max_items=1, marker=marker
        )
        pages.append([version["version"] for version in answer["versions"]])
        marker = answer["next_marker"]

    assert pages == [["$LATEST"], ["1"], ["2"], ["3"]]


@pytest.mark.parametrize("qualifier", ["01", "0001", "0", "9" * 30])
async def test_a_version_has_one_name_or_policies_about_it_could_be_walked_around(
    functions: Lambda, qualifier: str
) -> None:
    arn = await functions.create(ECHO, publish=True)
    named = {"function_name": "orders", "qualifier": qualifier}

    for operation in ("get_function_configuration", "invoke", "delete_function", "get_policy"):
        with pytest.raises(ResourceNotFoundException):
            await functions.operate(operation, **named)
    with pytest.raises(ResourceNotFoundException):
        await functions.invoke(f"{arn}:{qualifier}")
    with pytest.raises(ResourceNotFoundException):
        await allow_api_gateway(functions, qualifier=qualifier)
    with pytest.raises((ResourceNotFoundException, InvalidParameterValueException)):
        await functions.operate("create_alias", function_name="orders", name="live", function_version=qualifier)
    assert (await functions.invoke(f"{arn}:1")).executed_version == "1"


@pytest.mark.parametrize("last", ["9" * 30, "x", "٣", "-1", "01"])
async def test_a_marker_that_names_no_version_is_refused(functions: Lambda, last: str) -> None:
    await functions.create(ECHO)
    marker = base64.urlsafe_b64encode(last.encode()).decode()

    with pytest.raises(InvalidParameterValueException, match=r"^The Marker is not valid\.$"):
        await functions.operate("list_versions_by_function", function_name="orders", marker=marker)
    with pytest.raises(InvalidParameterValueException, match=r"^The Marker is not valid\.$"):
        await functions.operate("list_layer_versions", layer_name="pricing", marker=marker)
    listed = await functions.operate("list_functions", function_version="ALL", marker=marker)
    assert len(listed["functions"]) <= 1


@pytest.mark.parametrize("number", [2**31, 2**63 - 1, 0, -1])
async def test_a_layer_version_that_no_number_can_be_is_not_there(functions: Lambda, number: int) -> None:
    with pytest.raises(ResourceNotFoundException):
        await functions.operate("get_layer_version", layer_name="pricing", version_number=number)
    await functions.operate("delete_layer_version", layer_name="pricing", version_number=number)


async def test_aliases_are_refused_with_awss_words(functions: Lambda) -> None:
    await functions.create(ECHO)
    await functions.operate("create_alias", function_name="orders", name="live", function_version="$LATEST")

    with pytest.raises(ResourceConflictException, match=f"^Alias already exists: {ARN}:live$"):
        await functions.operate("create_alias", function_name="orders", name="live", function_version="$LATEST")
    with pytest.raises(ResourceNotFoundException, match=f"^Alias not found: {ARN}:other$"):
        await functions.operate("update_alias", function_name="orders", name="other", description="x")
    with pytest.raises(ResourceNotFoundException, match=f"^Cannot find alias arn: {ARN}:other$"):
        await functions.operate("get_alias", function_name="orders", name="other")
    with pytest.raises(ResourceNotFoundException, match=f"^Function not found: {ARN}:9$"):
        await functions.operate("create_alias", function_name="orders", name="beta", function_version="9")


async def test_deleting_a_function_ends_its_sandboxes_and_forgets_its_policy(functions: Lambda) -> None:
    arn = await functions.create(ECHO)
    await functions.invoke(arn)
    await allow_api_gateway(functions)

    answer = await functions.operate("delete_function", function_name="orders")

    assert answer == {"status_code": 204}
    with pytest.raises(ResourceNotFoundException, match=r"^Function not found: .*:orders:\$LATEST$"):
        await functions.invoke(arn)
    await functions.create(ECHO)
    with pytest.raises(ResourceNotFoundException, match=r"^The resource you requested does not exist\.$"):
        await functions.operate("get_policy", function_name="orders")
    with pytest.raises(InvokeNotPermitted):
        await invoke_as_api_gateway(functions)


async def test_a_version_that_an_alias_points_to_is_not_deleted(functions: Lambda) -> None:
    await functions.create(ECHO)
    await functions.operate("publish_version", function_name="orders")
    await functions.operate("create_alias", function_name="orders", name="live", function_version="1")

    with pytest.raises(ResourceConflictException):
        await functions.operate("delete_function", function_name="orders", qualifier="1")
    await functions.operate("delete_alias", function_name="orders", name="live")
    await functions.operate("delete_function", function_name="orders", qualifier="1")

    with pytest.raises(ResourceNotFoundException, match=f"^Function not found: {ARN}:1$"):
        await functions.operate("get_function", function_name="orders", qualifier="1")


async def test_a_tag_that_begins_as_awss_own_is_refused_and_so_is_the_fifty_first(functions: Lambda) -> None:
    fifty = {f"key{number}": "" for number in range(50)}
    for tags in ({"aws:cloudformation:stack-name": "x"}, {"AWS:x": "x"}, {**fifty, "one": "more"}):
        with pytest.raises(InvalidParameterValueException):
            await functions.create(ECHO, tags=tags)
    await functions.create(ECHO, tags=fifty)

    for tags in ({"aws:x": "x"}, {"one": "more"}):
        with pytest.raises(InvalidParameterValueException):
            await functions.operate("tag_resource", resource=ARN, tags=tags)

    assert (await functions.operate("list_tags", resource=ARN))["tags"] == fifty


async def test_tags_are_added_removed_and_listed(functions: Lambda) -> None:
    await functions.create(ECHO, tags={"aa": "1", "bb": "2"})

    await functions.operate("tag_resource", resource=ARN, tags={"bb": "3", "cc": "4"})
    await functions.operate("untag_resource", resource=ARN, tag_keys=["aa"])

    assert await functions.operate("list_tags", resource=ARN) == {"tags": {"bb": "3", "cc": "4"}}
    with pytest.raises(InvalidParameterValueException):
        await functions.operate("list_tags", resource=f"{ARN}:1")


async def test_reserved_concurrency_is_a_limit_and_zero_shuts_the_function(functions: Lambda) -> None:
    arn = await functions.create(ECHO)

    await functions.operate("put_function_concurrency", function_name="orders", reserved_concurrent_executions=0)
    with pytest.raises(TooManyRequestsException) as refusal:
        await functions.invoke(arn)
    found = await functions.operate("get_function_concurrency", function_name="orders")
    await functions.operate("delete_function_concurrency", function_name="orders")

    assert refusal.value.message == "Rate Exceeded."
    assert refusal.value.reason == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert found == {"reserved_concurrent_executions": 0}
    assert (await functions.invoke(arn)).function_error is None


async def test_a_tenth_of_the_accounts_concurrency_cannot_be_reserved(functions: Lambda) -> None:
    for name in ("orders", "stock"):
        await functions.create(ECHO, name=name)

    async def reserve(name: str, number: int) -> None:
        await functions.operate("put_function_concurrency", function_name=name, reserved_concurrent_executions=number)

    await reserve("orders", 60)
    with pytest.raises(InvalidParameterValueException, match=r"below its minimum value of \[10\]\.$"):
        await reserve("stock", 31)
    await reserve("stock", 30)
    with pytest.raises(InvalidParameterValueException):
        await reserve("orders", 61)

    settings = await functions.operate("get_account_settings")
    assert settings["account_limit"]["unreserved_concurrent_executions"] == 10


async def test_what_a_smaller_server_finds_reserved_can_be_lowered_and_not_raised(
    database: Database, tmp_path: Path
) -> None:
    async with running_lambda(database, tmp_path / "functions") as functions:
        for name in ("orders", "stock"):
            await functions.create(ECHO, name=name)
            await functions.operate("put_function_concurrency", function_name=name, reserved_concurrent_executions=45)
    async with running_lambda(database, tmp_path / "functions", max_sandboxes=20) as functions:
        settings = await functions.operate("get_account_settings")
        await functions.operate("put_function_concurrency", function_name="orders", reserved_concurrent_executions=44)
        with pytest.raises(InvalidParameterValueException, match=r"minimum value of \[2\]\.$"):
            await functions.operate(
                "put_function_concurrency", function_name="orders", reserved_concurrent_executions=45
            )

    assert settings["account_limit"]["concurrent_executions"] == 20
    assert settings["account_limit"]["unreserved_concurrent_executions"] == 0


async def test_what_ran_before_a_change_counts_towards_the_reserved_concurrency(functions: Lambda) -> None:
    arn = await functions.create(f"def handler(event, context):\n    {WAIT_AT_GATE}")
    await functions.operate("put_function_concurrency", function_name="orders", reserved_concurrent_executions=1)
    async with Gate() as gate:
        before = asyncio.create_task(functions.invoke(arn, b'{"gate": %d}' % gate.port))
        await until(lambda: gate.waiting == 1)

        with pytest.raises(TooManyRequestsException):
            await functions.invoke(arn)
        await functions.operate("update_function_configuration", function_name="orders", memory_size=256)
        await until(lambda: len(functions.service.invoker.process_ids()) == 2)
        with pytest.raises(TooManyRequestsException):
            await functions.invoke(arn)

    assert (await before).function_error is None
    assert (await functions.invoke(arn)).function_error is None


async def test_invoke_answers_payload_version_and_log_tail(functions: Lambda) -> None:
    await functions.create(ECHO)

    plain = await functions.operate("invoke", function_name="orders", payload=b'{"a": [1, 2]}')
    tail = await functions.operate("invoke", function_name="orders", log_type="Tail")
    dry = await functions.operate("invoke", function_name="orders", invocation_type="DryRun")

    assert {name: value for name, value in plain.items() if value is not None} == {
        "status_code": 200,
        "payload": b'{"a": [1, 2]}',
        "executed_version": "$LATEST",
    }
    assert tail["payload"] == b"{}"
    assert tail["log_result"]
    assert dry == {"status_code": 204}


async def test_invoke_passes_the_client_context_and_the_identity_on(functions: Lambda) -> None:
    shows = (
        "def handler(event, context): return [context.client_context.custom, "
        "context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id]"
    )
    arn = await functions.create(shows)
    now = WallClock().now()
    claims = {
        "cognito-identity.amazonaws.com:sub": ("us-west-2:guest",),
        "cognito-identity.amazonaws.com:aud": ("us-west-2:pool",),
    }
    session = Session(now, now, federated_provider="cognito-identity.amazonaws.com", claims=claims)
    guest = Principal("AssumedRole", ACCOUNT, "arn", "arn", "id", session=session)
    # Line breaks in the JSON must not become header lines.
    context = '{\n"custom": {"a":\r\n "ü"}}'.encode()

    by_guest = await functions.invoke(arn, caller=guest, client_context=context)

    assert json.loads(by_guest.payload) == [{"a": "ü"}, "us-west-2:guest", "us-west-2:pool"]


async def test_invoke_refuses_payloads_that_lambda_would_refuse(functions: Lambda) -> None:
    arn = await functions.create(ECHO)

    with pytest.raises(InvalidRequestContentException, match=r"^Could not parse request body into json: "):
        await functions.operate("invoke", function_name="orders", payload=b"{nope")
    with pytest.raises(RequestEntityTooLargeException) as too_large:
        await functions.invoke(arn, b'"' + b"x" * 6_291_455 + b'"')
    with pytest.raises(ResourceNotFoundException, match=r"function:nobody:\$LATEST$"):
        await functions.operate("invoke", function_name="nobody")
    with pytest.raises(ResourceNotFoundException, match=r"function:orders:prod$"):
        await functions.operate("invoke", function_name="orders", qualifier="prod")

    assert too_large.value.message == (
        "6291457 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)"
    )


async def allow_api_gateway(functions: Lambda, **changes: Any) -> dict[str, Any]:
    given = {
        "function_name": "orders",
        "statement_id": "api",
        "action": "lambda:InvokeFunction",
        "principal": "apigateway.amazonaws.com",
        "source_arn": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:abc123/*/GET/*",
        **changes,
    }
    answer = await functions.operate("add_permission", **given)
    statement: dict[str, Any] = json.loads(answer["statement"])
    return statement


async def invoke_as_api_gateway(functions: Lambda, arn: str = ARN, source_arn: str = METHOD) -> bytes:
    result = await functions.invoke(arn, b'"in"', caller=API_GATEWAY, source_arn=source_arn)
    return result.payload


async def test_a_service_may_invoke_only_what_a_resource_policy_lets_it(functions: Lambda) -> None:
    await functions.create(ECHO)
    with pytest.raises(InvokeNotPermitted) as refusal:
        await invoke_as_api_gateway(functions)
    await allow_api_gateway(functions)

    assert await invoke_as_api_gateway(functions) == b'"in"'
    assert refusal.value.http_status == 403
    assert refusal.value.message.startswith(
        "User: apigateway.amazonaws.com is not authorized to perform: lambda:InvokeFunction "
        f"on resource: {ARN} because no resource-based policy allows the lambda:InvokeFunction action"
    )
    with pytest.raises(InvokeNotPermitted):
        await invoke_as_api_gateway(functions, source_arn=METHOD.replace("GET", "POST"))
    with pytest.raises(InvokeNotPermitted):
        await functions.invoke(ARN, caller=service_principal("events.amazonaws.com"), source_arn=METHOD)
    with pytest.raises(InvokeNotPermitted):
        await functions.invoke(ARN, caller=API_GATEWAY, source_arn=None)
    await functions.operate("remove_permission", function_name="orders", statement_id="api")
    with pytest.raises(InvokeNotPermitted):
        await invoke_as_api_gateway(functions)


@pytest.mark.parametrize("action", ["lambda:Nope", "s3:GetObject", "lambda:Invoke*", "InvokeFunction"])
async def test_a_permission_for_an_action_that_nobody_has_is_refused(functions: Lambda, action: str) -> None:
    await functions.create(ECHO)

    with pytest.raises(InvalidParameterValueException, match="is not an action of Lambda"):
        await allow_api_gateway(functions, action=action)

    for number, known in enumerate(("*", "lambda:*", "lambda:GetFunction", "lambda:invokefunction")):
        await allow_api_gateway(functions, action=known, statement_id=f"s{number}")


async def test_a_source_account_must_be_the_sources(functions: Lambda) -> None:
    await functions.create(ECHO)
    await allow_api_gateway(functions, source_account="111111111111", source_arn=None)

    with pytest.raises(InvokeNotPermitted):
        await invoke_as_api_gateway(functions)
    await invoke_as_api_gateway(functions, source_arn=METHOD.replace(ACCOUNT, "111111111111"))


async def test_an_alias_has_a_policy_of_its_own(functions: Lambda) -> None:
    await functions.create(ECHO)
    await functions.operate("create_alias", function_name="orders", name="live", function_version="$LATEST")
    await allow_api_gateway(functions)

    with pytest.raises(InvokeNotPermitted):
        await invoke_as_api_gateway(functions, f"{ARN}:live")
    await allow_api_gateway(functions, qualifier="live")

    assert await invoke_as_api_gateway(functions, f"{ARN}:live") == b'"in"'


async def test_statements_are_the_documents_that_aws_writes(functions: Lambda) -> None:
    await functions.create(ECHO)

    full = await allow_api_gateway(functions, source_account=ACCOUNT, principal_org_id="o-1234567890")
    account = await allow_api_gateway(functions, statement_id="b", principal="111111111111", source_arn=None)
    everybody = await allow_api_gateway(functions, statement_id="c", principal="*", source_arn=None)
    policy = await functions.operate("get_policy", function_name="orders")

    assert json.dumps(full) == json.dumps(
        {
            "Sid": "api",
            "Effect": "Allow",
            "Principal": {"Service": "apigateway.amazonaws.com"},
            "Action": "lambda:InvokeFunction",
            "Resource": ARN,
            "Condition": {
                "StringEquals": {"AWS:SourceAccount": ACCOUNT, "aws:PrincipalOrgID": "o-1234567890"},
                "ArnLike": {"AWS:SourceArn": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:abc123/*/GET/*"},
            },
        }
    )
    assert account["Principal"] == {"AWS": "arn:aws:iam::111111111111:root"}
    assert everybody["Principal"] == "*"
    document = {"Version": "2012-10-17", "Id": "default", "Statement": [full, account, everybody]}
    assert policy["policy"] == json.dumps(document, separators=(",", ":"))
    found = await functions.service.policies.find(ARN)
    assert found is not None
    assert len(found.statements) == 3


async def test_permissions_are_refused_with_awss_words(functions: Lambda) -> None:
    await functions.create(ECHO)
    await allow_api_gateway(functions)

    with pytest.raises(ResourceConflictException) as taken:
        await allow_api_gateway(functions)
    with pytest.raises(
        InvalidParameterValueException, match=r"^We currently do not support adding policies for \$LATEST"
    ):
        await allow_api_gateway(functions, statement_id="x", qualifier="$LATEST")
    with pytest.raises(InvalidParameterValueException, match=r"^The provided principal was invalid\. Please check"):
        await allow_api_gateway(functions, statement_id="x", principal="somebody")
    with pytest.raises(ResourceNotFoundException, match=f"^Cannot find alias arn: {ARN}:live$"):
        await allow_api_gateway(functions, statement_id="x", qualifier="live")
    with pytest.raises(ResourceNotFoundException, match=f"^Function not found: {ARN}:3$"):
        await allow_api_gateway(functions, statement_id="x", qualifier="3")
    with pytest.raises(PreconditionFailedException, match=r"^The Revision Id provided does not match the latest"):
        await allow_api_gateway(functions, statement_id="x", revision_id="old")
    with pytest.raises(ResourceNotFoundException, match=r"^Statement x is not found in resource policy\.$"):
        await functions.operate("remove_permission", function_name="orders", statement_id="x")
    await functions.operate("remove_permission", function_name="orders", statement_id="api")
    with pytest.raises(ResourceNotFoundException, match=r"^No policy is associated with the given resource\.$"):
        await functions.operate("remove_permission", function_name="orders", statement_id="api")
    with pytest.raises(ResourceNotFoundException, match=r"^No policy found for: "):
        await functions.operate("remove_permission", function_name="nobody", statement_id="api")

    assert taken.value.message == (
        "The statement id (api) provided already exists. "
        "Please provide a new statement id, or remove the existing statement."
    )


async def test_a_policy_has_twenty_kilobytes_at_most(functions: Lambda) -> None:
    await functions.create(ECHO)
    source_arn = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:" + "a" * 900

    for number in range(17):
        await allow_api_gateway(functions, statement_id=f"s{number}", source_arn=source_arn)

    with pytest.raises(PolicyLengthExceededException, match=r"is bigger than the limit \(20480\)\.$"):
        await allow_api_gateway(functions, statement_id="one more", source_arn=source_arn)


async def test_made_up_arns_have_no_policy(functions: Lambda) -> None:
    assert await functions.service.policies.find("arn:aws:s3:::bucket") is None
    assert await functions.service.policies.find(ARN) is None

"""Lambda's operations through boto3 on a real server: what each needs, what it refuses, and what outlives a crash."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from support.clients import aws_client, new_user
from support.ports import own_port
from support.running import ROOT_KEY, RunningServer, clean_environment
from support.zips import make_zip

FUNCTION = "arn:aws:lambda:us-west-2:123456789012:function:"
LAYER = "arn:aws:lambda:us-west-2:123456789012:layer:"


def code(**parameters: Any) -> dict[str, Any]:
    return {
        "Runtime": "python3.12",
        "Handler": "app.handler",
        "Code": {"ZipFile": make_zip({"app.py": "def handler(event, context): return event"})},
        **parameters,
    }


def refused(call: Any, **parameters: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as found:
        call(**parameters)
    answer = found.value.response
    return (
        answer["ResponseMetadata"]["HTTPStatusCode"],
        answer["Error"]["Code"],
        answer["Error"]["Message"] or answer["Message"],
    )


@pytest.fixture(scope="module")
def functions(serving: RunningServer) -> Any:
    return aws_client(serving, "lambda")


@pytest.fixture(scope="module")
def orders(functions: Any, function_role: str) -> str:
    functions.create_function(FunctionName="wire-orders", Role=function_role, **code())
    return "wire-orders"


def allow(action: str | list[str], resource: str | list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def test_an_event_is_accepted_with_202_and_nothing_in_it(functions: Any, orders: str) -> None:
    answer = functions.invoke(FunctionName=orders, InvocationType="Event", Payload=b"{}")
    legacy = functions.invoke_async(FunctionName=orders, InvokeArgs=b"{}")

    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    assert "ExecutedVersion" not in answer
    assert legacy["Status"] == 202


def test_an_event_that_is_too_large_or_no_json_is_refused(functions: Any, orders: str) -> None:
    large = b'"' + b"x" * 1_048_576 + b'"'

    assert refused(functions.invoke, FunctionName=orders, InvocationType="Event", Payload=large) == (
        413,
        "RequestEntityTooLargeException",
        "1048578 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
    )
    status, error, _ = refused(functions.invoke, FunctionName=orders, InvocationType="Event", Payload=b"{nope")
    assert (status, error) == (400, "InvalidRequestContentException")


def test_leaving_an_event_needs_the_permission_to_invoke(serving: RunningServer, orders: str) -> None:
    stranger = aws_client(serving, "lambda", new_user(serving, "event-stranger"))
    helper = aws_client(
        serving, "lambda", new_user(serving, "event-helper", allow("lambda:InvokeFunction", FUNCTION + orders))
    )

    assert helper.invoke(FunctionName=orders, InvocationType="Event")["StatusCode"] == 202
    status, error, message = refused(stranger.invoke, FunctionName=orders, InvocationType="Event")
    assert (status, error) == (403, "AccessDeniedException")
    assert f"lambda:InvokeFunction on resource: {FUNCTION}{orders}" in message


def test_event_configurations_through_boto3(serving: RunningServer, functions: Any, orders: str) -> None:
    put = functions.put_function_event_invoke_config(
        FunctionName=orders, MaximumRetryAttempts=1, MaximumEventAgeInSeconds=60
    )
    shown = functions.get_function_event_invoke_config(FunctionName=orders)
    listed = functions.list_function_event_invoke_configs(FunctionName=orders)["FunctionEventInvokeConfigs"]
    functions.delete_function_event_invoke_config(FunctionName=orders)

    assert (put["MaximumRetryAttempts"], put["MaximumEventAgeInSeconds"]) == (1, 60)
    assert put["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}
    assert [one["FunctionArn"] for one in (shown, *listed)] == [f"{FUNCTION}{orders}:$LATEST"] * 2
    assert refused(functions.get_function_event_invoke_config, FunctionName=orders) == (
        404,
        "ResourceNotFoundException",
        f"The function {FUNCTION}{orders}:$LATEST doesn't have an EventInvokeConfig",
    )
    stranger = aws_client(serving, "lambda", new_user(serving, "config-stranger"))
    for call in (
        stranger.put_function_event_invoke_config,
        stranger.update_function_event_invoke_config,
    ):
        assert refused(call, FunctionName=orders, MaximumRetryAttempts=0)[:2] == (403, "AccessDeniedException")
    assert refused(stranger.get_function_event_invoke_config, FunctionName=orders)[0] == 403
    assert refused(stranger.delete_function_event_invoke_config, FunctionName=orders)[0] == 403
    assert refused(stranger.list_function_event_invoke_configs, FunctionName=orders)[0] == 403


def messages_of(queues: Any, url: str) -> list[dict[str, Any]]:
    return list(queues.receive_message(QueueUrl=url, WaitTimeSeconds=10, MessageAttributeNames=["All"])["Messages"])


def test_outcomes_reach_queues_as_the_functions_role_and_only_while_it_may(serving: RunningServer) -> None:
    iam, queues, functions = (aws_client(serving, service) for service in ("iam", "sqs", "lambda"))
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName="teller", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]["Arn"]
    urls = {name: queues.create_queue(QueueName=name)["QueueUrl"] for name in ("told", "dead-letters")}
    arns = {name: f"arn:aws:sqs:us-west-2:123456789012:{name}" for name in urls}

    def let_send_to(*names: str) -> None:
        statement = allow("sqs:SendMessage", [arns[name] for name in names])
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_role_policy(RoleName="teller", PolicyName="tell", PolicyDocument=document)

    let_send_to("told", "dead-letters")
    source = make_zip({"app.py": "def handler(event, context): raise ValueError('always')"})
    functions.create_function(
        FunctionName="failing",
        Role=role,
        **code(Code={"ZipFile": source}, DeadLetterConfig={"TargetArn": arns["dead-letters"]}),
    )
    functions.put_function_event_invoke_config(
        FunctionName="failing",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": arns["told"]}},
    )

    let_send_to("dead-letters")
    functions.invoke(FunctionName="failing", InvocationType="Event", Payload=b'{"order": 1}')
    [dead_letter] = messages_of(queues, urls["dead-letters"])
    let_send_to("told")
    functions.invoke(FunctionName="failing", InvocationType="Event", Payload=b'{"order": 2}')
    [record] = messages_of(queues, urls["told"])

    assert json.loads(dead_letter["Body"]) == {"order": 1}
    assert dead_letter["MessageAttributes"]["ErrorMessage"]["StringValue"] == "always"
    told = json.loads(record["Body"])
    # The first event's record was refused: the role might not send there then.
    assert told["requestPayload"] == {"order": 2}
    assert told["requestContext"]["condition"] == "RetriesExhausted"


def test_targets_that_the_role_may_not_send_to_are_refused_when_they_are_configured(
    functions: Any, orders: str, function_role: str
) -> None:
    queue = "arn:aws:sqs:us-west-2:123456789012:forbidden"
    invalid = 400, "InvalidParameterValueException"
    said = (*invalid, "The provided execution role does not have permissions to call SendMessage on SQS")

    for target in (queue, f"{FUNCTION}public"):
        for outcome in ("OnFailure", "OnSuccess"):
            call, told = functions.put_function_event_invoke_config, {outcome: {"Destination": target}}
            assert refused(call, FunctionName=orders, DestinationConfig=told) == (
                *invalid,
                f"The destination ARN {target} is invalid.",
            )
    dead_letters = {"DeadLetterConfig": {"TargetArn": queue}}
    assert refused(functions.update_function_configuration, FunctionName=orders, **dead_letters) == said
    parameters = code(**dead_letters)
    assert refused(functions.create_function, FunctionName="late", Role=function_role, **parameters) == said


def test_an_event_that_runs_when_the_server_is_killed_is_run_after_its_restart(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    port = own_port()  # the log is asked at the same address again
    with RunningServer("serve", state_folder=folder, port=port) as server:
        arrange(server)
        functions = aws_client(server, "lambda")
        answer = functions.invoke(FunctionName="noting", InvocationType="Event", Payload=b"{}")
        wait_for_runs(server, 1)
        server.process.kill()
        server.process.wait()

    with RunningServer("serve", state_folder=folder, port=port) as again:
        wait_for_runs(again, 2)
        lines = runs_of(again)

    assert lines == [answer["ResponseMetadata"]["RequestId"]] * 2


def arrange(server: RunningServer) -> None:
    """A function that hangs the first time, and tells of each run in its log."""
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = aws_client(server, "iam").create_role(
        RoleName="functions", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]["Arn"]
    source = "import time\ndef handler(event, context):\n    print('run', flush=True)\n    time.sleep(600)\n"
    aws_client(server, "lambda").create_function(
        FunctionName="noting", Role=role, Timeout=900, **code(Code={"ZipFile": make_zip({"app.py": source})})
    )


def runs_of(server: RunningServer) -> list[str]:
    """The request ids of the function's runs, in order, from its log."""
    logs = aws_client(server, "logs")
    try:
        events = logs.filter_log_events(logGroupName="/aws/lambda/noting", filterPattern='"START RequestId"')["events"]
    except ClientError:
        return []
    return [event["message"].split()[2] for event in events]


def wait_for_runs(server: RunningServer, count: int) -> None:
    until = time.monotonic() + 90
    while len(runs_of(server)) < count:
        assert time.monotonic() < until, f"the function was not run {count} times"


def test_layers_through_boto3(serving: RunningServer, functions: Any, function_role: str) -> None:
    published = functions.publish_layer_version(
        LayerName="wire-pricing",
        Description="prices",
        CompatibleRuntimes=["python3.12"],
        Content={"ZipFile": make_zip({"python/pricing.py": "price = 5"})},
    )
    functions.create_function(
        FunctionName="priced",
        Role=function_role,
        **code(
            Code={"ZipFile": make_zip({"app.py": "import pricing\ndef handler(e, c): return pricing.price"})},
            Layers=[published["LayerVersionArn"]],
        ),
    )

    answer = functions.invoke(FunctionName="priced")
    by_arn = functions.get_layer_version_by_arn(Arn=published["LayerVersionArn"])
    listed = functions.list_layers()["Layers"]

    assert (published["LayerVersionArn"], published["Version"]) == (f"{LAYER}wire-pricing:1", 1)
    assert answer["Payload"].read() == b"5"
    assert by_arn["Content"]["CodeSha256"] == published["Content"]["CodeSha256"]
    assert "Location" not in by_arn["Content"]
    assert [layer["LayerName"] for layer in listed if layer["LayerName"].startswith("wire-")] == ["wire-pricing"]


def test_giving_a_function_a_layer_needs_the_permission_to_get_it(
    serving: RunningServer, functions: Any, orders: str
) -> None:
    arn = functions.publish_layer_version(LayerName="wire-kept", Content={"ZipFile": make_zip({"python/x.py": "1"})})[
        "LayerVersionArn"
    ]
    configure = allow("lambda:UpdateFunctionConfiguration", FUNCTION + orders)
    without = aws_client(serving, "lambda", new_user(serving, "without-layer", configure))
    with_it = aws_client(
        serving, "lambda", new_user(serving, "with-layer", configure, allow("lambda:GetLayerVersion", LAYER + "*:*"))
    )

    status, error, message = refused(without.update_function_configuration, FunctionName=orders, Layers=[arn])
    with_it.update_function_configuration(FunctionName=orders, Layers=[arn])

    assert (status, error) == (403, "AccessDeniedException")
    assert f"lambda:GetLayerVersion on resource: {arn}" in message
    assert refused(without.get_layer_version, LayerName="wire-kept", VersionNumber=1)[0] == 403
    assert refused(without.delete_layer_version, LayerName="wire-kept", VersionNumber=1)[0] == 403
    assert refused(without.list_layers)[0] == 403
    assert with_it.get_layer_version(LayerName="wire-kept", VersionNumber=1)["Version"] == 1


def test_a_versions_policy_lets_a_user_of_this_account_in(serving: RunningServer, functions: Any) -> None:
    functions.publish_layer_version(LayerName="wire-lent", Content={"ZipFile": make_zip({"python/x.py": "1"})})
    reader = aws_client(serving, "lambda", new_user(serving, "layer-reader"))
    before = refused(reader.get_layer_version, LayerName="wire-lent", VersionNumber=1)

    functions.add_layer_version_permission(
        LayerName="wire-lent", VersionNumber=1, StatementId="all", Action="lambda:GetLayerVersion", Principal="*"
    )

    assert before[:2] == (403, "AccessDeniedException")
    assert reader.get_layer_version(LayerName="wire-lent", VersionNumber=1)["Version"] == 1
    assert refused(reader.delete_layer_version, LayerName="wire-lent", VersionNumber=1)[0] == 403


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("put_provisioned_concurrency_config", {"Qualifier": "1", "ProvisionedConcurrentExecutions": 1}),
        ("list_provisioned_concurrency_configs", {}),
        ("put_runtime_management_config", {"UpdateRuntimeOn": "Auto"}),
        ("put_function_recursion_config", {"RecursiveLoop": "Allow"}),
        ("delete_function_code_signing_config", {}),
    ],
)
def test_operations_that_are_not_there_are_refused_by_name(
    functions: Any, orders: str, operation: str, parameters: dict[str, Any]
) -> None:
    status, error, message = refused(getattr(functions, operation), FunctionName=orders, **parameters)

    name = "".join(part.title() for part in operation.split("_"))
    assert (status, error, message) == (501, "NotImplemented", f"velvetrope does not support lambda:{name}.")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("VpcConfig", {"SubnetIds": ["subnet-1"]}),
        ("FileSystemConfigs", []),
        ("KMSKeyArn", ""),
        ("SnapStart", {"ApplyOn": "PublishedVersions"}),
        ("LoggingConfig", {"LogFormat": "JSON"}),
        ("LoggingConfig", {"LogGroup": "/mine"}),
        ("TracingConfig", {"Mode": "Active"}),
        ("DeadLetterConfig", {"TargetArn": "arn:aws:sns:us-west-2:123456789012:topic"}),
    ],
)
def test_settings_that_are_not_there_are_refused_by_name(
    functions: Any, orders: str, member: str, value: object
) -> None:
    status, _, message = refused(functions.update_function_configuration, FunctionName=orders, **{member: value})

    assert status == 400
    assert "not support" in message


def test_settings_that_say_what_is_so_anyway_are_taken(functions: Any, orders: str) -> None:
    answer = functions.update_function_configuration(
        FunctionName=orders,
        SnapStart={"ApplyOn": "None"},
        LoggingConfig={"LogFormat": "Text", "LogGroup": f"/aws/lambda/{orders}"},
        TracingConfig={"Mode": "PassThrough"},
    )

    assert answer["LoggingConfig"]["LogGroup"] == f"/aws/lambda/{orders}"


def test_a_deny_of_a_version_cannot_be_walked_around_by_another_spelling(
    serving: RunningServer, functions: Any, orders: str
) -> None:
    functions.publish_version(FunctionName=orders)
    arn = f"{FUNCTION}{orders}"
    statements = [
        {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": f"{arn}:*"},
        {"Effect": "Deny", "Action": "lambda:InvokeFunction", "Resource": f"{arn}:1"},
    ]
    caller = aws_client(serving, "lambda", new_user(serving, "spells", *statements))

    assert refused(caller.invoke, FunctionName=orders, Qualifier="1")[:2] == (403, "AccessDeniedException")
    for spelling in ("01", "001"):
        assert refused(caller.invoke, FunctionName=orders, Qualifier=spelling)[:2] == (404, "ResourceNotFoundException")


def test_weights_of_an_alias_through_boto3(functions: Any, orders: str) -> None:
    for text in ("1", "2"):
        functions.update_function_code(
            FunctionName=orders, ZipFile=make_zip({"app.py": f"def handler(e, c): return {text}"}), Publish=True
        )
    functions.create_alias(
        FunctionName=orders,
        Name="shared",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}},
    )

    answer = functions.invoke(FunctionName=orders, Qualifier="shared")

    assert answer["ExecutedVersion"] == "2"
    shown = functions.get_alias(FunctionName=orders, Name="shared")
    assert shown["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 1.0}}


def test_the_accounts_settings_and_every_version_through_boto3(functions: Any, orders: str) -> None:
    settings = functions.get_account_settings()
    pages = functions.get_paginator("list_functions").paginate(FunctionVersion="ALL", PaginationConfig={"PageSize": 3})
    everything = [one["FunctionArn"] for page in pages for one in page["Functions"]]

    assert settings["AccountLimit"]["ConcurrentExecutions"] == 100
    assert f"{FUNCTION}{orders}:$LATEST" in everything
    assert len(set(everything)) == len(everything)
    assert functions.get_function_code_signing_config(FunctionName=orders)["FunctionName"] == orders


def test_the_aws_cli_publishes_a_layer_gives_a_url_and_leaves_an_event(
    serving: RunningServer, orders: str, tmp_path: Path
) -> None:
    (tmp_path / "layer.zip").write_bytes(make_zip({"python/tools.py": "1"}))

    def aws(*arguments: str) -> Any:
        finished = subprocess.run(
            [str(Path(sys.executable).with_name("aws")), "lambda", *arguments, "--output", "json"],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
            env=clean_environment(
                AWS_ACCESS_KEY_ID=ROOT_KEY[0],
                AWS_SECRET_ACCESS_KEY=ROOT_KEY[1],
                AWS_DEFAULT_REGION="us-west-2",
                AWS_ENDPOINT_URL=serving.url,
            ),
        )
        return json.loads(finished.stdout)

    layer = aws(*("publish-layer-version", "--layer-name", "by-cli", "--zip-file", f"fileb://{tmp_path / 'layer.zip'}"))
    url = aws("create-function-url-config", "--function-name", orders, "--auth-type", "AWS_IAM")
    left = aws("invoke", "--function-name", orders, "--invocation-type", "Event", str(tmp_path / "answer"))

    assert layer["LayerVersionArn"] == f"{LAYER}by-cli:1"
    assert url["FunctionUrl"].startswith(f"{serving.url}/_url/")
    assert left["StatusCode"] == 202

"""Logs through other people's clients, and through `velvetrope logs`: what is there, in what order, and for whom."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from support.clients import aws_client, new_user
from support.functions import WallClock
from support.running import ROOT_KEY, RunningServer, clean_environment
from support.zips import make_zip

SOURCE = """
def handler(event, context):
    for line in event["lines"]:
        print(line)
    if event.get("raises"):
        raise ValueError("broken")
"""
GROUP = "arn:aws:logs:us-west-2:123456789012:log-group:"
GONE = "The specified log group does not exist."


@pytest.fixture(scope="module")
def logs(serving: RunningServer) -> Any:
    return aws_client(serving, "logs")


@pytest.fixture(scope="module")
def speaking(serving: RunningServer, function_role: str) -> Any:
    """Invokes a function that prints what it is told to; gives the request id."""
    functions = aws_client(serving, "lambda")
    for name in ("talkative", "talkative-too", "quiet"):
        functions.create_function(
            FunctionName=name,
            Role=function_role,
            Runtime="python3.12",
            Handler="app.handler",
            Code={"ZipFile": make_zip({"app.py": SOURCE})},
        )

    def speak(name: str, *lines: str, raises: bool = False) -> str:
        answer = functions.invoke(FunctionName=name, Payload=json.dumps({"lines": lines, "raises": raises}).encode())
        return str(answer["ResponseMetadata"]["RequestId"])

    return speak


def now_ms() -> int:
    return int(WallClock().now().timestamp() * 1000)


def refused(call: Any, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as found:
        call(**parameters)
    error = found.value.response["Error"]
    return error["Code"], error["Message"]


def test_what_a_function_prints_is_in_its_group_between_lambdas_own_lines(logs: Any, speaking: Any) -> None:
    request_id = speaking("talkative", "hello from inside")

    events = logs.filter_log_events(logGroupName="/aws/lambda/talkative")["events"]

    messages = [event["message"] for event in events]
    start = messages.index(f"START RequestId: {request_id} Version: $LATEST")
    assert messages[start + 1] == "hello from inside"
    assert messages[start + 2] == f"END RequestId: {request_id}"
    assert messages[start + 3].startswith(f"REPORT RequestId: {request_id}\tDuration: ")
    assert len({event["eventId"] for event in events}) == len(events)


def test_pages_and_patterns_as_aws_logs_tail_and_sam_logs_ask_for_them(logs: Any, speaking: Any) -> None:
    request_id = speaking("talkative", *(f"line {number}" for number in range(25)))
    asked = {"logGroupName": "/aws/lambda/talkative", "interleaved": True, "startTime": 0}

    pages = logs.get_paginator("filter_log_events").paginate(**asked, PaginationConfig={"PageSize": 10})
    everything = [event for page in pages for event in page["events"]]
    once = logs.filter_log_events(**asked)["events"]
    by_id = logs.filter_log_events(**asked, filterPattern=f'"{request_id}"')["events"]
    by_term = logs.filter_log_events(**asked, filterPattern='"line 7"')["events"]

    assert everything == once
    assert len(by_id) == 3
    assert [event["message"] for event in by_term] == ["line 7"]


def test_a_stream_is_read_forwards_and_backwards(logs: Any) -> None:
    logs.create_log_group(logGroupName="shop/till")
    logs.create_log_stream(logGroupName="shop/till", logStreamName="one")
    now = now_ms()
    put = logs.put_log_events(
        logGroupName="shop/till",
        logStreamName="one",
        logEvents=[{"timestamp": now + number, "message": str(number)} for number in range(5)],
    )
    asked = {"logGroupName": "shop/till", "logStreamName": "one", "limit": 2}

    tail = logs.get_log_events(**asked)
    before = logs.get_log_events(**asked, nextToken=tail["nextBackwardToken"])
    head = logs.get_log_events(**asked, startFromHead=True)
    after = logs.get_log_events(**asked, nextToken=head["nextForwardToken"], startFromHead=True)
    end = logs.get_log_events(**asked, nextToken=tail["nextForwardToken"], startFromHead=True)

    assert "rejectedLogEventsInfo" not in put
    pages = [[event["message"] for event in page["events"]] for page in (tail, before, head, after, end)]
    assert pages == [["3", "4"], ["1", "2"], ["0", "1"], ["2", "3"], []]
    assert end["nextForwardToken"] == tail["nextForwardToken"]


def test_groups_and_streams_are_described_with_their_times_and_sizes(logs: Any, speaking: Any) -> None:
    speaking("talkative", "x")

    [group] = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/talkative", limit=1)["logGroups"]
    streams = logs.describe_log_streams(logGroupName="/aws/lambda/talkative", orderBy="LastEventTime", descending=True)[
        "logStreams"
    ]

    assert group["logGroupName"] == "/aws/lambda/talkative"
    assert group["arn"] == f"{GROUP}/aws/lambda/talkative:*"
    assert group["storedBytes"] > 0
    assert "[$LATEST]" in streams[0]["logStreamName"]
    assert streams[0]["firstEventTimestamp"] <= streams[0]["lastEventTimestamp"]


def test_groups_are_paged_by_name(logs: Any) -> None:
    for name in ("page/a", "page/b", "page/c"):
        logs.create_log_group(logGroupName=name)

    first = logs.describe_log_groups(logGroupNamePrefix="page/", limit=2)
    second = logs.describe_log_groups(logGroupNamePrefix="page/", limit=2, nextToken=first["nextToken"])
    by_part = logs.describe_log_groups(logGroupNamePattern="AGE/B")

    names = [[group["logGroupName"] for group in page["logGroups"]] for page in (first, second, by_part)]
    assert names == [["page/a", "page/b"], ["page/c"], ["page/b"]]
    assert "nextToken" not in second


def test_retention_and_tags_are_kept_and_shown(logs: Any) -> None:
    logs.create_log_group(logGroupName="kept", tags={"a": "1"})
    logs.put_retention_policy(logGroupName="kept", retentionInDays=7)
    logs.tag_resource(resourceArn=f"{GROUP}kept", tags={"b": "2"})
    logs.untag_resource(resourceArn=f"{GROUP}kept", tagKeys=["a"])

    [group] = logs.describe_log_groups(logGroupNamePrefix="kept")["logGroups"]
    assert group["retentionInDays"] == 7
    assert logs.list_tags_for_resource(resourceArn=f"{GROUP}kept")["tags"] == {"b": "2"}
    logs.delete_retention_policy(logGroupName="kept")
    [group] = logs.describe_log_groups(logGroupNamePrefix="kept")["logGroups"]
    assert "retentionInDays" not in group


def test_tags_that_no_group_can_have_are_refused(logs: Any) -> None:
    fifty = {str(number): "" for number in range(50)}
    logs.create_log_group(logGroupName="tagged-whole", tags=fifty)

    for tags in ({"aws:team": "blue"}, {"one more": ""}):
        code, _ = refused(logs.tag_resource, resourceArn=f"{GROUP}tagged-whole", tags=tags)
        assert code == "InvalidParameterException"
    code, _ = refused(logs.create_log_group, logGroupName="never", tags={"aws:team": "blue"})
    assert code == "InvalidParameterException"
    assert logs.list_tags_for_resource(resourceArn=f"{GROUP}tagged-whole")["tags"] == fifty


def test_events_that_are_too_old_or_too_new_are_left_out_and_counted(logs: Any) -> None:
    logs.create_log_group(logGroupName="timely")
    logs.create_log_stream(logGroupName="timely", logStreamName="s")
    now, hour = now_ms(), 3_600_000
    times = [now - 15 * 24 * hour, now, now + 3 * hour]

    answer = logs.put_log_events(
        logGroupName="timely",
        logStreamName="s",
        logEvents=[{"timestamp": at, "message": str(number)} for number, at in enumerate(times)],
    )

    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 2}
    events = logs.get_log_events(logGroupName="timely", logStreamName="s")["events"]
    assert [event["message"] for event in events] == ["1"]


def test_what_cannot_be_is_refused_in_awss_words(logs: Any) -> None:
    logs.create_log_group(logGroupName="strict")
    logs.create_log_stream(logGroupName="strict", logStreamName="s")
    here = {"logGroupName": "strict", "logStreamName": "s"}
    now = now_ms()

    assert refused(logs.create_log_group, logGroupName="strict") == (
        "ResourceAlreadyExistsException",
        "The specified log group already exists",
    )
    assert refused(logs.create_log_stream, **here)[0] == "ResourceAlreadyExistsException"
    assert refused(logs.filter_log_events, logGroupName="nobody") == ("ResourceNotFoundException", GONE)
    assert refused(logs.get_log_events, logGroupName="strict", logStreamName="t") == (
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    )
    backwards = [{"timestamp": now, "message": "b"}, {"timestamp": now - 1, "message": "a"}]
    assert refused(logs.put_log_events, **here, logEvents=backwards) == (
        "InvalidParameterException",
        "Log events in a single PutLogEvents request must be in chronological order.",
    )
    large = [{"timestamp": now, "message": "x" * (1_048_576 - 25)}]
    assert refused(logs.put_log_events, **here, logEvents=large) == (
        "InvalidParameterException",
        "Upload too large: 1048577 bytes exceeds limit of 1048576",
    )
    assert refused(logs.put_retention_policy, logGroupName="strict", retentionInDays=2)[0] == (
        "InvalidParameterException"
    )
    assert refused(logs.filter_log_events, logGroupName="strict", nextToken="x")[0] == "InvalidParameterException"
    assert refused(logs.filter_log_events, logGroupName="strict", startTime=now, endTime=now - 1)[0] == (
        "InvalidParameterException"
    )
    assert logs.filter_log_events(logGroupName="strict", startTime=now, endTime=now)["events"] == []
    assert refused(logs.create_log_group, logGroupName="sealed", kmsKeyId="k")[1] == (
        "velvetrope does not support CreateLogGroup.kmsKeyId"
    )
    assert refused(logs.start_query, logGroupName="strict", startTime=0, endTime=1, queryString="x")[0] == (
        "NotImplemented"
    )


def test_one_megabyte_to_the_byte_is_taken(logs: Any) -> None:
    logs.create_log_group(logGroupName="full")
    logs.create_log_stream(logGroupName="full", logStreamName="s")
    now = now_ms()

    logs.put_log_events(
        logGroupName="full",
        logStreamName="s",
        logEvents=[{"timestamp": now, "message": "x" * (1_048_576 - 26)}],
    )

    assert len(logs.get_log_events(logGroupName="full", logStreamName="s")["events"]) == 1


def test_deleted_groups_and_streams_are_gone_with_their_events(logs: Any) -> None:
    logs.create_log_group(logGroupName="brief")
    now = now_ms()
    for stream in ("one", "two"):
        logs.create_log_stream(logGroupName="brief", logStreamName=stream)
        logs.put_log_events(
            logGroupName="brief", logStreamName=stream, logEvents=[{"timestamp": now, "message": stream}]
        )

    logs.delete_log_stream(logGroupName="brief", logStreamName="one")
    left = [event["message"] for event in logs.filter_log_events(logGroupName="brief")["events"]]
    logs.delete_log_group(logGroupName="brief")

    assert left == ["two"]
    assert refused(logs.filter_log_events, logGroupName="brief") == ("ResourceNotFoundException", GONE)
    assert refused(logs.delete_log_group, logGroupName="brief") == ("ResourceNotFoundException", GONE)


def test_the_logs_of_one_function_are_no_permission_for_anothers(serving: RunningServer, speaking: Any) -> None:
    speaking("talkative", "mine")
    speaking("talkative-too", "not yours")
    reader = new_user(
        serving,
        "reader-of-one",
        {
            "Effect": "Allow",
            "Action": ["logs:FilterLogEvents", "logs:GetLogEvents", "logs:DescribeLogStreams"],
            "Resource": f"{GROUP}/aws/lambda/talkative:*",
        },
    )
    theirs = aws_client(serving, "logs", reader)

    mine = theirs.filter_log_events(logGroupName="/aws/lambda/talkative", filterPattern="mine")["events"]
    streams = theirs.describe_log_streams(logGroupName="/aws/lambda/talkative")["logStreams"]

    assert mine
    assert theirs.get_log_events(logGroupName="/aws/lambda/talkative", logStreamName=streams[0]["logStreamName"])[
        "events"
    ]
    for call, parameters in (
        (theirs.filter_log_events, {"logGroupName": "/aws/lambda/talkative-too"}),
        (theirs.describe_log_streams, {"logGroupName": "/aws/lambda/talkative-too"}),
        (theirs.get_log_events, {"logGroupName": "/aws/lambda/talkative-too", "logStreamName": "x"}),
        (theirs.describe_log_groups, {}),
        (theirs.delete_log_group, {"logGroupName": "/aws/lambda/talkative"}),
        (theirs.put_retention_policy, {"logGroupName": "/aws/lambda/talkative", "retentionInDays": 1}),
        (theirs.create_log_group, {"logGroupName": "mine"}),
    ):
        assert refused(call, **parameters)[0] == "AccessDeniedException"


def test_tags_at_creation_need_a_permission_of_their_own(serving: RunningServer) -> None:
    maker = new_user(serving, "group-maker", {"Effect": "Allow", "Action": "logs:CreateLogGroup", "Resource": "*"})
    theirs = aws_client(serving, "logs", maker)

    theirs.create_log_group(logGroupName="untagged")

    code, message = refused(theirs.create_log_group, logGroupName="tagged", tags={"a": "1"})
    assert code == "AccessDeniedException"
    assert "logs:TagResource" in message


def velvetrope_logs(server: RunningServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "velvetrope.cli", "logs", *arguments),
            *("--state-folder", str(server.state_folder)),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=_owners_environment(),
    )


def _owners_environment() -> dict[str, str]:
    return clean_environment(VELVETROPE_ROOT_ACCESS_KEY_ID=ROOT_KEY[0], VELVETROPE_ROOT_SECRET_ACCESS_KEY=ROOT_KEY[1])


def test_the_command_prints_a_functions_lines_by_a_part_of_its_name(serving: RunningServer, speaking: Any) -> None:
    speaking("quiet", "psst", "\x1b]0;the owner's window\x07")

    shown = velvetrope_logs(serving, "qui")

    assert shown.returncode == 0, shown.stderr
    assert any(line.endswith("Z psst") for line in shown.stdout.splitlines())
    assert any(line.endswith("Z \\x1b]0;the owner's window\\x07") for line in shown.stdout.splitlines())


def test_the_command_shows_one_invocation_whole(serving: RunningServer, speaking: Any) -> None:
    speaking("talkative-too", "somebody else's")
    request_id = speaking("talkative-too", "this one's", raises=True)

    shown = velvetrope_logs(serving, "talkative-too", "--request-id", request_id)

    lines = [line.partition(" ")[2] for line in shown.stdout.splitlines()]
    assert lines[0] == f"START RequestId: {request_id} Version: $LATEST"
    assert lines[1] == "this one's"
    assert any("ValueError: broken" in line for line in lines)
    assert lines[-1].startswith(f"REPORT RequestId: {request_id}")
    assert "somebody else's" not in lines


@pytest.fixture
def following(serving: RunningServer, speaking: Any) -> Iterator[subprocess.Popen[str]]:
    speaking("quiet", "before")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "velvetrope.cli", "logs", "quiet", "--follow"),
            *("--state-folder", str(serving.state_folder)),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=_owners_environment(),
    )
    yield process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_the_command_follows_what_comes(speaking: Any, following: subprocess.Popen[str]) -> None:
    assert following.stdout is not None
    _read_until(following, "before")

    speaking("quiet", "and after")

    _read_until(following, "and after")


def _read_until(process: subprocess.Popen[str], ending: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.rstrip().endswith(ending):
            return
    raise AssertionError(f"{ending} was not printed")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody-at-all"], "There is no log of nobody-at-all yet"),
        (["talk"], "may be any of: talkative, talkative-too"),
        (["quiet", "--since", "soon"], "--since soon: give 30s"),
        (["quiet", "--request-id", "x"], "x is not a request id"),
        (["quiet", "--request-id", "0" * 36], "has no line of the request"),
    ],
)
def test_the_command_says_what_is_wrong(serving: RunningServer, speaking: Any, arguments: list[str], said: str) -> None:
    for name in ("talkative", "talkative-too", "quiet"):
        speaking(name, "line")

    shown = velvetrope_logs(serving, *arguments)

    assert shown.returncode == 1
    assert said in shown.stderr


def test_the_aws_cli_reads_a_functions_log(serving: RunningServer, speaking: Any) -> None:
    speaking("talkative", "for the command line")
    env = clean_environment(
        AWS_ACCESS_KEY_ID=ROOT_KEY[0],
        AWS_SECRET_ACCESS_KEY=ROOT_KEY[1],
        AWS_DEFAULT_REGION="us-west-2",
        AWS_ENDPOINT_URL=serving.url,
    )

    shown = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("aws")), "logs", "filter-log-events"),
            *("--log-group-name", "/aws/lambda/talkative", "--filter-pattern", '"command line"', "--output", "json"),
        ],
        capture_output=True,
        text=True,
        env=env,
        timeout=60,
        check=True,
    ).stdout

    assert json.loads(shown)["events"][0]["message"] == "for the command line"

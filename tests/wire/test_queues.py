"""Queues on a real server, spoken to by boto3 and the AWS CLI: who may, who may not, and what a kill leaves behind."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from support.clients import aws_client, signed
from support.running import ROOT_KEY, RunningServer, clean_environment
from support.zips import make_zip

ACCOUNT, REGION = "123456789012", "us-west-2"
QUEUES = f"arn:aws:sqs:{REGION}:{ACCOUNT}:"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer("serve", state_folder=tmp_path_factory.mktemp("queues") / "state") as server:
        yield server


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def user(server: RunningServer, name: str, *statements: dict[str, Any]) -> Credentials:
    """A new user with a policy of these statements."""
    iam = aws_client(server, "iam")
    iam.create_user(UserName=name)
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(*statements))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


def refusal(call: Any, **parameters: Any) -> tuple[str, str]:
    """Code and message of a call that must be refused."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_message_goes_through_boto3_unchanged(server: RunningServer) -> None:
    sqs = aws_client(server, "sqs")  # botocore compares both digests by itself
    url = sqs.create_queue(QueueName="unchanged", Attributes={"VisibilityTimeout": "60"}, tags={"a": "b"})["QueueUrl"]
    attributes = {
        "kind": {"DataType": "String", "StringValue": "grün"},
        "blob": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }

    sent = sqs.send_message(QueueUrl=url, MessageBody='{"é": 1}', MessageAttributes=attributes)
    [message] = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], AttributeNames=["All"])["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], '{"é": 1}')
    assert message["MessageAttributes"] == attributes
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"a": "b"}
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


def test_errors_have_the_codes_that_clients_know(server: RunningServer) -> None:
    sqs = aws_client(server, "sqs")

    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as caught:
        sqs.get_queue_url(QueueName="nowhere")
    assert caught.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert refusal(sqs.create_queue, QueueName="not a name")[0] == "InvalidParameterValue"
    assert refusal(sqs.create_queue, QueueName="q", Attributes={"Colour": "red"})[0] == "InvalidParameterValue"
    fifo_only = {"ContentBasedDeduplication": "true"}
    assert refusal(sqs.create_queue, QueueName="q", Attributes=fifo_only)[0] == "InvalidAttributeName"
    assert refusal(sqs.list_message_move_tasks, SourceArn=f"{QUEUES}q") == (
        "NotImplemented",
        "velvetrope does not support sqs:ListMessageMoveTasks.",
    )
    url = sqs.create_queue(QueueName="errors")["QueueUrl"]
    assert refusal(sqs.receive_message, QueueUrl=url, ReceiveRequestAttemptId="once") == (
        "InvalidParameterValue",
        "velvetrope does not support ReceiveMessage.ReceiveRequestAttemptId",
    )


def test_only_what_a_policy_allows_is_done(server: RunningServer) -> None:
    url = aws_client(server, "sqs").create_queue(QueueName="guarded")["QueueUrl"]
    aws_client(server, "sqs").create_queue(QueueName="other")
    sender = user(server, "sender", {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": f"{QUEUES}guarded"})
    sqs = aws_client(server, "sqs", sender)

    sqs.send_message(QueueUrl=url, MessageBody="one")
    sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "two"}])

    code, message = refusal(sqs.receive_message, QueueUrl=url)
    assert code == "AccessDenied"
    assert message == (
        f"User: arn:aws:iam::{ACCOUNT}:user/sender is not authorized to perform: sqs:ReceiveMessage on resource: "
        f"{QUEUES}guarded because no identity-based policy allows the sqs:ReceiveMessage action"
    )
    other = url.replace("guarded", "other")
    assert refusal(sqs.send_message, QueueUrl=other, MessageBody="x")[0] == "AccessDenied"
    # Whoever may not use a queue does not learn whether it exists.
    assert refusal(sqs.send_message, QueueUrl=url + "x", MessageBody="x")[0] == "AccessDenied"
    assert refusal(sqs.purge_queue, QueueUrl=url)[0] == "AccessDenied"
    assert refusal(sqs.create_queue, QueueName="mine")[0] == "AccessDenied"


def test_the_queue_s_own_policy_lets_in_and_keeps_out(server: RunningServer) -> None:
    owner = aws_client(server, "sqs")
    url = owner.create_queue(QueueName="shared")["QueueUrl"]
    guest = user(server, "guest")
    reader = user(server, "reader", {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"})
    assert refusal(aws_client(server, "sqs", guest).send_message, QueueUrl=url, MessageBody="x")[0] == "AccessDenied"

    policy = document(
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/guest"},
            "Action": "sqs:SendMessage",
            "Resource": f"{QUEUES}shared",
        },
        {"Effect": "Deny", "Principal": "*", "Action": "sqs:PurgeQueue", "Resource": f"{QUEUES}shared"},
    )
    owner.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})

    aws_client(server, "sqs", guest).send_message(QueueUrl=url, MessageBody="x")
    assert refusal(aws_client(server, "sqs", guest).receive_message, QueueUrl=url)[0] == "AccessDenied"
    code, message = refusal(aws_client(server, "sqs", reader).purge_queue, QueueUrl=url)
    assert (code, message.endswith("with an explicit deny in a resource-based policy")) == ("AccessDenied", True)
    assert len(aws_client(server, "sqs", reader).receive_message(QueueUrl=url)["Messages"]) == 1


def test_a_queue_is_found_by_its_url_whatever_the_endpoint(server: RunningServer) -> None:
    """A client that calls the queue's URL instead of the endpoint, as JavaScript's does."""
    url = aws_client(server, "sqs").create_queue(QueueName="by-url")["QueueUrl"]
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.SendMessage"}
    body = json.dumps({"QueueUrl": url, "MessageBody": "one"}).encode()
    root = Credentials(*ROOT_KEY)

    with requests.Session() as session:
        request = signed(server, root, method="POST", data=body, headers=headers, service="sqs", url=url)
        answer = session.send(request)
        unsigned = session.post(url, data=body, headers=headers)
        bad = session.send(
            signed(server, root, method="POST", data=b"{}", headers=headers, service="sqs", url=f"{server.url}/")
        )

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-amz-json-1.0"
    assert unsigned.headers["x-amzn-query-error"] == "MissingAuthenticationToken;Sender"
    assert (bad.status_code, bad.headers["x-amzn-query-error"]) == (400, "InvalidParameterValue;Sender")


def test_the_query_protocol_of_older_clients_is_refused_by_name(server: RunningServer) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    body = b"Action=ListQueues&Version=2012-11-05"

    with requests.Session() as session:
        answer = session.send(
            signed(
                server,
                Credentials(*ROOT_KEY),
                method="POST",
                data=body,
                headers=headers,
                service="sqs",
                url=f"{server.url}/",
            )
        )

    assert answer.status_code == 400
    assert "does not support the query protocol" in answer.json()["message"]


def test_the_aws_cli_sends_and_receives(server: RunningServer) -> None:
    key_id, secret = ROOT_KEY
    environment = clean_environment(
        AWS_ACCESS_KEY_ID=key_id,
        AWS_SECRET_ACCESS_KEY=secret,
        AWS_DEFAULT_REGION=REGION,
    )

    def aws(*arguments: str) -> Any:
        aws = str(Path(sys.executable).with_name("aws"))
        command = [aws, "--endpoint-url", server.url, "--output", "json", "sqs", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, check=False, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or "{}")

    url = aws("create-queue", "--queue-name", "cli.fifo", "--attributes", "FifoQueue=true")["QueueUrl"]
    sent = aws(
        *("send-message", "--queue-url", url, "--message-body", "one"),
        *("--message-group-id", "a", "--message-deduplication-id", "1"),
    )
    [message] = aws("receive-message", "--queue-url", url, "--attribute-names", "All")["Messages"]

    assert (message["Body"], message["MessageId"]) == ("one", sent["MessageId"])
    assert message["Attributes"]["SequenceNumber"] == sent["SequenceNumber"]


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    with RunningServer("serve", state_folder=tmp_path / "state") as first:
        sqs = aws_client(first, "sqs")
        url = sqs.create_queue(QueueName="orders")["QueueUrl"]
        sent = {sqs.send_message(QueueUrl=url, MessageBody=str(number))["MessageId"] for number in range(5)}
        [taken] = sqs.receive_message(QueueUrl=url, VisibilityTimeout=3600)["Messages"]
        first.process.send_signal(signal.SIGKILL)
        first.process.wait(60)

    with RunningServer("serve", state_folder=tmp_path / "state") as second:
        sqs = aws_client(second, "sqs")
        left = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]

        assert {message["MessageId"] for message in left} == sent - {taken["MessageId"]}
        sqs.delete_message(QueueUrl=url, ReceiptHandle=taken["ReceiptHandle"])
        counted = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"])
        assert counted["Attributes"] == {"ApproximateNumberOfMessagesNotVisible": "4"}


TELLS_AND_HANGS = '''
import json, os, time
import boto3

def handler(event, context):
    """Says that it begins; the first time, it does not come to its end."""
    [record] = event["Records"]
    attempt = record["attributes"]["ApproximateReceiveCount"]
    told = {"body": record["body"], "attempt": attempt, "handle": record["receiptHandle"]}
    boto3.client("sqs").send_message(QueueUrl=os.environ["MARKS"], MessageBody=json.dumps(told))
    while attempt == "1":
        time.sleep(0.01)
'''


def test_a_message_that_a_function_was_at_when_the_server_was_killed_comes_again(tmp_path: Path) -> None:
    def next_mark(server: RunningServer, url: str) -> dict[str, str]:
        """What the function said next, taken out."""
        sqs = aws_client(server, "sqs")
        while not (found := sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20).get("Messages", [])):
            assert server.process.poll() is None
        [message] = found
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return dict(json.loads(message["Body"]))

    with RunningServer("serve", state_folder=tmp_path / "state") as first:
        sqs, functions, iam = (aws_client(first, name) for name in ("sqs", "lambda", "iam"))
        marks = sqs.create_queue(QueueName="marks")["QueueUrl"]
        orders = sqs.create_queue(QueueName="orders", Attributes={"VisibilityTimeout": "900"})["QueueUrl"]
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = iam.create_role(RoleName="worker", AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
        needs = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}
        iam.put_role_policy(RoleName="worker", PolicyName="needs", PolicyDocument=document(needs))
        functions.create_function(
            FunctionName="worker",
            Role=role,
            Runtime="python3.11",
            Handler="app.handler",
            Timeout=900,
            Code={"ZipFile": make_zip({"app.py": TELLS_AND_HANGS})},
            Environment={"Variables": {"MARKS": marks}},
        )
        functions.create_event_source_mapping(FunctionName="worker", EventSourceArn=f"{QUEUES}orders")
        sqs.send_message(QueueUrl=orders, MessageBody="order")
        mark = next_mark(first, marks)
        assert (mark["body"], mark["attempt"]) == ("order", "1")
        first.process.send_signal(signal.SIGKILL)
        first.process.wait(60)

    with RunningServer("serve", state_folder=tmp_path / "state") as second:
        sqs = aws_client(second, "sqs")
        # Nobody waits for its time to pass: that it is hidden for so long is shown where the clock can be moved.
        sqs.change_message_visibility(QueueUrl=orders, ReceiptHandle=mark["handle"], VisibilityTimeout=0)
        mark = next_mark(second, marks)
        assert (mark["body"], mark["attempt"]) == ("order", "2")
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        while any(
            count != "0"
            for count in sqs.get_queue_attributes(QueueUrl=orders, AttributeNames=names)["Attributes"].values()
        ):
            assert second.process.poll() is None

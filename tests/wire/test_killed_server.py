"""A server that is killed while clients write: what was answered is there afterwards, and nothing is half there.

The kill comes when each of the clients has had some answers, and an import some of its users, so that all of them are
at something.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from botocore.exceptions import BotoCoreError, ClientError
from typer.testing import CliRunner

from support.clients import aws_client
from support.running import RunningServer
from support.user_imports import ended, file_for, job_of, make_role
from support.zips import make_zip
from velvetrope.cli.main import _cli

PASSWORD = "Correct-horse-1"
IMPORTED = [f"imported-{number:04d}" for number in range(1500)]
ENCRYPTED = {"x-amz-server-side-encryption": "aws:kms"}


@dataclass
class Client:
    """Calls one operation with one name after another, until the server is gone."""

    call: Callable[[str], object]
    begun: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    error: Exception | None = None
    has_some: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        try:
            while True:
                name = f"name-{len(self.begun):05d}"
                self.begun.append(name)
                self.call(name)
                self.answered.append(name)
                if len(self.answered) == 5:
                    self.has_some.set()
        except Exception as error:  # noqa: BLE001  the test looks at it
            self.error = error
            self.has_some.set()


@dataclass
class Killed:
    """What clients know of a server that is no more, and one that goes on with what it left."""

    check: str
    again: RunningServer
    pool: str
    app: str
    job: str
    queue: str
    people: Client
    messages: Client
    functions: Client


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    folder = tmp_path_factory.mktemp("killed") / "state"
    with RunningServer("serve", state_folder=folder) as server:
        pools, queues, functions = (aws_client(server, name) for name in ("cognito-idp", "sqs", "lambda"))
        pool = pools.create_user_pool(PoolName="people", AutoVerifiedAttributes=["email"])["UserPool"]["Id"]
        app = pools.create_user_pool_client(UserPoolId=pool, ClientName="web")["UserPoolClient"]["ClientId"]
        queue = queues.create_queue(QueueName="orders")["QueueUrl"]
        job = ready_import(server, pools, pool)
        role = make_role(server, "functions", trusting("lambda"), "*")
        clients = {
            "people": Client(
                lambda name: pools.sign_up(ClientId=app, Username=name, Password=PASSWORD, UserAttributes=mail(name))
            ),
            "messages": Client(lambda name: queues.send_message(QueueUrl=queue, MessageBody=name)),
            "functions": Client(lambda name: create_function(functions, role, name)),
        }
        threads = [threading.Thread(target=client.run) for client in clients.values()]
        for thread in threads:
            thread.start()
        for client in clients.values():
            assert client.has_some.wait(90)
        pools.start_user_import_job(UserPoolId=pool, JobId=job)
        imported = 0
        while imported == 0:
            found = pools.describe_user_import_job(UserPoolId=pool, JobId=job)["UserImportJob"]
            assert found["Status"] != "Failed", found
            imported = found["ImportedUsers"]
        server.process.kill()
        server.process.wait(60)
        for thread in threads:
            thread.join(90)
    check = CliRunner().invoke(_cli, ["store", "check", str(folder)]).output
    with RunningServer("serve", state_folder=folder) as again:
        yield Killed(check, again, pool, app, job, queue, **clients)


def trusting(service: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}


def mail(name: str) -> list[dict[str, str]]:
    return [{"Name": "email", "Value": f"{name}@people.example"}]


def ready_import(server: RunningServer, pools: Any, pool: str) -> str:
    job = job_of(pools, pool, make_role(server, "imports", trusting("cognito-idp"), "arn:aws:logs:*:*:*"))
    sent = requests.put(job["PreSignedUrl"], file_for(pools, pool, *IMPORTED), headers=ENCRYPTED, timeout=60)
    assert sent.status_code == 200
    return str(job["JobId"])


def create_function(functions: Any, role: str, name: str) -> None:
    source = f"def handler(event, context): return {name!r}"
    functions.create_function(
        FunctionName=name,
        Role=role,
        Runtime="python3.11",
        Handler="app.handler",
        Code={"ZipFile": make_zip({"app.py": source})},
    )


def exists(call: Callable[..., Any], **parameters: str) -> bool:
    try:
        call(**parameters)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("UserNotFoundException", "ResourceNotFoundException"):
            raise
        return False
    return True


def test_the_store_is_sound_as_it_was_left(killed: Killed) -> None:
    assert killed.check == (
        "Everything can be read, belongs together, and was sealed by the master keys that are here.\n"
    )
    for client in (killed.people, killed.messages, killed.functions):
        assert isinstance(client.error, BotoCoreError), client.error
        assert client.begun[:-1] == client.answered
        assert len(client.answered) >= 5


def test_who_was_told_that_they_are_signed_up_is(killed: Killed) -> None:
    pools = aws_client(killed.again, "cognito-idp")

    for name in killed.people.answered:
        user = pools.admin_get_user(UserPoolId=killed.pool, Username=name)
        assert user["UserStatus"] == "UNCONFIRMED"
        assert f"{name}@people.example" in [one["Value"] for one in user["UserAttributes"]]

    # Whoever heard nothing is there whole, or may sign up.
    unanswered = killed.people.begun[-1]
    if not exists(pools.admin_get_user, UserPoolId=killed.pool, Username=unanswered):
        pools.sign_up(ClientId=killed.app, Username=unanswered, Password=PASSWORD, UserAttributes=mail(unanswered))
    found = pools.list_users(UserPoolId=killed.pool, Filter=f'email = "{unanswered}@people.example"')["Users"]
    assert [user["Username"] for user in found] == [unanswered]


def test_every_message_that_was_taken_in_is_there_once(killed: Killed) -> None:
    queues = aws_client(killed.again, "sqs")
    found: list[str] = []
    while messages := queues.receive_message(QueueUrl=killed.queue, MaxNumberOfMessages=10).get("Messages"):
        found += [message["Body"] for message in messages]

    assert sorted(found) in (killed.messages.answered, killed.messages.begun)


def test_every_function_that_was_created_runs(killed: Killed) -> None:
    functions = aws_client(killed.again, "lambda")
    last = killed.functions.answered[-1]

    listed = {
        one["FunctionName"]
        for page in functions.get_paginator("list_functions").paginate()
        for one in page["Functions"]
    }

    assert set(killed.functions.answered) <= listed <= set(killed.functions.begun)
    assert functions.invoke(FunctionName=last)["Payload"].read() == f'"{last}"'.encode()
    unanswered = killed.functions.begun[-1]
    assert exists(functions.get_function, FunctionName=unanswered) == (unanswered in listed)


def test_an_import_goes_on_and_everybody_in_the_file_is_there_once(killed: Killed) -> None:
    pools = aws_client(killed.again, "cognito-idp")

    job = ended(pools, killed.pool, killed.job)

    assert (job["Status"], job["ImportedUsers"], job["FailedUsers"]) == ("Succeeded", len(IMPORTED), 0)
    users = pools.get_paginator("list_users").paginate(UserPoolId=killed.pool)
    names = [user["Username"] for page in users for user in page["Users"]]
    assert len(names) == len(set(names))
    assert {name for name in names if name.startswith("imported")} == set(IMPORTED)

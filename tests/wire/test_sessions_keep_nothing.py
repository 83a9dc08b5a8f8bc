"""Temporary credentials are stateless: however many are live, the database keeps not one row of them."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from botocore.credentials import Credentials

from support.clients import aws_client
from support.running import RunningServer

SESSIONS = 50
ACCOUNT = "123456789012"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with RunningServer("serve", state_folder=tmp_path / "state") as running:
        yield running


def rows(folder: Path) -> dict[str, int]:
    """How many rows each table has."""
    with closing(sqlite3.connect(folder / "velvetrope.db")) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}


def test_live_sessions_keep_nothing_in_the_store(server: RunningServer, tmp_path: Path) -> None:
    iam = aws_client(server, "iam")
    user = iam.create_user(UserName="caller")["User"]["Arn"]
    made = iam.create_access_key(UserName="caller")["AccessKey"]
    trust = {"Effect": "Allow", "Principal": {"AWS": user}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="role", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    sts = aws_client(server, "sts", Credentials(made["AccessKeyId"], made["SecretAccessKey"]))
    sts.get_caller_identity()
    before = rows(tmp_path / "state")

    sessions = [sts.assume_role(RoleArn=role, RoleSessionName=f"s{n}")["Credentials"] for n in range(SESSIONS)]

    keys = {session["AccessKeyId"] for session in sessions}
    assert len(keys) == SESSIONS
    last = sessions[-1]
    holder = Credentials(last["AccessKeyId"], last["SecretAccessKey"], last["SessionToken"])
    arn = aws_client(server, "sts", holder).get_caller_identity()["Arn"]
    assert arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/role/s{SESSIONS - 1}"
    assert before["iam_access_keys"] == 1
    assert rows(tmp_path / "state") == before

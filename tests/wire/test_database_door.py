"""PostgreSQL reached with IAM database authentication: a real server, a real PostgreSQL behind it, libpq in front."""

import contextlib
import json
import re
import secrets
import socket
import ssl
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from botocore.credentials import Credentials

from support.clients import aws_client
from support.ports import own_port
from support.postgres import Postgres
from support.running import RunningServer, StartFailed

ACCOUNT, REGION = "123456789012", "us-west-2"
RESOURCE = f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:db-VELVETROPE/"
SSL_REQUEST = struct.pack(">II", 8, 80877103)
REFUSED = r'FATAL:  PAM authentication failed for user "door_reader"'


@dataclass
class Door:
    """The server, its door, and callers for it."""

    server: RunningServer
    port: int
    postgres: Postgres

    def token(self, credentials: Credentials, user: str = "door_reader", port: int | None = None) -> str:
        client = boto3.client(
            "rds",
            region_name=REGION,
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            aws_session_token=credentials.token,
        )
        return str(client.generate_db_auth_token(DBHostname="localhost", Port=port or self.port, DBUsername=user))

    def connect(self, password: str, user: str = "door_reader", **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        given: dict[str, Any] = {
            "host": "localhost",
            "port": self.port,
            "user": user,
            "password": password,
            "dbname": "door_shop",
            "sslmode": "verify-full",
            "sslrootcert": str(self.server.ca_certificate),
            "autocommit": True,
            **options,
        }
        return psycopg.connect(**given)

    def refusal(self, password: str, **options: Any) -> str:
        with pytest.raises(psycopg.OperationalError) as caught:
            self.connect(password, **options).close()
        return str(caught.value)

    def user(self, name: str, *statements: dict[str, Any]) -> Credentials:
        iam = aws_client(self.server, "iam")
        iam.create_user(UserName=name)
        if statements:
            document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Credentials(key["AccessKeyId"], key["SecretAccessKey"])

    def tells(self, sentence: str) -> bool:
        """Whether the owner's terminal says so, now or in a moment."""
        while sentence not in self.server.text:
            assert self.server.process.poll() is None
        return True

    def raw(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def tls(self) -> ssl.SSLSocket:
        sock = self.raw()
        sock.sendall(SSL_REQUEST)
        assert sock.recv(1) == b"S"
        context = ssl.create_default_context(cafile=str(self.server.ca_certificate))
        return context.wrap_socket(sock, server_hostname="localhost")


def allow(user: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "rds-db:connect", "Resource": RESOURCE + user}


def until_closed(sock: socket.socket) -> bytes:
    """All that comes until the connection is closed, or reset because we sent more than was read."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while block := sock.recv(1000):
            received += block
    return received


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("door")
    words = {user: secrets.token_hex(16) for user in ("door_reader", "door_owner", "door_gone")}
    postgres.execute(
        *(f"CREATE ROLE {user} LOGIN PASSWORD '{word}'" for user, word in words.items() if user != "door_gone"),
        "CREATE DATABASE door_shop OWNER door_owner",
    )
    postgres.execute(
        "CREATE TABLE stock (item text, count int)",
        "INSERT INTO stock VALUES ('rope', 3)",
        "GRANT SELECT ON stock TO door_reader",
        database="door_shop",
    )
    port = own_port()
    arguments = (
        *("--database-door", f"postgresql://127.0.0.1:{postgres.port}", "--database-port", str(port)),
        *("--database-passwords", str(postgres.make_password_file(folder / "passwords", words))),
    )
    with RunningServer("serve", *arguments, state_folder=folder / "state") as server:
        yield Door(server, port, postgres)


@pytest.fixture(scope="module")
def reader(door: Door) -> Credentials:
    return door.user("reader", allow("door_reader"))


def test_a_token_lets_its_user_in_and_no_further_than_postgresql_lets_that_user(
    door: Door, reader: Credentials
) -> None:
    with door.connect(door.token(reader), application_name="shop") as connection:
        assert connection.execute("SELECT current_user, session_user").fetchall() == [("door_reader", "door_reader")]
        assert connection.execute("SELECT * FROM stock").fetchall() == [("rope", 3)]
        assert connection.execute("SHOW application_name").fetchone() == ("shop",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO stock VALUES ('velvet', 1)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SET ROLE door_owner")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SET SESSION AUTHORIZATION door_owner")


def test_large_results_and_copies_pass_both_ways(door: Door) -> None:
    owner = door.user("owner", allow("door_owner"))

    with door.connect(door.token(owner, "door_owner"), "door_owner") as connection:
        connection.execute("CREATE TABLE big (n int, filler text)")
        with connection.cursor() as cursor, cursor.copy("COPY big FROM STDIN") as copy:
            for number in range(2000):
                copy.write_row((number, "x" * 1000))
        rows = connection.execute("SELECT sum(n), sum(length(filler)) FROM big").fetchall()
        everything = connection.execute("SELECT filler FROM big").fetchall()

    assert rows == [(1_999_000, 2_000_000)]
    assert len(everything) == 2000


def test_without_the_policy_nobody_is_let_in_and_the_owner_is_told_why(door: Door) -> None:
    stranger = door.user("stranger")
    other = door.user("other", allow("door_owner"))

    for credentials in (stranger, other):
        assert re.search(REFUSED, door.refusal(door.token(credentials)))
    assert door.tells("no identity-based policy allows the rds-db:connect action")


def test_taking_the_policy_away_ends_it(door: Door) -> None:
    credentials = door.user("leaver", allow("door_reader"))
    door.connect(door.token(credentials)).close()

    aws_client(door.server, "iam").delete_user_policy(UserName="leaver", PolicyName="own")

    assert re.search(REFUSED, door.refusal(door.token(credentials)))


def test_the_same_words_whatever_is_wrong(door: Door, reader: Credentials) -> None:
    token = door.token(reader)
    unknown = Credentials("AKIAUNKNOWNUNKNOWN00", "x" * 40)

    for password in (
        token[:-1] + ("0" if token[-1] != "0" else "1"),
        token.replace("door_reader", "door_owner"),
        door.token(reader, "door_owner"),
        door.token(reader, port=door.port + 1),
        door.token(unknown),
        "a password",
        "x" * 60_000,
    ):
        assert re.search(REFUSED, door.refusal(password))
    # A real password of PostgreSQL's is none at the door.
    assert "PAM authentication failed" in door.refusal(door.postgres.password, user="postgres")


def test_tls_is_required(door: Door, reader: Credentials) -> None:
    token = door.token(reader)

    assert "over TLS only" in door.refusal(token, sslmode="disable")
    with door.raw() as sock:
        sock.sendall(struct.pack(">II", 8, 80877104))
        assert sock.recv(1) == b"N"
        body = b"user\0door_reader\0\0"
        sock.sendall(struct.pack(">II", len(body) + 8, 3 << 16) + body)
        assert b"C28000\0" in sock.recv(1000)
        assert sock.recv(1) == b""


def test_what_was_sent_in_clear_never_counts_as_encrypted(door: Door) -> None:
    """A startup message stuffed in behind the request for TLS (CVE-2021-23222)."""
    body = b"user\0door_reader\0\0"

    with door.raw() as sock:
        sock.sendall(SSL_REQUEST + struct.pack(">II", len(body) + 8, 3 << 16) + body)
        received = until_closed(sock)

    assert received[:1] == b"S"
    assert b"R\0\0\0\x08\0\0\0\x03" not in received


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0\x04",
        b"\xff" * 8,
        struct.pack(">II", 2**31, 3 << 16),
        SSL_REQUEST * 3,
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">II", 8, 80877104) * 3,
        b"\x16\x03\x01\x00\x05hello",
    ],
)
def test_strangers_are_hung_up_on(door: Door, data: bytes) -> None:
    with door.raw() as sock:
        sock.sendall(data)
        with contextlib.suppress(OSError):  # it may have hung up already
            sock.shutdown(socket.SHUT_WR)
        received = until_closed(sock)

    assert len(received) < 200


def test_inside_tls_only_a_startup_message_goes_on(door: Door) -> None:
    for data in (SSL_REQUEST, struct.pack(">II", 10_001, 3 << 16), b"p\0\0\0\x05x"):
        with door.tls() as sock:
            sock.sendall(data.ljust(8, b"\0"))
            assert until_closed(sock) == b""
    body = b"user\0door_reader\0replication\x001\0\0"
    with door.tls() as sock:
        sock.sendall(struct.pack(">II", len(body) + 8, 3 << 16) + body)
        assert b"C0A000\0" in sock.recv(1000)
    body = b"user\0door_reader\0\0"
    for answer, code in ((b"Q\0\0\0\x0dSELECT 1\0", b"C08P01\0"), (b"p\0\0\0\x08word", b"C28000\0")):
        with door.tls() as sock:
            sock.sendall(struct.pack(">II", len(body) + 8, 3 << 16) + body)
            assert sock.recv(9) == b"R\0\0\0\x08\0\0\0\x03"
            sock.sendall(answer)
            assert code in sock.recv(1000)
    with door.tls() as sock:
        sock.sendall(struct.pack(">II", len(body) + 8, 3 << 16) + body)
        sock.recv(9)
        sock.sendall(b"p\x7f\xff\xff\xff")
        assert until_closed(sock) == b""


def test_postgresql_s_own_refusals_are_passed_on(door: Door, reader: Credentials) -> None:
    assert 'database "nowhere" does not exist' in door.refusal(door.token(reader), dbname="nowhere")


def test_a_role_that_postgresql_does_not_know_is_the_owner_s_to_hear_of(door: Door) -> None:
    credentials = door.user("gone", allow("door_gone"), allow("door_nobody"))

    assert "the database cannot be reached" in door.refusal(door.token(credentials, "door_gone"), user="door_gone")
    refused = door.refusal(door.token(credentials, "door_nobody"), user="door_nobody")
    assert "the database cannot be reached" in refused
    assert door.tells("the password file has no line for the user door_nobody")


def test_a_query_can_be_cancelled(door: Door, reader: Credentials) -> None:
    with door.connect(door.token(reader)) as connection, ThreadPoolExecutor(1) as threads:
        pid = connection.info.backend_pid
        sleeping = threads.submit(connection.execute, "SELECT pg_sleep(60)")
        active = f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND query ~ 'pg_sleep' AND state = 'active'"
        while door.postgres.query(active) != [(1,)]:
            assert not sleeping.done()

        connection.cancel_safe(timeout=10)

        assert isinstance(sleeping.exception(10), psycopg.errors.QueryCanceled)
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_client_that_goes_away_leaves_no_session_behind(door: Door, reader: Credentials) -> None:
    connection = door.connect(door.token(reader))
    pid = connection.info.backend_pid
    connection.close()

    query = f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}"
    while door.postgres.query(query) != [(0,)]:
        pass


def test_temporary_credentials_of_a_role_connect_until_their_session_ends(door: Door) -> None:
    iam, sts = aws_client(door.server, "iam"), aws_client(door.server, "sts")
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    document = {"Version": "2012-10-17", "Statement": [trust]}
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(document))["Role"]["Arn"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow("door_reader")]})
    iam.put_role_policy(RoleName="reader", PolicyName="own", PolicyDocument=policy)
    found = aws_client(
        door.server, "sts", door.user("caller", {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role})
    ).assume_role(RoleArn=role, RoleSessionName="shop")["Credentials"]
    assert sts.get_caller_identity()["Account"] == ACCOUNT
    credentials = Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])

    door.connect(door.token(credentials)).close()

    altered = Credentials(credentials.access_key, credentials.secret_key, credentials.token[:-4] + "AAAA")
    assert re.search(REFUSED, door.refusal(door.token(altered)))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--database-door", "postgresql://127.0.0.1:5432"), "go together; one is missing"),
        (("--database-door", "postgresql://db.example.com:5432", "--database-passwords", "x"), "on this machine"),
        (("--database-door", "mysql://127.0.0.1:3306", "--database-passwords", "x"), "on this machine"),
        (("--database-door", "postgresql://127.0.0.1:5432", "--database-passwords", "/nowhere"), "cannot be read"),
        (("--database-resource-id", "no"), "it looks like db-ABCDEFGH"),
        (("--database-port", "70000"), "a number from 0 to 65535"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(StartFailed, match=sentence), RunningServer("serve", *arguments, state_folder=tmp_path / "s"):
        pass

"""A server's state moved from SQLite to PostgreSQL, and back into a folder, while the server runs.

What was so before is so after each move; what was refused is refused.

The source is `velvetrope dev` with the demo's app, and people and keys beside it. Whatever they hold was given to them
there; the servers that it is shown to have never seen it.
"""

import functools
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from support.clients import aws_client, new_user, signed, user_credentials
from support.running import REPOSITORY, RunningServer, clean_environment
from support.stores import PostgresStores
from velvetrope.server.state_folder import TAKEN_ALONG

PASSWORD = "Correct-horse-1"
APP = "examples/auth-api-demo/app.py"
LEFT_BEHIND = {"connection.json", "functions", "lock", "logs", "synth", "velvetrope.db"}


@dataclass(frozen=True)
class Held:
    """What clients have in their hands when the store moves away under them."""

    config: Mapping[str, Any]
    pool: str
    app: str
    rotating_app: str
    refresh_token: str
    access_token: str
    spent_refresh_token: str
    revoked_refresh_token: str
    iam_user: Credentials
    disabled_key: Credentials
    session: Credentials


def velvetrope(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "velvetrope.cli", *arguments],
        env=clean_environment(**environment),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def refused(call: Callable[..., object], /, *given: object, **named: object) -> str:
    with pytest.raises(ClientError) as error:
        call(*given, **named)
    return str(error.value.response["Error"]["Code"])


def sign_in(server: RunningServer, app: str, name: str, password: str = PASSWORD) -> dict[str, Any]:
    answer: dict[str, Any] = aws_client(server, "cognito-idp").initiate_auth(
        ClientId=app, AuthFlow="USER_PASSWORD_AUTH", AuthParameters={"USERNAME": name, "PASSWORD": password}
    )["AuthenticationResult"]
    return answer


def refresh(server: RunningServer, app: str, token: str) -> dict[str, Any]:
    answer: dict[str, Any] = aws_client(server, "cognito-idp").initiate_auth(
        ClientId=app, AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters={"REFRESH_TOKEN": token}
    )["AuthenticationResult"]
    return answer


def rotate(server: RunningServer, app: str, token: str) -> dict[str, Any]:
    answer: dict[str, Any] = aws_client(server, "cognito-idp").get_tokens_from_refresh_token(
        ClientId=app, RefreshToken=token
    )["AuthenticationResult"]
    return answer


def hand_out(server: RunningServer) -> Held:
    """People sign in, get keys, lose some of them."""
    admin = aws_client(server, "cognito-idp")
    pool = admin.create_user_pool(PoolName="people")["UserPool"]["Id"]
    make_client = functools.partial(admin.create_user_pool_client, UserPoolId=pool)
    app = make_client(ClientName="plain", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"])[
        "UserPoolClient"
    ]["ClientId"]
    rotating_app = make_client(
        ClientName="rotating",
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"],
        RefreshTokenRotation={"Feature": "ENABLED", "RetryGracePeriodSeconds": 0},
    )["UserPoolClient"]["ClientId"]
    for name in ("anna", "ben", "carl", "dora"):
        admin.admin_create_user(UserPoolId=pool, Username=name, MessageAction="SUPPRESS")
        admin.admin_set_user_password(UserPoolId=pool, Username=name, Password=PASSWORD, Permanent=True)
    anna = sign_in(server, app, "anna")
    ben = sign_in(server, rotating_app, "ben")["RefreshToken"]
    rotate(server, rotating_app, ben)
    carl = sign_in(server, app, "carl")["RefreshToken"]
    admin.revoke_token(ClientId=app, Token=carl)
    admin.admin_disable_user(UserPoolId=pool, Username="dora")
    erin = new_user(server, "erin", {"Effect": "Allow", "Action": "iam:GetUser", "Resource": "*"})
    frank = new_user(server, "frank", {"Effect": "Allow", "Action": "*", "Resource": "*"})
    iam = aws_client(server, "iam")
    iam.update_access_key(UserName="frank", AccessKeyId=frank.access_key, Status="Inactive")
    return Held(
        config=server.config,
        pool=pool,
        app=app,
        rotating_app=rotating_app,
        refresh_token=anna["RefreshToken"],
        access_token=anna["AccessToken"],
        spent_refresh_token=ben,
        revoked_refresh_token=carl,
        iam_user=erin,
        disabled_key=frank,
        session=user_credentials(server),
    )


def check_people(server: RunningServer, held: Held) -> None:
    people = aws_client(server, "cognito-idp")

    assert people.get_user(AccessToken=held.access_token)["Username"] == "anna"
    assert (
        people.get_user(AccessToken=refresh(server, held.app, held.refresh_token)["AccessToken"])["Username"] == "anna"
    )
    assert "AccessToken" in sign_in(server, held.app, "anna")
    # Whoever comes first finds it spent, and with that its family ended for all.
    assert refused(rotate, server, held.rotating_app, held.spent_refresh_token) in {
        "RefreshTokenReuseException",
        "NotAuthorizedException",
    }
    assert refused(refresh, server, held.app, held.revoked_refresh_token) == "NotAuthorizedException"
    assert refused(sign_in, server, held.app, "dora") == "NotAuthorizedException"
    assert refused(sign_in, server, held.app, "anna", "Wrong-1") == "NotAuthorizedException"


def check_keys(server: RunningServer, held: Held) -> None:
    erin = aws_client(server, "iam", held.iam_user)

    assert erin.get_user()["User"]["UserName"] == "erin"
    assert refused(erin.list_users) == "AccessDenied"
    assert refused(aws_client(server, "iam", held.disabled_key).get_user) == "InvalidClientTokenId"
    assert aws_client(server, "sts", held.session).get_caller_identity()["Arn"].startswith("arn:aws:sts::")


def check_api(server: RunningServer, held: Held) -> None:
    """The API answers by its function, whose code came along, to whom it did before."""
    url = f"{server.url}/_api/{held.config['api_id']}/{held.config['api_url'].rsplit('/', 1)[1]}"
    key = {"x-api-key": held.config["api_key"]}

    def call(credentials: Credentials, headers: Mapping[str, str]) -> int:
        request = signed(server, credentials, url=f"{url}/require-auth", headers=headers)
        return _send(request).status_code

    assert requests.get(f"{url}/no-auth", headers=key, timeout=60).json() == {"message": "Open for All!"}
    assert requests.get(f"{url}/no-auth", timeout=60).status_code == 403
    assert call(held.session, key) == 200
    assert call(held.session, {}) == 403
    assert call(held.iam_user, key) == 403


def _send(request: requests.PreparedRequest) -> requests.Response:
    with requests.Session() as session:
        return session.send(request, timeout=60)


def check_all(server: RunningServer, held: Held) -> None:
    check_people(server, held)
    check_keys(server, held)
    check_api(server, held)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("moves")


@pytest.fixture(scope="module")
def source(folders: Path) -> Iterator[RunningServer]:
    with RunningServer("dev", APP, "--no-reload", state_folder=folders / "source") as server:
        yield server


@pytest.fixture(scope="module")
def held(source: RunningServer) -> Held:
    return hand_out(source)


def test_all_comes_along_to_postgresql_and_back_to_a_folder(
    source: RunningServer, held: Held, folders: Path, postgres_stores: PostgresStores
) -> None:
    node, back = folders / "node", folders / "back"
    check_all(source, held)
    with postgres_stores.bare() as url:
        to_postgresql = velvetrope("store", "copy", "--from", str(folders / "source"), VELVETROPE_STORE_TO=url)
        assert to_postgresql.returncode == 0, to_postgresql.stderr
        again = velvetrope("store", "copy", "--from", str(folders / "source"), VELVETROPE_STORE_TO=url)
        node.mkdir(mode=0o700)
        (node / "master-keys.json").write_bytes((folders / "source" / "master-keys.json").read_bytes())
        settings = {"VELVETROPE_STORE_URL": url, "VELVETROPE_STATE_FOLDER": str(node)}
        with RunningServer("serve", state_folder=node, environment={"VELVETROPE_STORE_URL": url}) as server:
            check_all(server, held)
            back_to_folder = velvetrope("store", "copy", "--to", str(back), **settings)
            sound = velvetrope("store", "check", **settings)
    with RunningServer("serve", state_folder=back) as server:
        check_all(server, held)

    assert back_to_folder.returncode == 0, back_to_folder.stderr
    assert (again.returncode, "is not empty" in again.stderr) == (1, True)
    assert (sound.returncode, sound.stdout.startswith("Everything can be read")) == (0, True), sound.stdout
    told = "".join(done.stdout + done.stderr for done in (to_postgresql, again, back_to_folder, sound))
    assert postgres_stores.postgres.password not in told


def test_a_backup_of_a_running_server_is_a_state_folder_that_starts(
    source: RunningServer, held: Held, folders: Path
) -> None:
    backup = folders / "backup"
    done = velvetrope("store", "copy", "--to", str(backup), "--state-folder", str(source.state_folder))
    assert done.returncode == 0, done.stderr
    aws_client(source, "cognito-idp").admin_create_user(
        UserPoolId=held.pool, Username="later", MessageAction="SUPPRESS"
    )

    with RunningServer("serve", state_folder=backup) as server:
        check_all(server, held)
        people = aws_client(server, "cognito-idp")
        later = refused(people.admin_get_user, UserPoolId=held.pool, Username="later")

    assert later == "UserNotFoundException"
    assert (backup.stat().st_mode & 0o777, (backup / "master-keys.json").stat().st_mode & 0o777) == (0o700, 0o600)
    assert (backup / "ca" / "ca.pem").read_bytes() == (source.state_folder / "ca" / "ca.pem").read_bytes()


def test_of_every_file_of_a_state_folder_is_said_whether_it_comes_along(source: RunningServer, held: Held) -> None:
    """A file of tomorrow is to be thought of: does a copy need it?"""
    assert {one.name for one in source.state_folder.iterdir() if not one.name.startswith("velvetrope.db-")} <= {
        *TAKEN_ALONG,
        *LEFT_BEHIND,
    }


def test_code_that_an_older_version_kept_in_its_folder_only_is_asked_for(
    source: RunningServer, held: Held, folders: Path
) -> None:
    """Else the copy would have functions that nobody can run."""
    old = folders / "old"
    done = velvetrope("store", "copy", "--from", str(source.state_folder), "--to", str(old))
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(old / "velvetrope.db")) as database:
        database.execute("DELETE FROM functions_code")
        database.commit()

    copied = velvetrope("store", "copy", "--from", str(old), "--to", str(folders / "never"))
    checked = velvetrope("store", "check", str(old))

    assert copied.returncode == checked.returncode == 1
    assert "Upload it again (aws lambda update-function-code), then copy" in copied.stderr
    assert re.match(r"The code of arn:aws:lambda:\S+ is not in the store: upload it again\.\n", checked.stdout)
    assert not (folders / "never").exists()
    assert not list(folders.glob(".*"))

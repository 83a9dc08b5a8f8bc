"""`velvetrope users` as a person at a terminal calls it, against a running server."""

import csv
import getpass
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from support.clients import aws_client
from support.running import ROOT_KEY, RunningServer
from velvetrope.cli.main import _cli

PASSWORD = "Passw0rd!"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer("serve", state_folder=tmp_path_factory.mktemp("users") / "state") as server:
        yield server


@pytest.fixture
def pool(server: RunningServer) -> Iterator[str]:
    """The only pool of the server; with a group `editors`."""
    admin = aws_client(server, "cognito-idp")
    pool_id: str = admin.create_user_pool(PoolName="people")["UserPool"]["Id"]
    admin.create_group(UserPoolId=pool_id, GroupName="editors")
    yield pool_id
    admin.delete_user_pool(UserPoolId=pool_id)


def users(server: RunningServer, *arguments: str, text: str = "", key: tuple[str, str] = ROOT_KEY) -> Result:
    environment = {"VELVETROPE_ROOT_ACCESS_KEY_ID": key[0], "VELVETROPE_ROOT_SECRET_ACCESS_KEY": key[1]}
    command = ["users", arguments[0], "--state-folder", str(server.state_folder), *arguments[1:]]
    return CliRunner().invoke(_cli, command, input=text, env=environment)


def started(
    server: RunningServer, *arguments: str, stdin: bytes = b"", stdout: int = subprocess.PIPE, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own."""
    key_id, secret = ROOT_KEY
    command = [sys.executable, "-m", "velvetrope.cli", "users", *arguments, "--state-folder", str(server.state_folder)]
    preset = {"VELVETROPE_ROOT_ACCESS_KEY_ID": key_id, "VELVETROPE_ROOT_SECRET_ACCESS_KEY": secret}
    return subprocess.run(
        command,
        input=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, **preset, **environment},
        check=False,
    )


def add(server: RunningServer, name: str, *arguments: str, password: str = PASSWORD) -> Result:
    return users(server, "add", name, *arguments, "--password-stdin", text=f"{password}\n")


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """What the person types where nothing is echoed."""
    remaining = list(lines)

    def answer(_prompt: str) -> str:
        if not remaining:
            raise EOFError
        return remaining.pop(0)

    monkeypatch.setattr(getpass, "getpass", answer)


def may_sign_in(server: RunningServer, pool_id: str, name: str, password: str) -> dict[str, Any] | str:
    """The answer to a sign-in, or why it was refused."""
    admin = aws_client(server, "cognito-idp")
    client = admin.create_user_pool_client(
        UserPoolId=pool_id, ClientName="web", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    )["UserPoolClient"]
    try:
        answer: dict[str, Any] = admin.initiate_auth(
            AuthFlow="USER_PASSWORD_AUTH",
            ClientId=client["ClientId"],
            AuthParameters={"USERNAME": name, "PASSWORD": password},
        )
    except admin.exceptions.NotAuthorizedException as refused:
        return str(refused.response["Error"]["Message"])
    return answer


def test_a_user_is_added_and_signs_in(server: RunningServer, pool: str) -> None:
    result = add(server, "anna", "--email", "anna@people.example", "--phone", "+15555550100", "--group", "editors")

    assert (result.exit_code, result.output) == (0, "Added anna to the pool people.\n")
    answer = may_sign_in(server, pool, "anna", PASSWORD)
    assert isinstance(answer, dict)
    assert "AccessToken" in answer["AuthenticationResult"]
    shown = users(server, "list").output.splitlines()
    assert shown[0].split() == ["NAME", "STATUS", "ENABLED", "EMAIL", "CREATED"]
    assert shown[1].split()[:4] == ["anna", "CONFIRMED", "yes", "anna@people.example"]


def test_an_empty_pool_says_how_to_add_somebody(server: RunningServer, pool: str) -> None:
    expected = "Nobody is in the pool people yet. To add somebody: velvetrope users add NAME\n"

    assert users(server, "list", "--pool", pool).output == expected


@pytest.mark.parametrize(
    ("arguments", "password", "sentence"),
    [
        ((), "short", "Password did not conform with policy: Password not long enough"),
        (("--group", "nobodys"), PASSWORD, "Group not found."),
        (("--email", "nowhere"), PASSWORD, "Invalid email address format."),
        (("--phone", "12"), PASSWORD, "Invalid phone number format."),
        ((), "", "There was no password on standard input."),
    ],
)
def test_a_user_who_cannot_be_added_is_not_half_there(
    server: RunningServer, pool: str, arguments: tuple[str, ...], password: str, sentence: str
) -> None:
    result = add(server, "berta", *arguments, password=password)

    assert (result.exit_code, result.output) == (1, f"velvetrope: {sentence}\n")
    assert "berta" not in users(server, "list", "--pool", pool).output


def test_a_name_is_there_once(server: RunningServer, pool: str) -> None:
    add(server, "anna")

    result = add(server, "anna", password="An0ther!pw")

    assert (result.exit_code, result.output) == (1, "velvetrope: User already exists\n")
    assert isinstance(may_sign_in(server, pool, "anna", PASSWORD), dict)


def test_the_two_passwords_that_were_typed_have_to_be_the_same(
    server: RunningServer, pool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "", PASSWORD, "Passw0rd?", PASSWORD, PASSWORD)

    result = users(server, "add", "cora")

    assert result.exit_code == 0
    assert "A password has at least one character.\nThe two differ. Once more.\n" in result.output
    assert isinstance(may_sign_in(server, pool, "cora", PASSWORD), dict)


def test_whoever_types_no_password_changes_nothing(
    server: RunningServer, pool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch)

    result = users(server, "add", "cora", "--pool", pool)

    assert (result.exit_code, result.output) == (1, "velvetrope: No password was given; nothing was changed.\n")


def test_a_password_that_is_no_text_is_one_sentence(server: RunningServer, pool: str) -> None:
    environment = {"VELVETROPE_ROOT_ACCESS_KEY_ID": ROOT_KEY[0], "VELVETROPE_ROOT_SECRET_ACCESS_KEY": ROOT_KEY[1]}
    command = ["users", "add", "anna", "--password-stdin", "--state-folder", str(server.state_folder)]

    result = CliRunner().invoke(_cli, command, input=b"\xff\xfe\n", env=environment)

    assert (result.exit_code, result.output) == (1, "velvetrope: The password is not UTF-8 text.\n")


def test_a_password_that_is_no_text_is_one_sentence_in_the_plainest_locale_too(
    server: RunningServer, pool: str
) -> None:
    result = started(server, "add", "anna", "--password-stdin", stdin=b"\xff\xfe\n", LC_ALL="C", PYTHONUTF8="0")

    assert (result.returncode, result.stderr) == (1, b"velvetrope: The password is not UTF-8 text.\n")


def test_without_a_terminal_no_password_is_asked_for(server: RunningServer, pool: str) -> None:
    """It would be shown as it is typed."""
    result = users(server, "add", "anna", text=f"{PASSWORD}\n{PASSWORD}\n")

    assert result.exit_code == 1
    assert result.output == "velvetrope: There is no terminal to ask for a password at. Use --password-stdin.\n"


def test_an_empty_name_is_not_taken_for_a_silent_server(server: RunningServer, pool: str) -> None:
    result = add(server, "")

    assert result.exit_code == 1
    assert "Invalid length for parameter Username" in result.output
    assert "running" not in result.output


def test_a_full_disk_is_one_sentence(server: RunningServer, pool: str) -> None:
    add(server, "anna")

    with Path("/dev/full").open("w") as full:
        result = started(server, "export", stdout=full.fileno())

    told = b"velvetrope: Not everything could be written: No space left on device.\n"
    assert (result.returncode, result.stderr) == (1, told)


def test_another_password_takes_the_old_one_s_place(server: RunningServer, pool: str) -> None:
    add(server, "anna")

    result = users(server, "set-password", "anna", "--password-stdin", text="An0ther!pw\n")

    assert result.output == "anna has another password.\n"
    assert may_sign_in(server, pool, "anna", PASSWORD) == "Incorrect username or password."
    assert isinstance(may_sign_in(server, pool, "anna", "An0ther!pw"), dict)


def test_a_temporary_password_has_to_be_changed(server: RunningServer, pool: str) -> None:
    add(server, "anna", "--temporary")

    answer = may_sign_in(server, pool, "anna", PASSWORD)

    assert isinstance(answer, dict)
    assert answer["ChallengeName"] == "NEW_PASSWORD_REQUIRED"


def test_a_disabled_user_is_refused_until_enabled(server: RunningServer, pool: str) -> None:
    add(server, "anna")

    disabled = users(server, "disable", "anna")
    refused = may_sign_in(server, pool, "anna", PASSWORD)
    enabled = users(server, "enable", "anna")

    assert disabled.output == "anna cannot sign in any more. To undo: velvetrope users enable anna\n"
    assert refused == "User is disabled."
    assert enabled.output == "anna can sign in.\n"
    assert isinstance(may_sign_in(server, pool, "anna", PASSWORD), dict)


@pytest.mark.parametrize(
    ("name", "typed_so"),
    [
        ("anna", "anna"),
        ("-rf", "-- -rf"),
        ("$(touch${IFS}x)", "'$(touch${IFS}x)'"),
        ("a;b'c", """'a;b'"'"'c'"""),
    ],
)
def test_the_command_that_undoes_it_is_one_for_every_name(
    server: RunningServer, pool: str, name: str, typed_so: str
) -> None:
    """People choose their names; the owner's shell is not to run them."""
    aws_client(server, "cognito-idp").admin_create_user(UserPoolId=pool, Username=name, MessageAction="SUPPRESS")

    disabled = users(server, "disable", "--pool", pool, "--", name)

    assert disabled.output == f"{name} cannot sign in any more. To undo: velvetrope users enable {typed_so}\n"


@pytest.mark.parametrize(
    ("answers", "deleted"), [("y\n", True), ("maybe\nYES\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_a_user_is_deleted_after_a_yes(server: RunningServer, pool: str, answers: str, deleted: bool) -> None:
    add(server, "anna")

    result = users(server, "delete", "anna", text=answers)

    assert ("Please answer y or n." in result.output) == answers.startswith("maybe")
    assert ("Deleted anna." in result.output) == deleted
    assert result.exit_code == (0 if deleted else 1)
    assert ("anna" in users(server, "list", "--pool", pool).output) != deleted


@pytest.mark.parametrize("command", ["set-password", "disable", "enable", "delete"])
def test_nobody_of_that_name_is_one_sentence(server: RunningServer, pool: str, command: str) -> None:
    result = users(server, command, "nobody", "--pool", pool)

    assert (result.exit_code, result.output) == (1, "velvetrope: User does not exist.\n")


def test_everybody_is_exported_without_passwords(server: RunningServer, pool: str) -> None:
    add(server, "anna", "--email", "anna@people.example", "--group", "editors")
    add(server, "=cmd()", "--email", "b@people.example")

    table = list(csv.DictReader(io.StringIO(users(server, "export", "--pool", pool).output)))
    people = json.loads(users(server, "export", "--format", "json").output)

    by_name = {row["cognito:username"]: row for row in table}
    assert set(by_name) == {"anna", "'=cmd()"}
    assert by_name["anna"]["email"] == "anna@people.example"
    assert by_name["anna"]["groups"] == "editors"
    [anna] = [person for person in people if person["username"] == "anna"]
    assert (anna["groups"], anna["status"], anna["enabled"]) == (["editors"], "CONFIRMED", True)
    assert anna["attributes"]["email_verified"] == "true"
    assert PASSWORD not in json.dumps(people)


@pytest.mark.parametrize("form", ["csv", "json"])
def test_an_export_moves_no_terminal_and_is_whole_in_a_file(server: RunningServer, pool: str, form: str) -> None:
    hostile = "\x1b[2J\u202egnp\x9b31m"
    aws_client(server, "cognito-idp").admin_create_user(
        UserPoolId=pool,
        Username="anna",
        MessageAction="SUPPRESS",
        UserAttributes=[{"Name": "nickname", "Value": hostile}],
    )
    reading, terminal = os.openpty()

    filed = started(server, "export", "--format", form).stdout.decode()
    started(server, "export", "--format", form, stdout=terminal)

    seen = os.read(reading, 65536).decode()
    os.close(terminal)
    os.close(reading)
    assert not set("\x1b\u202e\x9b").intersection(seen)
    assert "\\u202egnp\\x9b31m" in seen
    assert (hostile if form == "csv" else json.dumps(hostile, ensure_ascii=False)) in filed


def test_another_form_of_export_is_refused(server: RunningServer, pool: str) -> None:
    assert users(server, "export", "--format", "xml", "--pool", pool).output == (
        "velvetrope: --format xml: it is csv or json.\n"
    )


def test_which_pool_is_meant_has_to_be_clear(server: RunningServer, pool: str) -> None:
    admin = aws_client(server, "cognito-idp")
    second = admin.create_user_pool(PoolName="others")["UserPool"]["Id"]
    try:
        unclear = users(server, "list")
        unknown = users(server, "list", "--pool", "strangers")
        by_name = users(server, "list", "--pool", "others")
        by_id = users(server, "list", "--pool", pool)
    finally:
        admin.delete_user_pool(UserPoolId=second)

    assert unclear.output.startswith("velvetrope: Which pool? Name one by its id with --pool: ")
    assert unknown.output.startswith("velvetrope: --pool strangers: there is no such pool. There is ")
    assert (unclear.exit_code, unknown.exit_code) == (1, 1)
    assert "Nobody is in the pool others yet." in by_name.output
    assert "Nobody is in the pool people yet." in by_id.output


def test_a_server_without_pools_says_so(server: RunningServer) -> None:
    assert users(server, "list").output == "velvetrope: The server has no user pool.\n"


def test_another_key_than_the_owner_s_is_refused(server: RunningServer, pool: str) -> None:
    result = users(server, "list", "--pool", pool, key=("AKIAVELVETROPETEST00", "another-0123456789"))

    assert result.exit_code == 1
    assert "NAME" not in result.output


def test_without_a_server_there_is_one_sentence(tmp_path: Path) -> None:
    result = CliRunner().invoke(_cli, ["users", "list", "--state-folder", str(tmp_path / "none")])

    assert result.exit_code == 1
    assert result.output.count("\n") == 1


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "people.csv"
    file.write_text(text)
    return file


@pytest.fixture
def verifying(server: RunningServer) -> Iterator[str]:
    """A pool that verifies mail addresses; with a group `editors`."""
    admin = aws_client(server, "cognito-idp")
    pool_id: str = admin.create_user_pool(PoolName="verifying", AutoVerifiedAttributes=["email"])["UserPool"]["Id"]
    admin.create_group(UserPoolId=pool_id, GroupName="editors")
    yield pool_id
    admin.delete_user_pool(UserPoolId=pool_id)


def test_everybody_who_was_exported_is_imported_into_another_pool(
    server: RunningServer, pool: str, verifying: str, tmp_path: Path
) -> None:
    add(server, "anna", "--email", "anna@people.example", "--group", "editors", "--pool", pool)
    add(server, "=bea", "--email", "b@people.example", "--phone", "+15555550100", "--pool", pool)
    users(server, "disable", "=bea", "--pool", pool)
    exported = users(server, "export", "--pool", pool).output

    result = users(server, "import", str(written(tmp_path, exported)), "--pool", verifying)

    told = "Imported 2 into the pool verifying; 0 were there already, 0 could not be imported.\n"
    assert (result.exit_code, result.output) == (0, told)
    imported = list(csv.DictReader(io.StringIO(users(server, "export", "--pool", verifying).output)))
    for before, after in zip(csv.DictReader(io.StringIO(exported)), imported, strict=True):
        assert after.pop("status") == "RESET_REQUIRED"
        assert after.pop("sub") != before["sub"]
        assert after.items() <= before.items()
    again = users(server, "import", str(written(tmp_path, exported)), "--pool", verifying)
    assert again.exit_code == 1
    assert "[SKIPPED] Line Number 2 - The user already exists.\n" in again.output
    assert "Imported 0 into the pool verifying; 2 were there already, 0 could not be imported.\n" in again.output


def test_import_says_whom_it_could_not_take(server: RunningServer, verifying: str, tmp_path: Path) -> None:
    rows = "cognito:username,email,email_verified\ncarl,c@people.example,true\ndora,d@people.example,false\n"

    result = users(server, "import", str(written(tmp_path, rows)), "--pool", verifying)

    assert result.exit_code == 1
    assert "[FAILED] Line Number 3 - The User Record does not set any" in result.output
    assert "Imported 1 into the pool verifying; 0 were there already, 1 could not be imported.\n" in result.output


def test_spreadsheet_s_byte_order_mark_and_capitals_are_read(
    server: RunningServer, verifying: str, tmp_path: Path
) -> None:
    rows = "\ufeffcognito:username,email,email_verified,enabled\ncarl,c@people.example,TRUE,FALSE\n"

    result = users(server, "import", str(written(tmp_path, rows)), "--pool", verifying)

    assert result.exit_code == 0, result.output
    admin = aws_client(server, "cognito-idp")
    assert admin.admin_get_user(UserPoolId=verifying, Username="carl")["Enabled"] is False


def test_users_of_identity_providers_are_left_out(server: RunningServer, verifying: str, tmp_path: Path) -> None:
    """A local user of that name would keep them from signing in with the provider."""
    rows = (
        "cognito:username,status,email,email_verified\n"
        "Google_1,EXTERNAL_PROVIDER,g@people.example,true\nanna,CONFIRMED,a@people.example,true\n"
    )

    result = users(server, "import", str(written(tmp_path, rows)), "--pool", verifying)

    assert result.exit_code == 0, result.output
    assert result.output.endswith("could not be imported.\nLeft out 1 who sign in with an identity provider.\n")
    assert "Google_1" not in users(server, "list", "--pool", verifying).output


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("cognito:username,email,email_verified\nanna,a@people.example,true,too,many\n", "line 2: 5 cells under 3"),
        ("cognito:username,email,email_verified\nanna\n", "line 2: 1 cells under 3 columns."),
        ("cognito:username,email,email\nanna,a@people.example,b@people.example\n", "has the column email twice."),
        ("cognito:username,enabled\nanna,perhaps\n", "line 2: enabled must be true or false."),
        ("cognito:username,groups\nanna,strangers\n", "Group not found."),
        ("cognito:username,shoe\nanna,40\n", "the pool verifying has no attribute shoe."),
        ("email\na@people.example\n", "has no column cognito:username."),
        ('cognito:username,name\nanna,"two\nlines"\n', "anna: A value has a line break."),
    ],
    ids=["too many cells", "too few", "twice", "no truth", "no group", "column", "name", "line break"],
)
def test_file_that_cannot_be_imported_is_refused_whole(
    server: RunningServer, verifying: str, tmp_path: Path, text: str, why: str
) -> None:
    result = users(server, "import", str(written(tmp_path, text)), "--pool", verifying)

    assert result.exit_code == 1
    assert why in result.output
    assert users(server, "list", "--pool", verifying).output.startswith("Nobody is in the pool verifying yet.")

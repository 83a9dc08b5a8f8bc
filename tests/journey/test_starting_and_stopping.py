"""Starting, stopping, starting again, and every way in which a start goes wrong: one clear sentence each."""

import json
import os
import socket
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from botocore.exceptions import ClientError

from support.clients import aws_client, id_token, signed, user_credentials
from support.ports import own_port
from support.running import REPOSITORY, ROOT_KEY, Descendants, RunningServer, StartFailed, clean_environment
from support.zips import make_zip


def failing_start(*arguments: str, state_folder: Path, port: int = 0) -> str:
    """Start and expect it to fail; the one line it says."""
    with pytest.raises(StartFailed) as failed, RunningServer(*arguments, state_folder=state_folder, port=port):
        pass
    lines = str(failed.value).strip().splitlines()
    return lines[-1]


def test_the_demo_says_where_it_is_and_how_to_sign_in(demo: RunningServer) -> None:
    assert f"http://localhost:{demo.port}/" in demo.text
    assert "demouser" in demo.text
    assert "demoPASS123" in demo.text
    assert str(demo.state_folder) in demo.text


def test_a_second_start_keeps_users_keys_tokens_and_why_somebody_was_refused(tmp_path: Path) -> None:
    folder, port = tmp_path / "state", own_port()
    with RunningServer("demo", state_folder=folder, port=port) as first:
        before = first.config
        credentials = user_credentials(first)
        idp = aws_client(first, "cognito-idp")
        idp.admin_create_user(UserPoolId=before["user_pool_id"], Username="kept", MessageAction="SUPPRESS")
        refresh = idp.initiate_auth(
            ClientId=before["user_pool_client_id"],
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "demouser", "PASSWORD": "demoPASS123"},
        )["AuthenticationResult"]["RefreshToken"]
        refused = requests.get(before["api_url"] + "/no-auth").headers["x-amzn-RequestId"]

    with RunningServer("demo", state_folder=folder, port=port) as second:
        assert second.config == before
        key_id, secret = ROOT_KEY
        environment = {"VELVETROPE_ROOT_ACCESS_KEY_ID": key_id, "VELVETROPE_ROOT_SECRET_ACCESS_KEY": secret}
        told = command("explain", refused, "--state-folder", str(folder), **environment).stdout
        assert "there is no x-api-key header" in told
        idp = aws_client(second, "cognito-idp")
        assert idp.admin_get_user(UserPoolId=before["user_pool_id"], Username="kept")["Enabled"]
        idp.initiate_auth(
            ClientId=before["user_pool_client_id"],
            AuthFlow="REFRESH_TOKEN_AUTH",
            AuthParameters={"REFRESH_TOKEN": refresh},
        )
        with requests.Session() as session:
            assert session.send(signed(second, credentials)).status_code == 200


def test_a_dev_user_that_the_pool_refuses_is_named(tmp_path: Path) -> None:
    declared = "from velvetrope.builder import *\nusers, api = UserPool('u'), Api('a')\napi.get('/x')(lambda: {})\n"
    (tmp_path / "an_app.py").write_text(declared + "users.dev_user('ada', password='short')\n")

    said = failing_start("dev", str(tmp_path / "an_app.py"), state_folder=tmp_path / "state")

    assert said == "velvetrope: The dev_user 'ada': Password did not conform with policy: Password not long enough"


def test_ctrl_c_stops_it_cleanly_and_leaves_no_process(tmp_path: Path) -> None:
    with RunningServer("demo", state_folder=tmp_path / "state") as server:
        headers = {"x-api-key": server.config["api_key"]}
        assert requests.get(server.config["api_url"] + "/no-auth", headers=headers).status_code == 200
        with Descendants(server.process.pid) as children:
            assert children

            status = server.stop()

            assert status == 0
            assert "Traceback" not in server.text
            assert children.alive_after(60) == set()


def test_a_killed_server_leaves_no_function_behind(tmp_path: Path) -> None:
    with (
        RunningServer("demo", state_folder=tmp_path / "state") as server,
        Descendants(server.process.pid) as children,
    ):
        assert children

        server.process.kill()
        server.process.wait(60)

        assert children.alive_after(60) == set(), "a function outlived its server"


def test_a_taken_port_is_said_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = failing_start("demo", state_folder=tmp_path / "state", port=port)

    assert line.startswith("velvetrope: ")
    assert str(port) in line
    assert "--port" in line


def test_a_state_folder_that_cannot_be_written_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    line = failing_start("demo", state_folder=tmp_path / "file" / "state")

    assert line.startswith("velvetrope: ")
    assert "file" in line
    assert "--state-folder" in line


def test_a_state_folder_of_a_newer_version_is_said_in_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with RunningServer("demo", state_folder=folder):
        pass
    with sqlite3.connect(folder / "velvetrope.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    line = failing_start("demo", state_folder=folder)

    assert line.startswith("velvetrope: The state was written by a newer velvetrope")


def test_a_state_folder_in_use_is_said_in_one_sentence(demo: RunningServer) -> None:
    line = failing_start("demo", state_folder=demo.state_folder)

    assert "is in use by a velvetrope that is running" in line


def test_a_folder_with_other_things_in_it_is_not_taken_for_state(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "thesis.txt").write_text("precious")

    line = failing_start("serve", state_folder=tmp_path / "project")

    assert "holds files that are not a server's state" in line
    assert [path.name for path in (tmp_path / "project").iterdir()] == ["thesis.txt"]


def test_the_root_key_cannot_be_exported_where_it_was_preset(demo: RunningServer) -> None:
    done = command("env", "--root-key", "--state-folder", str(demo.state_folder))

    assert done.returncode == 1
    assert "keeps no root access key: it was preset" in done.stderr


def test_a_call_for_a_service_that_we_do_not_have_is_no_page(demo: RunningServer) -> None:
    with requests.Session() as session:
        response = session.send(signed(demo, user_credentials(demo), service="s3", url=demo.url + "/bucket/key"))

    assert response.status_code >= 400
    assert "<html" not in response.text


def test_lost_master_keys_are_not_replaced_by_new_ones(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with RunningServer("demo", state_folder=folder):
        pass
    (folder / "master-keys.json").unlink()

    line = failing_start("demo", state_folder=folder)

    assert "master-keys.json is missing" in line
    assert not (folder / "master-keys.json").exists()


def test_what_must_stay_private_is_readable_by_its_owner_only(demo: RunningServer) -> None:
    for name in ("master-keys.json", "connection.json", "velvetrope.db"):
        path = demo.state_folder / name
        reachable = stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        assert reachable or stat.S_IMODE(demo.state_folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(demo.state_folder.stat().st_mode) == 0o700


def test_serve_shows_browsers_nothing_unless_asked(tmp_path: Path) -> None:
    with RunningServer("serve", state_folder=tmp_path / "plain") as server:
        assert requests.get(server.url + "/_velvetrope/config.json").status_code == 404
    with RunningServer("serve", "--config-for-browsers", state_folder=tmp_path / "asked") as server:
        document = requests.get(server.url + "/_velvetrope/config.json").json()
        assert document == server.config
        assert set(document) == {"endpoint_url", "region", "account_id"}


def test_the_configuration_has_what_tools_need_and_no_secret(demo: RunningServer) -> None:
    document = requests.get(demo.url + "/_velvetrope/config.json").json()

    assert set(document) == {
        "endpoint_url",
        "region",
        "account_id",
        "user_pool_id",
        "user_pool_client_id",
        "identity_pool_id",
        "oauth_domain",
        "api_id",
        "api_url",
        "api_key",
    }


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "velvetrope.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=clean_environment(**environment),
    )


def test_env_prints_the_same_document(demo: RunningServer) -> None:
    done = command("env", "--format", "json", "--state-folder", str(demo.state_folder))

    assert json.loads(done.stdout) == demo.config


def test_env_prints_exports_that_a_shell_reads(demo: RunningServer) -> None:
    done = subprocess.run(
        [
            "bash",
            "-c",
            f'eval "$({sys.executable} -m velvetrope.cli env)"; echo "$AWS_ENDPOINT_URL $VELVETROPE_API_KEY"',
        ],
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment(VELVETROPE_STATE_FOLDER=str(demo.state_folder)),
    )

    assert done.stdout.split() == [demo.url, demo.config["api_key"]]


def test_env_prints_an_amplify_configuration(demo: RunningServer) -> None:
    done = command("env", "--format", "amplify", "--state-folder", str(demo.state_folder))

    cognito = json.loads(done.stdout)["Auth"]["Cognito"]
    assert cognito["userPoolId"] == demo.config["user_pool_id"]
    assert cognito["loginWith"]["oauth"]["domain"] == demo.config["oauth_domain"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("env", "--format", "toml"), "it is shell, json or amplify"),
        (("env", "--state-folder", "/nonexistent"), "No velvetrope has run with the state folder /nonexistent"),
        (("serve", "--region", "mars"), "a region looks like us-west-2"),
        (("serve", "--account-id", "12"), "an account id is 12 digits"),
        (("serve", "--port", "70000"), "a port is a number from 0 to 65535"),
        (("serve", "--root-access-key-id", "AKIAX"), "go together; one is missing"),
        (("serve", "--public-url", "https://host/path"), "give scheme, host and port only"),
        (("synth", "nowhere.py"), "There is no file nowhere.py"),
        (("dev", "nowhere.py", "--port", "0"), "There is no file nowhere.py"),
        (("explain", "not an id", "--state-folder", "/nonexistent"), "No velvetrope has run"),
    ],
)
def test_a_wrong_input_is_answered_in_one_sentence(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    done = command(*arguments, VELVETROPE_STATE_FOLDER=str(tmp_path / "state"))

    assert done.returncode != 0
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_synth_prints_the_template_that_the_demo_applies() -> None:
    done = command("synth", str(REPOSITORY / "examples/auth-api-demo/app.py"))

    assert done.returncode == 0
    assert "Transform: AWS::Serverless-2016-10-31" in done.stdout
    assert "demoPASS123" not in done.stdout


def test_the_sign_in_token_names_this_pool(demo: RunningServer) -> None:
    assert id_token(demo).count(".") == 2


def test_the_demo_runs_in_a_container_that_lets_root_make_no_mounts(tmp_path: Path) -> None:
    with RunningServer("demo", state_folder=tmp_path / "state", without_mounts=True) as server:
        called = requests.get(
            f"{server.config['api_url']}/no-auth", headers={"x-api-key": server.config["api_key"]}, timeout=20
        )

    assert called.json() == {"message": "Open for All!"}
    assert ("Functions run as root here" in server.text) == _only_root_reads_the_interpreter()


def test_a_server_for_others_runs_no_function_as_root_unasked(tmp_path: Path) -> None:
    refused = _invoke_without_mounts(tmp_path / "refused")
    asked = _invoke_without_mounts(tmp_path / "asked", "--functions-as-root")

    assert asked == "200"
    assert refused == ("ServiceException" if _only_root_reads_the_interpreter() else "200")


def _only_root_reads_the_interpreter() -> bool:
    """Whether functions could not be given users of their own: nobody else may read what they would run on."""
    question = "from velvetrope.zygote.isolation import can_make_users; print(can_make_users(60706))"
    asked = subprocess.run([sys.executable, "-s", "-P", "-c", question], capture_output=True, text=True, check=True)
    return os.geteuid() == 0 and asked.stdout.strip() == "False"


def _invoke_without_mounts(folder: Path, *flags: str) -> str:
    with RunningServer("serve", *flags, state_folder=folder, without_mounts=True) as server:
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = aws_client(server, "iam").create_role(
            RoleName="f", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        )["Role"]["Arn"]
        functions = aws_client(server, "lambda")
        functions.create_function(
            FunctionName="f",
            Runtime="python3.12",
            Role=role,
            Handler="app.handler",
            Code={"ZipFile": make_zip({"app.py": "def handler(event, context):\n    return 1\n"})},
        )
        try:
            return str(functions.invoke(FunctionName="f")["StatusCode"])
        except ClientError as refusal:
            return str(refusal.response["Error"]["Code"])

"""How commands end: done, or one sentence and an exit status that says whose turn it is. No traceback, ever."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.plain_user import run_as_plain_user
from support.running import ROOT_KEY, RunningServer, clean_environment

COMMAND = (sys.executable, "-m", "velvetrope.cli")


def run(*arguments: str, folder: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=clean_environment(**environment),
        cwd=folder,
        timeout=60,
        check=False,
    )


def assert_one_sentence(done: subprocess.CompletedProcess[str], status: int, *parts: str) -> None:
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith("velvetrope: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.endswith(".\n")
    for part in parts:
        assert part in done.stderr


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["nope"], ["No such command 'nope'. See velvetrope --help."]),
        (["--nope"], ["No such option: --nope"]),
        (["dev"], ["Missing argument 'APP'. See velvetrope dev --help."]),
        (["demo", "extra"], ["extra"]),
        (["serve", "--port", "abc"], ["--port: input should be a valid integer. See velvetrope serve --help."]),
        (["policy", "check", "-", "--kind", "zebra"], ["--kind: 'zebra' is not one of 'identity'"]),
        (["users"], ["Missing command. See velvetrope users --help."]),
        (["logs"], ["Missing argument 'FUNCTION'"]),
    ],
    ids=" ".join,
)
def test_a_command_line_that_makes_no_sense_is_one_sentence_and_status_2(
    arguments: list[str], parts: list[str]
) -> None:
    assert_one_sentence(run(*arguments), 2, *parts)


def test_a_variable_that_makes_no_sense_is_said_like_its_flag() -> None:
    assert_one_sentence(run("serve", VELVETROPE_PORT="abc"), 2, "--port")


def test_the_bare_command_shows_what_there_is() -> None:
    done = run()

    assert done.returncode == 2
    assert "Commands:" in done.stdout
    assert done.stderr == ""


def test_no_flag_is_cut_off_in_a_narrow_terminal() -> None:
    done = run("users", "add", "--help", COLUMNS="40")

    assert done.returncode == 0
    assert "--password-stdin" in done.stdout
    assert "…" not in done.stdout


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("connection.json", "{", "is damaged; start the server again, which writes it anew"),
        ("connection.json", "[]", "is damaged; start the server again, which writes it anew"),
        ("root-access-key.json", "[]", "is damaged; delete it to have a new root access key made"),
        ("root-access-key.json", "{}", "is damaged; delete it to have a new root access key made"),
    ],
)
def test_a_damaged_file_of_the_state_is_named_with_its_remedy(tmp_path: Path, name: str, text: str, told: str) -> None:
    connection = {"config": {"endpoint_url": "http://localhost:1", "region": "us-west-2"}, "ca_certificate": ""}
    (tmp_path / "connection.json").write_text(json.dumps(connection))
    (tmp_path / name).write_text(text)

    assert_one_sentence(run("env", "--root-key", "--state-folder", str(tmp_path)), 1, str(tmp_path / name), told)


@pytest.mark.parametrize("command", [["explain"], ["users", "list"], ["mailbox"]], ids=" ".join)
def test_a_server_that_does_not_run_is_said_alike_by_all_that_ask_it(tmp_path: Path, command: list[str]) -> None:
    connection = {"config": {"endpoint_url": "http://localhost:1", "region": "us-west-2"}}
    (tmp_path / "connection.json").write_text(json.dumps(connection))
    (tmp_path / "root-access-key.json").write_text('{"access_key_id": "AKIA", "secret_access_key": "x"}')

    done = run(*command, "--state-folder", str(tmp_path))

    assert_one_sentence(done, 1, "No velvetrope answers at http://localhost:1. Start it, then ask again.")


def test_a_file_that_is_no_database_is_said_in_one_sentence(tmp_path: Path) -> None:
    with RunningServer("serve", state_folder=tmp_path / "state"):
        pass
    (tmp_path / "state" / "velvetrope.db").write_text("these are somebody's notes, and no database\n" * 100)

    done = run("serve", "--port", "0", "--state-folder", str(tmp_path / "state"))

    assert_one_sentence(done, 1, "The database cannot be used: file is not a database", str(tmp_path / "state"))


def test_an_access_log_that_cannot_be_written_keeps_the_server_from_starting(tmp_path: Path) -> None:
    log = tmp_path / "nowhere" / "access.jsonl"

    done = run("serve", "--port", "0", "--state-folder", str(tmp_path / "state"), "--access-log", str(log))

    assert_one_sentence(done, 1, f"--access-log {log} cannot be written (No such file or directory)")
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["mailbox", "--limit", "101"], "--limit 101: a number from 1 to 100."),
        (["mailbox", "--limit", "0"], "--limit 0: a number from 1 to 100."),
        (["explain", ""], "Nothing is not a request id"),
        (["logs", ""], "FUNCTION is empty"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_a_command_cannot_do_is_said(demo: RunningServer, arguments: list[str], told: str) -> None:
    key_id, secret = ROOT_KEY

    done = run(
        *arguments,
        "--state-folder",
        str(demo.state_folder),
        VELVETROPE_ROOT_ACCESS_KEY_ID=key_id,
        VELVETROPE_ROOT_SECRET_ACCESS_KEY=secret,
    )

    assert_one_sentence(done, 1, told)


def test_what_is_no_app_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "my-app.py").touch()

    assert_one_sentence(run("synth", str(tmp_path)), 1, "is a folder")
    assert_one_sentence(run("synth", "my-app.py", folder=tmp_path), 1, "letters, digits and underscores")
    assert_one_sentence(run("synth", "none.py", folder=tmp_path), 1, "There is no file none.py")


def test_a_mistake_in_an_app_file_shows_that_line_of_it_and_none_of_ours(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        'from velvetrope.builder import Api\napi = Api("shop")\n\n@api.get("orders")\ndef orders(): ...\n'
    )

    done = run("synth", "app.py", folder=tmp_path)

    assert done.returncode == 1
    assert 'app.py", line 4' in done.stderr
    assert "ValueError: GET orders: a path starts with /" in done.stderr
    assert "builder" not in done.stderr


def test_a_full_disk_is_one_sentence_also_for_what_is_only_printed(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, env=clean_environment(), check=False
        )

    assert_one_sentence(done, 1, "Not everything could be written: No space left on device.")


def test_a_reader_who_leaves_is_no_fault() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*COMMAND, "--help"], stdout=writing, stderr=subprocess.PIPE, env=clean_environment(), check=False
        )
    finally:
        os.close(writing)

    assert (done.returncode, done.stderr) == (1, b"")


SOMEBODY_ELSES = """
import json, os, subprocess, sys, tempfile
folder = tempfile.mkdtemp()
os.mkdir(folder + "/state")
open(folder + "/state/connection.json", "w").close()
os.chmod(folder + "/state", 0)
said = {}
for command in ("env", "serve"):
    done = subprocess.run(
        [sys.executable, "-m", "velvetrope.cli", command, "--state-folder", folder + "/state"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )
    said[command] = [done.returncode, done.stderr]
print(json.dumps(said))
"""


def test_a_state_folder_that_one_may_not_look_into_is_one_sentence() -> None:
    said = run_as_plain_user(SOMEBODY_ELSES)

    assert said["env"][0] == said["serve"][0] == 1
    assert re.fullmatch(
        r"velvetrope: \S+/state/connection.json cannot be read \(Permission denied\).\n", said["env"][1]
    )
    assert re.fullmatch(
        r"velvetrope: The state folder \S+/state cannot be used \(Permission denied\). Choose .*\n", said["serve"][1]
    )

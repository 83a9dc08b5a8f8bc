"""`velvetrope store`: what it refuses, in words for whoever typed it, and what it leaves behind when it ends early."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from support.running import REPOSITORY, clean_environment
from support.stores import PostgresStores
from velvetrope.cli.main import _cli
from velvetrope.server.machine import SystemEntropy
from velvetrope.server.master_key_check import MasterKeysUnknown, check_master_keys
from velvetrope.server.state_folder import StateFolder
from velvetrope.store import Database
from velvetrope.store.copies import whole_store
from velvetrope.store.schema import METADATA


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(
        _cli,
        ["store", *arguments],
        env={"VELVETROPE_STORE_URL": None, "VELVETROPE_STATE_FOLDER": None, **environment},
    )


def told(result: Result) -> str:
    """What it said on stderr, with its exit status: a refusal is one sentence or two, and 1."""
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    return result.stderr


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder that a server has run with."""
    path = tmp_path / "state"
    make_state(path)
    return path


def make_state(path: Path, url: str | None = None) -> None:
    async def use(folder: StateFolder) -> None:
        database = await Database.open(url or folder.database_url, durable=False)
        await check_master_keys(database, folder.master_keys, SystemEntropy())
        await database.close()

    folder = StateFolder.open(path, SystemEntropy())
    try:
        folder.load_root_key(None, SystemEntropy())
        asyncio.run(use(folder))
    finally:
        folder.close()


@pytest.fixture
def postgresql(postgres_stores: PostgresStores) -> Iterator[str]:
    with postgres_stores.bare() as url:
        yield url


@pytest.mark.parametrize("name", ["what?mode=memory #1 100%41", os.fsdecode(b"not text \xff")], ids=ascii)
def test_a_folder_may_be_called_anything(tmp_path: Path, name: str) -> None:
    state, copied = tmp_path / name, tmp_path / (name + " copied")
    make_state(state)

    # An output that takes text only, as most are.
    done = subprocess.run(
        [sys.executable, "-m", "velvetrope.cli", "store", "copy", "--from", str(state), "--to", str(copied)],
        env=clean_environment(PYTHONIOENCODING="utf-8:strict"),
        capture_output=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert os.fsencode(f"--state-folder '{copied}'") in done.stdout
    assert {found.name for found in tmp_path.iterdir()} == {name, copied.name}
    assert run("check", str(copied)).exit_code == 0


def test_a_copy_has_the_keys_and_whoever_has_it_is_told_so(state: Path, tmp_path: Path) -> None:
    done = run("copy", "--from", str(state), "--to", str(tmp_path / "backup"))

    assert done.exit_code == 0, done.output
    assert "1 rows of" in done.stdout
    assert f"velvetrope serve --state-folder {tmp_path / 'backup'}" in done.stdout
    assert "Whoever has the folder can open all that is in it" in done.stdout
    for name in ("master-keys.json", "root-access-key.json"):
        assert (tmp_path / "backup" / name).read_bytes() == (state / name).read_bytes()
        assert (tmp_path / "backup" / name).stat().st_mode & 0o777 == 0o600
    StateFolder.open(tmp_path / "backup", SystemEntropy()).close()
    assert run("check", str(tmp_path / "backup")).exit_code == 0


def test_what_arns_and_issuers_are_made_of_is_told_with_the_command_to_go_on(
    state: Path, tmp_path: Path, postgresql: str
) -> None:
    """Those are settings, and in no store."""
    config = {"region": "eu-west-1", "account_id": "123456789012", "endpoint_url": "https://auth.example"}
    connection = {"config": config, "listening_address": "localhost:4800"}
    (state / "connection.json").write_text(json.dumps(connection))
    flags = "--region eu-west-1 --public-url https://auth.example"

    to_folder = run("copy", "--from", str(state), "--to", str(tmp_path / "new place"))
    to_url = run("copy", "--from", str(state), VELVETROPE_STORE_TO=postgresql)

    assert f"  velvetrope serve {flags} --state-folder '{tmp_path / 'new place'}'\n" in to_folder.stdout
    assert f"velvetrope serve {flags}\n" in to_url.stdout


def test_without_from_it_copies_what_serve_would_use(state: Path, tmp_path: Path, postgresql: str) -> None:
    make_state(tmp_path / "node", postgresql)

    from_folder = run("copy", "--to", str(tmp_path / "one"), VELVETROPE_STATE_FOLDER=str(state))
    from_url = run(
        "copy",
        "--to",
        str(tmp_path / "other"),
        "--state-folder",
        str(tmp_path / "node"),
        VELVETROPE_STORE_URL=postgresql,
    )

    assert (from_folder.exit_code, from_url.exit_code) == (0, 0), from_url.output
    for source, copy in (("state", "one"), ("node", "other")):
        keys = [(tmp_path / folder / "master-keys.json").read_bytes() for folder in (source, copy)]
        assert keys[0] == keys[1]


def test_what_is_no_place_for_a_store_is_refused(state: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thing").write_text("")
    for target, message in {
        str(state): "is there already",
        str(tmp_path / "file"): "is there already",
        str(tmp_path / "link"): "is there already",
        str(tmp_path / "full"): "is there already",
        str(tmp_path / "file" / "below"): "cannot be written (Not a directory)",
        "": "A store is named by its state folder, or as postgresql://",
        "mysql://me:hidden@db.example/name": "A store is named by its state folder, or as postgresql://",
        "postgresql://db.example": "names one host and a database",
        "postgresql+asyncpg://db.example/name": "A store is named by its state folder, or as postgresql://",
    }.items():
        refusal = told(run("copy", "--from", str(state), "--to", target))
        assert message in refusal, target
        assert "hidden" not in refusal
    assert "--to: name a new state folder" in told(run("copy", "--from", str(state)))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "full", "link", "state"]


def test_an_empty_folder_is_good_to_copy_to(state: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    assert run("copy", "--from", str(state), "--to", str(tmp_path / "empty")).exit_code == 0
    assert (tmp_path / "empty").stat().st_mode & 0o777 == 0o700


def test_where_a_disk_is_mounted_is_refused_before_anything_is_copied(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be renamed to it, which would be found out last."""
    disk = tmp_path / "disk"
    disk.mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda path: path == disk)

    assert "Name a new folder in it" in told(run("copy", "--from", str(state), "--to", str(disk)))
    assert run("copy", "--from", str(state), "--to", str(disk / "today")).exit_code == 0


def test_what_is_no_store_is_not_copied_and_not_checked(state: Path, tmp_path: Path, postgresql: str) -> None:
    empty, keyless = tmp_path / "empty", tmp_path / "keyless"
    empty.mkdir()
    make_state(keyless)
    (keyless / "master-keys.json").unlink()
    nowhere = "postgresql://me@127.0.0.1:1/none"
    for source, message in {
        str(tmp_path / "none"): "no velvetrope has run with that state folder",
        str(empty): "no velvetrope has run with that state folder",
        str(keyless): "master-keys.json is missing, and the database beside it cannot be read without it",
        nowhere: "PostgreSQL on 127.0.0.1, database none",
    }.items():
        given = ("--state-folder", str(state))
        assert message in told(run("copy", "--from", source, "--to", str(tmp_path / "new"), *given))
        assert message in told(run("check", source, *given))
    bare = {"VELVETROPE_STORE_FROM": postgresql, "VELVETROPE_STATE_FOLDER": str(state)}
    assert "holds no velvetrope's state" in told(run("copy", "--to", str(tmp_path / "new"), **bare))
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "none").exists()


def test_the_master_keys_have_to_be_the_stores_own(state: Path, tmp_path: Path, postgresql: str) -> None:
    make_state(tmp_path / "node", postgresql)
    (tmp_path / "bare").mkdir()
    for folder, message in {
        str(state): "was sealed by other master keys than those of the state folder",
        str(tmp_path / "bare"): "no velvetrope has run with that state folder",
    }.items():
        given = {"VELVETROPE_STORE_URL": postgresql, "VELVETROPE_STATE_FOLDER": folder}
        assert message in told(run("copy", "--to", str(tmp_path / "new"), **given))
        assert message in told(run("check", **given))
    assert not (tmp_path / "new").exists()


def test_a_database_that_a_server_has_started_with_is_not_copied_to(
    state: Path, tmp_path: Path, postgresql: str
) -> None:
    """Whether it runs or not: it has written whose master keys are the store's."""
    make_state(tmp_path / "node", postgresql)

    refusal = told(run("copy", "--from", str(state), VELVETROPE_STORE_TO=postgresql))

    assert "is not empty: there are rows in master_key_checks" in refusal


def test_a_copy_refuses_servers_with_other_master_keys(state: Path, tmp_path: Path, postgresql: str) -> None:
    assert run("copy", "--from", str(state), VELVETROPE_STORE_TO=postgresql).exit_code == 0

    with pytest.raises(MasterKeysUnknown):
        make_state(tmp_path / "stranger", postgresql)
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "master-keys.json").write_bytes((state / "master-keys.json").read_bytes())
    make_state(tmp_path / "node", postgresql)


def test_a_password_is_refused_as_an_argument_and_taken_from_the_variable(
    state: Path, tmp_path: Path, postgresql: str
) -> None:
    for arguments, variable in {
        ("copy", "--from", str(state), "--to", postgresql): "VELVETROPE_STORE_TO",
        ("copy", "--from", postgresql, "--to", str(tmp_path / "new")): "VELVETROPE_STORE_FROM",
        ("check", postgresql): "VELVETROPE_STORE_FROM",
    }.items():
        refusal = told(run(*arguments))
        assert "a password in an argument is read by every user of the machine" in refusal
        assert variable in refusal
        assert postgresql not in refusal
    assert run("copy", "--from", str(state), VELVETROPE_STORE_TO=postgresql).exit_code == 0
    assert run("check", VELVETROPE_STORE_FROM=postgresql, VELVETROPE_STATE_FOLDER=str(state)).exit_code == 0


def test_from_postgresql_to_postgresql_its_own_tools_are_named(state: Path) -> None:
    one, other = "postgresql://127.0.0.1:1/one", "postgresql://127.0.0.1:1/other"

    assert "pg_dump" in told(run("copy", "--from", one, "--to", other, "--state-folder", str(state)))


def test_what_is_wrong_is_said_with_status_1(state: Path) -> None:
    with whole_store(f"sqlite:///{state / 'velvetrope.db'}", writes=True) as store:
        store.write(METADATA.tables["iam_open_id_providers"], [("arn:of:it", "123456789012", "{")])
        store.write(METADATA.tables["userpools_former_passwords"], [("pool", "anna", 1, b"0000 and the rest")])

    checked = run("check", str(state))

    assert checked.exit_code == 1
    assert checked.stdout.splitlines() == [
        "iam_open_id_providers: 1 row that cannot be read.",
        "userpools_former_passwords: 1 row sealed by a master key that is not there.",
    ]


_UNTIL_TOLD = """
import signal
import sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # else ignored, where a shell runs the tests in the background
from velvetrope.cli import store
def wait(_table, _rows):
    print("copying", flush=True)
    sys.stdin.read()
store._tell = wait
from velvetrope.cli.main import run_command_line
sys.argv = ["velvetrope", *sys.argv[1:]]
run_command_line()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_copy_leaves_nothing_that_the_next_one_does_not_mend(
    number: signal.Signals, state: Path, tmp_path: Path
) -> None:
    """The process stops in the middle, at the first table, until the signal comes."""
    target = tmp_path / "backup"
    arguments = ["store", "copy", "--from", str(state), "--to", str(target)]
    with subprocess.Popen(
        [sys.executable, "-c", _UNTIL_TOLD, *arguments],
        env=clean_environment(),
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "copying\n"
        meanwhile = told(run("copy", "--from", str(state), "--to", str(target)))
        os.kill(process.pid, number)
        said = process.stderr.read()
        status = process.wait(60)

    assert "Another copy to" in meanwhile
    assert not target.exists()
    left = [one.name for one in tmp_path.iterdir() if one != state]
    if number == signal.SIGKILL:
        assert left == [".backup.unfinished"]
        assert (tmp_path / ".backup.unfinished").stat().st_mode & 0o777 == 0o700
    else:
        assert (status, said) == (130, "velvetrope: Interrupted; nothing was changed.\n")
        assert left == []
    assert run("copy", "--from", str(state), "--to", str(target)).exit_code == 0
    assert sorted(one.name for one in tmp_path.iterdir()) == ["backup", "state"]
    assert run("check", str(target)).exit_code == 0


@pytest.mark.parametrize("kind", ["link", "folder of others"])
def test_a_copy_is_made_in_no_folder_that_somebody_has_put_there(kind: str, state: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (elsewhere / "kept").touch()
    unfinished = tmp_path / ".backup.unfinished"
    if kind == "link":
        unfinished.symlink_to(elsewhere)
    else:
        elsewhere.rename(unfinished)
        unfinished.chmod(0o777)

    said = told(run("copy", "--from", str(state), "--to", str(tmp_path / "backup")))

    assert f"{unfinished} is in the way" in said
    assert [one.name for one in unfinished.iterdir()] == ["kept"]
    assert not (tmp_path / "backup").exists()

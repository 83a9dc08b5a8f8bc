"""`velvetrope rotate-master-key`: new sessions are sealed with the new key, and nothing from before is lost."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from support.clients import aws_client
from support.running import REPOSITORY, RunningServer, clean_environment


def rotate(state_folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "velvetrope.cli", "rotate-master-key", "--state-folder", str(state_folder)]
    return subprocess.run(
        command, env=clean_environment(), cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
    )


def session_of(server: RunningServer, key: Credentials) -> Credentials:
    given = aws_client(server, "sts", key).get_session_token()["Credentials"]
    return Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


def sealing_key(session: Credentials) -> str:
    """The id of the master key, which a session token begins with."""
    return base64.urlsafe_b64decode(session.token[:8])[:4].hex()


def master_keys(state_folder: Path) -> tuple[str, set[str]]:
    document = json.loads((state_folder / "master-keys.json").read_text())
    return document["current"], set(document["keys"])


def test_sessions_and_long_term_keys_from_before_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with RunningServer("serve", state_folder=folder) as server:
        aws_client(server, "iam").create_user(UserName="dora")
        made = aws_client(server, "iam").create_access_key(UserName="dora")["AccessKey"]
        key = Credentials(made["AccessKeyId"], made["SecretAccessKey"])
        before = session_of(server, key)
        while_running = rotate(folder)
    first, _ = master_keys(folder)

    done = rotate(folder)

    current, known = master_keys(folder)
    assert done.returncode == 0, done.stderr
    assert f"Master key {current} seals from the next start on; the one before stays" in done.stdout
    assert (current != first, known) == (True, {first, current})
    assert (folder / "master-keys.json").stat().st_mode & 0o777 == 0o600
    assert while_running.returncode != 0
    assert "is in use by a velvetrope that is running" in while_running.stderr
    with RunningServer("serve", state_folder=folder) as server:
        after = session_of(server, key)
        assert (sealing_key(before), sealing_key(after)) == (first, current)
        for session in (before, after):
            arn = aws_client(server, "sts", session).get_caller_identity()["Arn"]
            assert arn.endswith(":user/dora")
        forged = Credentials(before.access_key, before.secret_key, after.token)
        with pytest.raises(ClientError) as error:
            aws_client(server, "sts", forged).get_caller_identity()
        assert error.value.response["Error"]["Code"] == "InvalidClientTokenId"


def test_a_folder_that_no_server_has_used_is_refused(tmp_path: Path) -> None:
    done = rotate(tmp_path / "none")

    assert done.returncode != 0
    assert "No velvetrope has run with the state folder" in done.stderr
    assert not (tmp_path / "none").exists()

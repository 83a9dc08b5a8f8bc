"""The tutorial is true: its files are those of `examples/guestbook`, and its tests pass, and see a missing lock."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.running import REPOSITORY, clean_environment

GUESTBOOK = REPOSITORY / "examples" / "guestbook"
TUTORIAL = (REPOSITORY / "docs" / "tutorial.md").read_text()


def run_its_tests(folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"),
            *("--basetemp", str(folder.parent / "temporary"), "test_app.py"),
        ],
        cwd=folder,
        env=clean_environment(PATH=path),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def guestbook(tmp_path: Path) -> Path:
    """The example in a folder of its own."""
    folder = tmp_path / "guestbook"
    shutil.copytree(GUESTBOOK, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.parametrize("name", ["app.py", "test_app.py"])
def test_the_page_shows_the_files_of_the_example(name: str) -> None:
    assert f"```python\n{(GUESTBOOK / name).read_text()}```\n" in TUTORIAL


def test_the_tests_that_it_shows_pass(guestbook: Path) -> None:
    done = run_its_tests(guestbook)

    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


def test_the_tests_that_it_shows_see_a_lock_that_is_missing(guestbook: Path) -> None:
    app = (guestbook / "app.py").read_text()
    (guestbook / "app.py").write_text(
        app.replace("api_key_required=True", "").replace(
            'authorization_type="AWS_IAM", allow=[people.authenticated]', 'authorization_type="NONE"'
        )
    )

    done = run_its_tests(guestbook)

    assert done.returncode == 1
    for refusal in ("test_a_reader_needs_the_key", "test_a_guest_may_not_write"):
        assert f"FAILED test_app.py::{refusal}" in done.stdout

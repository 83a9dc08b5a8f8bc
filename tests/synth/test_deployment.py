"""`velvetrope package`: the folder for AWS has all that its functions import, and nothing of the server's."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import velvetrope.builder
from support.running import REPOSITORY
from velvetrope.synth.deployment import POWERTOOLS

APP = """
from velvetrope.builder import Api

api = Api("shop")


@api.get("/hello")
def hello():
    return {"hello": 1}
"""

IN_A_FUNCTION = """
import json, os, sys
os.environ["AWS_LAMBDA_FUNCTION_NAME"] = "shop"
code, packages = sys.argv[1:]
sys.path[:0] = [code]
sys.path.append(packages)  # Powertools, as `sam build` installs it; `-S` keeps velvetrope's own folder away
import app, velvetrope
event = {
    "path": "/hello", "httpMethod": "GET", "resource": "/hello", "headers": {}, "multiValueHeaders": {},
    "queryStringParameters": None, "multiValueQueryStringParameters": None, "pathParameters": None,
    "requestContext": {"requestId": "r", "path": "/latest/hello", "httpMethod": "GET"}, "body": None,
    "isBase64Encoded": False,
}
answer = app.api(event, None)
print(json.dumps({
    "answer": answer, "from": velvetrope.__file__, "ours": sorted(n for n in sys.modules if n.startswith("velvetrope")),
}))
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "app.py").write_text(APP)
    return folder / "app.py"


def package(app: Path, folder: str = "build") -> subprocess.CompletedProcess[str]:
    """In a process of its own, since the app file is imported in it."""
    command = [sys.executable, "-m", "velvetrope.cli", "package", "app.py", folder]
    return subprocess.run(command, cwd=app.parent, capture_output=True, text=True, check=False)


def test_the_packaged_code_answers_without_the_rest_of_velvetrope(app: Path) -> None:
    done = package(app)
    assert (done.returncode, done.stderr) == (0, "")
    code = app.parent / "build" / "code"
    packages = Path(yaml.__file__).parents[1]

    ran = subprocess.run(
        [sys.executable, "-S", "-c", IN_A_FUNCTION, str(code), str(packages)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert said["answer"]["statusCode"] == 200
    assert json.loads(said["answer"]["body"]) == {"hello": 1}
    assert Path(said["from"]).parent == code / "velvetrope"
    assert all(name == "velvetrope" or name.startswith("velvetrope.builder") for name in said["ours"])


def test_the_template_is_the_one_that_synth_prints_with_the_code_beside_it(app: Path) -> None:
    package(app)
    printed = subprocess.run(
        [sys.executable, "-m", "velvetrope.cli", "synth", "app.py"],
        cwd=app.parent,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert (app.parent / "build" / "template.yaml").read_text() == printed.replace("CodeUri: .\n", "CodeUri: code\n")
    assert (app.parent / "build" / "code" / "app.py").is_file()


def test_powertools_are_asked_for_once_and_in_the_app_s_own_version(tmp_path: Path, app: Path) -> None:
    package(app, "../first")
    (app.parent / "requirements.txt").write_text("requests\nAWS_Lambda.Powertools==3.21.0\n")
    package(app, "../second")

    assert (tmp_path / "first/code/requirements.txt").read_text() == f"{POWERTOOLS}\n"
    assert (tmp_path / "second/code/requirements.txt").read_text() == "requests\nAWS_Lambda.Powertools==3.21.0\n"
    assert f'"{POWERTOOLS}"' in (REPOSITORY / "pyproject.toml").read_text()


def test_every_module_of_the_builder_comes_along(app: Path) -> None:
    package(app)

    here = {path.name for path in Path(velvetrope.builder.__file__).parent.glob("*.py")}
    assert {path.name for path in (app.parent / "build/code/velvetrope/builder").iterdir()} == here


def test_a_folder_with_something_in_it_is_left_alone(app: Path) -> None:
    (app.parent / "build").mkdir()
    (app.parent / "build" / "thesis.txt").write_text("precious")

    assert_refused(package(app), "build is not empty. Delete it, or name another folder.")
    assert [path.name for path in (app.parent / "build").iterdir()] == ["thesis.txt"]


def test_a_server_s_state_never_becomes_code(app: Path) -> None:
    (app.parent / "master-keys.json").write_text("{}")

    assert_refused(package(app), "is a state folder")
    assert not (app.parent / "build").exists()


def test_an_app_that_brings_a_velvetrope_of_its_own_is_refused(app: Path) -> None:
    (app.parent / "velvetrope").mkdir()

    assert_refused(package(app), "velvetrope has the name of what the app file imports; choose another.")
    assert not (app.parent / "build").exists()


def test_a_folder_that_cannot_be_made_is_said(app: Path) -> None:
    assert_refused(package(app, "/proc/nowhere"), "/proc/nowhere")


def assert_refused(done: subprocess.CompletedProcess[str], told: str) -> None:
    assert done.returncode == 1
    assert done.stderr.startswith("velvetrope: ")
    assert done.stderr.count("\n") == 1
    assert told in done.stderr

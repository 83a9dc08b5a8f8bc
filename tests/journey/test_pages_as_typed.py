"""What the pages show to be typed is taken as it stands: commands of the AWS CLI, app files, the tutorial's lines."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from cfnlint.api import lint

from support.running import REPOSITORY, RunningServer, clean_environment
from velvetrope.synth.app_file import load_app
from velvetrope.synth.sam import render_template, sam_template

DOCS = REPOSITORY / "docs"
# A root key that the server makes, for `velvetrope env` to find.
NO_PRESET = {"VELVETROPE_ROOT_ACCESS_KEY_ID": "", "VELVETROPE_ROOT_SECRET_ACCESS_KEY": ""}
PAGES = [*REPOSITORY.glob("*.md"), *DOCS.glob("*.md"), *REPOSITORY.glob("examples/*/README.md")]


def fences(page: Path, language: str = r"\w*") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def aws_commands() -> dict[str, list[str]]:
    """The words after `aws`, by page and number."""
    found: dict[str, list[str]] = {}
    for page in PAGES:
        lines = [line for fence in fences(page) for line in fence.replace("\\\n", " ").splitlines()]
        shown = [match[1] for line in lines if (match := re.search(r"^(?:\$ |\w+=\$\()?aws ([a-z].*?)\)?$", line))]
        found |= {f"{page.stem}-{number}": shlex.split(words) for number, words in enumerate(shown, 1)}
    # The second version of the CLI only, which no package index has.
    return {name: words for name, words in found.items() if words[:2] != ["logs", "tail"]}


_PARSE = """
import contextlib, io, json, sys
from awscli.clidriver import create_clidriver

found = {}
for name, words in json.load(sys.stdin).items():
    called, said = [], io.StringIO()
    def answer(model, **_):
        called.append(model.name)
        return None, {"ResponseMetadata": {"HTTPStatusCode": 500}}
    driver = create_clidriver()
    driver.session.register("before-call", answer)
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            driver.main(words)
        except SystemExit:
            pass
    found[name] = [called, said.getvalue()]
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[str], str]]:
    """The operation that the CLI would call for each command, and what it says.

    It parses and validates everything in a process of its own (it brings a botocore that takes the other one's place).
    """
    folder, commands = tmp_path_factory.mktemp("cli"), aws_commands()
    for path in re.findall(r"fileb?://([^\s\"]+)", json.dumps(commands)):
        (folder / path).write_text("x" * 1000)
    (folder / "config").write_text("[default]\ncli_follow_urlparam = false\n")  # as the CLI's second version has it
    environment = clean_environment(
        AWS_CONFIG_FILE="config", AWS_ACCESS_KEY_ID="A", AWS_SECRET_ACCESS_KEY="B", AWS_DEFAULT_REGION="us-west-2"
    )
    done = subprocess.run(
        [sys.executable, "-c", _PARSE],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=environment,
    )
    found: dict[str, tuple[list[str], str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", aws_commands())
def test_the_aws_cli_takes_every_command_of_a_page(name: str, parsed: dict[str, tuple[list[str], str]]) -> None:
    called, said = parsed[name]

    assert len(called) == 1, said
    assert f"\n| {called[0]} |" in (DOCS / "compatibility.md").read_text()


def app_of_the_page() -> str:
    """The app that app-file.md writes piece by piece: what declares the Api comes before what has routes on it."""
    *pieces, _services = fences(DOCS / "app-file.md", "python")
    return "\n".join(sorted(pieces, key=lambda piece: "@api." in piece and "api = Api" not in piece))


@pytest.mark.parametrize(
    "text",
    [app_of_the_page(), fences(DOCS / "app-file.md", "python")[-1], *fences(REPOSITORY / "README.md", "python")],
    ids=["app-file", "services", "readme"],
)
def test_an_app_file_of_a_page_becomes_a_template_that_aws_s_linter_takes(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    module = f"{request.node.callspec.id.replace('-', '_')}_app"
    (tmp_path / f"{module}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, module, raising=False)

    template = sam_template(load_app(tmp_path / f"{module}.py"))

    assert lint(render_template(template)) == []


@pytest.fixture(scope="module")
def guestbook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    app = REPOSITORY / "examples" / "guestbook" / "app.py"
    with RunningServer(
        "dev", str(app), state_folder=tmp_path_factory.mktemp("guestbook") / "state", environment=NO_PRESET
    ) as server:
        yield server


def typed(server: RunningServer, lines: str) -> str:
    """What a shell prints for lines of a page, in which `velvetrope` means this server."""
    environment = clean_environment(
        VELVETROPE_STATE_FOLDER=str(server.state_folder),
        PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    )
    done = subprocess.run(
        ["bash", "-euc", lines], capture_output=True, text=True, check=False, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_lines_of_the_tutorial_refuse_and_let_in_as_it_says(guestbook: RunningServer) -> None:
    _path, _dev, asked, with_key, signed, _tests, moderator, _deploy = fences(DOCS / "tutorial.md", "sh")
    connect = asked.splitlines()[0]

    assert "HTTP/1.1 403" in typed(guestbook, asked)
    assert "HTTP/1.1 200" in typed(guestbook, f"{connect}\n{with_key}")
    answer = typed(guestbook, f"{connect}\n{signed}")
    assert "HTTP/1.1 201" in answer
    assert '{"written":"hello"}' in answer
    assert "moderators" in typed(guestbook, f"{connect}\n{moderator}")


@pytest.fixture(scope="module")
def page_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("page")
    (folder / "page_app.py").write_text(app_of_the_page())
    with RunningServer(
        "dev", str(folder / "page_app.py"), state_folder=folder / "state", environment=NO_PRESET
    ) as server:
        yield server


def test_a_machine_gets_its_token_by_the_lines_of_the_page(page_app: RunningServer) -> None:
    lines, _keys = fences(DOCS / "app-file.md", "sh")

    token = json.loads(typed(page_app, lines))["access_token"]

    reports = page_app.config["api_url"] + "/reports"
    assert requests.get(reports, headers={"Authorization": token}).status_code == 200
    assert requests.get(reports).status_code == 401

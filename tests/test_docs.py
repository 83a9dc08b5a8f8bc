"""What the docs promise is there, and what is there is in the docs."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

import velvetrope
from support.running import REPOSITORY
from support.userpools import MODEL
from velvetrope.builder import Api, Database, Function, IdentityPool, Queue, UserPool
from velvetrope.cli.main import _cli

DOCS = REPOSITORY / "docs"


def commands() -> dict[str, list[str]]:
    """Each command with its long flags."""
    group = get_command(_cli)
    found: dict[str, list[str]] = {}
    for name, command in group.commands.items():  # type: ignore[attr-defined]  # a group, since it has commands
        flags = [flag for parameter in command.params for flag in parameter.opts if flag.startswith("--")]
        hidden = {
            flag for parameter in command.params if getattr(parameter, "hidden", False) for flag in parameter.opts
        }
        found[name] = [flag for flag in flags if flag not in hidden]
    return found


@pytest.mark.parametrize("command", commands())
def test_every_command_is_documented(command: str) -> None:
    assert f"`velvetrope {command}" in (DOCS / "cli.md").read_text()


def test_every_flag_is_documented() -> None:
    text = (DOCS / "cli.md").read_text()
    missing = {
        flag for flags in commands().values() for flag in flags if flag not in text and f"--no-{flag[2:]}" not in text
    }

    assert missing == set()


def test_every_setting_is_documented() -> None:
    group = get_command(_cli)
    text = (DOCS / "cli.md").read_text()
    variables = {
        parameter.envvar
        for command in group.commands.values()  # type: ignore[attr-defined]  # a group, since it has commands
        for parameter in command.params
        if isinstance(parameter.envvar, str)
    }

    assert variables
    assert {name for name in variables if name not in text} == set()


def test_every_word_of_the_builder_is_documented() -> None:
    text = (DOCS / "app-file.md").read_text()
    for word in (
        "authorization_type",
        "api_key_required",
        "allow",
        "usage_plan",
        "dev_user",
        "allow_guests",
        "uses",
        "on_queue",
    ):
        assert word in text
    for name in (Api, Database, Function, IdentityPool, Queue, UserPool):
        assert name.__name__ in text


def test_every_file_that_a_page_names_is_there() -> None:
    """By the end of its path; the threat model also names files alone, which stand beside the one before."""
    there = {path.relative_to(REPOSITORY).as_posix() for path in _source_files()}
    ends = {"/".join(path.split("/")[-count:]) for path in there for count in range(1, path.count("/") + 2)}
    missing = {
        (page.name, named)
        for page in [*DOCS.rglob("*.md"), REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md"]
        for named in re.findall(r"`([\w./-]+\.py)`", page.read_text())
        if named not in ends and ("/" in named or page.name == "threat-model.md")
    }

    assert missing == set()


def _source_files() -> list[Path]:
    folders = ("src", "tests", "tools", "examples", "benchmarks")
    return [path for folder in folders for path in (REPOSITORY / folder).rglob("*.py")]


@pytest.mark.parametrize("page", [*sorted(REPOSITORY.glob("*.md")), *sorted(DOCS.rglob("*.md"))], ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_page_is_found_from_the_index() -> None:
    index = (DOCS / "README.md").read_text()

    assert [page.name for page in DOCS.glob("*.md") if page.name != "README.md" and f"({page.name})" not in index] == []


def test_every_test_and_every_example_that_the_docs_name_is_there() -> None:
    pages = [*REPOSITORY.glob("*.md"), *DOCS.glob("*.md")]
    named = {path for page in pages for path in re.findall(r"`((?:tests|examples|src)/[\w./-]+)`", page.read_text())}

    assert {path for path in named if not (REPOSITORY / path).exists()} == set()


def test_every_file_in_the_tables_of_the_threat_model_is_there() -> None:
    """A file is of the package or the repository, or of the folder or the room of the file that is named before it."""
    package = Path(velvetrope.__file__).parent
    missing = set()
    for row in re.findall("^[|] .+", (DOCS / "threat-model.md").read_text(), re.MULTILINE):
        folders = [package, REPOSITORY]
        for name in re.findall(r"`([\w/]+\.py)`", row):
            found = next((folder / name for folder in folders if (folder / name).is_file()), None)
            if found is None:
                missing.add(name)
            elif found.is_relative_to(package):
                room = package / found.relative_to(package).parts[0]
                folders = [found.parent, room, package, REPOSITORY]

    assert missing == set()


def test_every_command_and_flag_that_a_page_names_is_there() -> None:
    known = every_command()
    pages = [*REPOSITORY.glob("*.md"), *DOCS.glob("*.md"), *REPOSITORY.glob("examples/*/README.md")]
    named = {line for page in pages if page.name != "compatibility.md" for line in command_lines(page.read_text())}

    assert len(named) > 40
    for line in sorted(named):
        words = line.split("#")[0].split()
        found = next((known[name] for name in (" ".join(words[:2]), words[0]) if name in known), None)
        assert found is not None, f"there is no velvetrope {line}"
        for flag in re.findall(r"(?<!\S)--[a-z-]+", line):
            assert flag in found or flag == "--help", f"velvetrope {line}: there is no {flag}"


def every_command() -> dict[str, set[str]]:
    """Each command by its words after `velvetrope`, with its flags."""
    group = get_command(_cli)
    found: dict[str, set[str]] = {}
    for name, command in group.commands.items():  # type: ignore[attr-defined]  # a group, since it has commands
        inner = getattr(command, "commands", {})
        for words, one in [(name, command), *((f"{name} {below}", it) for below, it in inner.items())]:
            found[words] = {flag for option in one.params for flag in (*option.opts, *option.secondary_opts)}
    return found


def command_lines(page: str) -> set[str]:
    """What follows `velvetrope` where a page shows it as code."""
    fences = re.findall(r"^```\w*\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL))
    lines = [line for fence in fences for line in fence.replace("\\\n", " ").splitlines()]
    shown = r"(?:^|\$\(|/bin/|=\S* )velvetrope ([a-z][^)`]*)"
    return {found[1].strip() for code in (*lines, *spans) if (found := re.search(shown, code)) is not None}


def test_every_attack_on_sign_in_is_made_by_a_test_that_is_there() -> None:
    rows = re.findall(r"^\| .+ \| \[`(\w+)(?:\.py)?`\]\(\.\./(tests/[\w/]+\.py)\) \|$", _attacks(), re.MULTILINE)
    assert len(rows) > 90

    for name, path in rows:
        source = (REPOSITORY / path).read_text()
        assert path.endswith(f"/{name}.py") or re.search(rf"^(async )?def {name}\(", source, re.MULTILINE), (name, path)


def test_every_flow_and_challenge_has_its_attacks() -> None:
    named = {*MODEL["shapes"]["AuthFlowType"]["enum"], *MODEL["shapes"]["ChallengeNameType"]["enum"]}
    old_names = {"ADMIN_NO_SRP_AUTH", "REFRESH_TOKEN"}
    text = _attacks()

    assert {name for name in named - old_names if f"`{name}`" not in text} == set()


def _attacks() -> str:
    return (DOCS / "sign-in-attacks.md").read_text()

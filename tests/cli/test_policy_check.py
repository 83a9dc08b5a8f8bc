"""`velvetrope policy check` as a person calls it: what it prints, and its exit status."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from velvetrope.cli.main import _cli

FUNCTION = "arn:aws:lambda:us-west-2:123456789012:function:f"


def document(**elements: object) -> str:
    statement = {"Effect": "Allow", "Action": "lambda:GetFunction", "Resource": FUNCTION, **elements}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2)


def check(*arguments: str, text: str) -> Result:
    return CliRunner().invoke(_cli, ["policy", "check", "-", *arguments], input=text)


def test_a_good_document_is_explained_and_passes() -> None:
    result = check(text=document())

    assert result.exit_code == 0
    assert result.stdout == (
        f"line 4    statement 1 allows lambda:GetFunction on {FUNCTION}.\n\nno errors, no warnings\n"
    )


def test_an_error_is_told_with_its_line_and_fails() -> None:
    result = check(text=document(Action="lambda:GetFuncton"))

    assert result.exit_code == 1
    assert "line 6    error    lambda:GetFuncton: there is no such action; the nearest is lambda:GetFunction.\n" in (
        result.stdout
    )
    assert result.stdout.endswith("\n1 error, no warnings\n")


def test_a_warning_fails_only_if_asked_to() -> None:
    wide = document(Action="*", Resource="*")

    assert check(text=wide).exit_code == 0
    assert check("--strict", text=wide).exit_code == 1
    assert check("--strict", text=document()).exit_code == 0
    assert "1 warning\n" in check(text=wide).stdout


@pytest.mark.parametrize(
    ("kind", "elements"),
    [
        ("trust", {"Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}),
        ("resource", {"Action": "lambda:InvokeFunction", "Principal": {"AWS": "123456789012"}}),
        ("boundary", {}),
        ("session", {}),
    ],
)
def test_a_document_is_read_as_what_it_is_for(kind: str, elements: dict[str, object]) -> None:
    text = document(**elements)
    if kind == "trust":
        parsed = json.loads(text)
        del parsed["Statement"][0]["Resource"]
        text = json.dumps(parsed)

    assert check("--kind", kind, text=text).exit_code == 0
    other = "identity" if kind in {"trust", "resource"} else "trust"
    assert check("--kind", other, text=text).exit_code == 1


def test_aws_s_own_words_end_in_one_full_stop() -> None:
    parsed = json.loads(document(Action="sts:AssumeRole", Principal="*"))
    del parsed["Statement"][0]["Resource"]

    result = check("--kind", "trust", text=json.dumps(parsed))

    assert 'IAM refuses this: AssumeRolepolicy contained an invalid principal: "STAR":"*".\n' in result.stdout


def test_a_service_that_is_not_known_is_said_to_be_so() -> None:
    result = check(text=document(Action="s3:GetObject", Resource="arn:aws:s3:::b/*"))

    assert result.exit_code == 0
    assert "note     velvetrope does not know the service s3; nothing of it was checked.\n" in result.stdout


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "long").write_bytes(b" " * 1_000_001)

    for name, says in (
        ("none", "cannot be read: No such file or directory."),
        ("binary", "is not UTF-8 text."),
        ("long", "is longer than 1000000 bytes; that is no policy."),
    ):
        result = CliRunner().invoke(_cli, ["policy", "check", str(tmp_path / name)])
        assert result.exit_code == 1
        assert result.stderr == f"velvetrope: {tmp_path / name} {says}\n"
        assert result.stdout == ""

"""What a terminal is shown of strangers' text."""

import pytest
from typer import Exit

from velvetrope.cli.ending import fail
from velvetrope.cli.mailbox import _told
from velvetrope.cli.terminal import shown


@pytest.mark.parametrize(
    "text", ["", "plain", "żółć 漢字 😀", "\ttab", "\u00a0\u00a0File", "👩\u200d🚀", "back\\slash"]
)
def test_letters_pictures_and_spaces_are_shown_as_they_are(text: str) -> None:
    assert shown(text) == text


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b31m", "\\x9b31m"),
        ("\x07\x08\x00\x7f", "\\x07\\x08\\x00\\x7f"),
        ("a\rb", "a\\rb"),
        ("a\nb", "a\\nb"),
        ("a\u2028b\u2029", "a\\u2028b\\u2029"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text: str, seen: str) -> None:
    assert shown(text) == seen


def test_line_breaks_are_kept_where_lines_are_meant() -> None:
    assert shown("a\nb\x1b", lines=True) == "a\nb\\x1b"


def test_a_message_in_the_mailbox_moves_no_terminal() -> None:
    message = {
        "medium": "EMAIL",
        "to": "eve@example.com\x1b[2J",
        "state": "kept",
        "problem": "",
        "written_at": "2030-01-01T00:00:00+00:00",
        "username": "eve\x1b]0;owned\x07",
        "user_pool_id": "us-west-2_1",
        "subject": "code\x9b31m",
        "text": "Your code\x1b[8m is\n123456",
    }

    told = _told(message)

    assert told.isascii()
    assert all(line.isprintable() for line in told.split("\n"))
    assert told.endswith("  Your code\\x1b[8m is\n  123456")


def test_a_refusal_that_repeats_what_was_sent_moves_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exit):
        fail("no user \x1b[31meve")

    assert capsys.readouterr().err == "velvetrope: no user \\x1b[31meve\n"

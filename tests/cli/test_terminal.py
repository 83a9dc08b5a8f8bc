"""What a terminal is shown of strangers' text."""

import pytest

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

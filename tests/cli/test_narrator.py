"""The terminal's story of a running server: told to whoever reads, and holding up nobody when no one does."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from velvetrope.cli.invocation import Invocation
from velvetrope.cli.narrator import Narrator
from velvetrope.server.narration import Refusal

REFUSAL = Refusal(status=403, what="GET /orders", code="AccessDenied", why="nothing allows it", request_id="r-1")


def test_a_refusal_is_told_with_its_reason() -> None:
    stream = io.StringIO()
    narrator = Narrator(stream)

    narrator.refused(REFUSAL)

    assert narrator.wait_until_told()
    narrator.say("  stopping")
    assert stream.getvalue() == (
        "  403 GET /orders  AccessDenied\n      nothing allows it\n      velvetrope explain r-1\n  stopping\n"
    )


def test_a_function_that_failed_on_an_event_is_told_with_the_command_that_shows_why() -> None:
    stream = io.StringIO()
    narrator = Narrator(stream)

    narrator.failed("shipping", "0a-1b")

    assert narrator.wait_until_told()
    assert stream.getvalue() == ("  failed shipping  on an event\n      velvetrope logs shipping --request-id 0a-1b\n")


@pytest.mark.parametrize("called", [".venv/bin/velvetrope", "{here}/.venv/bin/velvetrope"])
def test_what_to_type_next_is_what_this_person_types_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, called: str
) -> None:
    stream = io.StringIO()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [called.format(here=tmp_path), "demo"])
    narrator = Narrator(stream, Invocation.of_this_process(Path("my state")))

    narrator.refused(REFUSAL)

    assert narrator.wait_until_told()
    assert "\n      .venv/bin/velvetrope explain r-1 --state-folder 'my state'\n" in stream.getvalue()


def test_the_command_that_the_server_names_is_what_this_person_types() -> None:
    ours = Invocation(".venv/bin/velvetrope", " --state-folder s")

    said = ours.spelled("f ended with an error, which its log has: velvetrope logs f --request-id 0a-1b")

    assert said == (
        "f ended with an error, which its log has: .venv/bin/velvetrope logs f --request-id 0a-1b --state-folder s"
    )
    assert ours.spelled("GET /velvetrope logs $(f) --request-id 0a") == "GET /velvetrope logs $(f) --request-id 0a"


def test_whoever_has_the_command_on_the_path_is_told_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "velvetrope"
    installed.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [str(installed), "demo"])

    assert Invocation.of_this_process(Path(".velvetrope")).command("explain") == "velvetrope explain"


def test_what_a_stranger_sent_moves_no_cursor_and_begins_no_line() -> None:
    stream = io.StringIO()
    narrator = Narrator(stream)

    narrator.refused(
        Refusal(
            status=400,
            what="GET /\x1b[2J",
            code="ValidationException",
            why="Value 'a\n  200 all is well\x1b]0;title\x07\x9b\u202e' is not",
            request_id="r-1",
        )
    )

    assert narrator.wait_until_told()
    assert stream.getvalue() == (
        "  400 GET /\\x1b[2J  ValidationException\n"
        "      Value 'a\\n  200 all is well\\x1b]0;title\\x07\\x9b\\u202e' is not\n"
        "      velvetrope explain r-1\n"
    )


def fill(descriptor: int) -> None:
    os.set_blocking(descriptor, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(descriptor, b" " * 4096)
    os.set_blocking(descriptor, True)


def test_a_pipe_that_nobody_reads_holds_up_nobody_and_what_was_left_out_is_counted() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as read, os.fdopen(writing, "w") as stream:
        narrator = Narrator(stream)
        fill(writing)

        for _ in range(1000):
            narrator.refused(REFUSAL)  # would never end, if it waited for the pipe

        assert not narrator.wait_until_told()
        narrator.say("this would wait for ever")
        told = b""
        while b"more were refused or failed" not in told:
            told += os.read(read.fileno(), 65536)
        assert narrator.wait_until_told()
        assert b"this would wait" not in told


def test_a_reader_who_is_gone_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        narrator = Narrator(stream)

        narrator.refused(REFUSAL)

        assert narrator.wait_until_told()


def test_a_process_that_nobody_reads_can_end() -> None:
    code = (
        "import sys; from velvetrope.cli.narrator import Narrator; from velvetrope.server.narration import Refusal\n"
        "n = Narrator(sys.stdout)\n"
        "for _ in range(9000): n.refused(Refusal(403, 'x' * 300, 'c', 'w', 'r'))\n"
        "n.say('stopping'); print('ended', file=sys.stderr)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"ended\n"
        assert process.wait(timeout=60) == 0

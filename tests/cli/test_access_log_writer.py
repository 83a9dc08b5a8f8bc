"""The owner's access log: lines arrive in a file, which may be renamed at any time."""

import json
import logging
from pathlib import Path

import pytest

from velvetrope.server import access_log
from velvetrope.server.access_log import AccessLogWriter
from velvetrope.server.settings import Settings, SettingsError


async def test_records_become_lines_of_json_in_a_file_that_others_cannot_read(tmp_path: Path) -> None:
    path = tmp_path / "access.jsonl"
    writer = AccessLogWriter(str(path), format="json")

    writer.write({"requestId": "1", "userAgent": "two\nlines"})
    writer.write({"requestId": "2"})
    await writer.close()

    assert [json.loads(line)["requestId"] for line in path.read_text().splitlines()] == ["1", "2"]
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_renamed_file_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    for line in ("before", "after"):
        writer = AccessLogWriter(str(path), format="stage")
        writer.write_line(line)
        await writer.close()
        if line == "before":
            path.rename(tmp_path / "access.log.1")

    assert (tmp_path / "access.log.1").read_text() == "before\n"
    assert path.read_text() == "after\n"


async def test_lines_that_come_too_fast_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "_MAX_PENDING", 2)
    path = tmp_path / "access.jsonl"
    writer = AccessLogWriter(str(path), format="json")

    for number in range(5):
        writer.write({"n": number})
    await writer.close()

    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"n": 0}, {"n": 1}, {"dropped": 3}]


async def test_a_file_that_cannot_be_written_is_said_once_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = AccessLogWriter(str(tmp_path / "no" / "such" / "folder" / "f"), format="json")

    with caplog.at_level(logging.ERROR):
        writer.write({"n": 1})
        await writer.close()

    assert "the access log cannot be written" in caplog.text


@pytest.mark.parametrize("settings", [{"access_log": ""}, {"access_log": "-", "access_log_format": "clf"}])
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="--access-log"):
        Settings(**settings)  # type: ignore[arg-type]  # texts, all of them

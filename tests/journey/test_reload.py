"""`velvetrope dev` applies an app again when it changes, and keeps the old version when the new one is broken."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import requests

from support.running import REPOSITORY, RunningServer


def eventually(seen: Callable[[], bool]) -> bool:
    """Look until it is there; a minute at most: other tests may keep the machine busy."""
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        if seen():
            return True
    return seen()


def test_a_changed_app_answers_and_a_broken_one_is_told(tmp_path: Path) -> None:
    app = tmp_path / "app" / "app.py"
    app.parent.mkdir()
    shutil.copy(REPOSITORY / "examples/auth-api-demo/app.py", app)
    original = app.read_text()
    with RunningServer("dev", str(app), state_folder=tmp_path / "state") as server:
        url, headers = server.config["api_url"], {"x-api-key": server.config["api_key"]}

        def message(path: str) -> str:
            return str(requests.get(url + path, headers=headers).json().get("message"))

        assert message("/no-auth") == "Open for All!"

        app.write_text(original.replace("Open for All!", "Open for All, again!"))
        assert eventually(lambda: message("/no-auth") == "Open for All, again!")

        app.write_text(
            original + '\n\n@api.get("/new", api_key_required=True)\ndef new():\n    return {"message": "new"}\n'
        )
        assert eventually(lambda: message("/new") == "new")
        assert requests.get(url + "/new").status_code == 403

        app.write_text(original + "\nimport nowhere_at_all\n")
        assert eventually(lambda: "No module named 'nowhere_at_all'" in server.text)
        assert "the version before it keeps answering" in server.text
        assert message("/new") == "new"
    assert server.process.returncode == 0


def test_what_an_app_of_another_name_leaves_behind_is_told(tmp_path: Path) -> None:
    app = tmp_path / "app" / "app.py"
    app.parent.mkdir()
    declared = "from velvetrope.builder import Api\napi = Api('{}')\napi.get('/x')(lambda: {{}})\n"
    app.write_text(declared.format("first name"))
    with RunningServer("dev", str(app), state_folder=tmp_path / "state") as server:
        before = server.config["api_url"] + "/x"

        app.write_text(declared.format("second"))
        assert eventually(lambda: "applied app.py again" in server.text)

        assert "first-name stays as it was" in server.text
        assert requests.get(before).status_code == 200

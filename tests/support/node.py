"""Other people's JavaScript clients: a script of `tests/javascript` that tells the test how each step went."""

import json
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

from support.running import REPOSITORY, clean_environment

__all__ = ["run_story"]

_FOLDER = REPOSITORY / "tests/javascript"


def run_story(
    script: str,
    settings: Mapping[str, Any],
    *,
    answers: Mapping[str, Callable[..., Any]] | None = None,
    ca: str | None = None,
) -> dict[str, Any]:
    """What the script told, by the names of its steps; `answers` are what it may ask the test for, with what it says
    besides. `ca` is a certificate authority that the script trusts."""
    command = ["node", script, json.dumps(dict(settings))]
    told: dict[str, Any] = {}
    with subprocess.Popen(
        command,
        cwd=_FOLDER,
        env=clean_environment(**({} if ca is None else {"NODE_EXTRA_CA_CERTS": ca})),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            said = json.loads(line)
            if "ask" in said:
                process.stdin.write(json.dumps((answers or {})[said["ask"]](*said.get("with", ()))) + "\n")
                process.stdin.flush()
            else:
                told[said["step"]] = said["value"]
        complaints = process.stderr.read()
    assert "failed" not in told, told["failed"]
    assert "end" in told, complaints
    return told

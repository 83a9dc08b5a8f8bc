"""Synthesise in a process of its own.

    child = start_synth(Path("app.py"), code=package, region="us-west-2", cache_folder=state / "synth")
    ...                                   # the server starts meanwhile
    app = await child.result()            # SynthesizedApp, or AppFileError with the app's own traceback

The app's code runs in the child only. The child writes one JSON document to a pipe of its own (what the app prints to
stdout goes to the terminal), and expands SAM with AWS's own translator, which takes most of the time; an expansion is
kept in `cache_folder` under the digest of what went into it, so an unchanged app starts without it.
"""

import asyncio
import hashlib
import json
import os
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from velvetrope.synth.app_file import AppFileError, load_app
from velvetrope.synth.packaging import CodePackage
from velvetrope.synth.sam import DevUserDeclaration, Template, dev_users, sam_template

__all__ = ["LOCAL_BUCKET", "SynthChild", "SynthesizedApp", "start_synth", "synthesize"]

LOCAL_BUCKET = "velvetrope-local"
"""Stands for the deployment bucket when the code goes to our own server; the key is the zip's digest."""


@dataclass(frozen=True)
class SynthesizedApp:
    """What an app file becomes. `expanded` has no `Transform` any more; the code is at (`LOCAL_BUCKET`, digest).

    `name` is the Api's; `routes` are its paths.
    """

    name: str
    routes: tuple[str, ...]
    sam: Template
    expanded: Template
    dev_users: list[DevUserDeclaration]


def synthesize(path: Path, *, code_digest: str, region: str, cache_folder: Path | None) -> SynthesizedApp:
    """Import the app in this process and make its templates.

    Raises:
        AppFileError: the file is no app.
    """
    app = load_app(path)
    template = sam_template(app, code_uri={"Bucket": LOCAL_BUCKET, "Key": code_digest})
    return SynthesizedApp(
        name=app.api.name,
        routes=tuple(dict.fromkeys(route.path for route in app.api.routes)),
        sam=sam_template(app),
        expanded=_expanded(template, region, cache_folder),
        dev_users=dev_users(app),
    )


def _expanded(template: Template, region: str, cache_folder: Path | None) -> Template:
    text = json.dumps([template, region, version("aws-sam-translator"), version("velvetrope")], sort_keys=True)
    kept = None if cache_folder is None else cache_folder / f"{hashlib.sha256(text.encode()).hexdigest()}.json"
    if kept is not None and kept.exists():
        found: Template = json.loads(kept.read_bytes())
        return found
    from velvetrope.templates import expand_sam, parse_template

    expanded = expand_sam(parse_template(json.dumps(template)), region)
    document: Template = dict(expanded.document)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(f".{os.getpid()}")
        unfinished.write_text(json.dumps(document))
        unfinished.replace(kept)
    return document


class SynthChild:
    """A running child."""

    def __init__(self, process: asyncio.subprocess.Process, answer: asyncio.Task[bytes]) -> None:
        self._process = process
        self._answer = answer

    async def result(self) -> SynthesizedApp:
        """Wait for the child.

        Raises:
            AppFileError: as the child found it.
        """
        answer = await self._answer
        code = await self._process.wait()
        if not answer:
            raise AppFileError(f"The app file ended its own process (exit status {code}) while it was being read.")
        document: dict[str, Any] = json.loads(answer)
        if "error" in document:
            raise AppFileError(document["error"])
        users = [DevUserDeclaration(**user) for user in document["dev_users"]]
        return SynthesizedApp(document["name"], tuple(document["routes"]), document["sam"], document["expanded"], users)


async def start_synth(path: Path, *, code: CodePackage, region: str, cache_folder: Path) -> SynthChild:
    """Start the child; it works while the caller does something else."""
    reading, writing = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "velvetrope.synth",
            str(path),
            code.digest,
            region,
            str(cache_folder),
            str(writing),
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=(writing,),
            start_new_session=True,  # Ctrl-C at the terminal is for the server, which stops the child
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)

    def read_all() -> bytes:
        with os.fdopen(reading, "rb") as pipe:
            return pipe.read()

    return SynthChild(process, asyncio.create_task(asyncio.to_thread(read_all)))

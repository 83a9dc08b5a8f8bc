"""The child's side of `child`: `python -m velvetrope.synth APP DIGEST REGION CACHE DESCRIPTOR`."""

import gc
import hashlib
import json
import os
import sys
import threading
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from velvetrope.synth.app_file import load_app
from velvetrope.synth.child import LOCAL_BUCKET
from velvetrope.synth.errors import AppFileError
from velvetrope.synth.sam import Template, dev_users, sam_template


def synthesize(path: Path, *, code_digest: str, region: str, cache_folder: Path) -> dict[str, Any]:
    """The members of a `SynthesizedApp`, as JSON has them.

    Raises:
        AppFileError: the file is no app.
    """
    app = load_app(path)
    template = sam_template(app, code_uri={"Bucket": LOCAL_BUCKET, "Key": code_digest})
    return {
        "name": app.api.name,
        "routes": list(dict.fromkeys(route.path for route in app.api.routes)),
        "sam": sam_template(app),
        "expanded": _expanded(template, region, cache_folder),
        "dev_users": [asdict(user) for user in dev_users(app)],
    }


def _expanded(template: Template, region: str, cache_folder: Path) -> Template:
    text = json.dumps([template, region, version("aws-sam-translator"), version("velvetrope")], sort_keys=True)
    kept = cache_folder / f"{hashlib.sha256(text.encode()).hexdigest()}.json"
    if kept.exists():
        found: Template = json.loads(kept.read_bytes())
        return found
    from velvetrope.templates import expand_sam, parse_template
    from velvetrope.templates.errors import TransformFailed

    try:
        expanded: Template = dict(expand_sam(parse_template(json.dumps(template)), region).document)
    except TransformFailed as err:
        raise AppFileError(err.message) from err
    cache_folder.mkdir(parents=True, exist_ok=True)
    unfinished = kept.with_suffix(f".{os.getpid()}")
    unfinished.write_text(json.dumps(expanded))
    unfinished.replace(kept)
    return expanded


def _main() -> None:
    gc.disable()  # this process is over before there is garbage worth looking for
    path, digest, region, cache_folder, descriptor = sys.argv[1:]
    threading.Thread(target=_end_with_the_server, args=(int(descriptor),), daemon=True).start()
    document: dict[str, Any]
    try:
        document = synthesize(Path(path), code_digest=digest, region=region, cache_folder=Path(cache_folder))
    except AppFileError as err:
        document = {"error": str(err)}
    with os.fdopen(int(descriptor), "wb") as answer:
        answer.write(json.dumps(document).encode())


def _end_with_the_server(descriptor: int) -> None:
    """Nothing is ever sent to this process: what can be read is the end of whoever waits for it."""
    os.read(descriptor, 1)
    os._exit(1)


_main()

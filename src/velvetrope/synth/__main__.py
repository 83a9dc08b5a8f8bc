"""The child's side of `child`: `python -m velvetrope.synth APP DIGEST REGION CACHE DESCRIPTOR`."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from velvetrope.synth.app_file import AppFileError
from velvetrope.synth.child import synthesize


def _main() -> None:
    path, digest, region, cache_folder, descriptor = sys.argv[1:]
    document: dict[str, Any]
    try:
        app = synthesize(Path(path), code_digest=digest, region=region, cache_folder=Path(cache_folder))
        document = {**vars(app), "dev_users": [vars(user) for user in app.dev_users]}
    except AppFileError as err:
        document = {"error": str(err)}
    with os.fdopen(int(descriptor), "wb") as pipe:
        pipe.write(json.dumps(document).encode())


_main()

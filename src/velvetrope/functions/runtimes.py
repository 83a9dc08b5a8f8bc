"""The runtimes that we have, and what starts a function of each.

`python3.x` runs on the interpreter that runs the server, whichever 3.x was asked for, with that interpreter's installed
packages importable behind the function's own: so boto3, Powertools and `velvetrope.builder` are there as a layer would
bring them. `nodejs*.x` runs on the `node` of the server's `PATH`, whichever version that is, under a client of our own
(`velvetrope/zygote/node_runtime.mjs`), or under AWS's `aws-lambda-ric` if the code or a layer brings it; AWS's has a
part in C++ and cannot be installed everywhere. `provided*` runs the executable `bootstrap` of the code. Every other
runtime that AWS knows is refused by name, when the function is created.

Source: AWS Lambda Developer Guide, "Lambda runtimes"; the model's enum `Runtime`.
"""

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from velvetrope.functions.errors import InvalidParameterValueException

__all__ = ["NODE_CLIENT", "Node", "Runtime", "find_node", "find_node_client", "parse_runtime"]

NODE_CLIENT = Path(__file__).parents[1] / "zygote" / "node_runtime.mjs"

_PYTHON = re.compile(r"python3\.\d+")
_NODE = re.compile(r"nodejs\d+\.x")
_PROVIDED = frozenset({"provided", "provided.al2", "provided.al2023"})


@dataclass(frozen=True, slots=True)
class Runtime:
    """One runtime: its AWS name, and which of our ways starts it."""

    name: str
    kind: Literal["python", "nodejs", "provided"]


@dataclass(frozen=True, slots=True)
class Node:
    """A Node on this machine: the program, and the folder that it was installed in."""

    program: str
    folder: str


def parse_runtime(name: str) -> Runtime:
    """The runtime of that name.

    Raises:
        InvalidParameterValueException: not one that we can run.
    """
    if _PYTHON.fullmatch(name):
        return Runtime(name, "python")
    if _NODE.fullmatch(name):
        if find_node() is None:
            raise InvalidParameterValueException(
                f"The runtime {name} needs a node on the server's PATH, and there is none."
            )
        return Runtime(name, "nodejs")
    if name in _PROVIDED:
        return Runtime(name, "provided")
    raise InvalidParameterValueException(
        f"The runtime {name} is not supported here. "
        "Use python3.x, nodejs*.x, or provided.al2023 with an executable bootstrap."
    )


def find_node() -> Node | None:
    """The `node` of the server's `PATH`."""
    found = shutil.which("node")
    if found is None:
        return None
    program = os.path.realpath(found)
    return Node(program, str(Path(program).parents[1]))


def find_node_client(folder: Path) -> str | None:
    """Where AWS's client is among the Node modules of `folder`, from there; None if it is not."""
    package = folder / "node_modules" / "aws-lambda-ric"
    try:
        description = json.loads((package / "package.json").read_bytes())
        program = description["bin"]["aws-lambda-ric"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return os.path.normpath(f"node_modules/aws-lambda-ric/{program}") if (package / str(program)).is_file() else None

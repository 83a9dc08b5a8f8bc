"""The runtimes that we have, and what starts a function of each.

`python3.x` runs on the interpreter that runs the server, whichever 3.x was asked for, with that interpreter's installed
packages importable behind the function's own: so boto3, Powertools and `velvetrope.builder` are there as a layer would
bring them. `provided*` runs the executable `bootstrap` of the code. Every other runtime that AWS knows is refused by
name, when the function is created.

Source: AWS Lambda Developer Guide, "Lambda runtimes"; the model's enum `Runtime`.
"""

import re
from dataclasses import dataclass
from typing import Literal

from velvetrope.functions.errors import InvalidParameterValueException

__all__ = ["Runtime", "parse_runtime"]

_PYTHON = re.compile(r"python3\.\d+")
_PROVIDED = frozenset({"provided", "provided.al2", "provided.al2023"})


@dataclass(frozen=True, slots=True)
class Runtime:
    """One runtime: its AWS name, and which of our two ways starts it."""

    name: str
    kind: Literal["python", "provided"]


def parse_runtime(name: str) -> Runtime:
    """The runtime of that name.

    Raises:
        InvalidParameterValueException: not one that we can run.
    """
    if _PYTHON.fullmatch(name):
        return Runtime(name, "python")
    if name in _PROVIDED:
        return Runtime(name, "provided")
    raise InvalidParameterValueException(
        f"The runtime {name} is not supported here. Use python3.x, or provided.al2023 with an executable bootstrap."
    )

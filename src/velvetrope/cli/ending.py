"""How a command ends when it cannot do what was asked: exit status 1 and one sentence on stderr."""

import sys
from typing import NoReturn

import typer

__all__ = ["fail"]


def fail(sentence: str) -> NoReturn:
    """End the command."""
    print(f"velvetrope: {sentence}", file=sys.stderr)
    raise typer.Exit(1)

"""How a command ends when it cannot do what was asked: exit status 1 and one sentence on stderr."""

import sys
from typing import NoReturn

import typer

from velvetrope.cli.terminal import shown

__all__ = ["fail"]


def fail(sentence: str) -> NoReturn:
    """End the command."""
    print(f"velvetrope: {shown(sentence, lines=True)}", file=sys.stderr)
    raise typer.Exit(1)

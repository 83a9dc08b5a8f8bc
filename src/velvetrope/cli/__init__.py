"""The `velvetrope` command: parse arguments, call one function, print.

Only `typer` is imported at start; a command imports what it needs when it runs, so that `velvetrope --help` and the
start of the server stay quick.
"""

from velvetrope.cli.main import main

__all__ = ["main"]

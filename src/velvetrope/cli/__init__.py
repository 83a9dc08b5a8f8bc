"""The `velvetrope` command: parse arguments, call one function, print.

Only `typer` is imported at start; a command imports what it needs when it runs, so that `velvetrope --help` and the
start of the server stay quick.
"""

__all__ = ["main"]


def main() -> None:
    """The console script."""
    try:
        from velvetrope.cli.main import run_command_line
    except KeyboardInterrupt:  # Ctrl-C before there is anything to stop
        raise SystemExit(130) from None
    run_command_line()

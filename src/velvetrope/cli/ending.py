"""How a command ends when it cannot do what was asked: one sentence on stderr, and an exit status that says whose turn
it is.

    0    done
    1    it could not be done: a server that does not answer, a file that cannot be read, a rule that was broken
    2    the command line itself makes no sense: an unknown command or flag, a value that is no number
    130  Ctrl-C, before there was a server to stop

Faults of our own are the only thing that end in a traceback.
"""

import errno
import os
import sys
from collections.abc import Callable
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from velvetrope.cli.terminal import shown

__all__ = ["end_by", "fail", "reason_of"]

_OF_THE_MACHINE = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE, errno.ENFILE)
)
"""What an operating system may say at any time, whatever we do: no space, no right, no descriptors."""


def fail(sentence: str) -> NoReturn:
    """End the command."""
    _say(sentence)
    raise typer.Exit(1)


def reason_of(err: OSError | UnicodeError) -> str:
    """Why a file cannot be read or written, in words and without Python's numbers."""
    if isinstance(err, UnicodeError):
        return "it is not UTF-8 text"
    return err.strerror or str(err)


def end_by(command_line: Callable[[], int | None]) -> NoReturn:
    """Run `command_line` and end the process as it says; its own exit status wins."""
    try:
        status = command_line() or 0
        sys.stdout.flush()
    except TyperException as err:
        _say(_as_sentence(err))
        status = err.exit_code
    except (KeyboardInterrupt, typer.Abort):
        status = 130
    except BrokenPipeError:  # whoever read along has seen enough
        status = 1
        _drop_output()
    except OSError as err:
        if err.errno not in _OF_THE_MACHINE:
            raise
        what = "Not everything could be written" if err.filename is None else f"{err.filename} cannot be used"
        _say(f"{what}: {err.strerror}.")
        status = 1
        _drop_output()
    sys.exit(status)


def _say(sentence: str) -> None:
    print(f"velvetrope: {shown(sentence, lines=True)}", file=sys.stderr)


def _as_sentence(err: TyperException) -> str:
    """What typer has against a command line, and where to look."""
    parameter = getattr(err, "param", None)
    message = err.format_message().rstrip(".")
    if parameter is not None and err.message:
        # typer validates by pydantic's words: "Value error, 'x' is not one of …", "Input should be …, unable to …".
        words = err.message.removeprefix("Value error, ").split(", unable to")[0].rstrip(".")
        name = parameter.opts[0] if parameter.param_type_name == "option" else parameter.human_readable_name
        message = f"{name}: {words[:1].lower()}{words[1:]}"
    context = getattr(err, "ctx", None)
    command = "velvetrope" if context is None else context.command_path
    return f"{message}. See {command} --help."


def _drop_output() -> None:
    """What could not be written stays unwritten; Python would try again at the end, and complain of it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

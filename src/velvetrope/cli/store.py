"""`velvetrope store`: take everything that a server keeps to another place, and see whether it is sound.

No server is asked: the database is read itself, by whoever may read it and has the master keys. A URL with a password
is a variable, never an argument, which other users of the machine can read.
"""

import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn, Optional

import typer

from velvetrope.cli import options
from velvetrope.cli.ending import fail

if TYPE_CHECKING:
    from velvetrope.server.store_places import Place

__all__ = ["store_commands"]

store_commands = typer.Typer(name="store", help="Copy what a server keeps, or check it.")

_FROM, _TO = "VELVETROPE_STORE_FROM", "VELVETROPE_STORE_TO"

From = Annotated[
    Optional[str],  # noqa: UP045  typer documents Optional
    typer.Option(
        "--from",
        envvar=_FROM,
        metavar="STORE",
        help="A state folder, or postgresql://USER@HOST:5432/NAME; without it, what `serve` would use.",
    ),
]
To = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--to", envvar=_TO, metavar="STORE", help="The same: a new folder, or an empty PostgreSQL."),
]


@store_commands.command("copy")
def copy_store(
    context: typer.Context,
    source: From = None,
    target: To = None,
    state_folder: options.StateFolderPath = Path(".velvetrope"),
    store_url: options.StoreUrl = None,
) -> None:
    """Copy a store to a state folder or a PostgreSQL. The target is new, or empty; the store may be in use."""
    if target is None:
        fail("--to: name a new state folder, or an empty PostgreSQL.")
    with _told():
        from velvetrope.server.store_copies import copy_place
        from velvetrope.server.store_places import FolderPlace

        _refuse_password(context, "source", "--from", source, _FROM)
        _refuse_password(context, "target", "--to", target, _TO)
        here = _place(source) if source is not None else _own_place(state_folder, store_url)
        there = _place(target)
        with _interruptible():
            copied = copy_place(here, there, keys_folder=state_folder.absolute(), told=_tell)
        print(f"{copied.rows:,} rows of {copied.tables} tables were copied, read back, and are the same.")
        serve = ["serve", *_flags_of_before(here.path if isinstance(here, FolderPlace) else state_folder)]
        if isinstance(there, FolderPlace):
            serve += ["--state-folder", str(there.path)]
            print(f"Start a server with it:  velvetrope {shlex.join(serve)}")
            print("Whoever has the folder can open all that is in it: master keys and root access key came along.")
        else:
            print(f"Start servers with it:  VELVETROPE_STORE_URL=postgresql://… velvetrope {shlex.join(serve)}")
            print("Each with master-keys.json and root-access-key.json of the state folder that it came from.")
        print("What was done at the source since it began is not in it; nor are the logs of functions.")


@store_commands.command("check")
def check_store(
    context: typer.Context,
    store: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(
            metavar="[STORE]",
            envvar=_FROM,
            help="A state folder, or postgresql://USER@HOST:5432/NAME; without it, what `serve` would use.",
        ),
    ] = None,
    state_folder: options.StateFolderPath = Path(".velvetrope"),
    store_url: options.StoreUrl = None,
) -> None:
    """Say what is wrong with a store. It is read whole, used or not. Exit status 1 if anything is."""
    with _told():
        from velvetrope.server.store_copies import check_place

        _refuse_password(context, "store", "STORE", store, _FROM)
        place = _place(store) if store is not None else _own_place(state_folder, store_url)
        count = 0
        with _interruptible():
            for fault in check_place(place, keys_folder=state_folder.absolute()):
                print(fault)
                count += 1
    if count:
        raise typer.Exit(1)
    print("Everything can be read, belongs together, and was sealed by the master keys that are here.")


def _place(text: str) -> "Place":
    from velvetrope.server.store_places import parse_place

    return parse_place(text)


def _own_place(state_folder: Path, store_url: str | None) -> "Place":
    """What `serve` would use with the same settings."""
    return _place(str(state_folder) if store_url is None else store_url)


def _flags_of_before(folder: Path) -> list[str]:
    """What the server that ran last with the folder was told and is in no store, though ARNs and issuers are made of
    it; as far as it is not what a server is anyway."""
    from velvetrope.server.settings import Settings
    from velvetrope.server.state_folder import StateFolderError, read_connection

    try:
        connection = read_connection(folder)
    except StateFolderError:
        return []  # none has, on this machine
    config, default = connection["config"], Settings()
    flags = [
        flag
        for name in ("region", "account_id")
        if config[name] != getattr(default, name)
        for flag in (f"--{name.replace('_', '-')}", config[name])
    ]
    if config["endpoint_url"] != f"http://{connection['listening_address']}":
        flags += ["--public-url", config["endpoint_url"]]
    return flags


def _refuse_password(context: typer.Context, parameter: str, flag: str, text: str | None, variable: str) -> None:
    """Other users of the machine have read it by now; whoever typed it is to know."""
    from velvetrope.server.store_places import PostgresPlace

    source = context.get_parameter_source(parameter)
    if text is None or source is None or source.name != "COMMANDLINE":
        return
    place = _place(text)
    if isinstance(place, PostgresPlace) and place.has_password:
        fail(
            f"{flag}: a password in an argument is read by every user of the machine. Set {variable}, or leave the "
            "password to libpq's password file; and choose another one."
        )


def _tell(table: str, rows: int) -> None:
    """On a terminal, how far it is."""
    if sys.stderr.isatty():
        print(f"  {table}  {rows:,}", file=sys.stderr)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM end what is under way, and leave nothing half done."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        print("velvetrope: Interrupted; nothing was changed.", file=sys.stderr)
        raise
    finally:
        signal.signal(signal.SIGTERM, former)


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong in the block ends the command with a sentence."""
    from velvetrope.errors import VelvetropeError

    try:
        yield
    except VelvetropeError as err:
        fail(str(err))

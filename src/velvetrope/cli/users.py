"""`velvetrope users`: the people of a user pool, for somebody at a terminal.

Everything is asked of the running server by AWS's own operations (AdminCreateUser, ListUsers …), signed with the root
key, so the pool's rules hold here too. Passwords are asked for without echo, or read from standard input with
`--password-stdin`; they are never an argument, which other users of the machine could read.
"""

import shlex
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Optional

import typer

from velvetrope.cli import options
from velvetrope.cli.ending import fail
from velvetrope.cli.terminal import shown
from velvetrope.cli.user_directory import UserDirectory, UsersError, attributes_of
from velvetrope.secret import Secret

__all__ = ["user_commands"]

_NOT_TEXT = "The password is not UTF-8 text."

user_commands = typer.Typer(name="users", help="Add, list, disable, export and import users.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")]
Pool = Annotated[
    Optional[str],  # noqa: UP045  typer documents Optional
    typer.Option("--pool", help="The pool's id or name; not needed if there is only one."),
]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, up to the end of the line.")
]
Temporary = Annotated[bool, typer.Option("--temporary", help="Whoever signs in with it has to choose another one.")]


@user_commands.command("list")
def list_users(pool: Pool = None, state_folder: options.StateFolderPath = Path(".velvetrope")) -> None:
    """List the users of a pool."""
    with _Told():
        people = UserDirectory.open(state_folder, pool)
        rows = [("NAME", "STATUS", "ENABLED", "EMAIL", "CREATED")]
        for user in people.users():
            attributes = attributes_of(user)
            enabled = "yes" if user["Enabled"] else "no"
            created = f"{user['UserCreateDate']:%Y-%m-%d %H:%M}"
            name, email = shown(user["Username"]), shown(attributes.get("email", ""))
            rows.append((name, user["UserStatus"], enabled, email, created))
        if len(rows) == 1:
            print(f"Nobody is in the pool {people.pool_name} yet. To add somebody: velvetrope users add NAME")
            return
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@user_commands.command()
def add(
    name: Name,
    email: Annotated[Optional[str], typer.Option("--email", help="A mail address, taken to be verified.")] = None,  # noqa: UP045
    phone: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--phone", help="A phone number as +15555550100, taken to be verified."),
    ] = None,
    group: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--group", help="A group of the pool; may be repeated."),
    ] = None,
    temporary: Temporary = False,
    password_stdin: PasswordStdin = False,
    pool: Pool = None,
    state_folder: options.StateFolderPath = Path(".velvetrope"),
) -> None:
    """Add a user who can sign in at once, with a password that you choose. No message is sent."""
    with _Told():
        people = UserDirectory.open(state_folder, pool)
        groups = list(dict.fromkeys(group or []))
        people.check_groups(groups)
        password = _new_password(stdin=password_stdin)
        people.add(name, password, email=email, phone=phone, groups=groups, temporary=temporary)
        print(f"Added {name} to the pool {people.pool_name}.")


@user_commands.command("set-password")
def set_password(
    name: Name,
    temporary: Temporary = False,
    password_stdin: PasswordStdin = False,
    pool: Pool = None,
    state_folder: options.StateFolderPath = Path(".velvetrope"),
) -> None:
    """Give a user another password."""
    with _Told():
        people = UserDirectory.open(state_folder, pool)
        people.check_user(name)
        people.set_password(name, _new_password(stdin=password_stdin), temporary=temporary)
        print(f"{name} has another password.")


@user_commands.command()
def disable(name: Name, pool: Pool = None, state_folder: options.StateFolderPath = Path(".velvetrope")) -> None:
    """Keep a user from signing in; tokens that are out are refused wherever they are looked up."""
    with _Told():
        UserDirectory.open(state_folder, pool).call("admin_disable_user", Username=name)
        print(f"{name} cannot sign in any more. To undo: velvetrope users enable {_argument(name)}")


@user_commands.command()
def enable(name: Name, pool: Pool = None, state_folder: options.StateFolderPath = Path(".velvetrope")) -> None:
    """Let a disabled user sign in again."""
    with _Told():
        UserDirectory.open(state_folder, pool).call("admin_enable_user", Username=name)
        print(f"{name} can sign in.")


@user_commands.command()
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    pool: Pool = None,
    state_folder: options.StateFolderPath = Path(".velvetrope"),
) -> None:
    """Delete a user for good."""
    with _Told():
        people = UserDirectory.open(state_folder, pool)
        people.check_user(name)
        if not yes and not _confirmed(f"Delete {name} from the pool {people.pool_name}? This cannot be undone."):
            raise UsersError("Nothing was deleted.")
        people.call("admin_delete_user", Username=name)
        print(f"Deleted {name}.")


@user_commands.command()
def export(
    output: Annotated[str, typer.Option("--format", help="csv or json.")] = "csv",
    pool: Pool = None,
    state_folder: options.StateFolderPath = Path(".velvetrope"),
) -> None:
    """Print all users of a pool with their attributes and groups; nobody's password."""
    with _Told():
        if output not in ("csv", "json"):
            raise UsersError(f"--format {output}: it is csv or json.")
        people = UserDirectory.open(state_folder, pool)
        text = people.as_csv() if output == "csv" else people.as_json()
        # A file gets what there is; a terminal obeys nothing of it.
        print(shown(text, lines=True) if sys.stdout.isatty() else text, end="")


@user_commands.command("import")
def import_users(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", readable=False, help="What `users export` printed, or a CSV file of your own."),
    ],
    pool: Pool = None,
    state_folder: options.StateFolderPath = Path(".velvetrope"),
) -> None:
    """Bring users in from a CSV file; they choose a password by resetting it. Who is there already is left alone."""
    from velvetrope.cli.user_imports import UserImport

    with _Told():
        people = UserDirectory.open(state_folder, pool)
        outcome = UserImport.read(file, people).run(state_folder)
        for line in outcome.problems:
            print(shown(line))
        print(
            f"Imported {outcome.imported} into the pool {people.pool_name}; "
            f"{outcome.skipped} were there already, {outcome.failed} could not be imported."
        )
        if outcome.federated:
            print(f"Left out {outcome.federated} who sign in with an identity provider.")
        if outcome.failed or outcome.refused:
            raise UsersError(outcome.refused or "Not everybody was imported.")


class _Told:
    """Ends the command with one sentence when something that a person can mend went wrong."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, _traceback: object) -> None:
        from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, ParamValidationError

        from velvetrope.cli.owner import NoAnswer, nobody_answers
        from velvetrope.server.state_folder import StateFolderError

        if isinstance(err, (UsersError, NoAnswer, StateFolderError)):
            fail(str(err))
        if isinstance(err, ClientError):
            fail(err.response["Error"]["Message"])
        if isinstance(err, ParamValidationError):
            fail(str(err).splitlines()[-1])
        if isinstance(err, EndpointConnectionError):
            fail(nobody_answers(err.kwargs["endpoint_url"].rstrip("/")))
        if isinstance(err, BotoCoreError):
            fail(f"The server did not answer: {err}")


def _new_password(*, stdin: bool) -> Secret[str]:
    if stdin:
        try:
            password = sys.stdin.readline().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise UsersError(_NOT_TEXT) from None
        if not password:
            raise UsersError("There was no password on standard input.")
        return _text(password)
    while True:
        password = _prompt("Password: ")
        if not password:
            print("A password has at least one character.", file=sys.stderr)
        elif _prompt("The same again: ") == password:
            return _text(password)
        else:
            print("The two differ. Once more.", file=sys.stderr)


def _text(password: str) -> Secret[str]:
    """The password, if it is text: Python reads other bytes as halves of surrogates where the locale is `C`."""
    try:
        password.encode()
    except UnicodeEncodeError:
        raise UsersError(_NOT_TEXT) from None
    return Secret(password)


def _argument(name: str) -> str:
    """A name as it is typed to a shell, which makes a command of `$(…)`; people choose their names themselves."""
    return f"-- {shlex.quote(name)}" if name.startswith("-") else shlex.quote(name)


def _prompt(words: str) -> str:
    import getpass

    try:
        with warnings.catch_warnings():
            # Without a terminal `getpass` would read standard input, and show what is typed.
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(words)
    except getpass.GetPassWarning:
        raise UsersError("There is no terminal to ask for a password at. Use --password-stdin.") from None
    except UnicodeDecodeError:
        raise UsersError(_NOT_TEXT) from None
    except (EOFError, KeyboardInterrupt):
        raise UsersError("No password was given; nothing was changed.") from None


def _confirmed(question: str) -> bool:
    answers: Mapping[str, bool] = {"y": True, "yes": True, "n": False, "no": False, "": False}
    while True:
        try:
            answer = input(f"{question} [y/N] ").strip().lower()
        except (EOFError, KeyboardInterrupt, UnicodeDecodeError):
            return False
        if answer in answers:
            return answers[answer]
        print("Please answer y or n.", file=sys.stderr)

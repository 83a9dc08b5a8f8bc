"""The commands and their flags. How they end is said in `ending`."""

import io
import json
import os
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, Optional

import typer

from velvetrope import __version__
from velvetrope.cli import options
from velvetrope.cli.ending import end_by, fail
from velvetrope.cli.options import ServerFlags, with_server_flags
from velvetrope.cli.policy import policy_commands
from velvetrope.cli.store import store_commands
from velvetrope.cli.users import user_commands

if TYPE_CHECKING:
    from velvetrope.server.settings import Settings

__all__ = ["run_command_line"]

_cli = typer.Typer(
    name="velvetrope",
    help="Write your routes and say who may call them. Run it, test it and refuse people on your laptop.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_cli.add_typer(policy_commands)
_cli.add_typer(store_commands)
_cli.add_typer(user_commands)

_SECRET_VARIABLES = (
    "VELVETROPE_ROOT_SECRET_ACCESS_KEY",
    "VELVETROPE_SMTP_URL",
    "VELVETROPE_SMS_WEBHOOK_TOKEN",
    "VELVETROPE_STORE_FROM",
    "VELVETROPE_STORE_TO",
    "VELVETROPE_STORE_URL",
)

AppFile = Annotated[Path, typer.Argument(metavar="APP", readable=False, help="The Python file that declares the app.")]


def run_command_line() -> NoReturn:
    """Do what the command line says, and end the process."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file's name need not be text; it is printed as it was given (PEP 383).
        sys.stdout.reconfigure(errors="surrogateescape")
    end_by(lambda: _cli(prog_name="velvetrope", standalone_mode=False))


@_cli.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)] = False,
) -> None:
    if version:
        print(f"velvetrope {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


@_cli.command()
@with_server_flags
def demo(server: ServerFlags) -> None:
    """Run the demo: an open route, and one behind the rope. Its page at / tries both."""
    app, site = _demo_files()
    _run(_try_out(server, site), app, reload=True)


@_cli.command()
@with_server_flags
def dev(
    server: ServerFlags,
    app: AppFile,
    site: Annotated[
        Optional[Path],  # noqa: UP045  typer documents Optional
        typer.Option(help="A folder with a built web page to serve at /."),
    ] = None,
    reload: Annotated[bool, typer.Option(help="Apply the app again whenever its files change.")] = True,
) -> None:
    """Run an app file; apply it again when it changes. Its locks are on from the first second."""
    _run(_try_out(server, site), app, reload=reload)


@_cli.command()
@with_server_flags
def serve(
    server: ServerFlags,
    public_url: options.PublicUrl = None,
    config_for_browsers: Annotated[
        bool,
        typer.Option(
            "--config-for-browsers",
            envvar="VELVETROPE_CONFIG_FOR_BROWSERS",
            help="Serve /_velvetrope/config.json to anybody who asks.",
        ),
    ] = False,
    gateway_cors: Annotated[
        bool,
        typer.Option(
            "--gateway-cors/--no-gateway-cors",
            envvar="VELVETROPE_GATEWAY_CORS",
            help="Put CORS headers on API Gateway's own refusals; AWS does not.",
        ),
    ] = False,
    functions_as_root: Annotated[
        bool,
        typer.Option(
            "--functions-as-root",
            envvar="VELVETROPE_FUNCTIONS_AS_ROOT",
            help="Where root can keep functions apart by no means, run them as root all the same.",
        ),
    ] = False,
) -> None:
    """Run the server with no app. Make pools, APIs and functions through AWS's own operations."""
    settings = _settings(
        server,
        public_url=public_url,
        config_for_browsers=config_for_browsers,
        gateway_cors=gateway_cors,
        durable=True,
        functions_as_root=functions_as_root,
    )
    _run(settings, None, reload=False)


@_cli.command()
def synth(app: AppFile) -> None:
    """Print the SAM template of an app file."""
    from velvetrope.synth.app_file import load_app
    from velvetrope.synth.errors import AppFileError
    from velvetrope.synth.sam import render_template, sam_template

    try:
        declaration = load_app(app)
    except AppFileError as err:
        fail(str(err))
    print(render_template(sam_template(declaration)), end="")


@_cli.command()
def package(
    app: AppFile,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", readable=False, help="A folder that is not there yet, or empty.")
    ],
) -> None:
    """Write a folder that AWS SAM deploys. It has the template, and the code with what the app file imports."""
    from velvetrope.synth.deployment import write_deployment
    from velvetrope.synth.errors import AppFileError

    try:
        write_deployment(app, folder)
    except AppFileError as err:
        fail(str(err))
    print(f"Wrote {folder / 'template.yaml'}. To deploy it: cd {folder} && sam build && sam deploy --guided")


@_cli.command()
def env(
    state_folder: options.StateFolderPath = Path(".velvetrope"),
    output: Annotated[str, typer.Option("--format", help="shell, json or amplify.")] = "shell",
    root_key: Annotated[bool, typer.Option("--root-key", help="Export the root access key too (shell only).")] = False,
) -> None:
    """Print what other tools need to reach this server."""
    from velvetrope.cli.environment import amplify_configuration, shell_exports
    from velvetrope.server.state_folder import StateFolderError, read_connection

    if output not in ("shell", "json", "amplify"):
        fail(f"--format {output}: it is shell, json or amplify.")
    if root_key and output != "shell":
        fail("--root-key goes with --format shell: the other forms are for browsers.")
    try:
        connection = read_connection(state_folder)
        match output:
            case "json":
                print(json.dumps(connection["config"], indent=2))
            case "amplify":
                print(amplify_configuration(connection["config"]))
            case _:
                print(shell_exports(connection, state_folder, with_root_key=root_key))
    except StateFolderError as err:
        fail(err.message)


@_cli.command()
def trust(
    state_folder: options.StateFolderPath = Path(".velvetrope"),
    undo: Annotated[bool, typer.Option("--undo", help="Take it back.")] = False,
) -> None:
    """Have this machine trust the server's certificates. Browsers warn at the sign-in page without it."""
    from velvetrope.cli.trust import TrustError, run_steps, trust_steps, untrust_steps
    from velvetrope.server.state_folder import StateFolderError, read_connection

    try:
        certificate = Path(read_connection(state_folder)["ca_certificate"])
        steps = untrust_steps(certificate, Path.home()) if undo else trust_steps(certificate, Path.home())
        if not steps:
            print("Nothing to undo: the certificate authority is not installed here.")
            return
        for step in steps:
            print(f"  {step.words}")
        run_steps(steps)
    except (StateFolderError, TrustError) as err:
        fail(str(err))
    if undo:
        print("Done. This machine no longer trusts the server's certificates.")
    else:
        print("Done. Restart browsers that are running. To undo: velvetrope trust --undo")


@_cli.command()
def explain(
    request_id: Annotated[
        Optional[str],  # noqa: UP045  typer documents Optional
        typer.Argument(metavar="REQUEST_ID", help="x-amzn-RequestId of an answer; without it, the last refusals."),
    ] = None,
    state_folder: options.StateFolderPath = Path(".velvetrope"),
) -> None:
    """Say why a request was refused, or let in."""
    from velvetrope.cli.explain import explain_request
    from velvetrope.cli.owner import NoAnswer
    from velvetrope.server.state_folder import StateFolderError

    try:
        print(explain_request(state_folder, request_id))
    except (NoAnswer, StateFolderError) as err:
        fail(str(err))


@_cli.command()
def mailbox(
    to: Annotated[
        Optional[str],  # noqa: UP045  typer documents Optional
        typer.Option("--to", help="Only what went to this address or number."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", help="How many messages, at most 100.")] = 10,
    state_folder: options.StateFolderPath = Path(".velvetrope"),
) -> None:
    """Show what user pools wrote to people. Prints a link to the same in a browser."""
    from velvetrope.cli.mailbox import show_mailbox
    from velvetrope.cli.owner import NoAnswer
    from velvetrope.server.state_folder import StateFolderError

    try:
        print(show_mailbox(state_folder, to=to, limit=limit))
    except (NoAnswer, StateFolderError) as err:
        fail(str(err))


@_cli.command("rotate-keys")
def rotate_keys(
    user_pool_id: Annotated[str, typer.Argument(metavar="USER_POOL_ID", help="The user pool's id.")],
    at_once: Annotated[
        bool, typer.Option("--at-once", help="A private key got out: no overlap, tokens signed before are refused.")
    ] = False,
    state_folder: options.StateFolderPath = Path(".velvetrope"),
) -> None:
    """Give a user pool new signing keys. The old ones verify until the last token they signed is dead."""
    from velvetrope.cli.owner import NoAnswer
    from velvetrope.cli.signing_keys import rotate_signing_keys
    from velvetrope.server.state_folder import StateFolderError

    try:
        print(rotate_signing_keys(state_folder, user_pool_id, at_once=at_once))
    except (NoAnswer, StateFolderError) as err:
        fail(str(err))


@_cli.command("rotate-master-key")
def rotate_master_key(state_folder: options.StateFolderPath = Path(".velvetrope")) -> None:
    """Seal with a new master key from the next start on. What the former ones sealed still opens, sessions included."""
    from velvetrope.cli.master_key import rotate
    from velvetrope.server.state_folder import StateFolderError

    try:
        print(rotate(state_folder))
    except StateFolderError as err:
        fail(str(err))


@_cli.command()
def logs(
    function: Annotated[
        str, typer.Argument(metavar="FUNCTION", help="The function's name, or a part that only it has.")
    ],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    since: Annotated[str, typer.Option(help="From when on: 30s, 10m, 2h, 1d, 1w ago, or an ISO 8601 time.")] = "10m",
    request_id: Annotated[
        Optional[str],  # noqa: UP045  typer documents Optional
        typer.Option(help="The lines of one invocation, by its x-amzn-RequestId."),
    ] = None,
    stream_names: Annotated[bool, typer.Option("--stream-names", help="Say which log stream each line is of.")] = False,
    state_folder: options.StateFolderPath = Path(".velvetrope"),
) -> None:
    """Print what a function printed. Lambda's own lines about it (START, END, REPORT) are there too."""
    from velvetrope.cli.logs import print_logs
    from velvetrope.cli.owner import NoAnswer
    from velvetrope.server.state_folder import StateFolderError

    try:
        print_logs(state_folder, function, since=since, follow=follow, request_id=request_id, stream_names=stream_names)
    except (NoAnswer, StateFolderError) as err:
        fail(str(err))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _demo_files() -> tuple[Path, Path]:
    """The demo's app file and built page: of this checkout, or carried by the wheel."""
    import velvetrope

    package = Path(velvetrope.__file__).parent
    folders = (package.parents[1] / "examples" / "auth-api-demo", package / "_demo")
    folder = next((folder for folder in folders if (folder / "app.py").is_file()), None)
    if folder is None:
        fail("This installation of velvetrope does not carry the demo.")
    site = folder / "web" / "dist"
    if not (site / "index.html").is_file():
        fail("The demo's page is not built. Run `make demo`, which builds it and starts the demo.")
    return folder / "app.py", site


def _settings(server: ServerFlags, **of_command: str | bool | Path | None) -> "Settings":
    """The settings that the flags of a command make; a wrong one ends it."""
    from velvetrope.secret import Secret
    from velvetrope.server.settings import RootAccessKey, Settings, SettingsError

    shared = {field.name: getattr(server, field.name) for field in fields(server)}
    for name in ("store_url", "smtp_url", "sms_webhook_token"):
        shared[name] = None if shared[name] is None else Secret(shared[name])
    key_id, secret = shared.pop("root_access_key_id"), shared.pop("root_secret_access_key")
    if (key_id is None) != (secret is None):
        fail("VELVETROPE_ROOT_ACCESS_KEY_ID and VELVETROPE_ROOT_SECRET_ACCESS_KEY go together; one is missing.")
    root_access_key = None if key_id is None else RootAccessKey(key_id, Secret(secret))
    try:
        return Settings(root_access_key=root_access_key, **shared, **of_command)  # type: ignore[arg-type]  # the commands above give each its type
    except SettingsError as err:
        fail(err.message)


def _try_out(server: ServerFlags, site: Path | None) -> "Settings":
    """The settings of somebody who tries an app of their own out, on their own machine."""
    return _settings(server, config_for_browsers=True, durable=False, site_folder=site, functions_as_root=True)


def _run(settings: "Settings", app: Path | None, *, reload: bool) -> None:
    from velvetrope.cli.invocation import Invocation
    from velvetrope.cli.narrator import Narrator
    from velvetrope.errors import VelvetropeError
    from velvetrope.server.running import run
    from velvetrope.synth.errors import AppFileError

    # What the server was told in secret is not for the functions it starts, nor for anybody who reads its environment.
    for told_in_secret in _SECRET_VARIABLES:
        os.environ.pop(told_in_secret, None)
    invocation = Invocation.of_this_process(settings.state_folder)
    try:
        run(settings, app=app, reload=reload, narrator=Narrator(sys.stdout, invocation))
    except (VelvetropeError, AppFileError) as err:
        fail(str(err))

"""The commands and their flags. Each one ends with exit status 0, or 1 and one sentence on stderr."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, Optional

import typer

from velvetrope import __version__
from velvetrope.cli import options
from velvetrope.cli.policy import policy_commands

if TYPE_CHECKING:
    from velvetrope.server.settings import Settings

__all__ = ["main"]

_cli = typer.Typer(
    name="velvetrope",
    help="Write your routes and say who may call them. Run it, test it and refuse people on your laptop.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_cli.add_typer(policy_commands)

AppFile = Annotated[Path, typer.Argument(metavar="APP", help="The Python file that declares the app.")]


def main() -> None:
    """The console script."""
    _cli()


@_cli.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)] = False,
) -> None:
    if version:
        print(f"velvetrope {__version__}")
        raise typer.Exit


@_cli.command()
def demo(
    host: options.Host = "localhost",
    port: options.Port = 4800,
    state_folder: options.StateFolderPath = Path(".velvetrope"),
    region: options.Region = "us-west-2",
    account_id: options.AccountId = "123456789012",
    root_access_key_id: options.RootAccessKeyId = None,
    root_secret_access_key: options.RootSecretAccessKey = None,
) -> None:
    """Run the demo: one open route, one behind the velvet rope, and a page to try both."""
    app, site = _demo_files()
    settings = _settings(
        host=host,
        port=port,
        state_folder=state_folder,
        region=region,
        account_id=account_id,
        public_url=None,
        root_key=(root_access_key_id, root_secret_access_key),
        config_for_browsers=True,
        durable=False,
        site_folder=site,
    )
    _run(settings, app, reload=True)


@_cli.command()
def dev(
    app: AppFile,
    host: options.Host = "localhost",
    port: options.Port = 4800,
    state_folder: options.StateFolderPath = Path(".velvetrope"),
    region: options.Region = "us-west-2",
    account_id: options.AccountId = "123456789012",
    site: Annotated[
        Optional[Path],  # noqa: UP045  typer documents Optional
        typer.Option(help="A folder with a built web page to serve at /."),
    ] = None,
    reload: Annotated[bool, typer.Option(help="Apply the app again whenever its files change.")] = True,
    root_access_key_id: options.RootAccessKeyId = None,
    root_secret_access_key: options.RootSecretAccessKey = None,
) -> None:
    """Run an app file with its locks on, and apply it again when it changes."""
    settings = _settings(
        host=host,
        port=port,
        state_folder=state_folder,
        region=region,
        account_id=account_id,
        public_url=None,
        root_key=(root_access_key_id, root_secret_access_key),
        config_for_browsers=True,
        durable=False,
        site_folder=site,
    )
    _run(settings, app, reload=reload)


@_cli.command()
def serve(
    host: options.Host = "localhost",
    port: options.Port = 4800,
    state_folder: options.StateFolderPath = Path(".velvetrope"),
    region: options.Region = "us-west-2",
    account_id: options.AccountId = "123456789012",
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
    root_access_key_id: options.RootAccessKeyId = None,
    root_secret_access_key: options.RootSecretAccessKey = None,
) -> None:
    """Run the server with no app: make pools, APIs and functions through AWS's own operations."""
    settings = _settings(
        host=host,
        port=port,
        state_folder=state_folder,
        region=region,
        account_id=account_id,
        public_url=public_url,
        root_key=(root_access_key_id, root_secret_access_key),
        config_for_browsers=config_for_browsers,
        gateway_cors=gateway_cors,
        durable=True,
        site_folder=None,
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
        _fail(str(err))
    print(render_template(sam_template(declaration)), end="")


@_cli.command()
def env(
    state_folder: options.StateFolderPath = Path(".velvetrope"),
    output: Annotated[str, typer.Option("--format", help="shell, json or amplify.")] = "shell",
    root_key: Annotated[bool, typer.Option("--root-key", help="Export the root access key too (shell only).")] = False,
) -> None:
    """Print what other people's tools need to reach this server."""
    from velvetrope.cli.environment import amplify_configuration, shell_exports
    from velvetrope.server.state_folder import StateFolderError, read_connection

    if output not in ("shell", "json", "amplify"):
        _fail(f"--format {output}: it is shell, json or amplify.")
    if root_key and output != "shell":
        _fail("--root-key goes with --format shell: the other forms are for browsers.")
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
        _fail(err.message)


@_cli.command()
def trust(
    state_folder: options.StateFolderPath = Path(".velvetrope"),
    undo: Annotated[bool, typer.Option("--undo", help="Take it back.")] = False,
) -> None:
    """Have this machine trust the server's certificates, for sign-in over https."""
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
        _fail(str(err))
    if undo:
        print("Done. This machine no longer trusts the server's certificates.")
    else:
        print("Done. Restart browsers that are running. To undo: velvetrope trust --undo")


@_cli.command()
def explain(
    request_id: Annotated[
        Optional[str],  # noqa: UP045  typer documents Optional
        typer.Argument(help="x-amzn-RequestId of an answer; without it, the last refusals."),
    ] = None,
    state_folder: options.StateFolderPath = Path(".velvetrope"),
) -> None:
    """Say why a request was refused, or let in."""
    from velvetrope.cli.explain import ExplainError, explain_request
    from velvetrope.server.state_folder import StateFolderError

    try:
        print(explain_request(state_folder, request_id))
    except (ExplainError, StateFolderError) as err:
        _fail(str(err))


def _demo_files() -> tuple[Path, Path]:
    """The demo's app file and built page: of this checkout, or carried by the wheel."""
    import velvetrope

    package = Path(velvetrope.__file__).parent
    folders = (package.parents[1] / "examples" / "auth-api-demo", package / "_demo")
    folder = next((folder for folder in folders if (folder / "app.py").is_file()), None)
    if folder is None:
        _fail("This installation of velvetrope does not carry the demo.")
    site = folder / "web" / "dist"
    if not (site / "index.html").is_file():
        _fail("The demo's page is not built. Run `make demo`, which builds it and starts the demo.")
    return folder / "app.py", site


def _settings(
    *, root_key: tuple[str | None, str | None], state_folder: Path, **given: str | int | bool | Path | None
) -> "Settings":
    from velvetrope.secret import Secret
    from velvetrope.server.settings import RootAccessKey, Settings, SettingsError

    key_id, secret = root_key
    if (key_id is None) != (secret is None):
        _fail("VELVETROPE_ROOT_ACCESS_KEY_ID and VELVETROPE_ROOT_SECRET_ACCESS_KEY go together; one is missing.")
    root_access_key = RootAccessKey(key_id, Secret(secret)) if key_id is not None and secret is not None else None
    try:
        settings = Settings(state_folder=state_folder, root_access_key=root_access_key, **given)  # type: ignore[arg-type]  # the commands above give each its type
    except SettingsError as err:
        _fail(err.message)
    return settings


def _run(settings: "Settings", app: Path | None, *, reload: bool) -> None:
    from velvetrope.cli.narrator import Narrator
    from velvetrope.errors import VelvetropeError
    from velvetrope.server.running import run
    from velvetrope.synth.errors import AppFileError

    # What the server was told in secret is not for the functions it starts, nor for anybody who reads its environment.
    os.environ.pop("VELVETROPE_ROOT_SECRET_ACCESS_KEY", None)
    try:
        run(settings, app=app, reload=reload, narrator=Narrator(sys.stdout))
    except (VelvetropeError, AppFileError) as err:
        _fail(str(err))


def _fail(sentence: str) -> NoReturn:
    print(f"velvetrope: {sentence}", file=sys.stderr)
    raise typer.Exit(1)

"""The flags that several commands share, each with its environment variable.

    @_cli.command()
    @with_server_flags
    def serve(server: ServerFlags, public_url: PublicUrl = None) -> None: ...

A command that starts a server takes all of `ServerFlags` as flags of its own; what is added there is at once a flag of
every such command.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Concatenate, Optional, ParamSpec, get_type_hints

import typer

__all__ = [
    "AccessLog",
    "AccessLogFormat",
    "AccountId",
    "AllowLinkLocalBackends",
    "DatabaseDoor",
    "DatabasePasswords",
    "DatabasePort",
    "DatabaseResourceId",
    "Host",
    "MailFrom",
    "Port",
    "PublicUrl",
    "Region",
    "RootAccessKeyId",
    "RootSecretAccessKey",
    "ServerFlags",
    "SmsWebhookToken",
    "SmsWebhookUrl",
    "SmtpUrl",
    "StateFolderPath",
    "StoreUrl",
    "with_server_flags",
]

P = ParamSpec("P")

# Typer reads annotations at run time, and Optional is what it documents for flags without a default.
Host = Annotated[
    str, typer.Option("--host", envvar="VELVETROPE_HOST", help="Address to listen on; localhost is loopback only.")
]
Port = Annotated[int, typer.Option("--port", envvar="VELVETROPE_PORT", help="Port to listen on; 0 picks a free one.")]
StateFolderPath = Annotated[
    Path,
    # Whether it can be read is for the state folder to say, in its own words; so with every file that is named.
    typer.Option(
        "--state-folder",
        envvar="VELVETROPE_STATE_FOLDER",
        readable=False,
        help="Where users, keys and tokens are kept.",
    ),
]
Region = Annotated[str, typer.Option("--region", envvar="VELVETROPE_REGION", help="The AWS region to be.")]
AccountId = Annotated[
    str, typer.Option("--account-id", envvar="VELVETROPE_ACCOUNT_ID", help="The AWS account to be: 12 digits.")
]
PublicUrl = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--public-url", envvar="VELVETROPE_PUBLIC_URL", help="Where others reach this server; becomes the token issuer."
    ),
]
RootAccessKeyId = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--root-access-key-id", envvar="VELVETROPE_ROOT_ACCESS_KEY_ID", help="A preset root access key."),
]
RootSecretAccessKey = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        envvar="VELVETROPE_ROOT_SECRET_ACCESS_KEY",
        help="Its secret. Set the variable: a flag would be seen by every user of the machine.",
        hidden=True,
    ),
]
StoreUrl = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        envvar="VELVETROPE_STORE_URL",
        help="The PostgreSQL that nodes share. Set the variable: a flag would be seen by every user of the machine.",
        hidden=True,
    ),
]
SmtpUrl = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        envvar="VELVETROPE_SMTP_URL",
        help="Where mail is handed in. Set the variable: a flag would be seen by every user of the machine.",
        hidden=True,
    ),
]
MailFrom = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--mail-from", envvar="VELVETROPE_MAIL_FROM", help="Whom mail comes from; goes with an SMTP server."),
]
SmsWebhookUrl = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--sms-webhook-url", envvar="VELVETROPE_SMS_WEBHOOK_URL", help="Where text messages are posted to."),
]
SmsWebhookToken = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        envvar="VELVETROPE_SMS_WEBHOOK_TOKEN",
        help="The bearer token for it. Set the variable.",
        hidden=True,
    ),
]
DatabaseDoor = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--database-door",
        envvar="VELVETROPE_DATABASE_DOOR",
        help="The PostgreSQL, on this machine, that is reached with IAM authentication: postgresql://127.0.0.1:5432.",
    ),
]
DatabasePort = Annotated[
    int,
    typer.Option(
        "--database-port", envvar="VELVETROPE_DATABASE_PORT", help="Port of the database door; 0 picks a free one."
    ),
]
DatabasePasswords = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        "--database-passwords",
        envvar="VELVETROPE_DATABASE_PASSWORDS",
        readable=False,
        help="The door's own passwords for its users, in libpq's format; mode 0600.",
    ),
]
DatabaseResourceId = Annotated[
    str,
    typer.Option(
        "--database-resource-id",
        envvar="VELVETROPE_DATABASE_RESOURCE_ID",
        help="What policies call the database: arn:aws:rds-db:…:dbuser:RESOURCE/user.",
    ),
]
MaxSandboxes = Annotated[
    int,
    typer.Option(
        "--max-sandboxes",
        envvar="VELVETROPE_MAX_SANDBOXES",
        help="How many sandboxes all functions may have together; more calls are throttled.",
    ),
]
AccessLog = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--access-log", envvar="VELVETROPE_ACCESS_LOG", help="A file for requests to deployed APIs; - is stdout."
    ),
]
AccessLogFormat = Annotated[
    str,
    typer.Option(
        "--access-log-format",
        envvar="VELVETROPE_ACCESS_LOG_FORMAT",
        help="json: a line for every request; stage: the lines that stages ask for.",
    ),
]
AllowLinkLocalBackends = Annotated[
    bool,
    typer.Option(
        "--allow-link-local-backends",
        envvar="VELVETROPE_ALLOW_LINK_LOCAL_BACKENDS",
        help="Let HTTP integrations call link-local addresses, a cloud's metadata service among them.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class ServerFlags:
    """The flags of every command that starts a server."""

    host: Host = "localhost"
    port: Port = 4800
    state_folder: StateFolderPath = Path(".velvetrope")
    region: Region = "us-west-2"
    account_id: AccountId = "123456789012"
    root_access_key_id: RootAccessKeyId = None
    root_secret_access_key: RootSecretAccessKey = None
    store_url: StoreUrl = None
    smtp_url: SmtpUrl = None
    mail_from: MailFrom = None
    sms_webhook_url: SmsWebhookUrl = None
    sms_webhook_token: SmsWebhookToken = None
    database_door: DatabaseDoor = None
    database_port: DatabasePort = 5433
    database_passwords: DatabasePasswords = None
    database_resource_id: DatabaseResourceId = "db-VELVETROPE"
    max_sandboxes: MaxSandboxes = 100
    access_log: AccessLog = None
    access_log_format: AccessLogFormat = "json"
    allow_link_local_backends: AllowLinkLocalBackends = False


def with_server_flags(command: Callable[Concatenate[ServerFlags, P], None]) -> Callable[..., None]:
    """`command` with the fields of `ServerFlags` as flags beside its own, which come first."""
    shared = get_type_hints(ServerFlags, include_extras=True)
    _server, *own = inspect.signature(command).parameters.values()
    parameters = [
        *own,
        *(
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=shared[field.name]
            )
            for field in fields(ServerFlags)
        ),
    ]

    def with_flags(**given: object) -> None:
        flags = ServerFlags(**{name: given.pop(name) for name in shared})  # type: ignore[arg-type]  # typer gave each the type of its field
        command(flags, **given)  # type: ignore[arg-type, call-arg]  # typer calls by name what `parameters` lists

    with_flags.__name__ = command.__name__
    with_flags.__doc__ = command.__doc__
    with_flags.__annotations__ = {one.name: one.annotation for one in parameters}
    with_flags.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
    return with_flags

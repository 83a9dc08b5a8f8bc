"""The flags that several commands share, each with its environment variable."""

from pathlib import Path
from typing import Annotated, Optional

import typer

__all__ = [
    "AccountId",
    "Host",
    "Port",
    "PublicUrl",
    "Region",
    "RootAccessKeyId",
    "RootSecretAccessKey",
    "StateFolderPath",
]

# Typer reads annotations at run time, and Optional is what it documents for flags without a default.
Host = Annotated[
    str, typer.Option("--host", envvar="VELVETROPE_HOST", help="Address to listen on; localhost is loopback only.")
]
Port = Annotated[int, typer.Option("--port", envvar="VELVETROPE_PORT", help="Port to listen on; 0 picks a free one.")]
StateFolderPath = Annotated[
    Path,
    typer.Option("--state-folder", envvar="VELVETROPE_STATE_FOLDER", help="Where users, keys and tokens are kept."),
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

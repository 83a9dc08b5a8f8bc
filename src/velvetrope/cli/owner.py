"""Asking the running server as its owner: requests signed with the account's root key.

    owner = OwnersConnection.open(state_folder)
    records = owner.ask("GET", "/_velvetrope/decisions", query="refused=1")
    events = owner.call("logs", "Logs_20140328.FilterLogEvents", {"logGroupName": "/aws/lambda/orders"})

The server's own pages below `/_velvetrope/` answer the root user alone; commands of the terminal speak to them here,
and to AWS's operations.
"""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from velvetrope.secret import Secret
from velvetrope.server.machine import SystemClock
from velvetrope.server.state_folder import read_connection, read_root_key
from velvetrope.sigv4 import SignedRequest, sign_request

if TYPE_CHECKING:
    from botocore.client import BaseClient

__all__ = ["NoAnswer", "OwnersConnection", "nobody_answers"]

_TIMEOUT_SECONDS = 10


class NoAnswer(Exception):
    """The server did not answer, or not this owner. The message is for the person at the terminal."""


@dataclass(frozen=True)
class OwnersConnection:
    """Where the server is, and the root key to ask it with."""

    endpoint_url: str
    region: str
    access_key_id: str
    secret_access_key: Secret[str]

    @classmethod
    def open(cls, state_folder: Path) -> "OwnersConnection":
        """The connection to the server that last ran with this state folder.

        Raises:
            StateFolderError: no server has run with it.
            NoAnswer: the root key is not to be found.
        """
        config = read_connection(state_folder)["config"]
        return cls(config["endpoint_url"], config["region"], *_root_key(state_folder))

    def ask(self, method: Literal["GET", "POST"], path: str, *, query: str = "", body: bytes = b"") -> Any:  # noqa: ANN401  whatever JSON the page answers
        """The JSON that the page at `path` answers; `query` is encoded already.

        Raises:
            NoAnswer: nobody answers, or the answer is a refusal.
        """
        return self._send(method, path, query, body, {}, service="velvetrope")

    def call(self, service: str, target: str, parameters: Mapping[str, object]) -> Any:  # noqa: ANN401  the operation's output
        """What an operation of a JSON service answers; `target` is its `X-Amz-Target`, names are the wire's.

        Raises:
            NoAnswer: nobody answers, or the answer is a refusal.
        """
        headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": target}
        return self._send("POST", "/", "", json.dumps(parameters).encode(), headers, service=service)

    def _send(
        self,
        method: Literal["GET", "POST"],
        path: str,
        query: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        service: str,
    ) -> Any:  # noqa: ANN401  whatever JSON is answered
        host = self.endpoint_url.split("://", 1)[1]
        signed = sign_request(
            SignedRequest(
                method=method,
                raw_path=path.encode(),
                query_string=query.encode(),
                headers=(
                    (b"host", host.encode()),
                    *((name.encode(), value.encode()) for name, value in headers.items()),
                ),
                body=body,
            ),
            access_key_id=self.access_key_id,
            secret=self.secret_access_key,
            service=service,
            region=self.region,
            now=SystemClock().now(),
        )
        request = urllib.request.Request(  # noqa: S310  the URL is our own server's
            f"{self.endpoint_url}{path}" + (f"?{query}" if query else ""),
            data=body if method == "POST" else None,
            headers={name.decode(): value.decode() for name, value in signed.headers},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310  the same
                return json.load(answer)
        except urllib.error.HTTPError as err:
            with err:
                raise NoAnswer(_refusal(err)) from None
        except (urllib.error.URLError, OSError):
            raise NoAnswer(nobody_answers(self.endpoint_url)) from None

    def client(self, service: str) -> "BaseClient":
        """A boto3 client of one service, with the root key."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            service,
            endpoint_url=self.endpoint_url,
            region_name=self.region,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key.reveal(),
            config=Config(connect_timeout=_TIMEOUT_SECONDS, retries={"max_attempts": 0}),
        )


def nobody_answers(endpoint_url: str) -> str:
    """What is said when there is no server."""
    return f"No velvetrope answers at {endpoint_url}. Start it, then ask again."


def _refusal(err: urllib.error.HTTPError) -> str:
    if err.code == 403:
        return f"The server did not accept this state folder's root key ({err.code})."
    try:
        return str(json.loads(err.read())["message"])
    except (ValueError, KeyError, TypeError):
        return f"The server answered {err.code}."


def _root_key(state_folder: Path) -> tuple[str, Secret[str]]:
    preset = os.environ.get("VELVETROPE_ROOT_ACCESS_KEY_ID"), os.environ.get("VELVETROPE_ROOT_SECRET_ACCESS_KEY")
    if preset[0] is not None and preset[1] is not None:
        return preset[0], Secret(preset[1])
    kept = read_root_key(state_folder)
    if kept is None:
        raise NoAnswer(
            "The root access key is needed to ask. It was preset: set VELVETROPE_ROOT_ACCESS_KEY_ID and "
            "VELVETROPE_ROOT_SECRET_ACCESS_KEY here too."
        )
    return kept.access_key_id, kept.secret_access_key

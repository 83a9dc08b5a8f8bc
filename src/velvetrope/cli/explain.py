"""`velvetrope explain`: ask the running server why a request was refused, or let in.

The question is signed with the account's root key, as the server's owner; nobody else is told. The records are in the
server's memory, so they begin with its start.
"""

import json
import os
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from velvetrope.secret import Secret
from velvetrope.server.machine import SystemClock
from velvetrope.server.state_folder import read_connection
from velvetrope.sigv4 import SignedRequest, sign_request

__all__ = ["ExplainError", "explain_request"]

_RECENT = 10


class ExplainError(Exception):
    """There is no answer. The message is for the person at the terminal."""


def explain_request(state_folder: Path, request_id: str | None) -> str:
    """The explanation of one request, or of the last refusals.

    Raises:
        ExplainError: no server answers, it does not know the request, or the root key is not its root key.
        StateFolderError: no server has run with this state folder.
    """
    connection = read_connection(state_folder)
    if request_id is not None and not all(c in "0123456789abcdef-" for c in request_id.lower()):
        raise ExplainError(f"{request_id} is not a request id; it is the value of x-amzn-RequestId.")
    query = f"refused=1&limit={_RECENT}" if request_id is None else f"request_id={request_id.lower()}"
    records = _ask(connection, state_folder, query)
    if not records and request_id is not None:
        raise ExplainError(f"The server does not know the request {request_id}; it keeps the newest since its start.")
    if not records:
        return "Nobody has been refused since the server started."
    return "\n\n".join(_told(record) for record in records)


def _ask(connection: dict[str, Any], state_folder: Path, query: str) -> list[dict[str, Any]]:
    config = connection["config"]
    host = config["endpoint_url"].split("://", 1)[1]
    key_id, secret = _root_key(state_folder)
    signed = sign_request(
        SignedRequest(
            method="GET",
            raw_path=b"/_velvetrope/decisions",
            query_string=query.encode(),
            headers=((b"host", host.encode()),),
            body=b"",
        ),
        access_key_id=key_id,
        secret=secret,
        service="velvetrope",
        region=config["region"],
        now=SystemClock().now(),
    )
    url = f"{config['endpoint_url']}/_velvetrope/decisions?{query}"
    headers = {name.decode(): value.decode() for name, value in signed.headers}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:  # noqa: S310  the URL is our own server's
            records: list[dict[str, Any]] = json.load(answer)
    except urllib.error.HTTPError as err:
        raise ExplainError(f"The server did not accept this state folder's root key ({err.code}).") from None
    except (urllib.error.URLError, OSError):
        raise ExplainError(f"No velvetrope answers at {config['endpoint_url']}. Start it, then ask again.") from None
    return records


def _root_key(state_folder: Path) -> tuple[str, Secret[str]]:
    preset = os.environ.get("VELVETROPE_ROOT_ACCESS_KEY_ID"), os.environ.get("VELVETROPE_ROOT_SECRET_ACCESS_KEY")
    if preset[0] is not None and preset[1] is not None:
        return preset[0], Secret(preset[1])
    try:
        document = json.loads((state_folder / "root-access-key.json").read_bytes())
        return document["access_key_id"], Secret(document["secret_access_key"])
    except (OSError, ValueError, KeyError):
        raise ExplainError(
            "The root access key is needed to ask. It was preset: set VELVETROPE_ROOT_ACCESS_KEY_ID and "
            "VELVETROPE_ROOT_SECRET_ACCESS_KEY here too."
        ) from None


def _told(record: dict[str, Any]) -> str:
    at = datetime.fromisoformat(record["at"]).astimezone(UTC)
    who = record["principal_arn"] or "nobody (nothing was proved)"
    verdict = "let in" if record["outcome"] == "allowed" else f"refused: {record['code']}"
    lines = [
        f"{record['method']} {record['path']}  {record['status']}  {verdict}",
        f"  when     {at:%Y-%m-%d %H:%M:%S} UTC, {record['duration_ms']:.1f} ms, from {record['source_ip']}",
        f"  who      {who}",
        f"  wanted   {record['action'] or record['service']} on {record['resource'] or '-'}",
    ]
    marks = {"allowed": "✓", "refused": "✗", "skipped": "·"}
    lines += [f"  {marks[step['outcome']]} {step['name']}: {step['reason']}" for step in record["steps"]]
    lines.append(f"  id       {record['request_id']}")
    return "\n".join(lines)

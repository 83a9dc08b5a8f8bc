"""`velvetrope explain`: ask the running server why a request was refused, or let in.

The question is signed with the account's root key, as the server's owner; nobody else is told. Refusals are found
whichever node refused, and before its last start too; what was let in, only by the node that let it in, until newer
calls have taken its place.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from velvetrope.cli.invocation import Invocation
from velvetrope.cli.owner import NoAnswer, OwnersConnection
from velvetrope.cli.terminal import shown

__all__ = ["explain_request"]

_RECENT = 10
_UUID = re.compile("[0-9a-f-]+", re.IGNORECASE)
_OF_HTTP_API = re.compile("[0-9A-Za-z+/]+=*")


def explain_request(state_folder: Path, request_id: str | None) -> str:
    """The explanation of one request, or of the last refusals.

    Raises:
        NoAnswer: no server answers, it does not know the request, or the root key is not its root key.
        StateFolderError: no server has run with this state folder.
    """
    owner = OwnersConnection.open(state_folder)
    query = f"refused=1&limit={_RECENT}" if request_id is None else f"request_id={quote(_as_kept(request_id), safe='')}"
    records = owner.ask("GET", "/_velvetrope/decisions", query=query)
    if not records and request_id is not None:
        raise NoAnswer(
            f"The server does not know the request {request_id}. Refusals are kept for a week at most, calls that were "
            f"let in by the node that answered them, until newer ones take their place. {_kept(owner)}".strip()
        )
    if not records:
        return "Nobody has been refused yet."
    told = [_told(record, Invocation.of_this_process(state_folder).spelled) for record in records]
    if request_id is None:
        told += [_kept(owner)]
    return "\n\n".join(part for part in told if part)


def _as_kept(request_id: str) -> str:
    """A request's id as its record has it: a UUID in lower case, or an HTTP API's, in which case counts."""
    if _UUID.fullmatch(request_id):
        return request_id.lower()
    if not _OF_HTTP_API.fullmatch(request_id):
        raise NoAnswer(
            f"{request_id or 'Nothing'} is not a request id; it is the value of x-amzn-RequestId "
            "(of an HTTP API: Apigw-Requestid)."
        )
    return request_id


def _kept(owner: OwnersConnection) -> str:
    """What the owner has to know about what is not among the refusals; nothing, if all are."""
    try:
        summary = owner.ask("GET", "/_velvetrope/decisions/kept")
    except NoAnswer as silence:
        return str(silence)
    lost: int = summary["lost"]
    if not lost:
        return ""
    return f"{lost} refusals came faster than they could be kept, among the {summary['refusals']} that were."


def _told(record: dict[str, Any], spelled: Callable[[str], str]) -> str:
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
    lines += [f"  {marks[step['outcome']]} {step['name']}: {spelled(step['reason'])}" for step in record["steps"]]
    lines.append(f"  id       {record['request_id']}")
    return "\n".join(shown(line) for line in lines)

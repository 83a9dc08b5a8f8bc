"""`velvetrope mailbox`: what user pools sent to people, and a link to the same in a browser."""

from datetime import datetime
from pathlib import Path
from typing import Any

from velvetrope.cli.owner import NoAnswer, OwnersConnection
from velvetrope.cli.terminal import shown

__all__ = ["show_mailbox"]

_MOST = 100
_MEDIA = {"EMAIL": "mail", "SMS": "text message"}


def show_mailbox(state_folder: Path, *, to: str | None, limit: int) -> str:
    """The newest messages, newest last, and the link.

    Raises:
        NoAnswer: no server answers, or the root key is not its root key.
        StateFolderError: no server has run with this state folder.
    """
    if not 1 <= limit <= _MOST:
        raise NoAnswer(f"--limit {limit}: a number from 1 to {_MOST}.")
    owner = OwnersConnection.open(state_folder)
    found = owner.ask("GET", "/_velvetrope/messages")
    messages = [message for message in found if to is None or message["to"] == to][:limit]
    ticket = owner.ask("POST", "/_velvetrope/mailbox/ticket")["ticket"]
    address = f"{owner.endpoint_url}/_velvetrope/mailbox?ticket={ticket}"
    link = f"In a browser (this link is good once, for five minutes):\n  {address}"
    if not messages:
        return f"No message{'' if to is None else f' to {to}'} yet.\n\n{link}"
    return "\n\n".join([*(_told(message) for message in reversed(messages)), link])


def _told(message: dict[str, Any]) -> str:
    at = datetime.fromisoformat(message["written_at"])
    state = message["state"] + (f" ({message['problem']})" if message["problem"] else "")
    lines = [
        f"{_MEDIA[message['medium']]} to {message['to']}  {state}",
        f"  when     {at:%Y-%m-%d %H:%M:%S} UTC, user {message['username']} of {message['user_pool_id']}",
    ]
    if message["medium"] == "EMAIL":
        lines.append(f"  subject  {message['subject']}")
    # Names, addresses and what a function put into a message are strangers'.
    return "\n".join(shown(line) for line in [*lines, *(f"  {line}" for line in message["text"].splitlines())])

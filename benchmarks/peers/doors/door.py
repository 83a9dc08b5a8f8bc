"""A door: what somebody without the right sends, and beside it the same from somebody who has it.

Who has the right goes first. If not even they get in, the peer has nothing there that could be tried, and what it told
them is the finding; so nobody's refusal of everything counts as a lock.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

import requests
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

__all__ = ["Answer", "Door", "Finding", "HasNone", "Outcome", "answer_of", "ask"]

Room = TypeVar("Room")
_UNREADABLE = "unreadable"


class HasNone(Exception):
    """The peer lacks what a door is about, or lacks it in the form that an unmodified client would use."""


@dataclass(frozen=True)
class Answer:
    """What was told to whoever asked: `said` is the status, the error code and the message, or what they were given."""

    admitted: bool
    said: str


class Outcome(Enum):
    """How a door was found."""

    LET_IN = "let in"
    REFUSED = "refused"
    BROKE = "broke"
    """Neither: an error of the peer's own."""
    HAS_NONE = "none"


@dataclass(frozen=True)
class Finding:
    """One door of one peer, and what the peer said to whom it is about."""

    outcome: Outcome
    said: str

    @property
    def code(self) -> str:
        """Status and error code, without the message."""
        return self.said.split(":")[0]


@dataclass(frozen=True)
class Door(Generic[Room]):
    """`aws` is what AWS answers, status and code, by its documentation. A door that `waits` takes five minutes."""

    name: str
    aws: str
    holder: Callable[[Room], Answer]
    intruder: Callable[[Room], Answer]
    waits: bool = False

    def open(self, room: Callable[[], Room]) -> Finding:
        """Try it at a peer; `room` sets up what it needs, and may find that the peer has no such thing."""
        try:
            made = room()
            holder = self.holder(made)
            if not holder.admitted:
                return Finding(Outcome.HAS_NONE, f"to who has the right: {holder.said}")
            intruder = self.intruder(made)
        except (HasNone, BotoCoreError, KeyError, requests.RequestException) as err:
            return Finding(Outcome.HAS_NONE, f"setting it up: {type(err).__name__} {err}")
        except ClientError as err:
            return Finding(Outcome.HAS_NONE, f"setting it up: {_said(err)}")
        if intruder.admitted:
            return Finding(Outcome.LET_IN, intruder.said)
        meant = not intruder.said.startswith(("5", _UNREADABLE)) or intruder.said.startswith(self.aws)
        return Finding(Outcome.REFUSED if meant else Outcome.BROKE, intruder.said)


def ask(
    call: Callable[[], Mapping[str, Any]], admitted: Callable[[Mapping[str, Any]], object] = lambda _: True
) -> Answer:
    """A call by boto3, let in if it succeeds and the answer is what the caller was after."""
    try:
        answer = call()
    except ClientError as err:
        return Answer(admitted=False, said=_said(err))
    except (ResponseParserError, KeyError) as err:  # KeyError: botocore's, of a member that every answer has
        return Answer(admitted=False, said=f"{_UNREADABLE}: {type(err).__name__} {err}"[:200])
    given = ", ".join(name for name in answer if name != "ResponseMetadata")
    if admitted(answer):
        return Answer(admitted=True, said=f"200: {given}")
    return Answer(admitted=False, said=f"200 {answer.get('ChallengeName', '')}: {given}")


def answer_of(response: requests.Response) -> Answer:
    """An answer over plain HTTP, let in if it is 2xx."""
    kind = response.headers.get("x-amzn-ErrorType", "").split(":")[0]
    text = " ".join(response.text.split())[:200]
    return Answer(admitted=response.ok, said=f"{response.status_code} {kind}".strip() + f": {text}")


def _said(err: ClientError) -> str:
    status = err.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    error = err.response.get("Error", {})
    return f"{status} {error.get('Code', '')}: {' '.join(str(error.get('Message', '')).split())[:200]}"

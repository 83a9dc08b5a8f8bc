"""The record of one request.

`steps` run in the order in which the request passed them; the last one of a refused request is the one that refused.
`reason` is a sentence for a developer: it names the policy, key, route or function that decided, never a secret.
"""

from datetime import datetime
from typing import Literal, Protocol

import msgspec

__all__ = ["DecisionRecord", "DecisionStep", "Recorder"]


class DecisionStep(msgspec.Struct, frozen=True):
    """One step: its name (`route`, `authentication`, `authorization`, `api key` …), what came out of it, and why."""

    name: str
    outcome: Literal["allowed", "refused", "skipped"]
    reason: str


class DecisionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `principal_arn` is empty if nobody was authenticated; `code` is empty if nothing was refused."""

    request_id: str
    at: datetime
    service: str
    action: str
    resource: str
    method: str
    path: str
    source_ip: str
    principal_arn: str
    outcome: Literal["allowed", "refused"]
    status: int
    code: str
    steps: tuple[DecisionStep, ...]
    duration_ms: float


class Recorder(Protocol):
    """Keeps the record of a request; `DecisionLog` does. Nothing is answered, and nothing waits."""

    def record(self, record: DecisionRecord, /) -> None: ...

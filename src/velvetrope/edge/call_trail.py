"""What one call of an AWS operation leaves behind: what each step said, and the record of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

__all__ = ["CallTrail", "DecisionRecorder"]

Outcome = Literal["allowed", "refused", "skipped"]


class DecisionRecorder(Protocol):
    """Keeps what was decided: `decisions.DecisionLog`. Positional, since it is called for every call."""

    def record_request(
        self,
        request_id: str,
        at: datetime,
        service: str,
        action: str,
        resource: str,
        method: str,
        path: str,
        source_ip: str,
        principal_arn: str,
        outcome: Literal["allowed", "refused"],
        status: int,
        code: str,
        steps: tuple[tuple[str, Outcome, str], ...],
        duration_ms: float,
        /,
    ) -> None: ...


@dataclass(slots=True)
class CallTrail:
    """What the steps of one call said, for its decision record. Observation only: no step reads it."""

    service: str = ""
    action: str = ""
    resource: str = ""
    principal_arn: str = ""
    step: str = "operation"
    steps: list[tuple[str, Outcome, str]] = field(default_factory=list)

    def begin(self, step: str) -> None:
        self.step = step

    def note(self, reason: str, outcome: Outcome = "allowed") -> None:
        self.steps.append((self.step, outcome, reason))

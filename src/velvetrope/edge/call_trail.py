"""What one call of an AWS operation leaves behind: what each step said, and the record of it."""

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["CallTrail"]

Outcome = Literal["allowed", "refused", "skipped"]


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

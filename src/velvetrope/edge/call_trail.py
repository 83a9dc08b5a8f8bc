"""What one call of an AWS operation leaves behind: what each step said, and the record of it."""

from typing import Literal

import msgspec

__all__ = ["CallTrail"]

Outcome = Literal["allowed", "refused", "skipped"]


class CallTrail(msgspec.Struct, gc=False):
    """What the steps of one call said, for its decision record. Observation only: no step reads it."""

    service: str = ""
    action: str = ""
    resource: str = ""
    principal_arn: str = ""
    step: str = "operation"
    """The step that has begun."""
    steps: list[tuple[str, Outcome, str]] = []

    def note(self, reason: str, outcome: Outcome = "allowed") -> None:
        self.steps.append((self.step, outcome, reason))

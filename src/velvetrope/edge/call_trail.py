"""What one call of an AWS operation leaves behind: what each step said, and the record of it."""

from collections.abc import Mapping
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
    parameters: Mapping[str, object] | None = None
    """Of a call without a signature, which no policy is asked about: they say what it was for."""

    def note(self, reason: str, outcome: Outcome = "allowed") -> None:
        self.steps.append((self.step, outcome, reason))

"""What a policy check finds: how bad, where, and one plain sentence.

An error is something that does not do what it says: it names what does not exist, or can never apply. A warning is
something that works and is probably not meant. `code` is stable, for those who filter.
"""

from dataclasses import dataclass
from typing import Literal

from velvetrope.policy.positions import Position

__all__ = ["Finding", "Severity"]

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found."""

    severity: Severity
    code: str
    position: Position
    message: str

"""What an integration answers, before the gateway adds its own headers."""

import msgspec

from velvetrope.execute_api.requests import IntegrationOutcome

__all__ = ["Answer"]


class Answer(msgspec.Struct, gc=False):
    """Status, headers without length and ids, body. `outcome` is for logs; a fixed answer has none."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    outcome: IntegrationOutcome | None = None
    told_by: str = ""
    """Who answered, for the decision record."""

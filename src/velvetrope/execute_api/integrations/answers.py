"""What an integration answers, before the gateway adds its own headers."""

import msgspec

from velvetrope.execute_api.requests import BodyStream, IntegrationOutcome

__all__ = ["Answer"]


class Answer(msgspec.Struct, gc=False):
    """Status, headers without length and ids, body. `outcome` is for logs; a fixed answer has none."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    outcome: IntegrationOutcome | None = None
    told_by: str = ""
    """Who answered, for the decision record."""
    stream: BodyStream | None = None
    """A body that is still to come, in place of `body`."""
    has_length: bool = False
    """Whether `headers` say the length already, as those of an answer to HEAD do."""

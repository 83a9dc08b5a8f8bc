"""Other services, as functions' own machinery calls them on a role's behalf: in process, and judged like any call."""

from collections.abc import Mapping
from typing import Protocol

from velvetrope.operations import Call, OperationInvoker

__all__ = ["JudgedOperations"]


class JudgedOperations(OperationInvoker, Protocol):
    """Calls operations, and says whether a call would be allowed: `edge`'s dispatcher."""

    async def allows(self, service: str, operation: str, parameters: Mapping[str, object], call: Call) -> bool:
        """Whether policy allows this call, which is not made. Names are the wire's."""
        ...

"""What the dispatcher asks of policy: `iam.ControlPlaneJudge`."""

from collections.abc import Mapping
from typing import Protocol

from velvetrope.operations import Call

__all__ = ["JudgedOperation", "OperationJudge", "OperationVerdict"]


class OperationVerdict(Protocol):
    """A policy decision, as `policy.evaluate` gives it."""

    @property
    def allowed(self) -> bool: ...
    @property
    def because(self) -> str: ...
    @property
    def permission(self) -> str: ...
    @property
    def reasons(self) -> tuple[str, ...]: ...


class JudgedOperation(Protocol):
    """What policy says of one call, and of which action on which resource it was asked."""

    @property
    def action(self) -> str: ...
    @property
    def resource(self) -> str: ...
    @property
    def resources(self) -> tuple[str, ...]: ...
    @property
    def decision(self) -> OperationVerdict: ...


class OperationJudge(Protocol):
    """Knows which action on which resource an operation is, and asks the caller's policies."""

    async def judge(
        self, service: str, operation: str, parameters: Mapping[str, object], call: Call
    ) -> JudgedOperation:
        """The verdict on one call; `parameters` have the wire's names and have passed validation."""
        ...

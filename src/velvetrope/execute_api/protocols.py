"""What the request lane is handed: functions, policies, credentials (`principals.CredentialSource`), a recorder."""

from datetime import datetime
from typing import Literal, Protocol

from velvetrope.execute_api.snapshot import Step
from velvetrope.policy import PrincipalPolicies
from velvetrope.principals import Principal

__all__ = ["DecisionRecorder", "FunctionInvoker", "InvocationResult", "PolicyGatherer"]


class InvocationResult(Protocol):
    """What a function answered. `function_error` is None if it ended well."""

    @property
    def payload(self) -> bytes: ...

    @property
    def function_error(self) -> str | None: ...


class FunctionInvoker(Protocol):
    """Runs functions. A service as caller needs the function's resource policy to allow it from `source_arn`."""

    async def invoke(
        self, function_arn: str, payload: bytes, *, caller: Principal, source_arn: str | None, now: datetime
    ) -> InvocationResult:
        """The function's answer.

        Raises:
            velvetrope.errors.ServiceError: the function was not run.
        """
        ...


class PolicyGatherer(Protocol):
    """Hands out a principal's own policies."""

    async def policies_for(self, principal: Principal) -> PrincipalPolicies:
        """From memory, unless they changed."""
        ...


class DecisionRecorder(Protocol):
    """Keeps what was decided. Positional, since it is called for every request."""

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
        steps: tuple[Step, ...],
        duration_ms: float,
        /,
    ) -> None: ...

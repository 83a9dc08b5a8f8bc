"""What the request lane is handed: functions, services, tokens, policies, credentials, a recorder.

What most calls ask for is in memory. It can be asked without waiting (`recall_…`), which spares such a call a coroutine
for each question.
"""

from datetime import datetime
from typing import Literal, Protocol

import msgspec

from velvetrope.execute_api.snapshot import Step
from velvetrope.policy import PrincipalPolicies
from velvetrope.principals import CredentialSource, Principal, SigningCredentials
from velvetrope.tokens import TokenUse, VerifiedToken

__all__ = [
    "CallerCredentials",
    "DecisionRecorder",
    "FunctionInvoker",
    "InvocationResult",
    "InvocationType",
    "PolicyGatherer",
    "ServiceAnswer",
    "ServiceCall",
    "ServiceDoor",
    "TokenVerifier",
]


InvocationType = Literal["RequestResponse", "Event", "DryRun"]


class InvocationResult(Protocol):
    """What a function answered. `function_error` is None if it ended well; `request_id` is what its own log has."""

    @property
    def payload(self) -> bytes: ...

    @property
    def function_error(self) -> str | None: ...

    @property
    def request_id(self) -> str: ...


class FunctionInvoker(Protocol):
    """Runs functions. A service as caller needs the function's resource policy to allow it from `source_arn`."""

    async def invoke(
        self,
        function_arn: str,
        payload: bytes,
        *,
        caller: Principal,
        source_arn: str | None,
        now: datetime,
        invocation_type: InvocationType = "RequestResponse",
    ) -> InvocationResult:
        """The function's answer; nothing of it for an `Event`, which is kept and run later.

        Raises:
            velvetrope.errors.ServiceError: the function was not run.
        """
        ...


class TokenVerifier(Protocol):
    """Knows the tokens of user pools."""

    async def verify_pool_token(
        self, token: str, *, user_pool_id: str, token_use: TokenUse, now: datetime
    ) -> VerifiedToken:
        """A token of any client of the pool, proven; neither user nor revocation is looked up.

        Raises:
            velvetrope.tokens.InvalidToken: one of `tokens`' reasons.
            velvetrope.errors.VelvetropeError: there is no such pool.
        """
        ...


class ServiceCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call of an AWS service in its wire's form, to be signed as `role_arn`. `path` is percent-encoded."""

    service: str
    role_arn: str
    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class ServiceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the service answered, a refusal too."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class ServiceDoor(Protocol):
    """Calls the services of this server as a role would call them over HTTP: signed, judged, recorded."""

    async def call(self, call: ServiceCall, now: datetime) -> ServiceAnswer:
        """The service's answer.

        Raises:
            velvetrope.errors.VelvetropeError: the role does not let API Gateway assume it.
        """
        ...


class CallerCredentials(CredentialSource, Protocol):
    """A `CredentialSource` that can be asked without waiting."""

    def recall_credentials(
        self, access_key_id: str, session_token: str | None, now: datetime
    ) -> SigningCredentials | None:
        """What `find_credentials` would answer, if that is in memory: None says nothing about the key.

        Raises:
            velvetrope.sigv4.SignatureRefused: as `find_credentials`.
        """
        ...


class PolicyGatherer(Protocol):
    """Hands out a principal's own policies."""

    def recall_policies(self, principal: Principal) -> PrincipalPolicies | None:
        """What `policies_for` would answer, if that is in memory: None says nothing about the policies."""
        ...

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

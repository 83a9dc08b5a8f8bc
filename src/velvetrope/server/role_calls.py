"""Calls that one of our services makes as a role that it was given: an event source mapping that reads a queue as the
function's execution role, a failed invocation that is sent to the dead-letter queue.

    calls = RoleCalls(roles, sessions, dispatcher, clock, ...)
    await calls.invoke(role_arn, "sqs", "SendMessage", {...}, service="lambda.amazonaws.com", session_name="orders")

The role must trust the service, and its policies are judged as if its code had called: there is no other way in. A
session is kept until shortly before it expires; what a role may do is looked up for each call.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from velvetrope.clock import Clock
from velvetrope.operations import Call, OperationInvoker
from velvetrope.principals import Principal
from velvetrope.sts import RoleAssumption, Sessions

__all__ = ["RoleCalls"]

SESSION_SECONDS = 3600
_SPARE = timedelta(minutes=5)
_MAX_SESSIONS = 1024


@dataclass(frozen=True, slots=True)
class _KeptSession:
    principal: Principal
    expiration: datetime


class RoleCalls:
    """See the module."""

    def __init__(
        self,
        roles: RoleAssumption,
        sessions: Sessions,
        invoker: OperationInvoker,
        clock: Clock,
        *,
        account_id: str,
        region: str,
    ) -> None:
        self._roles = roles
        self._sessions = sessions
        self._invoker = invoker
        self._clock = clock
        self._account_id = account_id
        self._region = region
        self._kept: dict[tuple[str, str, str], _KeptSession] = {}

    async def invoke(
        self,
        role_arn: str,
        service: str,
        operation: str,
        parameters: Mapping[str, object],
        *,
        as_service: str,
        session_name: str,
    ) -> Mapping[str, object]:
        """Call `operation` of `service` as a session of the role that `as_service` assumes.

        Names in `parameters` and in the answer are the wire's.

        Raises:
            VelvetropeError: there is no such role, or it does not trust the service.
            ServiceError: what the operation answers a client; the role may lack the permission.
        """
        principal = await self.principal(role_arn, as_service=as_service, session_name=session_name)
        call = Call(
            principal=principal,
            account_id=self._account_id,
            region=self._region,
            request_id="",
            now=self._clock.now(),
            user_agent=as_service,
            secure_transport=True,
        )
        return await self._invoker.invoke(service, operation, parameters, call)

    async def principal(self, role_arn: str, *, as_service: str, session_name: str) -> Principal:
        """The role's session itself.

        Raises:
            VelvetropeError: there is no such role, or it does not trust the service.
        """
        now = self._clock.now()
        key = (role_arn, as_service, session_name)
        kept = self._kept.get(key)
        if kept is None or kept.expiration - _SPARE <= now:
            session = await self._roles.assume_role_for_service(
                role_arn, service=as_service, session_name=session_name, duration_seconds=SESSION_SECONDS, now=now
            )
            opened = self._sessions.open(session.access_key_id, session.session_token, now)
            kept = _KeptSession(opened.principal, session.expiration)
            if len(self._kept) >= _MAX_SESSIONS:
                self._kept.clear()
            self._kept[key] = kept
        return kept.principal

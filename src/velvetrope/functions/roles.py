"""Execution roles: the sessions that functions run with, from whoever `server` says can give them.

A session is asked for as the service principal `lambda.amazonaws.com`, named after the function, so that the code's
caller identity is `arn:aws:sts::A:assumed-role/ROLE/FUNCTION`. Whether the role trusts Lambda is judged on the other
side of the protocol; a refusal becomes Lambda's own text here.

Source: AWS Lambda Developer Guide, "Defining Lambda function permissions with an execution role".
"""

from datetime import datetime
from typing import Protocol

from velvetrope.clock import Clock
from velvetrope.errors import VelvetropeError
from velvetrope.functions.errors import AccessDeniedException, InvalidParameterValueException
from velvetrope.principals import Principal, TemporaryCredentials
from velvetrope.store.tables.functions import FunctionConfiguration

__all__ = ["ExecutionRoleSessions", "ExecutionRoles"]

SESSION_SECONDS = 3600
"""Not longer than any role allows. UNVERIFIED: Lambda's own figure is some hours and ignores the role's maximum."""

_SERVICE = "lambda.amazonaws.com"
_CANNOT_ASSUME = "The role defined for the function cannot be assumed by Lambda."


class ExecutionRoleSessions(Protocol):
    """Gives out sessions of roles to our own services."""

    async def assume_role_for_service(
        self,
        role_arn: str,
        *,
        service: str,
        session_name: str,
        duration_seconds: int,
        now: datetime,
        source_function_arn: str | None = None,
    ) -> TemporaryCredentials:
        """A session of the role, if the role trusts `service`.

        Raises:
            VelvetropeError: there is no such role, or it does not trust the service.
        """
        ...

    async def act_for_service(
        self,
        role_arn: str,
        *,
        service: str,
        session_name: str,
        duration_seconds: int,
        now: datetime,
        source_function_arn: str | None = None,
    ) -> Principal:
        """As above, but who the session stands for: for calls in process.

        Raises:
            VelvetropeError: there is no such role, or it does not trust the service.
        """
        ...


class ExecutionRoles:
    """Sessions for functions."""

    def __init__(self, sessions: ExecutionRoleSessions, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    async def issue_session(self, configuration: FunctionConfiguration) -> TemporaryCredentials:
        """A session for one sandbox of the function.

        Raises:
            AccessDeniedException: the role cannot be assumed (any more).
        """
        name, arn = configuration.function_name, configuration.function_arn
        try:
            return await self._assume(configuration.role, function_name=name, function_arn=arn)
        except VelvetropeError as err:
            # UNVERIFIED: AWS's code for this at Invoke. The text is that of CreateFunction.
            raise AccessDeniedException(_CANNOT_ASSUME, detail=err.for_owner) from err

    async def act_as(self, configuration: FunctionConfiguration) -> Principal:
        """The function's execution role as a caller, for what Lambda does on the function's behalf: it tells a
        destination how an event ended, it reads a queue.

        Raises:
            AccessDeniedException: the role cannot be assumed (any more).
        """
        try:
            return await self._sessions.act_for_service(
                configuration.role,
                service=_SERVICE,
                session_name=_session_name(configuration.function_name),
                duration_seconds=SESSION_SECONDS,
                now=self._clock.now(),
                source_function_arn=configuration.function_arn,
            )
        except VelvetropeError as err:
            raise AccessDeniedException(_CANNOT_ASSUME, detail=err.for_owner) from err

    async def check_role(self, role_arn: str, *, function_name: str, function_arn: str) -> None:
        """Refuse a role that Lambda may not assume.

        Raises:
            InvalidParameterValueException: with AWS's text, on which deployment tools retry.
        """
        try:
            await self._assume(role_arn, function_name=function_name, function_arn=function_arn)
        except VelvetropeError as err:
            raise InvalidParameterValueException(_CANNOT_ASSUME, detail=err.for_owner) from err

    async def _assume(self, role_arn: str, *, function_name: str, function_arn: str) -> TemporaryCredentials:
        return await self._sessions.assume_role_for_service(
            role_arn,
            service=_SERVICE,
            session_name=_session_name(function_name),
            duration_seconds=SESSION_SECONDS,
            now=self._clock.now(),
            source_function_arn=function_arn,
        )


def _session_name(function_name: str) -> str:
    """A role session name has two characters at least. Seen on AWS: one-letter functions get this suffix."""
    return function_name if len(function_name) > 1 else f"{function_name}@lambda_function"

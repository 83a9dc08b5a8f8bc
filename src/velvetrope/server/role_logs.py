"""CloudWatch Logs as user pools write them: under a role that Cognito assumes, through the same door as anyone."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from velvetrope.execute_api import ServiceCall
from velvetrope.server.service_calls import ServiceCalls
from velvetrope.sts import RoleNotAssumable
from velvetrope.userpools import LogsRefused

__all__ = ["RoleLogs"]

_CONTENT_TYPE: Final = ("Content-Type", "application/x-amz-json-1.1")
_EXISTS: Final = "ResourceAlreadyExistsException"


class _Refusal(msgspec.Struct):
    type: str = msgspec.field(name="__type", default="")
    message: str = ""


class RoleLogs:
    """The `ImportLogs` of user pools."""

    def __init__(self, calls: ServiceCalls) -> None:
        self._calls = calls

    async def check_role(self, role_arn: str, *, now: datetime) -> None:
        """See `userpools.ImportLogs`."""
        try:
            await self._calls.assume(role_arn, now)
        except RoleNotAssumable as reason:
            raise LogsRefused(reason.message) from None

    async def open(self, role_arn: str, group: str, stream: str, *, now: datetime) -> None:
        """See `userpools.ImportLogs`."""
        await self._call(role_arn, "CreateLogGroup", {"logGroupName": group}, now, fine=_EXISTS)
        names = {"logGroupName": group, "logStreamName": stream}
        await self._call(role_arn, "CreateLogStream", names, now, fine=_EXISTS)

    async def write(self, role_arn: str, group: str, stream: str, lines: list[str], *, now: datetime) -> None:
        """See `userpools.ImportLogs`."""
        at_ms = int(now.timestamp() * 1000)
        events = [{"timestamp": at_ms, "message": line} for line in lines]
        parameters = {"logGroupName": group, "logStreamName": stream, "logEvents": events}
        await self._call(role_arn, "PutLogEvents", parameters, now)

    async def _call(
        self, role_arn: str, operation: str, parameters: Mapping[str, object], now: datetime, *, fine: str = ""
    ) -> None:
        """`fine` is the one refusal that says no more than that the thing is there.

        Raises:
            LogsRefused: the role cannot be assumed, or the call was refused.
        """
        try:
            answer = await self._calls.call(
                ServiceCall(
                    service="logs",
                    role_arn=role_arn,
                    method="POST",
                    path="/",
                    headers=(_CONTENT_TYPE, ("X-Amz-Target", f"Logs_20140328.{operation}")),
                    body=msgspec.json.encode(parameters),
                ),
                now,
            )
        except RoleNotAssumable as reason:
            raise LogsRefused(reason.message) from None
        if answer.status == 200:
            return
        refusal = msgspec.json.decode(answer.body, type=_Refusal)
        if refusal.type != fine:
            raise LogsRefused(f"{operation}: {refusal.type}: {refusal.message}")

"""SetLogDeliveryConfiguration and its Get: a pool's owner reads in CloudWatch Logs which messages were not delivered.

    await failures.note(pool_id, "…", now=now)      # one line in the pool's group, where it has one

Of AWS's two sources of events there is `userNotification`, of level `ERROR`: one event for each attempt that failed, a
function's of a custom sender too. `userAuthEvents` are those of threat protection, which is not here, and S3 buckets
and Firehose streams hold those alone; all three are refused by name.

The group is one of this account and region and is there when it is named. Delivery is best effort, as on AWS: a group
that was deleted since is not made anew. What the caller needs besides is `iam.further_permissions`'s, since anybody
who may set this writes into a group of their choice.

Texts, and the name of the stream, are UNVERIFIED. Source: Cognito user pools API, SetLogDeliveryConfiguration; Cognito
Developer Guide, "Exporting logs from Amazon Cognito user pools" (for the form of an event).
"""

import json
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from velvetrope.arn import InvalidArn, parse_arn
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.userpools import UserPool, UserPoolStore
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import InvalidParameterException, ResourceNotFoundException

__all__ = [
    "CloudWatchLogsConfigurationType",
    "DeliveryFailures",
    "LogConfigurationType",
    "LogDeliveryOperations",
    "PoolLogs",
]

_GROUP = "log-group:"


class PoolLogs(Protocol):
    """CloudWatch Logs, as the service itself writes them: `logs.LogService`."""

    async def has_group(self, name: str, /) -> bool: ...

    def keep(self, group: str, stream: str, at_ms: int, message: str, /) -> None:
        """Keep one line. Returns at once."""
        ...


class CloudWatchLogsConfigurationType(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    log_group_arn: str | None = None


class LogConfigurationType(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    log_level: Literal["ERROR"]
    event_source: Literal["userNotification"]
    cloud_watch_logs_configuration: CloudWatchLogsConfigurationType | None = None


class LogDeliveryOperations:
    """See the module."""

    def __init__(self, store: UserPoolStore, directory: PoolDirectory, logs: PoolLogs | None) -> None:
        """Without `logs` there is no group to name."""
        self._store = store
        self._directory = directory
        self._logs = logs

    @operation
    async def get_log_delivery_configuration(self, call: Call, *, user_pool_id: str) -> Answer:
        return _described(call, await self._directory.pool(user_pool_id))

    @operation
    async def set_log_delivery_configuration(
        self, call: Call, *, user_pool_id: str, log_configurations: tuple[LogConfigurationType, ...]
    ) -> Answer:
        """What is given takes the place of what was there; nothing ends the delivery."""
        if len(log_configurations) > 1:
            raise InvalidParameterException("LogConfigurations: an EventSource is given once at the most.")
        group = await self._group(call, log_configurations[0]) if log_configurations else None
        changed = await self._store.change_pool(
            user_pool_id, lambda pool: msgspec.structs.replace(pool, failures_log_group=group, modified_at=call.now)
        )
        if changed is None:
            raise ResourceNotFoundException(f"User pool {user_pool_id} does not exist.")
        return _described(call, changed)

    async def _group(self, call: Call, given: LogConfigurationType) -> str:
        """
        Raises:
            InvalidParameterException: no group of this account and region is named, or there is none of that name.
        """
        wanted = given.cloud_watch_logs_configuration
        if wanted is None or wanted.log_group_arn is None:
            raise InvalidParameterException("LogConfigurations: userNotification needs CloudWatchLogsConfiguration.")
        try:
            arn = parse_arn(wanted.log_group_arn)
        except InvalidArn:
            raise _no_group(wanted.log_group_arn) from None
        name = arn.resource.removeprefix(_GROUP)
        if str(arn) != _group_arn(call, name) or self._logs is None or not await self._logs.has_group(name):
            raise _no_group(wanted.log_group_arn)
        return name


class DeliveryFailures:
    """Tells pools' owners what was not delivered."""

    def __init__(self, directory: PoolDirectory, logs: PoolLogs | None) -> None:
        self._directory = directory
        self._logs = logs

    async def note(self, user_pool_id: str, details: str, *, now: datetime) -> None:
        """Write it where the pool's owner reads, if anywhere. `details` holds nothing of a message's text."""
        if self._logs is None:
            return
        try:
            pool = await self._directory.pool(user_pool_id)
        except ResourceNotFoundException:
            return  # its messages went with it
        group = pool.failures_log_group
        if group is None or not await self._logs.has_group(group):
            return
        at_ms = int(now.timestamp() * 1000)
        event = {
            "eventTimestamp": str(at_ms),
            "eventSource": "USER_NOTIFICATION",
            "logLevel": "ERROR",
            "message": {"details": details},
            "logSourceId": {"userPoolId": pool.id},
        }
        self._logs.keep(group, pool.id, at_ms, json.dumps(event, separators=(",", ":")))


def _group_arn(call: Call, name: str) -> str:
    return call.arn("logs", f"{_GROUP}{name}")


def _no_group(arn: str) -> InvalidParameterException:
    return InvalidParameterException(f"{arn} is not a log group of this account and region.")


def _described(call: Call, pool: UserPool) -> dict[str, object]:
    """LogDeliveryConfigurationType."""
    group = pool.failures_log_group
    delivered = {
        "log_level": "ERROR",
        "event_source": "userNotification",
        "cloud_watch_logs_configuration": {"log_group_arn": _group_arn(call, group or "")},
    }
    return {
        "log_delivery_configuration": {
            "user_pool_id": pool.id,
            "log_configurations": [] if group is None else [delivered],
        }
    }

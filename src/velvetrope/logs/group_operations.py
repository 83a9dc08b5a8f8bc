"""Log groups: CreateLogGroup, DescribeLogGroups, DeleteLogGroup, PutRetentionPolicy, DeleteRetentionPolicy, and tags by
ARN (TagResource, UntagResource, ListTagsForResource) and by name (TagLogGroup, UntagLogGroup, ListTagsLogGroup).

Source: CloudWatch Logs API Reference. Texts marked UNVERIFIED are ours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from velvetrope.logs.errors import InvalidParameterException, ResourceAlreadyExistsException
from velvetrope.logs.journal import Journal
from velvetrope.logs.names import find_group_name, group_arn, no_such_group
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.logs import LogGroup, LogStore
from velvetrope.tags import TagsRefused, merge_tags

__all__ = ["GroupOperations", "epoch_ms"]

_PAGE = 50
_RETENTIONS = frozenset(
    {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
)
"""In days. Source: CloudWatch Logs API Reference, PutRetentionPolicy."""


@dataclass(frozen=True, slots=True)
class GroupOperations:
    """Log groups as wholes."""

    store: LogStore
    journal: Journal

    @operation
    async def create_log_group(
        self,
        call: Call,
        *,
        log_group_name: str,
        tags: dict[str, str] | None = None,
        log_group_class: Literal["STANDARD"] = "STANDARD",  # noqa: ARG002  it has one value only
    ) -> Answer:
        group = LogGroup(name=log_group_name, created_at=call.now, tags=_with_tags({}, tags or {}))
        if not await self.store.create_group(group):
            raise ResourceAlreadyExistsException("The specified log group already exists")
        return None

    @operation
    async def describe_log_groups(
        self,
        call: Call,
        *,
        log_group_name_prefix: str = "",
        log_group_name_pattern: str = "",
        next_token: str = "",
        limit: int = _PAGE,
    ) -> Answer:
        """In the order of their names. A pattern is a part of the name, in any case."""
        if log_group_name_prefix and log_group_name_pattern:
            # UNVERIFIED: AWS's exact words.
            raise InvalidParameterException("logGroupNamePrefix and logGroupNamePattern cannot be given together.")
        await self.journal.flush()
        wanted = log_group_name_pattern.lower()
        found: list[LogGroup] = []
        last = next_token
        while len(found) <= limit:
            some = await self.store.load_groups(prefix=log_group_name_prefix, after_name=last, limit=_PAGE + 1)
            found += [group for group in some if wanted in group.name.lower()]
            if len(some) <= _PAGE:
                break
            last = some[-1].name
        page = found[:limit]
        return {
            "log_groups": [await self._render(group, call) for group in page],
            "next_token": page[-1].name if len(found) > limit else None,
        }

    @operation
    async def delete_log_group(self, call: Call, *, log_group_name: str) -> Answer:  # noqa: ARG002
        await self.journal.flush()
        if not await self.store.delete_group(log_group_name):
            raise no_such_group()
        await self.journal.forget_group(log_group_name)
        return None

    @operation
    async def put_retention_policy(
        self,
        call: Call,  # noqa: ARG002
        *,
        log_group_name: str,
        retention_in_days: int,
    ) -> Answer:
        if retention_in_days not in _RETENTIONS:
            # UNVERIFIED: AWS's exact words.
            raise InvalidParameterException(f"{retention_in_days} is not a valid value for retentionInDays.")
        await self._change(
            log_group_name, lambda group: msgspec.structs.replace(group, retention_days=retention_in_days)
        )
        return None

    @operation
    async def delete_retention_policy(self, call: Call, *, log_group_name: str) -> Answer:  # noqa: ARG002
        await self._change(log_group_name, lambda group: msgspec.structs.replace(group, retention_days=None))
        return None

    @operation
    async def tag_resource(self, call: Call, *, resource_arn: str, tags: dict[str, str]) -> Answer:
        return await self.tag_log_group(call, log_group_name=find_group_name(None, resource_arn, call), tags=tags)

    @operation
    async def untag_resource(self, call: Call, *, resource_arn: str, tag_keys: list[str]) -> Answer:
        return await self.untag_log_group(call, log_group_name=find_group_name(None, resource_arn, call), tags=tag_keys)

    @operation
    async def list_tags_for_resource(self, call: Call, *, resource_arn: str) -> Answer:
        return await self.list_tags_log_group(call, log_group_name=find_group_name(None, resource_arn, call))

    @operation
    async def tag_log_group(
        self,
        call: Call,  # noqa: ARG002
        *,
        log_group_name: str,
        tags: dict[str, str],
    ) -> Answer:
        await self._change(
            log_group_name,
            lambda group: msgspec.structs.replace(group, tags=_with_tags(group.tags, tags)),
        )
        return None

    @operation
    async def untag_log_group(
        self,
        call: Call,  # noqa: ARG002
        *,
        log_group_name: str,
        tags: list[str],
    ) -> Answer:
        await self._change(
            log_group_name,
            lambda group: msgspec.structs.replace(
                group, tags={key: value for key, value in group.tags.items() if key not in tags}
            ),
        )
        return None

    @operation
    async def list_tags_log_group(self, call: Call, *, log_group_name: str) -> Answer:  # noqa: ARG002
        group = await self.store.load_group(log_group_name)
        if group is None:
            raise no_such_group()
        return {"tags": dict(group.tags)}

    async def _change(self, name: str, change: Callable[[LogGroup], LogGroup]) -> None:
        await self.journal.flush()
        if await self.store.change_group(name, change) is None:
            raise no_such_group()

    async def _render(self, group: LogGroup, call: Call) -> dict[str, object]:
        arn = group_arn(group.name, call)
        return {
            "log_group_name": group.name,
            "creation_time": epoch_ms(group.created_at),
            "retention_in_days": group.retention_days,
            "metric_filter_count": 0,
            "arn": f"{arn}:*",
            "stored_bytes": await self.journal.stored_bytes(group.name),
            "log_group_class": "STANDARD",
            "log_group_arn": arn,
        }


def epoch_ms(at: datetime) -> int:
    """A time as CloudWatch Logs writes it: epoch milliseconds."""
    return int(at.timestamp() * 1000)


def _with_tags(present: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    try:
        return merge_tags(present, added)
    except TagsRefused as finding:
        raise InvalidParameterException(finding.message) from None

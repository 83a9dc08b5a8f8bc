"""CreateEventSourceMapping, UpdateEventSourceMapping and their siblings: a queue whose messages a function is given.

Queues are the only source; streams, Kafka, MQ and DocumentDB are refused by name, and so is what belongs to them alone
(starting positions, retries, bisecting, tumbling windows). A mapping is `Enabled` or `Disabled` at once; Lambda takes a
while and says `Creating` and `Updating` meanwhile.

The function's execution role must be allowed to receive from the queue, to delete and to read its attributes; it is
asked when the mapping is made or changed, and judged again for each call later.

Source: AWS Lambda API Reference, CreateEventSourceMapping; Lambda Developer Guide, "Creating and configuring an Amazon
SQS event source mapping".
"""

from collections.abc import Mapping

import msgspec
from sqlalchemy.exc import IntegrityError

from velvetrope.arn import InvalidArn, parse_arn
from velvetrope.clock import Entropy
from velvetrope.errors import ServiceError
from velvetrope.events.filter_patterns import InvalidFilterPattern, parse_filter_pattern
from velvetrope.functions.errors import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from velvetrope.functions.event_source_batches import RECORD_KEYS
from velvetrope.functions.event_source_pollers import EventSourcePollers, queue_url_of
from velvetrope.functions.judged_operations import JudgedOperations
from velvetrope.functions.names import parse_function_name
from velvetrope.functions.paging import parse_marker
from velvetrope.functions.roles import ExecutionRoles
from velvetrope.identifiers import new_uuid
from velvetrope.operations import Answer, Call, operation
from velvetrope.page_tokens import page_of
from velvetrope.store.tables.event_sources import EventSourceMapping, EventSourceStore
from velvetrope.store.tables.functions import FunctionStore, InvocationTarget

__all__ = ["EventSourceOperations"]

MAX_FILTERS = 5
MAX_LISTED = 100
MAX_UNWINDOWED_BATCH = 10
NEEDED = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")


class ScalingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many events may run at once; 2 to 1000."""

    maximum_concurrency: int | None = None


class Filter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One pattern, as JSON."""

    pattern: str = ""


class FilterCriteria(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Patterns of which a message must match one."""

    filters: list[Filter] = []


class EventSourceOperations:
    """The control plane of event source mappings."""

    def __init__(
        self,
        mappings: EventSourceStore,
        functions: FunctionStore,
        pollers: EventSourcePollers,
        roles: ExecutionRoles,
        entropy: Entropy,
    ) -> None:
        self._mappings = mappings
        self._functions = functions
        self._pollers = pollers
        self._roles = roles
        self._entropy = entropy
        self._operations: JudgedOperations | None = None

    def connect(self, operations: JudgedOperations) -> None:
        """Hand over what looks at queues on a role's behalf. Before that, no mapping can be made."""
        self._operations = operations

    @operation
    async def create_event_source_mapping(
        self,
        call: Call,
        *,
        function_name: str,
        event_source_arn: str,
        enabled: bool = True,
        batch_size: int = 10,
        maximum_batching_window_in_seconds: int = 0,
        filter_criteria: FilterCriteria | None = None,
        scaling_config: ScalingConfig | None = None,
        function_response_types: list[str] | None = None,
    ) -> Answer:
        reference = parse_function_name(function_name, account_id=call.account_id, region=call.region)
        mapping = EventSourceMapping(
            mapping_id=new_uuid(self._entropy),
            function_arn=reference.qualified_arn,
            event_source_arn=_parse_source(event_source_arn, call),
            modified_at=call.now,
            enabled=enabled,
            batch_size=batch_size,
            batching_window_seconds=maximum_batching_window_in_seconds,
            maximum_concurrency=None if scaling_config is None else scaling_config.maximum_concurrency,
            filters=_parse_filters(filter_criteria),
            report_batch_item_failures=bool(function_response_types),
        )
        await self._check(mapping, call)
        present = await self._mappings.create_mapping(mapping)
        if present is not None:
            raise _already_there(mapping, present)
        return self._render(mapping)

    @operation
    async def update_event_source_mapping(
        self,
        call: Call,
        *,
        uuid: str,
        function_name: str | None = None,
        enabled: bool | None = None,
        batch_size: int | None = None,
        maximum_batching_window_in_seconds: int | None = None,
        filter_criteria: FilterCriteria | None = None,
        scaling_config: ScalingConfig | None = None,
        function_response_types: list[str] | None = None,
    ) -> Answer:
        changes: dict[str, object] = {"modified_at": call.now}
        if function_name is not None:
            reference = parse_function_name(function_name, account_id=call.account_id, region=call.region)
            changes["function_arn"] = reference.qualified_arn
        if enabled is not None:
            changes["enabled"] = enabled
        if batch_size is not None:
            changes["batch_size"] = batch_size
        if maximum_batching_window_in_seconds is not None:
            changes["batching_window_seconds"] = maximum_batching_window_in_seconds
        if filter_criteria is not None:
            changes["filters"] = _parse_filters(filter_criteria)
        if scaling_config is not None:
            changes["maximum_concurrency"] = scaling_config.maximum_concurrency
        if function_response_types is not None:
            changes["report_batch_item_failures"] = bool(function_response_types)
        await self._check(msgspec.structs.replace(await self._load(uuid), **changes), call)
        try:
            changed = await self._mappings.change_mapping(
                uuid, lambda present: msgspec.structs.replace(present, **changes)
            )
        except IntegrityError:
            raise _already_there(msgspec.structs.replace(await self._load(uuid), **changes), "") from None
        if changed is None:
            raise _not_found()
        return self._render(changed)

    @operation
    async def get_event_source_mapping(self, call: Call, *, uuid: str) -> Answer:  # noqa: ARG002  a mapping has no region to check
        return self._render(await self._load(uuid))

    @operation
    async def delete_event_source_mapping(self, call: Call, *, uuid: str) -> Answer:  # noqa: ARG002
        mapping = await self._mappings.delete_mapping(uuid)
        if mapping is None:
            raise _not_found()
        return {**self._render(mapping), "state": "Deleting"}

    @operation
    async def list_event_source_mappings(
        self,
        call: Call,
        *,
        event_source_arn: str | None = None,
        function_name: str | None = None,
        marker: str | None = None,
        max_items: int | None = None,
    ) -> Answer:
        function_arn = None
        if function_name is not None:
            function_arn = parse_function_name(
                function_name, account_id=call.account_id, region=call.region
            ).qualified_arn
        limit = min(max_items or MAX_LISTED, MAX_LISTED)
        found = await self._mappings.load_mappings(
            function_arn=function_arn,
            event_source_arn=event_source_arn,
            after_id=parse_marker(marker),
            limit=limit + 1,
        )
        page, following = page_of(found, limit, key=lambda mapping: mapping.mapping_id)
        return {"event_source_mappings": [self._render(mapping) for mapping in page], "next_marker": following}

    async def _load(self, mapping_id: str) -> EventSourceMapping:
        mapping = await self._mappings.load_mapping(mapping_id)
        if mapping is None:
            raise _not_found()
        return mapping

    async def _check(self, mapping: EventSourceMapping, call: Call) -> None:
        """Refuse a mapping that could not work."""
        fifo = mapping.event_source_arn.endswith(".fifo")
        if fifo and mapping.batching_window_seconds:
            raise InvalidParameterValueException("Batching window is not supported for FIFO queues")
        if mapping.batch_size > MAX_UNWINDOWED_BATCH and fifo:
            raise InvalidParameterValueException("The maximum batch size of a FIFO queue is 10.")
        if mapping.batch_size > MAX_UNWINDOWED_BATCH and not mapping.batching_window_seconds:
            raise InvalidParameterValueException(
                "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
            )
        reference = parse_function_name(mapping.function_arn, account_id=call.account_id, region=call.region)
        target = await self._functions.load_target(reference.arn, reference.qualifier)
        if target is None:
            raise ResourceNotFoundException(f"Function not found: {mapping.function_arn}")
        await self._check_queue(mapping, target, call)

    async def _check_queue(self, mapping: EventSourceMapping, target: InvocationTarget, call: Call) -> None:
        if self._operations is None:
            raise RuntimeError("event source mappings are not connected")
        role = await self._roles.act_as(target.configuration)
        as_role = Call(
            principal=role, account_id=call.account_id, region=call.region, request_id=call.request_id, now=call.now
        )
        queue = {"QueueUrl": queue_url_of(mapping.event_source_arn)}
        for needed in NEEDED:
            if not await self._operations.allows("sqs", needed, queue, as_role):
                raise InvalidParameterValueException(
                    f"The provided execution role does not have permissions to call {needed} on SQS",
                    detail=f"{role.policy_arn} on {mapping.event_source_arn}",
                )
        try:
            answer = await self._operations.invoke(
                "sqs", "GetQueueAttributes", {**queue, "AttributeNames": ["VisibilityTimeout"]}, as_role
            )
        except ServiceError as err:
            code = getattr(err, "query_code", err.code)
            raise InvalidParameterValueException(
                f"Error occurred while ReceiveMessage. SQS Error Code: {code}. SQS Error Message: {err.message}"
            ) from err
        attributes = answer.get("Attributes")
        visibility = int(attributes["VisibilityTimeout"]) if isinstance(attributes, Mapping) else 0
        if visibility < target.configuration.timeout_seconds:
            raise InvalidParameterValueException(
                f"Queue visibility timeout: {visibility} seconds is less than Function timeout: "
                f"{target.configuration.timeout_seconds} seconds"
            )

    def _render(self, mapping: EventSourceMapping) -> dict[str, object]:
        _, _, _, region, account_id, _ = mapping.event_source_arn.split(":")
        return {
            "uuid": mapping.mapping_id,
            "batch_size": mapping.batch_size,
            "maximum_batching_window_in_seconds": mapping.batching_window_seconds,
            "event_source_arn": mapping.event_source_arn,
            "filter_criteria": {"filters": [{"pattern": text} for text in mapping.filters]}
            if mapping.filters
            else None,
            "scaling_config": {"maximum_concurrency": mapping.maximum_concurrency}
            if mapping.maximum_concurrency is not None
            else None,
            "function_arn": mapping.function_arn,
            "last_modified": mapping.modified_at,
            "last_processing_result": self._pollers.last_result(mapping.mapping_id),
            "state": "Enabled" if mapping.enabled else "Disabled",
            "state_transition_reason": "USER_INITIATED",
            "function_response_types": ["ReportBatchItemFailures"] if mapping.report_batch_item_failures else [],
            "event_source_mapping_arn": (
                f"arn:aws:lambda:{region}:{account_id}:event-source-mapping:{mapping.mapping_id}"
            ),
        }


def _parse_source(arn: str, call: Call) -> str:
    """A queue of this account and region.

    Raises:
        InvalidParameterValueException: another source.
    """
    try:
        parsed = parse_arn(arn)
    except InvalidArn:
        parsed = None
    if parsed is None or parsed.service != "sqs":
        raise InvalidParameterValueException(
            f"The event source {arn} is not supported by velvetrope: only SQS queues are."
        )
    if (parsed.region, parsed.account_id) != (call.region, call.account_id):
        raise InvalidParameterValueException(
            f"The event source {arn} is not supported by velvetrope: a queue of this account and region is."
        )
    return str(parsed)


def _parse_filters(criteria: FilterCriteria | None) -> tuple[str, ...]:
    filters = [] if criteria is None else criteria.filters
    if len(filters) > MAX_FILTERS:
        raise InvalidParameterValueException(f"A mapping has no more than {MAX_FILTERS} filters.")
    for number, given in enumerate(filters, 1):
        try:
            pattern = parse_filter_pattern(given.pattern)
        except InvalidFilterPattern as err:
            raise _invalid_filter(number, err.message) from err
        if unknown := sorted(pattern.keys - RECORD_KEYS):
            # UNVERIFIED: that AWS refuses these too. Nothing would ever match, and all messages would be dropped.
            raise _invalid_filter(number, f"no message has {', '.join(unknown)}")
    return tuple(given.pattern for given in filters)


def _invalid_filter(number: int, reason: str) -> InvalidParameterValueException:
    return InvalidParameterValueException(f"Invalid filter pattern definition. (filter {number}: {reason})")


def _already_there(mapping: EventSourceMapping, mapping_id: str) -> ResourceConflictException:
    return ResourceConflictException(
        f'An event source mapping with SQS arn (" {mapping.event_source_arn} ") and function '
        f'(" {mapping.function_arn} ") already exists. Please update or delete the existing mapping with UUID '
        f"{mapping_id}".rstrip()
    )


def _not_found() -> ResourceNotFoundException:
    return ResourceNotFoundException("The resource you requested does not exist.")

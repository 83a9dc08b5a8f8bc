"""PutFunctionEventInvokeConfig, UpdateFunctionEventInvokeConfig, GetFunctionEventInvokeConfig,
DeleteFunctionEventInvokeConfig and ListFunctionEventInvokeConfigs: how asynchronous invocations are retried and who is
told of their outcome.

A configuration belongs to the function (`$LATEST`), to one version or to one alias; an invocation goes by that of the
qualifier that it asked for, and by no other. Put replaces the whole, Update changes what it names.

Source: AWS Lambda API Reference; destinations are described in `destinations`.
"""

from dataclasses import dataclass

import msgspec

from velvetrope.functions.destinations import Destinations, check_destination
from velvetrope.functions.errors import InvalidParameterValueException, ResourceNotFoundException
from velvetrope.functions.names import FunctionReference, parse_function_name
from velvetrope.functions.paging import page_size, parse_marker
from velvetrope.functions.roles import ExecutionRoles
from velvetrope.operations import Answer, Call, operation
from velvetrope.page_tokens import page_of
from velvetrope.store.tables.function_events import EventConfiguration, EventStore
from velvetrope.store.tables.functions import LATEST, FunctionStore

__all__ = ["DestinationConfig", "EventOperations"]


class OnOutcome(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One destination. Empty means none."""

    destination: str = ""


class DestinationConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told of events that went well, and of those that did not."""

    on_success: OnOutcome | None = None
    on_failure: OnOutcome | None = None


@dataclass(frozen=True, slots=True)
class EventOperations:
    """The configuration of asynchronous invocation."""

    functions: FunctionStore
    events: EventStore
    roles: ExecutionRoles
    destinations: Destinations

    @operation
    async def put_function_event_invoke_config(
        self,
        call: Call,
        *,
        function_name: str,
        qualifier: str | None = None,
        maximum_retry_attempts: int | None = None,
        maximum_event_age_in_seconds: int | None = None,
        destination_config: DestinationConfig | None = None,
    ) -> Answer:
        reference = await self._existing(function_name, qualifier, call)
        empty = EventConfiguration(
            function_arn=reference.arn, qualifier=reference.qualifier or LATEST, modified_at=call.now
        )
        return await self._change(empty, call, maximum_retry_attempts, maximum_event_age_in_seconds, destination_config)

    @operation
    async def update_function_event_invoke_config(
        self,
        call: Call,
        *,
        function_name: str,
        qualifier: str | None = None,
        maximum_retry_attempts: int | None = None,
        maximum_event_age_in_seconds: int | None = None,
        destination_config: DestinationConfig | None = None,
    ) -> Answer:
        present = await self._load(await self._existing(function_name, qualifier, call))
        return await self._change(
            present, call, maximum_retry_attempts, maximum_event_age_in_seconds, destination_config
        )

    @operation
    async def get_function_event_invoke_config(
        self, call: Call, *, function_name: str, qualifier: str | None = None
    ) -> Answer:
        return _render(await self._load(await self._existing(function_name, qualifier, call)))

    @operation
    async def delete_function_event_invoke_config(
        self, call: Call, *, function_name: str, qualifier: str | None = None
    ) -> Answer:
        reference = await self._existing(function_name, qualifier, call)
        if not await self.events.delete_configuration(reference.arn, reference.qualifier or LATEST):
            raise _none_for(reference)
        return None

    @operation
    async def list_function_event_invoke_configs(
        self, call: Call, *, function_name: str, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        reference = await self._existing(function_name, None, call)
        size = page_size(max_items)
        found = await self.events.load_configurations(
            reference.arn, after_qualifier=parse_marker(marker), limit=size + 1
        )
        page, following = page_of(found, size, key=lambda one: one.qualifier)
        return {"function_event_invoke_configs": [_render(one) for one in page], "next_marker": following}

    async def _existing(self, function_name: str, qualifier: str | None, call: Call) -> FunctionReference:
        reference = parse_function_name(function_name, qualifier, account_id=call.account_id, region=call.region)
        if await self.functions.load_target(reference.arn, reference.qualifier) is None:
            # UNVERIFIED: AWS's exact words for a qualifier that is not there.
            raise ResourceNotFoundException(
                f"The function {reference.arn}:{reference.qualifier or LATEST} doesn't exist."
            )
        return reference

    async def _load(self, reference: FunctionReference) -> EventConfiguration:
        found = await self.events.load_configuration(reference.arn, reference.qualifier or LATEST)
        if found is None:
            raise _none_for(reference)
        return found

    async def _change(
        self,
        present: EventConfiguration,
        call: Call,
        maximum_retry_attempts: int | None,
        maximum_event_age_in_seconds: int | None,
        destination_config: DestinationConfig | None,
    ) -> Answer:
        if (maximum_retry_attempts, maximum_event_age_in_seconds, destination_config) == (None, None, None):
            # UNVERIFIED: AWS's exact words.
            raise InvalidParameterValueException(
                "You must specify at least one of error handling or destination setting."
            )
        changed = msgspec.structs.replace(present, modified_at=call.now)
        if maximum_retry_attempts is not None:
            changed = msgspec.structs.replace(changed, maximum_retry_attempts=maximum_retry_attempts)
        if maximum_event_age_in_seconds is not None:
            changed = msgspec.structs.replace(changed, maximum_event_age_seconds=maximum_event_age_in_seconds)
        if destination_config is not None:
            on_success, on_failure = destination_config.on_success, destination_config.on_failure
            changed = msgspec.structs.replace(
                changed,
                on_success_arn=on_success.destination if on_success else "",
                on_failure_arn=on_failure.destination if on_failure else "",
            )
        for arn in (changed.on_success_arn, changed.on_failure_arn):
            check_destination(arn, function_arn=present.function_arn, account_id=call.account_id, region=call.region)
        if destination_config is not None:
            await self._check_destinations(changed)
        await self.events.save_configuration(changed)
        return _render(changed)

    async def _check_destinations(self, configuration: EventConfiguration) -> None:
        function = await self.functions.load_function(configuration.function_arn)
        if function is not None and (configuration.on_success_arn or configuration.on_failure_arn):
            role = await self.roles.act_as(function.latest)
            for arn in (configuration.on_success_arn, configuration.on_failure_arn):
                await self.destinations.check_destination_works(arn, role=role)


def _none_for(reference: FunctionReference) -> ResourceNotFoundException:
    arn = f"{reference.arn}:{reference.qualifier or LATEST}"
    return ResourceNotFoundException(f"The function {arn} doesn't have an EventInvokeConfig")


def _render(configuration: EventConfiguration) -> dict[str, object]:
    destinations = {
        "on_success": {"destination": configuration.on_success_arn} if configuration.on_success_arn else {},
        "on_failure": {"destination": configuration.on_failure_arn} if configuration.on_failure_arn else {},
    }
    return {
        "last_modified": configuration.modified_at,
        "function_arn": f"{configuration.function_arn}:{configuration.qualifier}",
        "maximum_retry_attempts": configuration.maximum_retry_attempts,
        "maximum_event_age_in_seconds": configuration.maximum_event_age_seconds,
        "destination_config": destinations,
    }

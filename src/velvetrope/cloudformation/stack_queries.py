"""DescribeStacks and its kin: what there is, what became of it, and the template it was made of.

Source: CloudFormation API Reference; messages for missing stacks differ between operations, as they do there.
"""

from collections.abc import Mapping

from velvetrope.cloudformation.engine import StackEngine
from velvetrope.cloudformation.errors import ValidationError
from velvetrope.cloudformation.shapes import PAGE_SIZE, page_start, render_parameters
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.cloudformation import ResourceRecord, StackRecord

__all__ = ["StackQueries"]

_NOT_CHECKED: Mapping[str, str] = {"stack_drift_status": "NOT_CHECKED"}
_RESOURCE_NOT_CHECKED: Mapping[str, str] = {"stack_resource_drift_status": "NOT_CHECKED"}


class StackQueries:
    """The operations that read stacks."""

    def __init__(self, engine: StackEngine) -> None:
        self._engine = engine

    @operation
    async def describe_stacks(
        self, call: Call, *, stack_name: str | None = None, next_token: str | None = None
    ) -> Answer:
        if stack_name is not None:
            return {"stacks": [self._render_stack(await self._find(call, stack_name))]}
        start = page_start(next_token)
        stacks = await self._engine.store.list_stacks(
            call.account_id, call.region, living_only=True, limit=PAGE_SIZE + 1, offset=start
        )
        shown = [self._render_stack(stack) for stack in stacks[:PAGE_SIZE]]
        return {"stacks": shown, "next_token": _following(start, len(stacks))}

    @operation
    async def list_stacks(
        self, call: Call, *, stack_status_filter: tuple[str, ...] | None = None, next_token: str | None = None
    ) -> Answer:
        start = page_start(next_token)
        stacks = await self._engine.store.list_stacks(
            call.account_id, call.region, statuses=stack_status_filter or None, limit=PAGE_SIZE + 1, offset=start
        )
        summaries = [
            {
                "stack_id": stack.stack_id,
                "stack_name": stack.stack_name,
                "template_description": stack.description or None,
                "creation_time": stack.created_at,
                "last_updated_time": stack.updated_at,
                "deletion_time": stack.deleted_at,
                "stack_status": stack.status,
                "stack_status_reason": stack.status_reason or None,
                "drift_information": _NOT_CHECKED,
            }
            for stack in stacks[:PAGE_SIZE]
        ]
        return {"stack_summaries": summaries, "next_token": _following(start, len(stacks))}

    @operation
    async def describe_stack_resources(
        self,
        call: Call,
        *,
        stack_name: str | None = None,
        logical_resource_id: str | None = None,
        physical_resource_id: str | None = None,
    ) -> Answer:
        if (stack_name is None) == (physical_resource_id is None):
            raise ValidationError("Either StackName or PhysicalResourceId must be specified, and not both.")
        if stack_name is not None:
            stack = await self._find(call, stack_name)
        else:
            found = await self._engine.store.find_stack_of_resource(
                call.account_id, call.region, physical_resource_id or ""
            )
            if found is None:
                raise ValidationError(f"Stack for {physical_resource_id} does not exist")
            stack = found
        resources = [
            {
                "stack_name": stack.stack_name,
                "stack_id": stack.stack_id,
                "timestamp": resource.updated_at,
                **_render_resource(resource),
            }
            for resource in await self._resources(stack)
            if logical_resource_id in (None, resource.logical_id)
            if physical_resource_id in (None, resource.physical_id)
        ]
        return {"stack_resources": resources[:PAGE_SIZE]}

    @operation
    async def describe_stack_resource(self, call: Call, *, stack_name: str, logical_resource_id: str) -> Answer:
        stack = await self._find(call, stack_name, missing=f"Stack '{stack_name}' does not exist")
        for resource in await self._resources(stack):
            if resource.logical_id == logical_resource_id:
                detail = {
                    "stack_name": stack.stack_name,
                    "stack_id": stack.stack_id,
                    "last_updated_timestamp": resource.updated_at,
                    **_render_resource(resource),
                }
                return {"stack_resource_detail": detail}
        raise ValidationError(f"Resource {logical_resource_id} does not exist for stack {stack_name}")

    @operation
    async def list_stack_resources(self, call: Call, *, stack_name: str, next_token: str | None = None) -> Answer:
        stack = await self._find(call, stack_name)
        start = page_start(next_token)
        resources = (await self._resources(stack))[start : start + PAGE_SIZE + 1]
        summaries = [
            {"last_updated_timestamp": resource.updated_at, **_render_resource(resource)}
            for resource in resources[:PAGE_SIZE]
        ]
        return {"stack_resource_summaries": summaries, "next_token": _following(start, len(resources))}

    @operation
    async def describe_stack_events(self, call: Call, *, stack_name: str, next_token: str | None = None) -> Answer:
        """The stack's history, newest first. The token is the number of the last event that was shown."""
        stack = await self._find(call, stack_name, missing=f"Stack [{stack_name}] does not exist")
        before = page_start(next_token) if next_token is not None else None
        events = await self._engine.store.load_events(stack.stack_id, before=before, limit=PAGE_SIZE + 1)
        shown = [
            {
                "stack_id": event.stack_id,
                "event_id": event.event_id,
                "stack_name": event.stack_name,
                "logical_resource_id": event.logical_id,
                "physical_resource_id": event.physical_id,
                "resource_type": event.resource_type,
                "timestamp": event.at,
                "resource_status": event.status,
                "resource_status_reason": event.status_reason or None,
                "client_request_token": event.client_request_token or None,
            }
            for _, event in events[:PAGE_SIZE]
        ]
        return {
            "stack_events": shown,
            "next_token": str(events[PAGE_SIZE - 1][0]) if len(events) > PAGE_SIZE else None,
        }

    @operation
    async def get_template(
        self,
        call: Call,
        *,
        stack_name: str,
        template_stage: str = "Original",
    ) -> Answer:
        contents = self._engine.vault.open_stack(await self._find(call, stack_name))
        body = contents.processed if template_stage == "Processed" else contents.template
        return {"template_body": body, "stages_available": ["Original", "Processed"]}

    async def _find(self, call: Call, name_or_id: str, *, missing: str = "") -> StackRecord:
        stack = await self._engine.store.load_stack(call.account_id, call.region, name_or_id)
        if stack is None:
            raise ValidationError(missing or f"Stack with id {name_or_id} does not exist")
        return stack

    async def _resources(self, stack: StackRecord) -> list[ResourceRecord]:
        return [one for one in await self._engine.store.load_resources(stack.stack_id) if not one.retired]

    def _render_stack(self, stack: StackRecord) -> Mapping[str, object]:
        contents = self._engine.vault.open_stack(stack)
        return {
            "stack_id": stack.stack_id,
            "stack_name": stack.stack_name,
            "change_set_id": stack.change_set_id or None,
            "description": stack.description or None,
            "parameters": render_parameters(contents),
            "creation_time": stack.created_at,
            "last_updated_time": stack.updated_at,
            "deletion_time": stack.deleted_at,
            "rollback_configuration": {},
            "stack_status": stack.status,
            "stack_status_reason": stack.status_reason or None,
            "disable_rollback": stack.disable_rollback,
            "notification_arns": [],
            "capabilities": list(stack.capabilities) or None,
            "outputs": [
                {
                    "output_key": output.name,
                    "output_value": output.value,
                    "description": output.description or None,
                }
                for output in contents.outputs
            ],
            "tags": [{"key": key, "value": value} for key, value in stack.tags.items()],
            "enable_termination_protection": stack.termination_protection,
            "drift_information": _NOT_CHECKED,
        }


def _following(start: int, found: int) -> str | None:
    """The token of the next page; a page is read with one entry more, to see whether there is one."""
    return str(start + PAGE_SIZE) if found > PAGE_SIZE else None


def _render_resource(resource: ResourceRecord) -> dict[str, object]:
    return {
        "logical_resource_id": resource.logical_id,
        "physical_resource_id": resource.physical_id,
        "resource_type": resource.resource_type,
        "resource_status": resource.status,
        "resource_status_reason": resource.status_reason or None,
        "drift_information": _RESOURCE_NOT_CHECKED,
    }

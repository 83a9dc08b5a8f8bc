"""Change sets: a plan that is shown first and carried out later, or not at all.

The plan is made when the change set is, and answers DescribeChangeSet; executing it plans again, since the stack may
have changed in between, and a change set whose siblings were executed is obsolete. A CREATE change set makes a stack in
REVIEW_IN_PROGRESS that holds nothing.

Source: CloudFormation API Reference, CreateChangeSet, DescribeChangeSet, ExecuteChangeSet.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

from velvetrope.clock import Clock, Entropy
from velvetrope.cloudformation.claims import StackRequest
from velvetrope.cloudformation.contents import ChangeSetContents, StackContents
from velvetrope.cloudformation.engine import StackEngine
from velvetrope.cloudformation.errors import (
    AlreadyExistsException,
    ChangeSetNotFound,
    InvalidChangeSetStatus,
    ValidationError,
)
from velvetrope.cloudformation.planning import (
    CreateResource,
    KeepResource,
    Plan,
    ReplaceResource,
    UpdateResource,
)
from velvetrope.cloudformation.preparing import check_capabilities
from velvetrope.cloudformation.schemas import ResourceSchema
from velvetrope.cloudformation.shapes import Parameter, Tag, check_stack_name, parameter_values, tag_map, template_text
from velvetrope.errors import ServiceError
from velvetrope.identifiers import new_uuid
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.cloudformation import ChangeSetRecord, StackRecord

__all__ = ["ChangeSetOperations"]

_NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."


class ChangeSetOperations:
    """The operations on change sets."""

    def __init__(self, engine: StackEngine, *, clock: Clock, entropy: Entropy) -> None:
        self._engine = engine
        self._clock = clock
        self._entropy = entropy

    @operation
    async def create_change_set(
        self,
        call: Call,
        *,
        stack_name: str,
        change_set_name: str,
        template_body: str | None = None,
        use_previous_template: bool = False,
        parameters: tuple[Parameter, ...] = (),
        capabilities: tuple[str, ...] = (),
        tags: tuple[Tag, ...] | None = None,
        description: str = "",
        change_set_type: Literal["CREATE", "UPDATE"] = "UPDATE",
        include_nested_stacks: bool = False,
    ) -> Answer:
        stack = await self._engine.store.load_stack(call.account_id, call.region, stack_name)
        if change_set_type == "CREATE":
            check_stack_name(stack_name)
            if stack is not None and stack.status != "REVIEW_IN_PROGRESS":
                raise ValidationError(
                    f"Stack [{stack_name}] already exists and cannot be created again with the changeSet "
                    f"[{change_set_name}]."
                )
        elif stack is None or stack.deleted_at is not None:
            raise ValidationError(f"Stack [{stack_name}] does not exist")
        previous = None if stack is None else self._engine.vault.open_stack(stack)
        template = template_text(template_body, previous=previous, use_previous=use_previous_template)
        values = parameter_values(parameters, previous)
        stack_id = self._engine.claims.new_stack_id(stack_name, call) if stack is None else stack.stack_id
        prepared = await self._engine.claims.prepare(
            template,
            values,
            stack_name=stack_name if stack is None else stack.stack_name,
            stack_id=stack_id,
            call=call,
        )
        check_capabilities(prepared, capabilities)
        contents = ChangeSetContents(template, values, hidden=prepared.contents().hidden)
        plan = await self._engine.claims.plan(prepared, stack_id)
        if stack is None:
            stack = await self._stack_in_review(stack_name, stack_id, call)
        wanted_tags = stack.tags if tags is None else tag_map(tags)
        empty = not plan.changes_anything and wanted_tags == stack.tags
        change_set_id = call.arn("cloudformation", f"changeSet/{change_set_name}/{new_uuid(self._entropy)}")
        saved = await self._engine.store.save_change_set(
            ChangeSetRecord(
                change_set_id=change_set_id,
                name=change_set_name,
                stack_id=stack_id,
                stack_name=stack.stack_name,
                creates_stack=change_set_type == "CREATE",
                status="FAILED" if empty else "CREATE_COMPLETE",
                execution_status="UNAVAILABLE" if empty else "AVAILABLE",
                created_at=self._clock.now(),
                sealed=self._engine.vault.seal_change_set(change_set_id, contents),
                status_reason=_NO_CHANGES if empty else "",
                description=description,
                capabilities=capabilities,
                tags=wanted_tags,
                changes=tuple(_render_changes(plan, self._engine.catalog.schemas)),
                include_nested_stacks=include_nested_stacks,
            )
        )
        if not saved:
            raise AlreadyExistsException(f"ChangeSet {change_set_name} already exists")
        return {"id": change_set_id, "stack_id": stack_id}

    @operation
    async def describe_change_set(self, call: Call, *, change_set_name: str, stack_name: str | None = None) -> Answer:
        change_set = await self._find(call, change_set_name, stack_name)
        contents = self._engine.vault.open_change_set(change_set)
        return {
            "change_set_name": change_set.name,
            "change_set_id": change_set.change_set_id,
            "stack_id": change_set.stack_id,
            "stack_name": change_set.stack_name,
            "description": change_set.description or None,
            "parameters": [
                {"parameter_key": name, "parameter_value": "****" if name in contents.hidden else value}
                for name, value in contents.parameters.items()
            ],
            "creation_time": change_set.created_at,
            "execution_status": change_set.execution_status,
            "status": change_set.status,
            "status_reason": change_set.status_reason or None,
            "notification_arns": [],
            "rollback_configuration": {},
            "capabilities": list(change_set.capabilities) or None,
            "tags": [{"key": key, "value": value} for key, value in change_set.tags.items()],
            "changes": [{"type": "Resource", "resource_change": change} for change in change_set.changes],
            "include_nested_stacks": change_set.include_nested_stacks,
        }

    @operation
    async def list_change_sets(self, call: Call, *, stack_name: str) -> Answer:
        stack = await self._engine.store.load_stack(call.account_id, call.region, stack_name)
        if stack is None:
            raise ValidationError(f"Stack [{stack_name}] does not exist")
        summaries = [
            {
                "stack_id": one.stack_id,
                "stack_name": one.stack_name,
                "change_set_id": one.change_set_id,
                "change_set_name": one.name,
                "execution_status": one.execution_status,
                "status": one.status,
                "status_reason": one.status_reason or None,
                "creation_time": one.created_at,
                "description": one.description or None,
                "include_nested_stacks": one.include_nested_stacks,
            }
            for one in await self._engine.store.list_change_sets(stack.stack_id)
        ]
        return {"summaries": summaries}

    @operation
    async def execute_change_set(
        self,
        call: Call,
        *,
        change_set_name: str,
        stack_name: str | None = None,
        client_request_token: str = "",
        disable_rollback: bool = False,
    ) -> Answer:
        change_set = await self._find(call, change_set_name, stack_name)
        taken = await self._engine.store.take_change_set(change_set.change_set_id)
        if taken is None:
            raise InvalidChangeSetStatus(
                f"ChangeSet [{change_set.change_set_id}] cannot be executed in its current status of "
                f"[{change_set.status}]"
            )
        contents = self._engine.vault.open_change_set(taken)
        request = StackRequest(
            stack_name=taken.stack_name,
            template=contents.template,
            parameters=contents.parameters,
            capabilities=taken.capabilities,
            tags=taken.tags,
            on_failure="DO_NOTHING" if disable_rollback else "ROLLBACK",
            client_request_token=client_request_token,
            change_set_id=taken.change_set_id,
        )
        try:
            stack = await self._engine.store.load_stack(call.account_id, call.region, taken.stack_id)
            if stack is None:
                raise ValidationError(f"Stack [{taken.stack_name}] does not exist")
            await self._engine.update(request, stack, call, change_set=taken)
        except ServiceError:
            await self._engine.store.finish_change_set(taken, execution_status="EXECUTE_FAILED")
            raise
        return {}

    @operation
    async def delete_change_set(self, call: Call, *, change_set_name: str, stack_name: str | None = None) -> Answer:
        change_set = await self._find(call, change_set_name, stack_name)
        if not await self._engine.store.delete_change_set(change_set.change_set_id):
            raise InvalidChangeSetStatus(
                f"ChangeSet [{change_set.change_set_id}] cannot be deleted while it is being executed"
            )
        return {}

    async def _find(self, call: Call, name_or_id: str, stack_name: str | None) -> ChangeSetRecord:
        found: ChangeSetRecord | None = None
        if name_or_id.startswith("arn:"):
            # An ARN of another account finds nothing: the stack below is looked for in the caller's.
            found = await self._engine.store.load_change_set(change_set_id=name_or_id)
            stack_name = None if found is None else found.stack_id
        elif stack_name is None:
            raise ValidationError("StackName must be specified if ChangeSetName is not specified as an ARN.")
        stack = None
        if stack_name is not None:
            stack = await self._engine.store.load_stack(call.account_id, call.region, stack_name)
        if stack is None:
            if found is None and stack_name is not None:
                raise ValidationError(f"Stack [{stack_name}] does not exist")
            found = None
        elif found is None:
            found = await self._engine.store.load_change_set(stack_id=stack.stack_id, name=name_or_id)
        if found is None:
            raise ChangeSetNotFound(f"ChangeSet [{name_or_id}] does not exist")
        return found

    async def _stack_in_review(self, stack_name: str, stack_id: str, call: Call) -> StackRecord:
        stack = StackRecord(
            stack_id=stack_id,
            stack_name=stack_name,
            account_id=call.account_id,
            region=call.region,
            status="REVIEW_IN_PROGRESS",
            status_reason="User Initiated",
            created_at=self._clock.now(),
            sealed=self._engine.vault.seal_stack(stack_id, StackContents("")),
        )
        if not await self._engine.store.create_stack(stack):
            raise AlreadyExistsException(f"Stack [{stack_name}] already exists")
        return stack


def _render_changes(plan: Plan, schemas: Mapping[str, ResourceSchema]) -> Iterator[dict[str, object]]:
    """The plan as DescribeChangeSet shows it."""
    for one in plan.instructions:
        change: dict[str, object] = {
            "logical_resource_id": one.definition.logical_id,
            "resource_type": one.definition.type,
        }
        match one:
            case KeepResource():
                continue
            case CreateResource():
                yield {"action": "Add", **change, "scope": [], "details": []}
            case (
                UpdateResource(existing=existing, changed=changed) | ReplaceResource(existing=existing, changed=changed)
            ):
                replacement = "False"
                if isinstance(one, ReplaceResource):
                    replacement = "True" if one.certain else "Conditional"
                yield {
                    "action": "Modify",
                    **change,
                    "physical_resource_id": existing.made.physical_id,
                    "replacement": replacement,
                    "scope": ["Properties"],
                    "details": [
                        {
                            "target": {
                                "attribute": "Properties",
                                "name": name,
                                "requires_recreation": _recreation(name, one, schemas),
                            },
                            "evaluation": "Static" if one.certain else "Dynamic",
                        }
                        for name in changed
                    ],
                }
    for deletion in plan.deletions:
        existing = deletion.existing
        if not existing.retired:
            yield {
                "action": "Remove",
                "logical_resource_id": existing.logical_id,
                "physical_resource_id": existing.made.physical_id,
                "resource_type": existing.type,
                "scope": [],
                "details": [],
            }


def _recreation(name: str, instruction: UpdateResource | ReplaceResource, schemas: Mapping[str, ResourceSchema]) -> str:
    if name not in schemas[instruction.definition.type].create_only:
        return "Never"
    return "Always" if instruction.certain else "Conditionally"

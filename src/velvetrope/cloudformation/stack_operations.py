"""CreateStack, UpdateStack, DeleteStack: checked and claimed here, worked on in the background.

What is not supported is refused by name by `edge`, since it is no parameter here: templates by URL, RoleARN, stack
policies, notifications, rollback triggers, timeouts, forced deletion.

Source: CloudFormation API Reference.
"""

from typing import Literal

from velvetrope.cloudformation.claims import StackRequest
from velvetrope.cloudformation.engine import StackEngine
from velvetrope.cloudformation.errors import AlreadyExistsException, ValidationError
from velvetrope.cloudformation.lifecycle import OnFailure
from velvetrope.cloudformation.shapes import Parameter, Tag, check_stack_name, parameter_values, tag_map, template_text
from velvetrope.operations import Answer, Call, operation

__all__ = ["StackOperations"]


class StackOperations:
    """The operations that change stacks."""

    def __init__(self, engine: StackEngine) -> None:
        self._engine = engine

    @operation
    async def create_stack(
        self,
        call: Call,
        *,
        stack_name: str,
        template_body: str | None = None,
        parameters: tuple[Parameter, ...] = (),
        disable_rollback: bool | None = None,
        on_failure: OnFailure | None = None,
        capabilities: tuple[str, ...] = (),
        tags: tuple[Tag, ...] = (),
        client_request_token: str = "",
        enable_termination_protection: bool = False,
    ) -> Answer:
        check_stack_name(stack_name)
        if disable_rollback is not None and on_failure is not None:
            raise ValidationError("Either DisableRollback or OnFailure can be specified, not both.")
        request = StackRequest(
            stack_name=stack_name,
            template=template_text(template_body, previous=None, use_previous=False),
            parameters=parameter_values(parameters, None),
            capabilities=capabilities,
            tags=tag_map(tags),
            on_failure=on_failure or ("DO_NOTHING" if disable_rollback else "ROLLBACK"),
            termination_protection=enable_termination_protection,
            client_request_token=client_request_token,
        )
        existing = await self._engine.store.load_stack(call.account_id, call.region, stack_name)
        if existing is not None:
            # The same request once more, by a client that did not hear the first answer.
            if client_request_token and existing.client_request_token == client_request_token:
                return {"stack_id": existing.stack_id}
            raise AlreadyExistsException(f"Stack [{stack_name}] already exists")
        return {"stack_id": await self._engine.create(request, call)}

    @operation
    async def update_stack(
        self,
        call: Call,
        *,
        stack_name: str,
        template_body: str | None = None,
        use_previous_template: bool = False,
        parameters: tuple[Parameter, ...] = (),
        disable_rollback: bool = False,
        capabilities: tuple[str, ...] = (),
        tags: tuple[Tag, ...] | None = None,
        client_request_token: str = "",
    ) -> Answer:
        stack = await self._engine.store.load_stack(call.account_id, call.region, stack_name)
        if stack is None or stack.deleted_at is not None:
            raise ValidationError(f"Stack [{stack_name}] does not exist")
        contents = self._engine.vault.open_stack(stack)
        request = StackRequest(
            stack_name=stack.stack_name,
            template=template_text(template_body, previous=contents, use_previous=use_previous_template),
            parameters=parameter_values(parameters, contents),
            capabilities=capabilities,
            # Tags that are not given stay; an empty list takes them away.
            tags=stack.tags if tags is None else tag_map(tags),
            on_failure="DO_NOTHING" if disable_rollback else "ROLLBACK",
            client_request_token=client_request_token,
        )
        return {"stack_id": await self._engine.update(request, stack, call)}

    @operation
    async def delete_stack(
        self,
        call: Call,
        *,
        stack_name: str,
        retain_resources: tuple[str, ...] = (),
        client_request_token: str = "",
        deletion_mode: Literal["STANDARD"] = "STANDARD",  # noqa: ARG002  the only one: forced deletion is refused
    ) -> Answer:
        """Begin to delete a stack. One that is not there, or gone already, is no error, as on AWS."""
        stack = await self._engine.store.load_stack(call.account_id, call.region, stack_name)
        if stack is None or stack.status in ("DELETE_COMPLETE", "DELETE_IN_PROGRESS"):
            return None
        if retain_resources and stack.status != "DELETE_FAILED":
            raise ValidationError(
                f"Invalid operation on stack [{stack.stack_id}]. RetainResources can only be specified for a stack in "
                "the DELETE_FAILED state"
            )
        await self._engine.delete(
            stack, call, retain=frozenset(retain_resources), client_request_token=client_request_token
        )
        return None

    @operation
    async def update_termination_protection(
        self, call: Call, *, stack_name: str, enable_termination_protection: bool
    ) -> Answer:
        stack = await self._engine.store.protect_stack(
            call.account_id, call.region, stack_name, protected=enable_termination_protection
        )
        if stack is None:
            raise ValidationError(f"Stack [{stack_name}] does not exist, or an operation is in progress on it")
        return {"stack_id": stack.stack_id}

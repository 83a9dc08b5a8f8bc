"""Claiming a stack: the last that happens before the caller of an operation is answered.

The template is checked in full and the plan made; then one conditional write makes the stack this operation's, in a
state that says so and with its first event. Whoever comes second is refused. What is claimed is carried out by
`lifecycle.py`.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from velvetrope.cloudformation.contents import StackContents
from velvetrope.cloudformation.errors import AlreadyExistsException, ValidationError
from velvetrope.cloudformation.execution import EventListener, Services, StackRun
from velvetrope.cloudformation.lifecycle import OnFailure
from velvetrope.cloudformation.planning import (
    Existing,
    KeepResource,
    KnownResources,
    Plan,
    make_plan,
    resolve_outputs,
)
from velvetrope.cloudformation.preparing import Prepared, check_capabilities, prepare
from velvetrope.cloudformation.resource import Artifacts
from velvetrope.cloudformation.resource_records import existing_of
from velvetrope.identifiers import new_uuid
from velvetrope.operations import Call
from velvetrope.store.tables.cloudformation import EventRecord, StackRecord
from velvetrope.templates import InvalidTemplate

__all__ = ["COMPLETE", "SETTLED", "UPDATABLE", "Claimed", "StackClaims", "StackRequest"]

UPDATABLE: Final = frozenset(
    {"CREATE_COMPLETE", "CREATE_FAILED", "UPDATE_COMPLETE", "UPDATE_FAILED", "UPDATE_ROLLBACK_COMPLETE"}
)
SETTLED: Final = UPDATABLE | {
    "DELETE_FAILED",
    "REVIEW_IN_PROGRESS",
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "UPDATE_ROLLBACK_FAILED",
}
COMPLETE: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StackRequest:
    """What a caller wants a stack to be."""

    stack_name: str
    template: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    on_failure: OnFailure = "ROLLBACK"
    termination_protection: bool = False
    client_request_token: str = ""
    change_set_id: str = ""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A stack that this process may work on, and what is to be done to it."""

    run: StackRun
    prepared: Prepared
    plan: Plan
    before: StackContents
    on_failure: OnFailure


class StackClaims:
    """Claims stacks for operations of this process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store
        self._vault = services.vault
        self._expanding = asyncio.Lock()

    async def prepare(
        self, text: str, parameters: Mapping[str, str], *, stack_name: str, stack_id: str, call: Call
    ) -> Prepared:
        """A template checked as far as it can be without a stack.

        Raises:
            ValidationError: with CloudFormation's sentence.
        """
        return await prepare(
            text,
            parameters,
            stack_name=stack_name,
            stack_id=stack_id,
            call=call,
            catalog=self._services.catalog,
            expanding=self._expanding,
        )

    async def plan(self, prepared: Prepared, stack_id: str) -> Plan:
        """What would turn the stack into `prepared`.

        Raises:
            ValidationError: a circle, a property or a change that is refused.
        """
        return self._plan(prepared, await self.load_existing(stack_id))

    def new_stack_id(self, stack_name: str, call: Call) -> str:
        """An ARN for a stack that is still to be."""
        return call.arn("cloudformation", f"stack/{stack_name}/{new_uuid(self._services.entropy)}")

    async def new_stack(
        self,
        request: StackRequest,
        call: Call,
        *,
        acknowledged: Collection[str] | None,
        artifacts: Artifacts | None = None,
        on_event: EventListener | None = None,
    ) -> Claimed:
        """A stack that was not there, claimed. `acknowledged` are capabilities; None is all of them.

        Raises:
            AlreadyExistsException: a living stack has the name.
            ValidationError, InsufficientCapabilitiesException: the template is refused.
        """
        stack_id = self.new_stack_id(request.stack_name, call)
        prepared, plan = await self._prepare_and_plan(request, stack_id, [], call, acknowledged)
        run = self._run(
            self._stack(request, stack_id, prepared, call),
            prepared.contents(),
            [],
            call=call,
            artifacts=artifacts or {},
            on_event=on_event,
        )
        run.enter("CREATE_IN_PROGRESS", "User Initiated")
        if not await self._store.create_stack(run.stack, events=run.take_events()):
            raise AlreadyExistsException(f"Stack [{request.stack_name}] already exists")
        return Claimed(run, prepared, plan, StackContents(""), request.on_failure)

    async def update(
        self,
        request: StackRequest,
        stack: StackRecord,
        call: Call,
        *,
        acknowledged: Collection[str] | None,
        from_statuses: Collection[str],
        artifacts: Artifacts,
        on_event: EventListener | None = None,
    ) -> Claimed | None:
        """The stack, claimed for an update; None if there is nothing to update.

        Raises:
            ValidationError: its state is none of `from_statuses`, or the template is refused.
            InsufficientCapabilitiesException: the template does more than was acknowledged.
        """
        if stack.status not in from_statuses:
            raise _wrong_state(stack)
        there = await self.load_existing(stack.stack_id)
        prepared, plan = await self._prepare_and_plan(request, stack.stack_id, there, call, acknowledged)
        before = self._vault.open_stack(stack)
        if stack.status in COMPLETE and not self._differs(request, stack, prepared, plan, before):
            return None
        updated = msgspec.structs.replace(
            stack,
            operation_id=new_uuid(self._services.entropy),
            updated_at=self._services.clock.now(),
            description=prepared.template.description,
            capabilities=request.capabilities,
            tags=dict(request.tags),
            client_request_token=request.client_request_token,
            change_set_id=request.change_set_id,
        )
        run = self._run(
            updated,
            prepared.contents(before.outputs),
            there,
            call=call,
            artifacts=artifacts,
            on_event=on_event,
        )
        first = stack.status == "REVIEW_IN_PROGRESS"
        run.enter("CREATE_IN_PROGRESS" if first else "UPDATE_IN_PROGRESS", "User Initiated")
        if not await self._store.begin_operation(run.stack, from_statuses=from_statuses, events=run.take_events()):
            raise _wrong_state(await self._store.load_stack(stack.account_id, stack.region, stack.stack_id) or stack)
        return Claimed(run, prepared, plan, before, request.on_failure)

    def _differs(
        self, request: StackRequest, stack: StackRecord, prepared: Prepared, plan: Plan, before: StackContents
    ) -> bool:
        """Whether an update would change anything: a resource, an output, or the stack's own tags."""
        if plan.changes_anything or dict(request.tags) != stack.tags:
            return True
        # Nothing changes, so every resource that an output may ask for is there.
        kept = [one for one in plan.instructions if isinstance(one, KeepResource)]
        known = KnownResources({one.existing.logical_id: one.existing.made for one in kept})
        return resolve_outputs(prepared.active, known) != before.outputs

    async def deletion(self, stack: StackRecord, call: Call, *, client_request_token: str) -> StackRun | None:
        """The stack, claimed for its end; None if it is at work."""
        contents = self._vault.open_stack(stack)
        claimed = msgspec.structs.replace(
            stack,
            operation_id=new_uuid(self._services.entropy),
            updated_at=self._services.clock.now(),
            client_request_token=client_request_token,
        )
        there = await self.load_existing(stack.stack_id)
        run = self._run(claimed, contents, there, call=call, artifacts={}, on_event=None)
        run.enter("DELETE_IN_PROGRESS", "User Initiated")
        if not await self._store.begin_operation(run.stack, from_statuses=SETTLED, events=run.take_events()):
            return None
        return run

    async def _prepare_and_plan(
        self,
        request: StackRequest,
        stack_id: str,
        there: list[Existing],
        call: Call,
        acknowledged: Collection[str] | None,
    ) -> tuple[Prepared, Plan]:
        prepared = await self.prepare(
            request.template, request.parameters, stack_name=request.stack_name, stack_id=stack_id, call=call
        )
        if acknowledged is not None:
            check_capabilities(prepared, acknowledged)
        return prepared, self._plan(prepared, there)

    def _plan(self, prepared: Prepared, there: list[Existing]) -> Plan:
        try:
            return make_plan(prepared.active, there, self._services.catalog)
        except InvalidTemplate as error:
            raise ValidationError(error.message) from None

    async def load_existing(self, stack_id: str) -> list[Existing]:
        """What the stack is recorded to have, opened."""
        return [existing_of(record, self._vault) for record in await self._store.load_resources(stack_id)]

    def _stack(self, request: StackRequest, stack_id: str, prepared: Prepared, call: Call) -> StackRecord:
        return StackRecord(
            stack_id=stack_id,
            stack_name=request.stack_name,
            account_id=call.account_id,
            region=call.region,
            status="",
            created_at=self._services.clock.now(),
            sealed=b"",
            description=prepared.template.description,
            operation_id=new_uuid(self._services.entropy),
            capabilities=request.capabilities,
            tags=dict(request.tags),
            disable_rollback=request.on_failure == "DO_NOTHING",
            termination_protection=request.termination_protection,
            client_request_token=request.client_request_token,
            change_set_id=request.change_set_id,
        )

    def _run(
        self,
        stack: StackRecord,
        contents: StackContents,
        there: list[Existing],
        *,
        call: Call,
        artifacts: Artifacts,
        on_event: EventListener | None,
    ) -> StackRun:
        sealed = self._vault.seal_stack(stack.stack_id, contents)
        return StackRun(
            services=self._services,
            stack=msgspec.structs.replace(stack, sealed=sealed),
            contents=contents,
            there=there,
            call=call,
            artifacts=artifacts,
            on_event=on_event or _nobody_listens,
        )


def _wrong_state(stack: StackRecord) -> ValidationError:
    return ValidationError(f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated.")


def _nobody_listens(event: EventRecord) -> None:
    """For operations of which nobody follows the progress."""

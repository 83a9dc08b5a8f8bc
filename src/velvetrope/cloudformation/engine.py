"""Stacks: claimed, planned, and worked on in the background.

    stack_id = await engine.create(request, call)        # answers at once and works on, as AWS does
    await engine.settled(stack_id)                       # for those who want to wait
    applied = await engine.apply(text, stack_name=…, call=…)   # create or update, and wait: `velvetrope dev`

Before the caller is answered, the template has been checked in full, the plan made and the stack claimed by a
conditional write; `lifecycle.py` does the rest and `execution.py` its single steps.

An operation runs in the process that was asked for it. What a stop or a crash interrupts is said so at the next start
(`recover`), and the next update goes on from what was recorded. Differences from AWS: a template is checked in full
before the call answers, where AWS fails the stack later; a stack at work cannot be deleted; stack tags are kept but
not handed on to resources.

Source: CloudFormation API Reference, CreateStack, UpdateStack, DeleteStack.
"""

import asyncio
import logging
from collections.abc import Collection, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from velvetrope.clock import Clock, Entropy
from velvetrope.cloudformation.contents import StackContents, Vault
from velvetrope.cloudformation.errors import (
    AlreadyExistsException,
    OperationInterrupted,
    StackFailed,
    ValidationError,
)
from velvetrope.cloudformation.execution import (
    EventListener,
    Services,
    StackRun,
    existing_of,
)
from velvetrope.cloudformation.lifecycle import OnFailure, create_stack, delete_stack, update_stack
from velvetrope.cloudformation.planning import (
    Catalog,
    Existing,
    KeepResource,
    KnownResources,
    Plan,
    make_plan,
    resolve_outputs,
)
from velvetrope.cloudformation.preparing import Prepared, check_capabilities, prepare
from velvetrope.cloudformation.resource import Artifacts
from velvetrope.cloudformation.resources import HANDLERS
from velvetrope.cloudformation.schemas import load_schemas
from velvetrope.identifiers import new_uuid
from velvetrope.operations import Call, OperationInvoker
from velvetrope.sealing import MasterKeys
from velvetrope.store.tables.cloudformation import ChangeSetRecord, CloudFormationStore, EventRecord, StackRecord
from velvetrope.templates import InvalidTemplate

__all__ = ["AppliedResource", "AppliedStack", "StackEngine", "StackRequest"]

_log = logging.getLogger(__name__)

_UPDATABLE: Final = frozenset(
    {"CREATE_COMPLETE", "CREATE_FAILED", "UPDATE_COMPLETE", "UPDATE_FAILED", "UPDATE_ROLLBACK_COMPLETE"}
)
_SETTLED: Final = _UPDATABLE | {
    "DELETE_FAILED",
    "REVIEW_IN_PROGRESS",
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "UPDATE_ROLLBACK_FAILED",
}
_COMPLETE: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
_INTERRUPTED: Final[Mapping[str, str]] = {
    "CREATE_IN_PROGRESS": "CREATE_FAILED",
    "ROLLBACK_IN_PROGRESS": "ROLLBACK_FAILED",
    "UPDATE_IN_PROGRESS": "UPDATE_FAILED",
    # All changes were made; what was to be cleaned up is recorded and goes with the next update.
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_IN_PROGRESS": "UPDATE_ROLLBACK_FAILED",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
    "DELETE_IN_PROGRESS": "DELETE_FAILED",
}


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
class AppliedResource:
    """One resource of an applied stack."""

    type: str
    physical_id: str


@dataclass(frozen=True, slots=True)
class AppliedStack:
    """A stack that is what its template says. `changed` is False if it was so before."""

    stack_id: str
    outputs: Mapping[str, str]
    resources: Mapping[str, AppliedResource]
    changed: bool


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A stack that this process may work on, and what is to be done to it."""

    run: StackRun
    prepared: Prepared
    plan: Plan
    before: StackContents
    on_failure: OnFailure


class StackEngine:
    """Works on stacks."""

    def __init__(
        self,
        *,
        store: CloudFormationStore,
        invoker: OperationInvoker,
        master_keys: MasterKeys,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self.store = store
        self.vault = Vault(master_keys, entropy)
        self.catalog = Catalog(load_schemas(), HANDLERS)
        self._services = Services(store, self.vault, invoker, clock, entropy, self.catalog)
        self._clock = clock
        self._entropy = entropy
        self._expanding = asyncio.Lock()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._artifacts: dict[str, Artifacts] = {}
        """The artifacts of each stack's last success: a rollback needs the code that was there before."""

    # For everybody

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
            catalog=self.catalog,
            expanding=self._expanding,
        )

    async def plan(self, prepared: Prepared, stack_id: str) -> Plan:
        """What would turn the stack into `prepared`.

        Raises:
            ValidationError: a circle, a property or a change that is refused.
        """
        return self._plan(prepared, await self._load_existing(stack_id))

    def new_stack_id(self, stack_name: str, call: Call) -> str:
        """An ARN for a stack that is still to be."""
        return call.arn("cloudformation", f"stack/{stack_name}/{new_uuid(self._entropy)}")

    async def settled(self, stack_id: str) -> None:
        """Come back when no operation of this process works on the stack."""
        task = self._tasks.get(stack_id)
        if task is not None:
            await asyncio.wait([task])

    async def recover(self) -> int:
        """Say of every operation that was under way when the server stopped that it was interrupted.

        For start-up, while nothing runs. Returns how many there were. Of nodes that share a database each does so for
        its own.
        """
        return await self.store.interrupt_operations(
            _INTERRUPTED, reason="The server stopped before the operation had ended.", at=self._clock.now()
        )

    async def close(self) -> None:
        """Stop what is under way. `recover` finds it at the next start."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Create, update, delete: claimed here, carried out in the background

    async def create(self, request: StackRequest, call: Call) -> str:
        """Begin a new stack; its id.

        Raises:
            AlreadyExistsException: a living stack has the name.
            ValidationError, InsufficientCapabilitiesException: the template is refused.
        """
        claimed = await self._claim_new(request, call, acknowledged=request.capabilities)
        return self._start(claimed.run, _creating(claimed, self._clock))

    async def update(
        self, request: StackRequest, stack: StackRecord, call: Call, *, change_set: ChangeSetRecord | None = None
    ) -> str:
        """Begin to turn `stack` into what `request` says; its id.

        A change set that is executed may also fill a stack in review, and is told in the end how it went.

        Raises:
            ValidationError: there is nothing to change, the stack's state admits no update, or the template is refused.
            InsufficientCapabilitiesException: the template does more than was acknowledged.
        """
        from_statuses = _UPDATABLE if change_set is None else _UPDATABLE | {"REVIEW_IN_PROGRESS"}
        claimed = await self._claim(
            request, stack, call, acknowledged=request.capabilities, from_statuses=from_statuses, artifacts={}
        )
        if claimed is None:
            raise ValidationError("No updates are to be performed.")
        return self._start(claimed.run, _updating(claimed, self._clock), change_set)

    async def delete(
        self, stack: StackRecord, call: Call, *, retain: frozenset[str] = frozenset(), client_request_token: str = ""
    ) -> None:
        """Begin to delete `stack`. `retain` are logical ids that stay in the world; only for a DELETE_FAILED stack.

        Raises:
            ValidationError: the stack is protected or at work.
        """
        if stack.termination_protection:
            raise ValidationError(
                f"Stack [{stack.stack_name}] cannot be deleted while TerminationProtection is enabled"
            )
        run = await self._claim_deletion(stack, call, client_request_token=client_request_token)
        if run is None:
            raise ValidationError(f"Stack [{stack.stack_id}] cannot be deleted while in status {stack.status}")
        self._artifacts.pop(stack.stack_id, None)
        self._start(run, delete_stack(run, retain, self._clock))

    # Apply: the same, awaited

    async def apply(
        self,
        template: str,
        *,
        stack_name: str,
        call: Call,
        parameters: Mapping[str, str] | None = None,
        artifacts: Artifacts | None = None,
        on_event: EventListener | None = None,
    ) -> AppliedStack:
        """Make the stack what `template` says, whether it exists or not, and come back when it is.

        Nothing is done, not even parsed, if the stack is complete with the same text and parameters; so an artifact
        that has changed must have another key. All capabilities are acknowledged. `on_event` hears of every step as it
        happens. A stack that an earlier failure left behind is gone on from.

        Raises:
            ValidationError: the template is refused; nothing was done.
            StackFailed: a resource failed, and this run was rolled back.
        """
        request = StackRequest(stack_name=stack_name, template=template, parameters=dict(parameters or {}))
        given = dict(artifacts or {})
        stack = await self.store.load_stack(call.account_id, call.region, stack_name)
        if stack is None:
            claimed = await self._claim_new(request, call, acknowledged=None, artifacts=given, on_event=on_event)
            await self._finish(claimed.run, _creating(claimed, self._clock))
            return self._applied(claimed.run, given)
        contents = self.vault.open_stack(stack)
        asked = (template, request.parameters)
        if stack.status in _COMPLETE and (contents.template, contents.parameters) == asked:
            return await self._unchanged(stack, contents, given)
        update = await self._claim(
            request, stack, call, acknowledged=None, from_statuses=_SETTLED, artifacts=given, on_event=on_event
        )
        if update is None:
            return await self._unchanged(stack, contents, given)
        await self._finish(update.run, _updating(update, self._clock))
        return self._applied(update.run, given)

    async def _unchanged(self, stack: StackRecord, contents: StackContents, given: Artifacts) -> AppliedStack:
        self._artifacts[stack.stack_id] = given
        resources = await self._load_existing(stack.stack_id)
        return AppliedStack(stack.stack_id, contents.output_map(), _shown(resources), changed=False)

    async def _finish(self, run: StackRun, work: Coroutine[None, None, None]) -> None:
        task = self._tasks[self._start(run, work)]
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            # The caller gives up: so does the work, before the caller goes on.
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise
        if run.stack.status not in _COMPLETE:
            raise StackFailed(run.stack.stack_name, run.stack.status, dict(run.reasons))

    def _applied(self, run: StackRun, given: Artifacts) -> AppliedStack:
        self._artifacts[run.stack.stack_id] = given
        shown = _shown([one for one in run.resources.values() if not one.retired])
        return AppliedStack(run.stack.stack_id, run.contents.output_map(), shown, changed=True)

    # Claiming: the last that happens before the caller is answered

    async def _claim_new(
        self,
        request: StackRequest,
        call: Call,
        *,
        acknowledged: Collection[str] | None,
        artifacts: Artifacts | None = None,
        on_event: EventListener | None = None,
    ) -> _Claimed:
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
        if not await self.store.create_stack(run.stack, events=run.take_events()):
            raise AlreadyExistsException(f"Stack [{request.stack_name}] already exists")
        return _Claimed(run, prepared, plan, StackContents(""), request.on_failure)

    async def _claim(
        self,
        request: StackRequest,
        stack: StackRecord,
        call: Call,
        *,
        acknowledged: Collection[str] | None,
        from_statuses: Collection[str],
        artifacts: Artifacts,
        on_event: EventListener | None = None,
    ) -> _Claimed | None:
        """The stack, claimed for an update; None if there is nothing to update."""
        if stack.status not in from_statuses:
            raise _wrong_state(stack)
        there = await self._load_existing(stack.stack_id)
        prepared, plan = await self._prepare_and_plan(request, stack.stack_id, there, call, acknowledged)
        before = self.vault.open_stack(stack)
        if stack.status in _COMPLETE and not self._differs(request, stack, prepared, plan, before):
            return None
        updated = msgspec.structs.replace(
            stack,
            operation_id=new_uuid(self._entropy),
            updated_at=self._clock.now(),
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
            artifacts={**self._artifacts.get(stack.stack_id, {}), **artifacts},
            on_event=on_event,
        )
        first = stack.status == "REVIEW_IN_PROGRESS"
        run.enter("CREATE_IN_PROGRESS" if first else "UPDATE_IN_PROGRESS", "User Initiated")
        if not await self.store.begin_operation(run.stack, from_statuses=from_statuses, events=run.take_events()):
            raise _wrong_state(await self.store.load_stack(stack.account_id, stack.region, stack.stack_id) or stack)
        return _Claimed(run, prepared, plan, before, request.on_failure)

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

    async def _claim_deletion(self, stack: StackRecord, call: Call, *, client_request_token: str) -> StackRun | None:
        contents = self.vault.open_stack(stack)
        claimed = msgspec.structs.replace(
            stack,
            operation_id=new_uuid(self._entropy),
            updated_at=self._clock.now(),
            client_request_token=client_request_token,
        )
        there = await self._load_existing(stack.stack_id)
        run = self._run(claimed, contents, there, call=call, artifacts={}, on_event=None)
        run.enter("DELETE_IN_PROGRESS", "User Initiated")
        if not await self.store.begin_operation(run.stack, from_statuses=_SETTLED, events=run.take_events()):
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
        """`acknowledged` are the capabilities that the caller acknowledges; None is all of them."""
        prepared = await self.prepare(
            request.template, request.parameters, stack_name=request.stack_name, stack_id=stack_id, call=call
        )
        if acknowledged is not None:
            check_capabilities(prepared, acknowledged)
        return prepared, self._plan(prepared, there)

    def _plan(self, prepared: Prepared, there: list[Existing]) -> Plan:
        try:
            return make_plan(prepared.active, there, self.catalog)
        except InvalidTemplate as error:
            raise ValidationError(error.message) from None

    async def _load_existing(self, stack_id: str) -> list[Existing]:
        return [existing_of(record, self.vault) for record in await self.store.load_resources(stack_id)]

    def _stack(self, request: StackRequest, stack_id: str, prepared: Prepared, call: Call) -> StackRecord:
        return StackRecord(
            stack_id=stack_id,
            stack_name=request.stack_name,
            account_id=call.account_id,
            region=call.region,
            status="",
            created_at=self._clock.now(),
            sealed=b"",
            description=prepared.template.description,
            operation_id=new_uuid(self._entropy),
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
        sealed = self.vault.seal_stack(stack.stack_id, contents)
        return StackRun(
            services=self._services,
            stack=msgspec.structs.replace(stack, sealed=sealed),
            contents=contents,
            there=there,
            call=call,
            artifacts=artifacts,
            on_event=on_event or _nobody_listens,
        )

    # Working in the background

    def _start(
        self, run: StackRun, work: Coroutine[None, None, None], change_set: ChangeSetRecord | None = None
    ) -> str:
        stack_id = run.stack.stack_id
        task = asyncio.create_task(self._guarded(run, work, change_set), name=f"cloudformation {stack_id}")
        self._tasks[stack_id] = task
        task.add_done_callback(lambda done: self._forget(stack_id, done))
        return stack_id

    def _forget(self, stack_id: str, task: "asyncio.Task[None]") -> None:
        if self._tasks.get(stack_id) is task:
            del self._tasks[stack_id]

    async def _guarded(
        self, run: StackRun, work: Coroutine[None, None, None], change_set: ChangeSetRecord | None
    ) -> None:
        """Nobody waits for this task, so it is here that a fault of ours becomes a stack that says so."""
        try:
            await work
        except OperationInterrupted as interrupted:
            _log.warning("%s", interrupted.message)
        except Exception:  # noqa: BLE001  the outermost frame of a task: what is not told here is told nowhere
            _log.exception("A fault while working on %s", run.stack.stack_id)
            run.reasons.setdefault(run.stack.stack_name, "Internal Failure")
            run.enter(_INTERRUPTED.get(run.stack.status, run.stack.status), "Internal Failure")
            await run.save()
        if change_set is not None:
            outcome = "EXECUTE_COMPLETE" if run.stack.status in _COMPLETE else "EXECUTE_FAILED"
            await self.store.finish_change_set(change_set, execution_status=outcome)


def _creating(claimed: _Claimed, clock: Clock) -> Coroutine[None, None, None]:
    return create_stack(claimed.run, claimed.plan, claimed.prepared.active, claimed.on_failure, clock)


def _updating(claimed: _Claimed, clock: Clock) -> Coroutine[None, None, None]:
    if claimed.run.stack.status == "CREATE_IN_PROGRESS":  # a stack that so far had only change sets
        return _creating(claimed, clock)
    return update_stack(claimed.run, claimed.plan, claimed.prepared.active, claimed.on_failure, before=claimed.before)


def _wrong_state(stack: StackRecord) -> ValidationError:
    return ValidationError(f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated.")


def _shown(resources: Collection[Existing]) -> dict[str, AppliedResource]:
    return {one.logical_id: AppliedResource(one.type, one.made.physical_id) for one in resources if not one.retired}


def _nobody_listens(event: EventRecord) -> None:
    """For operations of which nobody follows the progress."""

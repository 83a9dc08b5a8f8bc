"""Stacks: claimed, planned, and worked on in the background.

    stack_id = await engine.create(request, call)        # answers at once and works on, as AWS does
    await engine.settled(stack_id)                       # for those who want to wait
    applied = await engine.apply(text, stack_name=…, call=…)   # create or update, and wait: `velvetrope dev`

Before the caller is answered, the template has been checked in full, the plan made and the stack claimed by a
conditional write; `claims.py` does that, `lifecycle.py` the rest and `execution.py` its single steps.

An operation runs in the process that was asked for it. What a stop or a crash interrupts is said so at the next start
(`recover`), and the next update goes on from what was recorded. Differences from AWS: a template is checked in full
before the call answers, where AWS fails the stack later; a stack at work cannot be deleted; stack tags are kept but
not handed on to resources.

Source: CloudFormation API Reference, CreateStack, UpdateStack, DeleteStack.
"""

import asyncio
import logging
from collections.abc import Collection, Coroutine, Mapping
from dataclasses import dataclass
from typing import Final

from velvetrope.clock import Clock, Entropy
from velvetrope.cloudformation.claims import COMPLETE, SETTLED, UPDATABLE, Claimed, StackClaims, StackRequest
from velvetrope.cloudformation.contents import StackContents, Vault
from velvetrope.cloudformation.errors import OperationInterrupted, StackFailed, ValidationError
from velvetrope.cloudformation.execution import EventListener, Services, StackRun
from velvetrope.cloudformation.lifecycle import create_stack, delete_stack, update_stack
from velvetrope.cloudformation.planning import Catalog, Existing
from velvetrope.cloudformation.resource import Artifacts
from velvetrope.cloudformation.resources import HANDLERS
from velvetrope.cloudformation.schemas import load_schemas
from velvetrope.operations import Call, OperationInvoker
from velvetrope.sealing import MasterKeys
from velvetrope.store.tables.cloudformation import ChangeSetRecord, CloudFormationStore, StackRecord

__all__ = ["AppliedResource", "AppliedStack", "StackEngine"]

_log = logging.getLogger(__name__)

_LAST_STEP_SECONDS: Final = 10.0
"""How long a stop waits for the steps under way. Most take milliseconds, and none waits for anybody outside."""

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
        services = Services(store, self.vault, invoker, clock, entropy, self.catalog)
        self.claims = StackClaims(services)
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._runs: dict[str, StackRun] = {}
        """What each task works at."""
        self._artifacts: dict[str, Artifacts] = {}
        """The artifacts of each stack's last success: a rollback needs the code that was there before."""

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
        """Stop what is under way, between two steps if those end soon. `recover` finds it at the next start."""
        for run in self._runs.values():
            run.stop()
        tasks = list(self._tasks.values())
        if tasks:
            _, unending = await asyncio.wait(tasks, timeout=_LAST_STEP_SECONDS)
            for task in unending:
                task.cancel()
            await asyncio.gather(*unending, return_exceptions=True)

    # Create, update, delete: claimed here, carried out in the background

    async def create(self, request: StackRequest, call: Call) -> str:
        """Begin a new stack; its id.

        Raises:
            AlreadyExistsException: a living stack has the name.
            ValidationError, InsufficientCapabilitiesException: the template is refused.
        """
        claimed = await self.claims.new_stack(request, call, acknowledged=request.capabilities)
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
        from_statuses = UPDATABLE if change_set is None else UPDATABLE | {"REVIEW_IN_PROGRESS"}
        claimed = await self.claims.update(
            request,
            stack,
            call,
            acknowledged=request.capabilities,
            from_statuses=from_statuses,
            artifacts=self._kept(stack),
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
        run = await self.claims.deletion(stack, call, client_request_token=client_request_token)
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
            claimed = await self.claims.new_stack(request, call, acknowledged=None, artifacts=given, on_event=on_event)
            await self._finish(claimed.run, _creating(claimed, self._clock))
            return self._applied(claimed.run, given)
        contents = self.vault.open_stack(stack)
        asked = (template, request.parameters)
        if stack.status in COMPLETE and (contents.template, contents.parameters) == asked:
            return await self._unchanged(stack, contents, given)
        update = await self.claims.update(
            request,
            stack,
            call,
            acknowledged=None,
            from_statuses=SETTLED,
            artifacts={**self._kept(stack), **given},
            on_event=on_event,
        )
        if update is None:
            return await self._unchanged(stack, contents, given)
        await self._finish(update.run, _updating(update, self._clock))
        return self._applied(update.run, given)

    def _kept(self, stack: StackRecord) -> Artifacts:
        return self._artifacts.get(stack.stack_id, {})

    async def _unchanged(self, stack: StackRecord, contents: StackContents, given: Artifacts) -> AppliedStack:
        self._artifacts[stack.stack_id] = given
        resources = await self.claims.load_existing(stack.stack_id)
        return AppliedStack(stack.stack_id, contents.output_map(), _shown(resources), changed=False)

    async def _finish(self, run: StackRun, work: Coroutine[None, None, None]) -> None:
        task = self._tasks[self._start(run, work)]
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            # The caller gives up: so does the work, before the caller goes on.
            run.stop()
            await asyncio.gather(task, return_exceptions=True)
            raise
        if run.stack.status not in COMPLETE:
            raise StackFailed(run.stack.stack_name, run.stack.status, dict(run.reasons))

    def _applied(self, run: StackRun, given: Artifacts) -> AppliedStack:
        self._artifacts[run.stack.stack_id] = given
        shown = _shown([one for one in run.resources.values() if not one.retired])
        return AppliedStack(run.stack.stack_id, run.contents.output_map(), shown, changed=True)

    # Working in the background

    def _start(
        self, run: StackRun, work: Coroutine[None, None, None], change_set: ChangeSetRecord | None = None
    ) -> str:
        stack_id = run.stack.stack_id
        task = asyncio.create_task(self._guarded(run, work, change_set), name=f"cloudformation {stack_id}")
        self._tasks[stack_id], self._runs[stack_id] = task, run
        task.add_done_callback(lambda done: self._forget(stack_id, done))
        return stack_id

    def _forget(self, stack_id: str, task: "asyncio.Task[None]") -> None:
        if self._tasks.get(stack_id) is task:
            del self._tasks[stack_id], self._runs[stack_id]

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
            outcome = "EXECUTE_COMPLETE" if run.stack.status in COMPLETE else "EXECUTE_FAILED"
            await self.store.finish_change_set(change_set, execution_status=outcome)


def _creating(claimed: Claimed, clock: Clock) -> Coroutine[None, None, None]:
    return create_stack(claimed.run, claimed.plan, claimed.prepared.active, claimed.on_failure, clock)


def _updating(claimed: Claimed, clock: Clock) -> Coroutine[None, None, None]:
    if claimed.run.stack.status == "CREATE_IN_PROGRESS":  # a stack that so far had only change sets
        return _creating(claimed, clock)
    return update_stack(claimed.run, claimed.plan, claimed.prepared.active, claimed.on_failure, before=claimed.before)


def _shown(resources: Collection[Existing]) -> dict[str, AppliedResource]:
    return {one.logical_id: AppliedResource(one.type, one.made.physical_id) for one in resources if not one.retired}

"""Carries a plan out, writes down what was done, and undoes it. One `StackRun` is one operation on one stack.

    done = await run.carry_out(plan, active)     # as many resources at a time as do not wait for each other
    await run.undo()                             # puts back what this run changed
    await run.delete(condemned)                  # in the order given

A resource is recorded as soon as its step has ended, together with its events, in one transaction; steps that end
together share one. What a crash can lose is therefore a resource whose service had acknowledged it and whose record
was not yet written: it stays behind, in nobody's stack.

A failed step stops the run from starting others; those under way are awaited. Whether that means a rollback is decided
by `engine.py`. Only refusals (`ServiceError` and our own) are failures of a step; any other exception is a fault of
ours, ends the run, and is the engine's to report. A run that is told to stop ends in the same way: between two steps.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import msgspec

from velvetrope.clock import Clock, Entropy
from velvetrope.cloudformation.contents import StackContents, Vault
from velvetrope.cloudformation.errors import OperationInterrupted, ResourceRefused
from velvetrope.cloudformation.planning import (
    Catalog,
    CreateResource,
    Existing,
    Instruction,
    KeepResource,
    KnownResources,
    Plan,
    ReplaceResource,
    UpdateResource,
    decide,
    resolve_outputs,
    resolve_properties,
    with_policies,
)
from velvetrope.cloudformation.resource import Artifacts, Made, ResourceCall
from velvetrope.cloudformation.resource_records import record_of
from velvetrope.cloudformation.schemas import Properties
from velvetrope.errors import ServiceError
from velvetrope.identifiers import new_uuid
from velvetrope.operations import Call, OperationInvoker
from velvetrope.store.tables.cloudformation import CloudFormationStore, EventRecord, ResourceRecord, StackRecord
from velvetrope.templates import ActiveTemplate, InvalidTemplate, ResourceDefinition

__all__ = ["Condemned", "EventListener", "Services", "StackRun"]

EventListener = Callable[[EventRecord], None]

_STACK_TYPE: Final = "AWS::CloudFormation::Stack"
_REFUSALS: Final = (ServiceError, ResourceRefused, InvalidTemplate)


@dataclass(frozen=True, slots=True)
class Services:
    """What a run works with."""

    store: CloudFormationStore
    vault: Vault
    invoker: OperationInvoker
    clock: Clock
    entropy: Entropy
    catalog: Catalog


@dataclass(frozen=True, slots=True)
class Condemned:
    """A resource that goes; `retained`: it leaves the stack and stays in the world."""

    existing: Existing
    retained: bool


@dataclass(frozen=True, slots=True)
class _Undo:
    """One thing that this run has done. `before` is None for a creation."""

    kind: Literal["created", "updated", "replaced"]
    after: Existing
    before: Existing | None = None


class StackRun:
    """One operation on one stack, from claim to end."""

    def __init__(
        self,
        *,
        services: Services,
        stack: StackRecord,
        contents: StackContents,
        there: Sequence[Existing],
        call: Call,
        artifacts: Artifacts,
        on_event: EventListener,
    ) -> None:
        self.stack = stack
        self.contents = contents
        self.failures: dict[str, str] = {}
        """Of the phase under way: going forward, undoing, or deleting."""
        self.reasons: dict[str, str] = {}
        """Why the run failed going forward; these stay."""
        self.resources = {one.incarnation: one for one in there}
        self._services = services
        self._call = call
        self._artifacts = artifacts
        self._on_event = on_event
        self._undo: list[_Undo] = []
        self._events: list[EventRecord] = []
        self._unsaved: set[str] = set()
        self._removed: set[str] = set()
        self._is_stopping = False

    def stop(self) -> None:
        """Have the run begin no other step. Those under way end and are recorded: one that is cut off may have made a
        resource, which would be in nobody's stack. Then the run raises `OperationInterrupted`."""
        self._is_stopping = True

    def _check_stopping(self) -> None:
        if self._is_stopping:
            raise OperationInterrupted(f"The server stops before the stack {self.stack.stack_name} is done.")

    # The stack itself

    def enter(self, status: str, reason: str = "") -> None:
        """Give the stack another status. `save` writes it down."""
        self.stack = msgspec.structs.replace(self.stack, status=status, status_reason=reason)
        self._event(self.stack.stack_name, _STACK_TYPE, self.stack.stack_id, status, reason)

    def take_events(self) -> list[EventRecord]:
        """The events not yet written down, for the one that claims the stack to write."""
        events, self._events = self._events, []
        return events

    async def save(self) -> None:
        """Write down everything that has happened since the last time.

        Raises:
            OperationInterrupted: the stack is no longer this operation's.
        """
        self.stack = msgspec.structs.replace(
            self.stack, sealed=self._services.vault.seal_stack(self.stack.stack_id, self.contents)
        )
        events = self.take_events()
        unsaved, self._unsaved = self._unsaved, set()
        removed, self._removed = self._removed, set()
        written = await self._services.store.record(
            self.stack,
            resources=[self._record_of(self.resources[one]) for one in sorted(unsaved) if one in self.resources],
            removed=sorted(removed),
            events=events,
        )
        if not written:
            raise OperationInterrupted(f"Another operation has taken over the stack {self.stack.stack_name}.")

    # Forward

    async def carry_out(self, plan: Plan, active: ActiveTemplate) -> bool:
        """Do what `plan` says; False if a resource failed, with the reasons in `failures`.

        On success the outputs are in `contents`. Deletions are not done here.

        Raises:
            OperationInterrupted: see `save` and `stop`.
        """
        self.failures = {}
        known = KnownResources()
        waiting = {instruction.definition.logical_id: instruction for instruction in plan.instructions}
        running: dict[asyncio.Task[None], str] = {}
        try:
            while waiting or running:
                unfinished = {*waiting, *running.values()}
                ready = [name for name in waiting if plan.waits_for[name].isdisjoint(unfinished)]
                for name in () if self.failures or self._is_stopping else ready:
                    step = self._step(waiting.pop(name), plan, active, known)
                    running[asyncio.ensure_future(step)] = name
                if not running:
                    break
                finished, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in finished:
                    del running[task]
                    task.result()
                if self._unsaved or self._removed:
                    await self.save()
        except asyncio.CancelledError:
            for task in running:
                task.cancel()
            raise
        finally:
            await asyncio.gather(*running, return_exceptions=True)
        if waiting:
            self._check_stopping()
        return not self.failures and self._set_outputs(active, known)

    async def _step(self, planned: Instruction, plan: Plan, active: ActiveTemplate, known: KnownResources) -> None:
        """One resource, now that everything it depends on is known."""
        definition = planned.definition
        name = definition.logical_id
        waits_for = plan.waits_for[name]
        before = None if isinstance(planned, CreateResource) else planned.existing
        try:
            properties = resolve_properties(definition, active, known, self._services.catalog)
            instruction = decide(definition, properties, before, waits_for, self._services.catalog)
        except _REFUSALS as refusal:
            self._fail(definition, before, "CREATE_FAILED" if before is None else "UPDATE_FAILED", refusal)
            return
        match instruction:
            case KeepResource(existing=existing, policies_changed=policies_changed):
                known.made[name] = existing.made
                if policies_changed:
                    self._put(with_policies(existing, definition, waits_for))
            case CreateResource():
                await self._create(definition, properties, waits_for, known)
            case UpdateResource(existing=existing):
                await self._update(definition, existing, properties, waits_for, known)
            case ReplaceResource(existing=existing):
                await self._replace(definition, existing, properties, waits_for, known)

    async def _create(
        self,
        definition: ResourceDefinition,
        properties: Properties,
        waits_for: frozenset[str],
        known: KnownResources,
        replaced: Existing | None = None,
    ) -> None:
        verb = "CREATE" if replaced is None else "UPDATE"
        name = definition.logical_id
        self._resource_event(definition, "", f"{verb}_IN_PROGRESS")
        at = self._call_for(name)
        failure: Exception | None = None
        made: Made | None
        try:
            made = await self._services.catalog.handlers[definition.type].create(at, properties)
        except _REFUSALS as refusal:
            made, failure = at.identified, refusal
        if made is not None:
            # Half made or whole: it is there, so that it has to be recorded and can be undone.
            status = f"{verb}_COMPLETE" if failure is None else "CREATE_FAILED"
            after = Existing(
                logical_id=name,
                type=definition.type,
                incarnation=new_uuid(self._services.entropy),
                made=made,
                properties=properties,
                status=status,
                depends_on=waits_for,
                deletion_policy=definition.deletion_policy,
                update_replace_policy=definition.update_replace_policy,
            )
            self._put(after)
            if replaced is None:
                self._undo.append(_Undo("created", after))
            else:
                self._put(replace(replaced, retired=True))
                self._undo.append(_Undo("replaced", after, replaced))
        if failure is not None:
            self._fail(definition, None, f"{verb}_FAILED", failure, physical_id=made.physical_id if made else "")
        elif made is not None:
            known.made[name] = made
            self._resource_event(definition, made.physical_id, f"{verb}_COMPLETE")

    async def _update(
        self,
        definition: ResourceDefinition,
        existing: Existing,
        properties: Properties,
        waits_for: frozenset[str],
        known: KnownResources,
    ) -> None:
        self._resource_event(definition, existing.made.physical_id, "UPDATE_IN_PROGRESS")
        handler = self._services.catalog.handlers[definition.type]
        after = replace(with_policies(existing, definition, waits_for), properties=properties)
        self._undo.append(_Undo("updated", after, existing))
        at, made = self._call_for(definition.logical_id), existing.made
        try:
            if existing.attempted is not None:
                # An earlier update failed half-way and was not put back: only now is it known what it is.
                made = await handler.update(at, made, existing.attempted, existing.properties)
            made = await handler.update(at, made, existing.properties, properties)
        except _REFUSALS as refusal:
            self._put(replace(existing, status="UPDATE_FAILED", attempted=properties))
            self._fail(definition, existing, "UPDATE_FAILED", refusal)
            return
        self._put(replace(after, made=made, status="UPDATE_COMPLETE", attempted=None))
        known.made[definition.logical_id] = made
        self._resource_event(definition, made.physical_id, "UPDATE_COMPLETE")

    async def _replace(
        self,
        definition: ResourceDefinition,
        existing: Existing,
        properties: Properties,
        waits_for: frozenset[str],
        known: KnownResources,
    ) -> None:
        if existing.is_complete:
            await self._create(definition, properties, waits_for, known, replaced=existing)
            return
        # What an earlier operation left half made is of no use, and its name may be the new one's.
        if await self._delete_one(existing):
            await self._create(definition, properties, waits_for, known)
        else:
            self.reasons[definition.logical_id] = self.failures[definition.logical_id]

    def _set_outputs(self, active: ActiveTemplate, known: KnownResources) -> bool:
        try:
            outputs = resolve_outputs(active, known)
        except InvalidTemplate as refusal:
            self.failures[self.stack.stack_name] = self.reasons[self.stack.stack_name] = refusal.message
            return False
        self.contents = msgspec.structs.replace(self.contents, outputs=outputs)
        return True

    # Back

    def condemn_created(self) -> list[Condemned]:
        """Everything that this run has made, latest first: the rollback of a creation."""
        made = [self.resources[done.after.incarnation] for done in reversed(self._undo)]
        return [Condemned(one, retained=one.deletion_policy == "Retain") for one in made]

    async def undo(self) -> list[Condemned]:
        """Put back what this run changed, latest first; what it made is condemned, not yet deleted.

        A resource that cannot be put back is in `failures`, and its record says UPDATE_FAILED.
        """
        self.failures = {}
        condemned: list[Condemned] = []
        for done in reversed(self._undo):
            self._check_stopping()
            after = self.resources.get(done.after.incarnation)
            if after is None:
                continue
            match done.kind:
                case "created":
                    condemned.append(Condemned(after, retained=after.deletion_policy == "Retain"))
                    self._put(replace(after, retired=True))
                case "replaced" if done.before is not None:
                    condemned.append(Condemned(after, retained=False))
                    self._put(replace(after, retired=True))
                    self._put(done.before)
                case "updated" if done.before is not None:
                    await self._update_back(done.before, done.after)
                case _:
                    raise AssertionError("a change that has no former state")
            await self.save()
        self._undo = []
        return condemned

    async def _update_back(self, before: Existing, after: Existing) -> None:
        handler = self._services.catalog.handlers[before.type]
        physical_id = before.made.physical_id
        self._event(before.logical_id, before.type, physical_id, "UPDATE_IN_PROGRESS")
        try:
            made = await handler.update(
                self._call_for(before.logical_id), after.made, after.properties, before.properties
            )
        except _REFUSALS as refusal:
            reason = self._reason(refusal)
            self.failures[before.logical_id] = reason
            self._put(replace(before, status="UPDATE_FAILED", attempted=after.properties))
            self._event(before.logical_id, before.type, physical_id, "UPDATE_FAILED", reason)
            return
        self._put(replace(before, made=made, status="UPDATE_COMPLETE", attempted=None))
        self._event(before.logical_id, before.type, physical_id, "UPDATE_COMPLETE")

    # Deleting

    async def delete(self, condemned: Sequence[Condemned]) -> bool:
        """Take the resources away in this order; False if one would not go, with the reasons in `failures`.

        What a resource that stays depends on stays too.
        """
        self.failures = {}
        kept_back: set[str] = set()
        for one in condemned:
            self._check_stopping()
            existing = self.resources.get(one.existing.incarnation)
            if existing is None:
                continue
            if existing.logical_id in kept_back:
                kept_back |= existing.depends_on
            elif one.retained:
                self._remove(existing)
                self._event(existing.logical_id, existing.type, existing.made.physical_id, "DELETE_SKIPPED")
            elif not await self._delete_one(existing):
                kept_back |= existing.depends_on
            await self.save()
        return not self.failures

    async def _delete_one(self, existing: Existing) -> bool:
        name, physical_id = existing.logical_id, existing.made.physical_id
        self._event(name, existing.type, physical_id, "DELETE_IN_PROGRESS")
        handler = self._services.catalog.handlers[existing.type]
        try:
            await handler.delete(self._call_for(name), existing.made, existing.properties)
        except _REFUSALS as refusal:
            reason = self._reason(refusal)
            self.failures[name] = reason
            self._put(replace(existing, status="DELETE_FAILED"))
            self._event(name, existing.type, physical_id, "DELETE_FAILED", reason)
            return False
        self._remove(existing)
        self._event(name, existing.type, physical_id, "DELETE_COMPLETE")
        return True

    def retire(self, incarnation: str) -> None:
        """Take a resource out of the stack's sight that could not be deleted; the next update tries again."""
        existing = self.resources.get(incarnation)
        if existing is not None:
            self._put(replace(existing, retired=True))

    # Notes

    def _put(self, existing: Existing) -> None:
        self.resources[existing.incarnation] = existing
        self._unsaved.add(existing.incarnation)

    def _remove(self, existing: Existing) -> None:
        self.resources.pop(existing.incarnation, None)
        self._removed.add(existing.incarnation)

    def _fail(
        self,
        definition: ResourceDefinition,
        existing: Existing | None,
        status: str,
        refusal: Exception,
        *,
        physical_id: str = "",
    ) -> None:
        reason = self._reason(refusal)
        self.failures[definition.logical_id] = self.reasons[definition.logical_id] = reason
        self._resource_event(definition, existing.made.physical_id if existing else physical_id, status, reason)

    def _reason(self, refusal: Exception) -> str:
        """A refusal as CloudFormation shows it in a resource's status reason."""
        if not isinstance(refusal, ServiceError):
            return str(refusal)
        token = new_uuid(self._services.entropy)
        return (
            f'Resource handler returned message: "{refusal.message} ({refusal.code}, Status Code: '
            f'{refusal.http_status})" (RequestToken: {token}, HandlerErrorCode: {_handler_error_code(refusal)})'
        )

    def _resource_event(self, definition: ResourceDefinition, physical_id: str, status: str, reason: str = "") -> None:
        self._event(definition.logical_id, definition.type, physical_id, status, reason)

    def _event(self, logical_id: str, resource_type: str, physical_id: str, status: str, reason: str = "") -> None:
        event = EventRecord(
            event_id=f"{logical_id}-{status}-{new_uuid(self._services.entropy)}",
            stack_id=self.stack.stack_id,
            stack_name=self.stack.stack_name,
            logical_id=logical_id,
            physical_id=physical_id,
            resource_type=resource_type,
            status=status,
            status_reason=reason,
            at=self._services.clock.now(),
            client_request_token=self.stack.client_request_token,
        )
        self._events.append(event)
        self._on_event(event)

    def _call_for(self, logical_id: str) -> ResourceCall:
        return ResourceCall(
            stack_name=self.stack.stack_name,
            logical_id=logical_id,
            invoker=self._services.invoker,
            call=self._call,
            clock=self._services.clock,
            entropy=self._services.entropy,
            artifacts=self._artifacts,
        )

    def _record_of(self, existing: Existing) -> ResourceRecord:
        return record_of(
            existing,
            self.stack.stack_id,
            self._services.vault,
            status_reason=self.failures.get(existing.logical_id, ""),
            at=self._services.clock.now(),
        )


_HANDLER_ERROR_CODES: Final[Mapping[int, str]] = {403: "AccessDenied", 404: "NotFound", 409: "AlreadyExists"}


def _handler_error_code(refusal: ServiceError) -> str:
    """CloudFormation's own code for what a service said.

    Source: CloudFormation CLI User Guide, "Handler error codes".
    """
    if refusal.http_status == 429 or "Throttl" in refusal.code or refusal.code.startswith("TooManyRequests"):
        return "Throttling"
    if refusal.http_status >= 500:
        return "ServiceInternalError"
    return _HANDLER_ERROR_CODES.get(refusal.http_status, "InvalidRequest")

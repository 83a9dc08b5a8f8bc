"""What becomes of a stack: the three operations as they go, status by status.

    CREATE_IN_PROGRESS -> CREATE_COMPLETE
                       -> ROLLBACK_IN_PROGRESS -> ROLLBACK_COMPLETE | ROLLBACK_FAILED
                       -> CREATE_FAILED                          (DO_NOTHING)
                       -> DELETE_IN_PROGRESS -> DELETE_COMPLETE  (DELETE)
    UPDATE_IN_PROGRESS -> UPDATE_COMPLETE_CLEANUP_IN_PROGRESS -> UPDATE_COMPLETE
                       -> UPDATE_ROLLBACK_IN_PROGRESS -> UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS
                          -> UPDATE_ROLLBACK_COMPLETE
                       -> UPDATE_ROLLBACK_IN_PROGRESS -> UPDATE_ROLLBACK_FAILED
                       -> UPDATE_FAILED                          (DO_NOTHING)
    DELETE_IN_PROGRESS -> DELETE_COMPLETE | DELETE_FAILED

The run has been claimed and is in the first of these states when a function here is called; it is in one of the last
when the function returns. This is the one file in which a stack's status changes after its claim.

Source: CloudFormation User Guide, "Stack status codes", "Stack failure options", "DeletionPolicy attribute",
"UpdateReplacePolicy attribute".
"""

from collections.abc import Collection, Sequence
from typing import Literal

import msgspec

from velvetrope.clock import Clock
from velvetrope.cloudformation.contents import StackContents
from velvetrope.cloudformation.execution import Condemned, StackRun
from velvetrope.cloudformation.planning import Existing, Plan, deletion_order
from velvetrope.templates import ActiveTemplate

__all__ = ["OnFailure", "create_stack", "delete_stack", "update_stack"]

OnFailure = Literal["ROLLBACK", "DELETE", "DO_NOTHING"]


async def create_stack(run: StackRun, plan: Plan, active: ActiveTemplate, on_failure: OnFailure, clock: Clock) -> None:
    """Make a stack of nothing."""
    if await run.carry_out(plan, active):
        run.enter("CREATE_COMPLETE")
        await run.save()
        return
    reason = f"{_failed('create', run.reasons)}"
    match on_failure:
        case "DO_NOTHING":
            run.enter("CREATE_FAILED", reason)
            await run.save()
        case "DELETE":
            run.enter("DELETE_IN_PROGRESS", f"{reason}Delete requested by user.")
            await _delete(run, run.condemn_created(), clock)
        case "ROLLBACK":
            run.enter("ROLLBACK_IN_PROGRESS", f"{reason}Rollback requested by user.")
            if await run.delete(run.condemn_created()):
                run.enter("ROLLBACK_COMPLETE")
            else:
                run.enter("ROLLBACK_FAILED", _failed("delete", run.failures))
            await run.save()


async def update_stack(
    run: StackRun, plan: Plan, active: ActiveTemplate, on_failure: OnFailure, *, before: StackContents
) -> None:
    """Make a stack another; `before` is what it was."""
    # What an earlier update had made and could not clean up may hold a name that this one needs.
    leftovers = [one for one in run.resources.values() if one.retired]
    await run.delete([Condemned(one, retained=_stays_in_the_world(one)) for one in deletion_order(leftovers)])
    if await run.carry_out(plan, active):
        await _clean_up(run, plan)
        run.enter("UPDATE_COMPLETE")
        await run.save()
        return
    reason = _failed("update", run.reasons)
    run.contents = before
    if on_failure == "DO_NOTHING":
        run.enter("UPDATE_FAILED", reason)
        await run.save()
        return
    run.enter("UPDATE_ROLLBACK_IN_PROGRESS", reason)
    condemned = await run.undo()
    if run.failures:
        run.enter("UPDATE_ROLLBACK_FAILED", _failed("update", run.failures))
    else:
        run.enter("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        await run.delete(condemned)
        run.enter("UPDATE_ROLLBACK_COMPLETE")
    await run.save()


async def delete_stack(run: StackRun, retain: Collection[str], clock: Clock) -> None:
    """Take a stack away; the logical ids in `retain` stay in the world."""
    order = deletion_order(list(run.resources.values()))
    condemned = [Condemned(one, retained=one.logical_id in retain or _stays_in_the_world(one)) for one in order]
    await _delete(run, condemned, clock)


async def _clean_up(run: StackRun, plan: Plan) -> None:
    """Delete what the update has replaced, and what the template no longer has.

    What will not go does not make the update fail, as on AWS; unlike AWS we keep it in mind, out of sight, and try
    again at the next update.
    """
    replaced = [one for one in run.resources.values() if one.retired]
    surplus = [one.existing for one in plan.deletions if not one.existing.retired]
    if not replaced and not surplus:
        return
    run.enter("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
    order = deletion_order([*replaced, *surplus])
    await run.delete([Condemned(one, retained=_stays_in_the_world(one)) for one in order])
    for one in surplus:
        run.retire(one.incarnation)


async def _delete(run: StackRun, condemned: Sequence[Condemned], clock: Clock) -> None:
    if await run.delete(condemned):
        run.enter("DELETE_COMPLETE")
        run.stack = msgspec.structs.replace(run.stack, deleted_at=clock.now())
    else:
        run.enter("DELETE_FAILED", _failed("delete", run.failures))
    await run.save()


def _stays_in_the_world(existing: Existing) -> bool:
    """Whether its policy keeps it: of a replaced resource the one policy, of a removed one the other."""
    if existing.retired:
        return existing.update_replace_policy == "Retain"
    return existing.deletion_policy in ("Retain", "RetainExceptOnCreate")


def _failed(verb: str, names: Collection[str]) -> str:
    return f"The following resource(s) failed to {verb}: [{', '.join(sorted(names))}]. "

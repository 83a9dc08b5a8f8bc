"""CloudFormation: stacks of resources, applied to our own services by the operations that boto3 would call.

    engine = StackEngine(store=…, invoker=…, master_keys=…, clock=…, entropy=…)
    owners = cloudformation_operations(engine, clock=…, entropy=…)     # for the dispatcher, service "cloudformation"
    await engine.recover()                                             # at start, before anything else
    applied = await engine.apply(text, stack_name=…, call=…)           # what `velvetrope dev` does
    await engine.close()                                               # at the end

`templates` reads documents, `planning` says what is to be done, `claims` makes a stack one operation's, `execution`
does it, `lifecycle` says what becomes of the stack. One file per resource family lies in `resources/`; what is not
there is refused by name.
"""

from velvetrope.clock import Clock, Entropy
from velvetrope.cloudformation.change_sets import ChangeSetOperations
from velvetrope.cloudformation.claims import StackRequest
from velvetrope.cloudformation.engine import AppliedResource, AppliedStack, StackEngine
from velvetrope.cloudformation.errors import StackFailed, ValidationError
from velvetrope.cloudformation.execution import EventListener
from velvetrope.cloudformation.resource import Artifacts
from velvetrope.cloudformation.stack_operations import StackOperations
from velvetrope.cloudformation.stack_queries import StackQueries
from velvetrope.cloudformation.template_operations import TemplateOperations

__all__ = [
    "AppliedResource",
    "AppliedStack",
    "Artifacts",
    "EventListener",
    "StackEngine",
    "StackFailed",
    "StackRequest",
    "ValidationError",
    "cloudformation_operations",
]


def cloudformation_operations(engine: StackEngine, *, clock: Clock, entropy: Entropy) -> tuple[object, ...]:
    """The owners of CloudFormation's operations."""
    return (
        StackOperations(engine),
        StackQueries(engine),
        TemplateOperations(engine),
        ChangeSetOperations(engine, clock=clock, entropy=entropy),
    )

"""AWS::Lambda::EventSourceMapping. `Ref` is the mapping's UUID.

Source: CloudFormation User Guide, AWS::Lambda::EventSourceMapping; defaults: Lambda API Reference,
CreateEventSourceMapping.
"""

from collections.abc import Mapping
from typing import Final

from velvetrope.cloudformation.resource import Made, ResourceCall, ResourceHandler, text_member
from velvetrope.cloudformation.schemas import Properties

__all__ = ["EVENT_SOURCE_HANDLERS"]

_SERVICE: Final = "lambda"
_DEFAULTS: Final[Mapping[str, object]] = {
    "BatchSize": 10,
    "Enabled": True,
    "FilterCriteria": {"Filters": []},
    "FunctionResponseTypes": [],
    "MaximumBatchingWindowInSeconds": 0,
    "ScalingConfig": {},
}
"""What UpdateEventSourceMapping is told for a property that was taken out; it keeps what it is not told."""


class EventSourceMappingHandler:
    """A queue that feeds a function."""

    type: Final = "AWS::Lambda::EventSourceMapping"
    properties: Final = frozenset({*_DEFAULTS, "EventSourceArn", "FunctionName"})
    attributes: Final = frozenset({"EventSourceMappingArn", "Id"})
    fixed: Final[Mapping[str, str]] = {}

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        answer = await at.invoke(_SERVICE, "CreateEventSourceMapping", dict(properties))
        mapping_id = text_member(answer, "UUID")
        attributes = {"Id": mapping_id, "EventSourceMappingArn": text_member(answer, "EventSourceMappingArn")}
        return Made(mapping_id, mapping_id, attributes)

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:  # noqa: ARG002
        wanted = {**_DEFAULTS, **new}
        parameters = {name: value for name, value in wanted.items() if name != "EventSourceArn"}
        await at.invoke(_SERVICE, "UpdateEventSourceMapping", {"UUID": made.physical_id, **parameters})
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        await at.invoke_unless_gone(_SERVICE, "DeleteEventSourceMapping", {"UUID": made.physical_id})


EVENT_SOURCE_HANDLERS: Final[tuple[ResourceHandler, ...]] = (EventSourceMappingHandler(),)

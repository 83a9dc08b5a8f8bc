"""AWS::Logs::LogGroup and AWS::Logs::LogStream. `Ref` is the name; a group's `Arn` ends in `:*`, as policies want it.

A group that a function has written to exists already; a template that names it is refused then, as on AWS.

Source: CloudFormation User Guide, the two types; CloudWatch Logs API.
"""

from collections.abc import Mapping
from typing import Final

from velvetrope.cloudformation.resource import (
    ByOperations,
    Made,
    ResourceCall,
    ResourceHandler,
    tag_changes,
    tags_as_map,
)
from velvetrope.cloudformation.schemas import Properties

__all__ = ["LOG_GROUP_HANDLERS"]

_SERVICE: Final = "logs"


class LogGroupHandler:
    """A log group."""

    type: Final = "AWS::Logs::LogGroup"
    properties: Final = frozenset({"LogGroupClass", "LogGroupName", "RetentionInDays", "Tags"})
    attributes: Final = frozenset({"Arn"})
    fixed: Final = {"LogGroupClass": "The class of a log group cannot be changed."}

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        name = properties.get("LogGroupName") or at.new_name(max_length=512)
        parameters: dict[str, object] = {"logGroupName": name}
        if "LogGroupClass" in properties:
            parameters["logGroupClass"] = properties["LogGroupClass"]
        if properties.get("Tags"):
            parameters["tags"] = tags_as_map(properties["Tags"])
        await at.invoke(_SERVICE, "CreateLogGroup", parameters)
        made = at.identify(Made(name, name, {"Arn": f"{_arn(at, name)}:*"}, name=name))
        await self._retain(at, name, {}, properties)
        return made

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        await self._retain(at, made.physical_id, old, new)
        added, gone = tag_changes(old, new)
        arn = _arn(at, made.physical_id)
        if added:
            await at.invoke(_SERVICE, "TagResource", {"resourceArn": arn, "tags": added})
        if gone:
            await at.invoke(_SERVICE, "UntagResource", {"resourceArn": arn, "tagKeys": gone})
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        await at.invoke_unless_gone(_SERVICE, "DeleteLogGroup", {"logGroupName": made.physical_id})

    async def _retain(self, at: ResourceCall, name: str, old: Properties, new: Properties) -> None:
        days = new.get("RetentionInDays")
        if days == old.get("RetentionInDays"):
            return
        if days is None:
            await at.invoke(_SERVICE, "DeleteRetentionPolicy", {"logGroupName": name})
        else:
            await at.invoke(_SERVICE, "PutRetentionPolicy", {"logGroupName": name, "retentionInDays": days})


def _arn(at: ResourceCall, name: str) -> str:
    return at.call.arn(_SERVICE, f"log-group:{name}")


def _read_stream(at: ResourceCall, properties: Properties, answer: Mapping[str, object]) -> Made:  # noqa: ARG001
    name: str = properties["LogStreamName"]
    return Made(name, name)


LOG_GROUP_HANDLERS: Final[tuple[ResourceHandler, ...]] = (
    LogGroupHandler(),
    ByOperations(
        type="AWS::Logs::LogStream",
        service=_SERVICE,
        create_operation="CreateLogStream",
        members={"LogGroupName": "logGroupName", "LogStreamName": "logStreamName"},
        name="LogStreamName",
        read=_read_stream,
        key=lambda made, properties: {
            "logGroupName": properties["LogGroupName"],
            "logStreamName": made.physical_id,
        },
        delete_operation="DeleteLogStream",
    ),
)

"""AWS::SQS::Queue, AWS::SQS::QueuePolicy and AWS::SQS::QueueInlinePolicy.

A queue's properties are its attributes, as numbers, booleans and objects where SQS has text. `Ref` is the queue's URL.
A policy is no thing of its own: it is the attribute `Policy` of the queues that it names, and of those only one policy
counts, the one that was set last.

Source: CloudFormation User Guide, the three types; defaults: SQS API Reference, CreateQueue.
"""

import json
from collections.abc import Mapping
from typing import Final

from velvetrope.cloudformation.resource import (
    Made,
    ResourceCall,
    ResourceHandler,
    tag_changes,
    tags_as_map,
    text_member,
)
from velvetrope.cloudformation.schemas import Properties

__all__ = ["QUEUE_HANDLERS"]

_SERVICE: Final = "sqs"
_DEFAULTS: Final[Mapping[str, str]] = {
    "ContentBasedDeduplication": "false",
    "DeduplicationScope": "queue",
    "DelaySeconds": "0",
    "FifoThroughputLimit": "perQueue",
    "KmsDataKeyReusePeriodSeconds": "",
    "KmsMasterKeyId": "",
    "MaximumMessageSize": "1048576",
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "RedriveAllowPolicy": "",
    "RedrivePolicy": "",
    "SqsManagedSseEnabled": "true",
    "VisibilityTimeout": "30",
}
"""The attributes that a queue can be given later, with what SetQueueAttributes is told for one that was taken out."""


class QueueHandler:
    """A queue."""

    type: Final = "AWS::SQS::Queue"
    properties: Final = frozenset({*_DEFAULTS, "FifoQueue", "QueueName", "Tags"})
    attributes: Final = frozenset({"Arn", "QueueName", "QueueUrl"})
    fixed: Final[Mapping[str, str]] = {}

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        suffix = ".fifo" if properties.get("FifoQueue") else ""
        name = properties.get("QueueName") or at.new_name(max_length=80 - len(suffix)) + suffix
        parameters: dict[str, object] = {"QueueName": name, "Attributes": _attributes(properties)}
        if "Tags" in properties:
            parameters["tags"] = tags_as_map(properties["Tags"])
        url = text_member(await at.invoke(_SERVICE, "CreateQueue", parameters), "QueueUrl")
        arn = at.call.arn("sqs", name)
        return Made(url, url, {"Arn": arn, "QueueName": name, "QueueUrl": url})

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        was, now = _attributes(old), _attributes(new)
        changed = {name: now.get(name, _DEFAULTS.get(name, "")) for name in was | now if was.get(name) != now.get(name)}
        queue: dict[str, object] = {"QueueUrl": made.physical_id}
        if changed:
            await at.invoke(_SERVICE, "SetQueueAttributes", {**queue, "Attributes": changed})
        added, gone = tag_changes(old, new)
        if added:
            await at.invoke(_SERVICE, "TagQueue", {**queue, "Tags": added})
        if gone:
            await at.invoke(_SERVICE, "UntagQueue", {**queue, "TagKeys": gone})
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        await at.invoke_unless_gone(_SERVICE, "DeleteQueue", {"QueueUrl": made.physical_id})


class QueuePolicyHandler:
    """The policy of some queues. `Ref` is a generated id."""

    type: Final = "AWS::SQS::QueuePolicy"
    properties: Final = frozenset({"PolicyDocument", "Queues"})
    attributes: Final = frozenset({"Id"})
    fixed: Final[Mapping[str, str]] = {}

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        policy_id = at.new_name(max_length=128)
        made = Made(policy_id, policy_id, {"Id": policy_id})
        at.identify(made)
        await self._set(at, properties["Queues"], _text(properties["PolicyDocument"]))
        return made

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        await self._set(at, [url for url in old["Queues"] if url not in new["Queues"]], "")
        await self._set(at, new["Queues"], _text(new["PolicyDocument"]))
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        await self._set(at, properties["Queues"], "")

    async def _set(self, at: ResourceCall, urls: list[str], policy: str) -> None:
        for url in urls:
            parameters = {"QueueUrl": url, "Attributes": {"Policy": policy}}
            if policy:
                await at.invoke(_SERVICE, "SetQueueAttributes", parameters)
            else:
                await at.invoke_unless_gone(_SERVICE, "SetQueueAttributes", parameters)


class QueueInlinePolicyHandler:
    """The policy of one queue. `Ref` is the queue's URL."""

    type: Final = "AWS::SQS::QueueInlinePolicy"
    properties: Final = frozenset({"PolicyDocument", "Queue"})
    attributes: Final[frozenset[str]] = frozenset()
    fixed: Final[Mapping[str, str]] = {}

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        await self._set(at, properties)
        return Made(properties["Queue"], properties["Queue"])

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:  # noqa: ARG002
        await self._set(at, new)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        parameters = {"QueueUrl": made.physical_id, "Attributes": {"Policy": ""}}
        await at.invoke_unless_gone(_SERVICE, "SetQueueAttributes", parameters)

    async def _set(self, at: ResourceCall, properties: Properties) -> None:
        policy = _text(properties["PolicyDocument"])
        await at.invoke(
            _SERVICE, "SetQueueAttributes", {"QueueUrl": properties["Queue"], "Attributes": {"Policy": policy}}
        )


def _attributes(properties: Properties) -> dict[str, str]:
    named = {*_DEFAULTS, "FifoQueue"}
    return {name: _text(value) for name, value in properties.items() if name in named}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


QUEUE_HANDLERS: Final[tuple[ResourceHandler, ...]] = (
    QueueHandler(),
    QueuePolicyHandler(),
    QueueInlinePolicyHandler(),
)

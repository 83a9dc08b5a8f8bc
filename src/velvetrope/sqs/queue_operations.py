"""CreateQueue, DeleteQueue, their attributes, tags, permissions, and the lists of queues.

Creating a queue that exists with the same attributes answers its URL; with others it is refused. A deleted queue's
name may be used again at once, where AWS asks for a minute's patience.

Source: Amazon SQS API Reference.
"""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import msgspec

from velvetrope.operations import Answer, Call, operation
from velvetrope.page_tokens import UnknownPageToken, page_of, parse_page_token
from velvetrope.policy import MalformedPolicy, PolicyPrincipals
from velvetrope.sqs.attributes import apply_attributes, parse_allowed_sources, render_attributes
from velvetrope.sqs.errors import (
    InvalidAttributeValue,
    InvalidParameterValueException,
    PurgeQueueInProgress,
    QueueDoesNotExist,
    QueueNameExists,
)
from velvetrope.sqs.names import check_queue_name
from velvetrope.sqs.queues import Queues
from velvetrope.store.tables.queues import Queue
from velvetrope.tags import TagsRefused, TooManyTags, merge_tags

__all__ = ["QueueOperations"]

MAX_LISTED = 1000
MAX_STATEMENTS = 20
"""Source: SQS Developer Guide, "Policy quotas"."""
PURGE_INTERVAL = timedelta(seconds=60)

_COUNTED = {
    "All",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
}


class QueueOperations:
    """Queues as wholes. `endpoint_url` is what queue URLs begin with."""

    def __init__(self, queues: Queues, principals: PolicyPrincipals, *, endpoint_url: str) -> None:
        self._queues = queues
        self._principals = principals
        self._store = queues.store
        self._endpoint_url = endpoint_url

    @operation
    async def create_queue(
        self,
        call: Call,
        *,
        queue_name: str,
        attributes: dict[str, str] | None = None,
        tags: dict[str, str] | None = None,
    ) -> Answer:
        given = await self._pinned(call, attributes or {})
        fifo = given.get("FifoQueue") == "true"
        check_queue_name(queue_name, fifo=fifo)
        bare = Queue(
            account_id=call.account_id,
            region=call.region,
            name=queue_name,
            created_at=call.now,
            modified_at=call.now,
            fifo=fifo,
        )
        bare = _with_tags(bare, tags or {})
        queue = await self._with_attributes(bare, given)
        if not await self._store.create_queue(queue):
            present = await self._store.load_queue(queue.arn)
            if present is not None and _differs(present, given):
                raise QueueNameExists(
                    "A queue already exists with the same name and a different value for attribute "
                    f"{_differs(present, given)}"
                )
        return {"queue_url": self._url(queue)}

    @operation
    async def delete_queue(self, call: Call, *, queue_url: str) -> Answer:
        queue = await self._queues.find(queue_url, call)
        await self._store.delete_queue(queue.arn)
        return None

    @operation
    async def get_queue_url(
        self, call: Call, *, queue_name: str, queue_owner_aws_account_id: str | None = None
    ) -> Answer:
        queue = await self._store.load_queue(call.arn("sqs", queue_name))
        if queue is None or queue_owner_aws_account_id not in {None, call.account_id}:
            raise QueueDoesNotExist
        return {"queue_url": self._url(queue)}

    @operation
    async def list_queues(
        self,
        call: Call,
        *,
        queue_name_prefix: str = "",
        next_token: str | None = None,
        max_results: int | None = None,
    ) -> Answer:
        limit = _page_size(max_results)
        found = await self._store.load_queues(
            call.account_id,
            call.region,
            prefix=queue_name_prefix,
            after_name=_parse_token(next_token),
            limit=limit + 1,
        )
        urls, token = self._page(found, limit, paged=max_results is not None)
        return {"queue_urls": urls or None, "next_token": token}

    @operation
    async def list_dead_letter_source_queues(
        self, call: Call, *, queue_url: str, next_token: str | None = None, max_results: int | None = None
    ) -> Answer:
        queue = await self._queues.find(queue_url, call)
        limit = _page_size(max_results)
        found = await self._store.load_dead_letter_sources(
            queue.arn, after_name=_parse_token(next_token), limit=limit + 1
        )
        urls, token = self._page(found, limit, paged=max_results is not None)
        return {"queue_urls": urls, "next_token": token}

    @operation
    async def get_queue_attributes(
        self, call: Call, *, queue_url: str, attribute_names: list[str] | None = None
    ) -> Answer:
        queue = await self._queues.find(queue_url, call)
        wanted = set(attribute_names or ())
        counts = await self._store.count_messages(queue, call.now) if wanted & _COUNTED else None
        shown = render_attributes(queue, wanted, counts)
        if "Policy" in shown:
            shown["Policy"] = await self._principals.show(call.account_id, shown["Policy"])
        return {"attributes": shown or None}

    @operation
    async def set_queue_attributes(self, call: Call, *, queue_url: str, attributes: dict[str, str]) -> Answer:
        queue = await self._queues.find(queue_url, call)
        attributes = await self._pinned(call, attributes)
        checked = await self._with_attributes(queue, attributes)
        if checked.fifo != queue.fifo:
            raise InvalidParameterValueException("FifoQueue cannot be changed.")

        def change(present: Queue) -> Queue:
            return msgspec.structs.replace(apply_attributes(present, attributes), modified_at=call.now)

        await self._change(queue, change)
        return None

    @operation
    async def purge_queue(self, call: Call, *, queue_url: str) -> Answer:
        queue = await self._queues.find(queue_url, call)

        def purge(present: Queue) -> Queue:
            if present.purged_at is not None and call.now < present.purged_at + PURGE_INTERVAL:
                raise PurgeQueueInProgress(
                    f"Only one PurgeQueue operation on {present.name} is allowed every 60 seconds."
                )
            return msgspec.structs.replace(present, purged_at=call.now)

        if not await self._store.purge_queue(queue.arn, purge):
            raise QueueDoesNotExist
        return None

    @operation
    async def tag_queue(self, call: Call, *, queue_url: str, tags: dict[str, str]) -> Answer:
        queue = await self._queues.find(queue_url, call)
        await self._change(queue, lambda present: _with_tags(present, tags))
        return None

    @operation
    async def untag_queue(self, call: Call, *, queue_url: str, tag_keys: list[str]) -> Answer:
        queue = await self._queues.find(queue_url, call)

        def change(present: Queue) -> Queue:
            return msgspec.structs.replace(present, tags={k: v for k, v in present.tags.items() if k not in tag_keys})

        await self._change(queue, change)
        return None

    @operation
    async def list_queue_tags(self, call: Call, *, queue_url: str) -> Answer:
        queue = await self._queues.find(queue_url, call)
        return {"tags": dict(queue.tags) or None}

    @operation
    async def add_permission(
        self, call: Call, *, queue_url: str, label: str, aws_account_ids: list[str], actions: list[str]
    ) -> Answer:
        queue = await self._queues.find(queue_url, call)

        def change(present: Queue) -> Queue:
            document = _read_policy(present)
            if any(statement.get("Sid") == label for statement in document["Statement"]):
                raise InvalidParameterValueException(
                    f"Value {label} for parameter Label is invalid. Reason: Already exists."
                )
            if len(document["Statement"]) >= MAX_STATEMENTS:
                raise InvalidParameterValueException(f"A policy has no more than {MAX_STATEMENTS} statements.")
            accounts = [f"arn:aws:iam::{account_id}:root" for account_id in aws_account_ids]
            document["Statement"].append(
                {
                    "Sid": label,
                    "Effect": "Allow",
                    "Principal": {"AWS": accounts},
                    "Action": [f"SQS:{action}" for action in actions],
                    "Resource": present.arn,
                }
            )
            return apply_attributes(present, {"Policy": json.dumps(document, separators=(",", ":"))})

        await self._change(queue, change)
        return None

    @operation
    async def remove_permission(self, call: Call, *, queue_url: str, label: str) -> Answer:
        queue = await self._queues.find(queue_url, call)

        def change(present: Queue) -> Queue:
            document = _read_policy(present)
            kept = [statement for statement in document["Statement"] if statement.get("Sid") != label]
            if len(kept) == len(document["Statement"]):
                raise InvalidParameterValueException(
                    f"Value {label} for parameter Label is invalid. Reason: can't find label on existing policy."
                )
            document["Statement"] = kept
            text = json.dumps(document, separators=(",", ":")) if kept else ""
            return apply_attributes(present, {"Policy": text})

        await self._change(queue, change)
        return None

    async def _pinned(self, call: Call, attributes: dict[str, str]) -> dict[str, str]:
        """The attributes with the policy as it is kept: roles and users by unique id (`policy.named_principals`)."""
        document = attributes.get("Policy")
        if not document:
            return attributes
        try:
            return attributes | {"Policy": await self._principals.pin(call.account_id, document)}
        except MalformedPolicy as err:
            raise InvalidAttributeValue("Invalid value for the parameter Policy.", detail=err.message) from err

    async def _with_attributes(self, queue: Queue, attributes: dict[str, str]) -> Queue:
        """The queue with the attributes, once its dead-letter queue was found to be there and to allow it."""
        changed = apply_attributes(queue, attributes)
        target_arn = changed.dead_letter_target_arn
        if attributes.get("RedrivePolicy"):
            target = await self._store.load_queue(target_arn)
            if target is None:
                raise _bad_target(changed, "Dead letter target does not exist.")
            if (target.account_id, target.region) != (queue.account_id, queue.region):
                raise _bad_target(changed, "Dead letter target owner should be same as the source.")
            if target.fifo != queue.fifo:
                raise _bad_target(changed, "Dead-letter queue must be same type of queue as the source.")
            if not parse_allowed_sources(target.redrive_allow_policy).allows(queue.arn):
                raise _bad_target(changed, "Dead letter target does not allow this queue as a source.")
        return changed

    async def _change(self, queue: Queue, change: Callable[[Queue], Queue]) -> None:
        if await self._store.change_queue(queue.arn, change) is None:
            raise QueueDoesNotExist

    def _page(self, found: list[Queue], limit: int, *, paged: bool) -> tuple[list[str], str | None]:
        """Source: SQS API Reference, ListQueues: without MaxResults there is no token."""
        page, token = page_of(found, limit, key=lambda queue: queue.name)
        return [self._url(queue) for queue in page], token if paged else None

    def _url(self, queue: Queue) -> str:
        return f"{self._endpoint_url}/{queue.account_id}/{queue.name}"


def _differs(present: Queue, attributes: dict[str, str]) -> str:
    """The first attribute that `present` has another value of; empty if none."""
    changed = apply_attributes(present, attributes)
    shown = render_attributes(changed, {"All"}, None)
    has = render_attributes(present, {"All"}, None)
    return next((name for name in attributes if shown.get(name) != has.get(name)), "")


def _read_policy(queue: Queue) -> dict[str, Any]:
    """The queue's policy with its statements as a list; a new one if it has none."""
    if not queue.policy:
        return {"Version": "2008-10-17", "Id": f"{queue.arn}/SQSDefaultPolicy", "Statement": []}
    document: dict[str, Any] = json.loads(queue.policy)
    if isinstance(document["Statement"], dict):
        document["Statement"] = [document["Statement"]]
    return document


def _bad_target(queue: Queue, reason: str) -> InvalidParameterValueException:
    return InvalidParameterValueException(
        f"Value {queue.redrive_policy} for parameter RedrivePolicy is invalid. Reason: {reason}"
    )


def _with_tags(queue: Queue, added: Mapping[str, str]) -> Queue:
    """Lengths are checked here: SQS's model has none."""
    for key, value in added.items():
        if not 1 <= len(key) <= 128 or len(value) > 256:
            raise InvalidParameterValueException(f"The tag {key} is not valid.")
    try:
        return msgspec.structs.replace(queue, tags=merge_tags(queue.tags, added))
    except TooManyTags as finding:
        raise InvalidParameterValueException(
            f"Too many tags added for queue {queue.name}.", detail=finding.message
        ) from None
    except TagsRefused as finding:
        raise InvalidParameterValueException(finding.message) from None


def _page_size(max_results: int | None) -> int:
    if max_results is not None and not 1 <= max_results <= MAX_LISTED:
        raise InvalidParameterValueException("MaxResults is 1 to 1000.")
    return max_results or MAX_LISTED


def _parse_token(token: str | None) -> str:
    try:
        return parse_page_token(token)
    except UnknownPageToken:
        raise InvalidParameterValueException("Invalid or expired next token.") from None

"""Pollers: each enabled event source mapping reads its queue and invokes its function.

    pollers = EventSourcePollers(database, roles, clock, entropy, account_id=..., region=..., shared_slots=...)
    await pollers.open(operations, runner)        poll from now on; mappings that change are noticed
    pollers.last_result(mapping_id)               "OK", "PROBLEM: …", as GetEventSourceMapping tells it
    await pollers.close()

A poller acts as the function's execution role: receiving and deleting are calls in process that are judged like
anybody's, so that a role without `sqs:ReceiveMessage` gets nothing, and the refusal is in the decision records. When it
is refused it asks again after a while, and at once when something about IAM, queues or functions was changed.

What becomes of a batch: messages that no filter wants are deleted. The rest are one event each `batch_size`, or fewer
when the window is over. If the function returns, they are deleted, but for those that it reports as failures. If it
fails or cannot be run, they stay in flight until the queue's visibility timeout is over and then come again, or go to
the dead-letter queue. A server that stops lets go of what it was at, and that comes again as well: at least once.

At most `maximum_concurrency` events of a mapping run at once, on all nodes together, and no messages are received for
more. A node that is not let (`SharedSlots`) asks again after a while.

Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS"; "Configuring scaling behavior".
"""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from velvetrope.clock import Clock, Entropy
from velvetrope.errors import ServiceError
from velvetrope.events.filter_patterns import parse_filter_pattern
from velvetrope.functions.errors import ResourceNotFoundException
from velvetrope.functions.event_queue import EventRunner
from velvetrope.functions.event_source_batches import (
    Message,
    batches_of,
    choose_messages,
    parse_failures,
    render_event,
)
from velvetrope.functions.names import parse_function_name
from velvetrope.functions.roles import ExecutionRoles
from velvetrope.functions.shared_slots import SharedSlots
from velvetrope.identifiers import new_uuid
from velvetrope.operations import Call, OperationInvoker
from velvetrope.store import Database
from velvetrope.store.tables.event_sources import TOPIC, EventSourceMapping, EventSourceStore
from velvetrope.store.tables.functions import FunctionStore

__all__ = ["EventSourcePollers", "queue_url_of"]

DEFAULT_CONCURRENCY = 10
"""Of a mapping that says nothing: as many as a version has sandboxes."""
WAIT_SECONDS = 20
"""A long poll's longest. Source: SQS API Reference, ReceiveMessage."""
MAX_RECEIVED = 10
_RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_CHANGES = ("iam", "queues", "functions")

_NO_RECORDS: Final = "No records processed"
_INTERNAL_ERROR: Final = "PROBLEM: Internal error"

_log = logging.getLogger(__name__)


def queue_url_of(queue_arn: str) -> str:
    """A URL that names the queue of that ARN; only account and name count in it."""
    _, _, _, region, account_id, name = queue_arn.split(":")
    return f"https://sqs.{region}.amazonaws.com/{account_id}/{name}"


class EventSourcePollers:
    """See the module. Belongs to one event loop from `open` on."""

    def __init__(
        self,
        database: Database,
        roles: ExecutionRoles,
        clock: Clock,
        entropy: Entropy,
        *,
        account_id: str,
        region: str,
        shared_slots: SharedSlots | None,
    ) -> None:
        """`shared_slots` counts what runs where several nodes share the database."""
        self._mappings = EventSourceStore(database)
        self._functions = FunctionStore(database)
        self._roles = roles
        self._clock = clock
        self._entropy = entropy
        self._account_id = account_id
        self._region = region
        self._shared_slots = shared_slots
        self._at_work = Counter[str]()
        """Of each mapping, how many events run here or are received."""
        self._operations: OperationInvoker | None = None
        self._runner: EventRunner | None = None
        self._tasks: dict[str, tuple[EventSourceMapping, asyncio.Task[None]]] = {}
        self.batches: set[asyncio.Task[None]] = set()
        """What runs: of mappings that were changed or deleted meanwhile, too."""
        self._results: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None
        database.changes.subscribe(TOPIC, self._changed.set)
        self._retries: set[asyncio.Event] = set()
        for topic in _CHANGES:
            database.changes.subscribe(topic, self._retry_now)

    async def open(self, operations: OperationInvoker, runner: EventRunner) -> None:
        """Begin to poll."""
        self._operations, self._runner = operations, runner
        self._supervisor = asyncio.create_task(self._supervise())

    async def close(self) -> None:
        """Poll no more. What functions run on now is let go of."""
        tasks = [*(task for _, task in self._tasks.values()), *self.batches]
        if self._supervisor is not None:
            tasks.append(self._supervisor)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
        self._supervisor = None

    def last_result(self, mapping_id: str) -> str:
        """What came of the mapping's last batch. Not kept over a restart."""
        return self._results.get(mapping_id, _NO_RECORDS)

    async def _supervise(self) -> None:
        while True:
            self._changed.clear()
            try:
                enabled = {mapping.mapping_id: mapping for mapping in await self._mappings.load_enabled()}
            except Exception:  # noqa: BLE001  whatever it is: mappings that are made later are to be read
                _log.exception("event source mappings could not be read; it is tried again")
                await asyncio.sleep(_RETRY_SECONDS[-1])
                continue
            for mapping_id, (mapping, task) in list(self._tasks.items()):
                if enabled.get(mapping_id) != mapping or task.done():
                    # It receives no more; functions that are at work get to their end.
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                    del self._tasks[mapping_id]
            for mapping_id, mapping in enabled.items():
                if mapping_id not in self._tasks:
                    self._tasks[mapping_id] = (mapping, asyncio.create_task(self._poll(mapping)))
            await self._changed.wait()

    async def _poll(self, mapping: EventSourceMapping) -> None:
        """Read the queue for ever."""
        if self._operations is None or self._runner is None:
            raise RuntimeError("the pollers are not open")
        await _Poller(mapping, self, self._operations, self._runner).run()

    async def role_call(self, mapping: EventSourceMapping) -> Call:
        """A call as the function's execution role.

        Raises:
            ServiceError: the function is gone, or its role cannot be assumed.
        """
        reference = parse_function_name(mapping.function_arn, account_id=self._account_id, region=self._region)
        target = await self._functions.load_target(reference.arn, reference.qualifier)
        if target is None:
            raise ResourceNotFoundException(f"Function not found: {mapping.function_arn}")
        return Call(
            principal=await self._roles.act_as(target.configuration),
            account_id=self._account_id,
            region=self._region,
            request_id="",
            now=self._clock.now(),
            user_agent="lambda.amazonaws.com",
            secure_transport=True,
        )

    async def may_begin(self, mapping: EventSourceMapping) -> bool:
        """Whether one more event of the mapping may be at work here; whoever hears yes says when it `has_ended`.

        It may not while the store does not answer.
        """
        limit, mapping_id = mapping.maximum_concurrency, mapping.mapping_id
        if limit is not None and self._shared_slots is not None:
            arn = f"arn:aws:lambda:{self._region}:{self._account_id}:event-source-mapping:{mapping_id}"
            try:
                if not await self._shared_slots.have(arn, limit, lambda: self._at_work[mapping_id]):
                    return False
            except SQLAlchemyError:
                _log.exception("%s could not be counted", arn)
                return False
        self._at_work[mapping_id] += 1
        return True

    def has_ended(self, mapping: EventSourceMapping) -> None:
        """See `may_begin`."""
        self._at_work[mapping.mapping_id] -= 1

    def new_request_id(self) -> str:
        return new_uuid(self._entropy)

    def note(self, mapping_id: str, result: str) -> None:
        self._results[mapping_id] = result

    async def wait_before_retry(self, failures: int) -> None:
        """A while that grows with the failures in a row, or until something changed that may have caused them."""
        seconds = _RETRY_SECONDS[min(failures, len(_RETRY_SECONDS)) - 1]
        changed = asyncio.Event()
        self._retries.add(changed)
        try:
            async with asyncio.timeout(seconds):
                await changed.wait()
        except TimeoutError:
            return
        finally:
            self._retries.discard(changed)

    def _retry_now(self) -> None:
        for changed in self._retries:
            changed.set()


class _Poller:
    """One mapping at work."""

    def __init__(
        self,
        mapping: EventSourceMapping,
        pollers: EventSourcePollers,
        operations: OperationInvoker,
        runner: EventRunner,
    ) -> None:
        self._mapping = mapping
        self._pollers = pollers
        self._operations = operations
        self._runner = runner
        self._queue_url = queue_url_of(mapping.event_source_arn)
        self._region = mapping.event_source_arn.split(":")[3]
        self._patterns = [parse_filter_pattern(text) for text in mapping.filters]
        self._slots = asyncio.Semaphore(mapping.maximum_concurrency or DEFAULT_CONCURRENCY)
        self._throttled = 0

    async def run(self) -> None:
        failures = 0
        while True:
            await self._slots.acquire()
            try:
                may_begin = await self._pollers.may_begin(self._mapping)
            except BaseException:
                self._slots.release()
                raise
            if not may_begin:
                self._slots.release()
                failures += 1
                await self._pollers.wait_before_retry(failures)
                continue
            try:
                messages = await self._collect()
            except ServiceError as err:
                self._leave()
                failures += 1
                # UNVERIFIED: AWS's own words for a queue that cannot be read.
                self._pollers.note(self._mapping.mapping_id, f"PROBLEM: {err.code}: {err.message}")
                await self._pollers.wait_before_retry(failures)
                continue
            except Exception:  # noqa: BLE001  whatever it is: messages that come later are to be read
                self._leave()
                failures += 1
                self._pollers.note(self._mapping.mapping_id, _INTERNAL_ERROR)
                _log.exception("the queue %s could not be read", self._mapping.event_source_arn)
                await self._pollers.wait_before_retry(failures)
                continue
            except BaseException:
                self._leave()
                raise
            failures = 0
            if messages:
                self._start(messages)
            else:
                self._leave()
            if self._throttled:
                await self._pollers.wait_before_retry(self._throttled)

    def _leave(self) -> None:
        self._pollers.has_ended(self._mapping)
        self._slots.release()

    def _start(self, messages: list[Message]) -> None:
        task = asyncio.create_task(self._process(messages))
        self._pollers.batches.add(task)

        def done(ended: "asyncio.Task[None]") -> None:
            self._pollers.batches.discard(ended)
            self._leave()
            failure = None if ended.cancelled() else ended.exception()
            if failure is not None:
                self._pollers.note(self._mapping.mapping_id, _INTERNAL_ERROR)
                _log.error("a batch of %s failed", self._mapping.mapping_id, exc_info=failure)

        task.add_done_callback(done)

    async def _collect(self) -> list[Message]:
        """Up to `batch_size` messages: those that are there, or those that come while the window is open."""
        size = self._mapping.batch_size
        messages = await self._receive(size, WAIT_SECONDS)
        loop = asyncio.get_running_loop()
        until = loop.time() + self._mapping.batching_window_seconds
        while messages and len(messages) < size:
            left = math.ceil(until - loop.time())
            if left <= 0:
                break
            messages += await self._receive(size - len(messages), min(left, WAIT_SECONDS))
        return messages

    async def _receive(self, limit: int, wait_seconds: int) -> list[Message]:
        parameters = {
            "QueueUrl": self._queue_url,
            "MaxNumberOfMessages": min(limit, MAX_RECEIVED),
            "WaitTimeSeconds": wait_seconds,
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        }
        received = await self._call("ReceiveMessage", parameters)
        messages: list[Message] = list(received.get("Messages") or ())
        return messages

    async def _process(self, messages: list[Message]) -> None:
        arn = self._mapping.event_source_arn
        chosen, dropped = choose_messages(messages, self._patterns, event_source_arn=arn, region=self._region)
        try:
            await self._delete(dropped)
            for batch in batches_of(chosen, size=self._mapping.batch_size, event_source_arn=arn, region=self._region):
                await self._invoke(batch)
        except ServiceError as err:
            self._pollers.note(self._mapping.mapping_id, f"PROBLEM: {err.code}: {err.message}")

    async def _invoke(self, batch: list[Message]) -> None:
        event = render_event(batch, event_source_arn=self._mapping.event_source_arn, region=self._region)
        try:
            result = await self._runner.run_event(
                self._mapping.function_arn, event, request_id=self._pollers.new_request_id(), cognito_identity=b""
            )
        except ServiceError:
            self._throttled += 1
            raise
        self._throttled = 0
        if result.function_error is not None:
            self._pollers.note(self._mapping.mapping_id, "PROBLEM: Function call failed")
            return
        failed: set[str] = set()
        if self._mapping.report_batch_item_failures:
            failed = parse_failures(result.payload, {message["MessageId"] for message in batch})
        await self._delete([message for message in batch if message["MessageId"] not in failed])
        self._pollers.note(self._mapping.mapping_id, "PROBLEM: Function reported failures" if failed else "OK")

    async def _delete(self, messages: Sequence[Message]) -> None:
        for start in range(0, len(messages), MAX_RECEIVED):
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(messages[start : start + MAX_RECEIVED])
            ]
            await self._call("DeleteMessageBatch", {"QueueUrl": self._queue_url, "Entries": entries})

    async def _call(self, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        call = await self._pollers.role_call(self._mapping)
        return await self._operations.invoke("sqs", operation, parameters, call)

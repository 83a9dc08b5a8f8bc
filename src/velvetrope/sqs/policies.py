"""The resource policies of queues, compiled: who else may send to a queue, or receive from it.

Source: Amazon SQS Developer Guide, "Using custom policies with the Amazon SQS access policy language".
"""

from functools import lru_cache

from velvetrope.policy import Policy, read_policy
from velvetrope.store import Database
from velvetrope.store.tables.queues import QueueStore

__all__ = ["QueuePolicies"]


class QueuePolicies:
    """The compiled policy of each queue. Who is allowed what by it is decided by `velvetrope.policy`."""

    def __init__(self, database: Database) -> None:
        self._store = QueueStore(database)

    async def find(self, queue_arn: str) -> Policy | None:
        """The policy of that queue; None if it has none, or there is no such queue."""
        queue = await self._store.load_queue(queue_arn)
        return None if queue is None or not queue.policy else _compiled(queue.policy, queue_arn)


@lru_cache(maxsize=512)
def _compiled(document: str, queue_arn: str) -> Policy:
    return read_policy(document, kind="resource", source=queue_arn)

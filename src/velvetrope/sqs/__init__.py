"""Amazon SQS: queues whose messages are kept in the store and go to one receiver at a time.

    service = QueueService(database, principals, clock, entropy, endpoint_url="http://localhost:4800")
    dispatcher.register("sqs", *service.operations)
    judge = ControlPlaneJudge(..., resource_policies={"sqs": service.policies, ...})
    ...
    service.close()                                   ends long polls; before the listeners are stopped

Standard and FIFO queues, dead-letter queues, delays, long polls, batches, tags and queue policies. What a message goes
through is one transaction after another in `store.tables.queues`; who may is judged by `iam`, by identity policies and
the queue's own. Refused by name: KMS keys, message move tasks, ReceiveRequestAttemptId.
"""

from velvetrope.clock import Clock, Entropy
from velvetrope.policy import PolicyPrincipals
from velvetrope.sqs.message_operations import MessageOperations
from velvetrope.sqs.policies import QueuePolicies
from velvetrope.sqs.queue_operations import QueueOperations
from velvetrope.sqs.queues import Queues
from velvetrope.store import Database

__all__ = ["QueuePolicies", "QueueService", "Queues"]


class QueueService:
    """The room put together. The public attributes are what others are handed."""

    def __init__(
        self, database: Database, principals: PolicyPrincipals, clock: Clock, entropy: Entropy, *, endpoint_url: str
    ) -> None:
        self.queues = Queues(database, clock, entropy)
        self.policies = QueuePolicies(database)
        self.operations: tuple[object, ...] = (
            QueueOperations(self.queues, principals, endpoint_url=endpoint_url),
            MessageOperations(self.queues),
        )

    def close(self) -> None:
        """End all long polls, with nothing received."""
        self.queues.close()

"""What services are made of besides routes: functions of their own, queues, databases.

    shop = Database("shop", user="orders")
    shipments = Queue("shipments")
    inventory = Function("inventory")

    @inventory.handler
    def reserve(event, context):
        ...

    api = Api("orders", uses=[shop, shipments, inventory])

`uses` is how one thing is allowed another: the function's own role gets the permission for exactly that, and its
environment says where it is. What is not in `uses` is refused by IAM, here as on AWS.

| In `uses` | The role may | The environment has |
|---|---|---|
| a `Function` | `lambda:InvokeFunction` on it | `INVENTORY_FUNCTION`, its name |
| a `Queue` | `sqs:SendMessage` to it | `SHIPMENTS_QUEUE_URL` |
| a `Database` | `rds-db:connect` as its user | libpq's own: `PGHOST`, `PGUSER`, `PGSSLMODE` … |

Source: AWS Lambda Developer Guide, "Defining Lambda function permissions with an execution role"; Amazon RDS User
Guide, "IAM database authentication".
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from velvetrope.builder.declared import check_handler, check_kind, listed

__all__ = ["Database", "Function", "Queue", "QueueTrigger", "Usable", "variable_name"]

Handler = TypeVar("Handler", bound=Callable[..., Any])

_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_$-]{0,62}")


def variable_name(name: str, suffix: str) -> str:
    """The environment variable that says where something is: of `order-events`, ORDER_EVENTS_QUEUE_URL."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").upper() + f"_{suffix}"


@dataclass(eq=False)
class Queue:
    """A queue. Messages that were received `max_receive_count` times in vain go to `dead_letter`, if there is one.

    `visibility_timeout_seconds`, 0 to 43200, is how long a receiver has for a message; a function that a queue triggers
    may not take longer. AWS recommends six times the function's timeout.
    """

    name: str
    visibility_timeout_seconds: int = 30
    dead_letter: "Queue | None" = None
    max_receive_count: int = 3

    def __post_init__(self) -> None:
        if not 0 <= self.visibility_timeout_seconds <= 43200:
            raise ValueError("visibility_timeout_seconds is 0 to 43200")
        if not 1 <= self.max_receive_count <= 1000:
            raise ValueError("max_receive_count is 1 to 1000")
        check_kind("dead_letter", self.dead_letter, Queue)


@dataclass(frozen=True, eq=False)
class Database:
    """A PostgreSQL database, reached as `user` with IAM database authentication: no password anywhere.

    Where it is (`DatabaseHost`, `DatabasePort`, `DatabaseResourceId`) are parameters of the template;
    `velvetrope dev --database-door` fills them in.
    """

    name: str
    user: str

    def __post_init__(self) -> None:
        if _USER.fullmatch(self.user) is None:
            raise ValueError(f"{self.user!r} is no name of a database user")


@dataclass(frozen=True, eq=False)
class QueueTrigger:
    """A queue whose messages a function is invoked with."""

    queue: Queue
    batch_size: int
    report_batch_item_failures: bool


@dataclass(eq=False)
class Function:
    """A function of its own, with a process and a role of its own.

    `memory_mb` is 128 to 10240, `timeout_seconds` 1 to 900. `uses` is what it may use (see the module). On the
    developer's machine it is a declaration; inside a function it is the Lambda handler.
    """

    name: str
    memory_mb: int = 128
    timeout_seconds: int = 10
    environment: Mapping[str, str] = field(default_factory=dict)
    uses: Sequence["Usable"] = ()
    triggers: list[QueueTrigger] = field(default_factory=list, init=False)
    handled_by: Callable[..., Any] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if not 128 <= self.memory_mb <= 10240:
            raise ValueError("memory_mb is 128 to 10240")
        if not 1 <= self.timeout_seconds <= 900:
            raise ValueError("timeout_seconds is 1 to 900")
        self.uses = listed("uses", self.uses, Usable)

    def handler(self, handler: Handler) -> Handler:
        """Have this function run `handler(event, context)`.

        Raises:
            ValueError: it has a handler already.
        """
        if self.handled_by is not None:
            raise ValueError(f"the function {self.name!r} has a handler already")
        check_handler(f"the function {self.name!r}", handler)
        self.handled_by = handler
        return handler

    def on_queue(
        self, queue: Queue, *, batch_size: int = 10, report_batch_item_failures: bool = False
    ) -> Callable[[Handler], Handler]:
        """As `handler`, invoked with the queue's messages, up to `batch_size` (1 to 10) at a time.

        When it returns they are deleted, when it fails they come again; with `report_batch_item_failures` it may say
        which ones failed (`{"batchItemFailures": [{"itemIdentifier": message_id}]}`).

        Raises:
            ValueError: it has a handler already, or would be given longer than the queue waits for it.
        """
        if not 1 <= batch_size <= 10:
            raise ValueError("batch_size is 1 to 10")
        if queue.visibility_timeout_seconds < self.timeout_seconds:
            raise ValueError(
                f"the function {self.name!r} may take {self.timeout_seconds} s, and the queue {queue.name!r} gives its "
                f"messages to another after {queue.visibility_timeout_seconds} s"
            )
        self.triggers.append(QueueTrigger(queue, batch_size, report_batch_item_failures))
        return self.handler

    def __call__(self, event: object, context: object) -> object:
        """The Lambda handler."""
        if self.handled_by is None:
            raise RuntimeError(f"the function {self.name!r} has no handler")
        returned: object = self.handled_by(event, context)
        return returned


Usable = Function | Queue | Database
"""What `uses` may name."""

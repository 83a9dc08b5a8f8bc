"""SQS over a database of its own, at a moment that stands still until it is told to move."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from support.stores import open_store
from velvetrope.clock import CountingEntropy, FrozenClock
from velvetrope.iam import IamPrincipals
from velvetrope.operations import Call, implemented_operations
from velvetrope.principals import Principal
from velvetrope.sqs import QueueService
from velvetrope.store import Database
from velvetrope.store.tables.iam import IamStore

ACCOUNT, REGION = "000000000000", "us-west-2"
URL = "http://localhost:4800"
OWNER = Principal("Account", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)


def queue_arn(name: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


@dataclass
class Sqs:
    """The room, and short ways to call it."""

    database: Database
    service: QueueService
    clock: FrozenClock

    async def operate(self, operation: str, /, **parameters: Any) -> Any:
        """Call the operation of that name as `edge` would, past its checks."""
        call = Call(OWNER, ACCOUNT, REGION, "request", self.clock.now())
        for owner in self.service.operations:
            method = implemented_operations(owner).get(operation)
            if method is not None:
                return await method(call, **parameters)
        raise LookupError(operation)

    async def create(self, name: str = "orders", **attributes: str) -> str:
        """Create a queue; its URL."""
        answer = await self.operate("create_queue", queue_name=name, attributes=attributes)
        return str(answer["queue_url"])

    async def send(self, url: str, body: str, **parameters: Any) -> Any:
        return await self.operate("send_message", queue_url=url, message_body=body, **parameters)

    async def receive(self, url: str, limit: int = 10, **parameters: Any) -> list[dict[str, Any]]:
        """The messages that are there now."""
        answer = await self.operate("receive_message", queue_url=url, max_number_of_messages=limit, **parameters)
        return answer["messages"] or []

    async def bodies(self, url: str, **parameters: Any) -> list[str]:
        return [message["body"] for message in await self.receive(url, **parameters)]

    def advance(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))


@asynccontextmanager
async def open_sqs(folder: Path) -> AsyncIterator[Sqs]:
    """SQS with a database of its own in `folder`."""
    database = await open_store(folder)
    clock = FrozenClock()
    service = QueueService(database, IamPrincipals(IamStore(database)), clock, CountingEntropy(), endpoint_url=URL)
    yield Sqs(database, service, clock)
    service.close()
    await database.close()

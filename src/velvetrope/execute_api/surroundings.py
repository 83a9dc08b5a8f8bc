"""What both lanes are handed from outside: who calls, what answers, who is told, and the machine under it all."""

from dataclasses import dataclass

from velvetrope.clock import Clock, Entropy
from velvetrope.execute_api.http_backends import HttpBackends
from velvetrope.execute_api.logs import LogSink, RequestLog
from velvetrope.execute_api.protocols import (
    CallerCredentials,
    DecisionRecorder,
    FunctionInvoker,
    PolicyGatherer,
    ServiceDoor,
)
from velvetrope.store import ChangeFeed
from velvetrope.store.tables.usage import UsageStore

__all__ = ["Surroundings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The same for both lanes of a server, so that neither knows a caller or a function that the other does not."""

    region: str
    clock: Clock
    entropy: Entropy
    changes: ChangeFeed
    usage: UsageStore
    credentials: CallerCredentials
    policies: PolicyGatherer
    functions: FunctionInvoker
    services: ServiceDoor
    backends: HttpBackends
    recorder: DecisionRecorder
    logs: LogSink | None = None
    """Takes access logs of stages, and execution logs of REST APIs."""
    requests: RequestLog | None = None
    """Hears of every request."""

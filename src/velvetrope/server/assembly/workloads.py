"""Functions, and the keys, queues and logs that they use."""

from dataclasses import dataclass

from velvetrope.functions import FunctionService
from velvetrope.iam import knows_action
from velvetrope.kms import KmsService
from velvetrope.logs import LogService
from velvetrope.server.assembly.callers import Callers
from velvetrope.server.assembly.foundation import Foundation
from velvetrope.sqs import QueueService

__all__ = ["Workloads", "assemble_workloads"]


@dataclass(frozen=True)
class Workloads:
    """`functions.invoker` is what API Gateway and user pools are given to call functions with."""

    functions: FunctionService
    kms: KmsService
    logs: LogService
    queues: QueueService


def assemble_workloads(foundation: Foundation, callers: Callers) -> Workloads:
    """Functions run under roles that STS hands out, and what they print is kept as log events."""
    settings, url = foundation.settings, foundation.connection.url
    database, clock, entropy = foundation.database, foundation.clock, foundation.entropy
    functions = FunctionService(
        database,
        foundation.folder.path / "functions",
        callers.roles,
        callers.principals,
        clock,
        entropy,
        foundation.master_keys,
        knows_action=knows_action,
        endpoint_url=url,
        region=settings.region,
        account_id=settings.account_id,
        as_root=settings.functions_as_root,
        max_sandboxes=settings.max_sandboxes,
    )
    logs = LogService(database, foundation.folder.path / "logs", clock)
    functions.logs.subscribe(
        lambda line: logs.keep(f"/aws/lambda/{line.function_name}", line.log_stream, line.at_ms, line.message)
    )
    return Workloads(
        functions=functions,
        kms=KmsService(database, foundation.master_keys, callers.principals, clock, entropy),
        logs=logs,
        queues=QueueService(database, callers.principals, clock, entropy, endpoint_url=url),
    )

"""CloudWatch Logs: what functions print, and what clients put, in log groups and streams that tools can read.

    service = LogService(database, folder, clock)
    service.keep("/aws/lambda/orders", stream, at_ms, "START RequestId: …")

From the outside in: `group_operations`, `stream_operations` and `event_operations` are the operations;
`filter_patterns` says which messages a search wants; `journal` takes events in and reads them back, from this node's
files (`event_files`, `segments`), or from the store that nodes share (`shared_events`). Insights, live tails, metric
filters, subscriptions, exports and keys are refused by name.
"""

from velvetrope.logs.service import LogService

__all__ = ["LogService"]

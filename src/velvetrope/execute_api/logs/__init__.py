"""What is written about requests when they are over: access logs, execution logs, and one line for log shippers.

Writing is handed to the event loop for after the answer, and to sinks that the server gives. No secret is ever written:
what callers present is known by value and taken out of every line (`redaction`).

Source: API Gateway Developer Guide, "Set up CloudWatch logging for REST APIs".
"""

from velvetrope.execute_api.logs.formats import AccessLog, compile_access_log
from velvetrope.execute_api.logs.observer import RequestObserver
from velvetrope.execute_api.logs.redaction import mask, presented_secrets, redact, secrets_of
from velvetrope.execute_api.logs.sinks import LogSink, RequestLog

__all__ = [
    "AccessLog",
    "LogSink",
    "RequestLog",
    "RequestObserver",
    "compile_access_log",
    "mask",
    "presented_secrets",
    "redact",
    "secrets_of",
]

"""AWS Lambda: functions, each in processes of its own behind the Lambda Runtime API, with its execution role's session.

    service = FunctionService(...)                   what `server` makes, starts and stops
    await service.start()
    result = await service.invoker.invoke(function_arn, event, caller=..., source_arn=..., now=...)

From the outside in: `*_operations` and `versions` are the control plane; `invoker` finds what an ARN stands for and
whether a service may invoke it; `pools` keeps the sandboxes of a version; `sandbox` is one of them, made by `sandboxes`
from `code`, `environment`, `roles` and `homes`; `launches` begins its process, forked by the zygote (`zygotes`,
`processes`); `frame_channel` and `runtime_api` (with `peers`) are the two ways in; `memory` watches over it.

Events that nobody waits for are in `event_queue` and `destinations`; `event_source_*` is how queues trigger functions;
`function_urls` is how functions are called over plain HTTP. What is refused by name: runtimes other than python3.x,
nodejs*.x and provided.*, images, code in S3, streamed responses, provisioned concurrency, active tracing. What is not
isolated is said in `homes`.
"""

from velvetrope.functions.code import CodeStore, StoredCode
from velvetrope.functions.errors import InvokeNotPermitted
from velvetrope.functions.function_url_operations import URL_PREFIX
from velvetrope.functions.function_urls import FunctionUrls, UrlForbidden, UrlRequest
from velvetrope.functions.invoker import FunctionInvoker, InvocationResult
from velvetrope.functions.logs import FunctionLogs, LogEvent
from velvetrope.functions.permissions import ResourcePolicies
from velvetrope.functions.roles import ExecutionRoleSessions
from velvetrope.functions.service import FunctionService

__all__ = [
    "URL_PREFIX",
    "CodeStore",
    "ExecutionRoleSessions",
    "FunctionInvoker",
    "FunctionLogs",
    "FunctionService",
    "FunctionUrls",
    "InvocationResult",
    "InvokeNotPermitted",
    "LogEvent",
    "ResourcePolicies",
    "StoredCode",
    "UrlForbidden",
    "UrlRequest",
]

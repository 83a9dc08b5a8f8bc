"""Functions are called by API Gateway: as the service that it is, or as a role that the API's author names.

As the service, the function's own resource policy must let `apigateway.amazonaws.com` in from the source ARN. With
credentials, the role must let the service assume it, and the role's policies decide, as if it had called Lambda's
Invoke itself. There are no retries.

Source: API Gateway Developer Guide, "API Gateway permissions model for invoking an API".
"""

import asyncio
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote

from velvetrope.errors import ReasonError
from velvetrope.execute_api.protocols import FunctionInvoker, InvocationResult, InvocationType, ServiceCall, ServiceDoor
from velvetrope.principals import service_principal

__all__ = ["FunctionCalls", "InvokeRefused", "function_failure"]

_API_GATEWAY = service_principal("apigateway.amazonaws.com")


class InvokeRefused(ReasonError):
    """Lambda did not take the call that was made under a role. `is_too_large` tells one cause from all others."""

    def __init__(self, message: str, *, is_too_large: bool) -> None:
        super().__init__(message)
        self.is_too_large = is_too_large


class _Answer(NamedTuple):
    payload: bytes
    function_error: str | None
    request_id: str


def function_failure(who: str, function_arn: str, request_id: str | None) -> str:
    """For the owner: that a function ended with an error, and the command that shows what its log says of it."""
    name = function_arn.rpartition(":function:")[2].partition(":")[0]
    return f"{who} ended with an error, which its log has: velvetrope logs {name} --request-id {request_id}"


class FunctionCalls:
    """See the module."""

    def __init__(self, invoker: FunctionInvoker, services: ServiceDoor) -> None:
        self._invoker = invoker
        self._services = services

    async def invoke(
        self,
        function_arn: str,
        payload: bytes,
        *,
        source_arn: str,
        credentials: str | None,
        timeout_seconds: float,
        now: datetime,
        invocation_type: InvocationType = "RequestResponse",
    ) -> InvocationResult:
        """What the function answered. `credentials` is a role's ARN, or None for the service itself.

        Raises:
            TimeoutError: it took longer than `timeout_seconds`.
            velvetrope.errors.VelvetropeError: it was not run.
        """
        if asyncio.current_task() is None:
            # A call that has waited for nothing so far may run in no task, and timeouts end tasks. This makes it one.
            await asyncio.sleep(0)
        async with asyncio.timeout(timeout_seconds):
            if credentials is not None:
                return await self._invoke_as(credentials, function_arn, payload, now, invocation_type)
            return await self._invoker.invoke(
                function_arn,
                payload,
                caller=_API_GATEWAY,
                source_arn=source_arn,
                now=now,
                invocation_type=invocation_type,
            )

    async def _invoke_as(
        self, role_arn: str, function_arn: str, payload: bytes, now: datetime, invocation_type: InvocationType
    ) -> InvocationResult:
        answer = await self._services.call(
            ServiceCall(
                service="lambda",
                role_arn=role_arn,
                method="POST",
                path=f"/2015-03-31/functions/{quote(function_arn, safe='')}/invocations",
                headers=(("X-Amz-Invocation-Type", invocation_type),),
                body=payload,
            ),
            now,
        )
        headers = {name.lower(): value for name, value in answer.headers}
        if answer.status >= 300:
            kind = headers.get("x-amzn-errortype", "")
            raise InvokeRefused(
                f"Lambda answered {answer.status} {kind}: {answer.body[:500].decode('utf-8', 'replace')}",
                is_too_large=answer.status == 413,
            )
        return _Answer(answer.body, headers.get("x-amz-function-error"), headers.get("x-amzn-requestid", ""))

"""Integrations with mappings: MOCK with expressions, AWS (a function without the proxy format, or another service),
HTTP.

    integration request (outgoing) -> backend -> integration response (responses)

Sources: API Gateway Developer Guide, "Set up Lambda custom integrations in API Gateway", "Set up an API integration
request using the API Gateway console" (AWS services), "Set up mock integrations".
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol
from urllib.parse import quote, urlencode

import msgspec

from velvetrope.errors import VelvetropeError
from velvetrope.events import parse_mock_status
from velvetrope.execute_api.errors import ApiConfiguration, IntegrationTimeout
from velvetrope.execute_api.integrations.answers import Answer
from velvetrope.execute_api.integrations.doors import Doors
from velvetrope.execute_api.integrations.outgoing import OutgoingRequest, RequestMapping, facts_of
from velvetrope.execute_api.integrations.proxies import FunctionIntegration, run_function
from velvetrope.execute_api.integrations.responses import BackendAnswer, ResponseMapping
from velvetrope.execute_api.protocols import InvocationType, ServiceCall
from velvetrope.execute_api.requests import AdmittedRequest, IntegrationOutcome

__all__ = ["Backend", "FunctionBackend", "MappedIntegration", "MockBackend", "ServiceBackend"]


class Backend(Protocol):
    """What is behind the mappings."""

    async def send(self, outgoing: OutgoingRequest, admitted: AdmittedRequest, doors: Doors) -> BackendAnswer:
        """What it answers.

        Raises:
            GatewayRefusal: it could not be asked.
        """
        ...


@dataclass(frozen=True)
class MappedIntegration:
    """One integration, compiled."""

    request: RequestMapping
    backend: Backend
    responses: ResponseMapping

    async def answer(self, admitted: AdmittedRequest, doors: Doors) -> Answer:
        """The answer to a request.

        Raises:
            GatewayRefusal: there is none.
        """
        facts, request = facts_of(admitted), admitted.authorized.caller.matched
        outgoing = self.request.map(facts, request)
        answered = await self.backend.send(outgoing, admitted, doors)
        return self.responses.map(answered, outgoing, facts, request)


class MockBackend:
    """Takes the status that the request template gives for its answer."""

    async def send(self, outgoing: OutgoingRequest, admitted: AdmittedRequest, doors: Doors) -> BackendAnswer:
        del admitted, doors
        status = parse_mock_status(outgoing.body)
        if status is None:
            raise ApiConfiguration(step="integration", detail="the MOCK integration's request yields no statusCode")
        return BackendAnswer(headers=(), body=b"", selector=status, outcome=None, told_by="answered by MOCK")


_INVOCATION_TYPES: Mapping[str, InvocationType] = {
    "RequestResponse": "RequestResponse",
    "Event": "Event",
    "DryRun": "DryRun",
}


@dataclass(frozen=True)
class FunctionBackend:
    """A function that gets what the template makes, and whose result is mapped. A failure is told by its message.

    A mapped header `X-Amz-Invocation-Type` of `Event` has it run later, with nothing to map.
    """

    function: FunctionIntegration

    async def send(self, outgoing: OutgoingRequest, admitted: AdmittedRequest, doors: Doors) -> BackendAnswer:
        asked = next((v for name, v in outgoing.headers.items() if name.lower() == "x-amz-invocation-type"), "")
        invocation_type = _INVOCATION_TYPES.get(asked.strip("'") or "RequestResponse")
        if invocation_type is None:
            raise ApiConfiguration(step="integration", detail=f"{asked} is no type of invocation")
        (payload, error), outcome = await run_function(
            self.function, outgoing.body, admitted, doors.functions, invocation_type
        )
        return BackendAnswer(
            headers=(),
            body=payload,
            selector=None if error is None else _error_message(payload),
            outcome=outcome,
            told_by=f"{self.function.function_arn} {'answered' if error is None else 'failed'}",
        )


def _error_message(payload: bytes) -> str:
    try:
        failure: object = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    message = failure.get("errorMessage") if isinstance(failure, dict) else None
    return message if isinstance(message, str) else ""


@dataclass(frozen=True)
class ServiceBackend:
    """An AWS service of this server, called as the integration's role in the service's own wire form.

    `action` is the operation's name of `…:{service}:action/{name}`; without one `path` is the service's.
    """

    service: str
    role_arn: str
    method: str
    path: str
    action: str | None
    timeout_seconds: float

    async def send(self, outgoing: OutgoingRequest, admitted: AdmittedRequest, doors: Doors) -> BackendAnswer:
        path = self.path
        for name, value in outgoing.path.items():
            path = path.replace(f"{{{name}}}", value)
        if "{" in path:
            raise ApiConfiguration(step="integration", detail=f"nothing is mapped into the service's path {path}")
        query = dict(outgoing.querystring)
        if self.action is not None:
            query = {"Action": self.action, **query}
        headers = dict(outgoing.headers)
        if outgoing.body and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = outgoing.content_type
        call = ServiceCall(
            service=self.service,
            role_arn=self.role_arn,
            method=self.method,
            path=quote(path, safe="/%:@!$&'()*+,;=~"),
            query=urlencode(query, quote_via=quote, safe=""),
            headers=tuple(headers.items()),
            body=outgoing.body,
        )
        started = perf_counter()
        if asyncio.current_task() is None:
            await asyncio.sleep(0)  # timeouts end tasks; see `invoking`
        try:
            async with asyncio.timeout(self.timeout_seconds):
                answer = await doors.services.call(call, admitted.authorized.caller.matched.incoming.received_at)
        except TimeoutError:
            raise IntegrationTimeout(
                step="integration", detail=f"{self.service} did not answer within {self.timeout_seconds:g} seconds"
            ) from None
        except VelvetropeError as refused:
            why = f"{type(refused).__name__}: {refused.detail or refused.message}"
            raise ApiConfiguration(step="integration", detail=why) from refused
        content_type = next((v for name, v in answer.headers if name.lower() == "content-type"), "application/json")
        return BackendAnswer(
            headers=answer.headers,
            body=answer.body,
            selector=str(answer.status),
            outcome=IntegrationOutcome(
                latency_ms=(perf_counter() - started) * 1000,
                backend_status=answer.status,
                service_status=answer.status,
                request_id=next((v for n, v in answer.headers if n.lower() == "x-amzn-requestid"), None),
            ),
            told_by=f"{self.service} answered {answer.status}",
            content_type=content_type,
        )

"""Writes about requests once they are answered.

    observer.observe(facts, response, steps)

The lines are made in the loop's next turn, after the answer has gone out; a fault while making them touches no
request.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC

from velvetrope.execute_api.context_variables import ContextVariables, RequestFacts
from velvetrope.execute_api.errors import SIGNATURE_REFUSALS, GatewayRefusal
from velvetrope.execute_api.logs.execution import execution_log_group, execution_log_lines
from velvetrope.execute_api.logs.redaction import mask, redact, secrets_of
from velvetrope.execute_api.logs.sinks import LogSink, RequestLog
from velvetrope.execute_api.requests import GatewayResponse, Step
from velvetrope.execute_api.snapshot import CompiledStage
from velvetrope.principals import ANONYMOUS

__all__ = ["RequestObserver"]

_SIGNATURE_REFUSALS = tuple(set(SIGNATURE_REFUSALS.values()))


class RequestObserver:
    """See the module. Without sinks it writes nothing."""

    def __init__(self, sink: LogSink | None, requests: RequestLog | None) -> None:
        self._sink = sink
        self._requests = requests
        self.sees_all = requests is not None
        """Whether every request is of interest, whatever its stage says."""

    def observe(self, facts: RequestFacts, response: GatewayResponse, steps: Sequence[Step]) -> None:
        """Write about a request that is over, soon."""
        asyncio.get_running_loop().call_soon(self._write, facts, response, steps)

    def _write(self, facts: RequestFacts, response: GatewayResponse, steps: Sequence[Step]) -> None:
        secrets = secrets_of(facts)
        if facts.stage is not None:
            self._write_stage(facts.stage, facts, response, steps, secrets)
        if self._requests is not None and not self._requests.wants_lines:
            self._requests.write(_record(facts, steps, secrets))

    def _write_stage(
        self,
        stage: CompiledStage,
        facts: RequestFacts,
        response: GatewayResponse,
        steps: Sequence[Step],
        secrets: Iterable[str],
    ) -> None:
        at_ms = int(facts.incoming.received_at.timestamp() * 1000)
        if stage.access_log is not None:
            variables = _LoggedVariables(facts)
            line = redact(stage.access_log.render(variables.get), secrets)
            if self._sink is not None:
                self._sink.keep(stage.access_log.group, f"{stage.api_id}/{stage.name}", at_ms, line)
            if self._requests is not None and self._requests.wants_lines:
                self._requests.write_line(line)
        matched = facts.matched
        logging_of = None if matched is None else matched.method.execution_logging
        if matched is None or logging_of is None or self._sink is None:
            return
        if logging_of.writes_all or facts.refusal is not None or response.status >= 500:
            group = execution_log_group(stage.api_id, stage.name)
            lines = execution_log_lines(facts, matched, response, steps, secrets, has_data=logging_of.has_data)
            for line in lines:
                self._sink.keep(group, stage.deployment_id, at_ms, line)


class _LoggedVariables:
    """`$context` as logs may show it: no API key whole, and of a refused signature not what was computed from it."""

    def __init__(self, facts: RequestFacts) -> None:
        self._variables = ContextVariables(facts)
        self._refusal = facts.refusal

    def get(self, name: str) -> str | None:
        value = self._variables.get(name)
        if value is None:
            return None
        if name == "identity.apiKey":
            return mask(value)
        if name in ("error.message", "error.messageString", "authenticate.error") and isinstance(
            self._refusal, _SIGNATURE_REFUSALS
        ):
            return f'"{_short(self._refusal)}"' if name == "error.messageString" else _short(self._refusal)
        return value


def _short(refusal: GatewayRefusal) -> str:
    """The first sentence: what follows in AWS's text echoes the request, signed headers and all."""
    return refusal.message.partition("\n")[0]


def _record(facts: RequestFacts, steps: Sequence[Step], secrets: Iterable[str]) -> dict[str, object]:
    """One request for a log shipper. Times are ISO 8601 in UTC, durations in milliseconds; absent values are null."""
    variables = ContextVariables(facts)
    refusal, outcome, principal = facts.refusal, facts.outcome, facts.principal
    refused_because = next((reason for _, result, reason in reversed(steps) if result == "refused"), None)
    record: dict[str, object] = {
        "time": facts.incoming.received_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestId": facts.ids.request_id,
        "extendedRequestId": facts.ids.extended_request_id,
        "apiId": facts.incoming.api_id,
        "stage": variables.get("stage"),
        "deploymentId": variables.get("deploymentId"),
        "httpMethod": variables.get("httpMethod"),
        "path": variables.get("path"),
        "resourcePath": None if facts.matched is None else facts.matched.method.resource_path,
        "protocol": variables.get("protocol"),
        "status": facts.status,
        "outcome": "allowed" if refusal is None else "refused",
        "errorType": None if refusal is None else refusal.code,
        "responseType": None if refusal is None else refusal.response_type,
        "reason": refused_because,
        "sourceIp": facts.incoming.source_ip,
        "userAgent": variables.get("identity.userAgent"),
        "principalArn": None if principal is ANONYMOUS else principal.arn,
        "authorizerPrincipalId": variables.get("authorizer.principalId") or variables.get("authorizer.claims.sub"),
        "apiKeyId": variables.get("identity.apiKeyId"),
        "integrationStatus": None if outcome is None else outcome.backend_status,
        "integrationLatencyMs": None if outcome is None else round(outcome.latency_ms, 3),
        "responseLatencyMs": None if facts.duration_ms is None else round(facts.duration_ms, 3),
        "responseBytes": facts.response_bytes,
        "traceId": variables.get("xrayTraceId"),
    }
    known = tuple(secrets)
    return {name: redact(value, known) if isinstance(value, str) else value for name, value in record.items()}

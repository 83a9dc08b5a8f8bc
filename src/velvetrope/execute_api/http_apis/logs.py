"""Access logs of HTTP APIs, and their place in the owner's own log: written after the answer, without secrets.

The same formats, sinks and masks as for REST APIs (`execute_api.logs`). HTTP APIs have no execution logs.

Source: API Gateway Developer Guide, "Configure logging for HTTP APIs in API Gateway".
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC

from velvetrope.execute_api.http_apis.compiling import FunctionAuthorizer, JwtAuthorizer
from velvetrope.execute_api.http_apis.context import HttpContext
from velvetrope.execute_api.http_apis.function_authorizers import identity_value
from velvetrope.execute_api.logs import LogSink, RequestLog, presented_secrets, redact
from velvetrope.execute_api.requests import Step
from velvetrope.principals import ANONYMOUS

__all__ = ["HttpRequestObserver"]


class HttpRequestObserver:
    """Writes about requests once they are answered. Without sinks it writes nothing."""

    def __init__(self, sink: LogSink | None, requests: RequestLog | None) -> None:
        self._sink = sink
        self._requests = requests

    def observe(self, known: HttpContext, steps: Sequence[Step]) -> None:
        """Write about a request that is over, soon; nothing if nobody wants to know."""
        has_log = known.stage is not None and known.stage.access_log is not None
        if has_log or self._requests is not None:
            asyncio.get_running_loop().call_soon(self._write, known, steps)

    def _write(self, known: HttpContext, steps: Sequence[Step]) -> None:
        secrets = presented_secrets(known.incoming, _identity(known))
        stage = known.stage
        if stage is not None and stage.access_log is not None:
            line = redact(stage.access_log.render(known.get), secrets)
            if self._sink is not None:
                at_ms = int(known.incoming.received_at.timestamp() * 1000)
                self._sink.keep(stage.access_log.group, f"{stage.api_id}/{stage.name}", at_ms, line)
            if self._requests is not None and self._requests.wants_lines:
                self._requests.write_line(line)
        if self._requests is not None and not self._requests.wants_lines:
            self._requests.write(_record(known, steps, secrets))


def _identity(known: HttpContext) -> Iterable[str]:
    """What stands in the identity sources of the route's authorizer."""
    matched = known.matched
    authorizer = None if matched is None else matched.route.authorizer
    if matched is None or authorizer is None:
        return
    sources = [authorizer.source] if isinstance(authorizer, JwtAuthorizer) else []
    if isinstance(authorizer, FunctionAuthorizer):
        sources += authorizer.sources
    for source in sources:
        if source.place in ("header", "querystring"):
            yield identity_value(source, matched) or ""


def _record(known: HttpContext, steps: Sequence[Step], secrets: Iterable[str]) -> dict[str, object]:
    """One request for a log shipper: the members of a REST API's record, as far as there are such things here."""
    refusal, outcome, caller = known.refusal, known.outcome, known.caller
    principal = ANONYMOUS if caller is None else caller.principal
    record: dict[str, object] = {
        "time": known.incoming.received_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestId": known.ids.extended_request_id,
        "apiId": known.incoming.api_id,
        "stage": known.get("stage"),
        "deploymentId": None if known.stage is None else known.stage.deployment_id,
        "httpMethod": known.incoming.method,
        "path": known.get("path"),
        "resourcePath": known.get("routeKey"),
        "protocol": known.get("protocol"),
        "status": known.status,
        "outcome": "allowed" if refusal is None else "refused",
        "errorType": None if refusal is None else refusal.code,
        "reason": next((reason for _, result, reason in reversed(steps) if result == "refused"), None),
        "sourceIp": known.incoming.source_ip,
        "userAgent": known.get("identity.userAgent"),
        "principalArn": None if principal is ANONYMOUS else principal.arn,
        "authorizerPrincipalId": known.get("authorizer.principalId") or known.get("authorizer.claims.sub"),
        "integrationStatus": None if outcome is None else outcome.backend_status,
        "integrationLatencyMs": None if outcome is None else round(outcome.latency_ms, 3),
        "responseLatencyMs": None if known.duration_ms is None else round(known.duration_ms, 3),
        "responseBytes": known.response_bytes,
    }
    masked = tuple(secrets)
    return {name: redact(value, masked) if isinstance(value, str) else value for name, value in record.items()}

"""Execution logs: what happened to one request, line by line, in the form of CloudWatch's.

    (request id) Starting execution for request: request id
    (request id) HTTP Method: GET, Resource Path: /x
    (request id) api key: allowed: …
    (request id) Method completed with status: 200

INFO writes of every request, ERROR only of those that were refused or failed. With data tracing the method's request
and response are written too, bodies up to 1024 bytes; what an integration was sent and answered is not. The lines
between the first and the last are the steps of the decision record, which AWS words differently.

Source: API Gateway Developer Guide, "Set up CloudWatch logging for REST APIs"; captures of AWS for the framing lines.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from velvetrope.events import query_parameters
from velvetrope.execute_api.context_variables import RequestFacts
from velvetrope.execute_api.logs.redaction import redact, redact_forms
from velvetrope.execute_api.requests import GatewayResponse, MatchedRequest, Step

__all__ = ["ExecutionLogging", "execution_log_group", "execution_log_lines"]

_MAX_BODY_CHARACTERS = 1_024
_SECRET_HEADERS = frozenset(
    {"authorization", "cookie", "proxy-authorization", "set-cookie", "x-amz-security-token", "x-api-key"}
)


class ExecutionLogging(NamedTuple):
    """A method's settings."""

    writes_all: bool
    """INFO; else ERROR."""
    has_data: bool


def execution_log_group(api_id: str, stage: str) -> str:
    """The name of the log group, AWS's own."""
    return f"API-Gateway-Execution-Logs_{api_id}/{stage}"


def execution_log_lines(
    facts: RequestFacts,
    matched: MatchedRequest,
    response: GatewayResponse,
    steps: Sequence[Step],
    secrets: Iterable[str],
    *,
    has_data: bool,
) -> list[str]:
    """The lines about one request."""
    request_id = facts.ids.request_id
    lines = [
        f"Extended Request Id: {facts.ids.extended_request_id}",
        f"Starting execution for request: {request_id}",
        f"HTTP Method: {matched.http_method}, Resource Path: {matched.method.resource_path}",
    ]
    if has_data:
        lines += _request_lines(matched)
    lines += [f"{name}: {outcome}: {reason}" for name, outcome, reason in steps]
    if has_data:
        lines += [
            f"Method response headers: {_map(_texts(response.headers))}",
            f"Method response body after transformations: {_body(response.body)}",
        ]
    if facts.refusal is not None:
        lines.append(f"Gateway response type: {facts.refusal.response_type} with status code: {response.status}")
    lines.append(f"Method completed with status: {response.status}")
    known = tuple(secrets)
    return [f"({request_id}) {redact(line, known)}" for line in lines]


def _request_lines(matched: MatchedRequest) -> list[str]:
    incoming = matched.incoming
    query = query_parameters(incoming.query_string.decode("latin-1"))
    return [
        f"Method request path: {_map(matched.path_parameters.items())}",
        f"Method request query string: {_map(query)}",
        f"Method request headers: {_map(_texts(incoming.headers))}",
        f"Method request body before transformations: {_body(incoming.body)}",
    ]


def _texts(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    pairs = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
    return [(name, "[masked]" if name.lower() in _SECRET_HEADERS else value) for name, value in pairs]


def _map(pairs: Iterable[tuple[str, str]]) -> str:
    return redact_forms(msgspec.json.encode(dict(pairs)).decode())


def _body(body: bytes) -> str:
    # Taken out before it is cut: half a secret is known by no value.
    text = redact_forms(body[: 16 * _MAX_BODY_CHARACTERS].decode("utf-8", "replace"))
    text = text.replace("\r", "\\r").replace("\n", "\\n")
    return text if len(text) <= _MAX_BODY_CHARACTERS else f"{text[:_MAX_BODY_CHARACTERS]} [TRUNCATED]"

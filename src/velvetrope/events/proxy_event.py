"""The event of a Lambda proxy integration.

Every top-level member is always there; maps with nothing in them and an empty body are null, never `{}` or `""`. Of a
repeated header or query parameter the single-value map keeps the last one and the multi-value map all, in order. Path
parameters stay percent-encoded as they arrived; query parameters are decoded once, with `+` as a space. Header names
keep the client's casing. `Content-Length` and `Connection` are left out, and so is an `Authorization` header that
holds a SigV4 signature.

Sources: API Gateway Developer Guide, "Input format of a Lambda function for proxy integration", "Amazon API Gateway
important notes"; captures of AWS for the order and the nulls.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_plus

import msgspec

from velvetrope.events.forwarding import forwarded_headers, render_clf_time
from velvetrope.events.proxy_response import matches_binary_media_type

__all__ = ["CallerIdentity", "ProxyEvent", "proxy_event_members", "query_parameters", "render_proxy_event"]

_LEFT_OUT = frozenset({"content-length", "connection"})


@dataclass(frozen=True, slots=True)
class CallerIdentity:
    """`requestContext.identity`, the part that depends on who called; all None for a caller who proved nothing."""

    access_key: str | None = None
    account_id: str | None = None
    caller: str | None = None
    cognito_authentication_provider: str | None = None
    cognito_authentication_type: str | None = None
    cognito_identity_id: str | None = None
    cognito_identity_pool_id: str | None = None
    principal_org_id: str | None = None
    user: str | None = None
    user_arn: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyEvent:
    """Everything that the event says, already understood.

    `path` is without the stage, `stage_path` with it. `headers` are as received, in order, with the client's casing.
    """

    account_id: str
    api_id: str
    stage: str
    deployment_id: str
    resource_id: str
    resource_path: str
    http_method: str
    path: str
    stage_path: str
    query_string: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    path_parameters: Mapping[str, str]
    stage_variables: Mapping[str, str]
    identity: CallerIdentity
    source_ip: str
    user_agent: str | None
    scheme: str
    port: str
    domain_name: str
    request_id: str
    extended_request_id: str
    trace_id: str
    received_at: datetime
    binary_media_types: Sequence[str] = ()
    operation_name: str | None = None
    api_key: str | None = None
    api_key_id: str | None = None
    authorizer: Mapping[str, object] | None = None
    """What an authorizer said of the caller; None without one, and the event has no such member then."""


def query_parameters(query_string: str) -> list[tuple[str, str]]:
    """The decoded parameters in order. `;` separates like `&`, as API Gateway does; empty pieces are dropped."""
    return [
        (unquote_plus(name), unquote_plus(value))
        for piece in query_string.replace(";", "&").split("&")
        if piece
        for name, _, value in (piece.partition("="),)
    ]


def render_proxy_event(event: ProxyEvent) -> bytes:
    """The event as JSON, in the order in which AWS writes its members."""
    return msgspec.json.encode(proxy_event_members(event))


def proxy_event_members(event: ProxyEvent) -> dict[str, object]:
    """The members of the event, in that order."""
    headers = _event_headers(event)
    content_type = next((value for name, value in reversed(headers) if name.lower() == "content-type"), "")
    is_binary = bool(event.body) and matches_binary_media_type(content_type, event.binary_media_types)
    body: str | None = None
    if event.body:
        body = base64.b64encode(event.body).decode() if is_binary else event.body.decode("utf-8", "replace")
    parameters = query_parameters(event.query_string)
    return {
        "resource": event.resource_path,
        "path": event.path,
        "httpMethod": event.http_method,
        "headers": dict(headers) or None,
        "multiValueHeaders": _multi(headers),
        "queryStringParameters": dict(parameters) or None,
        "multiValueQueryStringParameters": _multi(parameters),
        "pathParameters": dict(event.path_parameters) or None,
        "stageVariables": dict(event.stage_variables) or None,
        "requestContext": _request_context(event),
        "body": body,
        "isBase64Encoded": is_binary,
    }


def _event_headers(event: ProxyEvent) -> list[tuple[str, str]]:
    return forwarded_headers(
        event.headers,
        source_ip=event.source_ip,
        port=event.port,
        scheme=event.scheme,
        trace_id=event.trace_id,
        left_out=_LEFT_OUT,
    )


def _multi(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]] | None:
    gathered: dict[str, list[str]] = {}
    for name, value in pairs:
        gathered.setdefault(name, []).append(value)
    return gathered or None


def _request_context(event: ProxyEvent) -> dict[str, object]:
    at = event.received_at
    identity = event.identity
    rendered_identity: dict[str, object] = {
        "accessKey": identity.access_key,
        "accountId": identity.account_id,
        "caller": identity.caller,
        "cognitoAuthenticationProvider": identity.cognito_authentication_provider,
        "cognitoAuthenticationType": identity.cognito_authentication_type,
        "cognitoIdentityId": identity.cognito_identity_id,
        "cognitoIdentityPoolId": identity.cognito_identity_pool_id,
        "principalOrgId": identity.principal_org_id,
        "sourceIp": event.source_ip,
        "user": identity.user,
        "userAgent": event.user_agent,
        "userArn": identity.user_arn,
    }
    if event.api_key is not None:
        rendered_identity["apiKey"] = event.api_key
        rendered_identity["apiKeyId"] = event.api_key_id
    context: dict[str, object] = {
        "accountId": event.account_id,
        "apiId": event.api_id,
        "deploymentId": event.deployment_id,
        "domainName": event.domain_name,
        "domainPrefix": event.domain_name.split(".", 1)[0].split(":", 1)[0],
        "extendedRequestId": event.extended_request_id,
        "httpMethod": event.http_method,
        "identity": rendered_identity,
        "path": event.stage_path,
        "protocol": "HTTP/1.1",
        "requestId": event.request_id,
        "requestTime": render_clf_time(at),
        "requestTimeEpoch": int(at.timestamp() * 1000),
        "resourceId": event.resource_id,
        "resourcePath": event.resource_path,
        "stage": event.stage,
    }
    if event.authorizer is not None:
        context["authorizer"] = event.authorizer
    if event.operation_name is not None:
        context["operationName"] = event.operation_name
    return context

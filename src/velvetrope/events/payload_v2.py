"""The event and the answer of payload format 2.0: HTTP APIs and function URLs.

    payload = render_payload_v2_event(PayloadV2Event(...))
    response = parse_payload_v2_response(answer, default_content_type="application/json")

Unlike format 1.0, members with nothing in them are left out. Header names are in lower case, and the values of a
repeated header or query parameter are joined with commas; cookies stand in a list of their own and not among the
headers. Query parameters are decoded once, with `+` as a space; `rawPath` and `rawQueryString` are as received.

A body goes as text if its media type is one of text (`text/*`, JSON, XML, JavaScript) or is not given, and if it is
UTF-8; every other body is base64.

An answer that is an object with `statusCode` is read as status, headers, cookies and body. Any other answer is itself
the body of a 200 of type `application/json`: a text as it is, everything else as JSON. Members of an answer that the
format does not have (such as `multiValueHeaders`) are passed over, as on AWS.

Sources: API Gateway Developer Guide, "Create AWS Lambda proxy integrations for HTTP APIs"; Lambda Developer Guide,
"Invoking Lambda function URLs". UNVERIFIED: whether AWS decodes `rawPath`; which media types it takes for text beyond
those named; what it makes of a header value that is a number (refused here).
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_plus

import msgspec

from velvetrope.events.forwarding import forwarded_headers, render_clf_time
from velvetrope.events.proxy_event import CallerIdentity
from velvetrope.events.proxy_response import (
    InvalidProxyResponse,
    ProxyResponse,
    parse_header_value,
    parse_status,
    render_header_line,
    sent_body,
)

__all__ = [
    "PayloadV2Event",
    "is_text_media_type",
    "parse_payload_v2_response",
    "render_iam_authorizer",
    "render_payload_v2_authorizer_event",
    "render_payload_v2_event",
]

_LEFT_OUT = frozenset({"connection"})
_TEXT_TYPES = frozenset({"application/json", "application/xml", "application/javascript"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadV2Event:
    """Everything that the event says, already understood.

    `raw_path` is with the stage, unless the stage is `$default`. `authorizer` is `requestContext.authorizer` as the
    function will read it (see `render_iam_authorizer`), None where nobody was asked. `headers` are as received.
    """

    account_id: str
    api_id: str
    stage: str
    route_key: str
    http_method: str
    raw_path: str
    query_string: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    path_parameters: Mapping[str, str]
    stage_variables: Mapping[str, str]
    authorizer: Mapping[str, object] | None
    source_ip: str
    user_agent: str
    scheme: str
    port: str
    domain_name: str
    request_id: str
    trace_id: str
    received_at: datetime


def render_payload_v2_event(event: PayloadV2Event) -> bytes:
    """The event as JSON, in the order in which AWS writes its members."""
    rendered, content_type = _request_members(event)
    is_base64 = False
    if event.body:
        text = _as_text(event.body, content_type)
        is_base64 = text is None
        rendered["body"] = base64.b64encode(event.body).decode() if text is None else text
    if event.path_parameters:
        rendered["pathParameters"] = dict(event.path_parameters)
    rendered["isBase64Encoded"] = is_base64
    if event.stage_variables:
        rendered["stageVariables"] = dict(event.stage_variables)
    return msgspec.json.encode(rendered)


def render_payload_v2_authorizer_event(
    event: PayloadV2Event, *, route_arn: str, identity_source: Sequence[str]
) -> bytes:
    """The event of a Lambda authorizer of format 2.0: the request without its body."""
    rendered, _ = _request_members(event)
    if event.path_parameters:
        rendered["pathParameters"] = dict(event.path_parameters)
    if event.stage_variables:
        rendered["stageVariables"] = dict(event.stage_variables)
    head: dict[str, object] = {
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": route_arn,
        "identitySource": list(identity_source),
    }
    return msgspec.json.encode(head | rendered)


def _request_members(event: PayloadV2Event) -> tuple[dict[str, object], str]:
    """What both events say of the request, and the type of its body."""
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for name, value in forwarded_headers(
        event.headers,
        source_ip=event.source_ip,
        port=event.port,
        scheme=event.scheme,
        trace_id=event.trace_id,
        left_out=_LEFT_OUT,
    ):
        lower = name.lower()
        if lower == "cookie":
            cookies += [cookie.strip() for cookie in value.split(";") if cookie.strip()]
        else:
            headers[lower] = f"{headers[lower]},{value}" if lower in headers else value
    parameters: dict[str, str] = {}
    for piece in event.query_string.split("&"):
        name, _, value = (unquote_plus(part) for part in piece.partition("="))
        if piece:
            parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    rendered: dict[str, object] = {
        "version": "2.0",
        "routeKey": event.route_key,
        "rawPath": event.raw_path,
        "rawQueryString": event.query_string,
    }
    if cookies:
        rendered["cookies"] = cookies
    rendered["headers"] = headers
    if parameters:
        rendered["queryStringParameters"] = parameters
    rendered["requestContext"] = _request_context(event)
    return rendered, headers.get("content-type", "")


def is_text_media_type(content_type: str) -> bool:
    """Whether bodies of this type go into events as text. No type at all is one of text."""
    media_type = content_type.split(";", 1)[0].strip().lower()
    return not media_type or media_type.startswith("text/") or media_type in _TEXT_TYPES


def render_iam_authorizer(identity: CallerIdentity) -> dict[str, object]:
    """`requestContext.authorizer` of a signed call; members that do not apply are null."""
    cognito: dict[str, object] | None = None
    if identity.cognito_identity_id is not None:
        provider = identity.cognito_authentication_provider
        amr = [identity.cognito_authentication_type, *(provider.split(",") if provider else ())]
        cognito = {
            "amr": [one for one in amr if one],
            "identityId": identity.cognito_identity_id,
            "identityPoolId": identity.cognito_identity_pool_id,
        }
    return {
        "iam": {
            "accessKey": identity.access_key,
            "accountId": identity.account_id,
            "callerId": identity.caller,
            "cognitoIdentity": cognito,
            "principalOrgId": identity.principal_org_id,
            "userArn": identity.user_arn,
            "userId": identity.user,
        }
    }


def parse_payload_v2_response(payload: bytes, *, default_content_type: str) -> ProxyResponse:
    """The HTTP answer that `payload` asks for; `default_content_type` is for one with a status and no type of its own.

    Raises:
        InvalidProxyResponse: the payload is not JSON, or its status, headers, cookies or body are not of their kinds.
    """
    try:
        answer: object = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidProxyResponse("the function's answer is not JSON") from None
    if not isinstance(answer, dict) or "statusCode" not in answer:
        body = answer.encode("utf-8", "surrogatepass") if isinstance(answer, str) else payload
        return ProxyResponse(200, [(b"Content-Type", b"application/json")], body)
    status = parse_status(answer["statusCode"])
    body = sent_body(status, _response_body(answer))
    return ProxyResponse(status, _response_headers(answer, default_content_type), body)


def _response_headers(answer: Mapping[str, object], default_content_type: str) -> list[tuple[bytes, bytes]]:
    headers, cookies = answer.get("headers"), answer.get("cookies")
    headers, cookies = {} if headers is None else headers, [] if cookies is None else cookies
    if not isinstance(headers, dict):
        raise InvalidProxyResponse("headers must be an object")
    if not isinstance(cookies, list):
        raise InvalidProxyResponse("cookies must be a list")
    lines = [(str(name), parse_header_value(str(name), value)) for name, value in headers.items()]
    if not any(name.lower() == "content-type" for name, _ in lines):
        lines.append(("Content-Type", default_content_type))
    lines += [("Set-Cookie", parse_header_value("cookies", cookie)) for cookie in cookies]
    return [render_header_line(name, value) for name, value in lines]


def _response_body(answer: Mapping[str, object]) -> bytes:
    body, encoded = answer.get("body"), answer.get("isBase64Encoded")
    if body is not None and not isinstance(body, str):
        raise InvalidProxyResponse("body must be a string; a function serialises objects itself")
    if encoded is not None and not isinstance(encoded, bool):
        raise InvalidProxyResponse("isBase64Encoded must be true or false")
    raw = (body or "").encode("utf-8", "surrogatepass")
    if not encoded:
        return raw
    try:
        return base64.b64decode(raw, validate=True)
    except binascii.Error:
        raise InvalidProxyResponse("isBase64Encoded is true and the body is not base64") from None


def _as_text(body: bytes, content_type: str) -> str | None:
    if not is_text_media_type(content_type):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _request_context(event: PayloadV2Event) -> dict[str, object]:
    context: dict[str, object] = {"accountId": event.account_id, "apiId": event.api_id}
    if event.authorizer is not None:
        context["authorizer"] = event.authorizer
    return context | {
        "domainName": event.domain_name,
        "domainPrefix": event.domain_name.split(".", 1)[0].split(":", 1)[0],
        "http": {
            "method": event.http_method,
            "path": event.raw_path,
            "protocol": "HTTP/1.1",
            "sourceIp": event.source_ip,
            "userAgent": event.user_agent,
        },
        "requestId": event.request_id,
        "routeKey": event.route_key,
        "stage": event.stage,
        "time": render_clf_time(event.received_at),
        "timeEpoch": int(event.received_at.timestamp() * 1000),
    }

"""The events of payload format 1.0 as HTTP APIs write them: almost those of REST APIs.

`version` comes first, there is no resource id, and `requestContext.authorizer` is always there, with nulls where nobody
was asked. A body goes as text if its media type is one of text, else as base64.

Source: API Gateway Developer Guide, "Create AWS Lambda proxy integrations for HTTP APIs", "Control access to HTTP APIs
with AWS Lambda authorizers".
"""

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from velvetrope.events.payload_v2 import is_text_media_type
from velvetrope.events.proxy_event import ProxyEvent, proxy_event_members

__all__ = ["render_payload_v1_authorizer_event", "render_payload_v1_event"]


def render_payload_v1_event(event: ProxyEvent) -> bytes:
    """The event as JSON. `event.resource_id` and `event.binary_media_types` are not looked at."""
    return msgspec.json.encode(_members(event))


def render_payload_v1_authorizer_event(event: ProxyEvent, *, route_arn: str, identity_source: Sequence[str]) -> bytes:
    """The event of a Lambda authorizer of format 1.0: the request without its body."""
    members = _members(event)
    del members["body"], members["isBase64Encoded"]
    sources = ",".join(identity_source)
    head: dict[str, object] = {
        "version": "1.0",
        "type": "REQUEST",
        "methodArn": route_arn,
        "identitySource": sources,
        "authorizationToken": sources,
    }
    return msgspec.json.encode(head | members)


def _members(event: ProxyEvent) -> dict[str, object]:
    content_type = next((value for name, value in event.headers if name.lower() == "content-type"), "")
    as_text = is_text_media_type(content_type) and _is_utf8(event.body)
    members = proxy_event_members(replace(event, binary_media_types=() if as_text else ("*/*",)))
    context = members["requestContext"]
    if isinstance(context, dict):
        context["resourceId"] = None
        context.setdefault("authorizer", {"claims": None, "scopes": None})
    return {"version": "1.0", **members}


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True

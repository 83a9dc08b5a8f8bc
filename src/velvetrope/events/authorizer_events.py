"""What a Lambda authorizer's function is handed: a token, or the request without its body.

Source: API Gateway Developer Guide, "Input to an API Gateway Lambda authorizer". UNVERIFIED: maps with nothing in them
are `{}` in a REQUEST event.
"""

import msgspec

from velvetrope.events.proxy_event import ProxyEvent, proxy_event_members

__all__ = ["render_request_authorizer_event", "render_token_authorizer_event"]

_MAPS = (
    "headers",
    "multiValueHeaders",
    "queryStringParameters",
    "multiValueQueryStringParameters",
    "pathParameters",
    "stageVariables",
)


def render_token_authorizer_event(*, method_arn: str, token: str) -> bytes:
    """The event of a TOKEN authorizer; `token` is the whole of its header."""
    return msgspec.json.encode({"type": "TOKEN", "methodArn": method_arn, "authorizationToken": token})


def render_request_authorizer_event(event: ProxyEvent, *, method_arn: str) -> bytes:
    """The event of a REQUEST authorizer."""
    members = proxy_event_members(event)
    del members["body"], members["isBase64Encoded"]
    empty = {name: members[name] or {} for name in _MAPS}
    return msgspec.json.encode({"type": "REQUEST", "methodArn": method_arn, **members, **empty})

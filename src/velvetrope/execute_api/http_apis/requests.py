"""A request on its way through an HTTP API: what each step proved.

    IncomingRequest -> HttpMatched -> HttpCaller -> HttpAdmitted -> GatewayResponse

Each step takes what the last one proved, so that the steps only fit in one order.
"""

from collections.abc import Mapping

import msgspec

from velvetrope.execute_api.http_apis.compiling import CompiledHttpRoute, CompiledHttpStage
from velvetrope.execute_api.requests import IncomingRequest, RequestIds, Trail
from velvetrope.principals import Principal

__all__ = ["HttpAdmitted", "HttpCaller", "HttpMatched", "HttpPassed", "joined_headers", "joined_query"]


class HttpMatched(msgspec.Struct, frozen=True, gc=False):
    """The request means this route of this stage. Nothing is known about the caller."""

    incoming: IncomingRequest
    headers: Mapping[bytes, bytes]
    """By lower-case name; the first of a repeated one."""
    ids: RequestIds
    stage: CompiledHttpStage
    route: CompiledHttpRoute
    path: str
    """As received, without the stage."""
    path_parameters: Mapping[str, str]
    """As received, percent-encoded."""
    route_arn: str
    """Of the verb and path that were called."""
    trail: Trail


class HttpCaller(msgspec.Struct, frozen=True, gc=False):
    """Who called and may: a principal by signature, or whom a token or a function vouches for; `ANONYMOUS` otherwise.

    `claims` are a JWT's, as text, with its `scopes`; `context` is what an authorizer's function said.
    """

    matched: HttpMatched
    principal: Principal
    claims: Mapping[str, str] | None = None
    scopes: tuple[str, ...] | None = None
    context: Mapping[str, object] | None = None


class HttpAdmitted(msgspec.Struct, frozen=True, gc=False):
    """The request has been counted against the throttle of its route."""

    caller: HttpCaller


HttpPassed = HttpMatched | HttpCaller | HttpAdmitted
"""How far a request came."""


def joined_headers(headers: tuple[tuple[bytes, bytes], ...]) -> dict[str, str]:
    """Headers by lower-case name, repeated ones joined with commas."""
    joined: dict[str, str] = {}
    for name, value in headers:
        lower, text = name.lower().decode("latin-1"), value.decode("latin-1")
        joined[lower] = f"{joined[lower]},{text}" if lower in joined else text
    return joined


def joined_query(parameters: list[tuple[str, str]]) -> dict[str, str]:
    """Query parameters by name, repeated ones joined with commas."""
    joined: dict[str, str] = {}
    for name, value in parameters:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined

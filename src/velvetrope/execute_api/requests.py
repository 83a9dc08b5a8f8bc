"""A request on its way through the gateway: what came in, what each step proved, what goes out.

    IncomingRequest -> MatchedRequest -> AuthenticatedCaller -> AuthorizedRequest -> AdmittedRequest -> GatewayResponse

Each step takes what the last one proved, so that the steps only fit in one order. (Structs and not dataclasses: five
are made for every request, and these cost a tenth.)
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from velvetrope.execute_api.snapshot import ApiKeyInPlan, CompiledMethod, CompiledStage
from velvetrope.principals import Principal

__all__ = [
    "AdmittedRequest",
    "AuthenticatedCaller",
    "AuthorizedRequest",
    "GatewayResponse",
    "IncomingRequest",
    "MatchedRequest",
    "Step",
    "Trail",
]

Step = tuple[str, Literal["allowed", "refused", "skipped"], str]
"""(name, outcome, reason) for the decision record."""
Trail = list[Step]
"""The steps that a request has passed. Written by every step, read by nobody but the record."""


class IncomingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call as it arrived.

    `raw_path` is all of the path, as received: what was signed. `stage_path` is what follows `/_api/{apiId}` when the
    API was named in the path, and all of it when it was named by the host. Header names have the client's casing.
    """

    api_id: str
    method: str
    raw_path: bytes
    stage_path: bytes
    query_string: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    source_ip: str
    scheme: str
    http_version: str
    received_at: datetime


class GatewayResponse(msgspec.Struct, frozen=True):
    """The answer, complete with `Content-Length`; `Date` is the server's to add."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class RequestIds(msgspec.Struct, frozen=True):
    """The ids of one request: `x-amzn-RequestId`, and `x-amz-apigw-id` (`$context.extendedRequestId`)."""

    request_id: str
    extended_request_id: str


class MatchedRequest(msgspec.Struct, frozen=True):
    """The request means this method of this stage. Nothing is known about the caller."""

    incoming: IncomingRequest
    headers: Mapping[bytes, bytes]
    """By lower-case name; the first of a repeated one."""
    ids: RequestIds
    stage: CompiledStage
    method: CompiledMethod
    http_method: str
    path: str
    """As received, without the stage."""
    path_parameters: Mapping[str, str]
    method_arn: str
    """Of the path that was called, without a trailing slash: routes ignore one, so policies do not see it either."""
    trail: Trail


class AuthenticatedCaller(msgspec.Struct, frozen=True):
    """Who called: proven by a signature, or `ANONYMOUS` where the method asks for none."""

    matched: MatchedRequest
    principal: Principal


class AuthorizedRequest(msgspec.Struct, frozen=True):
    """Policies allow this caller this method; `allowed_by` says which, and is None where no policy has a say."""

    caller: AuthenticatedCaller
    allowed_by: Step | None


class AdmittedRequest(msgspec.Struct, frozen=True):
    """The request has been counted: against the plan of its API key (None without one) and the stage's throttle."""

    authorized: AuthorizedRequest
    api_key: ApiKeyInPlan | None
    presented_api_key: str | None

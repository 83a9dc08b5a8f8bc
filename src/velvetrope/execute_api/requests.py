"""A request on its way through the gateway: what came in, what each step proved, what goes out.

    IncomingRequest -> MatchedRequest -> AuthenticatedCaller -> AuthorizedRequest -> AdmittedRequest -> GatewayResponse

Each step takes what the last one proved, so that the steps only fit in one order. (Structs and not dataclasses: five
are made for every request, and these cost a tenth. They hold no cycles, so the collector need not look at them.)
"""

from binascii import b2a_base64
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

import msgspec

from velvetrope.clock import Entropy
from velvetrope.execute_api.snapshot import ApiKeyInPlan, CompiledMethod, CompiledStage, Step
from velvetrope.identifiers import UUID_BYTES, uuids_of
from velvetrope.policy import PrincipalPolicies
from velvetrope.principals import Principal
from velvetrope.sigv4 import first_by_name

__all__ = [
    "AdmittedRequest",
    "AuthenticatedCaller",
    "AuthorizedRequest",
    "BodyStream",
    "GatewayResponse",
    "IncomingRequest",
    "IntegrationOutcome",
    "Likeness",
    "MatchedRequest",
    "Passed",
    "RequestIdSource",
    "RequestIds",
    "Step",
    "Trail",
    "Vouched",
    "host_and_port",
    "path_without_stage",
]

Trail = list[Step]
"""The steps that a request has passed. Written by every step, read by nobody but the record."""


def host_and_port(headers: Mapping[bytes, bytes]) -> tuple[str, str]:
    """The Host header's two parts; the port may be empty. An IPv6 address keeps its brackets and colons."""
    host = headers.get(b"host", b"").decode("latin-1")
    end_of_address = host.find("]") + 1
    name, _, port = host[end_of_address:].partition(":")
    return host[:end_of_address] + name, port


class Likeness:
    """What calls have in common that are the same, byte for byte and without a body, but for query string, timestamp
    and signature. Whoever reads calls gives all of these the same one; the lane keeps in it what it found once."""

    __slots__ = ("proof",)

    def __init__(self) -> None:
        self.proof: object = None
        """Belongs to `authentication`."""


class IncomingRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One call as it arrived.

    `raw_path` is all of the path, as received: what was signed. `stage_path` is what follows `/_api/{apiId}` when
    the API was named in the path, and all of it when it was named by the host. Under a custom domain name
    (`by_domain`) it is the path that the mapping makes of it, with the stage, and `base_path` what the mapping
    took. Header names have the client's casing. `by_name` is `first_by_name(headers)`, from readers who have it
    already. `has_large_body` says that more than an API takes was sent or announced: `body` has nothing of it then.
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
    by_domain: bool = False
    base_path: bytes = b""
    by_name: Mapping[bytes, bytes] | None = None
    likeness: Likeness | None = None
    has_large_body: bool = False

    @property
    def headers_by_name(self) -> Mapping[bytes, bytes]:
        """By lower-case name; the first of a repeated one."""
        return first_by_name(self.headers) if self.by_name is None else self.by_name

    @property
    def called_path(self) -> bytes:
        """The path as events and logs show it: with the stage, or under a custom domain name with the base path."""
        return self.raw_path if self.by_domain else self.stage_path


class BodyStream(Protocol):
    """A body that is still to come. Whoever takes it closes it, read to its end or not."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def __anext__(self) -> bytes: ...

    async def aclose(self) -> None:
        """Let go of where it comes from. May be called twice."""
        ...


class GatewayResponse(msgspec.Struct, frozen=True, gc=False):
    """The answer, complete with `Content-Length`; `Date` is the server's to add.

    With a `stream` the body is still to come, and it may have no length. `lines` is `header_lines(headers)`, from
    whoever has it already. With `ids` their headers are not in `own_headers`, but come behind them.
    """

    status: int
    own_headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    stream: BodyStream | None = None
    lines: bytes | None = None
    ids: "RequestIds | None" = None

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """All of them, in their order."""
        return self.own_headers if self.ids is None else (*self.own_headers, *self.ids.headers)


class IntegrationOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How the integration did: for logs. `service_status` is Lambda's own, `backend_status` what the backend said."""

    latency_ms: float
    backend_status: int | None = None
    service_status: int | None = None
    request_id: str | None = None


class RequestIds(msgspec.Struct, frozen=True, gc=False):
    """The ids of one request, and how the answer tells them.

    Most of them are only ever written into one answer and one decision record, so that is what is ready.
    """

    request_id: str
    lines: bytes
    """`header_lines(headers)`."""

    @property
    def extended_request_id(self) -> str:
        """AWS's name for it in templates; the header is called `x-amz-apigw-id`."""
        return self.headers[1][1].decode()

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
        """The request id's and the extended one's."""
        first, second, _ = self.lines.split(b"\r\n")
        (name, _, value), (extended_name, _, extended_value) = first.partition(b": "), second.partition(b": ")
        return (name, value), (extended_name, extended_value)


_EXTENDED_BYTES: Final = 11
_DRAWN_AT_ONCE: Final = 100


class RequestIdSource:
    """Draws ids, a hundred at once: each draw is a system call. A version 4 UUID, and an extended id that ends in one
    `=` as AWS's do."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._drawn: list[RequestIds] = []

    def next(self) -> RequestIds:
        """Ids that no request had before."""
        if not self._drawn:
            self._drawn = self._draw()
        return self._drawn.pop()

    def _draw(self) -> list[RequestIds]:
        random_bytes = self._entropy.token_bytes((UUID_BYTES + _EXTENDED_BYTES) * _DRAWN_AT_ONCE)
        drawn, at = [], UUID_BYTES * _DRAWN_AT_ONCE
        for request_id in uuids_of(random_bytes[:at]):
            extended = b2a_base64(random_bytes[at : at + _EXTENDED_BYTES], newline=False)
            lines = b"".join((b"x-amzn-RequestId: ", request_id, b"\r\nx-amz-apigw-id: ", extended, b"\r\n"))
            drawn.append(RequestIds(request_id.decode(), lines))
            at += _EXTENDED_BYTES
        return drawn


class MatchedRequest(msgspec.Struct, frozen=True, gc=False):
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


class Vouched(msgspec.Struct, frozen=True, kw_only=True):
    """What an authorizer says of the caller.

    `context` is `requestContext.authorizer` of the event, and what `$context.authorizer` names: claims of a user pool's
    token, or what a function returned. `policies` are a function's; a user pool has none.
    """

    context: Mapping[str, object]
    policies: PrincipalPolicies = PrincipalPolicies()
    usage_identifier_key: str | None = None
    latency_ms: float = 0.0


class AuthenticatedCaller(msgspec.Struct, frozen=True, gc=False):
    """Who called: proven by a signature, vouched for by an authorizer, or `ANONYMOUS` where the method asks for none.

    Who is vouched for is `ANONYMOUS` to policies.
    """

    matched: MatchedRequest
    principal: Principal
    vouched: Vouched | None = None


class AuthorizedRequest(msgspec.Struct, frozen=True, gc=False):
    """Policies allow this caller this method; `allowed_by` says which, and is None where no policy has a say."""

    caller: AuthenticatedCaller
    allowed_by: Step | None


class AdmittedRequest(msgspec.Struct, frozen=True, gc=False):
    """The request has been counted: against the plan of its API key (None without one) and the stage's throttle."""

    authorized: AuthorizedRequest
    api_key: ApiKeyInPlan | None
    presented_api_key: str | None


Passed = MatchedRequest | AuthenticatedCaller | AuthorizedRequest | AdmittedRequest
"""How far a request came."""


def path_without_stage(incoming: IncomingRequest) -> tuple[str, str]:
    """The stage and the rest of the path: `/latest/a/b` is `latest` and `/a/b`, `/latest` is `latest` and `/`."""
    stage, _, rest = incoming.stage_path[1:].decode("latin-1").partition("/")
    return stage, f"/{rest}"

"""A request on its way through the gateway: what came in, what each step proved, what goes out.

    IncomingRequest -> MatchedRequest -> AuthenticatedCaller -> AuthorizedRequest -> AdmittedRequest -> GatewayResponse

Each step takes what the last one proved, so that the steps only fit in one order. (Structs and not dataclasses: five
are made for every request, and these cost a tenth. They hold no cycles, so the collector need not look at them.)
"""

from binascii import b2a_base64, hexlify
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from struct import Struct
from typing import Final, Protocol

import msgspec

from velvetrope.clock import Entropy
from velvetrope.execute_api.snapshot import ApiKeyInPlan, CompiledMethod, CompiledStage, Step
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
    already.
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
    whoever has it already.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    stream: BodyStream | None = None
    lines: bytes | None = None


class IntegrationOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How the integration did: for logs. `service_status` is Lambda's own, `backend_status` what the backend said."""

    latency_ms: float
    backend_status: int | None = None
    service_status: int | None = None
    request_id: str | None = None


class RequestIds(msgspec.Struct, frozen=True, gc=False):
    """The ids of one request, and the headers that tell them: `extended_request_id` is AWS's name in templates.

    `lines` are `header_lines` of the two headers.
    """

    request_id: str
    extended_request_id: str
    request_id_header: tuple[bytes, bytes]
    extended_request_id_header: tuple[bytes, bytes]
    lines: bytes

    @classmethod
    def of(cls, random_bytes: bytes) -> "RequestIds":
        """New ids from `_RANDOM_BYTES` bytes: a version 4 UUID, and an extended id that ends in one `=` as AWS's do."""
        low, middle, high, sequence, node = _UUID_DIGITS(hexlify(random_bytes[:16]))
        variant = _VARIANTS[random_bytes[8] >> 6]
        request_id = b"".join((low, b"-", middle, b"-4", high, variant, sequence, b"-", node))
        extended = b2a_base64(random_bytes[16:], newline=False)
        return cls(
            request_id.decode(),
            extended.decode(),
            (b"x-amzn-RequestId", request_id),
            (b"x-amz-apigw-id", extended),
            b"".join((b"x-amzn-RequestId: ", request_id, b"\r\nx-amz-apigw-id: ", extended, b"\r\n")),
        )


_UUID_DIGITS: Final = Struct("8s4sx3sx3s12s").unpack
"""The fields of a UUID in 32 hex digits, without the digits that say its version and (with two bits) its variant."""
_VARIANTS: Final = (b"-8", b"-9", b"-a", b"-b")  # RFC 9562 section 4.1: the highest bits are 10

_RANDOM_BYTES = 27
"""Of one `RequestIds`: 16 for the request id, 11 for the extended one."""


class RequestIdSource:
    """Draws ids, a hundred at once: each draw is a system call."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._drawn: list[RequestIds] = []

    def next(self) -> RequestIds:
        """Ids that no request had before."""
        if not self._drawn:
            block = self._entropy.token_bytes(_RANDOM_BYTES * 100)
            self._drawn = [RequestIds.of(block[at : at + _RANDOM_BYTES]) for at in range(0, len(block), _RANDOM_BYTES)]
        return self._drawn.pop()


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

"""Function URLs on the wire: `/_url/{id}/…`, or by host `{id}.lambda-url.{region}.on.aws`.

Here a request becomes a call of an address: its body is read and bounded, and where the address asks for `AWS_IAM` its
signature (for the service `lambda`, over the path as it was sent) is verified. Who may then call, and what the function
is given, is `functions.function_urls`'. Every call leaves one decision record.

Refusals have Lambda's form: a JSON document, and the code in `x-amzn-ErrorType`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Final, Literal

from velvetrope import sigv4
from velvetrope.decisions import DecisionRecord, DecisionStep, Recorder
from velvetrope.edge import errors
from velvetrope.edge.asgi import Receive, Scope
from velvetrope.edge.bodies import BodyTooLarge, ClientGone, read_body
from velvetrope.edge.codecs import CODECS
from velvetrope.edge.models import load_service_model
from velvetrope.edge.requests import WireAnswer
from velvetrope.edge.services import SERVICES
from velvetrope.edge.signatures import SignatureVerifier
from velvetrope.errors import ServiceError
from velvetrope.functions import URL_PREFIX, FunctionUrls, UrlForbidden, UrlRequest
from velvetrope.principals import ANONYMOUS, Principal

__all__ = ["FunctionUrlPages"]

_HOST_LABEL: Final = "lambda-url"
_SERVICE: Final = "lambda"
MAX_BODY_BYTES: Final = 6_291_456
"""Lambda quotas: 6 MB for an invocation that is waited for."""


class UrlNotFound(ServiceError):
    """No address of that id. UNVERIFIED: AWS's answer; a name that nobody has leads to nobody there."""

    code = "ResourceNotFoundException"
    http_status = 404


class UrlBodyTooLarge(ServiceError):
    """More than a function can be given."""

    code = "RequestEntityTooLargeException"
    http_status = 413


@dataclass(slots=True)
class _Trail:
    """What the steps said, for the decision record."""

    principal: Principal
    resource: str
    steps: list[DecisionStep]

    def note(self, step: str, outcome: Literal["allowed", "refused", "skipped"], reason: str) -> None:
        self.steps.append(DecisionStep(step, outcome, reason))


class FunctionUrlPages:
    """Answers what is for a function's address."""

    def __init__(self, urls: FunctionUrls, verifier: SignatureVerifier, recorder: Recorder) -> None:
        self._urls = urls
        self._verifier = verifier
        self._recorder = recorder

    def find(self, raw_path: bytes, host: str) -> tuple[str, str] | None:
        """The address's id and the path behind it, if this request is for one. Nothing is looked up."""
        path = raw_path.decode("latin-1")
        if path.startswith(URL_PREFIX):
            url_id, slash, rest = path[len(URL_PREFIX) :].partition("/")
            return url_id, slash + rest or "/"
        url_id, _, domain = host.partition(".")
        if domain.partition(".")[0] == _HOST_LABEL:
            return url_id.lower(), path
        return None

    async def answer(
        self,
        found: tuple[str, str],
        scope: Scope,
        receive: Receive,
        *,
        source_ip: str,
        request_id: str,
        received_at: datetime,
    ) -> WireAnswer | None:
        """The answer to a call of the address that `find` gave; None if the client went away."""
        started = perf_counter()
        trail = _Trail(ANONYMOUS, "", [])
        refusal: ServiceError | None = None
        try:
            answer = await self._serve(
                found, scope, receive, trail, source_ip=source_ip, request_id=request_id, received_at=received_at
            )
        except ClientGone:
            return None
        except ServiceError as error:
            refusal = error
            trail.note("call" if trail.steps else "address", "refused", f"{error.code}: {error.for_owner}")
            model = load_service_model(_SERVICE, SERVICES[_SERVICE].api_version)
            answer = CODECS["rest-json"].render_error(error, model, request_id)
        answer.request_id = request_id
        self._recorder.record(
            DecisionRecord(
                request_id=request_id,
                at=received_at,
                service=_SERVICE,
                action="lambda:InvokeFunctionUrl",
                resource=trail.resource,
                method=scope["method"],
                path=scope["path"],
                source_ip=source_ip,
                principal_arn="" if trail.principal == ANONYMOUS else trail.principal.arn,
                outcome="allowed" if refusal is None else "refused",
                status=answer.status,
                code="" if refusal is None else refusal.code,
                steps=tuple(trail.steps),
                duration_ms=round((perf_counter() - started) * 1000, 3),
            )
        )
        return answer

    async def _serve(
        self,
        found: tuple[str, str],
        scope: Scope,
        receive: Receive,
        trail: _Trail,
        *,
        source_ip: str,
        request_id: str,
        received_at: datetime,
    ) -> WireAnswer:
        """Steps run top to bottom; the first refusal wins."""
        url = await self._urls.find(found[0])
        if url is None:
            raise UrlNotFound("Not Found", detail=f"no function has the URL {found[0]}")
        trail.resource = url.target_arn
        trail.note("address", "allowed", f"{found[0]} leads to {url.target_arn}, {url.auth_type}")
        try:
            body = await read_body(scope, receive, limit=MAX_BODY_BYTES)
        except BodyTooLarge:
            raise UrlBodyTooLarge(f"Request must be smaller than {MAX_BODY_BYTES} bytes") from None
        headers = tuple(scope["headers"])
        request = UrlRequest(
            method=scope["method"],
            raw_path=found[1],
            query_string=scope["query_string"].decode("latin-1"),
            headers=headers,
            body=body,
            source_ip=source_ip,
            scheme=scope["scheme"],
            port=_port(headers, scope["scheme"]),
            request_id=request_id,
            received_at=received_at,
        )
        preflight = self._urls.answer_preflight(url, request)
        if preflight is not None:
            trail.note("cors", "allowed", preflight.reasons[0])
            return WireAnswer(preflight.status, preflight.body, preflight.headers)
        if url.auth_type == "AWS_IAM":
            signed = sigv4.SignedRequest(scope["method"], scope["raw_path"], scope["query_string"], headers, body)
            trail.principal = await self._authenticate(signed, received_at)
            trail.note(
                "authentication", "allowed", f"signed with {trail.principal.access_key_id} of {trail.principal.arn}"
            )
        else:
            trail.note("authentication", "skipped", "the address asks for no signature")
        answered = await self._urls.answer(url, request, caller=trail.principal)
        trail.note("authorization", "allowed", "; ".join(answered.reasons))
        return WireAnswer(answered.status, answered.body, answered.headers)

    async def _authenticate(self, signed: sigv4.SignedRequest, now: datetime) -> Principal:
        try:
            return await self._verifier.verify(signed, service=_SERVICE, now=now)
        except sigv4.NoSignature as reason:
            if reason.incomplete is None:
                raise UrlForbidden(detail="the address asks for AWS_IAM and the request is not signed") from None
            raise errors.refused_signature(reason, "rest-json") from reason
        except sigv4.SignatureRefused as reason:
            raise errors.refused_signature(reason, "rest-json") from reason


def _port(headers: Sequence[tuple[bytes, bytes]], scheme: str) -> str:
    host = next((value.decode("latin-1") for name, value in headers if name == b"host"), "")
    return host[host.find("]") + 1 :].partition(":")[2] or ("443" if scheme == "https" else "80")

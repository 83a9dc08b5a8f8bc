"""Calls of AWS operations, from the wire to the method that answers them and back.

    dispatcher = OperationDispatcher(judge=..., verifier=..., recorder=..., clock=..., entropy=..., ...)
    dispatcher.register("sts", StsOperations(...))
    answer = await dispatcher.answer(request)                                # over HTTP
    result = await dispatcher.invoke("sts", "AssumeRole", {...}, call)       # in process, the same checks

A call passes, in this order: the operation is found; the signature is proven (unless AWS leaves the operation
unsigned); the parameters are parsed and held against the model; policy allows it; the signature of our method takes
the parameters; the method runs; the answer is spelled by its output shape. The first refusal wins and is told in the
service's own form. Every call leaves one decision record, whatever came of it: one that is cancelled (its server stops,
or whoever made it in process does not wait any more) says how far it came, with status 503.

What a method needs to know of a service is all in its model: nothing here names an operation.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from time import perf_counter

import msgspec

from velvetrope import sigv4
from velvetrope.clock import Clock, Entropy
from velvetrope.edge import errors
from velvetrope.edge.answers import answer_writer
from velvetrope.edge.call_trail import CallTrail
from velvetrope.edge.codecs import CODECS, MalformedRequest, UnknownMember
from velvetrope.edge.cors import CROSS_ORIGIN_HEADERS
from velvetrope.edge.finding import Target, find_target
from velvetrope.edge.judging import OperationJudge
from velvetrope.edge.members import UnsupportedMember, check_wire_value
from velvetrope.edge.models import load_service_model
from velvetrope.edge.operation_registry import FoundOperation, OperationRegistry
from velvetrope.edge.parameters import MissingParameter, UnsupportedValue
from velvetrope.edge.quick_types import accepts
from velvetrope.edge.requests import ControlRequest, WireAnswer
from velvetrope.edge.services import SERVICES, WireService
from velvetrope.edge.signatures import SignatureVerifier
from velvetrope.edge.validation import describe_violations, find_violations
from velvetrope.errors import ServiceError
from velvetrope.execute_api import DecisionRecorder
from velvetrope.identifiers import new_uuid
from velvetrope.operations import Call
from velvetrope.principals import ANONYMOUS, Principal

__all__ = ["OperationDispatcher"]

ResourceTeller = Callable[[Mapping[str, object]], str]
"""The resource of a call by its parameters, in words for the owner; nothing where that is not known."""

_NO_ANSWER = 503

_log = logging.getLogger(__name__)


class OperationDispatcher:
    """All operations of all services, behind one door."""

    def __init__(
        self,
        *,
        judge: OperationJudge,
        verifier: SignatureVerifier,
        recorder: DecisionRecorder,
        clock: Clock,
        entropy: Entropy,
        account_id: str,
        region: str,
    ) -> None:
        self._judge = judge
        self._verifier = verifier
        self._recorder = recorder
        self._clock = clock
        self._entropy = entropy
        self._account_id = account_id
        self._region = region
        self.operations = OperationRegistry()
        self._tellers: dict[str, ResourceTeller] = {}
        self._by_target: dict[bytes, FoundOperation] = {}
        """What has been called, by `X-Amz-Target`: as many as there are operations."""

    def register(self, service: str, *owners: object, teller: ResourceTeller | None = None) -> None:
        """See `OperationRegistry.register`. `teller` says what a refused call without a signature was about."""
        self.operations.register(service, *owners)
        if teller is not None:
            self._tellers[service] = teller

    async def answer(self, request: ControlRequest) -> WireAnswer:
        """Serve one HTTP call. What went wrong is in the answer; only a cancellation is raised."""
        started = perf_counter()
        trail = CallTrail()
        refusal: ServiceError | None = None
        try:
            answer = await self._serve(request, trail)
        except ServiceError as error:
            refusal = error
            answer = _render_error(error, trail.service, request.request_id)
        except Exception as error:  # noqa: BLE001 - where faults of ours stop
            refusal = _fault(error, trail.service, request.request_id)
            answer = _render_error(refusal, trail.service, request.request_id)
        except asyncio.CancelledError:
            self._keep_answered(request, trail, _cut_off(trail), _NO_ANSWER, started)
            raise
        service = SERVICES.get(trail.service)
        answer.request_id = request.request_id
        if service is None or service.called_by_browsers:
            answer.headers += CROSS_ORIGIN_HEADERS
        self._keep_answered(request, trail, refusal, answer.status, started)
        return answer

    async def invoke(
        self, service: str, operation: str, parameters: Mapping[str, object], call: Call
    ) -> Mapping[str, object]:
        """Call an operation as `call.principal`, in process. Names are the wire's; values are Python's.

        The call gets a request id and a decision record of its own.

        Raises:
            ServiceError: as the client would see it.
        """
        started = perf_counter()
        trail = CallTrail()
        own_call = msgspec.structs.replace(call, request_id=new_uuid(self._entropy), judged=())
        refusal: ServiceError | None = None
        status = 200
        try:
            found = self._find_operation(Target(SERVICES.get(service), operation), trail)
            if call.principal == ANONYMOUS and not found.operation.is_unsigned:
                trail.step = "authentication"
                raise errors.missing_signature(found.service.protocol)
            trail.step = "validation"
            try:
                check_wire_value(parameters, found.operation.input, operation)
            except (UnknownMember, MalformedRequest) as error:
                raise _unreadable(error, found.service, operation) from error
            self._validate(found, parameters)
            result = await self._perform(found, parameters, None, own_call, trail)
            return {} if found.operation.output is None else answer_writer(found.operation.output)(result)
        except ServiceError as error:
            refusal, status = error, error.http_status
            raise
        except Exception as error:
            refusal = _fault(error, service, own_call.request_id)
            status = refusal.http_status
            raise refusal from error
        except asyncio.CancelledError:
            refusal, status = _cut_off(trail), _NO_ANSWER
            raise
        finally:
            self._keep(trail, refusal, own_call.request_id, self._clock.now(), "", "", call.source_ip, status, started)

    async def allows(self, service: str, operation: str, parameters: Mapping[str, object], call: Call) -> bool:
        """Whether policy allows `call.principal` this call. It is not made, not validated and not recorded."""
        judged = await self._judge.judge(service, operation, parameters, call)
        return judged.decision.allowed

    async def _serve(self, request: ControlRequest, trail: CallTrail) -> WireAnswer:
        """Steps run top to bottom; the first refusal wins."""
        found = self._find_by_head(request, trail)
        principal = await self._authenticate(found, request, trail)
        parameters, arguments = self._read_parameters(found, request, trail)
        if found.operation.is_unsigned:
            trail.parameters = parameters
        call = Call(
            principal=principal,
            account_id=self._account_id,
            region=self._region,
            request_id=request.request_id,
            now=request.received_at,
            source_ip=request.source_ip,
            user_agent=request.header(b"user-agent") or "",
            secure_transport=request.scheme == "https",
        )
        result = await self._perform(found, parameters, arguments, call, trail)
        return CODECS[found.service.protocol].render(found.operation, result, request)

    def _find_by_head(self, request: ControlRequest, trail: CallTrail) -> FoundOperation:
        head = request.head
        wanted = head.by_name.get(b"x-amz-target") if head.method == "POST" else None
        found = None if wanted is None else self._by_target.get(wanted)
        if found is None:
            found = self._find_operation(_find(request), trail)
            if wanted is not None:
                self._by_target[wanted] = found
        trail.service, trail.action = found.service.name, found.action
        return found

    def _find_operation(self, target: Target, trail: CallTrail) -> FoundOperation:
        trail.step = "operation"
        service = target.service
        if service is None:
            raise errors.unknown_operation("json", "velvetrope does not speak for the service that this call is for.")
        trail.service, trail.action = service.name, f"{service.name}:{target.operation}"
        return self.operations.find(service, target)

    async def _authenticate(self, found: FoundOperation, request: ControlRequest, trail: CallTrail) -> Principal:
        trail.step = "authentication"
        if found.operation.is_unsigned:
            trail.note("AWS takes this operation without a signature", "skipped")
            return ANONYMOUS
        signed = request.as_signed()
        try:
            principal = await self._verifier.verify(
                signed,
                service=found.service.scope_name,
                is_global=found.service.is_global,
                now=request.received_at,
            )
        except sigv4.SignatureRefused as reason:
            raise errors.refused_signature(reason, found.service.protocol) from reason
        trail.principal_arn = principal.arn
        trail.note(f"signed with {principal.access_key_id or 'a key'} of {principal.arn}")
        return principal

    def _read_parameters(
        self, found: FoundOperation, request: ControlRequest, trail: CallTrail
    ) -> tuple[dict[str, object], dict[str, object] | None]:
        """The wire dict, and the method's arguments if they are known as well."""
        trail.step = "validation"
        if found.reader is None:
            found.count()
        elif request.head.by_name.get(b"content-type", b"").startswith(b"application/x-amz-json"):
            read = found.reader.read(request.body)
            if read is not None:
                return read
        try:
            parameters = CODECS[found.service.protocol].parse(found.operation, request)
        except (UnknownMember, MalformedRequest) as error:
            raise _unreadable(error, found.service, found.operation.name) from error
        if found.accepted is None or not accepts(parameters, found.accepted):
            self._validate(found, parameters)
        return parameters, None

    def _validate(self, found: FoundOperation, parameters: Mapping[str, object]) -> None:
        violations = find_violations(parameters, found.operation.input)
        if violations:
            raise errors.invalid_parameters(found.service, describe_violations(violations))

    async def _perform(
        self,
        found: FoundOperation,
        parameters: Mapping[str, object],
        arguments: Mapping[str, object] | None,
        call: Call,
        trail: CallTrail,
    ) -> object:
        """The method's own answer, in snake case, to parameters that the model has accepted."""
        trail.principal_arn = call.principal.arn
        if not found.operation.is_unsigned:
            judged = await self._authorize(found, parameters, call, trail)
            call = msgspec.structs.replace(call, judged=judged)
        if arguments is None:
            arguments = self._arguments(found, parameters, trail)
        trail.step = "call"
        result = await found.method(call, **arguments)
        trail.note("answered")
        return {} if result is None else result

    async def _authorize(
        self, found: FoundOperation, parameters: Mapping[str, object], call: Call, trail: CallTrail
    ) -> tuple[str, ...]:
        """The resources that the call is allowed for."""
        trail.step = "authorization"
        judged = await self._judge.judge(found.service.name, found.operation.name, parameters, call)
        trail.action, trail.resource = judged.action, judged.resource
        if not judged.decision.allowed:
            raise errors.access_denied(
                found.service.protocol,
                f"User: {call.principal.arn} is not authorized to perform: {judged.action} on resource: "
                f"{judged.resource} {judged.decision.because}".rstrip(),
                detail="; ".join(judged.decision.reasons),
            )
        trail.note(judged.decision.permission)
        return judged.resources

    def _arguments(
        self, found: FoundOperation, parameters: Mapping[str, object], trail: CallTrail
    ) -> dict[str, object]:
        trail.step = "parameters"
        try:
            return found.contract.arguments(parameters, found.operation.input)
        except UnsupportedMember as reason:
            message = f"velvetrope does not support {reason.message}"
            raise errors.invalid_parameters(found.service, message) from reason
        except UnsupportedValue as reason:
            message = f"velvetrope does not support this value in {reason.message}"
            raise errors.invalid_parameters(found.service, message) from reason
        except MissingParameter as reason:
            name = reason.message[:1].lower() + reason.message[1:]
            violation = f"Value null at '{name}' failed to satisfy constraint: Member must not be null"
            raise errors.invalid_parameters(found.service, describe_violations([violation])) from reason

    def _keep_answered(
        self, request: ControlRequest, trail: CallTrail, refusal: ServiceError | None, status: int, started: float
    ) -> None:
        self._keep(
            trail,
            refusal,
            request.request_id,
            request.received_at,
            request.head.method,
            request.head.path,
            request.source_ip,
            status,
            started,
        )

    def _keep(
        self,
        trail: CallTrail,
        refusal: ServiceError | None,
        request_id: str,
        at: datetime,
        method: str,
        path: str,
        source_ip: str,
        status: int,
        started: float,
    ) -> None:
        if refusal is not None:
            trail.note(f"{refusal.code}: {refusal.for_owner}", "refused")
            if trail.parameters is not None and trail.service in self._tellers:
                trail.resource = self._tellers[trail.service](trail.parameters)
        self._recorder.record_request(
            request_id,
            at,
            trail.service,
            trail.action,
            trail.resource,
            method,
            path,
            source_ip,
            trail.principal_arn,
            "allowed" if refusal is None else "refused",
            status,
            "" if refusal is None else refusal.code,
            tuple(trail.steps),
            (perf_counter() - started) * 1000,
        )


def _find(request: ControlRequest) -> Target:
    try:
        return find_target(request)
    except MalformedRequest as reason:
        raise errors.malformed_request("json", reason.message) from reason


def _unreadable(reason: UnknownMember | MalformedRequest, service: WireService, operation: str) -> ServiceError:
    """AWS drops members it does not know; a caller who relies on one should hear that we do not have it."""
    if isinstance(reason, UnknownMember):
        return errors.invalid_parameters(service, f"velvetrope does not know {operation}.{reason.message}")
    return errors.malformed_request(service.protocol, reason.message)


def _cut_off(trail: CallTrail) -> ServiceError | None:
    """What refused a call that was cancelled: nothing, once it was let in. Then its work may be committed or not."""
    if trail.step != "call":
        return errors.cut_off_before_the_call()
    trail.note("cancelled before it was answered; what it was asked to do may be done", "skipped")
    return None


def _fault(error: Exception, service: str, request_id: str) -> ServiceError:
    _log.error("request %s failed", request_id, exc_info=error)
    return errors.internal_error(_spoken_for(service), request_id)


def _spoken_for(service: str) -> WireService:
    """The service, or another where we do not speak for it: such a call is answered as the JSON services answer."""
    return SERVICES.get(service) or SERVICES["cognito-idp"]


def _render_error(error: ServiceError, service: str, request_id: str) -> WireAnswer:
    known = _spoken_for(service)
    return CODECS[known.protocol].render_error(error, load_service_model(known.name, known.api_version), request_id)

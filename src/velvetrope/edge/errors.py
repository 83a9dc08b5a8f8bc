"""What the edge itself says in a service's name: wrong signatures, calls that are refused, calls it cannot read.

The findings come from `sigv4`, the codecs and the models; here each gets the code and the status that AWS gives it in
this protocol. One table per protocol; only the codes for validation errors and for our own faults differ by service
(`services.py`).

Source: sigv4.md section 8 of the reference. `NotImplemented` with 501 is ours: AWS has no code for an operation that
exists and is not served.
"""

from collections.abc import Mapping
from functools import lru_cache

from velvetrope import sigv4
from velvetrope.edge.services import Protocol, WireService
from velvetrope.errors import ServiceError

__all__ = [
    "access_denied",
    "cut_off_before_the_call",
    "internal_error",
    "invalid_parameters",
    "malformed_request",
    "missing_signature",
    "not_supported",
    "refused_signature",
    "unknown_operation",
]


@lru_cache(maxsize=128)
def _error_class(code: str, http_status: int) -> type[ServiceError]:
    """The class of one code with one status. The edge speaks for many services, so its classes come from the tables."""
    return type(code, (ServiceError,), {"code": code, "http_status": http_status, "__doc__": "Said by the edge."})


_Row = tuple[str, int]

_SIGNATURES: Mapping[Protocol, Mapping[type[sigv4.SignatureRefused], _Row]] = {
    "query": {
        sigv4.NoSignature: ("MissingAuthenticationToken", 403),
        sigv4.MalformedQueryString: ("MalformedQueryString", 400),
        sigv4.SignatureIncomplete: ("IncompleteSignature", 400),
        sigv4.UnknownAccessKey: ("InvalidClientTokenId", 403),
        sigv4.InvalidSessionToken: ("InvalidClientTokenId", 403),
        sigv4.ExpiredSessionToken: ("ExpiredToken", 403),
        sigv4.SignatureRefused: ("SignatureDoesNotMatch", 403),
    },
    "json": {
        sigv4.NoSignature: ("MissingAuthenticationTokenException", 400),
        sigv4.SignatureIncomplete: ("IncompleteSignatureException", 400),
        sigv4.UnknownAccessKey: ("UnrecognizedClientException", 400),
        sigv4.InvalidSessionToken: ("UnrecognizedClientException", 400),
        sigv4.ExpiredSessionToken: ("ExpiredTokenException", 400),
        sigv4.SignatureRefused: ("InvalidSignatureException", 400),
    },
    "rest-json": {
        sigv4.NoSignature: ("MissingAuthenticationTokenException", 403),
        sigv4.SignatureIncomplete: ("IncompleteSignatureException", 403),
        sigv4.UnknownAccessKey: ("UnrecognizedClientException", 403),
        sigv4.InvalidSessionToken: ("UnrecognizedClientException", 403),
        sigv4.ExpiredSessionToken: ("ExpiredTokenException", 403),
        sigv4.SignatureRefused: ("InvalidSignatureException", 403),
    },
}
_ACCESS_DENIED: Mapping[Protocol, _Row] = {
    "query": ("AccessDenied", 403),
    "json": ("AccessDeniedException", 400),
    "rest-json": ("AccessDeniedException", 403),
}
_UNKNOWN_OPERATION: Mapping[Protocol, _Row] = {
    "query": ("InvalidAction", 400),
    "json": ("UnknownOperationException", 400),
    "rest-json": ("UnknownOperationException", 404),
}
_MALFORMED: Mapping[Protocol, _Row] = {
    "query": ("MalformedInput", 400),
    "json": ("SerializationException", 400),
    "rest-json": ("SerializationException", 400),
}


def refused_signature(reason: sigv4.SignatureRefused, protocol: Protocol) -> ServiceError:
    """A finding about a signature, in this protocol's words. The nearest class in the finding's ancestry decides."""
    table = _SIGNATURES[protocol]
    code, status = next(table[kind] for kind in type(reason).__mro__ if kind in table)
    # The long text of a mismatch echoes every signed header, a session token included.
    message = reason.short_message if type(reason) is sigv4.SignatureMismatch else reason.message
    return _error_class(code, status)(message, detail=reason.detail)


def missing_signature(protocol: Protocol) -> ServiceError:
    """A call that must be signed and came from nobody."""
    return refused_signature(sigv4.NoSignature(), protocol)


def access_denied(protocol: Protocol, message: str, *, detail: str) -> ServiceError:
    """The caller is known and may not."""
    return _error_class(*_ACCESS_DENIED[protocol])(message, detail=detail)


def unknown_operation(protocol: Protocol, message: str = "") -> ServiceError:
    """No operation of this name in this service."""
    return _error_class(*_UNKNOWN_OPERATION[protocol])(message)


def not_supported(service: str, operation: str) -> ServiceError:
    """AWS has this operation and we do not."""
    return _error_class("NotImplemented", 501)(f"velvetrope does not support {service}:{operation}.")


def malformed_request(protocol: Protocol, message: str) -> ServiceError:
    """The bytes cannot be read as a call."""
    return _error_class(*_MALFORMED[protocol])(message)


def invalid_parameters(service: WireService, message: str) -> ServiceError:
    """The call can be read and its parameters are refused."""
    return _error_class(service.validation_code, 400)(message)


def cut_off_before_the_call() -> ServiceError:
    """For the record of a call that was cancelled before it was decided; its client has no answer.

    Source: IAM, "Common Error Types" (ServiceUnavailable).
    """
    return _error_class("ServiceUnavailable", 503)("the call was cancelled before it was let in; nothing was done")


def internal_error(service: WireService, request_id: str) -> ServiceError:
    """A fault of ours. The text helps to find it in the log and says nothing else."""
    return _error_class(service.internal_code, 500)(f"An internal error occurred. Request id: {request_id}")

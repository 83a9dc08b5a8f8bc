"""AWS JSON 1.1: cognito-idp, cognito-identity, logs, kms; JSON 1.0, with another name for its content type: sqs.

Everything is one JSON object in the body of a POST; the operation is in `X-Amz-Target`. Errors carry a bare `__type`
and a lower-case `message`, and repeat both in headers (the type with a trailing colon).

SQS spoke the query protocol before, and its clients still know its errors by the codes of that time. They travel in
`x-amzn-query-error` as `code;Sender` or `code;Receiver`: a service's own error has its `query_code`, one that the edge
says has the code that the edge uses in the query protocol.

Source: Smithy 2.0, "AWS JSON 1.1 protocol", "AWS query compatible protocol"; user-pools.md section 1 and
identity-pools.md section 1 of the reference (the header forms are UNVERIFIED there; clients read the body).
"""

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from velvetrope.edge.answers import json_writer
from velvetrope.edge.codecs.error_members import modelled_members
from velvetrope.edge.codecs.json_values import parse_json_document, parse_structure
from velvetrope.edge.codecs.values import MalformedRequest, UnknownMember, header_value
from velvetrope.edge.models import Operation, ServiceModel
from velvetrope.edge.requests import ControlRequest, WireAnswer
from velvetrope.errors import ServiceError

__all__ = ["Json11Codec"]

_MAX_HEADER_BYTES = 1024

_QUERY_CODES: Mapping[str, str] = {
    "AccessDeniedException": "AccessDenied",
    "ExpiredTokenException": "ExpiredToken",
    "IncompleteSignatureException": "IncompleteSignature",
    "InvalidParameterValueException": "InvalidParameterValue",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "SerializationException": "MalformedInput",
    "UnknownOperationException": "InvalidAction",
    "UnrecognizedClientException": "InvalidClientTokenId",
}
"""The edge's codes in JSON, and its codes for the same in the query protocol (see `edge.errors`)."""


class Json11Codec:
    """Parses and renders JSON 1.1."""

    def parse(self, operation: Operation, request: ControlRequest, /) -> dict[str, object]:
        if (request.header(b"content-type") or "").startswith("application/x-www-form-urlencoded"):
            # SQS's clients from before November 2023 come with a form.
            raise MalformedRequest("velvetrope does not support the query protocol for this service; it speaks JSON.")
        document = parse_json_document(request.body)
        try:
            if operation.input is not None:
                return parse_structure(document, operation.input)
        except RecursionError:
            raise MalformedRequest("the body is nested too deeply") from None
        if document:
            raise UnknownMember(next(iter(document)))
        return {}

    def render(self, operation: Operation, answer: object, _request: ControlRequest, /) -> WireAnswer:
        if operation.output is None:
            # An operation without an output answers with no body at all.
            return WireAnswer(operation.response_code, b"", [_content_type(operation.json_version)])
        body = msgspec.json.encode(json_writer(operation.output)(answer))
        return WireAnswer(operation.response_code, body, [_content_type(operation.json_version)])

    def render_error(self, error: ServiceError, model: ServiceModel, _request_id: str, /) -> WireAnswer:
        members = modelled_members(error, model)
        body = msgspec.json.encode({"__type": error.code, **members.body, "message": error.message})
        headers = [
            _content_type(model.metadata.json_version),
            (b"x-amzn-errortype", error.code.encode() + b":"),
            (b"x-amzn-errormessage", header_value(error.message)[:_MAX_HEADER_BYTES]),
        ]
        if model.metadata.aws_query_compatible is not None:
            code = getattr(error, "query_code", None) or _QUERY_CODES.get(error.code, error.code)
            kind = "Sender" if error.http_status < 500 else "Receiver"
            headers.append((b"x-amzn-query-error", f"{code};{kind}".encode()))
        return WireAnswer(error.http_status, body, headers)


@lru_cache(maxsize=4)
def _content_type(json_version: str) -> tuple[bytes, bytes]:
    return b"content-type", f"application/x-amz-json-{json_version}".encode()

"""AWS JSON 1.1: cognito-idp, cognito-identity, logs.

Everything is one JSON object in the body of a POST; the operation is in `X-Amz-Target`. Errors carry a bare `__type`
and a lower-case `message`, and repeat both in headers (the type with a trailing colon).

Source: Smithy 2.0, "AWS JSON 1.1 protocol"; user-pools.md section 1 and identity-pools.md section 1 of the reference
(the header forms are UNVERIFIED there; clients read the body).
"""

import msgspec

from velvetrope.edge.codecs.error_members import modelled_members
from velvetrope.edge.codecs.json_values import parse_json_document, parse_structure, render_structure
from velvetrope.edge.codecs.values import MalformedRequest, UnknownMember, header_value
from velvetrope.edge.models import Operation, ServiceModel
from velvetrope.edge.requests import ControlRequest, WireAnswer
from velvetrope.errors import ServiceError

__all__ = ["Json11Codec"]

_MAX_HEADER_BYTES = 1024
_CONTENT_TYPE = (b"content-type", b"application/x-amz-json-1.1")


class Json11Codec:
    """Parses and renders JSON 1.1."""

    def parse(self, operation: Operation, request: ControlRequest, /) -> dict[str, object]:
        document = parse_json_document(request.body)
        try:
            if operation.input is not None:
                return parse_structure(document, operation.input)
        except RecursionError:
            raise MalformedRequest("the body is nested too deeply") from None
        if document:
            raise UnknownMember(next(iter(document)))
        return {}

    def render(self, operation: Operation, result: dict[str, object], _request: ControlRequest, /) -> WireAnswer:
        if operation.output is None:
            # An operation without an output answers with no body at all.
            return WireAnswer(operation.response_code, b"", [_CONTENT_TYPE])
        body = msgspec.json.encode(render_structure(result, operation.output))
        return WireAnswer(operation.response_code, body, [_CONTENT_TYPE])

    def render_error(self, error: ServiceError, model: ServiceModel, _request_id: str, /) -> WireAnswer:
        members = modelled_members(error, model)
        body = msgspec.json.encode({"__type": error.code, **members.body, "message": error.message})
        return WireAnswer(
            error.http_status,
            body,
            [
                _CONTENT_TYPE,
                (b"x-amzn-errortype", error.code.encode() + b":"),
                (b"x-amzn-errormessage", header_value(error.message)[:_MAX_HEADER_BYTES]),
            ],
        )

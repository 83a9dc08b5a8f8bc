"""REST-JSON: apigateway, lambda.

Members travel where the model says: in the path, the query string, a header, or the JSON body; or one member is the
whole body (`payload`). Errors carry their code in `x-amzn-ErrorType` and their text under `message`, or `Message`
where the model has it so.

Source: Smithy 2.0, "AWS restJson1 protocol"; lambda.md sections 3 and 3.1 of the reference.
"""

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import parse_qsl

import msgspec

from velvetrope.edge.answers import answer_members, answer_writer, json_writer
from velvetrope.edge.codecs.error_members import modelled_members
from velvetrope.edge.codecs.json_values import parse_json_document, parse_structure
from velvetrope.edge.codecs.uri_templates import path_segments, uri_template
from velvetrope.edge.codecs.values import MalformedRequest, UnknownMember, header_value, parse_text, render_text
from velvetrope.edge.models import Member, Operation, ServiceModel, Shape
from velvetrope.edge.requests import ControlRequest, WireAnswer
from velvetrope.errors import ServiceError

__all__ = ["RestJsonCodec"]

_CONTENT_TYPE = (b"content-type", b"application/json")
_MAX_PARAMETERS = 1000


class RestJsonCodec:
    """Parses and renders REST-JSON."""

    def parse(self, operation: Operation, request: ControlRequest, /) -> dict[str, object]:
        template = uri_template(operation.request_uri)
        labels = template.match(path_segments(request.head.raw_path))
        query = _query(request)
        for name in template.fixed_query:
            query.pop(name, None)
        shape = operation.input
        if shape is None:
            if query or request.body.strip():
                raise UnknownMember(next(iter(query), "body"))
            return {}
        parsed: dict[str, object] = {}
        for name, member in shape.members.items():
            value = _located(member, labels or {}, query, request)
            if value is not None:
                parsed[name] = value
        for name, member in shape.members.items() if query else ():
            if query and member.location == "querystring" and member.shape.type == "map":
                # Whatever no other member is called; which names there may be is for the operation to say.
                parsed[name] = {key: values[0] for key, values in query.items()}
                query = {}
        for name in query:
            raise UnknownMember(name)
        parsed.update(_parse_body(shape, request))
        return parsed

    def render(self, operation: Operation, answer: object, _request: ControlRequest, /) -> WireAnswer:
        rendered = WireAnswer(operation.response_code, b"")
        shape = operation.output
        if shape is None:
            return rendered
        if shape.payload is not None or _has_members(shape, outside=True):
            _render_located(shape, answer_writer(shape)(answer), rendered)
        rendered.body = _render_body(shape, answer)
        if rendered.body and not any(name.lower() == b"content-type" for name, _ in rendered.headers):
            rendered.headers.append(_CONTENT_TYPE)
        return rendered

    def render_error(self, error: ServiceError, model: ServiceModel, _request_id: str, /) -> WireAnswer:
        members = modelled_members(error, model)
        if error.code == "AccessDeniedException":
            # Not modelled; clients report the capital (lambda.md section 3.1).
            members.message_key = "Message"
        body = msgspec.json.encode({**members.body, members.message_key: error.message})
        headers = [_CONTENT_TYPE, (b"x-amzn-ErrorType", error.code.encode()), *members.headers]
        return WireAnswer(error.http_status, body, headers)


def _query(request: ControlRequest) -> dict[str, list[str]]:
    """The query string's values by name, without those that belong to a presigned URL's signature."""
    found: dict[str, list[str]] = {}
    if not request.head.query_string:
        return found
    try:
        pairs = parse_qsl(
            request.head.query_string.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_PARAMETERS,
        )
    except (UnicodeDecodeError, ValueError):
        raise MalformedRequest("the query string cannot be read") from None
    for name, value in pairs:
        if not name.startswith("X-Amz-"):
            found.setdefault(name, []).append(value)
    return found


def _located(member: Member, labels: Mapping[str, str], query: dict[str, list[str]], request: ControlRequest) -> object:
    """A member's value from the path, the query string or a header; taken ones leave `query`."""
    text: str | None = None
    if member.location == "uri":
        text = labels.get(member.wire_name)
    elif member.location == "header":
        text = request.header(member.wire_name.lower().encode())
    elif member.location == "querystring" and member.shape.type != "map":
        values = query.pop(member.wire_name, None)
        if values is None:
            return None
        if member.shape.type == "list" and member.shape.item is not None:
            item = member.shape.item
            return [parse_text(value, item) for value in values]
        text = values[0]
    return None if text is None else parse_text(text, member)


def _parse_body(shape: Shape, request: ControlRequest) -> dict[str, object]:
    if shape.payload is not None:
        payload = shape.members[shape.payload]
        if payload.shape.type == "blob":
            return {payload.name: request.body} if request.body else {}
        if payload.shape.type == "structure":
            return {payload.name: parse_structure(parse_json_document(request.body), payload.shape)}
        raise MalformedRequest(f"a body of type {payload.shape.type} is not supported")
    try:
        return parse_structure(parse_json_document(request.body), shape)
    except RecursionError:
        raise MalformedRequest("the body is nested too deeply") from None


def _render_located(shape: Shape, result: dict[str, object], rendered: WireAnswer) -> None:
    """Put what travels as the status or in headers where it belongs."""
    for name, member in shape.members.items():
        value = result.get(name)
        if value is None:
            continue
        if member.location == "statusCode" and isinstance(value, int):
            rendered.status = value
        elif member.location == "header":
            text = render_text(value, member.timestamp_format or "rfc822")
            rendered.headers.append((member.wire_name.encode(), header_value(text)))


def _render_body(shape: Shape, answer: object) -> bytes:
    if shape.payload is not None:
        member = shape.members[shape.payload]
        payload = answer_members(answer).get(member.snake_name)
        if member.shape.type == "structure" and payload is not None:
            return msgspec.json.encode(json_writer(member.shape)(payload))
        return bytes(payload) if isinstance(payload, (bytes, bytearray, memoryview)) else b""
    if not _has_members(shape, outside=False):
        return b""
    return msgspec.json.encode(json_writer(shape)(answer))


@lru_cache(maxsize=2048)
def _has_members(shape: Shape, *, outside: bool) -> bool:
    """Whether there are members that travel outside of the body, or in it."""
    return any((member.location is not None) is outside for member in shape.members.values())

"""The query protocol with XML answers: sts, iam, cloudformation.

A call is a form (`Action`, `Version` and one flat name per scalar, `Tags.member.1.Key`), in the body of a POST or in
the URL. The form is grown into a tree first, then read by shape, so that a name that no shape asks for is found and
refused. STS answers in JSON to who asks for `application/json`.

Source: Smithy 2.0, "AWS query protocol"; sts-iam.md section 1 of the reference.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl

import msgspec

from velvetrope.edge.answers import answer_writer, json_writer
from velvetrope.edge.codecs.values import MalformedRequest, UnknownMember, parse_text, render_text
from velvetrope.edge.models import Member, Operation, ServiceModel, Shape
from velvetrope.edge.requests import ControlRequest, WireAnswer
from velvetrope.errors import ServiceError

__all__ = ["QueryCodec", "parse_form"]

_MAX_FIELDS = 10_000
_NOT_PARAMETERS = frozenset({"Action", "Version"})
_SIGNATURE_PREFIX = "X-Amz-"
_CONTENT_TYPE = (b"content-type", b"text/xml")
_ESCAPED: dict[int, str] = {
    # XML 1.0 has no way to write these characters (W3C XML 1.0, section 2.2).
    **dict.fromkeys((*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF), "\N{REPLACEMENT CHARACTER}"),
    # A bare carriage return would come back as a line feed (section 2.11).
    ord("\r"): "&#13;",
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord(">"): "&gt;",
}

_Tree = dict[str, "_Tree | str"]


def parse_form(request: ControlRequest) -> dict[str, str]:
    """The call's form: the URL's parameters, and the body's if it is one.

    Raises:
        MalformedRequest: bytes that are not UTF-8, more than ten thousand fields, or a name that is given twice: two
            readers could take a different one (what AWS does is UNVERIFIED).
    """
    fields: dict[str, str] = {}
    parts = [request.head.query_string] if request.head.query_string else []
    if request.head.method == "POST" and (request.header(b"content-type") or "").startswith(
        "application/x-www-form-urlencoded"
    ):
        parts.append(request.body)
    try:
        for part in parts:
            for name, value in parse_qsl(
                part.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS
            ):
                if name in fields:
                    raise MalformedRequest(f"{name} is given twice")
                fields[name] = value
    except (UnicodeDecodeError, ValueError):
        raise MalformedRequest("the form cannot be read") from None
    return fields


class QueryCodec:
    """Parses forms, renders XML."""

    def parse(self, operation: Operation, request: ControlRequest, /) -> dict[str, object]:
        tree: _Tree = {}
        for name, value in parse_form(request).items():
            if name not in _NOT_PARAMETERS and not name.startswith(_SIGNATURE_PREFIX):
                _plant(tree, name, value)
        if operation.input is None:
            if tree:
                raise UnknownMember(next(iter(tree)))
            return {}
        return _parse_structure(tree, operation.input, "")

    def render(self, operation: Operation, answer: object, request: ControlRequest, /) -> WireAnswer:
        if operation.service == "sts" and "application/json" in (request.header(b"accept") or ""):
            return _render_json(operation, answer, request.request_id)
        out = [f'<{operation.name}Response xmlns="{operation.xml_namespace}">']
        if operation.output is not None:
            inner: list[str] = []
            _render_structure(inner, answer_writer(operation.output)(answer), operation.output)
            if operation.result_wrapper is None:
                out += inner
            else:
                out += [f"<{operation.result_wrapper}>", *inner, f"</{operation.result_wrapper}>"]
        out.append(f"<ResponseMetadata><RequestId>{request.request_id}</RequestId></ResponseMetadata>")
        out.append(f"</{operation.name}Response>")
        return WireAnswer(operation.response_code, "".join(out).encode(), [_CONTENT_TYPE])

    def render_error(self, error: ServiceError, model: ServiceModel, request_id: str, /) -> WireAnswer:
        kind = "Sender" if error.http_status < 500 else "Receiver"
        body = (
            f'<ErrorResponse xmlns="{model.metadata.xml_namespace}"><Error><Type>{kind}</Type>'
            f"<Code>{_text(error.code)}</Code><Message>{_text(error.message)}</Message></Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
        return WireAnswer(error.http_status, body.encode(), [_CONTENT_TYPE])


def _plant(tree: _Tree, name: str, value: str) -> None:
    """Put `value` into `tree` at the place that the dots in `name` say."""
    *branches, leaf = name.split(".")
    node = tree
    for branch in branches:
        grown = node.setdefault(branch, {})
        if grown == "":
            # `Tags=` is how an empty list travels; with elements beside it the elements count.
            grown = node[branch] = {}
        if isinstance(grown, str):
            raise MalformedRequest(f"{name} lies inside a value")
        node = grown
    if isinstance(node.get(leaf), dict):
        if value:
            raise MalformedRequest(f"{name} is given as a value and as a structure")
        return
    node[leaf] = value


def _parse_structure(tree: _Tree, shape: Shape, path: str) -> dict[str, object]:
    parsed: dict[str, object] = {}
    for name, node in tree.items():
        member = shape.by_wire_name.get(name)
        if member is None:
            raise UnknownMember(f"{path}{name}")
        parsed[member.name] = _parse(node, member, f"{path}{name}.")
    return parsed


def _parse(node: "_Tree | str", member: Member, path: str) -> object:
    shape = member.shape
    match shape.type:
        case "structure":
            return _parse_structure(_branch(node, path), shape, path)
        case "list" if shape.item is not None:
            item = shape.item
            elements = _branch(node, path)
            if not shape.flattened:
                elements = _only_child(elements, item.wire_name, path)
            return [_parse(element, item, path) for element in _in_order(elements, path)]
        case "map" if shape.key is not None and shape.value is not None:
            key, value = shape.key, shape.value
            entries = _branch(node, path)
            if not shape.flattened:
                entries = _only_child(entries, "entry", path)
            pairs: dict[str, object] = {}
            for entry in _in_order(entries, path):
                pair = _branch(entry, path)
                name = pair.get(key.wire_name)
                if not isinstance(name, str) or value.wire_name not in pair or len(pair) != 2:
                    raise MalformedRequest(f"{path} has an entry without its key and value")
                pairs[name] = _parse(pair[value.wire_name], value, path)
            return pairs
        case _:
            if not isinstance(node, str):
                raise UnknownMember(f"{path}{next(iter(node))}")
            return parse_text(node, member)


def _branch(node: "_Tree | str", path: str) -> _Tree:
    if node == "":
        return {}
    if isinstance(node, str):
        raise MalformedRequest(f"{path} is given as a value")
    return node


def _only_child(node: _Tree, name: str, path: str) -> _Tree:
    for found in node:
        if found != name:
            raise UnknownMember(f"{path}{found}")
    return _branch(node.get(name, ""), f"{path}{name}.")


def _in_order(node: _Tree, path: str) -> "list[_Tree | str]":
    if not all(name.isascii() and name.isdigit() and len(name) <= 6 for name in node):
        raise MalformedRequest(f"{path} has an index that is not a number")
    return [node[name] for name in sorted(node, key=int)]


def _render_structure(out: list[str], value: Mapping[str, object], shape: Shape) -> None:
    for name, member in shape.members.items():
        if name in value:
            _render(out, value[name], member, member.wire_name)


def _render(out: list[str], value: object, member: Member, tag: str) -> None:
    shape = member.shape
    if shape.type == "structure" and isinstance(value, Mapping):
        out.append(f"<{tag}>")
        _render_structure(out, value, shape)
        out.append(f"</{tag}>")
    elif shape.type == "list" and shape.item is not None and isinstance(value, list):
        if shape.flattened:
            for element in value:
                _render(out, element, shape.item, tag)
            return
        out.append(f"<{tag}>")
        for element in value:
            _render(out, element, shape.item, shape.item.wire_name)
        out.append(f"</{tag}>")
    elif shape.type == "map" and shape.key is not None and shape.value is not None and isinstance(value, Mapping):
        entry = tag if shape.flattened else "entry"
        if not shape.flattened:
            out.append(f"<{tag}>")
        for key, element in value.items():
            out.append(f"<{entry}>")
            _render(out, key, shape.key, shape.key.wire_name)
            _render(out, element, shape.value, shape.value.wire_name)
            out.append(f"</{entry}>")
        if not shape.flattened:
            out.append(f"</{tag}>")
    else:
        out.append(f"<{tag}>{_text(render_text(value, member.timestamp_format or 'iso8601'))}</{tag}>")


def _text(text: str) -> str:
    return text.translate(_ESCAPED)


def _render_json(operation: Operation, answer: object, request_id: str) -> WireAnswer:
    inner: dict[str, object] = {"ResponseMetadata": {"RequestId": request_id}}
    if operation.output is not None and operation.result_wrapper is not None:
        inner = {operation.result_wrapper: json_writer(operation.output)(answer), **inner}
    body = msgspec.json.encode({f"{operation.name}Response": inner})
    return WireAnswer(operation.response_code, body, [(b"content-type", b"application/json")])

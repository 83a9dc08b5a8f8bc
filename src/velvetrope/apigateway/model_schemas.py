"""JSON schemas of models: whether one may be saved, how it refers to others, and a sample of what it describes.

A schema is JSON Schema draft 4, kept as its author wrote it. It refers to another model of its API by
`https://apigateway.amazonaws.com/restapis/{apiId}/models/{Name}`, to a part of itself by `#/…`; any other reference is
refused, since nobody would follow it and a schema that is not wholly read would let bodies pass.

Source: API Gateway Developer Guide, "Data models for REST APIs", "Mapping template sample".
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from velvetrope.apigateway.errors import BadRequestException
from velvetrope.patterns import Dialect, PatternRefused, compile_pattern

__all__ = ["flattened_schema", "model_named", "model_reference", "parse_schema", "referenced_models", "sample_template"]

_MAX_SCHEMA_BYTES = 400 * 1024  # API Gateway quotas: model size
_REFERENCE = re.compile(r"https://apigateway\.amazonaws\.com/restapis/[^/]+/models/(?P<name>[A-Za-z0-9]+)")


def model_reference(rest_api_id: str, name: str) -> str:
    """How a schema refers to the model `name` of its API."""
    return f"https://apigateway.amazonaws.com/restapis/{rest_api_id}/models/{name}"


def model_named(reference: object) -> str | None:
    """The model that a reference leads to; None if it leads elsewhere."""
    found = _REFERENCE.fullmatch(reference) if isinstance(reference, str) else None
    return None if found is None else found["name"]


def parse_schema(text: str, known: Collection[str]) -> Mapping[str, Any]:
    """The schema, which refers only to itself and to models in `known`.

    Raises:
        BadRequestException: it is not a JSON object, not draft 4, too large, or refers to something else.
    """
    from jsonschema import Draft4Validator, FormatChecker, SchemaError

    if len(text.encode()) > _MAX_SCHEMA_BYTES:
        raise BadRequestException("Invalid model schema specified. A schema is at most 400 KB")
    try:
        schema = json.loads(text)
        if not isinstance(schema, dict):
            raise BadRequestException("Invalid model schema specified. A schema is a JSON object")
        # Without the library's own formats: whether a pattern is one, by ECMA 262 and not by Python, is seen below.
        Draft4Validator.check_schema(schema, format_checker=FormatChecker(formats=()))
    except (ValueError, RecursionError):
        raise BadRequestException("Invalid model schema specified. It is not JSON") from None
    except SchemaError as error:
        raise BadRequestException(f"Invalid model schema specified. {error.message}") from None
    for pattern in _patterns(schema):
        try:
            compile_pattern(pattern, Dialect.ECMA, whole=False)
        except PatternRefused as refused:
            raise BadRequestException(
                f"Invalid model schema specified. The pattern {pattern}: {refused.message}"
            ) from None
    for reference in _references(schema):
        name = model_named(reference)
        if name is None and _target(schema, reference) is None:
            raise BadRequestException(f"Invalid model reference specified: {reference}")
        if name is not None and name not in known:
            raise BadRequestException(f"Invalid model reference specified: {name}")
    return schema


def referenced_models(text: str) -> frozenset[str]:
    """The names of the models that a saved schema refers to."""
    names = (model_named(reference) for reference in _references(json.loads(text)))
    return frozenset(name for name in names if name is not None)


def flattened_schema(text: str, schemas: Mapping[str, str]) -> str:
    """The schema with the models that it refers to, near or far, under its `definitions`."""
    wanted, walked = list(referenced_models(text)), {}
    while wanted:
        name = wanted.pop()
        if name not in walked:
            walked[name] = _with_local_references(json.loads(schemas[name]))
            wanted += referenced_models(schemas[name])
    schema = _with_local_references(json.loads(text))
    if walked:
        schema["definitions"] = {**walked, **schema.get("definitions", {})}
    return json.dumps(schema, indent=2)


def sample_template(text: str, schemas: Mapping[str, str]) -> str:
    """A mapping template that makes what the schema describes, with sample values.

    Its form follows the guide's sample; that it is AWS's byte for byte is UNVERIFIED.
    """
    schema = json.loads(flattened_schema(text, schemas))
    return f"#set($inputRoot = $input.path('$'))\n{_sample(schema, schema, 0, ())}"


def _sample(schema: Mapping[str, Any], whole: Mapping[str, Any], depth: int, seen: tuple[str, ...]) -> str:
    reference = schema.get("$ref")
    if isinstance(reference, str):
        if reference in seen:
            return "null"
        target = _target(whole, reference)
        return _sample(target if isinstance(target, dict) else {}, whole, depth, (*seen, reference))
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    inner, outer = "  " * (depth + 1), "  " * depth
    if kind == "object" or "properties" in schema:
        members = [
            f"{inner}{json.dumps(name)} : {_sample(one, whole, depth + 1, seen)}"
            for name, one in schema.get("properties", {}).items()
        ]
        return "{\n" + ",\n".join(members) + f"\n{outer}}}" if members else "{}"
    if kind == "array":
        items = schema.get("items", {})
        first = items[0] if isinstance(items, list) and items else items
        return f"[ {_sample(first if isinstance(first, dict) else {}, whole, depth + 1, seen)} ]"
    enum = schema.get("enum")
    if isinstance(enum, list) and enum:
        return json.dumps(enum[0])
    samples = {"string": '"foo"', "integer": "42", "number": "3.149", "boolean": "true"}
    return samples.get(str(kind), "null")


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str):
            yield reference
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _patterns(schema: object) -> Iterator[str]:
    """The regular expressions of a schema and those in it. A property may be called `pattern`; that is none."""
    if not isinstance(schema, dict):
        return
    if isinstance(schema.get("pattern"), str):
        yield schema["pattern"]
    if isinstance(schema.get("patternProperties"), dict):
        yield from schema["patternProperties"]
    inner = [schema.get(name) for name in ("additionalItems", "additionalProperties", "items", "not")]
    for name in ("properties", "patternProperties", "definitions", "dependencies"):
        if isinstance(schema.get(name), dict):
            inner += schema[name].values()
    for name in ("allOf", "anyOf", "oneOf", "items"):
        if isinstance(schema.get(name), list):
            inner += schema[name]
    for one in inner:
        yield from _patterns(one)


def _with_local_references(value: Any) -> Any:  # noqa: ANN401  JSON
    if isinstance(value, dict):
        changed = {key: _with_local_references(inner) for key, inner in value.items()}
        name = model_named(value.get("$ref"))
        if name is not None:
            changed["$ref"] = f"#/definitions/{name}"
        return changed
    if isinstance(value, list):
        return [_with_local_references(inner) for inner in value]
    return value


def _target(schema: Mapping[str, Any], reference: str) -> object:
    if reference == "#":
        return schema
    if not reference.startswith("#/"):
        return None
    at: object = schema
    for part in reference[2:].split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        at = at.get(name) if isinstance(at, dict) else None
    return at

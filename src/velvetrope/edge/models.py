"""botocore's service models, read straight from its package data.

    model = load_service_model("cognito-idp", "2016-04-18")
    model.operation("create_user_pool").input      # a Shape

A model says which operations a service has, the shapes of their inputs and outputs, and how each member travels. We
read the JSON ourselves: importing `botocore.model` pulls in the client's HTTP stack (60 ms), the file alone costs 1 to
7 ms, and then only for the services that are called. Shapes are linked when first asked for.

Names: a `Member` knows its name in the model (`UserPoolId`), in Python (`user_pool_id`) and on the wire
(`locationName` where the model gives one). Only the traits that our services use are read; a model with one of the
others (XML attributes, event streams as input …) must not be served before this file knows it, and a test says so.
"""

import gzip
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

import msgspec
from botocore import xform_name

__all__ = ["Member", "Operation", "ServiceModel", "Shape", "ShapeType", "load_service_model"]

ShapeType = Literal[
    "structure",
    "list",
    "map",
    "string",
    "character",
    "integer",
    "long",
    "float",
    "double",
    "boolean",
    "timestamp",
    "blob",
]


class _Reference(msgspec.Struct, rename="camel"):
    shape: str
    location: str | None = None
    location_name: str | None = None
    flattened: bool = False
    timestamp_format: str | None = None
    result_wrapper: str | None = None
    idempotency_token: bool = False


class _Error(msgspec.Struct, rename="camel"):
    code: str | None = None
    http_status_code: int | None = None


_WIDER_PATTERNS: Final[Mapping[str, str]] = MappingProxyType(
    {"DomainType": r"^[a-z0-9](?:[a-z0-9\-\.]{0,61}[a-z0-9])?$"},
)
"""Patterns that AWS itself does not hold: a user pool's custom domain has dots, and the model knows prefixes only."""


class _Shape(msgspec.Struct, rename="camel"):
    type: ShapeType
    members: dict[str, _Reference] = {}
    required: list[str] = []
    member: _Reference | None = None
    key: _Reference | None = None
    value: _Reference | None = None
    min: float | None = None
    max: float | None = None
    pattern: str | None = None
    enum: list[str] = []
    sensitive: bool = False
    flattened: bool = False
    document: bool = False
    timestamp_format: str | None = None
    payload: str | None = None
    error: _Error | None = None
    exception: bool = False


class _Http(msgspec.Struct, rename="camel"):
    method: str
    request_uri: str
    response_code: int | None = None


class _Operation(msgspec.Struct, rename="camel"):
    name: str
    http: _Http
    input: _Reference | None = None
    output: _Reference | None = None
    errors: list[_Reference] = []
    authtype: str | None = None
    auth: list[str] = []


class _Metadata(msgspec.Struct, rename="camel"):
    api_version: str
    protocol: str
    target_prefix: str = ""
    xml_namespace: str = ""
    signing_name: str = ""
    endpoint_prefix: str = ""
    json_version: str = ""
    aws_query_compatible: dict[str, object] | None = None
    """Present if the service once spoke the query protocol, and clients want to hear its error codes."""


class _Model(msgspec.Struct):
    metadata: _Metadata
    operations: dict[str, _Operation]
    shapes: dict[str, _Shape]


@dataclass(slots=True, eq=False)
class Shape:
    """One shape. Filled once while its model links it, and not changed after."""

    name: str
    type: ShapeType
    members: dict[str, "Member"] = field(default_factory=dict)
    """Structures: by the model's member names."""
    required: tuple[str, ...] = ()
    item: "Member | None" = None
    """Lists: the element."""
    key: "Member | None" = None
    value: "Member | None" = None
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    enum: tuple[str, ...] = ()
    sensitive: bool = False
    flattened: bool = False
    is_document: bool = False
    timestamp_format: str | None = None
    payload: str | None = None
    """The member that is the whole HTTP body."""
    error_code: str | None = None
    by_snake_name: dict[str, "Member"] = field(default_factory=dict)
    by_wire_name: dict[str, "Member"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One member of a structure, or the element, key or value of a collection."""

    name: str
    snake_name: str
    wire_name: str
    """`locationName`, else the model's name; for elements, keys and values `member`, `key` and `value`."""
    location: str | None
    """REST: `uri`, `querystring`, `header` or `statusCode`; None for the body."""
    timestamp_format: str | None
    is_idempotency_token: bool
    shape: Shape


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One operation of a service."""

    name: str
    snake_name: str
    http_method: str
    request_uri: str
    response_code: int
    input: Shape | None
    output: Shape | None
    result_wrapper: str | None
    xml_namespace: str
    service: str
    is_unsigned: bool
    """AWS takes this call without a signature."""
    json_version: str = ""


class ServiceModel:
    """The model of one service."""

    def __init__(self, service: str, document: bytes) -> None:
        raw = msgspec.json.decode(document, type=_Model)
        self.service = service
        self.metadata = raw.metadata
        self._raw = raw
        self._shapes: dict[str, Shape] = {}
        self._operations: dict[str, Operation] = {}

    @cached_property
    def operation_names(self) -> Mapping[str, str]:
        """The wire names of all operations by their snake-case names."""
        return {xform_name(name): name for name in self._raw.operations}

    @cached_property
    def request_uris(self) -> Mapping[str, tuple[str, str]]:
        """HTTP method and URI template of every operation, by wire name."""
        return {name: (o.http.method, o.http.request_uri) for name, o in self._raw.operations.items()}

    def has_operation(self, name: str) -> bool:
        """Whether the model knows an operation of this wire name."""
        return name in self._raw.operations

    def operation(self, name: str) -> Operation:
        """The operation of this wire name, with its shapes linked."""
        known = self._operations.get(name)
        if known is None:
            raw = self._raw.operations[name]
            known = self._operations[name] = Operation(
                name=name,
                snake_name=xform_name(name),
                http_method=raw.http.method,
                request_uri=raw.http.request_uri,
                response_code=raw.http.response_code or 200,
                input=self.shape(raw.input.shape) if raw.input else None,
                output=self.shape(raw.output.shape) if raw.output else None,
                result_wrapper=raw.output.result_wrapper if raw.output else None,
                xml_namespace=self.metadata.xml_namespace,
                service=self.service,
                is_unsigned=raw.authtype == "none" or "smithy.api#noAuth" in raw.auth,
                json_version=self.metadata.json_version,
            )
        return known

    @cached_property
    def _error_shapes(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for name, raw in self._raw.shapes.items():
            if raw.exception or raw.error is not None:
                found[name] = name
                if raw.error is not None and raw.error.code is not None:
                    found.setdefault(raw.error.code, name)
        return found

    def error_shape(self, code: str) -> Shape | None:
        """The shape of the modelled error with this wire code."""
        name = self._error_shapes.get(code)
        return None if name is None else self.shape(name)

    def shape(self, name: str) -> Shape:
        """The shape of this name, with everything below it linked. Shapes may contain themselves."""
        known = self._shapes.get(name)
        if known is not None:
            return known
        raw = self._raw.shapes[name]
        shape = self._shapes[name] = Shape(
            name=name,
            type=raw.type,
            required=tuple(raw.required),
            minimum=raw.min,
            maximum=raw.max,
            pattern=_WIDER_PATTERNS.get(name, raw.pattern),
            enum=tuple(raw.enum),
            sensitive=raw.sensitive,
            flattened=raw.flattened,
            is_document=raw.document,
            timestamp_format=raw.timestamp_format,
            payload=raw.payload,
            error_code=(raw.error.code or name) if raw.error is not None else None,
        )
        for member_name, reference in raw.members.items():
            member = self._member(member_name, reference)
            shape.members[member_name] = member
            shape.by_snake_name[member.snake_name] = member
            shape.by_wire_name[member.wire_name] = member
        if raw.member is not None:
            shape.item = self._member("member", raw.member)
        if raw.key is not None and raw.value is not None:
            shape.key = self._member("key", raw.key)
            shape.value = self._member("value", raw.value)
        return shape

    def _member(self, name: str, reference: _Reference) -> Member:
        shape = self.shape(reference.shape)
        return Member(
            name=name,
            snake_name=xform_name(name),
            wire_name=reference.location_name or name,
            location=reference.location,
            timestamp_format=reference.timestamp_format or shape.timestamp_format,
            is_idempotency_token=reference.idempotency_token,
            shape=shape,
        )


@lru_cache(maxsize=32)
def load_service_model(service: str, api_version: str) -> ServiceModel:
    """The model of one service, read from the installed botocore."""
    found = importlib.util.find_spec("botocore")
    if found is None or not found.submodule_search_locations:
        raise RuntimeError("botocore is not installed; its service models are what the wire is parsed by")
    folder = Path(found.submodule_search_locations[0], "data", service, api_version)
    packed = folder / "service-2.json.gz"
    if packed.exists():
        return ServiceModel(service, gzip.decompress(packed.read_bytes()))
    return ServiceModel(service, (folder / "service-2.json").read_bytes())

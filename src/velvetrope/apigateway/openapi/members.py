"""A document's members as they are read: JSON or YAML, typed where they are taken, refused where they are not known.

Every member is either understood, or known to be description only, or refused by name: a document that says more about
who may call than we do must not become an API that says less. Extensions of others (`x-` but not `x-amazon-`) are
nobody's business here, as OpenAPI says.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from velvetrope.apigateway.errors import BadRequestException, NotSupported
from velvetrope.templates import InvalidTemplate, load_document

__all__ = ["Json", "Source", "check_members", "decoded", "items_of", "object_of", "text_of", "texts_of"]

Json = Mapping[str, Any]
_MAX_REFERENCES = 32


class Source:
    """The whole document: what local references lead to, and what is warned of on the way."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self.is_swagger = str(document.get("swagger")) == "2.0"
        self.warnings: list[str] = []

    def resolved(self, value: object, where: str) -> Json:
        """`value`, or what its `$ref` leads to in this document.

        Raises:
            BadRequestException: it leads nowhere, or around.
        """
        members = object_of(value, where)
        for _ in range(_MAX_REFERENCES):
            if "$ref" not in members:
                return members
            members = object_of(self._target(str(members["$ref"]), where), where)
        raise BadRequestException(f"Invalid OpenAPI input: the references of {where} do not end")

    def components(self, kind: str) -> Json:
        """The document's own `kind` (`schemas`, `securitySchemes` …) under the name that its version gives it."""
        swagger_names = {"schemas": "definitions", "securitySchemes": "securityDefinitions"}
        if self.is_swagger:
            name = swagger_names.get(kind, kind)
            return object_of(self.document.get(name, {}), name)
        components = object_of(self.document.get("components", {}), "components")
        return object_of(components.get(kind, {}), f"components.{kind}")

    def _target(self, reference: str, where: str) -> object:
        if not reference.startswith("#/"):
            raise NotSupported(f"The reference {reference} of {where}", "it leads out of the document")
        at: object = self.document
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(at, dict) or name not in at:
                raise BadRequestException(f"Invalid OpenAPI input: {reference} of {where} does not exist")
            at = at[name]
        return at


def decoded(body: bytes) -> Json:
    """The document in JSON or YAML, as templates are read: no member twice, no aliases, no bottomless nesting."""
    try:
        return load_document(body.decode())
    except UnicodeDecodeError:
        raise BadRequestException("Unable to parse API definition: it is not UTF-8") from None
    except InvalidTemplate as invalid:
        raise BadRequestException(f"Unable to parse API definition: {invalid.message}") from None


def check_members(where: str, members: Json, known: frozenset[str] | set[str]) -> None:
    """Every member is in `known`, or somebody else's extension.

    Raises:
        NotSupported: one is not.
    """
    for name in sorted(str(name) for name in members):
        if name not in known and not (name.startswith("x-") and not name.startswith("x-amazon-")):
            raise NotSupported(f"{name} in {where}")


def object_of(value: object, where: str) -> Json:
    """`value`, an object."""
    if not isinstance(value, dict):
        raise BadRequestException(f"Invalid OpenAPI input: {where} must be an object")
    return value


def texts_of(value: object, where: str) -> dict[str, str]:
    """`value`, an object of texts."""
    members = object_of(value, where)
    if not all(isinstance(one, str) for one in members.values()):
        raise BadRequestException(f"Invalid OpenAPI input: the templates and parameters of {where} must be texts")
    return dict(members)


def text_of(value: object) -> str | None:
    """`value` as a text, None if there is none."""
    return None if value is None else str(value)


def items_of(value: object, where: str) -> Iterator[Any]:
    """The members of a list."""
    if not isinstance(value, list):
        raise BadRequestException(f"Invalid OpenAPI input: {where} must be a list")
    yield from value

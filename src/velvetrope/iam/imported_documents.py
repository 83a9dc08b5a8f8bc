"""What an imported API's document asks for besides the API: roles that it hands to API Gateway, and a resource policy.

An OpenAPI document may name a role in each integration (`credentials`) and authorizer (`authorizerCredentials`), inside
the members that API Gateway adds (`x-amazon-apigateway-…`). Whoever imports it passes those roles, as with the single
operations. The document is read as the import itself reads it; one that cannot be read is refused there.

Source: API Gateway Developer Guide, "OpenAPI extensions for API Gateway".
"""

from collections.abc import Iterator
from dataclasses import dataclass

from velvetrope.templates import InvalidTemplate, load_document

__all__ = ["ImportedDocument", "read_imported_document"]

_EXTENSION = "x-amazon-apigateway-"
_ROLES = frozenset({"credentials", "authorizerCredentials"})
_POLICY = "x-amazon-apigateway-policy"


@dataclass(frozen=True, slots=True)
class ImportedDocument:
    """Role ARNs as they are written, and whether there is a resource policy."""

    roles: tuple[str, ...] = ()
    has_policy: bool = False


def read_imported_document(body: object) -> ImportedDocument:
    """What the `body` of an import asks for; nothing if it is no document."""
    try:
        text = body.decode() if isinstance(body, bytes | bytearray) else body
        document = load_document(text) if isinstance(text, str) else {}
    except (InvalidTemplate, UnicodeDecodeError):
        return ImportedDocument()
    return ImportedDocument(tuple(dict.fromkeys(_roles_in(document, inside=False))), _POLICY in document)


def _roles_in(value: object, *, inside: bool) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if inside and key in _ROLES and isinstance(item, str):
                yield item
            yield from _roles_in(item, inside=inside or str(key).startswith(_EXTENSION))
    elif isinstance(value, list):
        for item in value:
            yield from _roles_in(item, inside=inside)

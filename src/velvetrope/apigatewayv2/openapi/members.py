"""The extensions' names, and members as they are read: refused by name where they are not known."""

from collections.abc import Iterable, Mapping
from typing import Any

from velvetrope.apigatewayv2.errors import BadRequestException, NotSupported

__all__ = [
    "ANY",
    "AUTHORIZER",
    "AUTHTYPE",
    "CORS",
    "CORS_MEMBERS",
    "ENDPOINT",
    "INTEGRATION",
    "INTEGRATIONS",
    "TAG_VALUE",
    "VERSION",
    "Json",
    "check_members",
    "object_of",
]

Json = Mapping[str, Any]

ANY = "x-amazon-apigateway-any-method"
AUTHORIZER = "x-amazon-apigateway-authorizer"
AUTHTYPE = "x-amazon-apigateway-authtype"
CORS = "x-amazon-apigateway-cors"
ENDPOINT = "x-amazon-apigateway-endpoint-configuration"
INTEGRATION = "x-amazon-apigateway-integration"
INTEGRATIONS = "x-amazon-apigateway-integrations"
TAG_VALUE = "x-amazon-apigateway-tag-value"
VERSION = "x-amazon-apigateway-importexport-version"

CORS_MEMBERS = {
    "allowCredentials": "allow_credentials",
    "allowHeaders": "allow_headers",
    "allowMethods": "allow_methods",
    "allowOrigins": "allow_origins",
    "exposeHeaders": "expose_headers",
    "maxAge": "max_age",
}
"""By the wire's name, ours."""


def object_of(parent: Json, name: str) -> Json:
    """The object under `name`, or an empty one."""
    found = parent.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadRequestException(f"{name} is no object")
    return found


def check_members(given: Json, known: Iterable[str], where: str) -> None:
    """Every member is a known one, or an extension of somebody else's.

    Raises:
        NotSupported: names the others.
    """
    unknown = sorted(name for name in given if name not in known and not _is_foreign(name))
    if unknown:
        raise NotSupported(f"{', '.join(unknown)} of {where}")


def _is_foreign(name: str) -> bool:
    """Whether this is an extension of somebody else's, which OpenAPI lets a reader pass over."""
    return name.startswith("x-") and not name.startswith("x-amazon-")

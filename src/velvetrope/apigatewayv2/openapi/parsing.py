"""A document's text: JSON or YAML, of a version that is understood, with members that are."""

from urllib.parse import urlsplit

from velvetrope.apigatewayv2.errors import BadRequestException
from velvetrope.apigatewayv2.openapi.members import (
    CORS,
    ENDPOINT,
    INTEGRATIONS,
    VERSION,
    Json,
    check_members,
    object_of,
)
from velvetrope.templates import InvalidTemplate, load_document

__all__ = ["Document", "parse_document"]

Document = tuple[Json, str]
"""A document that is JSON at heart, and the base path that its routes get."""

_DOCUMENT = {"openapi", "info", "paths", "components", "security", "servers", "tags", "externalDocs"} | {
    CORS,
    ENDPOINT,
    VERSION,
}
_COMPONENTS = {"schemas", "responses", "parameters", "examples", "requestBodies", "headers", "links"} | {
    "securitySchemes",
    INTEGRATIONS,
}


def parse_document(body: str, basepath: str | None = None) -> Document:
    """The document in `body`, JSON or YAML. `basepath` says what becomes of the server's path.

    Raises:
        BadRequestException: it is neither, is not OpenAPI 3.0, or has a member that is not understood.
    """
    try:
        document = load_document(body)
    except InvalidTemplate as error:
        raise BadRequestException(f"Unable to parse API definition: {error.message}") from None
    if not isinstance(document, dict):
        raise BadRequestException("Unable to parse API definition because of a malformed document")
    if not str(document.get("openapi", "")).startswith("3.0"):
        raise BadRequestException("Only OpenAPI 3.0 definitions are supported by HTTP APIs")
    check_members(document, _DOCUMENT, "the document")
    check_members(object_of(document, "components"), _COMPONENTS, "components")
    mode = basepath or "ignore"
    if mode not in {"ignore", "prepend", "split"}:
        raise BadRequestException(f"Invalid basepath specified: {mode}")
    return document, "" if mode == "ignore" else _base_path(document, split=mode == "split")


def _base_path(document: Json, *, split: bool) -> str:
    """The path of the document's first server; with `split`, without its first segment."""
    servers = document.get("servers")
    server = servers[0] if isinstance(servers, list) and servers and isinstance(servers[0], dict) else {}
    url = str(server.get("url", ""))
    for name, variable in object_of(server, "variables").items():
        if isinstance(variable, dict):
            url = url.replace(f"{{{name}}}", str(variable.get("default", "")))
    segments = [segment for segment in urlsplit(url).path.split("/") if segment]
    return "".join(f"/{segment}" for segment in (segments[1:] if split else segments))

"""Which operation of which service an HTTP request asks for.

`is_control_call` decides by the head of the request alone whether it is for the control plane at all; `find_target`
then reads the operation, with the body at hand. JSON 1.1 calls are known by `X-Amz-Target` whatever the host and path;
query calls by `Action` at `/`, with `Version` naming the service; REST calls by the first path segment where it is
ours alone, else by the credential scope, else by the host name.

Nothing is proven here: a scope is read to choose a service, and that service then demands a signature of its own.
"""

import re
from functools import lru_cache
from urllib.parse import unquote

import msgspec

from velvetrope.edge.codecs.query import parse_form
from velvetrope.edge.codecs.uri_templates import UriIndex
from velvetrope.edge.models import load_service_model
from velvetrope.edge.requests import ControlRequest, RequestHead
from velvetrope.edge.services import SERVICES, WireService, service_of_version, service_with_target_prefix

__all__ = ["Target", "find_target", "is_control_call", "service_of_path"]

_SCOPE = re.compile(r"Credential=[^/,\s]*/\d{8}/[^/,\s]*/([^/,\s]+)/aws4_request")


class Target(msgspec.Struct, frozen=True, gc=False):
    """What was asked for. `service` is None if we speak for no such service; `operation` may not exist in it."""

    service: WireService | None
    operation: str
    version: str = ""


def is_control_call(head: RequestHead) -> bool:
    """Whether this request is a call of an AWS service, as far as its head tells."""
    if b"x-amz-target" in head.by_name:
        return True
    path = head.path
    if path == "/" and (head.method == "POST" or b"Action=" in head.query_string):
        return True
    if service_of_path(path) is not None:
        return True
    scope = _scope_in(head.by_name.get(b"authorization", b"").decode("latin-1"))
    if scope is None and b"X-Amz-Credential=" in head.query_string:
        scope = _scope_in_query(head.query_string)
    if scope is None or path.startswith("/_velvetrope/"):
        return False
    service = SERVICES.get(scope)
    # Whoever signs for a service that we do not have is told so; a page would look like an answer.
    return service is None or service.protocol == "rest-json" or path == "/"


def find_target(request: ControlRequest) -> Target:
    """The service and operation that `request` names.

    Raises:
        MalformedRequest: a form that cannot be read.
    """
    wanted = request.head.by_name.get(b"x-amz-target")
    if wanted is not None:
        prefix, _, operation = wanted.decode("latin-1").rpartition(".")
        return Target(service_with_target_prefix(prefix) if request.head.method == "POST" else None, operation)
    service = service_of_path(request.head.path)
    if service is None:
        service = SERVICES.get(_scope_of(request) or "") or SERVICES.get(_host_label(request))
    if service is not None and service.protocol == "rest-json":
        found = _uri_index(service).find(request.head.method, request.head.raw_path, request.head.query_string)
        return Target(service, found or "")
    form = parse_form(request)
    version = form.get("Version", "")
    by_version = service_of_version(version)
    if by_version is None and service is not None and service.protocol != "query":
        by_version = service
    return Target(by_version or service, form.get("Action", ""), version)


def service_of_path(path: str) -> WireService | None:
    """The REST service to which the path's first segment belongs, whoever asks."""
    first = path[1:].partition("/")[0]
    return next((s for s in SERVICES.values() if first in s.path_prefixes), None)


@lru_cache(maxsize=16)
def _uri_index(service: WireService) -> UriIndex:
    return UriIndex(load_service_model(service.name, service.api_version).request_uris)


def _scope_of(request: ControlRequest) -> str | None:
    authorization = request.header(b"authorization")
    return _scope_in(authorization) if authorization is not None else _scope_in_query(request.head.query_string)


def _scope_in(authorization: str) -> str | None:
    found = _SCOPE.search(authorization)
    return None if found is None else found[1]


def _scope_in_query(query_string: bytes) -> str | None:
    return _scope_in(unquote(query_string.decode("latin-1")).replace("X-Amz-Credential=", "Credential="))


def _host_label(request: ControlRequest) -> str:
    return (request.header(b"host") or "").partition(".")[0]

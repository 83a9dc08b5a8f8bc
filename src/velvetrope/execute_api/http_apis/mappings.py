"""Parameter mappings carried out: on the request that an integration is sent, and on the answer that the caller gets.

Mappings see the request as the caller sent it, whatever their order. A mapping that would put a line break into a
header, or make a status that is none, is a fault of the API's configuration.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote_plus

from velvetrope.events import MappingValues, ParameterMapping, query_parameters
from velvetrope.execute_api.http_apis.context import HttpContext
from velvetrope.execute_api.http_apis.errors import InternalError
from velvetrope.execute_api.http_apis.requests import HttpCaller, joined_headers, joined_query

__all__ = ["MappedRequest", "map_request", "map_response"]

_LINE_BREAKERS = re.compile(r"[\r\n\x00]")
Headers = Sequence[tuple[bytes, bytes]]


class MappedRequest:
    """What of a request the mappings have changed: its headers and query, and its path if one was overwritten."""

    __slots__ = ("headers", "path", "query_string")

    def __init__(self, headers: tuple[tuple[bytes, bytes], ...], query_string: bytes, path: str | None) -> None:
        self.headers = headers
        self.query_string = query_string
        self.path = path


def map_request(mappings: Sequence[ParameterMapping], caller: HttpCaller) -> MappedRequest:
    """The request after `mappings`.

    Raises:
        InternalError: a header's value would be more than one line.
    """
    matched = caller.matched
    incoming = matched.incoming
    if not mappings:
        return MappedRequest(incoming.headers, incoming.query_string, None)
    parameters = query_parameters(incoming.query_string.decode("latin-1"))
    known = HttpContext(incoming=incoming, ids=matched.ids, stage=matched.stage, passed=caller)
    values = MappingValues(
        headers=joined_headers(incoming.headers),
        body=incoming.body,
        context=lambda name: known.get(name) or "",
        stage_variables=matched.stage.variables,
        query=joined_query(parameters),
        path=matched.path,
        path_parameters=matched.path_parameters,
    )
    headers = list(incoming.headers)
    query = list(parameters)
    path: str | None = None
    for mapping in mappings:
        text = "" if mapping.value is None else mapping.value.render(values)
        if mapping.location == "path":
            path = text
        elif mapping.location == "header":
            headers = _changed_headers(headers, mapping, text)
        else:
            query = [pair for pair in query if mapping.action == "append" or pair[0] != mapping.name]
            if mapping.value is not None:
                query.append((mapping.name, text))
    query_string = incoming.query_string
    if query != parameters:
        query_string = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in query).encode()
    return MappedRequest(tuple(headers), query_string, path)


def map_response(
    mappings: Mapping[int, Sequence[ParameterMapping]],
    status: int,
    headers: Headers,
    body: bytes,
    known: HttpContext,
    stage_variables: Mapping[str, str],
) -> tuple[int, list[tuple[bytes, bytes]]]:
    """Status and headers of an answer after the mappings for its status.

    Raises:
        InternalError: a mapping comes to a status that is none, or to a header of more than one line.
    """
    changed = list(headers)
    chosen = mappings.get(status, ())
    if not chosen:
        return status, changed
    values = MappingValues(
        headers=joined_headers(tuple(headers)),
        body=body,
        context=lambda name: known.get(name) or "",
        stage_variables=stage_variables,
    )
    for mapping in chosen:
        text = "" if mapping.value is None else mapping.value.render(values)
        if mapping.location == "statuscode":
            if not re.fullmatch(r"[2-5]\d\d", text):
                raise InternalError(step="integration", detail=f"a parameter mapping makes {text!r} of the status")
            status = int(text)
        else:
            changed = _changed_headers(changed, mapping, text)
    return status, changed


def _changed_headers(
    headers: Iterable[tuple[bytes, bytes]], mapping: ParameterMapping, text: str
) -> list[tuple[bytes, bytes]]:
    if _LINE_BREAKERS.search(text):
        raise InternalError(step="integration", detail=f"a parameter mapping breaks the line of header {mapping.name}")
    name = mapping.name.encode("latin-1")
    kept = [one for one in headers if mapping.action == "append" or one[0].lower() != name.lower()]
    if mapping.value is not None:
        kept.append((name, text.encode("utf-8", "surrogateescape")))
    return kept

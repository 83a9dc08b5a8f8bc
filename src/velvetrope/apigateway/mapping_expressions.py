"""Where a parameter of an integration's request, or a header of a method's response, gets its value from.

An expression is a static value in single quotes, a part of the request (`method.request.querystring.page`,
`method.request.body.$.name`) or of the backend's response (`integration.response.header.Location`), a `context` value,
or a stage variable. What of the request is named must be declared by the method, and a header that is set must be one
of the method response; otherwise API Gateway refuses, and so do we. What an expression yields is the request lane's.

Source: API Gateway Developer Guide, "Parameter mapping examples for REST APIs"; texts from captures of AWS.
"""

import re
from collections.abc import Collection, Mapping

from velvetrope.apigateway.errors import BadRequestException

__all__ = [
    "HEADER_TARGET",
    "REQUEST_PARAMETER",
    "check_request_mappings",
    "check_response_mappings",
    "mapping_refused",
]

_NAME = r"[A-Za-z0-9._$-]+"
_HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
HEADER_TARGET = re.compile(rf"method\.response\.header\.{_HEADER_NAME}")
"""What a method response declares, and an integration response sets."""
REQUEST_PARAMETER = re.compile(
    rf"method\.request\.((multivalue)?header\.{_HEADER_NAME}|(multivalue)?querystring\.[^\s]+|path\.{_NAME})"
)
"""What a method declares of its requests."""
_REQUEST_TARGET = re.compile(rf"integration\.request\.(header\.{_HEADER_NAME}|querystring\.[^\s]+|path\.{_NAME})")
_STATIC = re.compile(r"'[^\n]*'")
_ANYWHERE = re.compile(rf"context\.{_NAME}|stageVariables\.[A-Za-z0-9_]+")
_REQUEST_BODY = re.compile(r"method\.request\.body(\.[^\s]+)?")
_RESPONSE_SOURCE = re.compile(rf"integration\.response\.((multivalue)?header\.{_HEADER_NAME}|body(\.[^\s]+)?)")


def check_request_mappings(mappings: Mapping[str, str], declared: Collection[str]) -> None:
    """Each `integration.request.…` gets its value from what there is. `declared`: the method's request parameters.

    Raises:
        BadRequestException: a target or an expression that is not one, or names what the method does not declare.
    """
    for target, expression in mappings.items():
        if not _REQUEST_TARGET.fullmatch(target):
            raise mapping_refused(f"Invalid mapping expression parameter specified: {target}")
        if REQUEST_PARAMETER.fullmatch(expression):
            # A multi-value source is declared by its plain name.
            if expression.replace("request.multivalue", "request.") not in declared and expression not in declared:
                raise mapping_refused(f"Invalid mapping expression parameter specified: {expression}")
        elif not (
            _STATIC.fullmatch(expression) or _ANYWHERE.fullmatch(expression) or _REQUEST_BODY.fullmatch(expression)
        ):
            raise mapping_refused(f"Invalid mapping expression specified: {expression}")


def check_response_mappings(mappings: Mapping[str, str], declared: Collection[str]) -> None:
    """Each `method.response.header.…` gets its value from what there is. `declared`: those of the method response.

    Raises:
        BadRequestException: as above.
    """
    for target, expression in mappings.items():
        if target not in declared:
            raise mapping_refused(f"Invalid mapping expression parameter specified: {target}")
        if not (
            _STATIC.fullmatch(expression) or _ANYWHERE.fullmatch(expression) or _RESPONSE_SOURCE.fullmatch(expression)
        ):
            raise mapping_refused(f"Invalid mapping expression specified: {expression}")


def mapping_refused(why: str) -> BadRequestException:
    """The sentence in which AWS wraps what is wrong with a mapping."""
    return BadRequestException(
        f"Invalid mapping expression specified: Validation Result: warnings : [], errors : [{why}]"
    )

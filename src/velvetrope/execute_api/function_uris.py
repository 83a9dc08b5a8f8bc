"""The function that an integration's or authorizer's URI names, stage variables filled in.

    arn:aws:apigateway:us-west-2:lambda:path/2015-03-31/functions/{function ARN}/invocations

Source: API Gateway API Reference, PutIntegration (uri); Developer Guide, "Use stage variables for a REST API".
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["FunctionUri", "fill_stage_variables", "function_of_uri"]

_FUNCTION = re.compile(r".*:lambda:path/2015-03-31/functions/(?P<arn>[^/]+)/invocations")
_STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.([A-Za-z0-9_]+)\}")


class FunctionUri(NamedTuple):
    """`function_arn` is None if a stage variable in it has no value."""

    function_arn: str | None


def function_of_uri(uri: str, variables: Mapping[str, str]) -> FunctionUri | None:
    """The function, or None if the URI names none."""
    found = _FUNCTION.fullmatch(uri)
    return None if found is None else FunctionUri(fill_stage_variables(found["arn"], variables))


def fill_stage_variables(text: str, variables: Mapping[str, str]) -> str | None:
    """`text` with `${stageVariables.x}` filled in; None if one of them has no value."""
    if any(name not in variables for name in _STAGE_VARIABLE.findall(text)):
        return None
    return _STAGE_VARIABLE.sub(lambda reference: variables[reference.group(1)], text)

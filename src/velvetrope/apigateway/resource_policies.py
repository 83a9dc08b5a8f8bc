"""The resource policy of a REST API, as it is saved.

A policy is parsed when it is saved, so that a broken one is refused then and not met later. Resources may be written
short, `execute-api:/stage/METHOD/path`; they are expanded to full ARNs of the API. AWS hands the policy back with its
quotes escaped, and clients (Terraform among them) undo that; so do we hand it back.

Roles and users are kept by unique id (`policy.named_principals`) and shown by ARN.

A policy takes effect with the next deployment: the deployment carries it.

Source: API Gateway Developer Guide, "Create and attach an API Gateway resource policy to an API".
"""

import json

from velvetrope.apigateway.errors import BadRequestException
from velvetrope.policy import MalformedPolicy, PolicyPrincipals, parse_policy

__all__ = ["pinned_policy", "render_policy", "saved_policy"]

_MAX_POLICY_CHARACTERS = 8192
_INVALID = "Invalid policy document. Please check the policy syntax and ensure that Principals are valid."


async def pinned_policy(principals: PolicyPrincipals, account_id: str, text: str) -> str:
    """The policy as it was written, with unique ids for roles and users.

    Raises:
        BadRequestException: one of them does not exist.
    """
    try:
        return await principals.pin(account_id, text)
    except MalformedPolicy as malformed:
        raise BadRequestException(_INVALID, detail=malformed.message) from malformed


def saved_policy(text: str, *, rest_api_id: str, region: str, account_id: str) -> str | None:
    """The policy with full ARNs; None for an empty text, which removes it."""
    if not text:
        return None
    if len(text) > _MAX_POLICY_CHARACTERS:
        raise BadRequestException(f"The policy is longer than {_MAX_POLICY_CHARACTERS} characters")
    try:
        document = json.loads(text)
    except ValueError:
        raise BadRequestException(_INVALID) from None
    base = f"arn:aws:execute-api:{region}:{account_id}:{rest_api_id}/"
    statements = document.get("Statement") if isinstance(document, dict) else None
    for statement in statements if isinstance(statements, list) else [statements]:
        if isinstance(statement, dict):
            for member in ("Resource", "NotResource"):
                if member in statement:
                    statement[member] = _expanded(statement[member], base)
    expanded = json.dumps(document, separators=(",", ":"))
    try:
        parse_policy(expanded, kind="resource")
    except MalformedPolicy as malformed:
        raise BadRequestException(_INVALID, detail=malformed.message) from malformed
    return expanded


def render_policy(policy: str | None) -> str | None:
    """The policy as AWS hands it back."""
    return None if policy is None else json.dumps(policy)[1:-1]


def _expanded(resource: object, base: str) -> object:
    if isinstance(resource, list):
        return [_expanded(one, base) for one in resource]
    if isinstance(resource, str) and resource.startswith("execute-api:/"):
        return base + resource.removeprefix("execute-api:/")
    return resource

"""What a Lambda authorizer's function returned: a principal, a policy, and a context of simple values.

    {"principalId": "user", "policyDocument": {"Version": …, "Statement": […]},
     "context": {"tier": "gold"}, "usageIdentifierKey": "…"}

Anything else is `MalformedAnswer`, which becomes 500 and lets nobody in: a member that is not in the format (that AWS
drops those is UNVERIFIED), a context value that is an object or a list, a policy that our engine does not fully
understand.

Source: API Gateway Developer Guide, "Output from an API Gateway Lambda authorizer".
"""

from typing import NamedTuple

import msgspec

from velvetrope.errors import ReasonError
from velvetrope.policy import MalformedPolicy, PrincipalPolicies, parse_policy

__all__ = ["AuthorizerAnswer", "MalformedAnswer", "parse_answer"]

_MEMBERS = frozenset({"principalId", "policyDocument", "context", "usageIdentifierKey"})


class MalformedAnswer(ReasonError):
    """The answer is not in the format. The message is for the owner."""


class AuthorizerAnswer(NamedTuple):
    """The answer, understood. `context` has the principal too."""

    context: dict[str, object]
    policies: PrincipalPolicies
    usage_identifier_key: str | None


def parse_answer(payload: bytes, *, source: str) -> AuthorizerAnswer:
    """`payload` understood; `source` names the authorizer in reasons.

    Raises:
        MalformedAnswer: it breaks a rule of the format.
    """
    try:
        answer: object = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedAnswer("the authorizer's answer is not JSON") from None
    if not isinstance(answer, dict):
        raise MalformedAnswer("the authorizer's answer is not a JSON object")
    unknown = sorted(answer.keys() - _MEMBERS)
    if unknown:
        raise MalformedAnswer(f"the authorizer's answer has members that the format does not know: {unknown}")
    principal_id = answer.get("principalId")
    if not isinstance(principal_id, str) or not principal_id:
        raise MalformedAnswer("the authorizer's answer has no principalId")
    usage_identifier_key = answer.get("usageIdentifierKey")
    if usage_identifier_key is not None and not isinstance(usage_identifier_key, str):
        raise MalformedAnswer("usageIdentifierKey must be a string")
    document = answer.get("policyDocument")
    if not isinstance(document, dict):
        raise MalformedAnswer("the authorizer's answer has no policyDocument")
    try:
        policy = parse_policy(msgspec.json.encode(document).decode(), kind="identity", source=source)
    except MalformedPolicy as finding:
        raise MalformedAnswer(f"the policyDocument: {finding.message} {finding.detail}".rstrip()) from None
    return AuthorizerAnswer(
        {**_context(answer.get("context")), "principalId": principal_id},
        PrincipalPolicies(identity=(policy,)),
        usage_identifier_key,
    )


def _context(given: object) -> dict[str, object]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise MalformedAnswer("context must be an object")
    for name, value in given.items():
        if isinstance(value, dict | list):
            raise MalformedAnswer(f"context.{name} is not a string, a number or a boolean")
    return given

"""Policy documents on their way into the store: parsed by the policy room, then measured.

Sizes leave white space out (it is not counted, wherever it stands; UNVERIFIED inside of strings, where we do count it).
A managed policy must be of version 2012-10-17; inline and trust policies need not.

A trust policy that lets every identity pool assume the role, because no condition names the pool, is refused, as AWS
has refused it since 2024 (its sentence is UNVERIFIED).

Sources: IAM User Guide, "IAM and AWS STS quotas"; Amazon Cognito Developer Guide, "IAM roles", role trust.
"""

import json
from collections.abc import Mapping
from urllib.parse import quote

from velvetrope.iam.errors import LimitExceeded, MalformedPolicyDocument
from velvetrope.policy import MalformedPolicy, Policy, PolicyKind, Statement, parse_policy

__all__ = [
    "MAX_INLINE_CHARACTERS",
    "MAX_MANAGED_CHARACTERS",
    "MAX_TRUST_CHARACTERS",
    "check_inline_size",
    "check_managed_document",
    "check_trust_document",
    "document_size",
    "parse_document",
    "render_document",
]

MAX_MANAGED_CHARACTERS = 6144
MAX_TRUST_CHARACTERS = 2048
MAX_INLINE_CHARACTERS = {"role": 10_240, "user": 2048, "group": 5120}

_COGNITO = "cognito-identity.amazonaws.com"
_POSITIVE_AUDIENCE = ("StringEquals", "ForAnyValue:StringEquals")


def render_document(text: str) -> str:
    """The document as IAM answers it: percent-encoded (RFC 3986)."""
    return quote(text, safe="")


def parse_document(text: str, *, kind: PolicyKind, source: str = "") -> Policy:
    """The policy that `text` states; reasons will call it `source`.

    Raises:
        MalformedPolicyDocument: it is not one.
    """
    try:
        return parse_policy(text, kind=kind, source=source)
    except MalformedPolicy as err:
        raise MalformedPolicyDocument(err.message, detail=err.detail) from err


def document_size(text: str) -> int:
    """The characters that count against a quota."""
    return len(json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False))


def check_managed_document(text: str) -> None:
    """Refuse what cannot be a version of a managed policy.

    Raises:
        MalformedPolicyDocument: not a policy of version 2012-10-17.
        LimitExceeded: too long.
    """
    policy = parse_document(text, kind="identity")
    if policy.version != "2012-10-17":
        raise MalformedPolicyDocument("Policy document must be version 2012-10-17 or greater.")
    if document_size(text) > MAX_MANAGED_CHARACTERS:
        raise LimitExceeded(f"Cannot exceed quota for PolicySize: {MAX_MANAGED_CHARACTERS}")


def check_inline_size(kind: str, name: str, documents: Mapping[str, str]) -> None:
    """Refuse inline policies that are too long together.

    Raises:
        LimitExceeded: they are.
    """
    limit = MAX_INLINE_CHARACTERS[kind]
    if sum(document_size(text) for text in documents.values()) > limit:
        raise LimitExceeded(f"Maximum policy size of {limit} bytes exceeded for {kind} {name}")


def check_trust_document(text: str) -> Policy:
    """Refuse what cannot be a trust policy, and give it parsed.

    Raises:
        MalformedPolicyDocument: not one, or one that lets any identity pool in.
        LimitExceeded: too long.
    """
    policy = parse_document(text, kind="trust")
    if document_size(text) > MAX_TRUST_CHARACTERS:
        raise LimitExceeded(f"Cannot exceed quota for ACLSizePerRole: {MAX_TRUST_CHARACTERS}")
    for statement in policy.statements:
        if _lets_any_identity_pool_in(statement):
            raise MalformedPolicyDocument(
                "The trust policy must limit the identity pools that can assume the role: add a condition on "
                "cognito-identity.amazonaws.com:aud.",
                detail=statement.name,
            )
    return policy


def _lets_any_identity_pool_in(statement: Statement) -> bool:
    principal = statement.principal
    if statement.effect != "Allow" or principal is None or _COGNITO not in principal.federated:
        return False
    if not statement.action.mentions("sts:AssumeRoleWithWebIdentity"):
        return False
    return not any(
        condition.key == f"{_COGNITO}:aud" and condition.operator in _POSITIVE_AUDIENCE
        for condition in statement.conditions
    )

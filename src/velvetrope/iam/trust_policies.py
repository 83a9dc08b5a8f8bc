"""Trust policies between their authors and the store: who is named must exist, and is kept by unique id.

A role or user of the account that is named by ARN is looked up and kept as `AROA…` or `AIDA…`. If it is deleted and
another made under its name, the new one is a stranger. `show_trust_policy` puts the ARNs back for those that still
exist; the others show their id, as on AWS. Principals of other accounts cannot be looked up and stay as they are.

Source: IAM User Guide, "IAM JSON policy elements: Principal", role and user principals.
"""

import json
import re

from velvetrope.arn import parse_arn
from velvetrope.iam.errors import MalformedPolicyDocument
from velvetrope.iam.policy_documents import check_trust_document
from velvetrope.policy import Policy, read_policy
from velvetrope.store.tables.iam import IamStore

__all__ = ["prepare_trust_policy", "show_trust_policy"]

_UNIQUE_ID = re.compile(r"A(ID|RO)A[A-Z0-9]+")


async def prepare_trust_policy(store: IamStore, account_id: str, text: str) -> str:
    """The document as it is kept.

    Raises:
        MalformedPolicyDocument: not a trust policy, or it names a role or user that does not exist.
        LimitExceeded: too long.
    """
    ids: dict[str, str] = {}
    for name in _names(check_trust_document(text)):
        unique_id = await _unique_id(store, account_id, name)
        if unique_id is not None:
            ids[name] = unique_id
    return _replaced(text, ids)


async def show_trust_policy(store: IamStore, account_id: str, text: str) -> str:
    """The document as it is shown."""
    names = _names(read_policy(text, kind="trust"))
    ids = [name for name in names if _UNIQUE_ID.fullmatch(name)]
    return _replaced(text, await store.load_arns(account_id, ids)) if ids else text


def _names(policy: Policy) -> list[str]:
    return sorted({name for s in policy.statements if s.principal is not None for name in s.principal.names})


async def _unique_id(store: IamStore, account_id: str, name: str) -> str | None:
    """The id of the role or user of ours that `name` is the ARN of; None if it is something else."""
    if not name.startswith("arn:"):
        return None
    arn = parse_arn(name)
    if arn.service != "iam" or arn.account_id != account_id:
        return None
    last = arn.resource.rpartition("/")[2]
    role_or_user = (
        await store.load_role(account_id, last)
        if arn.resource_type == "role"
        else await store.load_user(account_id, last)
    )
    if role_or_user is None or role_or_user.arn != name:
        raise MalformedPolicyDocument(f'Invalid principal in policy: "AWS":"{name}"')
    return role_or_user.unique_id


def _replaced(text: str, replacements: dict[str, str]) -> str:
    """`text` with the principals replaced, and otherwise as its author wrote it if that can be done."""
    if not replacements:
        return text
    document = json.loads(text)
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    for statement in statements:
        principals = statement["Principal"]
        given = principals.get("AWS")
        if isinstance(given, list):
            principals["AWS"] = [replacements.get(name, name) for name in given]
        elif given is not None:
            principals["AWS"] = replacements.get(given, given)
    edited = text
    for old, new in replacements.items():
        edited = edited.replace(json.dumps(old), json.dumps(new))
    # A text may spell a name with escapes, or use it elsewhere too (in a condition); then layout gives way to meaning.
    return edited if json.loads(edited) == document else json.dumps(document)

"""Trust policies between their authors and the store: checked, and kept by unique id (`policy_principals`).

Source: IAM User Guide, "IAM JSON policy elements: Principal", role and user principals.
"""

from velvetrope.iam.errors import MalformedPolicyDocument
from velvetrope.iam.policy_documents import check_trust_document
from velvetrope.iam.policy_principals import IamPrincipals
from velvetrope.policy import MalformedPolicy
from velvetrope.store.tables.iam import IamStore

__all__ = ["prepare_trust_policy", "show_trust_policy"]


async def prepare_trust_policy(store: IamStore, account_id: str, text: str) -> str:
    """The document as it is kept.

    Raises:
        MalformedPolicyDocument: not a trust policy, or it names a role or user that does not exist.
        LimitExceeded: too long.
    """
    check_trust_document(text)
    try:
        return await IamPrincipals(store).pin(account_id, text)
    except MalformedPolicy as err:
        raise MalformedPolicyDocument(err.message) from err


async def show_trust_policy(store: IamStore, account_id: str, text: str) -> str:
    """The document as it is shown."""
    return await IamPrincipals(store).show(account_id, text)

"""Who a policy's principals are: the ARNs of roles and users of an account, and the unique ids that they are kept by.

Principals of other accounts cannot be looked up and stay as they are, and so do sessions (`assumed-role/ROLE/SESSION`)
and accounts. Why ids are kept is told in `policy.named_principals`.
"""

import re

from velvetrope.arn import parse_arn
from velvetrope.errors import VelvetropeError
from velvetrope.policy import MalformedPolicy, named_principals, with_principals
from velvetrope.store.tables.iam import IamStore

__all__ = ["IamPrincipals"]

_UNIQUE_ID = re.compile(r"A(ID|RO)A[A-Z0-9]+")


class IamPrincipals:
    """A `PolicyPrincipals` over what IAM keeps."""

    def __init__(self, store: IamStore) -> None:
        self._store = store

    async def pin(self, account_id: str, document: str) -> str:
        """See `PolicyPrincipals.pin`."""
        ids: dict[str, str] = {}
        for name in named_principals(document):
            unique_id = await self._unique_id(account_id, name)
            if unique_id is not None:
                ids[name] = unique_id
        return with_principals(document, ids)

    async def show(self, account_id: str, document: str) -> str:
        """See `PolicyPrincipals.show`."""
        ids = [name for name in named_principals(document) if _UNIQUE_ID.fullmatch(name)]
        return with_principals(document, await self._store.load_arns(account_id, ids)) if ids else document

    async def _unique_id(self, account_id: str, name: str) -> str | None:
        """The id of the role or user of this account that `name` is the ARN of; None if it is something else."""
        if not name.startswith("arn:"):
            return None
        try:
            arn = parse_arn(name)
        except VelvetropeError:
            return None  # the parser of policies says what is wrong with it
        if arn.service != "iam" or arn.account_id != account_id or arn.resource_type not in {"role", "user"}:
            return None
        last = arn.resource.rpartition("/")[2]
        found = (
            await self._store.load_role(account_id, last)
            if arn.resource_type == "role"
            else await self._store.load_user(account_id, last)
        )
        if found is None or found.arn != name:
            raise MalformedPolicy(f'Invalid principal in policy: "AWS":"{name}"')
        return found.unique_id

"""Every access key that may sign: the root key, IAM users' keys, and temporary ones.

A temporary key (`ASIA…`) is opened from its session token without a look-up; a long-term key is the root's, or IAM
knows it. What none of the three knows is unknown, whatever its prefix.
"""

import re
from datetime import datetime

from velvetrope.iam import AccessKeys
from velvetrope.principals import Principal, SigningCredentials
from velvetrope.server.settings import RootAccessKey
from velvetrope.sigv4 import UnknownAccessKey
from velvetrope.sts import Sessions

__all__ = ["AccessKeySource", "root_principal"]

_KEY_ID = re.compile(r"A[KS]IA[A-Z0-9]{12,28}")


def root_principal(account_id: str, access_key_id: str = "") -> Principal:
    """The root user of the account. Source: IAM User Guide, "Information available in all requests"."""
    arn = f"arn:aws:iam::{account_id}:root"
    return Principal(
        kind="Account",
        account_id=account_id,
        arn=arn,
        policy_arn=arn,
        unique_id=account_id,
        access_key_id=access_key_id,
    )


class AccessKeySource:
    """The `CredentialSource` of this server."""

    def __init__(self, root: RootAccessKey, account_id: str, keys: AccessKeys, sessions: Sessions) -> None:
        self._root = SigningCredentials(
            root.access_key_id, root.secret_access_key, root_principal(account_id, root.access_key_id)
        )
        self._keys = keys
        self._sessions = sessions

    def recall_credentials(
        self, access_key_id: str, session_token: str | None, now: datetime
    ) -> SigningCredentials | None:
        """See `execute_api`'s `CallerCredentials`."""
        if session_token is not None:
            return self._sessions.open(access_key_id, session_token, now)
        return self._root if access_key_id == self._root.access_key_id else self._keys.recall(access_key_id)

    async def find_credentials(
        self, access_key_id: str, session_token: str | None, now: datetime
    ) -> SigningCredentials:
        """See `principals.CredentialSource`."""
        if session_token is not None:
            return self._sessions.open(access_key_id, session_token, now)
        if access_key_id == self._root.access_key_id:
            return self._root
        found = await self._keys.find_access_key(access_key_id, now)
        if found is None:
            raise UnknownAccessKey(detail=_why_unknown(access_key_id))
        return found


def _why_unknown(access_key_id: str) -> str:
    """What the owner is told. What does not look like a key's id is not repeated: it may be its secret."""
    if _KEY_ID.fullmatch(access_key_id) is None:
        return "what was given as access key id does not look like one"
    if access_key_id.startswith("ASIA"):
        return f"the temporary key {access_key_id} came without its session token"
    return f"there is no access key {access_key_id} here, or it is inactive"

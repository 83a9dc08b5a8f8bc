"""Long-term access keys as verifiers need them: the secret, and who it stands for.

Secrets are sealed under the master keys, each bound to its key id, and opened when the key is looked up. What was found
is remembered until something about IAM is committed, so a verified request costs no query; what was not found is not
remembered, so that made-up ids cannot fill the memory.
"""

from datetime import datetime

from velvetrope.clock import Entropy
from velvetrope.principals import Principal, SigningCredentials
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.store import ChangeFeed
from velvetrope.store.tables.iam import IamStore, User

__all__ = ["AccessKeys", "user_principal"]

_PURPOSE = "iam access keys"
_MAX_REMEMBERED = 4096


class AccessKeys:
    """Finds keys by their ids."""

    def __init__(self, store: IamStore, master_keys: MasterKeys, changes: ChangeFeed) -> None:
        self._store = store
        self._master_keys = master_keys
        self._found: dict[str, SigningCredentials] = {}
        self._generation = 0
        changes.subscribe("iam", self._forget)

    def recall(self, access_key_id: str) -> SigningCredentials | None:
        """What `find_access_key` would find, if that is remembered."""
        return self._found.get(access_key_id)

    async def find_access_key(self, access_key_id: str, now: datetime) -> SigningCredentials | None:  # noqa: ARG002
        """The active key of this id; None if it is unknown or switched off. (Long-term keys never expire by time.)"""
        remembered = self.recall(access_key_id)
        if remembered is not None:
            return remembered
        generation = self._generation
        row = await self._store.load_access_key(access_key_id)
        if row is None or not row[0].active:
            return None
        key, user = row
        secret = self._master_keys.open(key.secret_sealed, purpose=_PURPOSE, context=access_key_id.encode())
        found = SigningCredentials(access_key_id, Secret(secret.decode()), user_principal(user, access_key_id))
        # A change that was committed while we read must not be covered by what we read before it.
        if generation == self._generation and len(self._found) < _MAX_REMEMBERED:
            self._found[access_key_id] = found
        return found

    def seal(self, access_key_id: str, secret: Secret[str], entropy: Entropy) -> bytes:
        """The secret as the store keeps it."""
        return self._master_keys.seal(
            secret.reveal().encode(), purpose=_PURPOSE, entropy=entropy, context=access_key_id.encode()
        )

    def _forget(self) -> None:
        self._generation += 1
        self._found.clear()


def user_principal(user: User, access_key_id: str = "") -> Principal:
    """A user as a caller."""
    return Principal(
        kind="User",
        account_id=user.account_id,
        arn=user.arn,
        policy_arn=user.arn,
        unique_id=user.user_id,
        name=user.user_name,
        access_key_id=access_key_id,
        tags=user.tags,
    )

"""Powers beside the verifiers of passwords that were set before powers were kept, or when fewer were (decision 0038).

A challenge to such a password takes a quarter of a millisecond longer, or a twentieth where there are some, and so
tells that somebody has the name. Whoever shows the password has them kept, whichever way it was shown: from then on
their name takes as long as any other. Who has not signed in since can still be told by it, and so could be told if a
challenge kept them, by the first one.

The password is the one that it was: sessions go on, and challenges that were asked before are answered as before, since
of such a password a block remembers the verifier and not the form it was sealed in (`PasswordVault.srp`).
"""

from msgspec.structs import replace

from velvetrope.store.tables.userpools import StoredUser, UserPool, UserPoolStore
from velvetrope.userpools.passwords.vault import PasswordVault

__all__ = ["KeptPowers"]


class KeptPowers:
    """Keeps them."""

    def __init__(self, store: UserPoolStore, vault: PasswordVault) -> None:
        self._store = store
        self._vault = vault

    async def keep(self, pool: UserPool, stored: StoredUser) -> StoredUser:
        """The user with their password as it is sealed from now on; as they were if it has powers or was replaced."""
        sealed = stored.password_sealed
        fuller = None if sealed is None else await self._vault.with_powers(sealed, pool=pool, sub=stored.user.sub)
        if sealed is None or fuller is None:
            return stored
        if await self._store.reseal_password(pool.id, stored.username_key, sealed, fuller):
            return replace(stored, password_sealed=fuller)
        return await self._kept_meanwhile(pool, stored, sealed)

    async def _kept_meanwhile(self, pool: UserPool, stored: StoredUser, sealed: bytes) -> StoredUser:
        """Of sign-ins at the same moment one keeps them: the others go on with the same password in that form."""
        now = await self._store.load_user(pool.id, stored.username_key)
        if now is None or now.password_sealed is None or now.user.sub != stored.user.sub:
            return stored
        same = self._vault.verifier_fingerprint(
            now.password_sealed, pool=pool, sub=stored.user.sub
        ) == self._vault.verifier_fingerprint(sealed, pool=pool, sub=stored.user.sub)
        return replace(stored, password_sealed=now.password_sealed) if same else stored

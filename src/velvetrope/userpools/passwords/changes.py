"""Giving a user another password: the pool's policy, what was used before, and the change itself.

One rule for whoever changes it: the user, somebody with a code, or an administrator. `PasswordHistorySize` is how many
passwords, the present one among them, may not be used again; as many sealed verifiers are kept with the user.

Source: Cognito Developer Guide, "Password reuse prevention"; Cognito user pools API, PasswordPolicyType.
"""

from collections.abc import Callable

from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import StoredCode, StoredUser, User, UserConflict, UserPool, UserPoolStore
from velvetrope.userpools.errors import AliasExistsException, PasswordHistoryPolicyViolationException
from velvetrope.userpools.passwords.rules import check_new_password
from velvetrope.userpools.passwords.vault import PasswordVault

__all__ = ["PasswordChanges", "former_passwords_kept"]


class PasswordChanges:
    """Changes passwords of users who are there."""

    def __init__(self, store: UserPoolStore, vault: PasswordVault) -> None:
        self._store = store
        self._vault = vault

    def check_policy(self, pool: UserPool, password: Secret[str]) -> None:
        """
        Raises:
            InvalidPasswordException: the pool's policy does not allow it.
        """
        check_new_password(pool, password)

    async def change(
        self,
        pool: UserPool,
        found: StoredUser,
        password: Secret[str],
        change: Callable[[User], User],
        *,
        expected_password: bytes | None = None,
        expected_no_password: bool = False,
        spend_code: StoredCode | None = None,
    ) -> User | None:
        """The user with that password; None as `UserPoolStore.change_user`, and then nothing has changed.

        Raises:
            InvalidPasswordException: the pool's policy does not allow it.
            PasswordHistoryPolicyViolationException: the user had it before.
        """
        self.check_policy(pool, password)
        await self.check_not_used_before(pool, found, password)
        changed = await self._store.change_user(
            found,
            change,
            password_sealed=await self._vault.seal(
                password, pool=pool, username=found.user.username, sub=found.user.sub
            ),
            former_passwords_kept=former_passwords_kept(pool),
            expected_password=expected_password,
            expected_no_password=expected_no_password,
            spend_code=spend_code,
        )
        if isinstance(changed, UserConflict):
            raise AliasExistsException(f"An account with the given {changed.kind} already exists.")
        return changed

    async def check_not_used_before(self, pool: UserPool, found: StoredUser, password: Secret[str]) -> None:
        """
        Raises:
            PasswordHistoryPolicyViolationException: the user had it before, and the pool remembers.
        """
        if not pool.password_policy.password_history_size:
            return
        former = await self._store.load_former_passwords(pool.id, found.username_key, limit=former_passwords_kept(pool))
        present = () if found.password_sealed is None else (found.password_sealed,)
        for sealed in (*present, *former):
            if await self._vault.matches(password, sealed, pool=pool, sub=found.user.sub):
                # Text UNVERIFIED; the code is the model's.
                raise PasswordHistoryPolicyViolationException("Password has previously been used.")


def former_passwords_kept(pool: UserPool) -> int:
    """How many passwords before the present one are remembered."""
    return max((pool.password_policy.password_history_size or 0) - 1, 0)

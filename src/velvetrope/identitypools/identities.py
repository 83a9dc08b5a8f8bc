"""Who a caller is, given an identity id and the logins it can prove.

The order is the security argument: the identity and its pool exist; without logins only a guest of a pool that admits
guests may go on; every login is verified before any is linked; a login of somebody else's leads nowhere.

Source: Cognito Developer Guide, "Identity pools authentication flow"; Cognito Identity API, GetId,
GetCredentialsForIdentity.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from velvetrope.clock import Entropy
from velvetrope.identifiers import new_uuid
from velvetrope.identitypools.errors import (
    guests_refused,
    identity_forbidden,
    identity_missing,
    link_refused,
    pool_missing,
)
from velvetrope.identitypools.logins import LoginVerifier, VerifiedLogin
from velvetrope.operations import Call
from velvetrope.store.tables.identitypools import (
    Identity,
    IdentityPool,
    IdentityPoolStore,
    LinkRefusal,
    StoredIdentity,
)

__all__ = ["IdentityResolver", "ResolvedIdentity"]


@dataclass(frozen=True, slots=True)
class ResolvedIdentity:
    """An identity that the caller has proven to be, or a guest. `logins` is empty for guests only."""

    pool: IdentityPool
    identity_id: str
    logins: tuple[VerifiedLogin, ...]


class IdentityResolver:
    """Finds, makes and links identities."""

    def __init__(self, store: IdentityPoolStore, verifier: LoginVerifier, entropy: Entropy) -> None:
        self._store = store
        self._verifier = verifier
        self._entropy = entropy

    async def find_pool(self, pool_id: str, call: Call) -> IdentityPool:
        """The pool of this id, in the account and region that are called.

        Raises:
            ResourceNotFoundException: there is none.
        """
        pool = await self._store.load_pool(pool_id)
        if pool is None or (pool.account_id, pool.region) != (call.account_id, call.region):
            raise pool_missing(pool_id)
        return pool

    async def find_identity(self, identity_id: str, call: Call) -> tuple[StoredIdentity, IdentityPool]:
        """The identity of this id and its pool, in the account and region that are called.

        Raises:
            ResourceNotFoundException: there is none.
        """
        stored = await self._store.load_identity(identity_id)
        pool = None if stored is None else await self._store.load_pool(stored.identity.identity_pool_id)
        if stored is None or pool is None or (pool.account_id, pool.region) != (call.account_id, call.region):
            raise identity_missing(identity_id)
        return stored, pool

    async def identity_for(self, pool: IdentityPool, logins: Mapping[str, str], call: Call) -> str:
        """The id of the identity that these logins lead to; a new guest's without any.

        Raises:
            NotAuthorizedException: no logins where there are no guests, or a login that is not good.
            InvalidParameterException: a login of a provider that is none.
            ResourceConflictException: the logins lead to identities that cannot be one.
        """
        fresh = Identity(
            id=f"{pool.region}:{new_uuid(self._entropy)}",
            identity_pool_id=pool.id,
            created_at=call.now,
            modified_at=call.now,
        )
        if not logins:
            if not pool.allow_unauthenticated_identities:
                raise guests_refused()
            if not await self._store.save_guest(fresh):
                raise pool_missing(pool.id)
            return fresh.id
        verified = await self._verifier.verify_logins(pool, logins, now=call.now)
        outcome = await self._store.take_identity(fresh, _subjects(verified), now=call.now)
        if isinstance(outcome, LinkRefusal):
            raise pool_missing(pool.id) if outcome.reason == "gone" else link_refused(outcome, fresh.id)
        return outcome.identity.id

    async def resolve(
        self, stored: StoredIdentity, pool: IdentityPool, logins: Mapping[str, str], call: Call
    ) -> ResolvedIdentity:
        """The identity that a caller who asks for `stored` may use. After a merge it is another than the one asked for.

        Raises:
            NotAuthorizedException: a guest where there are none or where somebody signed in; a login that is not good;
                logins of somebody else's.
            InvalidParameterException: a login of a provider that is none.
            ResourceConflictException: the logins lead to identities that cannot be one.
        """
        identity = stored.identity
        if not logins:
            if not pool.allow_unauthenticated_identities:
                raise guests_refused()
            if identity.authenticated or not identity.enabled:
                raise identity_forbidden(identity.id, detail="only guests come without logins")
            return ResolvedIdentity(pool, identity.id, ())
        verified = await self._verifier.verify_logins(pool, logins, now=call.now)
        subjects = _subjects(verified)
        if identity.enabled and identity.authenticated and subjects.items() <= dict(stored.logins).items():
            return ResolvedIdentity(pool, identity.id, verified)
        outcome = await self._store.link_logins(identity.id, subjects, now=call.now)
        if isinstance(outcome, LinkRefusal):
            raise link_refused(outcome, identity.id)
        return ResolvedIdentity(pool, outcome.identity.id, verified)


def _subjects(logins: tuple[VerifiedLogin, ...]) -> dict[str, str]:
    return {login.provider: login.subject for login in logins}

"""Identities: found or made by GetId, shown, listed, unlinked, deleted.

GetId and UnlinkIdentity are unsigned: what the caller may do rests on the logins alone.

Source: Cognito Identity API.
"""

from velvetrope.identitypools.errors import logins_do_not_match, pool_missing
from velvetrope.identitypools.identities import IdentityResolver
from velvetrope.identitypools.logins import LoginVerifier
from velvetrope.identitypools.paging import page_start
from velvetrope.operations import Answer, Call, operation
from velvetrope.page_tokens import page_of
from velvetrope.store.tables.identitypools import IdentityPoolStore, StoredIdentity

__all__ = ["IdentityOperations"]


class IdentityOperations:
    """Identities of pools."""

    def __init__(self, store: IdentityPoolStore, resolver: IdentityResolver, verifier: LoginVerifier) -> None:
        self._store = store
        self._resolver = resolver
        self._verifier = verifier

    @operation
    async def get_id(
        self,
        call: Call,
        *,
        identity_pool_id: str,
        account_id: str | None = None,
        logins: dict[str, str] | None = None,
    ) -> Answer:
        """The identity that the logins lead to, made if need be; without logins a new guest."""
        pool = await self._resolver.find_pool(identity_pool_id, call)
        if account_id not in {None, pool.account_id}:
            # UNVERIFIED: AWS does not need the parameter. An account that is not the pool's has no such pool.
            raise pool_missing(identity_pool_id)
        return {"identity_id": await self._resolver.identity_for(pool, logins or {}, call)}

    @operation
    async def describe_identity(self, call: Call, *, identity_id: str) -> Answer:
        """When the identity was made and which providers it signs in with."""
        stored, _ = await self._resolver.find_identity(identity_id, call)
        return _render_identity(stored)

    @operation
    async def list_identities(
        self,
        call: Call,
        *,
        identity_pool_id: str,
        max_results: int,
        next_token: str | None = None,
        hide_disabled: bool = False,
    ) -> Answer:
        """The pool's identities in order of their ids; those merged into others are shown unless hidden."""
        pool = await self._resolver.find_pool(identity_pool_id, call)
        found = await self._store.load_identities(
            pool.id, after=page_start(next_token), limit=max_results + 1, hide_disabled=hide_disabled
        )
        page, following = page_of(found, max_results, key=lambda stored: stored.identity.id)
        return {
            "identity_pool_id": pool.id,
            "identities": [_render_identity(stored) for stored in page],
            "next_token": following,
        }

    @operation
    async def delete_identities(self, call: Call, *, identity_ids_to_delete: tuple[str, ...]) -> Answer:
        """The identities are gone, those that never were included."""
        ours = []
        for identity_id in identity_ids_to_delete:
            stored = await self._store.load_identity(identity_id)
            pool = None if stored is None else await self._store.load_pool(stored.identity.identity_pool_id)
            if pool is not None and (pool.account_id, pool.region) == (call.account_id, call.region):
                ours.append(identity_id)
        await self._store.delete_identities(ours)
        return {"unprocessed_identity_ids": []}

    @operation
    async def unlink_identity(
        self, call: Call, *, identity_id: str, logins: dict[str, str], logins_to_remove: tuple[str, ...]
    ) -> Answer:
        """The logins named are nobody's from now on. An identity without its last one is inaccessible."""
        stored, pool = await self._resolver.find_identity(identity_id, call)
        verified = await self._verifier.verify_logins(pool, logins, now=call.now)
        proven = {login.provider: login.subject for login in verified}
        removed = [
            key if key in stored.logins else self._verifier.provider_of(pool, key).name for key in logins_to_remove
        ]
        # One login of the identity proves it; what is removed must be linked to it. (How AWS says no is UNVERIFIED.)
        if not proven.items() & dict(stored.logins).items() or not set(removed) <= set(stored.logins):
            raise logins_do_not_match()
        await self._store.unlink_logins(identity_id, removed, now=call.now)
        return None


def _render_identity(stored: StoredIdentity) -> dict[str, object]:
    return {
        "identity_id": stored.identity.id,
        "logins": list(dict.fromkeys([*stored.logins, *(login.provider for login in stored.developer_logins)])) or None,
        "creation_date": stored.identity.created_at,
        "last_modified_date": stored.identity.modified_at,
    }

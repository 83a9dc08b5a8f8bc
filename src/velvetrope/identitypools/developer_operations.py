"""Developer identities: people whom the owner's own backend knows and vouches for.

    backend --GetOpenIdTokenForDeveloperIdentity, signed--> token --> app --GetCredentialsForIdentity--> credentials

All operations here are signed: whoever may call them on a pool says who its developer users are, and nothing is proven
but that. A developer's user identifier is never a login in an unsigned call; what an app may show instead is the token
that its backend got for it, under `cognito-identity.amazonaws.com`. The token is a PoolOpenIdTokens token, so STS takes
it too.

Sentences and the order of checks are UNVERIFIED where the reference on identity pools has none.

Source: Cognito Developer Guide, "Developer-authenticated identities"; Cognito Identity API.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from velvetrope.clock import Entropy
from velvetrope.identifiers import new_uuid
from velvetrope.identitypools.errors import (
    InvalidParameterException,
    ResourceConflictException,
    ResourceNotFoundException,
    identity_missing,
    link_refused,
    pool_missing,
)
from velvetrope.identitypools.identities import IdentityResolver
from velvetrope.identitypools.logins import LoginVerifier
from velvetrope.identitypools.open_id_tokens import PoolOpenIdTokens
from velvetrope.identitypools.paging import page_start
from velvetrope.identitypools.principal_tags import why_too_large
from velvetrope.operations import Answer, Call, operation
from velvetrope.page_tokens import page_of
from velvetrope.store.tables.identitypools import (
    DeveloperLogin,
    Identity,
    IdentityPool,
    IdentityPoolStore,
    LinkRefusal,
    StoredIdentity,
)
from velvetrope.tags import is_reserved

__all__ = ["DeveloperOperations"]

_TOKEN_SECONDS: Final = 900
_MAX_IDENTIFIER_CHARACTERS: Final = 1024
_PAGE: Final = 60


class DeveloperOperations:
    """Developer users of pools, and the tokens they sign in with."""

    def __init__(
        self,
        store: IdentityPoolStore,
        resolver: IdentityResolver,
        verifier: LoginVerifier,
        tokens: PoolOpenIdTokens,
        entropy: Entropy,
    ) -> None:
        self._store = store
        self._resolver = resolver
        self._verifier = verifier
        self._tokens = tokens
        self._entropy = entropy

    @operation
    async def get_open_id_token_for_developer_identity(
        self,
        call: Call,
        *,
        identity_pool_id: str,
        logins: dict[str, str],
        identity_id: str | None = None,
        principal_tags: dict[str, str] | None = None,
        token_duration: int = _TOKEN_SECONDS,
    ) -> Answer:
        """A token for a developer user, whose identity is made or linked if need be.

        Logins of other providers beside the developer's are verified and linked to the same identity.
        """
        pool = await self._resolver.find_pool(identity_pool_id, call)
        login, others = _split(pool, logins)
        verified = await self._verifier.verify_logins(pool, others, now=call.now)
        tags = _checked_tags(principal_tags or {})
        subjects = {other.provider: other.subject for other in verified}
        if identity_id is None:
            stored = await self._take(pool, login, subjects, call)
        else:
            stored = await self._link(pool, identity_id, login, subjects, call)
        token = await self._tokens.issue(
            pool,
            stored.identity.id,
            verified,
            now=call.now,
            developer_login=login,
            tags=tags,
            lifetime=timedelta(seconds=token_duration),
        )
        return {"identity_id": stored.identity.id, "token": token}

    @operation
    async def lookup_developer_identity(
        self,
        call: Call,
        *,
        identity_pool_id: str,
        identity_id: str | None = None,
        developer_user_identifier: str | None = None,
        max_results: int = _PAGE,
        next_token: str | None = None,
    ) -> Answer:
        """The developer users of an identity, or the identity of a developer user; given both, whether they match."""
        pool = await self._resolver.find_pool(identity_pool_id, call)
        provider = _provider_of(pool)
        if identity_id is None and developer_user_identifier is None:
            raise InvalidParameterException("Either IdentityId or DeveloperUserIdentifier is required.")
        if developer_user_identifier is None:
            found = await self._identity_of(pool, identity_id or "", call)
        else:
            login = DeveloperLogin(provider, developer_user_identifier)
            owner = await self._store.find_developer_identity(pool.id, login)
            if identity_id is not None:
                if owner is None or owner.identity.id != identity_id:
                    raise ResourceConflictException("The developer user identifier does not match the identity ID.")
                return {"identity_id": identity_id, "developer_user_identifier_list": [developer_user_identifier]}
            if owner is None:
                raise _user_missing(developer_user_identifier)
            found = owner
        after = page_start(next_token)
        waiting = [login.user_identifier for login in found.developer_logins if login.user_identifier > after]
        page, following = page_of(waiting, max_results, key=str)
        return {
            "identity_id": found.identity.id,
            "developer_user_identifier_list": page,
            "next_token": following,
        }

    @operation
    async def merge_developer_identities(
        self,
        call: Call,
        *,
        source_user_identifier: str,
        destination_user_identifier: str,
        developer_provider_name: str,
        identity_pool_id: str,
    ) -> Answer:
        """Two developer users are one person from now on, with the destination's identity and the logins of both."""
        pool = await self._resolver.find_pool(identity_pool_id, call)
        _check_provider(pool, developer_provider_name)
        source = DeveloperLogin(developer_provider_name, source_user_identifier)
        destination = DeveloperLogin(developer_provider_name, destination_user_identifier)
        for login in (source, destination):
            if await self._store.find_developer_identity(pool.id, login) is None:
                raise _user_missing(login.user_identifier)
        outcome = await self._store.merge_developer_identities(
            pool.id, source=source, destination=destination, now=call.now
        )
        if isinstance(outcome, LinkRefusal):
            if outcome.reason == "gone":
                raise _user_missing(source_user_identifier)
            raise link_refused(outcome, "")
        return {"identity_id": outcome.identity.id}

    @operation
    async def unlink_developer_identity(
        self,
        call: Call,
        *,
        identity_id: str,
        identity_pool_id: str,
        developer_provider_name: str,
        developer_user_identifier: str,
    ) -> Answer:
        """The developer user is nobody's from now on. An identity without its last login is inaccessible."""
        pool = await self._resolver.find_pool(identity_pool_id, call)
        _check_provider(pool, developer_provider_name)
        stored = await self._identity_of(pool, identity_id, call)
        login = DeveloperLogin(developer_provider_name, developer_user_identifier)
        if not await self._store.unlink_developer_login(stored.identity.id, login, now=call.now):
            raise _user_missing(developer_user_identifier)
        return None

    async def _identity_of(self, pool: IdentityPool, identity_id: str, call: Call) -> StoredIdentity:
        """The identity of this id in this pool; one of another pool is none."""
        stored, owner = await self._resolver.find_identity(identity_id, call)
        if owner.id != pool.id:
            raise identity_missing(identity_id)
        return stored

    async def _take(
        self, pool: IdentityPool, login: DeveloperLogin, subjects: Mapping[str, str], call: Call
    ) -> StoredIdentity:
        fresh = Identity(
            id=f"{pool.region}:{new_uuid(self._entropy)}",
            identity_pool_id=pool.id,
            created_at=call.now,
            modified_at=call.now,
        )
        outcome = await self._store.take_developer_identity(fresh, login, subjects, now=call.now)
        if isinstance(outcome, LinkRefusal):
            raise pool_missing(pool.id) if outcome.reason == "gone" else link_refused(outcome, fresh.id)
        return outcome

    async def _link(
        self, pool: IdentityPool, identity_id: str, login: DeveloperLogin, subjects: Mapping[str, str], call: Call
    ) -> StoredIdentity:
        await self._identity_of(pool, identity_id, call)
        outcome = await self._store.link_developer_login(identity_id, login, subjects, now=call.now)
        if isinstance(outcome, LinkRefusal):
            raise link_refused(outcome, identity_id)
        return outcome


def _provider_of(pool: IdentityPool) -> str:
    if pool.developer_provider_name is None:
        raise InvalidParameterException("The identity pool has no developer provider.")
    return pool.developer_provider_name


def _check_provider(pool: IdentityPool, name: str) -> None:
    if _provider_of(pool) != name:
        raise InvalidParameterException(f"{name} is not the developer provider of this identity pool.")


def _split(pool: IdentityPool, logins: Mapping[str, str]) -> tuple[DeveloperLogin, dict[str, str]]:
    """The developer's login, and the others."""
    provider = _provider_of(pool)
    others = dict(logins)
    identifier = others.pop(provider, None)
    if identifier is None:
        raise InvalidParameterException(f"Logins must name a user of the developer provider {provider}.")
    if not 1 <= len(identifier) <= _MAX_IDENTIFIER_CHARACTERS:
        raise InvalidParameterException(
            f"A developer user identifier has 1 to {_MAX_IDENTIFIER_CHARACTERS} characters."
        )
    return DeveloperLogin(provider, identifier), others


def _checked_tags(given: Mapping[str, str]) -> dict[str, str]:
    """The tags that the backend asks for. What is wrong with them is the caller's to know, not the pool's."""
    if any(is_reserved(key) for key in given):
        raise InvalidParameterException("Tag keys that begin with aws: are reserved.")
    if len({key.lower() for key in given}) != len(given):
        raise InvalidParameterException("Tag keys must differ by more than their case.")
    too_large = why_too_large(given)
    if too_large is not None:
        raise InvalidParameterException(f"{too_large[0].upper()}{too_large[1:]}.")
    return dict(given)


def _user_missing(identifier: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"Developer user '{identifier}' not found.")

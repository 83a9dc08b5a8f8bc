"""AdminLinkProviderForUser and AdminDisableProviderForUser: which identities at providers sign a user in.

A link says that whoever a provider knows by an attribute is a user who is here already. The attribute is
`Cognito_Subject`, the provider's own id of the person, or, for OIDC and SAML, an attribute of the pool that the
provider's AttributeMapping fills. It may be made before that person has ever signed in with the provider, and only
then: two users who both exist are not merged.

To disable a provider takes a link away; the person becomes a user of their own at their next sign-in. A user who came
to be by signing in with the provider keeps the identity, disabled: they are called by it, and cannot begin anew under
the same name. To disable `Cognito` takes a local user's password, who is from then on one that only providers sign in
(EXTERNAL_PROVIDER; the state is UNVERIFIED) until an administrator sets a password.

Source: Cognito user pools API, AdminLinkProviderForUser and AdminDisableProviderForUser; Cognito Developer Guide,
"Linking federated users to an existing user profile" (five links). Sentences marked so are UNVERIFIED.
"""

import msgspec

from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.userpools import StoredUser, User, UserConflict, UserIdentity, UserPool, UserPoolStore
from velvetrope.store.tables.userpools_configuration import ConfigurationStore, IdentityProvider
from velvetrope.store.tables.userpools_identities import MAX_IDENTITY_CHARACTERS, SUBJECT
from velvetrope.userpools.directory import PoolDirectory, username_form
from velvetrope.userpools.errors import (
    AliasExistsException,
    InvalidParameterException,
    LimitExceededException,
    user_missing,
)
from velvetrope.userpools.shapes import ProviderUserIdentifier

__all__ = ["LinkOperations"]

_LOCAL = "Cognito"
_MOST_LINKS = 5
_ANY_MAPPED_ATTRIBUTE = frozenset({"OIDC", "SAML"})


class LinkOperations:
    """What administrators do with users' identities."""

    def __init__(self, store: UserPoolStore, configuration: ConfigurationStore, directory: PoolDirectory) -> None:
        self._store = store
        self._configuration = configuration
        self._directory = directory

    @operation
    async def admin_link_provider_for_user(
        self,
        call: Call,
        *,
        user_pool_id: str,
        destination_user: ProviderUserIdentifier,
        source_user: ProviderUserIdentifier,
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        name, value = _attribute(source_user)
        if source_user.provider_name == _LOCAL:
            raise InvalidParameterException(
                "Invalid SourceUser: Cognito users with a username/password may not be passed in as a SourceUser, "
                "only as a DestinationUser"
            )
        provider = await self._provider(pool, source_user)
        _check_linkable(provider, name)
        destination = await self._destination(pool, destination_user)
        owner = await self._owner(pool, provider, name, value)
        if owner is not None:
            raise _owned(owner, destination, provider)
        identity = UserIdentity(
            provider_name=provider.provider_name,
            provider_type=provider.provider_type,
            user_id=value,
            created_at=call.now,
            primary=False,
            attribute_name=name,
        )

        def link(user: User) -> User:
            if sum(not one.primary for one in user.identities) >= _MOST_LINKS:
                raise LimitExceededException(f"A user has at most {_MOST_LINKS} linked identities.")  # UNVERIFIED
            return msgspec.structs.replace(user, identities=(*user.identities, identity), modified_at=call.now)

        changed = await self._store.change_user(destination, link)
        if changed is None:
            raise user_missing()
        if isinstance(changed, UserConflict):
            raise _linked_elsewhere()  # another caller has linked it meanwhile
        return {}

    @operation
    async def admin_disable_provider_for_user(
        self, call: Call, *, user_pool_id: str, user: ProviderUserIdentifier
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        name, value = _attribute(user)
        if user.provider_name == _LOCAL:
            if name != SUBJECT:
                raise _only_by_subject(_LOCAL)
            local = await self._destination(pool, user)
            await self._store.change_user(
                local,
                lambda one: msgspec.structs.replace(
                    one, status="EXTERNAL_PROVIDER", temporary_password_expires_at=None, modified_at=call.now
                ),
                remove_password=True,
            )
            return {}
        provider = await self._provider(pool, user)
        owner = await self._owner(pool, provider, name, value)
        if owner is None:
            raise user_missing()
        key = (provider.provider_name, name, value)

        def unlink(one: User) -> User:
            kept = [
                msgspec.structs.replace(identity, disabled=True) if identity.key == key else identity
                for identity in one.identities
                if identity.key != key or identity.primary
            ]
            return msgspec.structs.replace(one, identities=tuple(kept), modified_at=call.now)

        await self._store.change_user(owner, unlink)
        return {}

    async def _provider(self, pool: UserPool, named: ProviderUserIdentifier) -> IdentityProvider:
        name = named.provider_name or ""
        provider = await self._configuration.identity_providers.load(pool.id, name)
        if provider is None:
            raise InvalidParameterException(f"The provider {name} does not exist for User Pool {pool.id}.")
        return provider

    async def _destination(self, pool: UserPool, named: ProviderUserIdentifier) -> StoredUser:
        """The user: of that user name, or whom a provider knows by that id. The attribute's name is not looked at."""
        value = named.provider_attribute_value or ""
        if named.provider_name == _LOCAL:
            found = await self._store.load_user(pool.id, username_form(pool, value))
        else:
            found = await self._owner(pool, await self._provider(pool, named), SUBJECT, value)
        if found is None:
            raise user_missing()
        return found

    async def _owner(self, pool: UserPool, provider: IdentityProvider, name: str, value: str) -> StoredUser | None:
        found = await self._store.load_users_by_identity(pool.id, provider.provider_name, {name: value})
        return found.get(name)


def _attribute(user: ProviderUserIdentifier) -> tuple[str, str]:
    """
    Raises:
        InvalidParameterException: a member is missing, or the value is too long.
    """
    if not user.provider_name or not user.provider_attribute_name or not user.provider_attribute_value:
        raise InvalidParameterException(
            "ProviderName, ProviderAttributeName and ProviderAttributeValue are required."  # text UNVERIFIED
        )
    if len(user.provider_attribute_value) > MAX_IDENTITY_CHARACTERS:
        raise InvalidParameterException(f"ProviderAttributeValue has at most {MAX_IDENTITY_CHARACTERS} characters.")
    return user.provider_attribute_name, user.provider_attribute_value


def _check_linkable(provider: IdentityProvider, name: str) -> None:
    """
    Raises:
        InvalidParameterException: the provider's people are not told apart by that attribute. Texts UNVERIFIED.
    """
    if name == SUBJECT:
        return
    if provider.provider_type not in _ANY_MAPPED_ATTRIBUTE:
        raise _only_by_subject(provider.provider_name)
    if name == "username" or name not in provider.attribute_mapping:
        raise InvalidParameterException(
            f"The attribute {name} is not in the AttributeMapping of the provider {provider.provider_name}."
        )


def _owned(owner: StoredUser, destination: StoredUser, provider: IdentityProvider) -> Exception:
    """What is said of an identity that is somebody's."""
    if owner.username_key == destination.username_key:
        return InvalidParameterException("SourceUser is already linked to DestinationUser")
    if any(one.primary and one.provider_name == provider.provider_name for one in owner.user.identities):
        return InvalidParameterException(
            "Merging is not currently supported, provide a SourceUser that has not been signed up in order to link"
        )
    return _linked_elsewhere()


def _linked_elsewhere() -> AliasExistsException:
    return AliasExistsException("SourceUser is already linked to another user.")  # text UNVERIFIED


def _only_by_subject(provider_name: str) -> InvalidParameterException:
    return InvalidParameterException(f"ProviderAttributeName must be {SUBJECT} for {provider_name}.")

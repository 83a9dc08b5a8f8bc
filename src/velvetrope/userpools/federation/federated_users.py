"""Users who sign in with an identity provider of the pool.

    user = await federated.sign_in(pool, client, provider, subject=sub, attributes=claims, now=now)

Whoever calls has proven that the provider says so (`hosted_ui`: OpenID Connect, OAuth 2.0, SAML). What becomes of it is
decided here:

    step                                            a refusal
    ask the pool's function what counts             InboundFederation fails
    map what was said to the pool's attributes      it lacks what `username` is mapped from
    find the user                                   two users are linked to one person
    nobody: keep a new user                         PreSignUp, a required attribute is missing, the name is taken
    somebody: bring the attributes up to date       disabled, PreAuthentication, an attribute that cannot change

A new user is called `Provider_subject` and is in the state EXTERNAL_PROVIDER, without a password and without aliases:
an address that a provider vouches for signs nobody in here, and takes no one's. They begin in the group
`POOLID_Provider`. The first sign-in asks PreSignUp and PostConfirmation, later ones PreAuthentication and
PostAuthentication. Custom messages, user migration and custom challenges are never asked.

Somebody whom an administrator has linked (`links`) signs in as the user that they are linked to, whose mapped
attributes are brought up to date as well, if that user is confirmed and has nothing to do first. A link by an attribute
becomes one by the provider's id the first time it is used, so that the attribute can change hands afterwards without
the account going with it.

Mapped attributes obey the client's WriteAttributes, but for `email_verified` and `phone_number_verified`, which are the
provider's word and never the client's. An attribute that the provider did not speak of stays as it is (UNVERIFIED; to
remove it would lose what the provider may only have left out).

Sources: Cognito Developer Guide, "Adding user pool sign-in through a third party", "Specifying identity provider
attribute mappings for your user pool", "Linking federated users to an existing user profile", "Pre sign-up Lambda
trigger"; hosted-ui reference section 3.1 for the sentences.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from velvetrope.clock import Entropy
from velvetrope.identifiers import new_uuid
from velvetrope.store.tables.userpools import (
    AppClient,
    Group,
    StoredUser,
    User,
    UserConflict,
    UserIdentity,
    UserPool,
    UserPoolStore,
)
from velvetrope.store.tables.userpools_configuration import IdentityProvider
from velvetrope.store.tables.userpools_identities import MAX_IDENTITY_CHARACTERS, SUBJECT
from velvetrope.userpools.directory import aliases_of, username_form
from velvetrope.userpools.errors import (
    AliasExistsException,
    InvalidParameterException,
    NotAuthorizedException,
    user_missing,
)
from velvetrope.userpools.shapes import AttributeType
from velvetrope.userpools.sign_in.triggers import SignInTriggers
from velvetrope.userpools.triggers.inbound_federation import InboundFederation
from velvetrope.userpools.triggers.sign_up import SignUpTriggers
from velvetrope.userpools.turns import Turn
from velvetrope.userpools.users.attributes import changed_attributes, missing_required, new_attributes
from velvetrope.userpools.users.naming import broken_form

__all__ = ["FederatedUsers", "federated_username", "group_of_provider"]

_USERNAME = "username"
_STANDING = frozenset({"CONFIRMED", "EXTERNAL_PROVIDER"})
_PROVIDERS_WORD = frozenset({"email_verified", "phone_number_verified"})


class FederatedUsers:
    """Finds or keeps the user of whom a provider speaks."""

    def __init__(
        self,
        store: UserPoolStore,
        inbound: InboundFederation,
        sign_up: SignUpTriggers,
        sign_in: SignInTriggers,
        entropy: Entropy,
    ) -> None:
        self._store = store
        self._inbound = inbound
        self._sign_up = sign_up
        self._sign_in = sign_in
        self._entropy = entropy

    async def sign_in(
        self,
        pool: UserPool,
        client: AppClient,
        provider: IdentityProvider,
        *,
        subject: str,
        attributes: Mapping[str, str],
        said: Mapping[str, Mapping[str, str]] | None = None,
        issuer: str | None = None,
        now: datetime,
    ) -> User:
        """The user who signs in by what `provider` has said.

        `subject` is the provider's id of the person (`sub`, Facebook's `id`, a NameID). `attributes` are by the
        provider's names (claims, SAML attributes); AttributeMapping says which of them count. `said` is the same by
        where the provider said it (`inbound_federation`); without it, `attributes` are told under `samlResponse` or
        `userInfo`. `issuer` is the entity id of a SAML provider.

        Raises:
            UserPoolError: refused; the message may be told to the app.
        """
        turn = Turn(pool, client, admin=False, now=now)
        # Of what the provider said itself, whatever its function makes of the rest.
        subject = _subject(provider, subject, attributes)
        username = federated_username(pool, provider.provider_name, subject)
        told = said or {"samlResponse" if provider.provider_type == "SAML" else "userInfo": attributes}
        occasion = turn.occasion(username)
        mapped = _mapped(provider, await self._inbound.attributes(occasion, provider, told, attributes))
        found = await self._find(pool, provider, subject, mapped)
        if found is None:
            return await self._keep_new(turn, provider, subject, mapped, issuer=issuer)
        return await self._welcome_back(turn, provider, subject, mapped, found, issuer=issuer)

    # Somebody who was here before, or is linked to somebody who was.

    async def _find(
        self, pool: UserPool, provider: IdentityProvider, subject: str, mapped: Mapping[str, str]
    ) -> StoredUser | None:
        """The user whom the provider's id leads to; else the one whom a mapped attribute was linked to."""
        known_as = {name: value for name, value in mapped.items() if 0 < len(value) <= MAX_IDENTITY_CHARACTERS}
        found = await self._store.load_users_by_identity(
            pool.id, provider.provider_name, {**known_as, SUBJECT: subject}
        )
        if SUBJECT in found:
            return found[SUBJECT]
        if len({one.username_key for one in found.values()}) > 1:
            raise InvalidParameterException(
                "The attributes of this sign-in are linked to more than one user.", detail=f"by {sorted(found)}"
            )
        return next(iter(found.values()), None)

    async def _welcome_back(
        self,
        turn: Turn,
        provider: IdentityProvider,
        subject: str,
        mapped: Mapping[str, str],
        found: StoredUser,
        *,
        issuer: str | None,
    ) -> User:
        pool, before = turn.pool, found.user
        if not before.enabled or _disabled(before, provider, subject, mapped):
            raise NotAuthorizedException("User is not enabled.", detail=f"{before.username} is disabled")
        if before.status not in _STANDING:
            # Whoever made an account that was never confirmed may be waiting for its owner to be linked to it.
            raise NotAuthorizedException("User is not confirmed.", detail=f"{before.username} is {before.status}")
        await self._sign_in.pre_authentication(turn, before.username, before, None)

        def change(user: User) -> User:
            attributes = _changed(turn, user.attributes, mapped)
            return msgspec.structs.replace(
                user,
                attributes=attributes,
                sign_in_aliases=aliases_of(pool, user, attributes),
                identities=_by_subject(user.identities, provider, subject, mapped, issuer),
                modified_at=user.modified_at if attributes == user.attributes else turn.now,
            )

        changed = await self._store.change_user(found, change)
        if changed is None:
            raise user_missing()
        if isinstance(changed, UserConflict):
            raise AliasExistsException(f"An account with the given {changed.kind} already exists.")
        await self._sign_in.post_authentication(turn, changed.username, changed, new_device_used=False)
        return changed

    # Somebody new.

    async def _keep_new(
        self,
        turn: Turn,
        provider: IdentityProvider,
        subject: str,
        mapped: Mapping[str, str],
        *,
        issuer: str | None,
    ) -> User:
        pool = turn.pool
        username = federated_username(pool, provider.provider_name, subject)
        attributes = _new(turn, mapped)
        occasion = turn.occasion(username)
        # The two empty members are AWS's; they stand for names that the user might be given besides.
        told = {**attributes, "cognito:email_alias": "", "cognito:phone_number_alias": ""}
        verdict = await self._sign_up.pre_sign_up("PreSignUp_ExternalProvider", occasion, told, ())
        verdict.mark_verified(attributes)
        if await self._find(pool, provider, subject, mapped) is not None:
            # The function has linked the person just now. AWS refuses this sign-in, and lets the next one through.
            raise _already_found(username)
        group = group_of_provider(pool, provider)
        await self._store.create_group(
            Group(
                user_pool_id=pool.id,
                group_name=group,
                created_at=turn.now,
                modified_at=turn.now,
                description=f"Autogenerated group for users who sign in using {provider.provider_name}",
            )
        )
        user = User(
            user_pool_id=pool.id,
            username=username,
            sub=new_uuid(self._entropy),
            attributes=attributes,
            enabled=True,
            status="EXTERNAL_PROVIDER",
            created_at=turn.now,
            modified_at=turn.now,
            identities=(
                UserIdentity(
                    provider_name=provider.provider_name,
                    provider_type=provider.provider_type,
                    user_id=subject,
                    created_at=turn.now,
                    primary=True,
                    issuer=issuer,
                ),
            ),
        )
        key = username_form(pool, username)
        if await self._store.create_user(user, key, password_sealed=None, member_of=[group]) is not None:
            raise _already_found(username)
        await self._sign_up.post_confirmation("PostConfirmation_ConfirmSignUp", occasion, user)
        return user


def federated_username(pool: UserPool, provider_name: str, subject: str) -> str:
    """`Provider_subject`; in lower case where the pool ignores case, as on AWS.

    Raises:
        InvalidParameterException: too long to be a user name, or with a space in it.
    """
    username = username_form(pool, f"{provider_name}_{subject}")
    broken = broken_form(username)
    if broken is not None:
        raise InvalidParameterException("The provider's id of the user cannot be a user name.", detail=broken)
    return username


def group_of_provider(pool: UserPool, provider: IdentityProvider) -> str:
    """The group that a provider's users begin in."""
    return f"{pool.id}_{provider.provider_name}"


def _subject(provider: IdentityProvider, subject: str, attributes: Mapping[str, str]) -> str:
    """Who somebody is at the provider: its own id of them, unless `username` is mapped from something else.

    Raises:
        InvalidParameterException: the provider did not say what `username` is mapped from.
    """
    theirs = provider.attribute_mapping.get(_USERNAME)
    found = subject if theirs is None else attributes.get(theirs, "")
    if not found or len(found) > MAX_IDENTITY_CHARACTERS:
        raise InvalidParameterException(
            "attributes required: [username]", detail=f"the provider gave no usable {theirs or 'subject'}"
        )
    return found


def _mapped(provider: IdentityProvider, attributes: Mapping[str, str]) -> dict[str, str]:
    """What was said, by the pool's names."""
    return {
        name: attributes[theirs]
        for name, theirs in provider.attribute_mapping.items()
        if theirs in attributes and name != _USERNAME
    }


def _new(turn: Turn, mapped: Mapping[str, str]) -> dict[str, str]:
    """
    Raises:
        InvalidParameterException: a required attribute is missing, or a value is none.
        NotAuthorizedException: the client may not write one of them.
    """
    missing = missing_required(turn.pool, mapped)
    if missing:
        raise InvalidParameterException(f"attributes required: [{', '.join(missing)}]")
    by_client, by_provider = _told_apart(mapped)
    return new_attributes(turn.pool, by_client, client=turn.client, brought_by_name=by_provider)


def _changed(turn: Turn, before: Mapping[str, str], mapped: Mapping[str, str]) -> dict[str, str]:
    by_client, by_provider = _told_apart(mapped)
    after = changed_attributes(turn.pool, before, by_client, client=turn.client)
    proven = [AttributeType(name=name, value=value) for name, value in by_provider.items()]
    return changed_attributes(turn.pool, after, proven, client=None)


def _told_apart(mapped: Mapping[str, str]) -> tuple[list[AttributeType], dict[str, str]]:
    """What the client has to be allowed to write, and what is the provider's word alone."""
    by_client = [AttributeType(name=name, value=value) for name, value in mapped.items() if name not in _PROVIDERS_WORD]
    return by_client, {name: value for name, value in mapped.items() if name in _PROVIDERS_WORD and value}


def _disabled(user: User, provider: IdentityProvider, subject: str, mapped: Mapping[str, str]) -> bool:
    """Whether the identity that leads here was disabled (AdminDisableProviderForUser)."""
    known_as = {*mapped.items(), (SUBJECT, subject)}
    return any(
        one.disabled and one.provider_name == provider.provider_name and (one.attribute_name, one.user_id) in known_as
        for one in user.identities
    )


def _by_subject(
    identities: tuple[UserIdentity, ...],
    provider: IdentityProvider,
    subject: str,
    mapped: Mapping[str, str],
    issuer: str | None,
) -> tuple[UserIdentity, ...]:
    """The identities once the person behind a link has shown themselves: by the provider's id from now on."""
    if any(one.key == (provider.provider_name, SUBJECT, subject) for one in identities):
        return identities
    return tuple(
        msgspec.structs.replace(one, attribute_name=SUBJECT, user_id=subject, issuer=issuer)
        if one.provider_name == provider.provider_name and mapped.get(one.attribute_name) == one.user_id
        else one
        for one in identities
    )


def _already_found(username: str) -> InvalidParameterException:
    return InvalidParameterException(f"Already found an entry for username {username}")

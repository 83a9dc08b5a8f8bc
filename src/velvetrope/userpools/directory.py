"""Find pools, app clients and users, and check that a client is who it says.

Pools and clients are remembered until one of them is changed; users never are.

Users are found by the names they sign in with: the user name, or an alias (email, phone number, preferred user name)
where the pool allows it. Names are compared in lower case in pools that ignore case, and kept so. Which aliases a user
has is decided here too (`sign_in_aliases`), from the pool's settings and the user's attributes: in a pool whose user
names *are* addresses, the address always; in a pool with aliases, a verified address, and the preferred user name as it
is.

Sources: Cognito Developer Guide, "Customizing sign-in attributes", "User pool case sensitivity".
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Collection, Mapping
from typing import TypeVar

import msgspec

from velvetrope.clock import Entropy
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.store import ChangeFeed
from velvetrope.store.tables.userpools import (
    SETTINGS_TOPIC,
    AliasKind,
    AppClient,
    StoredUser,
    User,
    UserPool,
    UserPoolStore,
)
from velvetrope.store.tables.userpools_sign_in import Attempts
from velvetrope.userpools.errors import NotAuthorizedException, ResourceNotFoundException, user_missing

__all__ = [
    "EMAIL",
    "PHONE_NUMBER",
    "PoolDirectory",
    "PresentedName",
    "alias_form",
    "aliases_of",
    "pool_arn",
    "secret_hash",
    "sign_in_aliases",
    "username_form",
]

# No character that separates addresses in a header (RFC 5322, specials), that a terminal obeys, or that nobody sees.
_IN_ADDRESSES = r"""[^\s@.<>()\[\],;:\\"\x00-\x1f\x7f-\xa0\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"""
EMAIL = re.compile(rf"(?:{_IN_ADDRESSES}|\.)+@{_IN_ADDRESSES}+(?:\.{_IN_ADDRESSES}+)*")
PHONE_NUMBER = re.compile(r"\+[0-9]{4,15}")  # E.164: a plus and at most 15 digits
_REMEMBERED = 1000
_MAX_ALIAS_CHARACTERS = 512
"""PostgreSQL's B-trees take 2704 bytes in a row, and a character may be four."""
T = TypeVar("T")
_CLIENT_SECRET = "userpools.client-secret"  # noqa: S105  the name of a purpose


class PresentedName(msgspec.Struct, frozen=True):
    """A name somebody wants to sign in with, and the user who has it, if any."""

    text: str
    key: str
    """The user's `username_key` if there is a user, else what it would be. Failures are counted by it."""
    found: StoredUser | None
    attempts: Attempts | None = None
    """The failures that were counted for it when it was looked up."""


class PoolDirectory:
    """Looks things up, and says AWS's sentence when they are not there."""

    def __init__(self, store: UserPoolStore, master_keys: MasterKeys, changes: ChangeFeed) -> None:
        self._store = store
        self._master_keys = master_keys
        self._pools: dict[str, UserPool] = {}
        self._clients: dict[str, AppClient] = {}
        self._domains: dict[str, str] = {}
        self._only: str | None = None
        self._generation = 0
        changes.subscribe(SETTINGS_TOPIC, self._changed)

    def _changed(self) -> None:
        self._generation += 1
        self._pools.clear()
        self._clients.clear()
        self._domains.clear()
        self._only = None

    async def pool(self, user_pool_id: str) -> UserPool:
        """
        Raises:
            ResourceNotFoundException: there is no such pool.
        """
        pool = self._pools.get(user_pool_id)
        if pool is None:
            generation = self._generation
            pool = await self._store.load_pool(user_pool_id)
            if pool is None:
                raise ResourceNotFoundException(f"User pool {user_pool_id} does not exist.")
            self._remember(self._pools, user_pool_id, pool, generation)
        return pool

    async def pool_by_domain(self, domain: str) -> UserPool | None:
        """The pool that has this domain."""
        known = self._domains.get(domain)
        if known is not None and known in self._pools:
            return self._pools[known]
        generation = self._generation
        pool = await self._store.load_pool_by_domain(domain)
        if pool is not None:
            self._remember(self._pools, pool.id, pool, generation)
            self._remember(self._domains, domain, pool.id, generation)
        return pool

    async def only_pool_with_domain(self) -> UserPool | None:
        """The pool that has a domain, if exactly one has."""
        if self._only is not None and self._only in self._pools:
            return self._pools[self._only]
        generation = self._generation
        pool = await self._store.load_only_pool_with_domain()
        if pool is not None and generation == self._generation:
            self._remember(self._pools, pool.id, pool, generation)
            self._only = pool.id
        return pool

    async def find_client(self, user_pool_id: str, client_id: str) -> AppClient | None:
        """The pool's client, if it has such a one."""
        client = await self._client(client_id)
        return client if client is not None and client.user_pool_id == user_pool_id else None

    async def client_of(self, user_pool_id: str, client_id: str) -> AppClient:
        """
        Raises:
            ResourceNotFoundException: the pool has no such client.
        """
        client = await self.find_client(user_pool_id, client_id)
        if client is None:
            raise ResourceNotFoundException(f"User pool client {client_id} does not exist.")
        return client

    async def client_and_pool(self, client_id: str) -> tuple[UserPool, AppClient]:
        """
        Raises:
            ResourceNotFoundException: there is no such client.
        """
        client = await self._client(client_id)
        if client is None:
            raise ResourceNotFoundException(f"User pool client {client_id} does not exist.")
        return await self.pool(client.user_pool_id), client

    def told_of_client(self, client_id: str) -> str:
        """The user pool and the app client that an id leads to, for the owner; of those that are remembered."""
        client = self._clients.get(client_id)
        pool = None if client is None else self._pools.get(client.user_pool_id)
        if client is None or pool is None:
            return ""
        return f"{pool_arn(pool)} ({pool.name}), app client {client_id} ({client.name})"

    async def _client(self, client_id: str) -> AppClient | None:
        client = self._clients.get(client_id)
        if client is None:
            generation = self._generation
            client = await self._store.load_client(client_id)
            if client is not None:
                self._remember(self._clients, client_id, client, generation)
        return client

    def _remember(self, memory: dict[str, T], key: str, value: T, generation: int) -> None:
        """Unless something was changed while it was read: what we have may be of before."""
        if generation == self._generation:
            if len(memory) >= _REMEMBERED:
                memory.clear()
            memory[key] = value

    async def user(self, pool: UserPool, username: str) -> StoredUser:
        """The user of that user name or alias; for administrators, who may know that there is none.

        Raises:
            UserNotFoundException: nobody signs in with that name.
        """
        found = (await self.presented(pool, username)).found
        if found is None:
            raise user_missing()
        return found

    async def presented(self, pool: UserPool, username: str) -> PresentedName:
        """`username` as it is looked up, with its user or without."""
        key = username_form(pool, username)
        found, attempts = await self._store.load_user_and_attempts(
            pool.id, key, alias=alias_form(pool, username), alias_kinds=alias_kinds(pool)
        )
        return _presented(username, key, found, attempts)

    def presented_here(self, pool: UserPool, username: str) -> PresentedName:
        """`presented` for who is in a worker already."""
        key = username_form(pool, username)
        found, attempts = self._store.user_and_attempts_here(
            pool.id, key, alias=alias_form(pool, username), alias_kinds=alias_kinds(pool)
        )
        return _presented(username, key, found, attempts)

    # Client secrets

    def seal_client_secret(self, client_id: str, secret: Secret[str], entropy: Entropy) -> bytes:
        """The secret in the form that is kept."""
        return self._master_keys.seal(
            secret.reveal().encode(), purpose=_CLIENT_SECRET, entropy=entropy, context=client_id.encode()
        )

    def client_secrets(self, client: AppClient) -> tuple[Secret[str], ...]:
        """The client's secrets, oldest first; none for a public client."""
        context = client.client_id.encode()
        return tuple(
            Secret(self._master_keys.open(one.sealed, purpose=_CLIENT_SECRET, context=context).decode())
            for one in client.secrets
        )

    def client_secret(self, client: AppClient) -> Secret[str] | None:
        """The client's oldest secret; None for a public client."""
        secrets = self.client_secrets(client)
        return secrets[0] if secrets else None

    def client_secret_matches(self, client: AppClient, presented: str | None) -> bool:
        """Whether the client has shown its secret: one of its own if it has any, and none if it has none."""
        secrets = self.client_secrets(client)
        if not secrets or presented is None:
            return not secrets and presented is None
        matches = [secret == Secret(presented) for secret in secrets]
        return any(matches)

    def check_secret_hash(self, client: AppClient, presented: str | None, usernames: Collection[str]) -> None:
        """SECRET_HASH is HMAC-SHA256 over one of `usernames` and the client id, keyed with one of the client's secrets.

        A hash from a client that has no secret is not looked at, as on AWS (clients; UNVERIFIED): it claims nothing.

        Raises:
            NotAuthorizedException: the client has a secret, and the hash is missing or wrong.
        """
        secrets = self.client_secrets(client)
        if not secrets:
            return
        if presented is None:
            raise NotAuthorizedException(
                f"Client {client.client_id} is configured with secret but SECRET_HASH was not received"
            )
        wanted = [secret_hash(secret, name, client.client_id) for secret in secrets for name in usernames]
        matches = [hmac.compare_digest(mac.encode(), presented.encode()) for mac in wanted]
        if not any(matches):
            raise NotAuthorizedException(f"Unable to verify secret hash for client {client.client_id}")


def _presented(username: str, key: str, found: StoredUser | None, attempts: Attempts | None) -> PresentedName:
    return PresentedName(
        text=username, key=key if found is None else found.username_key, found=found, attempts=attempts
    )


def secret_hash(secret: Secret[str], username: str, client_id: str) -> str:
    """SECRET_HASH of one name."""
    mac = hmac.digest(secret.reveal().encode(), (username + client_id).encode(), "sha256")
    return base64.b64encode(mac).decode()


def pool_arn(pool: UserPool) -> str:
    return f"arn:aws:cognito-idp:{pool.region}:{pool.account_id}:userpool/{pool.id}"


def username_form(pool: UserPool, username: str) -> str:
    """The form that user names and aliases of this pool are compared and, where it ignores case, kept and told in.

    Who was kept before that was so keeps their capitals.
    Source: Cognito Developer Guide, "User pool case sensitivity": output is flattened to lower case.
    """
    return _compared(pool, username)


def alias_form(pool: UserPool, alias: str) -> str:
    """The form that aliases of this pool are compared in; of a very long one its hash, as no index takes it whole."""
    form = _compared(pool, alias)
    return form if len(form) <= _MAX_ALIAS_CHARACTERS else " " + hashlib.sha256(form.encode()).hexdigest()


def _compared(pool: UserPool, name: str) -> str:
    # PostgreSQL takes no U+0000, and nobody has one in their name (`users.naming`, `users.attributes`).
    name = name.replace("\x00", "\ufffd")
    return name if pool.case_sensitive else name.lower()


def alias_kinds(pool: UserPool) -> tuple[AliasKind, ...]:
    return (*pool.username_attributes, *pool.alias_attributes)


def aliases_of(pool: UserPool, user: User, attributes: Mapping[str, str]) -> dict[AliasKind, str]:
    """The same for somebody who is here already. A federated user has none: their provider signs them in."""
    return {} if user.is_federated else sign_in_aliases(pool, attributes)


def sign_in_aliases(pool: UserPool, attributes: Mapping[str, str]) -> dict[AliasKind, str]:
    """The names besides the user name that a user with these attributes signs in with."""
    found: dict[AliasKind, str] = {}
    for kind in alias_kinds(pool):
        value = attributes.get(kind)
        if not value:
            continue
        proven = kind in pool.username_attributes or kind == "preferred_username"
        if proven or attributes.get(f"{kind}_verified") == "true":
            found[kind] = alias_form(pool, value)
    return found

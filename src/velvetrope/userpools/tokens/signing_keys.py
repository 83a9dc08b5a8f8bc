"""The RSA keys of each pool: one signs its ID tokens, another its access tokens.

Private halves are sealed under the master keys with the pool's id and the `kid` as context. Opened keys are remembered
until the keys of a pool are rotated.

A rotation makes two new keys. They are published at once and sign an hour later, when whoever keeps a copy of the JWKS
has had the time to read it again; the ones before verify for a day longer, which is as long as any token lives. After a
private key got into wrong hands there is no overlap (`at_once`): the new ones sign now, and what the old ones signed is
refused from now on. AWS rotates keys itself and has no operation for it.

Source: Cognito Developer Guide, "Verifying a JSON Web Token" (two keys in every JWKS).
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from velvetrope.clock import Clock, Entropy
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.store import ChangeFeed
from velvetrope.store.tables.userpools import KEYS_TOPIC, PoolSigningKey, UserPoolStore
from velvetrope.tokens import KeySet, SigningKey, generate_signing_key
from velvetrope.userpools.workers import Workers

__all__ = ["LONGEST_TOKEN", "PUBLISHED_AHEAD", "PoolKeys", "SigningPair"]

_PURPOSE = "userpools.signing-key"
_REMEMBERED_POOLS = 1000
_ALWAYS = datetime.min.replace(tzinfo=UTC)
_FOREVER = datetime.max.replace(tzinfo=UTC)

PUBLISHED_AHEAD = timedelta(hours=1)
"""How long new keys are published before they sign. A verifier that reads the JWKS once an hour has them in time."""
LONGEST_TOKEN = timedelta(days=1)
"""The longest validity of ID and access tokens (user-pools reference section 4)."""


class SigningPair(msgspec.Struct, frozen=True):
    """A pool's keys, opened."""

    id_key: SigningKey
    access_key: SigningKey


@dataclass(frozen=True, slots=True)
class _Opened:
    """A key, and when it signs and verifies."""

    key: SigningKey
    token_use: Literal["id", "access"]
    signs_from: datetime
    verifies_until: datetime


class PoolKeys:
    """Makes, opens and publishes signing keys."""

    def __init__(
        self,
        store: UserPoolStore,
        master_keys: MasterKeys,
        entropy: Entropy,
        workers: Workers,
        clock: Clock,
        changes: ChangeFeed,
    ) -> None:
        self._store = store
        self._master_keys = master_keys
        self._entropy = entropy
        self._workers = workers
        self._clock = clock
        self._kept: dict[str, tuple[_Opened, ...]] = {}
        self._generation = 0
        changes.subscribe(KEYS_TOPIC, self._changed)

    async def generate(self, user_pool_id: str, *, signs_from: datetime | None = None) -> list[PoolSigningKey]:
        """Two new keys in the form that is kept, made side by side: each takes 20 to 200 ms of one processor."""
        id_key, access_key = await asyncio.gather(
            self._workers.run(generate_signing_key), self._workers.run(generate_signing_key)
        )
        return [
            self._sealed(user_pool_id, id_key, "id", signs_from),
            self._sealed(user_pool_id, access_key, "access", signs_from),
        ]

    async def rotate(self, user_pool_id: str, *, at_once: bool) -> list[str] | None:
        """Replace the pool's keys; the new ones' ids, or None where there is no such pool. See the module."""
        now = self._clock.now()
        signs_from = now if at_once else now + PUBLISHED_AHEAD
        made = await self.generate(user_pool_id, signs_from=signs_from)
        verifies_until = now if at_once else signs_from + LONGEST_TOKEN
        if not await self._store.replace_keys(user_pool_id, made, now=now, verifies_until=verifies_until):
            return None
        return [key.kid for key in made]

    def _sealed(
        self, user_pool_id: str, key: SigningKey, token_use: Literal["id", "access"], signs_from: datetime | None
    ) -> PoolSigningKey:
        return PoolSigningKey(
            kid=key.kid,
            token_use=token_use,
            private_key_sealed=self._master_keys.seal(
                key.to_der().reveal(), purpose=_PURPOSE, entropy=self._entropy, context=_context(user_pool_id, key.kid)
            ),
            public_key_der=key.public.to_der(),
            signs_from=signs_from,
        )

    async def signing_pair(self, user_pool_id: str) -> SigningPair:
        """The keys that sign now: of each kind the one that began last.

        Raises:
            LookupError: there is no such pool.
            SealBroken: the keys were not sealed by our master keys for this pool.
        """
        now = self._clock.now()
        keys = await self._load(user_pool_id)
        signing = {key.token_use: key.key for key in keys if key.signs_from <= now < key.verifies_until}
        return SigningPair(id_key=signing["id"], access_key=signing["access"])

    async def key_set(self, user_pool_id: str) -> KeySet:
        """The public keys, ID keys first; none for a pool that is not there."""
        now = self._clock.now()
        standing = [key for key in await self._load(user_pool_id) if now < key.verifies_until]
        return KeySet.of(key.key for key in sorted(standing, key=lambda key: key.token_use, reverse=True))

    async def _load(self, user_pool_id: str) -> tuple["_Opened", ...]:
        """All keys of the pool, those that begin to sign first before the others."""
        known = self._kept.get(user_pool_id)
        if known is not None:
            return known
        while True:
            generation = self._generation
            opened = [self._open(user_pool_id, key) for key in await self._store.load_keys(user_pool_id)]
            if generation == self._generation:
                break
            # Rotated while we read; what we have may be of before.
        known = tuple(sorted(opened, key=lambda key: key.signs_from))
        if known:
            if len(self._kept) >= _REMEMBERED_POOLS:
                self._kept.clear()
            self._kept[user_pool_id] = known
        return known

    def _open(self, user_pool_id: str, kept: PoolSigningKey) -> "_Opened":
        der = self._master_keys.open(
            kept.private_key_sealed, purpose=_PURPOSE, context=_context(user_pool_id, kept.kid)
        )
        return _Opened(
            key=SigningKey.from_der(Secret(der)),
            token_use=kept.token_use,
            signs_from=kept.signs_from or _ALWAYS,
            verifies_until=kept.verifies_until or _FOREVER,
        )

    def _changed(self) -> None:
        self._generation += 1
        self._kept.clear()


def _context(user_pool_id: str, kid: str) -> bytes:
    return f"{user_pool_id}|{kid}".encode()

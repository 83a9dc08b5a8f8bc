"""The two RSA keys of each pool: one signs its ID tokens, the other its access tokens.

Private halves are sealed under the master keys with the pool's id and the `kid` as context. Opened keys are remembered,
since they never change: a pool's id is random and is not given again after the pool is gone.

Source: Cognito Developer Guide, "Verifying a JSON Web Token" (two keys in every JWKS).
"""

import asyncio
from dataclasses import dataclass
from typing import Literal, TypeVar

from velvetrope.clock import Entropy
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import PoolSigningKey, UserPoolStore
from velvetrope.tokens import KeySet, PublicKey, SigningKey, generate_signing_key
from velvetrope.userpools.workers import Workers

__all__ = ["PoolKeys", "SigningPair"]

_PURPOSE = "userpools.signing-key"
_REMEMBERED_POOLS = 1000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SigningPair:
    """A pool's keys, opened."""

    id_key: SigningKey
    access_key: SigningKey


class PoolKeys:
    """Makes, opens and publishes signing keys."""

    def __init__(self, store: UserPoolStore, master_keys: MasterKeys, entropy: Entropy, workers: Workers) -> None:
        self._store = store
        self._master_keys = master_keys
        self._entropy = entropy
        self._workers = workers
        self._opened: dict[str, SigningPair] = {}
        self._public: dict[str, KeySet] = {}

    async def generate(self, user_pool_id: str) -> list[PoolSigningKey]:
        """Two new keys in the form that is kept, made side by side: each takes 20 to 200 ms of one processor."""
        id_key, access_key = await asyncio.gather(
            self._workers.run(generate_signing_key), self._workers.run(generate_signing_key)
        )
        return [self._sealed(user_pool_id, id_key, "id"), self._sealed(user_pool_id, access_key, "access")]

    def _sealed(self, user_pool_id: str, key: SigningKey, token_use: Literal["id", "access"]) -> PoolSigningKey:
        return PoolSigningKey(
            kid=key.kid,
            token_use=token_use,
            private_key_sealed=self._master_keys.seal(
                key.to_der().reveal(), purpose=_PURPOSE, entropy=self._entropy, context=_context(user_pool_id, key.kid)
            ),
            public_key_der=key.public.to_der(),
        )

    async def signing_pair(self, user_pool_id: str) -> SigningPair:
        """The keys that sign.

        Raises:
            LookupError: there is no such pool.
            SealBroken: the keys were not sealed by our master keys for this pool.
        """
        pair = self._opened.get(user_pool_id)
        if pair is None:
            kept = {key.token_use: self._open(user_pool_id, key) for key in await self._store.load_keys(user_pool_id)}
            pair = SigningPair(id_key=kept["id"], access_key=kept["access"])
            _remember(self._opened, user_pool_id, pair)
        return pair

    def _open(self, user_pool_id: str, kept: PoolSigningKey) -> SigningKey:
        der = self._master_keys.open(
            kept.private_key_sealed, purpose=_PURPOSE, context=_context(user_pool_id, kept.kid)
        )
        return SigningKey.from_der(Secret(der))

    async def key_set(self, user_pool_id: str) -> KeySet:
        """The public keys, ID key first; none for a pool that is not there."""
        known = self._public.get(user_pool_id)
        if known is None:
            kept = sorted(await self._store.load_keys(user_pool_id), key=lambda key: key.token_use, reverse=True)
            known = KeySet.of(PublicKey.from_der(key.public_key_der) for key in kept)
            if kept:
                _remember(self._public, user_pool_id, known)
        return known


def _context(user_pool_id: str, kid: str) -> bytes:
    return f"{user_pool_id}|{kid}".encode()


def _remember(memory: dict[str, T], user_pool_id: str, value: T) -> None:
    if len(memory) >= _REMEMBERED_POOLS:
        memory.clear()
    memory[user_pool_id] = value

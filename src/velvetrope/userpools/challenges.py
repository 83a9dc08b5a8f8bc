"""Challenges carry their own state: sealed, so that we keep nothing until one has been answered.

A secret block is the state of one SRP exchange, a session that of a sign-in which waits for a new password. Both name
the pool and client they belong to, an id under which they are spent (`SignInStore.spend_challenge`) and their end.
Clients send them back as they got them: the secret block in base64, the session in base64url.

How long a secret block can be answered is UNVERIFIED on AWS ("a few seconds", the model says); we allow 60. A session
lasts for the client's AuthSessionValidity.
"""

import base64
import binascii
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from velvetrope.clock import Entropy
from velvetrope.sealing import MasterKeys, SealBroken
from velvetrope.store.tables.userpools import AppClient, UserPool

__all__ = ["SECRET_BLOCK_LIFETIME", "ChallengeSealer", "NewPasswordSession", "SecretBlock"]

SECRET_BLOCK_LIFETIME = timedelta(seconds=60)
_ID_BYTES = 16
_MAX_TEXT = 8192


class SecretBlock(msgspec.Struct, frozen=True, kw_only=True):
    """One SRP exchange between our challenge and the client's proof."""

    id: str
    expires_at: datetime
    username: str
    """As the client presented it."""
    username_key: str
    user_id_for_srp: str
    client_public_value: bytes
    private_value: bytes


class NewPasswordSession(msgspec.Struct, frozen=True, kw_only=True):
    """A good temporary password was shown; a new one is owed."""

    id: str
    expires_at: datetime
    username_key: str
    sub: str


S = TypeVar("S", SecretBlock, NewPasswordSession)


class ChallengeSealer:
    """Seals and opens challenges of one pool and client."""

    def __init__(self, master_keys: MasterKeys, entropy: Entropy) -> None:
        self._master_keys = master_keys
        self._entropy = entropy

    def new_id(self) -> str:
        return self._entropy.token_bytes(_ID_BYTES).hex()

    def seal(self, challenge: SecretBlock | NewPasswordSession, *, pool: UserPool, client: AppClient) -> bytes:
        return self._master_keys.seal(
            msgspec.msgpack.encode(challenge),
            purpose=_purpose(type(challenge)),
            entropy=self._entropy,
            context=_context(pool, client),
        )

    def open(self, sealed: bytes, kind: type[S], *, pool: UserPool, client: AppClient) -> S | None:
        """What we sealed for this pool and client, old or not; None for anything else."""
        try:
            opened = self._master_keys.open(sealed, purpose=_purpose(kind), context=_context(pool, client))
        except SealBroken:
            return None
        return msgspec.msgpack.decode(opened, type=kind)


def decode_base64(text: str) -> bytes | None:
    """Standard base64, strictly; None for anything else."""
    try:
        return base64.b64decode(text, validate=True) if len(text) <= _MAX_TEXT else None
    except (binascii.Error, ValueError):
        return None


def decode_session(text: str) -> bytes | None:
    """base64url without padding; None for anything else."""
    return decode_base64(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))


def encode_session(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _purpose(kind: type[SecretBlock | NewPasswordSession]) -> str:
    return "userpools.secret-block" if kind is SecretBlock else "userpools.session"


def _context(pool: UserPool, client: AppClient) -> bytes:
    return f"{pool.id}|{client.client_id}".encode()

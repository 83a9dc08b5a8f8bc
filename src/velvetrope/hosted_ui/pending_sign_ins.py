"""Sign-ins that wait for another answer: what is remembered from one page to the next, and by whom it can be read.

A browser that has shown a password and owes a code holds a random id, new after every step. Under its hash the store
keeps how far the sign-in has come, sealed with a key derived from the id itself: a stolen database opens none of them,
and no challenge session is ever in a URL, a page, a log or a Referer.

What is kept belongs to one pool, one client and one authorization request, and says so. A browser goes through one
sign-in at a time; the next one begun takes the place of the last.
"""

import hmac
from datetime import datetime
from hashlib import sha256

import msgspec

from velvetrope.base64url import decode_base64url, encode_base64url
from velvetrope.clock import Entropy
from velvetrope.oauth import MalformedRequest, Parameters
from velvetrope.sealing import MasterKeys, SealBroken
from velvetrope.secret import Secret
from velvetrope.store.tables.hosted_ui import HostedUiStore

__all__ = ["PendingSignIn", "PendingSignIns", "request_hash"]

_ID_BYTES = 32
_PURPOSE = "hosted_ui.pending-sign-in"
_KEY_ID = b"held"
_OF_THE_PAGE = frozenset({"lang"})
"""Parameters that are about how a page looks, and not about what is asked for."""


class PendingSignIn(msgspec.Struct, frozen=True, kw_only=True):
    """How far a sign-in has come, and what it waits for."""

    user_pool_id: str
    client_id: str
    request_hash: str
    """Of the authorization request that it will end in (`request_hash`)."""
    username: str
    """As it was typed."""
    challenge: str
    """AWS's name of what is to be answered: SOFTWARE_TOKEN_MFA, NEW_PASSWORD_REQUIRED …"""
    parameters: dict[str, str]
    """What a page needs to ask: masked destinations, choices, a new authenticator app's secret."""
    session: str
    """The challenge session of the user pool."""
    expires_at: datetime


class PendingSignIns:
    """Keeps half-done sign-ins for the browsers that hold their ids."""

    def __init__(self, store: HostedUiStore, entropy: Entropy) -> None:
        self._store = store
        self._entropy = entropy

    async def keep(self, pending: PendingSignIn, *, earlier: Secret[str] | None, now: datetime) -> Secret[str]:
        """A new id for the browser to hold; what it held before (`earlier`) is forgotten."""
        key = self._entropy.token_bytes(_ID_BYTES)
        sealed = _keys(key).seal(
            msgspec.msgpack.encode(pending),
            purpose=_PURPOSE,
            entropy=self._entropy,
            context=pending.user_pool_id.encode(),
        )
        await self._store.replace_pending_sign_in(
            _hash(key),
            sealed,
            user_pool_id=pending.user_pool_id,
            expires_at=pending.expires_at,
            earlier_hash=None if earlier is None else _hash(_key(earlier)),
            now=now,
        )
        return Secret(encode_base64url(key))

    async def find(self, user_pool_id: str, held: Secret[str] | None, *, now: datetime) -> PendingSignIn | None:
        """What waits under the id that a browser presents."""
        key = b"" if held is None else _key(held)
        if not key:
            return None
        sealed = await self._store.load_pending_sign_in(_hash(key), user_pool_id=user_pool_id, now=now)
        if sealed is None:
            return None
        try:
            opened = _keys(key).open(sealed, purpose=_PURPOSE, context=user_pool_id.encode())
            return msgspec.msgpack.decode(opened, type=PendingSignIn)
        except (SealBroken, msgspec.ValidationError):
            return None  # moved to another row, or kept by another version of us: good for nothing

    async def end(self, user_pool_id: str, held: Secret[str] | None) -> None:
        """Forget it."""
        if held is not None:
            await self._store.end_pending_sign_in(_hash(_key(held)), user_pool_id=user_pool_id)


def request_hash(query: str) -> str:
    """What tells one authorization request from another: every parameter but those that only dress the page."""
    try:
        pairs = [pair for pair in Parameters.parse(query).pairs if pair[0] not in _OF_THE_PAGE]
    except MalformedRequest:
        pairs = []
    return sha256(Parameters(tuple(pairs)).render().encode()).hexdigest()


def is_about(pending: PendingSignIn, *, client_id: str, query: str) -> bool:
    """Whether it is a sign-in for this client and this request."""
    same = hmac.compare_digest(pending.request_hash, request_hash(query))
    return same and pending.client_id == client_id


def _key(held: Secret[str]) -> bytes:
    """The id's bytes; empty for a text that is no id of ours, which no row belongs to."""
    text = held.reveal()
    try:
        key = decode_base64url(text)
    except ValueError:
        return b""
    return key if len(key) == _ID_BYTES else b""


def _keys(key: bytes) -> MasterKeys:
    return MasterKeys(current=_KEY_ID, keys={_KEY_ID: Secret(key)})


def _hash(key: bytes) -> str:
    return sha256(_PURPOSE.encode() + key).hexdigest()

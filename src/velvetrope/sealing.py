"""Master keys: encrypt what must come back out, derive what need not be kept.

A `MasterKeys` holds one current key and any number of former ones, each with an id. Sealed data carries the id of its
key, so a rotation makes a new current key and old data still opens. Every use names a `purpose`; keys for different
purposes are independent (HKDF-SHA256, RFC 5869), so a session token cannot be passed off as a stored private key.

Sealed form: key id (4 bytes) | nonce (12) | AES-256-GCM ciphertext and tag. The purpose and the optional `context`
(what the data belongs to, such as a row's id) are authenticated too: sealed data moved to another row does not open.

Where the keys are kept is not known here: `server` loads them from the state folder, never from the database.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from velvetrope.clock import Entropy
from velvetrope.errors import ReasonError
from velvetrope.secret import Secret

__all__ = ["TAG_BYTES", "MasterKeys", "SealBroken"]

TAG_BYTES = 16
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12


class SealBroken(ReasonError):
    """The data was not sealed by these keys for this purpose and context, or was changed since."""


@dataclass(frozen=True)
class MasterKeys:
    """Keys of 32 bytes by their ids of 4; `current` is the id that seals."""

    current: bytes
    keys: Mapping[bytes, Secret[bytes]]
    _derived: dict[tuple[bytes, str], bytes] = field(default_factory=dict, repr=False, compare=False)
    _ciphers: dict[tuple[bytes, str], AESGCM] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.current not in self.keys:
            raise ValueError("the current master key is not among the keys")
        for key_id, key in self.keys.items():
            if len(key_id) != _KEY_ID_BYTES or len(key.reveal()) != 32:
                raise ValueError("a master key is 32 bytes with an id of 4")

    @classmethod
    def generate(cls, entropy: Entropy) -> "MasterKeys":
        """One new key."""
        key_id = entropy.token_bytes(_KEY_ID_BYTES)
        return cls(current=key_id, keys={key_id: Secret(entropy.token_bytes(32))})

    def rotated(self, entropy: Entropy) -> "MasterKeys":
        """The same keys with a new current one."""
        key_id = entropy.token_bytes(_KEY_ID_BYTES)
        return MasterKeys(current=key_id, keys={**self.keys, key_id: Secret(entropy.token_bytes(32))})

    def seal(self, plaintext: bytes, *, purpose: str, entropy: Entropy, context: bytes = b"") -> bytes:
        """`plaintext`, encrypted and authenticated under the current key."""
        nonce = entropy.token_bytes(_NONCE_BYTES)
        aead = self._cipher(self.current, purpose)
        return self.current + nonce + aead.encrypt(nonce, plaintext, context)

    def open(self, sealed: bytes, *, purpose: str, context: bytes = b"") -> bytes:
        """What was sealed.

        Raises:
            SealBroken: unknown key id, another purpose or context, or any changed byte.
        """
        key_id, rest = sealed[:_KEY_ID_BYTES], sealed[_KEY_ID_BYTES:]
        if key_id not in self.keys or len(rest) < _NONCE_BYTES + TAG_BYTES:
            raise SealBroken("the data was not sealed by these keys")
        aead = self._cipher(key_id, purpose)
        try:
            return aead.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], context)
        except InvalidTag:
            raise SealBroken("the sealed data was changed, or belongs elsewhere") from None

    def knows(self, sealed: bytes) -> bool:
        """Whether the data says that one of these keys has sealed it. That it is so, only `open` proves."""
        return sealed[:_KEY_ID_BYTES] in self.keys

    def derive(self, *, purpose: str, info: bytes, key_id: bytes | None = None) -> bytes:
        """32 bytes that belong to (`purpose`, `info`) under one key (the current one unless told).

        Raises:
            SealBroken: `key_id` is not one of ours.
        """
        chosen = self.current if key_id is None else key_id
        if chosen not in self.keys:
            raise SealBroken("the data was not sealed by these keys")
        return hmac.digest(self._purpose_key(chosen, purpose), info, sha256)

    def _cipher(self, key_id: bytes, purpose: str) -> AESGCM:
        known = self._ciphers.get((key_id, purpose))
        if known is None:
            known = self._ciphers[key_id, purpose] = AESGCM(self._purpose_key(key_id, purpose))
        return known

    def _purpose_key(self, key_id: bytes, purpose: str) -> bytes:
        # HKDF-SHA256 (RFC 5869 section 2) with the key id as salt and one block of output. Kept, since sessions are
        # opened on the request lane.
        cached = self._derived.get((key_id, purpose))
        if cached is None:
            extracted = hmac.digest(key_id, self.keys[key_id].reveal(), sha256)
            cached = hmac.digest(extracted, purpose.encode() + b"\x01", sha256)
            self._derived[key_id, purpose] = cached
        return cached

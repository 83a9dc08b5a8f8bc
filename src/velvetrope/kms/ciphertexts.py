"""Ciphertexts of a key: which key made one can be read off it, and nothing else without that key.

A ciphertext is `01 | key id (16) | salt (16) | nonce (12) | AES-256-GCM ciphertext and tag`. Each has a key of its own,
HKDF-SHA256 of the key's material with the salt, so that there is no number of them after which a nonce could repeat.
The key's ARN and the encryption context are authenticated. AWS documents no form; its ciphertexts are longer.

Source: AWS KMS Cryptographic Details, "Symmetric key encryption" (a derived key for each ciphertext); NIST SP 800-38D,
section 8.3; RFC 5869.
"""

from collections.abc import Mapping
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from velvetrope.clock import Entropy
from velvetrope.errors import ReasonError
from velvetrope.secret import Secret

__all__ = ["UnreadableCiphertext", "decrypt", "encrypt", "key_id_of"]

_FORM = b"\x01"
_ID_BYTES, _SALT_BYTES, _NONCE_BYTES, _TAG_BYTES = 16, 16, 12, 16
_HEAD_BYTES = len(_FORM) + _ID_BYTES
_BODY_AT = _HEAD_BYTES + _SALT_BYTES + _NONCE_BYTES
_PURPOSE = b"velvetrope.kms.ciphertext"


class UnreadableCiphertext(ReasonError):
    """Not a ciphertext of ours, of this key, or under this encryption context."""


def encrypt(
    plaintext: bytes, *, material: Secret[bytes], key_arn: str, context: Mapping[str, str], entropy: Entropy
) -> bytes:
    """The ciphertext of `plaintext` under the key with that material and ARN."""
    key_id = UUID(key_arn.rpartition("/")[2]).bytes
    salt, nonce = entropy.token_bytes(_SALT_BYTES), entropy.token_bytes(_NONCE_BYTES)
    body = AESGCM(_message_key(material, salt)).encrypt(nonce, plaintext, _bound_to(key_arn, context))
    return _FORM + key_id + salt + nonce + body


def key_id_of(ciphertext: bytes) -> str:
    """The id of the key that `ciphertext` says it is of. Anybody can write that.

    Raises:
        UnreadableCiphertext: it says none.
    """
    if not ciphertext.startswith(_FORM) or len(ciphertext) < _BODY_AT + _TAG_BYTES:
        raise UnreadableCiphertext("this is no ciphertext of a key of this server")
    return str(UUID(bytes=ciphertext[len(_FORM) : _HEAD_BYTES]))


def decrypt(ciphertext: bytes, *, material: Secret[bytes], key_arn: str, context: Mapping[str, str]) -> bytes:
    """What was encrypted.

    Raises:
        UnreadableCiphertext: another key's, another context, or any byte of it was changed.
    """
    if key_id_of(ciphertext) != key_arn.rpartition("/")[2]:
        raise UnreadableCiphertext("this is another key's ciphertext")
    salt, nonce = ciphertext[_HEAD_BYTES : _BODY_AT - _NONCE_BYTES], ciphertext[_BODY_AT - _NONCE_BYTES : _BODY_AT]
    try:
        return AESGCM(_message_key(material, salt)).decrypt(nonce, ciphertext[_BODY_AT:], _bound_to(key_arn, context))
    except InvalidTag:
        raise UnreadableCiphertext("the ciphertext or its encryption context was changed") from None


def _message_key(material: Secret[bytes], salt: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=salt, info=_PURPOSE).derive(material.reveal())


def _bound_to(key_arn: str, context: Mapping[str, str]) -> bytes:
    """Key and context as bytes, so that no two of them are alike. The order of the context's pairs does not matter."""
    pairs = sorted((key.encode(), value.encode()) for key, value in context.items())
    parts = [_FORM, key_arn.encode(), *(part for pair in pairs for part in pair)]
    return b"".join(len(part).to_bytes(4) + part for part in parts)

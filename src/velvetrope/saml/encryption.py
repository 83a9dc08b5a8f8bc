"""Encrypted assertions: the key that was wrapped for us, and what it opens.

The content key is wrapped with RSA-OAEP; content is AES in GCM or CBC mode. RSA with PKCS #1 v1.5 is refused: whoever
may try many ciphertexts learns the key from the answers (Bleichenbacher). CBC has no authentication of its own, and an
answer that tells bad padding from bad XML opens it byte by byte (Jager and Somorovsky, "How to Break XML Encryption",
2011). Most identity providers still use it, so it is taken, and everything that can go wrong from the wrapped key to
the signature inside is one and the same finding (see `responses`).

SHA-1 may stand in OAEP: there it mixes, and does not have to resist collisions (RFC 8017 section 7.1).

Sources: XML Encryption 1.1 sections 5.2, 5.5; saml-core-2.0-os section 6.
"""

import base64
from collections.abc import Callable, Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from velvetrope.saml.documents import (
    ENCRYPTION,
    ENCRYPTION_11,
    SIGNATURE,
    Element,
    child_of,
    children_of,
    text_of,
)
from velvetrope.saml.errors import AssertionNotDecryptable

__all__ = ["decrypt_assertion", "not_decryptable"]

_OAEP_MGF1P: Final = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
_OAEP: Final = "http://www.w3.org/2009/xmlenc11#rsa-oaep"
_GCM_KEY_BYTES: Final = {f"http://www.w3.org/2009/xmlenc11#aes{bits}-gcm": bits // 8 for bits in (128, 192, 256)}
_CBC_KEY_BYTES: Final = {f"http://www.w3.org/2001/04/xmlenc#aes{bits}-cbc": bits // 8 for bits in (128, 192, 256)}
_DIGESTS: Final[dict[str, Callable[[], hashes.HashAlgorithm]]] = {
    "http://www.w3.org/2000/09/xmldsig#sha1": hashes.SHA1,
    "http://www.w3.org/2001/04/xmlenc#sha256": hashes.SHA256,
    "http://www.w3.org/2001/04/xmldsig-more#sha384": hashes.SHA384,
    "http://www.w3.org/2001/04/xmlenc#sha512": hashes.SHA512,
}
_MASKS: Final[dict[str, Callable[[], hashes.HashAlgorithm]]] = {
    "http://www.w3.org/2009/xmlenc11#mgf1sha1": hashes.SHA1,
    "http://www.w3.org/2009/xmlenc11#mgf1sha256": hashes.SHA256,
    "http://www.w3.org/2009/xmlenc11#mgf1sha384": hashes.SHA384,
    "http://www.w3.org/2009/xmlenc11#mgf1sha512": hashes.SHA512,
}
_UNNAMED: Final[Callable[[], hashes.HashAlgorithm]] = hashes.SHA1
"""What OAEP takes where the document names nothing (XML Encryption 1.1 section 5.5.2)."""
_ELEMENT: Final = "http://www.w3.org/2001/04/xmlenc#Element"
_BLOCK_BYTES, _NONCE_BYTES, _TAG_BYTES = 16, 12, 16
_MAX_WRAPPED_KEYS: Final = 8
"""One for each who may read: each is a computation with our private key, and nobody has signed them."""


def not_decryptable(detail: str) -> AssertionNotDecryptable:
    """The one finding about encryption. `detail` is for the owner."""
    return AssertionNotDecryptable("The assertion cannot be decrypted", detail=detail)


def decrypt_assertion(encrypted: Element, keys: Sequence[rsa.RSAPrivateKey]) -> bytes:
    """The XML text inside an `EncryptedAssertion`. Nobody has vouched for it yet.

    Raises:
        AssertionNotDecryptable: none of `keys` opens it, or it is encrypted in a way that is not taken.
        MalformedDocument: an element is there twice.
    """
    data = child_of(encrypted, f"{ENCRYPTION}EncryptedData")
    if data is None or data.get("Type", _ELEMENT) != _ELEMENT:
        raise not_decryptable("there is no encrypted element")
    algorithm = _algorithm_of(data)
    length = _GCM_KEY_BYTES.get(algorithm) or _CBC_KEY_BYTES.get(algorithm)
    if length is None:
        raise not_decryptable(f"content encryption by {algorithm or 'an unnamed algorithm'} is not taken")
    wrapped = _encrypted_keys(encrypted, data)
    if not 1 <= len(wrapped) <= _MAX_WRAPPED_KEYS:
        raise not_decryptable(f"there are {len(wrapped)} encrypted keys")
    ciphertext = _cipher_value(data)
    for found in wrapped:
        for key in keys:
            content_key = _unwrap(found, key)
            if content_key is not None and len(content_key) == length:
                return _decrypt(ciphertext, content_key, is_gcm=algorithm in _GCM_KEY_BYTES)
    raise not_decryptable("no key of ours unwraps the content key")


def _encrypted_keys(encrypted: Element, data: Element) -> list[Element]:
    """The wrapped keys: within the data's `KeyInfo`, or beside it as SAML also has them (section 6.2)."""
    inside = child_of(data, f"{SIGNATURE}KeyInfo")
    found = [] if inside is None else children_of(inside, f"{ENCRYPTION}EncryptedKey")
    return [*found, *children_of(encrypted, f"{ENCRYPTION}EncryptedKey")]


def _algorithm_of(element: Element) -> str:
    method = child_of(element, f"{ENCRYPTION}EncryptionMethod")
    return "" if method is None else str(method.get("Algorithm", ""))


def _cipher_value(element: Element) -> bytes:
    data = child_of(element, f"{ENCRYPTION}CipherData")
    value = None if data is None else child_of(data, f"{ENCRYPTION}CipherValue")
    if value is None:
        raise not_decryptable("a cipher value is not in the document itself")
    try:
        return base64.b64decode("".join(text_of(value).split()), validate=True)
    except ValueError:  # of which binascii.Error is one; what is not ASCII is another
        raise not_decryptable("a cipher value is not base64") from None


def _unwrap(wrapped: Element, key: rsa.RSAPrivateKey) -> bytes | None:
    algorithm = _algorithm_of(wrapped)
    if algorithm not in {_OAEP_MGF1P, _OAEP}:
        raise not_decryptable(f"key transport by {algorithm or 'an unnamed algorithm'} is not taken; RSA-OAEP is")
    method = child_of(wrapped, f"{ENCRYPTION}EncryptionMethod")
    digest = child_of(method, f"{SIGNATURE}DigestMethod")
    mask = child_of(method, f"{ENCRYPTION_11}MGF") if algorithm == _OAEP else None
    parameters = child_of(method, f"{ENCRYPTION}OAEPparams")
    try:
        scheme = padding.OAEP(
            mgf=padding.MGF1(_UNNAMED() if mask is None else _MASKS[mask.get("Algorithm")]()),
            algorithm=_UNNAMED() if digest is None else _DIGESTS[digest.get("Algorithm")](),
            label=None if parameters is None else base64.b64decode(text_of(parameters), validate=True),
        )
    except (KeyError, ValueError):
        raise not_decryptable("the parameters of RSA-OAEP are not understood") from None
    try:
        return key.decrypt(_cipher_value(wrapped), scheme)
    except ValueError:
        return None


def _decrypt(ciphertext: bytes, key: bytes, *, is_gcm: bool) -> bytes:
    if is_gcm:
        if len(ciphertext) < _NONCE_BYTES + _TAG_BYTES:
            raise not_decryptable("the cipher value is too short")
        try:
            return AESGCM(key).decrypt(ciphertext[:_NONCE_BYTES], ciphertext[_NONCE_BYTES:], None)
        except InvalidTag:
            raise not_decryptable("the content was changed") from None
    if len(ciphertext) < 2 * _BLOCK_BYTES or len(ciphertext) % _BLOCK_BYTES:
        raise not_decryptable("the cipher value is no whole number of blocks")
    decryptor = Cipher(AES(key), CBC(ciphertext[:_BLOCK_BYTES])).decryptor()
    padded = decryptor.update(ciphertext[_BLOCK_BYTES:]) + decryptor.finalize()
    # XML Encryption 1.1 section 5.2.1: the last byte says how many were added, the others are arbitrary.
    if not 1 <= padded[-1] <= _BLOCK_BYTES:
        raise not_decryptable("the padding is wrong")
    return padded[: -padded[-1]]

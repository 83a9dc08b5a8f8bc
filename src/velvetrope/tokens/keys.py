"""RSA keys that sign tokens, and the set of public ones that verifies them.

A key's id is the RFC 7638 thumbprint of its public half in standard base64, 44 characters that end in `=`, the shape
AWS gives its `kid`. The algorithm is a property of the key (RS256, the only one user pools use) and is never read from
a token. Private keys leave this room as PKCS #8 DER inside a `Secret`; sealing them is the caller's duty.

Sources: RFC 7517, RFC 7518 section 6.3, RFC 7638.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from velvetrope.base64url import encode_base64url
from velvetrope.secret import Secret

__all__ = ["KeySet", "PublicKey", "SigningKey", "generate_signing_key", "render_jwks"]

_RSA_BITS = 2048
_RSA_EXPONENT = 65537
_PADDING = padding.PKCS1v15()
_HASH = hashes.SHA256()


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One RSA public key under its id."""

    algorithm: ClassVar[str] = "RS256"

    kid: str
    rsa_key: rsa.RSAPublicKey

    @classmethod
    def from_der(cls, der: bytes) -> "PublicKey":
        """The key of a SubjectPublicKeyInfo that we wrote ourselves."""
        loaded = load_der_public_key(der)
        if not isinstance(loaded, rsa.RSAPublicKey):
            raise TypeError("the stored public key is not an RSA key")
        return cls(kid=thumbprint(loaded), rsa_key=loaded)

    def to_der(self) -> bytes:
        """SubjectPublicKeyInfo."""
        return self.rsa_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def verify(self, signature: bytes, signed: bytes) -> bool:
        """Whether `signature` is this key's RSASSA-PKCS1-v1_5 with SHA-256 over `signed` (RFC 7518 section 3.3)."""
        try:
            self.rsa_key.verify(signature, signed, _PADDING, _HASH)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One RSA key pair. The private half hides in `repr`."""

    public: PublicKey
    _private: rsa.RSAPrivateKey = field(repr=False)

    @classmethod
    def from_der(cls, der: Secret[bytes]) -> "SigningKey":
        """The key of a PKCS #8 DER that we wrote ourselves and that was kept sealed."""
        # The numbers were checked when the key was made and the seal proves them unchanged; checking again costs 40 ms.
        loaded = load_der_private_key(der.reveal(), password=None, unsafe_skip_rsa_key_validation=True)
        if not isinstance(loaded, rsa.RSAPrivateKey):
            raise TypeError("the stored signing key is not an RSA key")
        return cls.of(loaded)

    @classmethod
    def of(cls, private: rsa.RSAPrivateKey) -> "SigningKey":
        public = private.public_key()
        return cls(public=PublicKey(kid=thumbprint(public), rsa_key=public), _private=private)

    @property
    def kid(self) -> str:
        return self.public.kid

    def to_der(self) -> Secret[bytes]:
        """PKCS #8, not encrypted."""
        return Secret(self._private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))

    def sign(self, message: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 with SHA-256."""
        return self._private.sign(message, _PADDING, _HASH)


@dataclass(frozen=True, slots=True)
class KeySet:
    """Public keys by their ids."""

    keys: Mapping[str, PublicKey]

    @classmethod
    def of(cls, keys: Iterable[SigningKey | PublicKey]) -> "KeySet":
        publics = [key.public if isinstance(key, SigningKey) else key for key in keys]
        return cls(MappingProxyType({key.kid: key for key in publics}))

    def find(self, kid: str) -> PublicKey | None:
        return self.keys.get(kid)


def generate_signing_key() -> SigningKey:
    """A new RSA key of 2048 bits. Takes 20 to 200 ms and releases the GIL; randomness is OpenSSL's own."""
    return SigningKey.of(rsa.generate_private_key(public_exponent=_RSA_EXPONENT, key_size=_RSA_BITS))


def render_jwks(keys: KeySet) -> dict[str, list[dict[str, str]]]:
    """The key set as AWS publishes it: members `alg`, `e`, `kid`, `kty`, `n`, `use`; no private part."""
    return {"keys": [{**_public_members(key.rsa_key), **_described(key)} for key in keys.keys.values()]}


def thumbprint(key: rsa.RSAPublicKey) -> str:
    """RFC 7638 section 3: SHA-256 of the required members in lexicographic order; here in standard base64."""
    canonical = json.dumps(_public_members(key), sort_keys=True, separators=(",", ":"))
    return base64.b64encode(hashlib.sha256(canonical.encode()).digest()).decode()


def _described(key: PublicKey) -> dict[str, str]:
    return {"alg": key.algorithm, "kid": key.kid, "use": "sig"}


def _public_members(key: rsa.RSAPublicKey) -> dict[str, str]:
    numbers = key.public_numbers()
    return {"e": _base64url_uint(numbers.e), "kty": "RSA", "n": _base64url_uint(numbers.n)}


def _base64url_uint(value: int) -> str:
    return encode_base64url(value.to_bytes((value.bit_length() + 7) // 8))

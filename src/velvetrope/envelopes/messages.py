"""One message in the AWS Encryption SDK's format, version 1, under algorithm suite 0x0378.

The suite is AES-256-GCM with a key derived by HKDF-SHA384 and a signature by ECDSA on P-384 with SHA-384. It does not
commit to its key: a reader whose commitment policy asks for that refuses the message. Cognito's own guide reads its
codes under the policy that allows such messages (`REQUIRE_ENCRYPT_ALLOW_DECRYPT`), so they are not committed there
either, and a function that reads ours reads AWS's. (That it is this suite is UNVERIFIED; the guide does not name it.)

A message is a header (which suite, the encryption context, the encrypted data key) with an authentication tag of its
own, one final frame, and a signature over all of it. The public key of the signature stands in the encryption context,
under `aws-crypto-public-key`, which is why the context is known before there is a data key.

Everything is a function of its arguments: signatures are deterministic (RFC 6979).

Source: AWS Encryption SDK Developer Guide, "AWS Encryption SDK message format reference", "Algorithms reference",
"Body additional authenticated data (AAD) reference".
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from velvetrope.secret import Secret

__all__ = ["DataKey", "Envelope"]

FRAME_BYTES = 4096
"""The longest plaintext of one frame, which is the most that a message of ours holds."""

_VERSION_AND_TYPE = b"\x01\x80"
_SUITE = b"\x03\x78"
_PROVIDER = b"aws-kms"
_FRAMED = b"\x02"
_IV_BYTES = 12
_FINAL_FRAME = b"\xff\xff\xff\xff"
_FINAL_FRAME_AAD = b"AWSKMSEncryptionClient Final Frame"
_PUBLIC_KEY = "aws-crypto-public-key"
_P384_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973


@dataclass(frozen=True, slots=True)
class DataKey:
    """A key of 32 bytes, in the clear and as `key_arn` has encrypted it."""

    plaintext: Secret[bytes]
    encrypted: bytes
    key_arn: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message that has a signing key and its encryption context, and no data key yet."""

    encryption_context: Mapping[str, str]
    """What the data key has to be bound to."""
    _signing_key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def begin(cls, *, signing_scalar: bytes, encryption_context: Mapping[str, str]) -> "Envelope":
        """`signing_scalar` is 64 random bytes: so many that reducing them favours no key (FIPS 186-5, A.2.1).

        Raises:
            ValueError: the context names the signature's key itself, or the scalar is short.
        """
        if len(signing_scalar) != 64 or _PUBLIC_KEY in encryption_context:
            raise ValueError("an envelope needs 64 random bytes and leaves its public key to itself")
        secret = int.from_bytes(signing_scalar) % (_P384_ORDER - 1) + 1
        signing_key = ec.derive_private_key(secret, ec.SECP384R1())
        point = signing_key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        context = {**encryption_context, _PUBLIC_KEY: base64.b64encode(point).decode()}
        return cls(MappingProxyType(context), signing_key)

    def seal(self, plaintext: bytes, data_key: DataKey, *, message_id: bytes) -> bytes:
        """The message. `message_id` is 16 bytes that no other message has.

        Raises:
            ValueError: the plaintext is longer than a frame, or the id has another length.
        """
        if len(message_id) != 16 or len(plaintext) > FRAME_BYTES:
            raise ValueError("a message has an id of 16 bytes and one frame")
        key = HKDF(hashes.SHA384(), 32, salt=None, info=_SUITE + message_id).derive(data_key.plaintext.reveal())
        aead = AESGCM(key)
        header = self._header(data_key, message_id)
        # Nonces: zero for the header's tag, the number of the frame for the frame. The key is this message's alone.
        header_iv, frame_iv = bytes(_IV_BYTES), (1).to_bytes(_IV_BYTES)
        number, length = (1).to_bytes(4), len(plaintext)
        aad = message_id + _FINAL_FRAME_AAD + number + length.to_bytes(8)
        frame = _FINAL_FRAME + number + frame_iv + length.to_bytes(4) + aead.encrypt(frame_iv, plaintext, aad)
        signed = header + header_iv + aead.encrypt(header_iv, b"", header) + frame
        signature = self._signing_key.sign(signed, ec.ECDSA(hashes.SHA384(), deterministic_signing=True))
        return signed + _counted(signature)

    def _header(self, data_key: DataKey, message_id: bytes) -> bytes:
        pairs = sorted((key.encode(), value.encode()) for key, value in self.encryption_context.items())
        context = len(pairs).to_bytes(2) + b"".join(_counted(key) + _counted(value) for key, value in pairs)
        encrypted = _counted(_PROVIDER) + _counted(data_key.key_arn.encode()) + _counted(data_key.encrypted)
        return b"".join(
            (
                _VERSION_AND_TYPE,
                _SUITE,
                message_id,
                _counted(context),
                (1).to_bytes(2),  # encrypted data keys
                encrypted,
                _FRAMED,
                bytes(4),  # reserved
                _IV_BYTES.to_bytes(1),
                FRAME_BYTES.to_bytes(4),
            )
        )


def _counted(part: bytes) -> bytes:
    """Two bytes of length, and what has it."""
    return len(part).to_bytes(2) + part

"""A WebAuthn authenticator and the browser in front of it, in Python: it makes credentials and signs with them.

Source: W3C Web Authentication Level 2, sections 5.8.1 (client data), 6.1 (authenticator data), 6.5.4 (attestation
object); RFC 9053 for the key's form.
"""

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

_USER_PRESENT, _USER_VERIFIED, _ATTESTED = 0x01, 0x04, 0x40


@dataclass
class Authenticator:
    """One device with one credential for one relying party."""

    origin: str
    verifies_users: bool = True
    counts: bool = True
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = b"\x00" * 16
    sign_count: int = 0
    rp_id: str | None = None
    """Signs for this domain instead of the one that it is asked for."""
    user_handle: str | None = None
    """Names this user when it signs, in base64url. Security keys name none."""
    id_bytes: int = 16
    """How long the ids of its credentials are."""
    framed: bool = False
    """The page that asks is in a frame of another site's."""

    def register(self, options: dict[str, Any]) -> dict[str, Any]:
        """What `navigator.credentials.create()` gives a page for these options."""
        self.credential_id = hashlib.shake_256(options["challenge"].encode()).digest(self.id_bytes)
        numbers = self.key.public_key().public_numbers()
        cose = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)})
        attested = b"\x00" * 16 + len(self.credential_id).to_bytes(2) + self.credential_id + cose
        data = self._authenticator_data(options["rp"]["id"], _ATTESTED) + attested
        return self._credential(
            {
                "clientDataJSON": encode(self._client_data("webauthn.create", options["challenge"])),
                "attestationObject": encode(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
                "transports": ["internal"],
            }
        )

    def sign(self, options: dict[str, Any]) -> dict[str, Any]:
        """What `navigator.credentials.get()` gives a page for these options."""
        if self.counts:
            self.sign_count += 1
        data = self._authenticator_data(options["rpId"], 0)
        client_data = self._client_data("webauthn.get", options["challenge"])
        signed = data + hashlib.sha256(client_data).digest()
        named = {} if self.user_handle is None else {"userHandle": self.user_handle}
        return self._credential(
            {
                "clientDataJSON": encode(client_data),
                "authenticatorData": encode(data),
                "signature": encode(self.key.sign(signed, ec.ECDSA(hashes.SHA256()))),
                **named,
            }
        )

    def _authenticator_data(self, rp_id: str, flags: int) -> bytes:
        flags |= _USER_PRESENT | (_USER_VERIFIED if self.verifies_users else 0)
        return hashlib.sha256((self.rp_id or rp_id).encode()).digest() + bytes([flags]) + self.sign_count.to_bytes(4)

    def _client_data(self, ceremony: str, challenge: str) -> bytes:
        said = {"type": ceremony, "challenge": challenge, "origin": self.origin, "crossOrigin": self.framed}
        return json.dumps(said).encode()

    def _credential(self, response: dict[str, Any]) -> dict[str, Any]:
        credential_id = encode(self.credential_id)
        return {
            "id": credential_id,
            "rawId": credential_id,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }


def encode(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))

"""The keys of a pool as a party to SAML: one signs its requests, another opens the assertions that are made for it.

RSA 2048 in a certificate of the pool's own making, ten years long; identity providers are given the certificate and
trust it as it is. A pair is made when it is first needed and sealed under the master keys, bound to the pool and its
use. Two servers that make one at the same moment agree on the one that was kept first.

AWS makes a new signing certificate every year and keeps the old one good. Ours stays for its ten years: a certificate
that changes by itself breaks sign-in wherever an administrator has to carry the new one over.

Source: Cognito user pools API, GetSigningCertificate (ten years).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from velvetrope.clock import Entropy
from velvetrope.sealing import MasterKeys
from velvetrope.store.tables.userpools_configuration import ConfigurationStore, SamlKey, SamlKeyUse
from velvetrope.userpools.workers import Workers

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import rsa

__all__ = ["SamlKeyPair", "SamlKeys"]

_PURPOSE = "userpools.saml-key"
_BITS = 2048
_LIFETIME = timedelta(days=3650)
_CLOCK_SLACK = timedelta(days=1)
"""How far behind an identity provider's clock may be and still find the certificate begun."""
_SERIAL_BYTES = 16
_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class SamlKeyPair:
    """A key, and its certificate in DER."""

    certificate_der: bytes
    private_key: "rsa.RSAPrivateKey" = field(repr=False)


class SamlKeys:
    """Makes, keeps and opens the pairs."""

    def __init__(self, store: ConfigurationStore, master_keys: MasterKeys, entropy: Entropy, workers: Workers) -> None:
        self._store = store
        self._master_keys = master_keys
        self._entropy = entropy
        self._workers = workers
        self._opened: dict[bytes, SamlKeyPair] = {}

    async def pair(self, user_pool_id: str, use: SamlKeyUse, *, now: datetime) -> SamlKeyPair:
        """The pool's pair for this use, made now if there was none.

        Raises:
            SealBroken: it was not sealed by our master keys for this pool and use.
        """
        kept = await self._store.saml_keys.load(user_pool_id, use)
        if kept is None:
            made = await self._workers.run(lambda: self._make(user_pool_id, use, now))
            kept = await self._store.save_saml_key(made)
        known = self._opened.get(kept.private_key_sealed)
        if known is None:
            if len(self._opened) >= _REMEMBERED:
                self._opened.clear()
            known = self._opened[kept.private_key_sealed] = self._open(kept)
        return known

    def _make(self, user_pool_id: str, use: SamlKeyUse, now: datetime) -> SamlKey:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{user_pool_id} SAML {use}")])
        certificate = x509.CertificateBuilder(
            issuer_name=name,
            subject_name=name,
            public_key=key.public_key(),
            serial_number=int.from_bytes(self._entropy.token_bytes(_SERIAL_BYTES)) | 1,
            not_valid_before=now - _CLOCK_SLACK,
            not_valid_after=now + _LIFETIME,
        ).sign(key, hashes.SHA256())
        der = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return SamlKey(
            user_pool_id=user_pool_id,
            use=use,
            certificate_der=certificate.public_bytes(serialization.Encoding.DER),
            private_key_sealed=self._master_keys.seal(
                der, purpose=_PURPOSE, entropy=self._entropy, context=_context(user_pool_id, use)
            ),
            created_at=now,
        )

    def _open(self, kept: SamlKey) -> SamlKeyPair:
        from cryptography.hazmat.primitives.asymmetric import rsa
        from cryptography.hazmat.primitives.serialization import load_der_private_key

        der = self._master_keys.open(
            kept.private_key_sealed, purpose=_PURPOSE, context=_context(kept.user_pool_id, kept.use)
        )
        key = load_der_private_key(der, password=None)
        assert isinstance(key, rsa.RSAPrivateKey), "we made an RSA key"  # noqa: S101  what we ourselves made true
        return SamlKeyPair(kept.certificate_der, key)


def _context(user_pool_id: str, use: SamlKeyUse) -> bytes:
    return f"{user_pool_id}|{use}".encode()

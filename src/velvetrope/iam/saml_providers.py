"""SAML providers as verifiers need them: their metadata read, their private keys opened.

    providers = SamlProviders(store, master_keys, database.changes)
    found = await providers.find_saml_provider(arn)

Private keys are sealed under the master keys, each bound to its id, and opened when the provider is looked up. What was
found is remembered until something about IAM is committed, since reading metadata and keys costs milliseconds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from velvetrope.clock import Entropy
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.store import ChangeFeed
from velvetrope.store.tables.iam_providers import IamProviderStore, SamlProvider

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from velvetrope.saml import IdentityProvider

__all__ = ["InvalidPrivateKey", "SamlProviders", "TrustedSamlProvider", "parse_private_key"]

_PURPOSE: Final = "iam saml private keys"
_MAX_REMEMBERED: Final = 256
_MIN_RSA_BITS: Final = 2048


class InvalidPrivateKey(ValueError):
    """The text is not an unencrypted RSA private key in PEM that is long enough."""


@dataclass(frozen=True, slots=True)
class TrustedSamlProvider:
    """A provider that may be believed until `valid_until`."""

    arn: str
    account_id: str
    name: str
    unique_id: str
    identity_provider: "IdentityProvider"
    valid_until: datetime
    decryption_keys: tuple["RSAPrivateKey", ...]
    encryption_required: bool


class SamlProviders:
    """Finds providers by their ARNs."""

    def __init__(self, store: IamProviderStore, master_keys: MasterKeys, changes: ChangeFeed) -> None:
        self._store = store
        self._master_keys = master_keys
        self._found: dict[str, TrustedSamlProvider] = {}
        self._generation = 0
        changes.subscribe("iam", self._forget)

    async def find_saml_provider(self, arn: str) -> TrustedSamlProvider | None:
        """The provider of this ARN; None if IAM has none."""
        remembered = self._found.get(arn)
        if remembered is not None:
            return remembered
        generation = self._generation
        record = await self._store.load_saml_provider(arn)
        if record is None:
            return None
        found = self._open(record)
        # A change that was committed while we read must not be covered by what we read before it.
        if generation == self._generation and len(self._found) < _MAX_REMEMBERED:
            self._found[arn] = found
        return found

    def seal(self, key_id: str, private_key: Secret[str], entropy: Entropy) -> bytes:
        """A private key as the store keeps it."""
        return self._master_keys.seal(
            private_key.reveal().encode(), purpose=_PURPOSE, entropy=entropy, context=key_id.encode()
        )

    def _open(self, record: SamlProvider) -> TrustedSamlProvider:
        from velvetrope.saml import parse_metadata

        keys = (
            self._master_keys.open(key.private_key_sealed, purpose=_PURPOSE, context=key.key_id.encode())
            for key in record.private_keys
        )
        return TrustedSamlProvider(
            arn=record.arn,
            account_id=record.account_id,
            name=record.name,
            unique_id=record.unique_id,
            identity_provider=parse_metadata(record.metadata_document),
            valid_until=record.valid_until,
            decryption_keys=tuple(parse_private_key(key.decode()) for key in keys),
            encryption_required=record.assertion_encryption_mode == "Required",
        )

    def _forget(self) -> None:
        self._generation += 1
        self._found.clear()


def parse_private_key(text: str) -> "RSAPrivateKey":
    """The RSA key in a PEM text.

    Raises:
        InvalidPrivateKey: anything else.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    load: Callable[[bytes, None], object] = load_pem_private_key
    try:
        key = load(text.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidPrivateKey("no unencrypted private key in PEM") from error
    if not isinstance(key, RSAPrivateKey) or key.key_size < _MIN_RSA_BITS:
        raise InvalidPrivateKey(f"the key is not RSA of {_MIN_RSA_BITS} bits or more")
    return key

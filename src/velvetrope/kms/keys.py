"""Keys at work: find one by any of its names, see that it can be used, encrypt and decrypt with it.

    keys = Keys(database, master_keys, clock, entropy)
    key = await keys.find("alias/codes", call)
    ciphertext = await keys.encrypt(key, b"123456", {"userpool-id": pool_id}, now=call.now)

Material is 32 random bytes, sealed under the server's master keys and bound to the key's ARN; it is opened for one
operation and handed to nobody. Who may use a key was judged before, by `iam` with the key's policy (`policies`), except
for our own services, which are judged here.

Key states: AWS KMS Developer Guide, "Key states of AWS KMS keys".
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from velvetrope.clock import Clock, Entropy
from velvetrope.envelopes import DataKey
from velvetrope.errors import ServiceError
from velvetrope.kms.ciphertexts import UnreadableCiphertext, decrypt, encrypt, key_id_of
from velvetrope.kms.errors import (
    DisabledException,
    InvalidCiphertextException,
    KMSInvalidStateException,
    NotFoundException,
)
from velvetrope.kms.names import ALIAS, parse_key_name
from velvetrope.kms.policies import judge_service
from velvetrope.operations import Call
from velvetrope.principals import Principal
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.store import Database
from velvetrope.store.tables.kms import KeyStore, KmsKey

__all__ = ["Keys", "check_not_deleted", "key_state"]

_MATERIAL = "kms.material"


class Keys:
    """See the module."""

    def __init__(self, database: Database, master_keys: MasterKeys, clock: Clock, entropy: Entropy) -> None:
        self.store = KeyStore(database)
        self._master_keys = master_keys
        self._clock = clock
        self._entropy = entropy

    # By name

    async def find(self, name: str, call: Call, *, by_alias: bool = True) -> KmsKey:
        """The key of that name. Operations that change a key take no alias for it.

        Raises:
            NotFoundException, InvalidArnException: there is none.
        """
        arn = parse_key_name(name, account_id=call.account_id, region=call.region)
        if ":alias/" in arn:
            if not by_alias:
                raise NotFoundException(f"Invalid keyId '{name}'")
            alias = await self.store.load_alias(arn, call.now)
            if alias is None:
                raise NotFoundException(f"Alias {arn} is not found.")
            arn = alias.key_arn
        return await self.load(arn, call.now)

    async def find_judged(self, name: str, call: Call) -> KmsKey:
        """The key that `name` stood for when it was judged whether the caller may use it.

        An alias may have been given to another key since then, for which the caller may have no permission.

        Raises:
            NotFoundException, InvalidArnException: there is none.
        """
        if not call.judged:
            return await self.find(name, call)
        arn = parse_key_name(name, account_id=call.account_id, region=call.region)
        if ":alias/" in arn:
            keys = [judged for judged in call.judged if judged.startswith(call.arn("kms", "key/"))]
            if len(keys) != 1:
                raise NotFoundException(f"Alias {arn} is not found.")
            arn = keys[0]
        return await self.load(arn, call.now)

    async def load(self, key_arn: str, now: datetime) -> KmsKey:
        """The key of that ARN.

        Raises:
            NotFoundException: there is none.
        """
        key = await self.store.load_key(key_arn, now)
        if key is None:
            raise missing(key_arn)
        return key

    async def change(self, key_arn: str, now: datetime, change: Callable[[KmsKey], KmsKey]) -> KmsKey:
        """The key as `change` has made it; what that raises leaves the key as it was.

        Raises:
            NotFoundException: it is gone.
        """
        changed = await self.store.change_key(key_arn, now, change)
        if changed is None:
            raise missing(key_arn)
        return changed

    async def key_arn(self, name: str, call: Call) -> str | None:
        """For whoever judges: the ARN of the key that `name` stands for, there or not; None if it stands for none."""
        try:
            arn = parse_key_name(name, account_id=call.account_id, region=call.region)
        except ServiceError:
            return None
        if not arn.rpartition(":")[2].startswith(ALIAS):
            return arn
        alias = await self.store.load_alias(arn, call.now)
        return None if alias is None else alias.key_arn

    def ciphertext_arn(self, ciphertext: bytes, call: Call) -> str | None:
        """The ARN of the key that `ciphertext` says it is of; None if it says none."""
        try:
            return call.arn("kms", f"key/{key_id_of(ciphertext)}")
        except UnreadableCiphertext:
            return None

    # With material

    def new_material(self, key_arn: str) -> bytes:
        """Material for a new key, sealed."""
        return self._master_keys.seal(
            self._entropy.token_bytes(32), purpose=_MATERIAL, entropy=self._entropy, context=key_arn.encode()
        )

    async def encrypt(self, key: KmsKey, plaintext: bytes, context: Mapping[str, str], *, now: datetime) -> bytes:
        """`plaintext` under the key, bound to `context`.

        Raises:
            DisabledException, KMSInvalidStateException: the key cannot be used.
            NotFoundException: it is gone since it was found.
        """
        material = await self._material(key, now)
        return encrypt(plaintext, material=material, key_arn=key.arn, context=context, entropy=self._entropy)

    async def decrypt(self, key: KmsKey, ciphertext: bytes, context: Mapping[str, str], *, now: datetime) -> bytes:
        """What was encrypted under the key and bound to `context`.

        Raises:
            InvalidCiphertextException: not this key's, or another context. AWS says no word more.
            DisabledException, KMSInvalidStateException, NotFoundException: as `encrypt`.
        """
        material = await self._material(key, now)
        try:
            return decrypt(ciphertext, material=material, key_arn=key.arn, context=context)
        except UnreadableCiphertext as unreadable:
            raise InvalidCiphertextException("", detail=unreadable.message) from None

    def random(self, count: int) -> bytes:
        """Fresh random bytes."""
        return self._entropy.token_bytes(count)

    async def data_key_for_service(self, key_arn: str, context: Mapping[str, str], *, service: Principal) -> DataKey:
        """A new data key of 32 bytes for one of our services, which was given the use of the key.

        Raises:
            DisabledException: the key is disabled, or its policy forbids the service to use it.
            KMSInvalidStateException, NotFoundException: as `encrypt`.
        """
        now = self._clock.now()
        key = await self.load(key_arn, now)
        decision = judge_service(key, service, "kms:GenerateDataKey", context, now=now)
        if decision.outcome == "explicitDeny":
            raise DisabledException(f"The policy of {key_arn} forbids {service.name} to use it.")
        plaintext = self.random(32)
        return DataKey(Secret(plaintext), await self.encrypt(key, plaintext, context, now=now), key_arn)

    async def check_usable(self, key_arn: str) -> None:
        """Refuse a key that cannot encrypt now.

        Raises:
            DisabledException, KMSInvalidStateException, NotFoundException: as `encrypt`.
        """
        check_usable(await self.load(key_arn, self._clock.now()))

    async def _material(self, key: KmsKey, now: datetime) -> Secret[bytes]:
        check_usable(key)
        sealed = await self.store.load_material(key.arn, now)
        if sealed is None:
            raise missing(key.arn)
        return Secret(self._master_keys.open(sealed, purpose=_MATERIAL, context=key.arn.encode()))


def key_state(key: KmsKey) -> str:
    """`KeyState` of a key that is there."""
    if key.deletion_at is not None:
        return "PendingDeletion"
    return "Enabled" if key.enabled else "Disabled"


def check_not_deleted(key: KmsKey) -> None:
    """Refuse a key that awaits its deletion.

    Raises:
        KMSInvalidStateException: it does.
    """
    if key.deletion_at is not None:
        raise KMSInvalidStateException(f"{key.arn} is pending deletion.")


def check_usable(key: KmsKey) -> None:
    """Refuse a key that cannot encrypt or decrypt now.

    Raises:
        DisabledException, KMSInvalidStateException: it cannot.
    """
    check_not_deleted(key)
    if not key.enabled:
        raise DisabledException(f"{key.arn} is disabled.")


def missing(key_arn: str) -> NotFoundException:
    """The error for a key that is not there."""
    return NotFoundException(f"Key '{key_arn}' does not exist")

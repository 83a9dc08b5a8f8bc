"""Encrypt, Decrypt, data keys and random bytes.

The encryption context of a ciphertext has to be given again, pair by pair. Keys of pairs that differ in case only are
refused: a condition of a policy could not tell them apart.

Grant tokens, Nitro enclaves (`Recipient`) and dry runs are refused by name, and so is every algorithm but the one of
symmetric keys.

Source: AWS KMS API Reference; AWS KMS Developer Guide, "Encryption context".
"""

from collections.abc import Mapping
from typing import Literal

from velvetrope.kms.errors import IncorrectKeyException, InvalidCiphertextException, ValidationException
from velvetrope.kms.keys import Keys
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.kms import KmsKey

__all__ = ["CryptoOperations"]

_KEY_SPEC_BYTES = {"AES_256": 32, "AES_128": 16}

Algorithm = Literal["SYMMETRIC_DEFAULT"]


class CryptoOperations:
    """What keys are for."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    @operation
    async def encrypt(
        self,
        call: Call,
        *,
        key_id: str,
        plaintext: bytes,
        encryption_context: dict[str, str] | None = None,
        encryption_algorithm: Algorithm = "SYMMETRIC_DEFAULT",
    ) -> Answer:
        context = _read_context(encryption_context)
        key = await self._keys.find_judged(key_id, call)
        ciphertext = await self._keys.encrypt(key, plaintext, context, now=call.now)
        return {"ciphertext_blob": ciphertext, "key_id": key.arn, "encryption_algorithm": encryption_algorithm}

    @operation
    async def decrypt(
        self,
        call: Call,
        *,
        ciphertext_blob: bytes,
        encryption_context: dict[str, str] | None = None,
        key_id: str | None = None,
        encryption_algorithm: Algorithm = "SYMMETRIC_DEFAULT",
    ) -> Answer:
        context = _read_context(encryption_context)
        key_arn = self._keys.ciphertext_arn(ciphertext_blob, call)
        if key_arn is None:
            raise InvalidCiphertextException("", detail="this is no ciphertext of a key of this server")
        if key_id is not None and (await self._keys.find(key_id, call)).arn != key_arn:
            raise IncorrectKeyException(
                "The key ID in the request does not identify a CMK that can perform this operation."
            )
        key = await self._keys.load(key_arn, call.now)
        plaintext = await self._keys.decrypt(key, ciphertext_blob, context, now=call.now)
        return {"key_id": key.arn, "plaintext": plaintext, "encryption_algorithm": encryption_algorithm}

    @operation
    async def generate_data_key(
        self,
        call: Call,
        *,
        key_id: str,
        encryption_context: dict[str, str] | None = None,
        number_of_bytes: int | None = None,
        key_spec: Literal["AES_256", "AES_128"] | None = None,
    ) -> Answer:
        key, plaintext, ciphertext = await self._data_key(call, key_id, encryption_context, number_of_bytes, key_spec)
        return {"ciphertext_blob": ciphertext, "plaintext": plaintext, "key_id": key.arn}

    @operation
    async def generate_data_key_without_plaintext(
        self,
        call: Call,
        *,
        key_id: str,
        encryption_context: dict[str, str] | None = None,
        key_spec: Literal["AES_256", "AES_128"] | None = None,
        number_of_bytes: int | None = None,
    ) -> Answer:
        key, _, ciphertext = await self._data_key(call, key_id, encryption_context, number_of_bytes, key_spec)
        return {"ciphertext_blob": ciphertext, "key_id": key.arn}

    @operation
    async def generate_random(self, call: Call, *, number_of_bytes: int) -> Answer:
        del call  # for everybody the same
        return {"plaintext": self._keys.random(number_of_bytes)}

    async def _data_key(
        self,
        call: Call,
        key_id: str,
        encryption_context: dict[str, str] | None,
        number_of_bytes: int | None,
        key_spec: str | None,
    ) -> tuple[KmsKey, bytes, bytes]:
        if (number_of_bytes is None) == (key_spec is None):
            raise ValidationException("Please specify either number of bytes or key spec.")
        context = _read_context(encryption_context)
        key = await self._keys.find_judged(key_id, call)
        length = _KEY_SPEC_BYTES[key_spec] if key_spec is not None else number_of_bytes or 0
        plaintext = self._keys.random(length)
        return key, plaintext, await self._keys.encrypt(key, plaintext, context, now=call.now)


def _read_context(given: dict[str, str] | None) -> Mapping[str, str]:
    """
    Raises:
        ValidationException: two keys differ in case only.
    """
    context = given or {}
    if len({key.lower() for key in context}) != len(context):
        raise ValidationException(
            "velvetrope does not support encryption contexts whose keys differ in case only: "
            "a policy could not tell them apart."
        )
    return context

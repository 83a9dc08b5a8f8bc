"""Encrypt, Decrypt and data keys: what is encrypted comes back to nobody who changed a byte of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.kms import NO_KEY, Kms, key_arn
from velvetrope.clock import CountingEntropy
from velvetrope.kms.ciphertexts import UnreadableCiphertext, decrypt, encrypt, key_id_of
from velvetrope.kms.errors import (
    IncorrectKeyException,
    InvalidCiphertextException,
    NotFoundException,
    ValidationException,
)
from velvetrope.secret import Secret

CONTEXT = {"userpool-id": "us-west-2_door", "kind": "code"}
MATERIAL = Secret(bytes(range(32)))
ARN = key_arn(NO_KEY)


async def test_what_was_encrypted_is_decrypted_under_the_same_context_in_any_order(kms: Kms) -> None:
    key_id = await kms.create()

    ciphertext = await kms.encrypt(key_id, encryption_context=CONTEXT)

    turned = dict(reversed(CONTEXT.items()))
    answer = await kms.operate("decrypt", ciphertext_blob=ciphertext, encryption_context=turned, key_id=key_id)
    assert answer == {
        "key_id": key_arn(key_id),
        "plaintext": b"velvet",
        "encryption_algorithm": "SYMMETRIC_DEFAULT",
    }


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"userpool-id": "us-west-2_door"},
        {**CONTEXT, "kind": "Code"},
        {**CONTEXT, "more": ""},
        {"userpool-id": "us-west-2_doorkind", "": "code"},
    ],
)
async def test_another_context_opens_nothing(kms: Kms, context: dict[str, str]) -> None:
    ciphertext = await kms.encrypt(await kms.create(), encryption_context=CONTEXT)

    with pytest.raises(InvalidCiphertextException) as caught:
        await kms.decrypt(ciphertext, encryption_context=context)
    assert caught.value.message == ""


async def test_a_context_whose_keys_differ_in_case_only_is_refused_everywhere(kms: Kms) -> None:
    key_id = await kms.create()
    ciphertext = await kms.encrypt(key_id)
    twice: Any = {"encryption_context": {"Pool": "a", "pool": "b"}}

    for operation, parameters in (
        ("encrypt", {"key_id": key_id, "plaintext": b"x"}),
        ("decrypt", {"ciphertext_blob": ciphertext}),
        ("generate_data_key", {"key_id": key_id, "key_spec": "AES_256"}),
        ("generate_data_key_without_plaintext", {"key_id": key_id, "key_spec": "AES_256"}),
    ):
        with pytest.raises(ValidationException, match="differ in case"):
            await kms.operate(operation, **parameters, **twice)


async def test_naming_another_key_is_refused_and_so_is_one_that_is_not_there(kms: Kms) -> None:
    key_id, other = await kms.create(), await kms.create()
    ciphertext = await kms.encrypt(key_id)

    with pytest.raises(IncorrectKeyException):
        await kms.decrypt(ciphertext, key_id=other)
    with pytest.raises(NotFoundException):
        await kms.decrypt(ciphertext, key_id=NO_KEY)


async def test_a_data_key_comes_in_the_clear_and_encrypted(kms: Kms) -> None:
    key_id = await kms.create()

    for size, asked in ((32, {"key_spec": "AES_256"}), (16, {"key_spec": "AES_128"}), (64, {"number_of_bytes": 64})):
        made = await kms.operate("generate_data_key", key_id=key_id, encryption_context=CONTEXT, **asked)
        assert len(made["plaintext"]) == size
        assert await kms.decrypt(made["ciphertext_blob"], encryption_context=CONTEXT) == made["plaintext"]
        hidden = await kms.operate("generate_data_key_without_plaintext", key_id=key_id, **asked)
        assert set(hidden) == {"ciphertext_blob", "key_id"}
        assert len(await kms.decrypt(hidden["ciphertext_blob"])) == size


@pytest.mark.parametrize("asked", [{}, {"key_spec": "AES_256", "number_of_bytes": 32}])
async def test_a_data_key_has_one_size(kms: Kms, asked: dict[str, Any]) -> None:
    key_id = await kms.create()

    with pytest.raises(ValidationException, match="number of bytes or key spec"):
        await kms.operate("generate_data_key", key_id=key_id, **asked)


async def test_random_bytes_are_as_many_as_asked_for_and_never_the_same(kms: Kms) -> None:
    first, second = [await kms.operate("generate_random", number_of_bytes=24) for _ in range(2)]

    assert len(first["plaintext"]) == len(second["plaintext"]) == 24
    assert first != second


@given(
    plaintext=st.binary(max_size=200),
    context=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3),
    position=st.integers(min_value=0),
    bit=st.integers(0, 7),
)
def test_no_bit_of_a_ciphertext_can_be_changed(
    plaintext: bytes, context: dict[str, str], position: int, bit: int
) -> None:
    made = encrypt(plaintext, material=MATERIAL, key_arn=ARN, context=context, entropy=CountingEntropy())

    assert key_id_of(made) == NO_KEY
    assert decrypt(made, material=MATERIAL, key_arn=ARN, context=context) == plaintext
    changed = bytearray(made)
    changed[position % len(made)] ^= 1 << bit
    with pytest.raises(UnreadableCiphertext):
        decrypt(bytes(changed), material=MATERIAL, key_arn=ARN, context=context)


@given(st.binary(max_size=80))
def test_anything_else_is_no_ciphertext(given_bytes: bytes) -> None:
    with pytest.raises(UnreadableCiphertext):
        decrypt(given_bytes, material=MATERIAL, key_arn=ARN, context={})


def test_equal_plaintexts_have_different_ciphertexts() -> None:
    entropy = CountingEntropy()

    made = {encrypt(b"x", material=MATERIAL, key_arn=ARN, context={}, entropy=entropy) for _ in range(20)}

    assert len(made) == 20

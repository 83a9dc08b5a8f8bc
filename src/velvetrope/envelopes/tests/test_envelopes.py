"""Messages that the unmodified AWS Encryption SDK reads, and refuses after any change."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import aws_encryption_sdk
import boto3
import pytest
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError
from aws_encryption_sdk.identifiers import CommitmentPolicy
from aws_encryption_sdk.key_providers.kms import KMSMasterKey, KMSMasterKeyConfig
from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidSignature, InvalidTag
from hypothesis import given, settings
from hypothesis import strategies as st

from velvetrope.envelopes import DataKey, Envelope
from velvetrope.secret import Secret

ARN = "arn:aws:kms:us-west-2:123456789012:key/11111111-2222-4333-8444-555555555555"
KEY = bytes(range(32))
CONTEXT = {"userpool-id": "us-west-2_door"}
SCALAR = bytes(range(64))


class OneKeyKms:
    """`Decrypt` of a KMS that has one ciphertext, and the contexts that it was asked with."""

    def __init__(self) -> None:
        self.contexts: list[dict[str, str]] = []

    def decrypt(self, **asked: Any) -> dict[str, object]:
        self.contexts.append(asked["EncryptionContext"])
        if asked["CiphertextBlob"] != b"sealed":
            raise ClientError({"Error": {"Code": "InvalidCiphertextException", "Message": ""}}, "Decrypt")
        return {"Plaintext": KEY, "KeyId": asked["KeyId"]}


@cache
def kms_client() -> Any:
    """The SDK insists on one of boto3's."""
    secrets = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    return boto3.client("kms", region_name="us-west-2", endpoint_url="http://localhost:9", **secrets)


def message(
    plaintext: bytes, context: Mapping[str, str] = CONTEXT, *, scalar: bytes = SCALAR, message_id: bytes = bytes(16)
) -> bytes:
    envelope = Envelope.begin(signing_scalar=scalar, encryption_context=context)
    return envelope.seal(plaintext, DataKey(Secret(KEY), b"sealed", ARN), message_id=message_id)


def opened(made: bytes, policy: CommitmentPolicy = CommitmentPolicy.REQUIRE_ENCRYPT_ALLOW_DECRYPT) -> tuple[bytes, Any]:
    """What the SDK reads, and the header."""
    kms, keys = OneKeyKms(), kms_client()
    keys.decrypt = kms.decrypt
    client = aws_encryption_sdk.EncryptionSDKClient(commitment_policy=policy)
    provider = KMSMasterKey(config=KMSMasterKeyConfig(key_id=ARN, client=keys))
    plaintext, header = client.decrypt(source=made, key_provider=provider)
    assert kms.contexts == [header.encryption_context]
    return bytes(plaintext), header


def test_the_encryption_sdk_reads_a_message_with_its_context() -> None:
    plaintext, header = opened(message(b"123456"))

    assert plaintext == b"123456"
    assert header.encryption_context.items() >= CONTEXT.items()
    assert set(header.encryption_context) == {"userpool-id", "aws-crypto-public-key"}
    assert (header.version.name, header.algorithm.algorithm_id) == ("V1", 0x0378)


def test_a_reader_that_wants_messages_to_commit_to_their_key_refuses_it_as_it_refuses_cognito_s() -> None:
    with pytest.raises(AWSEncryptionSDKClientError, match="requiring only committed messages"):
        opened(message(b"123456"), CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)


@settings(max_examples=40)
@given(
    plaintext=st.one_of(st.binary(max_size=64), st.sampled_from([b"", b"x" * 4095, b"x" * 4096])),
    context=st.dictionaries(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20), max_size=4),
    scalar=st.binary(min_size=64, max_size=64),
)
def test_any_plaintext_under_any_context_is_read(plaintext: bytes, context: dict[str, str], scalar: bytes) -> None:
    context = {key: value for key, value in context.items() if not key.startswith("aws-crypto-")}

    read, header = opened(message(plaintext, context, scalar=scalar))

    assert read == plaintext
    assert header.encryption_context.items() >= context.items()


@settings(max_examples=60)
@given(position=st.integers(min_value=0), bit=st.integers(0, 7))
def test_no_bit_of_a_message_can_be_changed(position: int, bit: int) -> None:
    changed = bytearray(message(b"123456"))
    changed[position % len(changed)] ^= 1 << bit

    # LookupError: how the SDK puts a public key whose first byte is none of a point's.
    with pytest.raises(
        (AWSEncryptionSDKClientError, InvalidSignature, InvalidTag, ClientError, ValueError, LookupError)
    ):
        opened(bytes(changed))


def test_messages_are_a_function_of_what_is_given_and_of_each_part_of_it() -> None:
    same, other = bytes(16), bytes([1] * 16)

    assert message(b"1") == message(b"1", message_id=same)
    assert len({message(b"1"), message(b"1", message_id=other), message(b"1", scalar=bytes(64)), message(b"2")}) == 4


@pytest.mark.parametrize(
    ("plaintext", "parts"),
    [
        (b"x" * 4097, {}),
        (b"x", {"message_id": bytes(15)}),
        (b"x", {"scalar": bytes(63)}),
        (b"x", {"context": {"aws-crypto-public-key": "mine"}}),
    ],
)
def test_what_no_message_can_hold_is_refused(plaintext: bytes, parts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"64 random bytes|one frame"):
        message(plaintext, **parts)


def test_the_signing_key_is_not_shown() -> None:
    assert "PrivateKey" not in repr(Envelope.begin(signing_scalar=SCALAR, encryption_context={}))

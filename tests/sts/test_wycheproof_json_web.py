"""Wycheproof's JSON Web vectors on both of our verifiers: that of our own pools, and that of other issuers' tokens.

Payloads there are no claims, so key and signature are checked by themselves, and each text is given to the whole
verifiers too, which refuse them all. Nothing is left out without a word: every group's algorithm is either one that we
take, and then its tests come out as Wycheproof says, or it stands in `NOT_TAKEN` with the reason, and then each of its
tokens is refused, the valid ones too. Encrypted tokens are none to us: they have five parts, a signed one has three.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from velvetrope.sts import IssuerKeys, OpenIdProviders
from velvetrope.tokens import (
    InvalidToken,
    KeySet,
    NotAToken,
    PublicKey,
    TokenSignatureMismatch,
    check_signature,
    is_roca_modulus,
    named_key,
    read_token,
    verify_token,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ISSUER = "https://issuer.example"
TAKEN = frozenset({"RS256", "RS384", "RS512", "ES256"})
"""Algorithms of the groups that other issuers may sign with. Our own pools sign with RS256."""
NOT_TAKEN = {
    "HS256": "a key set that anybody can read holds no secret",
    "PS256": "neither Cognito nor IAM takes PSS",
    "PS384": "neither Cognito nor IAM takes PSS",
    "PS512": "neither Cognito nor IAM takes PSS",
    "ES521": "RFC 7518 has no such algorithm: the key says that it is good for nothing",
    None: "a key for encryption",
}


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (Path(__file__).parent / "cases" / f"wycheproof_json_web_{name}.json").read_text()
    )
    return found


SIGNATURES, CRYPTO, ENCRYPTION = load("signature"), load("crypto"), load("encryption")
KEY_SETS = load("key")["key_sets"]


@dataclass(frozen=True)
class Vector:
    id: str
    text: str
    valid: bool
    keys: list[dict[str, Any]]

    @property
    def algorithms(self) -> list[str | None]:
        return [key.get("alg") for key in self.keys]


def vectors(document: dict[str, Any], member: str = "jws") -> Iterator[Vector]:
    for group in document["testGroups"]:
        key = group.get("public") or group["private"]
        for test in group["tests"]:
            if member in test:
                given = test[member]
                text = given if isinstance(given, str) else json.dumps(given)
                name = f"{test['tcId']} {group['comment']} {test['comment']}"
                yield Vector(name, text, test["result"] == "valid", key.get("keys", [key]))


ALL = [
    *vectors(SIGNATURES),
    *vectors(CRYPTO),
    *(Vector(f"set {case['id']}", case["jws"], case["result"] == "valid", case["keys"]) for case in KEY_SETS),
]
ENCRYPTED = [*vectors(CRYPTO, "jwe"), *vectors(ENCRYPTION, "jwe")]
OURS = [vector for vector in vectors(SIGNATURES) if vector.algorithms == ["RS256"]]


def ids(vector: Vector) -> str:
    return vector.id


class Documents:
    """What the issuer publishes."""

    def __init__(self, keys: list[dict[str, Any]]) -> None:
        self.keys = keys

    async def fetch(self, url: str) -> bytes:
        described = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
        return json.dumps({"keys": self.keys} if url.endswith("/keys") else described).encode()


class NoProviders:
    async def load_open_id_provider(self, arn: str) -> None:
        raise AssertionError(arn)


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def verify(vector: Vector) -> None:
    """
    Raises:
        InvalidToken: the header is none, or there is no such key, or it has not signed this.
    """
    try:
        header = json.loads(decoded(vector.text.split(".", maxsplit=1)[0]))
    except ValueError:
        raise NotAToken("no header") from None
    kid, algorithm = named_key(header)
    key = await IssuerKeys(Documents(vector.keys)).find(ISSUER, kid=kid, algorithm=algorithm, now=NOW)
    check_signature(vector.text, key.key, algorithm)


@cache
def our_key(kid: str, modulus: str, exponent: str) -> PublicKey:
    numbers = rsa.RSAPublicNumbers(int.from_bytes(decoded(exponent)), int.from_bytes(decoded(modulus)))
    return PublicKey(kid=kid, rsa_key=numbers.public_key())


def key_of(vector: Vector) -> PublicKey:
    (jwk,) = vector.keys
    return our_key(jwk["kid"], jwk["n"], jwk["e"])


def is_accepted(vector: Vector) -> bool:
    return vector.valid and TAKEN.issuperset(vector.algorithms)


def test_the_files_are_whole_and_each_algorithm_is_taken_or_refused_with_a_reason() -> None:
    for document, count in ((SIGNATURES, 401), (CRYPTO, 83), (ENCRYPTION, 139)):
        groups = [group["tests"] for group in document["testGroups"]]
        assert sum(map(len, groups)) == document["numberOfTests"] == count
        assert [test["tcId"] for tests in groups for test in tests] == list(range(1, count + 1))
    assert (len(KEY_SETS), len(ENCRYPTED), len(ALL)) == (26, 34 + 139, 401 + 83 - 34 + 26)

    named = {algorithm for vector in vectors(SIGNATURES) for algorithm in vector.algorithms}
    assert named == TAKEN | set(NOT_TAKEN)


@pytest.mark.parametrize("vector", [vector for vector in ALL if is_accepted(vector)], ids=ids)
async def test_valid_signature_of_a_key_that_we_take_verifies(vector: Vector) -> None:
    await verify(vector)


@pytest.mark.parametrize("vector", [vector for vector in ALL if not is_accepted(vector)], ids=ids)
async def test_signature_or_key_that_is_not_sound_or_not_taken_is_refused(vector: Vector) -> None:
    with pytest.raises((NotAToken, TokenSignatureMismatch)):
        await verify(vector)


@pytest.mark.parametrize("vector", OURS, ids=ids)
def test_signature_by_a_key_of_our_pools_kind_verifies_only_if_it_is_sound(vector: Vector) -> None:
    header, _, signature = (*vector.text.split("."), "", "")[:3]

    if vector.text.count(".") == 2 and header and signature:
        assert key_of(vector).verify(decoded(signature), vector.text.rpartition(".")[0].encode()) == vector.valid
    else:
        assert not vector.valid


@pytest.mark.parametrize("vector", [*ALL, *ENCRYPTED], ids=ids)
async def test_text_that_is_no_id_token_is_refused_whole(vector: Vector) -> None:
    outside = OpenIdProviders(NoProviders(), IssuerKeys(Documents(vector.keys)))

    with pytest.raises(InvalidToken):
        await outside.verify_issuer_token(vector.text, issuer=ISSUER, audiences=["client"], now=NOW)
    with pytest.raises(InvalidToken):
        verify_token(
            vector.text, keys=KeySet.of([]), issuers=[ISSUER], token_use="access", audiences=["client"], now=NOW
        )


@pytest.mark.parametrize("vector", ENCRYPTED, ids=ids)
def test_encrypted_token_is_no_token_to_us(vector: Vector) -> None:
    """We hold no key to open one with: neither user pools nor IAM's providers are said to take them."""
    with pytest.raises(NotAToken):
        read_token(vector.text)


def test_roca_keys_are_known_by_their_mark_and_others_have_none() -> None:
    roca = next(vector for vector in ALL if "Roca" in vector.id).keys[0]["n"]
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key().public_numbers().n

    assert is_roca_modulus(int.from_bytes(decoded(roca)))
    assert not is_roca_modulus(other)

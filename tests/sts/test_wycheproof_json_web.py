"""Wycheproof's JSON Web vectors on what verifies other issuers' tokens: key sets, and signatures by elliptic curves.

Signatures by RSA on our own pools' verifier are in `tokens`. Wycheproof's payload is `foo`, which is no claims: key and
signature are checked by themselves, and each text is given to the whole verifier too, which refuses all of them. What
Wycheproof calls valid by a symmetric key is refused here: a key set that anybody can read holds no secret.
"""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from velvetrope.sts import IssuerKeys, OpenIdProviders
from velvetrope.tokens import InvalidToken, TokenSignatureMismatch, check_signature, is_roca_modulus

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ISSUER = "https://issuer.example"
_CASES = json.loads((Path(__file__).parent / "cases" / "wycheproof_json_web.json").read_text())
ALL = [*_CASES["key_sets"], *_CASES["es256"], *_CASES["special_es256"]]


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


def header_of(text: str) -> dict[str, Any]:
    part = text.split(".", maxsplit=1)[0]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


async def verify(case: dict[str, Any]) -> None:
    """
    Raises:
        TokenSignatureMismatch: there is no such key, or it has not signed this.
    """
    try:
        header = header_of(case["jws"])
    except ValueError:
        raise TokenSignatureMismatch("no header") from None
    keys = IssuerKeys(Documents(case["keys"]))
    key = await keys.find(ISSUER, kid=header.get("kid"), algorithm=header.get("alg", ""), now=NOW)
    check_signature(case["jws"], key.key, header["alg"])


def is_accepted(case: dict[str, Any]) -> bool:
    return bool(case["result"] == "valid" and case["keys"][0]["kty"] != "oct")


@pytest.mark.parametrize("case", [case for case in ALL if is_accepted(case)], ids=lambda case: case["id"])
async def test_valid_signature_of_a_public_key_verifies(case: dict[str, Any]) -> None:
    await verify(case)


@pytest.mark.parametrize("case", [case for case in ALL if not is_accepted(case)], ids=lambda case: case["id"])
async def test_signature_or_key_that_is_not_sound_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(TokenSignatureMismatch):
        await verify(case)


@pytest.mark.parametrize("case", ALL, ids=lambda case: case["id"])
async def test_text_that_is_no_token_is_refused_whole(case: dict[str, Any]) -> None:
    verifier = OpenIdProviders(NoProviders(), IssuerKeys(Documents(case["keys"])))

    with pytest.raises(InvalidToken):
        await verifier.verify_issuer_token(case["jws"], issuer=ISSUER, audiences=["client"], now=NOW)


def test_the_sets_are_there_whole() -> None:
    assert [len(_CASES[name]) for name in ("key_sets", "es256", "special_es256")] == [26, 15, 23]


def test_roca_keys_are_known_by_their_mark_and_others_have_none() -> None:
    roca = next(case for case in ALL if "Roca" in case["id"])["keys"][0]["n"]
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key().public_numbers().n

    assert is_roca_modulus(int.from_bytes(base64.urlsafe_b64decode(roca + "==")))
    assert not is_roca_modulus(other)

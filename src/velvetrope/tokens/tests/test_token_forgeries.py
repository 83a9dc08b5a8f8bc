"""Forgeries by name, after Wycheproof's sets for JSON Web signatures: each is refused, and the token beside it is not.

The published vectors are run by `tests/sts/test_wycheproof_json_web.py`; here are whole tokens. Modified PKCS #1
paddings are made with a key of our own, after the flag `ModifiedPadding`: what a verifier accepts that parses the
padding instead of comparing it (RFC 8017 section 8.2.2).
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from velvetrope.tokens import InvalidToken, KeySet, SigningKey, sign_token, verify_token

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ISSUER, CLIENT = "https://cognito-idp.us-west-2.amazonaws.com/us-west-2_AbCdEfGhI", "1example23456789"
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEY = SigningKey.of(PRIVATE)
ATTACKER = SigningKey.of(rsa.generate_private_key(public_exponent=65537, key_size=2048))
CLAIMS: dict[str, object] = {
    "sub": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
    "iss": ISSUER,
    "client_id": CLIENT,
    "token_use": "access",
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 3600,
}
_SHA256_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def verify(text: str, keys: KeySet | None = None) -> str:
    """The token's subject."""
    return verify_token(
        text, keys=keys or KeySet.of([KEY]), issuers=[ISSUER], token_use="access", audiences=[CLIENT], now=NOW
    ).sub


def base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def signing_input(**header: Any) -> str:
    given = {"alg": "RS256", "kid": KEY.kid, **header}
    return ".".join(base64url(json.dumps(part).encode()) for part in (given, CLAIMS))


def signed(key: SigningKey = KEY, **header: Any) -> str:
    text = signing_input(**header)
    return f"{text}.{base64url(key.sign(text.encode()))}"


def macced(secret: bytes, **header: Any) -> str:
    text = signing_input(alg="HS256", **header)
    return f"{text}.{base64url(hmac.digest(secret, text.encode(), 'sha256'))}"


def public_forms() -> dict[str, bytes]:
    """Every way to write our public key down, each of which somebody may take for the secret of an HMAC."""
    public = KEY.public.rsa_key
    jwk = {"e": "AQAB", "kty": "RSA", "n": base64url(public.public_numbers().n.to_bytes(256))}
    return {
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "pem without its last line break": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).strip(),
        "pkcs1 pem": public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "pkcs1 der": public.public_bytes(Encoding.DER, PublicFormat.PKCS1),
        "jwk": json.dumps(jwk, separators=(",", ":")).encode(),
        "modulus": public.public_numbers().n.to_bytes(256),
        "nothing": b"",
    }


@pytest.mark.parametrize("form", public_forms())
def test_symmetry_confusion_is_refused(form: str) -> None:
    with pytest.raises(InvalidToken):
        verify(macced(public_forms()[form]))


ATTACKERS_JWK = {
    "kty": "RSA",
    "e": "AQAB",
    "alg": "RS256",
    "n": base64url(ATTACKER.public.rsa_key.public_numbers().n.to_bytes(256)),
}


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": {**ATTACKERS_JWK, "kid": KEY.kid}},
        {"jwk": ATTACKERS_JWK, "kid": ATTACKER.kid},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"x5c": ["MIIB"]},
        {"x5t": "AAAA"},
    ],
)
def test_key_that_the_header_brings_or_points_at_is_not_used(header: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        verify(signed(ATTACKER, **header))
    if "kid" not in header:
        assert verify(signed(KEY, **header)) == CLAIMS["sub"]


KIDS: list[object] = [
    "../../../../dev/null",
    "/proc/sys/kernel/randomize_va_space",
    "' UNION SELECT 'secret' --",
    "' OR '1'='1",
    "key; sleep 10",
    "$(id)",
    "*",
    "%",
    "",
    pytest.param(KEY.kid + "\x00", id="with a zero byte"),
    pytest.param(KEY.kid.swapcase(), id="in the other case"),
    pytest.param(KEY.kid.rstrip("="), id="without padding"),
    None,
    0,
    True,
    [KEY.kid],
    {"kid": KEY.kid},
]


@pytest.mark.parametrize("kid", KIDS, ids=[f"kid {number}" for number, _ in enumerate(KIDS)])
def test_kid_is_looked_up_and_nothing_else(kid: object) -> None:
    for forged in (signed(kid=kid), macced(b"", kid=kid), macced(b"\x00", kid=kid)):
        with pytest.raises(InvalidToken):
            verify(forged)


@pytest.mark.parametrize(
    "alg", ["none", "None", "NONE", "nOnE", "", None, "RS512", "PS256", "EdDSA", ["RS256"], {"RS256": 1}]
)
def test_algorithm_of_the_header_is_no_choice(alg: object) -> None:
    text = signing_input(alg=alg)
    for signature in ("", base64url(KEY.sign(text.encode())), base64url(b"\x00" * 256)):
        with pytest.raises(InvalidToken):
            verify(f"{text}.{signature}")


def raw_signature(encoded: int) -> bytes:
    """RSA's own operation on any number: what a signer makes who pads in another way."""
    numbers = PRIVATE.private_numbers()
    return pow(encoded, numbers.d, numbers.public_numbers.n).to_bytes(256)


def padded(
    digest: bytes, *, info: bytes = _SHA256_DIGEST_INFO, change: Callable[[bytearray], None] = lambda _: None
) -> int:
    tail = info + digest
    block = bytearray(b"\x00\x01" + b"\xff" * (256 - 3 - len(tail)) + b"\x00" + tail)
    change(block)
    return int.from_bytes(block)


def put(position: int, value: int) -> Callable[[bytearray], None]:
    def change(block: bytearray) -> None:
        block[position] = value

    return change


PADDINGS: dict[str, Callable[[bytes], int]] = {
    "block type 0": lambda digest: padded(digest, change=put(1, 0)),
    "block type 2": lambda digest: padded(digest, change=put(1, 2)),
    "first byte": lambda digest: padded(digest, change=put(0, 1)) % PRIVATE.private_numbers().public_numbers.n,
    "a padding byte": lambda digest: padded(digest, change=put(100, 0xFE)),
    "a zero in the padding": lambda digest: padded(digest, change=put(100, 0)),
    "no separator": lambda digest: padded(digest, change=put(256 - 1 - 32 - len(_SHA256_DIGEST_INFO), 0xFF)),
    "no digest info": lambda digest: padded(digest, info=b""),
    "digest info of SHA-1": lambda digest: padded(digest, info=bytes.fromhex("3021300906052b0e03021a05000414")),
    "digest info without NULL": lambda digest: padded(
        digest, info=bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20"
    ),
    "digest info with long length": lambda digest: padded(
        digest, info=bytes.fromhex("308131300d060960864801650304020105000420")
    ),
    "garbage after the digest": lambda digest: int.from_bytes(
        b"\x00\x01" + b"\xff" * 8 + b"\x00" + _SHA256_DIGEST_INFO + digest + b"\x00" * (256 - 11 - 51)
    ),
    "another digest": lambda _: padded(hashlib.sha256(b"other").digest()),
}


def test_padding_made_by_hand_is_the_right_one() -> None:
    text = signing_input()

    assert verify(f"{text}.{base64url(raw_signature(padded(hashlib.sha256(text.encode()).digest())))}") == CLAIMS["sub"]


@pytest.mark.parametrize("name", PADDINGS)
def test_modified_padding_is_refused(name: str) -> None:
    text = signing_input()
    encoded = PADDINGS[name](hashlib.sha256(text.encode()).digest())

    with pytest.raises(InvalidToken):
        verify(f"{text}.{base64url(raw_signature(encoded))}")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda signature: signature + PRIVATE.private_numbers().public_numbers.n,  # the same mod n
        lambda signature: -signature % PRIVATE.private_numbers().public_numbers.n,
        lambda _: 0,
        lambda _: 1,
        lambda _: PRIVATE.private_numbers().public_numbers.n,
    ],
)
def test_other_numbers_are_no_signatures(spoil: Callable[[int], int]) -> None:
    text = signing_input()
    spoiled = spoil(int.from_bytes(KEY.sign(text.encode())))

    with pytest.raises(InvalidToken):
        verify(f"{text}.{base64url(spoiled.to_bytes(257).lstrip(bytes(1)) or bytes(1))}")


def test_json_serialization_is_not_taken() -> None:
    header, payload, signature = sign_token(CLAIMS, KEY).split(".")

    for document in (
        {"payload": payload, "protected": header, "signature": signature},
        {"payload": payload, "signatures": [{"protected": header, "signature": signature}]},
    ):
        with pytest.raises(InvalidToken):
            verify(json.dumps(document))


def test_unencoded_payload_option_is_refused() -> None:
    """RFC 7797: `b64: false` changes what was signed, and is only good with `crit`, which we refuse."""
    with pytest.raises(InvalidToken):
        verify(signed(b64=False, crit=["b64"]))

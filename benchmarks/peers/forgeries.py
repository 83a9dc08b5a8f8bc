"""Tokens that nobody issued, made of one that somebody did."""

import base64
import json
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

__all__ = ["by_another_key", "claims_of", "issued", "unsigned"]

_FORGER, _ISSUER = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))


def unsigned(token: str) -> str:
    """The same claims under `alg: none` and no signature (RFC 8725 section 2.1)."""
    header, claims, _ = token.split(".")
    return f"{_encoded({**json.loads(_decoded(header)), 'alg': 'none'})}.{claims}."


def by_another_key(token: str) -> str:
    """The same header and claims, signed with RS256 by a key of the forger's own."""
    return _signed(token.rpartition(".")[0], _FORGER)


def issued(claims: dict[str, Any]) -> str:
    """A token of an issuer whose keys nobody can ask for, for peers that have no issuer of their own."""
    return _signed(f"{_encoded({'kid': 'issuer', 'alg': 'RS256'})}.{_encoded(claims)}", _ISSUER)


def claims_of(token: str) -> dict[str, Any]:
    """What it says, unverified."""
    claims: dict[str, Any] = json.loads(_decoded(token.split(".")[1]))
    return claims


def _signed(head: str, key: rsa.RSAPrivateKey) -> str:
    signature = key.sign(head.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

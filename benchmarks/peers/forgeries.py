"""Tokens that nobody issued, made of one that somebody did."""

import base64
import functools
import json
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from velvetrope.server.machine import SystemClock

__all__ = ["by_another_key", "claims_of", "pool_token", "unsigned"]


@functools.cache
def _key_of(_whom: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def unsigned(token: str) -> str:
    """The same claims under `alg: none` and no signature (RFC 8725 section 2.1)."""
    header, claims, _ = token.split(".")
    return f"{_encoded({**json.loads(_decoded(header)), 'alg': 'none'})}.{claims}."


def by_another_key(token: str) -> str:
    """The same header and claims, signed with RS256 by a key of the forger's own."""
    return _signed(token.rpartition(".")[0], _key_of("forger"))


def pool_token(pool_id: str, age: timedelta = timedelta()) -> str:
    """An ID token as a user pool would have issued it `age` ago, for an hour; for peers that have no pools."""
    now = int((SystemClock().now() - age).timestamp())
    issuer = f"https://cognito-idp.{pool_id.partition('_')[0]}.amazonaws.com/{pool_id}"
    claims = {"sub": "anna", "cognito:username": "anna", "token_use": "id", "aud": "web", "iss": issuer}
    head = f"{_encoded({'kid': 'pool', 'alg': 'RS256'})}.{_encoded({**claims, 'iat': now, 'exp': now + 3600})}"
    return _signed(head, _key_of("pool"))


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

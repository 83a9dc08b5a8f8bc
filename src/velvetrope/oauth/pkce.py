"""Proof Key for Code Exchange, with S256 and nothing else.

A challenge is 43 characters of base64url: SHA-256 of the verifier's ASCII, without padding. `plain` is refused by the
authorization request's rules; here only S256 exists.

Source: RFC 7636 sections 4.1 to 4.6; its appendix B is in the tests.
"""

import hmac
import re
from hashlib import sha256

from velvetrope.base64url import encode_base64url
from velvetrope.oauth.errors import InvalidGrant, InvalidRequest

__all__ = ["check_code_challenge", "check_code_verifier", "derive_code_challenge", "verify_code_verifier"]

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # section 4.1: unreserved characters


def check_code_challenge(challenge: str) -> None:
    """Refuse what SHA-256 in base64url cannot have given.

    UNVERIFIED: AWS's own length check is not known; the RFC's form is the safer reading.
    """
    if not _CHALLENGE.fullmatch(challenge):
        raise InvalidRequest("code_challenge must be the base64url encoding of a SHA-256 hash")


def check_code_verifier(verifier: str) -> None:
    """Refuse a verifier that is not 43 to 128 unreserved characters."""
    if not _VERIFIER.fullmatch(verifier):
        raise InvalidRequest("code_verifier must be 43 to 128 unreserved characters")


def derive_code_challenge(verifier: str) -> str:
    """The S256 challenge of a verifier."""
    return encode_base64url(sha256(verifier.encode("ascii")).digest())


def verify_code_verifier(verifier: str | None, *, challenge: str | None) -> None:
    """Prove that who spends the code is who asked for it.

    A verifier for a code that had no challenge is refused too: accepting it would let an attacker who strips the
    challenge from an authorization request go unnoticed (RFC 9700 section 4.8.2). UNVERIFIED what AWS does then.

    Raises:
        InvalidGrant: one of the two is missing, or they do not belong together.
    """
    if challenge is None and verifier is None:
        return
    if challenge is None or verifier is None:
        raise InvalidGrant(detail="code_challenge and code_verifier go together; only one of them was given")
    if not hmac.compare_digest(derive_code_challenge(verifier), challenge):
        raise InvalidGrant(detail="the code_verifier does not belong to the code_challenge")

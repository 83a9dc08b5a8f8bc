"""SCRAM-SHA-256, the client's half: how the door proves its own password to PostgreSQL, and PostgreSQL proves itself.

The password does not travel. The server's last message proves that it knows the password's verifier: another process
that took PostgreSQL's port would be noticed before the client's session is passed to it. Passwords are ASCII, which
SASLprep leaves as it is.

Sources: RFC 5802 sections 3 and 5, RFC 7677; PostgreSQL 16 documentation, section 55.3.1.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Final

from velvetrope.errors import ReasonError
from velvetrope.secret import Secret

__all__ = ["MECHANISM", "ScramClient", "ScramRefused"]

MECHANISM: Final = "SCRAM-SHA-256"
_GS2_HEADER = "n,,"
MIN_ITERATIONS, MAX_ITERATIONS = 4096, 1_000_000
"""RFC 7677 section 4 has the first; the second keeps a false server from making the door calculate for ever."""


class ScramRefused(ReasonError):
    """The other side's message is not what it must be, or it does not know the password."""


class ScramClient:
    """One authentication. Call `first`, `final` and `verify` in this order, each once."""

    def __init__(self, password: Secret[str], nonce: bytes) -> None:
        """`nonce` is fresh and random, at least 18 bytes."""
        self._password = password
        self._nonce = base64.b64encode(nonce).decode()
        # PostgreSQL takes the user from the startup message and ignores the name here.
        self._bare = f"n=,r={self._nonce}"
        self._server_signature = b""

    def first(self) -> str:
        """The client-first-message."""
        return _GS2_HEADER + self._bare

    def final(self, server_first: str) -> str:
        """The client-final-message, which proves the password.

        Raises:
            ScramRefused: a message of another form, a nonce that is not ours, or an unreasonable iteration count.
        """
        fields = _fields(server_first, ("r", "s", "i"))
        nonce, iterations = fields["r"], fields["i"]
        if not nonce.startswith(self._nonce) or len(nonce) == len(self._nonce):
            raise ScramRefused("the server's nonce does not go on from ours")
        if not (iterations.isascii() and iterations.isdecimal()) or len(iterations) > 7:
            raise ScramRefused("the iteration count is no number")
        if not MIN_ITERATIONS <= int(iterations) <= MAX_ITERATIONS:
            raise ScramRefused("the iteration count is unreasonable")
        salted = hashlib.pbkdf2_hmac("sha256", self._password.reveal().encode(), _decode(fields["s"]), int(iterations))
        without_proof = f"c={base64.b64encode(_GS2_HEADER.encode()).decode()},r={nonce}"
        signed = f"{self._bare},{server_first},{without_proof}".encode()
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self._server_signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")
        return f"{without_proof},p={base64.b64encode(proof).decode()}"

    def verify(self, server_final: str) -> None:
        """Prove that the server knows the password too.

        Raises:
            ScramRefused: it does not.
        """
        presented = _decode(_fields(server_final, ("v",))["v"])
        if not self._server_signature or not hmac.compare_digest(presented, self._server_signature):
            raise ScramRefused("the server does not know the password")


def _fields(message: str, names: tuple[str, ...]) -> dict[str, str]:
    """The attributes, which stand in this order; extensions after them are not asked for by us."""
    parts = message.split(",")
    if len(parts) != len(names):
        raise ScramRefused("the server's message has other attributes")
    found: dict[str, str] = {}
    for name, part in zip(names, parts, strict=True):
        if not part.startswith(f"{name}="):
            raise ScramRefused("the server's message has other attributes")
        found[name] = part[2:]
    return found


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ScramRefused("the server's message is not base64") from None

"""RSA keys that were made before. One takes 30 ms of a processor and more, and nearly every test of a pool needs two.

Within a test every key is another one, those of what its file shares included; the next test begins with the same
again. Servers that run in processes of their own, and the tests beside the ground floor, make their keys themselves.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from cryptography.hazmat.primitives.asymmetric import rsa

__all__ = ["KeyStock"]

_STOCKED = (65537, 2048)
_make = rsa.generate_private_key


class KeyStock:
    """Stands in for `rsa.generate_private_key`, which is not ours."""

    def __init__(self) -> None:
        self._made: list[rsa.RSAPrivateKey] = []
        self._given = 0
        self._lock = threading.Lock()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """What is taken in the block is there to be taken again after it: its databases are gone with their keys."""
        before = self._given
        yield
        self._given = before

    def take(self, public_exponent: int, key_size: int) -> rsa.RSAPrivateKey:
        """The next key; a new one where none is left, and for any other form."""
        if (public_exponent, key_size) != _STOCKED:
            return _make(public_exponent, key_size)
        with self._lock:
            place = self._given
            self._given += 1
            if place < len(self._made):
                return self._made[place]
        key = _make(*_STOCKED)
        with self._lock:
            self._made.append(key)
        return key

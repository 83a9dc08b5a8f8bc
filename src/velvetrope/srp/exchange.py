"""The values of the exchange: salt, verifier, public values, and the key that both sides arrive at.

Names are those of RFC 5054 section 2: N and g the group, k the multiplier, x what the password becomes, v the verifier,
a and A the client's private and public value, b and B ours, u the scrambler, S the premaster secret.

Cognito differs from RFC 5054 in two ways. The hash is SHA-256 over values written as the shortest two's-complement
bytes of a positive number (`_pad`) rather than padded to the length of N; and k hashes N with that leading zero byte
and g as one byte. The identity inside x is the pool's name followed by the user's internal id.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from velvetrope.errors import ReasonError
from velvetrope.srp.groups import COGNITO_GROUP, SPLIT_PARTS, Group, read_number

__all__ = [
    "PRIVATE_VALUE_BYTES",
    "Challenge",
    "InvalidPublicValue",
    "PrivateValue",
    "claim_key",
    "decoy_verifier",
    "has_all_powers",
    "make_challenge",
    "make_private_values",
    "make_salt",
    "make_verifier",
    "parse_public_value",
    "verifier_powers",
]

SALT_BYTES = 16
PRIVATE_VALUE_BYTES = 32  # RFC 5054 section 3.1: at least 256 bits
_KEY_BYTES = 16
_KEY_INFO = b"Caldera Derived Key"
_HEX = re.compile(r"[0-9A-Fa-f]+")


class InvalidPublicValue(ReasonError):
    """A is not a hexadecimal number, longer than N, or 0 modulo N (RFC 5054 section 2.5.4)."""


@dataclass(frozen=True, slots=True)
class PrivateValue:
    """b, and g^b: for one exchange, and never for another."""

    value: int = field(repr=False)
    power: int = field(repr=False)
    """As secret as b: whoever has it learns the verifier from B."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One exchange as far as the server has come."""

    private_value: int = field(repr=False)
    public_value: int

    @property
    def public_value_hex(self) -> str:
        """SRP_B as it is sent: lower case, no leading zeros."""
        return _pad(self.public_value).hex().lstrip("0")


def make_salt(random: bytes) -> int:
    """A salt from 16 random bytes.

    Clients read SALT in hexadecimal, some as a number and some as bytes. Sent without leading zeros both readings are
    the same, so a salt is a number here.
    """
    if len(random) != SALT_BYTES:
        raise ValueError(f"a salt is made from {SALT_BYTES} bytes")
    return int.from_bytes(random)


def make_verifier(pool_name: str, user_id: str, password: str, salt: int, *, group: Group = COGNITO_GROUP) -> int:
    """v, which proves a password and does not give it away faster than by guessing. Keep it as carefully as a hash."""
    identity = _hash(f"{pool_name}{user_id}:{password}".encode())
    return int(group.generator_power(int.from_bytes(_hash(_pad(salt) + identity))))


def is_verifier(value: int, *, group: Group = COGNITO_GROUP) -> bool:
    """Whether a verifier that somebody sends could be one.

    0 and 1 make the key a value that needs no secret, and N - 1 one of two (the bounds are those of public values, RFC
    5054 section 2.5.4 and NIST SP 800-56A section 5.6.2.3.1).
    """
    return 1 < value < group.prime - 1


def has_all_powers(powers: Sequence[int] | Sequence[bytes]) -> bool:
    """Whether these are as many as are kept now; there were none once, and then three, which are of no use."""
    return len(powers) == SPLIT_PARTS - 1


def verifier_powers(verifier: int, *, group: Group = COGNITO_GROUP) -> tuple[int, ...]:
    """Powers of a verifier to keep beside it, for `claim_key`. Whoever has one of them has as much as the verifier."""
    return tuple(map(int, group.split_powers(verifier)))


def decoy_verifier(seed: bytes, *, group: Group = COGNITO_GROUP) -> tuple[int, tuple[int, ...]]:
    """Numbers that look like a verifier and its powers and belong to no password: for a user who is not there.

    They take as long to make as kept ones take to read, which exponentiations would not; and as long to compute with,
    which is all that the powers are for: they are other numbers of that size. The same seed gives the same numbers.
    """
    # As many bytes more as make all numbers equally likely.
    random = hashlib.shake_256(seed).digest((group.prime.bit_length() + 7) // 8 + 16)
    verifier = group.product(read_number(random))
    return verifier, tuple(verifier + n for n in range(1, SPLIT_PARTS))


def make_private_values(random: bytes, *, group: Group = COGNITO_GROUP) -> list[PrivateValue]:
    """One of each 32 random bytes. Several cost less for each than one alone, which finds table and code forgotten."""
    if not random or len(random) % PRIVATE_VALUE_BYTES:
        raise ValueError(f"a private value is made from {PRIVATE_VALUE_BYTES} bytes")
    values = (
        int.from_bytes(random[start : start + PRIVATE_VALUE_BYTES])
        for start in range(0, len(random), PRIVATE_VALUE_BYTES)
    )
    return [PrivateValue(value, group.generator_power(value)) for value in values]


def make_challenge(verifier: int, private: PrivateValue, *, group: Group = COGNITO_GROUP) -> Challenge:
    """b and B."""
    return Challenge(private.value, public_value(verifier, private.power, multiplier(group), group))


def parse_public_value(text: str, *, group: Group = COGNITO_GROUP) -> int:
    """A from its hexadecimal form; leading zeros and either case are fine.

    Raises:
        InvalidPublicValue: see there.
    """
    # Two digits more than N has: room for the zero byte that some clients put in front.
    if not _HEX.fullmatch(text) or len(text) > (group.prime.bit_length() + 3) // 4 + 2:
        raise InvalidPublicValue("SRP_A is not a hexadecimal number of the group's size")
    value = int(text, 16)
    if value % group.prime == 0:
        raise InvalidPublicValue("SRP_A is zero modulo N")
    return value


def claim_key(
    challenge: Challenge,
    client_public_value: int,
    verifier: int,
    *,
    powers: Sequence[int] = (),
    group: Group = COGNITO_GROUP,
) -> bytes:
    """The 16-byte key that a client with the right password has too; sooner with all of the verifier's `powers`.

    Raises:
        InvalidPublicValue: the scrambler is zero; the odds are 2 to the minus 256, unless somebody arranged it.
    """
    u = int.from_bytes(_hash(_pad(client_public_value) + _pad(challenge.public_value)))
    if u == 0:
        raise InvalidPublicValue("the scrambler is zero")
    secret = premaster_secret(client_public_value, challenge.private_value, verifier, u, group, powers=powers)
    # HKDF-SHA256 (RFC 5869): extract with u as the salt, expand to one block, keep its first half.
    extracted = hmac.digest(_pad(u), _pad(secret), "sha256")
    return hmac.digest(extracted, _KEY_INFO + b"\x01", "sha256")[:_KEY_BYTES]


@cache
def multiplier(group: Group) -> int:
    """k = H(N | g)."""
    return int.from_bytes(_hash(_pad(group.prime) + _pad(group.generator)))


def public_value(verifier: int, generator_power: int, k: int, group: Group) -> int:
    """B = k*v + g^b (RFC 5054 section 2.5.3)."""
    return (group.product(k, verifier) + generator_power) % group.prime


def premaster_secret(
    client_public_value: int, private_value: int, verifier: int, u: int, group: Group, *, powers: Sequence[int] = ()
) -> int:
    """S = (A * v^u) ^ b (RFC 5054 section 2.6)."""
    scrambled = group.joint_power(verifier, powers, u) if has_all_powers(powers) else group.power(verifier, u)
    return group.power(group.product(client_public_value, scrambled), private_value)


def _pad(value: int) -> bytes:
    """The shortest bytes of a positive number whose first bit is 0, as Java's BigInteger writes them."""
    return value.to_bytes(value.bit_length() // 8 + 1)


def _hash(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()

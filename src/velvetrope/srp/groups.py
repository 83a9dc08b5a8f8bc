"""The group that the exchange computes in, and fast powers in it.

Cognito's group is the 3072-bit prime of RFC 3526 section 5 with generator 2. `power` uses gmpy2 where it can be
imported (ten times Python's own `pow`, and it lets other threads run meanwhile). Powers of the generator, which every
challenge needs, come from a table of g to the (d times 256 to the i): 31 multiplications for an exponent of 256 bits.
The table takes 25 ms and 3.5 MB and is made when first needed. A verifier is raised to some power at every sign-in;
with seven of its powers kept beside it (`split_powers`) that costs 32 squarings in the place of 256 (`joint_power`):
Straus's method, HAC algorithm 14.88.

What comes out is a number as gmpy2 has it, where there is gmpy2: it computes, compares and prints as an `int` does.

gmpy2's powers and the tables' look-ups do not take the same time for every exponent. An exponent here is a fresh random
value, or a hash on the way to a verifier, and each is used once or twice; nobody can ask for the same one again and
again. The exponent of `joint_power` is the scrambler, which client and server both send the parts of: it is no secret.

Source: A. Menezes, P. van Oorschot, S. Vanstone, Handbook of Applied Cryptography, section 14.6.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from operator import getitem

__all__ = ["COGNITO_GROUP", "SPLIT_PARTS", "Group", "read_number"]

_TABLE_EXPONENT_BYTES = 32
_SPLIT_BITS = 256
"""How long an exponent may be that is split into parts."""
SPLIT_PARTS = 8
"""Of four parts each all products are made, sixteen, twice. Of all eight it would be 256, for one sign-in."""


@cache
def _fast_power() -> Callable[[int, int, int], int]:
    try:
        import gmpy2
    except ImportError:
        return pow

    def power(base: int, exponent: int, modulus: int) -> int:
        context = gmpy2.get_context()  # the thread's own
        context.allow_release_gil = True
        try:
            result: int = gmpy2.powmod(base, exponent, modulus)
            return result
        finally:
            context.allow_release_gil = False  # a product is too short to give anything away meanwhile

    return power


@dataclass(frozen=True)
class Group:
    """The numbers modulo `prime`, with `generator`."""

    prime: int
    generator: int

    def power(self, base: int, exponent: int) -> int:
        """`base` to the `exponent`, modulo the prime."""
        return _fast_power()(base, exponent, self._modulus)

    def product(self, *factors: int) -> int:
        """The product of `factors`, modulo the prime."""
        product, prime = _big_number()(1), self._modulus
        for factor in factors:
            product = product * factor % prime
        return product

    def generator_power(self, exponent: int) -> int:
        """`generator` to the `exponent`, modulo the prime; quick for exponents of up to 256 bits."""
        if not 0 <= exponent < 1 << 8 * _TABLE_EXPONENT_BYTES:
            return self.power(self.generator, exponent)
        factors = map(getitem, self._table, exponent.to_bytes(_TABLE_EXPONENT_BYTES, "little"))
        product, prime = next(factors), self._modulus
        for factor in factors:
            product = product * factor % prime
        return product

    def split_powers(self, base: int) -> tuple[int, ...]:
        """`base` to the 2^32, 2^64 … 2^224: what `joint_power` needs besides `base`. As much work as a power."""
        powers = [base]
        for _ in range(SPLIT_PARTS - 1):
            powers.append(self.power(powers[-1], 1 << _SPLIT_BITS // SPLIT_PARTS))
        return tuple(powers[1:])

    def joint_power(self, base: int, powers: Sequence[int], exponent: int) -> int:
        """`power`, in half the time, where `powers` are `split_powers(base)` and the exponent has up to 256 bits."""
        if 1 + len(powers) != SPLIT_PARTS or not 0 <= exponent < 1 << _SPLIT_BITS:
            raise ValueError("the powers are of another exponent's length")
        number, prime = _big_number(), self._modulus
        bases = [number(value) for value in (base, *powers)]
        of_low_parts, of_high_parts = _products(bases[:4], prime), _products(bases[4:], prime)
        result = number(1)
        for column in _columns(exponent):
            result = result * result % prime * of_low_parts[column & 15] % prime * of_high_parts[column >> 4] % prime
        return result

    @cached_property
    def _modulus(self) -> int:
        return _big_number()(self.prime)

    @cached_property
    def _table(self) -> list[list[int]]:
        """Row i holds generator to the (d << 8i) for every byte d."""
        number, prime = _big_number(), self._modulus
        base = number(self.generator)
        rows = []
        for _ in range(_TABLE_EXPONENT_BYTES):
            row = [number(1)]
            for _ in range(255):
                row.append(row[-1] * base % prime)
            rows.append(row)
            base = row[-1] * base % prime
        return rows


def _columns(exponent: int) -> bytes:
    """The bits of one weight in all parts of a split exponent, from the highest weight on. Bit i is part i's."""
    digits = f"{exponent:0{_SPLIT_BITS}b}".encode()
    size = _SPLIT_BITS // SPLIT_PARTS
    lowest_bits = int.from_bytes(b"\x01" * size)
    columns = 0
    for start in range(0, _SPLIT_BITS, size):
        # "0" and "1" differ in the lowest bit of a byte, and a byte has room for a bit of each part.
        columns = columns << 1 | int.from_bytes(digits[start : start + size]) & lowest_bits
    return columns.to_bytes(size)


def _products(bases: Sequence[int], prime: int) -> list[int]:
    """At the index whose bit i says whether `bases[i]` is a factor: the product."""
    products = [1]
    for base in bases:
        products += [product * base % prime for product in products]
    return products


def read_number(value: bytes) -> int:
    """`int.from_bytes(value)`, of the type whose products are quickest: nothing has to be made of it to compute."""
    return _big_number().from_bytes(value)


@cache
def _big_number() -> type[int]:
    """The type whose products are quickest."""
    try:
        from gmpy2 import mpz
    except ImportError:
        return int
    number: type[int] = mpz
    return number


COGNITO_GROUP = Group(
    prime=int(
        "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"
        "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437"
        "4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
        "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05"
        "98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB"
        "9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
        "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718"
        "3995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33"
        "A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7"
        "ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864"
        "D87602733EC86A64521F2B18177B200CBBE117577A615D6C770988C0BAD946E2"
        "08E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF",
        16,
    ),
    generator=2,
)
"""RFC 3526 section 5, the 3072-bit MODP group."""

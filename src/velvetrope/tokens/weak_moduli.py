"""RSA moduli that are known to be factorable by how they were made: the ROCA keys of Infineon's library.

Their primes are `k·M + (65537^a mod M)`, so that the modulus is a power of 65537 modulo every small prime that divides
M. One modulus in some hundred millions that were made otherwise looks the same.

Source: Nemec, Sys, Svenda, Klinec, Matyas, "The Return of Coppersmith's Attack" (CCS 2017), section 2; CVE-2017-15361.
"""

from functools import cache

__all__ = ["is_roca_modulus"]

_GENERATOR = 65537
_LARGEST_PRIME = 167


def is_roca_modulus(modulus: int) -> bool:
    """Whether the modulus bears the mark of such a key."""
    return all(modulus % prime in powers for prime, powers in _marks().items())


@cache
def _marks() -> dict[int, frozenset[int]]:
    """The powers of 65537 modulo each odd prime up to 167."""
    numbers = range(3, _LARGEST_PRIME + 1, 2)
    primes = [number for number in numbers if all(number % divisor for divisor in range(3, number, 2))]
    return {prime: frozenset(pow(_GENERATOR, exponent, prime) for exponent in range(prime)) for prime in primes}

"""Temporary passwords that a pool makes up when the administrator named none.

Twelve characters or the policy's minimum, whichever is more, with each kind of character in it, whatever the policy
asks for: 12 characters from 70 are more than 70 bits.
"""

import string

from velvetrope.clock import Entropy
from velvetrope.passwords.policy import PasswordPolicy
from velvetrope.secret import Secret

__all__ = ["make_temporary_password"]

_SAFE_SYMBOLS = "!@#%*_-?"  # survive mail programs, shells and reading aloud
_KINDS = (string.ascii_uppercase, string.ascii_lowercase, string.digits, _SAFE_SYMBOLS)
_SHORTEST = 12


def make_temporary_password(policy: PasswordPolicy, entropy: Entropy) -> Secret[str]:
    """A password that every policy of that minimum length accepts."""
    length = max(_SHORTEST, policy.minimum_length)
    everything = "".join(_KINDS)
    while True:
        made = "".join(_pick(entropy, everything) for _ in range(length))
        if all(any(c in kind for c in made) for kind in _KINDS):
            return Secret(made)


def _pick(entropy: Entropy, alphabet: str) -> str:
    limit = 256 - 256 % len(alphabet)
    while (byte := entropy.token_bytes(1)[0]) >= limit:
        continue
    return alphabet[byte % len(alphabet)]

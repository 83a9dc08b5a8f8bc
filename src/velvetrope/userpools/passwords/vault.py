"""Passwords as they are kept: an SRP verifier and an Argon2id hash, sealed together.

The verifier serves clients that prove the password without sending it, the hash those that send it. Beside the verifier
are some of its powers, by which a proof costs less (decision 0038). All of it could be guessed at by whoever steals it,
so it is encrypted under the master keys, which are not in the database; the seal is bound to pool and user, so that
nobody can give a user somebody else's password by moving a value between rows.

For a name that nobody has, the same work is done with made-up values that look the same: `matches` runs Argon2 on a
hash that nothing matches, `decoy` gives a salt and a verifier that are the same every time for the same pool and name,
as AWS does (Developer Guide, "Managing error response").
"""

import base64
import hashlib

import msgspec

from velvetrope.clock import Entropy
from velvetrope.passwords import hash_password, password_matches
from velvetrope.sealing import TAG_BYTES, MasterKeys
from velvetrope.secret import Secret
from velvetrope.srp import decoy_verifier, has_all_powers, make_salt, make_verifier, read_number, verifier_powers
from velvetrope.store.tables.userpools import UserPool
from velvetrope.userpools.workers import Workers

__all__ = ["PasswordVault", "SrpVerifier", "fingerprint_of"]

_PURPOSE = "userpools.password"
_DECOY = "userpools.decoy"
_SALT_BYTES = 16
_NOTHING = bytes(TAG_BYTES)


class SrpVerifier(msgspec.Struct, frozen=True):
    """What SRP needs of a password."""

    salt: int
    verifier: int
    fingerprint: bytes = b""
    """Of the sealed form that it was read from (`fingerprint_of`); of itself where powers are yet to be kept."""
    powers: tuple[int, ...] = ()
    """Of the verifier (`srp.verifier_powers`), as far as they were kept."""

    def __repr__(self) -> str:
        return f"SrpVerifier({self.salt:x})"

    @property
    def is_bare(self) -> bool:
        """Whether powers are yet to be kept."""
        return not has_all_powers(self.powers)


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """Plaintext of the seal."""

    srp_salt: bytes
    srp_verifier: bytes
    argon2: bytes
    srp_powers: tuple[bytes, ...] = ()
    """None, or three, which are of no use any more, in rows of before so many were kept: such a password is proven in
    more time, until it is shown (`kept_powers`)."""


class PasswordVault:
    """Makes and reads the sealed form."""

    def __init__(self, master_keys: MasterKeys, entropy: Entropy, workers: Workers) -> None:
        self._master_keys = master_keys
        self._entropy = entropy
        self._workers = workers
        # A hash of the right form that no password has: 32 random bytes are nobody's Argon2 output.
        unguessable, salt = _base64(entropy.token_bytes(32)), _base64(entropy.token_bytes(_SALT_BYTES))
        self._nobodys_hash = f"$argon2id$v=19$m=19456,t=2,p=1${salt}${unguessable}".encode()

    async def seal(self, password: Secret[str], *, pool: UserPool, username: str, sub: str) -> bytes:
        """The form that is kept. `username` is the internal one, which SRP calls USER_ID_FOR_SRP."""
        srp_salt = make_salt(self._entropy.token_bytes(_SALT_BYTES))
        argon2_salt = self._entropy.token_bytes(_SALT_BYTES)

        def work() -> _Kept:
            verifier = make_verifier(pool.short_name, username, password.reveal(), srp_salt)
            powers = tuple(_bytes(power) for power in verifier_powers(verifier))
            return _Kept(_bytes(srp_salt), _bytes(verifier), hash_password(password, salt=argon2_salt), powers)

        return self._seal(await self._workers.run(work), pool, sub)

    async def matches(self, password: Secret[str], sealed: bytes | None, *, pool: UserPool, sub: str) -> bool:
        """Whether this is the password. Without a sealed one the same work is done and the answer is no."""
        encoded = self._nobodys_hash if sealed is None else self._open(sealed, pool, sub).argon2
        right = await self._workers.run(lambda: password_matches(password, encoded))
        return right and sealed is not None

    def srp(self, sealed: bytes, *, pool: UserPool, sub: str) -> SrpVerifier:
        """The SRP half of the sealed form."""
        kept = self._open(sealed, pool, sub)
        return SrpVerifier(
            int.from_bytes(kept.srp_salt),
            read_number(kept.srp_verifier),
            fingerprint_of(sealed) if has_all_powers(kept.srp_powers) else _of_verifier(kept),
            tuple(map(read_number, kept.srp_powers)),
        )

    def verifier_fingerprint(self, sealed: bytes, *, pool: UserPool, sub: str) -> bytes:
        """What `srp` gives for a password whose powers were yet to be kept, whether or not they were since."""
        return _of_verifier(self._open(sealed, pool, sub))

    async def with_powers(self, sealed: bytes, *, pool: UserPool, sub: str) -> bytes | None:
        """The same password sealed with all powers of its verifier; None where they are there already."""
        kept = self._open(sealed, pool, sub)
        if has_all_powers(kept.srp_powers):
            return None
        powers = await self._workers.run(lambda: verifier_powers(int.from_bytes(kept.srp_verifier)))
        return self._seal(msgspec.structs.replace(kept, srp_powers=tuple(_bytes(one) for one in powers)), pool, sub)

    def decoy(self, pool: UserPool, username_key: str) -> SrpVerifier:
        """Salt and verifier for a name nobody has: always the same for one name, until master keys are dropped."""
        seed = self._derived(pool, username_key)
        salt = make_salt(seed[:_SALT_BYTES])
        verifier, powers = decoy_verifier(seed)
        return SrpVerifier(salt, verifier, seed[_SALT_BYTES:], powers)

    def decoy_user_id(self, pool: UserPool, username_key: str) -> str:
        """The internal id of a user that is not there, where internal ids are UUIDs."""
        seed = hashlib.sha256(self._derived(pool, username_key)).hexdigest()
        return f"{seed[:8]}-{seed[8:12]}-4{seed[13:16]}-{'89ab'[int(seed[16], 16) % 4]}{seed[17:20]}-{seed[20:32]}"

    def _derived(self, pool: UserPool, username_key: str) -> bytes:
        # The oldest key, so that a rotation does not change what a stranger is told about a name.
        oldest = next(iter(self._master_keys.keys))
        return self._master_keys.derive(purpose=_DECOY, info=f"{pool.id}|{username_key}".encode(), key_id=oldest)

    def _seal(self, kept: _Kept, pool: UserPool, sub: str) -> bytes:
        return self._master_keys.seal(
            msgspec.msgpack.encode(kept), purpose=_PURPOSE, entropy=self._entropy, context=_context(pool, sub)
        )

    def _open(self, sealed: bytes, pool: UserPool, sub: str) -> _Kept:
        opened = self._master_keys.open(sealed, purpose=_PURPOSE, context=_context(pool, sub))
        return msgspec.msgpack.decode(opened, type=_Kept)


def fingerprint_of(sealed: bytes | None) -> bytes:
    """16 bytes that tell one sealed secret from any other, and from itself sealed anew; and from there being none.

    A seal ends with its tag, which comes of everything in it, and of a nonce that no other has.
    """
    return sealed[-TAG_BYTES:] if sealed else _NOTHING


def _of_verifier(kept: _Kept) -> bytes:
    # The salt is random, so that the same password set anew is another one here too.
    return hashlib.sha256(kept.srp_salt.rjust(_SALT_BYTES, b"\0") + kept.srp_verifier).digest()[:TAG_BYTES]


def _context(pool: UserPool, sub: str) -> bytes:
    return f"{pool.id}|{sub}".encode()


def _bytes(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).rstrip(b"=").decode()  # the PHC string format's base64

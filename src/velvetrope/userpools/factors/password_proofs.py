"""SRP during a sign-in: the challenge, and the proof that answers it.

    A  ->  B, SALT, SECRET_BLOCK  ->  signature over pool, user, block and time

The same exchange proves a user's password and a device's secret; what differs is whose verifier it is and which names
go into the signature. For a name that nobody has, or a user without a password, the verifier is made up and looks the
same every time (`PasswordVault.decoy`); the work is the same, and no proof is right.

With A, B and the verifier at hand the key that a client with the right secret will arrive at can be computed at once,
and it is: the block carries the key instead of three numbers of the group's size, and an answer costs one hash, the
first one to a block and any further one. The secret must still be the same when the answer comes.

Source: user-pools reference section 3.
"""

import base64
import hmac
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Protocol

import msgspec

from velvetrope.srp import (
    Challenge,
    InvalidPublicValue,
    InvalidTimestamp,
    claim_key,
    claim_signature,
    make_challenge,
    parse_public_value,
    parse_timestamp,
)
from velvetrope.store.tables.userpools import StoredUser, UserPool, UserPoolStore
from velvetrope.store.tables.userpools_factors import FactorStore
from velvetrope.store.tables.userpools_sign_in import NewFamily
from velvetrope.userpools.challenges import SECRET_BLOCK_LIFETIME, ChallengeSealer, SecretBlock, SignIn, decode_base64
from velvetrope.userpools.directory import PoolDirectory, PresentedName
from velvetrope.userpools.errors import (
    InvalidParameterException,
    ResourceNotFoundException,
    UserPoolError,
    wrong_credentials,
)
from velvetrope.userpools.factors.private_values import PrivateValues
from velvetrope.userpools.factors.sent_passwords import wrong_password_error
from velvetrope.userpools.passwords.back_off import BackOff, is_locked
from velvetrope.userpools.passwords.kept_powers import KeptPowers
from velvetrope.userpools.passwords.vault import PasswordVault, SrpVerifier, fingerprint_of
from velvetrope.userpools.turns import Answered, NextChallenge, Turn, required
from velvetrope.userpools.workers import Workers

__all__ = ["Ending", "Met", "PasswordProofs", "SignedNames", "SrpExchange", "device_missing"]

_TIMESTAMP_SKEW = timedelta(minutes=5)
"""How far TIMESTAMP may be from our clock: what SigV4 allows. UNVERIFIED; the secret block is what is really spent."""


class SignedNames(msgspec.Struct, frozen=True):
    """The two names that an answer signs over: the pool's and the user's, or the device group's and the device's."""

    group: str
    prover: str


class Met(msgspec.Struct, frozen=True):
    """What comes of a client's public value and ours: our half, and the key at the end of the exchange."""

    known: SrpVerifier
    challenge: Challenge
    key: bytes

    def __repr__(self) -> str:
        return f"Met({self.challenge!r})"


class Ending(Protocol):
    """What may follow a right answer at once. Both are called in a worker."""

    def begins(self, sign_in: SignIn, stored: StoredUser, /) -> NewFamily | None:
        """The family of the tokens that end this sign-in, where nothing else is to be shown. It must not raise."""
        ...

    def kept(self) -> None:
        """The family that `begins` has named is in the store."""
        ...


class SrpExchange:
    """The arithmetic and the secret block, for whatever is proven."""

    def __init__(self, challenges: ChallengeSealer, back_off: BackOff, values: PrivateValues, workers: Workers) -> None:
        self._challenges = challenges
        self._back_off = back_off
        self._values = values
        self._workers = workers

    def meet_here(self, public_value_hex: str, known: SrpVerifier) -> Met:
        """All of the arithmetic; it takes a millisecond of a worker.

        Raises:
            InvalidPublicValue: SRP_A is no public value.
        """
        public_value = parse_public_value(public_value_hex)
        challenge = make_challenge(known.verifier, self._values.take())
        return Met(known, challenge, claim_key(challenge, public_value, known.verifier, powers=known.powers))

    async def begin(
        self, turn: Turn, sign_in: SignIn, public_value_hex: str, known: SrpVerifier, *, device: bool = False
    ) -> dict[str, str]:
        """SALT, SRP_B and SECRET_BLOCK for a client's SRP_A.

        Raises:
            InvalidParameterException: SRP_A is no public value.
        """
        try:
            met = await self._workers.brief(lambda: self.meet_here(public_value_hex, known))
        except InvalidPublicValue as reason:
            # Error and text UNVERIFIED; refused as any other parameter that makes no sense.
            raise InvalidParameterException("SRP_A is not a valid public value", detail=reason.message) from None
        return self.ask(turn, sign_in, met, device=device)

    def ask(self, turn: Turn, sign_in: SignIn, met: Met, *, device: bool = False) -> dict[str, str]:
        """`begin`, once its arithmetic is done."""
        block = SecretBlock(
            id=self._challenges.new_id(turn.now),
            expires_at=turn.now + SECRET_BLOCK_LIFETIME,
            sign_in=sign_in,
            key=met.key,
            secret=met.known.fingerprint,
            device=device,
            bare=not device and met.known.is_bare,
        )
        sealed = self._challenges.seal_block(block, pool=turn.pool, client=turn.client)
        return {
            "SALT": f"{met.known.salt:x}",
            "SRP_B": met.challenge.public_value_hex,
            "SECRET_BLOCK": base64.b64encode(sealed).decode(),
        }

    def open(self, turn: Turn, responses: Mapping[str, str], *, device: bool) -> tuple[SecretBlock, bytes]:
        """The secret block of an answer, and its bytes.

        Raises:
            InvalidParameterException: a part of the answer is missing, or TIMESTAMP has another form.
            NotAuthorizedException: the block is not ours, another user's or too old, or the time is off.
        """
        username = required(responses, "USERNAME")
        required(responses, "PASSWORD_CLAIM_SIGNATURE")
        block_text = required(responses, "PASSWORD_CLAIM_SECRET_BLOCK")
        try:
            claimed_at = parse_timestamp(required(responses, "TIMESTAMP"))
        except InvalidTimestamp:
            raise InvalidParameterException(
                "TIMESTAMP format should be EEE MMM d HH:mm:ss z yyyy in english."
            ) from None
        raw = decode_base64(block_text)
        block = None if raw is None else self._challenges.open_block(raw, pool=turn.pool, client=turn.client)
        if raw is None or block is None or block.device != device:
            raise wrong_credentials("the secret block is not one of ours for this client")
        if username not in {block.sign_in.username, block.sign_in.user_id}:
            raise wrong_credentials("the secret block is another user's")
        if turn.now >= block.expires_at:
            raise wrong_credentials("the secret block has expired")
        if abs(turn.now - claimed_at) > _TIMESTAMP_SKEW:
            raise wrong_credentials("TIMESTAMP is not near the server's clock")
        return block, raw

    async def check(
        self,
        turn: Turn,
        block: SecretBlock,
        raw: bytes,
        responses: Mapping[str, str],
        names: SignedNames,
        *,
        stands: Callable[[StoredUser | None], bool],
        refusal: Callable[[StoredUser | None], UserPoolError],
        begins: Callable[[StoredUser], NewFamily | None] | None = None,
        kept: Callable[[], None] | None = None,
    ) -> StoredUser | None:
        """That the answer's signature is the one that the secret makes. The block is spent by asking. Returns the user.

        `stands` says whether the secret is still the one that the block's key was made of; where it is not the same
        work is done, and no answer is right. `begins` and `kept` are what may follow a right one (`BackOff.settle`).

        Raises:
            NotAuthorizedException: the block was spent before, or the name is locked.
            UserPoolError: the signature is another one; what `refusal` says.
        """
        expected = claim_signature(
            block.key,
            pool_name=names.group,
            user_id=names.prover,
            secret_block=raw,
            timestamp=responses["TIMESTAMP"],
        )
        signed = hmac.compare_digest(expected.encode(), responses["PASSWORD_CLAIM_SIGNATURE"].encode())
        return await self._back_off.settle(
            turn.pool,
            block.sign_in.username_key,
            block.id,
            expires_at=block.expires_at,
            right=lambda found: stands(found) and signed,
            refusal=refusal,
            now=turn.now,
            begins=begins,
            kept=kept,
        )


class PasswordProofs:
    """PASSWORD_VERIFIER."""

    def __init__(
        self,
        *,
        store: UserPoolStore,
        factors: FactorStore,
        directory: PoolDirectory,
        vault: PasswordVault,
        powers: KeptPowers,
        exchange: SrpExchange,
    ) -> None:
        self._store = store
        self._factors = factors
        self._directory = directory
        self._vault = vault
        self._powers = powers
        self._exchange = exchange

    def meet_here(self, turn: Turn, name: PresentedName, public_value_hex: str) -> Met | None:
        """The arithmetic of `ask`, for who is in a worker already.

        None where the sign-in is about to be refused for another reason, which is not said here.
        """
        unknown = name.found is None and not turn.client.hides_missing_users
        if unknown or is_locked(name.attempts, now=turn.now):
            return None
        try:
            return self._exchange.meet_here(public_value_hex, self._verifier(turn.pool, name.key, name.found))
        except InvalidPublicValue:
            return None

    async def ask(
        self, turn: Turn, sign_in: SignIn, found: StoredUser | None, public_value_hex: str, *, met: Met | None = None
    ) -> NextChallenge:
        """The challenge to a client's SRP_A; `met` is what `meet_here` made of the two.

        Raises:
            InvalidParameterException: SRP_A is no public value.
        """
        if met is not None:
            parameters = self._exchange.ask(turn, sign_in, met)
        else:
            verifier = self._verifier(turn.pool, sign_in.username_key, found)
            parameters = await self._exchange.begin(turn, sign_in, public_value_hex, verifier)
        names = {"USERNAME": sign_in.user_id, "USER_ID_FOR_SRP": sign_in.user_id}
        return NextChallenge("PASSWORD_VERIFIER", {**parameters, **names})

    async def answer(self, turn: Turn, responses: Mapping[str, str], ending: Ending | None = None) -> Answered:
        """The sign-in with its password proven. The session that may come along says nothing: the block is the state.

        `ending` is told of a right answer in the transaction that counts it.

        Raises:
            ResourceNotFoundException: the client says that it is a device that the user has not confirmed; clients
                forget it then and answer the same challenge again, so that it is said before the block is spent.
            NotAuthorizedException: the proof is wrong, or the challenge does not stand.
            PasswordResetRequiredException: there is no password yet (`wrong_password_error`).
        """
        self._directory.check_secret_hash(turn.client, responses.get("SECRET_HASH"), [required(responses, "USERNAME")])
        block, raw = self._exchange.open(turn, responses, device=False)
        sign_in, pool = block.sign_in, turn.pool
        device_key = responses.get("DEVICE_KEY")
        if device_key is not None:
            await self._check_device(pool, sign_in, device_key)
        proven = sign_in.with_device(device_key).with_password("PASSWORD_VERIFIER", block.secret)
        found = await self._exchange.check(
            turn,
            block,
            raw,
            responses,
            SignedNames(pool.short_name, sign_in.user_id),
            stands=lambda found: self._is_secret_of(pool, found, block),
            refusal=lambda found: _refusal(turn, found),
            begins=None if ending is None else partial(ending.begins, proven),
            kept=None if ending is None else ending.kept,
        )
        if block.bare and found is not None:
            found = await self._powers.keep(pool, found)
            proven = msgspec.structs.replace(proven, password=fingerprint_of(found.password_sealed))
        return Answered(proven, found)

    def _is_secret_of(self, pool: UserPool, found: StoredUser | None, block: SecretBlock) -> bool:
        """Whether the block's key was made of the password that the user has now."""
        if found is None or found.password_sealed is None or found.user.sub != block.sign_in.sub:
            return False
        sealed = found.password_sealed
        secret = (
            self._vault.verifier_fingerprint(sealed, pool=pool, sub=found.user.sub)
            if block.bare
            else fingerprint_of(sealed)
        )
        return hmac.compare_digest(secret, block.secret)

    async def _check_device(self, pool: UserPool, sign_in: SignIn, device_key: str) -> None:
        if await self._factors.load_device(pool.id, sign_in.username_key, device_key) is None:
            raise device_missing()

    def _verifier(self, pool: UserPool, username_key: str, found: StoredUser | None) -> SrpVerifier:
        """The user's verifier, or one that looks like it where there is no user or no password."""
        if found is None or found.password_sealed is None:
            return self._vault.decoy(pool, username_key)
        return self._vault.srp(found.password_sealed, pool=pool, sub=found.user.sub)


def device_missing() -> ResourceNotFoundException:
    """Clients know this by the word `device` in it, and forget theirs."""
    return ResourceNotFoundException("Device does not exist.")


def _refusal(turn: Turn, found: StoredUser | None) -> UserPoolError:
    return wrong_credentials("nobody has the name") if found is None else wrong_password_error(turn.client, found)

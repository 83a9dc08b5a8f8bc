"""Codes that are sent by mail or SMS during a sign-in, as its first factor or its second.

A code lives in its session, as a keyed hash, and as long as the session does. Six digits as a second factor, eight as
the first (user-pools reference section 2). It shows the address that it went to: with another one by now, or in a pool
that takes such codes no more, the session does not stand. A wrong code leaves the session usable, as on AWS; but AWS
lets a live session be guessed at without end, and here guesses are counted per user, over all sessions, like wrong
passwords (`passwords.back_off`): six digits last for three minutes, and a dozen guesses fit into them. How often one is
sent is bounded too (`messages.call_limits`).

For a name that nobody has, a client that hides missing users is told of a code that was never sent: the destination is
made from the name, the work is the same, and no code is right.

Source: user-pools reference sections 2, 5 and 6; Cognito Developer Guide, "Managing error response".
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Protocol

from velvetrope.clock import Entropy
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import User, UserPool
from velvetrope.userpools.challenges import ChallengeSealer, CodeAsked, SignIn
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import CodeMismatchException, InvalidParameterException, NotAuthorizedException
from velvetrope.userpools.messages.call_limits import CallLimits, LimitedCall
from velvetrope.userpools.messages.decoys import Decoys
from velvetrope.userpools.messages.outbox import Address, Medium, mask
from velvetrope.userpools.passwords.back_off import BackOff
from velvetrope.userpools.turns import Answered, NextChallenge, Turn, check_username, required

__all__ = ["CodeSender", "OneTimeCodes", "SentCode", "code_lock", "new_digits"]

SentCode = Literal["SMS_MFA", "EMAIL_OTP", "SMS_OTP"]

_PURPOSE = "userpools.sign-in-code"
_SECOND_FACTOR_DIGITS = 6
_FIRST_FACTOR_DIGITS = 8
_KEY_ID_BYTES = 4


class CodeSender(Protocol):
    """Sees to it that codes reach people."""

    async def send_sign_in_code(
        self,
        pool: UserPool,
        user: User | None,
        *,
        medium: Medium,
        code: Secret[str],
        client_id: str,
        client_metadata: Mapping[str, str] | None,
        now: datetime,
    ) -> None:
        """Send it to the user's address; without a user do the same work and send nothing."""
        ...


class OneTimeCodes:
    """Sends codes and checks what comes back."""

    def __init__(
        self,
        *,
        sender: CodeSender,
        challenges: ChallengeSealer,
        directory: PoolDirectory,
        back_off: BackOff,
        limits: CallLimits,
        master_keys: MasterKeys,
        entropy: Entropy,
    ) -> None:
        self._sender = sender
        self._challenges = challenges
        self._directory = directory
        self._back_off = back_off
        self._limits = limits
        self._master_keys = master_keys
        self._entropy = entropy
        self._decoys = Decoys(master_keys)

    async def ask(
        self,
        turn: Turn,
        sign_in: SignIn,
        user: User | None,
        challenge_name: SentCode,
        *,
        second_factor: bool,
        available: tuple[str, ...] | None = None,
        sets_up: str | None = None,
    ) -> NextChallenge:
        """Send a code, or seem to where `user` is None. `sets_up`: see `CodeAsked`.

        Raises:
            LimitExceededException: too many were sent and not shown (`call_limits`).
        """
        await self._limits.take(turn.pool, sign_in.username_key, _kind(second_factor=second_factor), now=turn.now)
        code = new_digits(self._entropy, _SECOND_FACTOR_DIGITS if second_factor else _FIRST_FACTOR_DIGITS)
        medium, address = _medium(challenge_name)
        asked = CodeAsked(
            challenge_name=challenge_name,
            second_factor=second_factor,
            mac=self._mac(sign_in, code, self._master_keys.current),
            sets_up=sets_up,
            sent_to=_of_address(None if user is None else user.attributes[address]),
        )
        session = self._challenges.new_session(sign_in, asked, pool=turn.pool, client=turn.client, now=turn.now)
        await self._sender.send_sign_in_code(
            turn.pool,
            user,
            medium=medium,
            code=Secret(code),
            client_id=turn.client.client_id,
            client_metadata=turn.client_metadata,
            now=turn.now,
        )
        destination = self._seeming_destination(turn, sign_in, address) if user is None else user.attributes[address]
        return NextChallenge(
            challenge_name,
            {
                "CODE_DELIVERY_DELIVERY_MEDIUM": medium,
                "CODE_DELIVERY_DESTINATION": mask(destination),
                "USER_ID_FOR_SRP": sign_in.user_id,
                "USERNAME": sign_in.user_id,
            },
            session,
            available,
        )

    def asked(self, turn: Turn, session_text: str | None) -> CodeAsked:
        """What the code of this session was asked for.

        Raises:
            InvalidParameterException, NotAuthorizedException: the session does not stand, or asks for no code.
        """
        _, asked = self._challenges.open_session(
            session_text, CodeAsked, pool=turn.pool, client=turn.client, now=turn.now
        )
        return asked

    async def answer(
        self, turn: Turn, challenge_name: SentCode, session_text: str | None, responses: Mapping[str, str]
    ) -> Answered:
        """The sign-in with this challenge passed.

        Raises:
            CodeMismatchException: another code.
            NotAuthorizedException: the session does not stand, or too many guesses were made.
        """
        session, asked = self._challenges.open_session(
            session_text, CodeAsked, pool=turn.pool, client=turn.client, now=turn.now
        )
        if asked.challenge_name != challenge_name:
            raise InvalidParameterException(f"The session does not wait for {challenge_name}.")
        sign_in = session.sign_in
        check_username(turn, sign_in, responses, self._directory)
        presented = required(responses, f"{challenge_name}_CODE")
        lock = code_lock(sign_in.username_key)
        await self._back_off.check_not_locked(turn.pool, lock, now=turn.now)
        key_id = asked.mac[:_KEY_ID_BYTES]
        right = key_id in self._master_keys.keys and hmac.compare_digest(
            self._mac(sign_in, presented, key_id), asked.mac
        )
        if not right or sign_in.missing:
            await self._back_off.failed(turn.pool, lock, now=turn.now)
            detail = "nobody has the name" if sign_in.missing else "other digits than this session's"
            raise CodeMismatchException("Invalid code or auth state for the user.", detail=detail)
        await self._back_off.succeeded(turn.pool, lock, now=turn.now)
        kind = _kind(second_factor=asked.second_factor)
        await self._limits.forget(turn.pool, sign_in.username_key, kind, now=turn.now)
        reached = asked.sets_up or await self._reached(turn, sign_in, asked)
        if asked.sets_up is not None or challenge_name != "EMAIL_OTP":
            # A phone need not be proven to be sent a code, a mail address has to be.
            await self._limits.forget_address(turn.pool, reached, now=turn.now)
        await self._challenges.spend_session(session, now=turn.now)
        return Answered(sign_in.with_proof(challenge_name))

    async def _reached(self, turn: Turn, sign_in: SignIn, asked: CodeAsked) -> str:
        """The address that the code has gone to, if it is the user's still and the pool asks for such codes.

        Raises:
            NotAuthorizedException: it is not.
        """
        _, address = _medium(asked.challenge_name)
        found = (await self._directory.presented(turn.pool, sign_in.user_id)).found
        theirs = {} if found is None or found.user.sub != sign_in.sub else found.user.attributes
        has = theirs.get(address, "")
        if not has or _of_address(has) != asked.sent_to:
            raise NotAuthorizedException("Invalid session for the user.", detail=f"the user has another {address} now")
        if not asked.second_factor and asked.challenge_name not in turn.pool.allowed_first_auth_factors:
            raise NotAuthorizedException("Invalid session for the user.", detail="the pool takes no such codes now")
        return has

    def _seeming_destination(self, turn: Turn, sign_in: SignIn, address: Address) -> str:
        return self._decoys.of(turn.pool, sign_in.username, sign_in.username_key, address)

    def _mac(self, sign_in: SignIn, code: str, key_id: bytes) -> bytes:
        info = f"{sign_in.username_key}|{code}".encode()
        return key_id + self._master_keys.derive(purpose=_PURPOSE, info=info, key_id=key_id)


def code_lock(username_key: str) -> str:
    """Under which name wrong codes are counted: apart from wrong passwords, which a stranger can send.

    It is nobody's name (`attempts_key`).
    """
    return f"code\0{username_key}"


def new_digits(entropy: Entropy, count: int) -> str:
    # 64 random bits modulo at most a hundred million: the bias is below one in ten to the eleventh.
    return f"{int.from_bytes(entropy.token_bytes(8)) % 10**count:0{count}d}"


def _kind(*, second_factor: bool) -> LimitedCall:
    return "second_factor" if second_factor else "first_factor"


def _medium(challenge_name: SentCode) -> tuple[Medium, Address]:
    return ("EMAIL", "email") if challenge_name == "EMAIL_OTP" else ("SMS", "phone_number")


def _of_address(destination: str | None) -> bytes:
    return hashlib.sha256((destination or "").encode()).digest()[:16]

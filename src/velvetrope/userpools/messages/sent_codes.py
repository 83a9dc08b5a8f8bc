"""Codes that were sent to an address, checked: counted, compared in constant time, and dead when they are too old.

A wrong code and a late one are told apart only to whoever shows the right digits. Spending the code is the store's, in
the transaction of the change that it allows; in it `check_sent_to` is asked too, since a code says something about the
address that it went to and about no other one that the user has by then.

Source: user-pools reference sections 5 and 6; Cognito Developer Guide, "Quotas": guesses in an hour.
"""

from datetime import datetime

from velvetrope.store.tables.userpools import CodePurpose, StoredCode, StoredUser, User, UserPool, UserPoolStore
from velvetrope.store.tables.userpools_users import read_stand_in
from velvetrope.userpools.directory import PresentedName
from velvetrope.userpools.errors import (
    CodeMismatchException,
    ExpiredCodeException,
    LimitExceededException,
    UserPoolError,
)
from velvetrope.userpools.messages.outbox import Outbox
from velvetrope.userpools.passwords.vault import PasswordVault

__all__ = ["SentCodes", "check_sent_to", "code_expired", "code_mismatch", "too_often"]

GUESSES_PER_HOUR: dict[CodePurpose, int] = {
    "sign_up": 15,
    "forgot_password": 5,  # AWS: 5 to 20, by how risky it finds the attempt
    "verify_email": 15,
    "verify_phone_number": 15,
}

_NOBODY = "nobody of this name can use one; the client hides that"


class SentCodes:
    """Checks codes."""

    def __init__(self, store: UserPoolStore, outbox: Outbox, vault: PasswordVault) -> None:
        self._store = store
        self._outbox = outbox
        self._vault = vault

    async def check(
        self, pool: UserPool, found: StoredUser, purpose: CodePurpose, presented: str, *, now: datetime
    ) -> StoredCode:
        """The code that is kept, if it is the one presented.

        Raises:
            LimitExceededException: too many guesses in this hour.
            ExpiredCodeException: there is none, or it is too old.
            CodeMismatchException: another one.
        """
        kept = await self._taken(pool, found.username_key, purpose, now=now)
        if not self._outbox.code_matches(pool, found.user.sub, kept, presented):
            raise code_mismatch("other digits than those that were sent last")
        if now >= kept.expires_at:
            raise code_expired(f"it was good until {kept.expires_at:%Y-%m-%d %H:%M:%S} UTC")
        return kept

    async def refuse_for_nobody(
        self, pool: UserPool, name: PresentedName, purpose: CodePurpose, presented: str, *, now: datetime
    ) -> UserPoolError:
        """What is said of a code to a name that nobody has, or that may not use one: the same, after the same work.

        It depends on whether a code seems to have been sent there (`UserPoolStore.send_code`), and on how often it was
        guessed at.
        """
        sub = self._sub_of_nobody(pool, name) if name.found is None else name.found.user.sub
        try:
            kept = await self._taken(pool, name.key, purpose, now=now)
        except UserPoolError as refusal:
            refusal.detail += f"; {_NOBODY}"
            return refusal
        self._outbox.code_matches(pool, sub, kept, presented)
        return code_mismatch(_NOBODY)

    def _sub_of_nobody(self, pool: UserPool, name: PresentedName) -> str:
        """A made-up one, as sign-ins have. And a record is read, since for somebody theirs was."""
        read_stand_in()
        return self._vault.decoy_user_id(pool, name.key)

    async def _taken(self, pool: UserPool, username_key: str, purpose: CodePurpose, *, now: datetime) -> StoredCode:
        limit = GUESSES_PER_HOUR[purpose]
        kept = await self._store.take_code_attempt(pool.id, username_key, purpose, now=now, limit=limit)
        if kept == "too_many":
            raise too_often(f"{limit} guesses at a code of this kind were made within the hour")
        if kept == "no_code":
            raise code_expired("none was sent, or it was used")
        return kept


def check_sent_to(code: StoredCode, user: User) -> None:
    """Whether the user still has the address that the code went to; one that waits for its code need not be theirs yet.

    Otherwise a code to one's own address would verify whatever address one has taken since. (UNVERIFIED what AWS says.)

    Raises:
        ExpiredCodeException: they have another one, or none.
    """
    if code.pending_value is None and user.attributes.get(code.proves) != code.sent_to:
        raise code_expired(f"it went to another {code.proves} than the user has by now")


def code_mismatch(detail: str = "") -> CodeMismatchException:
    return CodeMismatchException("Invalid verification code provided, please try again.", detail=detail)


def code_expired(detail: str = "") -> ExpiredCodeException:
    return ExpiredCodeException("Invalid code provided, please request a code again.", detail=detail)


def too_often(detail: str = "") -> LimitExceededException:
    return LimitExceededException("Attempt limit exceeded, please try after some time.", detail=detail)

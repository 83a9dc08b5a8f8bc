"""What the hosted pages are handed for people who become users, or have forgotten their password.

Every rule is the operations': SignUp and its siblings are called here as a client calls them, with the SECRET_HASH that
the pages can make since they stand where the client's secret is.

A ticket is a sealed session (`challenges`): it stands for a password that was shown, until the code is. It lasts as
long as a session of the client, is spent once, and goes through the same steps as a sign-in with the password
(`sign_in.next_step`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from velvetrope.operations import Answer, Call
from velvetrope.principals import ANONYMOUS
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import AppClient, StoredUser, User, UserPool
from velvetrope.userpools.accounts.recovery import RecoveryOperations
from velvetrope.userpools.accounts.sign_up import SignUpOperations
from velvetrope.userpools.challenges import ChallengeSealer, SignIn, SignUpCodeAsked
from velvetrope.userpools.directory import PoolDirectory, secret_hash
from velvetrope.userpools.errors import UserPoolError, user_missing
from velvetrope.userpools.messages.outbox import Medium
from velvetrope.userpools.passwords.vault import fingerprint_of
from velvetrope.userpools.service import SignInService
from velvetrope.userpools.shapes import AttributeType
from velvetrope.userpools.turns import NextChallenge

__all__ = ["AccountService", "NewAccount", "SentCode"]


@dataclass(frozen=True, slots=True)
class SentCode:
    """CodeDeliveryDetails, as far as a page shows them."""

    medium: Medium
    destination: str


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What a sign-up came to."""

    confirmed: bool
    sent: SentCode | None
    ticket: str


class AccountService:
    """`hosted_ui`'s AccountDirectory."""

    def __init__(
        self,
        *,
        sign_up: SignUpOperations,
        recovery: RecoveryOperations,
        sign_ins: SignInService,
        directory: PoolDirectory,
        challenges: ChallengeSealer,
    ) -> None:
        self._sign_up = sign_up
        self._recovery = recovery
        self._sign_ins = sign_ins
        self._directory = directory
        self._challenges = challenges

    async def sign_up(
        self,
        pool: UserPool,
        client: AppClient,
        *,
        username: str,
        password: Secret[str],
        attributes: Mapping[str, str],
        now: datetime,
        source_ip: str,
    ) -> NewAccount:
        """A new user.

        Raises:
            UserPoolError: as SignUp refuses it.
        """
        answer = await self._sign_up.sign_up(
            _call(pool, now, source_ip),
            **self._named(client, username),
            password=password,
            user_attributes=tuple(AttributeType(name=name, value=value) for name, value in attributes.items()),
        )
        ticket = await self.confirmation_ticket(pool, client, username=username, now=now)
        return NewAccount(bool((answer or {})["user_confirmed"]), _sent(answer), ticket)

    async def confirmation_ticket(self, pool: UserPool, client: AppClient, *, username: str, now: datetime) -> str:
        """A ticket for somebody whose password the caller has just verified, or just kept.

        Raises:
            UserNotFoundException: the user is gone.
        """
        found = (await self._directory.presented(pool, username)).found
        if found is None:
            raise user_missing()
        sign_in = _with_password(username, found, now)
        return self._challenges.new_session(sign_in, SignUpCodeAsked(), pool=pool, client=client, now=now)

    async def confirm_sign_up(
        self, pool: UserPool, client: AppClient, *, username: str, code: str, now: datetime, source_ip: str
    ) -> None:
        """
        Raises:
            UserPoolError: as ConfirmSignUp refuses it.
        """
        call = _call(pool, now, source_ip)
        await self._sign_up.confirm_sign_up(call, **self._named(client, username), confirmation_code=code)

    async def sign_in_with_ticket(
        self, pool: UserPool, client: AppClient, *, username: str, ticket: str, now: datetime, source_ip: str
    ) -> User | NextChallenge | None:
        """The user whose ticket it is, or what else they have to answer.

        None for a ticket that does not stand, or is another name's; and where the sign-in is refused: it is begun anew
        on the sign-in page then, where that is told.
        """
        try:
            session, _ = self._challenges.open_session(ticket, SignUpCodeAsked, pool=pool, client=client, now=now)
            if session.sign_in.username != username:
                return None
            await self._challenges.spend_session(session, now=now)
            return await self._sign_ins.resume(pool, client, session.sign_in, now=now, source_ip=source_ip)
        except UserPoolError:
            return None

    async def resend_code(
        self, pool: UserPool, client: AppClient, *, username: str, now: datetime, source_ip: str
    ) -> SentCode:
        """
        Raises:
            UserPoolError: as ResendConfirmationCode refuses it.
        """
        call = _call(pool, now, source_ip)
        return _known_sent(await self._sign_up.resend_confirmation_code(call, **self._named(client, username)))

    async def forgot_password(
        self, pool: UserPool, client: AppClient, *, username: str, now: datetime, source_ip: str
    ) -> SentCode:
        """
        Raises:
            UserPoolError: as ForgotPassword refuses it.
        """
        call = _call(pool, now, source_ip)
        return _known_sent(await self._recovery.forgot_password(call, **self._named(client, username)))

    async def reset_password(
        self,
        pool: UserPool,
        client: AppClient,
        *,
        username: str,
        code: str,
        password: Secret[str],
        now: datetime,
        source_ip: str,
    ) -> None:
        """
        Raises:
            UserPoolError: as ConfirmForgotPassword refuses it.
        """
        await self._recovery.confirm_forgot_password(
            _call(pool, now, source_ip), **self._named(client, username), confirmation_code=code, password=password
        )

    def _named(self, client: AppClient, username: str) -> dict[str, Any]:
        """The members that name client and user, with the hash where the client has a secret."""
        secret = self._directory.client_secret(client)
        made = None if secret is None else secret_hash(secret, username, client.client_id)
        return {"client_id": client.client_id, "username": username, "secret_hash": made}


def _call(pool: UserPool, now: datetime, source_ip: str) -> Call:
    """A call as somebody's own, unsigned as these operations are."""
    return Call(ANONYMOUS, pool.account_id, pool.region, "", now, source_ip=source_ip, secure_transport=True)


def _with_password(username: str, found: StoredUser, now: datetime) -> SignIn:
    return SignIn(
        flow="PASSWORD",
        username=username,
        username_key=found.username_key,
        user_id=found.user.username,
        sub=found.user.sub,
        begun_at=now,
        missing=False,
        proven=("PASSWORD",),
        password=fingerprint_of(found.password_sealed),
    )


def _sent(answer: Answer) -> SentCode | None:
    details = (answer or {}).get("code_delivery_details")
    if not isinstance(details, Mapping):
        return None
    return SentCode("EMAIL" if details["delivery_medium"] == "EMAIL" else "SMS", str(details["destination"]))


def _known_sent(answer: Answer) -> SentCode:
    sent = _sent(answer)
    if sent is None:
        raise ValueError("an operation that sends codes says where they went")
    return sent

"""MFA during a sign-in: whether a second factor is owed, which one, and whether the answer is right.

Owed where the pool says ON, or OPTIONAL and the user has switched one on. It is chosen so: the preferred one; else the
only one; else the user chooses (SELECT_MFA_TYPE). In a pool that says ON a user who has switched none on is asked for
one that they could answer anyway (a code to their phone or mail address), and for MFA_SETUP where there is none.

A factor that was switched on and cannot be asked for any more, because the address is gone, is no reason to let
somebody in without: that sign-in is refused (what AWS does there is UNVERIFIED). Neither are custom challenges or a
password in USER_AUTH: whichever way the first factor was shown, this comes after it. A passkey counts for both where
the pool and the user say so and the authenticator verified its user (`passkey_mfa`).

Source: Cognito Developer Guide, "Adding MFA to a user pool"; user-pools reference sections 2, 6 and 7.
"""

import json
from collections.abc import Mapping

import msgspec

from velvetrope.sealing import SealBroken
from velvetrope.store.tables.userpools import MfaType, StoredUser, User, UserPool
from velvetrope.store.tables.userpools_factors import FactorStore, SoftwareToken
from velvetrope.userpools.challenges import ChallengeSealer, MfaChoiceAsked, MfaSetupAsked, SignIn, TotpAsked
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import (
    CodeMismatchException,
    ExpiredCodeException,
    InvalidParameterException,
    MFAMethodNotFoundException,
    NotAuthorizedException,
)
from velvetrope.userpools.factors.authenticator_apps import NOT_THE_APPS, AuthenticatorApps
from velvetrope.userpools.factors.mail_factors import MailFactors
from velvetrope.userpools.factors.mfa_preferences import switched_on
from velvetrope.userpools.factors.one_time_codes import OneTimeCodes, code_lock
from velvetrope.userpools.passwords.back_off import BackOff
from velvetrope.userpools.turns import Answered, NextChallenge, Turn, check_username, required

__all__ = [
    "DEVICE_FOR_MFA",
    "MFA_NAMES",
    "SecondFactors",
    "has_address_for",
    "is_second_factor_owed",
    "must_show_second_factor",
    "receives_second_factors",
]

MFA_NAMES: tuple[MfaType, ...] = ("SMS_MFA", "SOFTWARE_TOKEN_MFA", "EMAIL_OTP")
_MFA_PROOFS = "mfa:"
"""In front of the names in `SignIn.proven`: EMAIL_OTP alone would also be a first factor's."""
_DEVICE = "DEVICE"
DEVICE_FOR_MFA = _MFA_PROOFS + _DEVICE
"""What a remembered device has shown that stands for the second factor."""


def must_show_second_factor(pool: UserPool, user: User) -> bool:
    """Whether this user's sign-in needs more than one factor."""
    if pool.mfa_configuration == "OFF":
        return False
    return pool.mfa_configuration == "ON" or bool(switched_on(pool, user))


def receives_second_factors(pool: UserPool, user: User, mfa: MfaType) -> bool:
    """Whether codes of this kind are, or may be, this user's second factor.

    One that was switched on, also while the pool asks for none; and where the pool says ON, each that it offers to who
    has switched none on.
    """
    implied = pool.mfa_types if pool.mfa_configuration == "ON" and not switched_on(pool, user) else ()
    return mfa in user.mfa_enabled or mfa in implied


def is_second_factor_owed(pool: UserPool, sign_in: SignIn, user: User) -> bool:
    """Whether this sign-in still needs one."""
    return (
        must_show_second_factor(pool, user)
        and not sign_in.passkey_counts_as_mfa
        and not _has_shown_one(pool, sign_in, user)
    )


def _has_shown_one(pool: UserPool, sign_in: SignIn, user: User) -> bool:
    """One that still is the user's: what was switched off meanwhile does not count (UNVERIFIED what AWS does).

    A device stands for whichever factor it is, and in CUSTOM_AUTH the pool's functions say which one is asked for.
    """
    shown = {proof.removeprefix(_MFA_PROOFS) for proof in sign_in.proven if proof.startswith(_MFA_PROOFS)}
    if sign_in.flow == "CUSTOM_AUTH" or _DEVICE in shown:
        return bool(shown)
    return not shown.isdisjoint(switched_on(pool, user) or pool.mfa_types)


def has_address_for(user: User, mfa: MfaType) -> bool:
    """Whether there is somewhere to send a code of this kind to."""
    if mfa == "EMAIL_OTP":
        return bool(user.attributes.get("email")) and user.attributes.get("email_verified") == "true"
    return bool(user.attributes.get("phone_number"))


class SecondFactors:
    """Asks for second factors and checks them."""

    def __init__(
        self,
        *,
        factors: FactorStore,
        codes: OneTimeCodes,
        mail: MailFactors,
        apps: AuthenticatorApps,
        challenges: ChallengeSealer,
        directory: PoolDirectory,
        back_off: BackOff,
    ) -> None:
        self._factors = factors
        self._codes = codes
        self._mail = mail
        self._apps = apps
        self._challenges = challenges
        self._directory = directory
        self._back_off = back_off

    async def next(self, turn: Turn, sign_in: SignIn, stored: StoredUser) -> NextChallenge | None:
        """What is still owed; None where nothing is.

        Raises:
            MFAMethodNotFoundException: one is owed and cannot be asked for.
        """
        pool, user = turn.pool, stored.user
        if not is_second_factor_owed(pool, sign_in, user):
            return None
        token = await self._factors.load_software_token(pool.id, stored.username_key)
        chosen = switched_on(pool, user)
        candidates = [name for name in chosen or pool.mfa_types if _can_answer(user, name, token)]
        if not candidates and chosen:
            raise MFAMethodNotFoundException("The user's MFA method has nowhere to send a code to.")  # text UNVERIFIED
        if not candidates:
            return self._ask_setup(turn, sign_in)
        if user.mfa_preferred in candidates:
            candidates = [user.mfa_preferred]
        if len(candidates) > 1:
            return self._ask_choice(turn, sign_in, candidates)
        return await self._ask(turn, sign_in, stored, candidates[0], token)

    async def ask(self, turn: Turn, sign_in: SignIn, stored: StoredUser, mfa: MfaType) -> NextChallenge:
        """Ask for this one, because somebody chose it.

        Raises:
            MFAMethodNotFoundException: the user cannot answer it.
        """
        token = await self._factors.load_software_token(turn.pool.id, stored.username_key)
        if mfa not in turn.pool.mfa_types or not _can_answer(stored.user, mfa, token):
            raise MFAMethodNotFoundException("The user has not set this MFA method up.")  # text UNVERIFIED
        return await self._ask(turn, sign_in, stored, mfa, token)

    async def _ask(
        self, turn: Turn, sign_in: SignIn, stored: StoredUser, mfa: MfaType, token: SoftwareToken | None
    ) -> NextChallenge:
        if mfa != "SOFTWARE_TOKEN_MFA":
            return await self._codes.ask(turn, sign_in, stored.user, mfa, second_factor=True)
        session = self._challenges.new_session(sign_in, TotpAsked(), pool=turn.pool, client=turn.client, now=turn.now)
        name = "" if token is None or token.friendly_name is None else token.friendly_name
        parameters = {"USER_ID_FOR_SRP": sign_in.user_id, "FRIENDLY_DEVICE_NAME": name}
        return NextChallenge("SOFTWARE_TOKEN_MFA", parameters, session)

    def _ask_choice(self, turn: Turn, sign_in: SignIn, choices: list[MfaType]) -> NextChallenge:
        session = self._challenges.new_session(
            sign_in, MfaChoiceAsked(choices=tuple(choices)), pool=turn.pool, client=turn.client, now=turn.now
        )
        parameters = {"MFAS_CAN_CHOOSE": _json(choices), "USER_ID_FOR_SRP": sign_in.user_id}
        return NextChallenge("SELECT_MFA_TYPE", parameters, session)

    def _ask_setup(self, turn: Turn, sign_in: SignIn) -> NextChallenge:
        choices = turn.pool.mfa_types
        session = self._challenges.new_session(
            sign_in, MfaSetupAsked(choices=choices), pool=turn.pool, client=turn.client, now=turn.now
        )
        parameters = {"MFAS_CAN_SETUP": _json(choices), "USER_ID_FOR_SRP": sign_in.user_id}
        return NextChallenge("MFA_SETUP", parameters, session)

    # Answers

    async def answer_code(
        self, turn: Turn, mfa: MfaType, session_text: str | None, responses: Mapping[str, str]
    ) -> Answered:
        """A code of an authenticator app, of a mail or of an SMS.

        Raises:
            CodeMismatchException, ExpiredCodeException: wrong, or an app's code for the second time.
            NotAuthorizedException: the session does not stand, or too many guesses were made.
        """
        if mfa == "SOFTWARE_TOKEN_MFA":
            return await self._answer_totp(turn, session_text, responses)
        sets_up = self._codes.asked(turn, session_text).sets_up
        answered = await self._codes.answer(turn, mfa, session_text, responses)
        if sets_up is not None:
            await self._mail.keep(turn, answered.sign_in, sets_up)
        return Answered(_with_mfa(answered.sign_in, mfa), answered.stored)

    async def _answer_totp(self, turn: Turn, session_text: str | None, responses: Mapping[str, str]) -> Answered:
        session, _ = self._challenges.open_session(
            session_text, TotpAsked, pool=turn.pool, client=turn.client, now=turn.now
        )
        sign_in = session.sign_in
        check_username(turn, sign_in, responses, self._directory)
        code = required(responses, "SOFTWARE_TOKEN_MFA_CODE")
        lock = code_lock(sign_in.username_key)
        await self._back_off.check_not_locked(turn.pool, lock, now=turn.now)
        token = await self._factors.load_software_token(turn.pool.id, sign_in.username_key)
        if token is None or token.secret_sealed is None or sign_in.missing:
            raise NotAuthorizedException("Invalid session for the user.", detail="the app was taken away meanwhile")
        try:
            secret = self._apps.open(token.secret_sealed, pool=turn.pool, sub=sign_in.sub)
        except SealBroken:
            raise NotAuthorizedException("Invalid session for the user.", detail="the app is another user's") from None
        step = self._apps.step_of(secret, code, now=turn.now)
        if step is None:
            await self._back_off.failed(turn.pool, lock, now=turn.now)
            raise CodeMismatchException("Invalid code received for user", detail=NOT_THE_APPS)
        if not await self._apps.take_step(turn.pool, sign_in.username_key, step):
            raise ExpiredCodeException("Your software token has already been used once.")
        await self._back_off.succeeded(turn.pool, lock, now=turn.now)
        await self._challenges.spend_session(session, now=turn.now)
        return Answered(_with_mfa(sign_in, "SOFTWARE_TOKEN_MFA"))

    async def answer_choice(
        self, turn: Turn, session_text: str | None, responses: Mapping[str, str]
    ) -> tuple[SignIn, MfaType]:
        """The second factor that was chosen.

        Raises:
            InvalidParameterException: it was not among those to choose from.
            NotAuthorizedException: the session does not stand.
        """
        session, asked = self._challenges.open_session(
            session_text, MfaChoiceAsked, pool=turn.pool, client=turn.client, now=turn.now
        )
        check_username(turn, session.sign_in, responses, self._directory)
        answer = required(responses, "ANSWER")
        chosen = next((name for name in asked.choices if name == answer), None)
        if chosen is None:
            raise InvalidParameterException(f"{answer} is not one of the MFA types to choose from.")  # text UNVERIFIED
        await self._challenges.spend_session(session, now=turn.now)
        return session.sign_in, chosen

    async def answer_setup(
        self, turn: Turn, session_text: str | None, responses: Mapping[str, str]
    ) -> Answered | NextChallenge:
        """A session on which VerifySoftwareToken has kept an authenticator app: the code that it took is the proof.

        Or a mail address, in EMAIL, that is to show with a code that it is reached (`mail_factors`).

        Raises:
            InvalidParameterException: no app was verified on it, or the address cannot be used.
            NotAuthorizedException: the session does not stand.
        """
        session, asked = self._challenges.open_session(
            session_text, MfaSetupAsked, pool=turn.pool, client=turn.client, now=turn.now
        )
        check_username(turn, session.sign_in, responses, self._directory)
        if not asked.verified and "EMAIL" in responses:
            user = await self._mail.check(turn, session, asked, responses)
            # Spent before anything is sent, so that one session sends one code.
            await self._challenges.spend_session(session, now=turn.now)
            return await self._mail.ask(turn, session.sign_in, user)
        if not asked.verified:
            raise InvalidParameterException("MFA has not been set up on this session.")  # text UNVERIFIED
        await self._challenges.spend_session(session, now=turn.now)
        return Answered(_with_mfa(session.sign_in, "SOFTWARE_TOKEN_MFA"))


def _can_answer(user: User, mfa: MfaType, token: SoftwareToken | None) -> bool:
    if mfa == "SOFTWARE_TOKEN_MFA":
        return token is not None and token.secret_sealed is not None
    return has_address_for(user, mfa)


def _with_mfa(sign_in: SignIn, mfa: MfaType) -> SignIn:
    return msgspec.structs.replace(sign_in, proven=(*sign_in.proven, _MFA_PROOFS + mfa))


def _json(names: tuple[MfaType, ...] | list[MfaType]) -> str:
    return json.dumps(list(names), separators=(",", ":"))

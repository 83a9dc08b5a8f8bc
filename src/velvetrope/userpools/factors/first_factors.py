"""USER_AUTH: the user chooses how to show the first factor.

Offered is what the pool's SignInPolicy allows and the user can answer: the password (sent or proven), a code to a
verified mail address or phone, a passkey. Who has to show a second factor is offered no code as the first one, nor a
passkey that counts for one only (`passkey_mfa`), since the second would then be of the same kind (Developer Guide,
"Passwordless sign-in with one-time passwords", for required MFA; applications record of AWS that passkeys are treated
alike under optional MFA, and for codes it is the safer reading). A user with a temporary password is offered the
password alone.

For a name that nobody has, in a client that hides it, the choice is what a plain user of that pool would see: the
password, and codes where the pool allows them and there would be an address to send them to (`decoys.usual_addresses`).
A user who may not sign in (disabled, say) is asked the same questions as any other and gets no code.

Sources: Cognito user pools API, InitiateAuth; user-pools reference section 2, "Live observation".
"""

from collections.abc import Mapping

import msgspec

from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import StoredUser, UserPool, UserPoolStore
from velvetrope.store.tables.userpools_factors import FactorStore
from velvetrope.userpools.challenges import ChallengeSealer, FactorChoiceAsked, PasswordAsked, SignIn
from velvetrope.userpools.directory import PoolDirectory, PresentedName
from velvetrope.userpools.errors import InvalidParameterException, wrong_credentials
from velvetrope.userpools.factors.one_time_codes import OneTimeCodes
from velvetrope.userpools.factors.passkey_mfa import stands_for_both_factors
from velvetrope.userpools.factors.passkeys import Passkeys
from velvetrope.userpools.factors.password_proofs import PasswordProofs
from velvetrope.userpools.factors.second_factors import must_show_second_factor
from velvetrope.userpools.factors.sent_passwords import PasswordSignIn
from velvetrope.userpools.imports.migrations import UserMigrations, migrates
from velvetrope.userpools.messages.decoys import usual_addresses
from velvetrope.userpools.messages.outbox import Address
from velvetrope.userpools.passwords.vault import fingerprint_of
from velvetrope.userpools.turns import Answered, NextChallenge, Turn, check_username, required

__all__ = ["FirstFactors", "configured_factors"]

_CHALLENGES = ("PASSWORD_SRP", "PASSWORD", "EMAIL_OTP", "SMS_OTP", "WEB_AUTHN")
_CODES: tuple[tuple[str, Address], ...] = (("EMAIL_OTP", "email"), ("SMS_OTP", "phone_number"))
_UNSUPPORTED = ("TARGET_ACR_VALUES", "MAX_AGE", "ACCESS_TOKEN", "CREDENTIAL")


class FirstFactors:
    """Offers first factors, and starts the chosen one."""

    def __init__(
        self,
        *,
        store: UserPoolStore,
        factors: FactorStore,
        challenges: ChallengeSealer,
        directory: PoolDirectory,
        passwords: PasswordSignIn,
        proofs: PasswordProofs,
        codes: OneTimeCodes,
        passkeys: Passkeys,
        migrations: UserMigrations,
    ) -> None:
        self._store = store
        self._factors = factors
        self._challenges = challenges
        self._directory = directory
        self._passwords = passwords
        self._proofs = proofs
        self._codes = codes
        self._passkeys = passkeys
        self._migrations = migrations

    async def begin(
        self, turn: Turn, sign_in: SignIn, found: StoredUser | None, parameters: Mapping[str, str]
    ) -> NextChallenge | Answered:
        """The preferred challenge where it is offered, else all to choose from.

        Raises:
            InvalidParameterException: PREFERRED_CHALLENGE is none, or a parameter is not supported.
            NotAuthorizedException: the password that came along is wrong.
        """
        _check_supported(parameters)
        preferred = parameters.get("PREFERRED_CHALLENGE")
        if preferred is not None and preferred not in _CHALLENGES:
            raise InvalidParameterException(f"Unsupported preferred challenge {preferred}.")  # text UNVERIFIED
        offered = await self._offered(turn.pool, sign_in, found)
        if preferred in offered:
            return await self._start(turn, sign_in, found, preferred, parameters, offered)
        session = self._challenges.new_session(
            sign_in, FactorChoiceAsked(choices=offered), pool=turn.pool, client=turn.client, now=turn.now
        )
        return NextChallenge("SELECT_CHALLENGE", {"USERNAME": sign_in.user_id}, session, offered)

    async def answer_choice(
        self, turn: Turn, session_text: str | None, responses: Mapping[str, str]
    ) -> NextChallenge | Answered:
        """What the user chose, begun; or done, where the password came along. The session is spent then.

        Raises:
            InvalidParameterException: ANSWER was not among the choices.
            NotAuthorizedException: the session does not stand, or the password is wrong.
        """
        session, asked = self._challenges.open_session(
            session_text, FactorChoiceAsked, pool=turn.pool, client=turn.client, now=turn.now
        )
        sign_in = session.sign_in
        check_username(turn, sign_in, responses, self._directory)
        _check_supported(responses)
        answer = required(responses, "ANSWER")
        if answer not in asked.choices:
            raise InvalidParameterException(f"{answer} is not one of the available challenges.")  # text UNVERIFIED
        # Spent before anything is sent, so that one session sends one code.
        await self._challenges.spend_session(session, now=turn.now)
        found = await self.find_user(turn, sign_in)
        if answer not in await self._offered(turn.pool, sign_in, found):
            # The pool, or what the user has, was changed since.
            raise InvalidParameterException(f"{answer} is not one of the available challenges.")
        return await self._start(turn, sign_in, found, answer, responses, None)

    async def answer_password(self, turn: Turn, session_text: str | None, responses: Mapping[str, str]) -> Answered:
        """PASSWORD. A wrong one leaves the session usable; the back-off counts it.

        Raises:
            NotAuthorizedException: the session does not stand, or the password is wrong.
        """
        session, asked = self._challenges.open_session(
            session_text, PasswordAsked, pool=turn.pool, client=turn.client, now=turn.now
        )
        if asked.challenge_name != "PASSWORD":
            raise InvalidParameterException("The session does not wait for PASSWORD.")
        sign_in = session.sign_in
        check_username(turn, sign_in, responses, self._directory)
        password = Secret(required(responses, "PASSWORD"))
        answered = await self._verify(turn, sign_in, await self.find_user(turn, sign_in), password)
        await self._challenges.spend_session(session, now=turn.now)
        return answered

    async def answer_password_srp(
        self, turn: Turn, session_text: str | None, responses: Mapping[str, str]
    ) -> NextChallenge:
        """PASSWORD_SRP: the challenge to the client's SRP_A.

        Raises:
            NotAuthorizedException: the session does not stand.
        """
        session, asked = self._challenges.open_session(
            session_text, PasswordAsked, pool=turn.pool, client=turn.client, now=turn.now
        )
        if asked.challenge_name != "PASSWORD_SRP":
            raise InvalidParameterException("The session does not wait for PASSWORD_SRP.")
        sign_in = session.sign_in
        check_username(turn, sign_in, responses, self._directory)
        public_value = required(responses, "SRP_A")
        await self._challenges.spend_session(session, now=turn.now)
        return await self._proofs.ask(turn, sign_in, await self.find_user(turn, sign_in), public_value)

    async def answer_passkey(self, turn: Turn, session_text: str | None, responses: Mapping[str, str]) -> Answered:
        """WEB_AUTHN.

        Raises:
            NotAuthorizedException: the session does not stand, or the passkey is not the user's.
        """
        session = self._challenges.open_any_session(session_text, now=turn.now)
        stored = await self._store.load_user(turn.pool.id, session.sign_in.username_key)
        return await self._passkeys.answer(turn, session_text, responses, stored)

    async def find_user(self, turn: Turn, sign_in: SignIn) -> StoredUser | None:
        """The user whom the sign-in is about: none if there was none, and none if it is another one by now."""
        found = await self._store.load_user(turn.pool.id, sign_in.username_key)
        return found if found is not None and found.user.sub == sign_in.sub else None

    async def _start(
        self,
        turn: Turn,
        sign_in: SignIn,
        found: StoredUser | None,
        name: str,
        values: Mapping[str, str],
        offered: tuple[str, ...] | None,
    ) -> NextChallenge | Answered:
        match name:
            case "PASSWORD":
                if "PASSWORD" in values:
                    return await self._verify(turn, sign_in, found, Secret(required(values, "PASSWORD")))
                return self._ask_password(turn, sign_in, PasswordAsked(challenge_name="PASSWORD"), offered)
            case "PASSWORD_SRP":
                if "SRP_A" in values:
                    return await self._proofs.ask(turn, sign_in, found, required(values, "SRP_A"))
                return self._ask_password(turn, sign_in, PasswordAsked(challenge_name="PASSWORD_SRP"), offered)
            case "EMAIL_OTP" | "SMS_OTP":
                reachable = None if found is None or not found.user.enabled else found.user
                return await self._codes.ask(
                    turn,
                    sign_in,
                    reachable,
                    "EMAIL_OTP" if name == "EMAIL_OTP" else "SMS_OTP",
                    second_factor=False,
                    available=offered,
                )
            case _:
                if found is None:  # it was chosen, and its user is gone since
                    raise wrong_credentials("the user has no such passkey")
                known = await self._factors.load_passkeys(turn.pool.id, sign_in.username_key)
                return await self._passkeys.ask(turn, sign_in, found.user, known, offered)

    async def _verify(self, turn: Turn, sign_in: SignIn, found: StoredUser | None, password: Secret[str]) -> Answered:
        if sign_in.missing and migrates(turn.pool):
            return await self._verify_migrated(turn, sign_in, password)
        _, attempts = await self._store.load_user_and_attempts(turn.pool.id, sign_in.username_key)
        name = PresentedName(text=sign_in.username, key=sign_in.username_key, found=found, attempts=attempts)
        stored = await self._passwords.verify(turn.pool, turn.client, name, password, now=turn.now)
        return Answered(sign_in.with_password("PASSWORD", fingerprint_of(stored.password_sealed)), stored)

    async def _verify_migrated(self, turn: Turn, sign_in: SignIn, password: Secret[str]) -> Answered:
        """The sign-in of somebody who was not here when it began; from now on it is theirs."""
        name = await self._directory.presented(turn.pool, sign_in.username)
        name = await self._migrations.at_sign_in(turn, name, password, None)
        stored = await self._passwords.verify(turn.pool, turn.client, name, password, now=turn.now)
        theirs = msgspec.structs.replace(
            sign_in, username_key=name.key, user_id=stored.user.username, sub=stored.user.sub, missing=False
        )
        return Answered(theirs.with_password("PASSWORD", fingerprint_of(stored.password_sealed)), stored)

    def _ask_password(
        self, turn: Turn, sign_in: SignIn, asked: PasswordAsked, offered: tuple[str, ...] | None
    ) -> NextChallenge:
        session = self._challenges.new_session(sign_in, asked, pool=turn.pool, client=turn.client, now=turn.now)
        return NextChallenge(asked.challenge_name, {"USERNAME": sign_in.user_id}, session, offered)

    async def _offered(self, pool: UserPool, sign_in: SignIn, found: StoredUser | None) -> tuple[str, ...]:
        known = await self._factors.load_passkeys(pool.id, sign_in.username_key)  # looked for whoever it is
        if found is None:
            usual = () if pool.mfa_configuration == "ON" else usual_addresses(pool, sign_in.username)
            codes = [name for name, address in _CODES if address in usual and name in pool.allowed_first_auth_factors]
            return ("PASSWORD_SRP", "PASSWORD", *codes)
        configured = configured_factors(pool, found, has_passkey=bool(known))
        if must_show_second_factor(pool, found.user):
            both = {"PASSWORD", "WEB_AUTHN"} if stands_for_both_factors(pool, found.user) else {"PASSWORD"}
            configured = [name for name in configured if name in both]
        if found.user.status == "FORCE_CHANGE_PASSWORD" or not configured:
            configured = ["PASSWORD"]  # without one it is a question like any other, and no answer is right
        return tuple(name for name in _CHALLENGES if ("PASSWORD" if name == "PASSWORD_SRP" else name) in configured)


def configured_factors(pool: UserPool, stored: StoredUser, *, has_passkey: bool) -> list[str]:
    """The first factors that the pool allows and the user has."""
    attributes = stored.user.attributes
    has = {
        "PASSWORD": stored.password_sealed is not None,
        "EMAIL_OTP": bool(attributes.get("email")) and attributes.get("email_verified") == "true",
        "SMS_OTP": bool(attributes.get("phone_number")) and attributes.get("phone_number_verified") == "true",
        "WEB_AUTHN": has_passkey,
    }
    return [name for name in pool.allowed_first_auth_factors if has[name]]


def _check_supported(values: Mapping[str, str]) -> None:
    for name in _UNSUPPORTED:
        if name in values:
            raise InvalidParameterException(f"{name} is not supported by velvetrope.")

"""Which part of the room an answer is for.

One name of a challenge, one line. A part returns the sign-in as far as it has come, and what follows is `next_step`'s
to say; or it returns the second half of its own exchange.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from velvetrope.userpools.challenges import CustomStep
from velvetrope.userpools.errors import InvalidParameterException, NotAuthorizedException
from velvetrope.userpools.factors.devices import DeviceProofs
from velvetrope.userpools.factors.first_factors import FirstFactors
from velvetrope.userpools.factors.one_time_codes import OneTimeCodes
from velvetrope.userpools.factors.password_proofs import Ending, PasswordProofs
from velvetrope.userpools.factors.second_factors import SecondFactors
from velvetrope.userpools.factors.sent_passwords import PasswordSignIn
from velvetrope.userpools.imports.migrations import UserMigrations
from velvetrope.userpools.sign_in.custom_challenges import CustomChallenges, mfa_step, with_step
from velvetrope.userpools.sign_in.new_passwords import NewPasswords
from velvetrope.userpools.sign_in.next_step import NextStep
from velvetrope.userpools.sign_in.triggers import SignInTriggers
from velvetrope.userpools.turns import Answered, NextChallenge, Passed, Turn

__all__ = ["ChallengeAnswers", "SignInParts"]


@dataclass(frozen=True, slots=True)
class SignInParts:
    """Whoever checks an answer, one for each kind, and who says what comes next."""

    first_factors: FirstFactors
    proofs: PasswordProofs
    passwords: PasswordSignIn
    new_passwords: NewPasswords
    second_factors: SecondFactors
    codes: OneTimeCodes
    custom: CustomChallenges
    devices: DeviceProofs
    migrations: UserMigrations
    triggers: SignInTriggers
    next_step: NextStep


class ChallengeAnswers:
    """Hands answers on."""

    def __init__(self, parts: SignInParts) -> None:
        self._parts = parts

    async def answer(
        self, turn: Turn, challenge_name: str, session: str | None, responses: Mapping[str, str]
    ) -> NextChallenge | Passed:
        """What the answer leads to.

        Raises:
            UserPoolError: what each kind of answer says, and what `next_step` does.
        """
        parts = self._parts
        match challenge_name:
            case "PASSWORD_VERIFIER":
                return await self.after(turn, await self.password_proven(turn, responses))
            case "PASSWORD":
                return await self.after(turn, await parts.first_factors.answer_password(turn, session, responses))
            case "PASSWORD_SRP":
                return await self.after(turn, await parts.first_factors.answer_password_srp(turn, session, responses))
            case "SELECT_CHALLENGE":
                return await self.after(turn, await parts.first_factors.answer_choice(turn, session, responses))
            case "WEB_AUTHN":
                return await self.after(turn, await parts.first_factors.answer_passkey(turn, session, responses))
            case "EMAIL_OTP" | "SMS_OTP" | "SMS_MFA" | "SOFTWARE_TOKEN_MFA":
                return await self.after(turn, await self._code_shown(turn, challenge_name, session, responses))
            case "SELECT_MFA_TYPE":
                return await self._mfa_chosen(turn, session, responses)
            case "MFA_SETUP":
                return await self.after(turn, await parts.second_factors.answer_setup(turn, session, responses))
            case "NEW_PASSWORD_REQUIRED":
                return await self.after(turn, await parts.new_passwords.answer(turn, session, responses))
            case "CUSTOM_CHALLENGE":
                find = parts.first_factors.find_user
                return await self.after(turn, await parts.custom.answer(turn, session, responses, find))
            case "DEVICE_SRP_AUTH":
                return await self.after(turn, await parts.devices.answer_first_half(turn, session, responses))
            case "DEVICE_PASSWORD_VERIFIER":
                return await self.after(turn, await parts.devices.answer(turn, responses))
            case _:
                raise InvalidParameterException(f"The challenge {challenge_name} is not supported by velvetrope.")

    async def password_proven(self, turn: Turn, responses: Mapping[str, str], ending: Ending | None = None) -> Answered:
        """PASSWORD_VERIFIER alone; what follows is not asked, but that `ending` may have followed already.

        Raises:
            UserPoolError: as `PasswordProofs.answer` refuses it.
        """
        answered = await self._parts.proofs.answer(turn, responses, ending)
        if answered.sign_in.flow != "CUSTOM_AUTH":
            return answered
        step = CustomStep(challenge_name="PASSWORD_VERIFIER", challenge_result=True)
        return Answered(with_step(answered.sign_in, step), answered.stored)

    async def _code_shown(
        self, turn: Turn, challenge_name: str, session: str | None, responses: Mapping[str, str]
    ) -> Answered:
        """A code: of a second factor, or of a first one, which a session says and a caller does not."""
        match challenge_name:
            case "SMS_OTP":
                return await self._parts.codes.answer(turn, "SMS_OTP", session, responses)
            case "EMAIL_OTP" if not self._parts.codes.asked(turn, session).second_factor:
                return await self._parts.codes.answer(turn, "EMAIL_OTP", session, responses)
            case "EMAIL_OTP" | "SMS_MFA" | "SOFTWARE_TOKEN_MFA":
                answered = await self._parts.second_factors.answer_code(turn, challenge_name, session, responses)
            case _:
                raise InvalidParameterException(f"The challenge {challenge_name} asks for no code.")
        if answered.sign_in.flow != "CUSTOM_AUTH" or answered.sign_in.custom_done:
            return answered
        return Answered(with_step(answered.sign_in, mfa_step(challenge_name)), answered.stored)

    async def _mfa_chosen(self, turn: Turn, session: str | None, responses: Mapping[str, str]) -> NextChallenge:
        sign_in, chosen = await self._parts.second_factors.answer_choice(turn, session, responses)
        stored = await self._parts.first_factors.find_user(turn, sign_in)
        if stored is None:
            raise NotAuthorizedException("Invalid session for the user.", detail="the user is gone")
        return await self._parts.second_factors.ask(turn, sign_in, stored, chosen)

    async def after(
        self, turn: Turn, answered: Answered | NextChallenge, *, srp_a: str | None = None
    ) -> NextChallenge | Passed:
        """What comes next; a challenge that is the next one already stays it."""
        if isinstance(answered, NextChallenge):
            return answered
        return await self._parts.next_step.after(turn, answered, srp_a=srp_a)

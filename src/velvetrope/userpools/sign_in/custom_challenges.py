"""CUSTOM_AUTH: the pool's own functions decide what is asked, ask it, and judge the answer.

    DefineAuthChallenge   what next: a challenge, tokens, or failure
    CreateAuthChallenge   the question, and what is needed to judge the answer
    VerifyAuthChallengeResponse   whether the answer is right

DefineAuthChallenge sees every challenge so far with its result; they travel in the session. It may name
CUSTOM_CHALLENGE, PASSWORD_VERIFIER (where the client began with SRP_A), or one of the pool's second factors; another
name is refused. A custom answer spends its session, right or wrong, so that a wrong one cannot be taken back.

That it says `issueTokens` ends the first factor only: who has to show a second one is asked for it, unless one of the
challenges was it (the safer reading; AWS's is UNVERIFIED). For a name that nobody has, in a client that hides it, the
functions are asked with `userNotFound` and the end is `Incorrect username or password.` whatever they say.

Source: Cognito Developer Guide, "Custom authentication challenge Lambda triggers"; user-pools reference section 8.
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from velvetrope.store.tables.userpools import MfaType, StoredUser, User
from velvetrope.userpools.challenges import ChallengeSealer, CustomAsked, CustomStep, SignIn
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import InvalidLambdaResponseException, InvalidParameterException, wrong_credentials
from velvetrope.userpools.factors.second_factors import MFA_NAMES, SecondFactors
from velvetrope.userpools.triggers.invocations import Triggers, user_attributes
from velvetrope.userpools.turns import Answered, NextChallenge, Turn, check_username, required

__all__ = ["CustomChallenges", "FindUser", "mfa_step", "with_step"]

_MAX_STEPS = 50
"""More than anybody asks; a function that never ends is told so."""


class _Defined(msgspec.Struct, frozen=True, rename="camel"):
    challenge_name: str | None = None
    issue_tokens: bool = False
    fail_authentication: bool = False


class _Created(msgspec.Struct, frozen=True, rename="camel"):
    public_challenge_parameters: dict[str, str] = {}
    private_challenge_parameters: dict[str, str] = {}
    challenge_metadata: str | None = None


class _Verified(msgspec.Struct, frozen=True, rename="camel"):
    answer_correct: bool = False


class CustomChallenges:
    """Runs the three triggers."""

    def __init__(
        self,
        *,
        triggers: Triggers,
        challenges: ChallengeSealer,
        directory: PoolDirectory,
        second_factors: SecondFactors,
    ) -> None:
        self._triggers = triggers
        self._challenges = challenges
        self._directory = directory
        self._second_factors = second_factors

    async def next(self, turn: Turn, sign_in: SignIn, stored: StoredUser | None) -> NextChallenge | SignIn | None:
        """What DefineAuthChallenge says: the next challenge, or the sign-in with its first factor done.

        None: the password is to be proven now, by the SRP_A that the client began with.

        Raises:
            NotAuthorizedException: it says that the sign-in has failed.
            InvalidLambdaResponseException: it says nothing, or names a challenge that cannot be asked.
        """
        if len(sign_in.steps) > _MAX_STEPS:
            raise wrong_credentials("more challenges than anybody asks")
        user = None if stored is None else stored.user
        defined = await self._triggers.ask(
            "DefineAuthChallenge",
            "DefineAuthChallenge_Authentication",
            turn.occasion(sign_in.user_id),
            {**_request(turn, sign_in, user), "session": _rendered(sign_in.steps)},
            {"challengeName": None, "issueTokens": None, "failAuthentication": None},
            _Defined,
        )
        if defined is None:
            raise InvalidParameterException("Custom auth lambda trigger is not configured for the user pool.")
        if defined.fail_authentication:
            raise wrong_credentials("DefineAuthChallenge ended the sign-in")
        if defined.issue_tokens:
            return msgspec.structs.replace(sign_in, custom_done=True)
        if defined.challenge_name == "PASSWORD_VERIFIER":
            _check_srp_a_came_before(sign_in)
            return None
        if defined.challenge_name == "CUSTOM_CHALLENGE":
            return await self._create(turn, sign_in, user)
        return await self._ask_second_factor(turn, sign_in, stored, defined.challenge_name)

    async def _ask_second_factor(
        self, turn: Turn, sign_in: SignIn, stored: StoredUser | None, name: str | None
    ) -> NextChallenge:
        mfa = next((known for known in MFA_NAMES if known == name), None)
        if mfa is None or stored is None:
            raise InvalidLambdaResponseException(
                "Unrecognizable lambda output", detail=f"DefineAuthChallenge named the challenge {name}"
            )
        return await self._second_factors.ask(turn, sign_in, stored, mfa)

    async def _create(self, turn: Turn, sign_in: SignIn, user: User | None) -> NextChallenge:
        created = await self._triggers.ask(
            "CreateAuthChallenge",
            "CreateAuthChallenge_Authentication",
            turn.occasion(sign_in.user_id),
            {
                **_request(turn, sign_in, user),
                "challengeName": "CUSTOM_CHALLENGE",
                "session": _rendered(sign_in.steps),
            },
            {"publicChallengeParameters": None, "privateChallengeParameters": None, "challengeMetadata": None},
            _Created,
        )
        if created is None:
            raise InvalidParameterException("Custom auth lambda trigger is not configured for the user pool.")
        asked = CustomAsked(
            private_parameters=created.private_challenge_parameters, metadata=created.challenge_metadata
        )
        session = self._challenges.new_session(sign_in, asked, pool=turn.pool, client=turn.client, now=turn.now)
        parameters = {"USERNAME": sign_in.user_id, **created.public_challenge_parameters}
        return NextChallenge("CUSTOM_CHALLENGE", parameters, session)

    async def answer(
        self, turn: Turn, session_text: str | None, responses: Mapping[str, str], find_user: "FindUser"
    ) -> Answered:
        """The sign-in with one more result, right or wrong.

        Raises:
            NotAuthorizedException: the session does not stand.
        """
        session, asked = self._challenges.open_session(
            session_text, CustomAsked, pool=turn.pool, client=turn.client, now=turn.now
        )
        sign_in = session.sign_in
        check_username(turn, sign_in, responses, self._directory)
        answer = required(responses, "ANSWER")
        await self._challenges.spend_session(session, now=turn.now)
        stored = await find_user(turn, sign_in)
        verified = await self._triggers.ask(
            "VerifyAuthChallengeResponse",
            "VerifyAuthChallengeResponse_Authentication",
            turn.occasion(sign_in.user_id),
            {
                **_request(turn, sign_in, None if stored is None else stored.user),
                "privateChallengeParameters": asked.private_parameters,
                "challengeAnswer": answer,
            },
            {"answerCorrect": None},
            _Verified,
        )
        if verified is None:
            raise InvalidParameterException("Custom auth lambda trigger is not configured for the user pool.")
        step = CustomStep(
            challenge_name="CUSTOM_CHALLENGE",
            challenge_result=verified.answer_correct,
            challenge_metadata=asked.metadata,
        )
        return Answered(with_step(sign_in, step), stored)


class FindUser(Protocol):
    """The user that a sign-in is about, if there is one."""

    async def __call__(self, turn: Turn, sign_in: SignIn) -> StoredUser | None: ...


def with_step(sign_in: SignIn, step: CustomStep) -> SignIn:
    return msgspec.structs.replace(sign_in, steps=(*sign_in.steps, step))


def mfa_step(mfa: MfaType) -> CustomStep:
    """A second factor that was shown, as DefineAuthChallenge is told of it."""
    return CustomStep(challenge_name=mfa, challenge_result=True)


def _check_srp_a_came_before(sign_in: SignIn) -> None:
    if not sign_in.steps or sign_in.steps[-1].challenge_name != "SRP_A":
        raise InvalidLambdaResponseException(
            "Unrecognizable lambda output", detail="PASSWORD_VERIFIER comes after SRP_A and nowhere else"
        )


def _request(turn: Turn, sign_in: SignIn, user: User | None) -> dict[str, object]:
    request: dict[str, object] = {"userAttributes": user_attributes(user)}
    if turn.client.hides_missing_users:
        request["userNotFound"] = sign_in.missing
    return request


def _rendered(steps: tuple[CustomStep, ...]) -> list[dict[str, object]]:
    return [
        {
            "challengeName": step.challenge_name,
            "challengeResult": step.challenge_result,
            "challengeMetadata": step.challenge_metadata,
        }
        for step in steps
    ]

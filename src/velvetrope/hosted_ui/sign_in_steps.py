"""What a sign-in may still ask after its first answer: one page per kind of question, one table of them all.

    challenge                                        page             what the form sends
    SMS_MFA, EMAIL_OTP, SMS_OTP, SOFTWARE_TOKEN_MFA  /mfa             code
    SELECT_MFA_TYPE                                  /mfaOption       mfa
    SELECT_CHALLENGE                                 /signInOption    factor
    MFA_SETUP                                        /mfaSetup        code of a new app, or email
    NEW_PASSWORD_REQUIRED                            /resetPassword   password, confirm_password, userAttributes.*
    WEB_AUTHN                                        /passkey         credential

Every page begins with the same steps, and every form ends in the same two:

    step                                             page   form   a refusal goes
    parse the request                                  x      x    see `authorization_requests`
    find the sign-in that waits in this browser        x      x    StepIsOver: a page that says so
    check that it waits for this page                  x      x    (on to the page that it waits for)
    answer the challenge                                      x    above the form
    keep the next question, or complete the sign-in           x    (see `completion`)

What a challenge leads to is the user pool's to say; nothing here skips one. A challenge that is not in the table is
refused by name: custom challenges (CUSTOM_AUTH) among them, which AWS does not run on its pages either. The paths but
/mfa and /resetPassword are ours: AWS's are UNVERIFIED.

Source: Cognito user pools API, RespondToAuthChallenge; hosted-ui reference, section 5.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec

from velvetrope.errors import ServiceError, VelvetropeError
from velvetrope.hosted_ui.authorization_requests import AuthorizationRequests, RequestedAuthorization
from velvetrope.hosted_ui.completion import SignedIn, SignInCompletion
from velvetrope.hosted_ui.directory import AskedChallenge, UserDirectory
from velvetrope.hosted_ui.passkey_offers import PasskeyOffered, PasskeyOffers
from velvetrope.hosted_ui.pending_sign_ins import PendingSignIn, PendingSignIns, is_about, request_hash
from velvetrope.hosted_ui.refusals import is_for_the_person
from velvetrope.hosted_ui.sessions import held_session_hash
from velvetrope.oauth import Parameters
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import AppClient, User, UserPool

__all__ = [
    "STEP_PATHS",
    "AnswerRefused",
    "BrowserHolds",
    "SignInSteps",
    "StepAhead",
    "StepIsOver",
    "StepPage",
    "StepUnsupported",
]

STEP_PATHS: Mapping[str, str] = {
    "SMS_MFA": "/mfa",
    "EMAIL_OTP": "/mfa",
    "SMS_OTP": "/mfa",
    "SOFTWARE_TOKEN_MFA": "/mfa",
    "SELECT_MFA_TYPE": "/mfaOption",
    "SELECT_CHALLENGE": "/signInOption",
    "MFA_SETUP": "/mfaSetup",
    "NEW_PASSWORD_REQUIRED": "/resetPassword",
    "WEB_AUTHN": "/passkey",
}
"""On which page each challenge is answered."""

SECRET_CODE = "SECRET_CODE"  # noqa: S105  the name of a parameter
"""A new authenticator app's secret, among the parameters of MFA_SETUP."""
AVAILABLE = "AVAILABLE_CHALLENGES"
"""What there is to choose from in SELECT_CHALLENGE, as JSON."""

_SHOWN_PARAMETERS = frozenset(
    {
        "CODE_DELIVERY_DELIVERY_MEDIUM",
        "CODE_DELIVERY_DESTINATION",
        "CREDENTIAL_REQUEST_OPTIONS",
        "FRIENDLY_DEVICE_NAME",
        "MFAS_CAN_CHOOSE",
        "MFAS_CAN_SETUP",
        "requiredAttributes",
    }
)
"""What pages need of a challenge's parameters; the user's attributes are not among them, and are not kept."""
_ATTRIBUTE = "userAttributes."
_SAID: Final[dict[str, str]] = {
    "code": "Enter the code.",
    "choice": "Choose one of the ways below.",
    "setup": "Enter what one of the ways below asks for.",
    "password": "Enter a new password.",
    "confirm_password": "The two passwords are not the same.",
    "credential": "Your browser sent no passkey.",
}
"""What a form is told that lacks something, by the field that it lacks."""


@dataclass(frozen=True, slots=True)
class BrowserHolds:
    """What a browser presents besides its form."""

    step: Secret[str] | None
    """The id of a sign-in that waits."""
    session: Secret[str] | None
    """The session of a sign-in that was completed before."""
    source_ip: str = ""
    put_off_passkeys: bool = False
    """Whether somebody has said "not now" here, a while ago at most."""


@dataclass(frozen=True, slots=True)
class StepAhead:
    """On to the page of the next question."""

    path: str
    query: str
    held: Secret[str] | None
    """A new id for the browser to hold; None where it keeps the one that it has."""


@dataclass(frozen=True, slots=True)
class StepPage:
    """What a page has to ask, and for whom."""

    query: str
    redirect_uri: str
    pending: PendingSignIn

    def listed(self, parameter: str) -> tuple[str, ...]:
        """A parameter that is a JSON list of names."""
        return tuple(json.loads(self.pending.parameters.get(parameter, "[]")))

    @property
    def required_attributes(self) -> tuple[str, ...]:
        """Attributes that the pool requires and the user does not have yet."""
        return tuple(name.removeprefix(_ATTRIBUTE) for name in self.listed("requiredAttributes"))

    @property
    def first_factors(self) -> tuple[str, ...]:
        """First factors to choose from that have a page of their own; the password's is `/login`."""
        return tuple(name for name in self.listed(AVAILABLE) if name in {"EMAIL_OTP", "SMS_OTP", "WEB_AUTHN"})


class AnswerRefused(VelvetropeError):
    """The message goes above the form, which is shown again."""

    def __init__(self, message: str, page: StepPage, *, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.page = page


class StepIsOver(VelvetropeError):
    """No sign-in waits here: it was completed, begun anew in another tab, or left alone for too long."""

    def __init__(self, asked: RequestedAuthorization, *, detail: str) -> None:
        super().__init__("This step of the sign-in is over.", detail=detail)
        self.query = asked.query
        self.redirect_uri = asked.request.address.redirect_uri


class StepUnsupported(VelvetropeError):
    """The user pool asks for something that no page of ours can ask."""

    def __init__(self, challenge: str) -> None:
        super().__init__(f"The challenge {challenge} is not supported on these pages.")


class SignInSteps:
    """Asks what is left to ask, page by page, and ends in `completion`."""

    def __init__(
        self,
        directory: UserDirectory,
        requests: AuthorizationRequests,
        pending: PendingSignIns,
        completion: SignInCompletion,
    ) -> None:
        self._directory = directory
        self._requests = requests
        self._pending = pending
        self._completion = completion
        self._offers = PasskeyOffers(directory)
        self._answers: Mapping[str, _Answer] = {
            "/mfa": self._answer_code,
            "/mfaOption": self._answer_mfa_choice,
            "/signInOption": self._answer_first_factor_choice,
            "/mfaSetup": self._answer_setup,
            "/resetPassword": self._answer_new_password,
            "/passkey": self._answer_passkey,
        }

    async def reached(
        self,
        pool: UserPool,
        asked: RequestedAuthorization,
        reached: User | AskedChallenge,
        *,
        username: str,
        holds: BrowserHolds,
        now: datetime,
    ) -> SignedIn | StepAhead | PasskeyOffered:
        """Go on from whatever the user pool has answered.

        Raises:
            StepUnsupported: it asks for something that no page asks.
            OAuthError: see `completion`.
        """
        if isinstance(reached, User):
            signed_in = await self._signed_in(pool, asked, reached, holds=holds, now=now)
            await self._pending.end(pool.id, holds.step)
            return signed_in
        path = STEP_PATHS.get(reached.name)
        if path is None or reached.session is None:
            raise StepUnsupported(reached.name)
        parameters = {name: value for name, value in reached.parameters.items() if name in _SHOWN_PARAMETERS}
        if reached.available is not None:
            parameters[AVAILABLE] = json.dumps(reached.available)
        pending = PendingSignIn(
            user_pool_id=pool.id,
            client_id=asked.client.client_id,
            request_hash=request_hash(asked.query),
            username=username,
            challenge=reached.name,
            parameters=parameters,
            session=reached.session,
            expires_at=now + timedelta(minutes=asked.client.auth_session_validity),
        )
        if pending.challenge == "MFA_SETUP":
            pending = await self._with_new_app(pending, now=now)
        held = await self._pending.keep(pending, earlier=holds.step, now=now)
        return StepAhead(path, asked.query, held)

    async def show(
        self, pool: UserPool, parameters: Parameters, *, path: str, holds: BrowserHolds, now: datetime
    ) -> StepPage | StepAhead:
        """GET of a page: what it asks, or where the sign-in waits instead.

        Raises:
            OAuthError: the request does not stand.
            StepIsOver: no sign-in for this request waits in this browser.
        """
        _, page = await self._find(pool, parameters, holds=holds, now=now)
        waits_at = STEP_PATHS[page.pending.challenge]
        return page if waits_at == path else StepAhead(waits_at, page.query, None)

    async def answer(
        self,
        pool: UserPool,
        parameters: Parameters,
        fields: Parameters,
        *,
        path: str,
        holds: BrowserHolds,
        now: datetime,
    ) -> SignedIn | StepAhead | PasskeyOffered:
        """POST of a page.

        Raises:
            OAuthError: the request does not stand.
            StepIsOver: no sign-in for this request waits in this browser.
            AnswerRefused: the person may try again.
        """
        asked, page = await self._find(pool, parameters, holds=holds, now=now)
        waits_at = STEP_PATHS[page.pending.challenge]
        if waits_at != path:
            return StepAhead(waits_at, page.query, None)
        turn = _Turn(pool, asked.client, page, fields, holds.source_ip, now)
        try:
            reached = await self._answers[path](turn)
        except ServiceError as refusal:
            if is_for_the_person(refusal):
                raise AnswerRefused(refusal.message, page, detail=refusal.detail) from None
            raise
        try:
            return await self.reached(pool, asked, reached, username=page.pending.username, holds=holds, now=now)
        except StepUnsupported as refusal:
            raise AnswerRefused(refusal.message, page) from None

    # The steps.

    async def _signed_in(
        self, pool: UserPool, asked: RequestedAuthorization, user: User, *, holds: BrowserHolds, now: datetime
    ) -> SignedIn | PasskeyOffered:
        earlier = held_session_hash(holds.session)
        if await self._offers.is_due(pool, asked, user, put_off=holds.put_off_passkeys):
            session_id = await self._completion.begin(pool, asked.request, user, earlier_session_hash=earlier, now=now)
            return PasskeyOffered(asked.query, session_id)
        return await self._completion.complete(
            pool, asked.client, asked.request, user, authenticated_at=now, earlier_session_hash=earlier, now=now
        )

    async def _find(
        self, pool: UserPool, parameters: Parameters, *, holds: BrowserHolds, now: datetime
    ) -> tuple[RequestedAuthorization, StepPage]:
        asked = await self._requests.parse(pool, parameters)
        pending = await self._pending.find(pool.id, holds.step, now=now)
        if pending is None:
            raise StepIsOver(asked, detail="no sign-in waits in this browser")
        if not is_about(pending, client_id=asked.client.client_id, query=asked.query):
            raise StepIsOver(asked, detail="the sign-in that waits is for another authorization request")
        return asked, StepPage(asked.query, asked.request.address.redirect_uri, pending)

    async def _with_new_app(self, pending: PendingSignIn, *, now: datetime) -> PendingSignIn:
        """With a secret for an authenticator app, where the pool has them."""
        if "SOFTWARE_TOKEN_MFA" not in json.loads(pending.parameters.get("MFAS_CAN_SETUP", "[]")):
            return pending
        secret, session = await self._directory.associate_software_token(pending.session, now=now)
        return msgspec.structs.replace(
            pending, parameters={**pending.parameters, SECRET_CODE: secret}, session=session or pending.session
        )

    # One answer each.

    async def _answer_code(self, turn: "_Turn") -> User | AskedChallenge:
        code = "".join((turn.fields.get("code") or "").split())
        if not code:
            raise AnswerRefused(_SAID["code"], turn.page)
        return await self._respond(turn, {f"{turn.challenge}_CODE": code})

    async def _answer_mfa_choice(self, turn: "_Turn") -> User | AskedChallenge:
        chosen = turn.fields.get("mfa") or ""
        if chosen not in turn.page.listed("MFAS_CAN_CHOOSE"):
            raise AnswerRefused(_SAID["choice"], turn.page)
        return await self._respond(turn, {"ANSWER": chosen})

    async def _answer_first_factor_choice(self, turn: "_Turn") -> User | AskedChallenge:
        chosen = turn.fields.get("factor") or ""
        if chosen not in turn.page.first_factors:
            raise AnswerRefused(_SAID["choice"], turn.page)
        return await self._respond(turn, {"ANSWER": chosen})

    async def _answer_setup(self, turn: "_Turn") -> User | AskedChallenge:
        can_set_up, email = turn.page.listed("MFAS_CAN_SETUP"), turn.fields.get("email")
        if email is not None and "EMAIL_OTP" in can_set_up:
            return await self._respond(turn, {"EMAIL": email})
        code = "".join((turn.fields.get("code") or "").split())
        if not code or "SOFTWARE_TOKEN_MFA" not in can_set_up:
            raise AnswerRefused(_SAID["setup"], turn.page)
        verified = await self._directory.verify_software_token(turn.page.pending.session, code, now=turn.now)
        return await self._respond(turn, {}, session=verified)

    async def _answer_new_password(self, turn: "_Turn") -> User | AskedChallenge:
        password = turn.fields.get("password") or ""
        if not password:
            raise AnswerRefused(_SAID["password"], turn.page)
        if password != turn.fields.get("confirm_password"):
            raise AnswerRefused(_SAID["confirm_password"], turn.page)
        given = {
            f"{_ATTRIBUTE}{name}": turn.fields.get(f"{_ATTRIBUTE}{name}") for name in turn.page.required_attributes
        }
        attributes = {name: value for name, value in given.items() if value is not None}
        return await self._respond(turn, {"NEW_PASSWORD": password, **attributes})

    async def _answer_passkey(self, turn: "_Turn") -> User | AskedChallenge:
        credential = turn.fields.get("credential")
        if credential is None:
            raise AnswerRefused(_SAID["credential"], turn.page)
        return await self._respond(turn, {"CREDENTIAL": credential})

    async def _respond(
        self, turn: "_Turn", responses: Mapping[str, str], *, session: str | None = None
    ) -> User | AskedChallenge:
        return await self._directory.continue_sign_in(
            turn.pool,
            turn.client,
            challenge_name=turn.challenge,
            session=session or turn.page.pending.session,
            responses={"USERNAME": turn.page.pending.username, **responses},
            now=turn.now,
            source_ip=turn.source_ip,
        )


@dataclass(frozen=True, slots=True)
class _Turn:
    """One answer to one challenge."""

    pool: UserPool
    client: AppClient
    page: StepPage
    fields: Parameters
    source_ip: str
    now: datetime

    @property
    def challenge(self) -> str:
        return self.page.pending.challenge


_Answer = Callable[[_Turn], Awaitable[User | AskedChallenge]]

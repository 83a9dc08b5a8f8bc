"""InitiateAuth, RespondToAuthChallenge and their Admin twins, and GetTokensFromRefreshToken.

    USER_SRP_AUTH                                -> PASSWORD_VERIFIER -> …
    USER_PASSWORD_AUTH, ADMIN_USER_PASSWORD_AUTH -> …
    USER_AUTH                                    -> SELECT_CHALLENGE, or what was preferred -> …
    CUSTOM_AUTH                                  -> what the pool's functions ask -> …
    REFRESH_TOKEN_AUTH                           -> tokens

What follows an answer is `next_step`'s to say, for every flow. Checks come in this order: the request's own form, the
app client, the flow, the secret hash, and only then the user (user-pools reference section 6, UNVERIFIED there). The
pre authentication trigger is asked before anything of the user is checked, the post authentication trigger when
everything was shown, and then the one for tokens. What a caller of InitiateAuth passes for triggers reaches the first
alone, as its `validationData`; the others are given what comes with the last answer (model, InitiateAuthRequest,
ClientMetadata).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from velvetrope.clock import Entropy
from velvetrope.operations import Answer, Call, operation
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import AppClient, UserPool, UserPoolStore
from velvetrope.userpools.challenges import ChallengeSealer, ConfirmedSignUp, CustomStep, SignIn
from velvetrope.userpools.directory import PoolDirectory, PresentedName
from velvetrope.userpools.errors import InvalidParameterException, NotAuthorizedException
from velvetrope.userpools.factors.password_proofs import Met
from velvetrope.userpools.factors.sent_passwords import missing_user_error
from velvetrope.userpools.imports.migrations import migrates
from velvetrope.userpools.passwords.back_off import check_attempts
from velvetrope.userpools.passwords.vault import PasswordVault, fingerprint_of
from velvetrope.userpools.shapes import AnalyticsMetadata, ContextData, UserContextData
from velvetrope.userpools.sign_in.answers import ChallengeAnswers, SignInParts
from velvetrope.userpools.sign_in.beginnings import Flow, begun_sign_in
from velvetrope.userpools.sign_in.custom_challenges import with_step
from velvetrope.userpools.sign_in.endings import Endings, authentication_result, described_tokens
from velvetrope.userpools.tokens.issuing import TokenIssuer
from velvetrope.userpools.turns import Answered, NextChallenge, Passed, Turn, required
from velvetrope.userpools.workers import Workers

__all__ = ["AuthOperations", "allowed_flows", "check_choice_allowed", "check_refresh_allowed"]

_LEGACY_FLOWS = frozenset({"ADMIN_NO_SRP_AUTH", "CUSTOM_AUTH_FLOW_ONLY", "USER_PASSWORD_AUTH"})
_FLOWS = {
    "USER_SRP_AUTH": "ALLOW_USER_SRP_AUTH",
    "CUSTOM_AUTH": "ALLOW_CUSTOM_AUTH",
    "USER_AUTH": "ALLOW_USER_AUTH",
    "REFRESH_TOKEN_AUTH": "ALLOW_REFRESH_TOKEN_AUTH",
    "REFRESH_TOKEN": "ALLOW_REFRESH_TOKEN_AUTH",
}
"""What a client's ExplicitAuthFlows say where a flow is allowed, whoever asks."""
_PUBLIC_FLOWS = _FLOWS | {"USER_PASSWORD_AUTH": "ALLOW_USER_PASSWORD_AUTH"}
_ADMIN_FLOWS = _FLOWS | dict.fromkeys(
    ("ADMIN_USER_PASSWORD_AUTH", "ADMIN_NO_SRP_AUTH"), "ALLOW_ADMIN_USER_PASSWORD_AUTH"
)
_PASSWORD_FLOWS = ("USER_PASSWORD_AUTH", "ADMIN_USER_PASSWORD_AUTH", "ADMIN_NO_SRP_AUTH")


@dataclass(frozen=True, slots=True)
class _Door:
    """By which operation a flow came in: what it may do there, and in which words it is refused."""

    admin: bool

    def check_flow(self, client: AppClient, flow: str) -> None:
        """
        Raises:
            InvalidParameterException: the flow is not of this operation, or not switched on.
        """
        wanted = (_ADMIN_FLOWS if self.admin else _PUBLIC_FLOWS).get(flow)
        if wanted is None:
            raise InvalidParameterException("Initiate Auth method not supported.")
        if wanted not in allowed_flows(client):
            raise InvalidParameterException(self._not_enabled(flow))

    def _not_enabled(self, flow: str) -> str:
        if not self.admin and flow == "USER_PASSWORD_AUTH":
            return "USER_PASSWORD_AUTH flow not enabled for this client"
        if not self.admin and flow in {"USER_SRP_AUTH", "USER_AUTH", "CUSTOM_AUTH"}:
            return f"{flow} is not enabled for the client."
        return "Auth flow not enabled for this client"


_PUBLIC_DOOR = _Door(admin=False)
_ADMIN_DOOR = _Door(admin=True)


class AuthOperations:
    """The operations by which an app signs its users in."""

    def __init__(
        self,
        *,
        store: UserPoolStore,
        directory: PoolDirectory,
        vault: PasswordVault,
        issuer: TokenIssuer,
        challenges: ChallengeSealer,
        parts: SignInParts,
        master_keys: MasterKeys,
        entropy: Entropy,
        workers: Workers,
    ) -> None:
        self._store = store
        self._directory = directory
        self._vault = vault
        self._issuer = issuer
        self._challenges = challenges
        self._parts = parts
        self._answers = ChallengeAnswers(parts)
        self._endings = Endings(issuer=issuer, triggers=parts.triggers, master_keys=master_keys, entropy=entropy)
        self._workers = workers

    @operation
    async def initiate_auth(
        self,
        call: Call,
        *,
        auth_flow: str,
        client_id: str,
        auth_parameters: dict[str, str] | None = None,
        client_metadata: dict[str, str] | None = None,
        analytics_metadata: AnalyticsMetadata | None = None,  # noqa: ARG002  see shapes
        user_context_data: UserContextData | None = None,  # noqa: ARG002  see shapes
        session: str | None = None,
    ) -> Answer:
        pool, client = await self._directory.client_and_pool(client_id)
        turn = Turn(pool, client, admin=False, now=call.now, source_ip=call.source_ip)
        return await self._initiate(turn, _PUBLIC_DOOR, auth_flow, auth_parameters or {}, client_metadata, session)

    @operation
    async def admin_initiate_auth(
        self,
        call: Call,
        *,
        user_pool_id: str,
        client_id: str,
        auth_flow: str,
        auth_parameters: dict[str, str] | None = None,
        client_metadata: dict[str, str] | None = None,
        analytics_metadata: AnalyticsMetadata | None = None,  # noqa: ARG002  see shapes
        context_data: ContextData | None = None,  # noqa: ARG002  see shapes
        session: str | None = None,
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        client = await self._directory.client_of(user_pool_id, client_id)
        turn = Turn(pool, client, admin=True, now=call.now, source_ip=call.source_ip)
        return await self._initiate(turn, _ADMIN_DOOR, auth_flow, auth_parameters or {}, client_metadata, session)

    @operation
    async def respond_to_auth_challenge(
        self,
        call: Call,
        *,
        client_id: str,
        challenge_name: str,
        session: str | None = None,
        challenge_responses: dict[str, str] | None = None,
        client_metadata: dict[str, str] | None = None,
        analytics_metadata: AnalyticsMetadata | None = None,  # noqa: ARG002  see shapes
        user_context_data: UserContextData | None = None,  # noqa: ARG002  see shapes
    ) -> Answer:
        pool, client = await self._directory.client_and_pool(client_id)
        turn = Turn(pool, client, False, call.now, client_metadata, call.source_ip)
        return await self._respond(turn, challenge_name, session, challenge_responses or {})

    @operation
    async def admin_respond_to_auth_challenge(
        self,
        call: Call,
        *,
        user_pool_id: str,
        client_id: str,
        challenge_name: str,
        session: str | None = None,
        challenge_responses: dict[str, str] | None = None,
        client_metadata: dict[str, str] | None = None,
        analytics_metadata: AnalyticsMetadata | None = None,  # noqa: ARG002  see shapes
        context_data: ContextData | None = None,  # noqa: ARG002  see shapes
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        client = await self._directory.client_of(user_pool_id, client_id)
        turn = Turn(pool, client, True, call.now, client_metadata, call.source_ip)
        return await self._respond(turn, challenge_name, session, challenge_responses or {})

    @operation
    async def get_tokens_from_refresh_token(
        self,
        call: Call,
        *,
        refresh_token: Secret[str],
        client_id: str,
        client_secret: Secret[str] | None = None,
        device_key: str | None = None,
        client_metadata: dict[str, str] | None = None,
    ) -> Answer:
        pool, client = await self._directory.client_and_pool(client_id)
        if not self._directory.client_secret_matches(client, None if client_secret is None else client_secret.reveal()):
            raise NotAuthorizedException(f"Unable to verify secret for client {client_id}")  # text UNVERIFIED
        check_refresh_allowed(client)
        issued = await self._issuer.refresh(
            pool,
            client,
            refresh_token.reveal(),
            now=call.now,
            device_key=device_key,
            client_metadata=client_metadata,
        )
        return {"authentication_result": authentication_result(issued)}

    # InitiateAuth

    async def _initiate(
        self,
        turn: Turn,
        door: _Door,
        flow: str,
        parameters: Mapping[str, str],
        validation_data: Mapping[str, str] | None,
        session: str | None,
    ) -> Answer:
        door.check_flow(turn.client, flow)
        if flow in {"REFRESH_TOKEN_AUTH", "REFRESH_TOKEN"}:
            return await self._refresh(turn, parameters)
        if session is not None and flow != "USER_AUTH":
            raise InvalidParameterException("Session is for USER_AUTH only.")  # text UNVERIFIED
        username = required(parameters, "USERNAME")
        for needed in _needed_parameters(flow, parameters):
            required(parameters, needed)
        self._directory.check_secret_hash(turn.client, parameters.get("SECRET_HASH"), [username])
        name, met = await self._presented(turn, flow, username, parameters)
        sends_password = flow in _PASSWORD_FLOWS
        if sends_password or flow == "USER_SRP_AUTH":
            check_attempts(name.attempts, now=turn.now)
        sent = parameters["PASSWORD"] if sends_password or _chooses_password(flow, parameters) else None
        if sent is not None and session is None:
            name = await self._parts.migrations.at_sign_in(turn, name, Secret(sent), validation_data)
        may_migrate = flow == "USER_AUTH" and migrates(turn.pool)
        if name.found is None and not (sends_password or may_migrate or turn.client.hides_missing_users):
            raise missing_user_error(turn.client)
        sign_in = begun_sign_in(turn, name, _flow(flow), self._vault, device_key=parameters.get("DEVICE_KEY"))
        await self._parts.triggers.pre_authentication(
            turn, sign_in.user_id, None if name.found is None else name.found.user, validation_data
        )
        return await self._begin(turn, sign_in, name, flow, parameters, session, met)

    async def _presented(
        self, turn: Turn, flow: str, username: str, parameters: Mapping[str, str]
    ) -> tuple[PresentedName, Met | None]:
        """The name; and where it begins an SRP exchange its arithmetic, which is done in the same visit to a worker."""
        if flow != "USER_SRP_AUTH":
            return await self._directory.presented(turn.pool, username), None

        def look_up_and_meet() -> tuple[PresentedName, Met | None]:
            name = self._directory.presented_here(turn.pool, username)
            return name, self._parts.proofs.meet_here(turn, name, parameters["SRP_A"])

        return await self._workers.brief(look_up_and_meet)

    async def _begin(
        self,
        turn: Turn,
        sign_in: SignIn,
        name: PresentedName,
        flow: str,
        parameters: Mapping[str, str],
        session: str | None,
        met: Met | None,
    ) -> Answer:
        if flow == "USER_SRP_AUTH":
            asked = await self._parts.proofs.ask(turn, sign_in, name.found, parameters["SRP_A"], met=met)
            return asked.rendered()
        if flow == "CUSTOM_AUTH":
            srp_a = parameters.get("SRP_A")
            if srp_a is not None:
                sign_in = with_step(sign_in, CustomStep(challenge_name="SRP_A", challenge_result=True))
            return await self._next(turn, Answered(sign_in, name.found), srp_a=srp_a)
        if flow == "USER_AUTH" and session is not None:
            return await self._next(turn, await self._signed_up(turn, sign_in, session))
        if flow == "USER_AUTH":
            begun = await self._parts.first_factors.begin(turn, sign_in, name.found, parameters)
            return await self._next(turn, begun)
        stored = await self._parts.passwords.verify(
            turn.pool, turn.client, name, Secret(parameters["PASSWORD"]), now=turn.now
        )
        return await self._next(
            turn, Answered(sign_in.with_password("PASSWORD", fingerprint_of(stored.password_sealed)), stored)
        )

    async def _signed_up(self, turn: Turn, sign_in: SignIn, session_text: str) -> Answered:
        """The first factor of somebody who has just confirmed their sign-up, from ConfirmSignUp's session."""
        session, _ = self._challenges.open_session(
            session_text, ConfirmedSignUp, pool=turn.pool, client=turn.client, now=turn.now
        )
        if session.sign_in.missing or session.sign_in.sub != sign_in.sub:
            raise NotAuthorizedException("Invalid session for the user.", detail="the session is another user's")
        await self._challenges.spend_session(session, now=turn.now)
        return Answered(sign_in.with_proof("SIGN_UP"))

    async def _refresh(self, turn: Turn, parameters: Mapping[str, str]) -> Answer:
        pool, client = turn.pool, turn.client
        refresh_token = required(parameters, "REFRESH_TOKEN")
        if client.rotates_refresh_tokens:
            # GetTokensFromRefreshToken is the way for these (model, RefreshTokenRotation). Text UNVERIFIED.
            raise InvalidParameterException("Auth flow not enabled for this client")
        await self._check_secret_hash_of_token(pool, client, refresh_token, parameters.get("SECRET_HASH"))
        issued = await self._issuer.refresh(
            pool, client, refresh_token, now=turn.now, device_key=parameters.get("DEVICE_KEY")
        )
        return described_tokens(issued)

    async def _check_secret_hash_of_token(
        self, pool: UserPool, client: AppClient, refresh_token: str, presented: str | None
    ) -> None:
        """There is no USERNAME here: the hash is over the user's name or sub, which the token leads to."""
        family = await self._issuer.family_of(refresh_token)
        stored = None if family is None else await self._store.load_user_by_sub(pool.id, family.sub)
        names = [] if stored is None else [stored.user.username, stored.user.sub]
        if names or presented is None:
            self._directory.check_secret_hash(client, presented, names)

    # What it leads to

    async def _respond(
        self, turn: Turn, challenge_name: str, session: str | None, responses: Mapping[str, str]
    ) -> Answer:
        if challenge_name == "PASSWORD_VERIFIER":
            return await self._prove_password(turn, responses)
        return await self._reached(turn, await self._answers.answer(turn, challenge_name, session, responses))

    async def _prove_password(self, turn: Turn, responses: Mapping[str, str]) -> Answer:
        """As any other answer, but that it may end the sign-in with the same visit to the store."""
        ending = await self._endings.at_once(turn)
        answered = await self._answers.password_proven(turn, responses, ending)
        if ending is not None and ending.answer is not None:
            return ending.answer
        return await self._next(turn, answered)

    async def _next(self, turn: Turn, answered: Answered | NextChallenge, *, srp_a: str | None = None) -> Answer:
        return await self._reached(turn, await self._answers.after(turn, answered, srp_a=srp_a))

    async def _reached(self, turn: Turn, reached: NextChallenge | Passed) -> Answer:
        return reached.rendered() if isinstance(reached, NextChallenge) else await self._endings.end(turn, reached)


def allowed_flows(client: AppClient) -> frozenset[str]:
    """The client's ExplicitAuthFlows in today's names; the old names imply SRP and refresh."""
    flows = frozenset(client.explicit_auth_flows)
    if not flows & _LEGACY_FLOWS:
        return flows
    allowed = {"ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_CUSTOM_AUTH"}
    if "CUSTOM_AUTH_FLOW_ONLY" not in flows:
        allowed.add("ALLOW_USER_SRP_AUTH")
    if "ADMIN_NO_SRP_AUTH" in flows:
        allowed.add("ALLOW_ADMIN_USER_PASSWORD_AUTH")
    if "USER_PASSWORD_AUTH" in flows:
        allowed.add("ALLOW_USER_PASSWORD_AUTH")
    return frozenset(allowed)


def check_choice_allowed(client: AppClient) -> None:
    """
    Raises:
        InvalidParameterException: the client has USER_AUTH not switched on.
    """
    _PUBLIC_DOOR.check_flow(client, "USER_AUTH")


def check_refresh_allowed(client: AppClient) -> None:
    """A client refreshes if it rotates, or allows REFRESH_TOKEN_AUTH.

    Raises:
        NotAuthorizedException: neither. Error and text UNVERIFIED.
    """
    if not client.rotates_refresh_tokens and "ALLOW_REFRESH_TOKEN_AUTH" not in allowed_flows(client):
        raise NotAuthorizedException("Auth flow not enabled for this client")


def _flow(auth_flow: str) -> Flow:
    match auth_flow:
        case "USER_SRP_AUTH" | "USER_AUTH" | "CUSTOM_AUTH":
            return auth_flow
        case _:
            return "PASSWORD"


def _chooses_password(flow: str, parameters: Mapping[str, str]) -> bool:
    """Whether a choice-based sign-in begins with its choice, and with the password for it."""
    chosen = flow == "USER_AUTH" and parameters.get("PREFERRED_CHALLENGE") == "PASSWORD"
    return chosen and bool(parameters.get("PASSWORD"))


def _needed_parameters(flow: str, parameters: Mapping[str, str]) -> tuple[str, ...]:
    """What a flow needs besides USERNAME.

    Raises:
        InvalidParameterException: a custom sign-in begins with something else than SRP_A.
    """
    if flow == "USER_SRP_AUTH":
        return ("SRP_A",)
    if flow in _PASSWORD_FLOWS:
        return ("PASSWORD",)
    first = parameters.get("CHALLENGE_NAME")
    if flow == "CUSTOM_AUTH" and first is not None:
        if first != "SRP_A":
            raise InvalidParameterException(f"CHALLENGE_NAME {first} is not supported.")  # text UNVERIFIED
        return ("SRP_A",)
    return ()

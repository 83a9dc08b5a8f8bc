"""InitiateAuth, RespondToAuthChallenge and their Admin twins, and GetTokensFromRefreshToken.

    USER_SRP_AUTH                                -> PASSWORD_VERIFIER -> (NEW_PASSWORD_REQUIRED ->) tokens
    USER_PASSWORD_AUTH, ADMIN_USER_PASSWORD_AUTH -> (NEW_PASSWORD_REQUIRED ->) tokens
    REFRESH_TOKEN_AUTH                           -> tokens

Every other flow and challenge is refused by its name. Checks come in this order: the request's own form, the app
client, the flow, the secret hash, and only then the user (user-pools reference section 6, UNVERIFIED there).

A secret block is spent by the first answer to it, right or wrong, so it is worth one guess. A session is spent when a
new password has been accepted for it; one that the policy refuses may be followed by another.
"""

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from velvetrope.clock import Entropy
from velvetrope.operations import Answer, Call, operation
from velvetrope.secret import Secret
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
from velvetrope.store.tables.userpools import AppClient, StoredUser, User, UserConflict, UserPool, UserPoolStore
from velvetrope.store.tables.userpools_sign_in import SignInStore
from velvetrope.userpools.attributes import changed_attributes, missing_required
from velvetrope.userpools.back_off import BackOff
from velvetrope.userpools.challenges import (
    SECRET_BLOCK_LIFETIME,
    ChallengeSealer,
    NewPasswordSession,
    SecretBlock,
    decode_base64,
    decode_session,
    encode_session,
)
from velvetrope.userpools.directory import PoolDirectory, PresentedName, sign_in_aliases
from velvetrope.userpools.errors import (
    InvalidParameterException,
    NotAuthorizedException,
    ResourceNotFoundException,
    wrong_credentials,
)
from velvetrope.userpools.issuing import SELF_SERVICE_SCOPE, IssuedTokens, TokenIssuer
from velvetrope.userpools.password_rules import check_new_password
from velvetrope.userpools.shapes import AnalyticsMetadata, AttributeType, ContextData, UserContextData
from velvetrope.userpools.sign_in import PasswordSignIn, check_may_sign_in, missing_user_error
from velvetrope.userpools.vault import PasswordVault, SrpVerifier
from velvetrope.userpools.workers import Workers

__all__ = ["AuthOperations", "allowed_flows", "check_refresh_allowed"]

_TIMESTAMP_SKEW = timedelta(minutes=5)
"""How far TIMESTAMP may be from our clock: what SigV4 allows. UNVERIFIED; the secret block is what is really spent."""

_LEGACY_FLOWS = frozenset({"ADMIN_NO_SRP_AUTH", "CUSTOM_AUTH_FLOW_ONLY", "USER_PASSWORD_AUTH"})


@dataclass(frozen=True, slots=True)
class _Door:
    """By which operation a flow came in: what it may do there, and in which words it is refused."""

    admin: bool

    def check_flow(self, client: AppClient, flow: str) -> None:
        """
        Raises:
            InvalidParameterException: the flow is not of this operation, not built, or not switched on.
        """
        if flow in {"CUSTOM_AUTH", "USER_AUTH"}:
            raise InvalidParameterException(f"{flow} is not supported by velvetrope.")
        wanted = {
            "USER_SRP_AUTH": "ALLOW_USER_SRP_AUTH",
            "REFRESH_TOKEN_AUTH": "ALLOW_REFRESH_TOKEN_AUTH",
            "REFRESH_TOKEN": "ALLOW_REFRESH_TOKEN_AUTH",
            **(
                {
                    "ADMIN_USER_PASSWORD_AUTH": "ALLOW_ADMIN_USER_PASSWORD_AUTH",
                    "ADMIN_NO_SRP_AUTH": "ALLOW_ADMIN_USER_PASSWORD_AUTH",
                }
                if self.admin
                else {"USER_PASSWORD_AUTH": "ALLOW_USER_PASSWORD_AUTH"}
            ),
        }.get(flow)
        if wanted is None:
            raise InvalidParameterException("Initiate Auth method not supported.")
        if wanted not in allowed_flows(client):
            raise InvalidParameterException(self._not_enabled(flow))

    def _not_enabled(self, flow: str) -> str:
        if not self.admin and flow == "USER_PASSWORD_AUTH":
            return "USER_PASSWORD_AUTH flow not enabled for this client"
        if not self.admin and flow == "USER_SRP_AUTH":
            return "USER_SRP_AUTH is not enabled for the client."
        return "Auth flow not enabled for this client"


_PUBLIC_DOOR = _Door(admin=False)
_ADMIN_DOOR = _Door(admin=True)


class AuthOperations:
    """The operations by which an app signs its users in."""

    def __init__(
        self,
        *,
        store: UserPoolStore,
        sign_ins: SignInStore,
        directory: PoolDirectory,
        vault: PasswordVault,
        back_off: BackOff,
        passwords: PasswordSignIn,
        issuer: TokenIssuer,
        challenges: ChallengeSealer,
        entropy: Entropy,
        workers: Workers,
    ) -> None:
        self._store = store
        self._sign_ins = sign_ins
        self._directory = directory
        self._vault = vault
        self._back_off = back_off
        self._passwords = passwords
        self._issuer = issuer
        self._challenges = challenges
        self._entropy = entropy
        self._workers = workers

    @operation
    async def initiate_auth(
        self,
        call: Call,
        *,
        auth_flow: str,
        client_id: str,
        auth_parameters: dict[str, str] | None = None,
        client_metadata: dict[str, str] | None = None,  # noqa: ARG002  for triggers, of which there are none
        analytics_metadata: AnalyticsMetadata | None = None,  # noqa: ARG002  see shapes
        user_context_data: UserContextData | None = None,  # noqa: ARG002  see shapes
    ) -> Answer:
        pool, client = await self._directory.client_and_pool(client_id)
        return await self._initiate(pool, client, _PUBLIC_DOOR, auth_flow, auth_parameters or {}, now=call.now)

    @operation
    async def admin_initiate_auth(
        self,
        call: Call,
        *,
        user_pool_id: str,
        client_id: str,
        auth_flow: str,
        auth_parameters: dict[str, str] | None = None,
        client_metadata: dict[str, str] | None = None,  # noqa: ARG002  for triggers, of which there are none
        analytics_metadata: AnalyticsMetadata | None = None,  # noqa: ARG002  see shapes
        context_data: ContextData | None = None,  # noqa: ARG002  see shapes
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        client = await self._directory.client_of(user_pool_id, client_id)
        return await self._initiate(pool, client, _ADMIN_DOOR, auth_flow, auth_parameters or {}, now=call.now)

    @operation
    async def respond_to_auth_challenge(
        self,
        call: Call,
        *,
        client_id: str,
        challenge_name: str,
        session: str | None = None,
        challenge_responses: dict[str, str] | None = None,
        client_metadata: dict[str, str] | None = None,  # noqa: ARG002  for triggers, of which there are none
        analytics_metadata: AnalyticsMetadata | None = None,  # noqa: ARG002  see shapes
        user_context_data: UserContextData | None = None,  # noqa: ARG002  see shapes
    ) -> Answer:
        pool, client = await self._directory.client_and_pool(client_id)
        return await self._respond(pool, client, challenge_name, session, challenge_responses or {}, now=call.now)

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
        client_metadata: dict[str, str] | None = None,  # noqa: ARG002  for triggers, of which there are none
        analytics_metadata: AnalyticsMetadata | None = None,  # noqa: ARG002  see shapes
        context_data: ContextData | None = None,  # noqa: ARG002  see shapes
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        client = await self._directory.client_of(user_pool_id, client_id)
        return await self._respond(pool, client, challenge_name, session, challenge_responses or {}, now=call.now)

    @operation
    async def get_tokens_from_refresh_token(
        self,
        call: Call,
        *,
        refresh_token: Secret[str],
        client_id: str,
        client_secret: Secret[str] | None = None,
        device_key: str | None = None,
        client_metadata: dict[str, str] | None = None,  # noqa: ARG002  for triggers, of which there are none
    ) -> Answer:
        pool, client = await self._directory.client_and_pool(client_id)
        _check_no_device({"DEVICE_KEY": device_key} if device_key is not None else {})
        if not self._directory.client_secret_matches(client, None if client_secret is None else client_secret.reveal()):
            raise NotAuthorizedException(f"Unable to verify secret for client {client_id}")  # text UNVERIFIED
        check_refresh_allowed(client)
        issued = await self._issuer.refresh(pool, client, refresh_token.reveal(), now=call.now)
        return {"authentication_result": _authentication_result(issued)}

    # InitiateAuth

    async def _initiate(
        self,
        pool: UserPool,
        client: AppClient,
        door: _Door,
        flow: str,
        parameters: Mapping[str, str],
        *,
        now: datetime,
    ) -> Answer:
        door.check_flow(client, flow)
        if flow in {"REFRESH_TOKEN_AUTH", "REFRESH_TOKEN"}:
            return await self._refresh(pool, client, parameters, now=now)
        username = _required(parameters, "USERNAME")
        if flow == "USER_SRP_AUTH":
            public_value = _required(parameters, "SRP_A")
        else:
            password = Secret(_required(parameters, "PASSWORD"))
        self._directory.check_secret_hash(client, parameters.get("SECRET_HASH"), [username])
        _check_no_device(parameters)
        if flow == "USER_SRP_AUTH":
            return await self._challenge_password(pool, client, username, public_value, now=now)
        stored = await self._passwords.verify(pool, client, username=username, password=password, now=now)
        return await self._after_password(pool, client, stored, now=now)

    async def _challenge_password(
        self, pool: UserPool, client: AppClient, username: str, public_value_hex: str, *, now: datetime
    ) -> Answer:
        try:
            public_value = parse_public_value(public_value_hex)
        except InvalidPublicValue as reason:
            # Error and text UNVERIFIED; refused as any other parameter that makes no sense.
            raise InvalidParameterException("SRP_A is not a valid public value", detail=reason.message) from None
        name = await self._directory.presented(pool, username)
        await self._back_off.check_not_locked(pool, name.key, now=now)
        if name.found is None and not client.hides_missing_users:
            raise missing_user_error(client)
        known = self._verifier(pool, name)
        private_value = self._entropy.token_bytes(32)
        challenge = await self._workers.run(lambda: make_challenge(known.verifier, private_value=private_value))
        user_id = self._user_id_for_srp(pool, name)
        block = SecretBlock(
            id=self._challenges.new_id(),
            expires_at=now + SECRET_BLOCK_LIFETIME,
            username=username,
            username_key=name.key,
            user_id_for_srp=user_id,
            client_public_value=public_value.to_bytes((public_value.bit_length() + 7) // 8),
            private_value=private_value,
        )
        sealed = self._challenges.seal(block, pool=pool, client=client)
        return {
            "challenge_name": "PASSWORD_VERIFIER",
            "challenge_parameters": {
                "SALT": f"{known.salt:x}",
                "SRP_B": challenge.public_value_hex,
                "SECRET_BLOCK": base64.b64encode(sealed).decode(),
                "USERNAME": user_id,
                "USER_ID_FOR_SRP": user_id,
            },
        }

    def _verifier(self, pool: UserPool, name: PresentedName) -> SrpVerifier:
        """The user's, or one that looks like it where there is no user or no password."""
        if name.found is None or name.found.password_sealed is None:
            return self._vault.decoy(pool, name.key)
        return self._vault.srp(name.found.password_sealed, pool=pool, sub=name.found.user.sub)

    def _user_id_for_srp(self, pool: UserPool, name: PresentedName) -> str:
        if name.found is not None:
            return name.found.user.username
        # Where people sign in with addresses, a real user's internal name is a UUID; elsewhere it is what was typed.
        is_address = "@" in name.text or name.text.startswith("+")
        by_address = pool.username_attributes or (pool.alias_attributes and is_address)
        return self._vault.decoy_user_id(pool, name.key) if by_address else name.text

    async def _refresh(
        self, pool: UserPool, client: AppClient, parameters: Mapping[str, str], *, now: datetime
    ) -> Answer:
        refresh_token = _required(parameters, "REFRESH_TOKEN")
        if client.rotates_refresh_tokens:
            # GetTokensFromRefreshToken is the way for these (model, RefreshTokenRotation). Text UNVERIFIED.
            raise InvalidParameterException("Auth flow not enabled for this client")
        await self._check_secret_hash_of_token(pool, client, refresh_token, parameters.get("SECRET_HASH"))
        _check_no_device(parameters)
        issued = await self._issuer.refresh(pool, client, refresh_token, now=now)
        return _tokens(issued)

    async def _check_secret_hash_of_token(
        self, pool: UserPool, client: AppClient, refresh_token: str, presented: str | None
    ) -> None:
        """There is no USERNAME here: the hash is over the user's name or sub, which the token leads to."""
        family = await self._issuer.family_of(refresh_token)
        stored = None if family is None else await self._store.load_user_by_sub(pool.id, family.sub)
        names = [] if stored is None else [stored.user.username, stored.user.sub]
        if names or presented is None:
            self._directory.check_secret_hash(client, presented, names)

    # RespondToAuthChallenge

    async def _respond(
        self,
        pool: UserPool,
        client: AppClient,
        challenge_name: str,
        session: str | None,
        responses: Mapping[str, str],
        *,
        now: datetime,
    ) -> Answer:
        if challenge_name == "PASSWORD_VERIFIER":
            return await self._verify_password_claim(pool, client, responses, now=now)
        if challenge_name == "NEW_PASSWORD_REQUIRED":
            return await self._set_new_password(pool, client, session, responses, now=now)
        raise InvalidParameterException(f"The challenge {challenge_name} is not supported by velvetrope.")

    async def _verify_password_claim(
        self, pool: UserPool, client: AppClient, responses: Mapping[str, str], *, now: datetime
    ) -> Answer:
        username = _required(responses, "USERNAME")
        signature = _required(responses, "PASSWORD_CLAIM_SIGNATURE")
        block_text = _required(responses, "PASSWORD_CLAIM_SECRET_BLOCK")
        timestamp = _required(responses, "TIMESTAMP")
        self._directory.check_secret_hash(client, responses.get("SECRET_HASH"), [username])
        _check_no_device(responses)
        try:
            claimed_at = parse_timestamp(timestamp)
        except InvalidTimestamp:
            raise InvalidParameterException(
                "TIMESTAMP format should be EEE MMM d HH:mm:ss z yyyy in english."
            ) from None
        raw_block = decode_base64(block_text)
        block = None if raw_block is None else self._challenges.open(raw_block, SecretBlock, pool=pool, client=client)
        if raw_block is None or block is None:
            raise wrong_credentials("the secret block is not one of ours for this client")
        if username not in {block.username, block.user_id_for_srp}:
            raise wrong_credentials("the secret block is another user's")
        if now >= block.expires_at:
            raise wrong_credentials("the secret block has expired")
        if abs(now - claimed_at) > _TIMESTAMP_SKEW:
            raise wrong_credentials("TIMESTAMP is not near the server's clock")
        await self._back_off.check_not_locked(pool, block.username_key, now=now)
        if not await self._sign_ins.spend_challenge(block.id, expires_at=block.expires_at, now=now):
            raise wrong_credentials("the secret block has been used")

        found = await self._store.load_user(pool.id, block.username_key)
        known = self._verifier(pool, PresentedName(text=username, key=block.username_key, found=found))
        expected = await self._workers.run(lambda: _expected_signature(pool, block, known, raw_block, timestamp))
        right = hmac.compare_digest(expected.encode(), signature.encode())
        if not right or found is None or found.password_sealed is None:
            await self._back_off.failed(pool, block.username_key, now=now)
            raise wrong_credentials("the password claim signature is wrong")
        await self._back_off.succeeded(pool, block.username_key, now=now)
        return await self._after_password(pool, client, found, now=now)

    async def _after_password(self, pool: UserPool, client: AppClient, stored: StoredUser, *, now: datetime) -> Answer:
        """The password was right: tokens, or the challenge that stands before them."""
        check_may_sign_in(stored.user, now=now)
        if stored.user.status == "FORCE_CHANGE_PASSWORD":
            return self._challenge_new_password(pool, client, stored, now=now)
        return await self._issue(pool, client, stored.user, now=now)

    def _challenge_new_password(
        self, pool: UserPool, client: AppClient, stored: StoredUser, *, now: datetime
    ) -> Answer:
        user = stored.user
        session = NewPasswordSession(
            id=self._challenges.new_id(),
            expires_at=now + timedelta(minutes=client.auth_session_validity),
            username_key=stored.username_key,
            sub=user.sub,
        )
        required = [f"userAttributes.{name}" for name in missing_required(pool, user.attributes)]
        return {
            "challenge_name": "NEW_PASSWORD_REQUIRED",
            "session": encode_session(self._challenges.seal(session, pool=pool, client=client)),
            "challenge_parameters": {
                "USER_ID_FOR_SRP": user.username,
                "requiredAttributes": json.dumps(required, separators=(",", ":")),
                "userAttributes": json.dumps(user.attributes, separators=(",", ":")),
            },
        }

    async def _set_new_password(
        self,
        pool: UserPool,
        client: AppClient,
        session_text: str | None,
        responses: Mapping[str, str],
        *,
        now: datetime,
    ) -> Answer:
        if session_text is None:
            raise InvalidParameterException("Missing required parameter Session")
        username = _required(responses, "USERNAME")
        password = Secret(_required(responses, "NEW_PASSWORD"))
        self._directory.check_secret_hash(client, responses.get("SECRET_HASH"), [username])
        raw = decode_session(session_text)
        session = None if raw is None else self._challenges.open(raw, NewPasswordSession, pool=pool, client=client)
        if session is None:
            raise NotAuthorizedException("Invalid session for the user.", detail="not one of ours for this client")
        if now >= session.expires_at:
            raise NotAuthorizedException("Invalid session for the user, session is expired.")
        name = await self._directory.presented(pool, username)
        if name.found is None or name.found.user.sub != session.sub:
            raise NotAuthorizedException("Invalid session for the user.", detail="the session is another user's")
        user = name.found.user
        check_may_sign_in(user, now=now)
        check_new_password(pool, password)
        given = [
            AttributeType(name=key.removeprefix("userAttributes."), value=value)
            for key, value in responses.items()
            if key.startswith("userAttributes.")
        ]
        attributes = changed_attributes(pool, user.attributes, given, client=client)
        missing = missing_required(pool, attributes)
        if missing:
            raise InvalidParameterException(
                "Attributes did not conform to the schema: "
                + "\n".join(f"{attribute}: The attribute is required" for attribute in missing)
            )
        sealed = await self._vault.seal(password, pool=pool, username=user.username, sub=user.sub)
        if not await self._sign_ins.spend_challenge(session.id, expires_at=session.expires_at, now=now):
            raise NotAuthorizedException("Invalid session for the user, session can only be used once.")

        def confirm(before: User) -> User:
            return msgspec.structs.replace(
                before,
                attributes=attributes,
                sign_in_aliases=sign_in_aliases(pool, attributes),
                status="CONFIRMED",
                temporary_password_expires_at=None,
                modified_at=now,
            )

        changed = await self._store.change_user(
            pool.id,
            name.found.username_key,
            confirm,
            password_sealed=sealed,
            expected_password=name.found.password_sealed,
        )
        if changed is None:
            raise NotAuthorizedException("Invalid session for the user.", detail="the password was changed meanwhile")
        if isinstance(changed, UserConflict):
            raise InvalidParameterException(f"An account with the given {changed.kind} already exists.")
        return await self._issue(pool, client, changed, now=now)

    async def _issue(self, pool: UserPool, client: AppClient, user: User, *, now: datetime) -> Answer:
        issued = await self._issuer.start_family(
            pool, client, user, scopes=(SELF_SERVICE_SCOPE,), authenticated_at=now, now=now, hosted=False
        )
        return _tokens(issued)


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


def check_refresh_allowed(client: AppClient) -> None:
    """A client refreshes if it rotates, or allows REFRESH_TOKEN_AUTH.

    Raises:
        NotAuthorizedException: neither. Error and text UNVERIFIED.
    """
    if not client.rotates_refresh_tokens and "ALLOW_REFRESH_TOKEN_AUTH" not in allowed_flows(client):
        raise NotAuthorizedException("Auth flow not enabled for this client")


def _expected_signature(
    pool: UserPool, block: SecretBlock, known: SrpVerifier, raw_block: bytes, timestamp: str
) -> str:
    """What a client with the right password signs, made from what both sides said."""
    challenge: Challenge = make_challenge(known.verifier, private_value=block.private_value)
    key = claim_key(challenge, int.from_bytes(block.client_public_value), known.verifier)
    return claim_signature(
        key, pool_name=pool.short_name, user_id=block.user_id_for_srp, secret_block=raw_block, timestamp=timestamp
    )


def _required(parameters: Mapping[str, str], name: str) -> str:
    value = parameters.get(name)
    if not value:
        raise InvalidParameterException(f"Missing required parameter {name}")
    return value


def _check_no_device(parameters: Mapping[str, str]) -> None:
    """There are no remembered devices here. This is AWS's answer to an unknown one, after which clients forget it."""
    if "DEVICE_KEY" in parameters:
        raise ResourceNotFoundException("Device does not exist.")


def _tokens(issued: IssuedTokens) -> dict[str, object]:
    return {"challenge_parameters": {}, "authentication_result": _authentication_result(issued)}


def _authentication_result(issued: IssuedTokens) -> dict[str, object]:
    return {
        "access_token": issued.access_token,
        "expires_in": issued.expires_in_seconds,
        "token_type": "Bearer",
        "refresh_token": issued.refresh_token,
        "id_token": issued.id_token,
    }

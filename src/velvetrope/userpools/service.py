"""What other rooms are handed: sign-in for the hosted pages, and ID token checks for identity pools.

`hosted_ui` and `identitypools` declare the protocols; these are the objects behind them. They say the same things as
the operations do, by way of the same code.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import AppClient, User, UserPool, UserPoolStore
from velvetrope.store.tables.userpools_configuration import ConfigurationStore, IdentityProvider
from velvetrope.tokens import VerifiedToken, render_jwks
from velvetrope.userpools.challenges import SignIn
from velvetrope.userpools.directory import PoolDirectory, secret_hash
from velvetrope.userpools.errors import user_missing
from velvetrope.userpools.factors.authenticator_setups import AuthenticatorSetups
from velvetrope.userpools.factors.passkeys import Passkeys, Registrant
from velvetrope.userpools.factors.sent_passwords import missing_user_error
from velvetrope.userpools.federation.federated_users import FederatedUsers
from velvetrope.userpools.federation.identity_providers import ProviderSecrets
from velvetrope.userpools.imports.migrations import migrates
from velvetrope.userpools.passwords.vault import PasswordVault, fingerprint_of
from velvetrope.userpools.sign_in.answers import ChallengeAnswers, SignInParts
from velvetrope.userpools.sign_in.auth_operations import check_choice_allowed, check_refresh_allowed
from velvetrope.userpools.sign_in.beginnings import begun_sign_in
from velvetrope.userpools.tokens.issuing import IssuedTokens, TokenIssuer, TokensAsked
from velvetrope.userpools.tokens.machines import MachineToken, MachineTokens
from velvetrope.userpools.tokens.resource_servers import ScopeDirectory
from velvetrope.userpools.tokens.signing_keys import PoolKeys
from velvetrope.userpools.tokens.verification import TokenVerification
from velvetrope.userpools.turns import Answered, NextChallenge, Passed, Turn
from velvetrope.userpools.users.identities import attributes_with_identities

__all__ = ["SignInService"]


class SignInService:
    """User pools as the hosted pages need them."""

    def __init__(
        self,
        store: UserPoolStore,
        directory: PoolDirectory,
        issuer: TokenIssuer,
        verification: TokenVerification,
        keys: PoolKeys,
        parts: SignInParts,
        *,
        federated: FederatedUsers,
        configuration: ConfigurationStore,
        provider_secrets: ProviderSecrets,
        machines: MachineTokens,
        scopes: ScopeDirectory,
        setups: AuthenticatorSetups,
        passkeys: Passkeys,
        vault: PasswordVault,
    ) -> None:
        self._store = store
        self._directory = directory
        self._issuer = issuer
        self._verification = verification
        self._keys = keys
        self._parts = parts
        self._federated = federated
        self._configuration = configuration
        self._provider_secrets = provider_secrets
        self._machines = machines
        self._scopes = scopes
        self._setups = setups
        self._passkeys = passkeys
        self._vault = vault
        self._answers = ChallengeAnswers(parts)

    async def find_pool_by_domain(self, domain: str) -> UserPool | None:
        return await self._directory.pool_by_domain(domain)

    async def find_only_domain(self) -> UserPool | None:
        """The pool that has a domain; None if there are several, or none."""
        return await self._directory.only_pool_with_domain()

    async def find_pool(self, user_pool_id: str) -> UserPool | None:
        return await self._store.load_pool(user_pool_id)

    async def find_client(self, user_pool_id: str, client_id: str) -> AppClient | None:
        return await self._directory.find_client(user_pool_id, client_id)

    def client_secret_matches(self, client: AppClient, presented: str | None) -> bool:
        """The right secret for a client that has one, none for a client that has none; in constant time."""
        return self._directory.client_secret_matches(client, presented)

    async def begin_sign_in(
        self,
        pool: UserPool,
        client: AppClient,
        *,
        username: str,
        password: Secret[str],
        now: datetime,
        source_ip: str = "",
    ) -> User | NextChallenge:
        """The user, or what else they have to answer first (`continue_sign_in`), by the rules of InitiateAuth.

        Raises:
            UserPoolError: as InitiateAuth refuses USER_PASSWORD_AUTH.
        """
        turn = Turn(pool, client, admin=False, now=now, source_ip=source_ip)
        name = await self._directory.presented(pool, username)
        name = await self._parts.migrations.at_sign_in(turn, name, password, None)
        sign_in = begun_sign_in(turn, name, "PASSWORD", self._vault)
        user = None if name.found is None else name.found.user
        await self._parts.triggers.pre_authentication(turn, sign_in.user_id, user, None)
        stored = await self._parts.passwords.verify(pool, client, name, password, now=now)
        answered = Answered(sign_in.with_password("PASSWORD", fingerprint_of(stored.password_sealed)), stored)
        return await self._reached(turn, await self._answers.after(turn, answered))

    async def begin_choice(
        self,
        pool: UserPool,
        client: AppClient,
        *,
        username: str,
        preferred: str | None,
        now: datetime,
        source_ip: str = "",
    ) -> User | NextChallenge:
        """The preferred first factor where it is offered, else SELECT_CHALLENGE, by the rules of USER_AUTH.

        Raises:
            UserPoolError: as InitiateAuth refuses USER_AUTH.
        """
        check_choice_allowed(client)
        turn = Turn(pool, client, admin=False, now=now, source_ip=source_ip)
        name = await self._directory.presented(pool, username)
        if name.found is None and not (migrates(pool) or client.hides_missing_users):
            raise missing_user_error(client)
        sign_in = begun_sign_in(turn, name, "USER_AUTH", self._vault)
        await self._parts.triggers.pre_authentication(
            turn, sign_in.user_id, None if name.found is None else name.found.user, None
        )
        parameters = {} if preferred is None else {"PREFERRED_CHALLENGE": preferred}
        begun = await self._parts.first_factors.begin(turn, sign_in, name.found, parameters)
        return await self._reached(turn, await self._answers.after(turn, begun))

    async def continue_sign_in(
        self,
        pool: UserPool,
        client: AppClient,
        *,
        challenge_name: str,
        session: str,
        responses: Mapping[str, str],
        now: datetime,
        source_ip: str = "",
    ) -> User | NextChallenge:
        """The user, or the next question, after an answer to the last one, by the rules of RespondToAuthChallenge.

        `responses` are those of that operation, USERNAME (the challenge's USER_ID_FOR_SRP or the name that was typed)
        among them. The pages stand where the client's secret is, so that no SECRET_HASH is asked of them.

        Raises:
            UserPoolError: as RespondToAuthChallenge refuses it.
        """
        turn = Turn(pool, client, admin=False, now=now, source_ip=source_ip)
        secret = self._directory.client_secret(client)
        given = dict(responses)
        if secret is not None:
            given["SECRET_HASH"] = secret_hash(secret, given.get("USERNAME", ""), client.client_id)
        return await self._reached(turn, await self._answers.answer(turn, challenge_name, session, given))

    async def resume(
        self, pool: UserPool, client: AppClient, sign_in: SignIn, *, now: datetime, source_ip: str = ""
    ) -> User | NextChallenge:
        """Where a sign-in goes on that has come so far, by the rules and triggers of one that begins now.

        Raises:
            UserPoolError: as InitiateAuth refuses it.
        """
        turn = Turn(pool, client, admin=False, now=now, source_ip=source_ip)
        stored = await self._store.load_user(pool.id, sign_in.username_key)
        user = None if stored is None or stored.user.sub != sign_in.sub else stored.user
        await self._parts.triggers.pre_authentication(turn, sign_in.user_id, user, None)
        return await self._reached(turn, await self._answers.after(turn, Answered(sign_in)))

    async def _reached(self, turn: Turn, reached: NextChallenge | Passed) -> User | NextChallenge:
        if isinstance(reached, NextChallenge):
            return reached
        user = reached.stored.user
        await self._parts.triggers.post_authentication(turn, reached.sign_in.user_id, user, new_device_used=False)
        return user

    async def find_identity_provider(self, user_pool_id: str, name: str) -> IdentityProvider | None:
        return await self._configuration.identity_providers.load(user_pool_id, name)

    async def find_identity_provider_by_identifier(self, user_pool_id: str, identifier: str) -> IdentityProvider | None:
        return await self._configuration.load_provider_by_identifier(user_pool_id, identifier)

    def identity_provider_details(self, provider: IdentityProvider) -> Mapping[str, str]:
        """ProviderDetails, the secret ones too: for who speaks to the provider."""
        return self._provider_secrets.details(provider)

    async def sign_in_federated(
        self,
        pool: UserPool,
        client: AppClient,
        provider: IdentityProvider,
        *,
        subject: str,
        attributes: Mapping[str, str],
        said: Mapping[str, Mapping[str, str]] | None = None,
        issuer: str | None = None,
        now: datetime,
    ) -> User:
        """The user who signs in by what a provider has said; see `FederatedUsers.sign_in`.

        Raises:
            UserPoolError: refused.
        """
        return await self._federated.sign_in(
            pool, client, provider, subject=subject, attributes=attributes, said=said, issuer=issuer, now=now
        )

    async def associate_software_token(self, session: str, *, now: datetime) -> tuple[str, str | None]:
        """A secret in base32 for who has come to MFA_SETUP, and the session that goes on with it.

        Raises:
            UserPoolError: as AssociateSoftwareToken refuses it.
        """
        return await self._setups.associate(await self._setups.setter_of_session(session, now=now))

    async def verify_software_token(self, session: str, code: str, *, now: datetime) -> str | None:
        """The session on which MFA_SETUP can be answered, now that an app has shown `code`.

        Raises:
            UserPoolError: as VerifySoftwareToken refuses it.
        """
        setter = await self._setups.setter_of_session(session, now=now)
        return await self._setups.verify(setter, code, friendly_name=None, now=now)

    async def begin_passkey(self, pool: UserPool, client: AppClient, user: User, *, now: datetime) -> dict[str, object]:
        """PublicKeyCredentialCreationOptionsJSON for an authenticator of somebody who is signed in.

        Raises:
            UserPoolError: as StartWebAuthnRegistration refuses it.
        """
        return await self._passkeys.begin_registration(await self._registrant(pool, client, user, now=now))

    async def has_passkeys(self, pool: UserPool, user: User) -> bool:
        """Whether the user has registered one."""
        return await self._passkeys.has_any(pool, user)

    async def complete_passkey(
        self, pool: UserPool, client: AppClient, user: User, credential: str, *, now: datetime
    ) -> None:
        """Keep what the authenticator made.

        Raises:
            UserPoolError: as CompleteWebAuthnRegistration refuses it.
        """
        registrant = await self._registrant(pool, client, user, now=now)
        await self._passkeys.complete_registration(registrant, credential)

    async def _registrant(self, pool: UserPool, client: AppClient, user: User, *, now: datetime) -> Registrant:
        stored = await self._store.load_user_by_sub(pool.id, user.sub)
        if stored is None:
            raise user_missing()
        return Registrant(pool, client, stored, now)

    async def find_user(self, user_pool_id: str, sub: str) -> User | None:
        stored = await self._store.load_user_by_sub(user_pool_id, sub)
        return None if stored is None else stored.user

    async def issue_tokens(
        self,
        pool: UserPool,
        client: AppClient,
        user: User,
        *,
        scopes: tuple[str, ...],
        authenticated_at: datetime,
        now: datetime,
        nonce: str | None = None,
        include_id_token: bool = True,
        include_refresh_token: bool = True,
        resource: str | None = None,
    ) -> IssuedTokens:
        """Tokens of a new session. What the client may ask for is not checked here."""
        return await self._issuer.start_family(
            pool,
            client,
            user,
            TokensAsked(
                scopes=scopes,
                authenticated_at=authenticated_at,
                hosted=True,
                nonce=nonce,
                include_id_token=include_id_token,
                include_refresh_token=include_refresh_token,
                resource=resource,
            ),
            now=now,
        )

    async def issue_machine_token(
        self,
        pool: UserPool,
        client: AppClient,
        *,
        scopes: tuple[str, ...],
        resource: str | None,
        client_metadata: Mapping[str, str] | None,
        now: datetime,
    ) -> MachineToken:
        """An access token that stands for the client itself. What it may ask for is not checked here."""
        return await self._machines.issue(
            pool, client, scopes=scopes, resource=resource, client_metadata=client_metadata, now=now
        )

    async def inactive_scopes(self, pool: UserPool, scopes: tuple[str, ...]) -> frozenset[str]:
        """Those of a client's scopes that no resource server has any more."""
        return await self._scopes.inactive(pool, scopes)

    async def resource_of(self, refresh_token: str) -> str | None:
        """Whom the access tokens of a session are for, where that was said."""
        family = await self._issuer.family_of(refresh_token)
        return None if family is None else family.resource

    async def refresh(self, pool: UserPool, client: AppClient, refresh_token: str, *, now: datetime) -> IssuedTokens:
        """New tokens; `refresh_token` in the answer is None unless the client rotates.

        Raises:
            NotAuthorizedException: not this client's, expired, revoked, or the client does not refresh.
            RefreshTokenReuseException: replaced before; its session has been ended.
        """
        check_refresh_allowed(client)
        return await self._issuer.refresh(pool, client, refresh_token, now=now)

    async def revoke_refresh_token(self, pool: UserPool, client: AppClient, token: str, *, now: datetime) -> None:
        """End the session of a refresh token; other texts do nothing.

        Raises:
            UnsupportedOperationException: the client has revocation switched off.
            UnsupportedTokenTypeException: an access or ID token.
        """
        await self._issuer.revoke(pool, client, token, now=now)

    async def revoke_family(self, origin_jti: str, now: datetime) -> None:
        """End one session, for example when its authorization code is presented twice."""
        await self._issuer.revoke_family(origin_jti, now=now)

    async def verify_access_token(self, pool: UserPool, token: str, *, now: datetime) -> VerifiedToken:
        """A token that still stands. Its scopes are the caller's to check.

        Raises:
            InvalidToken: one of `tokens`' reasons.
            PasswordResetRequiredException: the user has to choose another password first.
        """
        verified, _ = await self._verification.verify_access_token(pool, token, now=now)
        return verified

    def shown_attributes(self, user: User) -> Mapping[str, str]:
        """The attributes as they are shown: with `identities`, if the user has any."""
        return attributes_with_identities(user)

    async def jwks(self, pool: UserPool) -> dict[str, Any]:
        """The pool's public keys as published."""
        return {**render_jwks(await self._keys.key_set(pool.id))}

    def issuer(self, pool: UserPool) -> str:
        """The name under which the pool issues tokens."""
        return self._verification.issuer.name(pool.id)

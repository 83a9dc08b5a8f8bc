"""What the hosted UI asks of user pools. `server` hands it the object that answers.

Passwords, tokens, keys and back-off after wrong passwords are all behind this protocol; its errors are the user pool
service's own (`ServiceError` with a Cognito code), except where a token does not verify (a `ReasonError`).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from velvetrope.oauth import ClientDoesNotExist, ClientRules
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import AppClient, User, UserPool
from velvetrope.store.tables.userpools_configuration import IdentityProvider

__all__ = [
    "TRIGGER_REFUSALS",
    "AskedChallenge",
    "IssuedTokens",
    "MachineToken",
    "UserDirectory",
    "VerifiedAccessToken",
    "client_rules",
    "find_client",
    "grant_rules",
]


class IssuedTokens(Protocol):
    """Tokens that were just made."""

    @property
    def access_token(self) -> str: ...
    @property
    def id_token(self) -> str | None: ...
    @property
    def refresh_token(self) -> str | None: ...
    @property
    def expires_in_seconds(self) -> int: ...
    @property
    def origin_jti(self) -> str: ...


class MachineToken(Protocol):
    """An access token for a client that asked for itself."""

    @property
    def access_token(self) -> str: ...
    @property
    def expires_in_seconds(self) -> int: ...


class AskedChallenge(Protocol):
    """What a user has to answer before they are signed in (RespondToAuthChallenge's ChallengeName and parameters)."""

    @property
    def name(self) -> str: ...
    @property
    def parameters(self) -> Mapping[str, str]: ...
    @property
    def session(self) -> str | None: ...
    @property
    def available(self) -> tuple[str, ...] | None:
        """What there is to choose from, in SELECT_CHALLENGE."""
        ...


class VerifiedAccessToken(Protocol):
    """An access token whose signature, time and standing have been proven."""

    @property
    def claims(self) -> Mapping[str, Any]: ...


class UserDirectory(Protocol):
    """User pools, as far as sign-in and tokens go."""

    async def find_pool_by_domain(self, domain: str) -> UserPool | None: ...

    async def find_only_domain(self) -> UserPool | None:
        """The one pool that has a domain; None when several have, or none."""
        ...

    async def find_pool(self, user_pool_id: str) -> UserPool | None: ...

    async def find_client(self, user_pool_id: str, client_id: str) -> AppClient | None: ...

    def client_secret_matches(self, client: AppClient, presented: str | None) -> bool:
        """Compare in constant time."""
        ...

    async def begin_sign_in(
        self,
        pool: UserPool,
        client: AppClient,
        *,
        username: str,
        password: Secret[str],
        now: datetime,
        source_ip: str = "",
    ) -> User | AskedChallenge:
        """The user whose password this is, or what else they have to answer (`continue_sign_in`).

        Raises:
            ServiceError: NotAuthorizedException and the like, with a text that may be shown.
        """
        ...

    async def begin_choice(
        self,
        pool: UserPool,
        client: AppClient,
        *,
        username: str,
        preferred: str | None,
        now: datetime,
        source_ip: str = "",
    ) -> User | AskedChallenge:
        """A sign-in whose first factor the user chooses: the preferred one, or SELECT_CHALLENGE.

        Raises:
            ServiceError: the client does not allow it, among others.
        """
        ...

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
    ) -> User | AskedChallenge:
        """The user, or the next question, after an answer to the last one.

        Raises:
            ServiceError: as RespondToAuthChallenge refuses it.
        """
        ...

    async def associate_software_token(self, session: str, *, now: datetime) -> tuple[str, str | None]:
        """A new authenticator app's secret in base32 for who has come to MFA_SETUP, and the session that goes on."""
        ...

    async def verify_software_token(self, session: str, code: str, *, now: datetime) -> str | None:
        """The session on which MFA_SETUP can be answered, now that an app has shown `code`."""
        ...

    async def begin_passkey(self, pool: UserPool, client: AppClient, user: User, *, now: datetime) -> dict[str, object]:
        """PublicKeyCredentialCreationOptionsJSON for an authenticator of somebody who is signed in."""
        ...

    async def has_passkeys(self, pool: UserPool, user: User) -> bool:
        """Whether the user has registered one."""
        ...

    async def complete_passkey(
        self, pool: UserPool, client: AppClient, user: User, credential: str, *, now: datetime
    ) -> None:
        """Keep what the authenticator made (RegistrationResponseJSON)."""
        ...

    async def find_user(self, user_pool_id: str, sub: str) -> User | None: ...

    async def find_identity_provider(self, user_pool_id: str, name: str) -> IdentityProvider | None: ...

    async def find_identity_provider_by_identifier(
        self, user_pool_id: str, identifier: str
    ) -> IdentityProvider | None: ...

    def identity_provider_details(self, provider: IdentityProvider) -> Mapping[str, str]:
        """ProviderDetails, the secret ones too."""
        ...

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
        """The user who signs in by what the provider has said, which the caller has proven: `userpools.FederatedUsers`.

        Raises:
            ServiceError: refused; the text may be told to the app.
        """
        ...

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
        """The tokens of a new session. `resource` is whom the access token is for, where that was said.

        Raises:
            ServiceError: the pool's function for tokens refused (`TRIGGER_REFUSALS`).
        """
        ...

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
        """An access token that stands for the client itself.

        Raises:
            ServiceError: the pool's function for tokens refused (`TRIGGER_REFUSALS`).
        """
        ...

    async def inactive_scopes(self, pool: UserPool, scopes: tuple[str, ...]) -> frozenset[str]:
        """Those of a client's scopes that no resource server has any more."""
        ...

    async def resource_of(self, refresh_token: str) -> str | None:
        """Whom the access tokens of a session are for; None when nobody said, or there is no such session."""
        ...

    async def refresh(self, pool: UserPool, client: AppClient, refresh_token: str, *, now: datetime) -> IssuedTokens:
        """New tokens; `refresh_token` is None unless it was rotated.

        Raises:
            ServiceError: NotAuthorizedException, RefreshTokenReuseException.
        """
        ...

    async def revoke_refresh_token(self, pool: UserPool, client: AppClient, token: str, *, now: datetime) -> None:
        """
        Raises:
            ServiceError: UnsupportedTokenTypeException, UnsupportedOperationException, and for other tokens what
                RevokeToken says of them.
        """
        ...

    async def revoke_family(self, origin_jti: str, now: datetime) -> None: ...

    async def verify_access_token(self, pool: UserPool, token: str, *, now: datetime) -> VerifiedAccessToken:
        """
        Raises:
            VelvetropeError: it does not stand (signature, time, revocation, or the user is gone or has to choose
                another password first).
        """
        ...

    def shown_attributes(self, user: User) -> Mapping[str, str]:
        """The attributes as user pools show them: with the text `identities` where providers have vouched for them."""
        ...

    async def jwks(self, pool: UserPool) -> dict[str, Any]: ...

    def issuer(self, pool: UserPool) -> str: ...


TRIGGER_REFUSALS = frozenset(
    {"UserLambdaValidationException", "UnexpectedLambdaException", "InvalidLambdaResponseException"}
)
"""What the pool's own function for tokens can bring about."""


async def grant_rules(directory: UserDirectory, pool: UserPool, client: AppClient) -> ClientRules:
    """The app client as `oauth` judges it, with what became of its scopes since it was given them."""
    inactive = await directory.inactive_scopes(pool, tuple(client.allowed_o_auth_scopes))
    return replace(client_rules(client), inactive_scopes=inactive)


def client_rules(client: AppClient) -> ClientRules:
    """The app client as `oauth` judges it, for requests that are about no scope."""
    return ClientRules(
        client_id=client.client_id,
        has_secret=client.has_secret,
        oauth_enabled=client.allowed_o_auth_flows_user_pool_client,
        flows=frozenset(client.allowed_o_auth_flows),
        scopes=tuple(client.allowed_o_auth_scopes),
        redirect_uris=frozenset(client.callback_urls),
        logout_uris=frozenset(client.logout_urls),
        identity_providers=frozenset(client.supported_identity_providers),
    )


async def find_client(directory: UserDirectory, pool: UserPool, client_id: str) -> AppClient:
    """The app client of this pool.

    Raises:
        ClientDoesNotExist: it is not one, or one of another pool.
    """
    client = await directory.find_client(pool.id, client_id)
    if client is None or client.user_pool_id != pool.id:
        raise ClientDoesNotExist
    return client

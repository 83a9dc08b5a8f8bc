"""App clients: who may ask for sign-in, by which flows, and where hosted sign-in may send people back to.

UpdateUserPoolClient sets what it is not told to its default, as AWS does (model, UpdateUserPoolClient): callback URLs
left out are gone. The secret stays what it is.

Sources: Cognito user pools API, CreateUserPoolClient; hosted-ui reference section 11 for the OAuth rules and their
texts.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from velvetrope.clock import Entropy
from velvetrope.identifiers import new_alphanumeric
from velvetrope.operations import Answer, Call, operation
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import (
    AppClient,
    RefreshTokenRotation,
    TokenValidityUnits,
    UserPool,
    UserPoolStore,
)
from velvetrope.userpools.configuration.client_secrets import new_client_secret
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import (
    InvalidOAuthFlowException,
    InvalidParameterException,
    LimitExceededException,
    ResourceNotFoundException,
)
from velvetrope.userpools.federation.identity_providers import ProviderDirectory
from velvetrope.userpools.pages import next_page, page_start
from velvetrope.userpools.shapes import shown
from velvetrope.userpools.tokens.resource_servers import ScopeDirectory
from velvetrope.userpools.users.attributes import check_attribute_list

__all__ = ["ClientOperations", "check_redirect_url"]

Flow = Literal[
    "ADMIN_NO_SRP_AUTH",
    "CUSTOM_AUTH_FLOW_ONLY",
    "USER_PASSWORD_AUTH",
    "ALLOW_ADMIN_USER_PASSWORD_AUTH",
    "ALLOW_CUSTOM_AUTH",
    "ALLOW_USER_PASSWORD_AUTH",
    "ALLOW_USER_SRP_AUTH",
    "ALLOW_REFRESH_TOKEN_AUTH",
    "ALLOW_USER_AUTH",
]
OAuthFlow = Literal["code", "implicit", "client_credentials"]

_DEFAULT_FLOWS: tuple[Flow, ...] = ("ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_CUSTOM_AUTH")
_MAX_CLIENTS = 1000
_CLIENT_ID_CHARACTERS = 26
_ACCESS_SECONDS = range(300, 86_400 + 1)
_REFRESH_SECONDS = range(3600, 315_360_000 + 1)
_GRACE_SECONDS = range(61)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    """What a caller asked a client to be, before it was checked."""

    explicit_auth_flows: tuple[Flow, ...] | None
    refresh_token_validity: int
    access_token_validity: int | None
    id_token_validity: int | None
    token_validity_units: TokenValidityUnits | None
    read_attributes: tuple[str, ...] | None
    write_attributes: tuple[str, ...] | None
    supported_identity_providers: tuple[str, ...]
    callback_urls: tuple[str, ...]
    logout_urls: tuple[str, ...]
    default_redirect_uri: str | None
    allowed_o_auth_flows: tuple[OAuthFlow, ...]
    allowed_o_auth_scopes: tuple[str, ...]
    allowed_o_auth_flows_user_pool_client: bool
    prevent_user_existence_errors: Literal["LEGACY", "ENABLED"] | None
    enable_token_revocation: bool
    enable_propagate_additional_user_context_data: bool
    auth_session_validity: int
    refresh_token_rotation: RefreshTokenRotation | None

    def applied(self, client: AppClient) -> AppClient:
        """`client` with these settings and everything else as it was."""
        rotates = self.refresh_token_rotation is not None and self.refresh_token_rotation.feature == "ENABLED"
        default = tuple(flow for flow in _DEFAULT_FLOWS if not (rotates and flow == "ALLOW_REFRESH_TOKEN_AUTH"))
        return msgspec.structs.replace(
            client,
            explicit_auth_flows=default if self.explicit_auth_flows is None else self.explicit_auth_flows,
            refresh_token_validity=self.refresh_token_validity or 30,
            access_token_validity=self.access_token_validity,
            id_token_validity=self.id_token_validity,
            token_validity_units=self.token_validity_units or TokenValidityUnits(),
            read_attributes=self.read_attributes or None,
            write_attributes=self.write_attributes or None,
            supported_identity_providers=self.supported_identity_providers,
            callback_urls=self.callback_urls,
            logout_urls=self.logout_urls,
            default_redirect_uri=self.default_redirect_uri,
            allowed_o_auth_flows=self.allowed_o_auth_flows,
            allowed_o_auth_scopes=self.allowed_o_auth_scopes,
            allowed_o_auth_flows_user_pool_client=self.allowed_o_auth_flows_user_pool_client,
            prevent_user_existence_errors=self.prevent_user_existence_errors,
            enable_token_revocation=self.enable_token_revocation,
            auth_session_validity=self.auth_session_validity,
            refresh_token_rotation=self.refresh_token_rotation,
        )


class ClientOperations:
    """App clients of a pool."""

    def __init__(
        self,
        store: UserPoolStore,
        directory: PoolDirectory,
        entropy: Entropy,
        *,
        scopes: ScopeDirectory,
        providers: ProviderDirectory,
    ) -> None:
        self._store = store
        self._directory = directory
        self._entropy = entropy
        self._scopes = scopes
        self._providers = providers

    @operation
    async def create_user_pool_client(
        self,
        call: Call,
        *,
        user_pool_id: str,
        client_name: str,
        generate_secret: bool = False,
        client_secret: Secret[str] | None = None,
        explicit_auth_flows: tuple[Flow, ...] | None = None,
        refresh_token_validity: int = 30,
        access_token_validity: int | None = None,
        id_token_validity: int | None = None,
        token_validity_units: TokenValidityUnits | None = None,
        read_attributes: tuple[str, ...] | None = None,
        write_attributes: tuple[str, ...] | None = None,
        supported_identity_providers: tuple[str, ...] = (),
        callback_urls: tuple[str, ...] = (),
        logout_urls: tuple[str, ...] = (),
        default_redirect_uri: str | None = None,
        allowed_o_auth_flows: tuple[OAuthFlow, ...] = (),
        allowed_o_auth_scopes: tuple[str, ...] = (),
        allowed_o_auth_flows_user_pool_client: bool = False,
        prevent_user_existence_errors: Literal["LEGACY", "ENABLED"] | None = None,
        enable_token_revocation: bool = True,
        enable_propagate_additional_user_context_data: bool = False,
        auth_session_validity: int = 3,
        refresh_token_rotation: RefreshTokenRotation | None = None,
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        if generate_secret and client_secret is not None:
            # Text UNVERIFIED; the rule is the model's (CreateUserPoolClientRequest, ClientSecret).
            raise InvalidParameterException("GenerateSecret and ClientSecret can not both be specified.")
        client_id = new_alphanumeric(self._entropy, _CLIENT_ID_CHARACTERS)
        secret = client_secret
        if generate_secret:
            secret = new_client_secret(self._entropy)
        blank = AppClient(
            client_id=client_id,
            user_pool_id=pool.id,
            name=client_name,
            created_at=call.now,
            modified_at=call.now,
            secret_sealed=None
            if secret is None
            else self._directory.seal_client_secret(client_id, secret, self._entropy),
        )
        client = _Settings(
            explicit_auth_flows=explicit_auth_flows,
            refresh_token_validity=refresh_token_validity,
            access_token_validity=access_token_validity,
            id_token_validity=id_token_validity,
            token_validity_units=token_validity_units,
            read_attributes=read_attributes,
            write_attributes=write_attributes,
            supported_identity_providers=supported_identity_providers,
            callback_urls=callback_urls,
            logout_urls=logout_urls,
            default_redirect_uri=default_redirect_uri,
            allowed_o_auth_flows=allowed_o_auth_flows,
            allowed_o_auth_scopes=allowed_o_auth_scopes,
            allowed_o_auth_flows_user_pool_client=allowed_o_auth_flows_user_pool_client,
            prevent_user_existence_errors=prevent_user_existence_errors,
            enable_token_revocation=enable_token_revocation,
            enable_propagate_additional_user_context_data=enable_propagate_additional_user_context_data,
            auth_session_validity=auth_session_validity,
            refresh_token_rotation=refresh_token_rotation,
        ).applied(blank)
        _check_client(pool, client, propagates=enable_propagate_additional_user_context_data)
        await self._check_references(pool, supported_identity_providers, allowed_o_auth_scopes)
        match await self._store.create_client(client, limit=_MAX_CLIENTS):
            case "no_pool":
                raise ResourceNotFoundException(f"User pool {user_pool_id} does not exist.")
            case "too_many":
                raise LimitExceededException(f"A user pool has at most {_MAX_CLIENTS} app clients.")
            case "created":
                return {"user_pool_client": self._described(client)}

    @operation
    async def describe_user_pool_client(self, call: Call, *, user_pool_id: str, client_id: str) -> Answer:  # noqa: ARG002
        await self._directory.pool(user_pool_id)
        return {"user_pool_client": self._described(await self._directory.client_of(user_pool_id, client_id))}

    @operation
    async def update_user_pool_client(
        self,
        call: Call,
        *,
        user_pool_id: str,
        client_id: str,
        client_name: str | None = None,
        explicit_auth_flows: tuple[Flow, ...] | None = None,
        refresh_token_validity: int = 30,
        access_token_validity: int | None = None,
        id_token_validity: int | None = None,
        token_validity_units: TokenValidityUnits | None = None,
        read_attributes: tuple[str, ...] | None = None,
        write_attributes: tuple[str, ...] | None = None,
        supported_identity_providers: tuple[str, ...] = (),
        callback_urls: tuple[str, ...] = (),
        logout_urls: tuple[str, ...] = (),
        default_redirect_uri: str | None = None,
        allowed_o_auth_flows: tuple[OAuthFlow, ...] = (),
        allowed_o_auth_scopes: tuple[str, ...] = (),
        allowed_o_auth_flows_user_pool_client: bool = False,
        prevent_user_existence_errors: Literal["LEGACY", "ENABLED"] | None = None,
        enable_token_revocation: bool | None = None,
        enable_propagate_additional_user_context_data: bool = False,
        auth_session_validity: int = 3,
        refresh_token_rotation: RefreshTokenRotation | None = None,
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)

        await self._check_references(pool, supported_identity_providers, allowed_o_auth_scopes)

        def change(before: AppClient) -> AppClient:
            client = _Settings(
                explicit_auth_flows=explicit_auth_flows,
                refresh_token_validity=refresh_token_validity,
                access_token_validity=access_token_validity,
                id_token_validity=id_token_validity,
                token_validity_units=token_validity_units,
                read_attributes=read_attributes,
                write_attributes=write_attributes,
                supported_identity_providers=supported_identity_providers,
                callback_urls=callback_urls,
                logout_urls=logout_urls,
                default_redirect_uri=default_redirect_uri,
                allowed_o_auth_flows=allowed_o_auth_flows,
                allowed_o_auth_scopes=allowed_o_auth_scopes,
                allowed_o_auth_flows_user_pool_client=allowed_o_auth_flows_user_pool_client,
                # These two would weaken by omission; AWS's own behaviour is UNVERIFIED, so they stay what they were.
                prevent_user_existence_errors=prevent_user_existence_errors or before.prevent_user_existence_errors,
                enable_token_revocation=before.enable_token_revocation
                if enable_token_revocation is None
                else enable_token_revocation,
                enable_propagate_additional_user_context_data=enable_propagate_additional_user_context_data,
                auth_session_validity=auth_session_validity,
                refresh_token_rotation=refresh_token_rotation,
            ).applied(msgspec.structs.replace(before, name=client_name or before.name, modified_at=call.now))
            _check_client(pool, client, propagates=enable_propagate_additional_user_context_data)
            return client

        changed = await self._store.change_client(user_pool_id, client_id, change)
        if changed is None:
            raise ResourceNotFoundException(f"User pool client {client_id} does not exist.")
        return {"user_pool_client": self._described(changed)}

    @operation
    async def delete_user_pool_client(self, call: Call, *, user_pool_id: str, client_id: str) -> Answer:  # noqa: ARG002
        await self._directory.pool(user_pool_id)
        if not await self._store.delete_client(user_pool_id, client_id):
            raise ResourceNotFoundException(f"User pool client {client_id} does not exist.")
        return None

    @operation
    async def list_user_pool_clients(
        self,
        call: Call,  # noqa: ARG002
        *,
        user_pool_id: str,
        max_results: int = 60,
        next_token: str | None = None,
        client_type: Literal["REGULAR", "DCR"] | None = None,
    ) -> Answer:
        await self._directory.pool(user_pool_id)
        if client_type == "DCR":
            return {"user_pool_clients": []}  # nobody registers clients here but who may create them
        after = page_start(next_token, member="NextToken")
        clients = await self._store.load_clients(user_pool_id, after=after, limit=max_results)
        return {
            "user_pool_clients": [
                {"client_id": client.client_id, "user_pool_id": client.user_pool_id, "client_name": client.name}
                for client in clients
            ],
            "next_token": next_page(clients, clients[-1].client_id if clients else "", limit=max_results),
        }

    async def _check_references(self, pool: UserPool, providers: tuple[str, ...], scopes: tuple[str, ...]) -> None:
        """What a client names of its pool is there."""
        await self._providers.check_providers(pool, providers)
        await self._scopes.check_scopes(pool, scopes)

    def _described(self, client: AppClient) -> Mapping[str, object]:
        """UserPoolClientType. The secret is shown, as on AWS, to whoever may describe the client."""
        secret = self._directory.client_secret(client)
        units = shown(client.token_validity_units)
        rotation = client.refresh_token_rotation
        return {
            "user_pool_id": client.user_pool_id,
            "client_name": client.name,
            "client_id": client.client_id,
            "client_secret": None if secret is None else secret.reveal(),
            "last_modified_date": client.modified_at,
            "creation_date": client.created_at,
            "refresh_token_validity": client.refresh_token_validity,
            "access_token_validity": client.access_token_validity,
            "id_token_validity": client.id_token_validity,
            "token_validity_units": units or None,
            "read_attributes": client.read_attributes,
            "write_attributes": client.write_attributes,
            "explicit_auth_flows": client.explicit_auth_flows,
            "supported_identity_providers": client.supported_identity_providers or None,
            "callback_urls": client.callback_urls or None,
            "logout_urls": client.logout_urls or None,
            "default_redirect_uri": client.default_redirect_uri,
            "allowed_o_auth_flows": client.allowed_o_auth_flows or None,
            "allowed_o_auth_scopes": client.allowed_o_auth_scopes or None,
            "allowed_o_auth_flows_user_pool_client": client.allowed_o_auth_flows_user_pool_client,
            "prevent_user_existence_errors": client.prevent_user_existence_errors,
            "enable_token_revocation": client.enable_token_revocation,
            "enable_propagate_additional_user_context_data": False,
            "auth_session_validity": client.auth_session_validity,
            "refresh_token_rotation": None if rotation is None else shown(rotation),
        }


def _check_client(pool: UserPool, client: AppClient, *, propagates: bool) -> None:
    """Every rule that a client's settings obey together.

    Raises:
        InvalidParameterException, InvalidOAuthFlowException: see each rule.
    """
    if propagates:
        raise InvalidParameterException("EnablePropagateAdditionalUserContextData is not supported by velvetrope.")
    _check_flows(client)
    _check_validity(client)
    for access, names in (("read", client.read_attributes), ("write", client.write_attributes)):
        if names is not None:
            check_attribute_list(pool, names, access="read" if access == "read" else "write")
    _check_oauth(client)


def _check_flows(client: AppClient) -> None:
    flows = client.explicit_auth_flows
    if len({flow.startswith("ALLOW_") for flow in flows}) > 1:
        raise InvalidParameterException(
            "ExplicitAuthFlows can not mix values that start with ALLOW_ and values that do not."  # text UNVERIFIED
        )
    rotation = client.refresh_token_rotation
    if rotation is None:
        return
    if rotation.retry_grace_period_seconds not in _GRACE_SECONDS:
        raise InvalidParameterException("RetryGracePeriodSeconds must be from 0 to 60.")
    if rotation.feature == "ENABLED" and "ALLOW_REFRESH_TOKEN_AUTH" in flows:
        raise InvalidParameterException(
            "ALLOW_REFRESH_TOKEN_AUTH can not be used together with RefreshTokenRotation."  # text UNVERIFIED
        )


def _check_validity(client: AppClient) -> None:
    access, identity = client.access_token_validity_seconds, client.id_token_validity_seconds
    refresh = client.refresh_token_validity_seconds
    if access not in _ACCESS_SECONDS or identity not in _ACCESS_SECONDS or refresh not in _REFRESH_SECONDS:
        raise InvalidParameterException("Invalid range for token validity.")
    if max(access, identity) > refresh:
        # Text UNVERIFIED.
        raise InvalidParameterException("Access and ID token validity can not be longer than refresh token validity.")


def _check_oauth(client: AppClient) -> None:
    for url in client.callback_urls:
        check_redirect_url(url, member="CallbackURLs")
    for url in client.logout_urls:
        check_redirect_url(url, member="LogoutURLs")
    if client.default_redirect_uri is not None and client.default_redirect_uri not in client.callback_urls:
        # Text UNVERIFIED; the rule is the model's.
        raise InvalidParameterException("DefaultRedirectURI must be one of the CallbackURLs.")
    if client.allowed_o_auth_flows_user_pool_client and not (
        client.allowed_o_auth_flows and client.allowed_o_auth_scopes
    ):
        raise InvalidParameterException(
            "AllowedOAuthFlows and AllowedOAuthScopes are required if user pool client is allowed to use OAuth flows."
        )
    _check_oauth_flows(client.allowed_o_auth_flows, client)


def _check_oauth_flows(flows: Collection[str], client: AppClient) -> None:
    redirects = {"code", "implicit"}.intersection(flows)
    if "client_credentials" in flows and redirects:
        raise InvalidOAuthFlowException(
            "client_credentials flow can not be selected along with code flow or implicit flow."
        )
    if "client_credentials" in flows and not client.has_secret:
        raise InvalidOAuthFlowException(
            "client_credentials flow can not be selected if client does not have a client secret."
        )
    if redirects and not client.callback_urls:
        raise InvalidOAuthFlowException("CallbackUrls can not be empty when code flow or implicit flow is selected")


def check_redirect_url(url: str, *, member: str) -> None:
    """An absolute URL without fragment: https, http on this machine, or an app's own scheme.

    Raises:
        InvalidParameterException: another one. Texts UNVERIFIED; the rules are the model's (CallbackURLs).
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        raise InvalidParameterException(f"{member}: {url} is not a valid URL.") from None
    scheme = parts.scheme.lower()
    if not _SCHEME.fullmatch(scheme) or url.startswith("//") or any(c.isspace() for c in url):
        raise InvalidParameterException(f"{member}: {url} is not an absolute URL.")
    if "#" in url:
        raise InvalidParameterException(f"{member}: {url} has a fragment.")
    if scheme in {"javascript", "data", "vbscript", "file", "blob", "about"}:
        raise InvalidParameterException(f"{member}: the scheme of {url} is not allowed.")
    if scheme in {"http", "https"} and not host:
        raise InvalidParameterException(f"{member}: {url} has no host.")
    if scheme == "http" and host not in _LOOPBACK:
        raise InvalidParameterException(f"{member}: {url} uses http; only localhost may.")

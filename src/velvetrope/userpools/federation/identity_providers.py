"""Identity providers of a pool: stored, and held against what their kind needs.

| Type | Has to have | May have |
|---|---|---|
| OIDC | client_id, oidc_issuer, authorize_scopes, attributes_request_method | client_secret, four endpoint URLs, … |
| SAML | MetadataURL or MetadataFile | IDPSignout, IDPInit, EncryptedResponses, … (`saml_providers`) |
| Google | client_id, client_secret, authorize_scopes | endpoints, which are shown and not changed |
| Facebook | client_id, client_secret, authorize_scopes | api_version |
| LoginWithAmazon | client_id, client_secret, authorize_scopes | |
| SignInWithApple | client_id, team_id, key_id, private_key, authorize_scopes | |

A detail that the type does not know is refused. `client_secret` and `private_key` are sealed at rest and shown to
whoever may describe the provider, as on AWS. A SAML provider's metadata is read when it is saved, from a file or over
the network, so that one without a signing certificate is refused then and not at the first sign-in. What stands behind
an OpenID issuer is looked at when somebody signs in.

Sources: Cognito user pools API, CreateIdentityProvider (ProviderDetails, IdpIdentifiers); quotas: 300 in a pool.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from velvetrope.clock import Entropy
from velvetrope.operations import Answer, Call, operation
from velvetrope.sealing import MasterKeys
from velvetrope.store.tables.userpools import UserPool
from velvetrope.store.tables.userpools_configuration import (
    ConfigurationStore,
    IdentityProvider,
    IdentityProviderType,
)
from velvetrope.userpools.directory import PoolDirectory, username_form
from velvetrope.userpools.errors import (
    DuplicateProviderException,
    InvalidParameterException,
    LimitExceededException,
    ResourceNotFoundException,
)
from velvetrope.userpools.federation.provider_urls import check_url
from velvetrope.userpools.federation.saml_providers import SamlProviders
from velvetrope.userpools.pages import load_page

__all__ = ["IdentityProviderOperations", "ProviderDirectory", "ProviderSecrets"]

_PROVIDERS_PER_POOL = 300  # user-pools reference section 9
_PAGE = 60
_PURPOSE = "userpools.identity-provider"
_SECRET_DETAILS = frozenset({"client_secret", "private_key"})
_RESERVED_NAMES = frozenset({"cognito"})


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the details of a type of provider are."""

    required: frozenset[str]
    optional: frozenset[str] = frozenset()
    urls: frozenset[str] = frozenset()
    choices: Mapping[str, frozenset[str]] = field(default_factory=dict)


_TRUE_OR_FALSE = frozenset({"true", "false"})
_SOCIAL = frozenset({"client_id", "client_secret", "authorize_scopes"})
_ENDPOINTS = frozenset({"authorize_url", "token_url", "attributes_url", "jwks_uri"})
_SHOWN_FOR_SOCIAL = _ENDPOINTS | {"attributes_url_add_attributes", "token_request_method", "oidc_issuer"}
_KINDS: Mapping[IdentityProviderType, _Kind] = {
    "OIDC": _Kind(
        frozenset({"client_id", "oidc_issuer", "authorize_scopes", "attributes_request_method"}),
        frozenset({"client_secret", "attributes_url_add_attributes", *_ENDPOINTS}),
        urls=_ENDPOINTS | {"oidc_issuer"},
        choices={
            "attributes_request_method": frozenset({"GET", "POST"}),
            "attributes_url_add_attributes": _TRUE_OR_FALSE,
        },
    ),
    "SAML": _Kind(
        frozenset(),
        frozenset(
            {
                *("MetadataURL", "MetadataFile", "IDPSignout", "IDPInit", "EncryptedResponses"),
                *(
                    "RequestSigningAlgorithm",
                    "SLORedirectBindingURI",
                    "SSORedirectBindingURI",
                    "ActiveEncryptionCertificate",
                ),
            }
        ),
        urls=frozenset({"MetadataURL"}),
        choices={
            "IDPSignout": _TRUE_OR_FALSE,
            "IDPInit": _TRUE_OR_FALSE,
            "EncryptedResponses": _TRUE_OR_FALSE,
            "RequestSigningAlgorithm": frozenset({"rsa-sha256"}),
        },
    ),
    "Google": _Kind(_SOCIAL, _SHOWN_FOR_SOCIAL, urls=_ENDPOINTS),
    "Facebook": _Kind(_SOCIAL, _SHOWN_FOR_SOCIAL | {"api_version"}, urls=_ENDPOINTS),
    "LoginWithAmazon": _Kind(_SOCIAL, _SHOWN_FOR_SOCIAL, urls=_ENDPOINTS),
    "SignInWithApple": _Kind(
        frozenset({"client_id", "team_id", "key_id", "private_key", "authorize_scopes"}),
        _SHOWN_FOR_SOCIAL,
        urls=_ENDPOINTS,
    ),
}
_FIXED_NAMES = frozenset({"Facebook", "Google", "LoginWithAmazon", "SignInWithApple"})
"""Types of which a pool has one, named like the type."""


class ProviderSecrets:
    """Seals the details that nobody may read at rest, and opens them."""

    def __init__(self, master_keys: MasterKeys, entropy: Entropy) -> None:
        self._master_keys = master_keys
        self._entropy = entropy

    def seal(self, user_pool_id: str, provider_name: str, details: Mapping[str, str]) -> dict[str, bytes]:
        """The secret ones of `details`, sealed, each by its name."""
        return {
            name: self._master_keys.seal(
                details[name].encode(),
                purpose=_PURPOSE,
                entropy=self._entropy,
                context=_context(user_pool_id, provider_name, name),
            )
            for name in sorted(_SECRET_DETAILS & details.keys())
        }

    def details(self, provider: IdentityProvider) -> dict[str, str]:
        """All details of a provider, the secret ones too."""
        opened = {
            name: self._master_keys.open(
                sealed, purpose=_PURPOSE, context=_context(provider.user_pool_id, provider.provider_name, name)
            ).decode()
            for name, sealed in provider.secrets_sealed.items()
        }
        return {**provider.provider_details, **opened}


class ProviderDirectory:
    """Knows which providers a pool has."""

    def __init__(self, store: ConfigurationStore) -> None:
        self._store = store

    async def check_providers(self, pool: UserPool, names: tuple[str, ...]) -> None:
        """See that the pool has all of the providers that a client is to offer; `COGNITO` is the pool itself.

        Raises:
            InvalidParameterException: it has not.
        """
        for name in names:
            if name != "COGNITO" and await self._store.identity_providers.load(pool.id, name) is None:
                raise InvalidParameterException(f"The provider {name} does not exist for User Pool {pool.id}.")

    async def check_not_federated(self, pool: UserPool, username: str) -> None:
        """See that a name that somebody chose is not one that a user of the pool's providers will have.

        Federated users are called `Provider_id`, and a local user of that name keeps them out for good; whoever knows
        somebody's id at a provider could do that to them by signing up first. Administrators may (what AWS says to
        either was not seen, UNVERIFIED).

        Raises:
            InvalidParameterException: it begins with a provider's name and an underscore.
        """
        if "_" not in username:
            return
        form = username_form(pool, username)
        providers = await self._store.identity_providers.load_page(pool.id, after="", limit=_PROVIDERS_PER_POOL)
        if any(form.startswith(username_form(pool, f"{provider.provider_name}_")) for provider in providers):
            raise InvalidParameterException("Username cannot begin with the name of an identity provider and _.")


class IdentityProviderOperations:
    """CreateIdentityProvider and its siblings."""

    def __init__(
        self, store: ConfigurationStore, directory: PoolDirectory, secrets: ProviderSecrets, saml: SamlProviders
    ) -> None:
        self._store = store
        self._directory = directory
        self._secrets = secrets
        self._saml = saml

    @operation
    async def create_identity_provider(
        self,
        call: Call,
        *,
        user_pool_id: str,
        provider_name: str,
        provider_type: IdentityProviderType,
        provider_details: dict[str, str],
        attribute_mapping: dict[str, str] | None = None,
        idp_identifiers: tuple[str, ...] = (),
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        _check_name(provider_name, provider_type)
        mapping = attribute_mapping or {}
        _check_mapping(pool, mapping)
        details, metadata = await self._accepted(pool, provider_type, provider_details, now=call.now)
        provider = IdentityProvider(
            user_pool_id=pool.id,
            provider_name=provider_name,
            provider_type=provider_type,
            provider_details=_public(details),
            secrets_sealed=self._secrets.seal(pool.id, provider_name, details),
            saml_metadata=metadata,
            saml_metadata_at=None if metadata is None else call.now,
            attribute_mapping=mapping,
            idp_identifiers=_distinct(idp_identifiers),
            created_at=call.now,
            modified_at=call.now,
        )
        match await self._store.save_new_identity_provider(provider, limit=_PROVIDERS_PER_POOL):
            case "exists":
                if await self._store.identity_providers.load(pool.id, provider_name) is None:
                    raise _identifier_taken()
                raise DuplicateProviderException(f"A provider of the name {provider_name} already exists.")
            case "too_many":
                raise LimitExceededException(f"A user pool has at most {_PROVIDERS_PER_POOL} identity providers.")
            case "saved":
                return {"identity_provider": self._described(provider)}

    @operation
    async def describe_identity_provider(self, call: Call, *, user_pool_id: str, provider_name: str) -> Answer:  # noqa: ARG002
        return {"identity_provider": self._described(await self._provider(user_pool_id, provider_name))}

    @operation
    async def get_identity_provider_by_identifier(
        self,
        call: Call,  # noqa: ARG002
        *,
        user_pool_id: str,
        idp_identifier: str,
    ) -> Answer:
        await self._directory.pool(user_pool_id)
        provider = await self._store.load_provider_by_identifier(user_pool_id, idp_identifier)
        if provider is None:
            raise ResourceNotFoundException(f"Identity provider with identifier {idp_identifier} does not exist.")
        return {"identity_provider": self._described(provider)}

    @operation
    async def update_identity_provider(
        self,
        call: Call,
        *,
        user_pool_id: str,
        provider_name: str,
        provider_details: dict[str, str] | None = None,
        attribute_mapping: dict[str, str] | None = None,
        idp_identifiers: tuple[str, ...] | None = None,
    ) -> Answer:
        """A member that is given replaces what was there; one that is left out stays."""
        pool = await self._directory.pool(user_pool_id)
        if attribute_mapping is not None:
            _check_mapping(pool, attribute_mapping)
        accepted: tuple[dict[str, str], str | None] | None = None
        if provider_details is not None:
            provider_type = (await self._provider(user_pool_id, provider_name)).provider_type
            accepted = await self._accepted(pool, provider_type, provider_details, now=call.now)

        def change(provider: IdentityProvider) -> IdentityProvider:
            if accepted is not None:
                details, metadata = accepted
                if provider.provider_type != provider_type:
                    raise InvalidParameterException("The identity provider was replaced meanwhile.")
                provider = msgspec.structs.replace(
                    provider,
                    provider_details=_public(details),
                    secrets_sealed=self._secrets.seal(pool.id, provider_name, details),
                    saml_metadata=metadata,
                    saml_metadata_at=None if metadata is None else call.now,
                )
            return msgspec.structs.replace(
                provider,
                attribute_mapping=provider.attribute_mapping if attribute_mapping is None else attribute_mapping,
                idp_identifiers=provider.idp_identifiers if idp_identifiers is None else _distinct(idp_identifiers),
                modified_at=call.now,
            )

        changed = await self._store.change_identity_provider(user_pool_id, provider_name, change)
        if changed is None:
            raise _missing(provider_name)
        if changed == "identifier_taken":
            raise _identifier_taken()
        return {"identity_provider": self._described(changed)}

    @operation
    async def delete_identity_provider(self, call: Call, *, user_pool_id: str, provider_name: str) -> Answer:  # noqa: ARG002
        await self._directory.pool(user_pool_id)
        if not await self._store.delete_identity_provider(user_pool_id, provider_name):
            raise _missing(provider_name)
        return None

    @operation
    async def list_identity_providers(
        self,
        call: Call,  # noqa: ARG002
        *,
        user_pool_id: str,
        max_results: int = _PAGE,
        next_token: str | None = None,
    ) -> Answer:
        await self._directory.pool(user_pool_id)
        wanted = max_results or _PAGE
        providers, going_on = await load_page(
            lambda after: self._store.identity_providers.load_page(user_pool_id, after=after, limit=wanted),
            lambda provider: provider.provider_name,
            token=next_token,
            limit=wanted,
        )
        return {
            "providers": [
                {
                    "provider_name": provider.provider_name,
                    "provider_type": provider.provider_type,
                    "last_modified_date": provider.modified_at,
                    "creation_date": provider.created_at,
                }
                for provider in providers
            ],
            "next_token": going_on,
        }

    @operation
    async def get_signing_certificate(self, call: Call, *, user_pool_id: str) -> Answer:
        """The certificate of our signed SAML requests: DER in base64. UNVERIFIED: AWS's form of it."""
        pool = await self._directory.pool(user_pool_id)
        pair = await self._saml.signing_pair(pool.id, now=call.now)
        return {"certificate": base64.b64encode(pair.certificate_der).decode()}

    async def _accepted(
        self, pool: UserPool, provider_type: IdentityProviderType, details: Mapping[str, str], *, now: datetime
    ) -> tuple[dict[str, str], str | None]:
        """The details as they are kept, and a SAML provider's metadata where it was fetched.

        Raises:
            InvalidParameterException: they do not describe a provider of this type.
        """
        _check_details(provider_type, details)
        if provider_type != "SAML":
            return dict(details), None
        return await self._saml.accept(pool.id, details, now=now)

    async def _provider(self, user_pool_id: str, name: str) -> IdentityProvider:
        await self._directory.pool(user_pool_id)
        provider = await self._store.identity_providers.load(user_pool_id, name)
        if provider is None:
            raise _missing(name)
        return provider

    def _described(self, provider: IdentityProvider) -> dict[str, object]:
        """IdentityProviderType."""
        return {
            "user_pool_id": provider.user_pool_id,
            "provider_name": provider.provider_name,
            "provider_type": provider.provider_type,
            "provider_details": self._secrets.details(provider),
            "attribute_mapping": provider.attribute_mapping,
            "idp_identifiers": list(provider.idp_identifiers),
            "last_modified_date": provider.modified_at,
            "creation_date": provider.created_at,
        }


def _check_name(name: str, provider_type: IdentityProviderType) -> None:
    if provider_type in _FIXED_NAMES and name != provider_type:
        raise InvalidParameterException(f"The name of a provider of the type {provider_type} is {provider_type}.")
    if provider_type not in _FIXED_NAMES and (name in _FIXED_NAMES or name.lower() in _RESERVED_NAMES):
        raise InvalidParameterException(f"The name {name} is reserved.")


def _check_details(provider_type: IdentityProviderType, details: Mapping[str, str]) -> None:
    kind = _KINDS[provider_type]
    for name in sorted(details.keys() - kind.required - kind.optional):
        raise InvalidParameterException(f"{name} is not a detail of an identity provider of the type {provider_type}.")
    for name in sorted(kind.required):
        if not details.get(name):
            raise InvalidParameterException(f"Missing required provider detail {name}.")
    for name, allowed in kind.choices.items():
        if name in details and details[name] not in allowed:
            raise InvalidParameterException(f"{name} must be one of {', '.join(sorted(allowed))}.")
    for name in sorted(kind.urls & details.keys()):
        check_url(name, details[name])


def _check_mapping(pool: UserPool, mapping: Mapping[str, str]) -> None:
    known = {attribute.name for attribute in pool.schema_attributes} | {"username"}
    for name in sorted(mapping.keys() - known):
        raise InvalidParameterException(f"AttributeMapping: the pool has no attribute {name}.")
    for name in sorted(mapping.keys() & {"sub", "identities"}):
        raise InvalidParameterException(f"AttributeMapping: {name} cannot be mapped.")


def _public(details: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in details.items() if name not in _SECRET_DETAILS}


def _distinct(identifiers: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(identifiers))


def _context(user_pool_id: str, provider_name: str, detail: str) -> bytes:
    return f"{user_pool_id}|{provider_name}|{detail}".encode()


def _missing(name: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"Identity provider {name} does not exist.")


def _identifier_taken() -> InvalidParameterException:
    return InvalidParameterException("An identity provider of this pool has one of these identifiers already.")

"""SAML identity providers of a pool: their metadata, and the pool's own half.

What CreateIdentityProvider is given for a SAML provider:

| Detail | Means |
|---|---|
| MetadataFile, MetadataURL | one of them: who the provider is. A file is read when it is saved; a URL is fetched then |
| IDPSignout | `true`: log-out goes on to the provider, which needs an address for it by HTTP-Redirect |
| IDPInit | `true`: sign-ins that nobody here has begun are taken |
| EncryptedResponses | `true`: assertions have to be encrypted for us; plain ones are refused |
| RequestSigningAlgorithm | `rsa-sha256`: requests are signed, also where the metadata does not ask for it |
| ActiveEncryptionCertificate, SSORedirectBindingURI, SLORedirectBindingURI | shown; if sent, as they are shown |

Metadata behind a URL is fetched again every six hours, or when it says that it ends. Where that fails, the last one
stands for a day and no longer: a key that the provider has withdrawn is not to be trusted for ever because somebody can
keep us from hearing of it (UNVERIFIED how long AWS goes on). A signing certificate that has expired counts, once it is
saved; one has to be current when it is saved, as on AWS.

Sources: Cognito user pools API, CreateIdentityProvider (ProviderDetails); Cognito Developer Guide, "Things to know
about SAML IdPs in Amazon Cognito user pools", "Signing out SAML users with single sign-out".
"""

import base64
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

import msgspec

from velvetrope.errors import ReasonError
from velvetrope.store.tables.userpools_configuration import ConfigurationStore, IdentityProvider
from velvetrope.userpools.errors import InvalidParameterException
from velvetrope.userpools.federation.provider_urls import check_url
from velvetrope.userpools.federation.saml_keys import SamlKeyPair, SamlKeys

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import rsa

    from velvetrope import saml

__all__ = ["MetadataUnavailable", "SamlDocuments", "SamlProviders"]

METADATA_KEPT = timedelta(hours=6)
METADATA_KEPT_UNHEARD = timedelta(days=1)
_TRY_AGAIN = timedelta(minutes=1)
_REMEMBERED_DOCUMENTS = 1000
_PAGE = 60
_SHOWN = ("ActiveEncryptionCertificate", "SLORedirectBindingURI", "SSORedirectBindingURI")


class SamlDocuments(Protocol):
    """Fetches a metadata document over https (or http from this machine to itself), within a size and a time."""

    async def fetch(self, url: str) -> bytes:
        """
        Raises:
            ReasonError: it could not be had.
        """
        ...


class MetadataUnavailable(ReasonError):
    """Nothing that we know of the provider is young enough to be believed."""


class SamlProviders:
    """Knows SAML providers, and what the pool signs and opens with."""

    def __init__(self, store: ConfigurationStore, keys: SamlKeys, documents: SamlDocuments | None) -> None:
        self._store = store
        self._keys = keys
        self.documents = documents
        self._parsed: dict[bytes, saml.IdentityProvider] = {}  # by the hash of the document
        self._next_try: dict[tuple[str, str], datetime] = {}

    # When a provider is saved.

    async def accept(
        self, user_pool_id: str, details: Mapping[str, str], *, now: datetime
    ) -> tuple[dict[str, str], str | None]:
        """The details as they are kept and shown, and the document behind MetadataURL if that was given.

        Raises:
            InvalidParameterException: the metadata cannot be had or trusted, or does not fit the other details.
        """
        if ("MetadataURL" in details) == ("MetadataFile" in details):
            raise InvalidParameterException("Give either MetadataURL or MetadataFile.")
        fetched = None
        if "MetadataURL" in details:
            fetched = await self._fetched(details["MetadataURL"])
        described = self._parse(details["MetadataFile"] if fetched is None else fetched)
        if all(certificate.not_valid_after_utc <= now for certificate in described.signing_certificates):
            raise InvalidParameterException("Invalid SAML metadata: the signing certificate has expired.")
        shown = await self._shown(user_pool_id, details, described, now=now)
        if details.get("IDPSignout") == "true" and "SLORedirectBindingURI" not in shown:
            raise InvalidParameterException(
                "IDPSignout: the SAML metadata has no SingleLogoutService for the HTTP-Redirect binding."
            )
        for name in _SHOWN:
            if name in details and details[name] != shown.get(name):
                raise InvalidParameterException(f"{name} is shown and cannot be set.")
        return {**details, **shown}, fetched

    async def _shown(
        self, user_pool_id: str, details: Mapping[str, str], described: "saml.IdentityProvider", *, now: datetime
    ) -> dict[str, str]:
        """The details that are not given but read, or made."""
        from velvetrope.saml import HTTP_REDIRECT

        if HTTP_REDIRECT not in described.sign_on_urls:
            raise InvalidParameterException(
                "Invalid SAML metadata: it has no SingleSignOnService for the HTTP-Redirect binding."
            )
        shown = {"SSORedirectBindingURI": described.sign_on_urls[HTTP_REDIRECT]}
        if HTTP_REDIRECT in described.logout_urls:
            shown["SLORedirectBindingURI"] = described.logout_urls[HTTP_REDIRECT]
        for name, url in shown.items():
            check_url(name, url)
        if details.get("EncryptedResponses") == "true":
            pair = await self._keys.pair(user_pool_id, "encryption", now=now)
            shown["ActiveEncryptionCertificate"] = base64.b64encode(pair.certificate_der).decode()
        return shown

    async def _fetched(self, url: str) -> str:
        if self.documents is None:
            raise InvalidParameterException("MetadataURL is not fetched by this server; give MetadataFile.")
        try:
            return (await self.documents.fetch(url)).decode()
        except UnicodeDecodeError:
            raise InvalidParameterException("Invalid SAML metadata: it is not UTF-8.") from None
        except ReasonError as reason:
            raise InvalidParameterException(
                "Unable to retrieve the SAML metadata from MetadataURL.", detail=reason.message
            ) from None

    def _parse(self, document: str) -> "saml.IdentityProvider":
        from velvetrope.saml import MalformedMetadata, parse_metadata

        digest = sha256(document.encode()).digest()
        known = self._parsed.get(digest)
        if known is not None:
            return known
        try:
            known = parse_metadata(document)
        except MalformedMetadata as reason:
            raise InvalidParameterException(
                f"Invalid SAML metadata: {reason.message}", detail=reason.detail or reason.message
            ) from None
        if len(self._parsed) >= _REMEMBERED_DOCUMENTS:
            self._parsed.clear()
        self._parsed[digest] = known
        return known

    # When somebody signs in or out.

    async def identity_provider(self, provider: IdentityProvider, *, now: datetime) -> "saml.IdentityProvider":
        """Who the provider is and what it signs with, as far as that may be believed now.

        Raises:
            MetadataUnavailable: what we know is too old, and no news can be had.
        """
        if "MetadataURL" in provider.provider_details:
            provider = await self._refreshed(provider, now=now)
        document = provider.saml_metadata or provider.provider_details.get("MetadataFile")
        if document is None:
            raise MetadataUnavailable("the provider has no metadata")
        try:
            described = self._parse(document)
        except InvalidParameterException as refusal:
            raise MetadataUnavailable(refusal.for_owner) from None
        if described.valid_until is not None and described.valid_until <= now:
            raise MetadataUnavailable(f"the metadata ended at {described.valid_until}")
        return described

    async def _refreshed(self, provider: IdentityProvider, *, now: datetime) -> IdentityProvider:
        heard_at = provider.saml_metadata_at
        described = None if provider.saml_metadata is None else self._parse(provider.saml_metadata)
        has_ended = described is not None and described.valid_until is not None and described.valid_until <= now
        if heard_at is not None and described is not None and now < heard_at + METADATA_KEPT and not has_ended:
            return provider
        key = (provider.user_pool_id, provider.provider_name)
        if now >= self._next_try.get(key, now):
            self._next_try[key] = now + _TRY_AGAIN
            try:
                return await self._heard(provider, now=now)
            except InvalidParameterException as refusal:
                reason = refusal.for_owner
        else:
            reason = "it could not be had a moment ago"
        if heard_at is None or now >= heard_at + METADATA_KEPT_UNHEARD:
            raise MetadataUnavailable(f"the metadata was read last at {heard_at}: {reason}")
        return provider

    async def _heard(self, provider: IdentityProvider, *, now: datetime) -> IdentityProvider:
        url = provider.provider_details["MetadataURL"]
        fetched = await self._fetched(url)
        shown = await self._shown(provider.user_pool_id, provider.provider_details, self._parse(fetched), now=now)

        def change(current: IdentityProvider) -> IdentityProvider:
            if current.provider_details.get("MetadataURL") != url or current.created_at != provider.created_at:
                return current  # it was changed while we asked
            kept = {name: value for name, value in current.provider_details.items() if name not in _SHOWN}
            return msgspec.structs.replace(
                current, provider_details={**kept, **shown}, saml_metadata=fetched, saml_metadata_at=now
            )

        changed = await self._store.change_identity_provider(provider.user_pool_id, provider.provider_name, change)
        if not isinstance(changed, IdentityProvider) or changed.saml_metadata_at != now:
            raise InvalidParameterException("The identity provider was changed meanwhile.")
        self._next_try.pop((provider.user_pool_id, provider.provider_name), None)
        return changed

    async def providers_of_issuer(self, user_pool_id: str, issuer: str) -> tuple[IdentityProvider, ...]:
        """The SAML providers of the pool that go by this entity id, as far as we last heard. Nothing is fetched."""
        after, found = "", []
        while page := await self._store.identity_providers.load_page(user_pool_id, after=after, limit=_PAGE):
            after = page[-1].provider_name
            found += [provider for provider in page if provider.provider_type == "SAML"]
        return tuple(provider for provider in found if self._last_issuer(provider) == issuer)

    def _last_issuer(self, provider: IdentityProvider) -> str | None:
        document = provider.saml_metadata or provider.provider_details.get("MetadataFile")
        try:
            return None if document is None else self._parse(document).entity_id
        except InvalidParameterException:
            return None

    async def signing_key(self, user_pool_id: str, *, now: datetime) -> "rsa.RSAPrivateKey":
        """The key of `signing_pair`."""
        return (await self.signing_pair(user_pool_id, now=now)).private_key

    async def signing_pair(self, user_pool_id: str, *, now: datetime) -> SamlKeyPair:
        """What the pool signs its requests with."""
        return await self._keys.pair(user_pool_id, "signing", now=now)

    async def decryption_keys(self, provider: IdentityProvider, *, now: datetime) -> "tuple[rsa.RSAPrivateKey, ...]":
        """What opens assertions for us; nothing where the provider does not encrypt."""
        if provider.provider_details.get("EncryptedResponses") != "true":
            return ()
        return ((await self._keys.pair(provider.user_pool_id, "encryption", now=now)).private_key,)

"""SAML providers: whose assertions the account's roles and identity pools may trust.

    owner = SamlProviderOperations(store, saml_providers, entropy=entropy)

A provider is the metadata of its identity provider: its id, and the keys that it signs with. The document is read when
it is handed in, and refused if nobody could sign in by it. Private keys, for assertions that are encrypted, are kept
sealed and never shown again; a provider has two at the most, so that they can be rotated.

The provider is valid until the metadata's `validUntil`; AWS gives those without one a date a hundred years ahead
(UNVERIFIED), and so do we.

Sources: IAM API Reference, CreateSAMLProvider and its siblings; IAM User Guide, "Create a SAML identity provider in
IAM", "Manage SAML encryption keys", "Troubleshoot SAML federation with IAM" (the texts).
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal

import msgspec

from velvetrope.clock import Entropy
from velvetrope.iam.errors import EntityAlreadyExists, InvalidInput, NoSuchEntity
from velvetrope.iam.paging import page_of
from velvetrope.iam.provider_arns import is_provider_of_account
from velvetrope.iam.quotas import within_quota
from velvetrope.iam.saml_providers import InvalidPrivateKey, SamlProviders, parse_private_key
from velvetrope.iam.tags import Tag, add_tags, new_tags, remove_tags, render_tags
from velvetrope.identifiers import new_alphanumeric
from velvetrope.operations import Answer, Call, operation
from velvetrope.secret import Secret
from velvetrope.store.tables.iam_providers import IamProviderStore, SamlPrivateKey, SamlProvider

__all__ = ["SamlProviderOperations"]

EncryptionMode = Literal["Required", "Allowed"]

_MAX_PRIVATE_KEYS: Final = 2
_KEY_ID_CHARACTERS: Final = 26
_YEARS_WITHOUT_END: Final = 100


class SamlProviderOperations:
    """SAML providers: made, shown, changed, tagged, deleted."""

    def __init__(self, store: IamProviderStore, providers: SamlProviders, *, entropy: Entropy) -> None:
        self._store = store
        self._providers = providers
        self._entropy = entropy

    @operation
    async def create_saml_provider(
        self,
        call: Call,
        *,
        saml_metadata_document: str,
        name: str,
        tags: tuple[Tag, ...] = (),
        assertion_encryption_mode: EncryptionMode | None = None,
        add_private_key: str | None = None,
    ) -> Answer:
        """The account trusts this identity provider from now on, as far as trust policies and pools name it."""
        ends = _valid_until(saml_metadata_document)
        provider = SamlProvider(
            arn=call.arn("iam", f"saml-provider/{name}", region=""),
            account_id=call.account_id,
            name=name,
            unique_id=self._new_id(),
            metadata_document=saml_metadata_document,
            created_at=call.now.replace(microsecond=0),
            valid_until=ends or _years_later(call.now, _YEARS_WITHOUT_END),
            assertion_encryption_mode=assertion_encryption_mode,
            private_keys=() if add_private_key is None else (self._sealed(add_private_key, call.now),),
            tags=new_tags(tags),
        )
        _check_encryption(provider)
        if not await self._store.save_new_saml_provider(provider, within_quota("SAMLProvidersPerAccount")):
            raise EntityAlreadyExists(f"SAMLProvider with name {name} already exists.")
        return {"saml_provider_arn": provider.arn, "tags": render_tags(provider.tags) or None}

    @operation
    async def get_saml_provider(self, call: Call, *, saml_provider_arn: str) -> Answer:
        """The provider as it is; of its private keys only their ids."""
        provider = await self._load(call, saml_provider_arn)
        return {
            "saml_provider_uuid": provider.unique_id,
            "saml_metadata_document": provider.metadata_document,
            "create_date": provider.created_at,
            "valid_until": provider.valid_until,
            "tags": render_tags(provider.tags),
            "assertion_encryption_mode": provider.assertion_encryption_mode,
            "private_key_list": [{"key_id": key.key_id, "timestamp": key.added_at} for key in provider.private_keys],
        }

    @operation
    async def update_saml_provider(
        self,
        call: Call,
        *,
        saml_provider_arn: str,
        saml_metadata_document: str | None = None,
        assertion_encryption_mode: EncryptionMode | None = None,
        add_private_key: str | None = None,
        remove_private_key: str | None = None,
    ) -> Answer:
        """What is given takes the place of what was; the rest stays."""
        if (saml_metadata_document, assertion_encryption_mode, add_private_key, remove_private_key) == (None,) * 4:
            raise InvalidInput(
                "Unable to update identity provider. No updates are defined for metadata or encryption assertion."
            )
        if add_private_key is not None and remove_private_key is not None:
            raise InvalidInput(
                "Unable to add and remove private keys in the same request. "
                "Set a value for only one of the two parameters."
            )
        changes: dict[str, object] = {}
        if saml_metadata_document is not None:
            ends = _valid_until(saml_metadata_document)
            changes["metadata_document"] = saml_metadata_document
            changes["valid_until"] = ends or _years_later(call.now, _YEARS_WITHOUT_END)
        if assertion_encryption_mode is not None:
            changes["assertion_encryption_mode"] = assertion_encryption_mode
        added = () if add_private_key is None else (self._sealed(add_private_key, call.now),)

        def change(present: SamlProvider) -> SamlProvider:
            kept = tuple(key for key in present.private_keys if key.key_id != remove_private_key)
            if remove_private_key is not None and kept == present.private_keys:
                raise InvalidInput("Failed to remove private key because the Key ID does not match a private key.")
            changed = msgspec.structs.replace(present, **changes, private_keys=(*kept, *added))
            _check_encryption(changed)
            return changed

        await self._change(call, saml_provider_arn, change)
        return {"saml_provider_arn": saml_provider_arn}

    @operation
    async def list_saml_providers(self, call: Call) -> Answer:
        """All providers of the account."""
        found = await self._store.list_saml_providers(call.account_id)
        return {
            "saml_provider_list": [
                {"arn": each.arn, "valid_until": each.valid_until, "create_date": each.created_at} for each in found
            ]
        }

    @operation
    async def delete_saml_provider(self, call: Call, *, saml_provider_arn: str) -> Answer:
        """The provider is gone. Policies and pools that name it trust nobody by it."""
        await self._load(call, saml_provider_arn)
        if not await self._store.delete_saml_provider(saml_provider_arn):
            raise _not_found(saml_provider_arn)
        return None

    @operation
    async def tag_saml_provider(self, call: Call, *, saml_provider_arn: str, tags: tuple[Tag, ...]) -> Answer:
        """The tags are set; others stay."""
        await self._change(
            call,
            saml_provider_arn,
            lambda present: msgspec.structs.replace(present, tags=add_tags(present.tags, tags)),
        )
        return None

    @operation
    async def untag_saml_provider(self, call: Call, *, saml_provider_arn: str, tag_keys: tuple[str, ...]) -> Answer:
        """The tags are gone, if they were there."""
        await self._change(
            call,
            saml_provider_arn,
            lambda present: msgspec.structs.replace(present, tags=remove_tags(present.tags, tag_keys)),
        )
        return None

    @operation
    async def list_saml_provider_tags(
        self, call: Call, *, saml_provider_arn: str, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        """The provider's tags, in pages."""
        provider = await self._load(call, saml_provider_arn)
        page = page_of(sorted(provider.tags.items()), lambda item: item[0], marker=marker, max_items=max_items)
        return page.answer("tags", render_tags(dict(page.items)))

    async def _load(self, call: Call, arn: str) -> SamlProvider:
        mine = is_provider_of_account(call, arn, "saml-provider")
        found = await self._store.load_saml_provider(arn) if mine else None
        if found is None:
            raise _not_found(arn)
        return found

    async def _change(self, call: Call, arn: str, change: Callable[[SamlProvider], SamlProvider]) -> None:
        mine = is_provider_of_account(call, arn, "saml-provider")
        if not mine or await self._store.change_saml_provider(arn, change) is None:
            raise _not_found(arn)

    def _sealed(self, text: str, now: datetime) -> SamlPrivateKey:
        try:
            parse_private_key(text)
        except InvalidPrivateKey as error:
            raise InvalidInput("Invalid private key.", detail=str(error)) from error
        key_id = self._new_id()
        return SamlPrivateKey(
            key_id=key_id,
            added_at=now.replace(microsecond=0),
            private_key_sealed=self._providers.seal(key_id, Secret(text), self._entropy),
        )

    def _new_id(self) -> str:
        return new_alphanumeric(self._entropy, _KEY_ID_CHARACTERS).upper()


def _not_found(arn: str) -> NoSuchEntity:
    return NoSuchEntity(f"Manifest not found for arn {arn}")


def _check_encryption(provider: SamlProvider) -> None:
    if len(provider.private_keys) > _MAX_PRIVATE_KEYS:
        raise InvalidInput(f"Private key limit of {_MAX_PRIVATE_KEYS} is reached.")
    if provider.assertion_encryption_mode == "Required" and not provider.private_keys:
        raise InvalidInput("Unable to set assertion encryption mode to Required because no private key is provided.")


def _valid_until(metadata: str) -> datetime | None:
    from velvetrope.saml import MalformedMetadata, parse_metadata

    try:
        return parse_metadata(metadata).valid_until
    except MalformedMetadata as finding:
        raise InvalidInput(finding.message, detail=finding.detail) from finding


def _years_later(moment: datetime, years: int) -> datetime:
    # The 29th of February has no namesake in most years.
    return moment.replace(year=moment.year + years, day=min(moment.day, 28), microsecond=0)

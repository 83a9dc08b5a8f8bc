"""Create-, Update-, Delete-, DescribeManagedLoginBranding and DescribeManagedLoginBrandingByClient.

A style is one app client's: settings (`branding_settings`) and images. An update changes what it names and keeps the
rest; an image is named by its category, colour mode and resource. With `UseCognitoProvidedValues` there is neither, and
the pages look as they do by themselves. Which image a file is, its bytes say; an SVG may do nothing but show.

The pages of a domain show styles when its ManagedLoginVersion is 2, and the older UI customization when it is 1.

Source: Cognito user pools API, CreateManagedLoginBranding and its siblings.
"""

from typing import Any, Final

import msgspec

from velvetrope.clock import Entropy
from velvetrope.identifiers import new_uuid
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.userpools_branding import BrandingAsset, BrandingStore, ManagedLoginBranding
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import (
    InvalidParameterException,
    ManagedLoginBrandingExistsException,
    ResourceNotFoundException,
)
from velvetrope.userpools.looks.branding_settings import check_settings, default_settings, merged_settings
from velvetrope.userpools.looks.images import image_kind
from velvetrope.userpools.shapes import BrandingAssetType

__all__ = ["BrandingOperations"]

_MAX_ASSETS: Final = 40  # AssetListType
_MAX_STYLE_BYTES: Final = 2 * 1024 * 1024
"""Of all images together. AWS limits a request to 2 MB; every page carries its images here."""
_ONLY: Final = {"FAVICON_ICO": frozenset({"ICO"}), "FAVICON_SVG": frozenset({"SVG"})}
_OTHERS: Final = frozenset({"JPEG", "PNG", "SVG", "WEBP"})


class BrandingOperations:
    """Styles of managed login."""

    def __init__(self, store: BrandingStore, directory: PoolDirectory, entropy: Entropy) -> None:
        self._store = store
        self._directory = directory
        self._entropy = entropy

    @operation
    async def create_managed_login_branding(
        self,
        call: Call,
        *,
        user_pool_id: str,
        client_id: str,
        use_cognito_provided_values: bool = False,
        settings: dict[str, Any] | None = None,
        assets: tuple[BrandingAssetType, ...] | None = None,
    ) -> Answer:
        await self._directory.pool(user_pool_id)
        await self._directory.client_of(user_pool_id, client_id)
        if not use_cognito_provided_values and settings is None and not assets:
            # Text UNVERIFIED.
            raise InvalidParameterException("Either Settings and Assets or UseCognitoProvidedValues are needed.")
        _check_either(use_cognito_provided_values, settings, assets)
        new = ManagedLoginBranding(
            id=new_uuid(self._entropy),
            user_pool_id=user_pool_id,
            client_id=client_id,
            created_at=call.now,
            modified_at=call.now,
            use_cognito_provided_values=use_cognito_provided_values,
            settings={} if settings is None else check_settings(settings),
            assets=_checked(assets or ()),
        )
        if not await self._store.save_new(new):
            raise ManagedLoginBrandingExistsException(  # text UNVERIFIED
                f"The app client {client_id} has a managed login branding style."
            )
        return {"managed_login_branding": _described(new, merged=False)}

    @operation
    async def update_managed_login_branding(
        self,
        call: Call,
        *,
        user_pool_id: str,
        managed_login_branding_id: str,
        use_cognito_provided_values: bool = False,
        settings: dict[str, Any] | None = None,
        assets: tuple[BrandingAssetType, ...] | None = None,
    ) -> Answer:
        await self._directory.pool(user_pool_id)
        _check_either(use_cognito_provided_values, settings, assets)
        said = {} if settings is None else check_settings(settings)
        brought = _checked(assets or ())

        def change(kept: ManagedLoginBranding) -> ManagedLoginBranding:
            if use_cognito_provided_values:
                return msgspec.structs.replace(
                    kept, use_cognito_provided_values=True, settings={}, assets=(), modified_at=call.now
                )
            changed = msgspec.structs.replace(
                kept,
                use_cognito_provided_values=kept.use_cognito_provided_values and settings is None and not brought,
                settings=merged_settings(kept.settings, said),
                assets=_replaced(kept.assets, brought),
                modified_at=call.now,
            )
            _check_size(changed.assets)
            return changed

        changed = await self._store.change(user_pool_id, managed_login_branding_id, change)
        if changed is None:
            raise _missing(managed_login_branding_id)
        return {"managed_login_branding": _described(changed, merged=False)}

    @operation
    async def delete_managed_login_branding(
        self,
        call: Call,  # noqa: ARG002
        *,
        user_pool_id: str,
        managed_login_branding_id: str,
    ) -> Answer:
        await self._directory.pool(user_pool_id)
        if not await self._store.delete(user_pool_id, managed_login_branding_id):
            raise _missing(managed_login_branding_id)
        return None

    @operation
    async def describe_managed_login_branding(
        self,
        call: Call,  # noqa: ARG002
        *,
        user_pool_id: str,
        managed_login_branding_id: str,
        return_merged_resources: bool = False,
    ) -> Answer:
        """`return_merged_resources` adds what every other setting is."""
        await self._directory.pool(user_pool_id)
        found = await self._store.load(user_pool_id, managed_login_branding_id)
        if found is None:
            raise _missing(managed_login_branding_id)
        return {"managed_login_branding": _described(found, merged=return_merged_resources)}

    @operation
    async def describe_managed_login_branding_by_client(
        self,
        call: Call,  # noqa: ARG002
        *,
        user_pool_id: str,
        client_id: str,
        return_merged_resources: bool = False,
    ) -> Answer:
        """As DescribeManagedLoginBranding, by the client."""
        await self._directory.client_of(user_pool_id, client_id)
        found = await self._store.load_by_client(user_pool_id, client_id)
        if found is None:
            raise ResourceNotFoundException(  # text UNVERIFIED
                f"The app client {client_id} has no managed login branding style."
            )
        return {"managed_login_branding": _described(found, merged=return_merged_resources)}


def _check_either(own: bool, settings: object, assets: object) -> None:
    if own and (settings is not None or assets):
        # Text UNVERIFIED; the model's documentation of UseCognitoProvidedValues says that the two exclude each other.
        raise InvalidParameterException("UseCognitoProvidedValues excludes Settings and Assets.")


def _checked(given: tuple[BrandingAssetType, ...]) -> tuple[BrandingAsset, ...]:
    """The images of a call, each what it says it is.

    Raises:
        InvalidParameterException: one is not, has no bytes, is given twice, or they are too many. Texts UNVERIFIED.
    """
    assets = _replaced((), tuple(map(_asset, given)))
    if len(assets) != len(given):
        raise InvalidParameterException("Assets: an image is given twice for the same place.")
    _check_size(assets)
    return assets


def _asset(given: BrandingAssetType) -> BrandingAsset:
    if not given.bytes:
        raise InvalidParameterException(f"Assets: {given.category} has no Bytes.")
    if given.extension not in _ONLY.get(given.category, _OTHERS):
        raise InvalidParameterException(f"Assets: {given.category} cannot be {given.extension}.")
    if (given.category == "IDP_BUTTON_ICON") != (given.resource_id is not None):
        raise InvalidParameterException("Assets: IDP_BUTTON_ICON, and nothing else, has a ResourceId.")
    kind = image_kind(given.bytes, member="Assets")
    if kind != given.extension:
        raise InvalidParameterException(f"Assets: {given.category} is no {given.extension}.")
    return BrandingAsset(
        category=given.category,
        color_mode=given.color_mode,
        extension=given.extension,
        content=given.bytes,
        resource_id=given.resource_id,
    )


def _replaced(before: tuple[BrandingAsset, ...], after: tuple[BrandingAsset, ...]) -> tuple[BrandingAsset, ...]:
    places = {(one.category, one.color_mode, one.resource_id): one for one in (*before, *after)}
    return tuple(places.values())


def _check_size(assets: tuple[BrandingAsset, ...]) -> None:
    if len(assets) > _MAX_ASSETS or sum(len(one.content) for one in assets) > _MAX_STYLE_BYTES:
        raise InvalidParameterException(f"Assets: a style has at most {_MAX_ASSETS} images of 2 MB together.")


def _missing(branding_id: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"Managed login branding {branding_id} does not exist.")  # text UNVERIFIED


def _described(kept: ManagedLoginBranding, *, merged: bool) -> dict[str, object]:
    """ManagedLoginBrandingType."""
    settings = merged_settings(default_settings(), kept.settings) if merged else kept.settings
    return {
        "managed_login_branding_id": kept.id,
        "user_pool_id": kept.user_pool_id,
        "use_cognito_provided_values": kept.use_cognito_provided_values,
        "settings": settings if merged or not kept.use_cognito_provided_values else None,
        "assets": [
            {
                "category": one.category,
                "color_mode": one.color_mode,
                "extension": one.extension,
                "bytes": one.content,
                "resource_id": one.resource_id,
            }
            for one in kept.assets
        ],
        "creation_date": kept.created_at,
        "last_modified_date": kept.modified_at,
    }

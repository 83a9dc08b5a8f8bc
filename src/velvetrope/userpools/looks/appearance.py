"""The look of a pool's classic sign-in pages: a style sheet and a logo, for one client or for all that have none.

Only the classes that AWS's pages have may be styled, and nothing in the sheet may load anything (`style_sheets`): it
goes into pages that take passwords. A logo is a PNG, JPEG or SVG of at most 100 KB; which it is, its bytes say. An SVG
may hold no script and no reference to elsewhere; it is shown as an image, never as a document.

Source: Cognito Developer Guide, "Hosted UI (classic) branding"; Cognito user pools API, SetUICustomization.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.userpools import UserPool
from velvetrope.store.tables.userpools_branding import BrandingStore, ManagedLoginBranding
from velvetrope.store.tables.userpools_configuration import ConfigurationStore, UiCustomization
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import InvalidParameterException
from velvetrope.userpools.looks.branding_settings import default_settings, merged_settings
from velvetrope.userpools.looks.images import MEDIA_TYPES, image_kind
from velvetrope.userpools.looks.style_sheets import checked_style_sheet

__all__ = ["AppearanceOperations", "Appearances"]

ALL_CLIENTS: Final = "ALL"
_MAX_IMAGE_BYTES: Final = 100 * 1024
_LOGO_KINDS: Final = frozenset({"JPEG", "PNG", "SVG"})


class AppearanceOperations:
    """SetUICustomization and GetUICustomization."""

    def __init__(self, store: ConfigurationStore, directory: PoolDirectory) -> None:
        self._store = store
        self._directory = directory

    @operation
    async def set_ui_customization(
        self,
        call: Call,
        *,
        user_pool_id: str,
        client_id: str = ALL_CLIENTS,
        css: str | None = None,
        image_file: bytes | None = None,
    ) -> Answer:
        """A member that is left out stays as it was; an empty one takes away what was there."""
        await self._check_client(user_pool_id, client_id)
        if css is not None:
            checked_style_sheet(css)
        image_type = image_type_of(image_file) if image_file else None

        def change(kept: UiCustomization) -> UiCustomization:
            if css is not None:
                kept = msgspec.structs.replace(
                    kept, css=css or None, css_version=f"{call.now:%Y%m%d%H%M%S}", modified_at=call.now
                )
            if image_file is not None:
                kept = msgspec.structs.replace(
                    kept, image=image_file or None, image_type=image_type, modified_at=call.now
                )
            return kept

        new = UiCustomization(
            user_pool_id=user_pool_id,
            client_id=client_id,
            css_version=f"{call.now:%Y%m%d%H%M%S}",
            created_at=call.now,
            modified_at=call.now,
        )
        return {"ui_customization": _described(await self._store.save_customization(new, change))}

    @operation
    async def get_ui_customization(
        self,
        call: Call,  # noqa: ARG002
        *,
        user_pool_id: str,
        client_id: str = ALL_CLIENTS,
    ) -> Answer:
        """The client's own, else that of all; empty where neither is set."""
        await self._check_client(user_pool_id, client_id)
        for wanted in dict.fromkeys((client_id, ALL_CLIENTS)):
            found = await self._store.customizations.load(user_pool_id, wanted)
            if found is not None:
                return {"ui_customization": _described(found)}
        return {"ui_customization": {}}

    async def _check_client(self, user_pool_id: str, client_id: str) -> None:
        pool = await self._directory.pool(user_pool_id)
        if client_id != ALL_CLIENTS:
            await self._directory.client_of(pool.id, client_id)
        if pool.domain is None:
            # AWS keeps the look with the domain (API, SetUICustomization).
            raise InvalidParameterException(f"There has to be an existing domain associated with user pool {pool.id}.")


def image_type_of(image: bytes) -> str:
    """The media type that the bytes of a logo say.

    Raises:
        InvalidParameterException: too large, none of the three, or an SVG that does more than show.
    """
    if len(image) > _MAX_IMAGE_BYTES:
        raise InvalidParameterException(f"ImageFile: an image has at most {_MAX_IMAGE_BYTES} bytes.")
    kind = image_kind(image, member="ImageFile")
    if kind is None or kind not in _LOGO_KINDS:
        raise InvalidParameterException("ImageFile: an image is a PNG, a JPEG or an SVG.")
    return MEDIA_TYPES[kind]


def _described(kept: UiCustomization) -> dict[str, object]:
    """UICustomizationType. There is no ImageUrl: the logo is part of the pages that show it."""
    return {
        "user_pool_id": kept.user_pool_id,
        "client_id": kept.client_id,
        "css": kept.css,
        "css_version": kept.css_version,
        "last_modified_date": kept.modified_at,
        "creation_date": kept.created_at,
    }


class Appearances:
    """What the owners of pools have set of their pages' looks, for the pages."""

    def __init__(self, configuration: ConfigurationStore, brandings: BrandingStore) -> None:
        self._configuration = configuration
        self._brandings = brandings

    async def customization(self, pool: UserPool, client_id: str | None) -> UiCustomization | None:
        """The client's classic look, else that of all clients. Its sheet is as it goes into pages."""
        for wanted in dict.fromkeys((client_id or ALL_CLIENTS, ALL_CLIENTS)):
            found = await self._configuration.customizations.load(pool.id, wanted)
            if found is not None:
                return msgspec.structs.replace(found, css=checked_style_sheet(found.css or ""))
        return None

    async def branding(self, pool: UserPool, client_id: str | None) -> ManagedLoginBranding | None:
        """The client's managed login style."""
        return None if client_id is None else await self._brandings.load_by_client(pool.id, client_id)

    def merged(self, branding: ManagedLoginBranding) -> Mapping[str, Any]:
        """All settings of a style, those that nobody has set included."""
        return merged_settings(default_settings(), branding.settings)

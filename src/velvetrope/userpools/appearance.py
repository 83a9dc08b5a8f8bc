"""The look of a pool's classic sign-in pages: a style sheet and a logo, for one client or for all that have none.

Only the classes that AWS's pages have may be styled, and nothing in the sheet may load anything: it goes into pages
that take passwords. A logo is a PNG, JPEG or SVG of at most 100 KB; which it is, its bytes say. An SVG may hold no
script and no reference to elsewhere; it is shown as an image, never as a document.

Source: Cognito Developer Guide, "Hosted UI (classic) branding"; Cognito user pools API, SetUICustomization.
"""

import re
from typing import Final

import msgspec

from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.userpools_configuration import ConfigurationStore, UiCustomization
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import InvalidParameterException

__all__ = ["AppearanceOperations"]

ALL_CLIENTS: Final = "ALL"
_MAX_IMAGE_BYTES: Final = 100 * 1024
_CLASSES: Final = frozenset(
    {
        *("background", "banner", "errorMessage", "idpButton", "idpDescription", "inputField", "label", "legalText"),
        *("logo", "passwordCheck-notValid", "passwordCheck-valid", "redirect", "socialButton", "submitButton"),
        *("textDescription",),
    }
)
_RULE: Final = re.compile(r"\s*([^{}]+)\{([^{}]*)\}")
_SELECTOR: Final = re.compile(r"\.([A-Za-z-]+)-customizable(?::(?:hover|focus|active|disabled))?")
_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_LOADS: Final = re.compile(
    r"url\s*\(|@|expression\s*\(|javascript:|behavior\s*:|-moz-binding|image-set|src\s*\(|\\|<", re.IGNORECASE
)
_UNSAFE_SVG: Final = re.compile(
    rb"<\s*(script|foreignObject|iframe|!DOCTYPE|!ENTITY)|\son[a-z]+\s*=|javascript:", re.IGNORECASE
)
_SVG_REFERENCE: Final = re.compile(rb"(?:href|src)\s*=\s*[\"'](?!#|data:image/(?:png|jpeg);)", re.IGNORECASE)


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
            check_style_sheet(css)
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


def check_style_sheet(css: str) -> None:
    """See that a style sheet styles what it may and loads nothing.

    Raises:
        InvalidParameterException: it does not. Texts UNVERIFIED.
    """
    text = _COMMENT.sub(" ", css)
    if _LOADS.search(text) is not None:
        raise InvalidParameterException("CSS: only plain rules are allowed, and none that loads anything.")
    at = 0
    for rule in _RULE.finditer(text):
        if text[at : rule.start()].strip():
            break
        at = rule.end()
        for selector in rule[1].split(","):
            named = _SELECTOR.fullmatch(selector.strip())
            if named is None or named[1] not in _CLASSES:
                raise InvalidParameterException(f"CSS: the selector {selector.strip()} is not allowed.")
    if text[at:].strip():
        raise InvalidParameterException("CSS: the style sheet cannot be read.")


def image_type_of(image: bytes) -> str:
    """The media type that the bytes of a logo say.

    Raises:
        InvalidParameterException: too large, none of the three, or an SVG that does more than show.
    """
    if len(image) > _MAX_IMAGE_BYTES:
        raise InvalidParameterException(f"ImageFile: an image has at most {_MAX_IMAGE_BYTES} bytes.")
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if image.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if image.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<svg", b"<?xml")) and b"<svg" in image:
        if _UNSAFE_SVG.search(image) or _SVG_REFERENCE.search(image):
            raise InvalidParameterException("ImageFile: an SVG may hold no script and refer to nothing elsewhere.")
        return "image/svg+xml"
    raise InvalidParameterException("ImageFile: an image is a PNG, a JPEG or an SVG.")


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

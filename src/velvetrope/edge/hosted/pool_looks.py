"""Looks of pools, made of what their owners have set: a classic style sheet with a logo, or a managed login style.

Which of the two counts is the domain's ManagedLoginVersion: 1 is the classic one, 2 managed login. What was set was
checked when it was saved; here it becomes CSS and `data:` images.

A style's colours become the variables of our own sheet. Text stays legible whatever they are: where a text has less
contrast to what is behind it than 4.5 to 1, it is black or white instead, whichever contrasts more (WCAG 2.2, success
criterion 1.4.3).

Of a style, pages show: colours and radii of page, form, fields, labels, links, buttons, focus and alerts in both modes;
`colorSchemeMode`; logo of the form and of the page's header; images behind page and form; icons; the position of the
form; whether other languages are offered. The rest is kept, and shown by Describe operations only.
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final, Protocol

from velvetrope.edge.hosted.colors import Color, legible
from velvetrope.edge.hosted.looks import OUR_LOOK, Logo, Look
from velvetrope.store.tables.userpools import UserPool
from velvetrope.store.tables.userpools_branding import BrandingAsset, ManagedLoginBranding
from velvetrope.store.tables.userpools_configuration import UiCustomization

__all__ = ["Appearances", "PoolLooks"]

_MANAGED_LOGIN: Final = 2
_MEDIA_TYPES: Final = {
    "ICO": "image/x-icon",
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "SVG": "image/svg+xml",
    "WEBP": "image/webp",
}
_ALIGNED: Final = {"START": "start", "CENTER": "center", "END": "end"}


class Appearances(Protocol):
    """Knows what the owners of pools have set: `userpools`."""

    async def customization(self, pool: UserPool, client_id: str | None) -> UiCustomization | None:
        """The client's classic look, else that of all clients."""
        ...

    async def branding(self, pool: UserPool, client_id: str | None) -> ManagedLoginBranding | None:
        """The client's managed login style."""
        ...

    def merged(self, branding: ManagedLoginBranding) -> Mapping[str, Any]:
        """All settings of a style, those that nobody has set included."""
        ...


class PoolLooks:
    """Makes looks."""

    def __init__(self, appearances: Appearances) -> None:
        self._appearances = appearances

    async def look(self, pool: UserPool, client_id: str | None) -> Look:
        """The look of that client's pages, else of the pool's, else ours."""
        if pool.managed_login_version == _MANAGED_LOGIN:
            branding = await self._appearances.branding(pool, client_id)
            if branding is None or branding.use_cognito_provided_values:
                return OUR_LOOK
            return _branded(self._appearances.merged(branding), branding.assets)
        customization = await self._appearances.customization(pool, client_id)
        return OUR_LOOK if customization is None else _customized(customization)


def _customized(set_by_owner: UiCustomization) -> Look:
    image, kind = set_by_owner.image, set_by_owner.image_type
    logo = None if image is None or kind is None else Logo(_data_uri(image, kind))
    return Look(sheet=set_by_owner.css or "", logo=logo)


def _branded(settings: Mapping[str, Any], assets: tuple[BrandingAsset, ...]) -> Look:
    components, categories = settings["components"], settings["categories"]
    mode = categories["global"]["colorSchemeMode"]
    images = _Images(assets)
    rules = [_mode_rules(settings, images, mode)]
    rules.append(_shape_rules(settings))
    form_logo = components["form"]["logo"]["enabled"]
    header_logo = categories["global"]["pageHeader"]["enabled"] and components["pageHeader"]["logo"]["enabled"]
    logo = images.logo("FORM_LOGO", mode) if form_logo else None
    if logo is None and header_logo:
        logo = images.logo("PAGE_HEADER_LOGO", mode)
    return Look(
        sheet="\n".join(rules),
        logo=logo,
        icon=images.icon(components["favicon"]["enabledTypes"]),
        plain=True,
        language_links=bool(categories["form"]["languageSelector"]["enabled"]),
    )


def _mode_rules(settings: Mapping[str, Any], images: "_Images", mode: str) -> str:
    """One palette, or two of which the browser chooses."""
    light, dark = (_palette(settings, images, name) for name in ("lightMode", "darkMode"))
    if mode == "LIGHT":
        return f":root {{ color-scheme: light; {light} }}"
    if mode == "DARK":
        return f":root {{ color-scheme: dark; {dark} }}"
    return (
        f":root {{ color-scheme: light dark; {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"
    )


def _palette(settings: Mapping[str, Any], images: "_Images", mode: str) -> str:
    """The variables of `palette.css` and `style.css`, for one mode."""
    classes, components = settings["componentClasses"], settings["components"]
    page = Color.parse(components["pageBackground"][mode]["color"]).over(Color.parse("ffffffff"))
    form = Color.parse(components["form"][mode]["backgroundColor"]).over(page)
    field = Color.parse(classes["input"][mode]["defaults"]["backgroundColor"]).over(form)
    button = components["primaryButton"][mode]
    plain_button = Color.parse(button["defaults"]["backgroundColor"]).over(form)
    lit_button = Color.parse(button["hover"]["backgroundColor"]).over(form)
    second = components["secondaryButton"][mode]["defaults"]
    second_paper = Color.parse(second["backgroundColor"]).over(form)
    text = components["pageText"][mode]
    alert = components["alert"][mode]["error"]
    alert_paper = Color.parse(alert["backgroundColor"]).over(form)
    success = classes["statusIndicator"][mode]["success"]
    success_paper = Color.parse(success["backgroundColor"]).over(form)
    link = classes["link"][mode]

    def readable(color: str, paper: Color) -> str:
        return legible(Color.parse(color), paper).css

    behind_page = images.background("PAGE_BACKGROUND", mode) if components["pageBackground"]["image"]["enabled"] else ""
    behind_form = images.background("FORM_BACKGROUND", mode) if components["form"]["backgroundImage"]["enabled"] else ""
    variables = {
        "paper": page.css,
        "form": form.css,
        "form-edge": Color.parse(components["form"][mode]["borderColor"]).css,
        "field": field.css,
        "edge": Color.parse(classes["input"][mode]["defaults"]["borderColor"]).css,
        "ink": readable(text["bodyColor"], form),
        "heading": readable(text["headingColor"], form),
        "quiet": readable(text["descriptionColor"], form),
        "typed": readable(text["bodyColor"], field),
        "label": readable(classes["inputLabel"][mode]["textColor"], form),
        "hint": readable(classes["inputDescription"][mode]["textColor"], form),
        "velvet": plain_button.css,
        "velvet-lit": lit_button.css,
        "on-velvet": readable(button["defaults"]["textColor"], plain_button),
        "on-velvet-lit": readable(button["hover"]["textColor"], lit_button),
        "second": second_paper.css,
        "second-edge": Color.parse(second["borderColor"]).css,
        "on-second": readable(second["textColor"], second_paper),
        "link": readable(link["defaults"]["textColor"], form),
        "link-lit": readable(link["hover"]["textColor"], form),
        "focus": Color.parse(classes["focusState"][mode]["borderColor"]).css,
        "red": readable(alert["borderColor"], alert_paper),
        "red-paper": alert_paper.css,
        "green": readable(success["borderColor"], success_paper),
        "green-paper": success_paper.css,
        "hair": Color.parse(classes["divider"][mode]["borderColor"]).css,
        "on-page": readable(text["descriptionColor"], page),
        "behind-page": behind_page or "none",
        "behind-form": behind_form or "none",
    }
    return " ".join(f"--{name}: {value};" for name, value in variables.items())


def _shape_rules(settings: Mapping[str, Any]) -> str:
    classes, components = settings["componentClasses"], settings["components"]
    place = settings["categories"]["form"]["location"]
    return (
        f":root {{ --button-radius: {classes['buttons']['borderRadius']:g}px; "
        f"--input-radius: {classes['input']['borderRadius']:g}px; "
        f"--form-radius: {components['form']['borderRadius']:g}px; "
        f"--alert-radius: {components['alert']['borderRadius']:g}px; "
        f"--form-across: {_ALIGNED[place['horizontal']]}; --form-down: {_ALIGNED[place['vertical']]}; }}"
    )


class _Images:
    """The images of a style, by what they are for and for which mode."""

    def __init__(self, assets: tuple[BrandingAsset, ...]) -> None:
        self._by_place: dict[tuple[str, str], BrandingAsset] = {
            (one.category, one.color_mode): one for one in assets if one.resource_id is None
        }

    def logo(self, category: str, mode: str) -> Logo | None:
        light, dark = self._find(category, "LIGHT"), self._find(category, "DARK")
        first = dark if mode == "DARK" else light
        if first is None:
            return None
        in_the_dark = _uri(dark) if mode == "DYNAMIC" and dark is not None and dark is not light else None
        return Logo(_uri(first), in_the_dark)

    def background(self, category: str, mode: str) -> str:
        found = self._find(category, "DARK" if mode == "darkMode" else "LIGHT")
        return "" if found is None else f'url("{_uri(found)}")'

    def icon(self, enabled: list[str]) -> str | None:
        for kind in ("SVG", "ICO"):
            found = self._find(f"FAVICON_{kind}", "LIGHT") if kind in enabled else None
            if found is not None:
                return _uri(found)
        return None

    def _find(self, category: str, mode: str) -> BrandingAsset | None:
        """The image for that mode, else the one for both, else the other one."""
        other = "LIGHT" if mode == "DARK" else "DARK"
        for wanted in (mode, "DYNAMIC", other):
            found = self._by_place.get((category, wanted))
            if found is not None:
                return found
        return None


def _uri(asset: BrandingAsset) -> str:
    return _data_uri(asset.content, _MEDIA_TYPES[asset.extension])


def _data_uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{b64encode(content).decode()}"

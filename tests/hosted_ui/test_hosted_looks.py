"""What owners set is what pages show: classic sheets and logos, styles of managed login, and texts that can be read."""

import re
from base64 import b64encode
from hashlib import sha256
from html import unescape
from typing import Any

import pytest

from support.hosted_house import House
from support.hosted_ui import Response
from velvetrope.edge.hosted.colors import LEGIBLE_CONTRAST, Color, contrast, legible
from velvetrope.userpools.shapes import BrandingAssetType

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


async def login(house: House, **changes: str | None) -> Response:
    return await house.page(house.browser(), "/login", **changes)


async def brand(house: House, **members: Any) -> None:
    await house.call("delete_user_pool_domain", domain="auth-api-demo", user_pool_id=house.pool_id)
    await house.call(
        "create_user_pool_domain", domain="auth-api-demo", user_pool_id=house.pool_id, managed_login_version=2
    )
    await house.call("create_managed_login_branding", user_pool_id=house.pool_id, client_id=house.client_id, **members)


def sheets(page: Response) -> list[str]:
    return re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)


def variables(page: Response, *, dark: bool = False) -> dict[str, str]:
    """The variables of the style that was set, of the palette for light or for dark."""
    light_rules, _, dark_rules = sheets(page)[1].partition("@media (prefers-color-scheme: dark)")
    return dict(re.findall(r"--([a-z-]+): ([^;]+);", dark_rules if dark else light_rules))


async def test_every_sheet_of_a_page_is_allowed_by_its_hash_and_nothing_else_is(house: House) -> None:
    await house.call("set_ui_customization", user_pool_id=house.pool_id, css=".label-customizable { color: navy }")

    page = await login(house)
    policy = page.header("content-security-policy") or ""

    assert len(sheets(page)) == 2
    for sheet in sheets(page):
        assert f"'sha256-{b64encode(sha256(sheet.encode()).digest()).decode()}'" in policy
    assert "img-src data:;" in policy
    assert "unsafe" not in policy


async def test_a_clients_sheet_counts_before_that_of_all(house: House) -> None:
    other = await house.add_client()
    await house.call("set_ui_customization", user_pool_id=house.pool_id, css=".label-customizable { color: navy }")
    await house.call(
        "set_ui_customization",
        user_pool_id=house.pool_id,
        client_id=house.client_id,
        css=".label-customizable { color: teal }",
    )

    own = await login(house)
    house.client_id = other
    everybodys = await login(house)

    assert "color: teal;" in sheets(own)[1]
    assert "color: navy;" in sheets(everybodys)[1]


async def test_a_logo_takes_the_place_of_our_name(house: House) -> None:
    before = await login(house)
    await house.call("set_ui_customization", user_pool_id=house.pool_id, css="", image_file=PNG)

    after = await login(house)

    assert "velvet<span>rope</span>" in before.text
    assert "velvet" not in re.sub(r"<style>.*?</style>", "", after.text, flags=re.DOTALL)
    assert f'src="data:image/png;base64,{b64encode(PNG).decode()}"' in after.text


async def test_a_style_counts_only_where_the_domain_is_of_managed_login(house: House) -> None:
    red = {"components": {"pageBackground": {"lightMode": {"color": "ff0000ff"}}}}
    await house.call(
        "create_managed_login_branding", user_pool_id=house.pool_id, client_id=house.client_id, settings=red
    )
    await house.call("set_ui_customization", user_pool_id=house.pool_id, css=".label-customizable { color: navy }")
    classic = await login(house)
    await house.call(
        "update_user_pool_domain", domain="auth-api-demo", user_pool_id=house.pool_id, managed_login_version=2
    )

    managed = await login(house)

    assert "navy" in sheets(classic)[1]
    assert variables(managed)["paper"] == "#ff0000"


async def test_a_style_is_its_clients_alone_and_the_others_are_in_our_look(house: House) -> None:
    other = await house.add_client()
    await brand(house, settings={"components": {"pageBackground": {"lightMode": {"color": "ff0000ff"}}}})
    styled = await login(house)

    house.client_id = other
    ours = await login(house)

    assert len(sheets(styled)) == 2
    assert 'class="curtain' not in styled.text
    assert len(sheets(ours)) == 1
    assert 'class="curtain' in ours.text


async def test_the_houses_look_is_what_an_owner_may_ask_for(house: House) -> None:
    await brand(house, use_cognito_provided_values=True)

    assert len(sheets(await login(house))) == 1


@pytest.mark.parametrize(
    ("mode", "has_dark"), [("DYNAMIC", True), ("LIGHT", False), ("DARK", False)], ids=["both", "light", "dark"]
)
async def test_the_colour_scheme_is_the_owners_choice(house: House, mode: str, has_dark: bool) -> None:
    background = {"lightMode": {"color": "ffffffff"}, "darkMode": {"color": "000000ff"}}
    await brand(
        house,
        settings={"categories": {"global": {"colorSchemeMode": mode}}, "components": {"pageBackground": background}},
    )

    page = await login(house)

    assert ("@media (prefers-color-scheme: dark)" in sheets(page)[1]) is has_dark
    assert variables(page)["paper"] == ("#000000" if mode == "DARK" else "#ffffff")


async def test_images_are_shown_where_they_are_switched_on(house: House) -> None:
    assets = tuple(
        BrandingAssetType(category=category, color_mode=mode, extension="SVG", bytes=SVG + mode.encode())
        for category in ("FORM_LOGO", "PAGE_BACKGROUND", "FAVICON_SVG")
        for mode in ("LIGHT", "DARK")
    )
    switched_on = {"form": {"logo": {"enabled": True}}, "pageBackground": {"image": {"enabled": True}}}
    await brand(house, settings={"components": switched_on}, assets=assets)

    page = await login(house)
    light, dark = (f"data:image/svg+xml;base64,{b64encode(SVG + mode).decode()}" for mode in (b"LIGHT", b"DARK"))

    assert f'<link rel="icon" href="{light}">' in unescape(page.text)
    assert f'<source media="(prefers-color-scheme: dark)" srcset="{dark}">' in unescape(page.text)
    assert f'src="{light}"' in unescape(page.text)
    assert variables(page, dark=True)["behind-page"] == f'url("{dark}")'.split(";", maxsplit=1)[0]


async def test_images_that_are_not_switched_on_are_not_shown(house: House) -> None:
    asset = BrandingAssetType(category="FORM_LOGO", color_mode="DYNAMIC", extension="SVG", bytes=SVG)
    await brand(house, assets=(asset,))

    page = await login(house)

    assert "<picture>" not in page.text


async def test_other_languages_are_offered_unless_the_owner_says_no(house: House) -> None:
    await brand(house, settings={"categories": {"form": {"languageSelector": {"enabled": False}}}})

    assert "hreflang" not in (await login(house)).text


async def test_every_text_can_be_read_whatever_the_colours_are(house: House) -> None:
    """Grey on grey everywhere: each text becomes black or white, against the paper that it stands on."""
    grey = {"lightMode": {"backgroundColor": "777777ff"}, "darkMode": {"backgroundColor": "777777ff"}}
    text = dict.fromkeys(("bodyColor", "headingColor", "descriptionColor"), "7a7a7aff")
    button = {"defaults": {"backgroundColor": "888888ff", "textColor": "888888ff"}}
    await brand(
        house,
        settings={
            "components": {
                "form": grey,
                "pageText": {"lightMode": text, "darkMode": text},
                "primaryButton": {"lightMode": button, "darkMode": button},
            }
        },
    )

    page = await login(house)

    for dark in (False, True):
        shown = variables(page, dark=dark)
        for name, paper in (("ink", "form"), ("heading", "form"), ("quiet", "form"), ("on-velvet", "velvet")):
            seen, behind = (Color.parse(f"{shown[one][1:]}ff"[:8]) for one in (name, paper))
            assert contrast(seen, behind) >= LEGIBLE_CONTRAST, (name, dark)


@pytest.mark.parametrize(
    ("wanted", "paper", "shown"),
    [
        ("767676ff", "ffffffff", "#767676"),  # 4.54 to 1
        ("777777ff", "ffffffff", "#000000"),  # 4.48 to 1
        ("ffffffff", "000000ff", "#ffffff"),
        ("00000000", "ffffffff", "#000000"),  # what cannot be seen at all
        ("ffffff80", "808080ff", "#000000"),
    ],
)
def test_a_text_is_shown_as_wanted_from_four_and_a_half_to_one_on(wanted: str, paper: str, shown: str) -> None:
    assert legible(Color.parse(wanted), Color.parse(paper)).css == shown


def test_black_and_white_are_as_far_apart_as_can_be() -> None:
    assert contrast(Color.parse("000000ff"), Color.parse("ffffffff")) == pytest.approx(21)
    assert contrast(Color.parse("123456ff"), Color.parse("123456ff")) == pytest.approx(1)

"""Styles of managed login: kept as they were said, refused by the path of what is wrong, and gone with their client."""

from typing import Any

import pytest

from support.userpools import World, refused
from velvetrope.store.tables.userpools_branding import BrandingStore
from velvetrope.userpools.errors import InvalidParameterException
from velvetrope.userpools.looks.branding_settings import check_settings, default_settings, merged_settings
from velvetrope.userpools.shapes import BrandingAssetType

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
RED: dict[str, Any] = {"components": {"pageBackground": {"lightMode": {"color": "ff0000ff"}}}}


def logo(color_mode: Any = "LIGHT", content: bytes = PNG, extension: Any = "PNG") -> BrandingAssetType:
    return BrandingAssetType(category="FORM_LOGO", color_mode=color_mode, extension=extension, bytes=content)


async def styled(world: World, **members: Any) -> tuple[str, str, str]:
    """A pool, its client, and the id of the client's style."""
    pool_id = await world.pool()
    client_id = await world.client(pool_id)
    made = await world.create_managed_login_branding(
        user_pool_id=pool_id, client_id=client_id, **(members or {"settings": RED})
    )
    return pool_id, client_id, made["managed_login_branding"]["managed_login_branding_id"]


async def test_a_style_is_described_as_it_was_said(world: World) -> None:
    pool_id, client_id, style_id = await styled(world, settings=RED, assets=(logo(),))

    by_id = await world.describe_managed_login_branding(user_pool_id=pool_id, managed_login_branding_id=style_id)
    by_client = await world.describe_managed_login_branding_by_client(user_pool_id=pool_id, client_id=client_id)

    assert by_id == by_client
    style = by_id["managed_login_branding"]
    assert style["settings"] == RED
    assert style["use_cognito_provided_values"] is False
    assert [(one["category"], one["color_mode"], one["bytes"]) for one in style["assets"]] == [
        ("FORM_LOGO", "LIGHT", PNG)
    ]


async def test_merged_resources_say_every_setting(world: World) -> None:
    pool_id, _, style_id = await styled(world)

    described = await world.describe_managed_login_branding(
        user_pool_id=pool_id, managed_login_branding_id=style_id, return_merged_resources=True
    )

    settings = described["managed_login_branding"]["settings"]
    assert settings["components"]["pageBackground"]["lightMode"] == {"color": "ff0000ff"}
    assert settings == merged_settings(default_settings(), RED)
    assert check_settings(settings) == settings, "what is described can be sent back"


async def test_a_client_has_one_style(world: World) -> None:
    pool_id, client_id, _ = await styled(world)

    async with refused("ManagedLoginBrandingExistsException"):
        await world.create_managed_login_branding(user_pool_id=pool_id, client_id=client_id, settings=RED)


async def test_an_update_changes_what_it_names_and_keeps_the_rest(world: World) -> None:
    pool_id, _, style_id = await styled(world, settings=RED, assets=(logo("LIGHT"), logo("DARK")))
    blue = {"components": {"pageBackground": {"darkMode": {"color": "0000ffff"}}}}
    style = {"user_pool_id": pool_id, "managed_login_branding_id": style_id}

    await world.update_managed_login_branding(settings=blue, assets=(logo("DARK", SVG, "SVG"),), **style)
    kept = (await world.describe_managed_login_branding(**style))["managed_login_branding"]

    assert kept["settings"]["components"]["pageBackground"] == {
        "lightMode": {"color": "ff0000ff"},
        "darkMode": {"color": "0000ffff"},
    }
    assert [(one["color_mode"], one["extension"]) for one in kept["assets"]] == [("LIGHT", "PNG"), ("DARK", "SVG")]


async def test_the_houses_own_look_takes_the_place_of_a_style_and_gives_way_to_one(world: World) -> None:
    pool_id, _, style_id = await styled(world, settings=RED, assets=(logo(),))
    style = {"user_pool_id": pool_id, "managed_login_branding_id": style_id}

    await world.update_managed_login_branding(use_cognito_provided_values=True, **style)
    own = (await world.describe_managed_login_branding(**style))["managed_login_branding"]
    await world.update_managed_login_branding(settings=RED, **style)
    again = (await world.describe_managed_login_branding(**style))["managed_login_branding"]

    assert (own["use_cognito_provided_values"], own["settings"], own["assets"]) == (True, None, [])
    assert (again["use_cognito_provided_values"], again["settings"]) == (False, RED)


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"use_cognito_provided_values": True, "settings": RED}, id="the house's look and settings"),
        pytest.param({"use_cognito_provided_values": True, "assets": (logo(),)}, id="the house's look and an image"),
        pytest.param({"assets": ()}, id="nothing"),
    ],
)
async def test_a_style_is_one_of_two_things(world: World, members: dict[str, Any]) -> None:
    async with refused("InvalidParameterException"):
        await styled(world, **members)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"component": {}}, "Settings.component: there is no such setting."),
        ({"components": {"form": {"lightMode": {"color": "ffffffff"}}}}, "Settings.components.form.lightMode.color: "),
        ({"components": {"form": []}}, "Settings.components.form: a JSON object is needed."),
        (
            {"components": {"pageBackground": {"lightMode": {"color": "red"}}}},
            "Settings.components.pageBackground.lightMode.color: a colour of eight hexadecimal digits is needed.",
        ),
        (
            {"components": {"pageBackground": {"lightMode": {"color": "ffffff;} * {"}}}},
            "Settings.components.pageBackground.lightMode.color: a colour",
        ),
        ({"componentClasses": {"buttons": {"borderRadius": "8px"}}}, "Settings.componentClasses.buttons.borderRadius"),
        ({"componentClasses": {"buttons": {"borderRadius": 101}}}, "a number from 0 to 100 is needed."),
        ({"componentClasses": {"buttons": {"borderRadius": True}}}, "a number from 0 to 100 is needed."),
        ({"categories": {"global": {"colorSchemeMode": "SEPIA"}}}, "one of DARK, DYNAMIC, LIGHT is needed."),
        ({"categories": {"form": {"displayGraphics": 1}}}, "true or false is needed."),
        ({"components": {"favicon": {"enabledTypes": ["GIF"]}}}, "enabledTypes[0]: one of ICO, SVG is needed."),
        ({"categories": {"auth": {"authMethodOrder": [[{"display": "X"}]]}}}, "authMethodOrder[0][0].display: one of"),
    ],
)
async def test_a_setting_that_is_none_is_refused_by_its_path(world: World, settings: dict[str, Any], said: str) -> None:
    async with refused("InvalidParameterException") as refusal:
        await styled(world, settings=settings)
    assert said in refusal.value.message


@pytest.mark.parametrize("radius", [0, 100, 12.5])
def test_a_radius_may_be_anything_from_nothing_to_a_hundred(radius: float) -> None:
    assert check_settings({"componentClasses": {"buttons": {"borderRadius": radius}}})


@pytest.mark.parametrize("settings", [None, [], "{}", 1])
def test_a_document_that_is_no_object_is_refused(settings: object) -> None:
    with pytest.raises(InvalidParameterException, match="a JSON object is needed"):
        check_settings(settings)


@pytest.mark.parametrize(
    "asset",
    [
        pytest.param(logo(content=SVG), id="a picture that is another kind"),
        pytest.param(logo(content=b"GIF89a"), id="a picture that is no kind"),
        pytest.param(logo(content=b"<svg><script/></svg>", extension="SVG"), id="a script"),
        pytest.param(logo(content=b'<svg><image href="https://x.example/"/></svg>', extension="SVG"), id="a reference"),
        pytest.param(logo(extension="ICO", content=b"\x00\x00\x01\x00"), id="an icon for a logo"),
        pytest.param(BrandingAssetType(category="FORM_LOGO", color_mode="LIGHT", extension="PNG"), id="no bytes"),
        pytest.param(
            BrandingAssetType(category="FAVICON_ICO", color_mode="LIGHT", extension="PNG", bytes=PNG), id="a PNG icon"
        ),
        pytest.param(
            BrandingAssetType(category="IDP_BUTTON_ICON", color_mode="LIGHT", extension="PNG", bytes=PNG),
            id="an icon of no provider",
        ),
        pytest.param(
            BrandingAssetType(category="FORM_LOGO", color_mode="LIGHT", extension="PNG", bytes=PNG, resource_id="Corp"),
            id="a logo of a provider",
        ),
    ],
)
async def test_an_image_that_is_not_what_it_says_is_refused(world: World, asset: BrandingAssetType) -> None:
    async with refused("InvalidParameterException"):
        await styled(world, assets=(asset,))


async def test_an_image_is_given_once_for_a_place(world: World) -> None:
    async with refused("InvalidParameterException", "Assets: an image is given twice for the same place."):
        await styled(world, assets=(logo(), logo()))


async def test_images_have_a_limit_together(world: World) -> None:
    half = PNG + b"0" * (1024 * 1024 - len(PNG))
    pool_id, _, style_id = await styled(world, assets=(logo("LIGHT", half), logo("DARK", half)))

    async with refused("InvalidParameterException", "Assets: a style has at most 40 images of 2 MB together."):
        await world.update_managed_login_branding(
            user_pool_id=pool_id, managed_login_branding_id=style_id, assets=(logo("DYNAMIC"),)
        )


async def test_a_style_that_is_deleted_is_gone_and_makes_room(world: World) -> None:
    pool_id, client_id, style_id = await styled(world)
    style = {"user_pool_id": pool_id, "managed_login_branding_id": style_id}

    await world.delete_managed_login_branding(**style)

    for operation in (world.describe_managed_login_branding, world.delete_managed_login_branding):
        async with refused("ResourceNotFoundException"):
            await operation(**style)
    async with refused("ResourceNotFoundException"):
        await world.update_managed_login_branding(settings=RED, **style)
    async with refused("ResourceNotFoundException"):
        await world.describe_managed_login_branding_by_client(user_pool_id=pool_id, client_id=client_id)
    await world.create_managed_login_branding(user_pool_id=pool_id, client_id=client_id, settings=RED)


async def test_a_style_goes_with_its_client_and_with_its_pool(world: World) -> None:
    store = BrandingStore(world.database)
    pool_id, client_id, style_id = await styled(world)
    await world.delete_user_pool_client(user_pool_id=pool_id, client_id=client_id)
    other_id, _, other_style = await styled(world)
    assert await store.load(pool_id, style_id) is None
    assert await store.load(other_id, other_style) is not None

    await world.delete_user_pool(user_pool_id=other_id)

    assert await store.load(other_id, other_style) is None


async def test_a_style_of_one_pool_is_none_of_another(world: World) -> None:
    pool_id, client_id, style_id = await styled(world)
    other_id = await world.pool()

    async with refused("ResourceNotFoundException"):
        await world.describe_managed_login_branding(user_pool_id=other_id, managed_login_branding_id=style_id)
    async with refused("ResourceNotFoundException"):
        await world.create_managed_login_branding(user_pool_id=other_id, client_id=client_id, settings=RED)
    assert (await world.describe_managed_login_branding_by_client(user_pool_id=pool_id, client_id=client_id))[
        "managed_login_branding"
    ]["managed_login_branding_id"] == style_id

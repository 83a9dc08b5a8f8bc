"""A name is one person's: as a user name, as an alias of any kind, and as what a provider's user will be called."""

import pytest

from support.federated_users import come_from_google, federated_pool
from support.userpools import PASSWORD, World, attribute_list, refused
from velvetrope.store.tables.userpools import UsernameConfiguration

ALIASES = ("email", "preferred_username")
NOT_FEDERATED = "Username cannot begin with the name of an identity provider and _."


async def test_nobody_calls_themselves_by_somebody_elses_preferred_name(world: World) -> None:
    pool_id = await world.pool(alias_attributes=ALIASES)
    client_id = await world.client(pool_id)
    await world.user(pool_id, "anna", preferred_username="annabel")

    async with refused("UsernameExistsException", "User already exists"):
        await world.sign_up(client_id=client_id, username="annabel", password=PASSWORD)

    tokens = await world.sign_in(client_id, username="annabel")
    assert (await world.get_user(access_token=tokens["access_token"]))["username"] == "anna"


async def test_nobody_prefers_a_name_that_somebody_has(world: World) -> None:
    pool_id = await world.pool(alias_attributes=ALIASES)
    client_id = await world.client(pool_id)
    await world.user(pool_id, "anna")
    await world.user(pool_id, "eve")
    eve = (await world.sign_in(client_id, username="eve"))["access_token"]

    async with refused("AliasExistsException"):
        await world.update_user_attributes(access_token=eve, user_attributes=attribute_list(preferred_username="anna"))

    # One's own name is no harm.
    await world.update_user_attributes(access_token=eve, user_attributes=attribute_list(preferred_username="eve"))


@pytest.mark.parametrize("case_sensitive", [True, False])
async def test_nobody_is_found_under_somebody_elses_address(world: World, case_sensitive: bool) -> None:
    configuration = UsernameConfiguration(case_sensitive=case_sensitive)
    pool_id = await world.pool(alias_attributes=ALIASES, username_configuration=configuration)
    client_id = await world.client(pool_id)
    await world.user(pool_id, "anna", email="anna@example.com", email_verified="true")
    await world.user(pool_id, "eve")
    eve = (await world.sign_in(client_id, username="eve"))["access_token"]

    for name in ("anna@example.com", "bert@example.com"):
        async with refused("InvalidParameterException"):
            await world.update_user_attributes(
                access_token=eve, user_attributes=attribute_list(preferred_username=name)
            )

    await world.forgot_password(client_id=client_id, username="anna@example.com")
    [message] = await world.pools.outbox.messages(pool_id)
    assert message.to == "anna@example.com"


async def test_an_address_that_was_preferred_before_addresses_were_aliases_is_given_to_no_second_person(
    world: World,
) -> None:
    """A preferred name of today's rules is no address; one that is there all the same stays one person's."""
    pool_id = await world.pool(alias_attributes=("preferred_username",))
    await world.user(pool_id, "eve", preferred_username="anna@example.com")

    async with refused("UsernameExistsException"):
        await world.user(pool_id, "anna@example.com")


@pytest.mark.parametrize("name", ["Google_1234", "Google_"])
async def test_nobody_signs_up_as_a_user_of_a_provider(world: World, name: str) -> None:
    pool_id, client_id = await federated_pool(world)

    async with refused("InvalidParameterException", NOT_FEDERATED):
        await world.sign_up(client_id=client_id, username=name, password=PASSWORD)

    assert (await come_from_google(world, pool_id, client_id)).username == "Google_1234"


async def test_a_spelling_that_the_pool_takes_for_the_same_is_no_way_round(world: World) -> None:
    ignoring = UsernameConfiguration(case_sensitive=False)
    _, client_id = await federated_pool(world, username_configuration=ignoring)
    _, exact = await federated_pool(world)

    async with refused("InvalidParameterException", NOT_FEDERATED):
        await world.sign_up(client_id=client_id, username="gOOGLE_1234", password=PASSWORD)
    await world.sign_up(client_id=exact, username="gOOGLE_1234", password=PASSWORD)


async def test_names_of_providers_that_the_pool_has_not_are_names_like_any_other(world: World) -> None:
    _, client_id = await federated_pool(world)

    await world.sign_up(client_id=client_id, username="Facebook_1234", password=PASSWORD)
    await world.sign_up(client_id=client_id, username="Googler", password=PASSWORD)


async def test_a_preferred_name_does_not_keep_a_user_of_a_provider_out(world: World) -> None:
    pool_id, client_id = await federated_pool(world, alias_attributes=("preferred_username",))
    await world.user(pool_id, "eve", preferred_username="Google_1234")

    user = await come_from_google(world, pool_id, client_id)

    assert user.username == "Google_1234"
    assert (await world.admin_get_user(user_pool_id=pool_id, username="Google_1234"))["user_status"] == (
        "EXTERNAL_PROVIDER"
    )


@pytest.mark.parametrize(
    "name",
    [
        "an na",
        "an\tna",
        "anna\x00",
        "anna\x1b[31m",
        "an\u200bna",
        "an\u00adna",
        "anna\u202e",
        "an\u2028na",
        "a" * 129,
        "\u0130" * 65,
    ],
    ids=ascii,
)
async def test_a_name_that_no_call_could_name_is_nobody_s(world: World, name: str) -> None:
    """Pages and functions are not held against the model as calls are; `World` is neither."""
    pool_id = await world.pool()
    client_id = await world.client(pool_id)

    async with refused("InvalidParameterException"):
        await world.sign_up(client_id=client_id, username=name, password=PASSWORD)
    async with refused("InvalidParameterException"):
        await world.admin_create_user(user_pool_id=pool_id, username=name)

    assert (await world.list_users(user_pool_id=pool_id))["users"] == []


@pytest.mark.parametrize("name", ["a" * 128, "Änne", "安娜", "anna+1@people", "ann\u0301a", "№1", "a_b-c.d"])
async def test_a_name_of_letters_marks_numbers_signs_and_points_is_one(world: World, name: str) -> None:
    pool_id = await world.pool()
    client_id = await world.client(pool_id)
    await world.user(pool_id, name)

    assert "access_token" in await world.sign_in(client_id, username=name)


@pytest.mark.parametrize(
    "address",
    ["a\x1b[31m@b.example", "a\x00@b.example", "a,b@c.example", "a;b@c.example", "a@b\u200b.example", "a<b@c.d"],
)
async def test_an_address_that_is_two_or_commands_a_terminal_is_none(world: World, address: str) -> None:
    pool_id = await world.pool()

    async with refused("InvalidParameterException", "Invalid email address format."):
        await world.admin_create_user(
            user_pool_id=pool_id, username="anna", user_attributes=attribute_list(email=address)
        )


async def test_an_address_may_be_in_any_script(world: World) -> None:
    pool_id = await world.pool()

    await world.user(pool_id, email="änne.o'neill+1@münchen.example")

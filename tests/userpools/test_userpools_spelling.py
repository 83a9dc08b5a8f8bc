"""Capitals in pools that ignore case, and names that resemble addresses: no spelling says who is there."""

import re
from typing import Any

import msgspec
import pytest
from sqlalchemy import update

from support.userpools import PASSWORD, World, attribute_list, claims_of, refused, srp_client
from velvetrope.store.tables.userpools import StoredUser, UsernameConfiguration
from velvetrope.store.tables.userpools_users import columns_of, users

IGNORING = UsernameConfiguration(case_sensitive=False)


async def attributes(world: World, pool_id: str, username: str) -> dict[str, str]:
    shown = await world.admin_get_user(user_pool_id=pool_id, username=username)
    return {one["name"]: one["value"] for one in shown["user_attributes"]}


async def told(world: World, pool_id: str, client_id: str, username: str) -> tuple[str, str]:
    """What a stranger is told of a name: by a challenge, and by where a code went."""
    challenge = await world.initiate_auth(
        auth_flow="USER_SRP_AUTH",
        client_id=client_id,
        auth_parameters=srp_client(pool_id, client_id, username).get_auth_params(),
    )
    sent = await world.forgot_password(client_id=client_id, username=username)
    return challenge["challenge_parameters"]["USER_ID_FOR_SRP"], sent["code_delivery_details"]["destination"]


async def test_names_and_addresses_are_told_in_lower_case_where_case_is_ignored(world: World) -> None:
    pool_id = await world.pool(username_configuration=IGNORING, alias_attributes=("email", "preferred_username"))
    client_id = await world.client(pool_id)
    await world.user(
        pool_id, "Anna", email="Anna@Example.com", email_verified="true", preferred_username="AnnA-Z", given_name="Anna"
    )

    for name in ("ANNA", "anna@EXAMPLE.com", "anna-Z"):
        claims = claims_of((await world.sign_in(client_id, username=name))["id_token"])
        assert [claims[one] for one in ("cognito:username", "email", "preferred_username", "given_name")] == [
            "anna",
            "anna@example.com",
            "anna-z",
            "Anna",
        ]


async def test_they_are_told_as_they_were_given_where_it_is_not(world: World) -> None:
    pool_id = await world.pool(alias_attributes=("email",))
    await world.user(pool_id, "Anna", email="Anna@Example.com", email_verified="true")

    assert (await attributes(world, pool_id, "Anna@Example.com"))["email"] == "Anna@Example.com"
    async with refused("UserNotFoundException"):
        await world.admin_get_user(user_pool_id=pool_id, username="anna@example.com")


async def test_one_address_in_two_spellings_is_one_where_case_is_ignored(world: World) -> None:
    pool_id = await world.pool(username_configuration=IGNORING, username_attributes=("email",))
    client_id = await world.client(pool_id)

    await world.sign_up(
        client_id=client_id,
        username="Anna@example.com",
        password=PASSWORD,
        user_attributes=attribute_list(email="anna@EXAMPLE.com"),
    )

    assert (await attributes(world, pool_id, "ANNA@example.com"))["email"] == "anna@example.com"
    async with refused("UsernameExistsException"):
        await world.sign_up(client_id=client_id, username="ANNA@example.com", password=PASSWORD)


async def test_an_address_in_another_spelling_stays_verified_where_case_is_ignored(world: World) -> None:
    pool_id = await world.pool(username_configuration=IGNORING)
    client_id = await world.client(pool_id)
    await world.user(pool_id, email="anna@example.com", email_verified="true")
    token = (await world.sign_in(client_id))["access_token"]

    await world.update_user_attributes(access_token=token, user_attributes=attribute_list(email="ANNA@example.com"))
    kept = await attributes(world, pool_id, "anna")
    await world.update_user_attributes(access_token=token, user_attributes=attribute_list(email="ANNE@example.com"))
    changed = await attributes(world, pool_id, "anna")

    assert (kept["email"], kept["email_verified"]) == ("anna@example.com", "true")
    assert (changed["email"], changed["email_verified"]) == ("anne@example.com", "false")


async def test_who_has_capitals_since_before_keeps_address_and_proof(world: World) -> None:
    pool_id = await world.pool(username_configuration=IGNORING, auto_verified_attributes=("email",))
    client_id = await world.client(pool_id)
    await world.user(pool_id, email="anna@example.com", email_verified="true", given_name="Anna")
    stored = await world.store.load_user(pool_id, "anna")
    assert isinstance(stored, StoredUser)
    before = msgspec.structs.replace(stored.user, attributes={**stored.user.attributes, "email": "Anna@Example.com"})
    async with world.database.transaction() as tx:
        await tx.connection.execute(update(users).where(users.c.username_key == "anna").values(**columns_of(before)))
    token = (await world.sign_in(client_id))["access_token"]

    answers = [
        await world.update_user_attributes(access_token=token, user_attributes=attribute_list(**said))
        for said in ({"given_name": "Anne"}, {"email": "Anna@Example.com"}, {"email": "anna@example.com"})
    ]

    kept = await attributes(world, pool_id, "anna")
    assert [answer["code_delivery_details_list"] for answer in answers] == [[], [], []]
    assert (kept["given_name"], kept["email"], kept["email_verified"]) == ("Anne", "Anna@Example.com", "true")


@pytest.mark.parametrize(
    ("pool", "somebody", "nobody"),
    [
        ({"username_configuration": IGNORING}, "ANNA", "OTTO"),
        ({"username_configuration": IGNORING, "alias_attributes": ("email",)}, "ANNA", "OTTO"),
    ],
    ids=["user names", "user names beside aliases"],
)
async def test_capitals_say_nothing_of_who_is_there(
    world: World, pool: dict[str, Any], somebody: str, nobody: str
) -> None:
    pool_id = await world.pool(**pool)
    client_id = await world.client(pool_id, prevent_user_existence_errors="ENABLED")
    await world.user(pool_id, "Anna", email="Anna@Example.com", email_verified="true")

    their_name, their_address = await told(world, pool_id, client_id, somebody)
    made_up_name, made_up_address = await told(world, pool_id, client_id, nobody)

    assert (their_name, made_up_name) == (somebody.lower(), nobody.lower())
    assert their_address == their_address.lower()
    assert made_up_address == made_up_address.lower()


async def test_capitals_of_an_address_say_nothing_either(world: World) -> None:
    pool_id = await world.pool(username_configuration=IGNORING, username_attributes=("email",))
    client_id = await world.client(pool_id, prevent_user_existence_errors="ENABLED")
    await world.user(pool_id, "Anna@Example.com", email_verified="true")

    _, theirs = await told(world, pool_id, client_id, "ANNA@EXAMPLE.COM")
    _, made_up = await told(world, pool_id, client_id, "OTTO@EXAMPLE.COM")

    assert (theirs, made_up) == ("a***@e***", "o***@e***")


@pytest.mark.parametrize(
    ("name", "kind", "address", "shape"),
    [
        ("@{}", "email", "anna@example.com", r"[a-z]\*{3}@[a-z]\*{3}"),
        ("{}@", "email", "anna@example.com", r"[a-z]\*{3}@[a-z]\*{3}"),
        ("+{}", "phone_number", "+15551234567", r"\+\*{7}[0-9]{4}"),
    ],
)
async def test_name_that_only_resembles_an_address_is_a_name_whoever_has_it(
    world: World, name: str, kind: Any, address: str, shape: str
) -> None:
    """What is made up for it looks like what is told of somebody who is called so, and not like the name."""
    pool_id = await world.pool(alias_attributes=("email", "phone_number"), auto_verified_attributes=(kind,))
    client_id = await world.client(pool_id, prevent_user_existence_errors="ENABLED")
    somebody, nobody = name.format("anna"), name.format("otto")
    await world.user(pool_id, somebody, **{kind: address, f"{kind}_verified": "true"})

    their_name, their_address = await told(world, pool_id, client_id, somebody)
    made_up_name, made_up_address = await told(world, pool_id, client_id, nobody)

    assert (their_name, made_up_name) == (somebody, nobody)
    assert re.fullmatch(shape, their_address)
    assert re.fullmatch(shape, made_up_address)

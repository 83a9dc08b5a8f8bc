"""Terms documents: one of each name for a client, links that are web addresses, gone with client and pool."""

from typing import Any

import pytest

from support.userpools import World, refused

LINKS = {"cognito:default": "https://example.com/terms", "cognito:german": "https://example.com/de/terms"}


async def with_terms(world: World, **members: Any) -> tuple[str, str, dict[str, Any]]:
    """A pool, its client, and the client's terms of use."""
    pool_id = await world.pool()
    client_id = await world.client(pool_id)
    return pool_id, client_id, await create(world, pool_id, client_id, **members)


async def create(world: World, pool_id: str, client_id: str, **members: Any) -> dict[str, Any]:
    made = await world.create_terms(
        user_pool_id=pool_id,
        client_id=client_id,
        terms_source="LINK",
        enforcement="NONE",
        **{"terms_name": "terms-of-use", "links": LINKS, **members},
    )
    terms: dict[str, Any] = made["terms"]
    return terms


async def test_a_document_is_described_by_its_id_and_by_its_client_as_it_was_said(world: World) -> None:
    pool_id, client_id, made = await with_terms(world)

    by_id = await world.describe_terms(user_pool_id=pool_id, terms_id=made["terms_id"])
    by_client = await world.describe_terms_by_client(
        user_pool_id=pool_id, client_id=client_id, terms_name="terms-of-use"
    )

    assert by_id["terms"] == by_client["terms"] == made
    assert (made["links"], made["terms_source"], made["enforcement"]) == (LINKS, "LINK", "NONE")
    assert made["creation_date"] == made["last_modified_date"] == world.now


async def test_a_client_has_one_document_of_each_name(world: World) -> None:
    pool_id, client_id, _ = await with_terms(world)
    other = await world.client(pool_id)

    await create(world, pool_id, client_id, terms_name="privacy-policy")
    await create(world, pool_id, other)

    async with refused("TermsExistsException"):
        await create(world, pool_id, client_id)


async def test_an_update_replaces_the_links_that_it_gives_and_keeps_what_it_leaves_out(world: World) -> None:
    pool_id, _, made = await with_terms(world)
    world.later(hours=1)

    changed = await world.update_terms(
        user_pool_id=pool_id, terms_id=made["terms_id"], links={"cognito:default": "https://example.com/new"}
    )
    renamed = await world.update_terms(user_pool_id=pool_id, terms_id=made["terms_id"], terms_name="privacy-policy")

    assert changed["terms"]["links"] == renamed["terms"]["links"] == {"cognito:default": "https://example.com/new"}
    assert renamed["terms"]["terms_name"] == "privacy-policy"
    assert renamed["terms"]["last_modified_date"] == world.now
    assert renamed["terms"]["creation_date"] == made["creation_date"]


async def test_a_document_takes_no_name_that_another_one_of_its_client_has(world: World) -> None:
    pool_id, client_id, made = await with_terms(world)
    await create(world, pool_id, client_id, terms_name="privacy-policy")

    async with refused("TermsExistsException"):
        await world.update_terms(user_pool_id=pool_id, terms_id=made["terms_id"], terms_name="privacy-policy")

    kept = await world.describe_terms(user_pool_id=pool_id, terms_id=made["terms_id"])
    assert kept["terms"] == made


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "http://example.com/terms",
        "//example.com/terms",
        "/terms",
        "https:///terms",
        "data:text/html,hello",
        "https://[half/terms",
    ],
)
async def test_a_link_is_a_web_address(world: World, link: str) -> None:
    pool_id = await world.pool()
    client_id = await world.client(pool_id)

    async with refused("InvalidParameterException", "Links: cognito:german is not an https URL."):
        await create(world, pool_id, client_id, links={**LINKS, "cognito:german": link})


async def test_a_link_to_this_machine_may_be_http(world: World) -> None:
    _, _, made = await with_terms(world, links={"cognito:default": "http://localhost:3000/terms"})

    assert made["links"] == {"cognito:default": "http://localhost:3000/terms"}


async def test_documents_have_links(world: World) -> None:
    pool_id = await world.pool()
    client_id = await world.client(pool_id)

    async with refused("InvalidParameterException"):
        await create(world, pool_id, client_id, links=None)


async def test_documents_are_listed_page_by_page(world: World) -> None:
    pool_id, client_id, first = await with_terms(world)
    second = await create(world, pool_id, client_id, terms_name="privacy-policy")
    await with_terms(world)

    one = await world.list_terms(user_pool_id=pool_id, max_results=1)
    two = await world.list_terms(user_pool_id=pool_id, max_results=1, next_token=one["next_token"])
    three = await world.list_terms(user_pool_id=pool_id, max_results=1, next_token=two["next_token"])

    listed = [*one["terms"], *two["terms"]]
    assert {entry["terms_id"] for entry in listed} == {first["terms_id"], second["terms_id"]}
    assert listed[0].keys() == {"terms_id", "terms_name", "enforcement", "creation_date", "last_modified_date"}
    assert (three["terms"], three["next_token"]) == ([], None)
    async with refused("InvalidParameterException"):
        await world.list_terms(user_pool_id=pool_id, next_token="no page")


async def test_a_document_goes_once_and_its_name_is_free_again(world: World) -> None:
    pool_id, client_id, made = await with_terms(world)

    await world.delete_terms(user_pool_id=pool_id, terms_id=made["terms_id"])

    async with refused("ResourceNotFoundException"):
        await world.delete_terms(user_pool_id=pool_id, terms_id=made["terms_id"])
    async with refused("ResourceNotFoundException"):
        await world.update_terms(user_pool_id=pool_id, terms_id=made["terms_id"])
    async with refused("ResourceNotFoundException"):
        await world.describe_terms_by_client(user_pool_id=pool_id, client_id=client_id, terms_name="terms-of-use")
    assert (await create(world, pool_id, client_id))["terms_id"] != made["terms_id"]


async def test_a_document_of_another_pool_is_none(world: World) -> None:
    pool_id, client_id, made = await with_terms(world)
    other_pool = await world.pool()

    for operation in (world.describe_terms, world.update_terms, world.delete_terms):
        async with refused("ResourceNotFoundException"):
            await operation(user_pool_id=other_pool, terms_id=made["terms_id"])
    async with refused("ResourceNotFoundException"):
        await create(world, other_pool, client_id)
    async with refused("ResourceNotFoundException"):
        await world.list_terms(user_pool_id="us-west-2_nothere12")
    assert (await world.describe_terms(user_pool_id=pool_id, terms_id=made["terms_id"]))["terms"] == made


async def test_documents_go_with_their_client(world: World) -> None:
    pool_id, client_id, made = await with_terms(world)

    await world.delete_user_pool_client(user_pool_id=pool_id, client_id=client_id)

    async with refused("ResourceNotFoundException"):
        await world.describe_terms(user_pool_id=pool_id, terms_id=made["terms_id"])
    assert (await world.list_terms(user_pool_id=pool_id))["terms"] == []

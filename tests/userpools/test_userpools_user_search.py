"""ListUsers with a filter: whom it finds, page after page, and that an index answers where there is one."""

from typing import Any

import pytest
from sqlalchemy import event, update

from support.userpools import PASSWORD, World, attribute_list, refused
from velvetrope.store import Database
from velvetrope.store.tables.userpools_search import UserSearch, UserSearchStore
from velvetrope.store.tables.userpools_settings import UsernameConfiguration
from velvetrope.store.tables.userpools_users import users

NAMES = [f"{first}{second}" for first in "abc" for second in "xyz"]


@pytest.fixture
async def pool_id(world: World) -> str:
    """Nine users, some of them disabled, confirmed, or with a phone."""
    pool_id = await world.lax_pool()
    for number, name in enumerate(NAMES):
        attributes = {"email": f"{name}@people.example"}
        if number % 3 == 0:
            attributes["phone_number"] = f"+1555{number:07d}"
        await world.admin_create_user(
            user_pool_id=pool_id,
            username=name,
            message_action="SUPPRESS",
            user_attributes=attribute_list(**attributes, given_name=name.upper()),
        )
    await world.admin_set_user_password(user_pool_id=pool_id, username="ax", password=PASSWORD, permanent=True)
    await world.admin_disable_user(user_pool_id=pool_id, username="by")
    return pool_id


async def found(world: World, pool_id: str, filter_text: str, *, limit: int = 60) -> list[str]:
    """The names, of all pages."""
    names: list[str] = []
    token: dict[str, str] = {}
    while True:
        page: dict[str, Any] = await world.list_users(user_pool_id=pool_id, filter=filter_text, limit=limit, **token)
        names += [user["username"] for user in page["users"]]
        if page["pagination_token"] is None:
            return names
        assert len(page["users"]) == limit
        token = {"pagination_token": page["pagination_token"]}


FILTERS = [
    ('username = "ax"', ["ax"]),
    ('username ^= "a"', ["ax", "ay", "az"]),
    ('username ^= "A"', []),
    ('email = "by@people.example"', ["by"]),
    ('email = "BY@people.example"', []),
    ('email ^= "b"', ["bx", "by", "bz"]),
    ('email ^= "%"', []),
    ('phone_number ^= "+1555"', ["ax", "bx", "cx"]),
    ('phone_number = "+15550000003"', ["bx"]),
    ('cognito:user_status = "confirmed"', ["ax"]),
    ('cognito:user_status ^= "FORCE"', NAMES[1:]),
    ('status = "Disabled"', ["by"]),
    ('status ^= "En"', [name for name in NAMES if name != "by"]),
    ('status = "Asleep"', []),
    ('given_name = "CZ"', ["cz"]),
    ('email ^= ""', NAMES),
    ('phone_number = ""', [name for number, name in enumerate(NAMES) if number % 3]),
]


@pytest.mark.parametrize("limit", [1, 2, 60])
async def test_filters_find_whom_they_name_page_after_page(world: World, pool_id: str, limit: int) -> None:
    results = {filter_text: await found(world, pool_id, filter_text, limit=limit) for filter_text, _ in FILTERS}

    assert results == dict(FILTERS)


async def test_users_are_found_by_their_sub(world: World, pool_id: str) -> None:
    user = await world.admin_get_user(user_pool_id=pool_id, username="cy")
    sub = next(one["value"] for one in user["user_attributes"] if one["name"] == "sub")

    assert await found(world, pool_id, f'sub = "{sub}"') == ["cy"]
    assert "cy" in await found(world, pool_id, f'sub ^= "{sub[:20]}"')


async def test_name_is_compared_as_it_is_shown_where_the_pool_ignores_case(world: World) -> None:
    pool_id = await world.pool(username_configuration=UsernameConfiguration(case_sensitive=False))
    await world.user(pool_id, "Anna")

    assert await found(world, pool_id, 'username = "anna"') == ["anna"]
    assert await found(world, pool_id, 'username = "Anna"') == []
    assert await found(world, pool_id, 'username ^= "an"') == ["anna"]


async def test_changed_address_is_found_and_the_one_before_is_not(world: World, pool_id: str) -> None:
    await world.admin_update_user_attributes(
        user_pool_id=pool_id, username="ax", user_attributes=attribute_list(email="new@people.example")
    )

    assert await found(world, pool_id, 'email = "new@people.example"') == ["ax"]
    assert await found(world, pool_id, 'email = "ax@people.example"') == []


async def test_rows_of_an_older_schema_are_found_too(world: World, pool_id: str, database: Database) -> None:
    async with database.transaction() as tx:
        await tx.connection.execute(
            update(users)
            .where(users.c.username_key.in_(["ay", "bx", "cz"]))
            .values(email=None, phone_number=None, status=None, searchable=False)
        )

    for limit in (1, 2, 60):
        assert sorted(await found(world, pool_id, 'email ^= "a"', limit=limit)) == ["ax", "ay", "az"]
        assert sorted(await found(world, pool_id, 'cognito:user_status ^= "FORCE"', limit=limit)) == NAMES[1:]
        assert await found(world, pool_id, 'email = "cz@people.example"', limit=limit) == ["cz"]


async def test_very_long_address_is_found_by_all_of_it(world: World) -> None:
    pool_id = await world.pool()
    for name, domain in (("anna", "b"), ("bea", "c")):
        await world.user(pool_id, name, email=f"{'x' * 400}@{domain}.example")

    assert await found(world, pool_id, f'email = "{"x" * 400}@c.example"') == ["bea"]


async def test_token_that_is_none_of_ours_is_refused(world: World) -> None:
    pool_id = await world.pool()

    for token in ("bm9uc2Vuc2U=", "!", "WyJhIl0="):
        async with refused("InvalidParameterException", "Invalid PaginationToken"):
            await world.list_users(user_pool_id=pool_id, pagination_token=token)


SEARCHES = [
    UserSearch("email", "a"),
    UserSearch("email", "a", is_prefix=True),
    UserSearch("phone_number", "+1", is_prefix=True),
    UserSearch("status", "CONFIRMED"),
    UserSearch("sub", "a", is_prefix=True),
    UserSearch("username_key", "a", is_prefix=True),
    UserSearch("enabled", value=False),
]


async def test_database_answers_from_an_index_and_sorts_nothing(database: Database) -> None:
    asked: list[tuple[str, Any]] = []

    def remember(_connection: Any, _cursor: Any, statement: str, given: Any, _context: Any, _many: bool) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, given))

    event.listen(database._engine, "before_cursor_execute", remember)
    for search in SEARCHES:
        await UserSearchStore(database).load_found("us-west-2_a", search, after=("a", "a"), limit=10)
    event.remove(database._engine, "before_cursor_execute", remember)

    assert len(asked) == len(SEARCHES)
    with database._engine.connect() as connection:
        for statement, given in asked:
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)]
            assert len(plan) == 1, plan
            assert "USING INDEX" in plan[0]
            assert plan[0].count("?") >= 2, plan

"""Where somebody is signed in: listed by themselves and by administrators, and ended one by one."""

from typing import Any

from support.userpools import World, refused
from velvetrope.userpools.tokens.session_settings import ClientSsoSession, TokenSession


def ids(answer: dict[str, Any]) -> list[str]:
    return [one["session_id"] for one in answer["sessions"]]


async def test_sessions_are_listed_newest_first_and_the_present_one_is_marked(world: World) -> None:
    pool_id, client_id = await world.some_user()
    first = await world.sign_in(client_id)
    began_at = world.now
    world.later(minutes=1)
    second = await world.sign_in(client_id)

    own = await world.list_user_sessions(access_token=first["access_token"])
    listed = await world.admin_list_user_sessions(user_pool_id=pool_id, username="anna")

    assert [one["is_current_session"] for one in own["sessions"]] == [False, True]
    assert ids(own) == ids(listed)
    assert own["sessions"][1] == {
        "session_id": ids(own)[1],
        "session_type": "TOKEN",
        "client_id": client_id,
        "create_date": began_at,
        "is_current_session": True,
    }
    assert len(ids(own)[0]) == 28
    refreshed = await world.refresh(client_id, second["refresh_token"])
    assert ids(await world.list_user_sessions(access_token=refreshed["access_token"])) == ids(own)


async def test_session_is_ended_from_another_one_and_its_tokens_are_dead(world: World) -> None:
    _, client_id = await world.some_user()
    lost = await world.sign_in(client_id)
    world.later(seconds=1)
    present = await world.sign_in(client_id)
    own = await world.list_user_sessions(access_token=present["access_token"])

    answer = await world.revoke_user_session(access_token=present["access_token"], session_id=ids(own)[1])

    assert answer == {}
    async with refused("NotAuthorizedException", "Access Token has been revoked"):
        await world.get_user(access_token=lost["access_token"])
    async with refused("NotAuthorizedException"):
        await world.refresh(client_id, lost["refresh_token"])
    assert ids(await world.list_user_sessions(access_token=present["access_token"])) == ids(own)[:1]
    async with refused("ResourceNotFoundException", "Session not found."):
        await world.revoke_user_session(access_token=present["access_token"], session_id=ids(own)[1])


async def test_session_does_not_end_itself(world: World) -> None:
    _, client_id = await world.some_user()
    present = await world.sign_in(client_id)
    [mine] = ids(await world.list_user_sessions(access_token=present["access_token"]))

    async with refused("InvalidParameterException", "The session of the access token cannot be revoked by it."):
        await world.revoke_user_session(access_token=present["access_token"], session_id=mine)
    assert await world.get_user(access_token=present["access_token"])


async def test_administrator_ends_a_session_of_one_user_and_of_no_other(world: World) -> None:
    pool_id, client_id = await world.some_user()
    await world.user(pool_id, "bea")
    anna, bea = await world.sign_in(client_id), await world.sign_in(client_id, "bea")
    [hers] = ids(await world.admin_list_user_sessions(user_pool_id=pool_id, username="anna"))

    async with refused("ResourceNotFoundException", "Session not found."):
        await world.admin_revoke_user_session(user_pool_id=pool_id, username="bea", session_id=hers)
    await world.admin_revoke_user_session(user_pool_id=pool_id, username="anna", session_id=hers)

    async with refused("NotAuthorizedException"):
        await world.get_user(access_token=anna["access_token"])
    assert await world.get_user(access_token=bea["access_token"])
    async with refused("UserNotFoundException"):
        await world.admin_list_user_sessions(user_pool_id=pool_id, username="nobody")


async def test_session_whose_refresh_token_is_dead_is_not_listed(world: World) -> None:
    pool_id, client_id = await world.some_user()
    await world.sign_in(client_id)

    world.later(days=30, microseconds=-1)
    assert len(ids(await world.admin_list_user_sessions(user_pool_id=pool_id, username="anna"))) == 1
    world.later(microseconds=1)
    assert ids(await world.admin_list_user_sessions(user_pool_id=pool_id, username="anna")) == []


async def test_token_that_is_dead_lists_nothing(world: World) -> None:
    _, client_id = await world.some_user()
    tokens = await world.sign_in(client_id)
    await world.global_sign_out(access_token=tokens["access_token"])

    async with refused("NotAuthorizedException", "Access Token has been revoked"):
        await world.list_user_sessions(access_token=tokens["access_token"])


async def track(world: World, pool_id: str, most: int) -> Any:
    return await world.set_user_pool_session_configuration(
        user_pool_id=pool_id, user_session_tracking="ENABLED", token_session=TokenSession(max_per_user=most)
    )


async def test_pool_says_how_it_tracks_sessions(world: World) -> None:
    pool_id, _ = await world.some_user()
    before = await world.get_user_pool_session_configuration(user_pool_id=pool_id)

    answer = await track(world, pool_id, 2)

    assert before == {
        "user_pool_id": pool_id,
        "user_session_tracking": "DISABLED",
        "token_session": {"max_per_user": 20},
    }
    assert (answer["user_session_tracking"], answer["token_session"]) == ("ENABLED", {"max_per_user": 2})
    assert await world.get_user_pool_session_configuration(user_pool_id=pool_id) == answer


async def test_pool_that_is_not_there_or_of_the_lite_tier_tracks_none(world: World) -> None:
    lite = await world.pool(user_pool_tier="LITE")

    async with refused("FeatureUnavailableInTierException"):
        await track(world, lite, 2)
    async with refused("ResourceNotFoundException"):
        await track(world, "us-west-2_AbCdEfGhI", 2)
    async with refused("ResourceNotFoundException"):
        await world.get_user_pool_session_configuration(user_pool_id="us-west-2_AbCdEfGhI")


async def test_one_session_too_many_ends_the_one_that_was_not_used_for_longest(world: World) -> None:
    pool_id, client_id = await world.some_user()
    await world.user(pool_id, "berta")
    await track(world, pool_id, 2)
    others = await world.sign_in(client_id, username="berta")
    used = await world.sign_in(client_id)
    world.later(minutes=1)
    unused = await world.sign_in(client_id)
    world.later(minutes=1)
    used_at = world.now
    await world.refresh(client_id, used["refresh_token"])
    world.later(minutes=1)

    newest = await world.sign_in(client_id)

    async with refused("NotAuthorizedException", "Access Token has been revoked"):
        await world.get_user(access_token=unused["access_token"])
    async with refused("NotAuthorizedException"):
        await world.refresh(client_id, unused["refresh_token"])
    for one in (others, used, newest):
        await world.get_user(access_token=one["access_token"])
    listed = await world.list_user_sessions(access_token=newest["access_token"])
    assert [one["last_active_date"] for one in listed["sessions"]] == [world.now, used_at]


async def test_fewer_sessions_are_asked_for_by_the_next_sign_in_and_none_where_nothing_is_tracked(
    world: World,
) -> None:
    pool_id, client_id = await world.some_user()
    many = []
    for _ in range(4):
        many.append(await world.sign_in(client_id))
        world.later(seconds=1)
    await track(world, pool_id, 1)

    for one in many:
        await world.get_user(access_token=one["access_token"])
    last = await world.sign_in(client_id)

    assert len(ids(await world.list_user_sessions(access_token=last["access_token"]))) == 1


async def test_browser_s_session_is_not_ended_with_its_tokens_and_whoever_asks_for_that_is_told(world: World) -> None:
    pool_id, client_id = await world.some_user()
    tokens = await world.sign_in(client_id)
    asked = {"token": tokens["refresh_token"], "client_id": client_id, "revoke_associated_sessions": "LINKED"}
    await track(world, pool_id, 2)

    async with refused("InvalidParameterException"):
        await world.revoke_token(**asked)
    listed = await world.list_user_sessions(access_token=tokens["access_token"])
    await world.set_user_pool_session_configuration(
        user_pool_id=pool_id, user_session_tracking="DISABLED", token_session=TokenSession(max_per_user=2)
    )
    await world.revoke_token(**asked)

    assert len(ids(listed)) == 1, "what was refused has ended nothing"
    async with refused("NotAuthorizedException"):
        await world.list_user_sessions(access_token=tokens["access_token"])


async def take_for(world: World, pool_id: str, client_id: str, minutes: int) -> Any:
    return await world.set_user_pool_client_session_configuration(
        user_pool_id=pool_id, client_id=client_id, sso_session=ClientSsoSession(max_validity_minutes=minutes)
    )


async def test_client_takes_browsers_sessions_for_an_hour_unless_it_says_otherwise(world: World) -> None:
    pool_id, client_id = await world.some_user()
    await track(world, pool_id, 2)
    named = {"user_pool_id": pool_id, "client_id": client_id}
    before = await world.get_user_pool_client_session_configuration(**named)

    answer = await take_for(world, pool_id, client_id, 129600)
    never = await take_for(world, pool_id, client_id, 0)

    assert before == {**named, "sso_session": {"max_validity_minutes": 60}}
    assert answer == {**named, "sso_session": {"max_validity_minutes": 129600}}
    assert await world.get_user_pool_client_session_configuration(**named) == never
    assert never["sso_session"] == {"max_validity_minutes": 0}


async def test_client_has_a_time_of_its_own_only_where_the_pool_tracks_sessions(world: World) -> None:
    pool_id, client_id = await world.some_user()
    lite = await world.pool(user_pool_tier="LITE")
    lite_client = await world.client(lite)

    async with refused("InvalidParameterException", "The user pool does not have session tracking enabled."):
        await take_for(world, pool_id, client_id, 5)
    async with refused("FeatureUnavailableInTierException"):
        await take_for(world, lite, lite_client, 5)
    async with refused("ResourceNotFoundException"):
        await take_for(world, lite, client_id, 5)
    async with refused("ResourceNotFoundException"):
        await world.get_user_pool_client_session_configuration(user_pool_id=lite, client_id=client_id)
    async with refused("ResourceNotFoundException"):
        await world.get_user_pool_client_session_configuration(user_pool_id="us-west-2_AbCdEfGhI", client_id=client_id)

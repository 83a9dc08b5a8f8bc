"""Developer identities: a backend says who somebody is, and its token is the only thing an app can show for it."""

from datetime import timedelta
from typing import Any

import pytest

from support.identitypools import COGNITO, PROVIDER, ROOT, USER_POOL, World, role_arn, trusting_pool
from velvetrope.errors import ServiceError
from velvetrope.identitypools.errors import (
    DeveloperUserAlreadyRegisteredException,
    InvalidParameterException,
    NotAuthorizedException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from velvetrope.tokens import TokenRevoked

NAME = "login.example"


async def refused(world: World, kind: type[ServiceError], operation: str, **members: Any) -> str:
    with pytest.raises(kind) as refusal:
        await world.call(operation, **members)
    return refusal.value.message


async def developer_pool(world: World, **more: Any) -> str:
    """A pool with a developer provider."""
    pool_id = await world.make_pool(**more)
    await world.call(
        "update_identity_pool",
        by=ROOT,
        identity_pool_id=pool_id,
        identity_pool_name="demo",
        allow_unauthenticated_identities=more.get("guests", True),
        cognito_identity_providers=(await world.call("describe_identity_pool", by=ROOT, identity_pool_id=pool_id))[
            "cognito_identity_providers"
        ],
        developer_provider_name=NAME,
    )
    return pool_id


async def vouch(world: World, pool_id: str, user: str = "dana", **members: Any) -> tuple[str, str]:
    """The identity id and the token that the backend gets for one of its users."""
    logins = {NAME: user, **members.pop("others", {})}
    answer = await world.call(
        "get_open_id_token_for_developer_identity", by=ROOT, identity_pool_id=pool_id, logins=logins, **members
    )
    return answer["identity_id"], answer["token"]


async def credentials(world: World, identity_id: str, token: str, **members: Any) -> Any:
    return await world.call("get_credentials_for_identity", identity_id=identity_id, logins={COGNITO: token}, **members)


async def test_a_developer_s_user_gets_the_member_role_with_the_backend_s_token(world: World) -> None:
    pool_id = await developer_pool(world)

    identity_id, token = await vouch(world, pool_id)
    holder = world.holder(await credentials(world, identity_id, token))

    assert holder.name == "Member"
    assert holder.session is not None
    assert holder.session.claims == {
        f"{COGNITO}:aud": (pool_id,),
        f"{COGNITO}:sub": (identity_id,),
        f"{COGNITO}:amr": ("authenticated", NAME, f"{NAME}:{pool_id}:dana"),
    }
    assert (await vouch(world, pool_id))[0] == identity_id
    assert (await vouch(world, pool_id, "erin"))[0] != identity_id


async def test_the_token_is_one_that_sts_takes(world: World) -> None:
    pool_id = await developer_pool(world)
    identity_id, token = await vouch(world, pool_id)

    identity = await world.tokens.verify_web_identity_token(token, now=world.clock.now())

    assert (identity.subject, identity.audience) == (identity_id, pool_id)
    assert identity.authentication_methods == ("authenticated", NAME, f"{NAME}:{pool_id}:dana")


@pytest.mark.parametrize(("seconds", "good"), [(899, True), (900, False)])
async def test_a_token_lives_fifteen_minutes(world: World, seconds: int, good: bool) -> None:
    identity_id, token = await vouch(world, await developer_pool(world))

    world.clock.advance(timedelta(seconds=seconds))

    if good:
        assert await credentials(world, identity_id, token)
    else:
        now = int(world.clock.now().timestamp())
        message = await refused(
            world,
            NotAuthorizedException,
            "get_credentials_for_identity",
            identity_id=identity_id,
            logins={COGNITO: token},
        )
        assert message == f"Invalid login token. Token expired: {now} >= {now}"


async def test_the_backend_may_ask_for_another_life(world: World) -> None:
    identity_id, token = await vouch(world, await developer_pool(world), token_duration=86_400)

    world.clock.advance(timedelta(seconds=86_399))
    assert await credentials(world, identity_id, token)

    world.clock.advance(timedelta(seconds=1))
    with pytest.raises(NotAuthorizedException):
        await credentials(world, identity_id, token)


async def test_principal_tags_of_the_token_become_session_tags(world: World) -> None:
    pool_id = await developer_pool(world)
    world.roles.documents["Member"] = trusting_pool(pool_id, "authenticated", tagging=True)

    identity_id, token = await vouch(world, pool_id, principal_tags={"team": "blue"})
    holder = world.holder(await credentials(world, identity_id, token))

    assert holder.session is not None
    assert holder.session.tags == {"team": "blue"}


@pytest.mark.parametrize(
    "tags", [{"aws:team": "x"}, {"team": "a", "Team": "b"}, {"team": "x" * 257}, {"a": "x" * 256, "b": "x" * 256}]
)
async def test_principal_tags_that_no_session_can_carry_are_refused(world: World, tags: dict[str, str]) -> None:
    pool_id = await developer_pool(world)

    with pytest.raises(InvalidParameterException):
        await vouch(world, pool_id, principal_tags=tags)


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["get_id", "get_credentials_for_identity"])
async def test_a_developer_s_user_name_is_no_login_in_an_unsigned_call(world: World, operation: str) -> None:
    pool_id = await developer_pool(world)
    identity_id, _ = await vouch(world, pool_id)
    what = {"identity_pool_id": pool_id} if operation == "get_id" else {"identity_id": identity_id}

    message = await refused(world, InvalidParameterException, operation, logins={NAME: "dana"}, **what)

    assert message == "Please provide a valid public provider."


async def test_a_developer_s_token_is_no_login_for_get_id(world: World) -> None:
    pool_id = await developer_pool(world)
    _, token = await vouch(world, pool_id)

    message = await refused(world, NotAuthorizedException, "get_id", identity_pool_id=pool_id, logins={COGNITO: token})

    assert message == "Invalid login token. Can't pass in a Cognito token."


async def test_a_token_of_the_classic_flow_is_none_of_a_developer_s(world: World) -> None:
    pool_id = await world.make_pool(classic=True)
    identity_id = await world.sign_in(pool_id)
    answer = await world.call("get_open_id_token", identity_id=identity_id, logins=world.logins())

    message = await refused(
        world,
        NotAuthorizedException,
        "get_credentials_for_identity",
        identity_id=identity_id,
        logins={COGNITO: answer["token"]},
    )

    assert message == "Invalid login token. Can't pass in a Cognito token."


async def test_a_token_is_for_its_own_identity_alone(world: World) -> None:
    pool_id = await developer_pool(world)
    _, token = await vouch(world, pool_id)
    other, _ = await vouch(world, pool_id, "erin")

    with pytest.raises(NotAuthorizedException, match="Logins don't match"):
        await credentials(world, other, token)


async def test_a_token_goes_without_other_logins_and_chooses_no_role(world: World) -> None:
    pool_id = await developer_pool(world)
    identity_id, token = await vouch(world, pool_id)

    await refused(
        world,
        InvalidParameterException,
        "get_credentials_for_identity",
        identity_id=identity_id,
        logins={COGNITO: token, **world.logins()},
    )
    with pytest.raises(NotAuthorizedException):
        await credentials(world, identity_id, token, custom_role_arn=role_arn("Member"))


async def test_a_token_does_not_outlive_the_developer_s_login(world: World) -> None:
    pool_id = await developer_pool(world)
    identity_id, token = await vouch(world, pool_id)
    await world.call(
        "unlink_developer_identity",
        by=ROOT,
        identity_id=identity_id,
        identity_pool_id=pool_id,
        developer_provider_name=NAME,
        developer_user_identifier="dana",
    )

    with pytest.raises(NotAuthorizedException, match="Token is inactive"):
        await credentials(world, identity_id, token)
    with pytest.raises(TokenRevoked):
        await world.tokens.verify_web_identity_token(token, now=world.clock.now())

    assert (await vouch(world, pool_id))[0] != identity_id


async def test_garbage_is_no_token(world: World) -> None:
    identity_id, token = await vouch(world, await developer_pool(world))
    head, payload, signature = token.split(".")

    for text in ("garbage", f"{head}.{payload}.{signature[::-1]}", world.id_token()):
        with pytest.raises(NotAuthorizedException, match="Invalid login token"):
            await credentials(world, identity_id, text)


async def test_a_pool_without_a_developer_provider_has_no_developer_users(world: World) -> None:
    pool_id = await world.make_pool()

    for operation, members in (
        ("get_open_id_token_for_developer_identity", {"logins": {NAME: "dana"}}),
        ("lookup_developer_identity", {"developer_user_identifier": "dana"}),
    ):
        await refused(world, InvalidParameterException, operation, by=ROOT, identity_pool_id=pool_id, **members)


async def test_the_logins_must_name_a_developer_s_user(world: World) -> None:
    pool_id = await developer_pool(world)

    for logins in (world.logins(), {}, {NAME: ""}, {NAME: "x" * 1025}, {"other": "dana"}):
        await refused(
            world,
            InvalidParameterException,
            "get_open_id_token_for_developer_identity",
            by=ROOT,
            identity_pool_id=pool_id,
            logins=logins,
        )


@pytest.mark.parametrize(
    "name",
    [
        "authenticated",
        "unauthenticated",
        COGNITO,
        "accounts.google.com",
        "graph.facebook.com",
    ],
)
async def test_a_developer_provider_cannot_pose_as_what_policies_trust(world: World, name: str) -> None:
    await refused(
        world,
        InvalidParameterException,
        "create_identity_pool",
        by=ROOT,
        identity_pool_name="x",
        allow_unauthenticated_identities=False,
        developer_provider_name=name,
    )


async def test_a_developer_provider_s_name_stays(world: World) -> None:
    pool_id = await developer_pool(world)
    update: dict[str, Any] = {"identity_pool_name": "demo", "allow_unauthenticated_identities": False}

    await refused(
        world,
        InvalidParameterException,
        "update_identity_pool",
        by=ROOT,
        identity_pool_id=pool_id,
        developer_provider_name="other",
        **update,
    )
    kept = await world.call("update_identity_pool", by=ROOT, identity_pool_id=pool_id, **update)

    assert kept["developer_provider_name"] == NAME


# --- linking ----------------------------------------------------------------------------------------------------------


async def test_a_guest_becomes_the_developer_s_user(world: World) -> None:
    pool_id = await developer_pool(world)
    guest = (await world.call("get_id", identity_pool_id=pool_id))["identity_id"]

    identity_id, token = await vouch(world, pool_id, identity_id=guest)

    assert identity_id == guest
    assert await credentials(world, guest, token)
    with pytest.raises(NotAuthorizedException, match="is forbidden"):
        await world.call("get_credentials_for_identity", identity_id=guest)


async def test_a_user_who_has_an_identity_is_not_registered_under_another(world: World) -> None:
    pool_id = await developer_pool(world)
    await vouch(world, pool_id)
    guest = (await world.call("get_id", identity_pool_id=pool_id))["identity_id"]

    with pytest.raises(DeveloperUserAlreadyRegisteredException):
        await vouch(world, pool_id, identity_id=guest)


async def test_a_login_of_a_user_pool_beside_it_is_proven_and_linked(world: World) -> None:
    pool_id = await developer_pool(world)

    identity_id, _ = await vouch(world, pool_id, others=world.logins())

    assert await world.sign_in(pool_id) == identity_id
    assert await world.call("get_credentials_for_identity", identity_id=identity_id, logins=world.logins())
    shown = await world.call("describe_identity", by=ROOT, identity_id=identity_id)
    assert shown["logins"] == [PROVIDER, NAME]
    with pytest.raises(NotAuthorizedException):
        await vouch(world, pool_id, others={PROVIDER: "garbage"})


async def test_logins_of_two_people_are_not_linked_in_passing(world: World) -> None:
    pool_id = await developer_pool(world)
    await vouch(world, pool_id)
    alice = await world.sign_in(pool_id)

    with pytest.raises(ResourceConflictException):
        await vouch(world, pool_id, others=world.logins())
    guest = (await world.call("get_id", identity_pool_id=pool_id))["identity_id"]
    with pytest.raises(ResourceConflictException):
        await vouch(world, pool_id, "erin", identity_id=guest, others=world.logins())
    assert await world.sign_in(pool_id) == alice


async def test_an_identity_of_another_pool_is_not_found(world: World) -> None:
    mine, other = await developer_pool(world), await world.make_pool()
    foreign = (await world.call("get_id", identity_pool_id=other))["identity_id"]

    with pytest.raises(ResourceNotFoundException):
        await vouch(world, mine, identity_id=foreign)


async def test_an_identity_has_twenty_logins_at_the_most(world: World) -> None:
    pool_id = await developer_pool(world)
    identity_id, _ = await vouch(world, pool_id, "user-00")
    for n in range(1, 20):
        await vouch(world, pool_id, f"user-{n:02}", identity_id=identity_id)

    with pytest.raises(ResourceConflictException):
        await vouch(world, pool_id, "user-20", identity_id=identity_id)
    with pytest.raises(ResourceConflictException):
        await vouch(world, pool_id, "user-00", others=world.logins())


# --- lookup, merge ----------------------------------------------------------------------------------------------------


async def test_users_are_looked_up_by_identity_and_identities_by_user(world: World) -> None:
    pool_id = await developer_pool(world)
    identity_id, _ = await vouch(world, pool_id, "a")
    for user in ("b", "c"):
        await vouch(world, pool_id, user, identity_id=identity_id)
    look: dict[str, Any] = {"by": ROOT, "identity_pool_id": pool_id}

    first = await world.call("lookup_developer_identity", identity_id=identity_id, max_results=2, **look)
    rest = await world.call(
        "lookup_developer_identity", identity_id=identity_id, next_token=first["next_token"], **look
    )
    by_user = await world.call("lookup_developer_identity", developer_user_identifier="b", **look)
    both = await world.call("lookup_developer_identity", developer_user_identifier="b", identity_id=identity_id, **look)

    assert first["developer_user_identifier_list"] == ["a", "b"]
    assert rest == {"identity_id": identity_id, "developer_user_identifier_list": ["c"], "next_token": None}
    assert by_user["identity_id"] == identity_id
    assert by_user["developer_user_identifier_list"] == ["a", "b", "c"]
    assert both == {"identity_id": identity_id, "developer_user_identifier_list": ["b"]}


async def test_a_lookup_that_does_not_fit_is_refused(world: World) -> None:
    pool_id = await developer_pool(world)
    identity_id, _ = await vouch(world, pool_id)
    look: dict[str, Any] = {"by": ROOT, "identity_pool_id": pool_id}

    await refused(world, InvalidParameterException, "lookup_developer_identity", **look)
    await refused(
        world, ResourceNotFoundException, "lookup_developer_identity", developer_user_identifier="nobody", **look
    )
    await refused(
        world,
        ResourceConflictException,
        "lookup_developer_identity",
        developer_user_identifier="nobody",
        identity_id=identity_id,
        **look,
    )


async def test_merged_users_are_one_person_and_old_tokens_die(world: World) -> None:
    pool_id = await developer_pool(world)
    source, old_token = await vouch(world, pool_id, "old", others=world.logins())
    destination, _ = await vouch(world, pool_id, "new")
    merge = {
        "source_user_identifier": "old",
        "destination_user_identifier": "new",
        "developer_provider_name": NAME,
        "identity_pool_id": pool_id,
    }

    answer = await world.call("merge_developer_identities", by=ROOT, **merge)

    assert answer == {"identity_id": destination}
    assert (await vouch(world, pool_id, "old"))[0] == destination
    assert await world.sign_in(pool_id) == destination
    with pytest.raises(NotAuthorizedException):
        await credentials(world, source, old_token)
    assert await world.call("merge_developer_identities", by=ROOT, **merge) == answer


async def test_two_users_of_one_user_pool_are_not_merged(world: World) -> None:
    pool_id = await developer_pool(world)
    await vouch(world, pool_id, "a", others=world.logins("alice"))
    await vouch(world, pool_id, "b", others=world.logins("bob"))

    await refused(
        world,
        ResourceConflictException,
        "merge_developer_identities",
        by=ROOT,
        source_user_identifier="a",
        destination_user_identifier="b",
        developer_provider_name=NAME,
        identity_pool_id=pool_id,
    )


@pytest.mark.parametrize(("source", "destination"), [("a", "nobody"), ("nobody", "a")])
async def test_a_user_who_is_not_there_is_not_merged(world: World, source: str, destination: str) -> None:
    pool_id = await developer_pool(world)
    await vouch(world, pool_id, "a")

    message = await refused(
        world,
        ResourceNotFoundException,
        "merge_developer_identities",
        by=ROOT,
        source_user_identifier=source,
        destination_user_identifier=destination,
        developer_provider_name=NAME,
        identity_pool_id=pool_id,
    )

    assert message == "Developer user 'nobody' not found."


async def test_only_a_login_that_is_linked_is_unlinked(world: World) -> None:
    pool_id = await developer_pool(world)
    dana, _ = await vouch(world, pool_id, "dana")
    await vouch(world, pool_id, "erin")
    unlink: dict[str, Any] = {"by": ROOT, "identity_id": dana, "identity_pool_id": pool_id}

    await refused(
        world,
        ResourceNotFoundException,
        "unlink_developer_identity",
        developer_provider_name=NAME,
        developer_user_identifier="erin",
        **unlink,
    )
    await refused(
        world,
        InvalidParameterException,
        "unlink_developer_identity",
        developer_provider_name=f"cognito-idp.us-west-2.amazonaws.com.{USER_POOL}",
        developer_user_identifier="dana",
        **unlink,
    )


async def test_a_login_of_somebody_else_opens_no_developer_s_identity(world: World) -> None:
    pool_id = await developer_pool(world)
    alice = await world.sign_in(pool_id)
    dana, _ = await vouch(world, pool_id)

    with pytest.raises(NotAuthorizedException, match="Logins don't match"):
        await world.call("get_credentials_for_identity", identity_id=dana, logins=world.logins())
    assert await world.sign_in(pool_id) == alice

"""Who signs in with a provider: what they are called, what is kept of them, and what they may not do."""

import json
from typing import Any

import pytest

from support.federated_users import CAROL, come_from_google, federated_pool, tokens_of
from support.userpools import PASSWORD, RaisedInFunction, World, attribute_list, claims_of, refused
from velvetrope.store.tables.userpools import LambdaConfig, SchemaAttribute, UsernameConfiguration, VersionedTrigger
from velvetrope.store.tables.userpools_settings import SoftwareTokenMfaConfig
from velvetrope.userpools.factors.mfa_operations import MfaSettings


async def test_first_sign_in_keeps_a_user_of_the_provider(world: World) -> None:
    pool_id, client_id = await federated_pool(world)

    await come_from_google(world, pool_id, client_id)

    found = await world.admin_get_user(user_pool_id=pool_id, username="Google_1234")
    attributes = {one["name"]: one["value"] for one in found["user_attributes"]}
    assert (found["user_status"], found["enabled"]) == ("EXTERNAL_PROVIDER", True)
    assert attributes.pop("sub")
    assert json.loads(attributes.pop("identities")) == [
        {
            "userId": "1234",
            "providerName": "Google",
            "providerType": "Google",
            "issuer": None,
            "primary": True,
            "dateCreated": int(world.now.timestamp() * 1000),
        }
    ]
    assert attributes == {"email": "carol@example.com", "email_verified": "true", "name": "Carol"}


async def test_user_names_are_in_lower_case_where_the_pool_ignores_case(world: World) -> None:
    pool_id, client_id = await federated_pool(world, username_configuration=UsernameConfiguration(case_sensitive=False))

    user = await come_from_google(world, pool_id, client_id, sub="AbC")

    assert user.username == "google_abc"
    assert (await come_from_google(world, pool_id, client_id, sub="AbC")).sub == user.sub


async def test_subjects_that_differ_in_case_alone_are_never_one_person(world: World) -> None:
    pool_id, client_id = await federated_pool(world, username_configuration=UsernameConfiguration(case_sensitive=False))
    await come_from_google(world, pool_id, client_id, sub="AbC")

    async with refused("InvalidParameterException", "Already found an entry for username google_abc"):
        await come_from_google(world, pool_id, client_id, sub="aBc")


async def test_who_comes_back_is_the_same_user_with_what_the_provider_says_now(world: World) -> None:
    pool_id, client_id = await federated_pool(world)
    first = await come_from_google(world, pool_id, client_id)
    world.later(days=1)

    again = await come_from_google(world, pool_id, client_id, email="c@example.org", display="C.")

    assert again.sub == first.sub
    assert again.attributes == {"email": "c@example.org", "email_verified": "true", "name": "C."}
    assert again.modified_at == world.now


async def test_an_address_that_the_provider_does_not_vouch_for_is_not_verified(world: World) -> None:
    pool_id, client_id = await federated_pool(world)
    first = await come_from_google(world, pool_id, client_id, email_verified="")
    await come_from_google(world, pool_id, client_id, email_verified="true")

    moved = await come_from_google(world, pool_id, client_id, email="new@example.com", email_verified="")

    assert first.attributes["email_verified"] == "false"
    assert moved.attributes["email_verified"] == "false"


async def test_what_the_provider_leaves_out_stays(world: World) -> None:
    pool_id, client_id = await federated_pool(world)
    await come_from_google(world, pool_id, client_id)

    again = await come_from_google(world, pool_id, client_id, display="")

    assert again.attributes["name"] == "Carol"


async def test_what_is_not_mapped_is_not_kept(world: World) -> None:
    pool_id, client_id = await federated_pool(world, mapping={"username": "sub"})

    user = await come_from_google(world, pool_id, client_id, **{"cognito:groups": "admins"})

    assert user.attributes == {}


async def test_user_names_come_from_the_claim_that_username_is_mapped_from(world: World) -> None:
    pool_id, client_id = await federated_pool(world, mapping={"username": "upn"})

    user = await come_from_google(world, pool_id, client_id, upn="carol.c")

    assert user.username == "Google_carol.c"
    async with refused("InvalidParameterException", "attributes required: [username]"):
        await come_from_google(world, pool_id, client_id)


async def test_required_attributes_have_to_come_from_the_provider(world: World) -> None:
    schema = (SchemaAttribute(name="email", required=True), SchemaAttribute(name="birthdate", required=True))
    pool_id, client_id = await federated_pool(world, schema=schema)

    async with refused("InvalidParameterException", "attributes required: [email, birthdate]"):
        await come_from_google(world, pool_id, client_id, email="")

    assert (await world.list_users(user_pool_id=pool_id))["users"] == []


async def test_an_attribute_that_cannot_change_ends_a_sign_in_that_would_change_it(world: World) -> None:
    schema = (SchemaAttribute(name="staff", attribute_data_type="String", mutable=False),)
    pool_id, client_id = await federated_pool(
        world,
        mapping={"username": "sub", "custom:staff": "staff"},
        client={"write_attributes": ("custom:staff",)},
        schema=schema,
    )
    await come_from_google(world, pool_id, client_id, staff="7")

    await come_from_google(world, pool_id, client_id, staff="7")
    async with refused("InvalidParameterException", "user.custom:staff: Attribute cannot be updated."):
        await come_from_google(world, pool_id, client_id, staff="8")


async def test_mapped_attributes_have_to_be_the_clients_to_write(world: World) -> None:
    pool_id, client_id = await federated_pool(world, client={"write_attributes": ("name",)})

    async with refused("NotAuthorizedException"):
        await come_from_google(world, pool_id, client_id)


async def test_disabled_users_stay_out(world: World) -> None:
    pool_id, client_id = await federated_pool(world)
    await come_from_google(world, pool_id, client_id)
    await world.admin_disable_user(user_pool_id=pool_id, username="Google_1234")

    async with refused("NotAuthorizedException", "User is not enabled."):
        await come_from_google(world, pool_id, client_id)


async def test_a_name_that_a_local_user_has_is_not_taken_over(world: World) -> None:
    pool_id, client_id = await federated_pool(world)
    await world.user(pool_id, "Google_1234")

    async with refused("InvalidParameterException", "Already found an entry for username Google_1234"):
        await come_from_google(world, pool_id, client_id)


async def test_an_address_that_a_local_user_has_stays_theirs(world: World) -> None:
    pool_id, client_id = await federated_pool(world, alias_attributes=("email",))
    await world.user(pool_id, email="carol@example.com", email_verified="true")

    await come_from_google(world, pool_id, client_id)
    await world.admin_update_user_attributes(
        user_pool_id=pool_id, username="Google_1234", user_attributes=attribute_list(email_verified="true")
    )

    found = await world.admin_get_user(user_pool_id=pool_id, username="carol@example.com")
    assert found["username"] == "anna"


# Groups and tokens


async def test_users_of_a_provider_begin_in_its_group(world: World) -> None:
    pool_id, client_id = await federated_pool(world)

    user = await come_from_google(world, pool_id, client_id)

    tokens = await tokens_of(world, pool_id, client_id, user)
    assert claims_of(tokens.id_token)["cognito:groups"] == [f"{pool_id}_Google"]
    group = (await world.get_group(user_pool_id=pool_id, group_name=f"{pool_id}_Google"))["group"]
    assert group["description"] == "Autogenerated group for users who sign in using Google"


async def test_id_tokens_say_who_the_user_is_at_the_provider(world: World) -> None:
    pool_id, client_id = await federated_pool(world)
    user = await come_from_google(world, pool_id, client_id)

    tokens = await tokens_of(world, pool_id, client_id, user)

    claims = claims_of(tokens.id_token)
    assert claims["cognito:username"] == "Google_1234"
    assert claims["identities"] == [
        {
            "userId": "1234",
            "providerName": "Google",
            "providerType": "Google",
            "issuer": None,
            "primary": "true",
            "dateCreated": str(int(world.now.timestamp() * 1000)),
        }
    ]
    assert "identities" not in claims_of(tokens.access_token)


async def test_clients_that_may_not_read_identities_are_not_told(world: World) -> None:
    pool_id, client_id = await federated_pool(world, client={"read_attributes": ("email",)})
    user = await come_from_google(world, pool_id, client_id)

    tokens = await tokens_of(world, pool_id, client_id, user)
    own = await world.get_user(access_token=tokens.access_token)

    assert "identities" not in claims_of(tokens.id_token)
    assert [one["name"] for one in own["user_attributes"]] == ["email", "sub"]


async def test_local_users_have_no_identities(world: World) -> None:
    pool_id, client_id = await federated_pool(world)
    await world.user(pool_id)

    tokens = await world.sign_in(client_id)

    assert "identities" not in claims_of(tokens["id_token"])


# Triggers


async def test_functions_are_asked_as_on_aws(world: World) -> None:
    functions = world.functions
    pool_id, client_id = await federated_pool(
        world,
        lambda_config=LambdaConfig(
            pre_sign_up=functions.answers("before"),
            post_confirmation=functions.answers("confirmed"),
            pre_authentication=functions.answers("entering"),
            post_authentication=functions.answers("entered"),
            pre_token_generation=functions.answers("tokens"),
            custom_message=functions.answers("message"),
            user_migration=functions.answers("migration"),
        ),
    )

    user = await come_from_google(world, pool_id, client_id)
    await tokens_of(world, pool_id, client_id, user)
    await come_from_google(world, pool_id, client_id)

    assert functions.sources() == [
        "PreSignUp_ExternalProvider",
        "PostConfirmation_ConfirmSignUp",
        "TokenGeneration_HostedAuth",
        "PreAuthentication_Authentication",
        "PostAuthentication_Authentication",
    ]
    before, confirmed = functions.events[:2]
    assert before["userName"] == "Google_1234"
    assert before["request"]["userAttributes"] == {
        "email": "carol@example.com",
        "email_verified": "true",
        "name": "Carol",
        "cognito:email_alias": "",
        "cognito:phone_number_alias": "",
    }
    assert confirmed["request"]["userAttributes"]["cognito:user_status"] == "EXTERNAL_PROVIDER"
    assert '"providerName":"Google"' in confirmed["request"]["userAttributes"]["identities"]


async def test_a_pre_sign_up_function_that_raises_keeps_nobody(world: World) -> None:
    def handler(event: dict[str, Any]) -> None:
        raise RaisedInFunction("invitation only")

    pool_id, client_id = await federated_pool(
        world, lambda_config=LambdaConfig(pre_sign_up=world.functions.define("before", handler))
    )

    async with refused("UserLambdaValidationException", "PreSignUp failed with error invitation only."):
        await come_from_google(world, pool_id, client_id)
    assert (await world.list_users(user_pool_id=pool_id))["users"] == []


async def test_a_pre_authentication_function_that_raises_changes_nothing(world: World) -> None:
    def handler(event: dict[str, Any]) -> None:
        raise RaisedInFunction("not today")

    pool_id, client_id = await federated_pool(
        world, lambda_config=LambdaConfig(pre_authentication=world.functions.define("entering", handler))
    )
    first = await come_from_google(world, pool_id, client_id)

    async with refused("UserLambdaValidationException", "PreAuthentication failed with error not today."):
        await come_from_google(world, pool_id, client_id, display="Other")
    assert await world.pools.sign_in.find_user(pool_id, first.sub) == first


# What they may not do


async def test_federated_users_have_no_password_to_sign_in_with(world: World) -> None:
    pool_id, client_id = await federated_pool(world)
    await come_from_google(world, pool_id, client_id)

    for password in ("", PASSWORD):
        async with refused("NotAuthorizedException" if password else "InvalidParameterException"):
            await world.sign_in(client_id, "Google_1234", password)


async def test_federated_users_cannot_ask_for_a_password(world: World) -> None:
    pool_id, client_id = await federated_pool(world, client={"prevent_user_existence_errors": "LEGACY"})
    user = await come_from_google(world, pool_id, client_id)
    tokens = await tokens_of(world, pool_id, client_id, user)

    async with refused("NotAuthorizedException", "User password cannot be reset in the current state."):
        await world.forgot_password(client_id=client_id, username="Google_1234")
    async with refused("NotAuthorizedException", "User password cannot be reset in the current state."):
        await world.admin_reset_user_password(user_pool_id=pool_id, username="Google_1234")
    async with refused("NotAuthorizedException", "Incorrect username or password."):
        await world.change_password(
            previous_password=PASSWORD, proposed_password=PASSWORD + "2", access_token=tokens.access_token
        )
    async with refused("InvalidParameterException", "Missing required parameter PreviousPassword"):
        await world.change_password(proposed_password=PASSWORD, access_token=tokens.access_token)


async def test_federated_users_cannot_have_a_second_factor(world: World) -> None:
    pool_id, client_id = await federated_pool(world)
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id,
        mfa_configuration="OPTIONAL",
        software_token_mfa_configuration=SoftwareTokenMfaConfig(enabled=True),
    )
    user = await come_from_google(world, pool_id, client_id)
    tokens = await tokens_of(world, pool_id, client_id, user)
    wanted = MfaSettings(enabled=True)

    async with refused("InvalidParameterException"):
        await world.associate_software_token(access_token=tokens.access_token)
    async with refused("InvalidParameterException"):
        await world.set_user_mfa_preference(access_token=tokens.access_token, software_token_mfa_settings=wanted)
    async with refused("InvalidParameterException"):
        await world.admin_set_user_mfa_preference(
            user_pool_id=pool_id, username="Google_1234", software_token_mfa_settings=wanted
        )


async def test_a_federated_user_who_is_given_a_password_signs_in_both_ways(world: World) -> None:
    """As on AWS, whose guide advises against it."""
    pool_id, client_id = await federated_pool(world)
    user = await come_from_google(world, pool_id, client_id)

    await world.admin_set_user_password(user_pool_id=pool_id, username="Google_1234", password=PASSWORD, permanent=True)

    assert claims_of((await world.sign_in(client_id, "Google_1234"))["id_token"])["sub"] == user.sub
    assert (await come_from_google(world, pool_id, client_id)).sub == user.sub


async def test_a_subject_that_cannot_be_a_user_name_is_refused(world: World) -> None:
    pool_id, client_id = await federated_pool(world)
    longest = 128 - len("Google_")

    await come_from_google(world, pool_id, client_id, sub="x" * longest)
    for subject in ("x" * (longest + 1), "anna lee"):
        async with refused("InvalidParameterException", "The provider's id of the user cannot be a user name."):
            await come_from_google(world, pool_id, client_id, sub=subject)


@pytest.mark.parametrize("status", ["EXTERNAL_PROVIDER", "CONFIRMED"])
async def test_users_are_listed_by_their_state(world: World, status: str) -> None:
    pool_id, client_id = await federated_pool(world)
    await come_from_google(world, pool_id, client_id)
    await world.user(pool_id)

    listed = await world.list_users(user_pool_id=pool_id, filter=f'cognito:user_status = "{status}"')

    assert [one["username"] for one in listed["users"]] == [
        {"EXTERNAL_PROVIDER": "Google_1234", "CONFIRMED": "anna"}[status]
    ]


# The pool's function for what providers say


def inbound(arn: str, version: str = "V1_0") -> LambdaConfig:
    return LambdaConfig(inbound_federation=VersionedTrigger(lambda_version=version, lambda_arn=arn))


async def test_the_pools_function_says_which_attributes_count(world: World) -> None:
    arn = world.functions.answers("inbound", userAttributesToMap={"email": "c@corp.example"})
    pool_id, client_id = await federated_pool(world, lambda_config=inbound(arn))

    user = await come_from_google(world, pool_id, client_id)

    event = world.functions.events[0]
    assert (event["triggerSource"], event["userName"]) == ("InboundFederation_ExternalProvider", "Google_1234")
    assert event["request"] == {
        "providerName": "Google",
        "providerType": "Google",
        "attributes": {"userInfo": CAROL},
    }
    assert user.attributes == {"email": "c@corp.example", "email_verified": "false"}


async def test_an_empty_answer_of_the_function_changes_nothing(world: World) -> None:
    pool_id, client_id = await federated_pool(world, lambda_config=inbound(world.functions.answers("inbound")))

    assert (await come_from_google(world, pool_id, client_id)).attributes["name"] == "Carol"


async def test_the_function_cannot_say_that_somebody_is_somebody_else(world: World) -> None:
    arn = world.functions.answers("inbound", userAttributesToMap={"sub": "admin", "username": "admin"})
    pool_id, client_id = await federated_pool(world, lambda_config=inbound(arn))

    assert (await come_from_google(world, pool_id, client_id)).username == "Google_1234"


async def test_a_function_that_raises_or_answers_nonsense_ends_the_sign_in(world: World) -> None:
    def handler(event: dict[str, Any]) -> None:
        raise RaisedInFunction("not from there")

    raising = world.functions.define("raising", handler)
    senseless = world.functions.answers("senseless", userAttributesToMap={"email": 7})
    for arn, code in ((raising, "UserLambdaValidationException"), (senseless, "InvalidLambdaResponseException")):
        pool_id, client_id = await federated_pool(world, lambda_config=inbound(arn))
        async with refused(code):
            await come_from_google(world, pool_id, client_id)
        assert (await world.list_users(user_pool_id=pool_id))["users"] == []


async def test_versions_that_aws_does_not_have_are_refused(world: World) -> None:
    async with refused("InvalidParameterException"):
        await federated_pool(world, lambda_config=inbound(world.functions.answers("inbound"), version="V2_0"))

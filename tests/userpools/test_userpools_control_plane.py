"""Pools, domains, app clients, users and groups as administrators make them."""

import asyncio
import inspect
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import pytest
from botocore import xform_name
from sqlalchemy import insert

from support.userpools import ACCOUNT, MODEL, PASSWORD, REGION, World, attribute_list, refused
from velvetrope.errors import ServiceError
from velvetrope.store.tables.userpools import (
    AccountRecoverySetting,
    AdminCreateUserConfig,
    EmailConfiguration,
    LambdaConfig,
    NumberAttributeConstraints,
    PasswordPolicySettings,
    RecoveryOption,
    RefreshTokenRotation,
    SchemaAttribute,
    StringAttributeConstraints,
    TokenValidityUnits,
    VerificationMessageTemplate,
    VersionedTrigger,
)
from velvetrope.store.tables.userpools_groups import Group, groups
from velvetrope.userpools import errors
from velvetrope.userpools.shapes import (
    SignInPolicy,
    UserAttributeUpdateSettings,
    UserPoolAddOns,
    UserPoolPolicies,
)

OPERATIONS = (
    "CreateUserPool DescribeUserPool UpdateUserPool DeleteUserPool ListUserPools CreateUserPoolClient "
    "DescribeUserPoolClient UpdateUserPoolClient DeleteUserPoolClient ListUserPoolClients CreateUserPoolDomain "
    "DescribeUserPoolDomain DeleteUserPoolDomain SignUp ConfirmSignUp AdminConfirmSignUp AdminCreateUser "
    "AdminSetUserPassword AdminGetUser AdminDeleteUser AdminDisableUser AdminEnableUser AdminUpdateUserAttributes "
    "ListUsers CreateGroup GetGroup ListGroups DeleteGroup UpdateGroup AdminAddUserToGroup AdminRemoveUserFromGroup "
    "AdminListGroupsForUser ListUsersInGroup InitiateAuth AdminInitiateAuth RespondToAuthChallenge "
    "AdminRespondToAuthChallenge GetTokensFromRefreshToken RevokeToken GetUser ChangePassword GlobalSignOut "
    "AdminUserGlobalSignOut DeleteUser UpdateUserAttributes "
    "GetUserPoolMfaConfig SetUserPoolMfaConfig AssociateSoftwareToken VerifySoftwareToken SetUserMFAPreference "
    "AdminSetUserMFAPreference StartWebAuthnRegistration CompleteWebAuthnRegistration ListWebAuthnCredentials "
    "DeleteWebAuthnCredential GetUserAuthFactors ConfirmDevice GetDevice ListDevices UpdateDeviceStatus ForgetDevice "
    "AdminGetDevice AdminListDevices AdminUpdateDeviceStatus AdminForgetDevice SetUserSettings AdminSetUserSettings "
    "CreateResourceServer DescribeResourceServer UpdateResourceServer DeleteResourceServer ListResourceServers "
    "CreateIdentityProvider DescribeIdentityProvider GetIdentityProviderByIdentifier UpdateIdentityProvider "
    "DeleteIdentityProvider ListIdentityProviders SetUICustomization GetUICustomization "
    "CreateManagedLoginBranding UpdateManagedLoginBranding DeleteManagedLoginBranding DescribeManagedLoginBranding "
    "DescribeManagedLoginBrandingByClient "
    "TagResource UntagResource ListTagsForResource UpdateUserPoolDomain "
    "AddUserPoolClientSecret ListUserPoolClientSecrets DeleteUserPoolClientSecret "
    "ForgotPassword ConfirmForgotPassword AdminResetUserPassword ResendConfirmationCode AddCustomAttributes "
    "GetUserAttributeVerificationCode VerifyUserAttribute DeleteUserAttributes AdminDeleteUserAttributes "
    "AdminLinkProviderForUser AdminDisableProviderForUser GetSigningCertificate "
    "GetCSVHeader CreateUserImportJob DescribeUserImportJob ListUserImportJobs StartUserImportJob StopUserImportJob "
    "ListUserSessions RevokeUserSession AdminListUserSessions AdminRevokeUserSession AdminGetUserAuthFactors "
    "CreateTerms DescribeTerms DescribeTermsByClient UpdateTerms DeleteTerms ListTerms "
    "GetUserPoolClientSessionConfiguration SetUserPoolClientSessionConfiguration "
    "GetLogDeliveryConfiguration SetLogDeliveryConfiguration "
    "AdminDeleteSoftwareToken GetUserPoolSessionConfiguration SetUserPoolSessionConfiguration "
)


def test_every_operation_is_in_the_model_and_takes_members_of_its_input(world: World) -> None:
    by_method = {xform_name(name): shape for name, shape in MODEL["operations"].items()}

    assert set(world.operations) == {xform_name(name) for name in OPERATIONS.split()}
    for name, method in world.operations.items():
        members = {xform_name(m) for m in MODEL["shapes"][by_method[name]["input"]["shape"]]["members"]}
        required = {xform_name(m) for m in MODEL["shapes"][by_method[name]["input"]["shape"]].get("required", [])}
        parameters = set(inspect.signature(method).parameters) - {"call"}
        assert required <= parameters <= members, name


def test_every_error_is_in_the_model() -> None:
    known = {name for name, shape in MODEL["shapes"].items() if shape.get("exception")}

    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, ServiceError)]
    raised = [each for each in classes if "code" in vars(each) and each is not ServiceError]
    assert {each.code for each in raised} <= known
    assert {each.http_status for each in raised} == {400}


# Pools


async def test_pool_is_shown_with_awss_defaults(world: World) -> None:
    answer = await world.create_user_pool(pool_name="people")

    pool = answer["user_pool"]
    assert pool["id"].startswith(f"{REGION}_")
    assert len(pool["id"]) == len(REGION) + 10
    assert pool["arn"] == f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{pool['id']}"
    assert pool["policies"]["password_policy"] == {
        "minimum_length": 8,
        "require_uppercase": True,
        "require_lowercase": True,
        "require_numbers": True,
        "require_symbols": True,
        "temporary_password_validity_days": 7,
    }
    assert pool["mfa_configuration"] == "OFF"
    assert [a["name"] for a in pool["schema_attributes"]][:2] == ["sub", "name"]
    assert (await world.describe_user_pool(user_pool_id=pool["id"]))["user_pool"] == pool


async def test_what_templates_commonly_send_is_accepted_and_shown_back(world: World) -> None:
    pool_id = await world.pool(
        policies=UserPoolPolicies(
            password_policy=PasswordPolicySettings(minimum_length=10, temporary_password_validity_days=0),
            sign_in_policy=SignInPolicy(allowed_first_auth_factors=("PASSWORD",)),
        ),
        mfa_configuration="OFF",
        lambda_config=LambdaConfig(),
        auto_verified_attributes=("email",),
        username_attributes=("email",),
        email_configuration=EmailConfiguration(email_sending_account="COGNITO_DEFAULT"),
        admin_create_user_config=AdminCreateUserConfig(allow_admin_create_user_only=True),
        account_recovery_setting=AccountRecoverySetting(
            recovery_mechanisms=(RecoveryOption(priority=1, name="verified_email"),)
        ),
        verification_message_template=VerificationMessageTemplate(default_email_option="CONFIRM_WITH_CODE"),
        user_attribute_update_settings=UserAttributeUpdateSettings(),
        user_pool_add_ons=UserPoolAddOns(advanced_security_mode="OFF"),
        user_pool_tags={"team": "red"},
        schema=(
            SchemaAttribute(name="email", attribute_data_type="String", required=True),
            SchemaAttribute(name="team", attribute_data_type="String"),
        ),
    )

    pool = (await world.describe_user_pool(user_pool_id=pool_id))["user_pool"]

    assert pool["policies"]["password_policy"]["minimum_length"] == 10
    assert pool["policies"]["password_policy"]["temporary_password_validity_days"] == 7
    assert pool["admin_create_user_config"] == {"allow_admin_create_user_only": True}
    assert pool["email_configuration"] == {"email_sending_account": "COGNITO_DEFAULT"}
    mechanisms = pool["account_recovery_setting"]["recovery_mechanisms"]
    assert list(mechanisms) == [{"priority": 1, "name": "verified_email"}]
    assert pool["user_pool_tags"] == {"team": "red"}
    schema = {a["name"]: a for a in pool["schema_attributes"]}
    assert schema["email"]["required"] is True
    assert schema["custom:team"]["attribute_data_type"] == "String"


SES_IDENTITY = "arn:aws:ses:us-west-2:123456789012:identity/people.example"


async def test_pool_says_whom_its_mails_are_from(world: World) -> None:
    settings = EmailConfiguration(
        email_sending_account="DEVELOPER",
        source_arn=SES_IDENTITY,
        from_="People <no-reply@people.example>",
        reply_to_email_address="help@people.example",
    )

    pool_id = await world.pool(email_configuration=settings)

    shown = (await world.describe_user_pool(user_pool_id=pool_id))["user_pool"]["email_configuration"]
    assert shown == {
        "email_sending_account": "DEVELOPER",
        "source_arn": SES_IDENTITY,
        "from": "People <no-reply@people.example>",
        "reply_to_email_address": "help@people.example",
    }


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"email_sending_account": "DEVELOPER"},
            "EmailConfiguration.SourceArn is required with EmailSendingAccount DEVELOPER.",
        ),
        ({"from_": "a@b.example"}, "EmailConfiguration.From needs EmailSendingAccount DEVELOPER."),
        (
            {"email_sending_account": "DEVELOPER", "source_arn": SES_IDENTITY, "from_": "a@b.example, c@d.example"},
            "EmailConfiguration.From is not one email address.",
        ),
        (
            {"reply_to_email_address": "a@b.example\r\nBcc: c@d.example"},
            "EmailConfiguration.ReplyToEmailAddress is not one email address.",
        ),
    ],
    ids=["no identity", "from", "two", "line break"],
)
async def test_mails_are_from_one_address_of_an_account_of_ones_own(
    world: World, settings: dict[str, Any], text: str
) -> None:
    async with refused("InvalidParameterException", text):
        await world.pool(email_configuration=EmailConfiguration(**settings))


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ((("verified_email", 1), ("admin_only", 2)), "admin_only"),
        ((("admin_only", 1), ("verified_phone_number", 2)), "admin_only"),
        ((("verified_email", 1), ("verified_phone_number", 1)), "must differ"),
        ((("verified_email", 1), ("verified_email", 2)), "must differ"),
    ],
)
async def test_ways_back_that_contradict_each_other_are_refused(
    world: World,
    options: tuple[tuple[Literal["verified_email", "verified_phone_number", "admin_only"], int], ...],
    why: str,
) -> None:
    pool_id = await world.lax_pool()
    setting = AccountRecoverySetting(
        recovery_mechanisms=tuple(RecoveryOption(name=name, priority=priority) for name, priority in options)
    )

    async with refused("InvalidParameterException") as made:
        await world.create_user_pool(pool_name="people", account_recovery_setting=setting)
    async with refused("InvalidParameterException") as updated:
        await world.update_user_pool(user_pool_id=pool_id, account_recovery_setting=setting)

    assert why in made.value.message
    assert updated.value.message == made.value.message


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (
            {"lambda_config": LambdaConfig(custom_sms_sender=VersionedTrigger(lambda_version="V2_0", lambda_arn="a"))},
            "CustomSMSSender.LambdaVersion V2_0",
        ),
        (
            {"email_configuration": EmailConfiguration(configuration_set="set")},
            "EmailConfiguration.ConfigurationSet",
        ),
        (
            {"user_pool_add_ons": UserPoolAddOns(advanced_security_mode="ENFORCED")},
            "UserPoolAddOns.AdvancedSecurityMode",
        ),
    ],
)
async def test_what_would_silently_weaken_a_pool_is_refused_by_name(
    world: World, settings: dict[str, Any], named: str
) -> None:
    pool_id = await world.pool()

    for attempt in (
        world.create_user_pool(pool_name="people", **settings),
        world.update_user_pool(user_pool_id=pool_id, **settings),
    ):
        async with refused("InvalidParameterException", f"{named} is not supported by velvetrope."):
            await attempt


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        (SchemaAttribute(name="team", required=True), "Required custom attributes are not supported currently."),
        (
            SchemaAttribute(name="team", developer_only_attribute=True),
            "DeveloperOnlyAttribute is not supported by velvetrope (attribute team).",
        ),
        (
            SchemaAttribute(name="email", attribute_data_type="Number"),
            "You can not change AttributeDataType or set developerOnlyAttribute for standard schema attribute email",
        ),
        (
            SchemaAttribute(name="sub", attribute_data_type="String"),
            "You can not change AttributeDataType or set developerOnlyAttribute for standard schema attribute sub",
        ),
    ],
)
async def test_schema_has_rules(world: World, attribute: SchemaAttribute, message: str) -> None:
    async with refused("InvalidParameterException", message):
        await world.create_user_pool(pool_name="people", schema=(attribute,))


async def test_schema_has_no_attribute_twice_and_not_too_many(world: World) -> None:
    many = tuple(SchemaAttribute(name=f"a{n}") for n in range(51))
    twice = (SchemaAttribute(name="email", required=True), SchemaAttribute(name="email"))
    for schema in ((SchemaAttribute(name="a"), SchemaAttribute(name="a")), twice, many):
        async with refused("InvalidParameterException"):
            await world.create_user_pool(pool_name="people", schema=schema)
    await world.create_user_pool(pool_name="people", schema=many[:50])


async def test_names_and_aliases_are_alternatives(world: World) -> None:
    async with refused("InvalidParameterException"):
        await world.create_user_pool(pool_name="people", alias_attributes=("email",), username_attributes=("email",))


async def test_update_falls_back_to_defaults_but_keeps_name_protection_and_tags(world: World) -> None:
    pool_id = await world.lax_pool(
        auto_verified_attributes=("email",), deletion_protection="ACTIVE", user_pool_tags={"a": "b"}
    )
    world.later(seconds=1)

    await world.update_user_pool(user_pool_id=pool_id)

    pool = (await world.describe_user_pool(user_pool_id=pool_id))["user_pool"]
    assert pool["policies"]["password_policy"]["require_symbols"] is True
    assert pool["auto_verified_attributes"] is None
    assert (pool["name"], pool["deletion_protection"], pool["user_pool_tags"]) == ("people", "ACTIVE", {"a": "b"})
    assert pool["last_modified_date"] > pool["creation_date"]
    async with refused("ResourceNotFoundException", "User pool us-west-2_nobody does not exist."):
        await world.update_user_pool(user_pool_id="us-west-2_nobody")


async def test_deleting_a_pool_takes_everything_with_it(world: World) -> None:
    pool_id, client_id = await world.some_user()
    other_pool, other_client = await world.some_user()
    tokens = await world.sign_in(client_id)
    await world.create_user_pool_domain(user_pool_id=pool_id, domain="people")

    async with refused("InvalidParameterException"):
        await world.delete_user_pool(user_pool_id=pool_id)
    await world.delete_user_pool_domain(user_pool_id=pool_id, domain="people")
    await world.delete_user_pool(user_pool_id=pool_id)

    async with refused("ResourceNotFoundException", f"User pool {pool_id} does not exist."):
        await world.describe_user_pool(user_pool_id=pool_id)
    async with refused("ResourceNotFoundException"):
        await world.sign_in(client_id)
    async with refused("NotAuthorizedException", "Invalid Access Token"):
        await world.get_user(access_token=tokens["access_token"])
    await world.sign_in(other_client)
    assert [p["id"] for p in (await world.list_user_pools(max_results=10))["user_pools"]] == [other_pool]


async def test_protected_pool_is_not_deleted(world: World) -> None:
    pool_id = await world.pool(deletion_protection="ACTIVE")

    async with refused("InvalidParameterException"):
        await world.delete_user_pool(user_pool_id=pool_id)
    await world.update_user_pool(user_pool_id=pool_id, deletion_protection="INACTIVE")
    await world.delete_user_pool(user_pool_id=pool_id)


async def test_pools_are_listed_page_by_page(world: World) -> None:
    pools = {await world.pool() for _ in range(3)}

    first = await world.list_user_pools(max_results=2)
    second = await world.list_user_pools(max_results=2, next_token=first["next_token"])

    assert {p["id"] for p in first["user_pools"] + second["user_pools"]} == pools
    assert second["next_token"] is None
    async with refused("InvalidParameterException", "Invalid NextToken"):
        await world.list_user_pools(max_results=2, next_token="%%%")


# Domains


async def test_domain_is_one_pools_only(world: World) -> None:
    one, other = await world.pool(), await world.pool()
    await world.create_user_pool_domain(user_pool_id=one, domain="people")

    async with refused("InvalidParameterException", "Domain already associated with another user pool."):
        await world.create_user_pool_domain(user_pool_id=other, domain="people")
    async with refused("InvalidParameterException", "User pool already has a domain configured."):
        await world.create_user_pool_domain(user_pool_id=one, domain="others")
    described = (await world.describe_user_pool_domain(domain="people"))["domain_description"]
    assert (described["user_pool_id"], described["status"]) == (one, "ACTIVE")
    assert (await world.describe_user_pool_domain(domain="nobody"))["domain_description"] == {}
    async with refused("InvalidParameterException"):
        await world.delete_user_pool_domain(user_pool_id=other, domain="people")
    await world.delete_user_pool_domain(user_pool_id=one, domain="people")
    await world.create_user_pool_domain(user_pool_id=other, domain="people")


async def test_of_racing_pools_one_gets_the_domain(world: World) -> None:
    pools = [await world.pool() for _ in range(3)]

    answers = await asyncio.gather(
        *(world.create_user_pool_domain(user_pool_id=pool, domain="people") for pool in pools),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, dict) for answer in answers) == 1


@pytest.mark.parametrize("word", ["aws", "amazon", "cognito"])
async def test_reserved_words_are_not_in_domains(world: World, word: str) -> None:
    pool_id = await world.pool()
    async with refused("InvalidParameterException", f"Domain cannot contain reserved word: {word}"):
        await world.create_user_pool_domain(user_pool_id=pool_id, domain=f"my-{word}-app")


# App clients


async def test_client_has_awss_defaults(world: World) -> None:
    pool_id = await world.pool()

    answer = await world.create_user_pool_client(user_pool_id=pool_id, client_name="app")

    client = answer["user_pool_client"]
    assert client["explicit_auth_flows"] == ("ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_CUSTOM_AUTH")
    assert (client["refresh_token_validity"], client["enable_token_revocation"]) == (30, True)
    assert client["prevent_user_existence_errors"] is None
    assert client["client_secret"] is None
    assert len(client["client_id"]) == 26
    described = await world.describe_user_pool_client(user_pool_id=pool_id, client_id=client["client_id"])
    assert described["user_pool_client"] == client


async def test_generated_secret_is_shown_and_kept_sealed(world: World) -> None:
    pool_id = await world.pool()
    answer = await world.create_user_pool_client(user_pool_id=pool_id, client_name="app", generate_secret=True)
    client = answer["user_pool_client"]

    stored = await world.store.load_client(client["client_id"])

    assert len(client["client_secret"]) == 51
    assert stored is not None
    assert stored.secret_sealed is not None
    assert client["client_secret"].encode() not in stored.secret_sealed
    async with refused("InvalidParameterException"):
        await world.create_user_pool_client(
            user_pool_id=pool_id, client_name="app", generate_secret=True, client_secret="s" * 24
        )


_OAUTH = {
    "allowed_o_auth_flows": ("code",),
    "allowed_o_auth_scopes": ("openid", "email"),
    "allowed_o_auth_flows_user_pool_client": True,
    "callback_urls": ("https://example.com/back",),
    "supported_identity_providers": ("COGNITO",),
}


async def test_oauth_settings_are_kept(world: World) -> None:
    pool_id = await world.pool()

    client_id = await world.client(
        pool_id,
        **_OAUTH,
        default_redirect_uri="https://example.com/back",
        logout_urls=("http://localhost:3000/", "myapp://out"),
    )

    client = (await world.describe_user_pool_client(user_pool_id=pool_id, client_id=client_id))["user_pool_client"]
    assert client["callback_urls"] == ("https://example.com/back",)
    assert client["logout_urls"] == ("http://localhost:3000/", "myapp://out")
    assert client["allowed_o_auth_scopes"] == ("openid", "email")


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        (
            {"allowed_o_auth_scopes": ()},
            "InvalidParameterException",
            "AllowedOAuthFlows and AllowedOAuthScopes are required if user pool client is allowed to use OAuth flows.",
        ),
        (
            {"allowed_o_auth_scopes": ("openid", "Cognito")},
            "ScopeDoesNotExistException",
            "Invalid scope requested: Cognito",
        ),
        (
            {"allowed_o_auth_flows": ("client_credentials",)},
            "InvalidOAuthFlowException",
            "client_credentials flow can not be selected if client does not have a client secret.",
        ),
        (
            {"allowed_o_auth_flows": ("code", "client_credentials")},
            "InvalidOAuthFlowException",
            "client_credentials flow can not be selected along with code flow or implicit flow.",
        ),
        (
            {"callback_urls": ()},
            "InvalidOAuthFlowException",
            "CallbackUrls can not be empty when code flow or implicit flow is selected",
        ),
        ({"default_redirect_uri": "https://example.com/other"}, "InvalidParameterException", None),
        (
            {"supported_identity_providers": ("COGNITO", "Google")},
            "InvalidParameterException",
            None,
        ),
        ({"access_token_validity": 25}, "InvalidParameterException", "Invalid range for token validity."),
        (
            {"access_token_validity": 299, "token_validity_units": TokenValidityUnits(access_token="seconds")},
            "InvalidParameterException",
            "Invalid range for token validity.",
        ),
        ({"refresh_token_validity": 3651}, "InvalidParameterException", "Invalid range for token validity."),
        (
            {
                "access_token_validity": 2,
                "refresh_token_validity": 60,
                "token_validity_units": TokenValidityUnits(refresh_token="minutes"),
            },
            "InvalidParameterException",
            None,
        ),
        ({"read_attributes": ("custom:nobody",)}, "InvalidParameterException", None),
        ({"write_attributes": ("email_verified",)}, "InvalidParameterException", None),
        (
            {"explicit_auth_flows": ("ALLOW_USER_SRP_AUTH", "ADMIN_NO_SRP_AUTH")},
            "InvalidParameterException",
            None,
        ),
        (
            {"refresh_token_rotation": RefreshTokenRotation(feature="ENABLED", retry_grace_period_seconds=61)},
            "InvalidParameterException",
            None,
        ),
        ({"enable_propagate_additional_user_context_data": True}, "InvalidParameterException", None),
    ],
)
async def test_client_settings_that_make_no_sense_are_refused(
    world: World, changes: Mapping[str, Any], code: str, message: str | None
) -> None:
    pool_id = await world.pool()
    client_id = await world.client(pool_id, **_OAUTH)
    settings = {**_OAUTH, **changes}

    async with refused(code, message):
        await world.create_user_pool_client(user_pool_id=pool_id, client_name="app", **settings)
    async with refused(code, message):
        await world.update_user_pool_client(user_pool_id=pool_id, client_id=client_id, **settings)


async def test_rotation_and_the_refresh_flow_exclude_each_other(world: World) -> None:
    pool_id = await world.pool()
    rotation = RefreshTokenRotation(feature="ENABLED")

    async with refused("InvalidParameterException"):
        await world.create_user_pool_client(
            user_pool_id=pool_id,
            client_name="app",
            refresh_token_rotation=rotation,
            explicit_auth_flows=("ALLOW_REFRESH_TOKEN_AUTH",),
        )
    answer = await world.create_user_pool_client(
        user_pool_id=pool_id, client_name="app", refresh_token_rotation=rotation
    )
    assert "ALLOW_REFRESH_TOKEN_AUTH" not in answer["user_pool_client"]["explicit_auth_flows"]


@pytest.mark.parametrize(
    "url",
    ["https://example.com/x?y=z", "http://localhost:3000/", "http://127.0.0.1/", "http://[::1]:8080/a", "myapp://cb"],
)
def test_callback_url_that_is_fine(url: str) -> None:
    from velvetrope.userpools.configuration.client_operations import check_redirect_url

    check_redirect_url(url, member="CallbackURLs")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "http://localhost.example.com/",
        "https://example.com/#x",
        "https://",
        "/relative",
        "//example.com/",
        "example.com",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://exa mple.com/",
        "https://[::1/",
    ],
)
def test_callback_url_that_is_not(url: str) -> None:
    from velvetrope.userpools.configuration.client_operations import check_redirect_url

    with pytest.raises(errors.InvalidParameterException):
        check_redirect_url(url, member="CallbackURLs")


async def test_update_of_a_client_falls_back_to_defaults_but_never_weakens_by_omission(world: World) -> None:
    pool_id = await world.pool()
    client_id = await world.client(pool_id, **_OAUTH, generate_secret=True)
    before = (await world.describe_user_pool_client(user_pool_id=pool_id, client_id=client_id))["user_pool_client"]

    answer = await world.update_user_pool_client(user_pool_id=pool_id, client_id=client_id)

    after = answer["user_pool_client"]
    assert after["callback_urls"] is None
    assert after["allowed_o_auth_flows_user_pool_client"] is False
    assert after["client_name"] == "app"
    assert after["client_secret"] == before["client_secret"]
    assert after["prevent_user_existence_errors"] == "ENABLED"


async def test_deleted_client_takes_its_tokens_along(world: World) -> None:
    pool_id, client_id = await world.some_user()
    tokens = await world.sign_in(client_id)

    await world.delete_user_pool_client(user_pool_id=pool_id, client_id=client_id)

    async with refused("NotAuthorizedException", "Access Token has been revoked"):
        await world.get_user(access_token=tokens["access_token"])
    for attempt in (world.delete_user_pool_client, world.describe_user_pool_client, world.update_user_pool_client):
        async with refused("ResourceNotFoundException", f"User pool client {client_id} does not exist."):
            await attempt(user_pool_id=pool_id, client_id=client_id)
    assert (await world.list_user_pool_clients(user_pool_id=pool_id))["user_pool_clients"] == []


# Users


async def test_user_is_made_shown_changed_and_deleted(world: World) -> None:
    pool_id = await world.pool()
    made = await world.admin_create_user(
        user_pool_id=pool_id,
        username="anna",
        message_action="SUPPRESS",
        user_attributes=attribute_list(email="anna@example.com", email_verified="true"),
    )
    assert made["user"]["user_status"] == "FORCE_CHANGE_PASSWORD"

    await world.admin_set_user_password(user_pool_id=pool_id, username="anna", password=PASSWORD, permanent=True)
    await world.admin_update_user_attributes(
        user_pool_id=pool_id, username="anna", user_attributes=attribute_list(email="new@example.com", name="Anna")
    )
    found = await world.admin_get_user(user_pool_id=pool_id, username="anna")

    attributes = {a["name"]: a["value"] for a in found["user_attributes"]}
    assert found["user_status"] == "CONFIRMED"
    assert (attributes["email"], attributes["email_verified"], attributes["name"]) == (
        "new@example.com",
        "false",
        "Anna",
    )
    await world.admin_delete_user(user_pool_id=pool_id, username="anna")
    for attempt in (world.admin_get_user, world.admin_delete_user, world.admin_disable_user, world.admin_enable_user):
        async with refused("UserNotFoundException", "User does not exist."):
            await attempt(user_pool_id=pool_id, username="anna")


async def test_administrators_passwords_conform_too(world: World) -> None:
    pool_id = await world.pool()
    message = "Password did not conform with policy: Password must have symbol characters"

    async with refused("InvalidPasswordException", message):
        await world.admin_create_user(user_pool_id=pool_id, username="anna", temporary_password="Nosymbols1")
    await world.user(pool_id)
    async with refused("InvalidPasswordException", message):
        await world.admin_set_user_password(user_pool_id=pool_id, username="anna", password="Nosymbols1")


async def test_lax_policy_accepts_the_demos_password(world: World) -> None:
    pool_id = await world.lax_pool()
    client_id = await world.client(pool_id)
    await world.user(pool_id, "demouser", password="demoPASS123")

    await world.sign_in(client_id, "demouser", "demoPASS123")


async def test_invitation_goes_to_the_outbox_with_a_password_that_works(world: World) -> None:
    pool_id = await world.pool()
    client_id = await world.client(pool_id)
    await world.admin_create_user(
        user_pool_id=pool_id, username="anna", user_attributes=attribute_list(email="anna@example.com")
    )
    await world.admin_create_user(user_pool_id=pool_id, username="berta", message_action="SUPPRESS")

    [message] = await world.pools.outbox.messages(pool_id)

    assert (message.to, message.medium, message.kind) == (
        "anna@example.com",
        "EMAIL",
        "CustomMessage_AdminCreateUser",
    )
    password = message.text.removesuffix(".").rpartition(" ")[2]
    assert (await world.sign_in(client_id, password=password))["challenge_name"] == "NEW_PASSWORD_REQUIRED"
    assert password not in repr(message)


async def test_invitation_can_be_sent_again_until_it_was_accepted(world: World) -> None:
    pool_id = await world.pool()
    client_id = await world.client(pool_id)
    who = {"user_pool_id": pool_id, "username": "anna"}
    await world.admin_create_user(**who, user_attributes=attribute_list(email="anna@example.com"))
    world.later(days=8)

    await world.admin_create_user(**who, message_action="RESEND", temporary_password="Temporary-2")

    assert (await world.sign_in(client_id, password="Temporary-2"))["challenge_name"] == "NEW_PASSWORD_REQUIRED"
    await world.admin_set_user_password(**who, password=PASSWORD, permanent=True)
    async with refused("UnsupportedUserStateException"):
        await world.admin_create_user(**who, message_action="RESEND")
    async with refused("UserNotFoundException"):
        await world.admin_create_user(user_pool_id=pool_id, username="nobody", message_action="RESEND")


async def test_invitation_needs_somewhere_to_go(world: World) -> None:
    pool_id = await world.pool()

    async with refused("InvalidParameterException"):
        await world.admin_create_user(user_pool_id=pool_id, username="anna", desired_delivery_mediums=("EMAIL",))
    await world.admin_create_user(user_pool_id=pool_id, username="anna")


async def test_taken_names_and_aliases(world: World) -> None:
    pool_id = await world.pool(alias_attributes=("email",))
    verified = attribute_list(email="anna@example.com", email_verified="true")
    await world.user(pool_id, email="anna@example.com", email_verified="true")

    async with refused("UsernameExistsException", "User already exists"):
        await world.admin_create_user(user_pool_id=pool_id, username="anna")
    async with refused("UsernameExistsException"):
        await world.admin_create_user(user_pool_id=pool_id, username="berta", user_attributes=verified)
    await world.admin_create_user(
        user_pool_id=pool_id,
        username="berta",
        user_attributes=verified,
        force_alias_creation=True,
        message_action="SUPPRESS",
    )
    found = await world.admin_get_user(user_pool_id=pool_id, username="anna@example.com")
    former = await world.admin_get_user(user_pool_id=pool_id, username="anna")
    assert found["username"] == "berta"
    assert {"name": "email_verified", "value": "false"} in former["user_attributes"]
    async with refused("AliasExistsException"):
        await world.admin_update_user_attributes(user_pool_id=pool_id, username="anna", user_attributes=verified)


@pytest.mark.parametrize(
    ("pool", "owner", "other", "attributes"),
    [
        ({"alias_attributes": ("preferred_username",)}, "anna", "berta", {"preferred_username": "annie"}),
        ({"username_attributes": ("email",)}, "anna@example.com", "anna@example.com", {}),
    ],
    ids=["a preferred name", "an address that nobody has proven"],
)
async def test_name_that_is_no_proven_address_is_not_taken_from_its_owner(
    world: World, pool: dict[str, Any], owner: str, other: str, attributes: dict[str, str]
) -> None:
    pool_id = await world.pool(**pool)
    await world.user(pool_id, owner, **attributes)
    before = await world.admin_get_user(user_pool_id=pool_id, username=owner)

    async with refused("UsernameExistsException"):
        await world.admin_create_user(
            user_pool_id=pool_id,
            username=other,
            user_attributes=attribute_list(**attributes),
            force_alias_creation=True,
            message_action="SUPPRESS",
        )

    assert await world.admin_get_user(user_pool_id=pool_id, username=owner) == before


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {"custom__x": "1"},
            "Attributes did not conform to the schema: Type for attribute {custom:x} could not be determined",
        ),
        ({"email": "no address"}, "Invalid email address format."),
        ({"phone_number": "555"}, "Invalid phone number format."),
        ({"sub": "x"}, "user.sub: Attribute cannot be updated."),
        ({"birthdate": "1 May 2000"}, None),
        ({"name": "x" * 2049}, None),
        ({"updated_at": "yesterday"}, None),
        ({"email_verified": "maybe"}, None),
        ({"custom__small": "abcd"}, None),
        ({"custom__small": "a"}, None),
        ({"custom__level": "11"}, None),
        ({"custom__level": "0"}, None),
        ({"custom__level": "x"}, None),
    ],
)
async def test_attribute_values_are_checked(world: World, attributes: dict[str, str], message: str | None) -> None:
    pool_id = await world.pool(
        schema=(
            SchemaAttribute(
                name="small", string_attribute_constraints=StringAttributeConstraints(min_length="2", max_length="3")
            ),
            SchemaAttribute(
                name="level",
                attribute_data_type="Number",
                number_attribute_constraints=NumberAttributeConstraints(min_value="1", max_value="10"),
            ),
        )
    )
    await world.user(pool_id, custom__small="ab", custom__level="10")

    async with refused("InvalidParameterException", message):
        await world.admin_create_user(
            user_pool_id=pool_id, username="berta", user_attributes=attribute_list(**attributes)
        )
    async with refused("InvalidParameterException", message):
        await world.admin_update_user_attributes(
            user_pool_id=pool_id, username="anna", user_attributes=attribute_list(**attributes)
        )


async def test_required_and_immutable_attributes(world: World) -> None:
    pool_id = await world.pool(
        schema=(
            SchemaAttribute(name="email", required=True),
            SchemaAttribute(name="given_name", required=True),
            SchemaAttribute(name="badge", mutable=False),
        )
    )

    async with refused(
        "InvalidParameterException",
        "Attributes did not conform to the schema: given_name: The attribute is required\n"
        "email: The attribute is required",
    ):
        await world.sign_up(client_id=await world.client(pool_id), username="anna", password=PASSWORD)
    await world.admin_create_user(user_pool_id=pool_id, username="left-to-the-user")
    await world.user(pool_id, email="anna@example.com", given_name="Anna", custom__badge="7")
    who = {"user_pool_id": pool_id, "username": "anna"}
    await world.admin_update_user_attributes(**who, user_attributes=attribute_list(custom__badge="7"))
    async with refused("InvalidParameterException", "user.custom:badge: Attribute cannot be updated."):
        await world.admin_update_user_attributes(**who, user_attributes=attribute_list(custom__badge="8"))
    async with refused("InvalidParameterException"):
        await world.admin_update_user_attributes(**who, user_attributes=attribute_list(email=""))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {"anna", "anton", "berta"}),
        ('username = "anna"', {"anna"}),
        ('username ^= "an"', {"anna", "anton"}),
        ('email ^= "berta@"', {"berta"}),
        ('email="anna@example.com"', {"anna"}),
        ('name = "A \\"quoted\\" name"', {"anton"}),
        ('cognito:user_status = "confirmed"', {"anna", "berta", "anton"}),
        ('status = "Disabled"', {"anton"}),
        ('family_name = "nobody"', set()),
    ],
)
async def test_users_are_found_by_a_filter(world: World, text: str, found: set[str]) -> None:
    pool_id = await world.pool()
    await world.user(pool_id, "anna", email="anna@example.com")
    await world.user(pool_id, "anton", name='A "quoted" name')
    await world.user(pool_id, "berta", email="berta@example.com")
    await world.admin_disable_user(user_pool_id=pool_id, username="anton")

    answer = await world.list_users(user_pool_id=pool_id, filter=text)

    assert {user["username"] for user in answer["users"]} == found


@pytest.mark.parametrize("text", ["username", 'username > "a"', "username = anna", 'custom:x = "1"', 'a = "b" or c'])
async def test_other_filters_are_refused(world: World, text: str) -> None:
    pool_id = await world.pool()

    async with refused("InvalidParameterException"):
        await world.list_users(user_pool_id=pool_id, filter=text)


async def test_users_are_listed_page_by_page_with_the_attributes_asked_for(world: World) -> None:
    pool_id = await world.pool()
    for name in ("anna", "berta", "carla"):
        await world.admin_create_user(
            user_pool_id=pool_id,
            username=name,
            message_action="SUPPRESS",
            user_attributes=attribute_list(email=f"{name}@example.com", name=name),
        )

    first = await world.list_users(user_pool_id=pool_id, limit=2, attributes_to_get=("email",))
    second = await world.list_users(user_pool_id=pool_id, limit=2, pagination_token=first["pagination_token"])

    assert [u["username"] for u in first["users"] + second["users"]] == ["anna", "berta", "carla"]
    assert first["users"][0]["attributes"] == [{"name": "email", "value": "anna@example.com"}]
    assert second["pagination_token"] is None


async def test_attributes_that_a_pool_does_not_have_are_not_listed(world: World) -> None:
    pool_id = await world.pool(schema=(SchemaAttribute(name="team"),))
    await world.admin_create_user(user_pool_id=pool_id, username="anna", message_action="SUPPRESS")

    [anna] = (await world.list_users(user_pool_id=pool_id, attributes_to_get=("sub", "custom:team")))["users"]
    async with refused("InvalidParameterException", "One or more requested attributes do not exist."):
        await world.list_users(user_pool_id=pool_id, attributes_to_get=("sub", "team"))

    assert [attribute["name"] for attribute in anna["attributes"]] == ["sub"]


# Groups


async def test_groups_and_their_members(world: World) -> None:
    pool_id, _ = await world.some_user()
    await world.create_group(user_pool_id=pool_id, group_name="red", description="those", precedence=1)
    who = {"user_pool_id": pool_id, "username": "anna", "group_name": "red"}

    await world.admin_add_user_to_group(**who)
    await world.admin_add_user_to_group(**who)
    members = await world.list_users_in_group(user_pool_id=pool_id, group_name="red")
    groups = await world.admin_list_groups_for_user(user_pool_id=pool_id, username="anna")
    updated = await world.update_group(user_pool_id=pool_id, group_name="red", precedence=2)

    assert [user["username"] for user in members["users"]] == ["anna"]
    assert [group["group_name"] for group in groups["groups"]] == ["red"]
    assert (updated["group"]["precedence"], updated["group"]["description"]) == (2, "those")
    await world.admin_remove_user_from_group(**who)
    assert (await world.list_users_in_group(user_pool_id=pool_id, group_name="red"))["users"] == []
    await world.delete_group(user_pool_id=pool_id, group_name="red")
    for attempt in (world.get_group, world.delete_group, world.update_group, world.list_users_in_group):
        async with refused("ResourceNotFoundException", "Group not found."):
            await attempt(user_pool_id=pool_id, group_name="red")
    async with refused("ResourceNotFoundException", "Group not found."):
        await world.admin_add_user_to_group(**who)


async def test_group_names_are_one_groups_only(world: World) -> None:
    pool_id = await world.pool()
    await world.create_group(user_pool_id=pool_id, group_name="red")

    async with refused("GroupExistsException", "A group with the name already exists."):
        await world.create_group(user_pool_id=pool_id, group_name="red")
    async with refused("ResourceNotFoundException"):
        await world.create_group(user_pool_id="us-west-2_nobody", group_name="red")


async def test_groups_are_listed_page_by_page(world: World) -> None:
    pool_id, _ = await world.some_user()
    for name in ("a", "b", "c"):
        await world.create_group(user_pool_id=pool_id, group_name=name)
        await world.admin_add_user_to_group(user_pool_id=pool_id, username="anna", group_name=name)

    everywhere: dict[str, Any] = {"user_pool_id": pool_id, "limit": 2}
    for listing, where in (
        (world.list_groups, everywhere),
        (world.admin_list_groups_for_user, {**everywhere, "username": "anna"}),
    ):
        first = await listing(**where)
        second = await listing(**where, next_token=first["next_token"])
        assert [group["group_name"] for group in first["groups"] + second["groups"]] == ["a", "b", "c"]


async def test_user_is_in_a_hundred_groups_at_most(world: World) -> None:
    pool_id, _ = await world.some_user()
    for n in range(101):
        await world.create_group(user_pool_id=pool_id, group_name=f"g{n}")
    for n in range(100):
        await world.admin_add_user_to_group(user_pool_id=pool_id, username="anna", group_name=f"g{n}")

    async with refused("LimitExceededException"):
        await world.admin_add_user_to_group(user_pool_id=pool_id, username="anna", group_name="g100")
    await world.admin_add_user_to_group(user_pool_id=pool_id, username="anna", group_name="g99")


def test_structures_refuse_members_they_do_not_have() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"minimum_length": 8, "nonsense": 1}, PasswordPolicySettings)


@pytest.mark.parametrize(
    "constraints",
    [
        {"number_attribute_constraints": NumberAttributeConstraints(min_value="ten")},
        {"number_attribute_constraints": NumberAttributeConstraints(min_value="10", max_value="1")},
        {"string_attribute_constraints": StringAttributeConstraints(min_length="10", max_length="1")},
    ],
    ids=["no number", "numbers", "lengths"],
)
async def test_constraints_that_nothing_meets_are_refused(world: World, constraints: dict[str, Any]) -> None:
    kind: Any = "Number" if "number_attribute_constraints" in constraints else "String"
    attribute = SchemaAttribute(name="score", attribute_data_type=kind, **constraints)

    async with refused("InvalidParameterException", "Invalid constraints of the attribute score."):
        await world.pool(schema=(attribute,))
    pool_id = await world.pool()
    async with refused("InvalidParameterException", "Invalid constraints of the attribute score."):
        await world.add_custom_attributes(user_pool_id=pool_id, custom_attributes=(attribute,))


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        ("2026-01-02T03:04:05Z", True),
        ("2026-01-02", True),
        ("1767322800", True),
        ("yesterday", False),
        ("2026-13-01", False),
    ],
)
async def test_a_date_and_time_is_one(world: World, value: str, allowed: bool) -> None:
    pool_id = await world.pool(schema=(SchemaAttribute(name="met", attribute_data_type="DateTime"),))

    if allowed:
        await world.user(pool_id, custom__met=value)
        return
    message = "Attributes did not conform to the schema: custom:met: Value must be a date and time"
    async with refused("InvalidParameterException", message):
        await world.user(pool_id, custom__met=value)


async def test_no_attribute_holds_what_no_database_keeps(world: World) -> None:
    pool_id = await world.pool()

    async with refused("InvalidParameterException"):
        await world.user(pool_id, name="An\x00na")


async def test_a_pool_has_at_most_ten_thousand_groups(world: World) -> None:
    pool_id, other = await world.pool(), await world.pool()
    made = [
        Group(user_pool_id=pool_id, group_name=f"g{n}", created_at=world.now, modified_at=world.now)
        for n in range(9999)
    ]
    async with world.database.transaction() as tx:
        await tx.connection.execute(
            insert(groups), [{"user_pool_id": pool_id, "group_name": one.group_name, "record": one} for one in made]
        )

    await world.create_group(user_pool_id=pool_id, group_name="the-last")

    async with refused("LimitExceededException", "A user pool has at most 10000 groups."):
        await world.create_group(user_pool_id=pool_id, group_name="one-too-many")
    await world.create_group(user_pool_id=other, group_name="one-too-many")
    await world.delete_group(user_pool_id=pool_id, group_name="g7")
    await world.create_group(user_pool_id=pool_id, group_name="one-too-many")


async def test_clients_are_listed_by_type_and_none_has_registered_itself(world: World) -> None:
    pool_id = await world.pool()
    client_id = await world.client(pool_id)

    regular = await world.list_user_pool_clients(user_pool_id=pool_id, client_type="REGULAR")
    registered = await world.list_user_pool_clients(user_pool_id=pool_id, client_type="DCR")

    assert [one["client_id"] for one in regular["user_pool_clients"]] == [client_id]
    assert registered == {"user_pool_clients": []}
    async with refused("ResourceNotFoundException"):
        await world.list_user_pool_clients(user_pool_id="us-west-2_AbCdEfGhI", client_type="DCR")


@pytest.mark.parametrize(
    ("policy", "legacy", "days"),
    [
        pytest.param(None, None, 7, id="nothing said"),
        pytest.param(None, 2, 2, id="the old member alone"),
        pytest.param(PasswordPolicySettings(), 2, 2, id="the old member, and a policy that does not say it"),
        pytest.param(PasswordPolicySettings(temporary_password_validity_days=0), 2, 2, id="the old member and null"),
        pytest.param(PasswordPolicySettings(temporary_password_validity_days=3), None, 3, id="the new member"),
        pytest.param(PasswordPolicySettings(temporary_password_validity_days=3), 3, 3, id="both, and the same"),
    ],
)
async def test_temporary_passwords_last_as_long_as_either_member_says(
    world: World, policy: PasswordPolicySettings | None, legacy: int | None, days: int
) -> None:
    said: dict[str, Any] = {
        "policies": None if policy is None else UserPoolPolicies(password_policy=policy),
        "admin_create_user_config": AdminCreateUserConfig(unused_account_validity_days=legacy),
    }
    made, updated = await world.pool(**said), await world.pool()
    await world.update_user_pool(user_pool_id=updated, **said)

    for pool_id in (made, updated):
        shown = (await world.describe_user_pool(user_pool_id=pool_id))["user_pool"]
        assert shown["policies"]["password_policy"]["temporary_password_validity_days"] == days
        client_id = await world.client(pool_id, explicit_auth_flows=("ALLOW_USER_PASSWORD_AUTH",))
        for name in ("early", "late"):
            await world.admin_create_user(
                user_pool_id=pool_id, username=name, temporary_password=PASSWORD, message_action="SUPPRESS"
            )
        asked = {"client_id": client_id, "auth_flow": "USER_PASSWORD_AUTH"}
        world.later(days=days, seconds=-1)
        early = await world.initiate_auth(auth_parameters={"USERNAME": "early", "PASSWORD": PASSWORD}, **asked)
        world.later(seconds=1)
        assert early["challenge_name"] == "NEW_PASSWORD_REQUIRED"
        async with refused("NotAuthorizedException"):
            await world.initiate_auth(auth_parameters={"USERNAME": "late", "PASSWORD": PASSWORD}, **asked)


async def test_two_members_that_say_different_days_are_refused(world: World) -> None:
    pool_id = await world.pool()
    policy = PasswordPolicySettings(temporary_password_validity_days=3)
    said: dict[str, Any] = {
        "policies": UserPoolPolicies(password_policy=policy),
        "admin_create_user_config": AdminCreateUserConfig(unused_account_validity_days=2),
    }

    for call in (world.pool(**said), world.update_user_pool(user_pool_id=pool_id, **said)):
        async with refused("InvalidParameterException"):
            await call

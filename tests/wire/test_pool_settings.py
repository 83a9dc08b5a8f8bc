"""Every setting of a pool and of an app client, by botocore's model: shown back as it was said, or refused by its name.

A member that the model gets one day is in neither table, and fails the first test here until somebody has decided. What
a boolean means that is left out is a table of its own: Terraform's provider leaves out every false.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from support.clients import aws_client
from support.running import RunningServer

REGION, ACCOUNT = "us-west-2", "123456789012"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/sms"
OFF = {"AdvancedSecurityMode": "OFF"}

POOL: dict[str, Any] = {
    "Policies": {
        "PasswordPolicy": {
            "MinimumLength": 12,
            "RequireUppercase": True,
            "RequireLowercase": False,
            "RequireNumbers": True,
            "RequireSymbols": False,
            "PasswordHistorySize": 3,
            "TemporaryPasswordValidityDays": 9,
        },
        "SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]},
    },
    "DeletionProtection": "INACTIVE",
    "LambdaConfig": {
        "PreSignUp": FUNCTION + "a",
        "CustomMessage": FUNCTION + "b",
        "PostConfirmation": FUNCTION + "c",
        "PreAuthentication": FUNCTION + "d",
        "PostAuthentication": FUNCTION + "e",
        "DefineAuthChallenge": FUNCTION + "f",
        "CreateAuthChallenge": FUNCTION + "g",
        "VerifyAuthChallengeResponse": FUNCTION + "h",
        "PreTokenGeneration": FUNCTION + "i",
        "UserMigration": FUNCTION + "j",
        "PreTokenGenerationConfig": {"LambdaVersion": "V2_0", "LambdaArn": FUNCTION + "i"},
        "CustomSMSSender": {"LambdaVersion": "V1_0", "LambdaArn": FUNCTION + "k"},
        "CustomEmailSender": {"LambdaVersion": "V1_0", "LambdaArn": FUNCTION + "l"},
        "InboundFederation": {"LambdaVersion": "V1_0", "LambdaArn": FUNCTION + "m"},
        "KMSKeyID": "the key",
    },
    "AutoVerifiedAttributes": ["email"],
    "SmsVerificationMessage": "sms {####}",
    "EmailVerificationMessage": "mail {####}",
    "EmailVerificationSubject": "subject",
    "VerificationMessageTemplate": {
        "SmsMessage": "template sms {####}",
        "EmailMessage": "template mail {####}",
        "EmailSubject": "template subject",
        "EmailMessageByLink": "link {##here##}",
        "EmailSubjectByLink": "link subject",
        "DefaultEmailOption": "CONFIRM_WITH_LINK",
    },
    "SmsAuthenticationMessage": "sign in {####}",
    "MfaConfiguration": "OPTIONAL",
    "UserAttributeUpdateSettings": {"AttributesRequireVerificationBeforeUpdate": ["email"]},
    "DeviceConfiguration": {"ChallengeRequiredOnNewDevice": True, "DeviceOnlyRememberedOnUserPrompt": True},
    "EmailConfiguration": {
        "SourceArn": f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/example.com",
        "ReplyToEmailAddress": "answers@example.com",
        "EmailSendingAccount": "DEVELOPER",
        "From": "People <people@example.com>",
    },
    "SmsConfiguration": {"SnsCallerArn": ROLE, "ExternalId": "outside", "SnsRegion": REGION},
    "UserPoolTags": {"team": "red"},
    "AdminCreateUserConfig": {
        "AllowAdminCreateUserOnly": True,
        "UnusedAccountValidityDays": 9,
        "InviteMessageTemplate": {
            "SMSMessage": "{username} {####}",
            "EmailMessage": "{username} {####} welcome",
            "EmailSubject": "welcome",
        },
    },
    "UserPoolAddOns": OFF,
    "AccountRecoverySetting": {"RecoveryMechanisms": [{"Priority": 1, "Name": "verified_email"}]},
    "UserPoolTier": "PLUS",
}
"""What CreateUserPool and UpdateUserPool both take."""

ONLY_CREATED: dict[str, Any] = {
    "AliasAttributes": ["preferred_username", "email"],
    "UsernameConfiguration": {"CaseSensitive": False},
    "Schema": [
        {
            "Name": "team",
            "AttributeDataType": "String",
            "DeveloperOnlyAttribute": False,
            "Mutable": False,
            "Required": False,
            "StringAttributeConstraints": {"MinLength": "2", "MaxLength": "9"},
        },
        {
            "Name": "age",
            "AttributeDataType": "Number",
            "Mutable": True,
            "NumberAttributeConstraints": {"MinValue": "1", "MaxValue": "99"},
        },
    ],
}
INSTEAD: dict[str, Any] = {"UsernameAttributes": ["email", "phone_number"]}
"""Excludes AliasAttributes."""

REFUSED_OF_A_POOL: dict[str, dict[str, Any]] = {
    "EmailConfiguration.ConfigurationSet": {"EmailConfiguration": {"ConfigurationSet": "set"}},
    **{
        f"SmsConfiguration.EumsSms.{name}": {"SmsConfiguration": {"EumsSms": {"CallerArn": ROLE, name: value}}}
        for name, value in {
            "CallerArn": ROLE,
            "ExternalId": "outside",
            "OriginationIdentity": "arn:aws:sms-voice:us-west-2:123456789012:pool/p",
            "ConfigurationSetName": "set",
            "InEntityId": "1234567890123456",
            "InTemplateId": "1234567890123456",
            "Region": REGION,
        }.items()
    },
    "UserPoolAddOns.AdvancedSecurityAdditionalFlows.CustomAuthMode": {
        "UserPoolAddOns": {**OFF, "AdvancedSecurityAdditionalFlows": {"CustomAuthMode": "AUDIT"}}
    },
    "DcrConfiguration.EnableStatus": {"DcrConfiguration": {"EnableStatus": "Enabled"}},
    "DcrConfiguration.OpenDcrEnabled": {"DcrConfiguration": {"EnableStatus": "Enabled", "OpenDcrEnabled": True}},
    "DcrConfiguration.AuthenticatedGrantTypes[]": {
        "DcrConfiguration": {"EnableStatus": "Enabled", "AuthenticatedGrantTypes": ["code"]}
    },
    "DcrConfiguration.OpenDcrGrantTypes[]": {
        "DcrConfiguration": {"EnableStatus": "Enabled", "OpenDcrGrantTypes": ["code"]}
    },
    "DcrConfiguration.AllowedScopes[]": {"DcrConfiguration": {"EnableStatus": "Enabled", "AllowedScopes": ["openid"]}},
    "KeyConfiguration.KeyType": {"KeyConfiguration": {"KeyType": "AWS_OWNED_KEY"}},
    "KeyConfiguration.KmsKeyArn": {
        "KeyConfiguration": {
            "KeyType": "CUSTOMER_MANAGED_KEY",
            "KmsKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/12345678-1234-1234-1234-123456789012",
        }
    },
    "IssuerConfiguration.Type": {"IssuerConfiguration": {"Type": "UPDATED"}},
    "AcrConfiguration": {"AcrConfiguration": {"Level1": {"AcrValue": "urn:high"}}},
}

CLIENT: dict[str, Any] = {
    "ClientName": "web",
    "RefreshTokenValidity": 2,
    "AccessTokenValidity": 10,
    "IdTokenValidity": 20,
    "TokenValidityUnits": {"AccessToken": "minutes", "IdToken": "minutes", "RefreshToken": "hours"},
    "ReadAttributes": ["email", "name"],
    "WriteAttributes": ["name"],
    "ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH"],
    "SupportedIdentityProviders": ["COGNITO"],
    "CallbackURLs": ["https://example.com/in"],
    "LogoutURLs": ["https://example.com/out"],
    "DefaultRedirectURI": "https://example.com/in",
    "AllowedOAuthFlows": ["code"],
    "AllowedOAuthScopes": ["openid", "email"],
    "AllowedOAuthFlowsUserPoolClient": True,
    "PreventUserExistenceErrors": "ENABLED",
    "EnableTokenRevocation": False,
    "EnablePropagateAdditionalUserContextData": False,
    "AuthSessionValidity": 7,
    "RefreshTokenRotation": {"Feature": "ENABLED", "RetryGracePeriodSeconds": 30},
}
REFUSED_OF_A_CLIENT: dict[str, dict[str, Any]] = {
    f"AnalyticsConfiguration.{name}": {"AnalyticsConfiguration": {name: value}}
    for name, value in {
        "ApplicationId": "0123456789abcdef0123456789abcdef",
        "ApplicationArn": f"arn:aws:mobiletargeting:{REGION}:{ACCOUNT}:apps/a",
        "RoleArn": ROLE,
        "ExternalId": "outside",
        "UserDataShared": False,
    }.items()
}

MFA: dict[str, Any] = {
    "SmsMfaConfiguration": {
        "SmsAuthenticationMessage": "sign in {####}",
        "SmsConfiguration": {"SnsCallerArn": ROLE, "ExternalId": "outside", "SnsRegion": REGION},
    },
    "SoftwareTokenMfaConfiguration": {"Enabled": True},
    "EmailMfaConfiguration": {"Message": "mail {####}", "Subject": "subject"},
    "MfaConfiguration": "OPTIONAL",
    "WebAuthnConfiguration": {
        "RelyingPartyId": "example.com",
        "UserVerification": "required",
        "FactorConfiguration": "MULTI_FACTOR_WITH_USER_VERIFICATION",
    },
}
REFUSED_OF_MFA = {
    f"SmsMfaConfiguration.{path}": {"SmsMfaConfiguration": asked}
    for path, asked in REFUSED_OF_A_POOL.items()
    if path.startswith("SmsConfiguration.")
}


@pytest.fixture(scope="module")
def cognito(serving: RunningServer) -> Any:
    return aws_client(serving, "cognito-idp")


@pytest.fixture(scope="module")
def pool(serving: RunningServer) -> dict[str, Any]:
    """The settings of a pool, with a key that is there."""
    key = aws_client(serving, "kms").create_key()["KeyMetadata"]["Arn"]
    asked = deepcopy(POOL)
    asked["LambdaConfig"]["KMSKeyID"] = key
    return asked


@pytest.fixture(scope="module")
def some_pool(cognito: Any) -> str:
    return str(cognito.create_user_pool(PoolName="some")["UserPool"]["Id"])


def leaves_of_model(operation: str) -> set[str]:
    """Every member of an operation's input, down to what is no structure."""
    model = boto3.client(
        "cognito-idp", region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b"
    ).meta.service_model.operation_model(operation)
    return set(_leaves_of_shape(model.input_shape, ""))


def _leaves_of_shape(shape: Any, path: str) -> Iterator[str]:
    if shape.type_name == "list":
        yield from _leaves_of_shape(shape.member, path + "[]")
    elif shape.type_name == "structure":
        for name, member in shape.members.items():
            yield from _leaves_of_shape(member, f"{path}.{name}" if path else name)
    else:
        yield path


def leaves_of(value: object, path: str = "", *, maps: tuple[str, ...] = ("UserPoolTags",)) -> set[str]:
    """The members that a request sets."""
    if isinstance(value, Mapping) and path not in maps:
        return {leaf for name, one in value.items() for leaf in leaves_of(one, f"{path}.{name}" if path else name)}
    if isinstance(value, list):
        return {leaf for one in value for leaf in leaves_of(one, path + "[]")}
    return {path}


@pytest.mark.parametrize(
    ("operation", "asked", "refused", "names"),
    [
        ("CreateUserPool", {**POOL, **ONLY_CREATED, **INSTEAD}, REFUSED_OF_A_POOL, {"PoolName"}),
        ("UpdateUserPool", POOL, REFUSED_OF_A_POOL, {"UserPoolId", "PoolName"}),
        ("CreateUserPoolClient", CLIENT, REFUSED_OF_A_CLIENT, {"UserPoolId", "GenerateSecret", "ClientSecret"}),
        ("UpdateUserPoolClient", CLIENT, REFUSED_OF_A_CLIENT, {"UserPoolId", "ClientId"}),
        ("SetUserPoolMfaConfig", MFA, REFUSED_OF_MFA, {"UserPoolId"}),
    ],
)
def test_every_member_of_the_model_is_in_one_table_or_the_other(
    operation: str, asked: dict[str, Any], refused: dict[str, Any], names: set[str]
) -> None:
    said = leaves_of(asked)

    assert said.isdisjoint(refused)
    assert said | refused.keys() | names == leaves_of_model(operation)


def shown_of(asked: Mapping[str, Any], shown: Mapping[str, Any]) -> dict[str, Any]:
    """What a description says of the members that were asked for."""
    return {name: shown.get(name) for name in asked}


def test_a_new_pool_is_shown_with_every_setting_that_it_was_given(cognito: Any, pool: dict[str, Any]) -> None:
    made = cognito.create_user_pool(PoolName="whole", **pool, **ONLY_CREATED)["UserPool"]

    shown = cognito.describe_user_pool(UserPoolId=made["Id"])["UserPool"]

    assert shown == made
    assert shown["Name"] == "whole"
    assert shown_of(pool, shown) == pool
    schema = {attribute["Name"]: attribute for attribute in shown["SchemaAttributes"]}
    for attribute in ONLY_CREATED["Schema"]:
        described = schema[f"custom:{attribute['Name']}"]
        assert shown_of(attribute, described) == {**attribute, "Name": f"custom:{attribute['Name']}"}
    for name in ("AliasAttributes", "UsernameConfiguration"):
        assert shown[name] == ONLY_CREATED[name]


def test_a_pool_whose_users_sign_in_with_addresses_is_shown_so(cognito: Any) -> None:
    made = cognito.create_user_pool(PoolName="addresses", **INSTEAD)["UserPool"]

    assert (
        cognito.describe_user_pool(UserPoolId=made["Id"])["UserPool"]["UsernameAttributes"]
        == (INSTEAD["UsernameAttributes"])
    )


def test_an_updated_pool_is_shown_with_every_setting_that_it_was_given(cognito: Any, pool: dict[str, Any]) -> None:
    pool_id = cognito.create_user_pool(PoolName="before", SmsConfiguration=POOL["SmsConfiguration"])["UserPool"]["Id"]

    cognito.update_user_pool(UserPoolId=pool_id, PoolName="after", **pool)

    shown = cognito.describe_user_pool(UserPoolId=pool_id)["UserPool"]
    assert shown["Name"] == "after"
    assert shown_of(pool, shown) == pool


def test_a_client_is_shown_with_every_setting_that_it_was_given(cognito: Any, some_pool: str) -> None:
    made = cognito.create_user_pool_client(UserPoolId=some_pool, GenerateSecret=True, **CLIENT)["UserPoolClient"]
    blank = cognito.create_user_pool_client(UserPoolId=some_pool, ClientName="blank")["UserPoolClient"]
    own = cognito.create_user_pool_client(UserPoolId=some_pool, ClientName="own", ClientSecret="s" * 24)

    changed = cognito.update_user_pool_client(UserPoolId=some_pool, ClientId=blank["ClientId"], **CLIENT)

    for client in (made, changed["UserPoolClient"]):
        described = cognito.describe_user_pool_client(UserPoolId=some_pool, ClientId=client["ClientId"])
        assert described["UserPoolClient"] == client
        assert shown_of(CLIENT, client) == CLIENT
    assert len(made["ClientSecret"]) >= 24
    assert "ClientSecret" not in changed["UserPoolClient"]
    assert own["UserPoolClient"]["ClientSecret"] == "s" * 24


def test_settings_of_mfa_are_shown_as_they_were_given(cognito: Any, some_pool: str) -> None:
    answer = cognito.set_user_pool_mfa_config(UserPoolId=some_pool, **MFA)
    shown = cognito.get_user_pool_mfa_config(UserPoolId=some_pool)

    assert shown_of(MFA, answer) == shown_of(MFA, shown) == MFA


# Settings that an update leaves out


STAYS_IN_A_POOL = {
    "Name",
    "DeletionProtection",
    "MfaConfiguration",
    "SmsConfiguration",
    "UserPoolTags",
    "UserPoolTier",
}
"""What an UpdateUserPool that leaves it out keeps: a default would weaken the pool, or lose what it has."""
STAYS_IN_A_CLIENT = {"ClientName", "PreventUserExistenceErrors", "EnableTokenRevocation"}
STAYS_OF_MFA = {"MfaConfiguration", "WebAuthnConfiguration"}


def test_an_update_of_a_pool_sets_what_it_leaves_out_to_its_default_but_for_what_is_named(
    cognito: Any, pool: dict[str, Any]
) -> None:
    asked = {**pool, "DeletionProtection": "ACTIVE"}
    made = cognito.create_user_pool(PoolName="kept", **asked)["UserPool"]
    blank = cognito.create_user_pool(PoolName="blank")["UserPool"]

    cognito.update_user_pool(UserPoolId=made["Id"])
    shown = cognito.describe_user_pool(UserPoolId=made["Id"])["UserPool"]
    cognito.update_user_pool(UserPoolId=made["Id"], DeletionProtection="INACTIVE")

    changed = {**asked, "Name": "kept"}
    assert {name for name in changed if shown.get(name) == changed[name] != blank.get(name)} == STAYS_IN_A_POOL
    for name in changed.keys() - STAYS_IN_A_POOL:
        assert shown.get(name) == blank.get(name), name


def test_an_update_of_a_client_sets_what_it_leaves_out_to_its_default_but_for_what_is_named(
    cognito: Any, some_pool: str
) -> None:
    made = cognito.create_user_pool_client(UserPoolId=some_pool, **CLIENT)["UserPoolClient"]
    blank = cognito.create_user_pool_client(UserPoolId=some_pool, ClientName="blank")["UserPoolClient"]

    shown = cognito.update_user_pool_client(UserPoolId=some_pool, ClientId=made["ClientId"])["UserPoolClient"]

    assert {name for name in CLIENT if shown.get(name) == CLIENT[name] != blank.get(name)} == STAYS_IN_A_CLIENT
    for name in CLIENT.keys() - STAYS_IN_A_CLIENT:
        assert shown.get(name) == blank.get(name), name


def test_settings_of_mfa_that_are_left_out_are_off_but_for_what_is_named(cognito: Any) -> None:
    pool_id = cognito.create_user_pool(PoolName="mfa")["UserPool"]["Id"]
    cognito.set_user_pool_mfa_config(UserPoolId=pool_id, **MFA)

    shown = cognito.set_user_pool_mfa_config(UserPoolId=pool_id, SoftwareTokenMfaConfiguration={"Enabled": True})

    assert {name for name in MFA if shown.get(name) == MFA[name]} == {*STAYS_OF_MFA, "SoftwareTokenMfaConfiguration"}
    assert "SmsMfaConfiguration" not in shown
    assert "EmailMfaConfiguration" not in shown


REFUSED = [
    *(("create_user_pool", path, asked) for path, asked in REFUSED_OF_A_POOL.items()),
    *(("update_user_pool", path, asked) for path, asked in REFUSED_OF_A_POOL.items()),
    *(("create_user_pool_client", path, asked) for path, asked in REFUSED_OF_A_CLIENT.items()),
    *(("set_user_pool_mfa_config", path, asked) for path, asked in REFUSED_OF_MFA.items()),
    ("create_user_pool", "UserPoolAddOns.AdvancedSecurityMode", {"UserPoolAddOns": {"AdvancedSecurityMode": "AUDIT"}}),
    (
        "update_user_pool",
        "UserPoolAddOns.AdvancedSecurityMode",
        {"UserPoolAddOns": {"AdvancedSecurityMode": "ENFORCED"}},
    ),
    (
        "create_user_pool_client",
        "EnablePropagateAdditionalUserContextData",
        {"EnablePropagateAdditionalUserContextData": True},
    ),
    (
        "create_user_pool",
        "Policies.SignInPolicy.AllowedFirstAuthFactors",
        {"Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "SOFTWARE_TOKEN"]}}},
    ),
]


@pytest.mark.parametrize(("operation", "path", "asked"), REFUSED, ids=lambda value: value if type(value) is str else "")
def test_what_is_not_honoured_is_refused_by_its_name(
    cognito: Any, some_pool: str, operation: str, path: str, asked: dict[str, Any]
) -> None:
    named = {"PoolName": "p"} if operation == "create_user_pool" else {"UserPoolId": some_pool}
    if operation == "create_user_pool_client":
        named["ClientName"] = "c"

    with pytest.raises(ClientError) as caught:
        getattr(cognito, operation)(**named, **asked)

    error = caught.value.response["Error"]
    assert error["Code"] == "InvalidParameterException"
    # A structure that is refused as a whole is named as a whole.
    wholes = [path.rsplit(".", cut)[0].removesuffix("[]") for cut in range(path.count(".") + 1)]
    assert any(whole in error["Message"] for whole in wholes), error["Message"]


# Booleans that are left out


def pool_with(cognito: Any, **members: Any) -> dict[str, Any]:
    shown: dict[str, Any] = cognito.create_user_pool(PoolName="booleans", **members)["UserPool"]
    return shown


NUMBERS_ONLY = {"Policies": {"PasswordPolicy": {"MinimumLength": 8, "RequireNumbers": True}}}


@pytest.mark.parametrize(
    ("asked", "path", "meant"),
    [
        ({}, ("Policies", "PasswordPolicy", "RequireUppercase"), True),
        ({}, ("Policies", "PasswordPolicy", "RequireLowercase"), True),
        ({}, ("Policies", "PasswordPolicy", "RequireNumbers"), True),
        ({}, ("Policies", "PasswordPolicy", "RequireSymbols"), True),
        (NUMBERS_ONLY, ("Policies", "PasswordPolicy", "RequireUppercase"), False),
        (NUMBERS_ONLY, ("Policies", "PasswordPolicy", "RequireLowercase"), False),
        (NUMBERS_ONLY, ("Policies", "PasswordPolicy", "RequireNumbers"), True),
        (NUMBERS_ONLY, ("Policies", "PasswordPolicy", "RequireSymbols"), False),
        ({}, ("AdminCreateUserConfig", "AllowAdminCreateUserOnly"), False),
        (
            {"AdminCreateUserConfig": {"InviteMessageTemplate": {"EmailSubject": "welcome"}}},
            ("AdminCreateUserConfig", "AllowAdminCreateUserOnly"),
            False,
        ),
        (
            {"DeviceConfiguration": {"DeviceOnlyRememberedOnUserPrompt": True}},
            ("DeviceConfiguration", "ChallengeRequiredOnNewDevice"),
            False,
        ),
        (
            {"DeviceConfiguration": {"ChallengeRequiredOnNewDevice": True}},
            ("DeviceConfiguration", "DeviceOnlyRememberedOnUserPrompt"),
            False,
        ),
        ({}, ("DeviceConfiguration",), None),
        ({}, ("UsernameConfiguration",), None),
    ],
)
def test_a_boolean_of_a_pool_that_is_left_out_means_what_aws_says(
    cognito: Any, asked: dict[str, Any], path: tuple[str, ...], meant: bool | None
) -> None:
    made = pool_with(cognito, **asked)
    if asked:  # an update that leaves it out means the same as a pool that was made without it
        cognito.update_user_pool(UserPoolId=made["Id"], **asked)

    for shown in (made, cognito.describe_user_pool(UserPoolId=made["Id"])["UserPool"]):
        found: Any = shown
        for step in path:
            found = found.get(step) if found is not None else None
        assert found is meant


@pytest.mark.parametrize(("name", "meant"), [("Mutable", True), ("Required", False), ("DeveloperOnlyAttribute", False)])
def test_a_boolean_of_an_attribute_that_is_left_out_means_what_aws_says(cognito: Any, name: str, meant: bool) -> None:
    """Terraform's provider leaves out false: whoever wants an attribute that cannot change has to say so."""
    made = pool_with(cognito, Schema=[{"Name": "team", "AttributeDataType": "String"}])
    cognito.add_custom_attributes(
        UserPoolId=made["Id"], CustomAttributes=[{"Name": "later", "AttributeDataType": "String"}]
    )

    attributes = cognito.describe_user_pool(UserPoolId=made["Id"])["UserPool"]["SchemaAttributes"]

    assert [a[name] for a in attributes if a["Name"] in {"custom:team", "custom:later"}] == [meant, meant]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("AllowedOAuthFlowsUserPoolClient", False),
        ("EnableTokenRevocation", True),
        ("EnablePropagateAdditionalUserContextData", False),
    ],
)
def test_a_boolean_of_a_client_that_is_left_out_means_what_aws_says(
    cognito: Any, some_pool: str, name: str, meant: bool
) -> None:
    made = cognito.create_user_pool_client(UserPoolId=some_pool, ClientName="booleans")["UserPoolClient"]

    assert made[name] is meant
    assert "ClientSecret" not in made, "GenerateSecret is false"


def test_token_revocation_that_an_update_leaves_out_stays_and_oauth_does_not(cognito: Any, some_pool: str) -> None:
    made = cognito.create_user_pool_client(UserPoolId=some_pool, **CLIENT)["UserPoolClient"]

    updated = cognito.update_user_pool_client(UserPoolId=some_pool, ClientId=made["ClientId"])["UserPoolClient"]

    assert (made["EnableTokenRevocation"], updated["EnableTokenRevocation"]) == (False, False)
    assert (made["AllowedOAuthFlowsUserPoolClient"], updated["AllowedOAuthFlowsUserPoolClient"]) == (True, False)


def test_an_app_as_second_factor_that_is_not_enabled_in_so_many_words_is_off(cognito: Any) -> None:
    pool_id = cognito.create_user_pool(PoolName="no app")["UserPool"]["Id"]

    answer = cognito.set_user_pool_mfa_config(UserPoolId=pool_id, SoftwareTokenMfaConfiguration={})

    assert answer["SoftwareTokenMfaConfiguration"] == {"Enabled": False}


def test_whether_apps_are_a_second_factor_is_shown_once_it_was_said(cognito: Any) -> None:
    """Terraform's provider takes an answer that nobody gave for a block that is to be taken away, at every plan."""
    pool_id = cognito.create_user_pool(PoolName="apps")["UserPool"]["Id"]

    said_nothing = cognito.get_user_pool_mfa_config(UserPoolId=pool_id)
    cognito.set_user_pool_mfa_config(UserPoolId=pool_id, SoftwareTokenMfaConfiguration={"Enabled": False})
    said_no = cognito.get_user_pool_mfa_config(UserPoolId=pool_id)
    cognito.set_user_pool_mfa_config(UserPoolId=pool_id, MfaConfiguration="OFF")
    taken_back = cognito.get_user_pool_mfa_config(UserPoolId=pool_id)

    assert said_no["SoftwareTokenMfaConfiguration"] == {"Enabled": False}
    assert "SoftwareTokenMfaConfiguration" not in said_nothing
    assert "SoftwareTokenMfaConfiguration" not in taken_back


def test_texts_and_numbers_without_bounds_show_that_they_have_none(cognito: Any) -> None:
    """Terraform's provider takes a missing structure for another attribute, and never comes to rest."""
    schema = [
        {"Name": "text", "AttributeDataType": "String"},
        {"Name": "number", "AttributeDataType": "Number"},
        {"Name": "flag", "AttributeDataType": "Boolean"},
    ]

    made = cognito.create_user_pool(PoolName="bounds", Schema=schema)["UserPool"]

    shown = {attribute["Name"]: attribute for attribute in made["SchemaAttributes"]}
    assert shown["custom:text"]["StringAttributeConstraints"] == {}
    assert shown["custom:number"]["NumberAttributeConstraints"] == {}
    assert not {"StringAttributeConstraints", "NumberAttributeConstraints"}.intersection(shown["custom:flag"])

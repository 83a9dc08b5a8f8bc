"""Settings of a user pool and its clients that callers send, we keep, and callers are shown again.

They are named and shaped as the cognito-idp model has them, in snake case. What a left-out member means is the default.
"""

from typing import Literal

import msgspec

__all__ = [
    "AccountRecoverySetting",
    "AdminCreateUserConfig",
    "AliasKind",
    "DeviceConfiguration",
    "EmailConfiguration",
    "EmailMfaConfig",
    "FirstFactor",
    "LambdaConfig",
    "MessageTemplate",
    "MfaType",
    "NumberAttributeConstraints",
    "PasswordPolicySettings",
    "RecoveryOption",
    "RefreshTokenRotation",
    "SchemaAttribute",
    "SmsConfiguration",
    "SmsMfaConfig",
    "SoftwareTokenMfaConfig",
    "StringAttributeConstraints",
    "TokenValidityUnits",
    "Unit",
    "UsernameConfiguration",
    "VerificationMessageTemplate",
    "VersionedTrigger",
    "WebAuthnConfiguration",
]

AliasKind = Literal["email", "phone_number", "preferred_username"]
MfaType = Literal["SMS_MFA", "SOFTWARE_TOKEN_MFA", "EMAIL_OTP"]
FirstFactor = Literal["PASSWORD", "EMAIL_OTP", "SMS_OTP", "WEB_AUTHN"]
Unit = Literal["seconds", "minutes", "hours", "days"]


class PasswordPolicySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    minimum_length: int = 8
    require_uppercase: bool = False
    require_lowercase: bool = False
    require_numbers: bool = False
    require_symbols: bool = False
    password_history_size: int | None = None
    temporary_password_validity_days: int | None = None
    """A pool has one: seven, if nobody said it."""


class NumberAttributeConstraints(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    min_value: str | None = None
    max_value: str | None = None


class StringAttributeConstraints(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    min_length: str | None = None
    max_length: str | None = None


class SchemaAttribute(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    attribute_data_type: Literal["String", "Number", "DateTime", "Boolean"] | None = None
    developer_only_attribute: bool = False
    mutable: bool = True
    required: bool = False
    number_attribute_constraints: NumberAttributeConstraints | None = None
    string_attribute_constraints: StringAttributeConstraints | None = None


class VerificationMessageTemplate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    sms_message: str | None = None
    email_message: str | None = None
    email_subject: str | None = None
    email_message_by_link: str | None = None
    email_subject_by_link: str | None = None
    default_email_option: Literal["CONFIRM_WITH_LINK", "CONFIRM_WITH_CODE"] = "CONFIRM_WITH_CODE"


class EmailConfiguration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`from_` is `From`, what a mail says it is from; None leaves it to the server's own setting."""

    source_arn: str | None = None
    from_: str | None = msgspec.field(name="from", default=None)
    reply_to_email_address: str | None = None
    email_sending_account: Literal["COGNITO_DEFAULT", "DEVELOPER"] = "COGNITO_DEFAULT"
    configuration_set: str | None = None


class MessageTemplate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    sms_message: str | None = None
    email_message: str | None = None
    email_subject: str | None = None


class AdminCreateUserConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    allow_admin_create_user_only: bool = False
    unused_account_validity_days: int | None = None
    invite_message_template: MessageTemplate | None = None


class UsernameConfiguration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    case_sensitive: bool


class RecoveryOption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    priority: int
    name: Literal["verified_email", "verified_phone_number", "admin_only"]


class AccountRecoverySetting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    recovery_mechanisms: tuple[RecoveryOption, ...] = ()


class TokenValidityUnits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    access_token: Unit | None = None
    id_token: Unit | None = None
    refresh_token: Unit | None = None


class RefreshTokenRotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    feature: Literal["ENABLED", "DISABLED"]
    retry_grace_period_seconds: int = 0


class SmsConfiguration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By which role AWS would send SMS messages; kept and shown back."""

    sns_caller_arn: str | None = None
    external_id: str | None = None
    sns_region: str | None = None


class SmsMfaConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    sms_authentication_message: str | None = None
    sms_configuration: SmsConfiguration | None = None


class SoftwareTokenMfaConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    enabled: bool = False


class EmailMfaConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    message: str | None = None
    subject: str | None = None


class WebAuthnConfiguration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    relying_party_id: str | None = None
    user_verification: Literal["required", "preferred"] | None = None
    factor_configuration: Literal["SINGLE_FACTOR", "MULTI_FACTOR_WITH_USER_VERIFICATION"] | None = None


class DeviceConfiguration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Any value of it switches device tracking on for the pool."""

    challenge_required_on_new_device: bool = False
    device_only_remembered_on_user_prompt: bool = False


class VersionedTrigger(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    lambda_version: str
    lambda_arn: str


class LambdaConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The functions that a pool asks on certain occasions, by their ARNs."""

    pre_sign_up: str | None = None
    custom_message: str | None = None
    post_confirmation: str | None = None
    pre_authentication: str | None = None
    post_authentication: str | None = None
    define_auth_challenge: str | None = None
    create_auth_challenge: str | None = None
    verify_auth_challenge_response: str | None = None
    pre_token_generation: str | None = None
    user_migration: str | None = None
    pre_token_generation_config: VersionedTrigger | None = None
    custom_sms_sender: VersionedTrigger | None = None
    custom_email_sender: VersionedTrigger | None = None
    kms_key_id: str | None = None
    inbound_federation: VersionedTrigger | None = None

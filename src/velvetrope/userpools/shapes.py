"""Structures that operations take and that are not kept: small types of the cognito-idp model.

Members that are there for services we do not have (Pinpoint, threat protection) are accepted and mean nothing, since
common clients send them unasked; what they would switch on cannot be switched on here.
"""

from typing import Literal

import msgspec

from velvetrope.store.tables.userpools import PasswordPolicySettings

__all__ = [
    "AnalyticsMetadata",
    "AttributeType",
    "ContextData",
    "HttpHeader",
    "LambdaConfig",
    "SignInPolicy",
    "UserAttributeUpdateSettings",
    "UserContextData",
    "UserPoolAddOns",
    "UserPoolPolicies",
    "VersionedTrigger",
    "given_members",
    "shown",
]


_WIRE_NAMES = {"custom_sms_sender": "CustomSMSSender", "kms_key_id": "KMSKeyID"}
"""Members whose names are more than their words with capitals."""


class AttributeType(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    value: str | None = None


class AnalyticsMetadata(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    analytics_endpoint_id: str | None = None


class UserContextData(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    ip_address: str | None = None
    encoded_data: str | None = None


class HttpHeader(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    header_name: str | None = None
    header_value: str | None = None


class ContextData(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    ip_address: str
    server_name: str
    server_path: str
    http_headers: tuple[HttpHeader, ...]
    encoded_data: str | None = None


class SignInPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    allowed_first_auth_factors: tuple[str, ...] = ()


class UserPoolPolicies(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    password_policy: PasswordPolicySettings | None = None
    sign_in_policy: SignInPolicy | None = None


class UserAttributeUpdateSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    attributes_require_verification_before_update: tuple[str, ...] = ()


class UserPoolAddOns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    advanced_security_mode: Literal["OFF", "AUDIT", "ENFORCED"]


class VersionedTrigger(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    lambda_version: str
    lambda_arn: str


class LambdaConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Triggers. Every member is named so that each can be refused by its name."""

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


def shown(settings: msgspec.Struct) -> dict[str, object]:
    """A structure as an answer shows it: snake case, and without what was never said."""
    built = msgspec.to_builtins(settings)
    return {name: value for name, value in built.items() if value is not None}


def given_members(settings: msgspec.Struct) -> list[str]:
    """The members that the caller gave a value, by their names on the wire."""
    given = [name for name in settings.__struct_fields__ if getattr(settings, name) is not None]
    return [_WIRE_NAMES.get(name, name.title().replace("_", "")) for name in given]

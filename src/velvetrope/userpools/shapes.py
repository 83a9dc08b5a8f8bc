"""Structures that operations take and that are not kept: small types of the cognito-idp model.

Members that are there for services we do not have (Pinpoint, threat protection) are accepted and mean nothing, since
common clients send them unasked; what they would switch on cannot be switched on here.
"""

import builtins
from typing import Literal

import msgspec

from velvetrope.store.tables.userpools import FirstFactor, PasswordPolicySettings

__all__ = [
    "AnalyticsMetadata",
    "AttributeType",
    "BrandingAssetType",
    "ContextData",
    "HttpHeader",
    "ProviderUserIdentifier",
    "SignInPolicy",
    "UserAttributeUpdateSettings",
    "UserContextData",
    "UserPoolAddOns",
    "UserPoolPolicies",
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


class ProviderUserIdentifier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    provider_name: str | None = None
    provider_attribute_name: str | None = None
    provider_attribute_value: str | None = None


class SignInPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    allowed_first_auth_factors: tuple[FirstFactor, ...] = ()


class UserPoolPolicies(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    password_policy: PasswordPolicySettings | None = None
    sign_in_policy: SignInPolicy | None = None


class UserAttributeUpdateSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    attributes_require_verification_before_update: tuple[Literal["email", "phone_number"], ...] = ()


class BrandingAssetType(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    category: str
    color_mode: Literal["LIGHT", "DARK", "DYNAMIC"]
    extension: Literal["ICO", "JPEG", "PNG", "SVG", "WEBP"]
    bytes: builtins.bytes | None = None
    resource_id: str | None = None


class UserPoolAddOns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    advanced_security_mode: Literal["OFF", "AUDIT", "ENFORCED"]


def shown(settings: msgspec.Struct) -> dict[str, object]:
    """A structure as an answer shows it: snake case, and without what was never said."""
    built = msgspec.to_builtins(settings)
    return {name: value for name, value in built.items() if value is not None}


def given_members(settings: msgspec.Struct) -> list[str]:
    """The members that the caller gave a value, by their names on the wire."""
    given = [name for name in settings.__struct_fields__ if getattr(settings, name) is not None]
    return [_WIRE_NAMES.get(name, name.title().replace("_", "")) for name in given]

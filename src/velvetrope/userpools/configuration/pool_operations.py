"""CreateUserPool and its siblings.

What has a meaning here is kept and shown back. What would make a pool weaker than its settings say, because it is not
built (`pool_support`), is refused by its name. Harmless defaults are accepted, since CloudFormation, Terraform and
Amplify send them unasked.

UpdateUserPool sets what it is not told to its default, as AWS does; name, schema and sign-in attributes stay. So do MFA
and deletion protection, which are never switched off by an omission (what AWS does there is UNVERIFIED). Which second
factors a pool offers is `mfa_settings`' subject.

Source: Cognito user pools API, CreateUserPool, UpdateUserPool.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from velvetrope.clock import Entropy
from velvetrope.identifiers import new_alphanumeric
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.userpools import (
    AccountRecoverySetting,
    AdminCreateUserConfig,
    AliasKind,
    DeviceConfiguration,
    EmailConfiguration,
    FirstFactor,
    LambdaConfig,
    PasswordPolicySettings,
    SchemaAttribute,
    SmsConfiguration,
    UsernameConfiguration,
    UserPool,
    UserPoolStore,
    VerificationMessageTemplate,
)
from velvetrope.userpools.configuration.pool_support import check_supported
from velvetrope.userpools.configuration.tag_operations import with_tags
from velvetrope.userpools.directory import PoolDirectory, pool_arn
from velvetrope.userpools.errors import InvalidParameterException, ResourceNotFoundException
from velvetrope.userpools.factors.mfa_settings import check_mfa
from velvetrope.userpools.messages.custom_senders import CustomSenders
from velvetrope.userpools.pages import next_page, page_start
from velvetrope.userpools.shapes import (
    UserAttributeUpdateSettings,
    UserPoolAddOns,
    UserPoolPolicies,
    shown,
)
from velvetrope.userpools.tokens.signing_keys import PoolKeys
from velvetrope.userpools.users.attributes import build_schema

__all__ = ["PoolOperations"]

Address = Literal["phone_number", "email"]
Mfa = Literal["OFF", "ON", "OPTIONAL"]

_AWS_PASSWORD_POLICY = PasswordPolicySettings(
    minimum_length=8, require_uppercase=True, require_lowercase=True, require_numbers=True, require_symbols=True
)
_TEMPORARY_PASSWORD_DAYS = 7
"""What a pool gets that was created without Policies."""
_NO_BOUNDS: Mapping[str, Mapping[str, object]] = {
    "String": {"string_attribute_constraints": {}},
    "Number": {"number_attribute_constraints": {}},
}


class PoolOperations:
    """User pools themselves."""

    def __init__(
        self,
        store: UserPoolStore,
        directory: PoolDirectory,
        keys: PoolKeys,
        custom_senders: CustomSenders,
        entropy: Entropy,
    ) -> None:
        self._store = store
        self._directory = directory
        self._keys = keys
        self._custom_senders = custom_senders
        self._entropy = entropy

    @operation
    async def create_user_pool(
        self,
        call: Call,
        *,
        pool_name: str,
        policies: UserPoolPolicies | None = None,
        deletion_protection: Literal["ACTIVE", "INACTIVE"] = "INACTIVE",
        lambda_config: LambdaConfig | None = None,
        auto_verified_attributes: tuple[Address, ...] = (),
        alias_attributes: tuple[AliasKind, ...] = (),
        username_attributes: tuple[Address, ...] = (),
        sms_verification_message: str | None = None,
        email_verification_message: str | None = None,
        email_verification_subject: str | None = None,
        verification_message_template: VerificationMessageTemplate | None = None,
        sms_authentication_message: str | None = None,
        mfa_configuration: Mfa = "OFF",
        user_attribute_update_settings: UserAttributeUpdateSettings | None = None,
        device_configuration: DeviceConfiguration | None = None,
        email_configuration: EmailConfiguration | None = None,
        sms_configuration: SmsConfiguration | None = None,
        user_pool_tags: dict[str, str] | None = None,
        admin_create_user_config: AdminCreateUserConfig | None = None,
        schema: tuple[SchemaAttribute, ...] = (),
        user_pool_add_ons: UserPoolAddOns | None = None,
        username_configuration: UsernameConfiguration | None = None,
        account_recovery_setting: AccountRecoverySetting | None = None,
        user_pool_tier: Literal["LITE", "ESSENTIALS", "PLUS"] = "ESSENTIALS",
    ) -> Answer:
        check_supported(
            lambda_config=lambda_config,
            policies=policies,
            email_configuration=email_configuration,
            user_pool_add_ons=user_pool_add_ons,
            account_recovery_setting=account_recovery_setting,
        )
        tags = with_tags({}, user_pool_tags or {})
        await self._custom_senders.check_key(None if lambda_config is None else lambda_config.kms_key_id)
        if alias_attributes and username_attributes:
            # Text UNVERIFIED; the two are alternatives (Developer Guide, "Customizing sign-in attributes").
            raise InvalidParameterException(
                "Only one of AliasAttributes or UsernameAttributes can be set in a user pool."
            )
        pool_id = f"{call.region}_{new_alphanumeric(self._entropy, 9, mixed_case=True)}"
        pool = UserPool(
            id=pool_id,
            name=pool_name,
            account_id=call.account_id,
            region=call.region,
            created_at=call.now,
            modified_at=call.now,
            password_policy=_password_policy(policies, admin_create_user_config),
            schema_attributes=build_schema(schema),
            auto_verified_attributes=auto_verified_attributes,
            alias_attributes=alias_attributes,
            username_attributes=username_attributes,
            username_configuration=username_configuration,
            deletion_protection=deletion_protection,
            admin_create_user_config=admin_create_user_config or AdminCreateUserConfig(),
            email_configuration=email_configuration or EmailConfiguration(),
            email_verification_message=email_verification_message,
            email_verification_subject=email_verification_subject,
            sms_verification_message=sms_verification_message,
            sms_authentication_message=sms_authentication_message,
            verification_message_template=verification_message_template or VerificationMessageTemplate(),
            account_recovery_setting=account_recovery_setting,
            user_pool_tags=tags,
            user_pool_tier=user_pool_tier,
            lambda_config=lambda_config or LambdaConfig(),
            mfa_configuration=mfa_configuration,
            sms_configuration=sms_configuration,
            mfa_types=() if sms_configuration is None else ("SMS_MFA",),
            allowed_first_auth_factors=_first_factors(policies),
            device_configuration=device_configuration,
            verified_before_update=_verified_before_update(user_attribute_update_settings, auto_verified_attributes),
            advanced_security_mode=None if user_pool_add_ons is None else "OFF",
        )
        check_mfa(pool)
        await self._store.create_pool(pool, await self._keys.generate(pool_id))
        return {"user_pool": _described(pool, users=0)}

    @operation
    async def describe_user_pool(self, call: Call, *, user_pool_id: str) -> Answer:  # noqa: ARG002
        pool = await self._directory.pool(user_pool_id)
        return {"user_pool": _described(pool, users=await self._store.count_users(pool.id))}

    @operation
    async def update_user_pool(
        self,
        call: Call,
        *,
        user_pool_id: str,
        policies: UserPoolPolicies | None = None,
        deletion_protection: Literal["ACTIVE", "INACTIVE"] | None = None,
        lambda_config: LambdaConfig | None = None,
        auto_verified_attributes: tuple[Address, ...] = (),
        sms_verification_message: str | None = None,
        email_verification_message: str | None = None,
        email_verification_subject: str | None = None,
        verification_message_template: VerificationMessageTemplate | None = None,
        sms_authentication_message: str | None = None,
        mfa_configuration: Mfa | None = None,
        user_attribute_update_settings: UserAttributeUpdateSettings | None = None,
        device_configuration: DeviceConfiguration | None = None,
        email_configuration: EmailConfiguration | None = None,
        sms_configuration: SmsConfiguration | None = None,
        user_pool_tags: dict[str, str] | None = None,
        admin_create_user_config: AdminCreateUserConfig | None = None,
        user_pool_add_ons: UserPoolAddOns | None = None,
        account_recovery_setting: AccountRecoverySetting | None = None,
        pool_name: str | None = None,
        user_pool_tier: Literal["LITE", "ESSENTIALS", "PLUS"] | None = None,
    ) -> Answer:
        check_supported(
            lambda_config=lambda_config,
            policies=policies,
            email_configuration=email_configuration,
            user_pool_add_ons=user_pool_add_ons,
            account_recovery_setting=account_recovery_setting,
        )
        tags = with_tags({}, user_pool_tags or {})
        await self._custom_senders.check_key(None if lambda_config is None else lambda_config.kms_key_id)

        verified_before_update = _verified_before_update(user_attribute_update_settings, auto_verified_attributes)

        def change(pool: UserPool) -> UserPool:
            changed = msgspec.structs.replace(
                pool,
                name=pool_name or pool.name,
                modified_at=call.now,
                password_policy=_password_policy(policies, admin_create_user_config),
                auto_verified_attributes=auto_verified_attributes,
                # Not among what falls back: switching protection off is never left to an omission.
                deletion_protection=deletion_protection or pool.deletion_protection,
                admin_create_user_config=admin_create_user_config or AdminCreateUserConfig(),
                email_configuration=email_configuration or EmailConfiguration(),
                email_verification_message=email_verification_message,
                email_verification_subject=email_verification_subject,
                sms_verification_message=sms_verification_message,
                sms_authentication_message=sms_authentication_message,
                verification_message_template=verification_message_template or VerificationMessageTemplate(),
                account_recovery_setting=account_recovery_setting,
                user_pool_tags=pool.user_pool_tags if user_pool_tags is None else tags,
                user_pool_tier=user_pool_tier or pool.user_pool_tier,
                lambda_config=lambda_config or LambdaConfig(),
                mfa_configuration=mfa_configuration or pool.mfa_configuration,
                sms_configuration=sms_configuration or pool.sms_configuration,
                allowed_first_auth_factors=_first_factors(policies),
                device_configuration=device_configuration,
                verified_before_update=verified_before_update,
                advanced_security_mode=None if user_pool_add_ons is None else "OFF",
            )
            check_mfa(changed)
            return changed

        if await self._store.change_pool(user_pool_id, change) is None:
            raise ResourceNotFoundException(f"User pool {user_pool_id} does not exist.")
        return {}

    @operation
    async def delete_user_pool(self, call: Call, *, user_pool_id: str) -> Answer:  # noqa: ARG002
        pool = await self._directory.pool(user_pool_id)
        if pool.deletion_protection == "ACTIVE":
            raise InvalidParameterException(
                "The user pool cannot be deleted because deletion protection is activated. "
                "Deletion protection must be inactivated first."
            )
        if pool.domain is not None:
            raise InvalidParameterException(
                "User pool cannot be deleted. It has a domain configured that should be deleted first."
            )
        await self._store.delete_pool(user_pool_id)
        return None

    @operation
    async def list_user_pools(self, call: Call, *, max_results: int, next_token: str | None = None) -> Answer:
        after = page_start(next_token, member="NextToken")
        pools = await self._store.load_pools(call.account_id, after=after, limit=max_results)
        return {
            "user_pools": [
                {
                    "id": pool.id,
                    "name": pool.name,
                    "lambda_config": shown(pool.lambda_config),
                    "last_modified_date": pool.modified_at,
                    "creation_date": pool.created_at,
                }
                for pool in pools
            ],
            "next_token": next_page(pools, pools[-1].id if pools else "", limit=max_results),
        }


def _password_policy(
    policies: UserPoolPolicies | None, invitations: AdminCreateUserConfig | None
) -> PasswordPolicySettings:
    """The password policy. UnusedAccountValidityDays says how long a temporary password lasts where it says nothing.

    Raises:
        InvalidParameterException: both say it, and not the same. AWS refuses whoever says both; what was shown can be
            sent back here.
    """
    given = None if policies is None else policies.password_policy
    policy = _AWS_PASSWORD_POLICY if given is None else given
    legacy = None if invitations is None else invitations.unused_account_validity_days
    days = policy.temporary_password_validity_days  # 0 counts as not said (model, PasswordPolicyType)
    if days and legacy and days != legacy:
        raise InvalidParameterException(
            "Please use TemporaryPasswordValidityDays in PasswordPolicy instead of UnusedAccountValidityDays"
        )
    return msgspec.structs.replace(policy, temporary_password_validity_days=days or legacy or _TEMPORARY_PASSWORD_DAYS)


def _verified_before_update(
    settings: UserAttributeUpdateSettings | None, auto_verified: tuple[Address, ...]
) -> tuple[Address, ...]:
    """AttributesRequireVerificationBeforeUpdate.

    Raises:
        InvalidParameterException: an address that the pool does not verify could never change. Text UNVERIFIED; the
            rule is the model's (UserAttributeUpdateSettingsType).
    """
    wanted = () if settings is None else settings.attributes_require_verification_before_update
    for address in wanted:
        if address not in auto_verified:
            raise InvalidParameterException(
                "AttributesRequireVerificationBeforeUpdate must be among the AutoVerifiedAttributes: " + address
            )
    return wanted


def _first_factors(policies: UserPoolPolicies | None) -> tuple[FirstFactor, ...]:
    """AllowedFirstAuthFactors; a password alone where nothing was said.

    Raises:
        InvalidParameterException: PASSWORD is not among them. AWS has it so too (Developer Guide, "Passwordless sign-in
            with one-time passwords"); text UNVERIFIED.
    """
    given = None if policies is None else policies.sign_in_policy
    if given is None or not given.allowed_first_auth_factors:
        return ("PASSWORD",)
    if "PASSWORD" not in given.allowed_first_auth_factors:
        raise InvalidParameterException("AllowedFirstAuthFactors must contain PASSWORD.")
    return tuple(dict.fromkeys(given.allowed_first_auth_factors))


def _described(pool: UserPool, *, users: int) -> dict[str, object]:
    """UserPoolType."""
    return {
        "id": pool.id,
        "name": pool.name,
        "arn": pool_arn(pool),
        "policies": {
            "password_policy": shown(pool.password_policy),
            "sign_in_policy": {"allowed_first_auth_factors": pool.allowed_first_auth_factors},
        },
        "deletion_protection": pool.deletion_protection,
        "lambda_config": shown(pool.lambda_config),
        "last_modified_date": pool.modified_at,
        "creation_date": pool.created_at,
        "schema_attributes": [_described_attribute(attribute) for attribute in pool.schema_attributes],
        "auto_verified_attributes": pool.auto_verified_attributes or None,
        "alias_attributes": pool.alias_attributes or None,
        "username_attributes": pool.username_attributes or None,
        "sms_verification_message": pool.sms_verification_message,
        "email_verification_message": pool.email_verification_message,
        "email_verification_subject": pool.email_verification_subject,
        "verification_message_template": shown(pool.verification_message_template),
        "sms_authentication_message": pool.sms_authentication_message,
        "mfa_configuration": pool.mfa_configuration,
        "device_configuration": None if pool.device_configuration is None else shown(pool.device_configuration),
        "sms_configuration": None if pool.sms_configuration is None else shown(pool.sms_configuration),
        "estimated_number_of_users": users,
        "email_configuration": shown(pool.email_configuration),
        "user_pool_tags": pool.user_pool_tags,
        "domain": pool.domain,
        "admin_create_user_config": shown(pool.admin_create_user_config),
        "username_configuration": None if pool.username_configuration is None else shown(pool.username_configuration),
        "account_recovery_setting": None
        if pool.account_recovery_setting is None
        else shown(pool.account_recovery_setting),
        "user_pool_tier": pool.user_pool_tier,
        "user_pool_add_ons": None
        if pool.advanced_security_mode is None
        else {"advanced_security_mode": pool.advanced_security_mode},
        "user_attribute_update_settings": {"attributes_require_verification_before_update": pool.verified_before_update}
        if pool.verified_before_update
        else None,
    }


def _described_attribute(attribute: SchemaAttribute) -> dict[str, object]:
    """SchemaAttributeType. Texts and numbers without bounds show empty ones, as on AWS: Terraform takes their
    absence for another attribute (its provider's documentation of `aws_cognito_user_pool`, `schema`).
    """
    empty = _NO_BOUNDS.get(attribute.attribute_data_type or "", {})
    return {**empty, **shown(attribute)}

"""CreateUserPool and its siblings, and the pool's domain.

What has a meaning here is kept and shown back. What would make a pool weaker than its settings say, because it is not
built yet (MFA, triggers, device tracking, threat protection, password history, links in messages), is refused by its
name; so is what would promise a delivery that does not happen (SES, SNS). Their harmless defaults are accepted, since
CloudFormation, Terraform and Amplify send them unasked.

UpdateUserPool sets what it is not told to its default, as AWS does; name, schema and sign-in attributes stay.

Source: Cognito user pools API, CreateUserPool, UpdateUserPool, CreateUserPoolDomain.
"""

from typing import Literal

import msgspec

from velvetrope.clock import Entropy
from velvetrope.identifiers import new_alphanumeric
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.userpools import (
    AccountRecoverySetting,
    AdminCreateUserConfig,
    AliasKind,
    EmailConfiguration,
    PasswordPolicySettings,
    SchemaAttribute,
    UsernameConfiguration,
    UserPool,
    UserPoolStore,
    VerificationMessageTemplate,
)
from velvetrope.userpools.attributes import build_schema
from velvetrope.userpools.directory import PoolDirectory, pool_arn
from velvetrope.userpools.errors import InvalidParameterException, ResourceNotFoundException
from velvetrope.userpools.pages import next_page, page_start
from velvetrope.userpools.shapes import (
    LambdaConfig,
    UserAttributeUpdateSettings,
    UserPoolAddOns,
    UserPoolPolicies,
    given_members,
    shown,
)
from velvetrope.userpools.signing_keys import PoolKeys

__all__ = ["DomainOperations", "PoolOperations"]

Address = Literal["phone_number", "email"]
Mfa = Literal["OFF", "ON", "OPTIONAL"]

_AWS_PASSWORD_POLICY = PasswordPolicySettings(
    minimum_length=8, require_uppercase=True, require_lowercase=True, require_numbers=True, require_symbols=True
)
"""What a pool gets that was created without Policies."""

_RESERVED_IN_DOMAINS = ("aws", "amazon", "cognito")


class PoolOperations:
    """User pools themselves."""

    def __init__(self, store: UserPoolStore, directory: PoolDirectory, keys: PoolKeys, entropy: Entropy) -> None:
        self._store = store
        self._directory = directory
        self._keys = keys
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
        email_configuration: EmailConfiguration | None = None,
        user_pool_tags: dict[str, str] | None = None,
        admin_create_user_config: AdminCreateUserConfig | None = None,
        schema: tuple[SchemaAttribute, ...] = (),
        user_pool_add_ons: UserPoolAddOns | None = None,
        username_configuration: UsernameConfiguration | None = None,
        account_recovery_setting: AccountRecoverySetting | None = None,
        user_pool_tier: Literal["LITE", "ESSENTIALS", "PLUS"] = "ESSENTIALS",
    ) -> Answer:
        _check_supported(
            lambda_config=lambda_config,
            mfa_configuration=mfa_configuration,
            policies=policies,
            user_attribute_update_settings=user_attribute_update_settings,
            email_configuration=email_configuration,
            verification_message_template=verification_message_template,
            user_pool_add_ons=user_pool_add_ons,
        )
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
            password_policy=_password_policy(policies),
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
            user_pool_tags=user_pool_tags or {},
            user_pool_tier=user_pool_tier,
        )
        await self._store.create_pool(pool, await self._keys.generate(pool_id))
        return {"user_pool": _described(call, pool, users=0)}

    @operation
    async def describe_user_pool(self, call: Call, *, user_pool_id: str) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        return {"user_pool": _described(call, pool, users=await self._store.count_users(pool.id))}

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
        mfa_configuration: Mfa = "OFF",
        user_attribute_update_settings: UserAttributeUpdateSettings | None = None,
        email_configuration: EmailConfiguration | None = None,
        user_pool_tags: dict[str, str] | None = None,
        admin_create_user_config: AdminCreateUserConfig | None = None,
        user_pool_add_ons: UserPoolAddOns | None = None,
        account_recovery_setting: AccountRecoverySetting | None = None,
        pool_name: str | None = None,
        user_pool_tier: Literal["LITE", "ESSENTIALS", "PLUS"] | None = None,
    ) -> Answer:
        _check_supported(
            lambda_config=lambda_config,
            mfa_configuration=mfa_configuration,
            policies=policies,
            user_attribute_update_settings=user_attribute_update_settings,
            email_configuration=email_configuration,
            verification_message_template=verification_message_template,
            user_pool_add_ons=user_pool_add_ons,
        )

        def change(pool: UserPool) -> UserPool:
            return msgspec.structs.replace(
                pool,
                name=pool_name or pool.name,
                modified_at=call.now,
                password_policy=_password_policy(policies),
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
                user_pool_tags=pool.user_pool_tags if user_pool_tags is None else user_pool_tags,
                user_pool_tier=user_pool_tier or pool.user_pool_tier,
            )

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
                    "lambda_config": {},
                    "last_modified_date": pool.modified_at,
                    "creation_date": pool.created_at,
                }
                for pool in pools
            ],
            "next_token": next_page(pools, pools[-1].id if pools else "", limit=max_results),
        }


class DomainOperations:
    """The one domain prefix that a pool's hosted pages can have."""

    def __init__(self, store: UserPoolStore, directory: PoolDirectory) -> None:
        self._store = store
        self._directory = directory

    @operation
    async def create_user_pool_domain(
        self,
        call: Call,  # noqa: ARG002
        *,
        domain: str,
        user_pool_id: str,
        managed_login_version: int = 1,
    ) -> Answer:
        await self._directory.pool(user_pool_id)
        for word in _RESERVED_IN_DOMAINS:
            if word in domain:
                raise InvalidParameterException(f"Domain cannot contain reserved word: {word}")
        taken = await self._store.take_domain(user_pool_id, domain, managed_login_version=managed_login_version)
        match taken:
            case "domain_in_use":
                raise InvalidParameterException("Domain already associated with another user pool.")
            case "pool_has_domain":
                raise InvalidParameterException("User pool already has a domain configured.")
            case "no_pool":
                raise ResourceNotFoundException(f"User pool {user_pool_id} does not exist.")
            case "taken":
                return {"managed_login_version": managed_login_version}

    @operation
    async def describe_user_pool_domain(self, call: Call, *, domain: str) -> Answer:  # noqa: ARG002
        pool = await self._store.load_pool_by_domain(domain)
        if pool is None:
            return {"domain_description": {}}  # AWS answers so for a domain that nobody has
        return {
            "domain_description": {
                "user_pool_id": pool.id,
                "aws_account_id": pool.account_id,
                "domain": pool.domain,
                "status": "ACTIVE",
                "managed_login_version": pool.managed_login_version,
            }
        }

    @operation
    async def delete_user_pool_domain(self, call: Call, *, domain: str, user_pool_id: str) -> Answer:  # noqa: ARG002
        await self._directory.pool(user_pool_id)
        if not await self._store.release_domain(user_pool_id, domain):
            raise InvalidParameterException("No such domain or user pool exists.")
        return {}


def _password_policy(policies: UserPoolPolicies | None) -> PasswordPolicySettings:
    given = None if policies is None else policies.password_policy
    if given is None:
        return _AWS_PASSWORD_POLICY
    if given.temporary_password_validity_days == 0:  # "treats it as a null value" (model, PasswordPolicyType)
        return msgspec.structs.replace(given, temporary_password_validity_days=7)
    return given


def _check_supported(
    *,
    lambda_config: LambdaConfig | None,
    mfa_configuration: str,
    policies: UserPoolPolicies | None,
    user_attribute_update_settings: UserAttributeUpdateSettings | None,
    email_configuration: EmailConfiguration | None,
    verification_message_template: VerificationMessageTemplate | None,
    user_pool_add_ons: UserPoolAddOns | None,
) -> None:
    """Refuse what is not built by the name it has on the wire.

    Raises:
        InvalidParameterException: always with the member's name.
    """
    if mfa_configuration != "OFF":
        raise _not_supported(f"MfaConfiguration {mfa_configuration}")
    triggers = [] if lambda_config is None else given_members(lambda_config)
    if triggers:
        raise _not_supported(f"LambdaConfig ({', '.join(triggers)})")
    password_policy = None if policies is None else policies.password_policy
    if password_policy is not None and password_policy.password_history_size:
        raise _not_supported("PasswordPolicy.PasswordHistorySize")
    sign_in_policy = None if policies is None else policies.sign_in_policy
    if sign_in_policy is not None and set(sign_in_policy.allowed_first_auth_factors) - {"PASSWORD"}:
        raise _not_supported("SignInPolicy.AllowedFirstAuthFactors other than PASSWORD")
    update_settings = user_attribute_update_settings
    if update_settings is not None and update_settings.attributes_require_verification_before_update:
        raise _not_supported("UserAttributeUpdateSettings.AttributesRequireVerificationBeforeUpdate")
    if email_configuration is not None and email_configuration.email_sending_account != "COGNITO_DEFAULT":
        raise _not_supported("EmailConfiguration.EmailSendingAccount DEVELOPER")
    template = verification_message_template
    if template is not None and template.default_email_option != "CONFIRM_WITH_CODE":
        raise _not_supported("VerificationMessageTemplate.DefaultEmailOption CONFIRM_WITH_LINK")
    if user_pool_add_ons is not None and user_pool_add_ons.advanced_security_mode != "OFF":
        raise _not_supported("UserPoolAddOns.AdvancedSecurityMode")


def _not_supported(what: str) -> InvalidParameterException:
    return InvalidParameterException(f"{what} is not supported by velvetrope.")


def _described(call: Call, pool: UserPool, *, users: int) -> dict[str, object]:
    """UserPoolType."""
    return {
        "id": pool.id,
        "name": pool.name,
        "arn": pool_arn(call, pool.id),
        "policies": {
            "password_policy": shown(pool.password_policy),
            "sign_in_policy": {"allowed_first_auth_factors": ["PASSWORD"]},
        },
        "deletion_protection": pool.deletion_protection,
        "lambda_config": {},
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
        "mfa_configuration": "OFF",
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
    }


def _described_attribute(attribute: SchemaAttribute) -> dict[str, object]:
    return shown(attribute)

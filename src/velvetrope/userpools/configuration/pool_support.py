"""Settings of a pool that are refused, each by its name on the wire.

They would make a pool weaker than its settings say: a trigger that is never asked, a history that is not kept, a
message that nobody sends.

Source: Cognito user pools API, CreateUserPool.
"""

import re
from email.utils import getaddresses

from velvetrope.store.tables.userpools import AccountRecoverySetting, EmailConfiguration, LambdaConfig
from velvetrope.userpools.directory import EMAIL
from velvetrope.userpools.errors import InvalidParameterException
from velvetrope.userpools.shapes import UserPoolAddOns, UserPoolPolicies, given_members

__all__ = ["check_supported"]

_TRIGGERS = frozenset(
    {
        "PreAuthentication",
        "PostAuthentication",
        "DefineAuthChallenge",
        "CreateAuthChallenge",
        "PreSignUp",
        "PostConfirmation",
        "CustomMessage",
        "VerifyAuthChallengeResponse",
        "UserMigration",
        "PreTokenGeneration",
        "PreTokenGenerationConfig",
        "InboundFederation",
        "CustomEmailSender",
        "CustomSMSSender",
        "KMSKeyID",
    }
)
"""The members of LambdaConfig that are asked when their occasion comes, and the key of two of them."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HISTORY_SIZES = range(25)
_TOKEN_TRIGGER_VERSIONS = ("V1_0", "V2_0", "V3_0")


def check_supported(
    *,
    lambda_config: LambdaConfig | None,
    policies: UserPoolPolicies | None,
    email_configuration: EmailConfiguration | None,
    user_pool_add_ons: UserPoolAddOns | None,
    account_recovery_setting: AccountRecoverySetting | None,
) -> None:
    """Refuse what is not built by the name it has on the wire.

    Raises:
        InvalidParameterException: always with the member's name.
    """
    triggers = [] if lambda_config is None else given_members(lambda_config)
    unknown = [name for name in triggers if name not in _TRIGGERS]
    if unknown:
        raise _not_supported(f"LambdaConfig ({', '.join(unknown)})")
    if lambda_config is not None:
        _check_token_trigger(lambda_config)
        _check_inbound_trigger(lambda_config)
        _check_custom_senders(lambda_config)
    _check_history(policies)
    if email_configuration is not None:
        _check_email(email_configuration)
    if user_pool_add_ons is not None and user_pool_add_ons.advanced_security_mode != "OFF":
        raise _not_supported("UserPoolAddOns.AdvancedSecurityMode")
    if account_recovery_setting is not None:
        _check_recovery(account_recovery_setting)


def _check_recovery(setting: AccountRecoverySetting) -> None:
    """Ways back in an order that can be told; administrators only, or not.

    Raises:
        InvalidParameterException: `admin_only` beside another way, or a way or a priority twice. The first sentence is
            the one that clients quote, the second ours.
    """
    options = setting.recovery_mechanisms
    names = {option.name for option in options}
    if "admin_only" in names and len(names) > 1:
        raise InvalidParameterException(
            "Invalid account recovery setting parameter. Account Recovery Setting cannot use admin_only setting with "
            "any other recovery mechanisms."
        )
    if len(names) < len(options) or len({option.priority for option in options}) < len(options):
        raise InvalidParameterException(
            "Invalid account recovery setting parameter. Names and priorities of RecoveryMechanisms must differ."
        )


def _check_email(configuration: EmailConfiguration) -> None:
    """Whom mails are from and where answers go are addresses; whoever names them sends under an account of their own.

    The account is whatever the server's SMTP setting is: SourceArn is kept and shown, and no SES looked for behind it.

    Raises:
        InvalidParameterException: they are not, or something of SES is asked for that is not here. Texts UNVERIFIED.
    """
    if configuration.configuration_set is not None:
        raise _not_supported("EmailConfiguration.ConfigurationSet")
    if configuration.email_sending_account == "DEVELOPER" and configuration.source_arn is None:
        raise InvalidParameterException("EmailConfiguration.SourceArn is required with EmailSendingAccount DEVELOPER.")
    if configuration.email_sending_account != "DEVELOPER" and configuration.from_ is not None:
        raise InvalidParameterException("EmailConfiguration.From needs EmailSendingAccount DEVELOPER.")
    for name, text in (("From", configuration.from_), ("ReplyToEmailAddress", configuration.reply_to_email_address)):
        if text is not None and not _is_one_address(text):
            raise InvalidParameterException(f"EmailConfiguration.{name} is not one email address.")


def _is_one_address(text: str) -> bool:
    """`no-reply@example.com` or `Name <no-reply@example.com>`, on one line."""
    found = getaddresses([text])
    return not _CONTROL.search(text) and len(found) == 1 and EMAIL.fullmatch(found[0][1]) is not None


def _check_history(policies: UserPoolPolicies | None) -> None:
    password_policy = None if policies is None else policies.password_policy
    if password_policy is not None and (password_policy.password_history_size or 0) not in _HISTORY_SIZES:
        raise InvalidParameterException("PasswordHistorySize must be from 0 to 24.")


def _check_token_trigger(config: LambdaConfig) -> None:
    """PreTokenGenerationConfig names a version we know, and the same function as PreTokenGeneration if that is given.

    Raises:
        InvalidParameterException: it does not. Texts UNVERIFIED; the rules are the model's (LambdaConfigType).
    """
    versioned = config.pre_token_generation_config
    if versioned is None:
        return
    if versioned.lambda_version not in _TOKEN_TRIGGER_VERSIONS:
        raise _not_supported(f"PreTokenGenerationConfig.LambdaVersion {versioned.lambda_version}")
    if config.pre_token_generation not in {None, versioned.lambda_arn}:
        raise InvalidParameterException("PreTokenGeneration and PreTokenGenerationConfig must name the same function.")


def _check_inbound_trigger(config: LambdaConfig) -> None:
    """
    Raises:
        InvalidParameterException: a version that AWS does not have (InboundFederationLambdaType).
    """
    versioned = config.inbound_federation
    if versioned is not None and versioned.lambda_version != "V1_0":
        raise _not_supported(f"InboundFederation.LambdaVersion {versioned.lambda_version}")


def _check_custom_senders(config: LambdaConfig) -> None:
    """
    Raises:
        InvalidParameterException: a version that AWS does not have, or no key to encrypt codes with. Text UNVERIFIED;
            that a custom sender needs the key is the model's word (LambdaConfigType, KMSKeyID).
    """
    for name, sender in (
        ("CustomEmailSender", config.custom_email_sender),
        ("CustomSMSSender", config.custom_sms_sender),
    ):
        if sender is not None and sender.lambda_version != "V1_0":
            raise _not_supported(f"{name}.LambdaVersion {sender.lambda_version}")
        if sender is not None and config.kms_key_id is None:
            raise InvalidParameterException(f"{name} requires LambdaConfig.KMSKeyID.")


def _not_supported(what: str) -> InvalidParameterException:
    return InvalidParameterException(f"{what} is not supported by velvetrope.")

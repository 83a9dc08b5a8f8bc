"""Settings of a pool that are refused, each by its name on the wire.

They would make a pool weaker than its settings say: a trigger that is never asked, a history that is not kept, a
message that nobody sends.

Source: Cognito user pools API, CreateUserPool.
"""

from velvetrope.store.tables.userpools import EmailConfiguration, LambdaConfig
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
    }
)
"""The members of LambdaConfig that are asked when their occasion comes."""

_HISTORY_SIZES = range(25)
_TOKEN_TRIGGER_VERSIONS = ("V1_0", "V2_0", "V3_0")


def check_supported(
    *,
    lambda_config: LambdaConfig | None,
    policies: UserPoolPolicies | None,
    email_configuration: EmailConfiguration | None,
    user_pool_add_ons: UserPoolAddOns | None,
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
    _check_history(policies)
    if email_configuration is not None and email_configuration.email_sending_account != "COGNITO_DEFAULT":
        raise _not_supported("EmailConfiguration.EmailSendingAccount DEVELOPER")
    if user_pool_add_ons is not None and user_pool_add_ons.advanced_security_mode != "OFF":
        raise _not_supported("UserPoolAddOns.AdvancedSecurityMode")


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


def _not_supported(what: str) -> InvalidParameterException:
    return InvalidParameterException(f"{what} is not supported by velvetrope.")

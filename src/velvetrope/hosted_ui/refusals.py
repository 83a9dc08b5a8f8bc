"""Which refusals of the user pool are meant for the person at the form.

Everything else is the app's business, or ours, and is told as an error page. Source: the texts of AWS's own pages.
"""

from velvetrope.errors import ServiceError

__all__ = ["is_for_the_person"]

_FOR_THE_PERSON = frozenset(
    {
        "AliasExistsException",
        "CodeDeliveryFailureException",
        "CodeMismatchException",
        "EnableSoftwareTokenMFAException",
        "ExpiredCodeException",
        "InvalidParameterException",
        "InvalidPasswordException",
        "LimitExceededException",
        "MFAMethodNotFoundException",
        "NotAuthorizedException",
        "PasswordHistoryPolicyViolationException",
        "SoftwareTokenMFANotFoundException",
        "TooManyFailedAttemptsException",
        "TooManyRequestsException",
        "UserLambdaValidationException",
        "UsernameExistsException",
        "UnexpectedLambdaException",
        "InvalidLambdaResponseException",
        "UserNotFoundException",
        "WebAuthnChallengeNotFoundException",
        "WebAuthnClientMismatchException",
        "WebAuthnConfigurationMissingException",
        "WebAuthnCredentialNotSupportedException",
        "WebAuthnNotEnabledException",
        "WebAuthnOriginNotAllowedException",
        "WebAuthnRelyingPartyMismatchException",
    }
)


def is_for_the_person(refusal: ServiceError) -> bool:
    """Whether its message goes above the form."""
    return refusal.code in _FOR_THE_PERSON

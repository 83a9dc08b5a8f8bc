"""What user pools tell their callers: one class per error code of the cognito-idp model that we raise.

    ServiceError
    └── UserPoolError                 all of them are HTTP 400 (reference: JSON 1.1, client errors)
        ├── NotAuthorizedException    sign-in refused, token refused, secret wrong
        ├── UserNotFoundException     said only where existence may be told
        ├── …                         the rest bear their meaning in their names
        └── UnsupportedOperationException

Texts that are said in more than one place stand below the classes, so that two places cannot say them differently.

Source: botocore's cognito-idp model; Cognito user pools API, "Errors" of each operation.
"""

from velvetrope.errors import ServiceError

__all__ = [
    "AliasExistsException",
    "CodeMismatchException",
    "DeviceKeyExistsException",
    "DuplicateProviderException",
    "EnableSoftwareTokenMFAException",
    "ExpiredCodeException",
    "FeatureUnavailableInTierException",
    "GroupExistsException",
    "InvalidLambdaResponseException",
    "InvalidOAuthFlowException",
    "InvalidParameterException",
    "InvalidPasswordException",
    "LimitExceededException",
    "MFAMethodNotFoundException",
    "NotAuthorizedException",
    "PasswordHistoryPolicyViolationException",
    "PasswordResetRequiredException",
    "PreconditionNotMetException",
    "RefreshTokenReuseException",
    "ResourceNotFoundException",
    "ScopeDoesNotExistException",
    "SoftwareTokenMFANotFoundException",
    "TermsExistsException",
    "UnauthorizedException",
    "UnexpectedLambdaException",
    "UnsupportedOperationException",
    "UnsupportedTokenTypeException",
    "UnsupportedUserStateException",
    "UserLambdaValidationException",
    "UserNotConfirmedException",
    "UserNotFoundException",
    "UserPoolError",
    "UsernameExistsException",
    "WebAuthnChallengeNotFoundException",
    "WebAuthnClientMismatchException",
    "WebAuthnConfigurationMissingException",
    "WebAuthnCredentialNotSupportedException",
    "WebAuthnNotEnabledException",
    "WebAuthnOriginNotAllowedException",
    "WebAuthnRelyingPartyMismatchException",
    "attempts_exceeded",
    "group_missing",
    "user_missing",
    "user_missing_for_client",
    "wrong_credentials",
]


class UserPoolError(ServiceError):
    """Any error of this service."""


class AliasExistsException(UserPoolError):
    """The address signs somebody else in already."""

    code = "AliasExistsException"


class CodeMismatchException(UserPoolError):
    """The code is not the one that was sent."""

    code = "CodeMismatchException"


class DuplicateProviderException(UserPoolError):
    """The pool has an identity provider of that name."""

    code = "DuplicateProviderException"


class ExpiredCodeException(UserPoolError):
    """The code is too old, or there is none."""

    code = "ExpiredCodeException"


class GroupExistsException(UserPoolError):
    """The pool has a group of that name."""

    code = "GroupExistsException"


class FeatureUnavailableInTierException(UserPoolError):
    """The pool's feature plan (UserPoolTier) does not have it."""

    code = "FeatureUnavailableInTierException"


class InvalidOAuthFlowException(UserPoolError):
    """The app client's OAuth settings contradict each other."""

    code = "InvalidOAuthFlowException"


class InvalidParameterException(UserPoolError):
    """A value is not allowed, or names something that is not built."""

    code = "InvalidParameterException"


class InvalidPasswordException(UserPoolError):
    """The password does not conform to the pool's policy."""

    code = "InvalidPasswordException"


class LimitExceededException(UserPoolError):
    """Too many of something, or too often."""

    code = "LimitExceededException"


class ManagedLoginBrandingExistsException(UserPoolError):
    """The app client has a style."""

    code = "ManagedLoginBrandingExistsException"


class NotAuthorizedException(UserPoolError):
    """Sign-in refused. With PreventUserExistenceErrors on, an unknown user gets this same message."""

    code = "NotAuthorizedException"


class PasswordHistoryPolicyViolationException(UserPoolError):
    """The user had this password before, and the pool remembers."""

    code = "PasswordHistoryPolicyViolationException"


class PasswordResetRequiredException(UserPoolError):
    """The password was right and may not be used any more."""

    code = "PasswordResetRequiredException"


class PreconditionNotMetException(UserPoolError):
    """The thing is in a state in which this cannot be asked of it."""

    code = "PreconditionNotMetException"


class RefreshTokenReuseException(UserPoolError):
    """A refresh token that rotation has replaced was presented again."""

    code = "RefreshTokenReuseException"


class ResourceNotFoundException(UserPoolError):
    """There is no such pool, client or group."""

    code = "ResourceNotFoundException"


class ScopeDoesNotExistException(UserPoolError):
    """The scope is neither a system scope nor one of a resource server of the pool."""

    code = "ScopeDoesNotExistException"


class TermsExistsException(UserPoolError):
    """The app client has a document of that name."""

    code = "TermsExistsException"


class UnauthorizedException(UserPoolError):
    """RevokeToken's word for a client that does not prove itself."""

    code = "UnauthorizedException"


class UnsupportedOperationException(UserPoolError):
    """The operation is switched off for the app client."""

    code = "UnsupportedOperationException"


class UnsupportedTokenTypeException(UserPoolError):
    """Only refresh tokens are revoked; access and ID tokens die with them."""

    code = "UnsupportedTokenTypeException"


class UnsupportedUserStateException(UserPoolError):
    """The user's status does not allow this."""

    code = "UnsupportedUserStateException"


class UserNotConfirmedException(UserPoolError):
    """The password was right, the sign-up is not finished."""

    code = "UserNotConfirmedException"


class UserNotFoundException(UserPoolError):
    """There is no such user."""

    code = "UserNotFoundException"


class UsernameExistsException(UserPoolError):
    """The name is taken."""

    code = "UsernameExistsException"


class DeviceKeyExistsException(UserPoolError):
    """The device key is confirmed already."""

    code = "DeviceKeyExistsException"


class EnableSoftwareTokenMFAException(UserPoolError):
    """The code does not show that the authenticator app has the secret."""

    code = "EnableSoftwareTokenMFAException"


class InvalidLambdaResponseException(UserPoolError):
    """A trigger answered something that is not the event it was given."""

    code = "InvalidLambdaResponseException"


class MFAMethodNotFoundException(UserPoolError):
    """The user has not set that second factor up."""

    code = "MFAMethodNotFoundException"


class SoftwareTokenMFANotFoundException(UserPoolError):
    """One-time passwords of an authenticator app are not set up, or not offered by the pool."""

    code = "SoftwareTokenMFANotFoundException"


class UnexpectedLambdaException(UserPoolError):
    """A trigger could not be invoked, or was too slow."""

    code = "UnexpectedLambdaException"


class UserLambdaValidationException(UserPoolError):
    """A trigger refused."""

    code = "UserLambdaValidationException"


class WebAuthnChallengeNotFoundException(UserPoolError):
    """No registration was begun, or it is too long ago."""

    code = "WebAuthnChallengeNotFoundException"


class WebAuthnClientMismatchException(UserPoolError):
    """The registration was begun through another app client."""

    code = "WebAuthnClientMismatchException"


class WebAuthnConfigurationMissingException(UserPoolError):
    """The pool has neither a relying party id nor a domain to take for it."""

    code = "WebAuthnConfigurationMissingException"


class WebAuthnCredentialNotSupportedException(UserPoolError):
    """The authenticator's answer proves nothing that this pool takes."""

    code = "WebAuthnCredentialNotSupportedException"


class WebAuthnNotEnabledException(UserPoolError):
    """Passkeys are not among the pool's first factors."""

    code = "WebAuthnNotEnabledException"


class WebAuthnOriginNotAllowedException(UserPoolError):
    """The passkey was made by a page that is not the relying party's."""

    code = "WebAuthnOriginNotAllowedException"


class WebAuthnRelyingPartyMismatchException(UserPoolError):
    """The passkey was made for another relying party."""

    code = "WebAuthnRelyingPartyMismatchException"


def wrong_credentials(detail: str) -> NotAuthorizedException:
    """The one answer to a wrong password, a wrong proof, and an unknown user whose absence is hidden."""
    return NotAuthorizedException("Incorrect username or password.", detail=detail)


def attempts_exceeded() -> NotAuthorizedException:
    return NotAuthorizedException("Password attempts exceeded", detail="locked after failed attempts")


def user_missing() -> UserNotFoundException:
    return UserNotFoundException("User does not exist.")


def user_missing_for_client() -> UserNotFoundException:
    """The same, where an app asks for somebody by name and the client does not hide who exists."""
    return UserNotFoundException("Username/client id combination not found.")


def group_missing() -> ResourceNotFoundException:
    return ResourceNotFoundException("Group not found.")

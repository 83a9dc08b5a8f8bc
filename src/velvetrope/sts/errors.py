"""What STS answers when it refuses, and what this room finds for other rooms.

    ServiceError
    ├── AccessDenied                403  the caller, the trust policy or the role's absence
    ├── InvalidClientTokenId        403  whoever signed is gone
    ├── ValidationError             400  a value that no rule of the model catches
    ├── InvalidParameterValue       400  session tags
    ├── MalformedPolicyDocument     400  a session policy
    ├── PackedPolicyTooLarge        400  session policies and tags together
    ├── InvalidIdentityToken        400  a web identity token or SAML response that is not a good one
    ├── ExpiredTokenException       400  one past its end
    ├── IDPRejectedClaim            403  a SAML response that says that nobody was authenticated
    └── InvalidAuthorizationMessageException  400

    ReasonError
    └── RoleNotAssumable                 for rooms that assume roles on somebody's behalf; they have their own codes

Source: AWS STS API reference, "Common errors" and each action's errors; codes as botocore's model gives them.
"""

from typing import ClassVar

from velvetrope.errors import ReasonError, ServiceError

__all__ = [
    "AccessDenied",
    "ExpiredTokenException",
    "IDPRejectedClaim",
    "InvalidAuthorizationMessageException",
    "InvalidClientTokenId",
    "InvalidIdentityToken",
    "InvalidParameterValue",
    "MalformedPolicyDocument",
    "PackedPolicyTooLarge",
    "RoleNotAssumable",
    "ValidationError",
]


class AccessDenied(ServiceError):
    """The caller may not have these credentials. An absent role gets the same sentence as a forbidden one."""

    code = "AccessDenied"
    http_status: ClassVar[int] = 403


class InvalidClientTokenId(ServiceError):
    """The credentials are in time and rightly signed with, and whoever they stood for is gone."""

    code = "InvalidClientTokenId"
    http_status: ClassVar[int] = 403

    def __init__(self, *, detail: str) -> None:
        super().__init__("The security token included in the request is invalid.", detail=detail)


class ValidationError(ServiceError):
    """A value breaks a rule."""

    code = "ValidationError"


class InvalidParameterValue(ServiceError):
    """Session tags break a rule."""

    code = "InvalidParameterValue"


class MalformedPolicyDocument(ServiceError):
    """The session policy is not a policy."""

    code = "MalformedPolicyDocument"


class PackedPolicyTooLarge(ServiceError):
    """Session policies and tags together are more than a session token may carry."""

    code = "PackedPolicyTooLarge"


class InvalidIdentityToken(ServiceError):
    """The web identity token or SAML response is not one, or not one of a provider that we know."""

    code = "InvalidIdentityToken"


class ExpiredTokenException(ServiceError):
    """The web identity token or SAML response was good, but is past its end."""

    code = "ExpiredTokenException"


class IDPRejectedClaim(ServiceError):
    """The identity provider's own answer is that nobody was authenticated."""

    code = "IDPRejectedClaim"
    http_status: ClassVar[int] = 403


class InvalidAuthorizationMessageException(ServiceError):
    """The text is no authorization message that this server handed out."""

    code = "InvalidAuthorizationMessageException"


class RoleNotAssumable(ReasonError):
    """The role does not exist, or its trust policy does not let this caller in. `detail` says which and why.

    `action` is what was refused: the assumption itself, `sts:TagSession` or `sts:SetSourceIdentity`.
    """

    def __init__(self, message: str, *, action: str, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.action = action

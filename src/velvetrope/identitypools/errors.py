"""What identity pools tell their callers: one class per error code of the cognito-identity model that we raise.

    ServiceError
    └── IdentityPoolError                                  all are HTTP 400 (JSON 1.1, client errors)
        ├── AccessDeniedException                          a role of another account
        ├── DeveloperUserAlreadyRegisteredException        a developer's user who has another identity
        ├── InvalidIdentityPoolConfigurationException      no role, or one that cannot be assumed
        ├── InvalidParameterException
        ├── LimitExceededException
        ├── NotAuthorizedException                         guests where there are none; any bad login
        ├── ResourceConflictException                      a login that belongs to another account
        └── ResourceNotFoundException

Sentences that are said in more than one place stand below the classes. Those marked UNVERIFIED are ours.

Source: botocore's cognito-identity model; texts as listed in the project's reference on identity pools, section 5.
"""

from velvetrope.errors import ServiceError
from velvetrope.store.tables.identitypools import MAX_LOGINS, LinkRefusal

__all__ = [
    "AccessDeniedException",
    "DeveloperUserAlreadyRegisteredException",
    "IdentityPoolError",
    "InvalidIdentityPoolConfigurationException",
    "InvalidParameterException",
    "LimitExceededException",
    "NotAuthorizedException",
    "ResourceConflictException",
    "ResourceNotFoundException",
    "bad_configuration",
    "bad_provider",
    "guests_refused",
    "identity_forbidden",
    "identity_missing",
    "link_refused",
    "logins_do_not_match",
    "pool_missing",
]


class IdentityPoolError(ServiceError):
    """Any error of this service."""


class AccessDeniedException(IdentityPoolError):
    """A role of another account cannot be given to a pool."""

    code = "AccessDeniedException"


class DeveloperUserAlreadyRegisteredException(IdentityPoolError):
    """The developer's user identifier leads to another identity than the one named."""

    code = "DeveloperUserAlreadyRegisteredException"


class InvalidIdentityPoolConfigurationException(IdentityPoolError):
    """The pool has no role for this identity, or its role does not let the identity in."""

    code = "InvalidIdentityPoolConfigurationException"


class InvalidParameterException(IdentityPoolError):
    """A value breaks a rule, or names something that we do not support."""

    code = "InvalidParameterException"


class LimitExceededException(IdentityPoolError):
    """More than an account or a pool may have."""

    code = "LimitExceededException"


class NotAuthorizedException(IdentityPoolError):
    """Not for this caller: a guest where there are none, or a login that is not good."""

    code = "NotAuthorizedException"


class ResourceConflictException(IdentityPoolError):
    """The login is linked elsewhere, or the identity has another login of the same provider."""

    code = "ResourceConflictException"


class ResourceNotFoundException(IdentityPoolError):
    """No such pool, or no such identity."""

    code = "ResourceNotFoundException"


def pool_missing(pool_id: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"IdentityPool '{pool_id}' not found.")


def identity_missing(identity_id: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"Identity '{identity_id}' not found.")


def identity_forbidden(identity_id: str, *, detail: str) -> NotAuthorizedException:
    return NotAuthorizedException(f"Access to Identity '{identity_id}' is forbidden.", detail=detail)


def guests_refused() -> NotAuthorizedException:
    return NotAuthorizedException("Unauthenticated access is not supported for this identity pool.")


def bad_provider(*, detail: str) -> InvalidParameterException:
    return InvalidParameterException("Please provide a valid public provider.", detail=detail)


def logins_do_not_match() -> NotAuthorizedException:
    return NotAuthorizedException(
        "Logins don't match. Please include at least one valid login for this identity or identity pool."
    )


def link_refused(refusal: LinkRefusal, identity_id: str) -> IdentityPoolError:
    """Why logins were not linked to `identity_id`. The codes are AWS's, sentences without a source are UNVERIFIED."""
    match refusal.reason:
        case "gone":
            return identity_missing(identity_id)
        case "disabled":
            return identity_forbidden(
                identity_id, detail="the identity was merged into another, which the logins are not"
            )
        case "no login matches":
            return logins_do_not_match()
        case "registered elsewhere":
            return DeveloperUserAlreadyRegisteredException(
                "The developer user identifier is already registered under a different identity ID."
            )
        case "too many logins":
            return ResourceConflictException(f"An identity can have {MAX_LOGINS} linked logins.")
    return ResourceConflictException("Logins are already linked to another account.", detail=refusal.reason)


def bad_configuration(detail: str) -> InvalidIdentityPoolConfigurationException:
    return InvalidIdentityPoolConfigurationException(
        "Invalid identity pool configuration. Check assigned IAM roles for this pool.", detail=detail
    )

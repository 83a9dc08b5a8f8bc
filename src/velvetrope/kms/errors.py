"""KMS's errors, one class per code.

    ServiceError
    ├── AlreadyExistsException
    ├── DisabledException
    ├── IncorrectKeyException
    ├── InvalidAliasNameException
    ├── InvalidArnException
    ├── InvalidCiphertextException
    ├── InvalidMarkerException
    ├── KMSInternalException
    ├── KMSInvalidStateException
    ├── LimitExceededException
    ├── MalformedPolicyDocumentException
    ├── NotFoundException
    ├── TagException
    ├── UnsupportedOperationException
    └── ValidationException              not in the model; AWS's common error

KMS answers 400 to all of them but KMSInternalException, which is 500. Texts are those that clients quote; where none
was found they are ours (UNVERIFIED).

Sources: botocore's `kms` model; AWS KMS API Reference, each action's errors, "Common Errors".
"""

from velvetrope.errors import ServiceError

__all__ = [
    "AlreadyExistsException",
    "DisabledException",
    "IncorrectKeyException",
    "InvalidAliasNameException",
    "InvalidArnException",
    "InvalidCiphertextException",
    "InvalidMarkerException",
    "KMSInternalException",
    "KMSInvalidStateException",
    "LimitExceededException",
    "MalformedPolicyDocumentException",
    "NotFoundException",
    "TagException",
    "UnsupportedOperationException",
    "ValidationException",
]


class AlreadyExistsException(ServiceError):
    """The alias is taken."""

    code = "AlreadyExistsException"


class DisabledException(ServiceError):
    """The key is disabled, and would have to encrypt or decrypt."""

    code = "DisabledException"


class IncorrectKeyException(ServiceError):
    """The ciphertext is another key's than the one that was named."""

    code = "IncorrectKeyException"


class InvalidAliasNameException(ServiceError):
    """No alias can have this name."""

    code = "InvalidAliasNameException"


class InvalidArnException(ServiceError):
    """Not an ARN of a key, or one of another account or region."""

    code = "InvalidArnException"


class InvalidCiphertextException(ServiceError):
    """Not a ciphertext of that key under that encryption context; which of them is wrong is not told."""

    code = "InvalidCiphertextException"


class InvalidMarkerException(ServiceError):
    """Not a marker of ours."""

    code = "InvalidMarkerException"


class KMSInvalidStateException(ServiceError):
    """The key awaits its deletion, or does not and should."""

    code = "KMSInvalidStateException"


class KMSInternalException(ServiceError):
    """Something came in between; the same request, made again, may be answered."""

    code = "KMSInternalException"
    http_status = 500


class LimitExceededException(ServiceError):
    """More than a key may have."""

    code = "LimitExceededException"


class MalformedPolicyDocumentException(ServiceError):
    """The key policy is none, or would lock its author out."""

    code = "MalformedPolicyDocumentException"


class NotFoundException(ServiceError):
    """No such key or alias."""

    code = "NotFoundException"


class TagException(ServiceError):
    """A tag that no key can have."""

    code = "TagException"


class UnsupportedOperationException(ServiceError):
    """KMS has this, and velvetrope has not."""

    code = "UnsupportedOperationException"


class ValidationException(ServiceError):
    """A parameter is out of its bounds."""

    code = "ValidationException"

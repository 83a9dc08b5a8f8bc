"""SQS's errors, one class per code.

    ServiceError
    └── SqsError                            adds the code that the service had when its wire was the query protocol
        ├── BatchEntryIdsNotDistinct
        ├── BatchRequestTooLong
        ├── EmptyBatchRequest
        ├── InvalidAddress
        ├── InvalidAttributeName
        ├── InvalidAttributeValue
        ├── InvalidBatchEntryId
        ├── InvalidMessageContents
        ├── InvalidParameterValueException
        ├── MessageNotInflight
        ├── MissingRequiredParameterException
        ├── PurgeQueueInProgress
        ├── QueueDoesNotExist
        ├── QueueNameExists
        ├── ReceiptHandleIsInvalid
        ├── TooManyEntriesInBatchRequest
        └── UnsupportedOperation

`code` is the model's name, which travels in the body; `query_code` travels in `x-amzn-query-error`, and that is the
one boto3 and the AWS CLI show (Smithy 2.0, "AWS query compatible protocol"). SQS answers 400 to all of them. Two are
not in the model: InvalidParameterValueException and MissingRequiredParameterException (UNVERIFIED; their query codes
are AWS's common errors InvalidParameterValue and MissingParameter).

Sources: botocore's `sqs` model; Amazon SQS API Reference, each action's errors.
"""

from typing import ClassVar

from velvetrope.errors import ServiceError

__all__ = [
    "BatchEntryIdsNotDistinct",
    "BatchRequestTooLong",
    "EmptyBatchRequest",
    "InvalidAddress",
    "InvalidAttributeName",
    "InvalidAttributeValue",
    "InvalidBatchEntryId",
    "InvalidMessageContents",
    "InvalidParameterValueException",
    "MessageNotInflight",
    "MissingRequiredParameterException",
    "PurgeQueueInProgress",
    "QueueDoesNotExist",
    "QueueNameExists",
    "ReceiptHandleIsInvalid",
    "SqsError",
    "TooManyEntriesInBatchRequest",
    "UnsupportedOperation",
]

_OLD = "AWS.SimpleQueueService."


class SqsError(ServiceError):
    """An error with a second name."""

    query_code: ClassVar[str]


class BatchEntryIdsNotDistinct(SqsError):
    """Two entries of a batch have one id."""

    code = "BatchEntryIdsNotDistinct"
    query_code = f"{_OLD}BatchEntryIdsNotDistinct"


class BatchRequestTooLong(SqsError):
    """The messages of a batch are larger together than one may be."""

    code = "BatchRequestTooLong"
    query_code = f"{_OLD}BatchRequestTooLong"


class EmptyBatchRequest(SqsError):
    """A batch without entries."""

    code = "EmptyBatchRequest"
    query_code = f"{_OLD}EmptyBatchRequest"


class InvalidAddress(SqsError):
    """The queue URL is none of this service."""

    code = "InvalidAddress"
    query_code = "InvalidAddress"
    http_status = 404


class InvalidAttributeName(SqsError):
    """No attribute of this name, or not for this kind of queue."""

    code = "InvalidAttributeName"
    query_code = "InvalidAttributeName"


class InvalidAttributeValue(SqsError):
    """An attribute of a queue cannot have this value."""

    code = "InvalidAttributeValue"
    query_code = "InvalidAttributeValue"


class InvalidBatchEntryId(SqsError):
    """An entry's id has other characters than letters, digits, hyphens and underscores, or more than 80."""

    code = "InvalidBatchEntryId"
    query_code = f"{_OLD}InvalidBatchEntryId"


class InvalidMessageContents(SqsError):
    """The body has characters that XML 1.0 cannot have."""

    code = "InvalidMessageContents"
    query_code = "InvalidMessageContents"


class InvalidParameterValueException(SqsError):
    """A parameter is well formed but cannot be used."""

    code = "InvalidParameterValueException"
    query_code = "InvalidParameterValue"


class MessageNotInflight(SqsError):
    """The message is visible, so there is no visibility to change."""

    code = "MessageNotInflight"
    query_code = f"{_OLD}MessageNotInflight"


class MissingRequiredParameterException(SqsError):
    """A parameter that this queue needs was not sent."""

    code = "MissingRequiredParameterException"
    query_code = "MissingParameter"


class PurgeQueueInProgress(SqsError):
    """The queue was purged within the last minute."""

    code = "PurgeQueueInProgress"
    query_code = f"{_OLD}PurgeQueueInProgress"
    http_status = 403


class QueueDoesNotExist(SqsError):
    """No such queue."""

    code = "QueueDoesNotExist"
    query_code = f"{_OLD}NonExistentQueue"

    def __init__(self, message: str = "The specified queue does not exist.", *, detail: str = "") -> None:
        super().__init__(message, detail=detail)


class QueueNameExists(SqsError):
    """A queue of this name has other attributes."""

    code = "QueueNameExists"
    query_code = "QueueAlreadyExists"


class ReceiptHandleIsInvalid(SqsError):
    """Not a receipt handle of this queue."""

    code = "ReceiptHandleIsInvalid"
    query_code = "ReceiptHandleIsInvalid"


class TooManyEntriesInBatchRequest(SqsError):
    """A batch has more than ten entries."""

    code = "TooManyEntriesInBatchRequest"
    query_code = f"{_OLD}TooManyEntriesInBatchRequest"


class UnsupportedOperation(SqsError):
    """SQS has this, and velvetrope has not."""

    code = "UnsupportedOperation"
    query_code = f"{_OLD}UnsupportedOperation"

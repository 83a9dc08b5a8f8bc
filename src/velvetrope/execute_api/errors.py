"""Every way in which the gateway itself refuses, one class each.

    ServiceError
    └── GatewayRefusal
        ├── UnknownStage                403 ForbiddenException                   WAF_FILTERED
        ├── MissingAuthenticationToken  403 MissingAuthenticationTokenException  MISSING_AUTHENTICATION_TOKEN
        ├── IncompleteSignature         403 IncompleteSignatureException         INVALID_SIGNATURE
        ├── InvalidSignature            403 InvalidSignatureException            INVALID_SIGNATURE
        ├── UnrecognizedClient          403 UnrecognizedClientException          INVALID_SIGNATURE
        ├── ExpiredToken                403 ExpiredTokenException                EXPIRED_TOKEN
        ├── AccessDenied                403 AccessDeniedException                ACCESS_DENIED
        ├── InvalidApiKey               403 ForbiddenException                   INVALID_API_KEY
        ├── Throttled                   429 TooManyRequestsException             THROTTLED
        ├── QuotaExceeded               429 LimitExceededException               QUOTA_EXCEEDED
        ├── Unauthorized                401 UnauthorizedException                UNAUTHORIZED
        ├── BadRequestParameters        400 BadRequestException                  BAD_REQUEST_PARAMETERS
        ├── BadRequestBody              400 BadRequestException                  BAD_REQUEST_BODY
        ├── UnsupportedMediaType        415 BadRequestException                  UNSUPPORTED_MEDIA_TYPE
        ├── RequestTooLarge             413 RequestTooLargeException             REQUEST_TOO_LARGE
        ├── PayloadTooLarge             413
        ├── UriTooLong                  414
        ├── AuthorizerConfiguration     500 AuthorizerConfigurationException     AUTHORIZER_CONFIGURATION_ERROR
        ├── AuthorizerFailure           500 AuthorizerFailureException           AUTHORIZER_FAILURE
        ├── ApiConfiguration            500 InternalServerErrorException         API_CONFIGURATION_ERROR
        ├── IntegrationFailure          502 InternalServerErrorException         INTEGRATION_FAILURE
        ├── BackendUnreachable          504 InternalServerErrorException         INTEGRATION_FAILURE
        └── IntegrationTimeout          504 InternalServerErrorException         INTEGRATION_TIMEOUT

`code` is what `x-amzn-errortype` says, `response_type` the gateway response that an author can customise. `member` and
`spaced` are the two oddities of AWS's bodies: access refusals write `Message`, and what fails at the integration has a
space after the colon. `detail` is for the owner's decision record. `SIGNATURE_REFUSALS` gives the findings of `sigv4`
their class; the gateway response types of the middle three are UNVERIFIED.

Sources: API Gateway Developer Guide, "Gateway response types for API Gateway"; captures of AWS.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from velvetrope import sigv4
from velvetrope.errors import ServiceError

if TYPE_CHECKING:
    from velvetrope.execute_api.requests import IntegrationOutcome

__all__ = [
    "SIGNATURE_REFUSALS",
    "AccessDenied",
    "ApiConfiguration",
    "AuthorizerConfiguration",
    "AuthorizerFailure",
    "BackendUnreachable",
    "BadRequestBody",
    "BadRequestParameters",
    "ExpiredToken",
    "GatewayRefusal",
    "IncompleteSignature",
    "IntegrationFailure",
    "IntegrationTimeout",
    "InvalidApiKey",
    "InvalidSignature",
    "MissingAuthenticationToken",
    "PayloadTooLarge",
    "QuotaExceeded",
    "RequestTooLarge",
    "Throttled",
    "Unauthorized",
    "UnknownStage",
    "UnrecognizedClient",
    "UnsupportedMediaType",
    "UriTooLong",
]


class GatewayRefusal(ServiceError):
    """The gateway's own answer in place of the integration's. `step` is the step of the request that refused."""

    response_type: ClassVar[str]
    text: ClassVar[str | None] = ""
    """The message when the raise does not give one; None is JSON's null."""
    member: ClassVar[str] = "message"
    spaced: ClassVar[bool] = False
    http_status: ClassVar[int] = 403
    outcome: "IntegrationOutcome | None" = None
    """How the integration did, if it was called before this was decided. For logs."""

    def __init__(self, message: str | None = None, *, step: str, detail: str = "") -> None:
        super().__init__(self.text or "" if message is None else message, detail=detail)
        self.step = step


class UnknownStage(GatewayRefusal):
    """The API or the stage does not exist. Nothing of the API is looked at, so it cannot customise this."""

    code = "ForbiddenException"
    response_type = "WAF_FILTERED"
    text = "Forbidden"


class MissingAuthenticationToken(GatewayRefusal):
    """No such route, or a signature is needed and there is none. AWS says the same to both."""

    code = "MissingAuthenticationTokenException"
    response_type = "MISSING_AUTHENTICATION_TOKEN"
    text = "Missing Authentication Token"


class IncompleteSignature(GatewayRefusal):
    """There is an Authorization header, and it cannot be read."""

    code = "IncompleteSignatureException"
    response_type = "INVALID_SIGNATURE"


class InvalidSignature(GatewayRefusal):
    """The signature is of another secret, request, time, service or region."""

    code = "InvalidSignatureException"
    response_type = "INVALID_SIGNATURE"


class UnrecognizedClient(GatewayRefusal):
    """The access key or its session token is not one of ours."""

    code = "UnrecognizedClientException"
    response_type = "INVALID_SIGNATURE"


class ExpiredToken(GatewayRefusal):
    """The session has ended."""

    code = "ExpiredTokenException"
    response_type = "EXPIRED_TOKEN"


class AccessDenied(GatewayRefusal):
    """Authenticated (or anonymous), and policies do not allow it."""

    code = "AccessDeniedException"
    response_type = "ACCESS_DENIED"
    member = "Message"


class InvalidApiKey(GatewayRefusal):
    """The key is missing, unknown, disabled, or in no plan of this stage. The caller is not told which."""

    code = "ForbiddenException"
    response_type = "INVALID_API_KEY"
    text = "Forbidden"


class Throttled(GatewayRefusal):
    """A token bucket is empty."""

    code = "TooManyRequestsException"
    response_type = "THROTTLED"
    http_status = 429
    text = "Too Many Requests"


class QuotaExceeded(GatewayRefusal):
    """The plan's quota for this period is used up."""

    code = "LimitExceededException"
    response_type = "QUOTA_EXCEEDED"
    http_status = 429
    text = "Limit Exceeded"


class Unauthorized(GatewayRefusal):
    """An authorizer does not know the caller: no token, a bad one, or a function that says `Unauthorized`.

    Which gateway response an expired token of a user pool takes is UNVERIFIED: this one here.
    """

    code = "UnauthorizedException"
    response_type = "UNAUTHORIZED"
    http_status = 401
    text = "Unauthorized"


class BadRequestParameters(GatewayRefusal):
    """The request validator misses required parameters."""

    code = "BadRequestException"
    response_type = "BAD_REQUEST_PARAMETERS"
    http_status = 400
    spaced = True


class BadRequestBody(GatewayRefusal):
    """The body is not what the model says. `validation_error` is `$context.error.validationErrorString`."""

    code = "BadRequestException"
    response_type = "BAD_REQUEST_BODY"
    http_status = 400
    text = "Invalid request body"
    spaced = True

    def __init__(self, *, step: str, detail: str, validation_error: str) -> None:
        super().__init__(step=step, detail=detail)
        self.validation_error = validation_error


class UnsupportedMediaType(GatewayRefusal):
    """No mapping template for this content type, and the integration does not pass it through."""

    code = "BadRequestException"
    response_type = "UNSUPPORTED_MEDIA_TYPE"
    http_status = 415
    text = "Unsupported Media Type"
    spaced = True


class RequestTooLarge(GatewayRefusal):
    """The function would not take an event of this size."""

    code = "RequestTooLargeException"
    response_type = "REQUEST_TOO_LARGE"
    http_status = 413
    text = "Request Too Long"


class PayloadTooLarge(GatewayRefusal):
    """The body has more than 10 MB. The answer is plain text, and no author's to change."""

    code = "PayloadTooLarge"
    response_type = "REQUEST_TOO_LARGE"
    http_status = 413


class UriTooLong(GatewayRefusal):
    """The method ARN is longer than a policy could name. What `x-amzn-errortype` says is UNVERIFIED."""

    code = "RequestTooLargeException"
    response_type = "DEFAULT_4XX"
    http_status = 414
    text = "Request URI too long"


class AuthorizerConfiguration(GatewayRefusal):
    """The authorizer cannot be asked, or answers what cannot be understood; or its type is not known. Nobody passes."""

    code = "AuthorizerConfigurationException"
    response_type = "AUTHORIZER_CONFIGURATION_ERROR"
    http_status = 500
    text = None


class AuthorizerFailure(GatewayRefusal):
    """The authorizer's function failed or took too long. (That AWS tells this from a wrong answer is UNVERIFIED.)"""

    code = "AuthorizerFailureException"
    response_type = "AUTHORIZER_FAILURE"
    http_status = 500
    text = None


class ApiConfiguration(GatewayRefusal):
    """The integration cannot be run as it is configured: no permission to invoke, no such function …"""

    code = "InternalServerErrorException"
    response_type = "API_CONFIGURATION_ERROR"
    http_status = 500
    text = "Internal server error"
    spaced = True


class IntegrationFailure(GatewayRefusal):
    """The function failed, or answered in another format."""

    code = "InternalServerErrorException"
    # AWS lists INTEGRATION_FAILURE with 504 and yet answers 502 here; a customised status would win.
    response_type = "INTEGRATION_FAILURE"
    http_status = 502
    text = "Internal server error"
    spaced = True


class BackendUnreachable(GatewayRefusal):
    """No connection to the HTTP backend, or it broke off. What `x-amzn-errortype` says is UNVERIFIED."""

    code = "InternalServerErrorException"
    response_type = "INTEGRATION_FAILURE"
    http_status = 504
    text = "Network error communicating with endpoint"
    spaced = True


class IntegrationTimeout(GatewayRefusal):
    """The integration took longer than `timeoutInMillis`."""

    code = "InternalServerErrorException"
    response_type = "INTEGRATION_TIMEOUT"
    http_status = 504
    text = "Endpoint request timed out"
    spaced = True


SIGNATURE_REFUSALS: Mapping[type[sigv4.SignatureRefused], type[GatewayRefusal]] = {
    sigv4.NoSignature: MissingAuthenticationToken,
    sigv4.SignatureIncomplete: IncompleteSignature,
    sigv4.SignatureMismatch: InvalidSignature,
    sigv4.SignatureExpired: InvalidSignature,
    sigv4.SignatureNotYetCurrent: InvalidSignature,
    sigv4.ScopeMismatch: InvalidSignature,
    sigv4.UnknownAccessKey: UnrecognizedClient,
    sigv4.InvalidSessionToken: UnrecognizedClient,
    sigv4.ExpiredSessionToken: ExpiredToken,
}
"""The class for each finding; a kind of finding that is not listed takes its base's."""

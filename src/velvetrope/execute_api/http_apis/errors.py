"""Every way in which an HTTP API itself refuses, one class each.

    ServiceError
    └── HttpApiRefusal
        ├── RouteNotFound       404 Not Found
        ├── Unauthorized        401 Unauthorized
        ├── Forbidden           403 Forbidden
        ├── TooManyRequests     429 Too Many Requests
        ├── PayloadTooLarge     413 Request Entity Too Large
        ├── InternalError       500 Internal Server Error
        ├── BadGateway          502 Bad Gateway
        └── ServiceUnavailable  503 Service Unavailable

An HTTP API says less than a REST API: the status's own words as `{"message":"…"}`, whatever the reason was, and no
`x-amzn-errortype`. A refused signature is 403 like a refused permission. `detail` is for the owner's decision record.
`challenge` becomes `WWW-Authenticate` (RFC 6750 section 3), for bearer tokens only.

Sources: API Gateway Developer Guide, "Control access to HTTP APIs with JWT authorizers", "Troubleshooting issues with
HTTP API JWT authorizers", "… with HTTP API Lambda integrations". UNVERIFIED: 503 for an integration that is too slow,
502 for an endpoint that cannot be reached, and the text of 413.
"""

from velvetrope.errors import ServiceError

__all__ = [
    "BadGateway",
    "Forbidden",
    "HttpApiRefusal",
    "InternalError",
    "PayloadTooLarge",
    "RouteNotFound",
    "ServiceUnavailable",
    "TooManyRequests",
    "Unauthorized",
]


class HttpApiRefusal(ServiceError):
    """The gateway's own answer in place of the integration's. `step` is the step of the request that refused."""

    text = ""

    def __init__(self, *, step: str, detail: str, challenge: str = "") -> None:
        super().__init__(self.text, detail=detail)
        self.step = step
        self.challenge = challenge


class RouteNotFound(HttpApiRefusal):
    """No stage, or no route and no `$default`."""

    code = "NotFound"
    http_status = 404
    text = "Not Found"


class Unauthorized(HttpApiRefusal):
    """No token, or not a good one; or no identity for the authorizer's function."""

    code = "Unauthorized"
    http_status = 401
    text = "Unauthorized"


class Forbidden(HttpApiRefusal):
    """Not signed well, or not allowed."""

    code = "Forbidden"
    http_status = 403
    text = "Forbidden"


class TooManyRequests(HttpApiRefusal):
    """The token bucket of the route or the stage is empty."""

    code = "TooManyRequests"
    http_status = 429
    text = "Too Many Requests"


class PayloadTooLarge(HttpApiRefusal):
    """More than ten megabytes, or more than the function takes."""

    code = "RequestEntityTooLarge"
    http_status = 413
    text = "Request Entity Too Large"


class InternalError(HttpApiRefusal):
    """The API is configured wrongly, or its function failed or answered in another format."""

    code = "InternalServerError"
    http_status = 500
    text = "Internal Server Error"


class BadGateway(HttpApiRefusal):
    """The endpoint could not be reached, or what it said is no HTTP."""

    code = "BadGateway"
    http_status = 502
    text = "Bad Gateway"


class ServiceUnavailable(HttpApiRefusal):
    """The integration took longer than its timeout."""

    code = "ServiceUnavailable"
    http_status = 503
    text = "Service Unavailable"

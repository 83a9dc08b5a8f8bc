"""Cross-origin answers of the control plane: which services a browser may call, and what it may read of the answer.

AWS answers browsers of any origin on the Cognito endpoints and on Lambda's; credentials travel in headers, never in
cookies, so `*` gives away nothing. A preflight names no operation: it is recognised by the headers it asks for
(`x-amz-target`) or by its path. Requested headers are reflected.

Source: README.md and user-pools.md section 1 of the reference (the list of exposed headers is UNVERIFIED there); Fetch
standard, "CORS protocol".
"""

from velvetrope.edge.finding import service_of_path
from velvetrope.edge.requests import RequestHead, WireAnswer

__all__ = ["ALLOW_ANY_ORIGIN", "CROSS_ORIGIN_HEADERS", "answer_preflight"]

ALLOW_ANY_ORIGIN = (b"access-control-allow-origin", b"*")
_EXPOSED = (b"access-control-expose-headers", b"x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date")
CROSS_ORIGIN_HEADERS = (ALLOW_ANY_ORIGIN, _EXPOSED)
"""What goes on every answer of a service that browsers call."""
_MAX_AGE_SECONDS = b"172800"
_FALLBACK_METHODS = b"POST"


def answer_preflight(head: RequestHead) -> WireAnswer | None:
    """The answer to a preflight for the control plane; None if this is another request."""
    if head.method != "OPTIONS":
        return None
    requested = head.by_name.get(b"access-control-request-headers", b"")
    wanted_method = head.by_name.get(b"access-control-request-method")
    if wanted_method is None:
        return None
    service = service_of_path(head.path)
    asks_for_target = b"x-amz-target" in requested.lower()
    if not asks_for_target and (service is None or not service.called_by_browsers):
        return None
    return WireAnswer(
        200,
        b"",
        [
            ALLOW_ANY_ORIGIN,
            (b"access-control-allow-methods", _FALLBACK_METHODS if asks_for_target else wanted_method),
            (b"access-control-allow-headers", requested),
            (b"access-control-max-age", _MAX_AGE_SECONDS),
            _EXPOSED,
            (b"vary", b"Access-Control-Request-Headers, Access-Control-Request-Method"),
        ],
    )

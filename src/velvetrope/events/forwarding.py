"""Headers of a request as a function behind a gateway sees them, and the form of times in events.

What belongs to the connection is left out, and so is an `Authorization` header that holds a SigV4 signature: it was for
the gateway. `X-Forwarded-For` goes on from what the caller sent, `X-Forwarded-Port` and `-Proto` are the gateway's word
alone, and a trace id is added where there is none.

Sources: API Gateway Developer Guide, "Amazon API Gateway important notes"; captures of AWS for the order. UNVERIFIED:
a client's own `X-Amzn-Trace-Id` stays.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

__all__ = ["forwarded_headers", "new_trace_id", "render_clf_time"]

_FORWARDED = frozenset({"x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"})
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def forwarded_headers(
    headers: Iterable[tuple[str, str]],
    *,
    source_ip: str,
    port: str,
    scheme: str,
    trace_id: str,
    left_out: Collection[str],
) -> list[tuple[str, str]]:
    """`headers` in their order and casing, without those of `left_out` (in lower case), and with the gateway's own."""
    forwarded: list[tuple[str, str]] = []
    forwarded_for = ""
    has_trace = False
    for name, value in headers:
        lower = name.lower()
        if lower in left_out or (lower == "authorization" and value.lstrip().startswith("AWS4-HMAC-SHA256")):
            continue
        if lower in _FORWARDED:
            if lower == "x-forwarded-for":
                forwarded_for = f"{forwarded_for}, {value}" if forwarded_for else value
            continue
        has_trace = has_trace or lower == "x-amzn-trace-id"
        forwarded.append((name, value))
    if not has_trace:
        forwarded.append(("X-Amzn-Trace-Id", trace_id))
    forwarded.append(("X-Forwarded-For", f"{forwarded_for}, {source_ip}" if forwarded_for else source_ip))
    forwarded.append(("X-Forwarded-Port", port))
    forwarded.append(("X-Forwarded-Proto", scheme))
    return forwarded


def new_trace_id(at: datetime, request_id: str) -> str:
    """A trace id for a request that brought none: it begins with the time and goes on with the request id."""
    return f"Root=1-{int(at.timestamp()):08x}-{request_id.replace('-', '')[:24]}"


def render_clf_time(at: datetime) -> str:
    """`04/Mar/2020:19:15:17 +0000`, the Common Log Format's time. `at` is in UTC; names of months know no locale."""
    return f"{at.day:02}/{_MONTHS[at.month - 1]}/{at.year}:{at.hour:02}:{at.minute:02}:{at.second:02} +0000"

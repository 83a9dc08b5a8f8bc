"""One invocation of a function: what it is given, and how it may end.

Source: payloads of errors as recorded in reference/lambda.md section 3.
"""

import msgspec

__all__ = ["TAIL_BYTES", "InitFailed", "Invocation", "Outcome", "render_error"]

TAIL_BYTES = 4096
"""What `LogType=Tail` gives."""


class Invocation(msgspec.Struct, frozen=True):
    """One event for a function."""

    request_id: str
    payload: bytes
    invoked_function_arn: str
    """As it was asked for, with the qualifier if there was one."""
    client_context: bytes = b""
    """JSON; empty if there is none."""
    cognito_identity: bytes = b""
    """JSON; empty unless the caller's credentials came from an identity pool."""


class Outcome(msgspec.Struct, frozen=True):
    """How an invocation ended. `function_error` is None when the function returned."""

    payload: bytes
    function_error: str | None
    log_tail: bytes


class InitFailed(Exception):
    """The process did not get as far as asking for its first event. Lambda tells the invoker, and so do we."""

    def __init__(self, *, error_type: str, message: str, payload: bytes | None, log: bytes) -> None:
        super().__init__(f"{error_type}: {message}")
        self._error_type = error_type
        self._message = message
        self._payload = payload
        self._log = log

    def outcome(self, request_id: str) -> Outcome:
        """What the invocation that waited for this sandbox is answered: the runtime's own error if it posted one."""
        payload = self._payload or render_error(self._error_type, f"RequestId: {request_id} Error: {self._message}")
        return Outcome(payload, "Unhandled", self._log[-TAIL_BYTES:])


def render_error(error_type: str, message: str) -> bytes:
    """The payload of an invocation that failed outside of its handler."""
    return msgspec.json.encode({"errorType": error_type, "errorMessage": message})

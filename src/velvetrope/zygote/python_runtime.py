"""AWS's Python runtime client over frames: its bootstrap unchanged, its HTTP client swapped.

`awslambdaric.bootstrap.run` loads the handler, shapes errors and logs as on Lambda; it speaks to Lambda through a
client object of four methods, and this one's four methods send frames. `awslambdaric`'s own client needs a C++
extension with libcurl in it; that is never loaded here.

A result is sent together with the readiness for the next event, in one write: nothing of the bootstrap happens between
the two.

Source: aws-lambda-python-runtime-interface-client, `bootstrap.py` and `lambda_runtime_client.py`.
"""

import os
import socket
import struct
import sys
from typing import Any, NoReturn

sys.modules["runtime_client"] = None  # type: ignore[assignment]  # the C++ extension; None makes its import fail, which the client expects
from awslambdaric import bootstrap  # noqa: E402
from awslambdaric.lambda_runtime_client import (  # noqa: E402
    BaseLambdaRuntimeClient,
    InvocationRequest,
    LambdaRuntimeClient,
)
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller, to_json  # noqa: E402

from velvetrope.zygote import frames  # noqa: E402
from velvetrope.zygote.processors import Follower  # noqa: E402

__all__ = ["FrameRuntimeClient", "run_handler"]

_HEAD = struct.Struct(">IB")


class FrameRuntimeClient(LambdaRuntimeClient):  # type: ignore[misc]  # awslambdaric ships no types
    """What the bootstrap calls. One invocation at a time, as it does itself."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__("")
        self._connection = connection
        self._unsent = b""
        """The answer to the invocation that ended, until the next event is asked for."""
        self._received = bytearray()
        self._follower = Follower(connection)

    def wait_next_invocation(self) -> Any:  # noqa: ANN401  awslambdaric ships no types
        """Answer what ended, say that an event may come, and wait for it."""
        answer, self._unsent = self._unsent, b""
        self._follower.settle()
        self._connection.sendall(answer + _READY)
        event = frames.parse_event(self._receive_event())
        self._follower.follow(event.processor)
        return InvocationRequest(
            invoke_id=event.request_id,
            x_amzn_trace_id=event.trace_id or None,
            invoked_function_arn=event.invoked_function_arn,
            deadline_time_in_ms=event.deadline_ms,
            client_context=event.client_context.decode() or None,
            cognito_identity=event.cognito_identity.decode() or None,
            tenant_id=None,
            content_type="application/json",
            event_body=event.payload,
            invocation_id=None,
        )

    def post_invocation_result(
        self,
        invoke_id: str,
        result_data: str | bytes,
        content_type: str = "application/json",  # noqa: ARG002  as the bootstrap calls it
        invocation_id: str | None = None,  # noqa: ARG002
    ) -> None:
        """The handler returned."""
        body = result_data if isinstance(result_data, bytes) else result_data.encode("utf-8")
        self._answer(frames.RESULT, invoke_id, body)

    def post_invocation_error(
        self,
        invoke_id: str,
        error_response_data: str,
        xray_fault: str,  # noqa: ARG002  there is no X-Ray here
        invocation_id: str | None = None,  # noqa: ARG002
    ) -> None:
        """The handler raised."""
        self._answer(frames.ERROR, invoke_id, error_response_data.encode("utf-8"))

    def post_init_error(self, error_response_data: dict[str, str], error_type_override: str | None = None) -> None:
        """The handler could not be loaded; the bootstrap exits next."""
        error_type = error_type_override or error_response_data["errorType"]
        body = to_json(error_response_data).encode("utf-8")
        self._connection.sendall(frames.render_tagged(frames.INIT_ERROR, error_type, body[: frames.MAX_ANSWER_BYTES]))

    def _answer(self, kind: int, request_id: str, body: bytes) -> None:
        if len(body) > frames.MAX_ANSWER_BYTES:
            self._unsent = frames.render_frame(frames.TOO_LARGE, request_id.encode())
        else:
            self._unsent = frames.render_tagged(kind, request_id, body)

    def _receive_event(self) -> bytes:
        received = self._received
        while True:
            try:
                data = self._connection.recv(_RECEIVE_BYTES)
            except BlockingIOError:
                self._follower.give_up()
                continue
            if not data:
                _leave()
            received += data
            if len(received) < _HEAD.size:
                continue
            length, _kind = _HEAD.unpack_from(received)
            end = _HEAD.size + length
            if len(received) >= end:
                body = bytes(received[_HEAD.size : end])
                del received[:end]
                return body


_READY = frames.render_frame(frames.READY)
_RECEIVE_BYTES = 65_536
"""A buffer that the C library need not have mapped, see `functions.frame_channel`."""


def _leave() -> NoReturn:
    """The server closed its end: nobody is there to be told anything."""
    os._exit(0)


def run_handler(connection: socket.socket, handler: str) -> None:
    """Be the runtime of `handler`, with the environment that is set now. Returns never; exits as the bootstrap does."""
    if any(name.startswith("AWS_LAMBDA_LOG_") for name in os.environ):
        # These are read when the bootstrap is imported, which was in the zygote.
        import importlib

        importlib.reload(bootstrap)
    # Which JSON is written depends on the runtime's name, which the zygote did not know.
    BaseLambdaRuntimeClient.marshaller = LambdaMarshaller()
    bootstrap.run(handler, FrameRuntimeClient(connection))

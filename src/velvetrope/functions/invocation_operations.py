"""Invoke and InvokeAsync: run a function and answer with what it returned, or keep an event for it. The caller was
judged before it came here.

Source: AWS Lambda API Reference, Invoke; reference/lambda.md section 3.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import cast

import msgspec

from velvetrope.functions.errors import InvalidRequestContentException
from velvetrope.functions.invoker import FunctionInvoker, InvocationType
from velvetrope.functions.names import parse_function_name
from velvetrope.operations import Answer, Call, operation

__all__ = ["InvocationOperations"]


_STATUS_WITHOUT_RESULT = {"Event": 202, "DryRun": 204}


@dataclass(frozen=True, slots=True)
class InvocationOperations:
    """Running functions."""

    invoker: FunctionInvoker

    @operation
    async def invoke(
        self,
        call: Call,
        *,
        function_name: str,
        invocation_type: str = "RequestResponse",
        log_type: str = "None",
        client_context: str | None = None,
        payload: bytes = b"",
        qualifier: str | None = None,
    ) -> Answer:
        reference = parse_function_name(function_name, qualifier, account_id=call.account_id, region=call.region)
        if payload:
            _check_json(payload)
        result = await self.invoker.invoke(
            reference.qualified_arn,
            payload,
            caller=call.principal,
            source_arn=None,
            now=call.now,
            invocation_type=cast("InvocationType", invocation_type),  # the model has checked the enum
            client_context=_parse_client_context(client_context) if client_context else None,
            request_id=call.request_id,
        )
        if invocation_type in _STATUS_WITHOUT_RESULT:
            return {"status_code": _STATUS_WITHOUT_RESULT[invocation_type]}
        return {
            "status_code": 200,
            "function_error": result.function_error,
            "log_result": base64.b64encode(result.log_tail).decode() if log_type == "Tail" else None,
            "payload": result.payload,
            "executed_version": result.executed_version,
        }

    @operation
    async def invoke_async(self, call: Call, *, function_name: str, invoke_args: bytes) -> Answer:
        """Invoke with the type Event, as it was called in 2014."""
        await self.invoke(call, function_name=function_name, invocation_type="Event", payload=invoke_args)
        return {"status": 202}


def _check_json(payload: bytes) -> None:
    try:
        msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        # What follows the second colon is the JSON parser's own words, on AWS as here.
        raise InvalidRequestContentException(
            f"Could not parse request body into json: Could not parse payload into json: {err}"
        ) from err


def _parse_client_context(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as err:
        # UNVERIFIED: AWS's exact words.
        raise InvalidRequestContentException("Client context must be a valid Base64-encoded JSON object.") from err

"""Ask the functions that a pool has named for an occasion, in AWS's event shape.

    answer = await triggers.ask(PRE_AUTHENTICATION, "PreAuthentication_Authentication", occasion, request, {}, Nothing)

A trigger is asked as `cognito-idp.amazonaws.com` on behalf of the pool, so the function's resource policy has to allow
that principal from the pool's ARN. It has five seconds, three times over; after the third timeout, and whenever it
cannot be invoked, fails or answers something else than the event with a filled `response`, the operation that asked is
refused with AWS's error. A pool without the trigger is answered None, and nothing is invoked.

The event's `response` is read by a Struct per trigger that names every member AWS documents; others are ignored, since
functions echo the event and may add to it. A member of the wrong type is `Unrecognizable lambda output`.

Source: Cognito Developer Guide, "Customizing user pool workflows with Lambda triggers" (event, five seconds, three
attempts); user-pools reference sections 6 and 8 for the sentences.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, TypeVar

import msgspec

from velvetrope.errors import ServiceError
from velvetrope.principals import Principal, service_principal
from velvetrope.store.tables.userpools import User, UserPool
from velvetrope.userpools.directory import pool_arn
from velvetrope.userpools.errors import (
    InvalidLambdaResponseException,
    UnexpectedLambdaException,
    UserLambdaValidationException,
)
from velvetrope.userpools.users.identities import attributes_with_identities

__all__ = [
    "FunctionInvoker",
    "InvocationResult",
    "Nothing",
    "Occasion",
    "TriggerName",
    "Triggers",
    "caller_context",
    "function_of",
    "user_attributes",
]

ATTEMPTS = 3
_SECONDS = 5.0
_CALLER = service_principal("cognito-idp.amazonaws.com")
_SDK = "aws-sdk-unknown-unknown"
_NO_CLIENT = (
    "CLIENT_ID_NOT_APPLICABLE"  # what functions are given for what administrators do: events in public repositories
)

TriggerName = Literal[
    "PreSignUp",
    "CustomMessage",
    "PostConfirmation",
    "PreAuthentication",
    "PostAuthentication",
    "DefineAuthChallenge",
    "CreateAuthChallenge",
    "VerifyAuthChallengeResponse",
    "PreTokenGeneration",
    "UserMigration",
    "InboundFederation",
]
"""The triggers by their names in LambdaConfig, which are the ones that error messages say."""

S = TypeVar("S", bound=msgspec.Struct)


class InvocationResult(Protocol):
    """What a function answered. `function_error` is None if it ended well."""

    @property
    def payload(self) -> bytes: ...

    @property
    def function_error(self) -> str | None: ...


class FunctionInvoker(Protocol):
    """Runs functions. A service as caller needs the function's resource policy to allow it from `source_arn`."""

    async def invoke(
        self,
        function_arn: str,
        payload: bytes,
        *,
        caller: Principal,
        source_arn: str | None,
        now: datetime,
        invocation_type: Literal["RequestResponse", "Event"] = "RequestResponse",
    ) -> InvocationResult:
        """The function's answer; of an event, that it was taken.

        Raises:
            velvetrope.errors.ServiceError: the function was not run.
        """
        ...


class Nothing(msgspec.Struct, frozen=True):
    """The response of triggers that may only say no, by failing."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """What every event says about the moment: whose pool, which user, through which client."""

    pool: UserPool
    username: str
    now: datetime
    client_id: str | None = None
    client_metadata: Mapping[str, str] | None = field(default=None, repr=False)
    """What the caller of this operation gave for the triggers; left out of the event where there is none."""


class Triggers:
    """Asks the functions of pools."""

    def __init__(self, functions: FunctionInvoker | None, *, timeout_seconds: float = _SECONDS) -> None:
        self._functions = functions
        self._timeout_seconds = timeout_seconds

    async def ask(
        self,
        name: TriggerName,
        source: str,
        occasion: Occasion,
        request: Mapping[str, object],
        response: Mapping[str, object],
        answer_type: type[S],
        *,
        version: str = "1",
    ) -> S | None:
        """The `response` of the pool's function for `name`; None where the pool has none.

        `source` is the event's `triggerSource`; `request` and `response` go into the event, `request` together with
        the occasion's metadata.

        Raises:
            UserLambdaValidationException: the function raised; its message is the caller's to see.
            UnexpectedLambdaException: it could not be invoked, or was too slow three times.
            InvalidLambdaResponseException: it answered no such event.
        """
        function_arn = function_of(occasion.pool, name)
        if function_arn is None:
            return None
        metadata = {} if occasion.client_metadata is None else {"clientMetadata": dict(occasion.client_metadata)}
        event = {
            "version": version,
            "triggerSource": source,
            "region": occasion.pool.region,
            "userPoolId": occasion.pool.id,
            "userName": occasion.username,
            "callerContext": caller_context(occasion.client_id),
            "request": {**request, **metadata},
            "response": response,
        }
        result = await self._invoke(name, function_arn, json.dumps(event).encode(), occasion)
        if result.function_error is not None:
            raise UserLambdaValidationException(f"{name} failed with error {_said(result.payload)}.")
        return _parse(result.payload, answer_type)

    async def _invoke(
        self, name: TriggerName, function_arn: str, payload: bytes, occasion: Occasion
    ) -> InvocationResult:
        if self._functions is None:
            raise _not_invoked(name, "ServiceException", "no functions are served here")
        pool = occasion.pool
        source_arn = pool_arn(pool)
        for _ in range(ATTEMPTS):
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    return await self._functions.invoke(
                        function_arn, payload, caller=_CALLER, source_arn=source_arn, now=occasion.now
                    )
            except TimeoutError:
                continue
            except ServiceError as refused:
                raise _not_invoked(name, refused.code, refused.detail or refused.message) from refused
        # Clients quote this sentence; UNVERIFIED otherwise.
        raise _not_invoked(name, "Socket timeout while invoking Lambda function", f"{ATTEMPTS} attempts")


def caller_context(client_id: str | None) -> dict[str, str]:
    """`callerContext` of an event: through which client, if through any."""
    return {"awsSdkVersion": _SDK, "clientId": client_id or _NO_CLIENT}


def function_of(pool: UserPool, name: TriggerName) -> str | None:
    """The ARN of the pool's function for a trigger."""
    config = pool.lambda_config
    match name:  # first those that every sign-in asks for
        case "PreAuthentication":
            return config.pre_authentication
        case "PostAuthentication":
            return config.post_authentication
        case "PreTokenGeneration":
            versioned = config.pre_token_generation_config
            return config.pre_token_generation if versioned is None else versioned.lambda_arn
        case "PreSignUp":
            return config.pre_sign_up
        case "CustomMessage":
            return config.custom_message
        case "PostConfirmation":
            return config.post_confirmation
        case "DefineAuthChallenge":
            return config.define_auth_challenge
        case "CreateAuthChallenge":
            return config.create_auth_challenge
        case "VerifyAuthChallengeResponse":
            return config.verify_auth_challenge_response
        case "UserMigration":
            return config.user_migration
        case "InboundFederation":
            return None if config.inbound_federation is None else config.inbound_federation.lambda_arn


def user_attributes(user: User | None) -> dict[str, str]:
    """`request.userAttributes`: everything that is known of the user; nothing of one who is not there."""
    if user is None:
        return {}
    return {"sub": user.sub, "cognito:user_status": user.status, **attributes_with_identities(user)}


def _parse(payload: bytes, answer_type: type[S]) -> S:
    """The answer's `response`. What no other JSON reader would take, halves of surrogate pairs and NaN, is none."""
    try:
        event = msgspec.json.decode(payload)
        if not isinstance(event, dict) or not isinstance(event.get("response"), dict):
            raise InvalidLambdaResponseException("Unrecognizable lambda output", detail="no event with a response")
        # A null stands for a member that was not set: events go out with nulls, and functions echo them.
        given = {key: value for key, value in event["response"].items() if value is not None}
        return msgspec.convert(given, answer_type)
    except (ValueError, RecursionError) as unreadable:
        raise InvalidLambdaResponseException("Unrecognizable lambda output", detail=str(unreadable)) from None


def _said(payload: bytes) -> str:
    """The text of the error that a function raised (`errorMessage` of its answer)."""
    try:
        failure = msgspec.json.decode(payload)
    except (ValueError, RecursionError):
        return "Unknown"
    message = failure.get("errorMessage") if isinstance(failure, dict) else None
    return message if isinstance(message, str) else "Unknown"


def _not_invoked(name: TriggerName, error: str, detail: str) -> UnexpectedLambdaException:
    return UnexpectedLambdaException(f"{name} invocation failed due to error {error}.", detail=detail)

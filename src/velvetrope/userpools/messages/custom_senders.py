"""Functions that send a pool's messages instead of us: the custom email sender and the custom SMS sender.

    order = SenderOrder(function_arn=..., key_arn=..., source="CustomEmailSender_SignUp", code=Secret(...), ...)
    problem = await senders.send(order, now=now)

The function gets the code (of an invitation, the temporary password) encrypted under the pool's KMS key, by the AWS
Encryption SDK's format in base64, with the pool's id as encryption context (`userpool-id`; UNVERIFIED: the guide does
not say, messages that people have posted do). It is invoked asynchronously, so what becomes of the invocation is the
function's own: its answer is not looked at, and its failure fails no sign-up (Developer Guide, "Customizing user pool
workflows with Lambda triggers": all triggers but these are synchronous). What we could not hand over is tried again, as
every message is.

An order is kept with its message, sealed. `userAttributes` hold the address that the message goes to even where it is
not the user's yet: the function knows no other (UNVERIFIED). An invitation without a password has no code.

Source: Cognito Developer Guide, "Custom sender Lambda triggers", "Custom email sender Lambda trigger", "Custom SMS
sender Lambda trigger".
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from velvetrope.clock import Entropy
from velvetrope.envelopes import DataKey, Envelope
from velvetrope.errors import ServiceError
from velvetrope.principals import Principal, service_principal
from velvetrope.store.tables.userpools import UserPool
from velvetrope.userpools.errors import InvalidParameterException
from velvetrope.userpools.triggers.invocations import caller_context

__all__ = ["CustomSenders", "DataKeys", "EventInvoker", "NotHandedOver", "SenderOrder", "sender_of"]

_CALLER = service_principal("cognito-idp.amazonaws.com")
_EVENT_TYPES = {"EMAIL": "customEmailSenderRequestV1", "SMS": "customSMSSenderRequestV1"}
_SOURCES = {"EMAIL": "CustomEmailSender_", "SMS": "CustomSMSSender_"}


class DataKeys(Protocol):
    """KMS, as far as a service may use the keys that were handed to it."""

    async def check_usable(self, key_arn: str, /) -> None:
        """
        Raises:
            velvetrope.errors.ServiceError: there is no such key, or it cannot be used.
        """
        ...

    async def data_key_for_service(
        self, key_arn: str, encryption_context: Mapping[str, str], /, *, service: Principal
    ) -> DataKey:
        """
        Raises:
            velvetrope.errors.ServiceError: there is no such key, or the service cannot use it.
        """
        ...


class EventInvoker(Protocol):
    """Takes events for functions. A service as caller needs the function's resource policy to allow it."""

    async def invoke(
        self,
        function_arn: str,
        payload: bytes,
        *,
        caller: Principal,
        source_arn: str | None,
        now: datetime,
        invocation_type: Literal["Event"],
    ) -> object:
        """
        Raises:
            velvetrope.errors.ServiceError: the event was not taken.
        """
        ...


class SenderOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a function is to send, and all that it is told. Holds a code: kept sealed, and never shown."""

    function_arn: str
    key_arn: str
    medium: Literal["EMAIL", "SMS"]
    occasion: str
    """`SignUp`, `ForgotPassword` and so on: what the trigger source ends in."""
    account_id: str
    region: str
    user_pool_id: str
    username: str
    client_id: str | None
    client_metadata: dict[str, str] | None
    attributes: dict[str, str]
    code: str | None

    def __repr__(self) -> str:
        return f"SenderOrder({self.function_arn}, {self.occasion})"


@dataclass(frozen=True, slots=True)
class NotHandedOver:
    """Why an order was not taken. `permanent` is false: whoever owns key and function can let it through."""

    reason: str
    permanent: bool = False


class CustomSenders:
    """Hands orders to functions. Without functions and keys there are none, and no pool can have a custom sender."""

    def __init__(self, functions: EventInvoker | None, keys: DataKeys | None, entropy: Entropy) -> None:
        self._functions = functions
        self._keys = keys
        self._entropy = entropy

    async def check_key(self, key_arn: str | None) -> None:
        """Refuse a pool's KMSKeyID that no code could be encrypted under.

        Raises:
            InvalidParameterException: it is no ARN of a key that can be used. Texts UNVERIFIED.
        """
        if key_arn is None:
            return
        if self._keys is None or self._functions is None:
            raise InvalidParameterException("LambdaConfig (KMSKeyID) is not supported by velvetrope.")
        try:
            await self._keys.check_usable(key_arn)
        except ServiceError as refused:
            raise InvalidParameterException(f"The KMS key cannot be used: {refused.message}") from None

    async def send(self, order: SenderOrder, *, now: datetime) -> NotHandedOver | None:
        """Encrypt the code and hand the event over; why not, if it was not taken."""
        if self._functions is None or self._keys is None:
            return NotHandedOver("no functions are served here")
        try:
            payload = _event(order, await self._encrypted(order, self._keys))
            await self._functions.invoke(
                order.function_arn,
                payload,
                caller=_CALLER,
                source_arn=f"arn:aws:cognito-idp:{order.region}:{order.account_id}:userpool/{order.user_pool_id}",
                now=now,
                invocation_type="Event",
            )
        except ServiceError as refused:
            return NotHandedOver(f"{refused.code}: {refused.message}")
        return None

    async def _encrypted(self, order: SenderOrder, keys: DataKeys) -> str | None:
        if order.code is None:
            return None
        envelope = Envelope.begin(
            signing_scalar=self._entropy.token_bytes(64), encryption_context={"userpool-id": order.user_pool_id}
        )
        data_key = await keys.data_key_for_service(order.key_arn, envelope.encryption_context, service=_CALLER)
        sealed = envelope.seal(order.code.encode(), data_key, message_id=self._entropy.token_bytes(16))
        return base64.b64encode(sealed).decode()


def sender_of(pool: UserPool, medium: str) -> str | None:
    """The ARN of the function that sends the pool's messages of that medium."""
    config = pool.lambda_config
    sender = config.custom_email_sender if medium == "EMAIL" else config.custom_sms_sender
    return None if sender is None else sender.lambda_arn


def _event(order: SenderOrder, code: str | None) -> bytes:
    event = {
        "version": "1",
        "triggerSource": f"{_SOURCES[order.medium]}{order.occasion}",
        "region": order.region,
        "userPoolId": order.user_pool_id,
        "userName": order.username,
        "callerContext": caller_context(order.client_id),
        "request": {
            "type": _EVENT_TYPES[order.medium],
            "code": code,
            "clientMetadata": order.client_metadata,
            "userAttributes": order.attributes,
        },
    }
    return json.dumps(event).encode()

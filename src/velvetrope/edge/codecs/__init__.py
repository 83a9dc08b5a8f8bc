"""How calls and answers of each AWS protocol are spelled: one file per protocol, one signature for all.

    parameters = codec.parse(operation, request)            # bytes in, a wire dict out
    answer = codec.render(operation, answer, request)       # an operation's answer in, bytes out
    answer = codec.render_error(error, model, request_id)

A wire dict has the model's member names and Python's values: str, int, float, bool, aware datetime, bytes, lists and
dicts. Parsing refuses what has the wrong type and what the model does not know; lengths and patterns are checked after
it (`validation.py`), the same way for all protocols.
"""

from typing import Protocol as TypingProtocol

from velvetrope.edge.codecs.json11 import Json11Codec
from velvetrope.edge.codecs.query import QueryCodec
from velvetrope.edge.codecs.rest_json import RestJsonCodec
from velvetrope.edge.codecs.values import MalformedRequest, UnknownMember
from velvetrope.edge.models import Operation, ServiceModel
from velvetrope.edge.requests import ControlRequest, WireAnswer
from velvetrope.edge.services import Protocol
from velvetrope.errors import ServiceError

__all__ = ["CODECS", "Codec", "MalformedRequest", "UnknownMember"]


class Codec(TypingProtocol):
    """One AWS protocol."""

    def parse(self, operation: Operation, request: ControlRequest, /) -> dict[str, object]:
        """The call's parameters.

        Raises:
            MalformedRequest: the bytes are not what the protocol prescribes, or a value has the wrong type.
            UnknownMember: the model has no such member.
        """
        ...

    def render(self, operation: Operation, answer: object, request: ControlRequest, /) -> WireAnswer:
        """The answer to a call that went well, from what the operation said.

        Raises:
            TypeError: the operation's output has no place for it: a fault of ours.
        """
        ...

    def render_error(self, error: ServiceError, model: ServiceModel, request_id: str, /) -> WireAnswer:
        """The answer to one that did not."""
        ...


CODECS: dict[Protocol, Codec] = {
    "json": Json11Codec(),
    "query": QueryCodec(),
    "rest-json": RestJsonCodec(),
}

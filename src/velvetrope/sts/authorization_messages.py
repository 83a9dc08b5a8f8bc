"""Encoded authorization messages: a refusal's reasons, which only those who may read them can.

    messages = AuthorizationMessages(master_keys, entropy)
    text = messages.encode(decision)           # goes to the caller who was refused
    messages.decode(text)                      # DecodeAuthorizationMessage, for the owner

The message is the decision as JSON in AWS's form, sealed under a master key: whoever was refused holds it, and learns
nothing from it but its length. Nothing is stored. Whoever hands one out decides whether to; STS opens them for callers
whose policies allow `sts:DecodeAuthorizationMessage`. Condition values are left out: they are the caller's own, but may
hold what others put into a session.

Source: AWS STS API reference, DecodeAuthorizationMessage.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Final

from velvetrope.base64url import encode_base64url
from velvetrope.clock import Entropy
from velvetrope.policy import Decision
from velvetrope.sealing import MasterKeys, SealBroken
from velvetrope.sts.errors import InvalidAuthorizationMessageException

__all__ = ["AuthorizationMessages"]

_PURPOSE: Final = "sts authorization message 1"
_MAX_CHARACTERS: Final = 10_240
"""What DecodeAuthorizationMessage takes, by its model."""


class AuthorizationMessages:
    """Encodes refusals and decodes them again."""

    def __init__(self, master_keys: MasterKeys, entropy: Entropy) -> None:
        self._master_keys = master_keys
        self._entropy = entropy

    def encode(self, decision: Decision) -> str:
        """The message for whoever was refused. Reasons that would not fit into it are left out."""
        text = self._sealed(_document(decision, reasons=decision.reasons))
        return text if len(text) <= _MAX_CHARACTERS else self._sealed(_document(decision, reasons=()))

    def decode(self, message: str) -> str:
        """The decision that `message` carries, as JSON.

        Raises:
            InvalidAuthorizationMessageException: not a message of ours, or altered.
        """
        try:
            sealed = base64.b64decode(message + "=" * (-len(message) % 4), altchars=b"-_", validate=True)
            return zlib.decompress(self._master_keys.open(sealed, purpose=_PURPOSE)).decode()
        except (SealBroken, binascii.Error, ValueError) as error:
            # UNVERIFIED: the reference knows the code and not the sentence.
            raise InvalidAuthorizationMessageException("The message is not a valid authorization message.") from error

    def _sealed(self, document: Mapping[str, object]) -> str:
        packed = zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 9)
        sealed = self._master_keys.seal(packed, purpose=_PURPOSE, entropy=self._entropy)
        return encode_base64url(sealed)


def _document(decision: Decision, *, reasons: Sequence[str]) -> dict[str, object]:
    request, decided = decision.facts.request, decision.decided_by
    statements = [] if decided is None else [{"statementId": decided.sid or "", "sourceId": decided.source}]
    return {
        "allowed": decision.allowed,
        "explicitDeny": decision.outcome == "explicitDeny",
        "matchedStatements": {"items": statements},
        "failures": {"items": [{"value": reason} for reason in reasons]},
        "context": {
            "principal": {"id": request.principal.unique_id, "arn": request.principal.arn},
            "action": request.action,
            "resource": request.resource,
            "conditions": {"items": []},
        },
    }

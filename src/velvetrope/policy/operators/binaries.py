"""The BinaryEquals operator: bytes against bytes. Both sides travel as base64 text."""

import base64
import binascii

from velvetrope.policy.globs import Token
from velvetrope.policy.operators.operator import Matcher, Operator, text_of

__all__ = ["BINARY_OPERATORS"]


def _bytes(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _reads(value: str) -> bool:
    return _bytes(value) is not None


def _equals(tokens: tuple[Token, ...]) -> Matcher:
    wanted = _bytes(text_of(tokens))
    return lambda value: wanted is not None and _bytes(value) == wanted


BINARY_OPERATORS = (Operator("BinaryEquals", _equals, reads=_reads),)

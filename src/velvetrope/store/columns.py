"""Column types that keep our values as they are: frozen records as JSON, aware times as microseconds.

A table has a column for whatever a statement selects, orders or compares by, and one `record` column for the rest of
the aggregate. The record's type is a frozen `msgspec.Struct`; a field added later needs a default, so that rows written
before it still decode. Times that are compared in SQL are `UtcTime`.
"""

from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec
from sqlalchemy import BigInteger, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

__all__ = ["Record", "UtcTime"]

S = TypeVar("S", bound=msgspec.Struct)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Record(TypeDecorator[S]):
    """A frozen Struct, kept as JSON text. `bytes` fields travel as base64."""

    impl = Text
    cache_ok = True

    def __init__(self, record_type: type[S]) -> None:
        super().__init__()
        self.record_type = record_type
        self._decoder = msgspec.json.Decoder(record_type)

    def process_bind_param(self, value: S | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> S | None:  # noqa: ARG002
        return None if value is None else self._decoder.decode(value)


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime, kept as whole microseconds since 1970-01-01 UTC, so that SQL can compare it anywhere."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else _EPOCH + timedelta(microseconds=value)

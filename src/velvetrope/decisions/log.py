"""The newest decision records, in memory.

Recording is on the path of every request, so it only overwrites the oldest record; finding one looks through them all.
`record_request` takes the fields as they are and makes a `DecisionRecord` of them when somebody reads. Subscribers are
called at once and must be quick: put the record in a queue, set an event.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Literal

import msgspec

from velvetrope.decisions.records import DecisionRecord, DecisionStep

__all__ = ["DecisionLog"]

Outcome = Literal["allowed", "refused"]
StepOutcome = Literal["allowed", "refused", "skipped"]
Steps = tuple[tuple[str, StepOutcome, str], ...]
"""(name, outcome, reason) of each step."""
Subscriber = Callable[[DecisionRecord], None]
_Fields = tuple[str, datetime, str, str, str, str, str, str, str, Outcome, int, str, Steps, float]
"""Those of `_Unread`, in their order."""


class _Unread(msgspec.Struct, frozen=True, gc=False):
    """A record as it was handed over; its fields are those of `DecisionRecord`.

    It holds no cycles and is kept for long: the garbage collector would look at thousands of them again and again.
    """

    request_id: str
    at: datetime
    service: str
    action: str
    resource: str
    method: str
    path: str
    source_ip: str
    principal_arn: str
    outcome: Outcome
    status: int
    code: str
    steps: Steps
    duration_ms: float

    def read(self) -> DecisionRecord:
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return DecisionRecord(**fields | {"steps": tuple(DecisionStep(*step) for step in self.steps)})


class DecisionLog:
    """A ring of `capacity` records, found again by request id."""

    def __init__(self, capacity: int = 10_000) -> None:
        if capacity < 1:
            raise ValueError("a decision log keeps at least one record")
        self._records: list[DecisionRecord | _Unread | None] = [None] * capacity
        self._capacity = capacity
        self._next = 0
        """Where the next record goes: the place after the newest, which is the oldest's."""
        self._followers: list[Subscriber] = []
        """Told of every record."""
        self._wardens: list[Subscriber] = []
        """Told of refusals only."""

    def record(self, record: DecisionRecord) -> None:
        """Keep `record` as the newest."""
        self._records[self._next] = record
        self._next = (self._next + 1) % self._capacity
        self._tell(record)

    def record_request(self, *fields: *_Fields) -> None:
        """Keep the record that these fields make. For rooms on the request path, which do not import this one."""
        self._records[self._next] = kept = _Unread(*fields)
        self._next = (self._next + 1) % self._capacity
        if self._followers or kept.outcome == "refused":
            self._tell(kept)

    def recent(self, limit: int, only_refused: bool = False) -> list[DecisionRecord]:
        """At most `limit` records, newest first."""
        found: list[DecisionRecord] = []
        for kept in self._newest_first():
            if len(found) >= limit:
                break
            record = _read(kept)
            if not only_refused or record.outcome == "refused":
                found.append(record)
        return found

    def find(self, request_id: str) -> DecisionRecord | None:
        """The record of one request, if it is still kept."""
        for kept in self._newest_first():
            if kept.request_id == request_id:
                return _read(kept)
        return None

    def subscribe(
        self, callback: Callable[[DecisionRecord], None], *, only_refused: bool = False
    ) -> Callable[[], None]:
        """Call `callback` with every record, or every refusal, from now on; the answer is a function that ends it.

        `only_refused` costs requests that are let in nothing: their records are not even made.
        """
        subscribers = self._wardens if only_refused else self._followers
        subscribers.append(callback)
        return lambda: subscribers.remove(callback)

    def _newest_first(self) -> Iterator[DecisionRecord | _Unread]:
        for at in range(self._next - 1, self._next - 1 - len(self._records), -1):
            kept = self._records[at]
            if kept is None:
                return
            yield kept

    def _tell(self, kept: DecisionRecord | _Unread) -> None:
        # A copy: whoever is told may end its subscription, and the next one is told all the same.
        told = self._followers + self._wardens if kept.outcome == "refused" else self._followers.copy()
        if told:
            record = _read(kept)
            for subscriber in told:
                subscriber(record)


def _read(kept: DecisionRecord | _Unread) -> DecisionRecord:
    return kept if isinstance(kept, DecisionRecord) else kept.read()

"""The newest decision records, in memory.

Recording is on the path of every request, so it only appends; the record that falls out at the other end is the oldest.
Subscribers are called at once and must be quick: put the record in a queue, set an event.
"""

from collections import OrderedDict
from collections.abc import Callable

from velvetrope.decisions.records import DecisionRecord

__all__ = ["DecisionLog"]


class DecisionLog:
    """A ring of `capacity` records, found again by request id."""

    def __init__(self, capacity: int = 10_000) -> None:
        if capacity < 1:
            raise ValueError("a decision log keeps at least one record")
        self._capacity = capacity
        self._records: OrderedDict[str, DecisionRecord] = OrderedDict()
        self._subscribers: list[Callable[[DecisionRecord], None]] = []

    def record(self, record: DecisionRecord) -> None:
        """Keep `record` as the newest."""
        records = self._records
        records[record.request_id] = record
        if len(records) > self._capacity:
            records.popitem(last=False)
        for subscriber in self._subscribers:
            subscriber(record)

    def recent(self, limit: int, only_refused: bool = False) -> list[DecisionRecord]:
        """At most `limit` records, newest first."""
        found: list[DecisionRecord] = []
        for record in reversed(self._records.values()):
            if len(found) >= limit:
                break
            if not only_refused or record.outcome == "refused":
                found.append(record)
        return found

    def find(self, request_id: str) -> DecisionRecord | None:
        """The record of one request, if it is still kept."""
        return self._records.get(request_id)

    def subscribe(self, callback: Callable[[DecisionRecord], None]) -> Callable[[], None]:
        """Call `callback` with every record from now on; the answer is a function that ends it."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

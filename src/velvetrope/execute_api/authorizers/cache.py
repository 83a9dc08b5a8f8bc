"""What authorizers said, for as long as their TTL: at most so many, and none that is unusually large.

The key is the authorizer's (with its stage and deployment, so that another deployment starts afresh) and the values of
its identity sources. Keys are hashed: tokens are not kept here.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

from velvetrope.execute_api.requests import Vouched

__all__ = ["VouchedBefore"]

_MAX_ENTRIES = 10_000
MAX_ANSWER_BYTES = 65_536


class VouchedBefore:
    """A bounded memory. Times are epoch seconds."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[float, Vouched]] = OrderedDict()

    @staticmethod
    def key(identity: Sequence[str]) -> bytes:
        """Of the parts, each with its length so that no two lists are the same text."""
        return hashlib.sha256("".join(f"{len(part)}:{part}" for part in identity).encode()).digest()

    def find(self, key: bytes, now: float) -> Vouched | None:
        """What was said, if it still counts at `now`."""
        known = self._known.get(key)
        if known is None:
            return None
        if now >= known[0]:
            del self._known[key]
            return None
        self._known.move_to_end(key)
        return known[1]

    def keep(self, key: bytes, vouched: Vouched, *, until: float) -> None:
        self._known[key] = until, vouched
        if len(self._known) > _MAX_ENTRIES:
            self._known.popitem(last=False)

"""When each long-term key was last used, and for which service: for people who look for keys that nobody needs.

Uses are noted when a call of the control plane is judged, which is after its signature was proven and whatever the
verdict. A note is written when the service changes or the last one is a quarter of an hour old, so that a busy key does
not write on every call. It may be lost in a crash. Calls of deployed APIs are not noted: the request lane writes
nothing.

Source: IAM API Reference, GetAccessKeyLastUsed (AWS, too, is late by some minutes or hours).
"""

from datetime import datetime, timedelta

from velvetrope.operations import Call
from velvetrope.store.tables.iam import IamStore, KeyUse

__all__ = ["KeyUses"]

_WRITTEN_EVERY = timedelta(minutes=15)
_MAX_REMEMBERED = 4096


class KeyUses:
    """Notes uses of long-term keys."""

    def __init__(self, store: IamStore) -> None:
        self._store = store
        self._noted: dict[str, tuple[str, datetime]] = {}

    async def note(self, service: str, call: Call) -> None:
        """Note that `call` was signed for `service`. Temporary keys, and root's, are nobody's to ask for."""
        key_id = call.principal.access_key_id
        if call.principal.kind != "User" or not key_id.startswith("AKIA"):
            return
        noted = self._noted.get(key_id)
        if noted is not None and noted[0] == service and call.now - noted[1] < _WRITTEN_EVERY:
            return
        if len(self._noted) >= _MAX_REMEMBERED:
            self._noted.clear()
        self._noted[key_id] = (service, call.now)
        use = KeyUse(at=call.now.replace(microsecond=0), service=service, region=call.region)
        await self._store.save_key_use(key_id, use)

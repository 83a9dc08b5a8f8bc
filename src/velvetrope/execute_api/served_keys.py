"""The API keys that callers may present, by the keyed hash of their value.

Only what has changed is read after a change: the table here is brought up to date, in one step that nothing can come
between. What a key means under the plans of the day is made of it by the snapshot, when somebody presents it.
"""

from velvetrope.store.tables.apigateway_key_changes import KeyChanges, ServedKey

__all__ = ["ServedKeys"]


class ServedKeys:
    """The keys as of `version`; None before they were read."""

    def __init__(self) -> None:
        self.version: int | None = None
        self._by_id: dict[str, ServedKey] = {}
        self._by_hash: dict[str, ServedKey] = {}
        self._count_of_hash_ids: dict[bytes, int] = {}

    def find(self, value_hash: str) -> ServedKey | None:
        """The key whose value has this hash."""
        return self._by_hash.get(value_hash)

    def is_in_plan(self, key_id: str, plan_id: str) -> bool:
        """Whether the key is in the plan, as far as the key knows: the plan itself may be gone."""
        key = self._by_id.get(key_id)
        return key is not None and plan_id in key.plan_ids

    @property
    def hash_ids(self) -> tuple[bytes, ...]:
        """The master keys under which values are hashed: one, but for the time after a rotation."""
        return tuple(self._count_of_hash_ids)

    def apply(self, changes: KeyChanges) -> None:
        """Bring the table up to `changes.version`."""
        if changes.is_everything:
            self._by_id.clear()
            self._by_hash.clear()
            self._count_of_hash_ids.clear()
        for key_id in changes.removed:
            self._remove(key_id)
        for key in changes.changed:
            self._remove(key.id)
            self._by_id[key.id] = self._by_hash[key.value_hash] = key
            hash_id = _hash_id(key)
            self._count_of_hash_ids[hash_id] = self._count_of_hash_ids.get(hash_id, 0) + 1
        self.version = changes.version

    def _remove(self, key_id: str) -> None:
        known = self._by_id.pop(key_id, None)
        if known is None:
            return
        if self._by_hash.get(known.value_hash) is known:
            del self._by_hash[known.value_hash]
        hash_id = _hash_id(known)
        self._count_of_hash_ids[hash_id] -= 1
        if not self._count_of_hash_ids[hash_id]:
            del self._count_of_hash_ids[hash_id]


def _hash_id(key: ServedKey) -> bytes:
    return bytes.fromhex(key.value_hash.partition(".")[0])

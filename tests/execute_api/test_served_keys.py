"""The table of API keys is brought up to date by what changed, and nothing else."""

from velvetrope.execute_api.served_keys import ServedKeys
from velvetrope.store.tables.apigateway_key_changes import KeyChanges, ServedKey


def changes(
    *keys: ServedKey, version: int = 1, removed: frozenset[str] = frozenset(), everything: bool = False
) -> KeyChanges:
    return KeyChanges(version=version, is_everything=everything, changed=keys, removed=removed)


def test_a_key_is_found_by_its_hash_until_it_is_removed() -> None:
    keys = ServedKeys()
    key = ServedKey("key1", "aa.01", True, ("plan1",))

    keys.apply(changes(key))

    assert (keys.find("aa.01"), keys.find("aa.02"), keys.version) == (key, None, 1)
    assert (keys.is_in_plan("key1", "plan1"), keys.is_in_plan("key1", "plan2")) == (True, False)
    keys.apply(changes(version=2, removed=frozenset({"key1", "never known"})))
    assert (keys.find("aa.01"), keys.is_in_plan("key1", "plan1"), keys.hash_ids) == (None, False, ())


def test_a_changed_key_takes_the_place_of_what_it_was() -> None:
    keys = ServedKeys()
    keys.apply(changes(ServedKey("key1", "aa.01", True, ("plan1",))))

    keys.apply(changes(ServedKey("key1", "aa.01", False, ())))

    found = keys.find("aa.01")
    assert found is not None
    assert not found.enabled
    assert not keys.is_in_plan("key1", "plan1")


def test_a_value_that_a_new_key_has_is_not_lost_with_the_old_key() -> None:
    keys = ServedKeys()
    keys.apply(changes(ServedKey("old", "aa.01", True, ())))

    keys.apply(changes(ServedKey("new", "aa.01", True, ()), version=2))
    keys.apply(changes(version=3, removed=frozenset({"old"})))

    found = keys.find("aa.01")
    assert found is not None
    assert found.id == "new"


def test_master_keys_are_those_that_hash_a_value_now() -> None:
    keys = ServedKeys()
    keys.apply(changes(ServedKey("key1", "aa.01", True, ()), ServedKey("key2", "bb.02", True, ())))

    keys.apply(changes(ServedKey("key1", "bb.01", True, ())))

    assert (keys.hash_ids, keys.find("aa.01")) == ((b"\xbb",), None)


def test_everything_is_all_there_is() -> None:
    keys = ServedKeys()
    keys.apply(changes(ServedKey("key1", "aa.01", True, ())))

    keys.apply(changes(ServedKey("key2", "aa.02", True, ()), everything=True))

    assert (keys.find("aa.01"), keys.hash_ids) == (None, (b"\xaa",))

"""API key values: kept sealed, found by a keyed hash.

A value is sealed under the master keys with the key's id as context, so that a stolen database shows none and a value
moved to another row does not open. Beside it stands a hash under a key derived from a master key: whoever has a value
finds its row, whoever has the table cannot test guesses. The hash names the master key it was made under; after a
rotation older rows are still found by asking for the hashes under all keys.
"""

from velvetrope.clock import Entropy
from velvetrope.sealing import MasterKeys
from velvetrope.store.tables.apigateway import API_KEY_HASH_PURPOSE

__all__ = ["hashes_of_value", "open_value", "seal_value", "value_hash"]

_SEAL_PURPOSE = "apigateway api key value"


def value_hash(master_keys: MasterKeys, value: str, *, key_id: bytes | None = None) -> str:
    """The hash of `value` under one master key (the current one unless told), with that key's id before it."""
    chosen = master_keys.current if key_id is None else key_id
    return (
        f"{chosen.hex()}.{master_keys.derive(purpose=API_KEY_HASH_PURPOSE, info=value.encode(), key_id=chosen).hex()}"
    )


def hashes_of_value(master_keys: MasterKeys, value: str) -> list[str]:
    """The hashes of `value` under every master key."""
    return [value_hash(master_keys, value, key_id=key_id) for key_id in master_keys.keys]


def seal_value(master_keys: MasterKeys, value: str, *, api_key_id: str, entropy: Entropy) -> bytes:
    """`value` as it is kept."""
    return master_keys.seal(value.encode(), purpose=_SEAL_PURPOSE, entropy=entropy, context=api_key_id.encode())


def open_value(master_keys: MasterKeys, sealed: bytes, *, api_key_id: str) -> str:
    """The value that was sealed."""
    return master_keys.open(sealed, purpose=_SEAL_PURPOSE, context=api_key_id.encode()).decode()

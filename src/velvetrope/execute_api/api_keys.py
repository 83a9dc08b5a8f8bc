"""Which API key a caller presents, and the usage plan that it has for the stage.

Keys stand in the snapshot by a keyed hash of their value. Values that were right before are remembered as long as the
snapshot, so that a busy key is not hashed for every request. Missing, unknown, disabled, in no plan: the caller hears
the same to each, and the owner which it was.

Source: API Gateway Developer Guide, "Choose an API key source in API Gateway", "Usage plans and API keys".
"""

from velvetrope.execute_api.errors import InvalidApiKey
from velvetrope.execute_api.snapshot import ApiKeyInPlan, CompiledKey, CompiledStage, Snapshot
from velvetrope.sealing import MasterKeys
from velvetrope.store.tables.apigateway import API_KEY_HASH_PURPOSE

__all__ = ["find_api_key"]

_MAX_PRESENTED_KEYS = 4_096


def find_api_key(value: bytes, stage: CompiledStage, snapshot: Snapshot, master_keys: MasterKeys) -> ApiKeyInPlan:
    """The key of that value, in the plan that it has for `stage`.

    Raises:
        InvalidApiKey: there is none, it is disabled, or it is in no plan for the stage.
    """
    key = snapshot.presented.get(value) or _look_up(value, snapshot, master_keys)
    if key is None:
        raise InvalidApiKey(step="api key", detail="no API key has the value that was presented")
    if not key.enabled:
        raise InvalidApiKey(step="api key", detail=f"API key {key.key_id} is disabled")
    in_plan = key.plans.get((stage.api_id, stage.name))
    if in_plan is None:
        raise InvalidApiKey(
            step="api key",
            detail=f"API key {key.key_id} is in no usage plan for stage {stage.name} of API {stage.api_id}",
        )
    return in_plan


def _look_up(value: bytes, snapshot: Snapshot, master_keys: MasterKeys) -> CompiledKey | None:
    for key_id in snapshot.keys.hash_ids:
        digest = master_keys.derive(purpose=API_KEY_HASH_PURPOSE, info=value, key_id=key_id)
        key = snapshot.find_key(f"{key_id.hex()}.{digest.hex()}")
        if key is not None:
            if len(snapshot.presented) < _MAX_PRESENTED_KEYS:
                snapshot.presented[value] = key
            return key
    return None

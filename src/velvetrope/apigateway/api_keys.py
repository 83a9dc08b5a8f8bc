"""API keys. Answers show a key's value when it is made and when it is asked for with `includeValue(s)`.

A key is disabled unless it is made enabled, as on AWS. `stageKeys` (from before usage plans) are kept and shown, and
let nobody in: what a key opens is decided by the plans it is in.

Sources: API Gateway API reference, CreateApiKey; limits and texts from captures of AWS.
"""

from collections.abc import Mapping, Sequence

import msgspec

from velvetrope.apigateway.errors import BadRequestException, ConflictException, NotFoundException
from velvetrope.apigateway.key_values import hashes_of_value, open_value, seal_value, value_hash
from velvetrope.apigateway.pages import page_of
from velvetrope.apigateway.patches import PatchOperation, invalid_patch, patch_bool, pointer_parts, required_value
from velvetrope.apigateway.tags import with_tags
from velvetrope.clock import Entropy
from velvetrope.identifiers import new_alphanumeric
from velvetrope.operations import Answer, Call, operation
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.store.tables.apigateway import ApiGatewayStore, ApiKey

__all__ = ["ApiKeyOperations", "StageKey", "check_value", "new_api_key", "no_such_key"]

_MIN_VALUE = 20
_MAX_VALUE = 128
_MAX_NAME = 1024
_PATCHES = ("/name", "/description", "/enabled", "/customerId", "/stages")


class StageKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stage that a key was for, before there were usage plans."""

    rest_api_id: str
    stage_name: str


class ApiKeyOperations:
    """CreateApiKey, GetApiKey(s), UpdateApiKey, DeleteApiKey."""

    def __init__(self, store: ApiGatewayStore, master_keys: MasterKeys, entropy: Entropy) -> None:
        self._store = store
        self._master_keys = master_keys
        self._entropy = entropy

    @operation
    async def create_api_key(
        self,
        call: Call,
        *,
        name: str | None = None,
        description: str | None = None,
        enabled: bool = False,
        generate_distinct_id: bool = True,  # noqa: ARG002  an id is never the value here
        value: str | None = None,
        stage_keys: Sequence[StageKey] = (),
        customer_id: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Answer:
        if name is not None and len(name) > _MAX_NAME:
            raise BadRequestException("Invalid API Key name, can be at most 1024 characters.")
        if value is not None:
            check_value(value)
        chosen = value or new_alphanumeric(self._entropy, 40, mixed_case=True)
        api_key = msgspec.structs.replace(
            new_api_key(
                call, chosen, self._master_keys, self._entropy, name=name, description=description, enabled=enabled
            ),
            customer_id=customer_id,
            stage_keys=tuple(f"{one.rest_api_id}/{one.stage_name}" for one in stage_keys),
            tags=with_tags({}, tags),
        )
        if not await self._store.save_new_api_key(api_key, hashes_of_value(self._master_keys, chosen)):
            raise ConflictException("API Key already exists")
        return self._render(api_key, include_value=True)

    @operation
    async def get_api_key(self, call: Call, *, api_key: str, include_value: bool = False) -> Answer:
        found = await self._store.load_api_key(call.account_id, api_key)
        if found is None:
            raise no_such_key()
        return self._render(found, include_value=include_value)

    @operation
    async def get_api_keys(
        self,
        call: Call,
        *,
        position: str | None = None,
        limit: int | None = None,
        name_query: str | None = None,
        customer_id: str | None = None,
        include_values: bool = False,
    ) -> Answer:
        found = [
            key
            for key in await self._store.load_api_keys(call.account_id)
            if (name_query is None or (key.name or "").startswith(name_query))
            and (customer_id is None or key.customer_id == customer_id)
        ]
        items, following = page_of(found, position, limit)
        return {"items": [self._render(key, include_value=include_values) for key in items], "position": following}

    @operation
    async def update_api_key(
        self, call: Call, *, api_key: str, patch_operations: tuple[PatchOperation, ...] = ()
    ) -> Answer:
        def change(key: ApiKey) -> ApiKey:
            for patch in patch_operations:
                key = _patched(key, patch)
            return msgspec.structs.replace(key, modified_at=call.now)

        changed = await self._store.change_api_key(call.account_id, api_key, change)
        if changed is None:
            raise no_such_key()
        return self._render(changed, include_value=False)

    @operation
    async def delete_api_key(self, call: Call, *, api_key: str) -> None:
        if not await self._store.delete_api_key(call.account_id, api_key):
            raise no_such_key()

    def _render(self, key: ApiKey, *, include_value: bool) -> dict[str, object]:
        value = open_value(self._master_keys, key.value_sealed, api_key_id=key.id) if include_value else None
        return {
            "id": key.id,
            "value": None if value is None else Secret(value),
            "name": key.name,
            "customer_id": key.customer_id,
            "description": key.description,
            "enabled": key.enabled,
            "created_date": key.created_at,
            "last_updated_date": key.modified_at,
            "stage_keys": list(key.stage_keys),
            "tags": key.tags or None,
        }


def no_such_key() -> NotFoundException:
    """AWS's 404 for an API key."""
    return NotFoundException("Invalid API Key identifier specified")


def new_api_key(
    call: Call,
    value: str,
    master_keys: MasterKeys,
    entropy: Entropy,
    *,
    name: str | None,
    description: str | None,
    enabled: bool,
) -> ApiKey:
    """A key of that value, with a new id."""
    key_id = new_alphanumeric(entropy, 10)
    return ApiKey(
        id=key_id,
        account_id=call.account_id,
        name=name,
        value_sealed=seal_value(master_keys, value, api_key_id=key_id, entropy=entropy),
        value_hash=value_hash(master_keys, value),
        created_at=call.now,
        modified_at=call.now,
        enabled=enabled,
        description=description,
    )


def check_value(value: str) -> None:
    """A value that a key may have.

    Raises:
        BadRequestException: too short, too long, or a header could not carry it.
    """
    if len(value) < _MIN_VALUE:
        raise BadRequestException(f"API Key value should be at least {_MIN_VALUE} characters")
    if len(value) > _MAX_VALUE:
        raise BadRequestException(f"API Key value exceeds maximum size of {_MAX_VALUE} characters")
    if not value.isascii() or not value.isprintable() or " " in value:
        # A header could not carry it. What AWS says to such a value is not known (UNVERIFIED).
        raise BadRequestException("API Key value may only have printable ASCII characters without spaces")


def _patched(key: ApiKey, patch: PatchOperation) -> ApiKey:
    replace = msgspec.structs.replace
    match patch.op, pointer_parts(patch.path):
        case "replace", ("name",):
            if len(patch.value or "") > _MAX_NAME:
                raise BadRequestException("Invalid API Key name, can be at most 1024 characters.")
            return replace(key, name=patch.value or None)
        case "replace", ("description",):
            return replace(key, description=patch.value or None)
        case "replace", ("customerId",):
            return replace(key, customer_id=patch.value or None)
        case "replace", ("enabled",):
            return replace(key, enabled=patch_bool(patch))
        case "add", ("stages",):
            kept = [stage for stage in key.stage_keys if stage != required_value(patch)]
            return replace(key, stage_keys=(*kept, required_value(patch)))
        case "remove", ("stages",):
            return replace(key, stage_keys=tuple(stage for stage in key.stage_keys if stage != required_value(patch)))
        case _:
            raise invalid_patch(patch, _PATCHES)

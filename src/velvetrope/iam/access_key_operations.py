"""Access keys of users: made (and shown once), listed, switched off, deleted. Two at the most.

Source: IAM API Reference, CreateAccessKey and its siblings; texts as seen on AWS.
"""

from typing import Literal

from velvetrope.clock import Entropy
from velvetrope.iam.access_keys import AccessKeys
from velvetrope.iam.entities import caller_user_name, no_such_entity
from velvetrope.iam.errors import NoSuchEntity
from velvetrope.iam.paging import page_of
from velvetrope.iam.quotas import within_quota
from velvetrope.identifiers import new_access_key_id, new_alphanumeric
from velvetrope.operations import Answer, Call, operation
from velvetrope.secret import Secret
from velvetrope.store.tables.iam import AccessKey, IamStore

__all__ = ["AccessKeyOperations"]

SECRET_CHARACTERS = 40


class AccessKeyOperations:
    """The operations on long-term keys."""

    def __init__(self, store: IamStore, keys: AccessKeys, *, entropy: Entropy) -> None:
        self._store = store
        self._keys = keys
        self._entropy = entropy

    @operation
    async def create_access_key(self, call: Call, *, user_name: str | None = None) -> Answer:
        """A new key. Its secret is in this answer and in no other."""
        name = caller_user_name(call, user_name)
        access_key_id = new_access_key_id(self._entropy, "AKIA")
        secret = Secret(new_alphanumeric(self._entropy, SECRET_CHARACTERS, mixed_case=True))
        key = AccessKey(
            account_id=call.account_id,
            user_name=name,
            access_key_id=access_key_id,
            secret_sealed=self._keys.seal(access_key_id, secret, self._entropy),
            created_at=call.now.replace(microsecond=0),
        )

        if not await self._store.save_new_access_key(key, within_quota("AccessKeysPerUser")):
            raise no_such_entity("user", name)
        return {"access_key": {**_render(key), "secret_access_key": secret.reveal()}}

    @operation
    async def list_access_keys(
        self, call: Call, *, user_name: str | None = None, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        name = caller_user_name(call, user_name)
        if await self._store.load_user(call.account_id, name) is None:
            raise no_such_entity("user", name)
        keys = await self._store.list_access_keys(call.account_id, name)
        page = page_of(keys, lambda key: key.access_key_id, marker=marker, max_items=max_items)
        return page.answer("access_key_metadata", [_render(key) for key in page.items])

    @operation
    async def update_access_key(
        self, call: Call, *, access_key_id: str, status: Literal["Active", "Inactive"], user_name: str | None = None
    ) -> Answer:
        """Switch a key on or off; what it signs from now on counts accordingly."""
        name = caller_user_name(call, user_name)
        changed = await self._store.set_access_key_active(
            call.account_id, name, access_key_id, active=status == "Active"
        )
        if changed is None:
            raise await self._missing(call, name, access_key_id)
        return None

    @operation
    async def delete_access_key(self, call: Call, *, access_key_id: str, user_name: str | None = None) -> Answer:
        name = caller_user_name(call, user_name)
        if await self._store.delete_access_key(call.account_id, name, access_key_id) is None:
            raise await self._missing(call, name, access_key_id)
        return None

    @operation
    async def get_access_key_last_used(self, call: Call, *, access_key_id: str) -> Answer:
        """When and for what the key was last used on the control plane (see `key_uses`); `N/A` if never."""
        found = await self._store.load_access_key(access_key_id)
        if found is None or found[0].account_id != call.account_id:
            # AWS's answer is UNVERIFIED; this is what its siblings say.
            raise NoSuchEntity(f"The Access Key with id {access_key_id} cannot be found.")
        key, user = found
        use = key.last_use
        return {
            "user_name": user.user_name,
            "access_key_last_used": {
                "last_used_date": None if use is None else use.at,
                "service_name": "N/A" if use is None else use.service,
                "region": "N/A" if use is None else use.region,
            },
        }

    async def _missing(self, call: Call, name: str, access_key_id: str) -> NoSuchEntity:
        if await self._store.load_user(call.account_id, name) is None:
            return no_such_entity("user", name)
        return NoSuchEntity(f"The Access Key with id {access_key_id} cannot be found.")


def _render(key: AccessKey) -> dict[str, object]:
    return {
        "user_name": key.user_name,
        "access_key_id": key.access_key_id,
        "status": "Active" if key.active else "Inactive",
        "create_date": key.created_at,
    }

"""CreateKey and the life of a key: enabled, disabled, awaiting its deletion, gone.

Keys are symmetric encryption keys of one region with material made here. Other kinds, multi-Region keys, imported
material, custom key stores and rotation are refused by name.

Source: AWS KMS API Reference; AWS KMS Developer Guide, "Key states of AWS KMS keys", "Delete an AWS KMS key".
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Literal

import msgspec

from velvetrope.clock import Entropy
from velvetrope.identifiers import new_uuid
from velvetrope.kms.errors import (
    KMSInvalidStateException,
    MalformedPolicyDocumentException,
    UnsupportedOperationException,
    ValidationException,
)
from velvetrope.kms.keys import Keys, check_not_deleted, key_state
from velvetrope.kms.paging import page_of, parse_marker
from velvetrope.kms.policies import default_policy, prepared_policy
from velvetrope.kms.tags import Tag, read_tags
from velvetrope.operations import Answer, Call, operation
from velvetrope.policy import PolicyPrincipals
from velvetrope.store.tables.kms import KmsKey

__all__ = ["KeyOperations"]

DEFAULT_PAGE = 100
WAITING_DAYS = range(7, 31)
"""Source: ScheduleKeyDeletion, PendingWindowInDays."""
DEFAULT_WAITING_DAYS = 30
_POLICY_NAME = "default"


class KeyOperations:
    """Keys as wholes, and their policies."""

    def __init__(self, keys: Keys, principals: PolicyPrincipals, entropy: Entropy) -> None:
        self._keys = keys
        self._principals = principals
        self._entropy = entropy

    @operation
    async def create_key(
        self,
        call: Call,
        *,
        policy: str | None = None,
        description: str = "",
        key_usage: Literal["ENCRYPT_DECRYPT"] = "ENCRYPT_DECRYPT",
        customer_master_key_spec: Literal["SYMMETRIC_DEFAULT"] | None = None,
        key_spec: Literal["SYMMETRIC_DEFAULT"] | None = None,
        origin: Literal["AWS_KMS"] = "AWS_KMS",
        bypass_policy_lockout_safety_check: bool = False,
        tags: list[Tag] | None = None,
        multi_region: bool = False,
    ) -> Answer:
        del key_usage, origin  # of one kind only
        if key_spec is not None and customer_master_key_spec is not None:
            raise ValidationException("You cannot specify KeySpec and CustomerMasterKeySpec in the same request.")
        if multi_region:
            raise UnsupportedOperationException("velvetrope does not support CreateKey.MultiRegion.")
        key = KmsKey(
            account_id=call.account_id,
            region=call.region,
            key_id=new_uuid(self._entropy),
            created_at=call.now,
            policy="",
            description=description,
            tags=read_tags(tags or []),
        )
        document = await prepared_policy(
            self._principals,
            call,
            default_policy(call.account_id) if policy is None else policy,
            key_arn=key.arn,
            check_lockout=not bypass_policy_lockout_safety_check,
        )
        key = msgspec.structs.replace(key, policy=document)
        await self._keys.store.create_key(key, self._keys.new_material(key.arn))
        return {"key_metadata": _metadata(key)}

    @operation
    async def describe_key(self, call: Call, *, key_id: str) -> Answer:
        return {"key_metadata": _metadata(await self._keys.find_judged(key_id, call))}

    @operation
    async def list_keys(self, call: Call, *, limit: int = DEFAULT_PAGE, marker: str | None = None) -> Answer:
        found = await self._keys.store.load_keys(
            call.arn("kms", "key/"), call.now, after_arn=parse_marker(marker), limit=limit + 1
        )
        page, more = page_of(found, limit, lambda key: key.arn)
        return {"keys": [{"key_id": key.key_id, "key_arn": key.arn} for key in page], **more}

    @operation
    async def update_key_description(self, call: Call, *, key_id: str, description: str) -> Answer:
        await self._change(key_id, call, lambda kept: msgspec.structs.replace(kept, description=description))
        return None

    @operation
    async def enable_key(self, call: Call, *, key_id: str) -> Answer:
        await self._change(key_id, call, lambda kept: msgspec.structs.replace(kept, enabled=True))
        return None

    @operation
    async def disable_key(self, call: Call, *, key_id: str) -> Answer:
        await self._change(key_id, call, lambda kept: msgspec.structs.replace(kept, enabled=False))
        return None

    @operation
    async def schedule_key_deletion(
        self, call: Call, *, key_id: str, pending_window_in_days: int = DEFAULT_WAITING_DAYS
    ) -> Answer:
        if pending_window_in_days not in WAITING_DAYS:
            raise ValidationException("PendingWindowInDays must be between 7 and 30 (inclusive).")
        deletion_at = call.now + timedelta(days=pending_window_in_days)
        key = await self._change(
            key_id, call, lambda kept: msgspec.structs.replace(kept, enabled=False, deletion_at=deletion_at)
        )
        return {
            "key_id": key.arn,
            "deletion_date": deletion_at,
            "key_state": key_state(key),
            "pending_window_in_days": pending_window_in_days,
        }

    @operation
    async def cancel_key_deletion(self, call: Call, *, key_id: str) -> Answer:
        key = await self._keys.find(key_id, call, by_alias=False)

        def cancelled(kept: KmsKey) -> KmsKey:
            if kept.deletion_at is None:
                raise KMSInvalidStateException(f"{kept.arn} is not pending deletion.")
            return msgspec.structs.replace(kept, deletion_at=None)

        await self._keys.change(key.arn, call.now, cancelled)
        return {"key_id": key.arn}

    @operation
    async def get_key_rotation_status(self, call: Call, *, key_id: str) -> Answer:
        key = await self._keys.find(key_id, call, by_alias=False)
        return {"key_id": key.arn, "key_rotation_enabled": False}

    # Key policies

    @operation
    async def get_key_policy(self, call: Call, *, key_id: str, policy_name: str = _POLICY_NAME) -> Answer:
        _check_policy_name(policy_name)
        key = await self._keys.find(key_id, call, by_alias=False)
        return {"policy": await self._principals.show(call.account_id, key.policy), "policy_name": _POLICY_NAME}

    @operation
    async def put_key_policy(
        self,
        call: Call,
        *,
        key_id: str,
        policy: str,
        policy_name: str = _POLICY_NAME,
        bypass_policy_lockout_safety_check: bool = False,
    ) -> Answer:
        _check_policy_name(policy_name)
        key = await self._keys.find(key_id, call, by_alias=False)
        document = await prepared_policy(
            self._principals, call, policy, key_arn=key.arn, check_lockout=not bypass_policy_lockout_safety_check
        )
        await self._keys.change(key.arn, call.now, lambda kept: msgspec.structs.replace(kept, policy=document))
        return None

    @operation
    async def list_key_policies(
        self, call: Call, *, key_id: str, limit: int = DEFAULT_PAGE, marker: str | None = None
    ) -> Answer:
        await self._keys.find(key_id, call, by_alias=False)
        names = [name for name in (_POLICY_NAME,) if name > parse_marker(marker)]
        page, more = page_of(names, limit, str)
        return {"policy_names": list(page), **more}

    async def _change(self, key_id: str, call: Call, change: Callable[[KmsKey], KmsKey]) -> KmsKey:
        """Change a key that does not await its deletion."""
        key = await self._keys.find(key_id, call, by_alias=False)

        def changed(kept: KmsKey) -> KmsKey:
            check_not_deleted(kept)
            return change(kept)

        return await self._keys.change(key.arn, call.now, changed)


def _check_policy_name(name: str) -> None:
    if name != _POLICY_NAME:
        # A key has one policy, and its name is "default" (PutKeyPolicy, PolicyName). The text is UNVERIFIED.
        raise MalformedPolicyDocumentException("The only valid policy name is default.")


def _metadata(key: KmsKey) -> dict[str, object]:
    """KeyMetadata."""
    return {
        "aws_account_id": key.account_id,
        "key_id": key.key_id,
        "arn": key.arn,
        "creation_date": key.created_at,
        "enabled": key.enabled,
        "description": key.description,
        "key_usage": "ENCRYPT_DECRYPT",
        "key_state": key_state(key),
        "deletion_date": key.deletion_at,
        "origin": "AWS_KMS",
        "key_manager": "CUSTOMER",
        "customer_master_key_spec": "SYMMETRIC_DEFAULT",
        "key_spec": "SYMMETRIC_DEFAULT",
        "encryption_algorithms": ["SYMMETRIC_DEFAULT"],
        "multi_region": False,
    }

"""AWS::KMS::Key and AWS::KMS::Alias.

`Ref` of a key is its id. A key that leaves its stack is scheduled for deletion (`PendingWindowInDays`, 30 if it says
nothing) and can be brought back until then. What a key is for cannot be changed, and rotation, which there is none of
here, can only be asked for by `EnableKeyRotation: false`.

Source: CloudFormation User Guide, AWS::KMS::Key, AWS::KMS::Alias; AWS KMS API Reference.
"""

import json
from collections.abc import Mapping
from typing import Final

from velvetrope.cloudformation.errors import ResourceRefused
from velvetrope.cloudformation.resource import (
    ByOperations,
    Made,
    ResourceCall,
    ResourceHandler,
    tag_changes,
    tags_as_map,
    text_member,
)
from velvetrope.cloudformation.schemas import Properties
from velvetrope.errors import ServiceError
from velvetrope.policy import default_key_policy

__all__ = ["KEY_HANDLERS"]

_SERVICE: Final = "kms"
_CHANGES_FAIL: Final = "The {} of a KMS key cannot be changed: the update fails, and no other key takes its place."


class KeyHandler:
    """A key."""

    type: Final = "AWS::KMS::Key"
    properties: Final = frozenset(
        {
            "BypassPolicyLockoutSafetyCheck",
            "Description",
            "EnableKeyRotation",
            "Enabled",
            "KeyPolicy",
            "KeySpec",
            "KeyUsage",
            "MultiRegion",
            "Origin",
            "PendingWindowInDays",
            "Tags",
        }
    )
    attributes: Final = frozenset({"Arn", "KeyId"})
    fixed: Final = {name: _CHANGES_FAIL.format(name) for name in ("KeySpec", "KeyUsage", "MultiRegion", "Origin")}

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        _check_rotation(properties)
        parameters: dict[str, object] = {
            name: properties[name]
            for name in (
                "BypassPolicyLockoutSafetyCheck",
                "Description",
                "KeySpec",
                "KeyUsage",
                "MultiRegion",
                "Origin",
            )
            if name in properties
        }
        if "KeyPolicy" in properties:
            parameters["Policy"] = _policy(properties)
        if properties.get("Tags"):
            parameters["Tags"] = _tags(tags_as_map(properties["Tags"]))
        answer = await at.invoke(_SERVICE, "CreateKey", parameters)
        key_id = text_member(answer, "KeyMetadata", "KeyId")
        arn = text_member(answer, "KeyMetadata", "Arn")
        made = at.identify(Made(key_id, key_id, {"Arn": arn, "KeyId": key_id}))
        if properties.get("Enabled") is False:
            await at.invoke(_SERVICE, "DisableKey", {"KeyId": key_id})
        return made

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        _check_rotation(new)
        key: dict[str, object] = {"KeyId": made.physical_id}
        if old.get("Enabled", True) != new.get("Enabled", True):
            await at.invoke(_SERVICE, "EnableKey" if new.get("Enabled", True) else "DisableKey", key)
        if old.get("Description", "") != new.get("Description", ""):
            await at.invoke(_SERVICE, "UpdateKeyDescription", {**key, "Description": new.get("Description", "")})
        added, gone = tag_changes(old, new)
        if added:
            await at.invoke(_SERVICE, "TagResource", {**key, "Tags": _tags(added)})
        if gone:
            await at.invoke(_SERVICE, "UntagResource", {**key, "TagKeys": gone})
        if old.get("KeyPolicy") != new.get("KeyPolicy"):
            # Last: by a new policy the caller may have no right to the other changes any more.
            bypass = new.get("BypassPolicyLockoutSafetyCheck", False)
            policy = _policy(new) if "KeyPolicy" in new else json.dumps(default_key_policy(at.call.account_id))
            parameters = {**key, "PolicyName": "default", "Policy": policy, "BypassPolicyLockoutSafetyCheck": bypass}
            await at.invoke(_SERVICE, "PutKeyPolicy", parameters)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        parameters: dict[str, object] = {"KeyId": made.physical_id}
        if "PendingWindowInDays" in properties:
            parameters["PendingWindowInDays"] = properties["PendingWindowInDays"]
        try:
            await at.invoke_unless_gone(_SERVICE, "ScheduleKeyDeletion", parameters)
        except ServiceError as error:
            # It waits for its deletion already.
            if error.code != "KMSInvalidStateException":
                raise


def _check_rotation(properties: Properties) -> None:
    if properties.get("EnableKeyRotation"):
        raise ResourceRefused("EnableKeyRotation of AWS::KMS::Key is not supported by velvetrope; leave it out.")


def _policy(properties: Properties) -> str:
    policy = properties["KeyPolicy"]
    return policy if isinstance(policy, str) else json.dumps(policy)


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"TagKey": name, "TagValue": value} for name, value in tags.items()]


def _read_alias(at: ResourceCall, properties: Properties, answer: Mapping[str, object]) -> Made:  # noqa: ARG001
    return Made(properties["AliasName"], properties["AliasName"])


KEY_HANDLERS: Final[tuple[ResourceHandler, ...]] = (
    KeyHandler(),
    ByOperations(
        type="AWS::KMS::Alias",
        service=_SERVICE,
        create_operation="CreateAlias",
        members={"AliasName": "AliasName", "TargetKeyId": "TargetKeyId"},
        read=_read_alias,
        key=lambda made, properties: {"AliasName": made.physical_id},  # noqa: ARG005
        update_operation="UpdateAlias",
        delete_operation="DeleteAlias",
    ),
)

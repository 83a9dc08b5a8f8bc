"""AWS::IAM::Group, who is in one, the inline policies that are resources of their own, and access keys.

`Ref` of a policy is its name, of an access key its id. An access key's secret is kept sealed with the stack, for
`Fn::GetAtt`, as long as the stack is there.

Source: CloudFormation User Guide, "AWS Identity and Access Management resource type reference"; IAM API Reference.
"""

from collections.abc import Mapping
from typing import Final

from velvetrope.cloudformation.errors import ResourceRefused
from velvetrope.cloudformation.resource import Made, ResourceCall, ResourceHandler, text_member
from velvetrope.cloudformation.resources.iam import Identity
from velvetrope.cloudformation.schemas import Properties

__all__ = ["IAM_GROUP_HANDLERS"]

_SERVICE: Final = "iam"
_GROUP: Final = Identity("Group")
_NOTHING_FIXED: Final[Mapping[str, str]] = {}


class GroupHandler:
    """A group. `Ref` is its name."""

    type: Final = "AWS::IAM::Group"
    properties: Final = frozenset({"GroupName", "ManagedPolicyArns", "Path", "Policies"})
    attributes: Final = frozenset({"Arn"})
    fixed: Final = _NOTHING_FIXED

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        name = properties.get("GroupName") or at.new_name(max_length=128)
        parameters = {"GroupName": name, **({"Path": properties["Path"]} if "Path" in properties else {})}
        answer = await at.invoke(_SERVICE, "CreateGroup", parameters)
        made = at.identify(Made(name, name, {"Arn": text_member(answer, "Group", "Arn")}))
        await _GROUP.put_policies(at, name, {}, properties)
        return made

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        name = made.physical_id
        await _GROUP.put_policies(at, name, old, new)
        if old.get("Path") == new.get("Path"):
            return made
        await at.invoke(_SERVICE, "UpdateGroup", {"GroupName": name, "NewPath": new.get("Path", "/")})
        answer = await at.invoke(_SERVICE, "GetGroup", {"GroupName": name})
        return Made(name, name, {"Arn": text_member(answer, "Group", "Arn")})

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        await _GROUP.put_policies(at, made.physical_id, properties, {})
        await at.invoke_unless_gone(_SERVICE, "DeleteGroup", {"GroupName": made.physical_id})


class UserToGroupAdditionHandler:
    """Users who are in a group. `Ref` is a generated id."""

    type: Final = "AWS::IAM::UserToGroupAddition"
    properties: Final = frozenset({"GroupName", "Users"})
    attributes: Final = frozenset({"Id"})
    fixed: Final = _NOTHING_FIXED

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        physical_id = at.new_name(max_length=128)
        made = at.identify(Made(physical_id, physical_id, {"Id": physical_id}))
        await self._add(at, properties)
        return made

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        await self._add(at, new)
        kept = set(new["Users"]) if old["GroupName"] == new["GroupName"] else set()
        await self._remove(at, {**old, "Users": [user for user in old["Users"] if user not in kept]})
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        await self._remove(at, properties)

    async def _add(self, at: ResourceCall, properties: Properties) -> None:
        for user in properties["Users"]:
            await at.invoke(_SERVICE, "AddUserToGroup", {"GroupName": properties["GroupName"], "UserName": user})

    async def _remove(self, at: ResourceCall, properties: Properties) -> None:
        for user in properties["Users"]:
            parameters = {"GroupName": properties["GroupName"], "UserName": user}
            await at.invoke_unless_gone(_SERVICE, "RemoveUserFromGroup", parameters)


class OwnPolicyHandler:
    """AWS::IAM::RolePolicy, UserPolicy and GroupPolicy: one inline policy of one role, user or group."""

    attributes: Final[frozenset[str]] = frozenset()
    fixed: Final = _NOTHING_FIXED

    def __init__(self, noun: str) -> None:
        self._identity = Identity(noun)
        self._owner = f"{noun}Name"
        self.type = f"AWS::IAM::{noun}Policy"
        self.properties = frozenset({"PolicyDocument", "PolicyName", self._owner})

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        await self._put(at, properties)
        return Made(properties["PolicyName"], properties["PolicyName"])

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:  # noqa: ARG002
        await self._put(at, new)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        await self._identity.delete_policy(at, properties[self._owner], made.physical_id)

    async def _put(self, at: ResourceCall, properties: Properties) -> None:
        if "PolicyDocument" not in properties:
            raise ResourceRefused(f"{self.type} needs PolicyDocument.")
        await self._identity.put_policy(
            at, properties[self._owner], properties["PolicyName"], properties["PolicyDocument"]
        )


class AccessKeyHandler:
    """A user's long-term key. A new `Serial` makes a new key in its place."""

    type: Final = "AWS::IAM::AccessKey"
    properties: Final = frozenset({"Serial", "Status", "UserName"})
    attributes: Final = frozenset({"Id", "SecretAccessKey"})
    fixed: Final = _NOTHING_FIXED

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        answer = await at.invoke(_SERVICE, "CreateAccessKey", {"UserName": properties["UserName"]})
        key_id = text_member(answer, "AccessKey", "AccessKeyId")
        secret = text_member(answer, "AccessKey", "SecretAccessKey")
        made = at.identify(Made(key_id, key_id, {"Id": key_id, "SecretAccessKey": secret}))
        if properties.get("Status", "Active") != "Active":
            await self._set_status(at, made, properties)
        return made

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:  # noqa: ARG002
        await self._set_status(at, made, new)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        key = {"UserName": properties["UserName"], "AccessKeyId": made.physical_id}
        await at.invoke_unless_gone(_SERVICE, "DeleteAccessKey", key)

    async def _set_status(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        key = {"UserName": properties["UserName"], "AccessKeyId": made.physical_id}
        await at.invoke(_SERVICE, "UpdateAccessKey", {**key, "Status": properties.get("Status", "Active")})


IAM_GROUP_HANDLERS: Final[tuple[ResourceHandler, ...]] = (
    GroupHandler(),
    UserToGroupAdditionHandler(),
    OwnPolicyHandler("Role"),
    OwnPolicyHandler("User"),
    OwnPolicyHandler("Group"),
    AccessKeyHandler(),
)

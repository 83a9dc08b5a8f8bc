"""AWS::IAM::Role, Policy, ManagedPolicy and User.

Roles and users have inline policies, attached managed policies, a boundary and tags, each with operations of its own.
`Identity` is what the two share: the operations' names differ by one word.

Source: CloudFormation User Guide, "AWS Identity and Access Management resource type reference"; IAM API Reference.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from velvetrope.cloudformation.resource import Made, ResourceCall, ResourceHandler, text_member
from velvetrope.cloudformation.schemas import Properties

__all__ = ["IAM_HANDLERS", "Identity"]

_SERVICE: Final = "iam"
_MAX_POLICY_VERSIONS: Final = 5  # IAM quotas: versions of one managed policy
_NOTHING_FIXED: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Identity:
    """The operations on what hangs on a role, a user or a group. `noun` is `Role`, `User` or `Group`."""

    noun: str

    async def put_policies(self, at: ResourceCall, name: str, old: Properties, new: Properties) -> None:
        """Make the inline policies, attachments and boundary of `name` those of `new`, where they differ from `old`."""
        was, now = _inline(old), _inline(new)
        for policy_name, document in now.items():
            if was.get(policy_name) != document:
                await self.put_policy(at, name, policy_name, document)
        for policy_name in was.keys() - now.keys():
            await self.delete_policy(at, name, policy_name)
        attached, wanted = old.get("ManagedPolicyArns", []), new.get("ManagedPolicyArns", [])
        for arn in _not_in(wanted, attached):
            await self.attach(at, name, arn)
        for arn in _not_in(attached, wanted):
            await self.detach(at, name, arn)
        if old.get("PermissionsBoundary") != new.get("PermissionsBoundary"):
            await self._set_boundary(at, name, new.get("PermissionsBoundary"))

    async def put_policy(self, at: ResourceCall, name: str, policy_name: str, document: object) -> None:
        parameters = {f"{self.noun}Name": name, "PolicyName": policy_name, "PolicyDocument": _document(document)}
        await at.invoke(_SERVICE, f"Put{self.noun}Policy", parameters)

    async def delete_policy(self, at: ResourceCall, name: str, policy_name: str) -> None:
        parameters = {f"{self.noun}Name": name, "PolicyName": policy_name}
        await at.invoke_unless_gone(_SERVICE, f"Delete{self.noun}Policy", parameters)

    async def attach(self, at: ResourceCall, name: str, arn: str) -> None:
        await at.invoke(_SERVICE, f"Attach{self.noun}Policy", {f"{self.noun}Name": name, "PolicyArn": arn})

    async def detach(self, at: ResourceCall, name: str, arn: str) -> None:
        await at.invoke_unless_gone(_SERVICE, f"Detach{self.noun}Policy", {f"{self.noun}Name": name, "PolicyArn": arn})

    async def put_tags(self, at: ResourceCall, name: str, old: Properties, new: Properties) -> None:
        """Make the tags of `name` those of `new`."""
        was, now = old.get("Tags", []), new.get("Tags", [])
        changed = _not_in(now, was)
        if changed:
            await at.invoke(_SERVICE, f"Tag{self.noun}", {f"{self.noun}Name": name, "Tags": changed})
        kept = {tag["Key"] for tag in now}
        gone = [tag["Key"] for tag in was if tag["Key"] not in kept]
        if gone:
            await at.invoke(_SERVICE, f"Untag{self.noun}", {f"{self.noun}Name": name, "TagKeys": gone})

    async def _set_boundary(self, at: ResourceCall, name: str, arn: str | None) -> None:
        if arn is None:
            await at.invoke(_SERVICE, f"Delete{self.noun}PermissionsBoundary", {f"{self.noun}Name": name})
        else:
            parameters = {f"{self.noun}Name": name, "PermissionsBoundary": arn}
            await at.invoke(_SERVICE, f"Put{self.noun}PermissionsBoundary", parameters)


def _inline(properties: Properties) -> dict[str, object]:
    return {policy["PolicyName"]: policy["PolicyDocument"] for policy in properties.get("Policies", [])}


def _document(document: object) -> str:
    return document if isinstance(document, str) else json.dumps(document)


def _not_in(wanted: Iterable[Any], there: Iterable[Any]) -> list[Any]:
    known = list(there)
    return [item for item in wanted if item not in known]


def _given(properties: Properties, *names: str) -> dict[str, object]:
    return {name: properties[name] for name in names if name in properties}


_ROLE: Final = Identity("Role")
_USER: Final = Identity("User")
_GROUP: Final = Identity("Group")


class RoleHandler:
    """AWS::IAM::Role. `Ref` is the role's name."""

    type: Final = "AWS::IAM::Role"
    properties: Final = frozenset(
        {
            "AssumeRolePolicyDocument",
            "Description",
            "ManagedPolicyArns",
            "MaxSessionDuration",
            "Path",
            "PermissionsBoundary",
            "Policies",
            "RoleName",
            "Tags",
        }
    )
    attributes: Final = frozenset({"Arn", "RoleId"})
    fixed: Final = _NOTHING_FIXED

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        name = properties.get("RoleName") or at.new_name(max_length=64)
        parameters = {
            "RoleName": name,
            "AssumeRolePolicyDocument": _document(properties["AssumeRolePolicyDocument"]),
            **_given(properties, "Description", "MaxSessionDuration", "Path", "PermissionsBoundary", "Tags"),
        }
        answer = await at.invoke(_SERVICE, "CreateRole", parameters)
        attributes = {"Arn": text_member(answer, "Role", "Arn"), "RoleId": text_member(answer, "Role", "RoleId")}
        made = at.identify(Made(name, name, attributes))
        # CreateRole has set the boundary already.
        await _ROLE.put_policies(at, name, _given(properties, "PermissionsBoundary"), properties)
        return made

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        name = made.physical_id
        if old["AssumeRolePolicyDocument"] != new["AssumeRolePolicyDocument"]:
            document = _document(new["AssumeRolePolicyDocument"])
            await at.invoke(_SERVICE, "UpdateAssumeRolePolicy", {"RoleName": name, "PolicyDocument": document})
        if any(old.get(member) != new.get(member) for member in ("Description", "MaxSessionDuration")):
            parameters = {
                "RoleName": name,
                "Description": new.get("Description", ""),
                "MaxSessionDuration": new.get("MaxSessionDuration", 3600),
            }
            await at.invoke(_SERVICE, "UpdateRole", parameters)
        await _ROLE.put_policies(at, name, old, new)
        await _ROLE.put_tags(at, name, old, new)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        # DeleteRole refuses a role that has policies; those of other resources went before it.
        keep_boundary = _given(properties, "PermissionsBoundary")
        await _ROLE.put_policies(at, made.physical_id, properties, keep_boundary)
        await at.invoke_unless_gone(_SERVICE, "DeleteRole", {"RoleName": made.physical_id})


class UserHandler:
    """AWS::IAM::User. `Ref` is the user's name."""

    type: Final = "AWS::IAM::User"
    properties: Final = frozenset(
        {
            "Groups",
            "LoginProfile",
            "ManagedPolicyArns",
            "Path",
            "PermissionsBoundary",
            "Policies",
            "Tags",
            "UserName",
        }
    )
    attributes: Final = frozenset({"Arn"})
    fixed: Final = _NOTHING_FIXED

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        name = properties.get("UserName") or at.new_name(max_length=64)
        parameters = {"UserName": name, **_given(properties, "Path", "PermissionsBoundary", "Tags")}
        answer = await at.invoke(_SERVICE, "CreateUser", parameters)
        made = at.identify(Made(name, name, {"Arn": text_member(answer, "User", "Arn")}))
        await self._put(at, name, _given(properties, "PermissionsBoundary"), properties)
        return made

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        await self._put(at, made.physical_id, old, new)
        await _USER.put_tags(at, made.physical_id, old, new)
        if old.get("Path") != new.get("Path"):
            name, path = made.physical_id, new.get("Path", "/")
            await at.invoke(_SERVICE, "UpdateUser", {"UserName": name, "NewPath": path})
            answer = await at.invoke(_SERVICE, "GetUser", {"UserName": name})
            return Made(name, name, {"Arn": text_member(answer, "User", "Arn")})
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        await self._put(at, made.physical_id, properties, _given(properties, "PermissionsBoundary"))
        await at.invoke_unless_gone(_SERVICE, "DeleteUser", {"UserName": made.physical_id})

    async def _put(self, at: ResourceCall, name: str, old: Properties, new: Properties) -> None:
        await _USER.put_policies(at, name, old, new)
        was, now = old.get("Groups", []), new.get("Groups", [])
        for group in _not_in(now, was):
            await at.invoke(_SERVICE, "AddUserToGroup", {"UserName": name, "GroupName": group})
        for group in _not_in(was, now):
            await at.invoke_unless_gone(_SERVICE, "RemoveUserFromGroup", {"UserName": name, "GroupName": group})
        await self._put_login_profile(at, name, old.get("LoginProfile"), new.get("LoginProfile"))

    async def _put_login_profile(
        self, at: ResourceCall, name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
    ) -> None:
        if old == new:
            return
        if new is None:
            await at.invoke_unless_gone(_SERVICE, "DeleteLoginProfile", {"UserName": name})
        else:
            operation = "CreateLoginProfile" if old is None else "UpdateLoginProfile"
            await at.invoke(_SERVICE, operation, {"UserName": name, **new})


_KINDS: Final = (("Roles", _ROLE), ("Users", _USER), ("Groups", _GROUP))
"""To whom a policy can be given, by the property that lists their names."""


class InlinePolicyHandler:
    """AWS::IAM::Policy: one inline policy, written into each role, user and group that it names."""

    type: Final = "AWS::IAM::Policy"
    properties: Final = frozenset({"Groups", "PolicyDocument", "PolicyName", "Roles", "Users"})
    attributes: Final = frozenset({"Id"})
    fixed: Final = _NOTHING_FIXED

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        physical_id = at.new_name(max_length=64)
        made = at.identify(Made(physical_id, physical_id, {"Id": physical_id}))
        await self._put(at, {}, properties)
        return made

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        await self._put(at, old, new)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:  # noqa: ARG002
        await self._take_back(at, properties, {})

    async def _put(self, at: ResourceCall, old: Properties, new: Properties) -> None:
        for listed, identity in _KINDS:
            for name in new.get(listed, []):
                await identity.put_policy(at, name, new["PolicyName"], new["PolicyDocument"])
        await self._take_back(at, old, new)

    async def _take_back(self, at: ResourceCall, old: Properties, new: Properties) -> None:
        renamed = old.get("PolicyName") != new.get("PolicyName")
        for listed, identity in _KINDS:
            was = old.get(listed, [])
            for name in was if renamed else _not_in(was, new.get(listed, [])):
                await identity.delete_policy(at, name, old["PolicyName"])


class ManagedPolicyHandler:
    """AWS::IAM::ManagedPolicy. `Ref` is its ARN."""

    type: Final = "AWS::IAM::ManagedPolicy"
    properties: Final = frozenset(
        {"Description", "Groups", "ManagedPolicyName", "Path", "PolicyDocument", "Roles", "Users"}
    )
    attributes: Final = frozenset({"PolicyArn", "PolicyId"})
    fixed: Final = _NOTHING_FIXED

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        parameters = {
            "PolicyName": properties.get("ManagedPolicyName") or at.new_name(max_length=128),
            "PolicyDocument": _document(properties["PolicyDocument"]),
            **_given(properties, "Description", "Path"),
        }
        answer = await at.invoke(_SERVICE, "CreatePolicy", parameters)
        arn = text_member(answer, "Policy", "Arn")
        made = at.identify(Made(arn, arn, {"PolicyArn": arn, "PolicyId": text_member(answer, "Policy", "PolicyId")}))
        await self._attach(at, arn, {}, properties)
        return made

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        arn = made.physical_id
        if old["PolicyDocument"] != new["PolicyDocument"]:
            # Its versions are at most five: the oldest makes room.
            versions = await self._other_versions(at, arn)
            if len(versions) >= _MAX_POLICY_VERSIONS - 1:
                await self._delete_version(at, arn, versions[-1])
            document = _document(new["PolicyDocument"])
            parameters = {"PolicyArn": arn, "PolicyDocument": document, "SetAsDefault": True}
            await at.invoke(_SERVICE, "CreatePolicyVersion", parameters)
        await self._attach(at, arn, old, new)
        return made

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        await self._attach(at, made.physical_id, properties, {})
        for version in await self._other_versions(at, made.physical_id):
            await self._delete_version(at, made.physical_id, version)
        await at.invoke_unless_gone(_SERVICE, "DeletePolicy", {"PolicyArn": made.physical_id})

    async def _attach(self, at: ResourceCall, arn: str, old: Properties, new: Properties) -> None:
        for listed, identity in _KINDS:
            was, now = old.get(listed, []), new.get(listed, [])
            for name in _not_in(now, was):
                await identity.attach(at, name, arn)
            for name in _not_in(was, now):
                await identity.detach(at, name, arn)

    async def _other_versions(self, at: ResourceCall, arn: str) -> list[str]:
        """The versions that are not the default, newest first."""
        answer = await at.invoke(_SERVICE, "ListPolicyVersions", {"PolicyArn": arn})
        versions = answer.get("Versions")
        listed = versions if isinstance(versions, list | tuple) else ()
        ids = [text_member(version, "VersionId") for version in listed if not version.get("IsDefaultVersion")]
        return sorted(ids, key=lambda version: int(version.removeprefix("v")), reverse=True)

    async def _delete_version(self, at: ResourceCall, arn: str, version: str) -> None:
        await at.invoke_unless_gone(_SERVICE, "DeletePolicyVersion", {"PolicyArn": arn, "VersionId": version})


IAM_HANDLERS: Final[tuple[ResourceHandler, ...]] = (
    RoleHandler(),
    InlinePolicyHandler(),
    ManagedPolicyHandler(),
    UserHandler(),
)

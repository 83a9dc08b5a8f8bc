"""Which resource a request is about: a rule's template and the request's parameters become an ARN.

A template is an ARN with members of the request in braces, or `@kind:Member` for names that need more than filling in:

- `@arn:Member`: the member is the ARN itself;
- `@role:`, `@user:`, `@group:`: a name; the ARN has the path, which the store knows. A user that is not named is the
  caller;
- `@moved_group:`, `@moved_user:`: the same for the name and path that UpdateGroup and UpdateUser give;
- `@key:`: an access key, which stands for its user;
- `@function:`: a function's name, partial ARN or ARN, with a qualifier in it or beside it;
- `@stack:`: a stack's name or ARN. Its id is not known from its name, so the ARN ends in `*` and is partial;
- `@kms_key:`: a KMS key's id, ARN, alias or alias ARN; `@kms_ciphertext:` what one has encrypted, of which the key is
  asked, and failing that the key that the request names beside it;
- `@oidc:`: a provider's URL;
- `@queue:`: a queue's URL, of which account and name count.

What cannot be told is `*`, and partial: only who may do the action to everything gets through. So is an ARN of another
region, because an operation that looks at the name alone would find something of ours by it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from velvetrope.arn import InvalidArn, parse_arn
from velvetrope.iam.operation_rules import UNKNOWN_RESOURCE
from velvetrope.operations import Call
from velvetrope.store.tables.iam import IamStore, Role, User

__all__ = ["NamedKeys", "NamedResource", "ResourceNames"]

_PLACEHOLDER = re.compile(r"{(\w+)(?:=([^}]*))?}")
_FUNCTION = re.compile(
    r"(?:arn:aws:lambda:(?P<region>[a-z0-9-]+):)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_.]+)(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)

_QUEUE_URL = re.compile(r"https?://[^/?#\s]+/(?P<account>\d{12})/(?P<name>[A-Za-z0-9_.-]+)")


@dataclass(frozen=True, slots=True)
class NamedResource:
    """A resource of a request. `entity` is the role or user, if it is one that exists."""

    arn: str
    is_partial: bool = False
    entity: Role | User | None = None
    is_never_tagged: bool = False
    """Its tags are known without looking: groups have none."""


_UNKNOWN = NamedResource("*", is_partial=True)


class NamedKeys(Protocol):
    """Knows which KMS key a name or a ciphertext stands for. None where it stands for none."""

    async def key_arn(self, name: str, call: Call, /) -> str | None: ...

    def ciphertext_arn(self, ciphertext: bytes, call: Call, /) -> str | None: ...


class ResourceNames:
    """Fills templates in. Without `keys` no KMS key is known, and whatever is about one is about anything."""

    def __init__(self, store: IamStore, keys: NamedKeys | None = None) -> None:
        self._store = store
        self._keys = keys

    async def name(self, template: str, parameters: Mapping[str, object], call: Call) -> NamedResource:
        """The resource that `template` and the wire's `parameters` name."""
        if template == UNKNOWN_RESOURCE:
            return _UNKNOWN
        if not template.startswith("@"):
            return _filled(template, parameters, call)
        kind, _, member = template[1:].partition(":")
        value = parameters.get(member)
        if kind in {"kms_key", "kms_ciphertext"}:
            return await self._key(value, parameters, call)
        if kind == "user" and value is None and call.principal.kind == "User":
            value = call.principal.name
        if not isinstance(value, str) or not value:
            return _UNKNOWN
        if kind == "role":
            return await self._role(value, call)
        if kind == "user":
            return await self._user(value, call)
        if kind == "group":
            return await self._group(value, call)
        if kind == "moved_group":
            return await self._moved_group(value, parameters, call)
        if kind == "moved_user":
            return await self._moved_user(value, parameters, call)
        if kind == "key":
            found = await self._store.load_access_key(value)
            return _UNKNOWN if found is None else NamedResource(found[1].arn, entity=found[1])
        if kind == "function":
            return _function(value, parameters.get("Qualifier"), call)
        if kind == "stack":
            if value.startswith("arn:"):
                return _arn_itself(value, call)
            return NamedResource(call.arn("cloudformation", f"stack/{value}/*"), is_partial=True)
        if kind == "oidc":
            return NamedResource(call.arn("iam", f"oidc-provider/{value.partition('://')[2] or value}", region=""))
        if kind == "queue":
            return _queue(value, call)
        return _arn_itself(value, call)

    async def _key(self, value: object, parameters: Mapping[str, object], call: Call) -> NamedResource:
        found: str | None = None
        if self._keys is not None:
            if isinstance(value, bytes):
                found = self._keys.ciphertext_arn(value, call)
            name = value if isinstance(value, str) else parameters.get("KeyId")
            if found is None and isinstance(name, str):
                found = await self._keys.key_arn(name, call)
        return _UNKNOWN if found is None else NamedResource(found)

    async def _role(self, name: str, call: Call) -> NamedResource:
        role = await self._store.load_role(call.account_id, name)
        arn = call.arn("iam", f"role/{name}", region="") if role is None else role.arn
        return NamedResource(arn, entity=role)

    async def _user(self, name: str, call: Call) -> NamedResource:
        user = await self._store.load_user(call.account_id, name)
        arn = call.arn("iam", f"user/{name}", region="") if user is None else user.arn
        return NamedResource(arn, entity=user)

    async def _group(self, name: str, call: Call) -> NamedResource:
        group = await self._store.load_group(call.account_id, name)
        arn = call.arn("iam", f"group/{name}", region="") if group is None else group.arn
        return NamedResource(arn, is_never_tagged=True)

    async def _moved_user(self, name: str, parameters: Mapping[str, object], call: Call) -> NamedResource:
        user = await self._store.load_user(call.account_id, name)
        path = parameters.get("NewPath", "/" if user is None else user.path)
        new_name = parameters.get("NewUserName", name)
        return NamedResource(call.arn("iam", f"user{path}{new_name}", region=""), entity=user)

    async def _moved_group(self, name: str, parameters: Mapping[str, object], call: Call) -> NamedResource:
        group = await self._store.load_group(call.account_id, name)
        path = parameters.get("NewPath", "/" if group is None else group.path)
        new_name = parameters.get("NewGroupName", name)
        return NamedResource(call.arn("iam", f"group{path}{new_name}", region=""), is_never_tagged=True)


def _filled(template: str, parameters: Mapping[str, object], call: Call) -> NamedResource:
    values: dict[str, str] = {"region": call.region, "account": call.account_id}
    is_path = template.startswith("arn:aws:apigateway:")
    for name, default in _PLACEHOLDER.findall(template):
        if name in values:
            continue
        value = parameters.get(name, default or None)
        if not isinstance(value, str | int) or value == "":
            return _UNKNOWN
        text = str(value)
        if text.startswith("arn:") and not is_path:
            # A member that takes a name or an ARN, like LayerName.
            return _arn_itself(text, call)
        # A slash in a member is no slash of the path.
        values[name] = quote(text, safe="") if is_path else text
    return NamedResource(_PLACEHOLDER.sub(lambda found: values[found.group(1)], template))


def _arn_itself(value: str, call: Call) -> NamedResource:
    try:
        arn = parse_arn(value)
    except InvalidArn:
        return _UNKNOWN
    return NamedResource(value) if arn.region in {"", call.region} else _UNKNOWN


def _queue(value: str, call: Call) -> NamedResource:
    found = _QUEUE_URL.fullmatch(value)
    if found is None:
        return _UNKNOWN
    return NamedResource(f"arn:aws:sqs:{call.region}:{found.group('account')}:{found.group('name')}")


def _function(value: str, qualifier: object, call: Call) -> NamedResource:
    found = _FUNCTION.fullmatch(value)
    region = call.region if value.startswith("arn:") else None
    if found is None or found.group("region") != region:
        return _UNKNOWN
    # Given twice, the two must agree; which of them the operation would take is not for us to guess.
    inside = found.group("qualifier")
    if isinstance(qualifier, str) and inside not in {None, qualifier}:
        return _UNKNOWN
    chosen = inside or (qualifier if isinstance(qualifier, str) else None)
    account = found.group("account") or call.account_id
    arn = f"arn:aws:lambda:{call.region}:{account}:function:{found.group('name')}"
    return NamedResource(arn if chosen is None else f"{arn}:{chosen}")

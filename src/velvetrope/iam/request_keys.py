"""The condition keys that a request itself fills in: tags that are asked for, policies that are attached, and so on.

`keys_of_request` gives those that the operation's rule lists and that we can tell; `unknown_keys_of` those that it
lists and we cannot, which then never help the caller (see `policy.requests`). A key whose member was not sent is known:
it is absent.

Source: Service Authorization Reference, the condition keys of each service.
"""

from collections.abc import Mapping

from velvetrope.iam.key_conditions import KEY_CONDITIONS
from velvetrope.iam.operation_rules import OperationRule
from velvetrope.store.tables.iam import Role, User

__all__ = ["FILLED_KEYS", "FUNCTION_ARN", "keys_of_request", "unknown_keys_of"]

Context = dict[str, tuple[str, ...]]

_MEMBERS = {
    "cloudformation:changesetname": "ChangeSetName",
    "cloudformation:resourcetypes": "ResourceTypes",
    "cloudformation:rolearn": "RoleARN",
    "cloudformation:stackpolicyurl": "StackPolicyURL",
    "cloudformation:templateurl": "TemplateURL",
    "iam:awsservicename": "AWSServiceName",
    "iam:policyarn": "PolicyArn",
    "lambda:codesigningconfigarn": "CodeSigningConfigArn",
    "lambda:functionurlauthtype": "FunctionUrlAuthType",
    "lambda:layer": "Layers",
    "lambda:principal": "Principal",
}
"""Keys whose value is a member of the request, text or a list of texts."""

_TAG_MEMBERS = ("Tags", "tags", "UserPoolTags", "IdentityPoolTags")
_TAG_SHAPES = (("Key", "Value"), ("TagKey", "TagValue"))
_TAG_KEY_MEMBERS = ("TagKeys", "tagKeys")

# Nobody calls an operation of the control plane through a function's URL, or as an event source.
_FIXED: Mapping[str, tuple[str, ...]] = {"lambda:invokedviafunctionurl": ("false",), "lambda:eventsourcetoken": ()}

FUNCTION_ARN = "lambda:functionarn"
"""The function for which something is made, see `control_plane_judge`."""

_BOUNDARY = "iam:permissionsboundary"
_TAG_KEYS = "aws:tagkeys"
_REQUEST_TAG = "aws:requesttag/"

_RESOURCE_ACCOUNT = "aws:resourceaccount"

FILLED_KEYS = frozenset(
    {*_MEMBERS, *_FIXED, FUNCTION_ARN, _BOUNDARY, _TAG_KEYS, _REQUEST_TAG, _RESOURCE_ACCOUNT, *KEY_CONDITIONS}
) | {
    "aws:resourcetag/",
    "iam:passedtoservice",
    "iam:resourcetag/",
}
"""Every key that a request to the control plane may have here, in lower case."""


def keys_of_request(rule: OperationRule, parameters: Mapping[str, object], entity: Role | User | None) -> Context:
    """The keys of `rule` that the wire's `parameters` and the role or user they are about fill in."""
    context: Context = {}
    for key in rule.condition_keys:
        if key in _FIXED:
            context[key] = _FIXED[key]
        elif key in _MEMBERS:
            context[key] = _texts(parameters.get(_MEMBERS[key]))
        elif key == _BOUNDARY:
            asked = _texts(parameters.get("PermissionsBoundary"))
            kept = None if entity is None else entity.permissions_boundary_arn
            context[key] = asked or (() if kept is None else (kept,))
    tags = requested_tags(parameters)
    keys = (*tags, *(key for member in _TAG_KEY_MEMBERS for key in _texts(parameters.get(member))))
    if keys:
        context[_TAG_KEYS] = keys
    context.update((f"{_REQUEST_TAG}{key.lower()}", (value,)) for key, value in tags.items())
    if entity is not None:
        for key, value in entity.tags.items():
            context[f"aws:resourcetag/{key.lower()}"] = context[f"iam:resourcetag/{key.lower()}"] = (value,)
    return {key: values for key, values in context.items() if values}


def unknown_keys_of(rule: OperationRule) -> tuple[str, ...]:
    """The keys of `rule` that may have a value which we cannot tell."""
    known = {*_MEMBERS, *_FIXED, _BOUNDARY, _TAG_KEYS, _REQUEST_TAG, *KEY_CONDITIONS}
    return tuple(key for key in rule.condition_keys if key not in known)


def requested_tags(parameters: Mapping[str, object]) -> dict[str, str]:
    """The tags that a request asks for, in any of the shapes that services have for them."""
    found: dict[str, str] = {}
    for member in _TAG_MEMBERS:
        given = parameters.get(member)
        if isinstance(given, Mapping):
            found.update((str(key), str(value)) for key, value in given.items())
        elif isinstance(given, list | tuple):
            for tag in given:
                for key, value in _TAG_SHAPES if isinstance(tag, Mapping) else ():
                    if key in tag:
                        found[str(tag[key])] = str(tag.get(value, ""))
    return found


def _texts(given: object) -> tuple[str, ...]:
    if isinstance(given, str):
        return (given,)
    if isinstance(given, list | tuple):
        return tuple(value for value in given if isinstance(value, str))
    return ()

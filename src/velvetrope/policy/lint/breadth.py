"""Is it wider than anybody means: everything on everything, passing any role, all but a few, whoever asks.

What a boundary or a session policy allows is only a limit, so breadth there is a limit that limits nothing.

Sources: IAM User Guide, "Security best practices in IAM", "Grant a user permissions to pass a role", "NotAction",
"NotResource"; Amazon Cognito Developer Guide, "Role trust and permissions".
"""

from collections.abc import Iterator

from velvetrope.policy.lint.findings import Finding
from velvetrope.policy.lint.subjects import Subject

__all__ = ["check_breadth"]

_COGNITO = "cognito-identity.amazonaws.com"
_SELF_SERVICE = (
    "iam:addusertogroup",
    "iam:attachgrouppolicy",
    "iam:attachrolepolicy",
    "iam:attachuserpolicy",
    "iam:createaccesskey",
    "iam:createpolicyversion",
    "iam:deleterolepermissionsboundary",
    "iam:deleteuserpermissionsboundary",
    "iam:putgrouppolicy",
    "iam:putrolepolicy",
    "iam:putuserpolicy",
    "iam:setdefaultpolicyversion",
    "iam:updateassumerolepolicy",
)
"""Whoever may do one of these to everybody may give themselves any permission."""


def check_breadth(subject: Subject) -> Iterator[Finding]:
    """Allow statements that are wider than they look."""
    if not subject.allows:
        return
    kind = subject.statement.kind
    if kind in {"resource", "trust"}:
        yield from _check_principals(subject)
    if kind == "trust":
        return
    if kind in {"boundary", "session"}:
        if _is_everything(subject) and not subject.statement.conditions:
            message = f"{subject.name} allows everything on everything, so this {kind} policy limits nothing"
            yield Finding("warning", "limits-nothing", subject.position, message)
        return
    yield from _check_elements(subject)


def _check_elements(subject: Subject) -> Iterator[Finding]:
    statement = subject.statement
    if statement.action.negated:
        message = "Allow with NotAction grants every other action there is, and those to come"
        yield Finding("warning", "allow-not-action", subject.place_of("Action"), message)
    if statement.resource is not None and statement.resource.negated:
        message = "Allow with NotResource grants the actions on every other resource there is, and those to come"
        yield Finding("warning", "allow-not-resource", subject.place_of("Resource"), message)
    if statement.action.negated or "*" not in subject.resources:
        return
    if statement.conditions:
        return
    resource = subject.place_of("Resource", "*")
    if _is_everything(subject):
        yield Finding("warning", "everything", resource, 'Action "*" on Resource "*": its holder may do everything')
        return
    for value in subject.actions:
        if value.lower().endswith(":*"):
            message = f"{value} on every resource: name the actions or the resources that are needed"
            yield Finding("warning", "whole-service", subject.place_of("Action", value), message)
    if statement.action.mentions("iam:PassRole"):
        message = (
            'iam:PassRole on Resource "*": its holder may have a service act under any role, however powerful; '
            "name the roles, or add a condition on iam:PassedToService"
        )
        yield Finding("warning", "pass-any-role", resource, message)
    if statement.action.mentions("sts:AssumeRole"):
        message = 'sts:AssumeRole on Resource "*": its holder may become every role that trusts the account'
        yield Finding("warning", "assume-any-role", resource, message)
    raising = [action for action in _SELF_SERVICE if statement.action.mentions(action)]
    if raising:
        message = f'{_spelled(raising[0], subject)} on Resource "*": its holder may give themselves any permission'
        yield Finding("warning", "self-promotion", resource, message)


def _is_everything(subject: Subject) -> bool:
    return not subject.statement.action.negated and "*" in subject.actions and "*" in subject.resources


def _spelled(action: str, subject: Subject) -> str:
    """The action as the statement spells it, or the value that covers it."""
    return next((value for value in subject.actions if value.lower() == action), subject.actions[0])


def _check_principals(subject: Subject) -> Iterator[Finding]:
    principal = subject.statement.principal
    if principal is None:
        return
    position = subject.place_of("Principal")
    if principal.anyone and not principal.negated and not subject.statement.conditions:
        message = 'Principal "*" without a condition: anybody, those who prove nothing as well'
        yield Finding("warning", "anybody", position, message)
    if _COGNITO not in principal.federated or not subject.statement.action.mentions("sts:AssumeRoleWithWebIdentity"):
        return
    keys = {condition.key for condition in subject.statement.conditions}
    if f"{_COGNITO}:aud" not in keys:
        message = f"no condition on {_COGNITO}:aud names the identity pool, so IAM refuses the policy"
        yield Finding("error", "any-identity-pool", position, message)
    if f"{_COGNITO}:amr" not in keys:
        message = f"no condition on {_COGNITO}:amr tells guests from people who signed in; both may assume the role"
        yield Finding("warning", "guests-and-users", position, message)

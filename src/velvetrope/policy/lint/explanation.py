"""A statement in plain words, for people who read more policies than they write."""

from collections.abc import Sequence

from velvetrope.policy.conditions import Condition
from velvetrope.policy.lint.subjects import Subject
from velvetrope.policy.listing import joined
from velvetrope.policy.principal_elements import PrincipalElement

__all__ = ["explain"]

_IF_EXISTS = "IfExists"
_WORDS = {
    "StringEquals": "is {}",
    "StringNotEquals": "is not {}",
    "StringEqualsIgnoreCase": "is {} in any case",
    "StringNotEqualsIgnoreCase": "is not {} in any case",
    "StringLike": "is like {}",
    "StringNotLike": "is not like {}",
    "NumericEquals": "is {}",
    "NumericNotEquals": "is not {}",
    "NumericLessThan": "is less than {}",
    "NumericLessThanEquals": "is at most {}",
    "NumericGreaterThan": "is more than {}",
    "NumericGreaterThanEquals": "is at least {}",
    "DateEquals": "is {}",
    "DateNotEquals": "is not {}",
    "DateLessThan": "is before {}",
    "DateLessThanEquals": "is at or before {}",
    "DateGreaterThan": "is after {}",
    "DateGreaterThanEquals": "is at or after {}",
    "Bool": "is {}",
    "BinaryEquals": "is the bytes {}",
    "IpAddress": "is an address in {}",
    "NotIpAddress": "is no address in {}",
    "ArnEquals": "is the ARN {}",
    "ArnLike": "is the ARN {}",
    "ArnNotEquals": "is not the ARN {}",
    "ArnNotLike": "is not the ARN {}",
}


def explain(subject: Subject) -> str:
    """One sentence about the statement."""
    statement = subject.statement
    who = "" if statement.principal is None else f" {_principals(statement.principal)}"
    verb = "allows" if subject.allows else "denies"
    preposition = " to do" if who else ""
    actions = _values(subject.actions, everything="everything")
    if statement.action.negated:
        actions = f"everything but {actions}"
    sentence = f"{subject.name} {verb}{who}{preposition} {actions}"
    if statement.resource is not None:
        resources = _values(subject.resources, everything="every resource")
        sentence += f" on every resource but {resources}" if statement.resource.negated else f" on {resources}"
    conditions = [_condition(condition, subject) for condition in statement.conditions]
    return sentence + (f", if {' and '.join(conditions)}" if conditions else "")


def _values(values: Sequence[str], *, everything: str) -> str:
    if "*" in values:
        return everything
    return joined(values, "and")


def _principals(principal: PrincipalElement) -> str:
    if principal.anyone:
        return "nobody" if principal.negated else "anybody"
    names = sorted(
        [f"the account {account}" for account in principal.accounts]
        + [*principal.names, *principal.services]
        + [f"those who come from {provider}" for provider in principal.federated]
    )
    return f"everybody but {joined(names, 'and')}" if principal.negated else joined(names, "and")


def _condition(condition: Condition, subject: Subject) -> str:
    quantifier, _, name = condition.operator.rpartition(":")
    key = subject.spelling_of(condition.operator, condition.key)
    if name == "Null":
        return f"{key} is {'absent' if condition.values == ('true',) else 'present'}"
    words = _WORDS[name.removesuffix(_IF_EXISTS)].format(joined(condition.values, "or"))
    what = {"ForAllValues": f"every value of {key}", "ForAnyValue": f"some value of {key}"}.get(quantifier, key)
    return f"{what} {words}" + (" or absent" if name.endswith(_IF_EXISTS) else "")

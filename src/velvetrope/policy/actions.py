"""The Action and NotAction elements.

`service:name`, compared without regard to case; `*` and `?` act in the name. The service part takes no wildcard, save
that `*` alone is every action.

Source: IAM User Guide, "IAM JSON policy elements: Action", "NotAction".
"""

import re
from dataclasses import dataclass

from velvetrope.policy.errors import MalformedPolicy
from velvetrope.policy.globs import Glob, compile_glob
from velvetrope.policy.listing import listed
from velvetrope.policy.requests import Facts

__all__ = ["ActionElement", "compile_actions"]

_VENDOR = re.compile(r"[A-Za-z0-9.\-]+|\*")


@dataclass(frozen=True, slots=True)
class ActionElement:
    """The actions that a statement names. `values` are as written."""

    values: tuple[str, ...]
    negated: bool
    literals: frozenset[str]
    globs: tuple[Glob, ...]

    def holds(self, facts: Facts, *, denies: bool) -> bool:  # noqa: ARG002  all elements are asked alike
        """Whether the statement is about the action that was asked for."""
        action = facts.action
        if action in self.literals:
            return not self.negated
        for glob in self.globs:
            if glob.matches(action):
                return not self.negated
        return self.negated

    def mentions(self, action: str) -> bool:
        """Whether the statement is about `action`, whatever else it asks for."""
        wanted = action.lower()
        return (wanted in self.literals or any(glob.matches(wanted) for glob in self.globs)) is not self.negated

    def describe(self, facts: Facts) -> str:  # noqa: ARG002  all elements are asked alike
        return f"its {'NotAction' if self.negated else 'Action'} is {listed(self.values)}"


def compile_actions(values: tuple[str, ...], *, negated: bool) -> ActionElement:
    """The element with these values.

    Raises:
        MalformedPolicy: a value is not an action, in AWS's words for what is wrong with it.
    """
    for value in values:
        check_action(value)
    literals = frozenset(value.lower() for value in values if "*" not in value and "?" not in value)
    globs = tuple(compile_glob(value.lower()) for value in values if "*" in value or "?" in value)
    return ActionElement(values, negated, literals, globs)


def check_action(value: str) -> None:
    """Refuse what is not `service:name` or `*`.

    Raises:
        MalformedPolicy: as above.
    """
    if value == "*":
        return
    vendor, colon, name = value.partition(":")
    if not colon:
        raise MalformedPolicy(
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.", detail=value
        )
    if ":" in name:
        raise MalformedPolicy("Actions/Condition can contain only one colon.", detail=value)
    if _VENDOR.fullmatch(vendor) is None:
        raise MalformedPolicy(f"Vendor {vendor} is not valid", detail=value)
    if not name:
        raise MalformedPolicy("The policy failed legacy parsing", detail=f"{value} names no action")

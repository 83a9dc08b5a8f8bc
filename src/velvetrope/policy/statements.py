"""One compiled statement, and the one loop that matches a policy against a request and can say why it did not.

A statement is about a request when its Action, Resource, Principal (where its kind of policy has one) and every
Condition hold. `Statement.failing` gives the first element that does not hold, so matching and explaining are the same
walk. `look_at` walks a policy: Deny statements first, since one of them settles it. A policy remembers which of its
statements speak of an action at all, so that a long one costs no more than those.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from velvetrope.policy.actions import ActionElement
from velvetrope.policy.conditions import Condition
from velvetrope.policy.principal_elements import Naming, PrincipalElement
from velvetrope.policy.requests import Facts
from velvetrope.policy.resources import ResourceElement

__all__ = ["Effect", "Element", "Look", "Policy", "PolicyKind", "Statement", "look_at", "look_thoroughly"]

Effect = Literal["Allow", "Deny"]
PolicyKind = Literal["identity", "resource", "trust", "boundary", "session"]

_MAX_ACTIONS = 256
"""Actions that a policy remembers; the simulator is asked about actions that anybody makes up."""


class Element(Protocol):
    """A part of a statement that holds for a request or does not."""

    def holds(self, facts: Facts, *, denies: bool) -> bool: ...

    def describe(self, facts: Facts) -> str:
        """Why the statement is not about the request, which this part does not hold for: what it asks for, and what
        the request has instead."""
        ...


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. `index` counts from 1; `source` is the policy's."""

    source: str
    kind: PolicyKind
    index: int
    sid: str | None
    effect: Effect
    action: ActionElement
    resource: ResourceElement | None
    principal: PrincipalElement | None
    conditions: tuple[Condition, ...]
    _further: tuple[Element, ...] = field(repr=False, compare=False, default=())
    """All that is there but the Action."""

    @property
    def name(self) -> str:
        """How reasons call it: its Sid and its place."""
        return f"statement {self.index}" if self.sid is None else f"statement {self.index} ({self.sid})"

    def applies(self, facts: Facts) -> bool:
        """Whether the statement, which speaks of the action (`Policy.about`), is about the request."""
        denies = self.effect == "Deny"
        for element in self._further:  # noqa: SIM110  a generator costs more than all that it asks
            if not element.holds(facts, denies=denies):
                return False
        return True

    def failing(self, facts: Facts) -> Element | None:
        """The first part that does not hold; None if the statement is about the request."""
        denies = self.effect == "Deny"
        for element in (self.action, *self._further):
            if not element.holds(facts, denies=denies):
                return element
        return None


_Halves = tuple[tuple[Statement, ...], tuple[Statement, ...]]


@dataclass(frozen=True, slots=True)
class Policy:
    """A validated, compiled document. `source` is what reasons call it behind its kind (a name, an ARN)."""

    kind: PolicyKind
    source: str
    text: str
    version: str
    policy_id: str
    statements: tuple[Statement, ...]
    _about: dict[str, _Halves] = field(repr=False, compare=False, default_factory=dict)

    def about(self, action: str) -> _Halves:
        """The Deny and the Allow statements that speak of `action`, which is in lower case."""
        halves = self._about.get(action)
        if halves is None:
            named = [statement for statement in self.statements if statement.action.mentions(action)]
            halves = (
                tuple(statement for statement in named if statement.effect == "Deny"),
                tuple(statement for statement in named if statement.effect == "Allow"),
            )
            if len(self._about) >= _MAX_ACTIONS:
                self._about.clear()
            self._about[action] = halves
        return halves

    @property
    def context_keys(self) -> frozenset[str]:
        """Every context key that its conditions and variables read, in lower case."""
        keys = {key for s in self.statements for condition in s.conditions for key in condition.keys}
        for statement in self.statements:
            if statement.resource is not None:
                keys.update(key for pattern in statement.resource.patterns for key in pattern.tail.keys)
        return frozenset(keys)


class Look(NamedTuple):
    """What one policy says to a request."""

    policy: Policy
    denying: Statement | None = None
    allowing: Statement | None = None
    naming: Naming = Naming.NOBODY
    """How closely the Allow names the caller; only resource and trust policies name anybody."""
    matched: tuple[Statement, ...] = ()
    """Every matching statement, and `failed` every other with the part that did not hold; only for a thorough look."""
    failed: tuple[tuple[Statement, Element], ...] = ()

    def describe(self, facts: Facts) -> str:
        """One plain line: what decided, or why each Allow that speaks of the action does not hold."""
        where = f"{self.policy.kind} policy {self.policy.source}".rstrip()
        if self.denying is not None:
            return f"{where}: {self.denying.name} denies"
        if self.allowing is not None:
            return f"{where}: {self.allowing.name} allows"
        misses = [
            f"{statement.name}: {element.describe(facts)}"
            for statement, element in self.failed
            if element is not statement.action and statement.effect == "Allow"
        ]
        if not misses:
            return f"{where}: no statement allows {facts.request.action} on anything"
        return f"{where}: nothing matches ({'; '.join(misses)})"


def look_at(policy: Policy, facts: Facts) -> Look:
    """Match every statement that could still change the answer."""
    denying, allowing = policy.about(facts.action)
    for statement in denying:
        if statement.applies(facts):
            return Look(policy, statement)
    closest: Statement | None = None
    naming = Naming.NOBODY
    for statement in allowing:
        if not statement.applies(facts):
            continue
        if statement.principal is None:
            return Look(policy, None, statement)
        closeness = statement.principal.naming(facts.principal, denies=False)
        if closest is None or closeness > naming:
            closest, naming = statement, closeness
        if naming is Naming.EXACTLY:
            break
    return Look(policy, None, closest, naming)


def look_thoroughly(policy: Policy, facts: Facts) -> Look:
    """The same look, with what came of every statement."""
    found = [(statement, statement.failing(facts)) for statement in sorted(policy.statements, key=_deny_first)]
    matched = tuple(statement for statement, element in found if element is None)
    failed = tuple((statement, element) for statement, element in found if element is not None)
    return look_at(policy, facts)._replace(matched=matched, failed=failed)


def _deny_first(statement: Statement) -> tuple[bool, int]:
    return statement.effect == "Allow", statement.index

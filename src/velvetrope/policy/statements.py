"""One compiled statement, and the one loop that matches a policy against a request and can say why it did not.

A statement is about a request when its Action, Resource, Principal (where its kind of policy has one) and every
Condition hold. `Statement.failing` gives the first element that does not hold, so matching and explaining are the same
walk. `look_at` walks a policy: Deny statements first, since one of them settles it.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from velvetrope.policy.actions import ActionElement
from velvetrope.policy.conditions import Condition
from velvetrope.policy.principal_elements import Naming, PrincipalElement
from velvetrope.policy.requests import Facts
from velvetrope.policy.resources import ResourceElement

__all__ = ["Effect", "Element", "Look", "Policy", "PolicyKind", "Statement", "look_at"]

Effect = Literal["Allow", "Deny"]
PolicyKind = Literal["identity", "resource", "trust", "boundary", "session"]


class Element(Protocol):
    """A part of a statement that holds for a request or does not."""

    def holds(self, facts: Facts, *, denies: bool) -> bool: ...

    def describe(self) -> str:
        """Why the statement is not about the request, if this part does not hold."""
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
    _elements: tuple[Element, ...] = field(repr=False, compare=False, default=())

    @property
    def name(self) -> str:
        """How reasons call it: its Sid and its place."""
        return f"statement {self.index}" if self.sid is None else f"statement {self.index} ({self.sid})"

    def failing(self, facts: Facts) -> Element | None:
        """The first part that does not hold; None if the statement is about the request."""
        denies = self.effect == "Deny"
        for element in self._elements:
            if not element.holds(facts, denies=denies):
                return element
        return None


@dataclass(frozen=True, slots=True)
class Policy:
    """A validated, compiled document. `source` is what reasons call it (a name or an ARN)."""

    kind: PolicyKind
    source: str
    text: str
    version: str
    policy_id: str
    statements: tuple[Statement, ...]
    _denying: tuple[Statement, ...] = field(repr=False, compare=False, default=())
    _allowing: tuple[Statement, ...] = field(repr=False, compare=False, default=())

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

    def describe(self) -> str:
        """One plain line."""
        where = f"{self.policy.kind} policy {self.policy.source}".rstrip()
        if self.denying is not None:
            return f"{where}: {self.denying.name} denies"
        if self.allowing is not None:
            return f"{where}: {self.allowing.name} allows"
        misses = "; ".join(f"{statement.name}: {element.describe()}" for statement, element in self.failed)
        return f"{where}: nothing matches" + (f" ({misses})" if misses else "")


def look_at(policy: Policy, facts: Facts, *, thorough: bool = False) -> Look:
    """Match every statement that could still change the answer; with `thorough`, every one."""
    denying: Statement | None = None
    allowing: Statement | None = None
    naming = Naming.NOBODY
    matched: list[Statement] = []
    failed: list[tuple[Statement, Element]] = []
    for statement in policy._denying:  # noqa: SLF001  the two halves of a policy, split once when it was compiled
        element = statement.failing(facts)
        if element is None:
            denying = denying or statement
            matched.append(statement)
            if not thorough:
                return Look(policy, denying)
        elif thorough:
            failed.append((statement, element))
    for statement in policy._allowing:  # noqa: SLF001
        element = statement.failing(facts)
        if element is None:
            closeness = _closeness(statement, facts)
            if allowing is None or closeness > naming:
                allowing, naming = statement, closeness
            matched.append(statement)
            if not thorough and (statement.principal is None or closeness is Naming.EXACTLY):
                break
        elif thorough:
            failed.append((statement, element))
    if not thorough:
        return Look(policy, None, allowing, naming)
    return Look(policy, denying, allowing, naming, tuple(matched), tuple(failed))


def _closeness(statement: Statement, facts: Facts) -> Naming:
    if statement.principal is None:
        return Naming.NOBODY
    return statement.principal.naming(facts.principal, denies=False)

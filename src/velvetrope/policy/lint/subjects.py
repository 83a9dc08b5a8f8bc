"""One statement as the checks look at it: compiled, and with the place of each of its values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from velvetrope.policy.positions import Path, Position
from velvetrope.policy.statements import Policy, Statement

__all__ = ["Subject"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A statement that was understood."""

    number: int
    """Its place in the document, from 1."""
    statement: Statement
    policy: Policy
    given: Mapping[str, Any]
    """The statement as JSON."""
    path: Path
    places: Mapping[Path, Position]

    @property
    def name(self) -> str:
        """How messages call it."""
        sid = self.statement.sid
        return f"statement {self.number}" if sid is None else f"statement {self.number} ({sid})"

    @property
    def allows(self) -> bool:
        return self.statement.effect == "Allow"

    @property
    def actions(self) -> tuple[str, ...]:
        return self.statement.action.values

    @property
    def services(self) -> frozenset[str]:
        """The services that the actions name, in lower case."""
        return frozenset(action.lower().partition(":")[0] for action in self.actions)

    @property
    def resources(self) -> tuple[str, ...]:
        resource = self.statement.resource
        return () if resource is None else tuple(pattern.text for pattern in resource.patterns)

    @property
    def position(self) -> Position:
        return self.places[self.path]

    def place_of(self, element: str, value: str | None = None) -> Position:
        """Where `value` stands in the element of that name, or in its negated form; the element if it has no such."""
        name = next((name for name in (element, f"Not{element}") if name in self.given), element)
        given = self.given.get(name)
        if isinstance(given, list) and value in given:
            return self.places[(*self.path, name, given.index(value))]
        return self.places.get((*self.path, name), self.position)

    def place_of_condition(self, operator: str, key: str) -> Position:
        """Where the values of a condition stand; `key` in any case."""
        written = self.spelling_of(operator, key)
        return self.places.get((*self.path, "Condition", operator, written), self.position)

    def spelling_of(self, operator: str, key: str) -> str:
        """A condition's key as the document spells it."""
        block = self.given.get("Condition", {}).get(operator, {})
        return next((name for name in block if name.lower() == key), key)

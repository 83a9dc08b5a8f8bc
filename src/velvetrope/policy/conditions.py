"""The Condition element: operators and keys are all to hold; of a key's values, one is enough.

What is common to all operators is here, once:

- a key's values in the policy are alternatives; under a negated operator the request's value must differ from all;
- an absent (or empty) key: a plain operator does not hold, a negated one does; with `IfExists` and under
  `ForAllValues:` it holds, under `ForAnyValue:` it does not;
- `ForAllValues:` asks every value of the request, `ForAnyValue:` at least one, each against all values of the policy;
- a key with several values and no set operator is asked as `ForAnyValue` and then negated if the operator negates
  (AWS leaves it undefined; UNVERIFIED);
- a value whose policy variable stays unresolved matches nothing, so a negated operator holds;
- a key whose value exists but could not be found out (`AuthorizationRequest.unknown_keys`) holds in a Deny and not in
  an Allow. So does an operator that is not in the table, if a document that carries one is ever read.

Source: IAM User Guide, "IAM JSON policy elements: Condition", "Multivalued context keys", "Condition operators".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from velvetrope.policy.errors import MalformedPolicy
from velvetrope.policy.listing import listed
from velvetrope.policy.operators import NULL, OPERATORS, Matcher, Operator
from velvetrope.policy.requests import Facts
from velvetrope.policy.variables import Template, literal_template, parse_template

__all__ = ["Condition", "compile_condition"]

Quantifier = Literal["", "ForAllValues", "ForAnyValue"]


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator over one key. `operator` and `values` are as written, `key` is in lower case."""

    operator: str
    key: str
    values: tuple[str, ...]
    keys: tuple[str, ...]
    """Every context key that is read: `key`, and those of policy variables."""
    test: Callable[[Facts, bool], bool]

    def holds(self, facts: Facts, *, denies: bool) -> bool:
        """Whether the request meets the condition; `denies` says which way not knowing goes."""
        return self.test(facts, denies)

    def describe(self, facts: Facts) -> str:
        condition = f"its condition {self.operator} {self.key}"
        if self.key == "aws:referer":
            return f"{condition} does not hold"  # Some let a secret stand there.
        given = facts.context.get(self.key)
        unknown = "is not told here" if facts.is_unknown(self.key) else "is absent from the request"
        has = f"is {listed(given)}" if given else unknown
        return f"{condition} asks for {listed(self.values)}, and it {has}"


def compile_condition(
    operator: str, key: str, values: tuple[str, ...], *, variables: bool, strict: bool = True
) -> Condition:
    """The condition; `variables` is whether the document's version has them.

    With `strict` off (a document that was stored, and is only read), what is not understood becomes a condition that
    holds in a Deny and not in an Allow.

    Raises:
        MalformedPolicy: unknown operator, or a value that its family cannot read.
    """
    lower = key.lower()
    try:
        known, quantifier, if_exists = _parse_operator(operator)
        templates = _parse_values(known, values, variables=variables)
    except MalformedPolicy:
        if strict:
            raise
        return Condition(operator, lower, values, (lower,), _not_understood)
    named = tuple(name for template in templates for name in template.keys)
    if known is NULL:
        test = _null_test(lower, tuple(NULL.compile_value(t.static or ()) for t in templates))
    else:
        when_absent = if_exists or (known.negates if quantifier == "" else quantifier == "ForAllValues")
        test = _test(lower, known, quantifier, _matches_any(known, templates), when_absent=when_absent)
    return Condition(operator, lower, values, (lower, *named), test)


def _not_understood(_facts: Facts, denies: bool) -> bool:
    return denies


def _parse_operator(text: str) -> tuple[Operator, Quantifier, bool]:
    quantifier: Quantifier = ""
    name = text
    if text.startswith("ForAllValues:"):
        quantifier, name = "ForAllValues", text.removeprefix("ForAllValues:")
    elif text.startswith("ForAnyValue:"):
        quantifier, name = "ForAnyValue", text.removeprefix("ForAnyValue:")
    if_exists = name.endswith("IfExists")
    operator = OPERATORS.get(name.removesuffix("IfExists"))
    if operator is None or (operator is NULL and (if_exists or quantifier)):
        raise MalformedPolicy("Syntax errors in policy.", detail=f"{text} is not a condition operator")
    return operator, quantifier, if_exists


def _parse_values(operator: Operator, values: tuple[str, ...], *, variables: bool) -> tuple[Template, ...]:
    templates = []
    for value in values:
        if variables and operator.takes_variables and "${" in value:
            template = parse_template(value, wildcards=operator.takes_wildcards)
        elif operator.reads(value):
            template = literal_template(value, wildcards=operator.takes_wildcards)
        else:
            template = None
        if template is None:
            text = (
                "The policy failed legacy parsing" if operator.name.startswith("Date") else "Syntax errors in policy."
            )
            raise MalformedPolicy(text, detail=f"{operator.name} cannot read the value {value}")
        templates.append(template)
    return tuple(templates)


def _matches_any(operator: Operator, templates: tuple[Template, ...]) -> Callable[[Facts, str], bool]:
    """Whether a request's value matches any of the policy's. What can be compiled now is not compiled again."""
    if operator.name in {"StringEquals", "StringNotEquals"} and all(t.static is not None for t in templates):
        wanted = frozenset("".join(str(token) for token in t.static or ()) for t in templates)
        return lambda _facts, value: value in wanted
    ready: tuple[Matcher, ...] = tuple(operator.compile_value(t.static) for t in templates if t.static is not None)
    waiting = tuple(t for t in templates if t.static is None)
    if not waiting and len(ready) == 1:
        only = ready[0]
        return lambda _facts, value: only(value)

    def matches(facts: Facts, value: str) -> bool:
        if any(matcher(value) for matcher in ready):
            return True
        for template in waiting:
            tokens = template.resolve(facts.context)
            if tokens is not None and operator.compile_value(tokens)(value):
                return True
        return False

    return matches


def _test(
    key: str, operator: Operator, quantifier: Quantifier, matches: Callable[[Facts, str], bool], *, when_absent: bool
) -> Callable[[Facts, bool], bool]:
    negates = operator.negates

    def test(facts: Facts, denies: bool) -> bool:
        values = facts.context.get(key)
        if not values:
            return denies if facts.unknown_keys and facts.is_unknown(key) else when_absent
        if quantifier == "ForAllValues":
            return all(matches(facts, value) is not negates for value in values)
        if quantifier == "ForAnyValue":
            return any(matches(facts, value) is not negates for value in values)
        if len(values) == 1:
            return matches(facts, values[0]) is not negates
        return any(matches(facts, value) for value in values) is not negates

    return test


def _null_test(key: str, matchers: tuple[Matcher, ...]) -> Callable[[Facts, bool], bool]:
    def test(facts: Facts, denies: bool) -> bool:
        if not facts.context.get(key) and facts.is_unknown(key):
            return denies
        state = "present" if facts.context.get(key) else "absent"
        return any(matcher(state) for matcher in matchers)

    return test

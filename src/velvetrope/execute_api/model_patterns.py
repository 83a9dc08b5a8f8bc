"""The keywords of JSON Schema that hold regular expressions, matched in linear time (decision 0041).

`pattern`, `patternProperties` and `additionalProperties` are evaluated here instead of in the library, which matches
with Python's `re`: by another dialect, and for as long as it takes.

Source: JSON Schema draft 4 (fge-json-schema-validation-00) sections 3.3, 5.2.3 and 5.4.4.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from velvetrope.patterns import Dialect, Pattern, TooMuchToMatch, compile_pattern

if TYPE_CHECKING:
    from jsonschema import ValidationError

__all__ = ["MOST_STEPS", "MOST_STEPS_AT_ONCE", "ModelPatterns", "matching_at_most"]

MOST_STEPS: Final = 3_000_000_000
"""What all patterns of a model may take with one body, in the steps of `velvetrope.patterns`: fifteen seconds at the
worst, in a thread that nobody waits for but the caller."""
MOST_STEPS_AT_ONCE: Final = 20_000_000
"""What they may take while everybody waits."""


class _Steps:
    """How many are left."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise TooMuchToMatch("the body is too long for the model's patterns")


_STEPS: ContextVar[_Steps] = ContextVar("velvetrope_model_pattern_steps")


@contextmanager
def matching_at_most(steps: int) -> Iterator[None]:
    """Inside of it the patterns of models take so many steps together, and then raise TooMuchToMatch."""
    token = _STEPS.set(_Steps(steps))
    try:
        yield
    finally:
        _STEPS.reset(token)


class ModelPatterns:
    """The patterns of one model, each compiled when it is first asked for, inside of `matching_at_most`.

    Its keywords raise PatternRefused for what is no pattern of ECMA 262 or cannot be matched in linear time, and
    TooMuchToMatch.
    """

    def __init__(self) -> None:
        self._compiled: dict[str, Pattern] = {}

    @property
    def keywords(self) -> Mapping[str, Any]:
        """For `jsonschema.validators.extend`."""
        return {
            "pattern": self._pattern,
            "patternProperties": self._pattern_properties,
            "additionalProperties": self._additional_properties,
        }

    def _matches(self, pattern: str, text: str) -> bool:
        """Whether a part of `text` matches."""
        compiled = self._compiled.get(pattern)
        if compiled is None:
            compiled = compile_pattern(pattern, Dialect.ECMA, whole=False, most_steps=MOST_STEPS)
            self._compiled[pattern] = compiled
        _STEPS.get().take(len(text) * compiled.size)
        return compiled.matches(text)

    def _pattern(
        self, _validator: object, pattern: str, instance: object, _schema: object
    ) -> "Iterator[ValidationError]":
        from jsonschema import ValidationError

        if isinstance(instance, str) and not self._matches(pattern, instance):
            yield ValidationError(f"ECMA 262 regex {pattern!r} does not match")

    def _pattern_properties(
        self,
        validator: Any,  # noqa: ANN401  the library has no type for it
        schemas: Mapping[str, object],
        instance: object,
        _schema: object,
    ) -> "Iterator[ValidationError]":
        if not isinstance(instance, dict):
            return
        for text, schema in schemas.items():
            for name, value in instance.items():
                if self._matches(text, name):
                    yield from validator.descend(value, schema, path=name, schema_path=text)

    def _additional_properties(
        self,
        validator: Any,  # noqa: ANN401  the library has no type for it
        allowed: object,
        instance: object,
        schema: Mapping[str, Any],
    ) -> "Iterator[ValidationError]":
        from jsonschema import ValidationError

        if not isinstance(instance, dict):
            return
        known = schema.get("properties", {})
        patterns = schema.get("patternProperties", {})
        for name, value in instance.items():
            if name in known or any(self._matches(pattern, name) for pattern in patterns):
                continue
            if isinstance(allowed, dict):
                yield from validator.descend(value, allowed, path=name)
            elif not allowed:
                yield ValidationError(f"object instance has properties which are not allowed by the schema: {name!r}")

"""How much one rendering may do: steps, characters, turns of a loop.

A template that goes over fails, and the request with it (500): it never holds up the server for longer than the steps
take, nor fills its memory. The limits are far above what templates do; AWS documents the one for loops.

Source: API Gateway quotas, "Number of iterations in a #foreach loop".
"""

from velvetrope.errors import ReasonError

__all__ = ["MAX_LOOP_TURNS", "MAX_TEXT_CHARACTERS", "Budget", "TemplateFailed"]

MAX_LOOP_TURNS = 1_000
_MAX_STEPS = 250_000
_MAX_CHARACTERS = 67_108_864
_MAX_READ = 268_435_456
MAX_TEXT_CHARACTERS = 10_485_760  # API Gateway quotas: payload size


class TemplateFailed(ReasonError):
    """The template could not be rendered: over a limit, or it asks for something that does not exist. For the owner."""


class Budget:
    """What is left for one rendering."""

    __slots__ = ("_characters", "_read", "_steps")

    def __init__(self) -> None:
        self._steps = _MAX_STEPS
        self._characters = _MAX_CHARACTERS
        self._read = _MAX_READ

    def step(self) -> None:
        """One element is evaluated."""
        self._steps -= 1
        if self._steps < 0:
            raise TemplateFailed(f"the template takes more than {_MAX_STEPS} steps")

    def claim(self, characters: int) -> None:
        """A text of that length is about to be made."""
        self._characters -= characters
        if characters > MAX_TEXT_CHARACTERS or self._characters < 0:
            raise TemplateFailed("the template makes too much text")

    def read(self, length: int) -> None:
        """A text, list or map of that length is about to be gone through."""
        self._read -= length
        if self._read < 0:
            raise TemplateFailed("the template goes through too much data")

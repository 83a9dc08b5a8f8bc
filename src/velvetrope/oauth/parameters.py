"""Request parameters: form-encoded text taken apart once, with what was repeated.

A parameter without a value counts as absent, and one that is given twice is nobody's: `get` answers None for it and
`repeated` names it, so that each endpoint refuses it where its refusals go (RFC 6749 section 3.1).
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from velvetrope.oauth.errors import MalformedRequest, RequiredParameterMissing

__all__ = ["Parameters"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MAX_PARAMETERS = 50  # far above what any OAuth or OpenID request carries


@dataclass(frozen=True, slots=True)
class Parameters:
    """Names and values in the order they came, percent-decoded."""

    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> "Parameters":
        """The parameters of a query string or an `application/x-www-form-urlencoded` body.

        Raises:
            MalformedRequest: not UTF-8 once decoded, a control character in a name or value, or too many parameters.
        """
        try:
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS)
        except ValueError:  # UnicodeDecodeError is one too
            raise MalformedRequest("The request parameters cannot be read.") from None
        if any(_CONTROL.search(text) for pair in pairs for text in pair):
            raise MalformedRequest("The request parameters cannot be read.")
        return cls(tuple(pairs))

    @property
    def repeated(self) -> frozenset[str]:
        """The names that came more than once."""
        names = [name for name, _ in self.pairs]
        return frozenset(name for name in names if names.count(name) > 1)

    def get(self, name: str) -> str | None:
        """The value, if it came exactly once and is not empty."""
        values = [value for key, value in self.pairs if key == name]
        return values[0] if len(values) == 1 and values[0] else None

    def require(self, name: str) -> str:
        """The value of a parameter without which nobody can be answered but on our own page.

        Raises:
            MalformedRequest: it came twice.
            RequiredParameterMissing: it did not come.
        """
        if name in self.repeated:
            raise MalformedRequest(f"Parameter '{name}' is present more than once")
        value = self.get(name)
        if value is None:
            raise RequiredParameterMissing(name)
        return value

    def render(self) -> str:
        """A query string that parses to these parameters."""
        return urlencode(self.pairs)

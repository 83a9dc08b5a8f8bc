"""Why a regular expression is not matched.

ReasonError
├── PatternRefused      it is no pattern of its dialect, or has something that no linear-time matcher can do
└── TooMuchToMatch      pattern and text together are more work than one match may take; it was not tried
"""

from velvetrope.errors import ReasonError

__all__ = ["PatternRefused", "TooMuchToMatch"]


class PatternRefused(ReasonError):
    """`message` names what is refused and where it stands; the pattern's author may read it."""


class TooMuchToMatch(ReasonError):
    """Nobody knows whether the text matches, so whoever asked must refuse."""

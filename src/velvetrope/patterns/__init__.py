"""Regular expressions that authors wrote, matched in time that grows with the text and no faster (decision 0041)."""

from velvetrope.patterns.dialects import Dialect
from velvetrope.patterns.errors import PatternRefused, TooMuchToMatch
from velvetrope.patterns.matching import Finder, Found, Pattern, compile_finder, compile_pattern

__all__ = [
    "Dialect",
    "Finder",
    "Found",
    "Pattern",
    "PatternRefused",
    "TooMuchToMatch",
    "compile_finder",
    "compile_pattern",
]

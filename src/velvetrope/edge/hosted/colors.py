"""Colours, and whether a text in one can be read on another.

Source: WCAG 2.2, "relative luminance" and "contrast ratio"; success criterion 1.4.3 for 4.5 to 1.
"""

from dataclasses import dataclass
from typing import Final

__all__ = ["LEGIBLE_CONTRAST", "Color", "contrast", "legible"]

LEGIBLE_CONTRAST: Final = 4.5
_OPAQUE: Final = 255


@dataclass(frozen=True, slots=True)
class Color:
    """Red, green, blue and opacity, 0 to 255 each."""

    red: int
    green: int
    blue: int
    opacity: int = _OPAQUE

    @classmethod
    def parse(cls, text: str) -> "Color":
        """From eight hexadecimal digits; that they are is the caller's to know."""
        red, green, blue, opacity = bytes.fromhex(text)
        return cls(red, green, blue, opacity)

    @property
    def css(self) -> str:
        digits = f"#{self.red:02x}{self.green:02x}{self.blue:02x}"
        return digits if self.opacity == _OPAQUE else f"{digits}{self.opacity:02x}"

    def over(self, paper: "Color") -> "Color":
        """What is seen of it on an opaque paper."""
        share = self.opacity / _OPAQUE
        mixed = (
            round(mine * share + its * (1 - share))
            for mine, its in ((self.red, paper.red), (self.green, paper.green), (self.blue, paper.blue))
        )
        return Color(*mixed)

    @property
    def luminance(self) -> float:
        red, green, blue = (_linear(part / _OPAQUE) for part in (self.red, self.green, self.blue))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Color, other: Color) -> float:
    """From 1 to 21, of two opaque colours."""
    lighter, darker = sorted((one.luminance, other.luminance), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def legible(wanted: Color, paper: Color) -> Color:
    """The colour, where a text in it can be read on the opaque `paper`; else black or white, whichever is better."""
    seen = wanted.over(paper)
    if contrast(seen, paper) >= LEGIBLE_CONTRAST:
        return seen
    return max((Color(0, 0, 0), Color(255, 255, 255)), key=lambda one: contrast(one, paper))


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4

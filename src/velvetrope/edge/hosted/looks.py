"""What a pool's pages look like beside our own sheet: a style sheet, a logo, an icon.

Nothing here decides whose look it is; `HostedContext` asks the pool's owner for it. A look holds no address: images are
data in the page, so that nothing in a page loads anything (`pages`).
"""

from dataclasses import dataclass
from typing import Final

__all__ = ["OUR_LOOK", "Logo", "Look"]


@dataclass(frozen=True, slots=True)
class Logo:
    """An image by its `data:` URI, and another one for who prefers the dark."""

    uri: str
    in_the_dark: str | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """One look. The house's own is the empty one."""

    sheet: str = ""
    """CSS that comes after ours. It is allowed by its hash."""
    logo: Logo | None = None
    """The image in place of our name."""
    icon: str | None = None
    """`data:` URI of the icon in the browser's tab."""
    plain: bool = False
    """Without our curtain: the pool's owner has furnished the page."""
    language_links: bool = True
    """Whether pages offer their other languages."""


OUR_LOOK: Final = Look()

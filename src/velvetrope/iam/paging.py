"""Lists in pages: `MaxItems` and `Marker`, as all of IAM's List operations have them.

Source: IAM API Reference, "Paginating through results" (a page has 100 items unless told).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from velvetrope import page_tokens
from velvetrope.iam.errors import ValidationError

__all__ = ["DEFAULT_MAX_ITEMS", "Page", "page_of", "parse_marker"]

DEFAULT_MAX_ITEMS = 100

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page, and the marker of the next; None on the last."""

    items: Sequence[T]
    marker: str | None

    def answer(self, name: str, rendered: Sequence[object]) -> dict[str, object]:
        """The page as an answer, its items under `name`."""
        return {name: list(rendered), "is_truncated": self.marker is not None, "marker": self.marker}


def parse_marker(marker: str | None) -> str:
    """The key behind which the page begins; empty for the first.

    Raises:
        ValidationError: no marker of ours.
    """
    try:
        return page_tokens.parse_page_token(marker)
    except page_tokens.UnknownPageToken:
        raise ValidationError("Invalid Marker.") from None


def page_of(found: Sequence[T], key: Callable[[T], str], *, marker: str | None, max_items: int | None) -> Page[T]:
    """The page of `found` (all of them, or at least one more than the page holds, in any order) behind `marker`.

    Raises:
        ValidationError: no marker of ours.
    """
    size = DEFAULT_MAX_ITEMS if max_items is None else max_items
    after = parse_marker(marker)
    waiting = sorted((item for item in found if key(item) > after), key=key)
    return Page(*page_tokens.page_of(waiting, size, key))

"""Pages from templates: each one response, complete in itself.

    templates = PageTemplates(Path(__file__).with_name("templates"))
    body = templates.render("login.html", username="…")

The palette that all pages share and the folder's `style.css` go into each page as the value `style`, and are allowed by
their hash (`style_source`), so that nothing in a page can load, frame or run anything. Where a page needs a script, it
stands in the folder too and is allowed the same way (`script`). Every value is escaped; a
template that names a value which it was not given fails. Source: W3C Content Security Policy 3, section 2.3.1.
"""

from base64 import b64encode
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # imported when the first page is asked for: a server's start shows none
    from jinja2 import Environment

__all__ = ["InlineScript", "PageTemplates"]

_PALETTE = Path(__file__).with_name("palette.css")


@dataclass(frozen=True, slots=True)
class InlineScript:
    """A script that stands in a page."""

    text: str
    source: str
    """Its hash, as a source expression."""


class PageTemplates:
    """The templates of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._scripts: dict[str, InlineScript] = {}

    def render(self, template: str, **values: object) -> bytes:
        """The page, as UTF-8."""
        return self._environment.get_template(template).render(style=self._style, **values).encode()

    @cached_property
    def style_source(self) -> str:
        """What `style-src` has to say for the folder's style sheet."""
        return f"'sha256-{b64encode(sha256(self._style.encode()).digest()).decode()}'"

    def script(self, name: str) -> "InlineScript":
        """A script of the folder, to stand in a page that names it, and what `script-src` has to say for it."""
        found = self._scripts.get(name)
        if found is None:
            text = (self._folder / name).read_text(encoding="utf-8")
            found = InlineScript(text, f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'")
            self._scripts[name] = found
        return found

    @cached_property
    def _style(self) -> str:
        return "".join(path.read_text(encoding="utf-8") for path in (_PALETTE, self._folder / "style.css"))

    @cached_property
    def _environment(self) -> "Environment":
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        return Environment(
            loader=FileSystemLoader(self._folder),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )

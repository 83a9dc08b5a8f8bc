"""What axe finds wrong with a page as a person sees it: by the rules of WCAG 2.2 A and AA, and best practice."""

from functools import cache

from playwright.sync_api import Page

from support.running import REPOSITORY

__all__ = ["axe_findings"]

_AXE = REPOSITORY / "tests" / "javascript" / "node_modules" / "axe-core" / "axe.min.js"


@cache
def _axe() -> str:
    return _AXE.read_text(encoding="utf-8")


def axe_findings(page: Page) -> list[str]:
    """One line per finding: the rule, what it says, and where. The page's own policy stays in force."""
    page.evaluate(_axe())
    violations = page.evaluate("async () => (await axe.run()).violations")
    return [f"{one['id']}: {one['help']} {[node['html'] for node in one['nodes']]}" for one in violations]

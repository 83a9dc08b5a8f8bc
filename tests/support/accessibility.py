"""What axe finds wrong with a page as a person sees it: by the rules of WCAG 2.2 A and AA, and best practice."""

from functools import cache

from playwright.sync_api import Page

from support.running import REPOSITORY

__all__ = ["axe_findings"]

_AXE = REPOSITORY / "tests" / "javascript" / "node_modules" / "axe-core" / "axe.min.js"


@cache
def _axe() -> str:
    return _AXE.read_text(encoding="utf-8")


def axe_findings(page: Page, *, rules: tuple[str, ...] = ()) -> list[str]:
    """One line per finding: the rule, what it says, and where. The page's own policy stays in force.

    `rules` names the ones to go by; all of them where it is empty.
    """
    page.evaluate(_axe())
    options = {"runOnly": list(rules)} if rules else {}
    violations = page.evaluate("async (options) => (await axe.run(options)).violations", options)
    return [f"{one['id']}: {one['help']} {[node['html'] for node in one['nodes']]}" for one in violations]

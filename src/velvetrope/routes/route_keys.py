"""Route keys of HTTP APIs: `$default`, or a verb and a path such as `GET /pets/{petId}` and `ANY /{proxy+}`.

A path begins with a slash and has no empty segments, so it does not end in one either; a variable is a whole segment
and has a name of its own, and a greedy one comes last. What AWS says of empty segments is UNVERIFIED (refused here).

Source: API Gateway Developer Guide, "Create routes for HTTP APIs in API Gateway".
"""

import re
from dataclasses import dataclass

from velvetrope.routes.tree import HTTP_METHODS

__all__ = ["DEFAULT_ROUTE", "RouteKey"]

DEFAULT_ROUTE = "$default"
"""The route that takes every request that no other takes."""

_SEGMENT = re.compile(r"[A-Za-z0-9._~:@!$&'()*+,;=%-]+|\{[A-Za-z0-9._-]+\+?\}")


@dataclass(frozen=True, slots=True)
class RouteKey:
    """A route key, understood. `method` and `path` are empty for `$default`; `names` are the path's variables in order.

    `anonymous_path` has numbers in the place of the names: two routes that differ only in names have the same.
    """

    method: str
    path: str
    names: tuple[str, ...]
    anonymous_path: str

    @property
    def is_default(self) -> bool:
        return not self.path

    @classmethod
    def parse(cls, text: str) -> "RouteKey | None":
        """The key that `text` is, or None if it is none."""
        if text == DEFAULT_ROUTE:
            return cls("", "", (), "")
        method, space, path = text.partition(" ")
        if not space or method not in {*HTTP_METHODS, "ANY"} or not path.startswith("/"):
            return None
        names: list[str] = []
        anonymous: list[str] = []
        for segment in path[1:].split("/") if path != "/" else []:
            if not _SEGMENT.fullmatch(segment) or (anonymous and anonymous[-1].endswith("+}")):
                return None
            if segment.startswith("{"):
                greedy = "+" if segment.endswith("+}") else ""
                anonymous.append(f"{{{len(names)}{greedy}}}")
                names.append(segment[1:-1].removesuffix("+"))
            else:
                anonymous.append(segment)
        if len(set(names)) != len(names):
            return None
        return cls(method, path, tuple(names), "/" + "/".join(anonymous))

"""Which resource and method of a REST API, or which route of an HTTP API, a request means; and custom domain names.

    tree = RouteTree([("/pets/{petId}", "GET", pet_method), ("/{proxy+}", "ANY", fallback)])
    matched = tree.match("/pets/a1b2", "GET")     # RouteMatch(target=pet_method, path_parameters={"petId": "a1b2"})

An exact segment beats `{param}`, which beats `{proxy+}`; a method of its own beats `ANY`. Path and method are matched
together: when the best path lacks the method, the search goes back and tries the next best. Segments are compared and
handed out as they arrived, percent-encoding and all; one trailing slash is ignored in REST APIs, and counts in HTTP
APIs, whose routes are written as `RouteKey`s.

A path with a `.` or `..` segment matches nothing. Signatures are computed over the path with those removed, so letting
them through would make one signature good for two different routes.

Sources: API Gateway Developer Guide, "Set up a method request", "Set up a proxy integration with a proxy resource";
what `docs` leaves open follows captures of AWS (greedy siblings answer for missing methods, double slashes are kept).
"""

from velvetrope.routes.domain_names import (
    UnusableDomainName,
    WildcardDomainName,
    is_domain_name,
    is_mapping_key,
    is_somebody_elses,
    parse_domain_name,
)
from velvetrope.routes.route_keys import DEFAULT_ROUTE, RouteKey
from velvetrope.routes.tree import HTTP_METHODS, RouteConflict, RouteMatch, RouteTree, has_dot_segments

__all__ = [
    "DEFAULT_ROUTE",
    "HTTP_METHODS",
    "RouteConflict",
    "RouteKey",
    "RouteMatch",
    "RouteTree",
    "UnusableDomainName",
    "WildcardDomainName",
    "has_dot_segments",
    "is_domain_name",
    "is_mapping_key",
    "is_somebody_elses",
    "parse_domain_name",
]

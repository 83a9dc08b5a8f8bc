"""What AWS's services can be told in a policy, as the checks need it. The data is handed in; see `iam`.

Of the services in `services` everything is known: their actions, the types of resource that each action takes, the
condition keys. Of those in `other_services` only that they exist.
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["ANYTHING", "Catalogue", "ServiceFacts"]

ANYTHING = "*"
"""The resource of an action that takes no type of resource."""


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """One service."""

    actions: Mapping[str, tuple[str, ...] | None]
    """ARN patterns of the resources that each action takes, by its name as AWS spells it; `*` for an action that is
    about no resource. None is an action of which we do not know."""
    condition_keys: frozenset[str]
    """In lower case; one that ends in `/` or `:` stands for all keys below it."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All services."""

    services: Mapping[str, ServiceFacts]
    other_services: frozenset[str]
    filled_keys: frozenset[str]
    """The condition keys of requests that velvetrope fills in; those of callers are in `policy.context`."""

    def knows_key(self, key: str) -> bool:
        """Whether a request can have the key here."""
        return _listed(key, self.filled_keys)

    def is_key_of_aws(self, key: str) -> bool:
        """Whether AWS has the key for a service that we know."""
        return any(_listed(key, service.condition_keys) for service in self.services.values())


def _listed(key: str, keys: frozenset[str]) -> bool:
    families = (key.partition("/")[0] + "/", ":".join(key.split(":", 2)[:2]) + ":")
    return key in keys or any(family in keys for family in families if key.startswith(family))

"""The rule of each operation: its IAM action, the resources it is about, the condition keys it knows.

The rules are data, `data/service_authorization.json`, made by `tools/make_service_authorization.py` from AWS's Service
Authorization Reference and botocore's models; read once, when the first operation is judged. An operation that the data
lacks gets the rule that lets through only who may do it to everything (`UNKNOWN_RESOURCE`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["UNKNOWN_RESOURCE", "OperationRule", "has_rule", "operation_rule"]

UNKNOWN_RESOURCE = "?"
"""The resource of a rule when nobody can tell what the operation is about."""


@dataclass(frozen=True, slots=True)
class OperationRule:
    """`resources` are templates (see `resource_names`), all of which must be allowed; none means `*`."""

    action: str
    resources: tuple[str, ...]
    condition_keys: tuple[str, ...]
    """In lower case; one that ends in `/` or `:` stands for all keys below it."""


def operation_rule(service: str, operation: str) -> OperationRule:
    """The rule of botocore's `service` and the wire's `operation`."""
    found = _rules().get((service, operation))
    return found if found is not None else OperationRule(f"{service}:{operation}", (UNKNOWN_RESOURCE,), ())


def has_rule(service: str, operation: str) -> bool:
    """Whether the data knows the operation; one that it lacks is judged all the same, as about anything."""
    return (service, operation) in _rules()


@cache
def _rules() -> Mapping[tuple[str, str], OperationRule]:
    data = json.loads((Path(__file__).with_name("data") / "service_authorization.json").read_bytes())
    return {
        (service, operation): OperationRule(action, tuple(resources), tuple(keys))
        for service, rules in data["services"].items()
        for operation, (action, resources, keys) in rules.items()
    }

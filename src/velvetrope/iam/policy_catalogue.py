"""What AWS's services and velvetrope's requests have, for the check of policy documents (`policy.lint`).

The data, `data/service_actions.json`, is made by `tools/make_service_authorization.py` from AWS's Service Authorization
Reference. Read once, when the first document is checked.
"""

import json
from functools import cache
from pathlib import Path

from velvetrope.iam.request_keys import FILLED_KEYS
from velvetrope.policy.lint import ANYTHING, Catalogue, ServiceFacts

__all__ = ["knows_action", "policy_catalogue"]

_KEYS_OF_OTHER_ROOMS = frozenset(
    {
        # `functions`, when a service invokes one.
        "aws:sourceaccount",
        "aws:sourcearn",
        # `sts`, when a role is assumed.
        "sts:durationseconds",
        "sts:externalid",
        "sts:rolesessionname",
        "sts:sourceidentity",
        "sts:transitivetagkeys",
    }
)


@cache
def policy_catalogue() -> Catalogue:
    """All that is known."""
    data = json.loads((Path(__file__).with_name("data") / "service_actions.json").read_bytes())
    return Catalogue(
        services={
            service: ServiceFacts(
                actions={
                    action: None if types is None else tuple(facts["resources"][name] for name in types) or (ANYTHING,)
                    for action, types in facts["actions"].items()
                },
                condition_keys=frozenset(facts["condition_keys"]),
            )
            for service, facts in data["services"].items()
        },
        other_services=frozenset(data["other_services"]),
        filled_keys=FILLED_KEYS | _KEYS_OF_OTHER_ROOMS,
    )


def knows_action(action: str) -> bool:
    """Whether AWS has that action, `service:Name`, of a service of ours; names in any case, as in policies."""
    service, _, name = action.lower().partition(":")
    facts = policy_catalogue().services.get(service)
    return facts is not None and any(known.lower() == name for known in facts.actions)

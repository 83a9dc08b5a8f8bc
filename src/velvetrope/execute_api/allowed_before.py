"""What was allowed before and cannot have changed: decisions that depend on nothing but policies and resource.

Most identity policies read no context key: no condition, no policy variable. Asked twice about the same resource by a
principal of the same kind and account, they answer the same, so the second time nothing is evaluated. The gatherer
hands out the same `PrincipalPolicies` until IAM changes, and another one afterwards: identity of that object is what
"the same policies" means here, and it is kept alive while its answers are. Only permissions are remembered. A refusal
is weighed anew each time, for its reasons.

What depends on the request (a condition on the address, the time, a tag; a resource policy, which may name the caller)
is never kept.
"""

from collections import OrderedDict

from velvetrope.execute_api.snapshot import Step
from velvetrope.policy import PrincipalPolicies
from velvetrope.principals import Principal

__all__ = ["AllowedBefore"]

_MAX_POLICIES = 512
_MAX_RESOURCES = 256


class AllowedBefore:
    """A bounded memory of permissions."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, str, str], tuple[PrincipalPolicies, OrderedDict[str, Step] | None]] = (
            OrderedDict()
        )

    def find(self, policies: PrincipalPolicies, principal: Principal, resource: str) -> Step | None:
        """How the record tells that `principal` was allowed `resource`; None if it has to be asked."""
        known = self._known.get((id(policies), principal.kind, principal.account_id))
        return None if known is None or known[1] is None else known[1].get(resource)

    def keep(self, policies: PrincipalPolicies, principal: Principal, resource: str, step: Step) -> None:
        """Remember a permission, if it depends on nothing else."""
        key = (id(policies), principal.kind, principal.account_id)
        known = self._known.get(key)
        if known is None:
            known = policies, None if _reads_context(policies) else OrderedDict()
            self._known[key] = known
            if len(self._known) > _MAX_POLICIES:
                self._known.popitem(last=False)
        resources = known[1]
        if resources is not None:
            resources[resource] = step
            if len(resources) > _MAX_RESOURCES:
                resources.popitem(last=False)


def _reads_context(policies: PrincipalPolicies) -> bool:
    everything = [*policies.identity, *(policies.session or ())]
    if policies.boundary is not None:
        everything.append(policies.boundary)
    return any(policy.context_keys for policy in everything)

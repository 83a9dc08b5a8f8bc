"""What is asked: one principal, one action, one resource, one context, and the policies that apply.

`AuthorizationRequest` is the whole input of `evaluate`. Collecting the policies is the caller's job (`iam` gathers a
principal's; the service that owns a resource hands in the resource's), and so is naming action and resource.

Two fields speak of what the caller could not find out, so that not knowing never helps anybody:

- `resource_is_partial`: each `*` in `resource` is a part that nobody knows. An Allow counts only if it covers all that
  the resource could be, a Deny counts as soon as it touches any of it.
- `unknown_keys`: context keys (lower case; one that ends in `/` or `:` stands for all keys below it) whose value exists
  but is not known. A condition on one holds in a Deny and does not hold in an Allow.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from velvetrope.principals import Principal

if TYPE_CHECKING:
    from velvetrope.policy.statements import Policy

__all__ = ["AuthorizationRequest", "Facts", "PrincipalPolicies"]


@dataclass(frozen=True, slots=True)
class PrincipalPolicies:
    """The policies on the caller's side.

    `session` is None when no session policy was passed, which limits nothing; an empty tuple allows nothing. `tags` are
    those that the role or user has now, where they are known; a session carries what they were when it was made.
    """

    identity: tuple["Policy", ...] = ()
    boundary: "Policy | None" = None
    session: tuple["Policy", ...] | None = None
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """One question to `evaluate`. Keys of `context` are in lower case and its values are always tuples."""

    principal: Principal
    action: str
    resource: str
    resource_account_id: str
    context: Mapping[str, tuple[str, ...]]
    policies: PrincipalPolicies = field(default_factory=PrincipalPolicies)
    resource_policy: "Policy | None" = None
    resource_policy_must_allow: bool = False
    """For trust policies: an identity policy alone never suffices."""
    resource_is_partial: bool = False
    unknown_keys: tuple[str, ...] = ()


class Facts:
    """A request as statements look at it: prepared once, read by every matcher."""

    __slots__ = ("_parts", "action", "context", "partial", "principal", "request", "resource", "unknown_keys")

    def __init__(self, request: AuthorizationRequest) -> None:
        self.request = request
        self.principal = request.principal
        self.action = request.action.lower()
        tags = request.policies.tags
        if tags is None or tags == request.principal.tags:
            self.context = request.context
        else:
            self.context = _with_tags(request.context, request.principal, tags)
        self.resource = request.resource
        self._parts: list[str] | None = None
        self.partial = request.resource_is_partial
        self.unknown_keys = request.unknown_keys

    @property
    def resource_parts(self) -> list[str]:
        """The parts of the resource's ARN, split when the first pattern asks for them; most never do."""
        if self._parts is None:
            self._parts = self.resource.split(":", 5)
        return self._parts

    def is_unknown(self, key: str) -> bool:
        """Whether `key`, which the context lacks, may have a value all the same."""
        return any(key.startswith(known) if known.endswith(("/", ":")) else key == known for known in self.unknown_keys)


def _with_tags(
    context: Mapping[str, tuple[str, ...]], principal: Principal, tags: Mapping[str, str]
) -> Mapping[str, tuple[str, ...]]:
    """The context with what the role or user is tagged with now. A session tag of the same key still wins."""
    now = {key.lower(): (value,) for key, value in tags.items()}
    was = {key.lower() for key in principal.tags}
    of_session = set() if principal.session is None else {key.lower() for key in principal.session.tags}
    changed = dict(context)
    for key in (was | now.keys()) - of_session:
        changed.pop(f"aws:principaltag/{key}", None)
        if key in now:
            changed[f"aws:principaltag/{key}"] = now[key]
    return changed

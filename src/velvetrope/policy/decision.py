"""What was decided, and why, in words that people debug with.

`because` is the end of AWS's access-denied sentence: `User: … is not authorized to perform: ACTION on resource: ARN`
and then this. It may be shown to the caller wherever AWS shows it. `reasons` is for the owner: one plain line for each
policy that was looked at, naming the statement that decided or, for each that did not match, the first part that
failed. The lines are made when they are asked for, so that an allowed request does not pay for them.

Source: IAM User Guide, "Troubleshoot access denied error messages".
"""

from typing import Literal, NamedTuple

from velvetrope.policy.requests import Facts
from velvetrope.policy.statements import Policy, PolicyKind, Statement, look_thoroughly

__all__ = ["KIND_NAMES", "Decision", "Outcome", "allow", "deny_explicitly", "deny_implicitly"]

Outcome = Literal["allowed", "explicitDeny", "implicitDeny"]

KIND_NAMES: dict[PolicyKind, str] = {
    "identity": "identity-based policy",
    "resource": "resource-based policy",
    "trust": "role trust policy",
    "boundary": "permissions boundary",
    "session": "session policy",
}

_MISSING: dict[PolicyKind, str] = {
    "identity": "nothing allows it: a policy of the caller's user, group or role has to",
    "resource": "nothing allows it: the resource's own policy has to",
    "trust": "nothing allows it: the role's trust policy has to",
    "boundary": "the caller's permissions boundary does not allow it, and has to as well",
    "session": "the session policy does not allow it, and has to as well; it was passed when the session was made",
}
"""What a request lacks that no policy of this kind allows."""


class Decision(NamedTuple):
    """One answer of `evaluate`. (A named tuple, since one is made for every request and frozen classes are slow.)"""

    outcome: Outcome
    because: str
    """Empty when allowed."""
    decided_by: Statement | None
    """The statement that allowed or denied; None for an implicit deny, and for the root user."""
    step: str
    """Which step of the evaluation logic ended it."""
    facts: Facts
    """The request as it was weighed; `reasons` are made from it."""

    def __repr__(self) -> str:
        return f"Decision({self.outcome}, {self.because or self.step})"

    @property
    def policies(self) -> tuple[Policy, ...]:
        """All that applied, in the order of the evaluation logic."""
        request = self.facts.request
        given = request.policies
        found = (request.resource_policy, *given.identity, given.boundary, *(given.session or ()))
        return tuple(policy for policy in found if policy is not None)

    @property
    def allowed(self) -> bool:
        return self.outcome == "allowed"

    @property
    def permission(self) -> str:
        """What allowed it, in one line: all that the record of an allowed request keeps."""
        statement = self.decided_by
        return self.step if statement is None else f"{self.step}: {statement.source}, {statement.name}"

    @property
    def reasons(self) -> tuple[str, ...]:
        """The step that decided, then one line per policy looked at."""
        looks = (look_thoroughly(policy, self.facts).describe(self.facts) for policy in self.policies)
        return (self.step, *looks)

    @property
    def matched_statements(self) -> tuple[Statement, ...]:
        """Every statement, of every policy looked at, that is about the request."""
        return tuple(s for policy in self.policies for s in look_thoroughly(policy, self.facts).matched)


def allow(facts: Facts, statement: Statement | None, step: str) -> Decision:
    return Decision("allowed", "", statement, step, facts)


def deny_explicitly(facts: Facts, statement: Statement) -> Decision:
    name = KIND_NAMES[statement.kind]
    article = "an" if name[0] in "aeiou" else "a"
    step = "a Deny decides, whatever else allows it"
    return Decision("explicitDeny", f"with an explicit deny in {article} {name}", statement, step, facts)


def deny_implicitly(facts: Facts, kind: PolicyKind) -> Decision:
    because = f"because no {KIND_NAMES[kind]} allows the {facts.request.action} action"
    return Decision("implicitDeny", because, None, _MISSING[kind], facts)

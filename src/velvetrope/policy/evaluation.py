"""May this principal do this action on this resource in this context.

`evaluate` is a pure function of one frozen request. It follows the order of the IAM User Guide's "Policy evaluation
logic"; each branch below names its step. Deny is what comes out when nothing says otherwise. Service control policies
belong to Organizations, which we do not have.

Who is weighed how:

- caller and resource of one account: the resource policy's Allow and the caller's own policies are alternatives, as far
  as the closeness with which the resource policy names the caller reaches (see `Naming`);
- of two accounts: both sides must allow, and the caller's side by an identity policy;
- callers without policies of their own (services, the anonymous, those who come by web identity): the resource policy
  alone decides. An anonymous caller who is handed identity policies all the same (those of a Lambda authorizer) is
  weighed like one of the resource's account.

Source: IAM User Guide, "Policy evaluation logic", "Cross-account policy evaluation logic".
"""

from dataclasses import replace

from velvetrope.policy.decision import Decision, allow, deny_explicitly, deny_implicitly
from velvetrope.policy.principal_elements import Naming
from velvetrope.policy.requests import AuthorizationRequest, Facts, PrincipalPolicies
from velvetrope.policy.statements import Look, Policy, PolicyKind, look_at

__all__ = ["allow_unjudged", "evaluate"]


def evaluate(request: AuthorizationRequest) -> Decision:
    """The decision. Does not raise for "no", nor for anything in a policy that was parsed."""
    facts = Facts(request)
    given = request.policies

    # Step 1: "deny evaluation". An explicit deny in any policy that applies ends it.
    resource = None if request.resource_policy is None else look_at(request.resource_policy, facts)
    if resource is not None and resource.denying is not None:
        return deny_explicitly(facts, resource.denying)
    identity = _look_at_all(given.identity, facts)
    if identity is not None and identity.denying is not None:
        return deny_explicitly(facts, identity.denying)
    boundary = None if given.boundary is None else look_at(given.boundary, facts)
    if boundary is not None and boundary.denying is not None:
        return deny_explicitly(facts, boundary.denying)
    session = None if given.session is None else _look_at_all(given.session, facts)
    if session is not None and session.denying is not None:
        return deny_explicitly(facts, session.denying)

    # Step 3: the resource policy. `grant` is its Allow, and how closely that names the caller.
    grant = resource if resource is not None and resource.allowing is not None else None
    resource_kind: PolicyKind = "resource" if resource is None else resource.policy.kind
    if grant is None and request.resource_policy_must_allow:
        return deny_implicitly(facts, resource_kind)
    principal = request.principal
    same_account = principal.account_id == request.resource_account_id
    if not principal.account_id:
        if not given.identity:
            if grant is None:
                return deny_implicitly(facts, resource_kind)
            return allow(facts, grant.allowing, "the resource policy allows this caller")
        same_account = True
    if grant is not None and same_account and grant.naming is Naming.EXACTLY:
        return allow(facts, grant.allowing, "the resource policy names this caller")
    if not same_account and grant is None:
        lacking: PolicyKind = "identity" if identity is None and not principal.is_root else "resource"
        return deny_implicitly(facts, lacking)

    # Step 4: identity policies. The root user needs none, and its sessions are limited by their session policies only.
    session_refuses = session is None and (given.session is not None or principal.kind == "FederatedUser")
    if principal.is_root:
        if session_refuses:
            return deny_implicitly(facts, "session")
        return allow(facts, None, "the root user of the account")
    named_closely = grant is not None and same_account and grant.naming is Naming.ROLE_OR_ANYONE
    if identity is None and not named_closely:
        return deny_implicitly(facts, "identity")
    # Step 5: the permissions boundary.
    if boundary is not None and boundary.allowing is None:
        return deny_implicitly(facts, "boundary")
    # Step 6: session policies. A role session without one passes, a federated session without one does not.
    if session_refuses:
        return deny_implicitly(facts, "session")
    if identity is not None:
        return allow(facts, identity.allowing, "an identity policy allows it")
    return allow(facts, None if grant is None else grant.allowing, "the resource policy allows it")


def allow_unjudged(request: AuthorizationRequest, because: str) -> Decision:
    """The decision on an action that needs no permission, or that somebody else decides; `because` says which.

    No policy has been looked at.
    """
    return allow(Facts(replace(request, policies=PrincipalPolicies(), resource_policy=None)), None, because)


def _look_at_all(policies: tuple[Policy, ...], facts: Facts) -> Look | None:
    """The first look that denies; else the first that allows; else None."""
    allowing: Look | None = None
    for policy in policies:
        look = look_at(policy, facts)
        if look.denying is not None:
            return look
        if allowing is None and look.allowing is not None:
            allowing = look
    return allowing

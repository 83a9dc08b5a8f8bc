"""May this principal do this action on this resource in this context, and which statement decided.

    policy = parse_policy(text, kind="identity", source="inline:demo")
    decision = evaluate(AuthorizationRequest(
        principal=caller, action="execute-api:Invoke", resource=method_arn, resource_account_id=account_id,
        context=request_context(caller, now=now, source_ip=ip), policies=PrincipalPolicies(identity=(policy,)),
    ))
    decision.allowed, decision.because, decision.reasons

A document goes through `documents` (validated and compiled once: `actions`, `resources`, `principal_elements`,
`conditions` with `operators/`, `variables`, `globs`), a request through `evaluation`, an answer is a `Decision`. Where
policies are kept and who is asking for whom is not known here.
"""

from velvetrope.policy.context import encryption_context_keys, request_context
from velvetrope.policy.decision import Decision
from velvetrope.policy.documents import parse_policy, read_policy
from velvetrope.policy.errors import MalformedPolicy
from velvetrope.policy.evaluation import allow_unjudged, evaluate
from velvetrope.policy.key_policies import default_key_policy
from velvetrope.policy.named_principals import PolicyPrincipals, named_principals, with_principals
from velvetrope.policy.positions import Position, Span, statement_spans
from velvetrope.policy.requests import AuthorizationRequest, PrincipalPolicies
from velvetrope.policy.statements import Policy, PolicyKind, Statement

__all__ = [
    "AuthorizationRequest",
    "Decision",
    "MalformedPolicy",
    "Policy",
    "PolicyKind",
    "PolicyPrincipals",
    "Position",
    "PrincipalPolicies",
    "Span",
    "Statement",
    "allow_unjudged",
    "default_key_policy",
    "encryption_context_keys",
    "evaluate",
    "named_principals",
    "parse_policy",
    "read_policy",
    "request_context",
    "statement_spans",
    "with_principals",
]

"""May this caller call this method: policies of the caller, of its authorizer and of the API, combined as AWS does.

| Authorization type | Without a resource policy | With one |
|---|---|---|
| NONE | everybody | it must allow; silence denies |
| AWS_IAM | the caller's policies must allow | both are weighed (Tables A and B of the developer guide) |
| CUSTOM | the authorizer's policy must allow | its Deny ends it before the function is called; then Table A |
| COGNITO_USER_POOLS | a good token is enough | it must allow; silence denies |

A caller by token is anonymous to policies, so a resource policy that names a principal never speaks of one.

Policies are asked about the path that was called, without a trailing slash, which routes ignore too. If it has
percent-encodings they are asked about the decoded path as well and must allow both: which of the two AWS asks about is
UNVERIFIED, and a Deny must not be passed by spelling a letter another way.

Source: API Gateway Developer Guide, "How API Gateway resource policies affect authorization workflow",
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html
"""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import unquote

from velvetrope.execute_api.allowed_before import AllowedBefore
from velvetrope.execute_api.errors import AccessDenied, UriTooLong
from velvetrope.execute_api.protocols import PolicyGatherer
from velvetrope.execute_api.requests import AuthenticatedCaller, AuthorizedRequest, IncomingRequest, MatchedRequest
from velvetrope.execute_api.snapshot import Step
from velvetrope.policy import AuthorizationRequest, Decision, PrincipalPolicies, evaluate, request_context
from velvetrope.principals import ANONYMOUS, Principal

__all__ = [
    "ACTION",
    "MAX_METHOD_ARN_BYTES",
    "MethodAuthorization",
    "call_context",
    "evaluate_call",
]

ACTION = "execute-api:Invoke"
MAX_METHOD_ARN_BYTES = 1_600  # API Gateway quotas: method ARN of a method with authorization
_NO_POLICIES = PrincipalPolicies()

_NO_AUTHORIZATION: Step = ("authorization", "skipped", "the method's authorization type is NONE")
_NO_RESOURCE_POLICY: Step = ("authorization", "allowed", "the token is enough: the API has no resource policy")


class MethodAuthorization:
    """Weighs policies for one account and region."""

    def __init__(self, policies: PolicyGatherer, *, region: str) -> None:
        self._policies = policies
        self._region = region
        self._allowed = AllowedBefore()

    def recall(self, caller: AuthenticatedCaller) -> AuthorizedRequest | None:
        """The permission of a caller who needs none, or has been let in under the same policies; None if it has to be
        asked for."""
        matched, principal = caller.matched, caller.principal
        kind = matched.method.authorization
        if matched.stage.resource_policy is not None or kind == "CUSTOM":
            return None
        if kind == "NONE":
            matched.trail.append(_NO_AUTHORIZATION)
            return AuthorizedRequest(caller, None)
        if kind == "COGNITO_USER_POOLS":
            if len(matched.method_arn) > MAX_METHOD_ARN_BYTES:
                return None
            matched.trail.append(_NO_RESOURCE_POLICY)
            return AuthorizedRequest(caller, None)
        policies = self._policies.recall_policies(principal)
        known = None if policies is None else self._allowed.find(policies, principal, matched.method_arn)
        if known is None:
            return None
        matched.trail.append(known)
        return AuthorizedRequest(caller, known)

    async def authorize(self, caller: AuthenticatedCaller) -> AuthorizedRequest:
        """That the policies let `caller` in.

        Raises:
            AccessDenied: they do not.
            UriTooLong: the method's ARN is longer than a policy could name.
        """
        recalled = self.recall(caller)
        if recalled is not None:
            return recalled
        matched, principal = caller.matched, caller.principal
        stage, kind = matched.stage, matched.method.authorization
        resource = matched.method_arn
        if len(resource) > MAX_METHOD_ARN_BYTES:
            raise UriTooLong(step="authorization", detail=f"the method ARN has {len(resource)} bytes")
        if kind == "CUSTOM":
            return self._authorize_vouched(caller)
        policies = _NO_POLICIES if principal is ANONYMOUS else await self._policies.policies_for(principal)
        decision = self._evaluate(matched, principal, policies)
        if not decision.allowed:
            raise _denied(matched, principal, decision)
        step: Step = ("authorization", "allowed", decision.permission)
        if stage.resource_policy is None:
            self._allowed.keep(policies, principal, resource, step)
        matched.trail.append(step)
        return AuthorizedRequest(caller, step)

    def check_not_denied(self, matched: MatchedRequest) -> None:
        """That the resource policy does not refuse whoever calls: asked before a Lambda authorizer is.

        Raises:
            AccessDenied: a Deny of the resource policy matches.
        """
        if matched.stage.resource_policy is None:
            return
        decision = self._evaluate(matched, ANONYMOUS, _NO_POLICIES)
        if decision.outcome == "explicitDeny":
            raise _denied(matched, ANONYMOUS, decision)

    def _authorize_vouched(self, caller: AuthenticatedCaller) -> AuthorizedRequest:
        matched, vouched = caller.matched, caller.vouched
        policies = _NO_POLICIES if vouched is None else vouched.policies
        decision = self._evaluate(matched, ANONYMOUS, policies)
        if decision.allowed:
            step: Step = ("authorization", "allowed", decision.permission)
            matched.trail.append(step)
            return AuthorizedRequest(caller, step)
        if decision.outcome == "explicitDeny" and decision.decided_by is not None:
            if decision.decided_by.kind != "identity":
                raise _denied(matched, ANONYMOUS, decision)
            because = decision.because
        else:
            # Whichever side was silent, AWS speaks of the authorizer's policy.
            because = f"because no identity-based policy allows the {ACTION} action"
        raise AccessDenied(
            f"User is not authorized to access this resource {because}",
            step="authorization",
            detail=f"the authorizer's policy does not let the caller {ACTION} {matched.method_arn}. "
            + "; ".join(decision.reasons),
        )

    def _evaluate(self, matched: MatchedRequest, principal: Principal, policies: PrincipalPolicies) -> Decision:
        stage = matched.stage
        question = AuthorizationRequest(
            principal,
            ACTION,
            matched.method_arn,
            stage.account_id,
            call_context(principal, matched.incoming, matched.headers, region=self._region),
            policies,
            stage.resource_policy,
        )
        return evaluate_call(question)


def call_context(
    principal: Principal, incoming: IncomingRequest, headers: Mapping[bytes, bytes], *, region: str
) -> dict[str, tuple[str, ...]]:
    """What conditions may ask of a call; `headers` are by lower-case name."""
    return request_context(
        principal,
        now=incoming.received_at,
        source_ip=incoming.source_ip,
        user_agent=headers[b"user-agent"].decode("latin-1") if b"user-agent" in headers else "",
        referer=headers[b"referer"].decode("latin-1") if b"referer" in headers else "",
        secure_transport=incoming.scheme == "https",
        region=region,
    )


def evaluate_call(question: AuthorizationRequest) -> Decision:
    """The decision about the ARN as it was called; where that has percent-encodings, about the decoded one as well."""
    decision = evaluate(question)
    if decision.allowed and "%" in question.resource:
        decision = evaluate(replace(question, resource=unquote(question.resource)))
    return decision


def _denied(matched: MatchedRequest, principal: Principal, decision: Decision) -> AccessDenied:
    resource = matched.method_arn
    return AccessDenied(
        f"User: {principal.arn} is not authorized to perform: {ACTION} on resource: "
        f"{_masked(resource, matched.stage.account_id)} {decision.because}",
        step="authorization",
        detail=f"{principal.arn} may not {ACTION} on {resource}. " + "; ".join(decision.reasons),
    )


def _masked(method_arn: str, account_id: str) -> str:
    return method_arn.replace(f":{account_id}:", f":********{account_id[-4:]}:", 1)

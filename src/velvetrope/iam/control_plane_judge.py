"""May this caller perform this operation of ours: every call of the control plane comes through here.

    judged = await judge.judge("lambda", "CreateFunction", {"FunctionName": "f", "Role": ...}, call)
    judged.action, judged.resource, judged.decision.allowed

The operation's rule says which action on which resources it is (`operation_rules`); the request names the resources
(`resource_names`) and fills in condition keys (`request_keys`); it may need more than one permission
(`further_permissions`). All are asked of `policy.evaluate`, and the first refusal is the answer.

What is not known never helps the caller: a resource that cannot be told is asked for as "anything", which only an Allow
on everything grants and any Deny of the action refuses; a condition on a key that cannot be told holds in a Deny only.
Tags of what other rooms keep are told by `resource_tags`, and asked for only if a policy reads them.

Three operations are not judged here. GetCallerIdentity cannot be forbidden to anybody. AssumeRole is judged by `sts`,
because the role's trust policy has a say. GetSessionToken needs no permission but heeds an explicit deny (UNVERIFIED).
Operations that AWS leaves unsigned are not brought here by `edge`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from velvetrope.arn import InvalidArn, parse_arn
from velvetrope.iam.aws_managed import AWS_ACCOUNT
from velvetrope.iam.further_permissions import (
    also_denied_by,
    delivering_logs,
    handed_key,
    passed_roles,
    second_action,
    used_layers,
)
from velvetrope.iam.gatherer import PolicyGatherer
from velvetrope.iam.key_conditions import grant_conditions, key_conditions
from velvetrope.iam.key_uses import KeyUses
from velvetrope.iam.operation_rules import OperationRule, operation_rule
from velvetrope.iam.request_keys import FUNCTION_ARN, keys_of_request, unknown_keys_of
from velvetrope.iam.resource_names import NamedKeys, NamedResource, ResourceNames
from velvetrope.operations import Call
from velvetrope.policy import (
    AuthorizationRequest,
    Decision,
    Policy,
    PrincipalPolicies,
    allow_unjudged,
    evaluate,
    request_context,
)
from velvetrope.store.tables.iam import IamStore

__all__ = ["ControlPlaneJudge", "JudgedOperation", "ResourcePolicies", "ResourceTags"]

_NEVER_JUDGED = {
    ("sts", "GetCallerIdentity"): "GetCallerIdentity needs no permission",
    ("sts", "AssumeRole"): "AssumeRole is judged together with the role's trust policy",
}
_ONLY_FORBIDDEN = {("sts", "GetSessionToken"): "GetSessionToken needs no permission"}
_POLICY_MUST_ALLOW = frozenset({"kms"})
"""Services whose resources are used by whom their own policy allows; an identity policy alone never suffices there.
Source: AWS KMS Developer Guide, "Key policies in AWS KMS"."""
_COLONS_OF_A_FUNCTION = 6
"""In its ARN, without a qualifier."""

_RESOURCE_TAGS = ("aws:resourcetag/", "iam:resourcetag/")


class ResourceTags(Protocol):
    """Tags of what other rooms keep."""

    async def find(self, resource_arn: str, /) -> Mapping[str, str] | None:
        """The tags of that ARN, none if there is no such resource; None if they are not known."""
        ...


class ResourcePolicies(Protocol):
    """Resource policies of what another room keeps: functions, queues."""

    async def find(self, resource_arn: str, /) -> Policy | None:
        """The policy of that ARN; None if it has none."""
        ...


@dataclass(frozen=True, slots=True)
class JudgedOperation:
    """The action and resource that decided, and how; where it is allowed, all resources that were asked about."""

    action: str
    resource: str
    decision: Decision
    resources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Question:
    """One permission that a call needs."""

    action: str
    resource: NamedResource
    keys: Mapping[str, tuple[str, ...]]
    unknown_keys: tuple[str, ...]


class ControlPlaneJudge:
    """Judges calls of the control plane."""

    def __init__(
        self,
        store: IamStore,
        gatherer: PolicyGatherer,
        *,
        resource_policies: Mapping[str, ResourcePolicies] | None = None,
        resource_tags: Mapping[str, ResourceTags] | None = None,
        keys: NamedKeys | None = None,
    ) -> None:
        """Resource policies and tags are by the service in the resource's ARN, such as `lambda`."""
        self._names = ResourceNames(store, keys)
        self._gatherer = gatherer
        self._key_uses = KeyUses(store)
        self._resource_policies = dict(resource_policies or {})
        self._resource_tags = dict(resource_tags or {})

    async def judge(
        self, service: str, operation: str, parameters: Mapping[str, object], call: Call
    ) -> JudgedOperation:
        """The verdict on a call whose signature has been verified.

        `service` is botocore's name; `operation` and `parameters` are the wire's.
        """
        await self._key_uses.note(service, call)
        policies = await self._gatherer.policies_for(call.principal)
        questions = await self._questions(service, operation, parameters, call)
        if (service, operation) in _NEVER_JUDGED:
            return _unjudged(questions[0], call, _NEVER_JUDGED[service, operation])
        judged = [await self._ask(question, policies, call) for question in questions]
        refused = next((verdict for verdict in judged if not verdict.decision.allowed), None)
        if refused is not None and (service, operation) in _ONLY_FORBIDDEN:
            if refused.decision.outcome == "explicitDeny":
                return refused
            return _unjudged(questions[0], call, _ONLY_FORBIDDEN[service, operation])
        if refused is not None:
            return refused
        other = also_denied_by(service, operation)
        for question in () if other is None else questions:
            verdict = await self._ask(replace(question, action=str(other)), policies, call)
            if verdict.decision.outcome == "explicitDeny":
                return verdict
        return replace(judged[0], resources=tuple(question.resource.arn for question in questions))

    async def _function_named(
        self, rule: OperationRule, parameters: Mapping[str, object], call: Call
    ) -> dict[str, tuple[str, ...]]:
        """The key `lambda:FunctionArn`, for what is made for a function: event source mappings, function URLs.

        UNVERIFIED: whether the ARN has the qualifier that was asked for. With one, and for a mapping that is there
        already, of which the request names but the id, the key is not known and so helps nobody.
        """
        if FUNCTION_ARN not in rule.condition_keys or "UUID" in parameters or "FunctionName" not in parameters:
            return {}
        named = await self._names.name("@function:FunctionName", parameters, call)
        qualified = named.arn.count(":") != _COLONS_OF_A_FUNCTION
        return {} if named.is_partial or qualified else {FUNCTION_ARN: (named.arn,)}

    async def _questions(
        self, service: str, operation: str, parameters: Mapping[str, object], call: Call
    ) -> list[_Question]:
        rule = operation_rule(service, operation)
        of_keys, of_keys_unknown = key_conditions(rule, parameters, call) if service == "kms" else ({}, ())
        resources = [await self._names.name(template, parameters, call) for template in rule.resources]
        function = await self._function_named(rule, parameters, call)
        unknown_keys = [key for key in unknown_keys_of(rule) if key not in function]
        questions = []
        for resource in resources or [NamedResource("*")]:
            # Tags of what other rooms keep are looked up if somebody asks (`_with_tags`); roles and users bring theirs;
            # groups and "*" have none.
            tags_known = resource.entity is not None or resource.is_never_tagged or not resources
            questions.append(
                _Question(
                    rule.action,
                    resource,
                    {**keys_of_request(rule, parameters, resource.entity), **of_keys, **function},
                    (*unknown_keys, *of_keys_unknown, *(() if tags_known else _RESOURCE_TAGS)),
                )
            )
        second = second_action(service, operation, parameters)
        if second is not None:
            # What is being made may have no ARN yet; then the permission is asked for on whatever it will be.
            made = [q if resources else replace(q, resource=NamedResource("*", is_partial=True)) for q in questions]
            questions += [replace(question, action=second) for question in made]
        for layer_arn in used_layers(service, operation, parameters):
            resource = await self._names.name("@arn:Layer", {"Layer": layer_arn}, call)
            questions.append(_Question("lambda:GetLayerVersion", resource, {}, _RESOURCE_TAGS))
        for action in delivering_logs(service, operation, parameters):
            questions.append(_Question(action, NamedResource("*"), {}, ()))
        handed = handed_key(service, operation, parameters)
        if handed is not None:
            key = await self._names.name("@kms_key:KeyId", {"KeyId": handed.name}, call)
            context, unknown = grant_conditions(handed.service, handed.name, call)
            questions.append(_Question("kms:CreateGrant", key, context, (*unknown, *_RESOURCE_TAGS)))
        for passed in passed_roles(service, operation, parameters):
            name = passed.role_arn.rpartition("/")[2]
            role = await self._names.name("@role:RoleName", {"RoleName": name}, call)
            same = role.entity is not None and role.entity.arn == passed.role_arn
            resource = role if same else NamedResource(passed.role_arn)
            keys: dict[str, tuple[str, ...]] = {"iam:passedtoservice": (passed.service,)}
            if resource.entity is not None:
                keys.update(keys_of_request(replace(rule, condition_keys=()), {}, resource.entity))
            questions.append(
                _Question(
                    "iam:PassRole", resource, keys, ("iam:associatedresourcearn", *(() if same else _RESOURCE_TAGS))
                )
            )
        return questions

    async def _ask(self, question: _Question, policies: PrincipalPolicies, call: Call) -> JudgedOperation:
        request = _request(question, policies, call)
        policies_of_service = self._resource_policies.get(_service_of(question.resource.arn))
        if policies_of_service is not None:
            policy = await policies_of_service.find(question.resource.arn)
            # What has no policy does not exist: who may ask for it is told so by the operation.
            must_allow = policy is not None and _service_of(question.resource.arn) in _POLICY_MUST_ALLOW
            request = replace(request, resource_policy=policy, resource_policy_must_allow=must_allow)
        return JudgedOperation(question.action, question.resource.arn, evaluate(await self._with_tags(request)))

    async def _with_tags(self, request: AuthorizationRequest) -> AuthorizationRequest:
        """The request with the resource's tags, if a policy reads them and they can be told."""
        source = self._resource_tags.get(_service_of(request.resource))
        if source is None or request.resource_is_partial or not _reads_tags(request):
            return request
        if not set(_RESOURCE_TAGS) <= set(request.unknown_keys):
            return request
        tags = await source.find(request.resource)
        if tags is None:
            return request
        prefixes = _RESOURCE_TAGS if request.resource.startswith("arn:aws:iam:") else _RESOURCE_TAGS[:1]
        return replace(
            request,
            context={
                **request.context,
                **{f"{prefix}{key.lower()}": (value,) for prefix in prefixes for key, value in tags.items()},
            },
            unknown_keys=tuple(key for key in request.unknown_keys if key not in _RESOURCE_TAGS),
        )


def _reads_tags(request: AuthorizationRequest) -> bool:
    own = request.policies
    several = [*own.identity, own.boundary, *(own.session or ()), request.resource_policy]
    return any(
        key.startswith(_RESOURCE_TAGS) for policy in several if policy is not None for key in policy.context_keys
    )


def _request(question: _Question, policies: PrincipalPolicies, call: Call) -> AuthorizationRequest:
    resource_account_id = _account_of(question.resource.arn, call.account_id)
    return AuthorizationRequest(
        principal=call.principal,
        action=question.action,
        resource=question.resource.arn,
        resource_account_id=resource_account_id,
        context=request_context(
            call.principal,
            now=call.now,
            source_ip=call.source_ip,
            user_agent=call.user_agent,
            secure_transport=call.secure_transport,
            region=call.region,
            called_via=call.called_via,
            extra={"aws:resourceaccount": (resource_account_id,), **question.keys},
        ),
        policies=policies,
        resource_is_partial=question.resource.is_partial,
        unknown_keys=question.unknown_keys,
    )


def _unjudged(question: _Question, call: Call, because: str) -> JudgedOperation:
    decision = allow_unjudged(_request(question, PrincipalPolicies(), call), because)
    return JudgedOperation(question.action, question.resource.arn, decision)


def _service_of(resource: str) -> str:
    try:
        return parse_arn(resource).service
    except InvalidArn:
        return ""


def _account_of(resource: str, account_id: str) -> str:
    """The account that owns the resource; AWS's own policies and resources without an account count as ours."""
    try:
        found = parse_arn(resource).account_id
    except InvalidArn:
        return account_id
    return account_id if found in {"", AWS_ACCOUNT} else found

"""What would happen: SimulateCustomPolicy and SimulatePrincipalPolicy, answered by the same `policy.evaluate`.

Which keys their context may need: GetContextKeysForCustomPolicy and GetContextKeysForPrincipalPolicy.

A simulation knows only the context that it is given, and, for a principal, who that is; nothing is taken from the
call itself. Keys that the policies read and nobody gave are `MissingContextValues`; their conditions are judged as for
an absent key. Each action is tried on each resource, one result each, in the order asked.

An action is a service's prefix, a colon and a name, without wildcards. Whether there is such an action is not looked
at: services that are not here can be simulated too (UNVERIFIED that AWS does the same).

Not simulated, and refused by name: Organizations' policies, EC2's resource handling options. A group is simulated as a
user who has nothing but the group's policies.

Source: IAM API Reference, SimulateCustomPolicy, SimulatePrincipalPolicy; IAM User Guide, "IAM policy testing with the
IAM policy simulator".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from velvetrope.arn import InvalidArn, parse_arn
from velvetrope.iam.access_keys import user_principal
from velvetrope.iam.aws_managed import is_aws_managed
from velvetrope.iam.entities import find_holder, no_such_entity, policy_name_of
from velvetrope.iam.errors import InvalidInput
from velvetrope.iam.gatherer import policies_of_entity
from velvetrope.iam.paging import page_of
from velvetrope.iam.policy_documents import parse_document
from velvetrope.operations import Answer, Call, operation
from velvetrope.policy import (
    AuthorizationRequest,
    Decision,
    Policy,
    PolicyKind,
    PrincipalPolicies,
    Statement,
    evaluate,
    statement_spans,
)
from velvetrope.principals import Principal
from velvetrope.store.tables.iam import EntityKind, Group, IamStore, PolicyHolder, Role, User

__all__ = ["ContextEntry", "SimulationOperations"]

_ACTION_NAME = re.compile(r"[A-Za-z0-9.\-]+:[A-Za-z0-9]+")
_INLINE = " inline "
_SOURCES: dict[str, EntityKind] = {"role": "role", "user": "user", "group": "group"}


class ContextEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One context key of the simulated request. The type says how to read the values; all of ours are text."""

    context_key_name: str
    context_key_values: tuple[str, ...] = ()
    context_key_type: str = "string"


@dataclass(frozen=True, slots=True)
class _Situation:
    """Everything but action and resource."""

    caller: Principal
    policies: PrincipalPolicies
    resource_policy: Policy | None
    resource_account_id: str
    context: dict[str, tuple[str, ...]]

    def decide(self, action: str, resource: str) -> Decision:
        return evaluate(
            AuthorizationRequest(
                principal=self.caller,
                action=action,
                resource=resource,
                resource_account_id=self.resource_account_id,
                context=self.context,
                policies=self.policies,
                resource_policy=self.resource_policy,
            )
        )

    def boundary_allows(self, action: str, resource: str) -> bool | None:
        """Whether the permissions boundary by itself would allow it; None if there is no boundary."""
        if self.policies.boundary is None:
            return None
        only = PrincipalPolicies(identity=(self.policies.boundary,))
        alone = _Situation(self.caller, only, None, self.caller.account_id, self.context)
        return alone.decide(action, resource).allowed


class SimulationOperations:
    """The policy simulator's two operations."""

    def __init__(self, store: IamStore) -> None:
        self._store = store

    @operation
    async def simulate_custom_policy(
        self,
        call: Call,
        *,
        policy_input_list: tuple[str, ...],
        action_names: tuple[str, ...],
        permissions_boundary_policy_input_list: tuple[str, ...] = (),
        resource_arns: tuple[str, ...] = ("*",),
        resource_policy: str | None = None,
        resource_owner: str | None = None,
        caller_arn: str | None = None,
        context_entries: tuple[ContextEntry, ...] = (),
        max_items: int | None = None,
        marker: str | None = None,
    ) -> Answer:
        """What a user with these policies could do."""
        _check_action_names(action_names)
        policies = PrincipalPolicies(
            identity=_parse_all(policy_input_list, "identity", "PolicyInputList"),
            boundary=_parse_boundary(permissions_boundary_policy_input_list),
        )
        caller = await self._caller(call, caller_arn)
        situation = _Situation(
            caller,
            policies,
            _parse_resource_policy(resource_policy),
            _owner_account(resource_owner, call.account_id),
            _context(caller if caller_arn is not None else None, context_entries),
        )
        return _answer(situation, action_names, resource_arns, marker=marker, max_items=max_items)

    @operation
    async def simulate_principal_policy(
        self,
        call: Call,
        *,
        policy_source_arn: str,
        action_names: tuple[str, ...],
        policy_input_list: tuple[str, ...] = (),
        permissions_boundary_policy_input_list: tuple[str, ...] = (),
        resource_arns: tuple[str, ...] = ("*",),
        resource_policy: str | None = None,
        resource_owner: str | None = None,
        caller_arn: str | None = None,
        context_entries: tuple[ContextEntry, ...] = (),
        max_items: int | None = None,
        marker: str | None = None,
    ) -> Answer:
        """What a role, a user or a group's users could do, with more policies or another boundary if given."""
        _check_action_names(action_names)
        source = await self._source(call, policy_source_arn)
        own = await policies_of_entity(self._store, source)
        boundary = _parse_boundary(permissions_boundary_policy_input_list)
        policies = PrincipalPolicies(
            identity=(*own.identity, *_parse_all(policy_input_list, "identity", "PolicyInputList")),
            boundary=own.boundary if boundary is None else boundary,
        )
        if caller_arn is None and not isinstance(source, Group):
            caller = _principal_of(source)
        else:
            caller = await self._caller(call, caller_arn)
        situation = _Situation(
            caller,
            policies,
            _parse_resource_policy(resource_policy),
            _owner_account(resource_owner, call.account_id),
            _context(caller, context_entries),
        )
        return _answer(situation, action_names, resource_arns, marker=marker, max_items=max_items)

    @operation
    async def get_context_keys_for_custom_policy(self, call: Call, *, policy_input_list: tuple[str, ...]) -> Answer:  # noqa: ARG002
        """Every context key that the policies read."""
        return _context_keys(_parse_all(policy_input_list, "identity", "PolicyInputList"))

    @operation
    async def get_context_keys_for_principal_policy(
        self, call: Call, *, policy_source_arn: str, policy_input_list: tuple[str, ...] = ()
    ) -> Answer:
        """Every context key that the policies of a role, user or group read, and those given beside them."""
        own = await policies_of_entity(self._store, await self._source(call, policy_source_arn))
        boundary = () if own.boundary is None else (own.boundary,)
        return _context_keys((*own.identity, *boundary, *_parse_all(policy_input_list, "identity", "PolicyInputList")))

    async def _source(self, call: Call, arn_text: str) -> PolicyHolder:
        try:
            arn = parse_arn(arn_text)
        except InvalidArn:
            raise InvalidInput(
                f"Invalid Entity Arn: {arn_text} does not clearly define entity type and name."
            ) from None
        kind = _SOURCES.get(arn.resource_type) if arn.service == "iam" else None
        if kind is None:
            raise _invalid_entity(arn_text)
        name = arn.resource.rpartition("/")[2]
        found = await find_holder(self._store, kind, call.account_id, name)
        if found is None or found.arn != arn_text:
            raise no_such_entity(kind, name)
        return found

    async def _caller(self, call: Call, caller_arn: str | None) -> Principal:
        if caller_arn is None:
            arn = call.arn("iam", "user/simulated", region="")
            return Principal("User", call.account_id, arn, arn, "AIDASIMULATED", "simulated")
        try:
            arn_parts = parse_arn(caller_arn)
        except InvalidArn:
            raise InvalidInput(f"Invalid caller ARN: {caller_arn}") from None
        if arn_parts.service != "iam" or arn_parts.resource_type != "user":
            raise InvalidInput("The caller of a simulation must be an IAM user.")
        name = arn_parts.resource.rpartition("/")[2]
        user = await self._store.load_user(arn_parts.account_id, name)
        if user is not None and user.arn == caller_arn:
            return user_principal(user)
        return Principal("User", arn_parts.account_id, caller_arn, caller_arn, "AIDASIMULATED", name)


def _check_action_names(names: Sequence[str]) -> None:
    """Refuse what cannot be an action's name.

    The prefix is required and wildcards are excluded by the API reference ("ActionNames.member.N"), and of the errors
    that the model lists only InvalidInput is about a value; text and code for this case are UNVERIFIED. Names of fewer
    than 3 or more than 128 characters the model has refused before.
    """
    for name in names:
        if _ACTION_NAME.fullmatch(name) is None:
            raise InvalidInput(f"Invalid action name: {name}")


def _invalid_entity(arn: str) -> InvalidInput:
    return InvalidInput(f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")


def _principal_of(source: Role | User) -> Principal:
    if isinstance(source, User):
        return user_principal(source)
    return Principal(
        kind="AssumedRole",
        account_id=source.account_id,
        arn=f"arn:aws:sts::{source.account_id}:assumed-role/{source.role_name}/simulated",
        policy_arn=source.arn,
        unique_id=f"{source.role_id}:simulated",
        name=source.role_name,
        tags=source.tags,
    )


def _context(caller: Principal | None, entries: Sequence[ContextEntry]) -> dict[str, tuple[str, ...]]:
    context: dict[str, tuple[str, ...]] = {}
    if caller is not None:
        context["aws:principalarn"] = (caller.policy_arn,)
        context["aws:principalaccount"] = (caller.account_id,)
        context["aws:principaltype"] = (caller.kind,)
        context["aws:userid"] = (caller.unique_id,)
        if caller.kind == "User":
            context["aws:username"] = (caller.name,)
        context.update((f"aws:principaltag/{key.lower()}", (value,)) for key, value in caller.tags.items())
    context.update((entry.context_key_name.lower(), entry.context_key_values) for entry in entries)
    return context


def _context_keys(policies: Sequence[Policy]) -> Answer:
    # In lower case, which is how keys are compared; AWS answers with the spelling of the policy.
    return {"context_key_names": sorted({key for policy in policies for key in policy.context_keys})}


def _parse_all(texts: Sequence[str], kind: PolicyKind, name: str) -> tuple[Policy, ...]:
    return tuple(
        parse_document(text, kind=kind, source=f"{name}.{number}") for number, text in enumerate(texts, start=1)
    )


def _parse_boundary(texts: Sequence[str]) -> Policy | None:
    if len(texts) > 1:
        raise InvalidInput("Only one permissions boundary can be simulated.")
    parsed = _parse_all(texts, "boundary", "PermissionsBoundaryPolicyInputList")
    return parsed[0] if parsed else None


def _parse_resource_policy(text: str | None) -> Policy | None:
    return None if text is None else _parse_all([text], "resource", "ResourcePolicy")[0]


def _owner_account(resource_owner: str | None, account_id: str) -> str:
    if resource_owner is None:
        return account_id
    try:
        return parse_arn(resource_owner).account_id or account_id
    except InvalidArn:
        raise InvalidInput(f"Invalid resource owner: {resource_owner}") from None


def _answer(
    situation: _Situation,
    actions: Sequence[str],
    resources: Sequence[str],
    *,
    marker: str | None,
    max_items: int | None,
) -> Answer:
    asked = [(action, resource) for action in actions for resource in resources]
    numbered = [(f"{number:08}", action, resource) for number, (action, resource) in enumerate(asked)]
    page = page_of(numbered, lambda row: row[0], marker=marker, max_items=max_items)
    return page.answer(
        "evaluation_results", [_result(situation, action, resource) for _, action, resource in page.items]
    )


def _result(situation: _Situation, action: str, resource: str) -> dict[str, object]:
    decision = situation.decide(action, resource)
    matched = [_render_statement(statement, decision) for statement in decision.matched_statements]
    read = {key for policy in decision.policies for key in policy.context_keys}
    missing = sorted(read - situation.context.keys())
    boundary_allows = situation.boundary_allows(action, resource)
    detail = None if boundary_allows is None else {"allowed_by_permissions_boundary": boundary_allows}
    return {
        "eval_action_name": action,
        "eval_resource_name": resource,
        "eval_decision": decision.outcome,
        "matched_statements": matched,
        "missing_context_values": missing,
        "permissions_boundary_decision_detail": detail,
        "resource_specific_results": [
            {
                "eval_resource_name": resource,
                "eval_resource_decision": decision.outcome,
                "matched_statements": matched,
                "missing_context_values": missing,
                "permissions_boundary_decision_detail": detail,
            }
        ],
    }


def _render_statement(statement: Statement, decision: Decision) -> dict[str, object]:
    text = next(policy.text for policy in decision.policies if statement in policy.statements)
    span = statement_spans(text)[statement.index - 1]
    policy_id, policy_type = _source_of(statement)
    return {
        "source_policy_id": policy_id,
        "source_policy_type": policy_type,
        "start_position": {"line": span.start.line, "column": span.start.column},
        "end_position": {"line": span.end.line, "column": span.end.column},
    }


def _source_of(statement: Statement) -> tuple[str, str]:
    """The policy's id and type as the simulator names them."""
    source = statement.source
    if source.startswith("arn:"):
        return policy_name_of(source), "aws-managed" if is_aws_managed(source) else "user-managed"
    if _INLINE in source:
        holder, _, name = source.partition(_INLINE)
        return name, holder.partition(" ")[0]
    return source, "resource" if statement.kind == "resource" else "none"

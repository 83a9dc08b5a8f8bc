"""Managed policies as session policies: `PolicyArns` of the operations that make sessions.

    policies = ManagedSessionPolicies(iam_store, aws_managed_policies)

They must be of the account whose session it is, or AWS's own. The session carries the documents as they are now: a
policy that is changed later limits the sessions that are made later. (UNVERIFIED how AWS does it; role and boundary are
looked up for every decision in any case.)

Source: AWS STS API reference, AssumeRole, PolicyArns.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from velvetrope.arn import InvalidArn, parse_arn
from velvetrope.sts.errors import ValidationError

__all__ = ["AwsPolicy", "ManagedPolicyStore", "ManagedSessionPolicies"]

_MAX_POLICIES: Final = 10


class PolicyVersionRecord(Protocol):
    """One version of a policy."""

    @property
    def document(self) -> str: ...


class ManagedPolicyRecord(Protocol):
    """As much of a customer's managed policy as a session needs."""

    @property
    def default_version(self) -> PolicyVersionRecord: ...


class ManagedPolicyStore(Protocol):
    """Where customers' managed policies are kept."""

    async def load_policies(self, arns: Sequence[str]) -> Mapping[str, ManagedPolicyRecord]:
        """Those that exist, by ARN."""
        ...


class AwsPolicy(Protocol):
    """One of AWS's own managed policies."""

    @property
    def document(self) -> str: ...


class ManagedSessionPolicies:
    """Finds managed policies for sessions. `aws_policies` gives AWS's own, by ARN."""

    def __init__(self, policies: ManagedPolicyStore, aws_policies: Callable[[], Mapping[str, AwsPolicy]]) -> None:
        self._policies = policies
        self._aws_policies = aws_policies

    async def load_documents(self, arns: Sequence[str], *, account_id: str) -> tuple[str, ...]:
        """The documents of these policies, each once, in their order.

        Raises:
            ValidationError: more than ten, or one that is not there for this account. (Texts UNVERIFIED.)
        """
        unique = tuple(dict.fromkeys(arns))
        if len(unique) > _MAX_POLICIES:
            raise ValidationError(f"PolicyArns can name {_MAX_POLICIES} managed policies at the most.")
        documents = {arn: policy.document for arn, policy in self._aws_policies().items() if arn in unique}
        own = [arn for arn in unique if arn not in documents and _is_policy_of(arn, account_id)]
        if own:
            found = await self._policies.load_policies(own)
            documents.update((arn, policy.default_version.document) for arn, policy in found.items())
        for arn in unique:
            if arn not in documents:
                raise ValidationError(f"Policy {arn} does not exist or is not attachable.")
        return tuple(documents[arn] for arn in unique)


def _is_policy_of(arn: str, account_id: str) -> bool:
    try:
        parsed = parse_arn(arn)
    except InvalidArn:
        return False
    return (parsed.service, parsed.account_id, parsed.resource_type) == ("iam", account_id, "policy")

"""What the operations that make sessions have in common: their parameters, their session policies, their answers."""

from collections.abc import Sequence

import msgspec

from velvetrope.arn import InvalidArn
from velvetrope.operations import Call
from velvetrope.principals import TemporaryCredentials
from velvetrope.sts.assumption import AssumedRole, role_arn_parts
from velvetrope.sts.errors import ValidationError
from velvetrope.sts.managed_policies import ManagedSessionPolicies
from velvetrope.sts.session_limits import check_session_policy

__all__ = [
    "PolicyDescriptor",
    "SessionPolicies",
    "Tag",
    "account_of_role",
    "render_credentials",
    "render_role_session",
    "request_keys",
]


class Tag(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One session tag."""

    key: str
    value: str


class PolicyDescriptor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A managed policy, named as a session policy."""

    arn: str


class SessionPolicies:
    """Session policies as calls pass them. Without `managed_policies` there are inline ones only."""

    def __init__(self, managed_policies: ManagedSessionPolicies | None) -> None:
        self._managed_policies = managed_policies

    async def load(
        self, policy: str | None, policy_arns: Sequence[PolicyDescriptor], *, account_id: str
    ) -> tuple[str, ...]:
        """The documents of the managed session policies; the inline one is checked along with them.

        Raises:
            MalformedPolicyDocument, PackedPolicyTooLarge: the inline policy is none, or too long.
            ValidationError: a managed policy that is not there for this account, or too many.
        """
        arns = [descriptor.arn for descriptor in policy_arns]
        check_session_policy(policy, arns)
        if not arns:
            return ()
        if self._managed_policies is None:
            raise ValidationError("PolicyArns is not supported by this velvetrope; an inline Policy is.")
        return await self._managed_policies.load_documents(arns, account_id=account_id)

    @staticmethod
    def together(policy: str | None, managed: tuple[str, ...]) -> tuple[str, ...] | None:
        """All session policies, inline and managed; None if none was passed."""
        return (managed if policy is None else (policy, *managed)) or None


def account_of_role(role_arn: str) -> str:
    """The account of a role by its ARN.

    Raises:
        ValidationError: not the ARN of a role.
    """
    try:
        return role_arn_parts(role_arn)[0].account_id
    except InvalidArn:
        raise ValidationError(f"{role_arn} is invalid") from None


def request_keys(call: Call) -> dict[str, tuple[str, ...]]:
    """The condition keys that the call itself fills in."""
    keys: dict[str, tuple[str, ...]] = {
        "aws:sourceip": (call.source_ip,),
        "aws:securetransport": ("true" if call.secure_transport else "false",),
        "aws:requestedregion": (call.region,),
    }
    if call.user_agent:
        keys["aws:useragent"] = (call.user_agent,)
    if call.called_via:
        keys["aws:calledvia"], keys["aws:viaawsservice"] = call.called_via, ("true",)
        keys["aws:calledviafirst"], keys["aws:calledvialast"] = call.called_via[:1], call.called_via[-1:]
    return keys


def render_role_session(assumed: AssumedRole) -> dict[str, object]:
    """A role session as answers show it."""
    return {
        "credentials": render_credentials(assumed.credentials),
        "assumed_role_user": {"assumed_role_id": assumed.principal.unique_id, "arn": assumed.principal.arn},
    }


def render_credentials(credentials: TemporaryCredentials) -> dict[str, object]:
    """Credentials as answers show them."""
    return {
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key.reveal(),
        "session_token": credentials.session_token,
        "expiration": credentials.expiration,
    }

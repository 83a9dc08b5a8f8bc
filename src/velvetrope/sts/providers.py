"""What STS is handed: the protocols that `server` fills in from other rooms.

STS knows neither how roles are stored nor how policies are gathered nor whose tokens it is shown.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from velvetrope.policy import PrincipalPolicies
from velvetrope.principals import Principal, SigningCredentials

__all__ = [
    "AccessKeyDirectory",
    "MultiFactorDevices",
    "PolicyGatherer",
    "RoleRecord",
    "RoleStore",
    "WebIdentity",
    "WebIdentityTokens",
]


class RoleRecord(Protocol):
    """As much of a role as an assumption needs."""

    @property
    def role_name(self) -> str: ...
    @property
    def role_id(self) -> str: ...
    @property
    def arn(self) -> str: ...
    @property
    def account_id(self) -> str: ...
    @property
    def assume_role_policy_document(self) -> str: ...
    @property
    def max_session_duration_seconds(self) -> int: ...
    @property
    def tags(self) -> Mapping[str, str]: ...


class RoleStore(Protocol):
    """Where roles are kept."""

    async def load_role(self, account_id: str, role_name: str) -> RoleRecord | None:
        """The role of this name, or None."""
        ...


class PolicyGatherer(Protocol):
    """Collects what a caller's own policies are."""

    async def policies_for(self, principal: Principal) -> PrincipalPolicies:
        """Identity policies, boundary and session policies of `principal`; nothing for one that is not known."""
        ...

    async def stands(self, principal: Principal) -> bool:
        """Whether the role or user of these credentials is still there, and still the same one."""
        ...


class AccessKeyDirectory(Protocol):
    """Knows long-term access keys."""

    async def find_access_key(self, access_key_id: str, now: datetime) -> SigningCredentials | None:
        """The active key of this id, or None."""
        ...


class MultiFactorDevices(Protocol):
    """Knows the MFA devices of IAM users, and spends their codes."""

    async def spend_token_code(self, caller: Principal, serial_number: str, token_code: str, now: datetime) -> None:
        """The caller has shown a code of a device of its own, which does not count again.

        Raises:
            velvetrope.errors.ReasonError: no such device of the caller's, or no code that counts. It may be shown.
        """
        ...


class WebIdentity(Protocol):
    """What a verified web identity token says: who, of which provider, and the condition keys it brings along."""

    @property
    def provider(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def audience(self) -> str: ...
    @property
    def claims(self) -> Mapping[str, tuple[str, ...]]: ...
    @property
    def tags(self) -> Mapping[str, str]: ...
    @property
    def transitive_tag_keys(self) -> tuple[str, ...]: ...
    @property
    def source_identity(self) -> str | None: ...


class WebIdentityTokens(Protocol):
    """Verifies the tokens of one web identity provider: identity pools."""

    async def verify_web_identity_token(self, token: str, *, now: datetime) -> WebIdentity:
        """The identity that `token` proves.

        Raises:
            velvetrope.tokens.InvalidToken: any of its kinds; IssuerMismatch for another provider's token.
        """
        ...

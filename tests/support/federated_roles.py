"""STS with roles that trust a provider, and nothing else beside it: no policies, no keys, no pools' tokens."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from velvetrope.clock import CountingEntropy
from velvetrope.operations import Call
from velvetrope.policy import PrincipalPolicies
from velvetrope.principals import ANONYMOUS, Principal, SigningCredentials
from velvetrope.sealing import MasterKeys
from velvetrope.sts import RoleAssumption, Sessions, StsOperations
from velvetrope.tokens import IssuerMismatch

ACCOUNT, OTHER_ACCOUNT = "123456789012", "999999999999"


@dataclass(frozen=True)
class FederatedRole:
    """A role as STS loads it."""

    assume_role_policy_document: str
    account_id: str
    role_name: str
    role_id: str
    max_session_duration_seconds: int

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account_id}:role/{self.role_name}"

    @property
    def tags(self) -> Mapping[str, str]:
        return {}


class _NoPolicies:
    async def stands(self, principal: Principal) -> bool:
        return True

    async def policies_for(self, principal: Principal) -> PrincipalPolicies:
        return PrincipalPolicies()


class _NoKeys:
    async def find_access_key(self, access_key_id: str, now: datetime) -> SigningCredentials | None:
        return None


class _NoPools:
    """No identity pool's tokens: everything is another issuer's."""

    async def verify_web_identity_token(self, token: str, *, now: datetime) -> Any:
        raise IssuerMismatch("not a pool's")


def trusting(provider: str, actions: Sequence[str], condition: Mapping[str, Any] | None) -> str:
    """A trust policy with one statement."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": list(actions),
        **({} if condition is None else {"Condition": condition}),
    }
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


class FederatedSts:
    """Operations over `roles`, with the verifiers that a test is about; and who holds what they hand out."""

    def __init__(self, roles: Any, **verifiers: Any) -> None:
        self.sessions = Sessions(MasterKeys.generate(CountingEntropy()), CountingEntropy())
        self.assumption = RoleAssumption(roles, self.sessions, _NoPolicies())
        self.operations = StsOperations(
            self.assumption,
            self.sessions,
            access_keys=_NoKeys(),
            web_identity_tokens=_NoPools(),
            **verifiers,
        )

    @staticmethod
    def call(now: datetime) -> Call:
        return Call(ANONYMOUS, ACCOUNT, "us-west-2", "request-1", now)

    def holder(self, answer: Mapping[str, Any], now: datetime) -> Principal:
        """Whose session the answer's credentials open."""
        given = answer["credentials"]
        return self.sessions.open(given["access_key_id"], given["session_token"], now).principal

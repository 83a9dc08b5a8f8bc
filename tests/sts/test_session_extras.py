"""Managed session policies, and encoded authorization messages."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from velvetrope.clock import CountingEntropy
from velvetrope.errors import ServiceError
from velvetrope.operations import Call
from velvetrope.policy import AuthorizationRequest, PrincipalPolicies, evaluate, parse_policy, request_context
from velvetrope.principals import ANONYMOUS, Principal, SigningCredentials
from velvetrope.sealing import MasterKeys
from velvetrope.sts import AuthorizationMessages, ManagedSessionPolicies, RoleAssumption, Sessions, StsOperations
from velvetrope.sts.errors import InvalidAuthorizationMessageException, PackedPolicyTooLarge, ValidationError
from velvetrope.sts.open_id_tokens import OpenIdIdentity
from velvetrope.sts.session_requests import PolicyDescriptor

ACCOUNT = "123456789012"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ALICE_ARN = f"arn:aws:iam::{ACCOUNT}:user/alice"
ALICE = Principal("User", ACCOUNT, ALICE_ARN, ALICE_ARN, "AIDAALICEALICEALICE1", name="alice")
MINE = f"arn:aws:iam::{ACCOUNT}:policy/team/Mine"
HUGE = f"arn:aws:iam::{ACCOUNT}:policy/Huge"
FOREIGN = "arn:aws:iam::999999999999:policy/Theirs"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnly"


def document(action: str, **more: Any) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@dataclass(frozen=True)
class Version:
    document: str


@dataclass(frozen=True)
class Stored:
    default_version: Version


@dataclass(frozen=True)
class OfAws:
    document: str


@dataclass(frozen=True)
class Role:
    role_name: str = "Demo"
    role_id: str = "AROADEMODEMODEMODEMO1"
    arn: str = f"arn:aws:iam::{ACCOUNT}:role/Demo"
    account_id: str = ACCOUNT
    max_session_duration_seconds: int = 3600
    assume_role_policy_document: str = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"AWS": ALICE_ARN}, "Action": "sts:AssumeRole"},
                {
                    "Effect": "Allow",
                    "Principal": {"Federated": "cognito-identity.amazonaws.com"},
                    "Action": "sts:AssumeRoleWithWebIdentity",
                },
            ],
        }
    )

    @property
    def tags(self) -> Mapping[str, str]:
        return {}


RANDOM_NAMES = [sha256(str(n).encode()).hexdigest() for n in range(200)]
POLICIES = {
    MINE: document("s3:GetObject"),
    # What is random does not deflate well.
    HUGE: document("s3:*", Resource=[f"arn:aws:s3:::{name}" for name in RANDOM_NAMES]),
    FOREIGN: document("*"),
}


class Iam:
    """One role, and policies of this account and of another."""

    async def load_role(self, account_id: str, role_name: str) -> Role | None:
        return Role() if (account_id, role_name) == (ACCOUNT, "Demo") else None

    async def load_policies(self, arns: Sequence[str]) -> Mapping[str, Stored]:
        return {arn: Stored(Version(POLICIES[arn])) for arn in arns if arn in POLICIES}

    async def stands(self, principal: Principal) -> bool:
        return True

    async def policies_for(self, principal: Principal) -> PrincipalPolicies:
        return PrincipalPolicies()

    async def find_access_key(self, access_key_id: str, now: datetime) -> SigningCredentials | None:
        return None

    async def verify_web_identity_token(self, token: str, *, now: datetime) -> OpenIdIdentity:
        return OpenIdIdentity("cognito-identity.amazonaws.com", "me", "pool", {}, {}, (), None)


@dataclass
class Sts:
    supports_managed: bool = True
    messages: AuthorizationMessages | None = None
    sessions: Sessions = field(
        default_factory=lambda: Sessions(MasterKeys.generate(CountingEntropy()), CountingEntropy())
    )

    def __post_init__(self) -> None:
        iam = Iam()
        aws = {READ_ONLY: OfAws(document("*:Get*"))}
        managed = ManagedSessionPolicies(iam, lambda: aws)
        self.operations = StsOperations(
            RoleAssumption(iam, self.sessions, iam),
            self.sessions,
            access_keys=iam,
            web_identity_tokens=iam,
            managed_policies=managed if self.supports_managed else None,
            authorization_messages=self.messages,
        )

    async def call(self, operation: str, *, caller: Principal = ALICE, arns: Sequence[str] = (), **members: Any) -> Any:
        if arns:
            members["policy_arns"] = tuple(PolicyDescriptor(arn=arn) for arn in arns)
        if operation.startswith("assume"):
            members = {"role_arn": Role().arn, "role_session_name": "s1", **members}
        return await getattr(self.operations, operation)(Call(caller, ACCOUNT, "us-west-2", "r", NOW), **members)

    def policies_of(self, answer: Mapping[str, Any]) -> tuple[str, ...] | None:
        given = answer["credentials"]
        session = self.sessions.open(given["access_key_id"], given["session_token"], NOW).principal.session
        assert session is not None
        return session.policies

    async def refused(self, kind: type[ServiceError], operation: str, **members: Any) -> str:
        with pytest.raises(kind) as refusal:
            await self.call(operation, **members)
        return refusal.value.message


NOTHING_OF_IAM_AND_STS = (
    '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":["iam:*","sts:*"],"Resource":"*"}}'
)
"""What limits every federated session, whatever it is given."""
OPERATIONS = pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("assume_role", {}),
        ("assume_role_with_web_identity", {"caller": ANONYMOUS, "web_identity_token": "x"}),
        ("get_federation_token", {"name": "fred"}),
    ],
)


@OPERATIONS
async def test_managed_policies_limit_the_session_with_the_inline_one(operation: str, members: dict[str, Any]) -> None:
    sts, inline = Sts(), document("s3:PutObject")

    answer = await sts.call(operation, arns=[MINE, READ_ONLY, MINE], policy=inline, **members)
    alone = await sts.call(operation, arns=[MINE], **members)

    always = (NOTHING_OF_IAM_AND_STS,) if operation == "get_federation_token" else ()
    assert sts.policies_of(answer) == (inline, POLICIES[MINE], document("*:Get*"), *always)
    assert sts.policies_of(alone) == (POLICIES[MINE], *always)


@OPERATIONS
@pytest.mark.parametrize(
    "arn", [FOREIGN, f"arn:aws:iam::{ACCOUNT}:policy/None", "arn:aws:iam::aws:policy/None", Role().arn, "x" * 20]
)
async def test_a_managed_policy_that_is_not_there_for_the_account_is_refused(
    operation: str, members: dict[str, Any], arn: str
) -> None:
    message = await Sts().refused(ValidationError, operation, arns=[MINE, arn], **members)

    assert message == f"Policy {arn} does not exist or is not attachable."


@OPERATIONS
async def test_without_managed_policies_at_hand_they_are_refused_by_name(
    operation: str, members: dict[str, Any]
) -> None:
    message = await Sts(supports_managed=False).refused(ValidationError, operation, arns=[MINE], **members)

    assert message.startswith("PolicyArns is not supported")


async def test_more_than_ten_managed_policies_are_refused() -> None:
    arns = [f"arn:aws:iam::{ACCOUNT}:policy/p{n}" for n in range(11)]

    assert "10 managed policies" in await Sts().refused(ValidationError, "assume_role", arns=arns)
    assert "does not exist" in await Sts().refused(ValidationError, "assume_role", arns=arns[:10])


async def test_policies_that_no_token_can_carry_are_refused() -> None:
    message = await Sts().refused(PackedPolicyTooLarge, "assume_role", arns=[HUGE])

    assert message.startswith("Packed managed policies consume")


@pytest.mark.parametrize(("length", "good"), [(2048, True), (2049, False)])
async def test_the_arns_count_as_plain_text_of_the_policy(length: int, good: bool) -> None:
    inline = document("s3:GetObject")
    padded = inline[:-1] + " " * (length - len(inline) - len(MINE)) + "}"
    call = Sts().call("assume_role", policy=padded, arns=[MINE])

    if good:
        assert await call
    else:
        with pytest.raises(PackedPolicyTooLarge):
            await call


# --- authorization messages -------------------------------------------------------------------------------------------


def refusal(*, reason: str = "s3:*") -> Any:
    policy = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Sid": "Never", "Effect": "Deny", "Action": reason, "Resource": "*"}],
        }
    )
    return evaluate(
        AuthorizationRequest(
            principal=ALICE,
            action="s3:GetObject",
            resource="arn:aws:s3:::b/k",
            resource_account_id=ACCOUNT,
            context=request_context(ALICE, now=NOW, source_ip="192.0.2.7"),
            policies=PrincipalPolicies(identity=(parse_policy(policy, kind="identity", source="mine"),)),
        )
    )


def messages() -> AuthorizationMessages:
    return AuthorizationMessages(MasterKeys.generate(CountingEntropy()), CountingEntropy())


async def test_a_message_says_why_to_who_may_read_it_and_nothing_to_who_holds_it() -> None:
    made = messages()
    text = made.encode(refusal())

    decoded = await Sts(messages=made).call("decode_authorization_message", encoded_message=text)

    found = json.loads(decoded["decoded_message"])
    assert (found["allowed"], found["explicitDeny"]) == (False, True)
    assert found["matchedStatements"] == {"items": [{"statementId": "Never", "sourceId": "mine"}]}
    assert found["context"]["principal"] == {"id": ALICE.unique_id, "arn": ALICE_ARN}
    assert (found["context"]["action"], found["context"]["resource"]) == ("s3:GetObject", "arn:aws:s3:::b/k")
    assert found["failures"]["items"]
    assert "GetObject" not in text


@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: "A" + t[1:], lambda t: "garbage", lambda t: "é"])
async def test_what_is_no_message_of_ours_is_refused(change: Any) -> None:
    made = messages()
    text = change(made.encode(refusal()))

    await Sts(messages=made).refused(
        InvalidAuthorizationMessageException, "decode_authorization_message", encoded_message=text
    )


async def test_where_no_messages_are_handed_out_none_is_ours() -> None:
    text = messages().encode(refusal())

    await Sts().refused(InvalidAuthorizationMessageException, "decode_authorization_message", encoded_message=text)

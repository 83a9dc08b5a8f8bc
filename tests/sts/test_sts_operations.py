"""The operations of STS: every permission with its refusal beside it, in AWS's words."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from velvetrope.clock import CountingEntropy
from velvetrope.errors import ServiceError
from velvetrope.operations import Call, implemented_operations
from velvetrope.policy import (
    AuthorizationRequest,
    Decision,
    PrincipalPolicies,
    evaluate,
    parse_policy,
    request_context,
)
from velvetrope.principals import ANONYMOUS, Principal, SigningCredentials
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.sts import (
    RoleAssumption,
    RoleNotAssumable,
    Sessions,
    StsOperations,
)
from velvetrope.sts.errors import (
    AccessDenied,
    ExpiredTokenException,
    InvalidAuthorizationMessageException,
    InvalidIdentityToken,
    InvalidParameterValue,
    MalformedPolicyDocument,
    PackedPolicyTooLarge,
    ValidationError,
)
from velvetrope.sts.session_requests import Tag
from velvetrope.tokens import (
    AudienceMismatch,
    InvalidToken,
    IssuerMismatch,
    NotAToken,
    TokenExpired,
    TokenSignatureMismatch,
    WrongTokenUse,
)

ACCOUNT = "123456789012"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/path/Demo"
COGNITO = "cognito-identity.amazonaws.com"
ROOT = Principal("Account", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
ALICE_ARN = f"arn:aws:iam::{ACCOUNT}:user/alice"
ALICE = Principal("User", ACCOUNT, ALICE_ARN, ALICE_ARN, "AIDAALICEALICEALICE1", name="alice")
MAY_ASSUME = {"Effect": "Allow", "Action": "sts:*", "Resource": "*"}


def document(*statements: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trusting(principal: object, *actions: str, condition: object = None) -> str:
    statement: dict[str, object] = {
        "Effect": "Allow",
        "Principal": principal,
        "Action": list(actions) or ["sts:AssumeRole"],
    }
    if condition is not None:
        statement["Condition"] = condition
    return document(statement)


TRUSTS_ACCOUNT = trusting({"AWS": ACCOUNT}, "sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")
TRUSTS_POOL = trusting(
    {"Federated": COGNITO},
    "sts:AssumeRoleWithWebIdentity",
    condition={
        "StringEquals": {f"{COGNITO}:aud": "us-west-2:pool"},
        "ForAnyValue:StringLike": {f"{COGNITO}:amr": "authenticated"},
    },
)


@dataclass(frozen=True)
class Role:
    assume_role_policy_document: str
    arn: str = ROLE_ARN
    role_name: str = "Demo"
    role_id: str = "AROADEMODEMODEMODEMO1"
    account_id: str = ACCOUNT
    max_session_duration_seconds: int = 3600
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Roles:
    roles: list[Role]

    async def load_role(self, account_id: str, role_name: str) -> Role | None:
        found = [role for role in self.roles if (role.account_id, role.role_name) == (account_id, role_name)]
        return found[0] if found else None


@dataclass
class Gatherer:
    identity: tuple[str, ...] = ()

    async def stands(self, principal: Principal) -> bool:
        return True

    async def policies_for(self, principal: Principal) -> PrincipalPolicies:
        session = principal.session
        return PrincipalPolicies(
            identity=tuple(parse_policy(text, kind="identity") for text in self.identity),
            session=None
            if session is None or session.policies is None
            else tuple(parse_policy(text, kind="session") for text in session.policies),
        )


class Keys:
    async def find_access_key(self, access_key_id: str, now: datetime) -> SigningCredentials | None:
        return SigningCredentials(access_key_id, Secret("s"), ALICE) if access_key_id == "AKIAALICE" else None


@dataclass(frozen=True)
class Verified:
    provider: str
    subject: str
    audience: str
    claims: Mapping[str, tuple[str, ...]]
    tags: Mapping[str, str]
    transitive_tag_keys: tuple[str, ...] = ()
    source_identity: str | None = None


@dataclass
class PoolTokens:
    """Knows one token, `good`; every other text is refused with the finding it is set to."""

    finding: InvalidToken = field(default_factory=NotAToken)
    tags: Mapping[str, str] = field(default_factory=dict)
    audience: str = "us-west-2:pool"
    amr: tuple[str, ...] = ("authenticated",)

    async def verify_web_identity_token(self, token: str, *, now: datetime) -> Verified:
        if token != "good":
            raise self.finding
        claims = {f"{COGNITO}:aud": (self.audience,), f"{COGNITO}:sub": ("us-west-2:me",), f"{COGNITO}:amr": self.amr}
        return Verified(COGNITO, "us-west-2:me", self.audience, claims, self.tags)


@dataclass
class Sts:
    """A service with one role, and how its answers are read."""

    trust: str = TRUSTS_ACCOUNT
    policies: tuple[str, ...] = (document(MAY_ASSUME),)
    role: dict[str, Any] = field(default_factory=dict)
    tokens: PoolTokens = field(default_factory=PoolTokens)

    def __post_init__(self) -> None:
        self.sessions = Sessions(MasterKeys.generate(CountingEntropy()), CountingEntropy())
        self.roles = Roles([Role(self.trust, **self.role)])
        self.assumption = RoleAssumption(self.roles, self.sessions, Gatherer(self.policies))
        self.operations = StsOperations(
            self.assumption, self.sessions, access_keys=Keys(), web_identity_tokens=self.tokens
        )

    async def assume(self, caller: Principal = ALICE, **changes: Any) -> dict[str, Any]:
        members = {"role_arn": ROLE_ARN, "role_session_name": "Sam", **changes}
        return dict(await self.operations.assume_role(call_by(caller), **members) or {})

    async def assume_with_token(self, token: str = "good", **changes: Any) -> dict[str, Any]:
        members = {"role_arn": ROLE_ARN, "role_session_name": "app", "web_identity_token": token, **changes}
        return dict(await self.operations.assume_role_with_web_identity(call_by(ANONYMOUS), **members) or {})

    def holder(self, answer: Mapping[str, Any], now: datetime = NOW) -> Principal:
        """Who the credentials of an answer stand for."""
        credentials = answer["credentials"]
        opened = self.sessions.open(credentials["access_key_id"], credentials["session_token"], now)
        assert opened.secret_access_key.reveal() == credentials["secret_access_key"]
        return opened.principal


def call_by(principal: Principal) -> Call:
    return Call(principal, ACCOUNT, "us-west-2", "request-1", NOW, source_ip="192.0.2.7")


def decide(principal: Principal, action: str, policies: PrincipalPolicies) -> Decision:
    return evaluate(
        AuthorizationRequest(
            principal=principal,
            action=action,
            resource="*",
            resource_account_id=ACCOUNT,
            context=request_context(principal, now=NOW, source_ip="192.0.2.7"),
            policies=policies,
        )
    )


# --- who am I ---------------------------------------------------------------------------------------------------------


async def test_the_caller_is_told_who_it_is() -> None:
    answer = await Sts().operations.get_caller_identity(call_by(ALICE))

    assert answer == {"user_id": "AIDAALICEALICEALICE1", "account": ACCOUNT, "arn": ALICE_ARN}


async def test_an_access_key_is_told_its_account() -> None:
    sts = Sts().operations

    assert await sts.get_access_key_info(call_by(ALICE), access_key_id="AKIAALICE") == {"account": ACCOUNT}
    assert await sts.get_access_key_info(call_by(ALICE), access_key_id="ASIAANYTHING") == {"account": ACCOUNT}


async def test_a_key_of_nobody_s_has_no_account() -> None:
    with pytest.raises(ValidationError):
        await Sts().operations.get_access_key_info(call_by(ALICE), access_key_id="AKIANOBODY")


# --- AssumeRole -------------------------------------------------------------------------------------------------------


async def test_a_trusted_caller_gets_the_role() -> None:
    sts = Sts()

    answer = await sts.assume()

    assert answer["assumed_role_user"] == {
        "assumed_role_id": "AROADEMODEMODEMODEMO1:Sam",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Demo/Sam",
    }
    assert answer["credentials"]["expiration"] == NOW + timedelta(hours=1)
    assert answer["packed_policy_size"] is None
    holder = sts.holder(answer)
    assert holder.kind == "AssumedRole"
    assert holder.policy_arn == ROLE_ARN
    assert holder.session is not None
    assert not holder.session.chained


REFUSED = f"User: {ALICE_ARN} is not authorized to perform: sts:AssumeRole on resource: {ROLE_ARN}"


@pytest.mark.parametrize(
    ("trust", "policies"),
    [
        pytest.param(TRUSTS_ACCOUNT, (), id="trusting the account delegates to its policies"),
        pytest.param(
            TRUSTS_ACCOUNT,
            (document(MAY_ASSUME), document({**MAY_ASSUME, "Effect": "Deny"})),
            id="an explicit deny of the caller's wins",
        ),
        pytest.param(trusting({"AWS": f"{ALICE_ARN}2"}), (document(MAY_ASSUME),), id="trusting somebody else"),
        pytest.param(trusting({"Service": "lambda.amazonaws.com"}), (document(MAY_ASSUME),), id="trusting a service"),
        pytest.param(TRUSTS_POOL, (document(MAY_ASSUME),), id="trusting an identity pool"),
        pytest.param("no policy at all", (document(MAY_ASSUME),), id="an unreadable trust policy"),
    ],
)
async def test_a_caller_who_is_not_trusted_is_refused(trust: str, policies: tuple[str, ...]) -> None:
    with pytest.raises(AccessDenied) as refusal:
        await Sts(trust, policies).assume()

    assert refusal.value.message == REFUSED


async def test_a_trust_policy_that_names_the_caller_is_enough() -> None:
    await Sts(trusting({"AWS": ALICE_ARN}), ()).assume()


async def test_a_role_that_does_not_exist_is_refused_in_the_same_words() -> None:
    other = f"arn:aws:iam::{ACCOUNT}:role/Nobody"

    with pytest.raises(AccessDenied) as refusal:
        await Sts().assume(role_arn=other)

    assert refusal.value.message == REFUSED.replace(ROLE_ARN, other)


async def test_a_role_is_not_found_without_its_path() -> None:
    with pytest.raises(AccessDenied):
        await Sts().assume(role_arn=f"arn:aws:iam::{ACCOUNT}:role/Demo")


@pytest.mark.parametrize(
    "arn", ["x" * 20, f"arn:aws:iam::{ACCOUNT}:user/alice", "arn:aws:iam::x:role/Demo", f"arn:aws:s3::{ACCOUNT}:role/D"]
)
async def test_what_is_no_role_arn_is_invalid(arn: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        await Sts().assume(role_arn=arn)

    assert refusal.value.message == f"{arn} is invalid"


async def test_the_root_user_assumes_no_role() -> None:
    with pytest.raises(AccessDenied) as refusal:
        await Sts().assume(ROOT)

    assert refusal.value.message == "Roles may not be assumed by root accounts."


@pytest.mark.parametrize(("seconds", "good"), [(7200, True), (7201, False)])
async def test_a_session_lasts_no_longer_than_the_role_allows(seconds: int, good: bool) -> None:
    sts = Sts(role={"max_session_duration_seconds": 7200})

    if good:
        answer = await sts.assume(duration_seconds=seconds)
        assert answer["credentials"]["expiration"] == NOW + timedelta(seconds=seconds)
    else:
        with pytest.raises(ValidationError) as refusal:
            await sts.assume(duration_seconds=seconds)
        assert (
            refusal.value.message == "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )


@pytest.mark.parametrize(("seconds", "good"), [(3600, True), (3601, False)])
async def test_a_chained_session_lasts_an_hour_at_the_most(seconds: int, good: bool) -> None:
    sts = Sts(role={"max_session_duration_seconds": 43_200})
    first = sts.holder(await sts.assume())

    if good:
        second = sts.holder(await sts.assume(first, duration_seconds=seconds))
        assert second.session is not None
        assert second.session.chained
    else:
        with pytest.raises(ValidationError) as refusal:
            await sts.assume(first, duration_seconds=seconds)
        assert refusal.value.message == (
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        )


async def test_an_external_id_must_be_the_one_that_the_trust_policy_asks_for() -> None:
    trust = trusting({"AWS": ALICE_ARN}, condition={"StringEquals": {"sts:ExternalId": "secret-7"}})

    await Sts(trust).assume(external_id="secret-7")
    for wrong in ("secret-8", None):
        with pytest.raises(AccessDenied):
            await Sts(trust).assume(external_id=wrong)


async def test_a_trust_policy_may_ask_where_the_caller_is() -> None:
    for address, good in (("192.0.2.0/24", True), ("198.51.100.0/24", False)):
        sts = Sts(trusting({"AWS": ALICE_ARN}, condition={"IpAddress": {"aws:SourceIp": address}}))
        if good:
            await sts.assume()
        else:
            with pytest.raises(AccessDenied):
                await sts.assume()


# --- session policies, tags, source identity --------------------------------------------------------------------------


async def test_a_session_policy_travels_in_the_token() -> None:
    sts = Sts()
    policy = document({"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"})

    answer = await sts.assume(policy=policy)

    holder = sts.holder(answer)
    assert holder.session is not None
    assert holder.session.policies == (policy,)
    assert 0 < answer["packed_policy_size"] <= 100


async def test_a_session_policy_that_is_none_is_refused() -> None:
    with pytest.raises(MalformedPolicyDocument):
        await Sts().assume(policy='{"Statement": "everything"}')


async def test_a_session_policy_of_more_than_2048_characters_is_refused() -> None:
    policy = document({"Effect": "Allow", "Action": "a:b", "Resource": "*"})
    longest = policy[:-1] + " " * (2048 - len(policy)) + "}"

    await Sts().assume(policy=longest)
    with pytest.raises(PackedPolicyTooLarge) as refusal:
        await Sts().assume(policy=longest[:-1] + " }")

    assert refusal.value.message == "Packed policy consumes 101% of allotted space, please use smaller policy."


async def test_session_tags_travel_in_the_token() -> None:
    sts = Sts(role={"tags": {"team": "red", "cost": "1"}})

    holder = sts.holder(await sts.assume(tags=(Tag(key="team", value="blue"),)))

    assert holder.session is not None
    assert holder.session.tags == {"team": "blue"}
    context = request_context(holder, now=NOW, source_ip="")
    assert context["aws:principaltag/team"] == ("blue",)
    assert context["aws:principaltag/cost"] == ("1",)


async def test_tags_need_permission_to_tag() -> None:
    trust = trusting({"AWS": ALICE_ARN}, "sts:AssumeRole")

    with pytest.raises(AccessDenied) as refusal:
        await Sts(trust).assume(tags=(Tag(key="team", value="blue"),))

    assert refusal.value.message == REFUSED.replace("sts:AssumeRole", "sts:TagSession")


async def test_the_trust_policy_may_say_which_tags() -> None:
    trust = trusting(
        {"AWS": ALICE_ARN},
        "sts:AssumeRole",
        "sts:TagSession",
        condition={
            "StringEquals": {"aws:RequestTag/team": "blue"},
            "ForAllValues:StringEquals": {"aws:TagKeys": "team"},
        },
    )

    await Sts(trust).assume(tags=(Tag(key="team", value="blue"),))
    for wrong in (
        (Tag(key="team", value="red"),),
        (Tag(key="team", value="blue"), Tag(key="more", value="x")),
    ):
        with pytest.raises(AccessDenied):
            await Sts(trust).assume(tags=wrong)


@pytest.mark.parametrize(
    ("tags", "transitive", "message"),
    [
        (
            (Tag(key="Team", value="a"), Tag(key="team", value="b")),
            (),
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        ),
        (
            (Tag(key="team", value="a"),),
            ("other",),
            "The specified transitive tag key must be included in the requested tags.",
        ),
        (
            (Tag(key="AWS:team", value="a"),),
            (),
            "One of the tag keys is reserved: keys that begin with aws: belong to AWS.",
        ),
    ],
)
async def test_tags_that_break_a_rule_are_refused(
    tags: tuple[Tag, ...], transitive: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InvalidParameterValue) as refusal:
        await Sts().assume(tags=tags, transitive_tag_keys=transitive)

    assert refusal.value.message == message


async def test_tags_that_are_too_many_to_carry_are_refused() -> None:
    import hashlib

    tags = tuple(Tag(key=f"k{i}", value=hashlib.sha512(str(i).encode()).hexdigest()) for i in range(40))

    with pytest.raises(PackedPolicyTooLarge) as refusal:
        await Sts().assume(tags=tags)

    assert refusal.value.message.startswith("Packed size of session tags consumes ")


async def test_a_transitive_tag_goes_with_the_session_into_the_next_role() -> None:
    sts = Sts()
    first = sts.holder(
        await sts.assume(
            tags=(Tag(key="Team", value="blue"), Tag(key="here", value="only")), transitive_tag_keys=("Team",)
        )
    )

    second = sts.holder(await sts.assume(first))

    assert second.session is not None
    assert second.session.tags == {"Team": "blue"}
    assert second.session.transitive_tag_keys == ("Team",)


async def test_a_role_that_lets_no_tags_in_is_closed_to_a_session_that_brings_transitive_ones() -> None:
    sts = Sts()
    first = sts.holder(await sts.assume(tags=(Tag(key="Team", value="blue"),), transitive_tag_keys=("Team",)))
    untagged = sts.holder(await sts.assume(tags=(Tag(key="Team", value="blue"),)))
    sts.roles.roles[0] = Role(trusting({"AWS": ACCOUNT}))

    with pytest.raises(AccessDenied) as refusal:
        await sts.assume(first)

    assert refusal.value.message.endswith(f"is not authorized to perform: sts:TagSession on resource: {ROLE_ARN}")
    assert sts.holder(await sts.assume(untagged)).session is not None


async def test_a_transitive_tag_cannot_be_changed_on_the_way() -> None:
    sts = Sts()
    first = sts.holder(await sts.assume(tags=(Tag(key="Team", value="blue"),), transitive_tag_keys=("Team",)))

    with pytest.raises(InvalidParameterValue) as refusal:
        await sts.assume(first, tags=(Tag(key="team", value="red"),))

    assert refusal.value.message == (
        "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key "
        "from the calling session."
    )


async def test_a_source_identity_stays_through_the_chain_and_cannot_be_changed() -> None:
    sts = Sts()
    first = sts.holder(await sts.assume(source_identity="alice"))

    answer = await sts.assume(first)

    second = sts.holder(answer)
    assert second.session is not None
    assert second.session.source_identity == "alice"
    assert answer["source_identity"] == "alice"
    with pytest.raises(AccessDenied) as refusal:
        await sts.assume(first, source_identity="mallory")
    assert "sts:SetSourceIdentity" in refusal.value.message


async def test_a_source_identity_needs_permission() -> None:
    with pytest.raises(AccessDenied) as refusal:
        await Sts(trusting({"AWS": ALICE_ARN})).assume(source_identity="alice")

    assert refusal.value.message == REFUSED.replace("sts:AssumeRole", "sts:SetSourceIdentity")


# --- AssumeRoleWithWebIdentity ----------------------------------------------------------------------------------------


async def test_a_pool_s_token_gets_the_role_that_trusts_the_pool() -> None:
    sts = Sts(TRUSTS_POOL)

    answer = await sts.assume_with_token()

    assert answer["subject_from_web_identity_token"] == "us-west-2:me"
    assert answer["audience"] == "us-west-2:pool"
    assert answer["provider"] == COGNITO
    holder = sts.holder(answer)
    assert holder.session is not None
    assert holder.session.policies is None
    assert holder.session.federated_provider == COGNITO
    context = request_context(holder, now=NOW, source_ip="")
    assert context[f"{COGNITO}:sub"] == ("us-west-2:me",)
    assert context["aws:federatedprovider"] == (COGNITO,)


@pytest.mark.parametrize(
    ("trust", "tokens"),
    [
        pytest.param(TRUSTS_POOL, PoolTokens(audience="us-west-2:other"), id="another pool"),
        pytest.param(TRUSTS_POOL, PoolTokens(amr=("unauthenticated",)), id="a guest"),
        pytest.param(
            trusting({"Federated": "accounts.google.com"}, "sts:AssumeRoleWithWebIdentity"),
            PoolTokens(),
            id="a role that trusts somebody else",
        ),
        pytest.param(trusting({"Federated": COGNITO}, "sts:AssumeRole"), PoolTokens(), id="another action"),
        pytest.param(TRUSTS_ACCOUNT, PoolTokens(), id="a role that trusts the account"),
        pytest.param(TRUSTS_POOL, PoolTokens(tags={"team": "blue"}), id="tags without permission to tag"),
    ],
)
async def test_a_token_that_the_trust_policy_does_not_admit_is_refused(trust: str, tokens: PoolTokens) -> None:
    with pytest.raises(AccessDenied) as refusal:
        await Sts(trust, tokens=tokens).assume_with_token()

    assert refusal.value.message == "Not authorized to perform sts:AssumeRoleWithWebIdentity"


async def test_a_token_for_a_role_that_does_not_exist_is_refused_in_the_same_words() -> None:
    with pytest.raises(AccessDenied) as refusal:
        await Sts(TRUSTS_POOL).assume_with_token(role_arn=f"arn:aws:iam::{ACCOUNT}:role/Nobody")

    assert refusal.value.message == "Not authorized to perform sts:AssumeRoleWithWebIdentity"


async def test_a_web_identity_session_lasts_no_longer_than_the_role_allows() -> None:
    with pytest.raises(ValidationError):
        await Sts(TRUSTS_POOL).assume_with_token(duration_seconds=3601)


FOREIGN = "e30.eyJpc3MiOiJodHRwczovL2V2aWwuZXhhbXBsZSJ9.x"
EXPIRED = TokenExpired(expired_at=NOW - timedelta(seconds=10), now=NOW)
NOT_A_JWT = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"


@pytest.mark.parametrize(
    ("token", "finding", "kind", "message"),
    [
        ("x.y.z", NotAToken(), InvalidIdentityToken, NOT_A_JWT),
        ("x.y.z", WrongTokenUse(), InvalidIdentityToken, NOT_A_JWT),
        (
            FOREIGN,
            IssuerMismatch(),
            InvalidIdentityToken,
            "No OpenIDConnect provider found in your account for https://evil.example",
        ),
        ("x.y.z", AudienceMismatch(), InvalidIdentityToken, "Incorrect token audience"),
        (
            "x.y.z",
            TokenSignatureMismatch(),
            InvalidIdentityToken,
            (
                "Couldn't retrieve verification key from your identity provider,  please reference "
                "AssumeRoleWithWebIdentity documentation for requirements"
            ),
        ),
        (
            "x.y.z",
            EXPIRED,
            ExpiredTokenException,
            "Token expired: current date/time 1767323045 must be before the expiration date/time 1767323035",
        ),
    ],
)
async def test_a_token_that_is_not_good_is_refused(
    token: str, finding: InvalidToken, kind: type[ServiceError], message: str
) -> None:
    with pytest.raises(kind) as refusal:
        await Sts(TRUSTS_POOL, tokens=PoolTokens(finding)).assume_with_token(token)

    assert refusal.value.message == message


# --- GetSessionToken, GetFederationToken ------------------------------------------------------------------------------


async def test_a_user_gets_a_session_token_for_twelve_hours() -> None:
    sts = Sts()

    answer: dict[str, Any] = dict(await sts.operations.get_session_token(call_by(ALICE)) or {})

    assert answer["credentials"]["expiration"] == NOW + timedelta(hours=12)
    holder = sts.holder(answer)
    assert (holder.kind, holder.arn, holder.unique_id, holder.name) == (
        "User",
        ALICE_ARN,
        "AIDAALICEALICEALICE1",
        "alice",
    )


@pytest.mark.parametrize(
    ("action", "allowed"),
    [
        ("execute-api:Invoke", True),
        ("sts:AssumeRole", True),
        ("iam:CreateUser", False),
        ("sts:GetFederationToken", False),
    ],
)
async def test_a_session_token_calls_neither_iam_nor_most_of_sts(action: str, allowed: bool) -> None:
    everything = document({"Effect": "Allow", "Action": "*", "Resource": "*"})
    sts = Sts(policies=(everything,))
    holder = sts.holder(dict(await sts.operations.get_session_token(call_by(ALICE)) or {}))
    root = sts.holder(dict(await sts.operations.get_session_token(call_by(ROOT)) or {}))

    policies = await Gatherer((everything,)).policies_for(holder)

    assert decide(holder, action, policies).allowed is allowed
    assert decide(root, action, await Gatherer().policies_for(root)).allowed is allowed


async def test_the_root_user_s_session_token_lasts_an_hour() -> None:
    answer: dict[str, Any] = dict(
        await Sts().operations.get_session_token(call_by(ROOT), duration_seconds=43_200) or {}
    )

    assert answer["credentials"]["expiration"] == NOW + timedelta(hours=1)


async def test_temporary_credentials_get_neither_session_nor_federation_token() -> None:
    sts = Sts()
    role = sts.holder(await sts.assume())
    user = sts.holder(dict(await sts.operations.get_session_token(call_by(ALICE)) or {}))

    for caller in (role, user):
        with pytest.raises(AccessDenied) as refusal:
            await sts.operations.get_session_token(call_by(caller))
        assert refusal.value.message == "Cannot call GetSessionToken with session credentials"
        with pytest.raises(AccessDenied) as refusal:
            await sts.operations.get_federation_token(call_by(caller), name="bob")
        assert refusal.value.message == "Cannot call GetFederationToken with session credentials"


async def test_a_federated_user_may_do_what_the_user_and_the_passed_policy_may() -> None:
    sts = Sts()
    policy = document({"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"})

    answer = dict(await sts.operations.get_federation_token(call_by(ALICE), name="bob", policy=policy) or {})

    assert answer["federated_user"] == {
        "federated_user_id": f"{ACCOUNT}:bob",
        "arn": f"arn:aws:sts::{ACCOUNT}:federated-user/bob",
    }
    holder = sts.holder(answer)
    assert (holder.kind, holder.name) == ("FederatedUser", "alice")
    assert holder.session is not None
    assert (holder.session.issuer_arn, holder.session.issuer_id) == (ALICE.arn, ALICE.unique_id)
    everything = document({"Effect": "Allow", "Action": "*", "Resource": "*"})
    assert decide(holder, "execute-api:Invoke", await Gatherer((everything,)).policies_for(holder)).allowed
    assert not decide(holder, "s3:GetObject", await Gatherer((everything,)).policies_for(holder)).allowed
    assert not decide(holder, "execute-api:Invoke", await Gatherer().policies_for(holder)).allowed


@pytest.mark.parametrize("action", ["iam:ListUsers", "sts:AssumeRole", "sts:GetSessionToken"])
async def test_a_federated_user_calls_neither_iam_nor_sts(action: str) -> None:
    everything = document({"Effect": "Allow", "Action": "*", "Resource": "*"})
    sts = Sts(policies=(everything,))
    for caller in (ALICE, ROOT):
        answer = dict(await sts.operations.get_federation_token(call_by(caller), name="bob", policy=everything) or {})
        holder = sts.holder(answer)

        policies = await Gatherer((everything,)).policies_for(holder)

        assert decide(holder, action, policies).because == "with an explicit deny in a session policy"
        assert decide(holder, "sqs:SendMessage", policies).allowed
        assert (await sts.operations.get_caller_identity(call_by(holder)) or {})["arn"] == holder.arn
        with pytest.raises(AccessDenied):
            await sts.assume(holder)


async def test_a_federated_user_without_a_policy_may_do_nothing() -> None:
    sts = Sts()
    everything = document({"Effect": "Allow", "Action": "*", "Resource": "*"})

    answer = dict(await sts.operations.get_federation_token(call_by(ALICE), name="bob") or {})

    assert answer["packed_policy_size"] == 0
    holder = sts.holder(answer)
    assert not decide(holder, "execute-api:Invoke", await Gatherer((everything,)).policies_for(holder)).allowed


# --- roles for services and identities --------------------------------------------------------------------------------


async def test_a_service_gets_a_role_that_trusts_it() -> None:
    sts = Sts(trusting({"Service": "lambda.amazonaws.com"}))

    credentials = await sts.assumption.assume_role_for_service(
        ROLE_ARN,
        service="lambda.amazonaws.com",
        session_name="hello",
        duration_seconds=43_200,
        now=NOW,
        source_function_arn="arn:aws:lambda:us-west-2:123456789012:function:hello",
    )

    holder = sts.sessions.open(credentials.access_key_id, credentials.session_token, NOW).principal
    assert holder.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/Demo/hello"
    assert holder.session is not None
    assert holder.session.source_function_arn == "arn:aws:lambda:us-west-2:123456789012:function:hello"


@pytest.mark.parametrize("trust", [TRUSTS_ACCOUNT, trusting({"Service": "apigateway.amazonaws.com"}), TRUSTS_POOL])
async def test_a_service_does_not_get_a_role_that_trusts_another(trust: str) -> None:
    with pytest.raises(RoleNotAssumable):
        await Sts(trust).assumption.assume_role_for_service(
            ROLE_ARN, service="lambda.amazonaws.com", session_name="x", duration_seconds=900, now=NOW
        )


async def test_a_service_does_not_get_a_role_that_does_not_exist() -> None:
    for arn in ("nonsense", f"arn:aws:iam::{ACCOUNT}:role/Nobody", "arn:aws:iam::999999999999:role/path/Demo"):
        with pytest.raises(RoleNotAssumable):
            await Sts().assumption.assume_role_for_service(
                arn, service="lambda.amazonaws.com", session_name="x", duration_seconds=900, now=NOW
            )


async def test_what_a_provider_claims_cannot_pose_as_a_key_of_aws() -> None:
    trust = trusting(
        {"Federated": COGNITO},
        "sts:AssumeRoleWithWebIdentity",
        condition={"StringEquals": {"aws:PrincipalAccount": ACCOUNT}},
    )

    with pytest.raises(RoleNotAssumable):
        await Sts(trust).assumption.assume_role_for_identity(
            ROLE_ARN,
            provider=COGNITO,
            claims={"aws:PrincipalAccount": (ACCOUNT,)},
            session_name="x",
            tags={},
            session_policies=None,
            duration_seconds=3600,
            now=NOW,
        )


def test_every_operation_is_marked() -> None:
    assert sorted(implemented_operations(Sts().operations)) == [
        "assume_role",
        "assume_role_with_saml",
        "assume_role_with_web_identity",
        "decode_authorization_message",
        "get_access_key_info",
        "get_caller_identity",
        "get_federation_token",
        "get_session_token",
    ]


def test_our_codes_and_statuses_are_those_of_the_model() -> None:
    import botocore.loaders

    model = botocore.loaders.Loader().load_service_model("sts", "service-2")
    modelled = {
        shape["error"]["code"]: shape["error"]["httpStatusCode"]
        for shape in model["shapes"].values()
        if shape.get("exception")
    }

    for kind in (
        MalformedPolicyDocument,
        PackedPolicyTooLarge,
        InvalidIdentityToken,
        ExpiredTokenException,
        InvalidAuthorizationMessageException,
    ):
        assert modelled[kind.code] == kind.http_status

"""AssumeRoleWithSAML: whom a provider's word makes what, and every way to be refused."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.federated_roles import ACCOUNT, OTHER_ACCOUNT, FederatedRole, FederatedSts, trusting
from support.saml import ATTRIBUTE, OTHER_KEY, SERVICE_KEY, SIGN_IN, Provider, Response
from support.saml import PROVIDER_ARN as PROVIDER
from velvetrope.errors import ServiceError
from velvetrope.policy import request_context
from velvetrope.principals import Principal
from velvetrope.sts import SamlAssertions

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Staff"
AFFILIATION = "urn:oid:1.3.6.1.4.1.5923.1.1.1.1"
ATTRIBUTES: dict[str, list[str]] = {
    f"{ATTRIBUTE}Role": [f"arn:aws:iam::{ACCOUNT}:role/Other,{PROVIDER}", f"{ROLE},{PROVIDER}"],
    f"{ATTRIBUTE}RoleSessionName": ["carol"],
}
GOOD = Response(now=NOW, attributes=ATTRIBUTES)
REFUSED = ("AccessDenied", 403, "Not authorized to perform sts:AssumeRoleWithSAML")


def saying(**attributes: list[str] | None) -> Response:
    """A response with some of AWS's attributes changed, or left out if None."""
    changed = {**ATTRIBUTES, **{f"{ATTRIBUTE}{name}": values for name, values in attributes.items()}}
    return replace(GOOD, attributes={name: values for name, values in changed.items() if values is not None})


def tagged(tags: Mapping[str, str], *, transitive: list[str] | None = None) -> Response:
    named = {f"{ATTRIBUTE}PrincipalTag:{key}": [value] for key, value in tags.items()}
    more = {} if transitive is None else {f"{ATTRIBUTE}TransitiveTagKeys": transitive}
    return replace(GOOD, attributes={**ATTRIBUTES, **named, **more})


@dataclass
class World:
    provider: Provider | None = field(default_factory=Provider)
    actions: list[str] = field(default_factory=lambda: ["sts:AssumeRoleWithSAML"])
    condition: dict[str, Any] = field(default_factory=lambda: {"StringEquals": {"SAML:aud": SIGN_IN}})
    trusted: str = PROVIDER
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.sts = FederatedSts(self, saml_assertions=SamlAssertions(self, region="us-west-2"))

    async def find_saml_provider(self, arn: str) -> Provider | None:
        return self.provider if self.provider is not None and self.provider.arn == arn else None

    async def load_role(self, account_id: str, role_name: str) -> FederatedRole | None:
        if role_name != "Staff":
            return None
        trust = trusting(self.trusted, self.actions, self.condition)
        return FederatedRole(trust, account_id, "Staff", "AROASTAFFSTAFFSTAFF12", 7200)

    async def assume(self, response: Response | str = GOOD, **members: Any) -> dict[str, Any]:
        asked = {
            "role_arn": ROLE,
            "principal_arn": PROVIDER,
            "saml_assertion": response if isinstance(response, str) else response.encoded(),
            **members,
        }
        answer = await self.sts.operations.assume_role_with_saml(self.sts.call(self.now), **asked)
        assert answer is not None
        return dict(answer)

    async def refusal(self, response: Response | str = GOOD, **members: Any) -> tuple[str, int, str]:
        with pytest.raises(ServiceError) as error:
            await self.assume(response, **members)
        return error.value.code, error.value.http_status, error.value.message

    def holder(self, answer: dict[str, Any]) -> Principal:
        return self.sts.holder(answer, self.now)


async def test_a_person_whom_the_provider_vouches_for_gets_the_role() -> None:
    world = World()
    answer = await world.assume()

    assert answer["assumed_role_user"] == {
        "assumed_role_id": "AROASTAFFSTAFFSTAFF12:carol",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Staff/carol",
    }
    assert (answer["subject"], answer["subject_type"]) == ("carol@example.com", "persistent")
    assert (answer["issuer"], answer["audience"]) == ("https://idp.example.com/metadata", SIGN_IN)
    assert answer["credentials"]["expiration"] == NOW + timedelta(hours=1)
    assert answer["packed_policy_size"] is None


async def test_the_name_qualifier_is_made_as_aws_documents_it() -> None:
    """BASE64(SHA1(issuer + account id + "/" + provider's name)), computed apart from the code: `openssl dgst -sha1`."""
    answer = await World().assume()

    assert answer["name_qualifier"] == "BDIXzcvjxw+r6FT3NFjtWlHOzxY="


async def test_who_the_person_is_stays_with_the_session_and_what_else_was_said_does_not() -> None:
    world = World()
    attributes = {**ATTRIBUTES, AFFILIATION: ["staff", "alumni"]}
    answer = await world.assume(replace(GOOD, attributes=attributes))
    keys = request_context(world.holder(answer), now=NOW, source_ip="")

    assert keys["saml:sub"] == ("carol@example.com",)
    assert keys["saml:sub_type"] == ("persistent",)
    assert keys["saml:namequalifier"] == (answer["name_qualifier"],)
    assert keys["aws:federatedprovider"] == (PROVIDER,)
    assert not {"saml:aud", "saml:iss", "saml:doc", "saml:edupersonaffiliation"} & keys.keys()


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ({"StringEquals": {"SAML:aud": SIGN_IN}}, True),
        ({"StringEquals": {"SAML:aud": "https://elsewhere.example.org"}}, False),
        ({"StringEquals": {"SAML:iss": "https://idp.example.com/metadata"}}, True),
        ({"StringEquals": {"SAML:iss": "https://idp.example.org"}}, False),
        ({"StringEquals": {"SAML:sub_type": "persistent"}}, True),
        ({"StringEquals": {"SAML:sub_type": "transient"}}, False),
        ({"StringEquals": {"SAML:doc": f"{ACCOUNT}/corp"}}, True),
        ({"StringLike": {"SAML:sub": "*@example.com"}}, True),
        ({"StringLike": {"SAML:sub": "*@example.org"}}, False),
        ({"ForAnyValue:StringEquals": {"SAML:edupersonaffiliation": "staff"}}, True),
        ({"ForAnyValue:StringEquals": {"SAML:edupersonaffiliation": "student"}}, False),
        ({"ForAllValues:StringLike": {"SAML:edupersonaffiliation": ["staff"]}}, False),
        ({"StringEquals": {"SAML:mail": "carol@example.com"}}, True),
        ({"StringEquals": {"SAML:uid": "carol"}}, False),
        ({"StringEquals": {"sts:RoleSessionName": "carol"}}, True),
        ({"StringEquals": {"sts:RoleSessionName": "mallory"}}, False),
        ({"StringEquals": {"aws:FederatedProvider": PROVIDER}}, True),
    ],
    ids=str,
)
async def test_the_trust_policy_is_judged_by_what_the_assertion_says(condition: dict[str, Any], allowed: bool) -> None:
    mail = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"
    attributes = {**ATTRIBUTES, AFFILIATION: ["staff", "alumni"], mail: ["carol@example.com"]}
    response, world = replace(GOOD, attributes=attributes), World(condition=condition)

    if allowed:
        assert (await world.assume(response))["subject"] == "carol@example.com"
    else:
        assert await world.refusal(response) == REFUSED


async def test_a_trust_policy_for_another_action_or_provider_lets_nobody_in() -> None:
    assert await World(actions=["sts:AssumeRoleWithWebIdentity"]).refusal() == REFUSED
    assert await World(trusted=f"{PROVIDER}2").refusal() == REFUSED


@pytest.mark.parametrize(
    "roles",
    [
        None,
        [f"{ROLE}2,{PROVIDER}"],
        [f"{ROLE},{PROVIDER}2"],
        [ROLE],
        [f"{ROLE},{PROVIDER},{PROVIDER}2"],
        [f"{ROLE}", f"{PROVIDER}"],
    ],
    ids=str,
)
async def test_a_role_that_the_assertion_does_not_offer_is_refused(roles: list[str] | None) -> None:
    assert await World().refusal(saying(Role=roles)) == REFUSED


async def test_role_and_provider_stand_in_either_order() -> None:
    assert (await World().assume(saying(Role=[f" {PROVIDER} , {ROLE} "])))["subject"] == "carol@example.com"


async def test_a_role_of_another_account_is_refused_whatever_it_trusts() -> None:
    role = f"arn:aws:iam::{OTHER_ACCOUNT}:role/Staff"
    response = saying(Role=[f"{role},{PROVIDER}"])

    assert await World().refusal(response, role_arn=role) == REFUSED


async def test_a_role_that_does_not_exist_is_refused_like_one_that_is_forbidden() -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/Ghost"

    assert await World().refusal(saying(Role=[f"{role},{PROVIDER}"]), role_arn=role) == REFUSED


@pytest.mark.parametrize(
    ("response", "code", "message"),
    [
        ("not base64!", "InvalidIdentityToken", "Invalid base64 SAMLResponse"),
        ("bm90IHhtbA==", "InvalidIdentityToken", "The document is not well-formed XML"),
        (replace(GOOD, sign="nothing"), "InvalidIdentityToken", "Response signature invalid"),
        (replace(GOOD, key=OTHER_KEY), "InvalidIdentityToken", "Response signature invalid"),
        (
            replace(GOOD, audiences=["urn:other"]),
            "InvalidIdentityToken",
            "Response does not contain the required audience.",
        ),
        (replace(GOOD, issuer="https://b"), "InvalidIdentityToken", "Issuer not present in specified provider"),
        (replace(GOOD, recipient="https://b"), "InvalidIdentityToken", "The response was sent to somebody else"),
        (replace(GOOD, confirmed_until=NOW), "ExpiredTokenException", "Response has expired"),
        (
            replace(GOOD, status="urn:oasis:names:tc:SAML:2.0:status:Responder"),
            "IDPRejectedClaim",
            "The identity provider did not authenticate anybody",
        ),
        (saying(RoleSessionName=None), "InvalidIdentityToken", "RoleSessionName is required in AuthnResponse"),
        (saying(RoleSessionName=["a", "b"]), "InvalidIdentityToken", "RoleSessionName is required in AuthnResponse"),
        (
            saying(RoleSessionName=["carol smith"]),
            "InvalidIdentityToken",
            "RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}",
        ),
        (
            saying(SourceIdentity=["aws:carol"]),
            "InvalidIdentityToken",
            'Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with "aws:"',
        ),
        (
            saying(SessionDuration=["43201"]),
            "InvalidIdentityToken",
            "SessionDuration in AuthnResponse must be a number of seconds from 900 to 43200",
        ),
        (replace(GOOD, subject="x" * 257), "InvalidIdentityToken", "The NameID in AuthnResponse is too long"),
        (tagged({"aws:x": "1"}), "InvalidIdentityToken", "A PrincipalTag in AuthnResponse has a key of AWS's own"),
        (
            tagged({}, transitive=["team"]),
            "InvalidParameterValue",
            "The specified transitive tag key must be included in the requested tags.",
        ),
    ],
    ids=range(17),
)
async def test_a_response_that_is_not_good_is_refused_with_awss_words(
    response: Response | str, code: str, message: str
) -> None:
    status = 403 if code == "IDPRejectedClaim" else 400

    assert await World().refusal(response) == (code, status, message)


async def test_a_provider_that_is_not_there_or_past_its_end_vouches_for_nobody() -> None:
    gone = ("InvalidIdentityToken", 400, "Specified provider doesn't exist.")

    assert await World(provider=None).refusal() == gone
    assert await World(provider=Provider(valid_until=NOW)).refusal() == gone
    assert (await World(provider=Provider(valid_until=NOW + SECOND)).assume())["subject"]


async def test_a_response_is_redeemed_within_five_minutes() -> None:
    in_time, late = World(now=NOW + timedelta(minutes=5) - SECOND), World(now=NOW + timedelta(minutes=5))

    assert (await in_time.assume())["subject"] == "carol@example.com"
    assert await late.refusal() == (
        "ExpiredTokenException",
        400,
        "Token must be redeemed within 5 minutes of issuance",
    )


@pytest.mark.parametrize(
    "address",
    [
        "https://us-west-2.signin.aws.amazon.com/saml",
        "https://signin.aws.amazon.com/saml/acs/SAMLUNIQUE0123456789ABCDEF",
        "https://us-west-2.signin.aws.amazon.com/saml/acs/SAMLUNIQUE0123456789ABCDEF",
    ],
)
async def test_a_region_and_a_provider_have_addresses_of_their_own(address: str) -> None:
    world = World(condition={"StringEquals": {"SAML:aud": address}})

    assert (await world.assume(replace(GOOD, recipient=address, destination=address)))["audience"] == address


@pytest.mark.parametrize(
    "address",
    ["https://eu-west-1.signin.aws.amazon.com/saml", "https://signin.aws.amazon.com/saml/acs/ANOTHER0123456789ABCDEF"],
)
async def test_another_regions_or_providers_address_is_refused(address: str) -> None:
    world = World(condition={})

    assert (await world.refusal(replace(GOOD, recipient=address)))[0] == "InvalidIdentityToken"


async def test_a_session_ends_with_the_providers_own() -> None:
    world = World()
    ends = NOW + timedelta(minutes=20)

    assert (await world.assume(replace(GOOD, session_not_on_or_after=ends)))["credentials"]["expiration"] == ends
    shorter = await world.assume(replace(GOOD, session_not_on_or_after=ends), duration_seconds=900)
    assert shorter["credentials"]["expiration"] == NOW + timedelta(minutes=15)


async def test_a_session_may_not_last_longer_than_the_role_allows() -> None:
    world = World()

    assert (await world.assume(duration_seconds=7200))["credentials"]["expiration"] == NOW + timedelta(hours=2)
    assert await world.refusal(duration_seconds=7201) == (
        "ValidationError",
        400,
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )


async def test_tags_need_the_trust_policys_permission_and_go_into_the_session() -> None:
    response = tagged({"Team": "blue", "Cost": "1"}, transitive=["team"])
    world = World(actions=["sts:AssumeRoleWithSAML", "sts:TagSession"])
    session = world.holder(await world.assume(response)).session

    assert session is not None
    assert session.tags == {"Team": "blue", "Cost": "1"}
    assert session.transitive_tag_keys == ("Team",)
    assert await World().refusal(response) == REFUSED


async def test_a_source_identity_needs_the_trust_policys_permission() -> None:
    response = saying(SourceIdentity=["carol"])
    world = World(actions=["sts:AssumeRoleWithSAML", "sts:SetSourceIdentity"])

    assert (await world.assume(response))["source_identity"] == "carol"
    assert await World().refusal(response) == REFUSED


async def test_a_session_policy_goes_into_the_session() -> None:
    world = World()
    policy = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}})
    answer = await world.assume(policy=policy)
    session = world.holder(answer).session

    assert session is not None
    assert session.policies == (policy,)
    assert answer["packed_policy_size"] > 0
    assert (await world.refusal(policy="{}"))[0] == "MalformedPolicyDocument"


async def test_an_encrypted_assertion_is_read_and_a_plain_one_refused_where_that_is_required() -> None:
    world = World(provider=Provider(encryption_required=True, decryption_keys=(SERVICE_KEY,)))

    assert (await world.assume(replace(GOOD, encrypt="gcm")))["subject"] == "carol@example.com"
    assert (await world.refusal())[2] == "The assertion cannot be decrypted"


async def test_the_same_response_serves_for_each_role_that_it_offers() -> None:
    """As on AWS: STS is asked once for each role of a list, with the one response that the sign-in gave."""
    world = World()

    assert (await world.assume())["subject"] == (await world.assume())["subject"]


async def test_an_open_id_provider_cannot_fill_in_what_is_known_of_saml() -> None:
    """A host may be called `saml`; its claims would be `saml:aud` and so on."""
    world = World(actions=["sts:AssumeRoleWithWebIdentity"], trusted="cognito-identity.amazonaws.com")

    with pytest.raises(Exception, match="not allowed"):
        await world.sts.assumption.assume_role_for_identity(
            ROLE,
            provider="cognito-identity.amazonaws.com",
            claims={"saml:aud": (SIGN_IN,)},
            session_name="x1",
            tags={},
            session_policies=None,
            duration_seconds=900,
            now=NOW,
        )

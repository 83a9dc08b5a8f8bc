"""Tokens of an OpenID Connect issuer that IAM knows: a real issuer on a real port, and every way to be refused."""

import base64
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, RSAKey

from support.federated_roles import ACCOUNT, OTHER_ACCOUNT, FederatedRole, FederatedSts, trusting
from support.open_id_issuer import EC, OTHER_RSA, RSA, Issuer, ok, public, running_issuer
from support.stores import open_store
from support.token_tricks import issuers_mint, issuers_tricks
from velvetrope.errors import ServiceError
from velvetrope.principals import Principal
from velvetrope.store.tables.iam_providers import IamProviderStore, OpenIdProvider
from velvetrope.sts import HttpDocuments, IssuerKeys, OpenIdProviders
from velvetrope.sts.errors import AccessDenied, ExpiredTokenException, InvalidIdentityToken, InvalidParameterValue
from velvetrope.sts.issuer_tokens import VerifiedIdToken
from velvetrope.tokens import IssuerMismatch

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
UNAVAILABLE = (
    "Couldn't retrieve verification key from your identity provider,  please reference "
    "AssumeRoleWithWebIdentity documentation for requirements"
)
NO_TOKEN = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
TAGS = "https://aws.amazon.com/tags"
SOURCE_IDENTITY = "https://aws.amazon.com/source_identity"


@dataclass
class World:
    issuer: Issuer
    store: IamProviderStore

    def __post_init__(self) -> None:
        self.now = NOW
        self.actions = ["sts:AssumeRoleWithWebIdentity"]
        self.condition: dict[str, Any] | None = None
        self.trusted_provider: str | None = None
        self.providers = OpenIdProviders(self.store, IssuerKeys(HttpDocuments(allow_loopback_http=True)))
        self.sts = FederatedSts(self, open_id_providers=self.providers)

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{ACCOUNT}:oidc-provider/{self.issuer.name}"

    async def register(self, *client_ids: str) -> None:
        await self.store.save_new_open_id_provider(
            OpenIdProvider(arn=self.arn, account_id=ACCOUNT, url=self.issuer.url, created_at=NOW, client_ids=client_ids)
        )

    async def load_role(self, account_id: str, role_name: str) -> FederatedRole | None:
        trust = trusting(self.trusted_provider or self.arn, self.actions, self.condition)
        return FederatedRole(trust, account_id, "Deployer", "AROADEPLOYERDEPLOYER1", 3600)

    async def assume(self, token: str | None = None, *, account_id: str = ACCOUNT, **members: Any) -> dict[str, Any]:
        answer = await self.sts.operations.assume_role_with_web_identity(
            self.sts.call(self.now),
            role_arn=f"arn:aws:iam::{account_id}:role/Deployer",
            role_session_name="ci",
            web_identity_token=token or self.token(),
            **members,
        )
        return dict(answer or {})

    def token(self, **claims: Any) -> str:
        return self.issuer.token(self.now, **claims)

    def holder(self, answer: dict[str, Any]) -> Principal:
        return self.sts.holder(answer, self.now)

    async def refused(self, kind: type[ServiceError], token: str | None = None, **members: Any) -> str:
        with pytest.raises(kind) as refusal:
            await self.assume(token, **members)
        return refusal.value.message


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = await open_store(tmp_path)
    async with running_issuer("/realms/demo") as issuer:
        world = World(issuer, IamProviderStore(database))
        await world.register("app", "other-app")
        yield world
    await database.close()


async def test_a_token_of_a_registered_issuer_opens_the_role_that_trusts_it(world: World) -> None:
    name = world.issuer.name
    world.condition = {"StringEquals": {f"{name}:aud": "app", f"{name}:sub": "carol"}}

    answer = await world.assume()

    assert answer["subject_from_web_identity_token"] == "carol"
    assert (answer["audience"], answer["provider"]) == ("app", world.arn)
    assert answer["assumed_role_user"]["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/Deployer/ci"
    session = world.holder(answer).session
    assert session is not None
    assert session.federated_provider == world.arn
    assert session.claims == {f"{name}:aud": ("app",), f"{name}:sub": ("carol",)}


@pytest.mark.parametrize("key", [EC, RSA])
async def test_rsa_and_elliptic_curve_keys_are_good(world: World, key: Any) -> None:
    assert await world.assume(world.token(key=key))


async def test_the_authorized_party_goes_before_the_audience(world: World) -> None:
    assert (await world.assume(world.token(azp="app", aud="somebody")))["audience"] == "app"
    assert (await world.assume(world.token(aud=["x", "other-app"])))["audience"] == "other-app"
    assert await world.refused(InvalidIdentityToken, world.token(azp="x", aud="app")) == "Incorrect token audience"


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"{}:sub": "dave"}},
        {"StringEquals": {"{}:aud": "other-app"}},
        {"ForAnyValue:StringEquals": {"{}:amr": "mfa"}},
    ],
)
async def test_a_condition_that_does_not_hold_shuts_the_role(world: World, condition: dict[str, Any]) -> None:
    world.condition = json.loads(json.dumps(condition).replace("{}", world.issuer.name))

    assert await world.refused(AccessDenied) == "Not authorized to perform sts:AssumeRoleWithWebIdentity"


async def test_how_the_user_signed_in_may_be_asked_for(world: World) -> None:
    world.condition = {"ForAnyValue:StringEquals": {f"{world.issuer.name}:amr": "mfa"}}

    assert await world.assume(world.token(amr=["pwd", "mfa"]))


async def test_a_role_that_trusts_another_provider_stays_shut(world: World) -> None:
    for other in (
        "cognito-identity.amazonaws.com",
        world.arn.replace(ACCOUNT, OTHER_ACCOUNT),
        world.arn + "/x",
    ):
        world.trusted_provider = other
        await world.refused(AccessDenied)


async def test_a_provider_is_its_own_account_s_alone(world: World) -> None:
    message = await world.refused(InvalidIdentityToken, account_id=OTHER_ACCOUNT)

    assert message == f"No OpenIDConnect provider found in your account for {world.issuer.url}"


# --- tokens that are not good -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"aud": "stranger"}, "Incorrect token audience"),
        ({"aud": None}, "Incorrect token audience"),
        ({"aud": 5}, "Incorrect token audience"),
        ({"sub": None}, NO_TOKEN),
        ({"sub": ""}, NO_TOKEN),
        ({"sub": "x" * 256}, NO_TOKEN),
        ({"exp": None}, NO_TOKEN),
        ({"exp": "soon"}, NO_TOKEN),
        ({"exp": True}, NO_TOKEN),
        ({"exp": 1e300}, NO_TOKEN),
        ({"header": {"typ": "at+jwt"}}, NO_TOKEN),
        ({"header": {"typ": "logout+jwt"}}, NO_TOKEN),
        ({"header": {"kid": "unknown"}}, UNAVAILABLE),
        ({"header": {"kid": None}}, UNAVAILABLE),
        ({"key": OTHER_RSA}, UNAVAILABLE),
        ({"header": {"kid": "ec"}}, UNAVAILABLE),
        ({"iss": "https://stranger.example"}, "No OpenIDConnect provider found in your account for "),
        ({"iss": "garbage"}, "No OpenIDConnect provider found in your account for garbage"),
        ({TAGS: "x"}, NO_TOKEN),
        ({TAGS: {"principal_tags": {"a": ["b", "c"]}}}, NO_TOKEN),
        ({TAGS: {"principal_tags": {"aws:a": ["b"]}}}, NO_TOKEN),
        ({TAGS: {"transitive_tag_keys": [1]}}, NO_TOKEN),
        ({SOURCE_IDENTITY: "no blanks"}, NO_TOKEN),
    ],
    ids=lambda value: "a key of somebody else's" if "key" in value else str(value),
)
async def test_a_token_that_is_not_good_is_refused(world: World, claims: dict[str, Any], message: str) -> None:
    assert (await world.refused(InvalidIdentityToken, world.token(**claims))).startswith(message)


async def test_what_forgers_try_is_refused_and_the_good_token_beside_it_is_not(world: World) -> None:
    await world.register("app")
    mint = issuers_mint(RSA, world.issuer.url, NOW)
    tricks = {**issuers_tricks(mint, NOW), "access token": mint.token({"typ": "at+jwt"})}

    for token in tricks.values():
        with pytest.raises((InvalidIdentityToken, ExpiredTokenException)):
            await world.assume(token)
    for claims in ({}, {"exp": mint.claims["exp"] + 0.5}, {"aud": ["another", "app"]}):
        await world.assume(mint.token(claims=claims))


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
async def test_the_algorithm_is_never_the_token_s_choice(world: World, algorithm: str) -> None:
    """CVE-2015-9235: an RSA public key must not be taken as the secret of an HMAC."""
    payload = world.token().split(".")[1]
    head = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "kid": "rsa"}).encode()).rstrip(b"=").decode()
    mac = hmac.digest(RSA.as_pem(private=False), f"{head}.{payload}".encode(), "sha256")
    forged = f"{head}.{payload}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    assert await world.refused(InvalidIdentityToken, forged) == UNAVAILABLE


async def test_a_changed_token_is_refused(world: World) -> None:
    head, payload, signature = world.token().split(".")
    other = world.token(sub="dave").split(".")[1]

    assert await world.refused(InvalidIdentityToken, f"{head}.{other}.{signature}") == UNAVAILABLE
    assert await world.refused(InvalidIdentityToken, f"{head}.{payload}") == NO_TOKEN
    assert await world.refused(InvalidIdentityToken, "garbage") == NO_TOKEN


@pytest.mark.parametrize(("seconds", "good"), [(3599, True), (3600, False)])
async def test_a_token_is_dead_when_it_expires(world: World, seconds: int, good: bool) -> None:
    token = world.token()
    world.now += timedelta(seconds=seconds)

    if good:
        assert await world.assume(token)
    else:
        assert "Token expired" in await world.refused(ExpiredTokenException, token)


@pytest.mark.parametrize("name", ["iat", "nbf"])
@pytest.mark.parametrize(("seconds", "good"), [(300, True), (301, False)])
async def test_an_issuer_s_clock_may_run_five_minutes_ahead(world: World, name: str, seconds: int, good: bool) -> None:
    token = world.token(**{name: int((NOW + timedelta(seconds=seconds)).timestamp())})

    if good:
        assert await world.assume(token)
    else:
        assert await world.refused(InvalidIdentityToken, token) == NO_TOKEN


async def test_a_provider_without_client_ids_vouches_for_nobody(world: World) -> None:
    await world.store.delete_open_id_provider(world.arn)
    await world.register()

    assert await world.refused(InvalidIdentityToken) == "Incorrect token audience"
    assert world.issuer.asked == []


async def test_a_provider_that_is_gone_vouches_for_nobody(world: World) -> None:
    await world.assume()
    await world.store.delete_open_id_provider(world.arn)

    assert (await world.refused(InvalidIdentityToken)).startswith("No OpenIDConnect provider found")


# --- keys -------------------------------------------------------------------------------------------------------------

DISCOVERY = "/realms/demo/.well-known/openid-configuration"


async def test_keys_are_fetched_once_an_hour(world: World) -> None:
    for _ in range(3):
        await world.assume()
    assert world.issuer.asked == [DISCOVERY, "/keys"]

    world.now += timedelta(hours=1)
    await world.assume()

    assert world.issuer.asked == [DISCOVERY, "/keys"] * 2


async def test_a_rotated_key_is_found_and_garbage_does_not_make_us_ask_again_and_again(world: World) -> None:
    await world.assume()
    world.issuer.keys = [public(OTHER_RSA, "new")]
    fresh = {"key": OTHER_RSA, "header": {"kid": "new"}}

    world.now += timedelta(seconds=29)
    await world.refused(InvalidIdentityToken, world.token(**fresh))
    assert len(world.issuer.asked) == 2
    world.now += timedelta(seconds=1)

    assert await world.assume(world.token(**fresh))
    await world.refused(InvalidIdentityToken)
    for _ in range(3):
        await world.refused(InvalidIdentityToken, world.token(header={"kid": "garbage"}))
    assert len(world.issuer.asked) == 4


async def test_an_issuer_that_fails_is_left_alone_for_ten_seconds(world: World) -> None:
    world.issuer.replies[DISCOVERY] = b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n"
    for _ in range(3):
        assert await world.refused(InvalidIdentityToken) == UNAVAILABLE
    assert world.issuer.asked == [DISCOVERY]
    world.issuer.replies.clear()

    world.now += timedelta(seconds=10)

    assert await world.assume()


async def test_a_key_that_cannot_be_fetched_anew_is_not_used(world: World) -> None:
    await world.assume()
    world.issuer.replies["/keys"] = b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n"

    world.now += timedelta(hours=1)

    assert await world.refused(InvalidIdentityToken) == UNAVAILABLE


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"issuer": "https://stranger.example"}, id="another issuer's document"),
        pytest.param({"issuer": None}, id="nobody's document"),
        pytest.param({"jwks_uri": None}, id="no keys"),
        pytest.param({"jwks_uri": "http://issuer.example/keys"}, id="keys in the clear"),
        pytest.param({"jwks_uri": "file:///etc/keys"}, id="keys in a file"),
        pytest.param({"jwks_uri": 5}, id="keys nowhere"),
    ],
)
async def test_a_discovery_document_that_is_not_the_issuer_s_is_not_believed(
    world: World, change: dict[str, Any]
) -> None:
    world.issuer.replies[DISCOVERY] = ok({**world.issuer.document(), **change})

    assert await world.refused(InvalidIdentityToken) == UNAVAILABLE


@pytest.mark.parametrize("body", [[], "x", {}, {"keys": 5}, {"keys": []}, {"keys": [5, {}, {"kty": "RSA"}]}], ids=str)
async def test_a_key_set_that_is_none_verifies_nothing(world: World, body: Any) -> None:
    world.issuer.replies["/keys"] = ok(body)

    assert await world.refused(InvalidIdentityToken) == UNAVAILABLE


SECP = ECKey.generate_key("P-384")


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(public(RSA, "rsa", use="enc"), id="a key for encryption"),
        pytest.param(public(RSA, "rsa", key_ops=["encrypt"]), id="a key that does not verify"),
        pytest.param(public(RSA, "rsa", alg="PS256"), id="a key of another algorithm"),
        pytest.param(public(RSA, 5, alg="RS256"), id="a key with a strange id"),  # type: ignore[arg-type]  # as it may come
        pytest.param({"kty": "oct", "k": "c2VjcmV0", "kid": "rsa"}, id="a symmetric key"),
        pytest.param(public(SECP, "rsa"), id="a key of another type"),
    ],
)
async def test_a_key_that_is_not_for_this_verifies_nothing(world: World, entry: dict[str, Any]) -> None:
    world.issuer.keys = [entry]

    assert await world.refused(InvalidIdentityToken) == UNAVAILABLE


async def test_a_small_key_is_not_taken(world: World) -> None:
    with pytest.warns(SecurityWarning):
        small = RSAKey.generate_key(1024)
    world.issuer.keys = [public(small, "rsa")]
    token = world.token(key=small)

    assert await world.refused(InvalidIdentityToken, token) == UNAVAILABLE


async def test_a_token_without_a_key_id_is_the_only_key_s(world: World) -> None:
    world.issuer.keys = [public(RSA)]

    assert await world.assume(world.token(header={"kid": None}))


async def test_an_issuer_may_end_in_a_slash(tmp_path: Path) -> None:
    database = await open_store(tmp_path)
    async with running_issuer("/") as issuer:
        world = World(issuer, IamProviderStore(database))
        await world.register("app")

        assert await world.assume()
    await database.close()
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


# --- tags and source identity -----------------------------------------------------------------------------------------


async def test_tags_and_source_identity_of_the_token_travel_in_the_session(world: World) -> None:
    world.actions += ["sts:TagSession", "sts:SetSourceIdentity"]
    tags = {"principal_tags": {"team": ["blue"], "site": ["x"]}, "transitive_tag_keys": ["team"]}

    answer = await world.assume(world.token(**{TAGS: tags, SOURCE_IDENTITY: "carol@example"}))

    session = world.holder(answer).session
    assert session is not None
    assert (session.tags, session.transitive_tag_keys) == ({"team": "blue", "site": "x"}, ("team",))
    assert session.source_identity == answer["source_identity"] == "carol@example"


@pytest.mark.parametrize(
    "claims", [{TAGS: {"principal_tags": {"team": ["blue"]}}}, {SOURCE_IDENTITY: "carol"}], ids=["tags", "source"]
)
async def test_tags_and_source_identity_need_the_trust_policy_s_leave(world: World, claims: dict[str, Any]) -> None:
    await world.refused(AccessDenied, world.token(**claims))


@pytest.mark.parametrize(
    "tags",
    [
        {"principal_tags": {"team": ["a"], "Team": ["b"]}},
        {"principal_tags": {"team": ["a"]}, "transitive_tag_keys": ["site"]},
    ],
    ids=["twice", "transitive"],
)
async def test_tags_that_break_a_rule_are_refused(world: World, tags: dict[str, Any]) -> None:
    await world.refused(InvalidParameterValue, world.token(**{TAGS: tags}))


# --- public issuers ---------------------------------------------------------------------------------------------------


class Google:
    """Google's documents, as its issuer serves them."""

    async def fetch(self, url: str) -> bytes:
        documents = {
            "https://accounts.google.com/.well-known/openid-configuration": {
                "issuer": "https://accounts.google.com",
                "jwks_uri": "https://www.googleapis.com/oauth2/v3/certs",
            },
            "https://www.googleapis.com/oauth2/v3/certs": {"keys": [public(RSA, "rsa", alg="RS256", use="sig")]},
        }
        return json.dumps(documents[url]).encode()


@pytest.mark.parametrize("issuer", ["https://accounts.google.com", "accounts.google.com"])
async def test_google_s_tokens_name_google_in_two_ways(world: World, issuer: str) -> None:
    providers = OpenIdProviders(world.store, IssuerKeys(Google()))

    found = await providers.verify_issuer_token(
        world.token(iss=issuer), issuer="https://accounts.google.com", audiences=["app"], now=NOW
    )

    assert isinstance(found, VerifiedIdToken)
    assert (found.subject, found.audience) == ("carol", "app")


async def test_nobody_else_may_leave_the_scheme_out(world: World) -> None:
    with pytest.raises(IssuerMismatch):
        await world.providers.verify_issuer_token(
            world.token(iss=world.issuer.name), issuer=world.issuer.url, audiences=["app"], now=NOW
        )

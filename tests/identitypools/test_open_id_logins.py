"""Logins of OpenID Connect providers and of Google: their tokens come from a real issuer, and STS verifies them."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from support.identitypools import ACCOUNT, COGNITO, PROVIDER, ROOT, World, role_arn, trusting_pool
from support.open_id_issuer import OTHER_RSA, RSA, Issuer, public, running_issuer
from support.stores import open_store
from support.token_tricks import issuers_mint, issuers_tricks
from velvetrope.errors import ServiceError
from velvetrope.identitypools.errors import InvalidParameterException, NotAuthorizedException
from velvetrope.store.tables.iam_providers import IamProviderStore, OpenIdProvider
from velvetrope.store.tables.identitypools import (
    IdentityPoolStore,
    MappingRule,
    RoleMapping,
    RulesConfiguration,
)
from velvetrope.sts import HttpDocuments, IssuerKeys, OpenIdProviders

GOOGLE = "accounts.google.com"
CREATE: dict[str, Any] = {"by": ROOT, "identity_pool_name": "demo", "allow_unauthenticated_identities": True}


class Documents(HttpDocuments):
    """The loopback issuer over HTTP; Google's documents, which tests do not fetch, are these."""

    async def fetch(self, url: str) -> bytes:
        known: dict[str, dict[str, Any]] = {
            f"https://{GOOGLE}/.well-known/openid-configuration": {
                "issuer": f"https://{GOOGLE}",
                "jwks_uri": "https://www.googleapis.com/oauth2/v3/certs",
            },
            "https://www.googleapis.com/oauth2/v3/certs": {"keys": [public(RSA, "rsa")]},
        }
        return json.dumps(known[url]).encode() if url in known else await super().fetch(url)


class Here:
    """A world, an issuer that IAM knows, and a pool that takes its tokens."""

    def __init__(self, world: World, issuer: Issuer, providers: IamProviderStore) -> None:
        self.world, self.issuer, self.providers = world, issuer, providers
        self.arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer.name}"
        self.pool_id = ""

    async def set_up(self) -> None:
        await self.providers.save_new_open_id_provider(
            OpenIdProvider(
                arn=self.arn,
                account_id=ACCOUNT,
                url=self.issuer.url,
                created_at=self.world.clock.now(),
                client_ids=("app",),
            )
        )
        made = await self.world.call(
            "create_identity_pool",
            **CREATE,
            open_id_connect_provider_arns=(self.arn,),
            supported_login_providers={GOOGLE: "app"},
        )
        self.pool_id = made["identity_pool_id"]
        self.world.roles.documents["Member"] = trusting_pool(self.pool_id, "authenticated")
        self.world.roles.documents["Staff"] = trusting_pool(self.pool_id, "authenticated")
        await self.world.call(
            "set_identity_pool_roles",
            by=ROOT,
            identity_pool_id=self.pool_id,
            roles={"authenticated": role_arn("Member")},
        )

    def logins(self, **claims: Any) -> dict[str, str]:
        return {self.issuer.name: self.issuer.token(self.world.clock.now(), **claims)}

    def google(self, **claims: Any) -> dict[str, str]:
        return {GOOGLE: self.issuer.token(self.world.clock.now(), **{"iss": f"https://{GOOGLE}", **claims})}

    async def sign_in(self, logins: dict[str, str]) -> str:
        answer = await self.world.call("get_id", identity_pool_id=self.pool_id, logins=logins)
        identity_id: str = answer["identity_id"]
        return identity_id

    async def credentials(self, logins: dict[str, str], **members: Any) -> Any:
        identity_id = await self.sign_in(logins)
        return self.world.holder(
            await self.world.call("get_credentials_for_identity", identity_id=identity_id, logins=logins, **members)
        )

    async def refused(self, logins: dict[str, str], kind: type[ServiceError] = NotAuthorizedException) -> str:
        with pytest.raises(kind) as refusal:
            await self.sign_in(logins)
        return refusal.value.message


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Here]:
    database = await open_store(tmp_path)
    providers = IamProviderStore(database)
    verifier = OpenIdProviders(providers, IssuerKeys(Documents(allow_loopback_http=True)))
    async with running_issuer("/realms/demo") as issuer:
        here = Here(World(IdentityPoolStore(database), open_id_providers=verifier), issuer, providers)
        await here.set_up()
        yield here
    await database.close()


async def test_a_user_of_a_provider_gets_the_member_role_and_carries_who_it_is(here: Here) -> None:
    holder = await here.credentials(here.logins())

    name = here.issuer.name
    assert holder.name == "Member"
    assert holder.session.claims[f"{COGNITO}:amr"] == ("authenticated", name, f"{here.arn}:OIDC:carol")
    assert await here.sign_in(here.logins()) == await here.sign_in(here.logins())
    assert await here.sign_in(here.logins()) != await here.sign_in(here.logins(sub="dave"))


async def test_a_user_of_google_gets_the_member_role(here: Here) -> None:
    holder = await here.credentials(here.google())

    assert holder.session.claims[f"{COGNITO}:amr"] == ("authenticated", GOOGLE, f"{GOOGLE}:app:carol")


async def test_one_subject_of_two_providers_is_two_people(here: Here) -> None:
    assert await here.sign_in(here.logins()) != await here.sign_in(here.google())


async def test_two_logins_at_once_are_linked(here: Here) -> None:
    both = await here.sign_in({**here.logins(), **here.google()})

    assert await here.sign_in(here.google()) == await here.sign_in(here.logins()) == both
    shown = await here.world.call("describe_identity", by=ROOT, identity_id=both)
    assert sorted(shown["logins"]) == sorted([here.issuer.name, GOOGLE])


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"aud": "stranger"}, "Token is not from a supported provider of this identity pool."),
        ({"iss": "https://stranger.example"}, "Invalid login token. Issuer doesn't match providerName"),
        ({"key": OTHER_RSA}, "Invalid login token. Couldn't verify signed token."),
        ({"header": {"kid": "unknown"}}, "Invalid login token. Couldn't verify signed token."),
        ({"header": {"typ": "at+jwt"}}, "Invalid login token. Not a valid OpenId Connect identity token."),
        ({"sub": None}, "Invalid login token. Not a valid OpenId Connect identity token."),
    ],
    ids=lambda value: "a key of somebody else's" if "key" in value else str(value),
)
async def test_a_token_that_is_not_good_opens_no_door(here: Here, claims: dict[str, Any], message: str) -> None:
    assert await here.refused(here.logins(**claims)) == message
    assert await here.refused(here.google(**claims)) == message


async def test_what_forgers_try_opens_no_door_and_the_good_token_beside_it_does(here: Here) -> None:
    mint = issuers_mint(RSA, here.issuer.url, here.world.clock.now())
    tricks = {**issuers_tricks(mint, here.world.clock.now()), "access token": mint.token({"typ": "at+jwt"})}

    for token in tricks.values():
        await here.refused({here.issuer.name: token})
    for claims in ({}, {"exp": mint.claims["exp"] + 0.5}, {"aud": ["another", "app"]}):
        assert await here.sign_in({here.issuer.name: mint.token(claims=claims)})


async def test_garbage_opens_no_door(here: Here) -> None:
    message = await here.refused({here.issuer.name: "garbage"})

    assert message == "Invalid login token. Not a valid OpenId Connect identity token."


@pytest.mark.parametrize(("seconds", "good"), [(3599, True), (3600, False)])
async def test_a_token_is_good_until_the_second_before_it_expires(here: Here, seconds: int, good: bool) -> None:
    logins = here.logins()
    here.world.clock.advance(timedelta(seconds=seconds))

    if good:
        assert await here.sign_in(logins)
    else:
        now = int(here.world.clock.now().timestamp())
        assert await here.refused(logins) == f"Invalid login token. Token expired: {now} >= {now}"


async def test_an_issuer_that_cannot_be_reached_lets_nobody_in(here: Here) -> None:
    here.issuer.replies["/keys"] = b""

    assert await here.refused(here.logins()) == "Invalid login token. Couldn't verify signed token."


async def test_a_provider_that_is_gone_lets_nobody_in(here: Here) -> None:
    await here.providers.delete_open_id_provider(here.arn)

    assert await here.refused(here.logins()) == "Invalid login token. Issuer doesn't match providerName"


async def test_a_provider_that_the_pool_does_not_list_is_no_public_provider(here: Here) -> None:
    logins = here.logins()
    await here.world.call("update_identity_pool", identity_pool_id=here.pool_id, **CREATE)

    for keys in (logins, here.google(), {f"http://{here.issuer.name}": "x"}, {"": "x"}):
        assert await here.refused(keys, InvalidParameterException) == "Please provide a valid public provider."


async def test_a_login_of_a_provider_that_was_taken_away_can_still_be_unlinked(here: Here) -> None:
    identity_id = await here.sign_in({**here.logins(), **here.google()})
    await here.world.call(
        "update_identity_pool", identity_pool_id=here.pool_id, supported_login_providers={GOOGLE: "app"}, **CREATE
    )

    await here.world.call(
        "unlink_identity", identity_id=identity_id, logins=here.google(), logins_to_remove=(here.issuer.name,)
    )

    assert (await here.world.call("describe_identity", by=ROOT, identity_id=identity_id))["logins"] == [GOOGLE]


# --- roles and tags ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["provider", "google"])
async def test_rules_choose_a_role_by_claims_of_the_provider(here: Here, who: str) -> None:
    key, logins = (here.arn, here.logins) if who == "provider" else (GOOGLE, here.google)
    rule = MappingRule(claim="team", match_type="Equals", value="staff", role_arn=role_arn("Staff"))
    await here.world.call(
        "set_identity_pool_roles",
        by=ROOT,
        identity_pool_id=here.pool_id,
        roles={"authenticated": role_arn("Member")},
        role_mappings={
            key: RoleMapping(
                type="Rules",
                ambiguous_role_resolution="AuthenticatedRole",
                rules_configuration=RulesConfiguration(rules=(rule,)),
            )
        },
    )

    assert (await here.credentials(logins(team="staff"))).name == "Staff"
    assert (await here.credentials(logins(sub="dave", team="guests"))).name == "Member"


async def test_claims_of_the_provider_become_session_tags(here: Here) -> None:
    here.world.roles.documents["Member"] = trusting_pool(here.pool_id, "authenticated", tagging=True)
    await here.world.call(
        "set_principal_tag_attribute_map",
        by=ROOT,
        identity_pool_id=here.pool_id,
        identity_provider_name=here.arn,
        use_defaults=True,
    )

    holder = await here.credentials(here.logins())

    assert holder.session.tags == {"username": "carol", "client": "app"}


# --- configuration ----------------------------------------------------------------------------------------------------


async def test_the_pool_shows_its_providers(here: Here) -> None:
    pool = await here.world.call("describe_identity_pool", by=ROOT, identity_pool_id=here.pool_id)

    assert pool["open_id_connect_provider_arns"] == (here.arn,)
    assert pool["supported_login_providers"] == {GOOGLE: "app"}


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"supported_login_providers": {"graph.facebook.com": "1"}}, "graph.facebook.com is not supported"),
        ({"supported_login_providers": {"www.amazon.com": "1"}}, "www.amazon.com is not supported"),
        ({"supported_login_providers": {"api.twitter.com": "1;2"}}, "api.twitter.com is not supported"),
        ({"saml_provider_arns": (f"arn:aws:iam::{ACCOUNT}:saml-provider/x",)}, "SamlProviderARNs is not supported"),
        ({"open_id_connect_provider_arns": (f"arn:aws:iam::{ACCOUNT}:oidc-provider/none",)}, "is not an OpenID Conn"),
        ({"open_id_connect_provider_arns": ("arn:aws:iam::999999999999:oidc-provider/x",)}, "is not an OpenID Conn"),
        ({"open_id_connect_provider_arns": (role_arn("Member"),)}, "is not an OpenID Connect provider"),
    ],
)
async def test_a_provider_whose_users_could_not_sign_in_is_refused(
    here: Here, members: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidParameterException) as refusal:
        await here.world.call("create_identity_pool", **CREATE, **members)

    assert named in refusal.value.message


async def test_a_developer_provider_cannot_have_the_name_of_a_listed_provider(here: Here) -> None:
    await here.providers.save_new_open_id_provider(
        OpenIdProvider(
            arn=f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.example",
            account_id=ACCOUNT,
            url="https://oidc.example",
            created_at=here.world.clock.now(),
        )
    )

    listed: dict[str, Any] = {"open_id_connect_provider_arns": (f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.example",)}
    made = await here.world.call("create_identity_pool", **CREATE, developer_provider_name="oidc.example")

    with pytest.raises(InvalidParameterException):
        await here.world.call("create_identity_pool", **CREATE, **listed, developer_provider_name="oidc.example")
    with pytest.raises(InvalidParameterException):
        await here.world.call("update_identity_pool", identity_pool_id=made["identity_pool_id"], **CREATE, **listed)


async def test_a_developer_s_user_may_be_linked_to_a_provider_s(here: Here) -> None:
    await here.world.call(
        "update_identity_pool",
        identity_pool_id=here.pool_id,
        **CREATE,
        open_id_connect_provider_arns=(here.arn,),
        developer_provider_name="mine",
    )

    answer = await here.world.call(
        "get_open_id_token_for_developer_identity",
        by=ROOT,
        identity_pool_id=here.pool_id,
        logins={"mine": "dana", **here.logins()},
    )

    assert await here.sign_in(here.logins()) == answer["identity_id"]
    assert PROVIDER not in answer["token"]

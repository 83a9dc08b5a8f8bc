"""Logins of SAML providers: the response that a browser was given is what GetId is shown."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from support.identitypools import ACCOUNT, ROOT, World, role_arn, trusting_pool
from support.saml import OTHER_KEY, Provider, Response
from support.saml import PROVIDER_ARN as ARN
from support.stores import open_store
from velvetrope.identitypools.errors import InvalidParameterException, NotAuthorizedException
from velvetrope.store.tables.identitypools import IdentityPoolStore, MappingRule, RoleMapping, RulesConfiguration
from velvetrope.sts import SamlAssertions

COGNITO = "cognito-identity.amazonaws.com"
DEPARTMENT = "urn:example:department"
CREATE: dict[str, Any] = {"by": ROOT, "identity_pool_name": "demo", "allow_unauthenticated_identities": False}


class Directory:
    """IAM with one provider."""

    async def find_saml_provider(self, arn: str) -> Provider | None:
        return Provider() if arn == ARN else None


class Here:
    """A world, and a pool that takes the provider's responses."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pool_id = ""

    async def set_up(self) -> None:
        made = await self.world.call("create_identity_pool", **CREATE, saml_provider_arns=(ARN,))
        self.pool_id = made["identity_pool_id"]
        for name in ("Member", "Finance"):
            self.world.roles.documents[name] = trusting_pool(self.pool_id, "authenticated", tagging=True)
        rules = (MappingRule(claim=DEPARTMENT, match_type="Equals", value="finance", role_arn=role_arn("Finance")),)
        await self.world.call(
            "set_identity_pool_roles",
            by=ROOT,
            identity_pool_id=self.pool_id,
            roles={"authenticated": role_arn("Member")},
            role_mappings={
                ARN: RoleMapping(
                    type="Rules",
                    ambiguous_role_resolution="AuthenticatedRole",
                    rules_configuration=RulesConfiguration(rules=rules),
                )
            },
        )

    def response(self, **changes: Any) -> Response:
        return replace(Response(now=self.world.clock.now()), **changes)

    async def sign_in(self, response: Response) -> str:
        answer = await self.world.call("get_id", identity_pool_id=self.pool_id, logins={ARN: response.encoded()})
        identity_id: str = answer["identity_id"]
        return identity_id

    async def credentials(self, response: Response) -> Any:
        identity_id = await self.sign_in(response)
        answer = await self.world.call(
            "get_credentials_for_identity", identity_id=identity_id, logins={ARN: response.encoded()}
        )
        return self.world.holder(answer)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Here]:
    database = await open_store(tmp_path)
    assertions = SamlAssertions(Directory(), region="us-west-2")
    here = Here(World(IdentityPoolStore(database), saml_providers=assertions))
    await here.set_up()
    yield here
    await database.close()


async def test_a_person_has_one_identity_however_often_they_sign_in(here: Here) -> None:
    first = await here.sign_in(here.response())

    assert await here.sign_in(here.response(identifier="_a2")) == first
    assert await here.sign_in(here.response(subject="dave@example.com")) != first


async def test_the_credentials_say_how_the_person_signed_in(here: Here) -> None:
    holder = await here.credentials(here.response())

    assert holder.policy_arn == role_arn("Member")
    assert holder.session.claims[f"{COGNITO}:amr"] == ("authenticated", ARN, f"{ARN}:SAML:carol@example.com")


async def test_a_rule_picks_the_role_by_an_attribute(here: Here) -> None:
    holder = await here.credentials(here.response(attributes={DEPARTMENT: ["finance"]}))

    assert holder.policy_arn == role_arn("Finance")


async def test_tags_are_made_of_the_name_and_of_attributes(here: Here) -> None:
    name = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"
    await here.world.call(
        "set_principal_tag_attribute_map",
        by=ROOT,
        identity_pool_id=here.pool_id,
        identity_provider_name=ARN,
        use_defaults=True,
    )
    holder = await here.credentials(here.response(attributes={name: ["Carol"]}))

    assert holder.session.tags == {"username": "carol@example.com", "name": "Carol"}


async def test_no_attribute_can_pose_as_the_subjects_name(here: Here) -> None:
    await here.world.call(
        "set_principal_tag_attribute_map",
        by=ROOT,
        identity_pool_id=here.pool_id,
        identity_provider_name=ARN,
        use_defaults=True,
    )
    named = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier"
    holder = await here.credentials(here.response(attributes={named: ["admin@example.com"]}))

    assert holder.session.tags == {"username": "carol@example.com"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"key": OTHER_KEY}, "Response signature invalid"),
        ({"sign": "nothing"}, "Response signature invalid"),
        ({"audiences": ["urn:other"]}, "Response does not contain the required audience."),
        ({"recipient": "https://sp.example.org"}, "The response was sent to somebody else"),
    ],
)
async def test_a_response_that_is_not_good_leads_to_no_identity(here: Here, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(NotAuthorizedException) as refused:
        await here.sign_in(here.response(**changes))

    assert refused.value.message == f"Invalid login token. {why}"


async def test_a_response_is_taken_for_five_minutes(here: Here) -> None:
    response = here.response()
    here.world.clock.advance(timedelta(minutes=5))

    with pytest.raises(NotAuthorizedException) as refused:
        await here.sign_in(response)
    assert refused.value.message == "Invalid login token. Token must be redeemed within 5 minutes of issuance"


async def test_a_provider_that_the_pool_does_not_list_is_refused(here: Here) -> None:
    made = await here.world.call("create_identity_pool", **CREATE)

    with pytest.raises(InvalidParameterException) as refused:
        await here.world.call(
            "get_id", identity_pool_id=made["identity_pool_id"], logins={ARN: here.response().encoded()}
        )
    assert refused.value.message == "Please provide a valid public provider."


@pytest.mark.parametrize(
    "arn", [f"{ARN}2", "arn:aws:iam::999999999999:saml-provider/corp", f"arn:aws:iam::{ACCOUNT}:role/corp"]
)
async def test_a_pool_cannot_list_a_provider_that_iam_does_not_have(here: Here, arn: str) -> None:
    updated: dict[str, Any] = {"identity_pool_id": here.pool_id}
    for operation, more in (("create_identity_pool", {}), ("update_identity_pool", updated)):
        with pytest.raises(InvalidParameterException) as refused:
            await here.world.call(operation, **CREATE, saml_provider_arns=(arn,), **more)
        assert refused.value.message == f"{arn} is not a SAML provider of this account."


async def test_the_pool_shows_its_providers_and_an_update_takes_them_away(here: Here) -> None:
    shown = await here.world.call("describe_identity_pool", by=ROOT, identity_pool_id=here.pool_id)
    changed = await here.world.call("update_identity_pool", **CREATE, identity_pool_id=here.pool_id)

    assert shown["saml_provider_arns"] == (ARN,)
    assert changed["saml_provider_arns"] is None

"""Federation as a client sees it: IAM, STS and identity pools wired as the server wires them, by their wire names."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.dispatchers import unjudged_dispatcher
from support.open_id_issuer import Issuer, running_issuer
from support.stores import open_store
from velvetrope.clock import CountingEntropy, FrozenClock
from velvetrope.errors import ServiceError
from velvetrope.iam import AccessKeys, MfaDevices, PolicyGatherer, iam_operations
from velvetrope.iam.aws_managed import aws_managed_policies
from velvetrope.iam.identity_provider_operations import OpenIdProviderOperations
from velvetrope.identitypools import IdentityPoolOperations, PoolOpenIdTokens
from velvetrope.operations import Call
from velvetrope.principals import ANONYMOUS, Principal
from velvetrope.sealing import MasterKeys
from velvetrope.store import Database
from velvetrope.store.tables.iam import IamStore
from velvetrope.store.tables.iam_mfa_devices import MfaDeviceStore
from velvetrope.store.tables.iam_providers import IamProviderStore
from velvetrope.store.tables.identitypools import IdentityPoolStore
from velvetrope.sts import (
    AuthorizationMessages,
    HttpDocuments,
    IssuerKeys,
    ManagedSessionPolicies,
    OpenIdProviders,
    RoleAssumption,
    Sessions,
    StsOperations,
)
from velvetrope.tokens import NotAToken

ACCOUNT, REGION = "123456789012", "us-west-2"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ROOT = Principal("Account", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
COGNITO = "cognito-identity.amazonaws.com"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


class NoUserPools:
    """No user pool is asked for."""

    async def verify_id_token(self, token: str, **_named: Any) -> Any:
        raise NotAToken("there are no user pools")


@dataclass
class Cloud:
    issuer: Issuer
    database: Database

    def __post_init__(self) -> None:
        entropy, clock = CountingEntropy(), FrozenClock(NOW)
        keys = MasterKeys.generate(entropy)
        iam_store, provider_store = IamStore(self.database), IamProviderStore(self.database)
        pool_store = IdentityPoolStore(self.database)
        gatherer = PolicyGatherer(iam_store, self.database.changes)
        access_keys = AccessKeys(iam_store, keys, self.database.changes)
        self.sessions = Sessions(keys, entropy)
        roles = RoleAssumption(iam_store, self.sessions, gatherer)
        providers = OpenIdProviders(provider_store, IssuerKeys(HttpDocuments(allow_loopback_http=True)))
        pool_tokens = PoolOpenIdTokens(pool_store, keys, entropy, region=REGION)
        pools = IdentityPoolOperations(
            pool_store,
            user_pool_tokens=NoUserPools(),
            role_sessions=roles,
            open_id_tokens=pool_tokens,
            entropy=entropy,
            open_id_providers=providers,
        )
        mfa_store = MfaDeviceStore(self.database)
        mfa_devices = MfaDevices(mfa_store, keys)
        sts = StsOperations(
            roles,
            self.sessions,
            access_keys=access_keys,
            web_identity_tokens=pool_tokens,
            open_id_providers=providers,
            mfa_devices=mfa_devices,
            managed_policies=ManagedSessionPolicies(iam_store, aws_managed_policies),
            authorization_messages=AuthorizationMessages(keys, entropy),
        )
        self.dispatcher = unjudged_dispatcher(clock, account_id=ACCOUNT, region=REGION)
        iam = (
            *iam_operations(
                iam_store,
                access_keys,
                mfa_store=mfa_store,
                mfa_devices=mfa_devices,
                provider_store=provider_store,
                entropy=entropy,
            ),
            OpenIdProviderOperations(provider_store, allow_loopback_http=True),
        )
        self.dispatcher.register("iam", *iam)
        self.dispatcher.register("sts", sts)
        self.dispatcher.register("cognito-identity", *pools.owners)

    async def call(self, service: str, operation: str, *, by: Principal = ROOT, **parameters: Any) -> Any:
        call = Call(principal=by, account_id=ACCOUNT, region=REGION, request_id="", now=NOW)
        return await self.dispatcher.invoke(service, operation, parameters, call)

    async def make_role(self, name: str, federated: str, condition: Mapping[str, Any], *more: str) -> str:
        statement = {
            "Effect": "Allow",
            "Principal": {"Federated": federated},
            "Action": ["sts:AssumeRoleWithWebIdentity", *more],
            "Condition": condition,
        }
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        made = await self.call("iam", "CreateRole", RoleName=name, AssumeRolePolicyDocument=trust)
        arn: str = made["Role"]["Arn"]
        return arn

    def holder(self, credentials: Mapping[str, Any]) -> Principal:
        return self.sessions.open(credentials["AccessKeyId"], credentials["SessionToken"], NOW).principal


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    database = await open_store(tmp_path)
    async with running_issuer() as issuer:
        yield Cloud(issuer, database)
    await database.close()


def test_every_operation_and_parameter_is_the_models(cloud: Cloud) -> None:
    assert cloud.dispatcher.operations.check() == []


async def test_a_ci_job_gets_a_role_with_its_issuer_s_token(cloud: Cloud) -> None:
    """What a workflow of a code host does, with nothing long-lived to lose."""
    made = await cloud.call(
        "iam",
        "CreateOpenIDConnectProvider",
        Url=cloud.issuer.url,
        ClientIDList=["sts.amazonaws.com"],
        ThumbprintList=["a" * 40],
        Tags=[{"Key": "team", "Value": "blue"}],
    )
    provider = made["OpenIDConnectProviderArn"]
    name = cloud.issuer.name
    role = await cloud.make_role(
        "Deployer", provider, {"StringEquals": {f"{name}:aud": "sts.amazonaws.com", f"{name}:sub": "repo:a/b:main"}}
    )
    ask = {"RoleArn": role, "RoleSessionName": "ci", "PolicyArns": [{"arn": READ_ONLY}]}
    token = cloud.issuer.token(NOW, sub="repo:a/b:main", aud="sts.amazonaws.com")
    other = cloud.issuer.token(NOW, sub="repo:a/b:fork", aud="sts.amazonaws.com")

    answer = await cloud.call("sts", "AssumeRoleWithWebIdentity", by=ANONYMOUS, WebIdentityToken=token, **ask)
    shown = await cloud.call("iam", "GetOpenIDConnectProvider", OpenIDConnectProviderArn=provider)

    assert (answer["Provider"], answer["Audience"]) == (provider, "sts.amazonaws.com")
    session = cloud.holder(answer["Credentials"]).session
    assert session is not None
    assert session.policies == (aws_managed_policies()[READ_ONLY].document,)
    assert (shown["Url"], shown["ClientIDList"]) == (name, ["sts.amazonaws.com"])
    with pytest.raises(ServiceError) as refusal:
        await cloud.call("sts", "AssumeRoleWithWebIdentity", by=ANONYMOUS, WebIdentityToken=other, **ask)
    assert refusal.value.message == "Not authorized to perform sts:AssumeRoleWithWebIdentity"


async def test_a_backend_s_user_gets_credentials_by_both_flows(cloud: Cloud) -> None:
    pool = await cloud.call(
        "cognito-identity",
        "CreateIdentityPool",
        IdentityPoolName="demo",
        AllowUnauthenticatedIdentities=False,
        DeveloperProviderName="login.mine",
    )
    pool_id = pool["IdentityPoolId"]
    condition = {
        "StringEquals": {f"{COGNITO}:aud": pool_id},
        "ForAnyValue:StringLike": {f"{COGNITO}:amr": "login.mine"},
    }
    role = await cloud.make_role("Member", COGNITO, condition, "sts:TagSession")
    await cloud.call("cognito-identity", "SetIdentityPoolRoles", IdentityPoolId=pool_id, Roles={"authenticated": role})

    vouched = await cloud.call(
        "cognito-identity",
        "GetOpenIdTokenForDeveloperIdentity",
        IdentityPoolId=pool_id,
        Logins={"login.mine": "dana"},
        PrincipalTags={"team": "blue"},
        TokenDuration=60,
    )
    identity_id, token = vouched["IdentityId"], vouched["Token"]
    enhanced = await cloud.call(
        "cognito-identity", "GetCredentialsForIdentity", by=ANONYMOUS, IdentityId=identity_id, Logins={COGNITO: token}
    )
    classic = await cloud.call(
        "sts",
        "AssumeRoleWithWebIdentity",
        by=ANONYMOUS,
        RoleArn=role,
        RoleSessionName="app",
        WebIdentityToken=token,
    )
    looked_up = await cloud.call(
        "cognito-identity", "LookupDeveloperIdentity", IdentityPoolId=pool_id, DeveloperUserIdentifier="dana"
    )

    assert looked_up == {"IdentityId": identity_id, "DeveloperUserIdentifierList": ["dana"]}
    for credentials in (enhanced["Credentials"], classic["Credentials"]):
        session = cloud.holder(credentials).session
        assert session is not None
        assert (session.tags, session.policies) == ({"team": "blue"}, None)
        assert session.claims[f"{COGNITO}:sub"] == (identity_id,)


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "named"),
    [
        (
            "sts",
            "AssumeRoleWithWebIdentity",
            {"WebIdentityToken": "xxxx", "ProviderId": "www.amazon.com", "RoleSessionName": "app"},
            "ProviderId",
        ),
        (
            "sts",
            "AssumeRole",
            {"RoleSessionName": "app", "ProvidedContexts": [{"ProviderArn": "arn:aws:iam::aws:contextProvider/x"}]},
            "ProvidedContexts",
        ),
    ],
)
async def test_what_cannot_be_verified_is_refused_by_name(
    cloud: Cloud, service: str, operation: str, parameters: dict[str, Any], named: str
) -> None:
    with pytest.raises(ServiceError) as refusal:
        await cloud.call(service, operation, RoleArn=f"arn:aws:iam::{ACCOUNT}:role/Any", **parameters)

    assert named in refusal.value.message

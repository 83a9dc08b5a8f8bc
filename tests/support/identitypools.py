"""A small world for identity pools: one user pool with two clients and a few people, roles, and the real STS."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from velvetrope.clock import CountingEntropy, FrozenClock
from velvetrope.identitypools import IdentityPoolOperations, OpenIdProviders, PoolOpenIdTokens, SamlProviders
from velvetrope.operations import Call, implemented_operations
from velvetrope.policy import PrincipalPolicies, parse_policy
from velvetrope.principals import ANONYMOUS, Principal
from velvetrope.sealing import MasterKeys
from velvetrope.store.tables.identitypools import CognitoIdentityProvider, IdentityPoolStore
from velvetrope.sts import RoleAssumption, Sessions
from velvetrope.tokens import (
    KeySet,
    SigningKey,
    TokenRevoked,
    VerifiedToken,
    generate_signing_key,
    sign_token,
    verify_token,
)

ACCOUNT = "123456789012"
REGION = "us-west-2"
USER_POOL = "us-west-2_AbCdEfGhI"
PROVIDER = f"cognito-idp.us-west-2.amazonaws.com/{USER_POOL}"
COGNITO = "cognito-identity.amazonaws.com"
CLIENT, OTHER_CLIENT = "client1", "client2"
PUBLIC_URL = "https://auth.example.com"
ROOT = Principal("Account", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)

KEY = generate_signing_key()
FORGED_KEY = generate_signing_key()


def role_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def trusting_pool(pool_id: str, kind: str, *, tagging: bool = False) -> str:
    """The trust policy that AWS's console writes for a pool's role."""
    action = ["sts:AssumeRoleWithWebIdentity", *(["sts:TagSession"] if tagging else [])]
    condition = {"StringEquals": {f"{COGNITO}:aud": pool_id}, "ForAnyValue:StringLike": {f"{COGNITO}:amr": kind}}
    statement = {"Effect": "Allow", "Principal": {"Federated": COGNITO}, "Action": action, "Condition": condition}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@dataclass(frozen=True)
class Role:
    role_name: str
    assume_role_policy_document: str
    account_id: str = ACCOUNT
    max_session_duration_seconds: int = 3600
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return role_arn(self.role_name)

    @property
    def role_id(self) -> str:
        return f"AROA{self.role_name.upper()}"


@dataclass
class Roles:
    documents: dict[str, str] = field(default_factory=dict)

    async def load_role(self, account_id: str, role_name: str) -> Role | None:
        document = self.documents.get(role_name)
        return None if document is None or account_id != ACCOUNT else Role(role_name, document)


@dataclass
class Gatherer:
    identity: tuple[str, ...] = ()

    async def stands(self, principal: Principal) -> bool:
        return True

    async def policies_for(self, principal: Principal) -> PrincipalPolicies:
        return PrincipalPolicies(identity=tuple(parse_policy(text, kind="identity") for text in self.identity))


@dataclass
class UserPools:
    """Verifies ID tokens of the one user pool; `gone` are the people whose sessions were ended."""

    gone: set[str] = field(default_factory=set)

    async def verify_id_token(
        self, token: str, *, user_pool_id: str, audiences: Collection[str], now: datetime, check_user: bool
    ) -> VerifiedToken:
        found = verify_token(
            token,
            keys=KeySet.of([KEY]),
            issuers=[f"https://cognito-idp.us-west-2.amazonaws.com/{user_pool_id}", f"{PUBLIC_URL}/{user_pool_id}"],
            token_use="id",
            audiences=audiences,
            now=now,
        )
        if check_user and found.sub in self.gone:
            raise TokenRevoked("The user is gone")
        return found


@dataclass
class World:
    """The service, and short ways to call it."""

    store: IdentityPoolStore
    clock: FrozenClock = field(default_factory=lambda: FrozenClock(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)))
    roles: Roles = field(default_factory=Roles)
    gatherer: Gatherer = field(default_factory=Gatherer)
    user_pools: UserPools = field(default_factory=UserPools)
    open_id_providers: OpenIdProviders | None = None
    saml_providers: SamlProviders | None = None

    def __post_init__(self) -> None:
        entropy = CountingEntropy()
        master_keys = MasterKeys.generate(CountingEntropy())
        self.sessions = Sessions(master_keys, entropy)
        self.assumption = RoleAssumption(self.roles, self.sessions, self.gatherer)
        self.tokens = PoolOpenIdTokens(self.store, master_keys, entropy, region=REGION)
        self.service = IdentityPoolOperations(
            self.store,
            user_pool_tokens=self.user_pools,
            role_sessions=self.assumption,
            open_id_tokens=self.tokens,
            entropy=entropy,
            open_id_providers=self.open_id_providers,
            saml_providers=self.saml_providers,
            public_url=PUBLIC_URL,
        )

    async def call(self, operation: str, *, by: Principal = ANONYMOUS, region: str = REGION, **members: Any) -> Any:
        """One call of an operation, as the dispatcher makes it."""
        methods = {
            name: method for owner in self.service.owners for name, method in implemented_operations(owner).items()
        }
        return await methods[operation](Call(by, ACCOUNT, region, "request-1", self.clock.now()), **members)

    async def make_pool(self, *, guests: bool = True, classic: bool = False, check_users: bool = False) -> str:
        """A pool that takes the first client's tokens, with a role for guests and one for everybody else."""
        made = await self.call(
            "create_identity_pool",
            by=ROOT,
            identity_pool_name="demo",
            allow_unauthenticated_identities=guests,
            allow_classic_flow=classic,
            cognito_identity_providers=(
                CognitoIdentityProvider(provider_name=PROVIDER, client_id=CLIENT, server_side_token_check=check_users),
            ),
        )
        pool_id: str = made["identity_pool_id"]
        self.roles.documents["Guest"] = trusting_pool(pool_id, "unauthenticated")
        self.roles.documents["Member"] = trusting_pool(pool_id, "authenticated")
        await self.call(
            "set_identity_pool_roles",
            by=ROOT,
            identity_pool_id=pool_id,
            roles={"authenticated": role_arn("Member"), "unauthenticated": role_arn("Guest")},
        )
        return pool_id

    async def forbid_guests(self, pool_id: str) -> None:
        """Let no guests in any more, in a pool with the classic flow."""
        await self.call(
            "update_identity_pool",
            by=ROOT,
            identity_pool_id=pool_id,
            identity_pool_name="demo",
            allow_unauthenticated_identities=False,
            allow_classic_flow=True,
        )

    def id_token(self, sub: str = "alice", *, key: SigningKey = KEY, **claims: Any) -> str:
        now = self.clock.now()
        return sign_token(
            {
                "sub": sub,
                "iss": f"https://{PROVIDER}",
                "aud": CLIENT,
                "token_use": "id",
                "exp": int((now + timedelta(hours=1)).timestamp()),
                "iat": int(now.timestamp()),
                **claims,
            },
            key,
        )

    def logins(self, sub: str = "alice", **claims: Any) -> dict[str, str]:
        return {PROVIDER: self.id_token(sub, **claims)}

    async def sign_in(self, pool_id: str, sub: str = "alice", **claims: Any) -> str:
        """The id of the identity that this person's login leads to."""
        answer = await self.call("get_id", identity_pool_id=pool_id, logins=self.logins(sub, **claims))
        identity_id: str = answer["identity_id"]
        return identity_id

    def holder(self, answer: Mapping[str, Any]) -> Principal:
        """Who the credentials of an answer stand for."""
        given = answer["credentials"]
        opened = self.sessions.open(given["access_key_id"], given["session_token"], self.clock.now())
        assert opened.secret_access_key.reveal() == given["secret_key"]
        return opened.principal

"""Doors of an identity pool: who gets temporary credentials, and for which role."""

import functools
import itertools
from collections.abc import Mapping
from typing import Any

from benchmarks.peers.aws import Aws
from benchmarks.peers.doors.door import Answer, Door, HasNone, ask
from benchmarks.peers.doors.principals import Principals
from benchmarks.peers.doors.user_pools import UserPools
from benchmarks.peers.forgeries import by_another_key, unsigned

__all__ = ["DOORS", "IdentityPools"]


class IdentityPools:
    """Identity pools before the user pool's client `web`, each with a role of its own."""

    def __init__(self, aws: Aws, users: UserPools, principals: Principals) -> None:
        self.users, self.principals, self.region = users, principals, aws.region
        self.admin = aws.client("cognito-identity")
        self.public = aws.unsigned("cognito-identity")
        self._numbers = itertools.count()

    def new_pool(self, *, guests: bool = False, role_of: str | None = None) -> str:
        """The id of a pool whose role trusts it, or the pool `role_of` instead."""
        pool_id = str(
            self.admin.create_identity_pool(
                IdentityPoolName=f"doors-{next(self._numbers)}",
                AllowUnauthenticatedIdentities=guests,
                CognitoIdentityProviders=[
                    {"ProviderName": self.provider, "ClientId": client_id}
                    for client_id in (self.users.client_id, self.users.short_lived_client)
                ],
            )["IdentityPoolId"]
        )
        role = self.principals.new_role(
            {
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Principal": {"Federated": "cognito-identity.amazonaws.com"},
                "Condition": {"StringEquals": {"cognito-identity.amazonaws.com:aud": role_of or pool_id}},
            }
        )
        self.admin.set_identity_pool_roles(
            IdentityPoolId=pool_id, Roles={"authenticated": role, "unauthenticated": role}
        )
        return pool_id

    @property
    def provider(self) -> str:
        return f"cognito-idp.{self.region}.amazonaws.com/{self.users.pool_id}"

    def new_token(self, client_id: str = "") -> str:
        """The ID token of a user who has just signed in."""
        token = self.users.tokens(self.users.new_user(), client_id)["IdToken"]
        if token.count(".") != 2:  # header, claims and signature
            raise HasNone(f"the ID token is no JWT but {token[:20]}")
        return token

    def _exchange(self, pool_id: str, token: str | None) -> Answer:
        """GetId, then GetCredentialsForIdentity: let in is who gets credentials."""
        logins = {self.provider: token} if token else {}

        def exchange() -> Any:
            identity_id = self.public.get_id(IdentityPoolId=pool_id, Logins=logins)["IdentityId"]
            return self.public.get_credentials_for_identity(IdentityId=identity_id, Logins=logins)

        return ask(exchange, _credentials)

    def signed_in(self) -> Answer:
        return self._exchange(self.new_pool(), self.new_token())

    def unsigned_token(self) -> Answer:
        return self._exchange(self.new_pool(), unsigned(self.new_token()))

    def foreign_token(self) -> Answer:
        return self._exchange(self.new_pool(), by_another_key(self.new_token()))

    def expired_token(self) -> Answer:
        return self._exchange(self.new_pool(), self.users.expired_token)

    def token_of_another_client(self) -> Answer:
        return self._exchange(self.new_pool(), self.new_token(self.users.new_client("another")))

    def guest(self) -> Answer:
        return self._exchange(self.new_pool(guests=True), None)

    def guest_where_guests_are_off(self) -> Answer:
        return self._exchange(self.new_pool(), None)

    def role_of_another_pool(self) -> Answer:
        another = f"{self.region}:00000000-0000-4000-8000-000000000000"
        return self._exchange(self.new_pool(role_of=another), self.new_token())

    def _identity(self, *, own: bool) -> Answer:
        pool_id, token = self.new_pool(), self.new_token()
        theirs = token if own else self.new_token()
        identity_id = self.public.get_id(IdentityPoolId=pool_id, Logins={self.provider: theirs})["IdentityId"]
        call = functools.partial(self.public.get_credentials_for_identity, IdentityId=identity_id)
        return ask(functools.partial(call, Logins={self.provider: token}), _credentials)

    def own_identity(self) -> Answer:
        return self._identity(own=True)

    def identity_of_somebody_else(self) -> Answer:
        return self._identity(own=False)


def _credentials(answer: Mapping[str, Any]) -> bool:
    return bool(answer.get("Credentials", {}).get("AccessKeyId"))


REFUSED = "400 NotAuthorizedException"
DOORS: tuple[Door[IdentityPools], ...] = (
    Door("credentials for an `alg: none` ID token", REFUSED, IdentityPools.signed_in, IdentityPools.unsigned_token),
    Door(
        "credentials for an ID token that another key signed",
        REFUSED,
        IdentityPools.signed_in,
        IdentityPools.foreign_token,
    ),
    Door(
        "credentials for an ID token that has expired",
        REFUSED,
        IdentityPools.signed_in,
        IdentityPools.expired_token,
        waits=True,
    ),
    Door(
        "credentials for the ID token of a client that the pool does not know",
        REFUSED,
        IdentityPools.signed_in,
        IdentityPools.token_of_another_client,
    ),
    Door(
        "credentials for a guest where guests are off",
        REFUSED,
        IdentityPools.guest,
        IdentityPools.guest_where_guests_are_off,
    ),
    Door(
        "credentials of a role that trusts another pool",
        "400 InvalidIdentityPoolConfigurationException",
        IdentityPools.signed_in,
        IdentityPools.role_of_another_pool,
    ),
    Door(
        "credentials of somebody else's identity",
        REFUSED,
        IdentityPools.own_identity,
        IdentityPools.identity_of_somebody_else,
    ),
)

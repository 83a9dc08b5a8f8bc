"""Doors of IAM and STS: who signs, with which key, and what their policies say."""

import functools
import itertools
import json
from collections.abc import Mapping
from typing import Any

from botocore.credentials import Credentials

from benchmarks.peers.aws import Aws
from benchmarks.peers.doors.door import Answer, Door, HasNone, ask
from benchmarks.peers.forgeries import by_another_key, unsigned

__all__ = ["DOORS", "LIST", "Principals", "document"]

LIST = {"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*"}
ASSUME = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}


def document(*statements: Mapping[str, Any]) -> str:
    """A policy of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


class Principals:
    """Users and roles, made as each door asks for them."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.iam = aws.client("iam")
        self._numbers = itertools.count()

    def new_user(self, *statements: Mapping[str, Any]) -> tuple[str, Credentials]:
        """ARN and access key of a user that may do what the statements say."""
        name = f"somebody-{next(self._numbers)}"
        arn = self.iam.create_user(UserName=name)["User"]["Arn"]
        if statements:
            self.iam.put_user_policy(UserName=name, PolicyName="given", PolicyDocument=document(*statements))
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        return arn, Credentials(key["AccessKeyId"], key["SecretAccessKey"])

    def new_role(self, trusted: Mapping[str, Any], *statements: Mapping[str, Any]) -> str:
        """ARN of a role that `trusted` may assume: a statement of its trust policy without the effect."""
        name = f"role-{next(self._numbers)}"
        trust = document({"Effect": "Allow", "Action": "sts:AssumeRole", **trusted})
        arn = str(self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"])
        if statements:
            self.iam.put_role_policy(RoleName=name, PolicyName="given", PolicyDocument=document(*statements))
        return arn

    # The signature

    def _whoami(self, credentials: Credentials | None) -> Answer:
        client = self.aws.unsigned("sts") if credentials is None else self.aws.client("sts", credentials)
        return ask(client.get_caller_identity)

    def own_key(self) -> Answer:
        return self._whoami(self.new_user()[1])

    def no_signature(self) -> Answer:
        return self._whoami(None)

    def wrong_secret(self) -> Answer:
        key = self.new_user()[1]
        return self._whoami(Credentials(key.access_key, "wrong-" + key.secret_key[6:]))

    def deleted_key(self) -> Answer:
        arn, key = self.new_user()
        self.iam.delete_access_key(UserName=arn.rpartition("/")[2], AccessKeyId=key.access_key)
        return self._whoami(key)

    # Policies

    def _list_users(self, credentials: Credentials) -> Answer:
        return ask(self.aws.client("iam", credentials).list_users)

    def with_permission(self) -> Answer:
        return self._list_users(self.new_user(LIST)[1])

    def without_permission(self) -> Answer:
        return self._list_users(self.new_user()[1])

    def denied(self) -> Answer:
        return self._list_users(self.new_user(LIST, {**LIST, "Effect": "Deny"})[1])

    # Roles

    def _assume(self, *, named: bool, session_policy: str | None = None) -> dict[str, Any]:
        arn, key = self.new_user(ASSUME)
        trusted = arn if named else self.new_user()[0]
        role = self.new_role({"Principal": {"AWS": trusted}}, LIST)
        more = {"Policy": session_policy} if session_policy else {}
        answer: dict[str, Any] = self.aws.client("sts", key).assume_role(RoleArn=role, RoleSessionName="it", **more)
        return answer

    def trusted(self) -> Answer:
        return ask(functools.partial(self._assume, named=True), _credentials)

    def not_trusted(self) -> Answer:
        return ask(functools.partial(self._assume, named=False), _credentials)

    def _list_users_in_session(self, policy: str | None) -> Answer:
        given = self._assume(named=True, session_policy=policy)["Credentials"]
        return self._list_users(Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]))

    def session(self) -> Answer:
        return self._list_users_in_session(None)

    def narrowed_session(self) -> Answer:
        return self._list_users_in_session(document({**LIST, "Action": "iam:ListRoles"}))

    # A web identity: the token of an identity pool, which no provider has to be made for

    def _web_identity(self, changed: Any = lambda token: token) -> Answer:
        pools = self.aws.client("cognito-identity")
        pool_id = pools.create_identity_pool(
            IdentityPoolName=f"web-{next(self._numbers)}",
            AllowUnauthenticatedIdentities=True,
            AllowClassicFlow=True,
        )["IdentityPoolId"]
        public = self.aws.unsigned("cognito-identity")
        identity_id = public.get_id(IdentityPoolId=pool_id)["IdentityId"]
        token = public.get_open_id_token(IdentityId=identity_id)["Token"]
        if token.count(".") != 2:  # header, claims and signature
            raise HasNone(f"GetOpenIdToken gives no JWT but {token[:20]}")
        role = self.new_role(
            {
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Principal": {"Federated": "cognito-identity.amazonaws.com"},
                "Condition": {"StringEquals": {"cognito-identity.amazonaws.com:aud": pool_id}},
            }
        )
        return ask(
            lambda: self.aws.unsigned("sts").assume_role_with_web_identity(
                RoleArn=role, RoleSessionName="it", WebIdentityToken=changed(token)
            ),
            _credentials,
        )

    def web_identity(self) -> Answer:
        return self._web_identity()

    def unsigned_web_identity(self) -> Answer:
        return self._web_identity(unsigned)

    def foreign_web_identity(self) -> Answer:
        return self._web_identity(by_another_key)


def _credentials(answer: Mapping[str, Any]) -> bool:
    return bool(answer.get("Credentials", {}).get("AccessKeyId"))


DOORS: tuple[Door[Principals], ...] = (
    Door(
        "GetCallerIdentity without a signature",
        "403 MissingAuthenticationToken",
        Principals.own_key,
        Principals.no_signature,
    ),
    Door("a signature by another secret", "403 SignatureDoesNotMatch", Principals.own_key, Principals.wrong_secret),
    Door("an access key that was deleted", "403 InvalidClientTokenId", Principals.own_key, Principals.deleted_key),
    Door(
        "ListUsers by a user without a policy",
        "403 AccessDenied",
        Principals.with_permission,
        Principals.without_permission,
    ),
    Door("ListUsers by a user with a Deny", "403 AccessDenied", Principals.with_permission, Principals.denied),
    Door(
        "AssumeRole of a role that trusts somebody else", "403 AccessDenied", Principals.trusted, Principals.not_trusted
    ),
    Door("ListUsers beyond the session's policy", "403 AccessDenied", Principals.session, Principals.narrowed_session),
    Door(
        "AssumeRoleWithWebIdentity with an `alg: none` token",
        "400 InvalidIdentityToken",
        Principals.web_identity,
        Principals.unsigned_web_identity,
    ),
    Door(
        "AssumeRoleWithWebIdentity with a token that another key signed",
        "400 InvalidIdentityToken",
        Principals.web_identity,
        Principals.foreign_web_identity,
    ),
)

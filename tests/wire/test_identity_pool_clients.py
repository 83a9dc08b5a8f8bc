"""Identity pools as JavaScript apps use them: Amplify's `fetchAuthSession` and the AWS SDK's `fromCognitoIdentityPool`.

One run of `tests/javascript/identity_pools.mjs` under Node does everything; the tests here look at what it found, and
use the credentials that it was given.
"""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from support.clients import aws_client
from support.running import REPOSITORY, RunningServer, clean_environment

COGNITO, PASSWORD = "cognito-identity.amazonaws.com", "Right-horse-1"
STS = "arn:aws:sts::123456789012:assumed-role/{}/CognitoIdentityCredentials"


@dataclass
class World:
    """The server, and what the script found."""

    server: RunningServer
    found: dict[str, Any]

    def holder(self, credentials: dict[str, str]) -> str:
        """Who STS says that the credentials stand for."""
        return str(self.client("sts", credentials).get_caller_identity()["Arn"])

    def client(self, service: str, given: dict[str, str]) -> Any:
        keys = Credentials(given["accessKeyId"], given["secretAccessKey"], given["sessionToken"])
        return aws_client(self.server, service, keys)


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def make_role(server: RunningServer, name: str, pool_id: str, amr: str, *actions: str) -> str:
    iam = aws_client(server, "iam")
    condition = {"StringEquals": {f"{COGNITO}:aud": pool_id}, "ForAnyValue:StringLike": {f"{COGNITO}:amr": amr}}
    trust = document(
        {
            "Effect": "Allow",
            "Principal": {"Federated": COGNITO},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": condition,
        }
    )
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    if actions:
        policy = document({"Effect": "Allow", "Action": list(actions), "Resource": "*"})
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy)
    return arn


def make_world(server: RunningServer) -> dict[str, str]:
    """A user pool with two people, one of them in a group with a role; a pool that takes both and guests."""
    users, pools = aws_client(server, "cognito-idp"), aws_client(server, "cognito-identity")
    user_pool = users.create_user_pool(PoolName="people")["UserPool"]["Id"]
    client = users.create_user_pool_client(
        UserPoolId=user_pool,
        ClientName="app",
        ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
    )["UserPoolClient"]["ClientId"]
    provider = f"cognito-idp.{server.config['region']}.amazonaws.com/{user_pool}"
    pool_id = pools.create_identity_pool(
        IdentityPoolName="app",
        AllowUnauthenticatedIdentities=True,
        CognitoIdentityProviders=[{"ProviderName": provider, "ClientId": client}],
    )["IdentityPoolId"]
    closed = pools.create_identity_pool(IdentityPoolName="closed", AllowUnauthenticatedIdentities=False)
    guest = make_role(server, "guest", pool_id, "unauthenticated")
    member = make_role(server, "member", pool_id, "authenticated", "cognito-identity:DescribeIdentityPool")
    admin = make_role(server, "admin", pool_id, "authenticated", "iam:ListUsers")
    mapping = {"Type": "Token", "AmbiguousRoleResolution": "AuthenticatedRole"}
    pools.set_identity_pool_roles(
        IdentityPoolId=pool_id,
        Roles={"unauthenticated": guest, "authenticated": member},
        RoleMappings={f"{provider}:{client}": mapping},
    )
    users.create_group(UserPoolId=user_pool, GroupName="admins", RoleArn=admin, Precedence=1)
    for name in ("ada", "ben"):
        users.admin_create_user(UserPoolId=user_pool, Username=name, MessageAction="SUPPRESS")
        users.admin_set_user_password(UserPoolId=user_pool, Username=name, Password=PASSWORD, Permanent=True)
    users.admin_add_user_to_group(UserPoolId=user_pool, Username="ben", GroupName="admins")
    return {
        "endpoint": server.url,
        "region": server.config["region"],
        "userPoolId": user_pool,
        "clientId": client,
        "provider": provider,
        "identityPoolId": pool_id,
        "closedPoolId": closed["IdentityPoolId"],
        "user": "ada",
        "member": "ben",
        "password": PASSWORD,
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("identity-pools") / "state"
    with RunningServer("serve", state_folder=folder) as server:
        script = REPOSITORY / "tests" / "javascript" / "identity_pools.mjs"
        done = subprocess.run(
            ["node", str(script), json.dumps(make_world(server))],
            env=clean_environment(),
            cwd=script.parent,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        yield World(server, json.loads(done.stdout))


def test_amplify_gets_a_guests_credentials(world: World) -> None:
    guest = world.found["guest"]

    assert world.holder(guest["credentials"]) == STS.format("guest")
    assert guest["groups"] == []


def test_amplify_gets_a_users_credentials_and_the_guest_becomes_the_user(world: World) -> None:
    """Amplify shows the identity id that it has cached along with the login: the same identity, signed in."""
    user = world.found["user"]

    assert world.holder(user["credentials"]) == STS.format("member")
    assert user["sameIdentity"]
    assert user["identityId"] == world.found["guest"]["identityId"]
    assert world.found["member"]["identityId"] != user["identityId"]


def test_amplify_gets_the_role_of_a_users_group(world: World) -> None:
    member = world.found["member"]

    assert member["groups"] == ["admins"]
    assert world.holder(member["credentials"]) == STS.format("admin")
    assert world.client("iam", member["credentials"]).list_users()["Users"] == []


@pytest.mark.parametrize("who", ["guest", "user"])
def test_what_the_groups_role_may_others_may_not(world: World, who: str) -> None:
    with pytest.raises(ClientError) as error:
        world.client("iam", world.found[who]["credentials"]).list_users()

    assert error.value.response["Error"]["Code"] == "AccessDenied"


def test_amplify_is_refused_a_wrong_password_and_guests_where_there_are_none(world: World) -> None:
    assert world.found["wrongPassword"] == {
        "error": "NotAuthorizedException",
        "message": "Incorrect username or password.",
    }
    assert world.found["closedGuest"] == {
        "error": "NotAuthorizedException",
        "message": "Unauthenticated access is not supported for this identity pool.",
    }


def test_the_sdk_gets_credentials_for_guest_and_user(world: World) -> None:
    sdk = world.found["sdk"]

    assert world.holder(sdk["guest"]) == STS.format("guest")
    assert world.holder(sdk["user"]) == world.holder(sdk["userAgain"]) == STS.format("member")
    assert sdk["user"]["identityId"] == world.found["user"]["identityId"]


def test_the_sdk_signs_with_them_and_the_role_decides(world: World) -> None:
    sdk = world.found["sdk"]

    assert sdk["userDescribes"] == "app"
    assert sdk["guestDescribes"]["error"] == "AccessDeniedException"
    assert "is not authorized to perform: cognito-identity:DescribeIdentityPool" in sdk["guestDescribes"]["message"]


@pytest.mark.parametrize(
    ("case", "error", "message"),
    [
        ("forged", "NotAuthorizedException", "Invalid login token. Couldn't verify signed token."),
        (
            "stolen",
            "NotAuthorizedException",
            "Logins don't match. Please include at least one valid login for this identity or identity pool.",
        ),
        ("nobody", "NotAuthorizedException", "Access to Identity '{}' is forbidden."),
        (
            "invented",
            "ResourceNotFoundException",
            "Identity 'us-west-2:00000000-0000-0000-0000-000000000000' not found.",
        ),
    ],
)
def test_the_sdk_is_refused_in_awss_words(world: World, case: str, error: str, message: str) -> None:
    refused = world.found["sdk"][case]

    assert refused == {"error": error, "message": message.format(world.found["user"]["identityId"])}

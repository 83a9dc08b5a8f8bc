"""One table for all places that take a token: what forgers try is refused at each, and the good token beside it is not.

Here those that take tokens of a user pool of the server's: its own operations, `userInfo`, the authorizers of REST and
HTTP APIs, identity pools. The same tricks are tried on what takes tokens of other issuers, which have to be https and
are therefore in one process with it: STS (`tests/sts/test_web_identities.py`), identity pools
(`tests/identitypools/test_open_id_logins.py`), HTTP APIs (`tests/execute_api/http_apis/test_http_api_authorizers.py`)
and hosted sign-in with a provider (`tests/hosted_ui/test_hosted_openid_providers.py`). Hosted log-out reads no
`id_token_hint`, and RevokeToken takes refresh tokens, which are no JWTs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from support.clients import aws_client
from support.pool_keys import keys_of_pool
from support.running import RunningServer
from support.token_tricks import ATTACKER, Mint, tricks_of
from support.userpools import claims_of
from velvetrope.server.machine import SystemClock
from velvetrope.tokens import SigningKey

ACCOUNT, REGION, PASSWORD = "123456789012", "us-west-2", "Secret-Pass-1"
SCOPES = "openid aws.cognito.signin.user.admin"
REFUSALS = frozenset({400, 401})
now = SystemClock().now


@dataclass
class Place:
    """Somewhere that takes tokens. `offer` is None, or the reason why not."""

    mint: Mint
    offer: Callable[[str], str | None]
    more: dict[str, str]
    """Tokens that are good somewhere else."""


def operation(run: Callable[[str], Any], *codes: str) -> Callable[[str], str | None]:
    """An operation of AWS's that takes a token, and the codes with which it refuses."""

    def offer(token: str) -> str | None:
        try:
            run(token)
        except ClientError as refusal:
            code = str(refusal.response["Error"]["Code"])
            return code if code in codes else None
        return None

    return offer


def door(url: str, *, scheme: str = "Bearer ") -> Callable[[str], str | None]:
    """An address that takes a bearer token."""
    session = requests.Session()
    session.trust_env = False

    def offer(token: str) -> str | None:
        response = session.get(url, headers={"Authorization": f"{scheme}{token}"})
        return response.text if response.status_code in REFUSALS else None

    return offer


class House:
    """A user pool with a domain, an identity pool, and an API of each kind, all of which take the pool's tokens."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        pools = aws_client(server, "cognito-idp")
        self.pool_id, self.client_id, good = self._pool(pools, "tricked")
        other_pool, other_client, other = self._pool(pools, "beside")
        pools.create_user_pool_domain(UserPoolId=self.pool_id, Domain="tricked")
        self.iss = str(claims_of(good["IdToken"])["iss"])
        keys, other_keys = keys_of_pool(server, self.pool_id), keys_of_pool(server, other_pool)
        access = {**claims_of(good["AccessToken"]), "scope": SCOPES}
        self.id_mint = self._mint(keys["id"], claims_of(good["IdToken"]))
        self.access_mint = self._mint(keys["access"], access)
        beside = {**claims_of(other["IdToken"]), "iss": self.iss, "aud": self.client_id}
        beside_access = {**claims_of(other["AccessToken"]), "iss": self.iss, "client_id": self.client_id}
        self.of_others = {
            "id": {
                "another pool's": other["IdToken"],
                "another pool's key under our issuer": self._mint(other_keys["id"], beside).token(),
                "access": good["AccessToken"],
                "refresh": good["RefreshToken"],
                "use of the other kind": self.id_mint.token(claims={"token_use": "access"}),
                "no use": self.id_mint.token(claims={"token_use": None}),
                "audience that is a list": self.id_mint.token(claims={"aud": [self.client_id]}),
                "no audience": self.id_mint.token(claims={"aud": None}),
                "another region's": self.id_mint.token(claims={"iss": self.iss.replace(REGION, "eu-west-1")}),
            },
            "access": {
                "another pool's": other["AccessToken"],
                "another pool's key under our issuer": self._mint(other_keys["access"], beside_access).token(),
                "id": good["IdToken"],
                "refresh": good["RefreshToken"],
                "use of the other kind": self.access_mint.token(claims={"token_use": "id"}),
                "client that is not there": self.access_mint.token(claims={"client_id": "nobody"}),
                "another pool's client": self.access_mint.token(claims={"client_id": other_client}),
                "no client": self.access_mint.token(claims={"client_id": None}),
                "session that is not there": self.access_mint.token(claims={"origin_jti": "not there"}),
                "user who is not there": self.access_mint.token(claims={"sub": "nobody"}),
                "no scope": self.access_mint.token(claims={"scope": None}),
                "another scope": self.access_mint.token(claims={"scope": "phone"}),
            },
        }
        self.other_audience = {"another client's": self.id_mint.token(claims={"aud": "another"})}

    def _pool(self, pools: Any, name: str) -> tuple[str, str, dict[str, str]]:
        pool_id = pools.create_user_pool(PoolName=name)["UserPool"]["Id"]
        client_id = pools.create_user_pool_client(
            UserPoolId=pool_id, ClientName="app", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
        )["UserPoolClient"]["ClientId"]
        pools.admin_create_user(UserPoolId=pool_id, Username="anna", MessageAction="SUPPRESS")
        pools.admin_set_user_password(UserPoolId=pool_id, Username="anna", Password=PASSWORD, Permanent=True)
        tokens = pools.initiate_auth(
            ClientId=client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "anna", "PASSWORD": PASSWORD},
        )["AuthenticationResult"]
        return pool_id, client_id, tokens

    @staticmethod
    def _mint(key: SigningKey, claims: dict[str, Any]) -> Mint:
        return Mint(kid=key.kid, claims=claims, public=key.public.rsa_key, sign=key.sign)

    # Places that take the pool's tokens

    def get_user(self) -> Place:
        pools = aws_client(self.server, "cognito-idp")
        run = operation(
            lambda token: pools.get_user(AccessToken=token), "NotAuthorizedException", "InvalidParameterException"
        )
        # Which pool is asked is the token's to say.
        others = {name: token for name, token in self.of_others["access"].items() if name != "another pool's"}
        return Place(self.access_mint, run, others)

    def user_info(self) -> Place:
        url = f"{self.server.url}/tricked/oauth2/userInfo"
        return Place(self.access_mint, door(url), self.of_others["access"])

    def rest_authorizer(self) -> Place:
        gateway = aws_client(self.server, "apigateway")
        api_id = gateway.create_rest_api(name="tricked")["id"]
        root = gateway.get_resources(restApiId=api_id)["items"][0]["id"]
        authorizer = gateway.create_authorizer(
            restApiId=api_id,
            name="people",
            type="COGNITO_USER_POOLS",
            providerARNs=[f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{self.pool_id}"],
            identitySource="method.request.header.Authorization",
        )["id"]
        at = {"restApiId": api_id, "resourceId": root, "httpMethod": "GET"}
        gateway.put_method(**at, authorizationType="COGNITO_USER_POOLS", authorizerId=authorizer)
        gateway.put_integration(**at, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
        gateway.put_method_response(**at, statusCode="200")
        gateway.put_integration_response(**at, statusCode="200")
        gateway.create_deployment(restApiId=api_id, stageName="live")
        return Place(self.id_mint, door(f"{self.server.url}/_api/{api_id}/live"), self.of_others["id"])

    def http_authorizer(self) -> Place:
        url = self._http_api()
        taken = {
            name: text
            for name, text in self.of_others["id"].items()
            # What is for people and what is for APIs is both taken there, as on AWS.
            if name not in {"access", "use of the other kind", "no use"}
        }
        return Place(self.id_mint, door(url), taken | self.other_audience)

    def login(self) -> Place:
        name = f"cognito-idp.{REGION}.amazonaws.com/{self.pool_id}"
        pool_id = aws_client(self.server, "cognito-identity").create_identity_pool(
            IdentityPoolName="tricked",
            AllowUnauthenticatedIdentities=False,
            CognitoIdentityProviders=[{"ProviderName": name, "ClientId": self.client_id}],
        )["IdentityPoolId"]
        return Place(self.id_mint, self._get_id(pool_id, name), self.of_others["id"] | self.other_audience)

    def _http_api(self) -> str:
        gateway = aws_client(self.server, "apigatewayv2")
        api = gateway.create_api(Name="tricked", ProtocolType="HTTP")
        gateway.create_stage(ApiId=api["ApiId"], StageName="$default", AutoDeploy=True)
        integration = gateway.create_integration(
            ApiId=api["ApiId"],
            IntegrationType="HTTP_PROXY",
            IntegrationMethod="GET",
            IntegrationUri=f"{self.server.url}/{self.pool_id}/.well-known/jwks.json",
            PayloadFormatVersion="1.0",
        )["IntegrationId"]
        authorizer = gateway.create_authorizer(
            ApiId=api["ApiId"],
            Name="people",
            AuthorizerType="JWT",
            IdentitySource=["$request.header.Authorization"],
            JwtConfiguration={"Issuer": self.iss, "Audience": [self.client_id]},
        )["AuthorizerId"]
        gateway.create_route(
            ApiId=api["ApiId"],
            RouteKey="GET /me",
            AuthorizationType="JWT",
            AuthorizerId=authorizer,
            Target=f"integrations/{integration}",
        )
        return f"{api['ApiEndpoint']}/me"

    def _get_id(self, pool_id: str, provider: str) -> Callable[[str], str | None]:
        people = aws_client(self.server, "cognito-identity")
        return operation(
            lambda token: people.get_id(IdentityPoolId=pool_id, Logins={provider: token}),
            *("NotAuthorizedException", "InvalidParameterException"),
        )


@pytest.fixture(scope="module")
def house(serving: RunningServer) -> House:
    return House(serving)


PLACES = ["get_user", "user_info", "rest_authorizer", "http_authorizer", "login"]


@pytest.fixture(scope="module")
def places(house: House) -> dict[str, Place]:
    return {name: getattr(house, name)() for name in PLACES}


@pytest.mark.parametrize("name", PLACES)
def test_every_forgery_is_refused_and_the_good_token_beside_it_is_not(places: dict[str, Place], name: str) -> None:
    place = places[name]
    tricks = tricks_of(place.mint, now()) | place.more

    assert place.offer(place.mint.token()) is None
    taken = [trick for trick, token in tricks.items() if place.offer(token) is None]
    assert taken == []
    assert len(tricks) > 80
    assert place.offer(place.mint.token()) is None


def test_the_attacker_is_nobody_s_key(house: House) -> None:
    theirs = ATTACKER.public_key().public_numbers().n

    assert theirs not in {mint.public.public_numbers().n for mint in (house.id_mint, house.access_mint)}

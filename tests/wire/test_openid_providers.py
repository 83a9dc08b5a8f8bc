"""A user pool as the relying party of a provider of somebody else's make, from boto3's first call to the app's tokens.

The provider is npm's oidc-provider in a process of its own; the browser is a session with cookies that follows
redirects until it is back at the app.
"""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import jwt
import pytest
import requests

from support.clients import aws_client
from support.running import REPOSITORY, RunningServer, clean_environment

CALLBACK = "http://localhost:5173/"
AT_PROVIDER = {"client_id": "the-pool", "client_secret": "a secret with spaces & signs"}
AUTHENTICATION = ["client_secret_post", "client_secret_basic"]


@dataclass
class Story:
    server: RunningServer
    pool_id: str
    client_id: str
    domain: str

    def browser(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False  # a bundle named by the environment would go before this one
        session.verify = str(self.server.ca_certificate)
        return session

    @property
    def pages(self) -> str:
        return f"https://localhost:{self.server.port}/{self.domain}"

    def request(self) -> str:
        asked = {
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid email profile aws.cognito.signin.user.admin",
            "state": "st4te",
            "identity_provider": "Corp",
        }
        return f"{self.pages}/oauth2/authorize?{urlencode(asked)}"


@pytest.fixture(scope="module", params=AUTHENTICATION)
def story(serving: RunningServer, request: pytest.FixtureRequest) -> Iterator[Story]:
    """A pool whose provider `Corp` takes its secret one way and no other."""
    domain = request.param.replace("_", "-")
    settings = {
        **AT_PROVIDER,
        "redirect_uri": f"https://localhost:{serving.port}/{domain}/oauth2/idpresponse",
        "token_endpoint_auth_method": request.param,
    }
    with subprocess.Popen(
        ["node", "open_id_provider.mjs", json.dumps(settings)],
        cwd=REPOSITORY / "tests/javascript",
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as provider:
        assert provider.stdout is not None
        issuer = json.loads(provider.stdout.readline())["issuer"]
        yield furnish(serving, domain, issuer)
        assert provider.stdin is not None
        provider.stdin.close()


def furnish(serving: RunningServer, domain: str, issuer: str) -> Story:
    admin = aws_client(serving, "cognito-idp")
    pool_id = admin.create_user_pool(PoolName=domain)["UserPool"]["Id"]
    admin.create_user_pool_domain(UserPoolId=pool_id, Domain=domain)
    admin.create_identity_provider(
        UserPoolId=pool_id,
        ProviderName="Corp",
        ProviderType="OIDC",
        ProviderDetails={
            **AT_PROVIDER,
            "oidc_issuer": issuer,
            "authorize_scopes": "openid email profile",
            "attributes_request_method": "GET",
        },
        AttributeMapping={"email": "email", "email_verified": "email_verified", "name": "name"},
    )
    client = admin.create_user_pool_client(
        UserPoolId=pool_id,
        ClientName="web",
        CallbackURLs=[CALLBACK],
        AllowedOAuthFlows=["code"],
        AllowedOAuthScopes=["openid", "email", "profile", "aws.cognito.signin.user.admin"],
        AllowedOAuthFlowsUserPoolClient=True,
        SupportedIdentityProviders=["Corp"],
    )["UserPoolClient"]
    return Story(serving, pool_id, client["ClientId"], domain)


def follow(browser: requests.Session, address: str) -> tuple[str, list[str]]:
    """Where the redirects end, outside of both servers, and every address on the way."""
    passed: list[str] = []
    while not address.startswith(CALLBACK):
        passed.append(address)
        assert len(passed) < 20, passed
        response = browser.get(address, allow_redirects=False)
        assert response.is_redirect, (address, response.status_code, response.text[:500])
        address = urljoin(address, response.headers["Location"])
    return address, passed


def tokens_for(story: Story, address: str) -> Any:
    answer = dict(parse_qsl(urlsplit(address).query))
    assert answer["state"] == "st4te"
    form = {
        "grant_type": "authorization_code",
        "client_id": story.client_id,
        "code": answer["code"],
        "redirect_uri": CALLBACK,
    }
    response = requests.post(f"{story.server.url}/{story.domain}/oauth2/token", data=form)
    assert response.status_code == 200, response.text
    return response.json()


def test_a_person_signs_in_and_is_a_user_of_the_pool(story: Story) -> None:
    address, passed = follow(story.browser(), story.request())
    tokens = tokens_for(story, address)
    keys = requests.get(f"{story.server.url}/{story.pool_id}/.well-known/jwks.json").json()

    kid = jwt.get_unverified_header(tokens["id_token"])["kid"]
    key = jwt.PyJWKSet.from_dict(keys)[kid].key
    claims = jwt.decode(tokens["id_token"], key, algorithms=["RS256"], audience=story.client_id)
    admin = aws_client(story.server, "cognito-idp")
    user = admin.admin_get_user(UserPoolId=story.pool_id, Username="Corp_carol")
    own = admin.get_user(AccessToken=tokens["access_token"])
    assert any("/auth?" in step for step in passed)
    assert (claims["cognito:username"], claims["email"]) == ("Corp_carol", "carol@example.com")
    assert (claims["email_verified"], claims["name"]) == (True, "Carol")
    assert claims["identities"][0]["userId"] == "carol"
    assert user["UserStatus"] == "EXTERNAL_PROVIDER"
    assert own["Username"] == "Corp_carol"


def test_the_last_step_of_a_sign_in_is_good_once_and_for_its_browser_alone(story: Story) -> None:
    browser = story.browser()
    _, passed = follow(browser, story.request())
    last = passed[-1]
    assert urlsplit(last).path == f"/{story.domain}/oauth2/idpresponse"

    for one in (browser, story.browser()):
        response = one.get(last, allow_redirects=False)
        assert (response.status_code, response.headers.get("Location")) == (400, None)
        assert "This sign-in cannot be finished here" in response.text


def test_a_signed_in_browser_comes_straight_back(story: Story) -> None:
    browser = story.browser()
    follow(browser, story.request())

    _, passed = follow(browser, story.request())

    assert passed == [story.request()]


def test_who_is_refused_by_the_pool_gets_no_code(story: Story) -> None:
    admin = aws_client(story.server, "cognito-idp")
    follow(story.browser(), story.request())
    admin.admin_disable_user(UserPoolId=story.pool_id, Username="Corp_carol")

    address, _ = follow(story.browser(), story.request())

    admin.admin_enable_user(UserPoolId=story.pool_id, Username="Corp_carol")
    answer = dict(parse_qsl(urlsplit(address).query))
    assert answer == {"error": "invalid_request", "error_description": "User is not enabled.", "state": "st4te"}

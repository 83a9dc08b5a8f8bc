"""A user pool's own domain name: made by boto3, asked for by its host, and nobody else's pages."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from botocore.exceptions import ClientError

from support.clients import aws_client
from support.running import RunningServer

HOST = "login.people.example"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
PASSWORD = "Correct-horse-1"
BACK = "https://app.people.example/back"


@pytest.fixture(scope="module")
def admin(serving: RunningServer) -> Any:
    return aws_client(serving, "cognito-idp")


@pytest.fixture(scope="module")
def client_id(admin: Any) -> str:
    """Of a pool at `HOST`; there is another one with a domain, so that no pool is the only one."""
    pools = [admin.create_user_pool(PoolName=name)["UserPool"]["Id"] for name in ("people", "others")]
    made = admin.create_user_pool_domain(
        Domain=HOST, UserPoolId=pools[0], CustomDomainConfig={"CertificateArn": CERTIFICATE}
    )
    assert made["CloudFrontDomain"] == HOST
    admin.create_user_pool_domain(Domain="others-of-the-domain-test", UserPoolId=pools[1])
    admin.admin_create_user(UserPoolId=pools[0], Username="anna", MessageAction="SUPPRESS")
    admin.admin_set_user_password(UserPoolId=pools[0], Username="anna", Password=PASSWORD, Permanent=True)
    client = admin.create_user_pool_client(
        UserPoolId=pools[0],
        ClientName="web",
        AllowedOAuthFlows=["code"],
        AllowedOAuthScopes=["openid"],
        AllowedOAuthFlowsUserPoolClient=True,
        CallbackURLs=[BACK],
        SupportedIdentityProviders=["COGNITO"],
    )["UserPoolClient"]
    return str(client["ClientId"])


class Browser:
    """Reaches the server under another name, as the owner's DNS and proxy would have it."""

    def __init__(self, server: RunningServer, host: str) -> None:
        self.base = server.url.replace("http://", "https://")
        self.host, self.trusted = host, str(server.ca_certificate)

    def get(self, path: str, **query: str) -> requests.Response:
        return requests.get(
            self.base + path,
            params=query,
            headers={"Host": self.host},
            verify=self.trusted,
            allow_redirects=False,
            timeout=10,
        )


def query_of(client_id: str) -> dict[str, str]:
    return {"client_id": client_id, "response_type": "code", "scope": "openid", "redirect_uri": BACK}


def test_authorization_begins_at_the_pools_own_name(serving: RunningServer, client_id: str) -> None:
    answer = Browser(serving, HOST).get("/oauth2/authorize", **query_of(client_id))

    assert answer.status_code == 302
    assert urlsplit(answer.headers["location"]).path == "/login"
    page = Browser(serving, HOST).get("/login", **query_of(client_id))
    assert page.status_code == 200
    assert "password" in page.text.lower()


@pytest.mark.parametrize("host", ["login.others.example", "people.example", "localhost"])
def test_other_names_are_not_the_pools(serving: RunningServer, client_id: str, host: str) -> None:
    answer = Browser(serving, host).get("/login", **query_of(client_id))

    assert answer.status_code in {404, 302, 400}
    assert parse_qs(urlsplit(answer.headers.get("location", "")).query).get("code") is None
    assert "password" not in answer.text.lower()


def test_discovery_names_the_domain(serving: RunningServer, admin: Any, client_id: str) -> None:
    described = admin.describe_user_pool_domain(Domain=HOST)["DomainDescription"]

    document = requests.get(
        f"{serving.url}/{described['UserPoolId']}/.well-known/openid-configuration", timeout=10
    ).json()

    assert document["authorization_endpoint"] == f"https://{HOST}/oauth2/authorize"
    assert described["CustomDomainConfig"] == {"CertificateArn": CERTIFICATE}
    assert (described["Status"], described["CloudFrontDistribution"]) == ("ACTIVE", HOST)


@pytest.mark.parametrize(
    ("domain", "custom", "text"),
    [
        ("auth.people.example", False, "Custom domain is not configured: CustomDomainConfig is missing."),
        ("people", True, "people is not a domain name."),
        ("127.0.0.1", True, "127.0.0.1 is not a domain name."),
        ("auth.localhost", True, "The domain auth.localhost is reserved."),
        ("x.auth.us-west-2.localhost", True, "The domain x.auth.us-west-2.localhost is reserved."),
        (
            "people.auth.us-east-1.amazoncognito.com",
            True,
            "The domain people.auth.us-east-1.amazoncognito.com is reserved.",
        ),
        ("a.execute-api.people.example", True, "The domain a.execute-api.people.example is reserved."),
        (HOST, True, "Domain already associated with another user pool."),
    ],
    ids=["no configuration", "prefix", "address", "own", "below an own one", "aws", "an API's", "taken"],
)
def test_name_that_cannot_be_a_pools_is_refused(
    admin: Any, client_id: str, domain: str, custom: bool, text: str
) -> None:
    pool_id = admin.create_user_pool(PoolName="third")["UserPool"]["Id"]
    configuration = {"CustomDomainConfig": {"CertificateArn": CERTIFICATE}} if custom else {}

    with pytest.raises(ClientError) as refusal:
        admin.create_user_pool_domain(Domain=domain, UserPoolId=pool_id, **configuration)

    error = refusal.value.response["Error"]
    assert (error["Code"], error["Message"]) == ("InvalidParameterException", text)


def test_certificate_is_replaced_and_the_name_given_back(admin: Any) -> None:
    pool_id = admin.create_user_pool(PoolName="fourth")["UserPool"]["Id"]
    name, other = "fourth.people.example", CERTIFICATE.replace("1234-1234", "5678-5678")
    admin.create_user_pool_domain(
        Domain=name, UserPoolId=pool_id, CustomDomainConfig={"CertificateArn": CERTIFICATE}, ManagedLoginVersion=2
    )

    admin.update_user_pool_domain(Domain=name, UserPoolId=pool_id, CustomDomainConfig={"CertificateArn": other})

    described = admin.describe_user_pool_domain(Domain=name)["DomainDescription"]
    assert described["CustomDomainConfig"] == {"CertificateArn": other}
    assert described["ManagedLoginVersion"] == 2
    admin.delete_user_pool_domain(Domain=name, UserPoolId=pool_id)
    assert admin.describe_user_pool_domain(Domain=name)["DomainDescription"] == {}


@pytest.mark.parametrize("service", ["apigateway", "apigatewayv2"])
def test_an_api_does_not_take_the_name_of_a_pools_pages(serving: RunningServer, client_id: str, service: str) -> None:
    """Whoever made it would stand where people type their passwords."""
    gateway = aws_client(serving, service)
    name = {"apigateway": "domainName", "apigatewayv2": "DomainName"}[service]

    for spelled in (HOST, HOST.upper()):
        with pytest.raises(ClientError, match="The domain name you provided already exists") as refused:
            gateway.create_domain_name(**{name: spelled})
        assert refused.value.response["Error"]["Code"] == "ConflictException"

    assert Browser(serving, HOST).get("/login", **query_of(client_id)).status_code == 200


def test_a_pool_does_not_take_the_name_of_an_api(serving: RunningServer, admin: Any) -> None:
    gateway = aws_client(serving, "apigatewayv2")
    pool_id = admin.create_user_pool(PoolName="late")["UserPool"]["Id"]
    custom = {"Domain": "apis.people.example", "UserPoolId": pool_id}
    custom["CustomDomainConfig"] = {"CertificateArn": CERTIFICATE}
    gateway.create_domain_name(DomainName="apis.people.example")

    with pytest.raises(ClientError, match="Domain already associated"):
        admin.create_user_pool_domain(**custom)

    gateway.delete_domain_name(DomainName="apis.people.example")
    assert admin.create_user_pool_domain(**custom)["CloudFrontDomain"] == "apis.people.example"
    with pytest.raises(ClientError, match="already exists"):
        gateway.create_domain_name(DomainName="apis.people.example")
    admin.delete_user_pool_domain(Domain="apis.people.example", UserPoolId=pool_id)
    gateway.create_domain_name(DomainName="apis.people.example")
    gateway.delete_domain_name(DomainName="apis.people.example")

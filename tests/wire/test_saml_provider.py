"""samlify, a SAML provider that is not ours, and a real server: metadata by URL, sign-in, encryption, logout."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
import requests

from support.clients import aws_client
from support.running import RunningServer
from support.saml_idp import SamlIdp

CALLBACK = "http://localhost:5173/"
DOMAIN = "saml-people"


@dataclass
class Office:
    """A pool of the server that takes the word of the provider."""

    server: RunningServer
    idp: SamlIdp
    cognito: Any
    pool_id: str
    client_id: str
    detail: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.server.port}/{DOMAIN}"

    def browser(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False  # REQUESTS_CA_BUNDLE would go before what is set here
        session.verify = str(self.server.ca_certificate)
        return session

    def change(self, **details: str) -> None:
        """Set up the provider anew, and tell it of us."""
        provider = self.cognito.update_identity_provider(
            UserPoolId=self.pool_id,
            ProviderName="Work",
            ProviderDetails={"MetadataURL": f"{self.idp.origin}/metadata", **details},
        )["IdentityProvider"]
        self.detail = provider["ProviderDetails"]
        self.idp.register(
            entityId=f"urn:amazon:cognito:sp:{self.pool_id}",
            consumer=f"{self.url}/saml2/idpresponse",
            logout=f"{self.url}/saml2/logout",
            signing=self.cognito.get_signing_certificate(UserPoolId=self.pool_id)["Certificate"],
            encryption=self.detail.get("ActiveEncryptionCertificate"),
        )

    def leave(self, browser: requests.Session) -> requests.Response:
        """Follow the app's link to the provider's page."""
        query = {
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid email",
            "state": "st4te",
            "identity_provider": "Work",
        }
        return browser.get(f"{self.url}/oauth2/authorize?{urlencode(query)}")

    def sign_in(self, browser: requests.Session, name: str) -> requests.Response:
        """Both forms, to the redirect to the app."""
        back = send(browser, self.leave(browser), name=name)
        return send(browser, back)

    def log_out(self, browser: requests.Session) -> requests.Response:
        query = {"client_id": self.client_id, "logout_uri": CALLBACK}
        return browser.get(f"{self.url}/logout?{urlencode(query)}")

    def is_signed_in(self, browser: requests.Session) -> bool:
        query = {"client_id": self.client_id, "redirect_uri": CALLBACK, "response_type": "code", "prompt": "none"}
        answer = browser.get(f"{self.url}/oauth2/authorize?{urlencode(query)}", allow_redirects=False)
        return "code" in parse_qs(urlsplit(answer.headers["Location"]).query)


def send(browser: requests.Session, page: requests.Response, **typed: str) -> requests.Response:
    """Press the button of a page's form."""
    assert page.status_code == 200, page.text
    action = re.search(r'<form method="post" action="([^"]+)"', page.text)
    assert action is not None, page.text
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    form = {name: unescape(value) for name, value in fields.items()} | typed
    return browser.post(unescape(action[1]), data=form, allow_redirects=False)


@pytest.fixture(scope="module")
def office(serving: RunningServer) -> Iterator[Office]:
    cognito = aws_client(serving, "cognito-idp")
    pool_id = cognito.create_user_pool(PoolName="saml")["UserPool"]["Id"]
    cognito.create_user_pool_domain(UserPoolId=pool_id, Domain=DOMAIN)
    with SamlIdp() as idp:
        cognito.create_identity_provider(
            UserPoolId=pool_id,
            ProviderName="Work",
            ProviderType="SAML",
            ProviderDetails={"MetadataURL": f"{idp.origin}/metadata"},
            AttributeMapping={"email": "mail"},
        )
        client = cognito.create_user_pool_client(
            UserPoolId=pool_id,
            ClientName="app",
            CallbackURLs=[CALLBACK],
            LogoutURLs=[CALLBACK],
            AllowedOAuthFlows=["code"],
            AllowedOAuthScopes=["openid", "email"],
            AllowedOAuthFlowsUserPoolClient=True,
            SupportedIdentityProviders=["Work"],
        )["UserPoolClient"]
        office = Office(serving, idp, cognito, pool_id, client["ClientId"])
        office.change(RequestSigningAlgorithm="rsa-sha256", IDPSignout="true")
        yield office


def code_of(answer: requests.Response) -> str:
    assert answer.status_code == 302, answer.text
    return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]


def test_a_person_of_another_provider_signs_in_and_the_app_gets_tokens(office: Office) -> None:
    browser = office.browser()

    code = code_of(office.sign_in(browser, "carol"))

    form = {"grant_type": "authorization_code", "client_id": office.client_id, "code": code, "redirect_uri": CALLBACK}
    tokens = browser.post(f"{office.url}/oauth2/token", data=form).json()
    claims = jwt.decode(tokens["id_token"], options={"verify_signature": False})
    assert claims["cognito:username"] == "Work_carol"
    assert claims["email"] == "carol@example.com"
    assert claims["identities"][0]["issuer"] == f"{office.idp.origin}/metadata"
    user = office.cognito.admin_get_user(UserPoolId=office.pool_id, Username="Work_carol")
    assert user["UserStatus"] == "EXTERNAL_PROVIDER"
    assert office.is_signed_in(browser)


def test_the_provider_verifies_our_signature_and_refuses_a_request_that_was_changed(office: Office) -> None:
    browser = office.browser()
    leaving = office.leave(browser)
    assert "Sign in at work" in leaving.text

    changed = browser.get(leaving.url.replace("RelayState=", "RelayState=x"))

    assert changed.status_code == 400
    assert "Sign in at work" not in changed.text


def test_the_same_response_is_refused_the_second_time_and_in_another_browser(office: Office) -> None:
    browser, other = office.browser(), office.browser()
    back = send(browser, office.leave(browser), name="dora")
    office.leave(other)

    for stranger in (other, office.browser()):
        assert send(stranger, back).status_code == 400
    assert code_of(send(browser, back))
    again = send(browser, back)

    assert again.status_code == 400
    assert "Invalid samlResponse or relayState from identity provider" in again.text


def test_an_assertion_that_was_changed_on_its_way_is_refused(office: Office) -> None:
    browser = office.browser()
    back = send(browser, office.leave(browser), name="mallory")
    field = re.search(r'name="SAMLResponse" value="([^"]*)"', back.text)
    assert field is not None
    changed = base64.b64decode(unescape(field[1])).replace(b">mallory<", b">carol<")
    relay = re.search(r'name="RelayState" value="([^"]*)"', back.text)
    assert relay is not None

    form = {"SAMLResponse": base64.b64encode(changed).decode(), "RelayState": relay[1]}
    answer = browser.post(f"{office.url}/saml2/idpresponse", data=form, allow_redirects=False)

    told = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert told["error_description"] == ["Invalid SAML response received: Response signature invalid"]
    assert told["state"] == ["st4te"]
    assert not office.is_signed_in(browser)


def test_log_out_goes_by_way_of_the_provider_and_back_to_the_app(office: Office) -> None:
    browser = office.browser()
    office.sign_in(browser, "erin")

    at_work = office.log_out(browser)
    assert "Signed out at work" in at_work.text
    assert office.idp.heard() == {"nameId": "erin", "sessionIndex": "session-1"}
    home = send(browser, at_work)

    assert (home.status_code, home.headers["Location"]) == (302, CALLBACK)
    assert not office.is_signed_in(browser)


def test_the_provider_ends_our_session_and_verifies_our_answer(office: Office) -> None:
    browser, elsewhere = office.browser(), office.browser()
    office.sign_in(browser, "frida")
    assert office.is_signed_in(browser)

    answer = send(elsewhere, elsewhere.get(f"{office.idp.origin}/leave?name=frida"))
    heard = elsewhere.get(answer.headers["Location"])

    assert not office.is_signed_in(browser)
    assert heard.status_code == 200, heard.text
    assert "RelayState=from-work" in answer.headers["Location"]
    assert json.loads(heard.text)["inResponseTo"]


def test_an_encrypted_assertion_is_taken_and_a_plain_one_refused(office: Office) -> None:
    office.change(EncryptedResponses="true", RequestSigningAlgorithm="rsa-sha256")
    sealed, plain = office.browser(), office.browser()

    assert code_of(office.sign_in(sealed, "gert"))
    leaving = office.leave(plain)
    office.idp.register(
        entityId=f"urn:amazon:cognito:sp:{office.pool_id}",
        consumer=f"{office.url}/saml2/idpresponse",
        logout=f"{office.url}/saml2/logout",
        signing=office.cognito.get_signing_certificate(UserPoolId=office.pool_id)["Certificate"],
        encryption=None,
    )
    told = send(plain, send(plain, leaving, name="gert"))

    description = parse_qs(urlsplit(told.headers["Location"]).query)["error_description"]
    assert description == ["Invalid SAML response received: The assertion cannot be decrypted"]
    office.change(RequestSigningAlgorithm="rsa-sha256", IDPSignout="true")

"""A real SAML identity provider: samlify in a process of its own (`tests/javascript/saml_idp.mjs`)."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from cryptography.hazmat.primitives.serialization import Encoding

from support.clients import aws_client
from support.running import REPOSITORY, RunningServer, clean_environment
from support.saml import CERTIFICATE, KEY, pem_of

__all__ = ["CALLBACK", "Office", "SamlIdp", "open_office", "send"]

CALLBACK = "http://localhost:5173/"
DOMAIN = "saml-people"


class SamlIdp:
    """`with SamlIdp() as idp:` is there when it listens, and goes at the end. `told` is what it has said so far."""

    def __init__(self) -> None:
        self.origin = ""
        self.told: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        settings = {"key": pem_of(KEY), "certificate": CERTIFICATE.public_bytes(Encoding.PEM).decode()}
        self._process = subprocess.Popen(
            ["node", "saml_idp.mjs", json.dumps(settings)],
            cwd=REPOSITORY / "tests/javascript",
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, complaints = self._process.communicate()
            raise AssertionError(complaints)
        self.origin = json.loads(line)["value"]
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def register(self, **service_provider: str | None) -> None:
        """Make a service provider known: entityId, consumer, logout, signing, encryption (certificates in base64)."""
        answer = requests.post(f"{self.origin}/register", json=service_provider, timeout=10)
        assert answer.status_code == 204

    def heard(self) -> Any:
        """What it tells next."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())["value"]


@dataclass
class Office:
    """A pool of the server that takes the word of the provider."""

    server: RunningServer
    idp: SamlIdp
    cognito: Any
    pool_id: str
    client_id: str
    callback: str
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

    def app_link(self) -> str:
        """What the app sends people to."""
        query = {
            "client_id": self.client_id,
            "redirect_uri": self.callback,
            "response_type": "code",
            "scope": "openid email",
            "state": "st4te",
            "identity_provider": "Work",
        }
        return f"{self.url}/oauth2/authorize?{urlencode(query)}"

    def leave(self, browser: requests.Session) -> requests.Response:
        """Follow the app's link to the provider's page."""
        return browser.get(self.app_link())

    def sign_in(self, browser: requests.Session, name: str) -> requests.Response:
        """Both forms, to the redirect to the app."""
        back = send(browser, self.leave(browser), name=name)
        return send(browser, back)

    def log_out_link(self) -> str:
        return f"{self.url}/logout?{urlencode({'client_id': self.client_id, 'logout_uri': self.callback})}"

    def log_out(self, browser: requests.Session) -> requests.Response:
        return browser.get(self.log_out_link())

    def is_signed_in(self, browser: requests.Session) -> bool:
        query = {"client_id": self.client_id, "redirect_uri": self.callback, "response_type": "code", "prompt": "none"}
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


@contextmanager
def open_office(server: RunningServer, callback: str = CALLBACK) -> Iterator[Office]:
    """A pool on the server that takes the word of a provider which was started for it, and an app at `callback`."""
    cognito = aws_client(server, "cognito-idp")
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
            CallbackURLs=[callback],
            LogoutURLs=[callback],
            AllowedOAuthFlows=["code"],
            AllowedOAuthScopes=["openid", "email"],
            AllowedOAuthFlowsUserPoolClient=True,
            SupportedIdentityProviders=["Work"],
        )["UserPoolClient"]
        office = Office(server, idp, cognito, pool_id, client["ClientId"], callback)
        office.change(RequestSigningAlgorithm="rsa-sha256", IDPSignout="true")
        yield office

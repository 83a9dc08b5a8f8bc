"""A pool that serves relying parties under its own issuer URL, and a person whose browser is `requests`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests

from support.clients import aws_client
from support.ports import own_port
from support.running import RunningServer
from support.tls_proxy import open_tls_proxy

__all__ = ["Provider", "answer_in", "fill_sign_in_form", "open_provider", "open_proxied_provider"]

PASSWORD = "Correct-horse-1"
API = "https://api.example.com"


@dataclass
class Provider:
    """A server with a public URL, and a pool with a domain, a resource server and the user anna."""

    server: RunningServer
    pool_id: str
    issuer: str

    @property
    def ca(self) -> str:
        return str(self.server.ca_certificate)

    @property
    def admin(self) -> Any:
        return aws_client(self.server, "cognito-idp")

    def client(self, *callbacks: str, flows: Sequence[str] = ("code",), **settings: Any) -> Mapping[str, Any]:
        """A new app client (UserPoolClientType); scopes are openid, email and profile unless given."""
        settings.setdefault("AllowedOAuthScopes", ["openid", "email", "profile"])
        if callbacks:
            settings.setdefault("SupportedIdentityProviders", ["COGNITO"])
            settings["CallbackURLs"] = list(callbacks)
        made: Mapping[str, Any] = self.admin.create_user_pool_client(
            UserPoolId=self.pool_id,
            ClientName="app",
            AllowedOAuthFlows=list(flows),
            AllowedOAuthFlowsUserPoolClient=True,
            **settings,
        )["UserPoolClient"]
        return made

    def machine(self, *scopes: str) -> Mapping[str, Any]:
        """A client with a secret that asks for itself; `scopes` are names of the resource server's."""
        return self.client(
            flows=("client_credentials",),
            GenerateSecret=True,
            AllowedOAuthScopes=[f"{API}/{name}" for name in scopes],
        )

    def get(self, url: str, **more: Any) -> requests.Response:
        return requests.get(url, verify=self.ca, timeout=30, **more)


@contextmanager
def open_provider(state_folder: Path) -> Iterator[Provider]:
    """`velvetrope serve` with VELVETROPE_PUBLIC_URL set."""
    port = own_port()
    environment = {"VELVETROPE_PUBLIC_URL": f"https://localhost:{port}"}
    with RunningServer("serve", state_folder=state_folder, port=port, environment=environment) as server:
        yield _furnished(server)


@contextmanager
def open_proxied_provider(state_folder: Path) -> Iterator[Provider]:
    """The same behind a proxy that takes TLS off: the public URL is the proxy's."""
    with open_tls_proxy() as proxy:
        environment = {"VELVETROPE_PUBLIC_URL": f"https://localhost:{proxy.port}"}
        with RunningServer("serve", state_folder=state_folder, environment=environment) as server:
            proxy.serve(server.listening_address, certificates=server.ca_certificate.parent)
            yield _furnished(server)


def _furnished(server: RunningServer) -> Provider:
    admin = aws_client(server, "cognito-idp")
    pool_id = admin.create_user_pool(PoolName="people")["UserPool"]["Id"]
    admin.create_user_pool_domain(Domain="people", UserPoolId=pool_id)
    scopes = [{"ScopeName": name, "ScopeDescription": name} for name in ("read", "write")]
    admin.create_resource_server(UserPoolId=pool_id, Identifier=API, Name="api", Scopes=scopes)
    email = [{"Name": "email", "Value": "anna@example.com"}, {"Name": "email_verified", "Value": "true"}]
    admin.admin_create_user(UserPoolId=pool_id, Username="anna", MessageAction="SUPPRESS", UserAttributes=email)
    admin.admin_set_user_password(UserPoolId=pool_id, Username="anna", Password=PASSWORD, Permanent=True)
    return Provider(server, pool_id, f"{server.url}/{pool_id}")


def fill_sign_in_form(browser: requests.Session, address: str, *, password: str = PASSWORD) -> str:
    """Follow an app's link to the form, fill it in, and return where the browser is sent."""
    page = browser.get(address, timeout=30)
    action, token = _form(page.text)
    here = urlsplit(page.url)
    origin = f"{here.scheme}://{here.netloc}"
    answer = browser.post(
        origin + action,
        data={"_csrf": token, "username": "anna", "password": password},
        headers={"origin": origin, "sec-fetch-site": "same-origin"},
        allow_redirects=False,
        timeout=30,
    )
    return answer.headers["location"]


def answer_in(location: str) -> dict[str, str]:
    """What a redirect carries, in its query or its fragment."""
    parts = urlsplit(location)
    return dict(parse_qsl(parts.fragment or parts.query))


def _form(text: str) -> tuple[str, str]:
    action = re.search(r'<form[^>]* method="post" action="([^"]+)"|<form method="post" action="([^"]+)"', text)
    token = re.search(r'name="_csrf" value="([^"]+)"', text)
    assert action is not None, text
    assert token is not None, text
    return unescape(action.group(1) or action.group(2)), token.group(1)

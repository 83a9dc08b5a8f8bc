"""Relying parties that know OpenID Connect and nothing of us: Authlib in Python, openid-client in Node, and machines.

The server has a public URL, so that the pool is a provider under its own issuer; everything is found by discovery.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from authlib.integrations.base_client import BaseApp, OAuthError
from authlib.integrations.base_client.sync_app import OAuth2Mixin
from authlib.integrations.base_client.sync_openid import OpenIDMixin
from authlib.integrations.requests_client import OAuth2Session

from support.node import run_story
from support.relying_parties import Provider, answer_in, fill_sign_in_form, open_provider, open_proxied_provider
from support.userpools import claims_of

CALLBACK = "https://app.example.com/callback"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with open_provider(tmp_path_factory.mktemp("provider") / "state") as provider:
        yield provider


@pytest.fixture
def browser(provider: Provider) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.verify, session.trust_env = provider.ca, False
        yield session


def test_the_document_names_this_server_and_only_what_is_so(provider: Provider) -> None:
    answer = provider.get(f"{provider.issuer}/.well-known/openid-configuration")
    document = answer.json()
    keys = provider.get(document["jwks_uri"])

    base = provider.server.url
    assert document["issuer"] == provider.issuer
    assert document["authorization_endpoint"] == f"{base}/people/oauth2/authorize"
    assert document["token_endpoint"] == f"{base}/people/oauth2/token"
    assert document["end_session_endpoint"] == f"{base}/people/logout"
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["request_uri_parameter_supported"] is False
    assert document["authorization_response_iss_parameter_supported"] is True
    assert {key["alg"] for key in keys.json()["keys"]} == {"RS256"}
    assert [answer.headers["cache-control"], keys.headers["cache-control"]] == ["public, max-age=300"] * 2


class Forgetful:
    """The web framework behind Authlib's application, as far as it is asked: it is told of new tokens."""

    def update_token(self, _token: Any, **_which: Any) -> None:
        return None


class AuthlibApp(OAuth2Mixin, OpenIDMixin, BaseApp):  # type: ignore[misc]  # Authlib has no types
    """Authlib's application, as its Flask and Django integrations make it, with our certificate authority."""

    def __init__(self, provider: Provider, *, method: str) -> None:
        client = provider.client(CALLBACK, GenerateSecret=True, LogoutURLs=["https://app.example.com/"])

        class Session(OAuth2Session):  # type: ignore[misc]  # Authlib has no types
            def __init__(self, *arguments: Any, **more: Any) -> None:
                super().__init__(*arguments, **more)
                self.verify, self.trust_env = provider.ca, False  # the environment may name another authority

        self.client_cls = Session
        super().__init__(
            framework=Forgetful(),
            client_id=client["ClientId"],
            client_secret=client["ClientSecret"],
            server_metadata_url=f"{provider.issuer}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid email",
                "code_challenge_method": "S256",
                "token_endpoint_auth_method": method,
            },
        )

    def sign_in(self, browser: requests.Session) -> tuple[dict[str, Any], Any]:
        """The tokens, and the ID token's claims as Authlib proves them: signature, issuer, audience, time, nonce."""
        asked = self.create_authorization_url(CALLBACK)
        answer = answer_in(fill_sign_in_form(browser, asked["url"]))
        assert answer["state"] == asked["state"]
        tokens = self.fetch_access_token(CALLBACK, code=answer["code"], code_verifier=asked["code_verifier"])
        return tokens, self.parse_id_token(tokens, nonce=asked["nonce"])

    def refresh(self, refresh_token: str) -> dict[str, Any]:
        metadata = self.load_server_metadata()
        with self._get_oauth_client(**metadata) as session:
            tokens: dict[str, Any] = session.refresh_token(metadata["token_endpoint"], refresh_token=refresh_token)
            return tokens

    def revoke(self, refresh_token: str) -> int:
        metadata = self.load_server_metadata()
        with self._get_oauth_client(**metadata) as session:
            status: int = session.revoke_token(metadata["revocation_endpoint"], refresh_token).status_code
            return status


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlib_signs_people_in_refreshes_and_revokes(
    provider: Provider, browser: requests.Session, method: str
) -> None:
    app = AuthlibApp(provider, method=method)

    tokens, claims = app.sign_in(browser)
    info = app.userinfo(token=tokens)
    refreshed = app.refresh(tokens["refresh_token"])
    revoked = app.revoke(tokens["refresh_token"])

    assert claims["iss"] == provider.issuer
    assert info == {
        "sub": claims["sub"],
        "email": "anna@example.com",
        "email_verified": "true",
        "username": "anna",
    }
    assert refreshed["access_token"] != tokens["access_token"]
    assert revoked == 200
    with pytest.raises(requests.HTTPError, match="401"):
        app.userinfo(token=refreshed)
    with pytest.raises(OAuthError, match="invalid_grant"):
        app.refresh(tokens["refresh_token"])


def test_a_refreshed_id_token_is_of_the_same_sign_in_and_has_no_nonce(
    provider: Provider, browser: requests.Session
) -> None:
    """OIDC Core section 12.2: the same iss, sub, aud and auth_time; a nonce should not be there."""
    app = AuthlibApp(provider, method="client_secret_basic")
    tokens, before = app.sign_in(browser)

    after = claims_of(app.refresh(tokens["refresh_token"])["id_token"])

    assert "nonce" in before
    assert "nonce" not in after
    assert [before[name] for name in ("iss", "sub", "aud", "auth_time")] == [
        after[name] for name in ("iss", "sub", "aud", "auth_time")
    ]


def test_log_out_ends_the_session_and_goes_back_to_the_app(provider: Provider, browser: requests.Session) -> None:
    app = AuthlibApp(provider, method="client_secret_basic")
    app.sign_in(browser)
    silent = app.create_authorization_url(CALLBACK, prompt="none")["url"]

    renewed = browser.get(silent, allow_redirects=False, timeout=30)
    left = browser.get(
        app.load_server_metadata()["end_session_endpoint"],
        params={"client_id": app.client_id, "logout_uri": "https://app.example.com/"},
        allow_redirects=False,
        timeout=30,
    )
    after = browser.get(silent, allow_redirects=False, timeout=30)

    assert "code" in answer_in(renewed.headers["location"])
    assert left.headers["location"] == "https://app.example.com/"
    assert answer_in(after.headers["location"])["error"] == "login_required"


def test_answers_say_who_gives_them(provider: Provider, browser: requests.Session) -> None:
    """RFC 9207: grants and refusals alike."""
    app = AuthlibApp(provider, method="client_secret_basic")
    silent = app.create_authorization_url(CALLBACK, prompt="none")["url"]
    refused = answer_in(browser.get(silent, allow_redirects=False, timeout=30).headers["location"])
    granted = answer_in(fill_sign_in_form(browser, app.create_authorization_url(CALLBACK)["url"]))

    assert (refused["iss"], refused["error"]) == (provider.issuer, "login_required")
    assert granted["iss"] == provider.issuer


def test_openid_client_signs_people_in_as_a_public_client(provider: Provider, browser: requests.Session) -> None:
    client = provider.client(CALLBACK)

    told = run_story(
        "openid_client.mjs",
        {"issuer": provider.issuer, "client_id": client["ClientId"], "callback": CALLBACK, "scope": "openid email"},
        answers={"location": lambda address: fill_sign_in_form(browser, address)},
        ca=provider.ca,
    )

    assert told["claims"]["iss"] == provider.issuer
    assert told["user info"]["email"] == "anna@example.com"
    assert told["refreshed"] == told["claims"]["sub"]
    assert told["code again"] == "invalid_grant"
    assert told["revoked"] == "invalid_grant"


def test_openid_client_gets_a_machines_token(provider: Provider) -> None:
    machine = provider.machine("read")

    told = run_story(
        "openid_client_machine.mjs",
        {
            "issuer": provider.issuer,
            "client_id": machine["ClientId"],
            "client_secret": machine["ClientSecret"],
            "scope": "https://api.example.com/read",
            "other_scope": "https://api.example.com/write",
        },
        ca=provider.ca,
    )

    assert told["claims"]["sub"] == machine["ClientId"]
    assert told["claims"]["scope"] == "https://api.example.com/read"
    assert told["other scope"] == "invalid_scope"
    assert told["wrong secret"] == "invalid_client"


def test_behind_a_proxy_that_takes_tls_off_everything_is_as_without(tmp_path: Path, browser: requests.Session) -> None:
    with open_proxied_provider(tmp_path / "state") as provider:
        browser.verify = provider.ca
        app = AuthlibApp(provider, method="client_secret_basic")

        tokens, claims = app.sign_in(browser)
        info = app.userinfo(token=tokens)
        plain = requests.get(
            f"http://{provider.server.listening_address}/people/login?client_id={app.client_id}",
            headers={"host": provider.server.url.removeprefix("https://")},
            allow_redirects=False,
            timeout=30,
        )

    assert claims["iss"] == provider.issuer
    assert info["email"] == "anna@example.com"
    assert (plain.status_code, plain.headers["location"].split(":")[0]) == (302, "https")

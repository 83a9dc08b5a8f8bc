"""What the tests of the hosted UI stand on: user pools in memory that behave, and a browser without a screen.

`FakeDirectory` keeps the promises of `hosted_ui.UserDirectory`: passwords are compared, too many wrong ones lock the
user out, refresh tokens and families can be revoked, tokens die. `Browser` speaks ASGI to the pages as a browser would:
it keeps cookies, sends them only where their attributes allow it, and says where a form came from.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from support.stores import open_store
from velvetrope.clock import CountingEntropy, FrozenClock
from velvetrope.edge.hosted import HostedPages
from velvetrope.errors import ReasonError, ServiceError
from velvetrope.oauth import derive_code_challenge
from velvetrope.secret import Secret
from velvetrope.store import Database
from velvetrope.store.tables.hosted_ui import HostedUiStore
from velvetrope.store.tables.userpools import AppClient, PasswordPolicySettings, User, UserPool
from velvetrope.store.tables.userpools_configuration import IdentityProvider

CALLBACK = "http://localhost:5173/"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
PASSWORD = "demoPASS123"
EPOCH = datetime.fromisoformat("2026-01-01T00:00:00+00:00")


class NotAuthorized(ServiceError):
    code = "NotAuthorizedException"


class PasswordResetRequired(ServiceError):
    code = "PasswordResetRequiredException"


class UserNotConfirmed(ServiceError):
    code = "UserNotConfirmedException"


class UnsupportedToken(ServiceError):
    code = "UnsupportedTokenTypeException"


class UnsupportedOperation(ServiceError):
    code = "UnsupportedOperationException"


class DeadToken(ReasonError):
    """The access token does not stand."""


@dataclass(frozen=True)
class Tokens:
    access_token: str
    id_token: str | None
    refresh_token: str | None
    expires_in_seconds: int
    origin_jti: str


@dataclass(frozen=True)
class Verified:
    claims: Mapping[str, Any]


@dataclass(frozen=True)
class _Refresh:
    client_id: str
    sub: str
    scopes: tuple[str, ...]
    authenticated_at: datetime
    origin_jti: str


def make_pool(**changes: Any) -> UserPool:
    made = UserPool(
        id="us-west-2_Demo12345",
        name="auth-api-demo",
        account_id="123456789012",
        region="us-west-2",
        created_at=EPOCH,
        modified_at=EPOCH,
        password_policy=PasswordPolicySettings(),
        schema_attributes=(),
        domain="auth-api-demo",
    )
    return msgspec.structs.replace(made, **changes)


def make_client(**changes: Any) -> AppClient:
    made = AppClient(
        client_id="1example23456789",
        user_pool_id="us-west-2_Demo12345",
        name="web",
        created_at=EPOCH,
        modified_at=EPOCH,
        allowed_o_auth_flows=("code",),
        allowed_o_auth_scopes=("openid", "email", "profile", "phone", "aws.cognito.signin.user.admin"),
        allowed_o_auth_flows_user_pool_client=True,
        callback_urls=(CALLBACK, "https://app.example.com/cb", "demoapp://signed-in", "https://app.example.com/?a=b"),
        logout_urls=(CALLBACK,),
        supported_identity_providers=("COGNITO",),
    )
    return msgspec.structs.replace(made, **changes)


def make_user(**changes: Any) -> User:
    made = User(
        user_pool_id="us-west-2_Demo12345",
        username="demouser",
        sub="11111111-2222-4333-8444-555555555555",
        attributes={
            "email": "demo@example.com",
            "email_verified": "true",
            "phone_number": "+15550100",
            "name": "Demo",
            "custom:tier": "gold",
        },
        enabled=True,
        status="CONFIRMED",
        created_at=EPOCH,
        modified_at=EPOCH,
    )
    return msgspec.structs.replace(made, **changes)


@dataclass
class FakeDirectory:
    """User pools in memory. Tests put in what they are about."""

    pools: dict[str, UserPool] = field(default_factory=dict)
    clients: dict[str, AppClient] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    issued: list[dict[str, Any]] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set)
    scopes_gone: set[str] = field(default_factory=set)
    failures: dict[str, int] = field(default_factory=dict)
    access: dict[str, dict[str, Any]] = field(default_factory=dict)
    refreshes: dict[str, _Refresh] = field(default_factory=dict)
    providers: dict[str, IdentityProvider] = field(default_factory=dict)

    failures_allowed: ClassVar[int] = 5

    @classmethod
    def with_demo(cls) -> "FakeDirectory":
        """One pool, one public client, one user."""
        directory = cls()
        directory.add(make_pool(), make_client(), make_user())
        return directory

    def add(self, *records: UserPool | AppClient | User) -> None:
        for record in records:
            if isinstance(record, UserPool):
                self.pools[record.id] = record
            elif isinstance(record, AppClient):
                self.clients[record.client_id] = record
            else:
                self.users[record.sub] = record
                self.passwords[record.sub] = PASSWORD

    async def find_pool_by_domain(self, domain: str) -> UserPool | None:
        return next((pool for pool in self.pools.values() if pool.domain == domain), None)

    async def find_only_domain(self) -> UserPool | None:
        found = [pool for pool in self.pools.values() if pool.domain is not None]
        return found[0] if len(found) == 1 else None

    async def find_pool(self, user_pool_id: str) -> UserPool | None:
        return self.pools.get(user_pool_id)

    async def find_client(self, user_pool_id: str, client_id: str) -> AppClient | None:
        client = self.clients.get(client_id)
        return client if client is not None and client.user_pool_id == user_pool_id else None

    def client_secret_matches(self, client: AppClient, presented: str | None) -> bool:
        return presented is not None and Secret(self.secrets[client.client_id]) == Secret(presented)

    async def begin_sign_in(
        self,
        pool: UserPool,
        client: AppClient,
        *,
        username: str,
        password: Secret[str],
        now: datetime,
        source_ip: str = "",
    ) -> User:
        if self.failures.get(username, 0) >= self.failures_allowed:
            raise NotAuthorized("Password attempts exceeded")
        user = next((u for u in self.users.values() if (u.user_pool_id, u.username) == (pool.id, username)), None)
        if user is None or password != Secret(self.passwords[user.sub]):
            self.failures[username] = self.failures.get(username, 0) + 1
            raise NotAuthorized("Incorrect username or password.")
        if not user.enabled:
            raise NotAuthorized("User is disabled.")
        if user.status == "EXTERNAL_PROVIDER":
            raise NotAuthorized("Incorrect username or password.")
        if user.status == "UNCONFIRMED":
            raise UserNotConfirmed("User is not confirmed.")
        if user.status == "RESET_REQUIRED":
            raise PasswordResetRequired("Password reset required for the user")
        return user

    async def begin_choice(
        self,
        pool: UserPool,
        client: AppClient,
        *,
        username: str,
        preferred: str | None,
        now: datetime,
        source_ip: str = "",
    ) -> User:
        raise NotAuthorized("This directory knows passwords only.")

    async def continue_sign_in(
        self,
        pool: UserPool,
        client: AppClient,
        *,
        challenge_name: str,
        session: str,
        responses: Mapping[str, str],
        now: datetime,
        source_ip: str = "",
    ) -> User:
        raise NotAuthorized("This directory asks for nothing but passwords.")

    async def associate_software_token(self, session: str, *, now: datetime) -> tuple[str, str | None]:
        raise NotAuthorized("This directory knows passwords only.")

    async def verify_software_token(self, session: str, code: str, *, now: datetime) -> str | None:
        raise NotAuthorized("This directory knows passwords only.")

    async def begin_passkey(self, pool: UserPool, client: AppClient, user: User, *, now: datetime) -> dict[str, object]:
        raise NotAuthorized("This directory knows passwords only.")

    async def has_passkeys(self, pool: UserPool, user: User) -> bool:
        return False

    async def complete_passkey(
        self, pool: UserPool, client: AppClient, user: User, credential: str, *, now: datetime
    ) -> None:
        raise NotAuthorized("This directory knows passwords only.")

    async def find_user(self, user_pool_id: str, sub: str) -> User | None:
        user = self.users.get(sub)
        return user if user is not None and user.user_pool_id == user_pool_id else None

    async def issue_tokens(
        self,
        pool: UserPool,
        client: AppClient,
        user: User,
        *,
        scopes: tuple[str, ...],
        authenticated_at: datetime,
        now: datetime,
        nonce: str | None = None,
        include_id_token: bool = True,
        include_refresh_token: bool = True,
        resource: str | None = None,
    ) -> Tokens:
        origin_jti = f"family-{len(self.issued) + 1}"
        tokens = self._make(
            client.client_id, user.sub, scopes, authenticated_at, origin_jti, now, include_id_token=include_id_token
        )
        self.issued.append(
            {"origin_jti": origin_jti, "nonce": nonce, "authenticated_at": authenticated_at, "scopes": scopes}
        )
        if not include_refresh_token:
            return tokens
        refresh_token = f"refresh-{origin_jti}"
        self.refreshes[refresh_token] = _Refresh(client.client_id, user.sub, scopes, authenticated_at, origin_jti)
        return Tokens(tokens.access_token, tokens.id_token, refresh_token, 3600, origin_jti)

    async def issue_machine_token(
        self,
        pool: UserPool,
        client: AppClient,
        *,
        scopes: tuple[str, ...],
        resource: str | None,
        client_metadata: Mapping[str, str] | None,
        now: datetime,
    ) -> Tokens:
        return Tokens("access-machine", None, None, 3600, "")

    async def inactive_scopes(self, pool: UserPool, scopes: tuple[str, ...]) -> frozenset[str]:
        return frozenset(self.scopes_gone.intersection(scopes))

    async def resource_of(self, refresh_token: str) -> str | None:
        return None

    async def refresh(self, pool: UserPool, client: AppClient, refresh_token: str, *, now: datetime) -> Tokens:
        kept = self.refreshes.get(refresh_token)
        if kept is None or kept.client_id != client.client_id:
            raise NotAuthorized("Invalid Refresh Token")
        if kept.origin_jti in self.revoked:
            raise NotAuthorized("Refresh Token has been revoked")
        return self._make(
            kept.client_id,
            kept.sub,
            kept.scopes,
            kept.authenticated_at,
            kept.origin_jti,
            now,
            include_id_token="openid" in kept.scopes,
        )

    async def revoke_refresh_token(self, pool: UserPool, client: AppClient, token: str, *, now: datetime) -> None:
        if not client.enable_token_revocation:
            raise UnsupportedOperation("Revocation is not enabled for the client")
        if token in self.access:
            raise UnsupportedToken("Only refresh tokens can be revoked")
        kept = self.refreshes.get(token)
        if kept is None or kept.client_id != client.client_id:
            raise NotAuthorized("Invalid Refresh Token")
        self.revoked.add(kept.origin_jti)

    async def revoke_family(self, origin_jti: str, now: datetime) -> None:
        self.revoked.add(origin_jti)

    async def find_identity_provider(self, user_pool_id: str, name: str) -> IdentityProvider | None:
        return self.providers.get(name)

    async def find_identity_provider_by_identifier(self, user_pool_id: str, identifier: str) -> IdentityProvider | None:
        return next((one for one in self.providers.values() if identifier in one.idp_identifiers), None)

    def identity_provider_details(self, provider: IdentityProvider) -> Mapping[str, str]:
        return provider.provider_details

    async def sign_in_federated(
        self,
        pool: UserPool,
        client: AppClient,
        provider: IdentityProvider,
        *,
        subject: str,
        attributes: Mapping[str, str],
        said: Mapping[str, Mapping[str, str]] | None = None,
        issuer: str | None = None,
        now: datetime,
    ) -> User:
        username = f"{provider.provider_name}_{subject}"
        found = next((user for user in self.users.values() if user.username == username), None)
        if found is None:
            found = make_user(username=username, sub=username, attributes=dict(attributes), status="EXTERNAL_PROVIDER")
            self.users[found.sub] = found
        if not found.enabled:
            raise NotAuthorized("User is not enabled.")
        return found

    async def verify_access_token(self, pool: UserPool, token: str, *, now: datetime) -> Verified:
        claims = self.access.get(token)
        if claims is None or claims["origin_jti"] in self.revoked or now >= claims["exp"]:
            raise DeadToken("the token is dead")
        return Verified(claims)

    def shown_attributes(self, user: User) -> Mapping[str, str]:
        return user.attributes

    async def jwks(self, pool: UserPool) -> dict[str, Any]:
        return {"keys": [{"kid": pool.id}]}

    def issuer(self, pool: UserPool) -> str:
        return f"https://cognito-idp.{pool.region}.amazonaws.com/{pool.id}"

    def _make(
        self,
        client_id: str,
        sub: str,
        scopes: tuple[str, ...],
        authenticated_at: datetime,
        origin_jti: str,
        now: datetime,
        *,
        include_id_token: bool,
    ) -> Tokens:
        access_token = f"access-{len(self.access) + 1}"
        self.access[access_token] = {
            "sub": sub,
            "client_id": client_id,
            "scope": " ".join(scopes),
            "origin_jti": origin_jti,
            "auth_time": authenticated_at,
            "exp": now + timedelta(hours=1),
        }
        return Tokens(access_token, "an-id-token" if include_id_token else None, None, 3600, origin_jti)


@dataclass(frozen=True)
class Response:
    """An answer, with the questions that tests ask of it."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def location(self) -> str:
        found = self.header("location")
        assert found is not None, f"{self.status} has no Location: {self.text[:300]}"
        return found

    @property
    def answer(self) -> dict[str, str]:
        """The parameters that the Location carries, in its query or its fragment."""
        parts = urlsplit(self.location)
        return dict(parse_qsl(parts.fragment or parts.query, keep_blank_values=True))

    @property
    def csrf_token(self) -> str:
        found = re.search(r'name="_csrf" value="([^"]+)"', self.text)
        assert found is not None, "the page has no form of ours"
        return found.group(1)

    @property
    def form_action(self) -> str:
        found = re.search(r'<form [^>]*method="post" action="([^"]+)"', self.text)
        assert found is not None, "the page has no form of ours"
        return unescape(found.group(1))


@dataclass
class Browser:
    """A browser at `origin`. Cookies are kept by name; Secure ones stay home on http."""

    pages: HostedPages
    origin: str = "https://localhost:4800"
    cookies: dict[str, str] = field(default_factory=dict)
    peer: str = "127.0.0.1"
    request_id: str = ""
    """What the edge around the pages would have given each request."""

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> Response:
        return await self.request("GET", url, headers=headers)

    async def post(self, url: str, form: Mapping[str, str], *, headers: Mapping[str, str] | None = None) -> Response:
        sent = {"content-type": "application/x-www-form-urlencoded", **(headers or {})}
        return await self.request("POST", url, headers=sent, body=urlencode(form).encode())

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Response:
        parts = urlsplit(url if "://" in url else self.origin + url)
        sent = {"host": parts.netloc, **(headers or {})}
        if parts.scheme == "https" and self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        scope = {
            "type": "http",
            "method": method,
            "scheme": parts.scheme,
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items()],
            "client": (self.peer, 50000),
            "state": {"request_id": self.request_id} if self.request_id else {},
        }
        out: list[Mapping[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            out.append(message)

        await self.pages(scope, receive, send)
        got = tuple((name.decode(), value.decode()) for name, value in out[0]["headers"])
        for value in (value for name, value in got if name == "set-cookie"):
            self._keep(value, host=parts.hostname or "")
        return Response(out[0]["status"], got, b"".join(message.get("body", b"") for message in out[1:]))

    def _keep(self, set_cookie: str, *, host: str) -> None:
        pair, *attributes = set_cookie.split("; ")
        name, _, value = pair.partition("=")
        # Some providers have the browser post to us from their own page; all else stays on this site.
        same_site = "SameSite=None" if "csrf-state" in name else "SameSite=Lax"
        assert {"Path=/", "Secure", "HttpOnly", same_site} <= set(attributes)
        # Which no other host of the site can set, but for AWS's names, where cookies are called as there.
        assert name.startswith("__Host-") != host.endswith(".amazoncognito.com")
        assert not any(attribute.startswith("Domain=") for attribute in attributes)
        if "Max-Age=0" in attributes:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value


@dataclass
class Door:
    """Pages over a real store, with a clock that tests move."""

    directory: FakeDirectory
    database: Database
    clock: FrozenClock
    pages: HostedPages

    @classmethod
    async def open(cls, folder: Path, *, public_url: str | None = None) -> "Door":
        database = await open_store(folder)
        directory, clock = FakeDirectory.with_demo(), FrozenClock()
        pages = HostedPages(directory, HostedUiStore(database), clock, CountingEntropy(), public_url=public_url)
        return cls(directory, database, clock, pages)

    def browser(self, origin: str = "https://localhost:4800", *, peer: str = "127.0.0.1") -> Browser:
        return Browser(self.pages, origin, peer=peer)

    @property
    def client(self) -> AppClient:
        return next(iter(self.directory.clients.values()))

    def change_client(self, **changes: Any) -> None:
        self.directory.add(msgspec.structs.replace(self.client, **changes))

    def change_user(self, **changes: Any) -> None:
        user = next(iter(self.directory.users.values()))
        self.directory.add(msgspec.structs.replace(user, **changes))


def authorize_query(**changes: str | None) -> str:
    """An authorization request with code and PKCE, as Amplify sends it; None takes a parameter out."""
    parameters: dict[str, str | None] = {
        "client_id": "1example23456789",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid email profile",
        "state": "st4te",
        "code_challenge": derive_code_challenge(VERIFIER),
        "code_challenge_method": "S256",
        "identity_provider": "COGNITO",
        **changes,
    }
    return urlencode({name: value for name, value in parameters.items() if value is not None})


async def sign_in(browser: Browser, **changes: str | None) -> Response:
    """Everything a person does: follow the app's link, fill the form, send it.

    `username` and `password` are for the form, all else changes the authorization request.
    """
    username, password = changes.pop("username", "demouser"), changes.pop("password", PASSWORD)
    to_login = await browser.get(f"/oauth2/authorize?{authorize_query(**changes)}")
    page = await browser.get(to_login.location)
    return await browser.post(
        page.form_action,
        {"_csrf": page.csrf_token, "username": username or "", "password": password or ""},
        headers={"origin": browser.origin, "sec-fetch-site": "same-origin"},
    )


def redeem_form(issued: str, **changes: str | None) -> dict[str, str]:
    """A token request for an issued code; None takes a parameter out."""
    parameters: dict[str, str | None] = {
        "grant_type": "authorization_code",
        "client_id": "1example23456789",
        "code": issued,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
        **changes,
    }
    return {name: value for name, value in parameters.items() if value is not None}

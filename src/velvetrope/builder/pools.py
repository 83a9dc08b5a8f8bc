"""User pools and identity pools, as declarations.

A user pool keeps people and signs them in; an identity pool turns a sign-in (or, if it allows guests, nobody's sign-in)
into temporary credentials of one of its two roles. What is left out has the safe value: no guests, no client secret in
a browser's client, no password flow that shows the password to the API.

Source: Amazon Cognito Developer Guide, "Amazon Cognito user pools" and "Amazon Cognito identity pools".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from velvetrope.builder.declared import listed

__all__ = [
    "AppClient",
    "AuthFlow",
    "DevUser",
    "IdentityPool",
    "IdentityPoolRole",
    "MachineClient",
    "ResourceServer",
    "UserPool",
]

AuthFlow = Literal["ALLOW_USER_SRP_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]


@dataclass(frozen=True)
class DevUser:
    """A user that exists in `velvetrope dev` only; it is never part of a template."""

    username: str
    password: str


@dataclass(eq=False)
class AppClient:
    """An app client of a user pool that signs in through the hosted pages with authorization code and PKCE.

    `callback_urls` and `logout_urls` left empty are the web app's own addresses (the template's parameter `SiteUrls`).
    """

    user_pool: "UserPool"
    name: str
    callback_urls: Sequence[str] = ()
    logout_urls: Sequence[str] = ()
    scopes: Sequence[str] = ("openid", "email", "profile", "aws.cognito.signin.user.admin")
    auth_flows: Sequence[AuthFlow] = ("ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH")


@dataclass(eq=False)
class ResourceServer:
    """An API of yours whose scopes machines and people may be given; `scopes` says in a few words what each is for."""

    user_pool: "UserPool"
    identifier: str
    scopes: Mapping[str, str]

    def scope(self, name: str) -> str:
        """The scope as tokens and routes say it (`identifier/name`)."""
        if name not in self.scopes:
            raise ValueError(f"{self.identifier} has no scope {name}")
        return f"{self.identifier}/{name}"


@dataclass(eq=False)
class MachineClient:
    """An app client with a secret that gets tokens for itself (`client_credentials`), with these scopes."""

    user_pool: "UserPool"
    name: str
    scopes: Sequence[str]


@dataclass(eq=False)
class UserPool:
    """People who may sign in.

    `domain` is the prefix of the hosted pages' host name on AWS. `minimum_password_length` is 6 to 99; passwords need
    upper case, lower case and digits, and symbols if `password_symbols` says so.
    """

    name: str
    domain: str | None = None
    minimum_password_length: int = 8
    password_symbols: bool = False
    clients: list[AppClient] = field(default_factory=list, init=False)
    dev_users: list[DevUser] = field(default_factory=list, init=False)
    resource_servers: list[ResourceServer] = field(default_factory=list, init=False)
    machines: list[MachineClient] = field(default_factory=list, init=False)

    def client(
        self,
        name: str,
        *,
        callback_urls: Sequence[str] = (),
        logout_urls: Sequence[str] = (),
        auth_flows: Sequence[AuthFlow] = ("ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"),
    ) -> AppClient:
        """Declare an app client without a secret, as a browser needs it."""
        client = AppClient(
            self,
            name,
            callback_urls=listed("callback_urls", callback_urls),
            logout_urls=listed("logout_urls", logout_urls),
            auth_flows=listed("auth_flows", auth_flows),
        )
        self.clients.append(client)
        return client

    def resource_server(self, identifier: str, *, scopes: Mapping[str, str]) -> ResourceServer:
        """Declare an API and its scopes, by name and description."""
        if any(server.identifier == identifier for server in self.resource_servers):
            raise ValueError(f"{self.name} has two resource servers {identifier}")
        if not isinstance(scopes, Mapping):
            raise TypeError('scopes says what each one is for: write scopes={"read": "Read it"}')
        if not scopes:
            raise ValueError(f"{identifier} has no scopes, so nobody could be given any")
        server = ResourceServer(self, identifier, dict(scopes))
        self.resource_servers.append(server)
        return server

    def machine(self, name: str, *, scopes: Sequence[str]) -> MachineClient:
        """Declare an app client that stands for itself. Its scopes are those of this pool's resource servers."""
        if self.domain is None:
            raise ValueError(f"{name}: machines get their tokens at the pool's domain, and {self.name} has none")
        known = {server.scope(one) for server in self.resource_servers for one in server.scopes}
        wanted = listed("scopes", scopes)
        unknown = sorted(set(wanted) - known)
        if unknown or not wanted:
            raise ValueError(f"{name}: {self.name} has no scope {unknown[0] if unknown else 'for it'}")
        machine = MachineClient(self, name, wanted)
        self.machines.append(machine)
        return machine

    def dev_user(self, username: str, *, password: str) -> None:
        """Have this user, confirmed and with this password, whenever `velvetrope dev` runs the app."""
        self.dev_users.append(DevUser(username, password))


@dataclass(eq=False)
class IdentityPoolRole:
    """The role that an identity pool hands out to guests or to signed-in users. Routes name it in `allow`."""

    identity_pool: "IdentityPool"
    kind: Literal["authenticated", "unauthenticated"]


@dataclass(eq=False)
class IdentityPool:
    """Temporary credentials for the users of `clients`, and for guests if `allow_guests` says so."""

    name: str
    clients: Sequence[AppClient]
    allow_guests: bool = False
    authenticated: IdentityPoolRole = field(init=False)
    guest: IdentityPoolRole = field(init=False)

    def __post_init__(self) -> None:
        self.clients = listed("clients", self.clients, AppClient)
        self.authenticated = IdentityPoolRole(self, "authenticated")
        self.guest = IdentityPoolRole(self, "unauthenticated")

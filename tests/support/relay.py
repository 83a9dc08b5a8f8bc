"""A pool with a domain, over real user pools in one process: a client for people and one for a machine."""

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

from support.hosted_ui import CALLBACK, Browser, Response, redeem_form
from support.hosted_ui import sign_in as fill_the_form
from support.stores import open_store
from support.userpools import PASSWORD, World
from velvetrope.clock import CountingEntropy
from velvetrope.edge.hosted import HostedPages
from velvetrope.sealing import MasterKeys
from velvetrope.store.tables.hosted_ui import HostedUiStore
from velvetrope.store.tables.userpools_configuration import ResourceServerScope
from velvetrope.store.tables.userpools_settings import LambdaConfig, VersionedTrigger

__all__ = ["SCOPES", "Relay", "open_relay"]

SCOPES = ("https://api.example.com/read", "https://api.example.com/write")


class Relay:
    """A pool with a domain, a resource server, a client for people and one for a machine."""

    def __init__(self, world: World, public_url: str | None = None) -> None:
        self.world = world
        store = HostedUiStore(world.database)
        self.pages = HostedPages(world.pools.sign_in, store, world.clock, world.entropy, public_url=public_url)
        self.browser = Browser(self.pages)
        self.pool_id = self.app_id = self.machine_id = self.secret = ""

    async def furnish(self) -> None:
        self.pool_id = await self.world.pool()
        await self.world.create_user_pool_domain(domain="relay", user_pool_id=self.pool_id)
        await self.world.create_resource_server(
            user_pool_id=self.pool_id, identifier="https://api.example.com", name="api", scopes=offered("read", "write")
        )
        self.app_id = await self.world.client(
            self.pool_id,
            callback_urls=(CALLBACK,),
            allowed_o_auth_flows=("code", "implicit"),
            allowed_o_auth_scopes=("openid", "email", *SCOPES),
            allowed_o_auth_flows_user_pool_client=True,
            supported_identity_providers=("COGNITO",),
        )
        made = await self.world.create_user_pool_client(
            user_pool_id=self.pool_id,
            client_name="machine",
            generate_secret=True,
            access_token_validity=2,
            allowed_o_auth_flows=("client_credentials",),
            allowed_o_auth_scopes=SCOPES,
            allowed_o_auth_flows_user_pool_client=True,
        )
        client = made["user_pool_client"]
        self.machine_id, self.secret = str(client["client_id"]), str(client["client_secret"])
        await self.world.user(self.pool_id, email="anna@example.com", email_verified="true")

    async def offer(self, *names: str) -> None:
        """The resource server has these scopes from now on."""
        await self.world.update_resource_server(
            user_pool_id=self.pool_id, identifier="https://api.example.com", name="api", scopes=offered(*names)
        )

    async def ask_functions(self, version: str, arn: str) -> None:
        config = LambdaConfig(pre_token_generation_config=VersionedTrigger(lambda_version=version, lambda_arn=arn))
        await self.world.update_user_pool(user_pool_id=self.pool_id, lambda_config=config)

    async def token(self, **form: str) -> Response:
        """POST /oauth2/token as the machine, by `client_secret_basic`."""
        basic = b64encode(f"{self.machine_id}:{self.secret}".encode()).decode()
        return await self.browser.post(
            "/oauth2/token", {"grant_type": "client_credentials", **form}, headers={"authorization": f"Basic {basic}"}
        )

    async def sign_in(self, **changes: str | None) -> Response:
        return await fill_the_form(
            self.browser,
            **{
                "client_id": self.app_id,
                "username": "anna",
                "password": PASSWORD,
                "scope": "openid email",
                "prompt": "login",
                **changes,
            },
        )

    async def authorize(self, **parameters: str) -> Response:
        """GET /oauth2/authorize as the app, without PKCE."""
        asked = {"client_id": self.app_id, "response_type": "code", "redirect_uri": CALLBACK, **parameters}
        return await self.browser.get(f"/oauth2/authorize?{urlencode(asked)}")

    async def redeem(self, code: str, **changes: str | None) -> Response:
        return await self.browser.post("/oauth2/token", redeem_form(code, **{"client_id": self.app_id, **changes}))

    async def refresh(self, token: str, **form: str) -> Response:
        return await self.browser.post(
            "/oauth2/token",
            {"grant_type": "refresh_token", "client_id": self.app_id, "refresh_token": token, **form},
        )


def offered(*names: str) -> tuple[ResourceServerScope, ...]:
    return tuple(ResourceServerScope(scope_name=name, scope_description=name) for name in names)


@asynccontextmanager
async def open_relay(folder: Path, *, public_url: str | None = None) -> AsyncIterator[Relay]:
    """A furnished one, on a database in `folder`."""
    database = await open_store(folder)
    world = World(database, MasterKeys.generate(CountingEntropy()), public_url=public_url)
    relay = Relay(world, public_url)
    try:
        await relay.furnish()
        yield relay
    finally:
        world.pools.close()
        await database.close()

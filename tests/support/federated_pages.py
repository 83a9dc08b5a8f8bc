"""Hosted pages over real user pools, whose pool has a provider that listens on a real port."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from support.hosted_ui import CALLBACK, Browser, Response, authorize_query, redeem_form
from support.open_id_provider import CLIENT_ID, CLIENT_SECRET, Provider, running_provider
from support.stores import open_store
from support.userpools import World
from velvetrope.clock import CountingEntropy
from velvetrope.edge.hosted import HostedPages
from velvetrope.hosted_ui import Outside, ProviderParts, SocialEndpoints
from velvetrope.sealing import MasterKeys
from velvetrope.store.tables.hosted_ui import HostedUiStore
from velvetrope.store.tables.hosted_ui_federation import FederatedSignInStore
from velvetrope.sts import HttpDocuments, IssuerKeys, IssuerTokens

__all__ = ["FederatedHouse", "open_federated_house"]


@dataclass
class FederatedHouse:
    """A pool with a domain, the provider `Staff` and a client that takes its people."""

    world: World
    pages: HostedPages
    provider: Provider
    social: dict[Any, SocialEndpoints]
    pool_id: str = ""
    client_id: str = ""

    def browser(self) -> Browser:
        return Browser(self.pages)

    async def furnish(self) -> None:
        self.pool_id = await self.world.pool()
        await self.world.create_user_pool_domain(domain="auth-api-demo", user_pool_id=self.pool_id)
        await self.add_provider("Staff")
        self.client_id = await self.add_client("Staff", "COGNITO")

    async def add_provider(self, name: str, provider: Provider | None = None, **details: str) -> None:
        """An OIDC provider of the pool; `details` are over those that discovery needs."""
        await self.world.create_identity_provider(
            user_pool_id=self.pool_id,
            provider_name=name,
            provider_type="OIDC",
            provider_details={
                "client_id": CLIENT_ID,
                "client_secret": CLIENT_SECRET,
                "oidc_issuer": (provider or self.provider).url,
                "authorize_scopes": "openid email",
                "attributes_request_method": "GET",
                **details,
            },
            attribute_mapping={"email": "email"},
            idp_identifiers=[f"{name.lower()}.example.com"],
        )

    async def map_attributes(self, provider_name: str = "Staff", /, **mapping: str) -> None:
        await self.world.update_identity_provider(
            user_pool_id=self.pool_id, provider_name=provider_name, attribute_mapping=mapping
        )

    async def add_client(self, *providers: str, **settings: object) -> str:
        return await self.world.client(
            self.pool_id,
            callback_urls=(CALLBACK,),
            allowed_o_auth_flows=("code",),
            allowed_o_auth_scopes=("openid", "email", "profile"),
            allowed_o_auth_flows_user_pool_client=True,
            supported_identity_providers=providers,
            **settings,
        )

    # What a person does

    async def leave(self, browser: Browser, **changes: str | None) -> str:
        """Ask to sign in with Staff; where the browser is sent to."""
        query = authorize_query(**{"client_id": self.client_id, "identity_provider": "Staff", **changes})
        return (await browser.get(f"/oauth2/authorize?{query}")).location

    async def sign_in(self, browser: Browser, **changes: str | None) -> Response:
        """All the way there and back, to the redirect to the app."""
        return await browser.get(self.provider.authorize(await self.leave(browser, **changes)))

    async def claims(self, browser: Browser, response: Response) -> Mapping[str, Any]:
        """What the ID token says that the app gets for its code."""
        tokens = await self.tokens(browser, response)
        claims: Mapping[str, Any] = jwt.decode(tokens["id_token"], options={"verify_signature": False})
        return claims

    async def tokens(self, browser: Browser, response: Response) -> Mapping[str, Any]:
        """What the app gets for its code."""
        form = redeem_form(response.answer["code"], client_id=self.client_id)
        tokens: Mapping[str, Any] = (await browser.post("/oauth2/token", form)).json
        return tokens


@asynccontextmanager
async def open_federated_house(folder: Path) -> AsyncIterator[FederatedHouse]:
    database = await open_store(folder)
    world = World(database, MasterKeys.generate(CountingEntropy()))
    documents = HttpDocuments(allow_loopback_http=True)
    keys = IssuerKeys(documents)
    social: dict[Any, SocialEndpoints] = {}
    parts = ProviderParts(FederatedSignInStore(database), Outside(documents, keys, IssuerTokens(keys)), social=social)
    pages = HostedPages(world.pools.sign_in, HostedUiStore(database), world.clock, world.entropy, providers=parts)
    try:
        async with running_provider(world.clock.now) as provider:
            house = FederatedHouse(world, pages, provider, social)
            await house.furnish()
            yield house
    finally:
        world.pools.close()
        await database.close()

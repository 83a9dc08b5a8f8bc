"""Hosted pages over real user pools, whose pool takes the word of SAML providers; the tests are the providers."""

import base64
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from lxml import etree

from support.hosted_ui import CALLBACK, Browser, authorize_query, redeem_form
from support.hosted_ui import Response as Page
from support.saml import LOGOUT_SERVICE, LogoutMessage, Response, metadata
from support.stores import open_store
from support.userpools import World
from velvetrope.clock import CountingEntropy
from velvetrope.decisions import DecisionRecord
from velvetrope.edge.hosted import HostedPages
from velvetrope.hosted_ui import Outside, ProviderParts, SamlParts
from velvetrope.sealing import MasterKeys
from velvetrope.store.tables.hosted_ui import HostedUiStore
from velvetrope.store.tables.hosted_ui_federation import FederatedSignInStore
from velvetrope.store.tables.hosted_ui_saml import SamlStore
from velvetrope.sts import HttpDocuments, IssuerKeys, IssuerTokens

__all__ = ["CONSUMER", "LOGOUT", "Departure", "Records", "SamlHouse", "open_saml_house"]

CONSUMER = "https://localhost:4800/saml2/idpresponse"
LOGOUT = "https://localhost:4800/saml2/logout"
PROVIDER = "https://idp.example.com"
METADATA = metadata(services=LOGOUT_SERVICE)


@dataclass(frozen=True)
class Departure:
    """A browser that has left for the provider: what it brings there."""

    url: str

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.url).query).items()}

    @property
    def relay_state(self) -> str:
        return self.query["RelayState"]

    @property
    def message(self) -> Any:
        """The SAMLRequest or SAMLResponse, as an element."""
        text = self.query.get("SAMLRequest") or self.query["SAMLResponse"]
        return etree.fromstring(zlib.decompress(base64.b64decode(text), wbits=-15))

    @property
    def request_id(self) -> str:
        identifier: str = self.message.get("ID")
        return identifier


@dataclass
class Records:
    """What the owner is told of refusals."""

    kept: list[DecisionRecord] = field(default_factory=list)

    def record(self, record: DecisionRecord, /) -> None:
        self.kept.append(record)

    @property
    def last_reason(self) -> str:
        return self.kept[-1].steps[-1].reason


@dataclass
class SamlHouse:
    """A pool with a domain, the provider `Corp`, and a client that takes its people."""

    world: World
    pages: HostedPages
    records: Records
    pool_id: str = ""
    client_id: str = ""

    @property
    def now(self) -> datetime:
        return self.world.now

    def browser(self) -> Browser:
        return Browser(self.pages)

    async def furnish(self) -> None:
        self.pool_id = await self.world.pool()
        await self.world.create_user_pool_domain(domain="auth-api-demo", user_pool_id=self.pool_id)
        await self.add_provider("Corp", IDPSignout="true")
        self.client_id = await self.add_client("Corp", "COGNITO")

    async def add_provider(self, name: str, document: str = METADATA, **details: str) -> dict[str, str]:
        answer = await self.world.create_identity_provider(
            user_pool_id=self.pool_id,
            provider_name=name,
            provider_type="SAML",
            provider_details={"MetadataFile": document, **details},
            attribute_mapping={"email": "mail"},
        )
        shown: dict[str, str] = answer["identity_provider"]["provider_details"]
        return shown

    async def add_client(self, *providers: str) -> str:
        return await self.world.client(
            self.pool_id,
            callback_urls=(CALLBACK,),
            logout_urls=(CALLBACK,),
            allowed_o_auth_flows=("code",),
            allowed_o_auth_scopes=("openid", "email", "profile"),
            allowed_o_auth_flows_user_pool_client=True,
            supported_identity_providers=providers,
        )

    def good(self, departure: Departure | None = None, **changes: Any) -> Response:
        """The response that the provider gives to the request, or unasked."""
        request_id = None if departure is None else departure.request_id
        made = Response(
            now=self.now,
            audiences=(f"urn:amazon:cognito:sp:{self.pool_id}",),
            recipient=CONSUMER,
            destination=CONSUMER,
            in_response_to=request_id,
            response_in_response_to=request_id,
            attributes={"mail": ["carol@example.com"]},
            identifier=f"_{self.world.entropy.token_bytes(8).hex()}",
        )
        return replace(made, **changes)

    # What a person does

    async def leave(self, browser: Browser, **changes: str | None) -> Departure:
        query = authorize_query(**{"client_id": self.client_id, "identity_provider": "Corp", **changes})
        return Departure((await browser.get(f"/oauth2/authorize?{query}")).location)

    async def post(self, browser: Browser, path: str, form: Mapping[str, str]) -> Page:
        """A form on the provider's page: what is kept for this site only does not come along."""
        held = browser.cookies
        browser.cookies = {name: value for name, value in held.items() if "csrf-state" in name}
        stays = {name: value for name, value in held.items() if name not in browser.cookies}
        page = await browser.post(path, form, headers={"origin": PROVIDER, "sec-fetch-site": "cross-site"})
        browser.cookies = {**stays, **browser.cookies}
        return page

    async def respond(self, browser: Browser, response: Response | bytes, relay_state: str) -> Page:
        text = response if isinstance(response, bytes) else response.document()
        form = {"SAMLResponse": base64.b64encode(text).decode(), "RelayState": relay_state}
        return await self.post(browser, "/saml2/idpresponse", form)

    async def sign_in(self, browser: Browser, **changes: Any) -> Page:
        """All the way there and back, to the redirect to the app."""
        departure = await self.leave(browser)
        return await self.respond(browser, self.good(departure, **changes), departure.relay_state)

    async def claims(self, browser: Browser, page: Page) -> Mapping[str, Any]:
        """What the ID token says that the app gets for its code."""
        form = redeem_form(page.answer["code"], client_id=self.client_id)
        tokens = (await browser.post("/oauth2/token", form)).json
        claims: Mapping[str, Any] = jwt.decode(tokens["id_token"], options={"verify_signature": False})
        return claims

    async def is_signed_in(self, browser: Browser) -> bool:
        """Whether the browser goes straight back to the app."""
        query = authorize_query(client_id=self.client_id, identity_provider=None)
        return (await browser.get(f"/oauth2/authorize?{query}")).location.startswith(CALLBACK)

    def logout_message(self, kind: str = "LogoutRequest", **changes: Any) -> LogoutMessage:
        made = LogoutMessage(
            now=self.now,
            kind=kind,
            destination=LOGOUT,
            identifier=f"_{self.world.entropy.token_bytes(8).hex()}",
        )
        return replace(made, **changes)

    async def log_out_at_provider(self, browser: Browser, message: LogoutMessage, **form: str) -> Page:
        """The provider's page posts a logout message."""
        name = "SAMLRequest" if message.kind == "LogoutRequest" else "SAMLResponse"
        return await self.post(browser, "/saml2/logout", {name: message.encoded(), **form})


@asynccontextmanager
async def open_saml_house(folder: Path) -> AsyncIterator[SamlHouse]:
    database = await open_store(folder)
    world, records = World(database, MasterKeys.generate(CountingEntropy())), Records()
    pages = saml_pages(world, records)
    try:
        house = SamlHouse(world, pages, records)
        await house.furnish()
        yield house
    finally:
        world.pools.close()
        await database.close()


def saml_pages(world: World, records: Records, *, public_url: str | None = None) -> HostedPages:
    """Hosted pages on the world's database, as another server on it would have them."""
    documents = HttpDocuments()
    keys = IssuerKeys(documents)
    parts = ProviderParts(
        FederatedSignInStore(world.database),
        Outside(documents, keys, IssuerTokens(keys)),
        saml=SamlParts(world.pools.saml, SamlStore(world.database)),
    )
    store = HostedUiStore(world.database)
    return HostedPages(
        world.pools.sign_in,
        store,
        world.clock,
        world.entropy,
        public_url=public_url,
        providers=parts,
        recorder=records,
    )

"""The hosted pages over real user pools, in one process, with a clock that tests move."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp

from support.hosted_ui import CALLBACK, Browser, Response, authorize_query, redeem_form
from support.hosted_ui import sign_in as fill_the_form
from support.stores import open_store
from support.userpools import RecordingFunctions
from velvetrope.clock import CountingEntropy, FrozenClock
from velvetrope.edge.hosted import HostedPages, PoolLooks
from velvetrope.operations import Call, implemented_operations
from velvetrope.principals import ANONYMOUS
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.store import Database
from velvetrope.store.tables.hosted_ui import HostedUiStore
from velvetrope.store.tables.userpools import FirstFactor, SoftwareTokenMfaConfig
from velvetrope.userpools import ReadableMessage, UserPools
from velvetrope.userpools.shapes import AttributeType, SignInPolicy, UserPoolPolicies

PASSWORD = "demoPASS123!"  # a pool's own policy asks for a symbol


@dataclass
class House:
    """A pool with a domain, a public client and a user, made by the operations that boto3 would call."""

    pools: UserPools
    pages: HostedPages
    clock: FrozenClock
    functions: RecordingFunctions
    database: Database
    folder: Path
    pool_id: str = ""
    client_id: str = ""

    async def call(self, operation: str, **members: object) -> Mapping[str, Any]:
        methods = {name: run for owner in self.pools.operations for name, run in implemented_operations(owner).items()}
        call = Call(ANONYMOUS, "123456789012", "us-west-2", "a-request", self.clock.now())
        answer = await methods[operation](call, **members)
        assert answer is None or isinstance(answer, Mapping)
        return answer or {}

    @classmethod
    async def open(cls, folder: Path) -> "House":
        database = await open_store(folder)
        entropy, clock = CountingEntropy(), FrozenClock()
        functions = RecordingFunctions()
        pools = UserPools(
            database,
            master_keys=MasterKeys.generate(entropy),
            clock=clock,
            entropy=entropy,
            functions=functions,
            pages_url="https://localhost:4800",
        )
        pages = HostedPages(
            pools.sign_in,
            HostedUiStore(database),
            clock,
            entropy,
            accounts=pools.accounts,
            looks=PoolLooks(pools.appearances),
            terms=pools.terms,
        )
        return cls(pools, pages, clock, functions, database, folder)

    async def close(self) -> None:
        self.pools.close()
        await self.database.close()

    @property
    def user(self) -> dict[str, object]:
        """The user of this house, as operations name them."""
        return {"user_pool_id": self.pool_id, "username": "demouser"}

    def browser(self) -> Browser:
        return Browser(self.pages)

    async def furnish(self, *, with_user: bool = True, **pool_settings: object) -> None:
        pool = await self.call("create_user_pool", pool_name="auth-api-demo", **pool_settings)
        self.pool_id = str(_member(pool["user_pool"], "id"))
        await self.call("create_user_pool_domain", domain="auth-api-demo", user_pool_id=self.pool_id)
        self.client_id = await self.add_client()
        if not with_user:
            return
        await self.call("admin_create_user", message_action="SUPPRESS", **self.user)
        await self.call("admin_set_user_password", password=Secret(PASSWORD), permanent=True, **self.user)

    async def add_client(self, user_pool_id: str = "", **settings: object) -> str:
        """One more client of this pool, or of another; returns its id."""
        client = await self.call(
            "create_user_pool_client",
            **{
                "user_pool_id": user_pool_id or self.pool_id,
                "client_name": "web",
                "callback_urls": (CALLBACK,),
                "allowed_o_auth_flows": ("code",),
                "allowed_o_auth_scopes": ("openid", "email", "profile"),
                "allowed_o_auth_flows_user_pool_client": True,
                "supported_identity_providers": ("COGNITO",),
                **settings,
            },
        )
        return str(_member(client["user_pool_client"], "client_id"))

    async def add_pool(self, domain: str, **settings: object) -> str:
        """Another pool with a domain; returns the id of its client."""
        pool = await self.call("create_user_pool", pool_name=domain, **settings)
        pool_id = str(_member(pool["user_pool"], "id"))
        await self.call("create_user_pool_domain", domain=domain, user_pool_id=pool_id)
        return await self.add_client(pool_id)

    async def allow_first_factors(self, *factors: FirstFactor) -> None:
        """The pool allows these, and its client has the flow in which they are chosen."""
        policies = UserPoolPolicies(sign_in_policy=SignInPolicy(allowed_first_auth_factors=factors))
        await self.call("update_user_pool", user_pool_id=self.pool_id, policies=policies)
        self.client_id = await self.add_client(
            explicit_auth_flows=("ALLOW_USER_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"), prevent_user_existence_errors="ENABLED"
        )

    async def sign_in(self, browser: Browser, **changes: str | None) -> Response:
        return await fill_the_form(browser, **{"client_id": self.client_id, "password": PASSWORD, **changes})

    async def page(self, browser: Browser, path: str, **changes: str | None) -> Response:
        """A page of the pool, asked for as the app's request comes by it."""
        return await browser.get(f"{path}?{authorize_query(client_id=self.client_id, **changes)}")

    async def answer(self, browser: Browser, asked: Response, **fields: str) -> Response:
        """Send the form of a page; a redirect is followed to its page first. `_csrf` is the page's unless given."""
        page = await browser.get(asked.location) if asked.status == 302 else asked
        return await browser.post(
            page.form_action,
            {"_csrf": page.csrf_token, **fields},
            headers={"origin": browser.origin, "sec-fetch-site": "same-origin"},
        )

    async def messages(self) -> list[ReadableMessage]:
        """What was sent, the newest first."""
        return await self.pools.outbox.messages(self.pool_id)

    async def set_mfa(self, mfa_configuration: str, **offered: object) -> None:
        await self.call(
            "set_user_pool_mfa_config", user_pool_id=self.pool_id, mfa_configuration=mfa_configuration, **offered
        )

    async def last_code(self) -> str:
        """The code of the message that was written last."""
        newest = (await self.pools.outbox.messages(self.pool_id, limit=1))[0]
        return str(re.findall(r"[0-9]{6,8}", newest.text)[0])

    def totp(self, secret: str, *, steps: int = 0) -> str:
        """What an authenticator app shows, `steps` half minutes from now."""
        return pyotp.TOTP(secret).at(self.clock.now() + timedelta(seconds=30 * steps))

    async def set_attributes(self, **attributes: str) -> None:
        given = tuple(AttributeType(name=name, value=value) for name, value in attributes.items())
        await self.call("admin_update_user_attributes", user_attributes=given, **self.user)

    async def set_totp_up(self, **offered: object) -> str:
        """The pool asks for apps, and its user sets one up on the page; returns its secret, whose code is unused."""
        await self.set_mfa("ON", software_token_mfa_configuration=SoftwareTokenMfaConfig(enabled=True), **offered)
        browser = self.browser()
        page = await browser.get((await self.sign_in(browser)).location)
        secret = secret_on(page)
        assert "code" in (await self.answer(browser, page, code=self.totp(secret))).answer
        self.clock.advance(timedelta(seconds=60))
        return secret

    async def redeem(self, browser: Browser, code: str) -> Mapping[str, Any]:
        answer = await browser.post("/oauth2/token", redeem_form(code, client_id=self.client_id))
        return {"status": answer.status, **answer.json}


def _member(record: object, name: str) -> object:
    return record[name] if isinstance(record, Mapping) else getattr(record, name)


def secret_on(page: Response) -> str:
    """The authenticator app's secret that a page shows for typing."""
    found = re.search(r'<p class="code"><code>([A-Z2-7 ]+)</code>', page.text)
    assert found is not None, page.text
    return found.group(1).replace(" ", "")

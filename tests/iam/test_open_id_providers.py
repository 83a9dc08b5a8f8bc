"""OpenID Connect providers of an account: what IAM keeps, shows and refuses."""

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.stores import open_store
from velvetrope.errors import ServiceError
from velvetrope.iam.identity_provider_operations import OpenIdProviderOperations
from velvetrope.iam.tags import Tag
from velvetrope.operations import Call, implemented_operations
from velvetrope.principals import Principal
from velvetrope.store.tables.iam_providers import IamProviderStore

ACCOUNT = "111111111111"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROOT = Principal("Account", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
URL = "https://token.actions.githubusercontent.com"
ARN = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
THUMBPRINT = "6938fd4d98bab03faadb97b34396831e3780aea1"


@dataclass
class Providers:
    store: IamProviderStore
    allow_loopback_http: bool = False

    async def call(self, operation: str, *, account_id: str = ACCOUNT, **members: Any) -> Any:
        owner = OpenIdProviderOperations(self.store, allow_loopback_http=self.allow_loopback_http)
        call = Call(ROOT, account_id, "us-west-2", "r", NOW)
        return await implemented_operations(owner)[operation](call, **members)

    async def make(self, url: str = URL, **members: Any) -> str:
        answer = await self.call("create_open_id_connect_provider", url=url, **members)
        arn: str = answer["open_id_connect_provider_arn"]
        return arn

    async def get(self, arn: str = ARN) -> Any:
        return await self.call("get_open_id_connect_provider", open_id_connect_provider_arn=arn)


@pytest.fixture
async def providers(tmp_path: Path) -> AsyncIterator[Providers]:
    database = await open_store(tmp_path)
    yield Providers(IamProviderStore(database))
    await database.close()


async def refused(call: Awaitable[Any]) -> tuple[str, str]:
    with pytest.raises(ServiceError) as error:
        await call
    return error.value.code, error.value.message


async def test_a_provider_is_shown_as_it_was_made(providers: Providers) -> None:
    arn = await providers.make(
        client_id_list=("sts.amazonaws.com", "sts.amazonaws.com", "x"),
        thumbprint_list=(THUMBPRINT,),
        tags=(Tag(key="team", value="blue"),),
    )

    assert arn == ARN
    assert await providers.get() == {
        "url": "token.actions.githubusercontent.com",
        "client_id_list": ["sts.amazonaws.com", "x"],
        "thumbprint_list": [THUMBPRINT],
        "create_date": NOW,
        "tags": [{"key": "team", "value": "blue"}],
    }
    listed = await providers.call("list_open_id_connect_providers")
    assert listed == {"open_id_connect_provider_list": [{"arn": ARN}]}


@pytest.mark.parametrize(
    "url",
    [
        "https://oidc.example/realms/a",
        "https://oidc.example/",
        "https://oidc.example:8443/x",
        "https://x",
    ],
)
async def test_the_arn_has_the_url_as_it_is(providers: Providers, url: str) -> None:
    assert await providers.make(url) == f"arn:aws:iam::{ACCOUNT}:oidc-provider/{url.removeprefix('https://')}"


@pytest.mark.parametrize(
    "url",
    [
        "http://oidc.example",
        "http://127.0.0.1:8080",
        "oidc.example",
        "https://",
        "https:///path",
        "https://user@oidc.example",
        "https://oidc.example?tenant=a",
        "https://oidc.example/#a",
        "https://oidc.example/*",
        "https://oidc.example:port",
        "https://oidc example",
        "https://-.example",
        "HTTPS://oidc.example",
        "ftp://oidc.example",
    ],
)
async def test_a_url_that_is_no_issuer_s_is_refused(providers: Providers, url: str) -> None:
    assert await refused(providers.make(url)) == ("InvalidInput", "Invalid Open ID Connect Provider URL")


async def test_an_issuer_on_one_s_own_machine_may_do_without_tls_where_that_is_allowed(providers: Providers) -> None:
    providers.allow_loopback_http = True

    assert await providers.make("http://127.0.0.1:8080/x") == f"arn:aws:iam::{ACCOUNT}:oidc-provider/127.0.0.1:8080/x"
    assert await providers.make("http://localhost:8080")
    assert (await refused(providers.make("http://oidc.example")))[0] == "InvalidInput"


async def test_a_url_is_registered_once(providers: Providers) -> None:
    await providers.make()

    assert await refused(providers.make()) == ("EntityAlreadyExists", f"Provider with url {URL} already exists.")


@pytest.mark.parametrize("thumbprints", [(THUMBPRINT,) * 6, ("x" * 40,), (THUMBPRINT[:-1],)], ids=["6", "x", "short"])
async def test_thumbprints_that_are_none_are_refused(providers: Providers, thumbprints: tuple[str, ...]) -> None:
    assert (await refused(providers.make(thumbprint_list=thumbprints)))[0] == "InvalidInput"


async def test_an_account_has_a_hundred_providers_and_a_provider_a_hundred_clients(providers: Providers) -> None:
    for n in range(100):
        await providers.make(f"https://i{n}.example", client_id_list=tuple(str(client) for client in range(100)))
    full = f"arn:aws:iam::{ACCOUNT}:oidc-provider/i0.example"

    assert (await refused(providers.make("https://one-more.example")))[0] == "LimitExceeded"
    more = providers.call(
        "add_client_id_to_open_id_connect_provider", open_id_connect_provider_arn=full, client_id="more"
    )
    assert (await refused(more))[0] == "LimitExceeded"


async def test_client_ids_come_and_go(providers: Providers) -> None:
    named = {"open_id_connect_provider_arn": await providers.make(client_id_list=("a",))}

    for _ in range(2):
        await providers.call("add_client_id_to_open_id_connect_provider", client_id="b", **named)
    assert (await providers.get())["client_id_list"] == ["a", "b"]
    for _ in range(2):
        await providers.call("remove_client_id_from_open_id_connect_provider", client_id="a", **named)
    assert (await providers.get())["client_id_list"] == ["b"]


async def test_thumbprints_are_replaced(providers: Providers) -> None:
    named: dict[str, Any] = {"open_id_connect_provider_arn": await providers.make(thumbprint_list=(THUMBPRINT,))}

    await providers.call("update_open_id_connect_provider_thumbprint", thumbprint_list=(THUMBPRINT[::-1],), **named)

    assert (await providers.get())["thumbprint_list"] == [THUMBPRINT[::-1]]
    bad = providers.call("update_open_id_connect_provider_thumbprint", thumbprint_list=("x",), **named)
    assert (await refused(bad))[0] == "InvalidInput"


async def test_tags_are_set_listed_and_removed(providers: Providers) -> None:
    named: dict[str, Any] = {"open_id_connect_provider_arn": await providers.make()}
    await providers.call("tag_open_id_connect_provider", tags=tuple(Tag(key=key, value=key) for key in "abc"), **named)
    await providers.call("untag_open_id_connect_provider", tag_keys=("b",), **named)

    first = await providers.call("list_open_id_connect_provider_tags", max_items=1, **named)
    rest = await providers.call("list_open_id_connect_provider_tags", marker=first["marker"], **named)

    assert (first["tags"], first["is_truncated"]) == ([{"key": "a", "value": "a"}], True)
    assert (rest["tags"], rest["is_truncated"]) == ([{"key": "c", "value": "c"}], False)


async def test_a_deleted_provider_is_gone_and_may_be_deleted_again(providers: Providers) -> None:
    arn = await providers.make()

    for _ in range(2):
        await providers.call("delete_open_id_connect_provider", open_id_connect_provider_arn=arn)

    assert await refused(providers.get()) == ("NoSuchEntity", f"OpenIDConnect Provider not found for arn {ARN}")


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("get_open_id_connect_provider", {}),
        ("add_client_id_to_open_id_connect_provider", {"client_id": "x"}),
        ("remove_client_id_from_open_id_connect_provider", {"client_id": "x"}),
        ("update_open_id_connect_provider_thumbprint", {"thumbprint_list": ()}),
        ("tag_open_id_connect_provider", {"tags": ()}),
        ("untag_open_id_connect_provider", {"tag_keys": ()}),
        ("list_open_id_connect_provider_tags", {}),
        ("delete_open_id_connect_provider", {}),
    ],
)
async def test_a_provider_of_another_account_is_not_found(
    providers: Providers, operation: str, members: dict[str, Any]
) -> None:
    await providers.make()

    other = providers.call(operation, account_id="222222222222", open_id_connect_provider_arn=ARN, **members)
    assert (await refused(other))[0] == "NoSuchEntity"
    for arn in ("not an ARN at all ....", f"arn:aws:iam::{ACCOUNT}:role/oidc-provider/x"):
        call = providers.call(operation, open_id_connect_provider_arn=arn, **members)
        assert (await refused(call))[0] == "InvalidInput"
    assert await providers.get()


def test_every_operation_on_open_id_providers_is_there() -> None:
    import botocore.loaders
    from botocore import xform_name

    model = botocore.loaders.Loader().load_service_model("iam", "service-2")
    wanted = {xform_name(name) for name in model["operations"] if "OpenIDConnect" in name}

    assert {name for name in dir(OpenIdProviderOperations) if not name.startswith("_")} == wanted

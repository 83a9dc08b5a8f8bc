"""Calls by a custom domain name: what functions see of them, and an API that is reached by no other way."""

import asyncio
import json
from typing import Any

import msgspec
import pytest
from sqlalchemy.exc import OperationalError

from support.gateway import Gateway, header, patch
from velvetrope.execute_api import IncomingRequest, custom_domains
from velvetrope.store import ChangeFeed, Database
from velvetrope.store.tables.apigateway_domains import DomainNameStore
from velvetrope.store.tables.apigateway_records import BasePathMapping, DomainName

_HOST = "api.example.com"


def _by_domain(request: IncomingRequest, base_path: str) -> IncomingRequest:
    """`request` as it would have come under the domain's `base_path`."""
    raw_path = request.stage_path.replace(b"/latest", base_path.encode(), 1)
    headers = tuple((name, _HOST.encode() if name == b"Host" else value) for name, value in request.headers)
    return msgspec.structs.replace(request, raw_path=raw_path, headers=headers, by_domain=True)


async def test_a_function_sees_the_path_that_was_called_and_the_domain(gateway: Gateway) -> None:
    request = _by_domain(gateway.request("GET", "/function/a"), "/v1")

    response = await gateway.call(request)

    event: dict[str, Any] = json.loads(gateway.functions.calls[-1]["payload"])
    assert response.status == 200
    assert (event["path"], event["requestContext"]["path"]) == ("/v1/function/a", "/v1/function/a")
    assert event["requestContext"]["domainName"] == _HOST
    assert event["requestContext"]["stage"] == "latest"


async def test_a_signature_is_over_the_path_that_was_called(gateway: Gateway) -> None:
    credentials = gateway.user()
    request = _by_domain(gateway.request("GET", "/iam"), "/v1")

    signed_as_mapped = msgspec.structs.replace(
        request, headers=gateway.signed(gateway.request("GET", "/iam"), credentials).headers
    )
    response = await gateway.call(signed_as_mapped)

    assert (response.status, header(response, "x-amzn-ErrorType")) == (403, "InvalidSignatureException")


async def test_a_disabled_endpoint_is_closed_and_the_domain_is_not(gateway: Gateway) -> None:
    request = gateway.request("GET", "/open")
    assert (await gateway.call(request)).status == 200
    await gateway.plane.update_rest_api(
        rest_api_id=gateway.api_id, patch_operations=patch("replace", "/disableExecuteApiEndpoint", "true")
    )
    assert (await gateway.call(request)).status == 200, "what is under work is not what is served"
    await gateway.plane.create_deployment(rest_api_id=gateway.api_id, stage_name="latest")

    by_domain = await gateway.call(_by_domain(request, "/v1"))
    closed = await gateway.call(request)
    again = await gateway.call(request)

    assert by_domain.status == 200
    for refused in (closed, again):
        assert (refused.status, refused.body) == (403, b'{"message":"Forbidden"}')
        assert header(refused, "x-amzn-ErrorType") == "ForbiddenException"


@pytest.mark.parametrize("api_id", ["", "nobody"])
async def test_a_path_without_a_mapping_is_forbidden(gateway: Gateway, api_id: str) -> None:
    request = msgspec.structs.replace(_by_domain(gateway.request("GET", "/open"), "/v1"), api_id=api_id)

    response = await gateway.call(request)

    assert (response.status, response.body) == (403, b'{"message":"Forbidden"}')


class BusyStore(DomainNameStore):
    """The tables, of a database that is away when they are read for the first time."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.is_away = True
        self.read = asyncio.Event()

    async def load_served(self) -> tuple[list[DomainName], list[BasePathMapping]]:
        if self.is_away:
            self.is_away = False
            raise OperationalError("SELECT", {}, OSError("away"))
        self.read.set()
        return await super().load_served()


async def test_domains_that_could_not_be_read_are_read_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custom_domains, "_TRY_AGAIN_SECONDS", 0.0)
    store, changes = BusyStore(database), ChangeFeed()
    domains = custom_domains.CustomDomains(store, changes)

    changes.publish("apigateway-domains")

    await asyncio.wait_for(store.read.wait(), 60)
    await domains.reload()  # behind the one that has begun


async def test_nothing_is_read_once_it_was_stopped(database: Database) -> None:
    store, changes = BusyStore(database), ChangeFeed()
    domains = custom_domains.CustomDomains(store, changes)
    changes.publish("apigateway-domains")

    await domains.stop()
    changes.publish("apigateway-domains")
    await asyncio.sleep(0)
    await domains.stop()

    assert not store.read.is_set()

"""HTTP APIs for tests: the control plane called as boto3 names its operations, and the lane that serves them."""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from support.gateway import ACCOUNT, REGION, Gateway, Invocation, check_members
from support.models import operation_models
from velvetrope.apigatewayv2 import operation_owners
from velvetrope.clock import CountingEntropy
from velvetrope.execute_api import CustomDomains, GatewayResponse, HttpApiLane, IncomingRequest
from velvetrope.operations import Call, implemented_operations
from velvetrope.principals import ANONYMOUS, TemporaryCredentials
from velvetrope.store import Database
from velvetrope.store.tables.apigateway import ApiGatewayStore
from velvetrope.store.tables.apigateway_domains import DomainNameStore
from velvetrope.store.tables.apigatewayv2 import HttpApiStore
from velvetrope.sts.open_id_keys import IssuerKey
from velvetrope.tokens import TokenSignatureMismatch

FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:demo"
AUTHORIZER_FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:authorizer"


class HttpApiPlane:
    """`await plane.create_api(name="x", protocol_type="HTTP")`: the operation's answer."""

    def __init__(self, database: Database) -> None:
        self.store = HttpApiStore(database)
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        domains = DomainNameStore(database)
        self.lookup = CustomDomains(domains, database.changes)
        owners = operation_owners(
            self.store,
            ApiGatewayStore(database),
            domains,
            CountingEntropy(),
            endpoint_of=lambda api_id: f"http://localhost:4800/_api/{api_id}",
            lookup=self.lookup,
            reserved_hosts=("api.localhost", "*.auth.localhost"),
        )
        self.operations = {name: method for owner in owners for name, method in implemented_operations(owner).items()}
        self.model = operation_models("apigatewayv2")

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        operation = self.operations[name]

        async def invoke(**parameters: Any) -> Any:
            call = Call(principal=ANONYMOUS, account_id=ACCOUNT, region=REGION, request_id="r", now=self.now)
            answer = await operation(call, **parameters)
            if name != "export_api":  # its whole answer is the document
                check_members(answer, self.model[name].output_shape, name)
            return answer

        return invoke

    async def new_api(self, **parameters: Any) -> str:
        """The id of a new HTTP API."""
        return str((await self.create_api(**{"name": "demo", "protocol_type": "HTTP"} | parameters))["api_id"])

    async def new_route(self, api_id: str, route_key: str, **parameters: Any) -> str:
        """The id of a new route to a function of payload format 2.0."""
        integration = await self.create_integration(
            api_id=api_id, integration_type="AWS_PROXY", integration_uri=FUNCTION, payload_format_version="2.0"
        )
        target = f"integrations/{integration['integration_id']}"
        route = await self.create_route(**{"api_id": api_id, "route_key": route_key, "target": target} | parameters)
        return str(route["route_id"])


class NoIssuers:
    """Other people's issuers, none of which can be asked; with `keys`, those keys are theirs."""

    def __init__(self) -> None:
        self.keys: dict[tuple[str, str | None], Any] = {}
        self.asked: list[str] = []

    async def find(self, issuer: str, *, kid: str | None, algorithm: str, now: datetime) -> IssuerKey:
        self.asked.append(issuer)
        if (issuer, kid) not in self.keys:
            raise TokenSignatureMismatch("The issuer's keys cannot be fetched")
        return IssuerKey(kid, frozenset({algorithm}), self.keys[issuer, kid])


class HttpGateway:
    """The lane of HTTP APIs over a real store, with the callers, functions and frozen clock of a `Gateway`."""

    def __init__(self, database: Database) -> None:
        self.rest = Gateway(database)
        self.functions, self.clock, self.callers = self.rest.functions, self.rest.clock, self.rest.callers
        self.functions.answer = Invocation(b'{"hello": "there"}')
        self.pools, self.issuers, self.log = self.rest.pools, NoIssuers(), self.rest.log
        self.plane = HttpApiPlane(database)
        self.lane = HttpApiLane(
            self.rest.surroundings(logs_all=True),
            store=self.plane.store,
            pool_tokens=self.pools,
            issuer_keys=self.issuers,
        )
        self.api_id = ""

    async def deploy(self, *route_keys: str, stage: str = "$default", **parameters: Any) -> str:
        """An API with open routes to the function, in a stage that follows it."""
        self.api_id = await self.plane.new_api(**parameters)
        await self.plane.create_stage(api_id=self.api_id, stage_name=stage, auto_deploy=True)
        for key in route_keys:
            await self.plane.new_route(self.api_id, key)
        return self.api_id

    def arn(self, method_and_path: str, *, stage: str = "$default") -> str:
        """The ARN of a route as it is called."""
        return f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{self.api_id}/{stage}/{method_and_path}"

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> IncomingRequest:
        """A request to the path-style address of the API. `path` may have a query."""
        raw_path, _, query = f"/_api/{self.api_id}{path}".partition("?")
        sent = {"Host": "localhost:4800", "User-Agent": "tests", **(headers or {})}
        return IncomingRequest(
            api_id=self.api_id,
            method=method,
            raw_path=raw_path.encode(),
            stage_path=raw_path.removeprefix(f"/_api/{self.api_id}").encode(),
            query_string=query.encode(),
            headers=tuple((name.encode(), value.encode()) for name, value in sent.items()),
            body=body,
            source_ip="127.0.0.1",
            scheme="http",
            http_version="1.1",
            received_at=self.clock.now(),
        )

    def by_domain(self, mapped: str, raw_path: str, *, base_path: str = "v1") -> IncomingRequest:
        """A GET of `raw_path` under a domain name whose mapping has made `mapped` of it, the stage in front."""
        request = self.request("GET", mapped, headers={"Host": "api.example.com"})
        return msgspec.structs.replace(
            request,
            raw_path=raw_path.encode(),
            stage_path=mapped.encode(),
            by_domain=True,
            base_path=base_path.encode(),
        )

    async def call(self, method: str, path: str, **options: Any) -> GatewayResponse:
        """An unsigned call."""
        return await self.lane.answer(self.request(method, path, **options))

    async def signed_call(self, method: str, path: str, credentials: TemporaryCredentials) -> GatewayResponse:
        """A call as botocore signs it."""
        return await self.lane.answer(self.rest.signed(self.request(method, path), credentials))

    def event(self, at: int = -1) -> dict[str, Any]:
        """What the function was handed."""
        event: dict[str, Any] = json.loads(self.functions.calls[at]["payload"])
        return event


def told(response: GatewayResponse) -> tuple[int, bytes]:
    """Status and body."""
    return response.status, response.body

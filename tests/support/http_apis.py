"""HTTP APIs for tests: the control plane called as boto3 names its operations."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import botocore.session
from botocore import xform_name

from support.gateway import ACCOUNT, REGION, check_members
from velvetrope.apigatewayv2 import operation_owners
from velvetrope.clock import CountingEntropy
from velvetrope.operations import Call, implemented_operations
from velvetrope.principals import ANONYMOUS
from velvetrope.store import Database
from velvetrope.store.tables.apigatewayv2 import HttpApiStore

FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:demo"
AUTHORIZER_FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:authorizer"


class HttpApiPlane:
    """`await plane.create_api(name="x", protocol_type="HTTP")`: the operation's answer."""

    def __init__(self, database: Database) -> None:
        self.store = HttpApiStore(database)
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        owners = operation_owners(
            self.store, CountingEntropy(), endpoint_of=lambda api_id: f"http://localhost:4800/_api/{api_id}"
        )
        self.operations = {name: method for owner in owners for name, method in implemented_operations(owner).items()}
        model = botocore.session.get_session().get_service_model("apigatewayv2")
        self.model = {xform_name(name): model.operation_model(name) for name in model.operation_names}

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

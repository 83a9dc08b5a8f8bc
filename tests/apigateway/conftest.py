"""API Gateway's operations over a real store, called as boto3 names them; every answer is held against the model."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from velvetrope.apigateway import operation_owners
from velvetrope.clock import CountingEntropy
from velvetrope.operations import Call, implemented_operations
from velvetrope.principals import ANONYMOUS
from velvetrope.sealing import MasterKeys
from velvetrope.store import Database
from velvetrope.store.tables.apigateway import ApiGatewayStore
from velvetrope.store.tables.usage import UsageStore

ACCOUNT = "111111111111"


class NoTraffic:
    """A request lane that nobody has called."""

    def __init__(self) -> None:
        self.settled = 0

    async def settle_usage(self) -> None:
        self.settled += 1


class ControlPlane:
    """`await plane.create_rest_api(name="x")`: the operation's answer."""

    def __init__(self, database: Database, reporter: NoTraffic) -> None:
        entropy = CountingEntropy()
        self.database = database
        self.store = ApiGatewayStore(database)
        self.usage = UsageStore(database)
        self.reporter = reporter
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        owners = operation_owners(self.store, self.usage, MasterKeys.generate(entropy), entropy, reporter=reporter)
        self.operations = {name: method for owner in owners for name, method in implemented_operations(owner).items()}
        model = botocore.session.get_session().get_service_model("apigateway")
        self.model = {xform_name(name): model.operation_model(name) for name in model.operation_names}

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        operation = self.operations[name]

        async def invoke(**parameters: Any) -> Any:
            answer = await operation(
                Call(principal=ANONYMOUS, account_id=ACCOUNT, region="us-west-2", request_id="r", now=self.now),
                **parameters,
            )
            check_members(answer, self.model[name].output_shape, name)
            return answer

        return invoke


def check_members(value: Any, shape: Any, where: str) -> None:
    """Every member of an answer is one of the model's, at any depth."""
    if shape is None:
        assert value is None, where
        return
    if value is None:
        return
    if shape.type_name == "structure":
        members = {xform_name(name): member for name, member in shape.members.items()}
        for name, inner in value.items():
            assert name in members, f"{where}.{name}"
            check_members(inner, members[name], f"{where}.{name}")
    elif shape.type_name == "list":
        for inner in value:
            check_members(inner, shape.member, f"{where}[]")
    elif shape.type_name == "map":
        for key, inner in value.items():
            check_members(inner, shape.value, f"{where}.{key}")


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[ControlPlane]:
    database = await Database.open(f"sqlite+aiosqlite:///{tmp_path}/gateway.db", durable=False)
    yield ControlPlane(database, NoTraffic())
    await database.close()

"""Lambda's operations as they are reached: through botocore's model, by their wire names."""

from collections.abc import Mapping
from typing import Any

import pytest

from support.dispatchers import unjudged_dispatcher
from support.functions import ACCOUNT, OWNER, REGION, ROLE, Lambda, WallClock
from support.zips import make_zip
from velvetrope.edge import OperationDispatcher
from velvetrope.errors import ServiceError
from velvetrope.operations import Call


@pytest.fixture
def dispatcher(functions: Lambda) -> OperationDispatcher:
    made = unjudged_dispatcher(WallClock(), account_id=ACCOUNT, region=REGION)
    made.register("lambda", *functions.service.operations)
    return made


async def invoke(dispatcher: OperationDispatcher, operation: str, **parameters: Any) -> Mapping[str, Any]:
    call = Call(principal=OWNER, account_id=ACCOUNT, region=REGION, request_id="", now=WallClock().now())
    return await dispatcher.invoke("lambda", operation, parameters, call)


CREATE = {
    "FunctionName": "orders",
    "Role": ROLE,
    "Runtime": "python3.12",
    "Handler": "app.handler",
    "Code": {"ZipFile": make_zip({"app.py": "def handler(event, context): return event"})},
    "Environment": {"Variables": {"My_Key": "1"}},
    "Tags": {"lambda:createdBy": "SAM"},
}


def test_every_operation_and_parameter_is_the_models(dispatcher: OperationDispatcher) -> None:
    assert dispatcher.operations.check() == []


async def test_a_functions_life_in_the_wires_own_names(dispatcher: OperationDispatcher) -> None:
    created = await invoke(dispatcher, "CreateFunction", **CREATE)
    permission = {"Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com", "StatementId": "api"}
    added = await invoke(dispatcher, "AddPermission", FunctionName="orders", **permission)
    found = await invoke(dispatcher, "GetFunction", FunctionName="orders")
    answer = await invoke(dispatcher, "Invoke", FunctionName="orders", Payload=b"[1]", LogType="Tail")
    listed = await invoke(dispatcher, "ListFunctions", MaxItems=10)
    published = await invoke(dispatcher, "PublishVersion", FunctionName="orders")
    deleted = await invoke(dispatcher, "DeleteFunction", FunctionName="orders")

    assert created["State"] == "Active"
    assert created["Environment"] == {"Variables": {"My_Key": "1"}}
    assert '"Sid":"api"' in added["Statement"]
    assert found["Tags"] == {"lambda:createdBy": "SAM"}
    assert (answer["Payload"], answer["StatusCode"], answer["ExecutedVersion"]) == (b"[1]", 200, "$LATEST")
    assert [function["FunctionName"] for function in listed["Functions"]] == ["orders"]
    assert published["FunctionArn"].endswith(":orders:1")
    assert deleted["StatusCode"] == 204


async def test_what_is_not_supported_is_refused_by_name(dispatcher: OperationDispatcher) -> None:
    unsupported: dict[str, Any] = {"FileSystemConfigs": [], "VpcConfig": {}}
    for member, value in unsupported.items():
        with pytest.raises(ServiceError) as refusal:
            await invoke(dispatcher, "CreateFunction", **CREATE, **{member: value})
        assert member in refusal.value.message
    with pytest.raises(ServiceError) as refusal:
        await invoke(dispatcher, "CreateFunction", **{**CREATE, "Code": {"S3Bucket": "b12", "S3Key": "k"}})
    assert "S3Bucket" in refusal.value.message

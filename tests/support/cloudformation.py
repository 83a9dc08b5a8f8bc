"""A world of services in memory, which behaves as far as stacks can tell, and writes down what it was told.

Every call is held against botocore's model, as the real dispatcher does: a member that an operation does not have, or a
value of the wrong type, fails the test that sent it.
"""

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.validate import ParamValidator

from support.models import service_model
from velvetrope.clock import CountingEntropy, FrozenClock
from velvetrope.cloudformation import AppliedStack, Artifacts, EventListener, StackEngine
from velvetrope.errors import ServiceError
from velvetrope.operations import Call
from velvetrope.principals import Principal
from velvetrope.sealing import MasterKeys
from velvetrope.server.assembly import Server
from velvetrope.store import Database
from velvetrope.store.tables.cloudformation import CloudFormationStore

ACCOUNT = "123456789012"
REGION = "us-west-2"
ROOT = Principal("Account", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
CALL = Call(ROOT, ACCOUNT, REGION, "request-1", datetime(2026, 1, 1, tzinfo=UTC))


class Refused(ServiceError):
    """What the world says when it was told to refuse."""

    code = "InvalidParameterException"


class Gone(ServiceError):
    code = "ResourceNotFoundException"
    http_status = 404


@dataclass(frozen=True)
class Told:
    """One call that the world got."""

    service: str
    operation: str
    parameters: Mapping[str, Any]


@dataclass
class World:
    """Every service at once."""

    told: list[Told] = field(default_factory=list)
    refusing: dict[str, str] = field(default_factory=dict)
    """Operations that are refused, with the message."""
    things: dict[str, str] = field(default_factory=dict)
    """What is there: an id, and the operation that made it."""
    gate: asyncio.Event | None = None
    """If set, every call waits for it."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def invoke(
        self, service: str, operation: str, parameters: Mapping[str, object], call: Call
    ) -> Mapping[str, object]:
        shape = service_model(service).operation_model(operation).input_shape
        report = ParamValidator().validate(dict(parameters), shape)
        assert not report.has_errors(), f"{service}:{operation}: {report.generate_report()}"
        assert call.principal == ROOT
        self.told.append(Told(service, operation, parameters))
        self._news.set()
        if self.gate is not None:
            await self.gate.wait()
        if operation in self.refusing:
            raise Refused(self.refusing[operation])
        return self._answer(operation, dict(parameters))

    async def heard(self, count: int) -> None:
        """Come back when it has been told `count` things."""
        while len(self.told) < count:
            self._news.clear()
            await self._news.wait()

    def names(self) -> list[str]:
        """The operations it was told, in order."""
        return [told.operation for told in self.told]

    def of(self, operation: str) -> list[Mapping[str, Any]]:
        """The parameters of every call of one operation."""
        return [told.parameters for told in self.told if told.operation == operation]

    def forget(self) -> None:
        """Start writing down anew; what is there stays."""
        self.told.clear()

    def _answer(self, operation: str, given: dict[str, Any]) -> Mapping[str, object]:
        maker = _MAKERS.get(operation)
        if maker is not None:
            identifier, answer = maker(given, next(self._numbers))
            self.things[identifier] = operation
            return answer
        remover = _REMOVERS.get(operation)
        if remover is not None:
            if self.things.pop(remover(given), None) is None:
                raise Gone("It is not there.")
            return {}
        return _OTHERS[operation](given) if operation in _OTHERS else {}


_Maker = Callable[[dict[str, Any], int], tuple[str, Mapping[str, object]]]

_MAKERS: Mapping[str, _Maker] = {
    "CreateUserPool": lambda given, n: (
        f"us-west-2_pool{n}",
        {"UserPool": {"Id": f"us-west-2_pool{n}", "Arn": f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/pool{n}"}},
    ),
    "CreateUserPoolClient": lambda given, n: (
        f"client{n}",
        {
            "UserPoolClient": {
                "ClientId": f"client{n}",
                "ClientName": given["ClientName"],
                "ClientSecret": f"very-secret-{n}",
            }
        },
    ),
    "CreateUserPoolDomain": lambda given, n: (f"domain {given['Domain']}", {}),
    "AdminCreateUser": lambda given, n: (f"user {given['Username']}", {"User": {"Username": given["Username"]}}),
    "CreateGroup": lambda given, n: (f"group {given['GroupName']}", {"Group": {"GroupName": given["GroupName"]}}),
    "CreateIdentityPool": lambda given, n: (
        f"us-west-2:pool-{n}",
        {"IdentityPoolId": f"us-west-2:pool-{n}", "IdentityPoolName": given["IdentityPoolName"]},
    ),
    "CreateRole": lambda given, n: (
        f"role {given['RoleName']}",
        {"Role": {"Arn": f"arn:aws:iam::{ACCOUNT}:role/{given['RoleName']}", "RoleId": f"AROA{n}"}},
    ),
    "CreateUser": lambda given, n: (
        f"iam user {given['UserName']}",
        {"User": {"Arn": f"arn:aws:iam::{ACCOUNT}:user/{given['UserName']}"}},
    ),
    "CreatePolicy": lambda given, n: (
        f"arn:aws:iam::{ACCOUNT}:policy/{given['PolicyName']}",
        {"Policy": {"Arn": f"arn:aws:iam::{ACCOUNT}:policy/{given['PolicyName']}", "PolicyId": f"ANPA{n}"}},
    ),
    "CreateFunction": lambda given, n: (
        f"function {given['FunctionName']}",
        {"FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{given['FunctionName']}"},
    ),
    "AddPermission": lambda given, n: (f"statement {given['StatementId']}", {"Statement": "{}"}),
    "PublishVersion": lambda given, n: (
        f"version {n}",
        {
            "FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{given['FunctionName']}:{n}",
            "Version": str(n),
        },
    ),
    "PublishLayerVersion": lambda given, n: (
        f"layer {given['LayerName']} {n}",
        {"LayerVersionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:{given['LayerName']}:{n}", "Version": n},
    ),
    "AddLayerVersionPermission": lambda given, n: (f"layer statement {given['StatementId']}", {"Statement": "{}"}),
    "CreateAlias": lambda given, n: (f"alias {given['Name']}", {"AliasArn": f"arn:aws:lambda:::alias:{given['Name']}"}),
    "CreateQueue": lambda given, n: (
        f"http://localhost/{ACCOUNT}/{given['QueueName']}",
        {"QueueUrl": f"http://localhost/{ACCOUNT}/{given['QueueName']}"},
    ),
    "CreateEventSourceMapping": lambda given, n: (
        f"00000000-0000-4000-8000-{n:012d}",
        {
            "UUID": f"00000000-0000-4000-8000-{n:012d}",
            "EventSourceMappingArn": f"arn:aws:lambda:::event-source-mapping:{n}",
        },
    ),
    "ImportRestApi": lambda given, n: (f"api{n}", {"id": f"api{n}", "rootResourceId": f"root{n}"}),
    "CreateRestApi": lambda given, n: (f"api{n}", {"id": f"api{n}"}),
    "CreateResource": lambda given, n: (f"resource{n}", {"id": f"resource{n}"}),
    "PutMethod": lambda given, n: (f"method {given['httpMethod']}", {}),
    "CreateDeployment": lambda given, n: (f"deployment{n}", {"id": f"deployment{n}"}),
    "CreateStage": lambda given, n: (f"stage {given['stageName']}", {}),
    "CreateApiKey": lambda given, n: (f"key{n}", {"id": f"key{n}", "value": "not-to-be-shown"}),
    "CreateUsagePlan": lambda given, n: (f"plan{n}", {"id": f"plan{n}"}),
    "CreateUsagePlanKey": lambda given, n: (f"{given['keyId']} in {given['usagePlanId']}", {"id": given["keyId"]}),
    "PutGatewayResponse": lambda given, n: (f"response {given['responseType']}", {}),
}

_REMOVERS: Mapping[str, Callable[[dict[str, Any]], str]] = {
    "DeleteUserPool": lambda given: str(given["UserPoolId"]),
    "DeleteUserPoolClient": lambda given: str(given["ClientId"]),
    "DeleteUserPoolDomain": lambda given: f"domain {given['Domain']}",
    "AdminDeleteUser": lambda given: f"user {given['Username']}",
    "DeleteGroup": lambda given: f"group {given['GroupName']}",
    "DeleteIdentityPool": lambda given: str(given["IdentityPoolId"]),
    "DeleteRole": lambda given: f"role {given['RoleName']}",
    "DeleteUser": lambda given: f"iam user {given['UserName']}",
    "DeletePolicy": lambda given: str(given["PolicyArn"]),
    "DeleteFunction": lambda given: (
        f"version {given['Qualifier']}" if "Qualifier" in given else f"function {given['FunctionName']}"
    ),
    "DeleteLayerVersion": lambda given: f"layer {given['LayerName']} {given['VersionNumber']}",
    "RemoveLayerVersionPermission": lambda given: f"layer statement {given['StatementId']}",
    "RemovePermission": lambda given: f"statement {given['StatementId']}",
    "DeleteAlias": lambda given: f"alias {given['Name']}",
    "DeleteQueue": lambda given: str(given["QueueUrl"]),
    "DeleteEventSourceMapping": lambda given: str(given["UUID"]),
    "DeleteRestApi": lambda given: str(given["restApiId"]),
    "DeleteResource": lambda given: str(given["resourceId"]),
    "DeleteMethod": lambda given: f"method {given['httpMethod']}",
    "DeleteDeployment": lambda given: str(given["deploymentId"]),
    "DeleteStage": lambda given: f"stage {given['stageName']}",
    "DeleteApiKey": lambda given: str(given["apiKey"]),
    "DeleteUsagePlan": lambda given: str(given["usagePlanId"]),
    "DeleteUsagePlanKey": lambda given: f"{given['keyId']} in {given['usagePlanId']}",
    "DeleteGatewayResponse": lambda given: f"response {given['responseType']}",
}

_OTHERS: Mapping[str, Callable[[dict[str, Any]], Mapping[str, object]]] = {
    "GetResources": lambda given: {"items": [{"id": "root", "path": "/"}, {"id": "other", "path": "/other"}]},
    "GetStage": lambda given: {"stageName": given["stageName"], "deploymentId": "deployment2"},
    "GetUser": lambda given: {"User": {"Arn": f"arn:aws:iam::{ACCOUNT}:user/moved/{given['UserName']}"}},
    "UpdateIdentityPool": lambda given: given,
    "UpdateUserPoolClient": lambda given: {"UserPoolClient": given},
    "ListPolicyVersions": lambda given: {
        "Versions": [
            {"VersionId": "v5", "IsDefaultVersion": True},
            *({"VersionId": f"v{n}", "IsDefaultVersion": False} for n in (2, 4, 1, 3)),
        ]
    },
}


def root_call(server: Server) -> Call:
    """A call of the owner of a whole server."""
    account_id, region = server.foundation.settings.account_id, server.foundation.settings.region
    arn = f"arn:aws:iam::{account_id}:root"
    root = Principal("Account", account_id, arn, arn, account_id)
    return Call(root, account_id, region, "request-1", server.foundation.clock.now())


@dataclass
class Stacks:
    """An engine, the world it works on, and short ways to use it."""

    engine: StackEngine
    world: World
    clock: FrozenClock
    entropy: CountingEntropy

    async def apply(
        self,
        template: str,
        *,
        name: str = "demo",
        parameters: Mapping[str, str] | None = None,
        artifacts: Artifacts | None = None,
        on_event: EventListener | None = None,
    ) -> AppliedStack:
        return await self.engine.apply(
            template, stack_name=name, call=CALL, parameters=parameters, artifacts=artifacts, on_event=on_event
        )

    async def status(self, name: str = "demo") -> str:
        stack = await self.engine.store.load_stack(ACCOUNT, REGION, name)
        assert stack is not None
        return stack.status

    async def physical_ids(self, name: str = "demo") -> dict[str, str]:
        stack = await self.engine.store.load_stack(ACCOUNT, REGION, name)
        assert stack is not None
        resources = await self.engine.store.load_resources(stack.stack_id)
        return {one.logical_id: one.physical_id for one in resources if not one.retired}

    async def history(self, name: str = "demo") -> Sequence[str]:
        """The events, oldest first, as `LogicalId STATUS`."""
        stack = await self.engine.store.load_stack(ACCOUNT, REGION, name)
        assert stack is not None
        events = await self.engine.store.load_events(stack.stack_id, limit=1000)
        return [f"{event.logical_id} {event.status}" for _, event in reversed(events)]


def make_stacks(database: Database) -> Stacks:
    """An engine on a database, with a world of its own."""
    world, clock, entropy = World(), FrozenClock(), CountingEntropy()
    engine = StackEngine(
        store=CloudFormationStore(database),
        invoker=world,
        master_keys=MasterKeys.generate(entropy),
        clock=clock,
        entropy=entropy,
    )
    return Stacks(engine, world, clock, entropy)

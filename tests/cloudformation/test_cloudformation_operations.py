"""CloudFormation's operations as a client meets them: through the edge's dispatcher, in wire names."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.waiter import WaiterModel

from support.cloudformation import CALL, Stacks, make_stacks
from support.edge import Edge, Serving, client
from support.stores import open_store
from velvetrope.cloudformation import cloudformation_operations
from velvetrope.errors import ServiceError
from velvetrope.store import Database

POOL = """
Description: People
Parameters:
  Name: {Type: String, Default: people}
  Hidden: {Type: String, Default: secret, NoEcho: true}
Resources:
  Pool: {Type: AWS::Cognito::UserPool, Properties: {UserPoolName: !Ref Name}}
Outputs:
  PoolId: {Value: !Ref Pool, Description: The id}
"""
WITH_CLIENT = POOL.replace(
    "Outputs:",
    "  Client: {Type: AWS::Cognito::UserPoolClient, Properties: {UserPoolId: !Ref Pool, ClientName: a}}\nOutputs:",
)
WITH_USER = POOL.replace("Outputs:", "  User: {Type: AWS::IAM::User}\nOutputs:")


class Wire:
    """CloudFormation behind the dispatcher."""

    def __init__(self, stacks: Stacks) -> None:
        self.stacks = stacks
        self.edge = Edge()
        owners = cloudformation_operations(stacks.engine, clock=stacks.clock, entropy=stacks.entropy)
        self.edge.dispatcher.register("cloudformation", *owners)

    async def call(self, operation: str, **parameters: object) -> Mapping[str, Any]:
        return await self.edge.dispatcher.invoke("cloudformation", operation, parameters, CALL)

    async def refusal(self, operation: str, **parameters: object) -> tuple[str, int, str]:
        with pytest.raises(ServiceError) as refused:
            await self.call(operation, **parameters)
        return refused.value.code, refused.value.http_status, refused.value.message

    async def made(self, template: str = POOL, **parameters: object) -> str:
        answer = await self.call("CreateStack", StackName="demo", TemplateBody=template, **parameters)
        stack_id: str = answer["StackId"]
        await self.stacks.engine.settled(stack_id)
        return stack_id

    async def stack(self, name: str = "demo") -> Mapping[str, Any]:
        [stack] = (await self.call("DescribeStacks", StackName=name))["Stacks"]
        assert isinstance(stack, Mapping)
        return stack

    async def verdict(self, waiter: str, name: str = "demo") -> str:
        """What botocore's waiter of that name concludes from DescribeStacks now."""
        try:
            response: Mapping[str, Any] = await self.call("DescribeStacks", StackName=name)
        except ServiceError as error:
            response = {"Error": {"Code": error.code}}
        config = WaiterModel(Loader().load_service_model("cloudformation", "waiters-2")).get_waiter(waiter)
        for acceptor in config.acceptors:
            if acceptor.matcher_func(response):
                return str(acceptor.state)
        return "retry"


@pytest.fixture
def wire(stacks: Stacks) -> Wire:
    return Wire(stacks)


def test_every_operation_is_one_of_cloudformations(wire: Wire) -> None:
    assert [finding for finding in wire.edge.dispatcher.operations.check() if "cloudformation" in finding] == []


async def test_create_answers_at_once_and_describe_follows(wire: Wire) -> None:
    wire.stacks.world.gate = asyncio.Event()

    answer = await wire.call("CreateStack", StackName="demo", TemplateBody=POOL, Tags=[{"Key": "a", "Value": "b"}])

    assert (await wire.stack())["StackStatus"] == "CREATE_IN_PROGRESS"
    assert await wire.verdict("StackCreateComplete") == "retry"
    wire.stacks.world.gate.set()
    await wire.stacks.engine.settled(answer["StackId"])
    stack = await wire.stack()
    assert await wire.verdict("StackCreateComplete") == "success"
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["StackId"] == answer["StackId"]
    assert stack["Description"] == "People"
    assert stack["Parameters"] == [
        {"ParameterKey": "Name", "ParameterValue": "people"},
        {"ParameterKey": "Hidden", "ParameterValue": "****"},
    ]
    assert stack["Outputs"] == [{"OutputKey": "PoolId", "OutputValue": "us-west-2_pool1", "Description": "The id"}]
    assert stack["Tags"] == [{"Key": "a", "Value": "b"}]


async def test_waiters_see_failures(wire: Wire) -> None:
    wire.stacks.world.refusing["CreateUserPool"] = "No"

    await wire.made()

    stack = await wire.stack()
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert await wire.verdict("StackCreateComplete") == "failure"
    events = (await wire.call("DescribeStackEvents", StackName="demo"))["StackEvents"]
    shown = [(event["LogicalResourceId"], event["ResourceStatus"]) for event in events]
    assert shown == [
        ("demo", "ROLLBACK_COMPLETE"),
        ("demo", "ROLLBACK_IN_PROGRESS"),
        ("Pool", "CREATE_FAILED"),
        ("Pool", "CREATE_IN_PROGRESS"),
        ("demo", "CREATE_IN_PROGRESS"),
    ]
    assert events[1]["ResourceStatusReason"] == (
        "The following resource(s) failed to create: [Pool]. Rollback requested by user."
    )


async def test_update_with_previous_template_and_values(wire: Wire) -> None:
    await wire.made(Parameters=[{"ParameterKey": "Name", "ParameterValue": "folk"}])
    previous = {"ParameterKey": "Name", "UsePreviousValue": True}

    refused = await wire.refusal("UpdateStack", StackName="demo", UsePreviousTemplate=True, Parameters=[previous])
    await wire.call(
        "UpdateStack",
        StackName="demo",
        UsePreviousTemplate=True,
        Parameters=[{"ParameterKey": "Name", "ParameterValue": "kin"}],
    )

    assert refused == ("ValidationError", 400, "No updates are to be performed.")
    stack_id = (await wire.stack())["StackId"]
    await wire.stacks.engine.settled(stack_id)
    assert (await wire.stack())["StackStatus"] == "UPDATE_COMPLETE"
    assert await wire.verdict("StackUpdateComplete") == "success"
    assert wire.stacks.world.of("UpdateUserPool")[0]["PoolName"] == "kin"


async def test_delete_and_its_waiter(wire: Wire) -> None:
    stack_id = await wire.made()

    await wire.call("DeleteStack", StackName="demo")
    await wire.stacks.engine.settled(stack_id)

    assert await wire.verdict("StackDeleteComplete") == "success"
    assert (await wire.stack(stack_id))["StackStatus"] == "DELETE_COMPLETE"
    assert await wire.refusal("DescribeStacks", StackName="demo") == (
        "ValidationError",
        400,
        "Stack with id demo does not exist",
    )
    await wire.call("DeleteStack", StackName="demo")
    await wire.call("DeleteStack", StackName=stack_id)
    summaries = (await wire.call("ListStacks", StackStatusFilter=["DELETE_COMPLETE"]))["StackSummaries"]
    assert [one["StackName"] for one in summaries] == ["demo"]
    assert (await wire.call("DescribeStacks"))["Stacks"] == []
    assert await wire.made() != stack_id


async def test_a_protected_stack_is_not_deleted(wire: Wire) -> None:
    await wire.made(EnableTerminationProtection=True)

    refused = await wire.refusal("DeleteStack", StackName="demo")
    await wire.call("UpdateTerminationProtection", StackName="demo", EnableTerminationProtection=False)
    await wire.call("DeleteStack", StackName="demo")

    assert refused == (
        "ValidationError",
        400,
        "Stack [demo] cannot be deleted while TerminationProtection is enabled",
    )


async def test_a_stack_at_work_is_not_deleted(wire: Wire) -> None:
    wire.stacks.world.gate = asyncio.Event()
    await wire.call("CreateStack", StackName="demo", TemplateBody=POOL)

    code, _, message = await wire.refusal("DeleteStack", StackName="demo")

    assert code == "ValidationError"
    assert message.endswith("cannot be deleted while in status CREATE_IN_PROGRESS")
    wire.stacks.world.gate.set()


async def test_resources_that_would_not_go_can_be_left(wire: Wire) -> None:
    stack_id = await wire.made()
    wire.stacks.world.refusing["DeleteUserPool"] = "Not now"
    early = await wire.refusal("DeleteStack", StackName="demo", RetainResources=["Pool"])
    await wire.call("DeleteStack", StackName="demo")
    await wire.stacks.engine.settled(stack_id)
    assert await wire.verdict("StackDeleteComplete") == "failure"

    await wire.call("DeleteStack", StackName="demo", RetainResources=["Pool"])
    await wire.stacks.engine.settled(stack_id)

    assert "RetainResources can only be specified" in early[2]
    assert await wire.verdict("StackDeleteComplete") == "success"
    assert list(wire.stacks.world.things) == ["us-west-2_pool1"]


async def test_resources_are_shown(wire: Wire) -> None:
    await wire.made()

    [resource] = (await wire.call("DescribeStackResources", StackName="demo"))["StackResources"]
    by_id = await wire.call("DescribeStackResources", PhysicalResourceId="us-west-2_pool1")
    detail = await wire.call("DescribeStackResource", StackName="demo", LogicalResourceId="Pool")
    summaries = (await wire.call("ListStackResources", StackName="demo"))["StackResourceSummaries"]

    assert (resource["LogicalResourceId"], resource["PhysicalResourceId"]) == ("Pool", "us-west-2_pool1")
    assert resource["ResourceStatus"] == "CREATE_COMPLETE"
    assert by_id["StackResources"] == [resource]
    assert detail["StackResourceDetail"]["ResourceType"] == "AWS::Cognito::UserPool"
    assert [one["LogicalResourceId"] for one in summaries] == ["Pool"]
    assert (await wire.refusal("DescribeStackResource", StackName="demo", LogicalResourceId="X"))[2] == (
        "Resource X does not exist for stack demo"
    )


async def test_templates_are_given_back_and_summed_up(wire: Wire) -> None:
    await wire.made()

    original = await wire.call("GetTemplate", StackName="demo")
    processed = await wire.call("GetTemplate", StackName="demo", TemplateStage="Processed")
    summary = await wire.call("GetTemplateSummary", StackName="demo")
    valid = await wire.call("ValidateTemplate", TemplateBody=WITH_USER)

    assert original["TemplateBody"] == POOL
    assert json.loads(processed["TemplateBody"])["Resources"]["Pool"]["Type"] == "AWS::Cognito::UserPool"
    assert summary["ResourceTypes"] == ["AWS::Cognito::UserPool"]
    assert [one["ParameterKey"] for one in summary["Parameters"]] == ["Name", "Hidden"]
    assert valid["Capabilities"] == ["CAPABILITY_IAM"]
    assert valid["CapabilitiesReason"] == "The following resource(s) require capabilities: [AWS::IAM::User]"
    assert (await wire.refusal("ValidateTemplate", TemplateBody="Resources: {A: {Type: X}}"))[2] == (
        "Template format error: Unrecognized resource types: [X]"
    )


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ("ValidationError", 400, "Either Template URL or Template Body must be specified.")),
        (
            {"TemplateBody": "a: ["},
            ("ValidationError", 400, "Template format error: YAML not well-formed. (line 2, column 1)"),
        ),
        (
            {"TemplateBody": WITH_USER},
            ("InsufficientCapabilitiesException", 400, "Requires capabilities : [CAPABILITY_IAM]"),
        ),
        (
            {
                "TemplateBody": "Resources: {A: {Type: AWS::IAM::User, Properties: {UserName: x}}}",
                "Capabilities": ["CAPABILITY_IAM"],
            },
            ("InsufficientCapabilitiesException", 400, "Requires capabilities : [CAPABILITY_NAMED_IAM]"),
        ),
        (
            {"TemplateBody": POOL, "Parameters": [{"ParameterKey": "Nope", "ParameterValue": "x"}]},
            ("ValidationError", 400, "Parameters: [Nope] do not exist in the template"),
        ),
        (
            {"TemplateBody": POOL, "DisableRollback": True, "OnFailure": "DELETE"},
            ("ValidationError", 400, "Either DisableRollback or OnFailure can be specified, not both."),
        ),
        (
            {"TemplateBody": "Transform: AWS::Serverless-2016-10-31\n" + POOL},
            ("InsufficientCapabilitiesException", 400, "Requires capabilities : [CAPABILITY_AUTO_EXPAND]"),
        ),
    ],
)
async def test_create_is_refused(wire: Wire, parameters: Mapping[str, object], expected: tuple[str, int, str]) -> None:
    assert await wire.refusal("CreateStack", StackName="demo", **parameters) == expected


async def test_a_template_by_url_is_refused_by_name(wire: Wire) -> None:
    _, _, message = await wire.refusal("CreateStack", StackName="demo", TemplateURL="https://example.com/t")

    assert "TemplateURL" in message


async def test_a_template_of_more_than_51200_bytes_is_refused(wire: Wire) -> None:
    at_the_limit = POOL + "#" * (51_200 - len(POOL))

    assert (await wire.refusal("CreateStack", StackName="demo", TemplateBody=at_the_limit + "#"))[2].endswith(
        "Member must have length less than or equal to 51200"
    )
    await wire.made(at_the_limit)


async def test_a_name_is_taken_while_its_stack_lives(wire: Wire) -> None:
    stack_id = await wire.made(ClientRequestToken="token-1")

    assert await wire.refusal("CreateStack", StackName="demo", TemplateBody=POOL) == (
        "AlreadyExistsException",
        400,
        "Stack [demo] already exists",
    )
    assert await wire.made(ClientRequestToken="token-1") == stack_id
    assert (await wire.refusal("CreateStack", StackName="a_b", TemplateBody=POOL))[0] == "ValidationError"


async def test_events_come_in_pages(wire: Wire) -> None:
    users = "".join(f"  U{n}: {{Type: AWS::IAM::User}}\n" for n in range(60))
    await wire.made("Resources:\n" + users, Capabilities=["CAPABILITY_IAM"])

    first = await wire.call("DescribeStackEvents", StackName="demo")
    second = await wire.call("DescribeStackEvents", StackName="demo", NextToken=first["NextToken"])

    events = [*first["StackEvents"], *second["StackEvents"]]
    assert (len(first["StackEvents"]), len(events), second.get("NextToken")) == (100, 122, None)
    assert len({event["EventId"] for event in events}) == 122
    assert (await wire.refusal("DescribeStackEvents", StackName="demo", NextToken="x"))[0] == "ValidationError"


async def test_a_change_set_creates_a_stack_when_it_is_executed(wire: Wire) -> None:
    made = await wire.call(
        "CreateChangeSet", StackName="demo", ChangeSetName="first", TemplateBody=POOL, ChangeSetType="CREATE"
    )
    assert (await wire.stack())["StackStatus"] == "REVIEW_IN_PROGRESS"
    shown = await wire.call("DescribeChangeSet", StackName="demo", ChangeSetName="first")
    assert (shown["Status"], shown["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    assert [change["ResourceChange"]["Action"] for change in shown["Changes"]] == ["Add"]
    assert wire.stacks.world.told == []

    await wire.call("ExecuteChangeSet", ChangeSetName=made["Id"])
    await wire.stacks.engine.settled(made["StackId"])

    assert (await wire.stack())["StackStatus"] == "CREATE_COMPLETE"
    refused = await wire.refusal("ExecuteChangeSet", ChangeSetName=made["Id"])
    assert refused[:2] == ("InvalidChangeSetStatus", 400)
    shown = await wire.call("DescribeChangeSet", ChangeSetName=made["Id"])
    assert shown["ExecutionStatus"] == "EXECUTE_COMPLETE"


async def test_a_change_set_hides_what_says_no_echo(wire: Wire) -> None:
    await wire.made()
    parameters = [{"ParameterKey": "Hidden", "ParameterValue": "x"}, {"ParameterKey": "Name", "ParameterValue": "y"}]
    await wire.call(
        "CreateChangeSet", StackName="demo", ChangeSetName="c", UsePreviousTemplate=True, Parameters=parameters
    )

    shown = await wire.call("DescribeChangeSet", StackName="demo", ChangeSetName="c")

    assert {one["ParameterKey"]: one["ParameterValue"] for one in shown["Parameters"]} == {
        "Hidden": "****",
        "Name": "y",
    }


async def test_a_change_set_whose_execution_was_interrupted_has_failed(wire: Wire) -> None:
    wire.stacks.world.gate = asyncio.Event()
    made = await wire.call(
        "CreateChangeSet", StackName="demo", ChangeSetName="c", TemplateBody=WITH_CLIENT, ChangeSetType="CREATE"
    )
    await wire.call("ExecuteChangeSet", ChangeSetName=made["Id"])
    await wire.stacks.world.heard(1)

    closing = asyncio.create_task(wire.stacks.engine.close())
    await asyncio.sleep(0)
    wire.stacks.world.gate.set()
    await closing
    await wire.stacks.engine.recover()

    assert (await wire.stack())["StackStatus"] == "CREATE_FAILED"
    shown = await wire.call("DescribeChangeSet", ChangeSetName=made["Id"])
    assert shown["ExecutionStatus"] == "EXECUTE_FAILED"


async def test_a_change_set_shows_what_would_be_replaced(wire: Wire) -> None:
    template = """
Resources:
  Pool: {Type: AWS::Cognito::UserPool}
  Client: {Type: AWS::Cognito::UserPoolClient, Properties: {UserPoolId: !Ref Pool, ClientName: a}}
  Group: {Type: AWS::Cognito::UserPoolGroup, Properties: {UserPoolId: !Ref Pool, GroupName: %s}}
  Joined:
    Type: AWS::Cognito::UserPoolUserToGroupAttachment
    Properties: {UserPoolId: !Ref Pool, Username: jo, GroupName: !Ref Group}
  Old: {Type: AWS::Cognito::UserPoolGroup, Properties: {UserPoolId: !Ref Pool, GroupName: old}}
"""
    await wire.made(template % "staff")
    changed = (template % "crew").replace("ClientName: a", "ClientName: b")
    changed = changed[: changed.index("  Old:")]

    await wire.call("CreateChangeSet", StackName="demo", ChangeSetName="c", TemplateBody=changed)

    shown = await wire.call("DescribeChangeSet", StackName="demo", ChangeSetName="c")
    changes = {one["ResourceChange"]["LogicalResourceId"]: one["ResourceChange"] for one in shown["Changes"]}
    assert {name: (one["Action"], one.get("Replacement")) for name, one in changes.items()} == {
        "Client": ("Modify", "False"),
        "Group": ("Modify", "True"),
        "Joined": ("Modify", "Conditional"),
        "Old": ("Remove", None),
    }
    assert changes["Group"]["Details"][0]["Target"] == {
        "Attribute": "Properties",
        "Name": "GroupName",
        "RequiresRecreation": "Always",
    }


async def test_a_change_set_without_changes_says_so_and_siblings_grow_old(wire: Wire) -> None:
    stack_id = await wire.made()
    for name in ("one", "two"):
        template = POOL.replace("Default: people", "Default: folk")
        await wire.call("CreateChangeSet", StackName="demo", ChangeSetName=name, TemplateBody=template)
    await wire.call("CreateChangeSet", StackName="demo", ChangeSetName="none", UsePreviousTemplate=True)

    await wire.call("ExecuteChangeSet", StackName="demo", ChangeSetName="one")
    await wire.stacks.engine.settled(stack_id)

    empty = await wire.call("DescribeChangeSet", StackName="demo", ChangeSetName="none")
    assert (empty["Status"], empty["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert empty["StatusReason"].startswith("The submitted information didn't contain changes.")
    sibling = await wire.call("DescribeChangeSet", StackName="demo", ChangeSetName="two")
    assert sibling["ExecutionStatus"] == "OBSOLETE"
    await wire.call("DeleteChangeSet", StackName="demo", ChangeSetName="two")
    assert await wire.refusal("DescribeChangeSet", StackName="demo", ChangeSetName="two") == (
        "ChangeSetNotFound",
        404,
        "ChangeSet [two] does not exist",
    )


@pytest.mark.filterwarnings("default::ResourceWarning")
def test_boto3_creates_waits_and_deletes(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("cloudformation")
    edge = Edge()
    with Serving(edge.app) as serving:

        async def open_room() -> tuple[Database, Stacks]:
            opened = await open_store(folder)
            return opened, make_stacks(opened)

        database, stacks = asyncio.run_coroutine_threadsafe(open_room(), serving.loop).result(10)
        owners = cloudformation_operations(stacks.engine, clock=stacks.clock, entropy=stacks.entropy)
        edge.dispatcher.register("cloudformation", *owners)
        api = client("cloudformation", serving.url)
        at_once = {"Delay": 0, "MaxAttempts": 200}

        stack_id = api.create_stack(StackName="demo", TemplateBody=POOL)["StackId"]
        api.get_waiter("stack_create_complete").wait(StackName="demo", WaiterConfig=at_once)
        [stack] = api.describe_stacks(StackName="demo")["Stacks"]
        api.delete_stack(StackName="demo")
        api.get_waiter("stack_delete_complete").wait(StackName=stack_id, WaiterConfig=at_once)
        with pytest.raises(api.exceptions.ClientError, match="Stack with id demo does not exist"):
            api.describe_stacks(StackName="demo")

        asyncio.run_coroutine_threadsafe(stacks.engine.close(), serving.loop).result(10)
        asyncio.run_coroutine_threadsafe(database.close(), serving.loop).result(10)
    assert stack["Outputs"] == [{"OutputKey": "PoolId", "OutputValue": "us-west-2_pool1", "Description": "The id"}]
    assert stack["CreationTime"].year == 2026

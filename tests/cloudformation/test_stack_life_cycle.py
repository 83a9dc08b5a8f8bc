"""Given what is there, when a template is applied, then the services are told exactly this."""

import asyncio
import json

import pytest

from support.cloudformation import ACCOUNT, CALL, REGION, Stacks
from velvetrope.cloudformation import StackFailed, StackRequest, ValidationError
from velvetrope.store.tables.cloudformation import EventRecord

POOL = """
Resources:
  Pool:
    Type: AWS::Cognito::UserPool
    Properties: {UserPoolName: people, Policies: {PasswordPolicy: {MinimumLength: "10"}}}
  Client:
    Type: AWS::Cognito::UserPoolClient
    Properties: {UserPoolId: !Ref Pool, ClientName: web, GenerateSecret: false}
Outputs:
  PoolId: {Value: !Ref Pool}
  ClientId: {Value: !Ref Client}
  Provider: {Value: !GetAtt Pool.ProviderURL}
"""
WITH_GROUP = POOL.replace(
    "Outputs:",
    "  Group: {Type: AWS::Cognito::UserPoolGroup, Properties: {GroupName: staff, UserPoolId: !Ref Pool}}\nOutputs:",
)


async def test_a_template_becomes_resources_and_outputs(stacks: Stacks) -> None:
    applied = await stacks.apply(POOL)

    assert stacks.world.names() == ["CreateUserPool", "CreateUserPoolClient"]
    assert stacks.world.of("CreateUserPool") == [
        {"PoolName": "people", "Policies": {"PasswordPolicy": {"MinimumLength": 10}}}
    ]
    assert stacks.world.of("CreateUserPoolClient")[0]["UserPoolId"] == "us-west-2_pool1"
    assert applied.outputs == {
        "PoolId": "us-west-2_pool1",
        "ClientId": "client2",
        "Provider": "https://cognito-idp.us-west-2.amazonaws.com/us-west-2_pool1",
    }
    assert applied.changed
    assert applied.resources["Pool"].physical_id == "us-west-2_pool1"
    assert await stacks.status() == "CREATE_COMPLETE"


async def test_progress_is_told_as_it_happens(stacks: Stacks) -> None:
    heard: list[EventRecord] = []

    await stacks.apply(POOL, on_event=heard.append)

    told = [f"{event.logical_id} {event.status}" for event in heard]
    assert told == [
        "demo CREATE_IN_PROGRESS",
        "Pool CREATE_IN_PROGRESS",
        "Pool CREATE_COMPLETE",
        "Client CREATE_IN_PROGRESS",
        "Client CREATE_COMPLETE",
        "demo CREATE_COMPLETE",
    ]
    assert await stacks.history() == told


async def test_an_unchanged_template_changes_nothing(stacks: Stacks) -> None:
    first = await stacks.apply(POOL)
    history = await stacks.history()
    stacks.world.forget()

    second = await stacks.apply(POOL)
    third = await stacks.apply(POOL + "# the same, written otherwise\n")

    assert not second.changed
    assert not third.changed
    assert (second.outputs, second.resources) == (first.outputs, first.resources)
    assert stacks.world.told == []
    assert await stacks.history() == history


async def test_a_changed_property_updates_in_place(stacks: Stacks) -> None:
    before = await stacks.apply(POOL)
    stacks.world.forget()

    after = await stacks.apply(POOL.replace('"10"', "12"))

    assert stacks.world.names() == ["UpdateUserPool"]
    assert stacks.world.of("UpdateUserPool") == [
        {"UserPoolId": "us-west-2_pool1", "Policies": {"PasswordPolicy": {"MinimumLength": 12}}}
    ]
    assert after.outputs == before.outputs
    assert await stacks.status() == "UPDATE_COMPLETE"


async def test_a_create_only_property_replaces_and_then_deletes_the_old_one(stacks: Stacks) -> None:
    await stacks.apply(POOL)
    stacks.world.forget()

    applied = await stacks.apply(POOL.replace("GenerateSecret: false", "GenerateSecret: true"))

    assert stacks.world.names() == ["CreateUserPoolClient", "DeleteUserPoolClient"]
    assert stacks.world.of("DeleteUserPoolClient")[0]["ClientId"] == "client2"
    assert applied.outputs["ClientId"] == "client3"
    assert (await stacks.history())[-5:] == [
        "Client UPDATE_COMPLETE",
        "demo UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "Client DELETE_IN_PROGRESS",
        "Client DELETE_COMPLETE",
        "demo UPDATE_COMPLETE",
    ]


async def test_what_depends_on_a_replaced_resource_follows_it(stacks: Stacks) -> None:
    template = """
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties: {RoleName: %s, AssumeRolePolicyDocument: {Version: 2012-10-17, Statement: []}}
  Pool: {Type: AWS::Cognito::IdentityPool, Properties: {AllowUnauthenticatedIdentities: false}}
  Roles:
    Type: AWS::Cognito::IdentityPoolRoleAttachment
    Properties: {IdentityPoolId: !Ref Pool, Roles: {authenticated: !GetAtt Role.Arn}}
"""
    await stacks.apply(template % "first")
    stacks.world.forget()

    await stacks.apply(template % "second")

    assert stacks.world.names() == ["CreateRole", "SetIdentityPoolRoles", "DeleteRole"]
    roles = stacks.world.of("SetIdentityPoolRoles")[0]["Roles"]
    assert roles == {"authenticated": f"arn:aws:iam::{ACCOUNT}:role/second"}


async def test_a_removed_resource_is_deleted_and_a_new_one_made(stacks: Stacks) -> None:
    await stacks.apply(WITH_GROUP)
    stacks.world.forget()

    await stacks.apply(POOL)

    assert stacks.world.names() == ["DeleteGroup"]
    assert sorted(await stacks.physical_ids()) == ["Client", "Pool"]


async def test_a_changed_output_alone_is_an_update(stacks: Stacks) -> None:
    await stacks.apply(POOL)
    stacks.world.forget()

    applied = await stacks.apply(POOL + "  More: {Value: hello}\n")

    assert (applied.outputs["More"], stacks.world.told) == ("hello", [])


async def test_a_parameter_changes_what_refers_to_it(stacks: Stacks) -> None:
    template = "Parameters: {Length: {Type: Number, Default: 8}}\n" + POOL.replace('"10"', "!Ref Length")
    await stacks.apply(template)
    stacks.world.forget()

    await stacks.apply(template, parameters={"Length": "9"})

    assert stacks.world.of("UpdateUserPool")[0]["Policies"] == {"PasswordPolicy": {"MinimumLength": 9}}


async def test_a_failed_creation_leaves_nothing(stacks: Stacks) -> None:
    stacks.world.refusing["CreateGroup"] = "No groups today"

    with pytest.raises(StackFailed) as failed:
        await stacks.apply(WITH_GROUP)

    assert failed.value.status == "ROLLBACK_COMPLETE"
    assert list(failed.value.failures) == ["Group"]
    assert "No groups today (InvalidParameterException, Status Code: 400)" in failed.value.failures["Group"]
    assert "HandlerErrorCode: InvalidRequest" in failed.value.failures["Group"]
    assert stacks.world.things == {}
    assert await stacks.physical_ids() == {}
    assert stacks.world.names()[-2:] == ["DeleteUserPoolClient", "DeleteUserPool"]


async def test_a_half_made_resource_is_taken_back(stacks: Stacks) -> None:
    stacks.world.refusing["PutRolePolicy"] = "No policy"
    template = """
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: 2012-10-17, Statement: []}
      Policies: [{PolicyName: p, PolicyDocument: {Version: 2012-10-17, Statement: []}}]
"""

    with pytest.raises(StackFailed):
        await stacks.apply(template)

    assert stacks.world.names() == ["CreateRole", "PutRolePolicy", "DeleteRolePolicy", "DeleteRole"]
    assert stacks.world.things == {}


async def test_a_stack_whose_creation_failed_can_be_applied_again(stacks: Stacks) -> None:
    stacks.world.refusing["CreateGroup"] = "No groups today"
    with pytest.raises(StackFailed):
        await stacks.apply(WITH_GROUP)
    stacks.world.refusing.clear()

    applied = await stacks.apply(WITH_GROUP)

    assert applied.changed
    assert sorted(applied.resources) == ["Client", "Group", "Pool"]
    assert await stacks.status() == "UPDATE_COMPLETE"


async def test_a_failed_update_puts_everything_back(stacks: Stacks) -> None:
    before = await stacks.apply(POOL)
    stacks.world.forget()
    stacks.world.refusing["CreateGroup"] = "No groups today"
    changed = WITH_GROUP.replace('"10"', "12").replace("GenerateSecret: false", "GenerateSecret: true")

    with pytest.raises(StackFailed) as failed:
        await stacks.apply(changed)

    assert failed.value.status == "UPDATE_ROLLBACK_COMPLETE"
    updates = [given["Policies"]["PasswordPolicy"]["MinimumLength"] for given in stacks.world.of("UpdateUserPool")]
    assert updates == [12, 10]
    assert stacks.world.names()[-1] == "DeleteUserPoolClient"
    assert sorted(stacks.world.things) == ["client2", "us-west-2_pool1"]
    stacks.world.refusing.clear()
    stacks.world.forget()
    assert (await stacks.apply(POOL)).outputs == before.outputs
    assert stacks.world.told == []


async def test_an_update_whose_rollback_fails_says_so_and_can_be_gone_on_from(stacks: Stacks) -> None:
    await stacks.apply(POOL)
    stacks.world.refusing["CreateGroup"] = stacks.world.refusing["UpdateUserPool"] = "Nothing today"

    with pytest.raises(StackFailed) as failed:
        await stacks.apply(WITH_GROUP.replace('"10"', "12"))

    assert failed.value.status == "UPDATE_ROLLBACK_FAILED"
    stacks.world.refusing.clear()
    stacks.world.forget()
    assert (await stacks.apply(POOL)).changed
    assert stacks.world.of("UpdateUserPool")[0]["Policies"] == {"PasswordPolicy": {"MinimumLength": 10}}


async def test_resources_are_deleted_before_what_they_depend_on(stacks: Stacks) -> None:
    await stacks.apply(WITH_GROUP)
    stack = await stacks.engine.store.load_stack(ACCOUNT, REGION, "demo")
    assert stack is not None
    stacks.world.forget()

    await stacks.engine.delete(stack, CALL)
    await stacks.engine.settled(stack.stack_id)

    assert stacks.world.names()[-1] == "DeleteUserPool"
    assert sorted(stacks.world.names()) == ["DeleteGroup", "DeleteUserPool", "DeleteUserPoolClient"]
    assert stacks.world.things == {}
    gone = await stacks.engine.store.load_stack(ACCOUNT, REGION, stack.stack_id)
    assert gone is not None
    assert gone.status == "DELETE_COMPLETE"
    assert await stacks.engine.store.load_stack(ACCOUNT, REGION, "demo") is None


async def test_what_is_gone_already_counts_as_deleted(stacks: Stacks) -> None:
    await stacks.apply(POOL)
    stacks.world.things.clear()
    stack = await stacks.engine.store.load_stack(ACCOUNT, REGION, "demo")
    assert stack is not None

    await stacks.engine.delete(stack, CALL)
    await stacks.engine.settled(stack.stack_id)

    gone = await stacks.engine.store.load_stack(ACCOUNT, REGION, stack.stack_id)
    assert gone is not None
    assert gone.status == "DELETE_COMPLETE"


async def test_what_a_resource_that_would_not_go_depends_on_stays(stacks: Stacks) -> None:
    await stacks.apply(WITH_GROUP)
    stacks.world.refusing["DeleteGroup"] = "Not now"
    stack = await stacks.engine.store.load_stack(ACCOUNT, REGION, "demo")
    assert stack is not None

    await stacks.engine.delete(stack, CALL)
    await stacks.engine.settled(stack.stack_id)

    assert await stacks.status() == "DELETE_FAILED"
    assert sorted(stacks.world.things) == ["group staff", "us-west-2_pool1"]
    assert sorted(await stacks.physical_ids()) == ["Group", "Pool"]


@pytest.mark.parametrize("policy", ["Retain", "RetainExceptOnCreate"])
async def test_a_retained_resource_outlives_its_stack(stacks: Stacks, policy: str) -> None:
    await stacks.apply(POOL.replace("UserPool\n", f"UserPool\n    DeletionPolicy: {policy}\n"))
    stack = await stacks.engine.store.load_stack(ACCOUNT, REGION, "demo")
    assert stack is not None

    await stacks.engine.delete(stack, CALL)
    await stacks.engine.settled(stack.stack_id)

    assert list(stacks.world.things) == ["us-west-2_pool1"]


@pytest.mark.parametrize(("policy", "left"), [("Retain", ["us-west-2_pool1"]), ("RetainExceptOnCreate", [])])
async def test_only_retain_keeps_what_a_failed_creation_made(stacks: Stacks, policy: str, left: list[str]) -> None:
    stacks.world.refusing["CreateUserPoolClient"] = "No"

    with pytest.raises(StackFailed):
        await stacks.apply(POOL.replace("UserPool\n", f"UserPool\n    DeletionPolicy: {policy}\n"))

    assert list(stacks.world.things) == left


async def test_a_replaced_resource_stays_in_the_world_if_its_policy_says_so(stacks: Stacks) -> None:
    template = POOL.replace("UserPoolClient\n", "UserPoolClient\n    UpdateReplacePolicy: Retain\n")
    await stacks.apply(template)

    await stacks.apply(template.replace("GenerateSecret: false", "GenerateSecret: true"))

    assert sorted(stacks.world.things) == ["client2", "client3", "us-west-2_pool1"]
    assert (await stacks.physical_ids())["Client"] == "client3"


async def test_a_change_of_policy_alone_is_kept_for_later(stacks: Stacks) -> None:
    await stacks.apply(POOL)
    stacks.world.forget()
    retained = POOL.replace("UserPool\n", "UserPool\n    DeletionPolicy: Retain\n")

    assert (await stacks.apply(retained)).changed
    assert stacks.world.told == []

    stack = await stacks.engine.store.load_stack(ACCOUNT, REGION, "demo")
    assert stack is not None
    await stacks.engine.delete(stack, CALL)
    await stacks.engine.settled(stack.stack_id)
    assert list(stacks.world.things) == ["us-west-2_pool1"]


async def test_what_could_not_be_cleaned_up_is_tried_again_at_the_next_update(stacks: Stacks) -> None:
    await stacks.apply(WITH_GROUP)
    stacks.world.refusing["DeleteGroup"] = "Not now"

    assert (await stacks.apply(POOL)).changed
    assert await stacks.status() == "UPDATE_COMPLETE"
    assert "Group" not in await stacks.physical_ids()

    stacks.world.refusing.clear()
    await stacks.apply(POOL.replace('"10"', "11"))
    assert "group staff" not in stacks.world.things


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("Resources: {A: {Type: AWS::Logs::MetricFilter}}", "Unrecognized resource types: [AWS::Logs::MetricFilter]"),
        (
            "Resources: {A: {Type: AWS::IAM::User, DependsOn: B}, B: {Type: AWS::IAM::User, DependsOn: A}}",
            "Circular dependency between resources: [A, B]",
        ),
        (
            "Resources: {A: {Type: AWS::IAM::User, Properties: {Colour: red}}}",
            "Properties validation failed for resource A with message:\n#: extraneous key [Colour] is not permitted",
        ),
        (
            "Resources: {A: {Type: AWS::Cognito::UserPoolClient}}",
            "Properties validation failed for resource A with message:\n#: required key [UserPoolId] not found",
        ),
        (
            "Resources: {A: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {}, MaxSessionDuration: x}}}",
            "#/MaxSessionDuration: expected type: Integer, found: String",
        ),
        (
            "Resources: {A: {Type: AWS::Cognito::UserPool, Properties: {Policies: {PasswordPolicy: {Foo: 1}}}}}",
            "#/Policies/PasswordPolicy: extraneous key [Foo] is not permitted",
        ),
        (
            "Resources: {A: {Type: AWS::Cognito::UserPool, Properties: {IssuerConfiguration: {Type: x}}}}",
            "AWS::Cognito::UserPool IssuerConfiguration is not supported by velvetrope",
        ),
        (
            "Resources: {A: {Type: AWS::IAM::User}}\nOutputs: {O: {Value: !GetAtt A.Colour}}",
            "Template error: resource A does not support attribute type Colour in Fn::GetAtt (Outputs/O)",
        ),
        (
            "Parameters: {P: {Type: String}}\nResources: {A: {Type: AWS::IAM::User}}",
            "Parameters: [P] must have values",
        ),
    ],
)
async def test_a_wrong_template_is_refused_before_anything_is_done(stacks: Stacks, template: str, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        await stacks.apply(template)

    assert message in refused.value.message
    assert stacks.world.told == []
    assert await stacks.engine.store.load_stack(ACCOUNT, REGION, "demo") is None


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            "{Type: AWS::IAM::User}",
            "{Type: AWS::Cognito::UserPool}",
            "The new template modifies resource type of the following resources: [A]",
        ),
        (
            "{Type: AWS::IAM::Role, Properties: {RoleName: r, Path: /a/, AssumeRolePolicyDocument: {}}}",
            "{Type: AWS::IAM::Role, Properties: {RoleName: r, Path: /b/, AssumeRolePolicyDocument: {}}}",
            "when a custom-named resource requires replacing. Rename r and update the stack again.",
        ),
        (
            "{Type: AWS::Cognito::UserPool, Properties: {UsernameAttributes: [email]}}",
            "{Type: AWS::Cognito::UserPool, Properties: {UsernameAttributes: [phone_number]}}",
            "Updates are not allowed for property - UsernameAttributes.",
        ),
    ],
)
async def test_a_change_that_aws_does_not_allow_is_refused(
    stacks: Stacks, before: str, after: str, message: str
) -> None:
    await stacks.apply(f"Resources: {{A: {before}}}")
    stacks.world.forget()

    with pytest.raises(ValidationError) as refused:
        await stacks.apply(f"Resources: {{A: {after}}}")

    assert message in refused.value.message
    assert stacks.world.told == []
    assert await stacks.status() == "CREATE_COMPLETE"


async def test_independent_resources_are_made_at_the_same_time(stacks: Stacks) -> None:
    stacks.world.gate = asyncio.Event()
    applying = asyncio.create_task(
        stacks.apply("Resources: {A: {Type: AWS::IAM::User}, B: {Type: AWS::IAM::User}, C: {Type: AWS::IAM::User}}")
    )
    await stacks.world.heard(3)  # were they made in turn, there would never be three behind a closed gate

    stacks.world.gate.set()

    assert len((await applying).resources) == 3


async def test_an_attribute_that_is_a_secret_is_not_in_the_database_file(stacks: Stacks) -> None:
    template = POOL.replace("GenerateSecret: false", "GenerateSecret: true")
    template += "  Secret: {Value: !GetAtt Client.ClientSecret}\n"

    applied = await stacks.apply(template)

    assert applied.outputs["Secret"] == "very-secret-2"
    stack = await stacks.engine.store.load_stack(ACCOUNT, REGION, "demo")
    assert stack is not None
    resources = await stacks.engine.store.load_resources(stack.stack_id)
    assert all(b"very-secret" not in sealed for sealed in (stack.sealed, *(one.sealed for one in resources)))


async def test_an_attribute_that_the_resource_has_no_value_for_fails_the_stack(stacks: Stacks) -> None:
    with pytest.raises(StackFailed) as failed:
        await stacks.apply(POOL + "  Secret: {Value: !GetAtt Client.ClientSecret}\n")

    assert "resource Client has no value for the attribute ClientSecret" in failed.value.failures["demo"]
    assert stacks.world.things == {}


async def test_two_applies_at_once_do_not_both_work(stacks: Stacks) -> None:
    stacks.world.gate = asyncio.Event()
    first = asyncio.create_task(stacks.apply(POOL))
    await stacks.world.heard(1)

    with pytest.raises(ValidationError, match="is in CREATE_IN_PROGRESS state and can not be updated"):
        await stacks.apply(POOL.replace('"10"', "12"))

    stacks.world.gate.set()
    assert (await first).changed


async def test_an_interrupted_creation_is_said_so_and_gone_on_from(stacks: Stacks) -> None:
    """What is being made when it is interrupted is made, and is the stack's."""
    stacks.world.gate = asyncio.Event()
    applying = asyncio.create_task(stacks.apply(POOL))
    await stacks.world.heard(1)
    applying.cancel()
    await asyncio.sleep(0)
    stacks.world.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await applying
    assert stacks.world.names() == ["CreateUserPool"]
    assert await stacks.status() == "CREATE_IN_PROGRESS"

    assert await stacks.engine.recover() == 1
    assert await stacks.status() == "CREATE_FAILED"
    stacks.world.forget()
    applied = await stacks.apply(POOL)

    assert stacks.world.names() == ["CreateUserPoolClient"]
    assert applied.outputs["PoolId"] == "us-west-2_pool1"
    assert await stacks.engine.recover() == 0


async def test_an_engine_that_is_closed_deletes_nothing_more_and_loses_nothing(stacks: Stacks) -> None:
    applied = await stacks.apply(POOL)
    stack = await stacks.engine.store.load_stack(ACCOUNT, REGION, "demo")
    assert stack is not None
    stacks.world.forget()
    stacks.world.gate = asyncio.Event()
    await stacks.engine.delete(stack, CALL)
    await stacks.world.heard(1)
    closing = asyncio.create_task(stacks.engine.close())
    await asyncio.sleep(0)
    stacks.world.gate.set()
    await closing

    assert stacks.world.names() == ["DeleteUserPoolClient"]
    assert [one.logical_id for one in await stacks.engine.store.load_resources(applied.stack_id)] == ["Pool"]
    assert await stacks.engine.recover() == 1
    assert await stacks.status() == "DELETE_FAILED"


async def test_a_fault_of_a_service_ends_the_stack_without_its_text(
    stacks: Stacks, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> dict[str, object]:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(stacks.world, "invoke", broken)

    with pytest.raises(StackFailed) as failed:
        await stacks.apply(POOL)

    assert failed.value.status == "CREATE_FAILED"
    assert failed.value.failures == {"demo": "Internal Failure"}
    assert "hunter2" in caplog.text


async def test_code_comes_from_what_is_handed_in_and_a_rollback_remembers_it(stacks: Stacks) -> None:
    template = """
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      {Handler: a.b, Runtime: python3.11, Role: "arn:aws:iam::1:role/r", Code: {S3Bucket: local, S3Key: %s}}
%s
"""
    with pytest.raises(StackFailed, match="S3Bucket local with S3Key one is not supported by velvetrope"):
        await stacks.apply(template % ("one", ""))
    await stacks.apply(template % ("one", ""), artifacts={("local", "one"): b"first zip"})
    assert stacks.world.of("CreateFunction")[0]["Code"] == {"ZipFile": b"first zip"}
    stacks.world.refusing["CreateUser"] = "No"

    with pytest.raises(StackFailed):
        await stacks.apply(
            template % ("two", "  User: {Type: AWS::IAM::User, DependsOn: Function}"),
            artifacts={("local", "two"): b"second zip"},
        )

    assert [given["ZipFile"] for given in stacks.world.of("UpdateFunctionCode")] == [b"second zip", b"first zip"]
    assert await stacks.status() == "UPDATE_ROLLBACK_COMPLETE"


@pytest.mark.parametrize(
    ("on_failure", "status", "left"),
    [("DO_NOTHING", "CREATE_FAILED", ["us-west-2_pool1"]), ("DELETE", "DELETE_COMPLETE", [])],
)
async def test_a_failed_creation_does_what_its_caller_chose(
    stacks: Stacks, on_failure: str, status: str, left: list[str]
) -> None:
    stacks.world.refusing["CreateUserPoolClient"] = "No"
    request = StackRequest(
        stack_name="demo", template=POOL, on_failure="DELETE" if on_failure == "DELETE" else "DO_NOTHING"
    )

    stack_id = await stacks.engine.create(request, CALL)
    await stacks.engine.settled(stack_id)

    stack = await stacks.engine.store.load_stack(ACCOUNT, REGION, stack_id)
    assert stack is not None
    assert stack.status == status
    assert list(stacks.world.things) == left


async def test_what_a_failed_rollback_left_is_put_right_by_the_next_update(stacks: Stacks) -> None:
    """The role is between two versions of itself, and the group that was made for the failed one is still there."""
    template = """
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: 2012-10-17, Statement: []}
      Description: %s
      Policies: [{PolicyName: p, PolicyDocument: {Version: 2012-10-17, Statement: [], Id: %s}}]
"""
    group = "  Group: {Type: AWS::Cognito::UserPoolGroup, Properties: {UserPoolId: us-west-2_x, GroupName: %s}}\n"
    await stacks.apply(template % ("one", "one") + group % "one")
    stacks.world.refusing["PutRolePolicy"] = "No"
    with pytest.raises(StackFailed) as failed:
        await stacks.apply(template % ("two", "two") + group % "two")
    assert failed.value.status == "UPDATE_ROLLBACK_FAILED"
    assert "group two" in stacks.world.things
    stacks.world.refusing.clear()
    stacks.world.forget()

    await stacks.apply(template % ("two", "one") + group % "two")

    assert [given["Description"] for given in stacks.world.of("UpdateRole")] == ["one", "two"]
    assert [json.loads(given["PolicyDocument"])["Id"] for given in stacks.world.of("PutRolePolicy")] == ["one"]
    assert sorted(thing for thing in stacks.world.things if "group" in thing) == ["group two"]
    assert stacks.world.names().index("DeleteGroup") < stacks.world.names().index("CreateGroup")

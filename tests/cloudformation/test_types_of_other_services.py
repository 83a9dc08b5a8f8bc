"""Keys, access keys, providers and what belongs to pools, as stacks make, change, replace and leave them."""

from typing import Any

import msgspec
import pytest

from support.cloudformation import root_call
from velvetrope.cloudformation import AppliedStack, StackFailed
from velvetrope.errors import ServiceError
from velvetrope.principals import Principal
from velvetrope.server.assembly import Server

_POOL = "  Pool: {Type: AWS::Cognito::UserPool, Properties: {Schema: [{Name: team, AttributeDataType: String}]}}\n"
_CLIENT = "  Client: {Type: AWS::Cognito::UserPoolClient, Properties: {UserPoolId: !Ref Pool}}\n"
_USER = "  User: {Type: AWS::IAM::User}\n"


async def apply(server: Server, resources: str, **outputs: str) -> AppliedStack:
    lines = "".join(f"  {name}: {{Value: {value}}}\n" for name, value in outputs.items())
    template = f"Resources:\n{resources}" + (f"Outputs:\n{lines}" if lines else "")
    return await server.stacks.apply(template, stack_name="demo", call=root_call(server))


async def ask(server: Server, service: str, operation: str, **parameters: object) -> Any:
    return await server.dispatcher.invoke(service, operation, parameters, root_call(server))


async def delete(server: Server) -> None:
    call = root_call(server)
    stack = await server.stacks.store.load_stack(call.account_id, call.region, "demo")
    assert stack is not None
    await server.stacks.delete(stack, call)
    await server.stacks.settled(stack.stack_id)


def key(**properties: str) -> str:
    given = ", ".join(f"{name}: {value}" for name, value in properties.items())
    return f"  Seal: {{Type: AWS::KMS::Key, Properties: {{{given}}}}}\n"


async def described(server: Server, key_id: str) -> Any:
    return (await ask(server, "kms", "DescribeKey", KeyId=key_id))["KeyMetadata"]


async def test_a_key_is_changed_in_place_and_waits_for_its_deletion(server: Server) -> None:
    locked = (
        "{Version: 2012-10-17, Statement: [{Effect: Allow, Action: 'kms:*', Resource: '*', "
        "Principal: {AWS: !Sub 'arn:aws:iam::${AWS::AccountId}:root'}}]}"
    )
    made = await apply(server, key(Description="first", Tags="[{Key: a, Value: b}]"), Arn="!GetAtt Seal.Arn")
    key_id = made.resources["Seal"].physical_id
    default = (await ask(server, "kms", "GetKeyPolicy", KeyId=key_id))["Policy"]

    changed = await apply(server, key(Description="second", Enabled="false", KeyPolicy=locked, PendingWindowInDays="7"))
    own = (await ask(server, "kms", "GetKeyPolicy", KeyId=key_id))["Policy"]
    now = await described(server, key_id)
    await apply(server, key())
    back = (await ask(server, "kms", "GetKeyPolicy", KeyId=key_id))["Policy"]
    enabled = await described(server, key_id)
    await delete(server)

    assert made.outputs["Arn"].endswith(f":key/{key_id}")
    assert changed.resources["Seal"].physical_id == key_id
    assert (now["Description"], now["KeyState"]) == ("second", "Disabled")
    assert (enabled["Description"], enabled["KeyState"]) == ("", "Enabled")
    assert "Enable IAM User Permissions" not in own
    assert msgspec.json.decode(back) == msgspec.json.decode(default), "what it had without a policy of its own"
    assert (await ask(server, "kms", "ListResourceTags", KeyId=key_id))["Tags"] == []
    gone = await described(server, key_id)
    assert gone["KeyState"] == "PendingDeletion"


async def test_the_days_until_a_keys_deletion_are_its_templates(server: Server) -> None:
    made = await apply(server, key(PendingWindowInDays="7"))
    before = server.foundation.clock.now()

    await delete(server)

    waits = (await described(server, made.resources["Seal"].physical_id))["DeletionDate"] - before
    assert (waits.days, waits.seconds < 600) == (7, True)


async def test_a_key_that_waits_for_its_deletion_does_not_hold_up_its_stack(server: Server) -> None:
    made = await apply(server, key())
    await ask(server, "kms", "ScheduleKeyDeletion", KeyId=made.resources["Seal"].physical_id)

    await delete(server)

    call = root_call(server)
    assert await server.stacks.store.load_stack(call.account_id, call.region, "demo") is None


@pytest.mark.parametrize(
    ("properties", "text"),
    [
        ({"EnableKeyRotation": "true"}, "EnableKeyRotation of AWS::KMS::Key is not supported by velvetrope"),
        ({"RotationPeriodInDays": "90"}, "AWS::KMS::Key RotationPeriodInDays is not supported by velvetrope"),
        ({"KeySpec": "RSA_2048"}, "KeySpec"),
        ({"MultiRegion": "true"}, "velvetrope does not support CreateKey.MultiRegion"),
        ({"KeyPolicy": "{Version: 2012-10-17, Statement: []}"}, "policy"),
    ],
)
async def test_keys_that_cannot_be_are_refused_by_name(server: Server, properties: dict[str, str], text: str) -> None:
    with pytest.raises(Exception, match=text):
        await apply(server, key(**properties))

    assert (await ask(server, "kms", "ListKeys"))["Keys"] == []


async def test_what_a_key_is_for_never_changes(server: Server) -> None:
    made = await apply(server, key(KeySpec="SYMMETRIC_DEFAULT"))

    with pytest.raises(Exception, match="The KeySpec of a KMS key cannot be changed"):
        await apply(server, key(KeySpec="RSA_2048"))

    assert (await described(server, made.resources["Seal"].physical_id))["KeyState"] == "Enabled"


async def test_a_key_of_a_stack_that_fails_is_taken_back(server: Server) -> None:
    alias = "  Name: {Type: AWS::KMS::Alias, Properties: {AliasName: alias/aws/mine, TargetKeyId: !Ref Seal}}\n"

    with pytest.raises(StackFailed, match="alias/aws"):
        await apply(server, key() + alias)

    [left] = (await ask(server, "kms", "ListKeys"))["Keys"]
    assert (await described(server, left["KeyId"]))["KeyState"] == "PendingDeletion"


async def test_an_alias_moves_in_place_and_is_replaced_under_a_new_name(server: Server) -> None:
    def stack(name: str, target: str) -> str:
        alias = f"  Name: {{Type: AWS::KMS::Alias, Properties: {{AliasName: {name}, TargetKeyId: !Ref {target}}}}}\n"
        return key() + "  Other: {Type: AWS::KMS::Key}\n" + alias

    made = await apply(server, stack("alias/one", "Seal"))
    moved = await apply(server, stack("alias/one", "Other"))
    assert (await described(server, "alias/one"))["KeyId"] == made.resources["Other"].physical_id
    renamed = await apply(server, stack("alias/two", "Other"))

    aliases = [one["AliasName"] for one in (await ask(server, "kms", "ListAliases"))["Aliases"]]
    assert (moved.resources["Name"].physical_id, renamed.resources["Name"].physical_id) == ("alias/one", "alias/two")
    assert aliases == ["alias/two"]


async def test_a_stack_makes_no_key_for_who_may_not(server: Server) -> None:
    """A stack's calls are its caller's own."""
    call = root_call(server)
    arn = f"arn:aws:iam::{call.account_id}:user/nobody"
    nobody = Principal("User", call.account_id, arn, arn, "AIDANOBODY", name="nobody")

    with pytest.raises(StackFailed, match="kms:CreateKey"):
        await server.stacks.apply(
            f"Resources:\n{key()}", stack_name="demo", call=msgspec.structs.replace(call, principal=nobody)
        )

    assert (await ask(server, "kms", "ListKeys"))["Keys"] == []


async def test_an_access_keys_secret_is_told_to_its_stack_and_a_new_serial_makes_a_new_key(server: Server) -> None:
    def stack(**properties: str) -> str:
        given = "".join(f", {name}: {value}" for name, value in properties.items())
        return _USER + f"  Key: {{Type: AWS::IAM::AccessKey, Properties: {{UserName: !Ref User{given}}}}}\n"

    first = await apply(server, stack(Serial="1"), Secret="!GetAtt Key.SecretAccessKey", Id="!Ref Key")
    idle = await apply(server, stack(Serial="1", Status="Inactive"))
    user = first.resources["User"].physical_id
    [inactive] = (await ask(server, "iam", "ListAccessKeys", UserName=user))["AccessKeyMetadata"]
    second = await apply(server, stack(Serial="2"), Secret="!GetAtt Key.SecretAccessKey")
    [left] = (await ask(server, "iam", "ListAccessKeys", UserName=user))["AccessKeyMetadata"]

    assert first.outputs["Id"] == first.resources["Key"].physical_id == inactive["AccessKeyId"]
    assert (idle.resources["Key"].physical_id, inactive["Status"]) == (inactive["AccessKeyId"], "Inactive")
    assert (left["AccessKeyId"], left["Status"]) == (second.resources["Key"].physical_id, "Active")
    assert left["AccessKeyId"] != inactive["AccessKeyId"]
    assert len(first.outputs["Secret"]) == 40
    assert first.outputs["Secret"] != second.outputs["Secret"]


async def test_who_leaves_a_group_of_a_stack_is_in_it_no_more(server: Server) -> None:
    def stack(group: str, users: str) -> str:
        added = (
            f"  In: {{Type: AWS::IAM::UserToGroupAddition, Properties: {{GroupName: !Ref {group}, Users: {users}}}}}\n"
        )
        groups = "  Staff: {Type: AWS::IAM::Group}\n  Guests: {Type: AWS::IAM::Group}\n"
        return _USER + "  Other: {Type: AWS::IAM::User}\n" + groups + added

    async def members(group: str) -> set[str]:
        name = made.resources[group].physical_id
        return {one["UserName"] for one in (await ask(server, "iam", "GetGroup", GroupName=name))["Users"]}

    made = await apply(server, stack("Staff", "[!Ref User, !Ref Other]"))
    user, other = made.resources["User"].physical_id, made.resources["Other"].physical_id
    assert await members("Staff") == {user, other}

    await apply(server, stack("Staff", "[!Ref Other]"))
    assert await members("Staff") == {other}

    await apply(server, stack("Guests", "[!Ref Other]"))
    assert (await members("Staff"), await members("Guests")) == (set(), {other})


async def test_a_provider_of_a_pool_keeps_nothing_that_its_template_has_lost(server: Server) -> None:
    def stack(more: str) -> str:
        details = "ProviderDetails: {client_id: a, client_secret: b, authorize_scopes: openid}"
        where = "UserPoolId: !Ref Pool, ProviderName: Google, ProviderType: Google"
        return _POOL + (
            f"  Google: {{Type: AWS::Cognito::UserPoolIdentityProvider, Properties: {{{where}, {details}{more}}}}}\n"
        )

    made = await apply(server, stack(", AttributeMapping: {email: email}, IdpIdentifiers: [example.com]"))
    await apply(server, stack(""))

    pool_id = made.resources["Pool"].physical_id
    found = await ask(
        server,
        "cognito-idp",
        "DescribeIdentityProvider",
        UserPoolId=pool_id,
        ProviderName=made.resources["Google"].physical_id,
    )
    assert found["IdentityProvider"].get("IdpIdentifiers", []) == []
    assert "email" not in found["IdentityProvider"].get("AttributeMapping", {})


async def test_terms_change_in_place_and_are_replaced_for_another_client(server: Server) -> None:
    def stack(client: str, link: str) -> str:
        terms = "TermsName: privacy-policy, TermsSource: LINK, Enforcement: NONE"
        return (_POOL + _CLIENT + _CLIENT.replace("Client:", "Other:")) + (
            f"  Terms: {{Type: AWS::Cognito::Terms, Properties: {{UserPoolId: !Ref Pool, ClientId: !Ref {client}, "
            f"{terms}, Links: {{'cognito:default': 'https://example.com/{link}'}}}}}}\n"
        )

    made = await apply(server, stack("Client", "one"), Id="!GetAtt Terms.TermsId")
    changed = await apply(server, stack("Client", "two"))
    replaced = await apply(server, stack("Other", "two"))

    listed = await ask(server, "cognito-idp", "ListTerms", UserPoolId=made.resources["Pool"].physical_id)
    assert made.outputs["Id"] == changed.resources["Terms"].physical_id
    assert [one["TermsId"] for one in listed["Terms"]] == [replaced.resources["Terms"].physical_id]
    assert replaced.resources["Terms"].physical_id != made.outputs["Id"]


async def test_log_delivery_ends_with_its_resource(server: Server) -> None:
    group = "  Log: {Type: AWS::Logs::LogGroup}\n"
    arn = "!Sub 'arn:aws:logs:${AWS::Region}:${AWS::AccountId}:log-group:${Log}'"
    configuration = (
        "[{EventSource: userNotification, LogLevel: ERROR, CloudWatchLogsConfiguration: {LogGroupArn: " + arn + "}}]"
    )
    told = (
        "  Told: {Type: AWS::Cognito::LogDeliveryConfiguration, Properties: "
        "{UserPoolId: !Ref Pool, LogConfigurations: " + configuration + "}}\n"
    )

    made = await apply(server, _POOL + group + told)
    pool = {"UserPoolId": made.resources["Pool"].physical_id}
    during = await ask(server, "cognito-idp", "GetLogDeliveryConfiguration", **pool)
    await apply(server, _POOL + group)
    after = await ask(server, "cognito-idp", "GetLogDeliveryConfiguration", **pool)

    assert len(during["LogDeliveryConfiguration"]["LogConfigurations"]) == 1
    assert after["LogDeliveryConfiguration"]["LogConfigurations"] == []


@pytest.mark.parametrize(
    ("resource", "properties", "text"),
    [
        (
            "AWS::Cognito::Terms",
            "UserPoolId: !Ref Pool, TermsName: terms-of-use, TermsSource: LINK, Enforcement: NONE, Links: {}",
            "Terms needs ClientId",
        ),
        ("AWS::Cognito::ManagedLoginBranding", "UserPoolId: !Ref Pool", "Branding needs ClientId"),
        (
            "AWS::Cognito::ManagedLoginBranding",
            "UserPoolId: !Ref Pool, ClientId: !Ref Client, ReturnMergedResources: true",
            "ReturnMergedResources is not supported by velvetrope",
        ),
        (
            "AWS::Cognito::ManagedLoginBranding",
            (
                "UserPoolId: !Ref Pool, ClientId: !Ref Client, Assets: [{Category: FORM_LOGO, ColorMode: LIGHT, "
                "Extension: PNG, Bytes: '?'}]"
            ),
            "Bytes is not base64",
        ),
        (
            "AWS::Cognito::LogDeliveryConfiguration",
            (
                "UserPoolId: !Ref Pool, LogConfigurations: [{EventSource: userNotification, LogLevel: ERROR, "
                "S3Configuration: {BucketArn: 'arn:aws:s3:::b'}}]"
            ),
            "velvetrope does not support .*S3Configuration",
        ),
        ("AWS::IAM::SAMLProvider", "SamlMetadataDocument: x, AddPrivateKey: y", "AddPrivateKey is not supported"),
        ("AWS::IAM::SAMLProvider", "Name: x", "needs SamlMetadataDocument"),
        ("AWS::IAM::OIDCProvider", "ClientIdList: [x]", "needs Url"),
        ("AWS::IAM::RolePolicy", "RoleName: x, PolicyName: y", "needs PolicyDocument"),
        ("AWS::KMS::ReplicaKey", "KeyPolicy: {}, PrimaryKeyArn: x", "AWS::KMS::ReplicaKey"),
        ("AWS::IAM::InstanceProfile", "Roles: [x]", "AWS::IAM::InstanceProfile"),
    ],
)
async def test_what_is_not_carried_out_is_refused_by_name(
    server: Server, resource: str, properties: str, text: str
) -> None:
    with pytest.raises(Exception, match=text):
        await apply(server, f"{_POOL}{_CLIENT}  It: {{Type: {resource}, Properties: {{{properties}}}}}\n")


async def test_tags_of_sessions_and_a_queues_policy_go_with_their_resources(server: Server) -> None:
    pool = (
        _POOL
        + _CLIENT
        + (
            "  Ids: {Type: AWS::Cognito::IdentityPool, Properties: {AllowUnauthenticatedIdentities: false, "
            "CognitoIdentityProviders: [{ClientId: !Ref Client, ProviderName: !GetAtt Pool.ProviderName}]}}\n"
            "  Queue: {Type: AWS::SQS::Queue}\n"
        )
    )
    parts = (
        "  Tags: {Type: AWS::Cognito::IdentityPoolPrincipalTag, Properties: {IdentityPoolId: !Ref Ids, "
        "IdentityProviderName: !GetAtt Pool.ProviderName, PrincipalTags: {team: 'custom:team'}}}\n"
        "  Policy: {Type: AWS::SQS::QueueInlinePolicy, Properties: {Queue: !Ref Queue, PolicyDocument: {Version: "
        "2012-10-17, Statement: [{Effect: Deny, Principal: '*', Action: sqs:PurgeQueue, Resource: '*'}]}}}\n"
    )
    made = await apply(server, pool + parts, Provider="!GetAtt Pool.ProviderName")
    ids = {
        "IdentityPoolId": made.resources["Ids"].physical_id,
        "IdentityProviderName": made.outputs["Provider"],
    }
    queue = {"QueueUrl": made.resources["Queue"].physical_id, "AttributeNames": ["Policy"]}

    during = await ask(server, "cognito-identity", "GetPrincipalTagAttributeMap", **ids)
    policy = await ask(server, "sqs", "GetQueueAttributes", **queue)
    await apply(server, pool)
    after = await ask(server, "cognito-identity", "GetPrincipalTagAttributeMap", **ids)
    no_policy = await ask(server, "sqs", "GetQueueAttributes", **queue)

    assert (during["PrincipalTags"], after.get("PrincipalTags", {})) == ({"team": "custom:team"}, {})
    assert "sqs:PurgeQueue" in policy["Attributes"]["Policy"]
    assert no_policy.get("Attributes", {}) == {}


async def test_what_is_gone_already_is_no_error(server: Server) -> None:
    made = await apply(server, _USER + "  Key: {Type: AWS::IAM::AccessKey, Properties: {UserName: !Ref User}}\n")
    key_id = made.resources["Key"].physical_id
    await ask(server, "iam", "DeleteAccessKey", UserName=made.resources["User"].physical_id, AccessKeyId=key_id)

    await delete(server)

    with pytest.raises(ServiceError):
        await ask(server, "iam", "GetUser", UserName=made.resources["User"].physical_id)

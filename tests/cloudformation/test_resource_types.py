"""Each resource type: what it tells the services when it is made, changed and deleted, and what it gives back."""

import io
import json
import zipfile
from typing import Any

import pytest

from support.cloudformation import ACCOUNT, CALL, REGION, Stacks
from velvetrope.cloudformation.resources import HANDLERS
from velvetrope.cloudformation.resources.functions import zip_of_source
from velvetrope.cloudformation.schemas import load_schemas


def stack(properties: dict[str, Any], resource_type: str, **outputs: object) -> str:
    return json.dumps(
        {
            "Resources": {"It": {"Type": resource_type, "Properties": properties}},
            "Outputs": {"Ref": {"Value": {"Ref": "It"}}, **{name: {"Value": value} for name, value in outputs.items()}},
        }
    )


def attribute(name: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": ["It", name]}


async def delete(stacks: Stacks) -> list[str]:
    """Delete the stack; what that told the services."""
    record = await stacks.engine.store.load_stack(ACCOUNT, REGION, "demo")
    assert record is not None
    stacks.world.forget()
    await stacks.engine.delete(record, CALL)
    await stacks.engine.settled(record.stack_id)
    return stacks.world.names()


def test_every_handler_knows_what_aws_knows() -> None:
    schemas = load_schemas()

    for name, handler in HANDLERS.items():
        schema = schemas[name]
        assert handler.properties <= schema.properties.keys(), name
        assert handler.attributes <= schema.attributes, name
        assert set(schema.required) <= handler.properties, name
        assert handler.fixed.keys() <= handler.properties - schema.create_only, name


def test_every_described_type_is_carried_out() -> None:
    assert load_schemas().keys() == HANDLERS.keys()


async def test_a_user_pool_gives_its_names_and_sets_its_factors(stacks: Stacks) -> None:
    properties = {"EnabledMfas": ["SOFTWARE_TOKEN_MFA"], "MfaConfiguration": "OPTIONAL", "UserPoolTags": {"A-b": "c"}}
    template = stack(properties, "AWS::Cognito::UserPool", Arn=attribute("Arn"), Name=attribute("ProviderName"))

    applied = await stacks.apply(template)

    created = stacks.world.of("CreateUserPool")[0]
    assert created["PoolName"].startswith("It-")
    assert created["UserPoolTags"] == {"A-b": "c"}
    assert "MfaConfiguration" not in created
    assert stacks.world.of("SetUserPoolMfaConfig") == [
        {
            "UserPoolId": "us-west-2_pool1",
            "SoftwareTokenMfaConfiguration": {"Enabled": True},
            "MfaConfiguration": "OPTIONAL",
        }
    ]
    assert applied.outputs["Name"] == "cognito-idp.us-west-2.amazonaws.com/us-west-2_pool1"
    assert applied.outputs["Arn"].startswith("arn:aws:cognito-idp:")


async def test_a_user_pool_sets_passkeys_and_mail_as_factors(stacks: Stacks) -> None:
    properties = {
        "EnabledMfas": ["EMAIL_OTP"],
        "EmailAuthenticationMessage": "Your code is {####}",
        "EmailAuthenticationSubject": "Code",
        "MfaConfiguration": "ON",
        "WebAuthnRelyingPartyID": "example.com",
        "WebAuthnUserVerification": "required",
    }

    await stacks.apply(stack(properties, "AWS::Cognito::UserPool"))

    assert stacks.world.of("SetUserPoolMfaConfig") == [
        {
            "UserPoolId": "us-west-2_pool1",
            "EmailMfaConfiguration": {"Message": "Your code is {####}", "Subject": "Code"},
            "WebAuthnConfiguration": {"RelyingPartyId": "example.com", "UserVerification": "required"},
            "MfaConfiguration": "ON",
        }
    ]
    del properties["EnabledMfas"]
    with pytest.raises(Exception, match="need EMAIL_OTP among EnabledMfas"):
        await stacks.apply(stack(properties, "AWS::Cognito::UserPool"))


async def test_a_user_pool_takes_new_attributes_and_loses_none(stacks: Stacks) -> None:
    one = {"Name": "level", "AttributeDataType": "Number", "NumberAttributeConstraints": {"MinValue": 1}}
    two = {"Name": "team", "AttributeDataType": "String"}
    await stacks.apply(stack({"Schema": [one]}, "AWS::Cognito::UserPool"))

    await stacks.apply(stack({"Schema": [one, two]}, "AWS::Cognito::UserPool"))

    assert stacks.world.of("CreateUserPool")[0]["Schema"][0]["NumberAttributeConstraints"] == {"MinValue": "1"}
    assert stacks.world.of("AddCustomAttributes")[0]["CustomAttributes"] == [two]
    with pytest.raises(Exception, match="Existing schema attributes cannot be modified or deleted"):
        await stacks.apply(stack({"Schema": [two]}, "AWS::Cognito::UserPool"))


async def test_a_client_without_a_name_keeps_the_one_it_was_given(stacks: Stacks) -> None:
    properties = {"UserPoolId": "us-west-2_x", "ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH"]}
    await stacks.apply(stack(properties, "AWS::Cognito::UserPoolClient"))
    name = stacks.world.of("CreateUserPoolClient")[0]["ClientName"]

    applied = await stacks.apply(
        stack({**properties, "ExplicitAuthFlows": []}, "AWS::Cognito::UserPoolClient", Name=attribute("Name"))
    )

    assert stacks.world.of("UpdateUserPoolClient") == [
        {"UserPoolId": "us-west-2_x", "ClientId": "client1", "ClientName": name, "ExplicitAuthFlows": []}
    ]
    assert applied.outputs == {"Ref": "client1", "Name": name}


async def test_users_and_groups_are_made_and_joined(stacks: Stacks) -> None:
    template = """
Resources:
  Pool: {Type: AWS::Cognito::UserPool}
  User:
    Type: AWS::Cognito::UserPoolUser
    Properties: {UserPoolId: !Ref Pool, Username: jo, MessageAction: SUPPRESS}
  Group: {Type: AWS::Cognito::UserPoolGroup, Properties: {UserPoolId: !Ref Pool, Precedence: "1"}}
  Joined:
    Type: AWS::Cognito::UserPoolUserToGroupAttachment
    Properties: {UserPoolId: !Ref Pool, Username: !Ref User, GroupName: !Ref Group}
"""
    await stacks.apply(template)

    group = stacks.world.of("CreateGroup")[0]
    assert group["Precedence"] == 1
    assert stacks.world.of("AdminAddUserToGroup") == [
        {"UserPoolId": "us-west-2_pool1", "Username": "jo", "GroupName": group["GroupName"]}
    ]
    assert (await delete(stacks))[0] == "AdminRemoveUserFromGroup"


async def test_an_identity_pool_keeps_its_name_through_updates(stacks: Stacks) -> None:
    await stacks.apply(stack({"AllowUnauthenticatedIdentities": True}, "AWS::Cognito::IdentityPool"))
    name = stacks.world.of("CreateIdentityPool")[0]["IdentityPoolName"]

    await stacks.apply(stack({"AllowUnauthenticatedIdentities": False}, "AWS::Cognito::IdentityPool"))

    assert stacks.world.of("UpdateIdentityPool") == [
        {"IdentityPoolId": "us-west-2:pool-1", "IdentityPoolName": name, "AllowUnauthenticatedIdentities": False}
    ]


async def test_role_mappings_are_known_by_their_provider(stacks: Stacks) -> None:
    mapping = {"IdentityProvider": "cognito-idp.us-west-2.amazonaws.com/p:c", "Type": "Token"}
    properties = {"IdentityPoolId": "us-west-2:p", "Roles": {}, "RoleMappings": {"mine": mapping}}

    await stacks.apply(stack(properties, "AWS::Cognito::IdentityPoolRoleAttachment"))

    assert stacks.world.of("SetIdentityPoolRoles")[0]["RoleMappings"] == {
        "cognito-idp.us-west-2.amazonaws.com/p:c": {"Type": "Token"}
    }


async def test_a_role_is_changed_where_it_differs(stacks: Stacks) -> None:
    trust = {"Version": "2012-10-17", "Statement": []}
    policy = {"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": []}}
    before = {
        "AssumeRolePolicyDocument": trust,
        "Policies": [policy, {**policy, "PolicyName": "old"}],
        "ManagedPolicyArns": ["arn:aws:iam::aws:policy/One"],
        "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}],
    }
    await stacks.apply(stack(before, "AWS::IAM::Role", Arn=attribute("Arn"), Id=attribute("RoleId")))
    created = stacks.world.of("CreateRole")[0]
    assert json.loads(created["AssumeRolePolicyDocument"]) == trust
    assert created["Tags"] == before["Tags"]
    name = created["RoleName"]
    assert name.startswith("demo-It-")
    stacks.world.forget()

    await stacks.apply(
        stack(
            {
                "AssumeRolePolicyDocument": {**trust, "Id": "x"},
                "Description": "d",
                "Policies": [policy],
                "ManagedPolicyArns": ["arn:aws:iam::aws:policy/Two"],
                "PermissionsBoundary": "arn:aws:iam::aws:policy/Edge",
                "Tags": [{"Key": "a", "Value": "3"}],
            },
            "AWS::IAM::Role",
        )
    )

    assert [(told.operation, {**told.parameters, "RoleName": None}) for told in stacks.world.told] == [
        ("UpdateAssumeRolePolicy", {"RoleName": None, "PolicyDocument": json.dumps({**trust, "Id": "x"})}),
        ("UpdateRole", {"RoleName": None, "Description": "d", "MaxSessionDuration": 3600}),
        ("DeleteRolePolicy", {"RoleName": None, "PolicyName": "old"}),
        ("AttachRolePolicy", {"RoleName": None, "PolicyArn": "arn:aws:iam::aws:policy/Two"}),
        ("DetachRolePolicy", {"RoleName": None, "PolicyArn": "arn:aws:iam::aws:policy/One"}),
        ("PutRolePermissionsBoundary", {"RoleName": None, "PermissionsBoundary": "arn:aws:iam::aws:policy/Edge"}),
        ("TagRole", {"RoleName": None, "Tags": [{"Key": "a", "Value": "3"}]}),
        ("UntagRole", {"RoleName": None, "TagKeys": ["b"]}),
    ]
    assert {told.parameters["RoleName"] for told in stacks.world.told} == {name}
    assert await delete(stacks) == ["DeleteRolePolicy", "DetachRolePolicy", "DeleteRole"]


async def test_an_inline_policy_is_written_into_each_that_it_names(stacks: Stacks) -> None:
    properties = {"PolicyName": "p", "PolicyDocument": {}, "Roles": ["r1", "r2"], "Users": ["u"]}
    await stacks.apply(stack(properties, "AWS::IAM::Policy"))
    assert stacks.world.names() == ["PutRolePolicy", "PutRolePolicy", "PutUserPolicy"]
    stacks.world.forget()

    await stacks.apply(stack({**properties, "PolicyName": "q", "Roles": ["r1"]}, "AWS::IAM::Policy"))

    assert [(told.operation, told.parameters["PolicyName"]) for told in stacks.world.told] == [
        ("PutRolePolicy", "q"),
        ("PutUserPolicy", "q"),
        ("DeleteRolePolicy", "p"),
        ("DeleteRolePolicy", "p"),
        ("DeleteUserPolicy", "p"),
    ]
    assert await delete(stacks) == ["DeleteRolePolicy", "DeleteUserPolicy"]


async def test_a_managed_policy_gets_another_version_and_the_oldest_makes_room(stacks: Stacks) -> None:
    await stacks.apply(stack({"PolicyDocument": {"Statement": []}, "Roles": ["r"]}, "AWS::IAM::ManagedPolicy"))
    stacks.world.forget()

    applied = await stacks.apply(
        stack({"PolicyDocument": {"Statement": [], "Id": "x"}, "Roles": ["r"]}, "AWS::IAM::ManagedPolicy")
    )

    assert stacks.world.names() == ["ListPolicyVersions", "DeletePolicyVersion", "CreatePolicyVersion"]
    assert stacks.world.of("DeletePolicyVersion")[0]["VersionId"] == "v1"
    assert applied.outputs["Ref"].startswith(f"arn:aws:iam::{ACCOUNT}:policy/demo-It-")
    assert await delete(stacks) == [
        "DetachRolePolicy",
        "ListPolicyVersions",
        *["DeletePolicyVersion"] * 4,
        "DeletePolicy",
    ]


async def test_a_user_gets_groups_and_a_password(stacks: Stacks) -> None:
    properties = {"UserName": "jo", "Groups": ["staff"], "LoginProfile": {"Password": "secret-1"}, "Path": "/a/"}
    await stacks.apply(stack(properties, "AWS::IAM::User"))
    assert stacks.world.names() == ["CreateUser", "AddUserToGroup", "CreateLoginProfile"]
    stacks.world.forget()

    applied = await stacks.apply(stack({"UserName": "jo", "Path": "/b/"}, "AWS::IAM::User", Arn=attribute("Arn")))

    assert stacks.world.names() == ["RemoveUserFromGroup", "DeleteLoginProfile", "UpdateUser", "GetUser"]
    assert applied.outputs["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/moved/jo"


def test_inline_source_becomes_a_zip_of_one_file_the_same_each_time() -> None:
    first, second = zip_of_source("def handler(): ...", "index.py"), zip_of_source("def handler(): ...", "index.py")

    assert first == second
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert archive.namelist() == ["index.py"]
        assert archive.read("index.py") == b"def handler(): ..."


async def test_a_function_is_changed_where_it_differs(stacks: Stacks) -> None:
    before = {
        "Code": {"ZipFile": "def handler(event, context): ..."},
        "Handler": "index.handler",
        "Role": "arn:aws:iam::123456789012:role/r",
        "Runtime": "python3.11",
        "Timeout": "10",
        "Environment": {"Variables": {"PORT": 80}},
        "Tags": [{"Key": "a", "Value": "1"}],
        "ReservedConcurrentExecutions": 5,
    }
    await stacks.apply(stack(before, "AWS::Lambda::Function", Arn=attribute("Arn")))
    created = stacks.world.of("CreateFunction")[0]
    assert (created["Timeout"], created["Tags"]) == (10, {"a": "1"})
    assert created["Environment"] == {"Variables": {"PORT": "80"}}
    assert stacks.world.of("PutFunctionConcurrency")[0]["ReservedConcurrentExecutions"] == 5
    name = created["FunctionName"]
    stacks.world.forget()

    after = {key: value for key, value in before.items() if key not in ("Timeout", "ReservedConcurrentExecutions")}
    await stacks.apply(stack({**after, "MemorySize": 256, "Tags": []}, "AWS::Lambda::Function"))

    assert [(told.operation, told.parameters) for told in stacks.world.told] == [
        ("UpdateFunctionConfiguration", {"FunctionName": name, "MemorySize": 256, "Timeout": 3}),
        (
            "UntagResource",
            {"Resource": f"arn:aws:lambda:us-west-2:{ACCOUNT}:function:{name}", "TagKeys": ["a"]},
        ),
        ("DeleteFunctionConcurrency", {"FunctionName": name}),
    ]
    stacks.world.forget()
    await stacks.apply(stack({**after, "MemorySize": 256, "Code": {"ZipFile": "x"}}, "AWS::Lambda::Function"))
    assert stacks.world.names() == ["UpdateFunctionCode", "TagResource"]


@pytest.mark.parametrize("code", [{"ImageUri": "x"}, {"S3Bucket": "b", "S3Key": "k", "S3ObjectVersion": "1"}, {}])
async def test_code_from_elsewhere_is_refused_by_name(stacks: Stacks, code: dict[str, str]) -> None:
    properties = {"Code": code, "Handler": "a.b", "Role": "arn:aws:iam::123456789012:role/r", "Runtime": "python3.11"}

    with pytest.raises(Exception, match="is not supported by velvetrope"):
        await stacks.apply(stack(properties, "AWS::Lambda::Function"))


async def test_versions_aliases_and_permissions_of_a_function(stacks: Stacks) -> None:
    template = """
Resources:
  Version: {Type: AWS::Lambda::Version, Properties: {FunctionName: f}}
  Alias:
    Type: AWS::Lambda::Alias
    Properties:
      FunctionName: f
      FunctionVersion: !GetAtt Version.Version
      Name: live
      RoutingConfig: {AdditionalVersionWeights: [{FunctionVersion: "2", FunctionWeight: 0.5}]}
  Permission:
    Type: AWS::Lambda::Permission
    Properties: {FunctionName: !Ref Alias, Action: lambda:InvokeFunction, Principal: apigateway.amazonaws.com}
Outputs:
  Version: {Value: !Ref Version}
"""
    applied = await stacks.apply(template)

    assert stacks.world.of("CreateAlias")[0] == {
        "FunctionName": "f",
        "FunctionVersion": "1",
        "Name": "live",
        "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.5}},
    }
    permission = stacks.world.of("AddPermission")[0]
    assert permission["FunctionName"] == "arn:aws:lambda:::alias:live"
    assert permission["StatementId"].startswith("demo-Permission-")
    assert applied.outputs["Version"].endswith(":f:1")
    assert await delete(stacks) == ["RemovePermission", "DeleteAlias", "DeleteFunction"]
    assert stacks.world.of("DeleteFunction")[0] == {"FunctionName": "f", "Qualifier": "1"}


LAYER = """
Resources:
  Pricing:
    Type: AWS::Lambda::LayerVersion
    Properties: {Content: {S3Bucket: local, S3Key: %s}, CompatibleRuntimes: [python3.12], LicenseInfo: MIT}
  Lent:
    Type: AWS::Lambda::LayerVersionPermission
    Properties: {LayerVersionArn: !Ref Pricing, Action: lambda:GetLayerVersion, Principal: "*"}
Outputs:
  Arn: {Value: !GetAtt Pricing.LayerVersionArn}
"""


async def test_a_layer_is_named_after_its_place_and_every_change_makes_a_version(stacks: Stacks) -> None:
    first = await stacks.apply(LAYER % "one", artifacts={("local", "one"): b"first zip"})
    second = await stacks.apply(LAYER % "two", artifacts={("local", "two"): b"second zip"})

    published = stacks.world.of("PublishLayerVersion")
    assert [(one["LayerName"], one["Content"]["ZipFile"]) for one in published] == [
        ("Pricing", b"first zip"),
        ("Pricing", b"second zip"),
    ]
    assert first.outputs["Arn"].endswith(":layer:Pricing:1")
    assert second.outputs["Arn"] != first.outputs["Arn"]
    lent = stacks.world.of("AddLayerVersionPermission")
    assert (lent[0]["LayerName"], lent[0]["VersionNumber"], lent[0]["Principal"]) == ("Pricing", 1, "*")
    assert [gone["VersionNumber"] for gone in stacks.world.of("DeleteLayerVersion")] == [1]
    assert await delete(stacks) == ["RemoveLayerVersionPermission", "DeleteLayerVersion"]


async def test_a_layer_whose_content_did_not_come_along_is_refused(stacks: Stacks) -> None:
    with pytest.raises(Exception, match="there is no S3"):
        await stacks.apply(LAYER % "elsewhere")


async def test_a_plain_rest_api_with_resources_and_methods(stacks: Stacks) -> None:
    template = """
Resources:
  Api:
    Type: AWS::ApiGateway::RestApi
    Properties: {Name: shop, EndpointConfiguration: {Types: [REGIONAL]}, Tags: [{Key: a, Value: b}]}
  Pets:
    Type: AWS::ApiGateway::Resource
    Properties: {RestApiId: !Ref Api, ParentId: !GetAtt Api.RootResourceId, PathPart: pets}
  GetPets:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !Ref Pets
      HttpMethod: GET
      AuthorizationType: AWS_IAM
      ApiKeyRequired: "true"
      RequestParameters: {method.request.querystring.q: false}
      Integration:
        Type: MOCK
        RequestTemplates: {application/json: "{}"}
        IntegrationResponses: [{StatusCode: 200, ResponseTemplates: {application/json: hi}}]
      MethodResponses: [{StatusCode: 200, ResponseModels: {application/json: Empty}}]
"""
    await stacks.apply(template)

    key = {"restApiId": "api1", "resourceId": "resource2", "httpMethod": "GET"}
    assert [(told.operation, told.parameters) for told in stacks.world.told] == [
        (
            "CreateRestApi",
            {"name": "shop", "endpointConfiguration": {"types": ["REGIONAL"]}, "tags": {"a": "b"}},
        ),
        ("GetResources", {"restApiId": "api1"}),
        ("CreateResource", {"restApiId": "api1", "parentId": "root", "pathPart": "pets"}),
        (
            "PutMethod",
            {
                **key,
                "authorizationType": "AWS_IAM",
                "apiKeyRequired": True,
                "requestParameters": {"method.request.querystring.q": False},
            },
        ),
        ("PutMethodResponse", {**key, "statusCode": "200", "responseModels": {"application/json": "Empty"}}),
        ("PutIntegration", {**key, "type": "MOCK", "requestTemplates": {"application/json": "{}"}}),
        ("PutIntegrationResponse", {**key, "statusCode": "200", "responseTemplates": {"application/json": "hi"}}),
    ]
    stacks.world.forget()
    await stacks.apply(template.replace("Type: MOCK", "Type: MOCK\n        TimeoutInMillis: 100"))
    assert stacks.world.names() == [
        "DeleteMethod",
        "PutMethod",
        "PutMethodResponse",
        "PutIntegration",
        "PutIntegrationResponse",
    ]
    stacks.world.forget()
    await stacks.apply(template.replace("Name: shop", "Name: market").replace("REGIONAL", "EDGE"))
    assert stacks.world.of("UpdateRestApi")[0]["patchOperations"] == [
        {"op": "replace", "path": "/endpointConfiguration/types/REGIONAL", "value": "EDGE"},
        {"op": "replace", "path": "/name", "value": "market"},
    ]


async def test_an_imported_rest_api_is_imported_over_when_it_changes(stacks: Stacks) -> None:
    body = {"swagger": "2.0", "info": {"title": "t", "version": "1"}, "paths": {}}
    properties = {
        "Body": body,
        "Name": "shop",
        "EndpointConfiguration": {"Types": ["REGIONAL"]},
        "BinaryMediaTypes": ["image/png"],
        "Policy": {"Statement": []},
    }
    applied = await stacks.apply(stack(properties, "AWS::ApiGateway::RestApi", Root=attribute("RootResourceId")))

    imported = stacks.world.of("ImportRestApi")[0]
    assert json.loads(imported["body"]) == {**body, "info": {"title": "shop", "version": "1"}}
    assert imported["parameters"] == {"endpointConfigurationTypes": "REGIONAL"}
    assert stacks.world.of("UpdateRestApi")[0]["patchOperations"] == [
        {"op": "add", "path": "/binaryMediaTypes/image~1png"},
        {"op": "replace", "path": "/policy", "value": '{"Statement": []}'},
    ]
    assert applied.outputs == {"Ref": "api1", "Root": "root1"}
    stacks.world.forget()

    body["paths"] = {"/a": {}}
    applied = await stacks.apply(stack(properties, "AWS::ApiGateway::RestApi", Root=attribute("RootResourceId")))

    put = stacks.world.of("PutRestApi")[0]
    assert (put["restApiId"], put["mode"]) == ("api1", "overwrite")
    assert json.loads(put["body"])["paths"] == {"/a": {}}
    assert stacks.world.names() == ["PutRestApi", "UpdateRestApi"]
    assert applied.outputs["Root"] == "root1"


async def test_a_deployment_that_made_its_stage_takes_it_along(stacks: Stacks) -> None:
    template = """
Resources:
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Body: {swagger: "2.0", paths: {}}}}
  Deployment:
    Type: AWS::ApiGateway::Deployment
    Properties: {RestApiId: !Ref Api, StageName: Stage, StageDescription: {Variables: {a: b}}}
"""
    await stacks.apply(template)

    assert stacks.world.of("CreateDeployment") == [{"restApiId": "api1", "stageName": "Stage", "variables": {"a": "b"}}]
    stacks.world.things["stage Stage"] = "CreateDeployment"
    assert await delete(stacks) == ["GetStage", "DeleteStage", "DeleteDeployment", "DeleteRestApi"]


async def test_a_stage_is_patched(stacks: Stacks) -> None:
    before = {
        "RestApiId": "api",
        "StageName": "live",
        "DeploymentId": "d1",
        "Variables": {"a": "1", "b": "2"},
        "MethodSettings": [
            {"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingRateLimit": 10.5, "ThrottlingBurstLimit": "20"},
            {"ResourcePath": "/a/{b}", "HttpMethod": "GET", "MetricsEnabled": True},
        ],
        "Tags": [{"Key": "k", "Value": "v"}],
    }
    await stacks.apply(stack(before, "AWS::ApiGateway::Stage"))
    assert stacks.world.of("CreateStage") == [
        {
            "restApiId": "api",
            "stageName": "live",
            "deploymentId": "d1",
            "variables": {"a": "1", "b": "2"},
            "tags": {"k": "v"},
        }
    ]
    assert stacks.world.of("UpdateStage")[0]["patchOperations"] == [
        {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "10.5"},
        {"op": "replace", "path": "/*/*/throttling/burstLimit", "value": "20"},
        {"op": "replace", "path": "/~1a~1{b}/GET/metrics/enabled", "value": "true"},
    ]
    stacks.world.forget()

    after = {
        "RestApiId": "api",
        "StageName": "live",
        "DeploymentId": "d2",
        "Variables": {"a": "3"},
        "MethodSettings": [{"ThrottlingRateLimit": 11, "ThrottlingBurstLimit": 20}],
    }
    await stacks.apply(stack(after, "AWS::ApiGateway::Stage"))

    assert stacks.world.of("UpdateStage")[0]["patchOperations"] == [
        {"op": "replace", "path": "/deploymentId", "value": "d2"},
        {"op": "replace", "path": "/variables/a", "value": "3"},
        {"op": "remove", "path": "/variables/b"},
        {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "11"},
        {"op": "remove", "path": "/~1a~1{b}/GET"},
    ]
    assert stacks.world.of("UntagResource") == [
        {"resourceArn": "arn:aws:apigateway:us-west-2::/restapis/api/stages/live", "tagKeys": ["k"]}
    ]


async def test_a_usage_plan_is_patched_and_let_go_of_its_stages(stacks: Stacks) -> None:
    before = {
        "UsagePlanName": "demo",
        "ApiStages": [{"ApiId": "a", "Stage": "live", "Throttle": {"/pets/GET": {"RateLimit": 1, "BurstLimit": 2}}}],
        "Throttle": {"RateLimit": 10, "BurstLimit": 20},
        "Quota": {"Limit": 10000, "Period": "DAY"},
    }
    await stacks.apply(stack(before, "AWS::ApiGateway::UsagePlan"))
    assert stacks.world.of("CreateUsagePlan") == [
        {
            "name": "demo",
            "apiStages": [
                {"apiId": "a", "stage": "live", "throttle": {"/pets/GET": {"rateLimit": 1, "burstLimit": 2}}}
            ],
            "throttle": {"rateLimit": 10, "burstLimit": 20},
            "quota": {"limit": 10000, "period": "DAY"},
        }
    ]

    after = {
        "UsagePlanName": "demo",
        "ApiStages": [{"ApiId": "b", "Stage": "live", "Throttle": {"/pets/GET": {"RateLimit": 1}}}],
        "Throttle": {"RateLimit": 5, "BurstLimit": 20},
    }
    await stacks.apply(stack(after, "AWS::ApiGateway::UsagePlan"))

    assert stacks.world.of("UpdateUsagePlan")[0]["patchOperations"] == [
        {"op": "replace", "path": "/throttle/rateLimit", "value": "5"},
        {"op": "remove", "path": "/quota"},
        {"op": "remove", "path": "/apiStages", "value": "a:live"},
        {"op": "add", "path": "/apiStages", "value": "b:live"},
        {"op": "replace", "path": "/apiStages/b:live/throttle/~1pets/GET/rateLimit", "value": "1"},
    ]
    assert await delete(stacks) == ["UpdateUsagePlan", "DeleteUsagePlan"]
    assert stacks.world.of("UpdateUsagePlan")[0]["patchOperations"] == [
        {"op": "remove", "path": "/apiStages", "value": "b:live"}
    ]


async def test_an_api_key_is_patched_and_its_value_is_no_attribute(stacks: Stacks) -> None:
    before = {
        "Name": "k",
        "Value": "a-value-of-at-least-twenty-characters",
        "Enabled": True,
        "StageKeys": [{"RestApiId": "a", "StageName": "live"}],
    }
    applied = await stacks.apply(stack(before, "AWS::ApiGateway::ApiKey", Id=attribute("APIKeyId")))
    assert stacks.world.of("CreateApiKey") == [
        {
            "name": "k",
            "value": "a-value-of-at-least-twenty-characters",
            "enabled": True,
            "stageKeys": [{"restApiId": "a", "stageName": "live"}],
        }
    ]
    assert applied.outputs == {"Ref": "key1", "Id": "key1"}

    await stacks.apply(stack({"Name": "k", "Value": before["Value"], "Description": "d"}, "AWS::ApiGateway::ApiKey"))

    assert stacks.world.of("UpdateApiKey")[0]["patchOperations"] == [
        {"op": "replace", "path": "/description", "value": "d"},
        {"op": "replace", "path": "/enabled", "value": "false"},
        {"op": "remove", "path": "/stages", "value": "a/live"},
    ]


async def test_a_key_is_put_into_a_plan_and_a_gateway_response_put_again(stacks: Stacks) -> None:
    template = """
Resources:
  Key: {Type: AWS::ApiGateway::ApiKey, Properties: {Enabled: true}}
  Plan: {Type: AWS::ApiGateway::UsagePlan}
  InPlan:
    Type: AWS::ApiGateway::UsagePlanKey
    Properties: {KeyId: !Ref Key, KeyType: API_KEY, UsagePlanId: !Ref Plan}
  Response:
    Type: AWS::ApiGateway::GatewayResponse
    Properties:
      RestApiId: api
      ResponseType: DEFAULT_4XX
      StatusCode: 403
      ResponseParameters: {gatewayresponse.header.Access-Control-Allow-Origin: "'*'"}
Outputs:
  InPlan: {Value: !Ref InPlan}
"""
    applied = await stacks.apply(template)

    assert stacks.world.of("CreateUsagePlanKey") == [{"usagePlanId": "plan2", "keyId": "key1", "keyType": "API_KEY"}]
    assert applied.outputs["InPlan"] == "key1:plan2"
    await stacks.apply(template.replace("403", "401"))
    assert [given["statusCode"] for given in stacks.world.of("PutGatewayResponse")] == ["403", "401"]


async def test_a_queue_s_properties_are_its_attributes_as_text(stacks: Stacks) -> None:
    letters = "arn:aws:sqs:us-west-2:123456789012:letters.fifo"
    first = {
        "FifoQueue": True,
        "VisibilityTimeout": 60,
        "RedrivePolicy": {"deadLetterTargetArn": letters, "maxReceiveCount": 3},
        "Tags": [{"Key": "a", "Value": "b"}, {"Key": "c", "Value": "d"}],
    }
    outputs = {"Arn": attribute("Arn"), "Name": attribute("QueueName"), "Url": attribute("QueueUrl")}

    applied = await stacks.apply(stack(first, "AWS::SQS::Queue", **outputs))

    [created] = stacks.world.of("CreateQueue")
    assert created["QueueName"].endswith(".fifo")
    assert created["Attributes"] == {
        "FifoQueue": "true",
        "VisibilityTimeout": "60",
        "RedrivePolicy": f'{{"deadLetterTargetArn":"{letters}","maxReceiveCount":3}}',
    }
    assert created["tags"] == {"a": "b", "c": "d"}
    assert applied.outputs["Name"] == created["QueueName"]
    assert applied.outputs["Arn"] == f"arn:aws:sqs:{REGION}:{ACCOUNT}:{created['QueueName']}"
    assert applied.outputs["Ref"] == applied.outputs["Url"]

    second = {"FifoQueue": True, "DelaySeconds": 5, "Tags": [{"Key": "a", "Value": "changed"}]}
    await stacks.apply(stack(second, "AWS::SQS::Queue", **outputs))

    [changed] = stacks.world.of("SetQueueAttributes")
    assert changed["Attributes"] == {"VisibilityTimeout": "30", "RedrivePolicy": "", "DelaySeconds": "5"}
    assert stacks.world.of("TagQueue")[0]["Tags"] == {"a": "changed"}
    assert stacks.world.of("UntagQueue")[0]["TagKeys"] == ["c"]
    assert await delete(stacks) == ["DeleteQueue"]


async def test_a_queue_policy_is_set_on_its_queues_and_taken_from_those_that_it_leaves(stacks: Stacks) -> None:
    document = {"Version": "2012-10-17", "Statement": []}
    urls = [f"http://localhost/{ACCOUNT}/{name}" for name in "abc"]

    await stacks.apply(stack({"Queues": urls[:2], "PolicyDocument": document}, "AWS::SQS::QueuePolicy"))
    stacks.world.forget()
    await stacks.apply(stack({"Queues": urls[1:], "PolicyDocument": document}, "AWS::SQS::QueuePolicy"))

    text = '{"Version":"2012-10-17","Statement":[]}'
    assert [(call["QueueUrl"], call["Attributes"]["Policy"]) for call in stacks.world.of("SetQueueAttributes")] == [
        (urls[0], ""),
        (urls[1], text),
        (urls[2], text),
    ]
    assert await delete(stacks) == ["SetQueueAttributes", "SetQueueAttributes"]


async def test_a_mapping_s_property_that_is_taken_out_has_its_default_again(stacks: Stacks) -> None:
    queue = {"EventSourceArn": "arn:aws:sqs:us-west-2:123456789012:orders", "FunctionName": "f"}
    first = {**queue, "BatchSize": 5, "FilterCriteria": {"Filters": [{"Pattern": "{}"}]}, "Enabled": False}

    applied = await stacks.apply(stack(first, "AWS::Lambda::EventSourceMapping", Id=attribute("Id")))
    await stacks.apply(stack(queue, "AWS::Lambda::EventSourceMapping", Id=attribute("Id")))

    assert stacks.world.of("CreateEventSourceMapping") == [first]
    [changed] = stacks.world.of("UpdateEventSourceMapping")
    assert changed["UUID"] == applied.outputs["Id"] == applied.outputs["Ref"]
    assert (changed["BatchSize"], changed["Enabled"], changed["FilterCriteria"]) == (10, True, {"Filters": []})
    assert "EventSourceArn" not in changed
    assert await delete(stacks) == ["DeleteEventSourceMapping"]

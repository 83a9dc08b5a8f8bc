"""The SAM transform: AWS's translator, given a region by us."""

import pytest

from velvetrope.templates import TransformFailed, activate, dependencies, expand_sam, order_resources, parse_template

TEMPLATE = """
AWSTemplateFormatVersion: 2010-09-09
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.11, Timeout: 10}
Parameters:
  Stage: {Type: String, Default: latest}
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties: {StageName: latest, Name: demo}
  Function:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      CodeUri: {Bucket: bucket, Key: key}
      Events:
        Open: {Type: Api, Properties: {RestApiId: !Ref Api, Path: /open, Method: get, Auth: {ApiKeyRequired: true}}}
        Guarded:
          Type: Api
          Properties:
            RestApiId: !Ref Api
            Path: /guarded
            Method: get
            Auth: {ApiKeyRequired: true, Authorizer: AWS_IAM, InvokeRole: NONE}
  Plan:
    Type: AWS::ApiGateway::UsagePlan
    Properties: {ApiStages: [{ApiId: !Ref Api, Stage: !Ref Api.Stage}]}
"""


def test_serverless_resources_become_what_they_stand_for() -> None:
    expanded = expand_sam(parse_template(TEMPLATE), "us-west-2")

    assert not expanded.is_serverless
    assert "Globals" not in expanded.document
    assert sorted(resource.type for resource in expanded.resources.values()) == [
        "AWS::ApiGateway::Deployment",
        "AWS::ApiGateway::RestApi",
        "AWS::ApiGateway::Stage",
        "AWS::ApiGateway::UsagePlan",
        "AWS::IAM::Role",
        "AWS::Lambda::Function",
        "AWS::Lambda::Permission",
        "AWS::Lambda::Permission",
    ]
    assert expanded.resources["Function"].properties["Code"] == {"S3Bucket": "bucket", "S3Key": "key"}
    assert expanded.resources["Plan"].properties["ApiStages"] == [
        {"ApiId": {"Ref": "Api"}, "Stage": {"Ref": "ApilatestStage"}}
    ]


def test_the_expansion_can_be_ordered() -> None:
    expanded = expand_sam(parse_template(TEMPLATE), "us-west-2")
    pseudo = {"AWS::Region": "us-west-2", "AWS::AccountId": "123456789012", "AWS::StackName": "demo"}

    order = order_resources(dependencies(activate(expanded, parameters={}, pseudo_parameters=pseudo)))

    assert order.index("FunctionRole") < order.index("Function") < order.index("Api") < order.index("ApilatestStage")


def test_the_template_given_is_left_as_it_was() -> None:
    template = parse_template(TEMPLATE)

    first, second = expand_sam(template, "us-west-2"), expand_sam(template, "us-west-2")

    assert first.document == second.document
    assert template.is_serverless
    assert template == parse_template(TEMPLATE)


def test_no_region_of_the_environment_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "cn-north-1")

    expanded = expand_sam(parse_template(TEMPLATE), "us-west-2")

    role = expanded.resources["FunctionRole"].properties
    assert role["ManagedPolicyArns"] == ["arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"]


def test_sam_says_what_it_does_not_like() -> None:
    with pytest.raises(TransformFailed) as refused:
        expand_sam(parse_template(TEMPLATE.replace("Path: /open,", "")), "us-west-2")

    assert refused.value.message.startswith(
        "Transform AWS::Serverless-2016-10-31 failed with: Invalid Serverless Application Specification document. "
        "Number of errors found: 1. Resource with id [Function] is invalid."
    )


def test_a_template_without_the_transform_is_given_back() -> None:
    template = parse_template("Resources: {A: {Type: AWS::IAM::User}}")

    assert expand_sam(template, "us-west-2") is template

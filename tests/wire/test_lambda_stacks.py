"""Stacks with a function's URL, event configuration and log group: made, changed and deleted on a real server."""

import json
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError, WaiterError

from support.clients import aws_client
from support.running import RunningServer

TEMPLATE = """
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]
  Hello:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: stacked-hello
      Handler: index.handler
      Runtime: python3.12
      Role: !GetAtt Role.Arn
      Code: {ZipFile: "def handler(event, context): return 'hello'"}
  Url:
    Type: AWS::Lambda::Url
    Properties: {AuthType: NONE, TargetFunctionArn: !GetAtt Hello.Arn%(cors)s}
  MayCallTheUrl:
    Type: AWS::Lambda::Permission
    Properties:
      {FunctionName: !Ref Hello, Action: lambda:InvokeFunctionUrl, Principal: "*", FunctionUrlAuthType: NONE}
  MayInvokeByTheUrl:
    Type: AWS::Lambda::Permission
    Properties:
      {FunctionName: !Ref Hello, Action: lambda:InvokeFunction, Principal: "*", InvokedViaFunctionUrl: true}
  Events:
    Type: AWS::Lambda::EventInvokeConfig
    Properties: {FunctionName: !Ref Hello, Qualifier: $LATEST, MaximumRetryAttempts: %(retries)s}
  Group:
    Type: AWS::Logs::LogGroup
    Properties: {LogGroupName: /stacked, RetentionInDays: %(days)s, Tags: [{Key: team, Value: shop}]}
  Stream:
    Type: AWS::Logs::LogStream
    Properties: {LogGroupName: !Ref Group, LogStreamName: one}
Outputs:
  Url: {Value: !GetAtt Url.FunctionUrl}
  Group: {Value: !GetAtt Group.Arn}
"""


@pytest.fixture(scope="module")
def stacks(serving: RunningServer) -> Any:
    return aws_client(serving, "cloudformation")


def outputs_of(stacks: Any, name: str) -> dict[str, str]:
    [stack] = stacks.describe_stacks(StackName=name)["Stacks"]
    assert stack["StackStatus"].endswith("_COMPLETE"), stack
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def test_urls_event_configurations_and_log_groups_follow_their_template(serving: RunningServer, stacks: Any) -> None:
    functions, logs = aws_client(serving, "lambda"), aws_client(serving, "logs")
    waiting = {"StackName": "stacked", "WaiterConfig": {"Delay": 0.1, "MaxAttempts": 100}}
    stacks.create_stack(
        StackName="stacked",
        TemplateBody=TEMPLATE % {"cors": "", "retries": 0, "days": 7},
        Capabilities=["CAPABILITY_IAM"],
    )
    stacks.get_waiter("stack_create_complete").wait(**waiting)
    made = outputs_of(stacks, "stacked")

    assert requests.get(made["Url"]).text == "hello"
    assert made["Group"] == "arn:aws:logs:us-west-2:123456789012:log-group:/stacked:*"
    configured = functions.get_function_event_invoke_config(FunctionName="stacked-hello")
    assert configured["MaximumRetryAttempts"] == 0
    assert logs.describe_log_streams(logGroupName="/stacked")["logStreams"][0]["logStreamName"] == "one"

    stacks.update_stack(
        StackName="stacked",
        TemplateBody=TEMPLATE % {"cors": ', Cors: {AllowOrigins: ["*"]}', "retries": 2, "days": 14},
        Capabilities=["CAPABILITY_IAM"],
    )
    stacks.get_waiter("stack_update_complete").wait(**waiting)

    assert outputs_of(stacks, "stacked")["Url"] == made["Url"]
    assert functions.get_function_url_config(FunctionName="stacked-hello")["Cors"] == {"AllowOrigins": ["*"]}
    configured = functions.get_function_event_invoke_config(FunctionName="stacked-hello")
    assert configured["MaximumRetryAttempts"] == 2
    assert logs.describe_log_groups(logGroupNamePrefix="/stacked")["logGroups"][0]["retentionInDays"] == 14

    stacks.delete_stack(StackName="stacked")
    stacks.get_waiter("stack_delete_complete").wait(**waiting)

    assert requests.get(made["Url"]).status_code == 404
    assert logs.describe_log_groups(logGroupNamePrefix="/stacked")["logGroups"] == []
    with pytest.raises(ClientError, match="Function not found"):
        functions.get_function(FunctionName="stacked-hello")


def test_a_stack_whose_url_would_stream_fails_and_says_why(serving: RunningServer, stacks: Any) -> None:
    template = json.dumps(
        {
            "Resources": {
                "Url": {
                    "Type": "AWS::Lambda::Url",
                    "Properties": {
                        "AuthType": "NONE",
                        "InvokeMode": "RESPONSE_STREAM",
                        "TargetFunctionArn": "stacked-nobody",
                    },
                }
            }
        }
    )
    stacks.create_stack(StackName="streaming", TemplateBody=template)
    with pytest.raises(WaiterError):
        stacks.get_waiter("stack_create_complete").wait(
            StackName="streaming", WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
        )

    reasons = [
        event.get("ResourceStatusReason", "")
        for event in stacks.describe_stack_events(StackName="streaming")["StackEvents"]
    ]
    assert any("velvetrope does not support this value in CreateFunctionUrlConfig" in reason for reason in reasons)


SERVERLESS = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      Handler: index.handler
      Runtime: python3.12
      InlineCode: "def handler(event, context): return 'hello from SAM'"
      AutoPublishAlias: live
      FunctionUrlConfig: {AuthType: NONE}
      EventInvokeConfig:
        MaximumRetryAttempts: 1
        DestinationConfig: {OnFailure: {Type: SQS}}
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Letters.Arn}
  Letters: {Type: AWS::SQS::Queue}
Outputs:
  Url: {Value: !GetAtt HelloUrl.FunctionUrl}
  Alias: {Value: !Ref Hello.Alias}
"""


def test_sams_short_forms_for_urls_and_destinations_are_carried_out(serving: RunningServer, stacks: Any) -> None:
    functions = aws_client(serving, "lambda")
    stacks.create_stack(
        StackName="serverless",
        TemplateBody=SERVERLESS,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    stacks.get_waiter("stack_create_complete").wait(
        StackName="serverless", WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
    )

    made = outputs_of(stacks, "serverless")

    assert requests.get(made["Url"]).text == "hello from SAM"
    configured = functions.get_function_event_invoke_config(FunctionName=made["Alias"])
    assert configured["MaximumRetryAttempts"] == 1
    assert configured["DestinationConfig"]["OnFailure"]["Destination"].startswith("arn:aws:sqs:")
    assert "TargetArn" in functions.get_function_configuration(FunctionName=made["Alias"])["DeadLetterConfig"]

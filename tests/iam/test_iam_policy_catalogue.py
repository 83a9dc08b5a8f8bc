"""The check of policy documents with what is really known of AWS's services."""

import json

import pytest

from support.iam import allow, document
from velvetrope.iam.aws_managed import aws_managed_policies
from velvetrope.iam.operation_rules import operation_rule
from velvetrope.iam.policy_catalogue import policy_catalogue
from velvetrope.policy.context import ABSENT_KEYS, CALLER_KEYS
from velvetrope.policy.lint import check_document


def codes(text: str) -> list[tuple[str, str]]:
    report = check_document(text, kind="identity", catalogue=policy_catalogue())
    return [(finding.severity, finding.code) for finding in report.findings]


@pytest.mark.parametrize("arn", aws_managed_policies())
def test_aws_s_own_policies_name_nothing_that_does_not_exist(arn: str) -> None:
    errors = [code for severity, code in codes(aws_managed_policies()[arn].document) if severity == "error"]

    assert errors == []


def test_every_action_that_an_operation_is_judged_as_is_known() -> None:
    for service, operation in (("lambda", "Invoke"), ("apigateway", "CreateRestApi"), ("iam", "AddUserToGroup")):
        prefix, _, name = operation_rule(service, operation).action.partition(":")
        assert name in policy_catalogue().services[prefix].actions


@pytest.mark.parametrize(
    ("action", "resource", "expected"),
    [
        ("iam:AddUserToGroup", "arn:aws:iam::123456789012:group/staff/*", []),
        ("iam:AddUserToGroup", "arn:aws:iam::123456789012:user/*", [("error", "resource-never-matches")]),
        ("lambda:InvokeFunction", "arn:aws:lambda:us-west-2:123456789012:function:f:live", []),
        ("lambda:InvokeFunction", "arn:aws:iam::123456789012:role/f", [("error", "resource-never-matches")]),
        ("apigateway:GET", "arn:aws:apigateway:us-west-2::/restapis/a/stages/*", []),
        ("apigateway:GET", "arn:aws:execute-api:us-west-2:123456789012:a/*", [("error", "resource-never-matches")]),
        ("execute-api:Invoke", "arn:aws:execute-api:us-west-2:123456789012:a/latest/GET/x", []),
        ("execute-api:Invoke", "arn:aws:execute-api:us-west-2:123456789012:a/*", []),
        ("rds-db:connect", "arn:aws:rds-db:us-west-2:123456789012:dbuser:db-VELVETROPE/orders", []),
        ("rds-db:connect", "arn:aws:rds:us-west-2:123456789012:db:shop", [("error", "resource-never-matches")]),
        ("sqs:SendMessage", "arn:aws:sqs:us-west-2:123456789012:orders", []),
        ("sqs:SendMessage", "arn:aws:sns:us-west-2:123456789012:orders", [("error", "resource-never-matches")]),
        ("cognito-idp:ListUsers", "arn:aws:cognito-idp:us-west-2:123456789012:userpool/us-west-2_a", []),
        ("logs:GetLogEvents", "arn:aws:logs:us-west-2:123456789012:log-group:/aws/lambda/f:*", []),
        ("sts:AssumeRole", "arn:aws:iam::123456789012:role/x", []),
        ("cognito-idp:ListUser", "*", [("error", "unknown-action")]),
        ("dynamodb:GetItem", "arn:aws:dynamodb:us-west-2:123456789012:table/t", []),
        ("dynamobd:GetItem", "*", [("error", "unknown-service")]),
    ],
)
def test_actions_and_resources_are_held_against_the_reference(
    action: str, resource: str, expected: list[tuple[str, str]]
) -> None:
    found = [code for code in codes(document(allow(action, resource))) if code[1] != "action-without-resource"]

    assert found == expected


def test_keys_are_of_callers_or_of_requests_or_of_neither() -> None:
    filled = policy_catalogue().filled_keys

    assert not filled & CALLER_KEYS
    assert not filled & ABSENT_KEYS
    condition = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com", "aws:ResourceAccount": "123456789012"}}
    assert codes(document(allow("iam:PassRole", "arn:aws:iam::123456789012:role/x", condition))) == []


def test_a_document_in_the_words_of_the_article_is_left_alone() -> None:
    """The authenticated role of the demo."""
    text = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": ["execute-api:Invoke"],
                    "Resource": ["arn:aws:execute-api:us-west-2:*:api/latest/*/require-auth"],
                }
            ],
        }
    )

    assert codes(text) == []

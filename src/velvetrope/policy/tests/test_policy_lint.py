"""What a check of a document finds, where, and in which words; and what it leaves alone."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.policy import PolicyKind
from velvetrope.policy.lint import ANYTHING, Catalogue, Report, ServiceFacts, check_document
from velvetrope.policy.positions import Position, value_positions

ROLE, USER = "arn:*:iam::*:role/*", "arn:*:iam::*:user/*"
FUNCTION = "arn:*:lambda:*:*:function:*"
ME = "arn:aws:lambda:us-west-2:123456789012:function:mine"
CATALOGUE = Catalogue(
    services={
        "iam": ServiceFacts(
            actions={
                "GetRole": (ROLE,),
                "ListRoles": (ANYTHING,),
                "PassRole": (ROLE,),
                "PutRolePolicy": (ROLE,),
                "GetUser": (USER,),
                "Newest": None,
            },
            condition_keys=frozenset({"iam:passedtoservice", "iam:resourcetag/", "iam:registersecuritykey"}),
        ),
        "lambda": ServiceFacts(
            actions={"GetFunction": (FUNCTION,), "InvokeFunction": (FUNCTION,), "ListFunctions": (ANYTHING,)},
            condition_keys=frozenset({"lambda:layer"}),
        ),
        "sts": ServiceFacts(actions={"AssumeRole": (ROLE,)}, condition_keys=frozenset()),
        "execute-api": ServiceFacts(actions={"Invoke": ("arn:*:execute-api:*:*:*/*/*/*",)}, condition_keys=frozenset()),
    },
    other_services=frozenset({"s3", "dynamodb"}),
    filled_keys=frozenset({"iam:passedtoservice", "aws:tagkeys", "kms:encryptioncontext:"}),
)


def statement(effect: str = "Allow", **elements: object) -> dict[str, object]:
    """One statement that nobody has anything against, but for what is given."""
    plain = {"Effect": effect, "Action": "lambda:GetFunction", "Resource": ME}
    given = {**plain, **elements}
    return {name: value for name, value in given.items() if value is not None}


def check(*statements: dict[str, Any], kind: PolicyKind = "identity", version: str | None = "2012-10-17") -> Report:
    document = {"Version": version, "Statement": list(statements)}
    if version is None:
        del document["Version"]
    return check_document(json.dumps(document, indent=1), kind=kind, catalogue=CATALOGUE)


def codes(report: Report) -> list[tuple[str, str]]:
    return [(finding.severity, finding.code) for finding in report.findings]


def test_a_plain_document_has_nothing_wrong_with_it() -> None:
    assert check(statement()).findings == ()


@pytest.mark.parametrize(
    ("elements", "severity", "code", "says"),
    [
        ({"Action": "lambda:GetFunctions"}, "error", "unknown-action", "the nearest is lambda:GetFunction"),
        ({"Action": "lambda:Invoke"}, "error", "unknown-action", "the nearest is lambda:InvokeFunction"),
        ({"Action": "iam:Destroy*"}, "error", "unknown-action", "no action of the service matches it"),
        ({"Action": "lambdas:GetFunction"}, "error", "unknown-service", "is called lambdas; the nearest is lambda"),
        ({"Action": "quantum:Ask"}, "warning", "unknown-service", "knows no service quantum; it is newer"),
        ({"Action": "iam:GetRole"}, "error", "resource-never-matches", "it matches nothing"),
        ({"Resource": "arn:aws:lambda:us-west-2:123456789012:layer:x"}, "error", "resource-never-matches", "layer:x"),
        (
            {"Action": ["lambda:GetFunction", "lambda:ListFunctions"]},
            "warning",
            "action-without-resource",
            'lambda:ListFunctions: takes Resource "*" only',
        ),
        ({"Action": "*", "Resource": "*"}, "warning", "everything", "may do everything"),
        ({"Action": "lambda:*", "Resource": "*"}, "warning", "whole-service", "lambda:* on every resource"),
        ({"Action": "iam:PassRole", "Resource": "*"}, "warning", "pass-any-role", "iam:PassedToService"),
        ({"Action": "iam:P*Role*", "Resource": "*"}, "warning", "self-promotion", "give themselves any permission"),
        ({"Action": "sts:AssumeRole", "Resource": "*"}, "warning", "assume-any-role", "become every role"),
        ({"Action": None, "NotAction": "iam:GetRole"}, "warning", "allow-not-action", "every other action"),
        ({"Resource": None, "NotResource": ME}, "warning", "allow-not-resource", "every other resource"),
        (
            {"Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}},
            "warning",
            "key-never-present",
            "aws:SourceVpc is a key of AWS's that no request here has; StringEquals on it never holds, so statement 1",
        ),
        (
            {"Condition": {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}}},
            "warning",
            "key-never-present",
            "always holds, so it restricts nothing",
        ),
        (
            {"Condition": {"StringEquals": {"aws:PrincipalAccout": "1"}}},
            "warning",
            "key-never-present",
            "there is no condition key aws:PrincipalAccout (the nearest is aws:principalaccount)",
        ),
        (
            {"Condition": {"StringEquals": {"s3:prefix": "a"}}},
            "warning",
            "key-never-present",
            "s3:prefix is of a service that is not here",
        ),
        (
            {"Condition": {"StringEquals": {"lambda:Layer": "a"}}},
            "warning",
            "key-never-present",
            "cannot be told here; not knowing never helps",
        ),
        (
            {"Condition": {"StringEquals": {"aws:username": "${aws:PrincipalOrgID}"}}},
            "warning",
            "key-never-present",
            "in a value of StringEquals: aws:principalorgid",
        ),
        (
            {"Condition": {"StringEquals": {"aws:UserAgent": "curl/*"}}},
            "warning",
            "literal-wildcard",
            "StringEquals takes the * of curl/* literally; StringLike takes it as a wildcard",
        ),
        (
            {"Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}},
            "warning",
            "for-all-of-nothing",
            'add "Null": {"aws:TagKeys": "false"}',
        ),
        (
            {"Effect": "Deny", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": False}}},
            "warning",
            "absent-for-keys",
            "BoolIfExists",
        ),
        ({"Effect": "Permit"}, "error", "malformed", "Effect is neither Allow nor Deny"),
        ({"Action": "GetFunction"}, "error", "malformed", "Actions/Conditions must be prefaced by a vendor"),
        ({"Resource": "mine"}, "error", "malformed", 'Resource mine must be in ARN format or "*".'),
        ({"Condition": {"StringIs": {"aws:username": "a"}}}, "error", "malformed", "StringIs is not a condition"),
    ],
)  # fmt: skip
def test_one_thing_wrong_is_one_finding(elements: dict[str, Any], severity: str, code: str, says: str) -> None:
    report = check(statement(**elements))

    assert (severity, code) in codes(report)
    assert [found for found in codes(report) if found[0] == "error"] in ([], [(severity, code)])
    assert says in " ".join(finding.message for finding in report.findings)


@pytest.mark.parametrize(
    "elements",
    [
        {"Action": ["lambda:Get*", "LAMBDA:invokefunction"]},
        {"Action": "s3:GetAnything", "Resource": "arn:aws:s3:::bucket/*"},
        {"Action": "iam:Newest", "Resource": "arn:aws:iam::123456789012:anything/x"},
        {"Action": "lambda:InvokeFunction", "Resource": "arn:aws:lambda:*:*:function:${aws:username}"},
        {"Action": "iam:GetUser", "Resource": "arn:aws:iam::123456789012:user/${aws:username}"},
        {"Action": "lambda:ListFunctions", "Resource": "*"},
        {"Effect": "Deny", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": None, "NotAction": "iam:GetRole", "Resource": "*"},
        {
            "Action": "iam:PassRole",
            "Resource": "*",
            "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
        },
        {"Condition": {"StringEquals": {"aws:PrincipalTag/team": "a", "accounts.google.com:sub": "1"}}},
        {"Condition": {"StringEquals": {"aws:username": "${*}"}}},
        {"Condition": {"StringEquals": {"kms:EncryptionContext:aws:s3:arn": "a"}}},
        {
            "Action": "s3:ListBucket",
            "Resource": "arn:aws:s3:::bucket",
            "Condition": {"StringLike": {"s3:prefix": "a*"}},
        },
        {
            "Condition": {
                "ForAllValues:StringEquals": {"aws:TagKeys": ["a"]},
                "Null": {"aws:TagKeys": "false"},
            }
        },
        {"Effect": "Deny", "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": False}}},
    ],
)
def test_what_is_right_is_left_alone(elements: dict[str, Any]) -> None:
    assert check(statement(**elements)).findings == ()


def test_a_finding_stands_where_the_value_stands() -> None:
    text = """{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": "lambda:GetFunction", "Resource": "*"},
    {
      "Sid": "Second",
      "Effect": "Allow",
      "Action": [
        "lambda:GetFunction",
        "lambda:GetFunctio"
      ],
      "Resource": "*",
      "Condition": {"Bool": {"aws:SecureTransport": "perhaps"}}
    }
  ]
}"""

    report = check_document(text, kind="identity", catalogue=CATALOGUE)
    understood = check_document(text.replace("perhaps", "true"), kind="identity", catalogue=CATALOGUE)

    assert [(f.position, f.code) for f in report.findings] == [(Position(13, 53), "malformed")]
    assert "statement 2" in report.findings[0].message or "perhaps" in report.findings[0].message
    assert [(f.position, f.code) for f in understood.findings] == [(Position(10, 9), "unknown-action")]
    assert [explanation.position.line for explanation in understood.explanations] == [4, 5]


def test_what_is_no_json_is_told_where_it_stops_being_it() -> None:
    report = check_document('{\n "Version": "2012-10-17"\n "Statement": []\n}', kind="identity", catalogue=CATALOGUE)

    assert [(f.position.line, f.code) for f in report.findings] == [(3, "malformed")]


@pytest.mark.parametrize("text", ["[]", "1", '""', "{}", '{"Statement": []}', '{"Statement": 1}', '{"Id": {"a": [1]}}'])
def test_what_is_no_policy_is_refused_and_nothing_else(text: str) -> None:
    report = check_document(text, kind="identity", catalogue=CATALOGUE)

    assert codes(report) == [("error", "malformed")]


def test_a_member_given_twice_and_a_sid_used_twice_are_told() -> None:
    twice = check_document('{"Statement": [], "Statement": []}', kind="identity", catalogue=CATALOGUE)
    assert "Statement is given twice" in twice.findings[0].message

    same = check(statement(Sid="a"), statement("Deny", Sid="a"))
    assert ("error", "malformed") in codes(same)
    assert "must be unique" in same.findings[0].message


def test_variables_without_the_version_that_has_them_are_literal_text() -> None:
    mine = statement(Action="iam:GetUser", Resource="arn:aws:iam::123456789012:user/${aws:username}")

    assert codes(check(mine, version=None)) == [("error", "literal-variable")]
    assert codes(check(mine, version="2008-10-17")) == [("error", "literal-variable")]
    assert codes(check(statement(), version=None)) == [("warning", "old-version")]
    assert codes(check(mine)) == []


@pytest.mark.parametrize(
    ("deny", "is_covered"),
    [
        ({"Action": "*", "Resource": "*"}, True),
        ({"Action": "lambda:*", "Resource": "arn:aws:lambda:*:*:function:*"}, True),
        ({"Action": None, "NotAction": "iam:*", "Resource": "*"}, True),
        ({"Action": "*", "Resource": None, "NotResource": "arn:aws:lambda:*:*:layer:*"}, True),
        ({"Action": "lambda:Get*", "Resource": "*"}, False),
        ({"Action": "*", "Resource": ME}, False),
        ({"Action": None, "NotAction": "lambda:Invoke*", "Resource": "*"}, False),
        ({"Action": "*", "Resource": None, "NotResource": ME}, False),
        ({"Action": "*", "Resource": "arn:aws:lambda:*:*:function:${aws:username}*"}, False),
        ({"Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}, False),
    ],
)
def test_an_allow_that_a_deny_covers_never_decides(deny: dict[str, Any], is_covered: bool) -> None:
    wide = statement(
        Action=["lambda:GetFunction", "lambda:InvokeFunction"], Resource="arn:aws:lambda:us-west-2:*:function:m*"
    )

    report = check(wide, statement("Deny", **deny))

    assert (("error", "unreachable") in codes(report)) is is_covered


def test_a_limit_that_limits_nothing_is_told_and_a_wide_one_is_not_a_grant() -> None:
    for kind in ("boundary", "session"):
        report = check(statement(Action="*", Resource="*"), kind="boundary" if kind == "boundary" else "session")
        assert codes(report) == [("warning", "limits-nothing")]
        assert check(statement(Action="iam:*", Resource="*"), kind="boundary").findings == ()


def test_a_trust_policy_names_the_pool_and_tells_guests_from_users() -> None:
    def trusting(condition: object) -> dict[str, object]:
        return statement(
            Action="sts:AssumeRoleWithWebIdentity",
            Resource=None,
            Principal={"Federated": "cognito-identity.amazonaws.com"},
            Condition=condition,
        )

    def unknown_action_aside(report: Report) -> list[tuple[str, str]]:
        return [found for found in codes(report) if found[1] != "unknown-action"]

    aud = {"StringEquals": {"cognito-identity.amazonaws.com:aud": "us-west-2:1"}}
    amr = {"ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "authenticated"}}
    assert unknown_action_aside(check(trusting(amr), kind="trust")) == [("error", "any-identity-pool")]
    assert unknown_action_aside(check(trusting(aud), kind="trust")) == [("warning", "guests-and-users")]
    assert unknown_action_aside(check(trusting({**aud, **amr}), kind="trust")) == []


def test_a_resource_policy_for_anybody_is_told_and_api_gateway_s_abbreviation_is_read() -> None:
    def open_to(condition: object) -> Report:
        return check(
            statement(Action="execute-api:Invoke", Resource="execute-api:/*/GET/a", Principal="*", Condition=condition),
            kind="resource",
        )

    assert codes(open_to(None)) == [("warning", "anybody")]
    assert codes(open_to({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}})) == []


def test_services_that_are_not_known_are_said_to_be_so() -> None:
    report = check(statement(Action=["s3:GetObject", "lambda:GetFunction"], Resource="*"))

    assert report.unchecked_services == ("s3",)


def test_a_statement_is_told_in_plain_words() -> None:
    full = statement(
        "Deny",
        Sid="Late",
        Action=None,
        NotAction=["lambda:GetFunction", "iam:GetRole"],
        Resource="*",
        Condition={
            "ForAnyValue:StringLike": {"aws:TagKeys": ["a*", "b"]},
            "DateGreaterThanIfExists": {"aws:TokenIssueTime": "2026-01-01"},
            "Null": {"aws:username": "true"},
        },
    )
    trusting = statement(Action="sts:AssumeRole", Resource=None, Principal={"AWS": "123456789012"})

    assert [explanation.sentence for explanation in check(statement(), full).explanations] == [
        f"statement 1 allows lambda:GetFunction on {ME}",
        (
            "statement 2 (Late) denies everything but lambda:GetFunction and iam:GetRole on every resource, if some "
            "value of aws:TagKeys is like a* or b and aws:TokenIssueTime is after 2026-01-01 or absent and "
            "aws:username is absent"
        ),
    ]
    assert [explanation.sentence for explanation in check(trusting, kind="trust").explanations] == [
        "statement 1 allows the account 123456789012 to do sts:AssumeRole"
    ]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["*", "Allow", "lambda:*", ME]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Version", "Statement", "Effect", "Action", "Resource", "Condition", "Sid", "x"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@given(_JSON, st.sampled_from(["identity", "resource", "trust", "boundary", "session"]))
def test_a_check_never_raises_whatever_the_document(document: object, kind: PolicyKind) -> None:
    text = json.dumps(document, indent=2)

    report = check_document(text, kind=kind, catalogue=CATALOGUE)

    assert all(1 <= finding.position.line <= text.count("\n") + 1 for finding in report.findings)


@given(_JSON)
def test_every_value_has_its_place(document: object) -> None:
    text = json.dumps(document, indent=2)
    lines = text.split("\n")

    for path, place in value_positions(text).items():
        value: Any = document
        for step in path:
            value = value[step]
        rendered = json.dumps(value, indent=2)
        assert lines[place.line - 1][place.column - 1 :].startswith(rendered[0])

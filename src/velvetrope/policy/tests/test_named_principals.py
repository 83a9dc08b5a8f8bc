"""Whom a document names, and the same document with others in their place."""

import json

import pytest

from velvetrope.policy import named_principals, with_principals

ROLE, USER = "arn:aws:iam::123456789012:role/r", "arn:aws:iam::123456789012:user/u"
IDS = {ROLE: "AROAEXAMPLE", USER: "AIDAEXAMPLE"}


def test_principals_are_found_wherever_a_statement_names_them() -> None:
    document = json.dumps(
        {
            "Statement": [
                {"Principal": {"AWS": ROLE, "Service": "sqs.amazonaws.com"}},
                {"NotPrincipal": {"AWS": [USER, ROLE, "123456789012"]}},
                {"Principal": "*"},
                {"Action": "sqs:SendMessage"},
            ]
        }
    )

    assert named_principals(document) == ("123456789012", ROLE, USER)
    changed = json.loads(with_principals(document, IDS))["Statement"]
    assert changed[0]["Principal"] == {"AWS": "AROAEXAMPLE", "Service": "sqs.amazonaws.com"}
    assert changed[1]["NotPrincipal"] == {"AWS": ["AIDAEXAMPLE", "AROAEXAMPLE", "123456789012"]}
    assert changed[2:] == [{"Principal": "*"}, {"Action": "sqs:SendMessage"}]


def test_a_document_stays_as_its_author_wrote_it() -> None:
    document = '{ "Statement" :\n  { "Principal": { "AWS": "' + ROLE + '" } } }'

    assert with_principals(document, IDS) == document.replace(ROLE, "AROAEXAMPLE")
    assert with_principals(document, {}) == document


def test_an_arn_in_a_condition_is_no_principal() -> None:
    statement = {"Principal": {"AWS": ROLE}, "Condition": {"ArnEquals": {"aws:PrincipalArn": ROLE}}}

    changed = json.loads(with_principals(json.dumps({"Statement": statement}), IDS))["Statement"]

    assert changed == {"Principal": {"AWS": "AROAEXAMPLE"}, "Condition": {"ArnEquals": {"aws:PrincipalArn": ROLE}}}


def test_a_name_that_is_spelled_with_escapes_is_replaced_too() -> None:
    document = '{"Statement": {"Principal": {"AWS": "arn:aws:iam::123456789012:role\\/r"}}}'

    assert named_principals(document) == (ROLE,)
    assert json.loads(with_principals(document, IDS))["Statement"]["Principal"] == {"AWS": "AROAEXAMPLE"}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"Statement": 1}', '{"Statement": [{"Principal": {"AWS": 7}}]}']
)
def test_what_is_no_document_names_nobody_and_is_left_to_the_parser(text: str) -> None:
    assert named_principals(text) == ()
    assert text in {"", "{", with_principals(text, IDS)}

"""What a decision tells the person who has to find out why; and what not knowing does."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from velvetrope.policy import (
    AuthorizationRequest,
    Decision,
    PolicyKind,
    PrincipalPolicies,
    evaluate,
    parse_policy,
    read_policy,
    request_context,
    statement_spans,
)
from velvetrope.policy.context import ABSENT_KEYS, CALLER_KEYS
from velvetrope.principals import ANONYMOUS, Principal, Session, service_principal

ACCOUNT = "123456789012"
KINDS: tuple[PolicyKind, ...] = get_args(PolicyKind)
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ROLE = Principal(
    kind="AssumedRole",
    account_id=ACCOUNT,
    arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/Reader/s1",
    policy_arn=f"arn:aws:iam::{ACCOUNT}:role/app/Reader",
    unique_id="AROAREADERREADERREAD:s1",
    name="Reader",
    tags={"Team": "blue", "Stage": "test"},
    session=Session(
        issued_at=NOW - timedelta(minutes=5),
        expires_at=NOW + timedelta(hours=1),
        tags={"team": "red"},
        federated_provider="cognito-identity.amazonaws.com",
        claims={"cognito-identity.amazonaws.com:sub": ("us-west-2:1",), "aws:userid": ("forged",)},
        multi_factor_at=NOW - timedelta(seconds=30),
    ),
)


def decide(
    *statements: dict[str, object],
    action: str = "test:Do",
    resource: str = "arn:aws:test:::thing",
    partial: bool = False,
    unknown: tuple[str, ...] = (),
    context: Mapping[str, tuple[str, ...]] | None = None,
) -> Decision:
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    policy = parse_policy(text, kind="identity", source="inline:demo")
    request = AuthorizationRequest(
        ROLE,
        action,
        resource,
        ACCOUNT,
        context or {},
        PrincipalPolicies(identity=(policy,)),
        resource_is_partial=partial,
        unknown_keys=unknown,
    )
    return evaluate(request)


ALLOW: dict[str, object] = {"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}


def test_a_permission_is_told_by_the_step_and_the_statement_that_gave_it() -> None:
    decision = decide({"Sid": "Fine", "Effect": "Allow", "Action": "test:*", "Resource": "*"})

    assert decision.permission.startswith(f"{decision.step}: ")
    assert "inline:demo" in decision.permission
    assert "Fine" in decision.permission


def test_an_allow_names_the_statement_that_decided() -> None:
    decision = decide(ALLOW)

    assert decision.decided_by is not None
    assert (decision.decided_by.source, decision.decided_by.sid, decision.decided_by.index) == ("inline:demo", "All", 1)
    assert decision.reasons[1] == "identity policy inline:demo: statement 1 (All) allows"


def test_an_implicit_deny_says_for_each_statement_what_did_not_match() -> None:
    decision = decide(
        {"Effect": "Allow", "Action": "other:*", "Resource": "*"},
        {"Sid": "Mine", "Effect": "Allow", "Action": "*", "Resource": "arn:aws:test:::other"},
        {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"aws:username": "alice"}}},
    )

    assert decision.because == "because no identity-based policy allows the test:Do action"
    assert decision.reasons[1] == (
        "identity policy inline:demo: nothing matches (statement 2 (Mine): its Resource is arn:aws:test:::other; "
        "statement 3: its condition StringEquals aws:username asks for alice, and it is absent from the request)"
    )


def test_an_implicit_deny_says_what_has_to_allow() -> None:
    decision = decide({"Effect": "Allow", "Action": "other:*", "Resource": "*"}, {**ALLOW, "Action": "third:*"})

    assert decision.reasons == (
        "nothing allows it: a policy of the caller's user, group or role has to",
        "identity policy inline:demo: no statement allows test:Do on anything",
    )


@pytest.mark.parametrize(
    ("condition", "given", "says"),
    [
        (
            {"StringLike": {"Test:Key": list("abcde")}},
            ("x",),
            "StringLike test:key asks for a, b, c or 2 more, and it is x",
        ),
        ({"StringEquals": {"test:key": ""}}, ("x", "y"), 'asks for "", and it is x or y'),
        ({"StringEquals": {"test:key": "a" * 200}}, (), f"asks for {'a' * 120}…, and it is absent from the request"),
        ({"StringEquals": {"aws:Referer": "our-secret"}}, ("guess",), "StringEquals aws:referer does not hold"),
    ],
)
def test_a_condition_that_does_not_hold_says_what_it_asks_for_and_what_is_there(
    condition: dict[str, dict[str, object]], given: tuple[str, ...], says: str
) -> None:
    key = next(iter(next(iter(condition.values())))).lower()

    decision = decide({**ALLOW, "Condition": condition}, context={key: given})

    assert says in decision.reasons[1]
    assert "guess" not in decision.reasons[1]
    assert "secret" not in decision.reasons[1]


def test_a_key_whose_value_is_unknown_is_said_to_be() -> None:
    decision = decide({**ALLOW, "Condition": {"Bool": {"test:key": "true"}}}, unknown=("test:key",))

    assert "test:key asks for true, and it is not told here" in decision.reasons[1]


def test_every_matching_statement_can_be_asked_for() -> None:
    decision = decide(ALLOW, {"Sid": "No", "Effect": "Deny", "Action": "test:*", "Resource": "*"})

    assert decision.outcome == "explicitDeny"
    assert sorted(s.sid or "" for s in decision.matched_statements) == ["All", "No"]


def test_a_partly_known_resource_is_allowed_only_if_all_it_could_be_is() -> None:
    stack = "arn:aws:cloudformation:us-west-2:123456789012:stack/prod/*"
    named: dict[str, object] = {"Effect": "Allow", "Action": "*", "Resource": stack}
    one: dict[str, object] = {"Effect": "Allow", "Action": "*", "Resource": stack.replace("*", "1234")}
    guessed: dict[str, object] = {"Effect": "Allow", "Action": "*", "Resource": stack.replace("*", "?")}

    assert decide(ALLOW, resource=stack, partial=True).allowed
    assert decide(named, resource=stack, partial=True).allowed
    assert not decide(one, resource=stack, partial=True).allowed
    assert not decide(guessed, resource=stack, partial=True).allowed
    assert not decide(named, resource="*", partial=True).allowed


def test_a_partly_known_resource_is_denied_as_soon_as_a_deny_touches_it() -> None:
    stack = "arn:aws:cloudformation:us-west-2:123456789012:stack/prod/*"
    one: dict[str, object] = {"Effect": "Deny", "Action": "*", "Resource": stack.replace("*", "1234")}
    other: dict[str, object] = {"Effect": "Deny", "Action": "*", "Resource": stack.replace("prod", "test")}

    assert decide(ALLOW, one, resource=stack, partial=True).outcome == "explicitDeny"
    assert decide(ALLOW, other, resource=stack, partial=True).allowed
    assert decide(ALLOW, other, resource="*", partial=True).outcome == "explicitDeny"


def test_not_resource_with_a_partly_known_resource() -> None:
    stack = "arn:aws:cloudformation:us-west-2:123456789012:stack/prod/*"
    but_one: dict[str, object] = {"Effect": "Allow", "Action": "*", "NotResource": stack.replace("*", "1234")}
    but_all: dict[str, object] = {"Effect": "Deny", "Action": "*", "NotResource": stack}

    assert not decide(but_one, resource=stack, partial=True).allowed
    assert decide(ALLOW, but_all, resource=stack, partial=True).allowed
    assert decide(ALLOW, {**but_all, "NotResource": stack.replace("*", "1")}, resource=stack, partial=True).outcome == (
        "explicitDeny"
    )


def test_a_condition_on_a_key_that_is_not_known_denies_and_does_not_allow() -> None:
    condition = {"StringEquals": {"aws:ResourceTag/stage": "test"}}
    absent = {"Null": {"aws:ResourceTag/stage": "true"}}

    for tagged in (condition, absent):
        assert not decide({**ALLOW, "Condition": tagged}, unknown=("aws:resourcetag/",)).allowed
        denying: dict[str, object] = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": tagged}
        assert decide(ALLOW, denying, unknown=("aws:resourcetag/",)).outcome == "explicitDeny"
    assert decide({**ALLOW, "Condition": absent}, unknown=("aws:resourcetags",)).allowed


def test_a_stored_operator_that_is_not_understood_denies_and_does_not_allow() -> None:
    unknown = {"StringSoundsLike": {"aws:username": "alice"}}
    allow = json.dumps({"Version": "2012-10-17", "Statement": {**ALLOW, "Condition": unknown}})
    deny = json.dumps(
        {"Version": "2012-10-17", "Statement": [ALLOW, {**ALLOW, "Sid": "D", "Effect": "Deny", "Condition": unknown}]}
    )

    for text, outcome in ((allow, "implicitDeny"), (deny, "explicitDeny")):
        policy = read_policy(text, kind="identity")
        request = AuthorizationRequest(ROLE, "a:B", "*", ACCOUNT, {}, PrincipalPolicies(identity=(policy,)))
        assert evaluate(request).outcome == outcome


def test_a_stored_document_that_cannot_be_read_denies_everything() -> None:
    for kind in KINDS:
        policy = read_policy("{", kind=kind)

        assert [statement.effect for statement in policy.statements] == ["Deny"]
        resource_policy = policy if kind in {"resource", "trust"} else None
        identity = () if resource_policy else (policy,)
        for caller in (ROLE, ANONYMOUS, service_principal("lambda.amazonaws.com")):
            request = AuthorizationRequest(
                caller, "sts:AssumeRole", "*", ACCOUNT, {}, PrincipalPolicies(identity), resource_policy
            )
            assert evaluate(request).outcome == "explicitDeny"


def test_the_context_has_every_global_key_of_a_role_session() -> None:
    context = request_context(
        ROLE,
        now=NOW,
        source_ip="203.0.113.7",
        user_agent="curl/8",
        secure_transport=True,
        region="us-west-2",
        referer="https://example.com",
        extra={"iam:passedtoservice": ("lambda.amazonaws.com",)},
    )

    assert context == {
        "aws:currenttime": ("2026-01-01T12:00:00Z",),
        "aws:epochtime": ("1767268800",),
        "aws:securetransport": ("true",),
        "aws:viaawsservice": ("false",),
        "aws:principalisawsservice": ("false",),
        "aws:sourceip": ("203.0.113.7",),
        "aws:useragent": ("curl/8",),
        "aws:referer": ("https://example.com",),
        "aws:requestedregion": ("us-west-2",),
        "aws:principaltype": ("AssumedRole",),
        "aws:principalaccount": (ACCOUNT,),
        "aws:principalarn": (f"arn:aws:iam::{ACCOUNT}:role/app/Reader",),
        "aws:userid": ("AROAREADERREADERREAD:s1",),
        "aws:principaltag/team": ("red",),
        "aws:principaltag/stage": ("test",),
        "aws:tokenissuetime": ("2026-01-01T11:55:00Z",),
        "aws:multifactorauthpresent": ("true",),
        "aws:multifactorauthage": ("30",),
        "aws:federatedprovider": ("cognito-identity.amazonaws.com",),
        "cognito-identity.amazonaws.com:sub": ("us-west-2:1",),
        "iam:passedtoservice": ("lambda.amazonaws.com",),
    }


def test_services_that_call_in_the_principals_name_are_told_in_their_order() -> None:
    through = ("cloudformation.amazonaws.com", "lambda.amazonaws.com")
    context = request_context(ROLE, now=NOW, source_ip="", called_via=through)

    assert context["aws:calledvia"] == through
    assert (context["aws:calledviafirst"], context["aws:calledvialast"]) == (through[:1], through[1:])
    assert context["aws:viaawsservice"] == ("true",)
    direct = request_context(ROLE, now=NOW, source_ip="")
    assert not {"aws:calledvia", "aws:calledviafirst", "aws:calledvialast"} & direct.keys()
    assert direct["aws:viaawsservice"] == ("false",)


def test_the_anonymous_have_no_principal_keys() -> None:
    """IAM User Guide, principal table: of an anonymous caller only the type and the userid `anonymous` are there."""
    context = request_context(ANONYMOUS, now=NOW, source_ip="203.0.113.7")

    assert context["aws:principaltype"] == ("Anonymous",)
    assert context["aws:userid"] == ("anonymous",)
    assert not {"aws:principalarn", "aws:principalaccount", "aws:username", "aws:tokenissuetime", "aws:referer"} & set(
        context
    )


def test_every_key_of_a_context_is_one_that_is_listed() -> None:
    for principal in (ROLE, ANONYMOUS, service_principal("lambda.amazonaws.com")):
        context = request_context(
            principal, now=NOW, source_ip="203.0.113.7", user_agent="curl/8", region="us-west-2", referer="r"
        )
        unlisted = {key for key in context if key not in CALLER_KEYS}
        assert all(key.startswith(("aws:principaltag/", "cognito-identity.amazonaws.com:")) for key in unlisted)
    assert not CALLER_KEYS & ABSENT_KEYS


def test_what_is_remembered_of_a_principal_is_never_another_s_nor_of_another_moment() -> None:
    for number in range(5000):
        name = f"user{number}"
        arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
        caller = Principal("User", ACCOUNT, arn, arn, f"AIDA{number}", name)
        now = NOW + timedelta(seconds=number % 3)
        context = request_context(caller, now=now, source_ip="203.0.113.7")
        assert context["aws:username"] == (name,)
        assert context["aws:epochtime"] == (str(1767268800 + number % 3),)
        context["aws:username"] = ("forged",)
        assert request_context(caller, now=now, source_ip="")["aws:username"] == (name,)


def test_a_policy_forgets_actions_before_they_fill_the_memory() -> None:
    policy = parse_policy(
        '{"Statement":[{"Effect":"Allow","Action":"a:*","Resource":"*"},{"Effect":"Deny","Action":"a:1*","Resource":"*"}]}',
        kind="identity",
    )

    outcomes = [
        evaluate(AuthorizationRequest(ROLE, f"a:{n}", "*", ACCOUNT, {}, PrincipalPolicies((policy,)))).outcome
        for n in range(1000)
    ]

    assert outcomes == ["explicitDeny" if str(n).startswith("1") else "allowed" for n in range(1000)]
    assert len(policy._about) <= 256


def test_a_user_has_a_name_and_no_session_keys() -> None:
    alice = Principal(
        "User", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/alice", f"arn:aws:iam::{ACCOUNT}:user/alice", "AIDA1", "alice"
    )

    context = request_context(alice, now=NOW, source_ip="203.0.113.7")

    assert context["aws:username"] == ("alice",)
    assert "aws:multifactorauthpresent" not in context


def test_statements_are_found_by_line_and_column() -> None:
    text = '{\n "Id": "x",\n "Statement": [\n  {"Effect": "Allow"},\n  {"Effect":\n   "Deny"}\n ]\n}'

    spans = statement_spans(text)

    assert [(s.start.line, s.start.column, s.end.line, s.end.column) for s in spans] == [(4, 3, 4, 22), (5, 3, 6, 11)]
    assert len(statement_spans('{"Version": "2012-10-17", "Statement": {"Effect": "Allow"}}')) == 1


def test_a_policy_knows_which_context_keys_it_reads() -> None:
    text = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow",
                "Action": "*",
                "Resource": "arn:aws:s3:::${aws:username}",
                "Condition": {"StringEquals": {"aws:PrincipalTag/a": "${aws:PrincipalTag/b}"}},
            },
        }
    )

    keys = parse_policy(text, kind="identity").context_keys

    assert keys == {"aws:username", "aws:principaltag/a", "aws:principaltag/b"}

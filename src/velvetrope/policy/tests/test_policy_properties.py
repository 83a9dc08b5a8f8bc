"""Laws that hold for every policy: a Deny never allows more, an Allow taken away never does, a session never widens."""

import json
from contextlib import suppress
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st

from velvetrope.policy import (
    AuthorizationRequest,
    MalformedPolicy,
    Policy,
    PolicyKind,
    PrincipalPolicies,
    evaluate,
    parse_policy,
    read_policy,
    statement_spans,
)
from velvetrope.policy.globs import compile_glob
from velvetrope.policy.operators import OPERATORS
from velvetrope.principals import ANONYMOUS, Principal, service_principal

ACCOUNT = "123456789012"
KINDS: tuple[PolicyKind, ...] = get_args(PolicyKind)
ROLE = Principal(
    kind="AssumedRole",
    account_id=ACCOUNT,
    arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/R/s",
    policy_arn=f"arn:aws:iam::{ACCOUNT}:role/R",
    unique_id="AROAROLEROLEROLEROLE:s",
    name="R",
)
ACTIONS = ("s3:Get", "s3:Put", "sns:Publish")
RESOURCES = ("arn:aws:s3:::a", "arn:aws:s3:::a/b", "arn:aws:sns:r:123456789012:t", "*")
KEYS = ("aws:username", "aws:SourceIp", "aws:EpochTime", "aws:PrincipalTag/t", "test:many")
VALUES = {
    "String": ("a", "a*", "${aws:username}", "${aws:PrincipalTag/t, 'x'}", ""),
    "Numeric": ("1", "1.5", "-3"),
    "Date": ("2026-01-01", "1767225600"),
    "Bool": ("true", "false"),
    "Binary": ("QQ==",),
    "IpAddress": ("10.0.0.0/8", "::/0"),
    "NotIpAddress": ("10.0.0.0/8", "1.2.3.4"),
    "Arn": ("arn:aws:s3:::*", "${test:arn}"),
    "Null": ("true", "false"),
}


def _values_of(name: str) -> tuple[str, ...]:
    return next(values for family, values in VALUES.items() if name.startswith(family))


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, object]:
    name = draw(st.sampled_from(sorted(OPERATORS)))
    prefix = draw(st.sampled_from(["", "ForAllValues:", "ForAnyValue:"])) if name != "Null" else ""
    suffix = draw(st.sampled_from(["", "IfExists"])) if name != "Null" else ""
    values = draw(st.lists(st.sampled_from(_values_of(name)), min_size=1, max_size=2))
    return {prefix + name + suffix: {draw(st.sampled_from(KEYS)): values}}


@st.composite
def statements(draw: st.DrawFn, effect: str | None = None) -> dict[str, object]:
    out: dict[str, object] = {"Effect": effect or draw(st.sampled_from(["Allow", "Deny"]))}
    out[draw(st.sampled_from(["Action", "NotAction"]))] = draw(
        st.lists(st.sampled_from([*ACTIONS, "*", "s3:*", "s3:?et"]), min_size=1, max_size=2)
    )
    out[draw(st.sampled_from(["Resource", "NotResource"]))] = draw(
        st.lists(
            st.sampled_from([*RESOURCES, "arn:aws:s3:::a*", "arn:aws:s3:::${aws:username}", "arn:aws:sns:*:*:?"]),
            min_size=1,
            max_size=2,
        )
    )
    if draw(st.booleans()):
        out["Condition"] = draw(conditions())
    return out


contexts = st.fixed_dictionaries(
    {},
    optional={
        "aws:username": st.sampled_from([("a",), ("b",), ("*",)]),
        "aws:sourceip": st.sampled_from([("10.1.1.1",), ("1.2.3.4",), ("nowhere",)]),
        "aws:epochtime": st.sampled_from([("1",), ("1767225600",), ("x",)]),
        "aws:principaltag/t": st.sampled_from([("a",), ("x",)]),
        "test:many": st.sampled_from([(), ("a",), ("a", "b"), ("arn:aws:s3:::x",)]),
    },
)


def policy(listed: list[dict[str, object]], kind: PolicyKind = "identity") -> Policy:
    return parse_policy(json.dumps({"Version": "2012-10-17", "Statement": listed}), kind=kind)


def allowed(
    listed: list[dict[str, object]],
    action: str,
    resource: str,
    context: dict[str, tuple[str, ...]],
    **more: Any,
) -> bool:
    session = more.pop("session", None)
    policies = PrincipalPolicies(identity=(policy(listed),) if listed else (), session=session)
    return evaluate(AuthorizationRequest(ROLE, action, resource, ACCOUNT, context, policies, **more)).allowed


questions = (st.sampled_from(ACTIONS), st.sampled_from(RESOURCES), contexts)


@given(st.lists(statements(), max_size=4), statements(effect="Deny"), *questions)
def test_adding_a_deny_never_allows_more(
    listed: list[dict[str, object]], deny: dict[str, object], action: str, resource: str, context: dict[str, Any]
) -> None:
    if allowed([*listed, deny], action, resource, context):
        assert allowed(listed, action, resource, context)


@given(st.lists(statements(), min_size=1, max_size=4), st.data(), *questions)
def test_removing_an_allow_never_allows_more(
    listed: list[dict[str, object]], data: st.DataObject, action: str, resource: str, context: dict[str, Any]
) -> None:
    gone = data.draw(st.integers(0, len(listed) - 1))
    fewer = [s for i, s in enumerate(listed) if i != gone or s["Effect"] == "Deny"]

    if allowed(fewer, action, resource, context):
        assert allowed(listed, action, resource, context)


@given(st.lists(statements(), max_size=3), st.lists(statements(), min_size=1, max_size=3), *questions)
def test_a_session_policy_never_widens(
    listed: list[dict[str, object]],
    limits: list[dict[str, object]],
    action: str,
    resource: str,
    context: dict[str, Any],
) -> None:
    if allowed(listed, action, resource, context, session=(policy(limits, "session"),)):
        assert allowed(listed, action, resource, context)
        assert allowed(limits, action, resource, context)


@given(st.lists(statements(), max_size=4), *questions)
def test_knowing_less_never_allows_more(
    listed: list[dict[str, object]], action: str, resource: str, context: dict[str, Any]
) -> None:
    known = {key: values for key, values in context.items() if key != "aws:username"}

    if allowed(listed, action, resource, known, unknown_keys=("aws:username",)):
        bare = [s for s in listed if "${aws:username}" not in json.dumps(s)]
        if bare == listed:
            assert allowed(listed, action, resource, context)


@given(st.lists(statements(), max_size=4), st.sampled_from(ACTIONS), contexts)
def test_a_partial_resource_is_allowed_only_if_each_thing_it_could_be_is(
    listed: list[dict[str, object]], action: str, context: dict[str, Any]
) -> None:
    if allowed(listed, action, "arn:aws:s3:::a*", context, resource_is_partial=True):
        for resource in ("arn:aws:s3:::a", "arn:aws:s3:::a/b", "arn:aws:s3:::ab", "arn:aws:s3:::a*"):
            assert allowed(listed, action, resource, context)


@given(
    st.lists(statements(), min_size=1, max_size=3),
    st.sampled_from([ROLE, ANONYMOUS, service_principal("lambda.amazonaws.com")]),
    st.text(max_size=20),
    st.text(max_size=40),
    st.dictionaries(
        st.sampled_from([key.lower() for key in KEYS]), st.lists(st.text(max_size=9), max_size=2).map(tuple)
    ),
    st.booleans(),
)
def test_evaluation_never_raises_on_a_document_that_was_accepted(
    listed: list[dict[str, object]],
    caller: Principal,
    action: str,
    resource: str,
    context: dict[str, tuple[str, ...]],
    partial: bool,
) -> None:
    request = AuthorizationRequest(
        caller,
        action,
        resource,
        ACCOUNT,
        context,
        PrincipalPolicies(identity=(policy(listed),)),
        resource_is_partial=partial,
    )

    decision = evaluate(request)

    assert decision.reasons


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    *("Version", "Id", "Statement", "Sid", "Effect", "Action", "NotAction", "Resource", "NotResource"),
    *("Principal", "NotPrincipal", "Condition", "StringEquals", "Null", "aws:username"),
)
fields = st.sampled_from(FIELDS)
near_documents = st.recursive(
    json_values | st.sampled_from(["Allow", "Deny", "*", "s3:Get", "arn:aws:s3:::x", "2012-10-17", "arn:${:::::${}"]),
    lambda inner: st.dictionaries(fields, inner, max_size=5) | st.lists(inner, max_size=2),
    max_leaves=20,
)


@given(st.one_of(st.text(), near_documents.map(json.dumps), st.integers(1, 3).map(lambda n: "[" * 10 ** (n + 2))))
def test_the_parser_raises_nothing_but_malformed_policy(text: str) -> None:
    for kind in KINDS:
        parsed = None
        with suppress(MalformedPolicy):
            parsed = parse_policy(text, kind=kind)
        if parsed is not None:
            assert len(statement_spans(text)) == len(parsed.statements)
        read_policy(text, kind=kind)


def naive_match(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return naive_match(pattern[1:], text) or (bool(text) and naive_match(pattern, text[1:]))
    return bool(text) and pattern[0] in {"?", text[0]} and naive_match(pattern[1:], text[1:])


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_a_glob_matches_as_its_definition_says(pattern: str, text: str) -> None:
    assert compile_glob(pattern).matches(text) is naive_match(pattern, text)


@given(st.text("ab*?", max_size=6), st.text("ab*", max_size=5), st.lists(st.text("ab", max_size=3), max_size=5))
def test_what_a_glob_covers_it_matches_and_what_it_matches_it_overlaps(
    pattern: str, partial: str, fillings: list[str]
) -> None:
    glob = compile_glob(pattern)
    text = partial
    for filling in fillings:
        text = text.replace("*", filling, 1)
    text = text.replace("*", "")

    if glob.covers(partial):
        assert glob.matches(text)
    if glob.matches(text):
        assert glob.overlaps(partial)
    if "*" not in partial:
        assert glob.covers(partial) is glob.matches(partial) is glob.overlaps(partial)


def test_a_hostile_pattern_takes_no_longer_than_a_plain_one() -> None:
    """With a backtracking matcher this would not end."""
    pattern = "*a" * 60 + "b"

    assert not compile_glob(pattern).matches("a" * 2000)
    assert not compile_glob("*?a" * 60 + "b").matches("a" * 2000)

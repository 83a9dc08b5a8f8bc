"""The parser against documents that nobody would write: it gives a policy or its one named error, and nothing else.

The corpus is every document of the vectors. It is mutated in two ways, as text (bytes lost, doubled, swapped, pieces of
other documents put in) and as a tree (members lost, renamed, moved, replaced by another type). Seeds are fixed and the
number of rounds is bounded, so the run is the same every time; a longer one is a larger `ROUNDS` away.

What is accepted is asked a question too, and looked at by everything else that reads documents: none of it may raise.
"""

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velvetrope.policy import (
    AuthorizationRequest,
    MalformedPolicy,
    PolicyKind,
    PrincipalPolicies,
    evaluate,
    parse_policy,
    read_policy,
    statement_spans,
)
from velvetrope.principals import ANONYMOUS, Principal

KINDS: tuple[PolicyKind, ...] = get_args(PolicyKind)
ROUNDS = 400
ARN = "arn:aws:iam::123456789012:user/alice"
CALLER = Principal("User", "123456789012", ARN, ARN, "AIDAALICEALICEALICE1", "alice")
PIECES = (
    *('"Effect":"Deny"', '"Version":"2012-10-17"', '"Statement":[]', "null", "true", "1e999", "-0", "[]", "{}", '""'),
    *(
        "${aws:username}",
        "${",
        "}",
        "${*}",
        "\\u0000",
        "\\ud800",
        "\ud7ff",
        "*",
        "?",
        ":",
        "arn:aws:s3:::",
        ",",
        "[[[[",
    ),
    *('"ForAllValues:StringLikeIfExists"', '"NumericLessThan"', '"NotPrincipal":"*"', '"Sid":"a b"'),
)
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 10**40, "", "*", "a:b", "${x", "a" * 3000, [], {}, [[]], [None], {"": ""}, ["*", 7]),
    *({"AWS": "*"}, {"StringEquals": {"a": "b"}}, [{"Effect": "Allow"}]),
)


def corpus() -> list[str]:
    found = []
    for name in ("elements", "malformed", "operators"):
        rows = json.loads((Path(__file__).parent / "cases" / f"{name}.json").read_text())["rows"]
        for row in rows:
            if name == "malformed":
                document = row[2]
            elif name == "elements":
                document = {"Version": row[2] or "2012-10-17", "Statement": {"Effect": "Allow", **row[1]}}
            else:
                everything = {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}
                condition = {row[1]: {"test:key": row[2]}}
                document = {"Version": "2012-10-17", "Statement": [{**everything, "Condition": condition}]}
            found.append(document if isinstance(document, str) else json.dumps(document))
    return found


CORPUS = corpus()


def check(text: str, kind: PolicyKind) -> None:
    """Parse `text`; what is accepted is asked and described as well."""
    try:
        policy = parse_policy(text, kind=kind, source="fuzz")
    except MalformedPolicy:
        policy = read_policy(text, kind=kind, source="fuzz")
    else:
        statement_spans(text)
    for caller in (CALLER, ANONYMOUS):
        decision = evaluate(
            AuthorizationRequest(
                caller,
                "s3:GetObject",
                "arn:aws:s3:::a/b",
                "123456789012",
                {"aws:username": ("alice",), "test:key": ("*", "10.0.0.1", "2026-01-01")},
                PrincipalPolicies(identity=(policy,)),
                resource_policy=policy if kind in {"resource", "trust"} else None,
            )
        )
        assert decision.reasons


def altered_text(text: str, chance: random.Random) -> str:
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(text) + 1)
        match chance.randrange(5):
            case 0:
                text = text[:place] + text[place + chance.randint(1, 8) :]
            case 1:
                text = text[:place] + chance.choice(PIECES) + text[place:]
            case 2:
                text = text[:place] + text[place : place + 20] * 2 + text[place + 20 :]
            case 3:
                other = chance.choice(CORPUS)
                start = chance.randrange(len(other) + 1)
                text = text[:place] + other[start : start + 40] + text[place:]
            case _:
                text = text[:place] + chr(chance.choice((0, 9, 34, 92, 123, 125, 0x7F, 0x2028, 0xFFFF))) + text[place:]
    return text


def nodes(tree: Any) -> Iterator[tuple[Any, Any]]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for name, value in items:
        yield tree, name
        yield from nodes(value)


def altered_tree(text: str, chance: random.Random) -> str | None:
    try:
        tree = json.loads(text)
    except ValueError:
        return None
    for _ in range(chance.randint(1, 3)):
        places = list(nodes(tree))
        if not places:
            break
        holder, name = chance.choice(places)
        match chance.randrange(4):
            case 0:
                del holder[name]
            case 1:
                holder[name] = copy.deepcopy(chance.choice(VALUES))
            case 2:
                holder[name] = [holder[name]] * chance.randint(1, 2)
            case _:
                if isinstance(holder, dict):
                    holder[str(chance.choice((name.lower(), f"Not{name}", f"{name}s", "Version", "Id")))] = holder.pop(
                        name
                    )
    return json.dumps(tree)


@pytest.mark.parametrize("kind", KINDS)
def test_documents_that_were_mangled_as_text_raise_nothing_but_the_named_error(kind: PolicyKind) -> None:
    chance = random.Random(f"text {kind}")

    for _ in range(ROUNDS):
        check(altered_text(chance.choice(CORPUS), chance), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_documents_that_were_mangled_as_trees_raise_nothing_but_the_named_error(kind: PolicyKind) -> None:
    chance = random.Random(f"tree {kind}")

    for _ in range(ROUNDS):
        mangled = altered_tree(chance.choice(CORPUS), chance)
        if mangled is not None:
            check(mangled, kind)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = st.sampled_from(
    ["Version", "Id", "Statement", "Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"]
)


@settings(max_examples=300, derandomize=True)
@given(st.dictionaries(MEMBERS, JSON_VALUES, max_size=6), st.sampled_from(KINDS))
def test_any_json_under_the_known_names_raises_nothing_but_the_named_error(
    members: dict[str, Any], kind: PolicyKind
) -> None:
    check(json.dumps(members), kind)
    check(json.dumps({"Version": "2012-10-17", "Statement": [members]}), kind)


@settings(max_examples=300, derandomize=True)
@given(st.text(max_size=200), st.sampled_from(KINDS))
def test_any_text_raises_nothing_but_the_named_error(text: str, kind: PolicyKind) -> None:
    check(text, kind)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 50_000, '{"Statement":' + "[" * 5_000, "9" * 5_000])
def test_documents_that_are_too_deep_or_too_long_raise_nothing_but_the_named_error(text: str) -> None:
    check(text, "identity")

"""The rules, row by row: `cases/*.json` hold the cases of operators, elements, evaluation and malformed documents.

`cases/sentences.json` lists what the pages on evaluation say, and which cases show each sentence.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from velvetrope.policy import (
    AuthorizationRequest,
    MalformedPolicy,
    Policy,
    PolicyKind,
    PrincipalPolicies,
    evaluate,
    parse_policy,
)
from velvetrope.policy.operators import OPERATORS
from velvetrope.principals import ANONYMOUS, Principal, Session, service_principal

ACCOUNT = "123456789012"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONTEXT = {
    "aws:username": ("alice",),
    "aws:securetransport": ("false",),
    "aws:principaltag/team": ("blue",),
    "aws:principaltag/star": ("*",),
    "aws:principaltag/empty": ("",),
    "test:several": ("one", "two"),
    "test:arn": ("arn:aws:sns:us-east-1:123456789012:topic",),
    "test:yes": ("true",),
}
USER = Principal(
    kind="User",
    account_id=ACCOUNT,
    arn=f"arn:aws:iam::{ACCOUNT}:user/staff/alice",
    policy_arn=f"arn:aws:iam::{ACCOUNT}:user/staff/alice",
    unique_id="AIDAALICEALICEALICE1",
    name="alice",
)
CALLERS = {
    "user": USER,
    "role": Principal(
        kind="AssumedRole",
        account_id=ACCOUNT,
        arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/Reader/s1",
        policy_arn=f"arn:aws:iam::{ACCOUNT}:role/app/Reader",
        unique_id="AROAREADERREADERREAD:s1",
        name="Reader",
    ),
    "root": Principal(
        kind="Account",
        account_id=ACCOUNT,
        arn=f"arn:aws:iam::{ACCOUNT}:root",
        policy_arn=f"arn:aws:iam::{ACCOUNT}:root",
        unique_id=ACCOUNT,
    ),
    "federated-user": Principal(
        kind="FederatedUser",
        account_id=ACCOUNT,
        arn=f"arn:aws:sts::{ACCOUNT}:federated-user/bob",
        policy_arn=f"arn:aws:sts::{ACCOUNT}:federated-user/bob",
        unique_id=f"{ACCOUNT}:bob",
        name="bob",
    ),
    "guest": Principal(
        kind="FederatedUser",
        account_id=ACCOUNT,
        arn=f"arn:aws:sts::{ACCOUNT}:federated-user/guest",
        policy_arn=f"arn:aws:sts::{ACCOUNT}:federated-user/guest",
        unique_id=f"{ACCOUNT}:guest",
        name="alice",
        session=Session(NOW, NOW, issuer_arn=USER.arn, issuer_id=USER.unique_id),
    ),
    "lambda": service_principal("lambda.amazonaws.com"),
    "web": Principal("FederatedUser", "", "cognito-identity.amazonaws.com", "", "", "cognito-identity.amazonaws.com"),
    "other-web": Principal("FederatedUser", "", "accounts.google.com", "", "", "accounts.google.com"),
    "anonymous": ANONYMOUS,
}


def load_cases(name: str) -> dict[str, Any]:
    cases: dict[str, Any] = json.loads((Path(__file__).parent / "cases" / f"{name}.json").read_text())
    return cases


def rows(name: str) -> list[Any]:
    return [pytest.param(*row, id=row[0]) for row in load_cases(name)["rows"]]


def parse(document: object, kind: PolicyKind = "identity", source: str = "p") -> Policy:
    return parse_policy(document if isinstance(document, str) else json.dumps(document), kind=kind, source=source)


def ask(
    *policies: Policy, action: str = "test:Do", resource: str = "*", context: dict[str, tuple[str, ...]]
) -> AuthorizationRequest:
    return AuthorizationRequest(USER, action, resource, ACCOUNT, context, PrincipalPolicies(identity=policies))


@pytest.mark.parametrize(("says", "operator", "values", "given", "holds"), rows("operators"))
def test_operator(says: str, operator: str, values: object, given: list[str] | None, holds: bool) -> None:
    condition = {operator: {"test:key": values}}
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    allowing = parse({"Version": "2012-10-17", "Statement": {**everything, "Condition": condition}})
    denying = parse(
        {"Version": "2012-10-17", "Statement": [everything, {**everything, "Effect": "Deny", "Condition": condition}]}
    )
    context = dict(CONTEXT) if given is None else {**CONTEXT, "test:key": tuple(given)}

    assert evaluate(ask(allowing, context=context)).allowed is holds
    assert evaluate(ask(denying, context=context)).allowed is not holds


@pytest.mark.parametrize(("says", "statement", "version", "action", "resource", "matches"), rows("elements"))
def test_element(
    says: str, statement: dict[str, object], version: str | None, action: str, resource: str, matches: bool
) -> None:
    document: dict[str, object] = {"Statement": {"Effect": "Allow", **statement}}
    if version is not None:
        document["Version"] = version

    decision = evaluate(ask(parse(document), action=action, resource=resource, context=CONTEXT))

    assert decision.allowed is matches


@pytest.mark.parametrize(("says", "kind", "document", "message"), rows("malformed"))
def test_malformed_document_is_refused(says: str, kind: PolicyKind, document: object, message: str) -> None:
    with pytest.raises(MalformedPolicy) as refused:
        parse(document, kind)

    assert refused.value.message == message


@pytest.mark.parametrize(
    ("page", "says", "cases"), [pytest.param(*r, id=r[1]) for r in load_cases("sentences")["rows"]]
)
def test_each_sentence_is_shown_by_cases(page: str, says: str, cases: list[str]) -> None:
    known = {row[0] for name in ("operators", "elements", "evaluation") for row in load_cases(name)["rows"]}

    assert cases
    assert set(cases) <= known


def test_each_case_of_evaluation_and_elements_shows_a_sentence() -> None:
    shown = {case for row in load_cases("sentences")["rows"] for case in row[2]}

    assert {row[0] for name in ("elements", "evaluation") for row in load_cases(name)["rows"]} <= shown


def test_each_operator_has_a_case_of_yes_and_of_no_in_every_form() -> None:
    seen = {(row[1], row[4]) for row in load_cases("operators")["rows"]}
    forms = ("{}", "{}IfExists", "ForAllValues:{}", "ForAnyValue:{}")
    wanted = {
        (form.format(name), holds)
        for name in OPERATORS
        for form in (forms if name != "Null" else forms[:1])
        for holds in (True, False)
    }

    assert wanted <= seen


def test_no_two_cases_say_the_same() -> None:
    for name in ("operators", "elements", "evaluation", "malformed", "sentences"):
        says = [row[1 if name == "sentences" else 0] for row in load_cases(name)["rows"]]
        assert len(says) == len(set(says)), name


def _statement(text: str, whom: dict[str, Any], *, trust: bool) -> dict[str, object]:
    effect, _, to = text.partition(" to ")
    out: dict[str, object] = {"Effect": effect, "Action": "sts:AssumeRole" if trust else "test:Do"}
    if not trust:
        out["Resource"] = "*"
    if to.startswith("all but "):
        merged: dict[str, list[str]] = {}
        for name in to.removeprefix("all but ").split():
            for kind, value in whom[name].items():
                merged.setdefault(kind, []).append(value)
        out["NotPrincipal"] = merged
    elif to:
        out["Principal"] = whom[to]
    return out


@pytest.mark.parametrize(("says", "given", "outcome", "because"), rows("evaluation"))
def test_evaluation(says: str, given: dict[str, Any], outcome: str, because: str) -> None:
    whom = load_cases("evaluation")["whom"]
    trust = "trust" in given

    def policy(statements: list[str], kind: PolicyKind) -> Policy:
        listed = [_statement(text, whom, trust=trust) for text in statements]
        if not listed:
            # A silent policy: it speaks of something else.
            other: dict[str, object] = {"Effect": "Allow", "Action": "other:Do", "Resource": "*"}
            listed = [other | ({"Principal": "*"} if kind == "resource" else {})]
        elif kind not in {"resource", "trust"} and trust:
            listed = [statement | {"Resource": "*"} for statement in listed]
        return parse({"Version": "2012-10-17", "Statement": listed}, kind)

    session = given.get("session")
    request = AuthorizationRequest(
        principal=CALLERS[given["caller"]],
        action="sts:AssumeRole" if trust else "test:Do",
        resource="arn:aws:test:::thing",
        resource_account_id="999999999999" if given.get("account") == "other" else ACCOUNT,
        context=CONTEXT,
        policies=PrincipalPolicies(
            identity=tuple(policy(p, "identity") for p in given.get("identity", ())),
            boundary=policy(given["boundary"], "boundary") if "boundary" in given else None,
            session=None if session is None else tuple(policy(p, "session") for p in session),
        ),
        resource_policy=(
            policy(given["trust"], "trust")
            if trust
            else policy(given["resource"], "resource")
            if "resource" in given
            else None
        ),
        resource_policy_must_allow=trust,
    )

    decision = evaluate(request)

    assert decision.outcome == outcome
    assert decision.because == because.replace("test:Do", request.action)
    assert (decision.decided_by is None) is (
        outcome == "implicitDeny" or (CALLERS[given["caller"]].is_root and not because)
    )
    assert len(decision.reasons) == 1 + len(decision.policies)

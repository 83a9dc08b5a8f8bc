"""A policy document read for a person: what it says in plain words, and what is wrong with it, line by line.

    report = check_document(text, kind="identity", catalogue=catalogue)
    report.findings        # errors and warnings by line
    report.explanations    # one sentence for each statement

The document is read as IAM reads it (`policy.documents`); what IAM would refuse is an error, told where it stands, and
the statements that it would not refuse are checked all the same. Then each rule looks at each statement:

- `actions`: actions and services that do not exist;
- `resources`: resources that can never be those of the actions;
- `breadth`: grants that are wider than anybody means;
- `conditions`: keys that no request has, values that are not read as meant;
- `reach`: statements that can never decide.

What services have is handed in (`catalogue`); what callers have is `policy.context`'s word.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from velvetrope.policy.documents import parse_policy
from velvetrope.policy.errors import MalformedPolicy
from velvetrope.policy.lint.actions import check_actions, unchecked_services
from velvetrope.policy.lint.breadth import check_breadth
from velvetrope.policy.lint.catalogue import ANYTHING, Catalogue, ServiceFacts
from velvetrope.policy.lint.conditions import check_conditions
from velvetrope.policy.lint.explanation import explain
from velvetrope.policy.lint.findings import Finding, Severity
from velvetrope.policy.lint.reach import check_reach
from velvetrope.policy.lint.resources import check_resources
from velvetrope.policy.lint.subjects import Subject
from velvetrope.policy.positions import Path, Position, value_positions
from velvetrope.policy.statements import PolicyKind

__all__ = ["ANYTHING", "Catalogue", "Explanation", "Finding", "Report", "ServiceFacts", "Severity", "check_document"]

_TOP = Position(1, 1)
_CURRENT = "2012-10-17"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one statement says."""

    position: Position
    sentence: str


@dataclass(frozen=True, slots=True)
class Report:
    """All that there is to say about a document."""

    findings: tuple[Finding, ...]
    """By line and column."""
    explanations: tuple[Explanation, ...]
    unchecked_services: tuple[str, ...]
    """Services whose actions, resources and keys are not known here, so nothing was said about them."""


def check_document(text: str, *, kind: PolicyKind, catalogue: Catalogue) -> Report:
    """What there is to say about `text` as a policy of that kind. Never raises."""
    if kind == "resource":
        # API Gateway's abbreviation, which it completes with its own API before the policy is read.
        text = text.replace('"execute-api:/', '"arn:aws:execute-api:*:*:*/')
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        at = Position(error.lineno, error.colno) if isinstance(error, json.JSONDecodeError) else _TOP
        return Report((Finding("error", "malformed", at, f"this is not JSON: {error}"),), (), ())
    places = value_positions(text)
    findings = list(_refusal_of(text, kind, document, places))
    subjects, refusals = _statements(document, kind, places)
    # The whole is refused for the sake of its statements; each of those says it better.
    findings = [*refusals] or findings
    findings += _check_version(document, subjects, places)
    for subject in subjects:
        findings += check_actions(subject, catalogue)
        findings += check_resources(subject, catalogue)
        findings += check_breadth(subject)
        findings += check_conditions(subject, catalogue)
        findings += check_reach(subject, subjects)
    findings.sort(key=lambda finding: (finding.position.line, finding.position.column))
    unchecked = {service for subject in subjects for service in unchecked_services(subject, catalogue)}
    explanations = tuple(Explanation(subject.position, explain(subject)) for subject in subjects)
    return Report(tuple(findings), explanations, tuple(sorted(unchecked)))


def _refusal_of(text: str, kind: PolicyKind, document: object, places: Mapping[Path, Position]) -> Iterator[Finding]:
    """What IAM has against the document as a whole."""
    try:
        parse_policy(text, kind=kind)
    except MalformedPolicy as refusal:
        yield _malformed(refusal, document, (), places)


def _statements(
    document: object, kind: PolicyKind, places: Mapping[Path, Position]
) -> tuple[list[Subject], list[Finding]]:
    """The statements that stand by themselves, and what is wrong with the others."""
    if not isinstance(document, dict) or "Statement" not in document:
        return [], []
    given = document["Statement"]
    paths: list[Path] = [("Statement", n) for n in range(len(given))] if isinstance(given, list) else [("Statement",)]
    subjects, refusals = [], []
    for number, path in enumerate(paths, start=1):
        statement = given[number - 1] if isinstance(given, list) else given
        alone = {"Version": document.get("Version", "2008-10-17"), "Statement": statement}
        try:
            policy = parse_policy(json.dumps(alone), kind=kind)
        except MalformedPolicy as refusal:
            refusals.append(_malformed(refusal, statement, path, places))
            continue
        subjects.append(Subject(number, policy.statements[0], policy, statement, path, places))
    return subjects, refusals


def _malformed(refusal: MalformedPolicy, given: object, path: Path, places: Mapping[Path, Position]) -> Finding:
    """The refusal, at the value that its detail quotes, or at the whole."""
    quoted = [(len(value), inside) for inside, value in _texts(given, path) if value and value in refusal.detail]
    place = max(quoted, key=lambda found: found[0])[1] if quoted else path
    number = path[1] + 1 if len(path) > 1 and isinstance(path[1], int) else 1
    detail = refusal.detail.replace("statement 1", f"statement {number}", 1)
    message = f"{refusal.message} ({detail})" if detail else refusal.message.removesuffix(".")
    return Finding("error", "malformed", places.get(place, _TOP), f"IAM refuses this: {message}")


def _texts(value: object, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _texts(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))


def _check_version(document: object, subjects: list[Subject], places: Mapping[Path, Position]) -> Iterator[Finding]:
    if not isinstance(document, dict) or document.get("Version") == _CURRENT or not subjects:
        return
    place = places.get(("Version",), places[()])
    which = "Version is missing" if "Version" not in document else "this Version has no policy variables"
    literal = [
        (places[path], value)
        for subject in subjects
        for path, value in _texts(dict(subject.given), subject.path)
        if "${" in value
    ]
    for position, value in literal:
        message = f"{which}, so {value} is taken letter by letter and not filled in; set Version to {_CURRENT}"
        yield Finding("error", "literal-variable", position, message)
    if not literal:
        message = f"{which}; managed policies must have Version {_CURRENT}"
        yield Finding("warning", "old-version", place, message)

"""Policy documents: JSON text in, a compiled `Policy` out, or AWS's own sentence about what is wrong with it.

Two doors:

- `parse_policy` is for a document that somebody wants kept or applied now. It refuses everything that it does not
  fully understand.
- `read_policy` is for a document that was kept before. It never raises: a condition that is not understood holds in a
  Deny and not in an Allow, and a document that cannot be read at all denies everything.

The checks run in the order in which AWS reports them. Identity, boundary and session policies get the older sentences
(`Syntax errors in policy.`), trust and resource policies the newer ones (`Unknown field X`), as AWS does. Sizes are the
service's rule, and so is asking for version 2012-10-17.

Sources: IAM User Guide, "Grammar of the IAM JSON policy language", "IAM JSON policy elements"; texts as collected in
the project's reference notes.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NoReturn

from velvetrope.policy.actions import ActionElement, compile_actions
from velvetrope.policy.conditions import Condition, compile_condition
from velvetrope.policy.errors import MalformedPolicy
from velvetrope.policy.principal_elements import PrincipalElement, compile_principals
from velvetrope.policy.resources import ResourceElement, compile_resources
from velvetrope.policy.statements import Effect, Element, Policy, PolicyKind, Statement

__all__ = ["MalformedPolicy", "Policy", "PolicyKind", "parse_policy", "read_policy"]

_VERSIONS = ("2012-10-17", "2008-10-17")
_DOCUMENT_FIELDS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_FIELDS = frozenset(
    {
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    }
)
_PLAIN_SID = re.compile(r"[0-9A-Za-z]*")
_SYNTAX = "Syntax errors in policy."


class _Number(str):
    """A JSON number as it was written: fit for a condition's value and for nothing else."""

    __slots__ = ()


def parse_policy(text: str, *, kind: PolicyKind, source: str = "") -> Policy:
    """The policy that `text` states.

    Raises:
        MalformedPolicy: it is not one, or holds something that we do not support. The message is AWS's.
    """
    return _Reader(kind, source, strict=True).policy(text)


@lru_cache(maxsize=1024)
def read_policy(text: str, *, kind: PolicyKind, source: str = "") -> Policy:
    """The policy that a stored `text` states; one that denies everything if it states none."""
    try:
        return _Reader(kind, source, strict=False).policy(text)
    except MalformedPolicy:
        return _deny_everything(kind, source, text)


def _deny_everything(kind: PolicyKind, source: str, text: str) -> Policy:
    statement: dict[str, object] = {"Sid": "Unreadable", "Effect": "Deny", "Action": "*"}
    if kind in {"resource", "trust"}:
        # Built as a resource policy, which may deny everybody everything; trust policies have no words for that.
        statement |= {"Principal": "*", "Resource": "*"}
        policy = _Reader("resource", source, strict=True).compiled({"Statement": statement}, text)
    else:
        policy = _Reader(kind, source, strict=True).compiled({"Statement": statement | {"Resource": "*"}}, text)
    return Policy(kind, source, text, "", "", policy.statements)


class _Reader:
    """Reads one document. `strict` is the difference between the two doors."""

    def __init__(self, kind: PolicyKind, source: str, *, strict: bool) -> None:
        self._kind: PolicyKind = kind
        self._source = source
        self._strict = strict
        self._names_principals = kind in {"resource", "trust"}

    def policy(self, text: str) -> Policy:
        return self.compiled(self._json(text), text)

    def compiled(self, document: object, text: str) -> Policy:
        if not isinstance(document, dict):
            raise MalformedPolicy(_SYNTAX, detail="the document is not an object")
        self._check_fields(document, _DOCUMENT_FIELDS)
        version = document.get("Version", "2008-10-17")
        if version not in _VERSIONS:
            raise MalformedPolicy(_SYNTAX, detail="Version is neither 2012-10-17 nor 2008-10-17")
        policy_id = document.get("Id", "")
        if not isinstance(policy_id, str) or isinstance(policy_id, _Number):
            raise MalformedPolicy(_SYNTAX, detail="Id is not text")
        given = document.get("Statement")
        listed = given if isinstance(given, list) else [given]
        if not listed:
            raise MalformedPolicy(_SYNTAX, detail="there is no statement")
        statements = tuple(
            self._statement(statement, index, variables=version == "2012-10-17")
            for index, statement in enumerate(listed, start=1)
        )
        sids = [statement.sid for statement in statements if statement.sid]
        if len(set(sids)) != len(sids):
            raise MalformedPolicy("Statement IDs (SID) in a single policy must be unique.")
        return Policy(self._kind, self._source, text, str(version), str(policy_id), statements)

    def _json(self, text: str) -> object:
        try:
            return json.loads(
                text,
                object_pairs_hook=_without_duplicates,
                parse_int=_Number,
                parse_float=_Number,
                parse_constant=_refuse_constant,
            )
        except (ValueError, RecursionError) as err:
            message = "This policy contains invalid Json" if self._names_principals else _SYNTAX
            raise MalformedPolicy(message, detail=f"the document cannot be read: {err}") from None

    def _check_fields(self, given: Mapping[str, object], known: frozenset[str]) -> None:
        for name in given:
            if name not in known:
                message = f"Unknown field {name}" if self._names_principals else _SYNTAX
                raise MalformedPolicy(message, detail=f"{name} is not a field")

    def _statement(self, given: object, index: int, *, variables: bool) -> Statement:
        where = f"statement {index}"
        if not isinstance(given, dict):
            raise MalformedPolicy(_SYNTAX, detail=f"{where} is not an object")
        self._check_fields(given, _STATEMENT_FIELDS)
        effect = _effect(given.get("Effect"), where)
        sid = self._sid(given.get("Sid"), where)
        principal = self._principal(given, effect, where)
        action = self._action(given, where)
        resource = self._resource(given, where, variables=variables)
        conditions = self._conditions(given.get("Condition", {}), where, variables=variables)
        further: tuple[Element | None, ...] = (resource, principal, *conditions)
        return Statement(
            self._source,
            self._kind,
            index,
            sid,
            effect,
            action,
            resource,
            principal,
            conditions,
            tuple(element for element in further if element is not None),
        )

    def _sid(self, given: object, where: str) -> str | None:
        if given is None:
            return None
        if not isinstance(given, str) or isinstance(given, _Number):
            raise MalformedPolicy(_SYNTAX, detail=f"{where}: Sid is not text")
        if not self._names_principals and _PLAIN_SID.fullmatch(given) is None:
            raise MalformedPolicy(
                "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression "
                "[0-9A-Za-z]*",
                detail=where,
            )
        return given or None

    def _principal(self, given: Mapping[str, object], effect: Effect, where: str) -> PrincipalElement | None:
        named, spared = "Principal" in given, "NotPrincipal" in given
        if not self._names_principals:
            if named or spared:
                raise MalformedPolicy("Policy document should not specify a principal.", detail=where)
            return None
        if spared and self._kind == "trust":
            raise MalformedPolicy("Has prohibited field NotPrincipal.", detail=where)
        if spared and effect == "Allow":
            # IAM User Guide, NotPrincipal: using it with "Effect": "Allow" is not supported.
            raise MalformedPolicy(_SYNTAX, detail=f"{where}: NotPrincipal with Allow")
        if named == spared:
            raise MalformedPolicy("Missing required field Principal", detail=where)
        value = given["NotPrincipal" if spared else "Principal"]
        return compile_principals(value, negated=spared, trust=self._kind == "trust")

    def _action(self, given: Mapping[str, object], where: str) -> ActionElement:
        values, negated = self._either(given, "Action", "NotAction", where)
        if not values:
            raise MalformedPolicy("Policy statement must contain actions.", detail=where)
        element = compile_actions(values, negated=negated)
        if self._kind == "trust" and (negated or not all(value.lower().startswith("sts:") for value in values)):
            raise MalformedPolicy("AssumeRole policy may only specify STS AssumeRole actions.", detail=where)
        return element

    def _resource(self, given: Mapping[str, object], where: str, *, variables: bool) -> ResourceElement | None:
        if self._kind == "trust":
            for name in ("Resource", "NotResource"):
                if name in given:
                    raise MalformedPolicy(f"Has prohibited field {name}.", detail=where)
            return None
        values, negated = self._either(given, "Resource", "NotResource", where)
        if not values:
            raise MalformedPolicy("Policy statement must contain resources.", detail=where)
        return compile_resources(values, negated=negated, variables=variables)

    def _either(self, given: Mapping[str, object], name: str, negated: str, where: str) -> tuple[tuple[str, ...], bool]:
        if name in given and negated in given:
            raise MalformedPolicy(_SYNTAX, detail=f"{where} has both {name} and {negated}")
        chosen = negated if negated in given else name
        if chosen not in given:
            return (), False
        return _texts(given[chosen], f"{where}: {chosen}", numbers=False), chosen == negated

    def _conditions(self, given: object, where: str, *, variables: bool) -> tuple[Condition, ...]:
        if not isinstance(given, dict):
            raise MalformedPolicy(_SYNTAX, detail=f"{where}: Condition is not an object")
        out = []
        for operator, block in given.items():
            if not isinstance(block, dict):
                raise MalformedPolicy(_SYNTAX, detail=f"{where}: Condition {operator} is not an object")
            for key, values in block.items():
                if ":" not in key:
                    raise MalformedPolicy(
                        "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.", detail=key
                    )
                texts = _texts(values, f"{where}: {operator} {key}", numbers=True)
                if not texts:
                    # An empty list of alternatives can never be met, which would switch a Deny off.
                    raise MalformedPolicy(_SYNTAX, detail=f"{where}: {operator} {key} has no value")
                out.append(compile_condition(operator, key, texts, variables=variables, strict=self._strict))
        return tuple(out)


def _effect(given: object, where: str) -> Effect:
    if given == "Allow":
        return "Allow"
    if given == "Deny":
        return "Deny"
    raise MalformedPolicy(_SYNTAX, detail=f"{where}: Effect is neither Allow nor Deny")


def _texts(given: object, where: str, *, numbers: bool) -> tuple[str, ...]:
    out = []
    for value in given if isinstance(given, list) else [given]:
        if numbers and isinstance(value, bool):
            out.append("true" if value else "false")
        elif isinstance(value, str) and (numbers or not isinstance(value, _Number)):
            out.append(str(value))
        else:
            raise MalformedPolicy(_SYNTAX, detail=f"{where} has a value of the wrong type")
    return tuple(out)


def _without_duplicates(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    out: dict[str, object] = {}
    for name, value in pairs:
        if name in out:
            raise ValueError(f"{name} is given twice")
        out[name] = value
    return out


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("not JSON")

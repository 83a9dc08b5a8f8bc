"""The Resource and NotResource elements.

A value is `*` or an ARN of six parts. Case counts. `*` and `?` act inside a part; in the sixth they also run over `/`
and `:`. Whether AWS lets a star in an earlier part run over a colon is not documented; we do not, and a value that
counts on it (fewer than six parts, or no account where it belongs) is refused when saved, unless its last part is `*`,
which stands for all the parts that are missing.

Variables act in the sixth part only, and not in documents of version 2008-10-17. One that stays unresolved matches no
resource, in NotResource too.

Source: IAM User Guide, "IAM JSON policy elements: Resource", "NotResource", "Variables and tags".
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from velvetrope.policy.errors import MalformedPolicy
from velvetrope.policy.globs import Glob, compile_glob, glob_of
from velvetrope.policy.listing import listed
from velvetrope.policy.requests import Facts
from velvetrope.policy.variables import Template, literal_template, parse_template

__all__ = ["ResourceElement", "ResourcePattern", "compile_resources"]

_PARTITIONS = frozenset({"aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-eusc", "*"})
_SERVICE = re.compile(r"[a-z0-9\-.]+")
_ACCOUNT = re.compile(r"[0-9*?]*|aws|aws-marketplace|amazon|cloudfront")
_LEGACY = "The policy failed legacy parsing"


@dataclass(frozen=True, slots=True)
class ResourcePattern:
    """One value of the element."""

    text: str
    head: tuple[Glob, ...]
    """The first five parts; empty for `*`."""
    tail: Template
    matches: Callable[[Facts], bool]

    def covers(self, facts: Facts) -> bool:
        """Whether all that a partial resource may be matches."""
        return self._compare(facts, Glob.covers, whole=False)

    def overlaps(self, facts: Facts) -> bool:
        """Whether anything that a partial resource may be matches."""
        return self._compare(facts, Glob.overlaps, whole=True)

    def _compare(self, facts: Facts, compare: Callable[[Glob, str], bool], *, whole: bool) -> bool:
        if not self.head:
            return True
        if facts.resource == "*":
            return whole
        tail = self.tail.resolve(facts.context)
        if tail is None or len(facts.resource_parts) != 6:
            return False
        globs = (*self.head, glob_of(tail))
        return all(compare(glob, part) for glob, part in zip(globs, facts.resource_parts, strict=True))


@dataclass(frozen=True, slots=True)
class ResourceElement:
    """The resources that a statement names."""

    patterns: tuple[ResourcePattern, ...]
    negated: bool

    def holds(self, facts: Facts, *, denies: bool) -> bool:
        """Whether the statement is about the resource that was asked for."""
        if facts.partial:
            # A Deny must be found as soon as it might apply, an Allow only when it is sure to.
            if denies is not self.negated:
                return any(pattern.overlaps(facts) for pattern in self.patterns) is not self.negated
            return any(pattern.covers(facts) for pattern in self.patterns) is not self.negated
        for pattern in self.patterns:
            if pattern.matches(facts):
                return not self.negated
        return self.negated

    def describe(self, facts: Facts) -> str:  # noqa: ARG002  the resource that was asked for is told already
        return f"its {'NotResource' if self.negated else 'Resource'} is {listed([p.text for p in self.patterns])}"


def compile_resources(values: tuple[str, ...], *, negated: bool, variables: bool) -> ResourceElement:
    """The element with these values; `variables` is whether the document's version has them.

    Raises:
        MalformedPolicy: a value is not an ARN or `*`, in AWS's words for what is wrong with it.
    """
    return ResourceElement(tuple(_compile_pattern(value, variables=variables) for value in values), negated)


def _compile_pattern(value: str, *, variables: bool) -> ResourcePattern:
    if value == "*":
        return ResourcePattern(value, (), literal_template("*", wildcards=True), lambda _facts: True)
    parts = _checked_parts(value)
    if variables:
        if any("${" in part for part in parts[:5]):
            raise MalformedPolicy(_LEGACY, detail=f"{value}: variables act after the fifth colon")
        tail = parse_template(parts[5], wildcards=True)
        if tail is None:
            raise MalformedPolicy(_LEGACY, detail=f"{value}: the variable is not understood")
    else:
        tail = literal_template(parts[5], wildcards=True)
    head = tuple(compile_glob(part) for part in parts[:5])
    return ResourcePattern(value, head, tail, _matcher(parts[:5], head, tail))


def _matcher(head_texts: list[str], head: tuple[Glob, ...], tail: Template) -> Callable[[Facts], bool]:
    """The quickest way to match. With five literal parts in front, one pattern over the whole text does the same."""
    if tail.static is not None:
        if not any("*" in text or "?" in text for text in head_texts):
            whole = glob_of((":".join(head_texts) + ":", *tail.static)).matches
            return lambda facts: whole(facts.resource)
        last = glob_of(tail.static).matches

        def matches_by_part(facts: Facts) -> bool:
            parts = facts.resource_parts
            return len(parts) == 6 and all(g.matches(p) for g, p in zip(head, parts, strict=False)) and last(parts[5])

        return matches_by_part

    def matches_with_variables(facts: Facts) -> bool:
        parts = facts.resource_parts
        if len(parts) != 6 or not all(g.matches(p) for g, p in zip(head, parts, strict=False)):
            return False
        tokens = tail.resolve(facts.context)
        return tokens is not None and glob_of(tokens).matches(parts[5])

    return matches_with_variables


def _checked_parts(value: str) -> list[str]:
    parts = value.split(":", 5)
    if parts[0] != "arn" or len(parts) == 1:
        raise MalformedPolicy(f'Resource {value} must be in ARN format or "*".', detail=value)
    padded = parts + ["*"] * (6 - len(parts))
    if parts[1] not in _PARTITIONS:
        shown = ":".join([part or "*" for part in padded[2:5]] + [padded[5]])
        raise MalformedPolicy(
            f'Partition "{parts[1]}" is not valid for resource "arn:{parts[1]}:{shown}".', detail=value
        )
    if len(parts) < 3 or _SERVICE.fullmatch(parts[2]) is None:
        raise MalformedPolicy("Resource vendor must be fully qualified and cannot contain regexes.", detail=value)
    if len(parts) < 6 and (len(parts) < 4 or parts[-1] != "*"):
        raise MalformedPolicy(_LEGACY, detail=f"{value} has {len(parts)} of six parts")
    if _ACCOUNT.fullmatch(padded[4]) is None and "${" not in padded[4]:
        # It counts on a star before it to run over a colon: arn:aws:lambda:*:function:name.
        raise MalformedPolicy(_LEGACY, detail=f"{value}: the fifth part is no account")
    if parts[2] == "s3" and padded[3] not in {"", "*"}:
        raise MalformedPolicy(f"Resource {value} can not contain region information.", detail=value)
    if parts[2] == "iam" and padded[3] not in {"", "*"}:
        raise MalformedPolicy(f"IAM resource {value} cannot contain region information.", detail=value)
    return padded

"""Can the resources ever be those of the actions: an ARN of another service or type matches nothing.

A resource is held against the ARN patterns of every action of its statement. Two patterns meet if some ARN fits both;
policy variables may become anything. Statements with an action that we know nothing of are left alone.

Source: Service Authorization Reference, resource types.
"""

from collections.abc import Iterator

from velvetrope.policy.globs import ANY_RUN, glob_of
from velvetrope.policy.lint.actions import actions_named_by
from velvetrope.policy.lint.catalogue import ANYTHING, Catalogue
from velvetrope.policy.lint.findings import Finding
from velvetrope.policy.lint.subjects import Subject
from velvetrope.policy.resources import ResourcePattern
from velvetrope.policy.variables import Variable

__all__ = ["check_resources"]


def check_resources(subject: Subject, catalogue: Catalogue) -> Iterator[Finding]:
    """Resources that no action of the statement takes, and actions that take none of its resources."""
    element = subject.statement.resource
    if element is None or element.negated or subject.statement.action.negated or "*" in subject.actions:
        return
    named = {value: actions_named_by(value, catalogue) for value in subject.actions}
    known = [resources for actions in named.values() for _, resources in actions]
    if None not in known and known:
        for pattern in element.patterns:
            if not any(_meet(pattern, resource) for resources in known for resource in resources or ()):
                message = f"{pattern.text}: no action of this statement takes such a resource, so it matches nothing"
                yield Finding("error", "resource-never-matches", subject.place_of("Resource", pattern.text), message)
    for value, actions in named.items():
        if not actions or any(
            resources is None or any(_meet(pattern, resource) for pattern in element.patterns for resource in resources)
            for _, resources in actions
        ):
            continue
        takes = sorted({resource for _, resources in actions for resource in resources or ()})
        verb = "allows" if subject.allows else "denies"
        message = f"{value}: takes {_listed(takes)} and none of this statement's resources, which {verb} nothing"
        yield Finding("warning", "action-without-resource", subject.place_of("Action", value), message)


def _meet(pattern: ResourcePattern, resource: str) -> bool:
    """Whether some resource fits both."""
    if not pattern.head:
        return True
    if resource == ANYTHING:
        return False
    tail = glob_of(ANY_RUN if isinstance(part, Variable) else part for part in pattern.tail.parts)
    parts = resource.split(":", 5)
    return all(glob.overlaps(part) for glob, part in zip((*pattern.head, tail), parts, strict=True))


def _listed(texts: list[str]) -> str:
    if texts == [ANYTHING]:
        return 'Resource "*" only'
    return ", ".join(texts[:2]) + (" and others" if len(texts) > 2 else "")
